"""The explorer in a real JupyterLab, driven by a real Chromium: ask, click a word, hover, cancel, upload, export.

A machine without Chromium or playwright skips these. EAGLE_SCREENSHOTS=folder keeps what is on the screen."""
import io
import os
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from test_browser import CONNECTED, ERROR, SLOW, browser, lab, sync_api   # the fixtures, and the rules of skipping

from eagle_nb import Explanation

pytestmark = pytest.mark.timeout(300)
expect = sync_api.expect

CELLS = ["""
import ipywidgets
from eagle_nb import load
from eagle_nb.apps.explorer import Explorer
m = load("scenes-llava", dtype="float32", device="cpu")
""", """
x = Explorer(m, regions=16, budget=96)
x
""", """
print("widgets", len(ipywidgets.widgets.widget._instances), "threads", len(__import__("threading").enumerate()))
"""]
READY = "p => document.querySelector('.eagle-explorer .ex-status')?.textContent.startsWith(p)"


def written(lab, name="explorer.ipynb"):
    "A notebook with an explorer, where JupyterLab finds it."
    cells = [nbformat.v4.new_code_cell(code.strip(), id=f"explorer{i}") for i, code in enumerate(CELLS)]
    nb = nbformat.v4.new_notebook(cells=cells)
    nb.metadata["kernelspec"] = dict(name="python3", display_name="Python 3 (ipykernel)", language="python")
    nbformat.write(nb, lab.root/name)
    return name


