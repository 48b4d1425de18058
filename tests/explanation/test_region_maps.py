"Maps in their unit: what each kind says, what is drawn, picked, listed, saved and subtracted, and what is refused."
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from drawing import assert_tidy, scale_texts
from hypothesis import given, strategies as st
from PIL import Image
from safetensors.numpy import load_file

from eagle_nb.core.answers import Answer
from eagle_nb.core.regions import Regions, grid
from eagle_nb.core.scores import FunctionScorer
from eagle_nb.core.targets import Target
from eagle_nb.evaluation.metrics import energy, iou, pointing
from eagle_nb.explanation import maps
from eagle_nb.explanation.explanation import Explanation, explain_scores
from eagle_nb.explanation.maps import DEFAULT_MAP, MAPS, Difference, attribution, paint
from eagle_nb.explanation.scales import NOTHING, Scale
from eagle_nb.explanation.words import refine, word_maps

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def explained(fn, tokens=("cat",), search="fast", seed=0, pixels=PIXELS, **kw):
    "An explanation of a function of 4 x 4 regions as if a model had said these tokens."
    ids = tuple(range(len(tokens)))
    answer = Answer("".join(tokens), list(ids), list(tokens))
    settings = dict(seed=seed) if search in ("fast", "random") else {}
    return explain_scores(FunctionScorer(fn, 16), pixels, grid(pixels, 4, 4), Target(ids, ids, tuple(tokens), ids, answer.text),
                          answer, search=search, **settings, **kw)


def cat(keep): return .2 + .5*keep[:, 5:6] + .2*keep[:, 6:7] - .1*keep[:, 10:11].float()
def sentence(keep): return torch.cat([cat(keep), torch.full((len(keep), 1), .4) + .002*keep[:, 3:4]], 1)


@pytest.fixture(scope="module")
def e(): return explained(cat)


@pytest.fixture(scope="module")
def caption(): return explained(sentence, (" cat", " a"))


# ---- kinds

def test_maps_by_hand():
    f = [0, .5, .4, 1.4]
    assert attribution(f).tolist() == pytest.approx([.5, -.1, 1.])
    assert attribution(f, "paper").tolist() == pytest.approx([1., (1.6 - .6)/1.1, 0.]) # -.5, -.6, -1.6 to [0, 1]
    assert attribution(f, "per_area", [0, .5, .75, 1]).tolist() == pytest.approx([.5/1.5, -.1/.75, 1/.75])
    assert attribution([1, 1, 1]).tolist() == [0, 0] and attribution([1, 1, 1], "paper").tolist() == [0, 0]
    assert paint(np.array([[0, 1], [2, 2]]), [2, 0, 1], [.9, .5, .1]).tolist() == [[.5, .1], [.9, .9]]


def test_every_kind_has_its_unit(e):
    assert e.by_region("gain")[[5, 6, 10]] == pytest.approx([1., .4, -.2], abs=1e-4) # insight and necessity
    assert e.by_region("per_area") == pytest.approx(e.by_region("gain")/(16*e.regions.area))
    assert e.by_region("value")[[5, 6, 10]] == pytest.approx([.5, .2, -.1], abs=.01) # regions of equal size
    assert sorted(e.by_region("paper"))[0] == 0 and e.by_region("paper").max() == 1
    for kind in MAPS:
        m = e.attribution(kind)
        assert m.shape == PIXELS.shape[:2] and np.array_equal(m, e.by_region(kind)[e.regions.labels])
        assert e.unit(kind).name and np.array_equal(e.scorer.area, e.regions.area)
    assert "probability" in e.unit("value").name and "F" in e.unit("gain").name


def test_weights_belong_to_the_unit():
    half = explained(cat, lam=(.5, 0))
    assert half.by_region("gain")[5] == pytest.approx(.25, abs=1e-4) and half.unit("gain").least == NOTHING/2
    assert half.by_region("value")[5] == pytest.approx(.5, abs=.01), "values do not depend on the weights"


