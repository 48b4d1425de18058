"The maps of one search: each from the same sets, stored per sample, resumed, and never mixed with those of other code."
import json

import numpy as np
import pytest

from eagle_nb.core.selftest import load
from eagle_nb.evaluation import maps
from eagle_nb.evaluation.datasets import scenes_captions, scenes_words
from eagle_nb.evaluation.maps import (OF_SEARCH, as_attribution, code_digest, keep_sets, labels_of, made_by, main,
                                      maps_once, read_maps, run_maps, search_values)
from eagle_nb.evaluation.metrics import evaluate_order, iou, pointing
from eagle_nb.evaluation.runner import prepare_case
from eagle_nb.explanation.explanation import explain_scores
from eagle_nb.explanation.maps import likeness, share_values
from eagle_nb.search.values import region_values


@pytest.fixture(scope="module")
def model(): return load("scenes-llava", dtype="float32")

@pytest.fixture(scope="module")
def case(model): return prepare_case(model, scenes_words(model, 1)[0], regions=9)

@pytest.fixture(scope="module")
def explained(case):
    return explain_scores(case.judge, case.pixels, case.regions, case.target, case.answer, search="fast", seed=0)

@pytest.fixture
def quick(monkeypatch): monkeypatch.setattr(maps, "RIVALS", {"LIME (1024)": ("LIME", 24), "KernelSHAP": ("KernelSHAP", 24)})


def test_the_maps_of_a_search_are_those_of_the_explanation(explained):
    before = explained.scorer.forwards
    found = search_values(explained)
    assert explained.scorer.forwards == before and set(found) == set(OF_SEARCH)
    for label, kind in (("gain", "gain"), ("per area", "per_area"), ("paper", "paper")):
        assert np.array_equal(found[label][explained.regions.labels], explained.attribution(kind))
    own = region_values(explained.scorer)
    assert np.array_equal(found["value"], own.map()) and np.array_equal(found["value per region"], own.shrunk)
    shared = share_values(own.shrunk, likeness(explained.image, explained.regions), explained.regions.area)
    assert np.array_equal(found["smooth"], shared) and not np.array_equal(shared, own.map())


def test_a_map_ranks_its_regions_and_ties_are_broken_by_chance(case):
    value = np.array([.1, .5, 0, 0, 0, 0, -.2, .3, 0])[:len(case.regions)]
    a, b = (as_attribution(case, "one", value, seed) for seed in (0, 1))
    assert a.order[:3].tolist() == [1, 7, 0] and a.order[-1] == 6
    assert a.order.tolist() != b.order.tolist() and np.array_equal(a.saliency, value[case.regions.labels])


def test_each_method_is_asked_once_per_case(case, quick, monkeypatch):
    asked = []
    real = explain_scores
    monkeypatch.setattr(maps, "explain_scores", lambda *a, **k: asked.append(k) or real(*a, **k))
    ask = maps_once("fast", 3)
    found = {label: ask(case, label) for label in OF_SEARCH}
    assert asked == [dict(search="fast", seed=3)] and len({a.forwards for a in found.values()}) == 1
    plain, scaled = ask(case, "LIME (1024)"), ask(case, "LIME (1024) per area")
    inside = scaled.saliency*np.maximum(case.regions.area*len(case.regions), .25)[case.regions.labels]
    assert np.allclose(inside, plain.saliency) and plain.forwards == scaled.forwards > 0
    ask(prepare_case(case.judge.model, case.sample, regions=9), "value")
    assert len(asked) == 2


def test_an_interrupted_search_is_no_result(case, monkeypatch):
    def stop(*args, **kwargs): raise KeyboardInterrupt
    fresh = prepare_case(case.judge.model, case.sample, regions=9)
    monkeypatch.setattr(type(fresh.judge), "compute", stop)
    with pytest.raises(KeyboardInterrupt): maps_once()(fresh, "gain")


def test_kept_sets_give_the_same_values(explained, tmp_path):
    keep_sets(explained, tmp_path/"deep"/"one.npz")
    z = np.load(tmp_path/"deep"/"one.npz")
    keep, p = explained.scorer.scored()
    n = len(explained.order)
    assert np.array_equal(np.unpackbits(z["keep"], axis=1)[:, :n].astype(bool), keep) and np.array_equal(z["p"], p.numpy())
    assert np.array_equal(z["labels"], explained.regions.labels) and np.array_equal(z["order"], explained.order)


