"""What a paper would print: every figure is drawn with sample data and looked at as a printer would.

Texts are large enough and apart, maps wide enough, and every line that carries a colour is named somewhere."""
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from drawing import AREA, IMAGE, INFLUENCE, LABELS, ORDER, SALIENCY, WORDS, draw
from matplotlib.colors import to_hex
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnchoredOffsetbox
from matplotlib.patches import Patch
from matplotlib.text import Text

from eagle_nb.apps import explained, panels, scrubber
from eagle_nb.evaluation.comparisons import figure_differences
from eagle_nb.evaluation.results import METRICS, NAMES, Evaluation, figure_comparison
from eagle_nb.explanation import figures, plots
from eagle_nb.explanation.hallucination import figure_correction
from eagle_nb.explanation.scales import NOTHING, Unit, shared_scale

LARGE = IMAGE.repeat(4, 0).repeat(4, 1)
MAP, REGIONS, MASK = (a.repeat(4, 0).repeat(4, 1) for a in (SALIENCY, LABELS, SALIENCY > .7))
CHANGE = Unit("change of probability per region", NOTHING)
CURVES = dict(area=AREA, insertion=AREA**.3, deletion=(1 - AREA)**3)


def item(name, key="title", unit=CHANGE, **more): return {key: name, "saliency": MAP, "unit": unit} | CURVES | more


def evaluation(seed=0):
    "Three methods on ten samples; one of them on four."
    rng = np.random.default_rng(seed)
    rows = [dict(key=str(k), method=m, insertion=.8 + .1*rng.random(), deletion=.3*rng.random(), pointing_mask=rng.random(),
                 auc_gap=rng.random(), note=None) for m in ("EAGLE", "EAGLE (one shot)", "integrated gradients")
            for k in range(4 if "shot" in m else 10)]
    return Evaluation(pd.DataFrame(rows), {}, {})


def share(*forwards): return np.array([[f, 90 + f/10, 85 + f/10, 95 + f/10] for f in forwards])


SHARES = dict(fast=share(5, 10, 25, 40), one_shot=share(5, 25, 100), exact=share(5, 10, 100))
COLOURS = dict(fast="#D55E00", one_shot="#CC79A7", exact="#000000")
CLAIM = dict(claim="both terms beat insight alone", difference="+0.191 [+0.092, +0.301]", above=.01, pairs=60, verdict="holds")


def modality():
    table = pd.DataFrame(dict(word=WORDS[:4], position=range(4), influence=INFLUENCE[:4], steps=INFLUENCE[:4],
                              difference=INFLUENCE[:4]) | {"class": ["function", "object", "function", "place"]})
    found = dict(image=LARGE, labels=REGIONS, order=ORDER, area=AREA, curves=np.stack([AREA**k for k in (.2, .5, 1, 2)], 1),
                 table=table)
    return explained.figure_modality(found, "influence (area)")


def prior():
    row = dict(kind="planted", trigger="wine glass", partner="pizza", word="Yes", area=AREA, insertion=CURVES["insertion"])
    orders = np.stack([AREA**k for k in (1, 2)])[..., None], np.stack([AREA]*2)
    found = dict(row=row, sample=SimpleNamespace(segmentation=MASK), image=LARGE, map=MAP, scale=shared_scale([MAP], unit=CHANGE),
                 orders=orders)
    rows = [dict(kind=k, score=v) for k, at in (("planted", .7), ("seen", .95)) for v in (at, at - .1)] + [row | dict(score=.6)]
    return explained.figure_prior(found, rows, "influence", lambda r: r.get("score", .6))


def correction():
    right = np.arange(len(AREA)) > 2
    return figure_correction(LARGE, REGIONS, MAP, ORDER[:2], 0*LARGE, AREA, CURVES["insertion"], right, "Yes.", "No.",
                             "Is there a pizza in the image?", "right once 2 regions are removed", "No", MASK, CHANGE)


def sentence(): return figures.figure_sentence(LARGE, MAP, REGIONS, ORDER, *CURVES.values(), WORDS, INFLUENCE, "Describe the image.")