@pytest.mark.parametrize("kind", ["gains", "", 3])
def test_an_unknown_map_is_refused(e, kind):
    for call in (e.attribution, e.by_region, e.unit, e.map_scale, e.nothing, e.plot, e.heat_map, e.top):
        with pytest.raises(ValueError, match="unknown map .*: choose one of smooth, value, gain, per_area, paper"):
            call(kind=kind)


@pytest.mark.parametrize("f", [[1], [0, float("nan")], [[0, 1]]])
def test_attribution_refuses_what_is_not_a_curve(f):
    with pytest.raises(ValueError, match="at least 2 finite values"): attribution(f)


def test_probabilities_that_are_not_numbers_are_refused(e):
    broken = replace(e, token_insertion=np.full_like(e.token_insertion, np.nan))
    for call in (broken.plot, broken.to_frame, lambda: broken.attribution("gain"), lambda: broken.top(kind="gain")):
        with pytest.raises(ValueError, match="finite values|not numbers"): call()


def test_metrics_of_maps_do_not_depend_on_their_scale(e):
    truth = np.isin(e.regions.labels, (5, 6))
    for kind in MAPS:
        m = e.attribution(kind)
        for measure in (pointing, energy, iou): assert measure(m, truth) == pytest.approx(measure(.01*m, truth))


# ---- values that neighbours share

def two_colours(left, right):
    "A partition of 2 by 2 squares whose left half and right half have one colour each."
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, :30], image[:, 30:] = left, right
    return image, grid(image, 2, 2)


def test_neighbours_of_one_colour_share_and_others_do_not():
    image, regions = two_colours((200, 30, 30), (20, 40, 90))
    alike = maps.likeness(image, regions)
    assert np.array_equal(alike, alike.T) and not alike.diagonal().any()
    assert alike[0, 2] == alike[1, 3] == 1 and alike[0, 1] < .1 and alike[0, 3] == 0 # apart: they touch at a corner
    value = np.array([.4, 0, 0, 0])
    shared = maps.share_values(value, alike, regions.area)
    assert shared[2] == pytest.approx(.4*maps.SHARED/3) and shared[1] < .1*shared[2] and shared[3] == 0
    assert shared.sum() == pytest.approx(.4) and shared.argmax() == 0
    assert np.array_equal(maps.share_values(-value, alike, regions.area), -shared)


def test_likeness_is_the_colour_difference_of_another_library():
    from skimage.color import deltaE_cie76, rgb2lab
    image, regions = two_colours((180, 160, 140), (120, 130, 90))
    apart = deltaE_cie76(rgb2lab(image[0, 0]/255), rgb2lab(image[0, -1]/255))
    assert maps.likeness(image, regions)[0, 1] == pytest.approx(np.exp(-apart/maps.SURFACE), rel=.01)


def test_a_background_is_hardly_lit_by_what_stands_on_it():
    labels = np.zeros((100, 100), int)
    for k in range(8): labels[10*k + 10:10*k + 18, 46:54] = k + 1
    regions = Regions(labels)
    alike = maps.likeness(np.full((100, 100, 3), 90, np.uint8), regions)
    assert (alike[0, 1:] == 1).all()
    shared = maps.share_values(np.array([0., .5] + 7*[0.]), alike, regions.area)
    assert 0 < shared[0] < .01 and shared[1] == pytest.approx(.5 - shared[0])


@given(st.integers(0, 2**20), st.booleans())
def test_what_is_shared_stays_below_what_is_kept(seed, positive):
    "However few neighbours a region has: on a flat image a corner once outshone the one region that mattered."
    rng = np.random.default_rng(seed)
    labels = np.unique(rng.integers(0, rng.integers(2, 12), (6, 7)), return_inverse=True)[1].reshape(6, 7)
    regions, flat = Regions(labels), np.full((6, 7, 3), 128, np.uint8)
    at, value = rng.integers(len(regions)), np.zeros(len(regions))
    value[at] = .5 if positive else -.5
    shared = maps.share_values(value, maps.likeness(flat, regions), regions.area)
    assert np.delete(np.abs(shared), at).max() < abs(shared[at])
    assert (shared*value[at] >= 0).all() and shared.sum() == pytest.approx(value[at])


