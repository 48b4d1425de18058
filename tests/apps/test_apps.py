"""The explorer and the scene editor in real servers, driven by a real Chromium: JupyterLab, Notebook 7, Voilà and marimo.

Each opens the page of `nbs/apps` once; a machine without Chromium or one of the servers skips what needs it.
EAGLE_SCREENSHOTS=folder keeps what is on the screen."""
import io
import re

import numpy as np
import pytest
from PIL import Image

from servers import SERVERS, opened, screenshot
from test_browser import browser, sync_api   # the fixture, and the rules of skipping

from eagle_nb import Explanation

pytestmark = pytest.mark.timeout(300)
expect = sync_api.expect


# ---- the explorer

@pytest.fixture(scope="module", params=SERVERS)
def explorer(request, browser, tmp_path_factory):
    "The explorer in one of the servers, with short searches."
    yield from opened(request.param, browser, tmp_path_factory.mktemp(request.param), "explorer",
                      {"regions=36)": "regions=16, budget=96)"}, ".eagle-explorer")


def status(page, start): expect(page.root.locator(".ex-status")).to_have_text(re.compile(f"^{start}"))
def chip(page, text): return page.root.locator(".ev-chip", has_text=re.compile(f"^{text}$")).first
def stage(page): return page.root.locator(".ev-stage").first


def explain_with(page, budget, **settings):
    page.root.locator(".ex-settings").first.evaluate("d => { d.open = true }")
    for label, value in {"Budget (forwards, or 30s)": budget, **settings}.items():
        control = page.root.get_by_label(label, exact=True).first
        if label == "Search": control.select_option(value)
        else: control.fill(value)
    page.root.get_by_role("button", name="Explain with these").click()


ENDS = dict(png="png", html="html", save="safetensors", code="py")


def download(page, kind, folder):
    "A file that an export button saves, at once or by a link that the browser wants to be clicked."
    with page.expect_download() as d:
        page.root.locator(f"[data-export={kind}]").click()
        told = page.root.get_by_role("group", name="Export").get_by_text(f"explanation.{ENDS[kind]}")
        expect(told).to_be_visible()
        if told.get_attribute("href"): told.click()
    d.value.save_as(folder/d.value.suggested_filename)
    return folder/d.value.suggested_filename


# Milliseconds from a click on a word to its map; the stage names the map that it shows.
CLICK = """(root, [text, name]) => new Promise(done => {
  const all = [...root.querySelectorAll('.ev-chip')], stage = root.querySelector('.ev-stage')
  const chip = all.find(c => c.textContent.trim() === text), start = performance.now()
  const look = () => stage.getAttribute('aria-label').includes(name) ? done(performance.now() - start) : requestAnimationFrame(look)
  chip.click(); requestAnimationFrame(look) })"""
# What the page sends from now on.
LISTEN = """() => { window.sent = 0; const send = WebSocket.prototype.send, fetched = window.fetch
  WebSocket.prototype.send = function (d) { window.sent++; return send.call(this, d) }
  window.fetch = function (...a) { window.sent++; return fetched.apply(this, a) } }"""


def test_a_word_is_clicked_and_its_map_comes(explorer):
    status(explorer, "done")
    screenshot(explorer, "whole")
    expect(stage(explorer)).to_have_attribute("aria-label", re.compile("map of the whole answer"))
    ms = explorer.root.evaluate(CLICK, ["bottle", "map of “bottle”"])
    print(f"{explorer.name}: {ms:.0f} ms from the click to the map")
    assert ms < 3000, "a third of a second on a machine that does nothing else"
    expect(chip(explorer, "bottle")).to_have_attribute("aria-pressed", "true")
    status(explorer, "done")
    screenshot(explorer, "word")
    assert explorer.errors == []


def test_what_follows_the_mouse_asks_no_kernel(explorer):
    explorer.evaluate(LISTEN)
    stage(explorer).hover(position=dict(x=60, y=60))
    expect(explorer.root.locator(".ev-tip").first).to_contain_text("rank")
    slider = explorer.root.get_by_label("Reveal", exact=True).first
    before = slider.input_value()
    slider.focus()
    for _ in range(3): slider.press("ArrowLeft")
    assert slider.input_value() != before
    assert explorer.evaluate("() => window.sent") == 0
    screenshot(explorer, "slider")
    assert explorer.errors == []


def test_a_question_is_asked_and_a_search_is_cancelled(explorer):
    explorer.root.get_by_label("Sample").select_option("scene 8")
    status(explorer, "ready")
    explorer.root.get_by_label("Question", exact=True).fill("What is in the image?")
    explorer.root.get_by_role("button", name="Ask").click()
    expect(explorer.root.locator(".ev-chip").first).to_be_visible()
    status(explorer, "done")
    explain_with(explorer, "", Regions="64", Search="exact") # four thousand forwards
    expect(explorer.root.locator(".ex-numbers")).to_contain_text(re.compile(r"\d{3} forwards"))
    word = explorer.root.locator(".ev-chip").nth(1).inner_text().strip()
    ms = explorer.root.evaluate(CLICK, [word, f"map of “{word}”"])
    print(f"{explorer.name}: {ms:.0f} ms from the click to the map while a search runs")
    assert ms < 6000, "a third of a second on a machine that does nothing else"
    explorer.root.get_by_role("button", name="Cancel").click()
    status(explorer, "cancelled")
    expect(explorer.root.locator(".ev-map").first).to_be_visible()
    explain_with(explorer, "96", Regions="16", Search="fast")
    status(explorer, "done")
    assert explorer.errors == []


