"Figures from plain arrays: what is drawn, what is refused, and that nothing is clipped."
import json, subprocess, sys
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from eagle_nb.explanation import figures, plots

rng = np.random.default_rng(3)
H, W, N = 60, 80, 12
IMAGE = rng.integers(0, 256, (H, W, 3), dtype=np.uint8)
LABELS = (np.arange(H)[:, None]//20)*4 + np.arange(W)[None]//20
ORDER = rng.permutation(N)
AREA = np.linspace(0, 1, N + 1)
SALIENCY = np.linspace(0, 1, H*W).reshape(H, W)
WORDS = "A man with a tie , on a beach .".split()
INFLUENCE = np.linspace(0, .9, len(WORDS))
NASTY = ["<script>alert(1)</script>", "$x_1$", "$5", "and", "$6", "\\frac{", "🐱", "猫", "\n", "", "\x00", "\ud800", "x"*300, "a&b\"'"]

def texts(fig):
    "All that is written in a figure."
    out = list(fig.texts)
    for ax in fig.axes:
        out += [*ax.texts, ax.title]
        if ax.axison: out += [ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels()]
        if ax.get_legend(): out += ax.get_legend().get_texts()
    return [t for t in out if t.get_visible() and t.get_text()]

def drawn(fig):
    "Draw a figure and give back what drew it."
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    return canvas.get_renderer()

def assert_tidy(fig):
    "Every text lies in the figure and is at least 7 points high."
    renderer, frame = drawn(fig), fig.bbox
    for t in texts(fig):
        b = t.get_window_extent(renderer)
        assert b.x0 >= frame.x0 - 1 and b.x1 <= frame.x1 + 1 and b.y0 >= frame.y0 - 1 and b.y1 <= frame.y1 + 1, (t.get_text(), b, frame)
        assert t.get_fontsize() >= 7, t.get_text()

def sentence(image=IMAGE, labels=LABELS, saliency=SALIENCY, words=WORDS, influence=INFLUENCE, title="Describe the image."):
    return figures.figure_sentence(image, saliency, labels, ORDER, AREA, AREA**.5, 1 - AREA, words, influence, title=title)


def test_import_is_light():
    code = "import sys, eagle_nb.explanation.plots as p; assert 'torch' not in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)

def test_style_of_the_user_is_left_alone():
    before = dict(matplotlib.rcParams)
    sentence()
    assert dict(matplotlib.rcParams) == before
    if "matplotlib.pyplot" in sys.modules: assert not sys.modules["matplotlib.pyplot"].get_fignums()

def test_overlay():
    out = plots.overlay(IMAGE, SALIENCY)
    assert out.shape == IMAGE.shape and out.dtype == np.uint8
    flat = plots.overlay(np.full((H, W, 3), 128, np.uint8), SALIENCY).astype(float).mean(-1).ravel()
    assert flat[-1] > flat[0] + 50
    assert (plots.overlay(IMAGE, SALIENCY, alpha=0).std(-1).mean() < IMAGE.std(-1).mean())

@pytest.mark.parametrize("value", [0., .5, 1.])
def test_constant_map(value): assert isinstance(plots.show_map(IMAGE, np.full((H, W), value)), Axes)

@pytest.mark.parametrize("call,says", [
    (lambda: plots.overlay(IMAGE, SALIENCY.T), "shape of the image"),
    (lambda: plots.overlay(IMAGE, np.where(SALIENCY > .5, np.nan, 0)), "NaN"),
    (lambda: plots.overlay(IMAGE, np.full((H, W), np.inf)), "finite"),
    (lambda: plots.overlay(IMAGE, SALIENCY*2), r"\[0, 1\]"),
    (lambda: plots.overlay(IMAGE[..., 0], SALIENCY), r"\(H, W, 3\)"),
    (lambda: plots.overlay(IMAGE/255., SALIENCY), "uint8"),
    (lambda: plots.overlay(IMAGE, SALIENCY, alpha=2), "alpha"),
    (lambda: plots.show_map(IMAGE, SALIENCY, box=(1, 2, 3)), "x0, y0, x1, y1"),
    (lambda: plots.show_map(IMAGE, SALIENCY, box=(9, 9, 3, 3)), "COCO box"),
    (lambda: plots.show_map(IMAGE, SALIENCY, mask=np.ones((3, 3))), "mask"),
    (lambda: plots.show_regions(IMAGE, LABELS[:9]), "labels"),
    (lambda: plots.show_regions(IMAGE, LABELS + .5), "integers"),
    (lambda: plots.show_regions(IMAGE, LABELS, order=[1, 1]), "at most once"),
    (lambda: plots.show_regions(IMAGE, LABELS, order=[N]), "from 0 to 11"),
    (lambda: plots.show_curves(AREA, AREA[1:], AREA), "insertion"),
    (lambda: plots.show_curves(AREA, AREA, np.c_[AREA, AREA]), "average over tokens"),
    (lambda: plots.show_curves(1 - AREA, AREA, AREA), "must not fall"),
    (lambda: plots.show_curves([0], [0], [0]), "at least 2 points"),
    (lambda: plots.show_curves(AREA, AREA*np.nan, AREA), "finite"),
    (lambda: plots.show_word_curves(AREA, np.c_[AREA, AREA], ["one"]), "for 1 words"),
    (lambda: plots.show_word_curves(AREA, np.empty((N + 1, 0)), []), "at least one word"),
    (lambda: plots.show_words([], []), "at least one word"),
    (lambda: plots.words_html([], []), "at least one word"),
    (lambda: plots.words_text("text", [1]), "split the sentence"),
    (lambda: plots.words_text(["a"], [np.nan]), "finite"),
    (lambda: plots.words_html(["a", "b"], [1]), "one value a word"),
    (lambda: plots.show_words(["a"], [1], vmax=0), "vmax"),
    (lambda: figures.figure_words(IMAGE, []), "at least one word"),
    (lambda: figures.figure_words(IMAGE, [{"word": "x"}]), "saliency"),
    (lambda: figures.figure_settings(IMAGE, []), "at least one setting"),
    (lambda: figures.figure_settings(IMAGE, [dict(title="x", saliency=SALIENCY, area=AREA, insertion=AREA[1:], deletion=AREA)]), "insertion must have"),
    (lambda: figures.figure_steps(IMAGE, LABELS, ORDER, AREA[1:]), "one more than order"),
    (lambda: figures.figure_steps(IMAGE, LABELS, ORDER, AREA, [0, 13]), "from 0 to 12"),
    (lambda: figures.figure_steps(IMAGE, LABELS, ORDER, AREA, []), "from 0 to 12"),
])
def test_refused(call, says):
    with pytest.raises(ValueError, match=says): call()

def test_box_lies_on_the_pixels():
    ax = plots.show_map(IMAGE, SALIENCY, box=(10, 20, 30, 50), mask=SALIENCY > .5)
    assert ax.patches[-1].get_bbox().bounds == (9.5, 19.5, 20, 30)
    assert ax.get_xlim() == (-.5, W - .5) and ax.get_ylim() == (H - .5, -.5)

def test_numbers_lie_in_their_regions():
    ax = plots.show_regions(IMAGE, LABELS, order=ORDER, top=4)
    assert [t.get_text() for t in ax.texts] == ["1", "2", "3", "4"]
    for t, r in zip(ax.texts, ORDER): assert LABELS[int(t.get_position()[1]), int(t.get_position()[0])] == r

def test_partial_order_and_empty_region():
    assert len(plots.show_regions(IMAGE, np.where(LABELS == 3, 2, LABELS), order=[3, 4]).texts) == 1
    assert len(plots.show_regions(IMAGE, LABELS.astype(np.uint8), order=ORDER, top=99).texts) == N

def test_areas_in_the_legend():
    ax = plots.show_curves(AREA, AREA, 1 - AREA**2)
    names = [t.get_text() for t in ax.get_legend().get_texts()]
    by_hand = sum((a + b)/2/N for a, b in zip((1 - AREA**2)[:-1], (1 - AREA**2)[1:]))
    assert names == ["insertion 0.500", f"deletion {by_hand:.3f}"]
    first, second = ax.get_lines()
    assert first.get_linestyle() != second.get_linestyle() and first.get_color() != second.get_color()
    assert ax.get_ylim() == (0, 1)

def test_curves_in_text():
    up, down = plots.curve_text(AREA, AREA, 1 - AREA, width=8).splitlines()
    assert "▁▂▃▄▅▆▇█" in up and "█▇▆▅▄▃▂▁" in down and "AUC 0.500" in up

def test_word_curves_keep_the_largest():
    p = AREA[:, None]*np.linspace(0, 1, 30)
    fig = plots.show_word_curves(AREA, p, [f"w{i}" for i in range(30)], top=3)
    assert [a.get_title().split()[0] for a in fig.axes] == ["w27", "w28", "w29"]
    assert_tidy(fig)
    assert len([a for a in plots.show_word_curves(AREA, p, list(map(str, range(30))), top=None).axes if a.axison]) == 30

def overlaps(a, b): return min(a[2]+a[3], b[2]+b[3]) - max(a[2], b[2]) > 1e-6

@pytest.mark.parametrize("n", [1, 12, 70, 200])
def test_words_neither_overlap_nor_leave_the_line(n):
    words = (WORDS*20)[:n]
    ax = plots.show_words(words, np.linspace(0, 1, n))
    boxes, _ = plots.word_layout(words, ax.get_xlim()[1], 8.)
    assert [i for i, *_ in boxes] == list(range(n))
    assert all(x >= 0 and x + w <= ax.get_xlim()[1] for _, _, x, w, _ in boxes)
    assert not any(overlaps(a, b) for a, b in zip(boxes, boxes[1:]) if a[4] == b[4])
    assert_tidy(ax.figure)
    renderer = drawn(ax.figure)
    for t, patch in zip(ax.texts, ax.patches): # the drawn word lies on its colour
        b, c = t.get_window_extent(renderer), patch.get_window_extent(renderer)
        assert b.x0 >= c.x0 - .5 and b.x1 <= c.x1 + .5 and b.y0 >= c.y0 - 1 and b.y1 <= c.y1 + 1

def test_tokens_join_into_words():
    assert plots._units(["A", "▁skate", "board", ","]) == [[0], [1, 2, 3]]
    assert plots._units(["Yes", ",", "(", "so", ")", "&", "$6"]) == [[0, 1], [2], [3, 4], [5], [6]]

@pytest.mark.filterwarnings("ignore:Glyph")
def test_any_text_can_be_drawn():
    v = np.linspace(0, 1, len(NASTY))
    for f in (plots.show_words(NASTY, v).figure, plots.show_word_curves(AREA, AREA[:, None]*v, NASTY, top=None),
              sentence(words=NASTY, influence=v, title="$x_ <b> 猫 \\frac{ " + "long "*80),
              figures.figure_words(IMAGE, [dict(word=w, saliency=SALIENCY) for w in NASTY])):
        assert plots.figure_png(f, dpi=60)[:4] == b"\x89PNG"
    assert plots.words_text(NASTY, v).count("\n") == len(NASTY) - 1
    plots.words_html(NASTY, v).encode("utf-8")

def test_words_fit_given_axes():
    fig = Figure((3, 1))
    ax = fig.add_axes((0, 0, 1, 1))
    assert plots.show_words(WORDS*3, np.tile(INFLUENCE, 3), ax) is ax
    assert min(t.get_fontsize() for t in ax.texts) < 8

class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.names, self.text, self.titles = [], "", []
        self.feed(text)
    def handle_starttag(self, tag, attrs): self.names.append(tag); self.titles += [v for k, v in attrs if k == "title"]
    def handle_data(self, data): self.text += data

def test_html_is_escaped():
    page = Tags(plots.words_html(NASTY, np.linspace(0, 1, len(NASTY))))
    assert set(page.names) == {"div", "span"} and "<script>alert(1)</script>" in page.text
    assert len(page.titles) == len(NASTY) and page.titles[-1].endswith("1.000")

def test_text_stands_out_from_its_colour():
    def light(rgb): return float(np.where(np.array(rgb) <= .04045, np.array(rgb)/12.92, ((np.array(rgb) + .055)/1.055)**2.4) @ (.2126, .7152, .0722))
    levels = []
    for x in np.linspace(0, 1, 50):
        back, ink = plots._shade(x)
        levels.append(light(back))
        assert (1.05/(levels[-1] + .05) if ink == "white" else (levels[-1] + .05)/.05) >= 4.5
    assert all(np.diff(levels) < 1e-3), "brightness must fall steadily to survive a grey printer"

def test_bars_in_text():
    assert plots.words_text(["a", "bc"], [0, 2], width=3) == "a       0.000\nbc ███ 2.000".replace("bc ", "bc  ")
    assert plots._bar(1/16, 2) == "▏ " and plots._bar(0, 2) == "  "

@pytest.mark.parametrize("h,w", [(60, 80), (20, 160), (160, 20), (1, 1)])
def test_panels_are_tidy_at_any_shape(h, w):
    image, sal, n = IMAGE[:1, :1].repeat(h, 0).repeat(w, 1), np.zeros((h, w)), min(N, h*w)
    labels, order, area = np.arange(h*w).reshape(h, w)*n//(h*w), np.arange(n), np.linspace(0, 1, n + 1)
    assert_tidy(figures.figure_sentence(image, sal, labels, order, area, area, 1 - area, WORDS, INFLUENCE, title="Describe the image. "*12))
    assert_tidy(figures.figure_words(image, [dict(word="man", saliency=sal, mask=sal > 0, insertion=.5, deletion=.1)]*6))
    assert_tidy(figures.figure_steps(image, labels, order, area, 9))
    assert_tidy(figures.figure_settings(image, [dict(title="necessity twice", saliency=sal, area=area, insertion=area, deletion=1 - area)]*6))
    for ax in (plots.show_map(image, sal, title="man", colorbar=True), plots.show_regions(image, labels, order=order), plots.show_curves(area, area, area)):
        assert_tidy(ax.figure)

def test_settings_stand_beside_each_other():
    items = [dict(title=t, saliency=SALIENCY, area=AREA, insertion=p*AREA, deletion=1 - AREA) for t, p in (("one", 1), ("other", .5))]
    fig = figures.figure_settings(IMAGE, items, mask=SALIENCY > .5)
    assert [a.get_title() for a in fig.axes] == ["one", "other", "", "ins. 0.50  del. 0.50", "ins. 0.25  del. 0.50", ""]
    assert np.array_equal(fig.axes[4].lines[0].get_ydata(), .5*AREA) and not fig.axes[2].axison

def test_steps_reveal_the_order():
    fig = figures.figure_steps(IMAGE, LABELS, ORDER, AREA, [0, 3])
    blank, three = (a.images[0].get_array() for a in fig.axes[:2])
    assert not blank.any() and (three == IMAGE*np.isin(LABELS, ORDER[:3])[..., None]).all()
    assert [t.get_text() for a in fig.axes for t in a.texts] == ["p = 0.00", "p = 0.25"]

def test_figures_show_themselves_once():
    from IPython.core.formatters import PNGFormatter
    for f in (plots.show_curves(AREA, AREA, AREA), sentence()): assert PNGFormatter()(f)[:4] == b"\x89PNG"

def test_save(tmp_path):
    fig = sentence()
    files = plots.save_figure(fig, tmp_path/"deep"/"a.pdf", dict(x=np.float32(.5), y=np.array([1, 2]), z=float("nan"), s={2, 1}, w=["猫"], b=np.bool_(True)), dpi=50)
    assert sorted(f.name for f in (tmp_path/"deep").iterdir()) == sorted(f.name for f in files) == ["a.json", "a.pdf", "a.png"]
    assert json.loads((tmp_path/"deep"/"a.json").read_text("utf-8")) == dict(x=.5, y=[1, 2], z=None, s=[1, 2], w=["猫"], b=True)
    assert [f.name for f in plots.save_figure(fig.axes[0], tmp_path/"v1.2", dpi=50)] == ["v1.2.png"]
    assert plots.figure_png(fig, 50) == plots.figure_png(fig, 50)

def test_save_is_whole_or_not_at_all(tmp_path, monkeypatch):
    fig = plots.show_curves(AREA, AREA, AREA)
    with pytest.raises(TypeError, match="object"): plots.save_figure(fig, tmp_path/"a.png", dict(x=object()))
    with pytest.raises(ValueError, match="unknown format"): plots.save_figure(fig, tmp_path/"a", formats=("bmp",))
    monkeypatch.setattr(plots.os, "replace", lambda *a: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"): plots.save_figure(fig, tmp_path/"a.png")
    assert not list(tmp_path.iterdir())