def test_a_run_is_stored_resumed_and_read(model, quick, tmp_path, monkeypatch):
    ask = dict(models={"scenes-llava": model}, n=dict(words=2, captions=1), out=tmp_path, regions=9, step=1)
    run_maps(**ask)
    files = {p.name: p.read_text() for p in tmp_path.iterdir()}
    assert set(files) == {f"scenes-llava-{kind}-9-{made}.jsonl" for kind in ("words", "captions") for made in (made_by(), "rivals")}
    with monkeypatch.context() as m:
        m.setattr(maps, "explain_scores", None) # would fail if it were asked
        run_maps(**ask)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == files

    words = read_maps("scenes-llava", "words", tmp_path, 9)
    assert len(words.methods) == 10 and set(words.frame["key"].value_counts()) == {10} and words.about["made"] == made_by()
    assert words.kind("value") == "search" and words.kind("LIME (1024) per area") == "baseline"
    assert words.frame["note"].isna().all()
    case = prepare_case(model, scenes_words(model, 2)[1], regions=9)
    e = explain_scores(case.judge, case.pixels, case.regions, case.target, case.answer, search="fast", seed=0)
    row = words.frame[(words.frame["key"] == case.sample.key) & (words.frame["method"] == "smooth")].iloc[0]
    image = share_values(region_values(e.scorer).shrunk, likeness(e.image, e.regions), e.regions.area)[case.regions.labels]
    assert row["pointing_mask"] == pytest.approx(pointing(image, case.sample.mask), abs=1e-5)
    assert row["iou"] == pytest.approx(iou(image, case.sample.mask), abs=1e-5)

    captions = read_maps("scenes-llava", "captions", tmp_path, 9)
    case = prepare_case(model, scenes_captions(1)[0], regions=9)
    e = explain_scores(case.judge, case.pixels, case.regions, case.target, case.answer, search="fast", seed=0)
    for label, order in (("paper", e.order), ("value", np.argsort(-region_values(e.scorer).map(), kind="stable"))):
        curves = evaluate_order(case.judge, case.regions, order)
        row = captions.frame[captions.frame["method"] == label].iloc[0]
        assert row["pixel_auc_gap"] == pytest.approx(curves.auc_gap, abs=1e-5), label


def test_maps_of_other_code_are_kept_apart(model, quick, tmp_path, monkeypatch):
    ask = dict(models={"scenes-llava": model}, n=dict(words=2), out=tmp_path, regions=9)
    run_maps(**ask)
    monkeypatch.setattr(maps, "made_by", lambda search="fast": f"{search}-00000000")
    run_maps(**ask | dict(n=dict(words=1)))
    names = {p.name for p in tmp_path.iterdir()}
    assert len(names) == 3 and "scenes-llava-words-9-fast-00000000.jsonl" in names
    assert len(read_maps("scenes-llava", "words", tmp_path, 9).frame) == 2*10 # the more samples
    few = read_maps("scenes-llava", "words", tmp_path, 9, "fast-00000000")
    assert few.about["made"] == "fast-00000000" and len(few.frame) == 10
    with pytest.raises(ValueError, match="no maps of fast-1.*choose one of fast-"): read_maps("scenes-llava", "words", tmp_path, 9, "fast-1")
    with pytest.raises(ValueError, match="no maps of a search for scenes-qwen, words.*run the measurement first"):
        read_maps("scenes-qwen", "words", tmp_path, 9)


def test_the_digest_follows_the_code_and_not_its_comments(tmp_path):
    def digest(text):
        (tmp_path/"a.py").write_text(text)
        return code_digest(tmp_path)
    assert digest("x = 1 # one\n") == digest("x  =  1\n\n# two\n") != digest("x = 2\n")
    assert digest("def f():\n    'One.'\n    return 1") == digest("'Module.'\ndef f():\n    'Two.'\n    return 1")
    assert digest("def f(): 'One.'") == digest("def f(): pass") != digest("def f(): return 'One.'")
    assert len(made_by()) == len("fast-") + 8 and list(labels_of("exact"))[0].startswith("exact-")


def test_the_command_shows_what_was_measured(model, quick, tmp_path, capsys):
    for kind in ("words",):
        run_maps({"scenes-llava": model}, {kind: 2}, tmp_path, regions=9)
    main(["table", "--models", "scenes-llava", "--regions", "9", "--out", str(tmp_path)])
    text = capsys.readouterr().out
    assert f"words: maps of {made_by()} (scenes-llava)" in text and "KernelSHAP per area" in text and "Δ" in text
    assert "no maps of a search for scenes-llava, captions, 9 regions" in text
    with pytest.raises(SystemExit): main(["draw"])