FIGURES = dict(
    sentence=sentence,
    overview=lambda: figures.figure_overview(LARGE, REGIONS, ORDER, {"map of the answer": (MAP, None), "map of “tie”": (.2*MAP, None)},
                                             *CURVES.values(), WORDS, INFLUENCE, "Describe the image.", CHANGE),
    words=lambda: figures.figure_words(LARGE, [item(w, "word", mask=MASK) | dict(insertion=.8, deletion=.1) for w in WORDS], unit=CHANGE),
    own_scales=lambda: figures.figure_words(LARGE, [item(w, "word") | dict(insertion=.8, deletion=.1) for w in WORDS[:4]], "own", CHANGE),
    answer=lambda: figures.figure_answer(LARGE, {f"step {k}": MAP for k in range(5)}, WORDS, INFLUENCE, "A title", unit=CHANGE),
    methods=lambda: figures.figure_methods(LARGE, [item(m, "method", u) for m, u in (
        ("EAGLE", CHANGE), ("EAGLE (one shot)", CHANGE), ("LLaVA-CAM", None), ("integrated gradients", None),
        ("attention rollout", None), ("random", None))], mask=MASK, title="“A tie.”"),
    settings=lambda: figures.figure_settings(LARGE, [item(s) for s in (
        "whole sentence", "object words only", "image-sensitive only", "prior-driven only", "another seed")] + [item("random", unit=None)],
        mask=MASK),
    seven_settings=lambda: figures.figure_settings(LARGE, [item(s) for s in ("black", "mean", "blur", "noise", "drop", "another seed")]
                                                   + [item("random", unit=None)], box=(10, 10, 90, 90)),
    contours=lambda: figures.figure_words(LARGE, [dict(word=w, saliency=MAP) for w in WORDS[:3]], unit=CHANGE, contours=True),
    steps=lambda: figures.figure_steps(LARGE, REGIONS, ORDER, CURVES["insertion"], [0, 1, 2, 3, 4, 6, 9, 12]),
    step=lambda: scrubber.figure_step(LARGE, REGIONS, ORDER, *CURVES.values(), 3),
    correction=correction, modality=modality, prior=prior,
    comparison=lambda: figure_comparison({"scenes-llava": evaluation(), "scenes-qwen": evaluation(1), "scenes-internvl": evaluation(2)},
                                         ("insertion", "deletion", "pointing_mask")),
    differences=lambda: figure_differences({"scenes-llava": evaluation(), "scenes-qwen": evaluation(1)}, "EAGLE",
                                           ("insertion", "auc_gap", "pointing_mask")),
    claims=lambda: panels.figure_claims([CLAIM, CLAIM | dict(verdict="undecided", difference="-0.002 [-0.012, +0.008]")]),
    costs=lambda: panels.figure_costs({"scenes-llava": dict(ours=225., naive=82.4), "scenes-qwen": dict(ours=313., naive=68.)},
                                      "forward passes per second"),
    shares=lambda: panels.figure_shares({(m, t): SHARES for m in ("scenes-llava", "scenes-qwen", "scenes-internvl")
                                         for t in ("caption", "word")}, COLOURS,
                                        {(m, t): dict(fast=50, one_shot=20, exact=50) for m in ("scenes-llava", "scenes-qwen", "scenes-internvl")
                                         for t in ("caption", "word")}),
    rivals=lambda: panels.figure_rivals({m: dict(n=5, lines=SHARES) for m in ("scenes-llava", "scenes-qwen", "scenes-internvl")}, COLOURS))


@pytest.fixture(scope="module", params=FIGURES)
def fig(request):
    fig = FIGURES[request.param]()
    fig.renderer = draw(fig)
    return fig


def in_keys(artist, fig): return any(artist in box.findobj() for kind in (Legend, AnchoredOffsetbox) for box in fig.findobj(kind))


