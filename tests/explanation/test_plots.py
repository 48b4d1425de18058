"Drawings from plain arrays: what is drawn, what is refused, and that nothing is clipped."
import json
import os
import re
import subprocess
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from drawing import (AREA, H, IMAGE, INFLUENCE, LABELS, N, NASTY, ORDER, SALIENCY, SHAPES, W, WORDS, assert_tidy, draw,
                     scale_texts, shaped)
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import DrawingArea

from eagle_nb.explanation import plots, typography
from eagle_nb.explanation.scales import NOTHING, Scale, Unit, map_scales, shared_scale
from eagle_nb.explanation.typography import clusters

CHANGE = Unit("change of probability", NOTHING)


def test_import_needs_neither_torch_nor_pyplot():
    code = ("import sys, eagle_nb.explanation.plots as p; "
            "assert 'torch' not in sys.modules and 'matplotlib.pyplot' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True)


# Maps

def test_overlay_is_brighter_where_the_map_is_high():
    out = plots.overlay(IMAGE, SALIENCY)
    assert out.shape == IMAGE.shape and out.dtype == np.uint8
    dark = plots.overlay(np.zeros((H, W, 3), np.uint8), SALIENCY).astype(float).mean(-1).ravel()
    assert (np.diff(dark) >= -1).all() and dark[-1] > 80


def test_the_image_stays_as_it_is_where_a_map_is_low():
    assert np.array_equal(plots.overlay(IMAGE, np.zeros((H, W))), IMAGE)
    assert np.array_equal(plots.overlay(IMAGE, SALIENCY, alpha=0), IMAGE)
    half = SALIENCY*(np.arange(W) < W//2)
    assert np.array_equal(plots.overlay(IMAGE, half)[:, W//2:], IMAGE[:, W//2:])
    assert np.array_equal(plots.overlay(IMAGE, -SALIENCY, scale=Scale(1.)), IMAGE), "an unsigned scale has no colours below 0"
    change = [np.abs(plots.overlay(IMAGE, np.full((H, W), x), scale=Scale(1.)).astype(int) - IMAGE).mean()
              for x in (0, .01, .1, .5, 1)]
    assert change == sorted(change) and change[1] < 15 < change[-1]/3, "opacity grows with the value"


def test_maps_on_one_scale_keep_their_proportions():
    one = Scale(1.)
    assert np.array_equal(plots.overlay(IMAGE, .3*SALIENCY, scale=Scale(.3)), plots.overlay(IMAGE, SALIENCY, scale=one))
    faint, strong = (np.abs(plots.overlay(IMAGE, k*SALIENCY, scale=one).astype(int) - IMAGE).mean() for k in (.02, 1))
    assert faint < strong/4


def test_signs_have_their_own_colours():
    grey = np.full((H, W, 3), 128, np.uint8)
    out = plots.overlay(grey, np.linspace(-1, 1, H*W).reshape(H, W), scale=Scale(1., signed=True)).astype(int)
    assert out[0, 0, 2] > out[0, 0, 0] + 30 and out[-1, -1, 0] > out[-1, -1, 2] + 30


def test_contours_leave_the_pixels_alone():
    ax = plots.show_map(IMAGE, SALIENCY, contours=True, scale=Scale(1., unit=Unit("change")))
    assert np.array_equal(ax.images[0].get_array(), IMAGE) and len(ax.lines) == 6   # two strokes at three levels
    assert [t.get_text() for t in scale_texts(ax.figure)] == ["lines at 0.25, 0.5, 0.75", "change"]
    signed = plots.show_map(IMAGE, SALIENCY - .5, contours=True, scale=Scale(.5, signed=True))
    assert len(signed.lines) > len(ax.lines)


@pytest.mark.parametrize("values, scale, note", [
    (.003*SALIENCY - .001, Scale(.3, unit=CHANGE), "no region moves it: largest change 0.002"),
    (.003*SALIENCY, Scale(.3, unit=CHANGE), "no region supports it: largest change 0.003"),
    (0*SALIENCY, Scale(.3), "no region supports it: largest change 0"),
    (-.3*SALIENCY, Scale(.3, unit=CHANGE), "regions only oppose it: largest change -0.3"),
    (.003*SALIENCY, Scale(.3), ""), (-.3*SALIENCY, Scale(.3, True, CHANGE), ""),
    (np.full((H, W), .005), Scale(.3, unit=CHANGE), "")])
def test_a_map_without_anything_says_so(values, scale, note):
    ax = plots.show_map(IMAGE, values, scale=scale, target="it")
    assert " ".join(t.get_text().replace("\n", " ") for t in ax.texts) == note
    assert np.array_equal(ax.images[0].get_array(), IMAGE) == bool(note)
    assert_tidy(ax.figure)


def test_colour_map_by_name_and_as_an_object_give_the_same():
    cividis = matplotlib.colormaps["cividis"]
    default, named, given = (plots.overlay(IMAGE, SALIENCY, cmap=c) for c in (None, "cividis", cividis))
    assert np.array_equal(named, given) and not np.array_equal(named, default)
    assert np.array_equal(default, plots.overlay(IMAGE, SALIENCY, plots.ALPHA, plots.HEAT))


def test_show_map_draws_the_overlay_and_its_colour_bar_in_the_given_colours():
    scale = Scale(2., unit=CHANGE)
    ax = plots.show_map(IMAGE, SALIENCY, alpha=1., cmap="cividis", scale=scale)
    assert np.array_equal(ax.images[0].get_array(), plots.overlay(IMAGE, SALIENCY, 1., "cividis", scale))
    assert [t.get_text() for t in scale_texts(ax.figure)] == ["0", "2", "change of probability"]
    ramp = [p.get_facecolor()[:3] for p in ax.figure.findobj(DrawingArea)[0].get_children()]
    assert ramp[-1] == pytest.approx(matplotlib.colormaps["cividis"](1.)[:3], abs=.01)
    assert ramp[0] == pytest.approx([225/255]*3, abs=.01), "the ramp is blended like the map"
    assert not scale_texts(plots.show_map(IMAGE, SALIENCY, Figure().subplots()).figure), "in given axes the caller draws it"


@pytest.mark.parametrize("value", [0., .5, 1.])
def test_constant_map_is_drawn(value):
    assert isinstance(plots.show_map(IMAGE, np.full((H, W), value)), Axes)


def test_box_lies_on_the_pixels():
    ax = plots.show_map(IMAGE, SALIENCY, box=(10, 20, 30, 50), mask=SALIENCY > .5)
    assert ax.patches[-1].get_bbox().bounds == (9.5, 19.5, 20, 30)
    assert ax.get_xlim() == (-.5, W - .5) and ax.get_ylim() == (H - .5, -.5)


def test_a_scale_fits_axes_of_every_kind():
    scale = Scale(1., unit=Unit("change of probability per mean-sized region", NOTHING))
    fig = Figure((7, 2), layout="constrained")
    left, right = fig.subfigures(1, 2)
    for ax in (*left.subplots(1, 2), right.subplots()): plots.show_map(IMAGE, SALIENCY, ax, colorbar=True, scale=scale)
    lines = [len([t for t in scale_texts(part)]) for part in (left, right)]
    assert lines == [2*(2 + 2), 2 + 1], "both ends, and the unit, which narrow axes break in two"
    assert_tidy(fig)
    alone = Figure((4, 3))
    plots.show_map(IMAGE, SALIENCY, alone.add_axes((.1, .2, .8, .7)), colorbar=True, scale=scale)
    assert_tidy(alone)


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


@pytest.mark.filterwarnings("ignore:no installed font")
def test_any_text_can_be_drawn():
    v = np.linspace(0, 1, len(NASTY))
    for fig in (plots.show_words(NASTY, v).figure, plots.show_word_curves(AREA, AREA[:, None]*v, NASTY, top=None)):
        assert plots.figure_png(fig, dpi=60)[:4] == b"\x89PNG"
    assert plots.words_text(NASTY, v).count("\n") == len(NASTY) - 1
    plots.words_html(NASTY, v).encode("utf-8")


def test_pieces_of_a_character_stay_together_and_are_seen():
    tokens = ["A", " ", "", "", "🐕", " ї", "", " x"]
    assert plots.word_groups(tokens) == [[0], [1, 2, 3, 4], [5, 6], [7]]
    boxes, _ = plots.word_layout(tokens, 200., 8.)
    assert [i for i, *_ in boxes] == list(range(8)) and all(w > 0 for *_, w, _ in boxes)
    assert [t for _, t, *_ in boxes] == ["A", "·", "", "", "🐕", "ї", "", "x"]
    right = {i: x + w for i, _, x, w, _ in boxes}
    left = {i: x for i, _, x, _, _ in boxes}
    assert all(abs(right[i] - left[i+1]) < 1e-6 for i in (1, 2, 3, 5)) and left[5] > right[4]
    page = Tags(plots.words_html(tokens, np.linspace(0, 1, 8)))
    assert [t.startswith("part of a character") for t in page.titles] == [t == "" for t in tokens]


def test_joiners_stay_and_marks_of_direction_go():
    assert plots.clean_text("👨\u200d👩\u200d👧") == "👨\u200d👩\u200d👧" and plots.clean_text("می\u200cشود") == "می\u200cشود"
    assert plots.clean_text("\u200fقط\u200e") == "قط" and plots.clean_text("\u200b") == "·"
    assert plots.clean_text("a\u202eb\u2066") == "a·b·" and plots.clean_text("a\u3000b\xa0c") == "a b c"


def test_a_long_word_is_never_torn_inside_a_character():
    for word in ("e\u0301"*60, "👨\u200d👩\u200d👧"*12, "ก็ที่"*20, "क्षि"*20):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            boxes, lines = plots.word_layout([word], 60., 8.)
        texts_ = [t for _, t, *_ in boxes]
        assert lines > 1 and "".join(texts_) == word
        assert sum((clusters(t) for t in texts_), []) == clusters(word)


def lefts(words, width=400.):
    "The words of one line from left to right."
    boxes, lines = plots.word_layout(words, width, 8.)
    assert lines == 1
    return [words[i] for i, *_ in sorted(boxes, key=lambda b: b[2])], boxes


def test_right_to_left_words_run_from_right_to_left():
    order, boxes = lefts("قطة سوداء على iPhone 15 .".split())
    assert order == [".", "iPhone", "15", "على", "سوداء", "قطة"]
    assert abs(max(x + w for _, _, x, w, _ in boxes) - 400) < 1e-6, "the first word stands at the right edge"
    order, boxes = lefts("the word شجرة كبيرة means tree".split())
    assert order == "the word كبيرة شجرة means tree".split() and min(x for _, _, x, _, _ in boxes) == 0
    assert [i for i, *_ in boxes] == list(range(6)), "boxes come in reading order"


@pytest.mark.parametrize("text, expected", [
    ("עמודים 15 16", "16 15 עמודים"), ("pages 15 16 שם", "pages 15 16 שם"), ("שם 15 cat 16", "cat 16 15 שם"),
    ("a ٣٤ ٥", "a ٥ ٣٤"), ("שם & שם", "שם & שם"), ("cat & שם & dog", "cat & שם & dog"), ("قط ! cat", "cat ! قط"),
    ("15 קט", "קט 15"), ("15 cat", "15 cat")])
def test_numbers_and_signs_follow_the_rules_of_unicode(text, expected):
    assert lefts(text.split())[0] == expected.split()


def test_each_line_is_ordered_by_itself():
    words = "שני חתולים שחורים על שולחן גדול".split()
    boxes, lines = plots.word_layout(words, 70., 8.)
    assert lines > 1 and [b[4] for b in boxes] == sorted(b[4] for b in boxes)
    for n in range(lines):
        xs = [x for _, _, x, _, line in boxes if line == n]
        assert xs == sorted(xs, reverse=True)


def test_html_states_direction_and_language():
    def opening(words): return re.match("<div ([^>]*)>", plots.words_html(words, np.ones(len(words)))).group(1)
    assert 'dir="rtl"' in opening(["קט", "cat"]) and 'dir="ltr"' in opening(["cat", "קט"])
    assert 'lang="ja"' in opening(["猫", "が"]) and 'lang="ko"' in opening(["고양이"]) and "lang" not in opening(["cat"])
    page = Tags(plots.words_html(["קט", "<b>", "שחור"], np.ones(3)))
    assert "קט" in page.text and "<b>" in page.text and "bdi" not in page.names, "an isolated word leaves its run"


def test_bars_stay_on_the_right_of_hebrew():
    assert plots.words_text(["קט", "a"], [1, 1], width=1) == "קט\u200e  █ 1.000\na   █ 1.000"


# Fonts

@pytest.mark.parametrize("script, text", [("Han", "一只猫"), ("Thai", "ที่นี่"), ("Devanagari", "बिल्ली"), ("Khmer", "ឆ្មា"),
                                          ("Symbols", "🐕"), ("Korean", "고양이"), ("Japanese", "ねこ")])
def test_one_warning_where_no_font_has_a_script(monkeypatch, script, text):
    only = {typography.BASE: typography.installed_fonts()[typography.BASE]}
    monkeypatch.setattr(typography, "installed_fonts", lambda: only)
    monkeypatch.setattr(typography, "_told", set())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            fig = plots.show_words([text, "cat", text[::-1]], [0, .5, 1]).figure
            plots.figure_png(fig, dpi=60)
            draw(fig)
            fig.savefig(os.devnull, format="png", bbox_inches="tight")
    assert len(caught) == 1, [str(w.message) for w in caught]
    message = str(caught[0].message)
    assert f"({script})" in message and set(text) & set(message) and "install Noto" in message and "fonts-" in message
    assert [t.get_text() for t in fig.axes[0].texts[:2]] == [text, "cat"], "the text stays whole"


@pytest.mark.parametrize("lang, text", [("ja", "猫がいる"), ("ko", "고양이 猫"), ("zh", "一只猫")])
def test_a_font_is_chosen_by_script_and_language(monkeypatch, lang, text):
    "Fonts of the machine are stood in for by one that claims to have everything."
    names = {"ja": "Noto Sans CJK JP", "ko": "Noto Sans CJK KR", "zh": "Noto Sans CJK SC"}
    base = typography.installed_fonts()[typography.BASE]
    fonts = {typography.BASE: base, **{n: (n, 0) for n in names.values()}}
    latin, everything = typography._characters(*base), frozenset(range(0x110000))
    monkeypatch.setattr(typography, "installed_fonts", lambda: fonts)
    monkeypatch.setattr(typography, "_characters", lambda path, face: latin if path == base[0] else everything)
    families, missing = typography.font_families(text)
    assert families[:2] == [typography.BASE, names[lang]] and not missing
    assert typography.font_families("a cat") == ([typography.BASE], {})


SAMPLES = {"一只猫": "Han", "ねこ": "Japanese", "고양이": "Korean", "แมว": "Thai", "बिल्ली": "Devanagari", "বিড়াল": "Bengali",
           "பூனை": "Tamil", "పిల్లి": "Telugu", "ឆ្មា": "Khmer", "ကြောင်": "Myanmar", "ድመት": "Ethiopic", "قطة": "Arabic",
           "חָתוּל": "Hebrew", "кот": "Cyrillic", "γάτα": "Greek", "ї": "Cyrillic"}


@pytest.mark.parametrize("text", SAMPLES)
def test_fonts_of_this_machine_draw_the_text_without_a_word_or_it_is_told(monkeypatch, text):
    monkeypatch.setattr(typography, "_told", set())
    missing = typography.font_families(text)[1]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ax = plots.show_words([text], [1])
        draw(ax.figure)
    assert set(missing) <= {SAMPLES[text]}
    unjoined = [w for w in caught if "unjoined" in str(w.message)]
    assert len(caught) - len(unjoined) == len(missing), [str(w.message) for w in caught]
    assert ax.texts[0].get_text() == text


def test_titles_and_the_users_own_fonts():
    fig = Figure()
    ax = fig.add_subplot()
    mine = ax.text(0, 0, "猫", family="serif")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plots.show_map(IMAGE, SALIENCY, ax, title="猫")
    families = typography.font_families("猫")[0]
    assert mine.get_fontfamily() == ["serif", *families], "the user's font first, others for what it lacks"
    assert ax.title.get_fontfamily() == ["sans-serif", *families]


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
    (lambda: plots.overlay(IMAGE, SALIENCY, alpha=-.1), r"alpha must lie in \[0, 1\], got -0.1"),
    (lambda: plots.show_map(IMAGE, SALIENCY*np.nan), "NaN"),
    (lambda: Scale(0.), "vmax must be above 0"), (lambda: Scale(np.nan), "vmax must be above 0"),
    (lambda: Unit("change", np.nan), "least must be at least 0"),
    (lambda: shared_scale([SALIENCY, SALIENCY*np.nan]), "NaN"), (lambda: shared_scale([]), "at least one map"),
    (lambda: map_scales("both", [SALIENCY]), "unknown scale 'both': choose 'shared' or 'own', or give a Scale"),
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
    (lambda: plots.show_word_curves(AREA, AREA[:, None], ["one"], top=0), "top must be at least 1, got 0"),
    (lambda: plots.show_word_curves(AREA, AREA[:, None], ["one"], top=-2), "top must be at least 1, got -2"),
])
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message): call()


@pytest.mark.parametrize("ax", [Figure(), "axes", np.array([None]), 0])
def test_axes_of_another_type_are_refused(ax):
    for draw_into in (lambda: plots.show_words(["a"], [1], ax), lambda: plots.show_map(IMAGE, SALIENCY, ax),
                      lambda: plots.show_curves(AREA, AREA, AREA, ax), lambda: plots.draw_image(ax, IMAGE),
                      lambda: plots.show_regions(IMAGE, LABELS, ax)):
        with pytest.raises(TypeError, match=f"ax must be one matplotlib Axes, got {type(ax).__name__}"): draw_into()


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
