"The pages of `nbs/apps` in real servers: JupyterLab, Notebook 7, Voilà and marimo."
import importlib.util
import os
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

from test_browser import CONNECTED, ERROR, ROOT, SLOW, Lab, sync_api   # the rules of skipping, too

expect = sync_api.expect


class Server(Lab):
    "A Jupyter server that shows a page, with other settings than its own, in JupyterLab."
    name, module, open_at = "jupyterlab", "jupyterlab", "lab/tree"

    def __init__(self, folder, page, settings):
        self.page, self.settings = ROOT/"nbs"/"apps"/f"{page}.ipynb", settings
        super().__init__(folder)

    def code(self):
        code = nbformat.read(self.page, 4).cells[-1].source
        for old, new in self.settings.items():
            assert code.count(old) == 1, f"{self.page.name} has changed: mend this test"
            code = code.replace(old, new)
        return code

    def command(self): return [self.module if word == "jupyterlab" else word for word in super().command()]

    def write(self):
        nb = nbformat.read(self.page, 4)
        nb.cells[-1].source, nb.cells[-1].outputs = self.code(), []
        nbformat.write(nb, self.root/"page.ipynb")

    def show(self, page):
        self.write()
        page.goto(f"{self.url}/{self.open_at}/page.ipynb?token={self.token}")
        page.wait_for_function(CONNECTED)
        page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")


class Notebook7(Server):
    name, module, open_at = "notebook", "notebook", "notebooks"

    def command(self):
        return [w for w in super().command() if "LabApp" not in w] + ["--JupyterNotebookApp.expose_app_in_browser=True"]


class Plain(Server):
    "A server without Jupyter's API, which shows one page."
    answers_at = ""

    def until_up(self):
        end = time.monotonic() + 90
        while True:
            running = self.process.poll() is None and time.monotonic() < end
            assert running, (self.folder/"lab.log").read_text()[-3000:]
            try: return urllib.request.urlopen(f"{self.url}{self.answers_at}", timeout=5).close()
            except urllib.error.HTTPError: return
            except OSError: time.sleep(.2)

    def port(self): return f"--port={self.url.rpartition(':')[2]}"
    def show(self, page): page.goto(self.url)
    def end_kernels(self): pass


class Voila(Plain):
    name, answers_at = "voila", "/static/"

    def command(self):
        self.write()
        return [sys.executable, "-m", "voila", str(self.root/"page.ipynb"), "--no-browser", self.port(), "--Voila.ip=127.0.0.1"]


class Marimo(Plain):
    name = "marimo"

    def command(self):
        page = self.root/"page.py"
        indented = "\n".join("    " + line for line in self.code().splitlines())
        page.write_text(f"import marimo\napp = marimo.App()\n\n@app.cell\ndef _():\n{indented}\n    return\n")
        return [sys.executable, "-m", "marimo", "run", str(page), "--headless", "--no-token", "--host=127.0.0.1", self.port()]


SERVERS = {s.name: s for s in (Server, Notebook7, Voila, Marimo)}


def opened(name, browser, folder, page, settings, css):
    "A page in one of the servers, until it is done with; `css` is what shows that it has come."
    if importlib.util.find_spec(name) is None: pytest.skip(f"no {name} here: pip install {name}")
    server = SERVERS[name](folder, page, settings)
    shown = browser.new_page(viewport=dict(width=1400, height=1500), accept_downloads=True)
    shown.set_default_timeout(SLOW)
    shown.errors, shown.name, shown.root = [], f"{page}-{name}", shown.locator(css)
    shown.on("pageerror", lambda e: shown.errors.append(str(e)))
    try:
        server.until_up()
        server.show(shown)
        expect(shown.root.or_(shown.locator(ERROR)).first).to_be_visible(timeout=SLOW)
        assert shown.locator(ERROR).all_inner_texts() == []
        shown.errors.clear() # what a server reports while it opens is its own
        yield shown
    finally:
        screenshot(shown, "end")
        shown.close()
        server.stop()


def screenshot(page, name, whole=True):
    if folder := os.environ.get("EAGLE_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/{page.name}-{name}.png", full_page=whole)
