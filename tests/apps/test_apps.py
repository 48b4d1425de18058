"""The scene editor in real servers, driven by a real Chromium: JupyterLab, Notebook 7, Voilà and marimo.

Each opens the page of `nbs/apps` once, an object is moved, and the answer changes. A machine without Chromium or one of
the servers skips what needs it. EAGLE_SCREENSHOTS=folder keeps what is on the screen."""
import importlib.util
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

from test_browser import CONNECTED, ERROR, ROOT, SLOW, Lab, browser, sync_api   # the rules of skipping, too

pytestmark = pytest.mark.timeout(300)
expect = sync_api.expect
PAGE = "nbs/apps/scene_editor.ipynb"
QUICK = "regions=9, budget=20"   # a search of a moment


def cell():
    "The code of the page, with a short search."
    code = nbformat.read(ROOT/PAGE, 4).cells[-1].source
    assert 'device="cpu"))' in code, "the page has changed: mend this test"
    return code.replace('device="cpu"))', f'device="cpu"), {QUICK})')


class NotebookServer(Lab):
    "A Jupyter server that shows the page in JupyterLab or in Notebook 7."
    module, open_at = "jupyterlab", "lab/tree"

    def command(self):
        return [word if word != "jupyterlab" else self.module for word in super().command()]

    def write(self):
        nb = nbformat.read(ROOT/PAGE, 4)
        nb.cells[-1].source, nb.cells[-1].outputs = cell(), []
        nbformat.write(nb, self.root/"page.ipynb")

    def show(self, page):
        self.write()
        page.goto(f"{self.url}/{self.open_at}/page.ipynb?token={self.token}")
        page.wait_for_function(CONNECTED)
        page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")


class Notebook7(NotebookServer):
    module, open_at = "notebook", "notebooks"

    def command(self):
        return [w for w in super().command() if "LabApp" not in w] + ["--JupyterNotebookApp.expose_app_in_browser=True"]


class Voila(NotebookServer):
    def command(self):
        self.write()
        return [sys.executable, "-m", "voila", str(self.root/"page.ipynb"), "--no-browser",
                f"--port={self.url.rpartition(':')[2]}", "--Voila.ip=127.0.0.1"]

    def until_up(self): wait_for(self)
    def show(self, page): page.goto(self.url)
    def end_kernels(self): pass


class Marimo(NotebookServer):
    def command(self):
        page = self.root/"page.py"
        indented = "\n".join("    " + line for line in cell().splitlines())
        page.write_text(f"import marimo\napp = marimo.App()\n\n@app.cell\ndef _():\n{indented}\n    return\n")
        return [sys.executable, "-m", "marimo", "run", str(page), "--headless", "--no-token", "--host=127.0.0.1",
                f"--port={self.url.rpartition(':')[2]}"]

    def until_up(self): wait_for(self)
    def show(self, page): page.goto(self.url)
    def end_kernels(self): pass


def wait_for(server):
    "Until a server without Jupyter's API answers."
    end = time.monotonic() + 90
    while True:
        running = server.process.poll() is None and time.monotonic() < end
        assert running, (server.folder/"lab.log").read_text()[-3000:]
        try: return urllib.request.urlopen(server.url if isinstance(server, Marimo) else f"{server.url}/static/", timeout=5).close()
        except urllib.error.HTTPError: return
        except OSError: time.sleep(.2)


SERVERS = {"jupyterlab": NotebookServer, "notebook": Notebook7, "voila": Voila, "marimo": Marimo}


@pytest.fixture(scope="module", params=SERVERS)
def editor(request, browser, tmp_path_factory):
    "The page in one of the servers, opened once."
    if importlib.util.find_spec(request.param) is None: pytest.skip(f"no {request.param} here: pip install {request.param}")
    server = SERVERS[request.param](tmp_path_factory.mktemp(request.param))
    try:
        server.until_up()
        yield from opened(server, browser, request.param)
    finally: server.stop()


def opened(server, browser, name):
    page = browser.new_page(viewport=dict(width=1400, height=1500))
    page.set_default_timeout(SLOW)
    page.errors, page.name = [], name
    page.on("pageerror", lambda e: page.errors.append(str(e)))
    server.show(page)
    root = page.locator(".eagle-editor")
    try:
        expect(root.or_(page.locator(ERROR)).first).to_be_visible(timeout=SLOW)
        assert page.locator(ERROR).all_inner_texts() == []
        page.errors.clear() # what a server reports while it opens is its own
        yield page
    finally:
        screenshot(page, "end")
        page.close()


def screenshot(page, name):
    if folder := os.environ.get("EAGLE_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/editor-{page.name}-{name}.png", full_page=True)


def at(page, name):
    "Left and top of an object in pixels of the scene, as its label says."
    label = page.locator(f".se-object[data-name={name}]").get_attribute("aria-label")
    return tuple(map(int, re.search(r"left (\d+), top (\d+)", label).groups()))


def done(page): expect(page.locator(".eagle-editor .ex-status")).to_have_text(re.compile("^done"))


def test_an_object_is_dragged_and_the_answer_changes(editor):
    answer, woman = editor.locator(".se-now"), editor.locator(".se-object[data-name=woman]")
    expect(answer).to_contain_text("woman")
    done(editor)
    screenshot(editor, "start")
    x, y = at(editor, "woman")
    woman.scroll_into_view_if_needed()
    box = woman.bounding_box()
    editor.mouse.move(box["x"] + box["width"]/2, box["y"] + box["height"]/2)
    editor.mouse.down()
    editor.mouse.move(box["x"], box["y"] + box["height"]/2, steps=5)
    editor.mouse.up()
    moved = at(editor, "woman")
    assert moved[0] < x and moved[1] == y
    done(editor)
    editor.get_by_label("Add: handbag").click()
    expect(answer).to_contain_text("handbag")
    expect(editor.locator(".se-before")).to_contain_text("woman")
    expect(editor.locator(".se-pairs .se-p")).to_have_text(re.compile(r"0\.\d{3}|1\.000"))
    assert at(editor, "woman") == moved, "the kernel has the place that was dragged to"
    done(editor)
    expect(editor.locator(".eagle-view .ev-chip").first).to_be_visible()
    screenshot(editor, "added")
    assert editor.errors == []


def test_keys_move_grow_and_delete(editor):
    handbag = editor.locator(".se-object[data-name=handbag]")
    handbag.focus()
    x, y = at(editor, "handbag")
    for key in ("ArrowRight", "ArrowDown", "ArrowDown"): editor.keyboard.press(key)
    dx, dy = (b - a for a, b in zip((x, y), at(editor, "handbag")))
    assert dx > 0 and dy in (2*dx, 0), "two steps down for one to the right, unless it stands on the edge"
    size = lambda: int(re.search(r"size (\d+)", handbag.get_attribute("aria-label"))[1])
    before = size()
    editor.keyboard.press("-")
    assert size() < before
    expect(handbag).to_be_focused()
    editor.keyboard.press("Delete")
    expect(handbag).to_have_count(0)
    expect(editor.locator(".se-object[data-name=woman]")).to_be_focused()
    expect(editor.locator(".se-now")).not_to_contain_text("handbag")
    done(editor)
    assert editor.errors == []
