"Drawings from plain arrays: what is drawn, what is refused, and that nothing is clipped."
import json
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from drawing import (AREA, H, IMAGE, INFLUENCE, LABELS, N, NASTY, ORDER, SALIENCY, SHAPES, W, WORDS, assert_tidy, draw,
                     shaped)
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eagle_nb.explanation import plots


def test_import_needs_neither_torch_nor_pyplot():
    code = ("import sys, eagle_nb.explanation.plots as p; "
            "assert 'torch' not in sys.modules and 'matplotlib.pyplot' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True)


# Maps

def test_overlay_is_brighter_where_the_map_is_high():
    out = plots.overlay(IMAGE, SALIENCY)
    assert out.shape == IMAGE.shape and out.dtype == np.uint8
    flat = plots.overlay(np.full((H, W, 3), 128, np.uint8), SALIENCY).astype(float).mean(-1).ravel()
    assert flat[-1] > flat[0] + 50
    assert plots.overlay(IMAGE, SALIENCY, alpha=0).std(-1).mean() < IMAGE.std(-1).mean()


def test_colour_map_by_name_and_as_an_object_give_the_same():
    cividis = matplotlib.colormaps["cividis"]
    default, named, given = (plots.overlay(IMAGE, SALIENCY, cmap=c) for c in (None, "cividis", cividis))
    assert np.array_equal(named, given) and not np.array_equal(named, default)
    assert np.array_equal(default, plots.overlay(IMAGE, SALIENCY, .6, plots.HEAT))


def test_show_map_draws_the_overlay_and_its_colour_bar_in_the_given_colours():
    ax = plots.show_map(IMAGE, SALIENCY, colorbar=True, alpha=.3, cmap="cividis")
    assert np.array_equal(ax.images[0].get_array(), plots.overlay(IMAGE, SALIENCY, .3, "cividis"))
    bar = ax.figure.axes[1]
    assert bar.collections[-1].get_cmap().name == "cividis"


@pytest.mark.parametrize("value", [0., .5, 1.])
def test_constant_map_is_drawn(value):
    assert isinstance(plots.show_map(IMAGE, np.full((H, W), value)), Axes)


def test_box_lies_on_the_pixels():
    ax = plots.show_map(IMAGE, SALIENCY, box=(10, 20, 30, 50), mask=SALIENCY > .5)
    assert ax.patches[-1].get_bbox().bounds == (9.5, 19.5, 20, 30)
    assert ax.get_xlim() == (-.5, W - .5) and ax.get_ylim() == (H - .5, -.5)


# Regions

def test_numbers_lie_in_their_regions():
    ax = plots.show_regions(IMAGE, LABELS, order=ORDER, top=4)
    assert [t.get_text() for t in ax.texts] == ["1", "2", "3", "4"]
    for t, r in zip(ax.texts, ORDER):
        x, y = t.get_position()
        assert LABELS[int(y), int(x)] == r


def test_partial_order_and_empty_region_are_drawn():
    merged = np.where(LABELS == 3, 2, LABELS)
    assert len(plots.show_regions(IMAGE, merged, order=[3, 4]).texts) == 1
    assert len(plots.show_regions(IMAGE, LABELS.astype(np.uint8), order=ORDER, top=99).texts) == N


# Curves

def test_legend_gives_the_areas():
    ax = plots.show_curves(AREA, AREA, 1 - AREA**2)
    names = [t.get_text() for t in ax.get_legend().get_texts()]
    p = 1 - AREA**2
    by_hand = sum((a + b)/2/N for a, b in zip(p[:-1], p[1:]))
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
    every = plots.show_word_curves(AREA, p, list(map(str, range(30))), top=None)
    assert len([a for a in every.axes if a.axison]) == 30


# Words

def overlap(a, b):
    "Whether two boxes of `word_layout` share more than a border."
    return min(a[2] + a[3], b[2] + b[3]) - max(a[2], b[2]) > 1e-6


@pytest.mark.parametrize("n", [1, 12, 70, 200])
def test_words_neither_overlap_nor_leave_the_line(n):
    words = (WORDS*20)[:n]
    ax = plots.show_words(words, np.linspace(0, 1, n))
    width = ax.get_xlim()[1]
    boxes, _ = plots.word_layout(words, width, 8.)
    assert [i for i, *_ in boxes] == list(range(n))
    assert all(x >= 0 and x + w <= width for _, _, x, w, _ in boxes)
    assert not any(overlap(a, b) for a, b in zip(boxes, boxes[1:]) if a[4] == b[4])
    assert_tidy(ax.figure)
    renderer = draw(ax.figure)
    for t, patch in zip(ax.texts, ax.patches):   # each word lies on its colour
        b, c = t.get_window_extent(renderer), patch.get_window_extent(renderer)
        assert b.x0 >= c.x0 - .5 and b.x1 <= c.x1 + .5 and b.y0 >= c.y0 - 1 and b.y1 <= c.y1 + 1


def test_tokens_are_grouped_into_words():
    assert plots.word_groups(["A", "▁skate", "board", ","]) == [[0], [1, 2, 3]]
    assert plots.word_groups(["Yes", ",", "(", "so", ")", "&", "$6"]) == [[0, 1], [2], [3, 4], [5], [6]]


@pytest.mark.filterwarnings("ignore:Glyph")
def test_any_text_can_be_drawn():
    v = np.linspace(0, 1, len(NASTY))
    for fig in (plots.show_words(NASTY, v).figure, plots.show_word_curves(AREA, AREA[:, None]*v, NASTY, top=None)):
        assert plots.figure_png(fig, dpi=60)[:4] == b"\x89PNG"
    assert plots.words_text(NASTY, v).count("\n") == len(NASTY) - 1
    plots.words_html(NASTY, v).encode("utf-8")


def test_type_shrinks_until_words_fit_given_axes():
    fig = Figure((3, 1))
    ax = fig.add_axes((0, 0, 1, 1))
    assert plots.show_words(WORDS*3, np.tile(INFLUENCE, 3), ax) is ax
    assert min(t.get_fontsize() for t in ax.texts) < 8


class Tags(HTMLParser):
    "The tags, tooltips and text of a page."
    def __init__(self, page):
        super().__init__()
        self.names, self.text, self.titles = [], "", []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.titles += [v for k, v in attrs if k == "title"]

    def handle_data(self, data): self.text += data


def test_html_is_escaped():
    page = Tags(plots.words_html(NASTY, np.linspace(0, 1, len(NASTY))))
    assert set(page.names) == {"div", "span"} and "<script>alert(1)</script>" in page.text
    assert len(page.titles) == len(NASTY) and page.titles[-1].endswith("1.000")


def luminance(rgb):
    rgb = np.array(rgb)
    linear = np.where(rgb <= .04045, rgb/12.92, ((rgb + .055)/1.055)**2.4)
    return float(linear @ (.2126, .7152, .0722))


def test_text_stands_out_from_its_colour():
    levels = []
    for x in np.linspace(0, 1, 50):
        background, ink = plots.word_colours(x)
        levels.append(luminance(background))
        contrast = 1.05/(levels[-1] + .05) if ink == "white" else (levels[-1] + .05)/.05
        assert contrast >= 4.5
    assert all(np.diff(levels) < 1e-3), "brightness must fall steadily to survive a grey printer"


def test_bars_in_text():
    assert plots.words_text(["a", "bc"], [0, 2], width=3) == "a       0.000\nbc  ███ 2.000"
    assert plots.words_text(["a", "b"], [1, 0], vmax=16, width=2) == "a  ▏  1.000\nb     0.000"


# What is refused

@pytest.mark.parametrize("call, message", [
    (lambda: plots.overlay(IMAGE, SALIENCY.T), "shape of the image"),
    (lambda: plots.overlay(IMAGE, np.where(SALIENCY > .5, np.nan, 0)), "NaN"),
    (lambda: plots.overlay(IMAGE, np.full((H, W), np.inf)), "finite"),
    (lambda: plots.overlay(IMAGE, SALIENCY*2), r"\[0, 1\]"),
    (lambda: plots.overlay(IMAGE[..., 0], SALIENCY), r"\(H, W, 3\)"),
    (lambda: plots.overlay(IMAGE/255., SALIENCY), "uint8"),
    (lambda: plots.overlay(IMAGE, SALIENCY, alpha=2), "alpha"),
    (lambda: plots.overlay(IMAGE, SALIENCY, cmap="infrared"), "'infrared' is not a valid value for cmap"),
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
    (lambda: plots.words_html(["a", "b"], [1]), "one value per word"),
    (lambda: plots.show_words(["a"], [1], vmax=0), "vmax"),
])
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message): call()