def test_a_region_that_cannot_matter_stays_dark(e):
    unseen = replace(e, values=replace(e.values, value=np.where(np.arange(16) == 6, 0, e.values.value),
                                       std=np.where(np.arange(16) == 6, 0, e.values.std)))
    assert unseen.by_region("smooth")[6] == 0 and e.by_region("smooth")[6] > 0


# ---- the default, and where there are no values

def test_one_constant_decides_what_everything_shows(e, caption, monkeypatch):
    assert DEFAULT_MAP in MAPS and e.default_map == DEFAULT_MAP
    for kind in MAPS:
        monkeypatch.setattr(maps, "DEFAULT_MAP", kind)
        x, w = replace(e), word_maps(caption)[0]
        assert x.default_map == w.default_map == kind
        assert np.array_equal(x.saliency, e.attribution(kind).clip(0)) and x.unit() == e.unit(kind)
        assert np.array_equal(x.top(3).regions, e.top(3, kind).regions)
        assert np.array_equal(w.saliency, w.attribution(kind).clip(0))
        assert scale_texts(x.plot())[-1].get_text() in e.unit(kind).name
        assert (x - x).kind == kind


def test_without_values_the_default_is_the_gain_and_value_says_what_to_do(e, monkeypatch):
    old = replace(e, values=None)
    for kind in ("value", "smooth"):
        with pytest.raises(ValueError, match="no values of the regions .none were stored.: explain the image again, or choose"):
            old.attribution(kind)
        monkeypatch.setattr(maps, "DEFAULT_MAP", kind)
        assert old.default_map == "gain" and np.array_equal(old.attribution(), e.attribution("gain")) and old.plot()
    assert (old - e).kind == (e - old).kind == "gain"
    with pytest.raises(ValueError, match="no values of the regions"): e.difference(old, "value")


def test_a_search_that_scored_too_little_says_so(monkeypatch):
    def one(scorer, columns=None): raise ValueError("the scorer knows 1 sets, values need at least 2")
    monkeypatch.setattr("eagle_nb.explanation.explanation.region_values", one)
    e = explained(cat, search="one_shot")
    assert e.values is None and e.settings["no_values"].startswith("the scorer knows 1 sets")
    with pytest.raises(ValueError, match="the scorer knows 1 sets.*explain the image again"): e.attribution("value")
    assert e.plot() and e.to_frame()["value"].isna().all()


@pytest.mark.parametrize("search", ["random", "one_shot", "exact", "bidirectional", "lazy"])
def test_every_search_has_values(search):
    e = explained(cat, search=search)
    if e.values is None: pytest.fail(e.settings["no_values"])
    assert np.isfinite(e.by_region("value")).all()


def test_values_are_saved(e, tmp_path):
    back = Explanation.load(e.save(tmp_path/"e"))
    for name in ("value", "std", "area"): assert np.array_equal(getattr(back.values, name), getattr(e.values, name)), name
    assert back.values.sets == e.values.sets and np.array_equal(back.attribution("value"), e.attribution("value"))
    old = Explanation.load(replace(e, values=None).save(tmp_path/"old"))
    assert old.values is None and not any("values" in k for k in load_file(tmp_path/"old"))


def test_values_of_words_cost_no_forward(caption):
    spent = caption.scorer.forwards
    said, a = word_maps(caption)
    assert said.by_region("value")[[5, 6, 10]] == pytest.approx([.5, .2, -.1], abs=.01)
    assert np.abs(a.by_region("value")).max() < .003 and caption.scorer.forwards == spent
    fine = refine(caption, "cat", 20)
    assert fine.by_region("value")[[5, 6, 10]] == pytest.approx([.5, .2, -.1], abs=.01)


# ---- nothing found

def test_a_word_that_no_region_moves_does_not_glow(caption):
    said, a = word_maps(caption)
    assert not said.nothing() and a.nothing().startswith("no region moves “a”: largest change 0.00")
    for kind in MAPS:
        ax = a.heat_map(kind)
        assert np.array_equal(ax.images[0].get_array(), PIXELS), kind
        assert "no region moves “a”" in " ".join(ax.texts[0].get_text().split()) and not said.heat_map(kind).texts


