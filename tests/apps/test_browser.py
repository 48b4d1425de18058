"""The panels in a real JupyterLab, driven by a real Chromium: controls turned by keyboard, work cancelled, cells run again.

A machine without Chromium or playwright skips these. EAGLE_SCREENSHOTS=folder keeps what is on the screen."""
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import nbformat
import pytest

from eagle_nb.apps.paper import prepared

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)

if not CHROMIUM: pytest.skip("no Chromium here: apt install chromium", allow_module_level=True)
sync_api = pytest.importorskip(
    "playwright.sync_api", reason="no playwright here: pip install playwright (its own browsers are not needed)")

pytestmark = pytest.mark.timeout(300)
SLOW = 120_000   # milliseconds that a busy machine may take for what needs seconds

DEMO = ["""
import ipywidgets
from eagle_nb import explain, load, scenes
from eagle_nb.apps.panel import Panel
m = load("scenes-llava", dtype="float32", device="cpu")
""", """
def compute(progress, sample, word, regions, search):
    total = 16*regions if search == "fast" else regions*(regions + 1)
    return explain(m, scenes.sample(sample).image, "Describe the image.",
                   target=None if word == "all words" else word, regions=regions, search=search,
                   show_progress=False, callback=lambda s: progress(s["forwards"], total, "forwards"))
def words(sample): return ["all words", *scenes.sample(sample).names]
def figure(e, curve, **values): return e.curve() if curve else e.plot()
def text(e, **values): return e.text()
def numbers(e, **values): return dict(insertion=float(e.insertion.mean()))
controls = dict(sample=[18, 7], word=words, search=["fast", "exact"], regions=(4, 100, 4), curve=False)
panel = Panel(controls, compute, figure, text, numbers, redraw=("curve",), start=dict(regions=8))
panel
""", """
panel.wait()
print("insertion", panel.state()["insertion"] > 0)
""", """
print("widgets", len(ipywidgets.widgets.widget._instances))
"""]


BUSY = ["""
import time
from eagle_nb.apps.panel import Panel
from eagle_nb.explanation import plots
asked, seconds = [], 0
def compute(progress, x, y):
    asked.append(x)
    for k in range(6 if x < 4 else 200):
        time.sleep(.1)
        progress(k, 200, "steps")
    return x
def figure(result, zoom):
    fig = plots.new_figure(7, 1)
    fig.text(.1, .4, f"{result}, {zoom}")
    return fig
controls = dict(x=[1, 2, 3, 4], y=(0, 5), zoom=(1, 3))
panel = Panel(controls, compute, figure, lambda result, zoom: f"it is {result}, {zoom}", start=dict(y=0, zoom=1),
              tips=dict(x="a number that takes <b>long</b>", y="a number that matters little"))
panel
""", """
time.sleep(seconds)
seconds = 5
""", """
print(asked)
"""]


@dataclass
class Page:
    "A notebook that has a panel or a scrubber."
    path: str                    # from the root of the repository; "" for the demonstration of this file
    knob: str                    # the label of a control
    value: str                   # what it is turned to: the text of an option, or of a slider's reading
    settings: dict = field(default_factory=dict)   # other values for settings, besides the small ones of a smoke run
    cells: tuple = tuple(DEMO)   # of a page without a path


PAGES = [Page("", "sample", "7"),
         Page("nbs/paper/method.ipynb", "regions", "9", dict(REGIONS=16)),
         Page("nbs/paper/teaser.ipynb", "word", "cake"),
         Page("nbs/paper/hallucination.ipynb", "repair by", "blur")]
WAITS = Page("", "x", "2", cells=tuple(BUSY))


# --- JupyterLab

QUIET = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
OVERRIDES = {"@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},   # all cells are in the page
             "@jupyterlab/apputils-extension:notification": QUIET,
             "@jupyterlab/docmanager-extension:plugin": {"autosave": False}}