# Figures and files

@pytest.mark.parametrize("h, w", SHAPES)
def test_drawings_are_tidy_at_any_shape(h, w):
    a = shaped(h, w)
    area = a["area"]
    for ax in (plots.show_map(a["image"], a["saliency"], title="man", colorbar=True),
               plots.show_regions(a["image"], a["labels"], order=a["order"]), plots.show_curves(area, area, area)):
        assert_tidy(ax.figure)


def test_axes_show_themselves():
    from IPython.core.formatters import PNGFormatter
    assert PNGFormatter()(plots.show_curves(AREA, AREA, AREA))[:4] == b"\x89PNG"


def test_data_are_saved_as_plain_json():
    data = dict(x=np.float32(.5), y=np.array([1, 2]), z=float("nan"), s={2, 1}, w=["猫"], b=np.bool_(True),
                p=Path("a/b"))
    plain = plots.plain_json(data)
    assert plain == dict(x=.5, y=[1, 2], z=None, s=[1, 2], w=["猫"], b=True, p=str(Path("a/b")))
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_saving_is_whole_or_not_at_all(tmp_path, monkeypatch):
    fig = plots.show_curves(AREA, AREA, AREA)
    with pytest.raises(TypeError, match="object"): plots.save_figure(fig, tmp_path/"a.png", dict(x=object()))
    with pytest.raises(ValueError, match="unknown format"): plots.save_figure(fig, tmp_path/"a", formats=("bmp",))
    monkeypatch.setattr(os, "replace", lambda *a: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"): plots.save_figure(fig, tmp_path/"a.png")
    assert not list(tmp_path.iterdir())