def test_a_function_that_never_moves():
    still = explained(lambda keep: torch.full((len(keep), 2), .3), (" a", " cat"))
    assert "no region" in still.text() and "largest change 0" in still.text()
    for kind in ("gain", "value"): assert not still.attribution(kind).any()
    for kind in MAPS:
        assert still.nothing(kind, signed=True) == "no region moves “a cat”: largest change 0"
        heat = still.plot(kind=kind).axes[1]
        assert np.array_equal(heat.images[0].get_array(), PIXELS) and "no region" in heat.texts[0].get_text()
    assert "map      " not in explained(cat).text()


def test_regions_that_only_speak_against_are_named():
    against = explained(lambda keep: .9 - .6*keep[:, 5:6].float())
    assert against.nothing("gain").startswith("regions only oppose “cat”: largest change -1.2")
    assert against.nothing().startswith("regions only oppose “cat”: largest change -0.") and not against.nothing(signed=True)
    ax = against.heat_map("gain", signed=True)
    assert not ax.texts and [t.get_text() for t in scale_texts(ax.figure)][:2] == ["-1.2", "1.2"]


# ---- figures and files

def test_a_figure_says_its_scale(e):
    for fig in (e.plot(), e.plot(scale=Scale(2., unit=e.unit())), e.plot(signed=True), e.plot(contours=True)): assert_tidy(fig)
    top = f"{e.saliency.max():.2g}"
    def said(fig):
        first, *rest = [t.get_text() for t in scale_texts(fig)]
        assert first.endswith(": ranked first") # under the numbered regions
        return rest
    assert said(e.plot(kind="gain")) == ["0", "1", "change of F per step"]
    assert said(e.plot())[:2] == ["0", top] and said(e.plot(scale=Scale(2., unit=e.unit())))[:2] == ["0", "2"]
    with pytest.raises(ValueError, match="alpha must lie"): e.plot(alpha=1.1)


@pytest.mark.parametrize("gray, signed, mode", [(False, False, "RGBA"), (True, False, "L"), (False, True, "RGBA"), (True, True, "L")])
def test_the_map_alone_has_the_size_of_the_image(e, tmp_path, gray, signed, mode):
    path = e.save_map(tmp_path/"deep"/"map.png", "gain", gray=gray, signed=signed)
    saved = Image.open(path)
    assert saved.mode == mode and saved.size == (60, 40)
    a = np.asarray(saved)[..., -1] if not gray else np.asarray(saved).astype(int) - 128*signed
    strongest, nothing = a[e.regions.labels == 5], a[e.regions.labels == 0]
    assert (strongest == (127 if gray and signed else 255)).all() and (nothing == 0).all()
    assert (a[e.regions.labels == 10] < 0).all() == (gray and signed)
    assert saved.text["Description"].startswith("gain: ") and "change of F" in saved.text["Description"]


def test_a_map_of_nothing_is_saved_empty(caption, tmp_path):
    a = word_maps(caption)[1]
    saved = Image.open(a.save_map(tmp_path/"a.png", "paper"))
    assert not np.asarray(saved)[..., 3].any() and saved.text["Description"].startswith("no region moves “a”")


@pytest.mark.parametrize("name", ["map", "map.jpg", "map.npy"])
def test_a_map_is_saved_as_png(e, tmp_path, name):
    with pytest.raises(ValueError, match="a map is saved as PNG, got .*: end it in .png"): e.save_map(tmp_path/name)
    assert not list(tmp_path.iterdir())


# ---- regions and tables

def test_the_regions_most_in_favour(e):
    two = e.top(2, "value")
    assert two.regions.tolist() == [5, 6] and len(two) == 2 and two.values == pytest.approx([.5, .2], abs=.01)
    assert np.array_equal(two.mask, np.isin(e.regions.labels, (5, 6))) and two.masks.shape == (2, 40, 60)
    x0, y0, x1, y1 = two.boxes[0]
    assert (x0, y0, x1, y1) == (15, 10, 30, 20) and two.masks[0][y0:y1, x0:x1].all() and two.masks[0].sum() == 150
    assert "region 5: +0.5" in repr(two)
    assert sorted(e.top(16).regions) == list(range(16)) and e.top(16, "value").regions[-1] == 10