def test_an_image_is_uploaded_and_its_explanation_exported(explorer, tmp_path):
    picture = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)).save(picture, "PNG")
    upload = explorer.root.get_by_label("or a file")
    upload.set_input_files(dict(name="bad.png", mimeType="image/png", buffer=b"<script>alert(1)</script>"))
    expect(explorer.root.locator(".ex-status")).to_contain_text("no image that can be read")
    upload.set_input_files(dict(name="good.png", mimeType="image/png", buffer=picture.getvalue()))
    status(explorer, "ready")
    explorer.root.get_by_label("Question", exact=True).fill("Describe the image.")
    explorer.root.get_by_role("button", name="Ask").click()
    status(explorer, "done")
    screenshot(explorer, "upload")
    assert Explanation.load(download(explorer, "save", tmp_path)).image.shape == (90, 120, 3)
    assert download(explorer, "png", tmp_path).read_bytes()[:4] == b"\x89PNG"
    assert download(explorer, "code", tmp_path).read_text().startswith("import eagle_nb")
    upload.set_input_files(dict(name="x.safetensors", mimeType="application/octet-stream", buffer=b"no tensors"))
    expect(explorer.root.locator(".ex-status")).to_contain_text("x.safetensors' is not an explanation")
    upload.set_input_files(tmp_path/"explanation.safetensors")
    status(explorer, "done")
    explorer.root.get_by_role("tab", name="Python").click()
    expect(explorer.root.locator(".ex-code")).to_contain_text("Explanation.load('explanation.safetensors')")
    explorer.root.get_by_role("tab", name="Map and curves").click()
    from_disk = explorer.context.browser.new_page()
    from_disk.goto(download(explorer, "html", tmp_path).as_uri())
    word = from_disk.locator(".ev-chip").nth(1)
    word.click()
    expect(word).to_have_attribute("aria-pressed", "true")
    expect(from_disk.locator(".ev-stage")).to_have_attribute("aria-label", re.compile("map of “"))
    from_disk.close()
    assert explorer.errors == []


# What is wider than the widget, other than what scrolls by itself.
WIDER = """r => [...r.querySelectorAll('*')].filter(x => x.offsetParent && !x.closest('.ev-rows, .ex-code')
  && x.getBoundingClientRect().right > r.getBoundingClientRect().right + 1).map(x => String(x.className))"""


def resize(page, width, scheme):
    "Another width of the window, where JupyterLab leaves the notebook all of it, and the colours of the system or of Jupyter."
    page.set_viewport_size(dict(width=width, height=1500))
    page.emulate_media(color_scheme=scheme)
    page.evaluate("""([scheme, wide]) => { if ('jpThemeLight' in document.body.dataset) document.body.dataset.jpThemeLight = scheme === 'light'
      const app = window.jupyterapp, bar = document.querySelector('#jp-left-stack')
      if (app?.commands.hasCommand('application:toggle-left-area') && bar && (bar.offsetWidth > 0) !== wide) app.commands.execute('application:toggle-left-area') }""", [scheme, width > 800])
    page.wait_for_timeout(300)


def overflowing(page): return page.root.first.evaluate(WIDER)


@pytest.mark.parametrize("width, scheme", [(1400, "dark"), (420, "light"), (420, "dark")])
def test_it_fits_any_width_and_theme(explorer, width, scheme):
    resize(explorer, width, scheme)
    screenshot(explorer, f"{scheme}-{width}", whole=False)
    assert overflowing(explorer) == []


def test_each_word_is_decided_in_the_modality_tab(explorer):
    explorer.root.get_by_role("tab", name="Modality").click()
    explorer.root.get_by_role("button", name="Decide, with intervals").click()
    expect(explorer.root.get_by_role("columnheader", name="rests on")).to_be_visible()
    expect(explorer.root.get_by_role("row").last).to_contain_text(re.compile("the image|prior|undecided"))
    status(explorer, "done")
    for width in (420, 1400):
        resize(explorer, width, "light")
        assert overflowing(explorer) == []
        screenshot(explorer, f"modality-{width}", whole=False)
        explorer.root.get_by_role("tab", name="History").click()
        assert overflowing(explorer) == []
        screenshot(explorer, f"history-{width}", whole=False)
        explorer.root.get_by_role("tab", name="Modality").click()
    assert explorer.errors == []


def test_axe_finds_no_serious_fault_in_any_tab(explorer, axe):
    for tab in ("Modality", "Hallucination", "Compare", "History", "Python", "Map and curves"):
        explorer.root.get_by_role("tab", name=tab).click()
        assert axe(explorer.root) == [], tab


# ---- the scene editor

@pytest.fixture(scope="module", params=SERVERS)
def editor(request, browser, tmp_path_factory):
    "The scene editor in one of the servers, with searches of a moment."
    yield from opened(request.param, browser, tmp_path_factory.mktemp(request.param), "scene_editor",
                      {'device="cpu"))': 'device="cpu"), regions=9, budget=20)'}, ".eagle-editor")


def at(page, name):
    "Left and top of an object in pixels of the scene, as its label says."
    label = page.locator(f".se-object[data-name={name}]").get_attribute("aria-label")
    return tuple(map(int, re.search(r"left (\d+), top (\d+)", label).groups()))


def done(page): status(page, "done")


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


@pytest.mark.parametrize("width, scheme", [(1400, "dark"), (420, "light")])
def test_the_editor_fits_any_width_and_theme(editor, axe, width, scheme):
    resize(editor, width, scheme)
    screenshot(editor, f"{scheme}-{width}", whole=False)
    assert overflowing(editor) == []
    assert axe(editor.root) == []