PLACES = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR",
          "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Lab:
    "A JupyterLab of this Python with settings of its own, in a folder of its own."
    def __init__(self, folder):
        self.folder, self.root, self.token = folder, folder/"root", secrets.token_hex(16)
        self.url = f"http://127.0.0.1:{free_port()}"
        for name in ("root", *PLACES): (folder/name).mkdir(parents=True)
        overrides = folder/"JUPYTER_CONFIG_DIR"/"labconfig"/"default_setting_overrides.json"
        overrides.parent.mkdir()
        overrides.write_text(json.dumps(OVERRIDES))
        images = shutil.ignore_patterns("*.png", "*.pdf", "*.svg")
        shutil.copytree(ROOT/"figures", self.root/"figures", ignore=images)
        self.log = (folder/"lab.log").open("w")
        self.process = subprocess.Popen(self.command(), stdout=self.log, stderr=subprocess.STDOUT,
                                        env=self.environment(), cwd=self.root)

    def command(self):
        port = self.url.rpartition(":")[2]
        return [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
                "--ServerApp.port_retries=0", f"--ServerApp.port={port}", f"--ServerApp.root_dir={self.root}",
                f"--IdentityProvider.token={self.token}", "--LabApp.expose_app_in_browser=True"]

    def environment(self):
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        return {**os.environ, **{name: str(self.folder/name) for name in PLACES}, "PYTHONPATH": path,
                "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false",
                "HF_HUB_OFFLINE": "1"}

    def request(self, path, method="GET"):
        request = urllib.request.Request(f"{self.url}/api/{path}?token={self.token}", method=method)
        return urllib.request.urlopen(request, timeout=30)

    def ask(self, path):
        with self.request(path) as r: return json.load(r)

    def until_up(self):
        end = time.monotonic() + 90
        while True:
            running = self.process.poll() is None and time.monotonic() < end
            assert running, (self.folder/"lab.log").read_text()[-3000:]
            try: return self.ask("status")
            except OSError: time.sleep(.2)

    def idle(self): return all(k["execution_state"] == "idle" for k in self.ask("kernels"))

    def end_kernels(self):
        for k in self.ask("kernels"): self.request(f"kernels/{k['id']}", "DELETE").close()

    def stop(self):
        self.end_kernels()
        self.process.terminate()
        try: self.process.wait(20)
        except subprocess.TimeoutExpired: self.process.kill()
        self.log.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    server = Lab(tmp_path_factory.mktemp("lab"))
    try:
        server.until_up()
        yield server
    finally: server.stop()


@pytest.fixture(scope="module")
def browser():
    sync_api.expect.set_options(timeout=SLOW)
    with sync_api.sync_playwright() as p:
        b = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield b
        b.close()


def put(lab, page):
    "A copy of the notebook where JupyterLab finds it: without outputs and slow cells, with small settings."
    if page.path: nb = prepared(nbformat.read(ROOT/page.path, 4), smoke=True, settings=page.settings)
    else:
        cells = [nbformat.v4.new_code_cell(code.strip(), id=f"demo{i}") for i, code in enumerate(page.cells)]
        nb = nbformat.v4.new_notebook(cells=cells)
    nb.metadata["kernelspec"] = dict(name="python3", display_name="Python 3 (ipykernel)", language="python")
    path = page.path or "nbs/demo.ipynb"
    (lab.root/path).parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, lab.root/path)
    return path


# --- the page

CONNECTED = """() => {
    const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel
    return kernel?.connectionStatus === 'connected' && kernel.status === 'idle'
        && document.querySelector('.jp-Notebook .jp-CodeCell') }"""
ALL_RUN = """error => {
    const done = cell => !cell.querySelector('.cm-content').textContent.trim()
        || /[0-9]/.test(cell.querySelector('.jp-InputPrompt').textContent)
    return document.querySelector(error) || [...document.querySelectorAll('.jp-Notebook .jp-CodeCell')].every(done) }"""
RUN_AGAIN = """([cell, before]) => {
    const prompt = document.querySelectorAll('.jp-Notebook .jp-CodeCell')[cell].querySelector('.jp-InputPrompt')
    return /[0-9]/.test(prompt.textContent) && prompt.textContent.trim() !== before.trim() }"""
SAME_WORDS = """panel => panel.querySelector('pre[aria-live]').textContent.split('\\n')[0]
    === panel.querySelector('img').alt"""