@pytest.mark.parametrize("k", [0, -1, 17, 2.5, 2., True, None, "3"])
def test_a_number_of_regions_that_there_are_not(e, k):
    with pytest.raises(ValueError, match="k must be a whole number from 1 to 16, the number of regions"): e.top(k)


def test_the_table_has_a_row_per_region(e):
    t = e.to_frame()
    assert t["region"].tolist() == e.order.tolist() and t["rank"].tolist() == list(range(1, 17))
    assert t["insertion"].tolist() == e.insertion[1:].tolist() and t["deletion"].tolist() == e.deletion[1:].tolist()
    row = t.set_index("region").loc[5]
    assert (row["x"], row["y"], row["x0"], row["y1"]) == (22, 14.5, 15, 20) and row["area"] == 1/16
    assert row["value"] == pytest.approx(.5, abs=.01) and row["std"] >= 0 and t["paper"].between(0, 1).all()
    assert json.loads(t.to_json(orient="records"))[0]["region"] == e.order[0]


def test_the_table_of_a_word_and_of_a_search_with_words_of_the_prompt(caption, e):
    assert len(word_maps(caption)[0].to_frame()) == 16
    mixed = replace(e, regions=Regions(np.minimum(e.regions.labels, 14)), prompt_words=("what",))
    assert len(mixed.to_frame()) == len(mixed.by_region()) == 15 and len(mixed.by_item()) == 16
    assert mixed.prompt_influence() == [("what", mixed.by_item()[15])]


# ---- differences

def test_two_explanations_are_subtracted(e, caption):
    other = explained(lambda keep: .2 + .5*keep[:, 9:10], ("dog",))
    assert (e - other).kind == DEFAULT_MAP and np.array_equal((e - other).map, e.attribution() - other.attribution())
    d = e.difference(other, "gain")
    assert isinstance(d, Difference) and np.array_equal(d.map, e.attribution("gain") - other.attribution("gain"))
    assert d.values.argmax() == 5 and d.values.argmin() == 9
    t = d.to_frame()
    assert t["region"].iloc[0] == 5 and t["region"].iloc[-1] == 9 and np.allclose(t["difference"], t["first"] - t["second"])
    assert repr(d).startswith("“cat” minus “dog”: region 5 +1.0")
    ax = d.plot()
    low, high, unit = (t.get_text() for t in scale_texts(ax.figure))
    assert (low, high, unit) == ("-1", "1", "change of F per step") and ax.get_title() == "“cat” minus “dog”"
    assert_tidy(ax.figure)
    assert not (e - e).values.any() and "no region" in (e - e).plot().texts[0].get_text()
    word = word_maps(caption)[0]
    assert (word - e).values == pytest.approx(word.by_region() - e.by_region())


@pytest.mark.parametrize("change, what", [
    (lambda e: replace(e, image=255 - e.image), "the image differs"),
    (lambda e: replace(e, image=e.image[:20]), "the image differs"),
    (lambda e: replace(e, regions=grid(PIXELS, 2, 8)), "the partition differs"),
    (lambda e: replace(e, settings=e.settings | dict(lam=(1, 0))), "the weights λ differ")])
def test_what_does_not_belong_together_is_not_subtracted(e, change, what):
    with pytest.raises(ValueError, match=f"{what}: explain both with"): e - change(e)


@pytest.mark.parametrize("other", [None, 3, np.zeros((40, 60))])
def test_only_maps_are_subtracted(e, other):
    with pytest.raises(TypeError, match="only an explanation or a map of a word can be subtracted"): e.difference(other)


def test_values_of_different_weights_can_be_subtracted(e):
    assert e.difference(explained(cat, lam=(1, 0)), "value").values == pytest.approx(np.zeros(16), abs=.02)