class Seen:
    "The explorer in the browser."
    def __init__(self, lab, browser, width=1400):
        self.lab = lab
        self.page = browser.new_page(viewport=dict(width=width, height=1500), accept_downloads=True)
        self.page.set_default_timeout(SLOW)
        self.errors = []
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.goto(f"{lab.url}/lab/workspaces/explorer/tree/{written(lab)}?token={lab.token}")
        self.page.wait_for_function(CONNECTED)
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
        self.root = self.page.locator(".eagle-explorer")
        expect(self.root.or_(self.page.locator(ERROR)).first).to_be_visible(timeout=SLOW)
        assert self.page.locator(ERROR).all_inner_texts() == []

    def status(self, start): self.page.wait_for_function(READY, arg=start)

    def ask(self, question):
        self.root.get_by_label("Question", exact=True).fill(question)
        self.root.get_by_role("button", name="Ask").click()

    def chip(self, text): return self.root.locator(".ev-chip", has_text=re.compile(f"^{text}$")).first

    def set(self, name, value):
        self.root.locator(".ex-settings").evaluate("d => { d.open = true }")
        self.root.get_by_label(name, exact=True).fill(value)
        self.root.get_by_role("button", name="Explain with these").click()

    def screenshot(self, name):
        if folder := os.environ.get("EAGLE_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.root.screenshot(path=f"{folder}/explorer-{name}.png")


@pytest.fixture(scope="module")
def seen(lab, browser):
    s = Seen(lab, browser)
    yield s
    s.screenshot("end")
    s.page.close()
    lab.end_kernels()


def png(shape=(60, 90, 3)):
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def test_a_question_before_there_is_an_image_says_what_to_do(seen):
    seen.screenshot("empty")
    seen.ask("Describe the image.")
    expect(seen.root.locator(".ex-status")).to_contain_text("choose a sample, upload a file or paste one")


def test_ask_click_a_word_and_its_map_comes(seen):
    seen.root.get_by_label("Sample").select_option("scene 7")
    seen.status("ready")
    seen.screenshot("image")
    seen.ask("Describe the image.")
    expect(seen.root.locator(".ev-chip").first).to_be_visible()
    seen.status("done")
    seen.screenshot("whole")
    whole = seen.root.locator(".ev-map").evaluate("c => c.toDataURL()")
    seen.chip("bottle").click()
    expect(seen.chip("bottle")).to_have_attribute("aria-pressed", "true")
    seen.status("done")
    assert seen.root.locator(".ev-map").evaluate("c => c.toDataURL()") != whole
    expect(seen.chip("bottle")).to_have_attribute("aria-pressed", "true")
    seen.screenshot("word")
    assert seen.errors == []


def test_hovering_needs_no_kernel(seen):
    stage = seen.root.locator(".ev-stage")
    seen.page.evaluate("() => { window.sent = 0; const send = WebSocket.prototype.send;"
                       " WebSocket.prototype.send = function (d) { window.sent++; return send.call(this, d) } }")
    stage.hover(position=dict(x=60, y=60))
    expect(seen.root.locator(".ev-tip")).to_contain_text("rank")
    stage.hover(position=dict(x=150, y=150))
    expect(seen.root.locator(".ev-tip")).to_contain_text("gain")
    assert seen.page.evaluate("() => window.sent") == 0
    seen.screenshot("hover")


def test_hidden_regions_are_measured_by_the_model(seen):
    seen.root.get_by_label("clicks hide and show regions").check()
    seen.root.locator(".ev-stage").click(position=dict(x=150, y=150))
    expect(seen.root.locator(".ex-now")).to_contain_text(re.compile(r"Without 1 region: p = 0\.\d{3}"))
    seen.screenshot("hidden")
    seen.root.locator(".ev-stage").click(position=dict(x=150, y=150))
    seen.root.get_by_label("clicks hide and show regions").uncheck()


def test_tabs_and_exports(seen, tmp_path):
    for tab in ("Modality", "History", "Python", "Map and curves"):
        seen.root.get_by_role("tab", name=tab).click()
        seen.screenshot(f"tab-{tab.split()[0].lower()}")
    for kind, start in (("png", b"\x89PNG"), ("html", b"<!doctype html>"), ("code", b"import eagle_nb"), ("save", None)):
        with seen.page.expect_download() as d: seen.root.locator(f"[data-export={kind}]").click()
        d.value.save_as(tmp_path/d.value.suggested_filename)
        if start: assert Path(d.value.path()).read_bytes()[:len(start)].lower() == start.lower()
    assert Explanation.load(tmp_path/"explanation.safetensors").target.text == "bottle"
    page = seen.page.context.browser.new_page()
    page.goto(f"file://{tmp_path}/explanation.html")
    expect(page.locator("h1")).to_contain_text("bottle")
    page.close()
    assert seen.errors == []


def test_a_search_is_cancelled_and_what_was_scored_stays(seen):
    seen.set("Budget (forwards, or 30s)", "3000")
    expect(seen.root.get_by_role("button", name="Cancel")).to_be_visible()
    expect(seen.root.locator(".ex-numbers")).to_contain_text("forwards")
    seen.screenshot("working")
    seen.root.get_by_role("button", name="Pause").click()
    seen.status("paused")
    seen.root.get_by_role("button", name="Resume").click()
    seen.root.get_by_role("button", name="Cancel").click()
    seen.status("cancelled")
    expect(seen.root.locator(".ev-map")).to_be_visible()
    seen.set("Budget (forwards, or 30s)", "96")
    seen.status("done")
    assert seen.errors == []


def test_hallucination_and_comparison(seen):
    seen.root.get_by_role("tab", name="Hallucination").click()
    seen.root.get_by_label("The model should have said").fill("cat")
    seen.root.get_by_role("button", name="Find what misled it").click()
    expect(seen.root.locator(".ex-repair")).to_contain_text(re.compile("right|correct|never"))
    seen.screenshot("hallucination")
    seen.root.get_by_role("tab", name="Compare").click()
    seen.root.get_by_role("button", name="Compare with this fill").click()
    expect(seen.root.locator(".ex-pair .ev-stage")).to_have_count(2)
    expect(seen.root.locator(".ex-reading")).to_contain_text("Rank correlation")
    seen.screenshot("compare")
    seen.root.get_by_role("tab", name="Map and curves").click()
    assert seen.errors == []


def test_upload_of_an_image_and_of_something_else(seen):
    upload = seen.root.get_by_label("or a file")
    upload.set_input_files(dict(name="bad.png", mimeType="image/png", buffer=b"<script>alert(1)</script>"))
    expect(seen.root.locator(".ex-status")).to_contain_text("no image that can be read")
    upload.set_input_files(dict(name="good.png", mimeType="image/png", buffer=png()))
    seen.status("ready")
    seen.ask("Describe the image.")
    seen.status("done")
    seen.screenshot("upload")
    assert seen.errors == []


# An image that is pasted, or dropped.
GIVE = """(root, [kind, bytes]) => {
  const data = new DataTransfer(), about = {bubbles: true, cancelable: true}
  data.items.add(new File([new Uint8Array(bytes)], 'given.png', {type: 'image/png'}))
  root.dispatchEvent(kind === 'paste' ? new ClipboardEvent(kind, {clipboardData: data, ...about}) : new DragEvent(kind, {dataTransfer: data, ...about})) }"""


@pytest.mark.parametrize("kind, shape", [("paste", (60, 70, 3)), ("drop", (80, 50, 3))])
def test_an_image_is_pasted_or_dropped(seen, kind, shape):
    sample = seen.root.get_by_label("Sample")
    sample.select_option("scene 3")
    seen.status("ready")
    expect(sample).to_have_value("scene 3")
    seen.root.evaluate(GIVE, [kind, list(png(shape))])
    expect(sample).to_have_value("choose one …")
    seen.status("ready")
    seen.page.wait_for_function("([w, h]) => { const c = document.querySelector('.eagle-explorer .ev-map'); return c.width === w && c.height === h }",
                                arg=[shape[1], shape[0]])
    assert seen.errors == []


def test_a_cell_that_runs_again_leaves_one_explorer(seen):
    def rerun(cell):
        prompt = seen.page.locator(".jp-Notebook .jp-CodeCell").nth(cell).locator(".jp-InputPrompt")
        before = prompt.inner_text()
        prompt.click()
        seen.page.keyboard.press("Control+Enter")
        expect(prompt).not_to_have_text(before)
        expect(prompt).to_contain_text(re.compile(r"\d"))
    out = lambda: seen.page.locator(".jp-Notebook .jp-CodeCell").nth(2).locator(".jp-OutputArea-output").last.inner_text()
    rerun(1); rerun(2)
    first = out()
    rerun(1); rerun(2)
    assert out() == first
    expect(seen.root).to_have_count(1)
    assert seen.errors == []


def test_a_kernel_that_restarts_is_told(seen):
    seen.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    expect(seen.root.locator(".ex-status")).to_contain_text("run the cell again")
    seen.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
    expect(seen.root.locator(".ex-status")).not_to_contain_text("run the cell again")
    seen.root.get_by_label("Sample").select_option("scene 7")
    seen.status("ready")