def written(fig):
    "Texts that are on the paper."
    unseen = {id(t) for ax in fig.axes if not ax.axison for t in (*ax.get_xticklabels(), *ax.get_yticklabels(), ax.xaxis.label, ax.yaxis.label)}
    found = {id(t): t for t in fig.findobj(Text) if t.get_visible() and t.get_text().strip() and id(t) not in unseen}
    boxes = {k: t.get_window_extent(fig.renderer) for k, t in found.items()}
    frame = fig.bbox
    ticks = {id(t) for ax in fig.axes for axis in (ax.xaxis, ax.yaxis) for t in axis.get_ticklabels(which="both")}
    shown = {id(t) for ax in fig.axes for axis in (ax.xaxis, ax.yaxis)
             for tick in axis._update_ticks() for t in (tick.label1, tick.label2) if t.get_visible()}
    return [(found[k], b) for k, b in boxes.items() if (k not in ticks or k in shown) and b.overlaps(frame)]


def test_no_text_is_small_or_clipped(fig):
    for text, box in written(fig):
        assert text.get_fontsize() >= 6, (text.get_text(), text.get_fontsize())
        assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= fig.bbox.x1 + 1 and box.y1 <= fig.bbox.y1 + 1, text.get_text()


def test_no_texts_overlap(fig):
    for (a, first), (b, second) in combinations(written(fig), 2):
        x = min(first.x1, second.x1) - max(first.x0, second.x0)
        y = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert x < 1 or y < 1.5, (a.get_text(), b.get_text())


def test_it_fits_a_page_and_each_map_is_wide_enough(fig):
    assert fig.get_figwidth() <= plots.PAGE + 1e-6 and fig.get_figheight() <= 9.5
    for ax in fig.axes:
        if not ax.images or ax.images[0].get_array().shape[0] == 1: continue   # the ramp of words has one row
        width = ax.get_window_extent(fig.renderer).width/fig.dpi
        assert width >= .8, (ax.get_title(), width)


def colours_named(fig):
    "The colours of everything that stands in a legend or in a key."
    boxes = [b for kind in (Legend, AnchoredOffsetbox) for b in fig.findobj(kind)]
    lines = {to_hex(c) for b in boxes for line in b.findobj(Line2D) for c in (line.get_color(), line.get_markerfacecolor()) if c != "none"}
    return lines | {to_hex(c) for b in boxes for p in b.findobj(Patch) for c in (p.get_edgecolor(), p.get_facecolor())}


def test_every_line_is_named(fig):
    named, said = colours_named(fig), " ".join(t.get_text() for t, _ in written(fig))
    for ax in fig.axes:
        for line in ax.lines:
            x = np.asarray(line.get_xdata(), float)
            reference = len(x) and np.all(x == 0) or in_keys(line, fig)   # the axis of zero says what it is
            if reference or not len(x) or not line.get_visible(): continue
            marks = line.get_linestyle() == "None" and line.get_markerfacecolor() != "none"
            colour = to_hex(line.get_markerfacecolor() if marks else line.get_color())
            directly = "lines at" in said or "this step" in said and colour == to_hex(".35")   # named by a text
            assert colour in named or directly, (ax.get_title(), colour)


def test_titles_are_short_and_no_name_is_internal(fig):
    for text, _ in written(fig): assert "_" not in text.get_text(), text.get_text()
    for ax in fig.axes: assert max(map(len, ax.get_title().split("\n"))) <= 40, ax.get_title()


def test_fonts_are_embedded_as_outlines(tmp_path):
    files = plots.save_figure(sentence(), tmp_path/"a.pdf")
    content = next(f for f in files if f.suffix == ".pdf").read_bytes()
    assert b"/FontFile2" in content and b"/Type3" not in content   # TrueType


def test_every_metric_has_a_name_in_words():
    assert NAMES.keys() >= METRICS.keys() and not any("_" in name for name in NAMES.values())


def test_means_of_fewer_samples_say_so():
    fig = figure_comparison({"scenes-llava": evaluation()}, ("insertion",))
    assert fig.axes[0].get_title() == "scenes-llava (n = 10)"
    assert [t.get_text() for t in fig.axes[0].texts] == ["4", "n"]


def test_curves_of_fewer_samples_say_so():
    fig = panels.figure_shares({("scenes-llava", "word"): SHARES}, COLOURS,
                               {("scenes-llava", "word"): dict(fast=50, exact=50, one_shot=20)})
    assert fig.axes[0].get_title() == "scenes-llava, words (n = 50)\none shot: n = 20"