NOTE_STATES = """line => {
    const note = () => {
        const { state, stale } = line.dataset, last = window.states.at(-1) ?? []
        const words = line.querySelector('.eagle-words').textContent
        if (state !== last[0] || stale !== last[1] || words !== last[2]) window.states.push([state, stale, words]) }
    window.states = []
    note()
    new MutationObserver(note).observe(line, { attributes: true, childList: true, subtree: true }) }"""
ERROR = '[data-mime-type="application/vnd.jupyter.error"]'


class Seen:
    "A notebook in the browser, with all cells run once."
    def __init__(self, lab, browser, page):
        self.lab, self.name = lab, Path(page.path or "demo").stem
        self.page = browser.new_page(viewport=dict(width=1400, height=1600))
        self.page.set_default_timeout(SLOW)
        self.errors = []
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        # a workspace of its own: the common one opens the notebooks of the last page too, behind this one
        self.page.goto(f"{lab.url}/lab/workspaces/{self.name}/tree/{put(lab, page)}?token={lab.token}")
        self.page.wait_for_function(CONNECTED)
        self.command("notebook:run-all-cells")
        outputs = self.page.locator(".jp-OutputArea-output .widget-vbox")
        self.panel = outputs.filter(has=self.page.locator("pre[aria-live]"))
        self.image, self.text = self.panel.locator("img"), self.panel.locator("pre[aria-live]")
        self.line = self.panel.locator(".eagle-status")
        self.button = self.line.locator("button")

    def command(self, name):
        # what the command returns ends only with the work, so it is not waited for
        self.page.evaluate(f"() => {{ window.jupyterapp.commands.execute('{name}') }}")

    def until_run(self):
        "Every code cell has run, none has failed."
        self.page.wait_for_function(ALL_RUN, arg=ERROR)
        assert self.page.locator(ERROR).all_inner_texts() == []

    def screenshot(self, name):
        if folder := os.environ.get("EAGLE_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            if self.panel.count(): self.panel.first.scroll_into_view_if_needed()
            self.page.screenshot(path=f"{folder}/{self.name}-{name}.png")

    def until_ready(self):
        error = self.page.locator(ERROR)
        sync_api.expect(self.panel.or_(error).first).to_be_attached(timeout=SLOW)
        assert error.all_inner_texts() == []
        sync_api.expect(self.panel).to_have_count(1)
        sync_api.expect(self.image).to_be_visible()
        self.until("ready")

    def until(self, state, stale=False):
        "The line says this state, and whether the figure is of the values before."
        sync_api.expect(self.line).to_have_attribute("data-state", state)
        sync_api.expect(self.line).to_have_attribute("data-stale", str(stale).lower())

    def note_states(self): self.line.evaluate(NOTE_STATES)
    def states(self): return self.page.evaluate("() => window.states")

    def until_same_words(self):
        "Image and text come one after the other, so a reader may see the one before the other for a moment."
        self.page.wait_for_function(SAME_WORDS, arg=self.panel.element_handle())

    def knob(self, label):
        "A control by its label."
        has_label = self.page.locator("label", has_text=re.compile(f"^{label}$"))
        return self.panel.locator(".widget-inline-hbox").filter(has=has_label)

    def reach(self, knob):
        "Move the focus to a control by the Tab key alone, from the top of the panel's cell."
        self.panel.locator("xpath=ancestor::div[contains(@class, 'jp-CodeCell')]").first.focus()
        for _ in range(60):
            self.page.keyboard.press("Tab")
            if knob.evaluate("e => e.contains(document.activeElement)"): return
        raise AssertionError("the Tab key does not reach this control")

    def reading(self, knob):
        "The value of a control, as a reader sees it."
        menu = knob.locator("select")
        if menu.count(): return menu.evaluate("s => s.options[s.selectedIndex].text")
        return knob.locator(".widget-readout").inner_text()

    def turn(self, label, value):
        "Turn a control by keyboard."
        knob = self.knob(label)
        self.reach(knob)
        if knob.locator("select").count(): self.choose(knob.locator("select"), value)
        else: self.slide(knob, value)
        reading = self.reading(knob)
        assert reading == value, f"{label} stands at {reading}, and the keyboard does not bring it to {value}"

    def choose(self, menu, value):
        "A menu opens with Space, arrows choose, Enter takes."
        options, current = menu.evaluate("s => [[...s.options].map(o => o.text), s.selectedIndex]")
        steps = options.index(value) - current
        arrows = ["ArrowDown" if steps > 0 else "ArrowUp"]*abs(steps)
        for key in ("Space", *arrows, "Enter"): self.page.keyboard.press(key)

    def slide(self, knob, value):
        "A slider follows the arrows, up to its end and then down to the other."
        for key in ("ArrowRight", "ArrowLeft"):
            before = None
            while self.reading(knob) not in (value, before):
                before = self.reading(knob)
                self.page.keyboard.press(key)

    def cell(self, number): return self.page.locator(".jp-Notebook .jp-CodeCell").nth(number)

    def start(self, cell):
        "Run a code cell again, by hand."
        self.cell(cell).locator(".jp-InputPrompt").click()
        self.page.keyboard.press("Control+Enter")

    def running(self, cell): return "*" in self.cell(cell).locator(".jp-InputPrompt").inner_text()

    def rerun(self, cell):
        "Run a code cell again, by hand, and wait until it has run."
        before = self.cell(cell).locator(".jp-InputPrompt").inner_text()
        self.start(cell)
        self.page.wait_for_function(RUN_AGAIN, arg=[cell, before])

    def output(self, cell): return self.cell(cell).locator(".jp-OutputArea-output").last.inner_text().strip()


@pytest.fixture(scope="module")
def seen(request, lab, browser):
    s = Seen(lab, browser, request.param)
    s.case = request.param
    yield s
    s.screenshot("end")   # what was on the screen if a test has failed
    s.page.close()
    lab.end_kernels()


@pytest.mark.parametrize("seen", PAGES, ids=lambda p: p.path or "demo", indirect=True, scope="module")
def test_a_control_is_turned_by_keyboard(seen):
    "Image and words follow the control, and the browser reports no error."
    seen.until_ready()
    seen.until_run()
    seen.screenshot("start")
    image, text = seen.image.get_attribute("src"), seen.text.inner_text()
    seen.turn(seen.case.knob, seen.case.value)
    sync_api.expect(seen.image).not_to_have_attribute("src", image)
    sync_api.expect(seen.text).not_to_have_text(text)
    seen.until_ready()
    seen.screenshot("turned")
    assert seen.image.evaluate("i => i.complete && i.naturalWidth > 500")
    assert seen.reading(seen.knob(seen.case.knob)) == seen.case.value
    seen.until_same_words()
    assert seen.errors == []


@pytest.mark.parametrize("seen", PAGES[:1], ids=["demo"], indirect=True, scope="module")
def test_work_is_cancelled_by_keyboard(seen):
    "An exact search of minutes is cancelled: the panel says so, the kernel answers, the earlier figure is there."
    seen.until_ready()
    seen.turn("search", "exact")
    sync_api.expect(seen.text).to_contain_text("ranked by exact")
    seen.until_ready()
    image, text = seen.image.get_attribute("src"), seen.text.inner_text()
    seen.turn("regions", "100")
    seen.until("working", stale=True)
    sync_api.expect(seen.button).to_have_text("Cancel")
    at_work = re.compile(r"working: forwards \d+ of 10100; the figure is of the values before")
    sync_api.expect(seen.line).to_contain_text(at_work)
    seen.screenshot("working")
    seen.reach(seen.button)
    seen.page.keyboard.press("Enter")
    sync_api.expect(seen.button).to_have_text("Try again")
    seen.until("cancelled", stale=True)
    assert seen.button.evaluate("b => b === document.activeElement"), "the button keeps the focus"
    sync_api.expect(seen.text).to_contain_text("cancelled: what follows is of the values before")
    assert seen.image.get_attribute("src") == image and text in seen.text.inner_text()
    seen.screenshot("cancelled")
    seen.rerun(2)
    assert seen.output(2) == "insertion True" and seen.lab.idle()
    assert seen.errors == []


@pytest.mark.parametrize("seen", PAGES[:1], ids=["demo"], indirect=True, scope="module")
def test_a_cell_that_runs_again_leaves_one_panel(seen):
    "In the page and in the kernel, even where the old panel was at work."
    seen.rerun(3)
    widgets = seen.output(3)
    seen.turn("regions", "96")
    seen.until("working", stale=True)
    seen.rerun(1)
    seen.until_ready()
    seen.rerun(3)
    assert seen.output(3) == widgets and re.fullmatch(r"widgets \d+", widgets)
    assert seen.page.locator("pre[aria-live]").count() == 1
    assert seen.reading(seen.knob("regions")) == "8"
    seen.screenshot("again")
    assert seen.errors == []


@pytest.mark.parametrize("seen", [WAITS], ids=["busy"], indirect=True, scope="module")
def test_a_knob_that_the_kernel_has_not_heard_of_is_shown_as_waiting(seen):
    "While another cell runs, nothing is done, and the screen says so; values of the figure are never called stale."
    seen.until_ready()
    seen.until_run()
    seen.note_states()
    seen.start(1)
    sync_api.expect(seen.cell(1).locator(".jp-InputPrompt")).to_have_text(re.compile(r"\*"))
    seen.knob("x").locator("select").select_option("2")
    seen.until("waiting", stale=True)
    sync_api.expect(seen.line).to_contain_text("waiting for the kernel; the figure is of the values before")
    sync_api.expect(seen.image).to_have_css("opacity", "0.35")
    assert seen.button.get_attribute("aria-disabled") == "true" and "it is 1" in seen.text.inner_text()
    seen.screenshot("waiting")
    seen.knob("x").locator("select").select_option("1")
    seen.until("ready")
    sync_api.expect(seen.image).to_have_css("opacity", "1")
    seen.knob("x").locator("select").select_option("3")
    seen.until("waiting", stale=True)
    assert seen.running(1), "all this while the kernel was busy"
    seen.until_ready()
    assert "x 3, y 0, zoom 1" in seen.text.inner_text() and not seen.running(1)
    states = seen.states()
    names = [name for name, _ in groupby(state for state, _, _ in states)]
    assert names[:4] == ["ready", "waiting", "ready", "waiting"] and names[-2:] == ["working", "ready"]
    assert {state for state, stale, _ in states if stale == "false"} == {"ready"}, "a stale figure is never shown as done"
    assert {words for state, _, words in states if state == "ready"} == {"done"}
    assert seen.errors == []


@pytest.mark.parametrize("seen", [WAITS], ids=["busy"], indirect=True, scope="module")
def test_a_click_that_the_kernel_has_not_heard_of_is_shown_as_waiting(seen):
    "Work goes on in the background until the kernel hears of the click, and does not begin again."
    seen.until_ready()
    seen.knob("x").locator("select").select_option("4")
    seen.until("working", stale=True)
    seen.start(1)
    sync_api.expect(seen.cell(1).locator(".jp-InputPrompt")).to_have_text(re.compile(r"\*"))
    sync_api.expect(seen.line).to_contain_text(re.compile(r"working: steps \d+ of 200"))
    seen.button.click()
    seen.until("waiting", stale=True)
    assert seen.button.get_attribute("aria-disabled") == "true"
    seen.button.dispatch_event("click")
    assert seen.running(1), "all this while the kernel was busy"
    seen.until("cancelled", stale=True)
    seen.rerun(2)
    asked = json.loads(seen.output(2))
    assert asked[-1] == 4 and asked.count(4) == 1
    seen.screenshot("late-click")
    seen.button.click()
    seen.until("working", stale=True)
    seen.knob("x").locator("select").select_option("1")
    seen.until_ready()
    seen.rerun(2)
    assert json.loads(seen.output(2)) == [*asked, 4], "tried again once, and the result of 1 was there"
    assert seen.errors == []


@pytest.mark.parametrize("seen", [WAITS], ids=["busy"], indirect=True, scope="module")
def test_a_tip_is_shown_and_read(seen):
    "By pointer and by screen reader; as text, and only where there is one."
    seen.until_ready()
    for label, tip in (("x", "a number that takes <b>long</b>"), ("y", "a number that matters little")):
        knob = seen.knob(label)
        assert knob.get_attribute("title") == tip
        assert knob.locator("select, [role=slider]").get_attribute("aria-description") == tip
    zoom = seen.knob("zoom")
    assert not zoom.get_attribute("title") and not zoom.locator("[title=null]").count()
