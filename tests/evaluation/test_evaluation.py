"Methods asked in one way, judged by one evaluator, written down as they come."
import json
import math

import numpy as np
import pandas as pd
import pytest
import torch

from eagle_nb import datasets
from eagle_nb.core import costs
from eagle_nb.evaluation import comparisons, examples, methods, results, runner
from eagle_nb.runs import store
from eagle_nb.evaluation.samples import Dataset, Sample
from eagle_nb.evaluation.results import Evaluation, read_results
from eagle_nb.evaluation.runner import evaluate, score_method, prepare_case
from eagle_nb.evaluation.methods import METHODS, Attribution, attribute, find_method
from eagle_nb.evaluation.metrics import evaluate_order, pooled_order
from eagle_nb.core.regions import grid, slico
from eagle_nb.core.scores import ModelScorer
from eagle_nb.core.curves import auc
from eagle_nb.core.targets import make_target
from conftest import PROMPT, official

QUICK = dict(regions=9, show_progress=False)


@pytest.fixture(scope="module")
def data(model): return datasets.scenes_words(model, 4)


def counted(): return costs.spent["forwards"]


def left_to_right(model, image, prompt, target): return -np.broadcast_to(np.arange(image.shape[1], dtype=float), image.shape[:2])
def by_number(model, image, prompt, target, regions): return np.arange(len(regions))


# one call

SHORT = {**dict.fromkeys(("KernelSHAP", "LIME", "RISE"), dict(samples=24)), **dict.fromkeys(("IGOS++", "IGOS++ (paper)"), dict(iterations=1, steps=2)), "LLaVA-CAM": dict(samples=4), "integrated gradients": dict(steps=4),
         "LLaVA-CAM (paper)": dict(samples=1), "EAGLE": dict(budget=40), "EAGLE (lazy)": dict(budget=40)}

def test_every_method_has_one_signature(model, data):
    case = prepare_case(model, data[0], 9)
    for name in METHODS:
        a = attribute(name, model, case.pixels, PROMPT, case.target, case.regions, truth=data[0].mask, **SHORT.get(name, {}))
        assert a.saliency.shape == case.pixels.shape[:2] and np.isfinite(a.saliency).all() and sorted(a.order) == list(range(9)), name
        assert a.forwards >= 0 and a.backwards >= 0 and a.seconds > 0 and (math.isnan(a.memory) or a.memory >= 0)
        if not a.by_region: assert (a.order == pooled_order(a.saliency, case.regions)).all()


@pytest.mark.parametrize("name,forwards,backwards", [("random", 0, 0), ("occlusion", 10, 0), ("gradient x input", 1, 1), ("integrated gradients", 4, 4), ("IGOS++", 8, 8), ("LLaVA-CAM", 4, 4), ("TAM", 1, 0), ("RISE", 24, 0)])
def test_costs_are_counted_where_they_arise(model, data, name, forwards, backwards):
    case, seen = prepare_case(model, data[0], 9), []
    hook = model.model.get_decoder().register_forward_hook(lambda m, a, out: seen.append(len(out.last_hidden_state)))
    try: a = attribute(name, model, case.pixels, PROMPT, case.target, case.regions, **SHORT.get(name, {}))
    finally: hook.remove()
    assert (a.forwards, a.backwards) == (forwards, backwards) and sum(seen) == forwards


def test_an_explanation_is_kept(model, data):
    case = prepare_case(model, data[0], 9)
    a = attribute("EAGLE", model, case.pixels, PROMPT, case.target, case.regions, budget=60)
    assert a.explanation.settings["search_forwards"] <= 60 and (a.order == a.explanation.order).all() and a.settings["budget"] == 60
    assert (a.saliency == a.explanation.saliency).all() and a.by_region


def test_functions_of_ones_own(model, data):
    case = prepare_case(model, data[0], 9)
    ask = lambda f, **kw: attribute(f, model, case.pixels, PROMPT, case.target, case.regions, **kw)
    a, b = ask(left_to_right), ask(by_number)
    assert (a.method, a.by_region, b.by_region) == ("left_to_right", False, True) and b.order.tolist() == list(range(9))
    assert pooled_order(b.saliency, case.regions).tolist() == list(range(9))
    def known(model, image, prompt, target, key): return Attribution("x", np.zeros(image.shape[:2]), np.arange(9), True, case.regions, 7, 1, 2., 3.)
    c = ask(known, key="s")
    assert (c.method, c.forwards, c.seconds) == ("known", 7, 2.)
    def settled(model, image, prompt, target, *, shift=0): return np.full(image.shape[:2], shift) + np.arange(image.shape[1])
    assert ask({"method": settled, "shift": 3}).saliency[0, 0] == 3 and ask(settled, shift=4).saliency[0, 0] == 4
    with pytest.raises(ValueError, match="unknown setting 'push' for settled: it takes shift"): ask(settled, push=1)
    with pytest.raises(ValueError, match="map of shape"): ask(lambda model, image, prompt, target: np.zeros((3, 3)))
    with pytest.raises(ValueError, match="each of the 9 regions once"): ask(lambda model, image, prompt, target: np.zeros(9, int))
    with pytest.raises(ValueError, match="not numbers"): ask(lambda model, image, prompt, target: np.full(image.shape[:2], np.inf))


def test_names_of_methods():
    assert find_method({"method": "EAGLE", "budget": 9}) == {"search": "fast", "budget": 9}
    assert find_method("IGOS++ (paper)")["variant"] == "paper" and find_method(by_number)["function"] is by_number
    for bad in ("igos", None, 3, {"search": "fast"}):
        with pytest.raises(ValueError, match="choose one of EAGLE"): find_method(bad)


# the judge

def test_the_judge_owes_nothing_to_the_method(model, data):
    "All of a row, from pixels masked by hand and one plain forward a picture."
    case = prepare_case(model, data[0], 9, mode="pixels")
    said = attribute(left_to_right, model, case.pixels, PROMPT, case.target, case.regions)
    row, x = score_method(case, said), np.concatenate([[0], case.regions.area[said.order].cumsum()])
    def curve(labels, order, keep): return official(model, case.pixels, PROMPT, case.target.forced[:max(case.target.positions) + 1], labels, keep)[:, list(case.target.positions)].mean(1)
    show = np.array([[r in said.order[:k] for r in range(9)] for k in range(10)])
    insertion, deletion = curve(case.regions.labels, said.order, show), curve(case.regions.labels, said.order, ~show)
    assert row["insertion"] == pytest.approx(auc(x, insertion), abs=1e-4) and row["deletion"] == pytest.approx(auc(x, deletion), abs=1e-4)
    assert row["auc_gap"] == pytest.approx(row["insertion"] - row["deletion"]) and row["highest"] == pytest.approx(insertion.max(), abs=1e-4)
    mask, box = data[0].mask, data[0].box
    assert row["pointing_mask"] == mask[:, 0].mean() and row["pointing_box"] == float(box[0] == 0)*(box[3] - box[1])/224
    assert row["energy"] == 0  # a map without positive values lights nothing


def test_a_map_is_judged_by_its_own_pixels(model, data):
    "Pixels column by column, each of another value, hidden by hand at the shares of the pooled regions."
    case, rank = prepare_case(model, data[0], 9, mode="pixels"), np.arange(224)[None]*224 + np.arange(224)[:, None]
    def falling(model, image, prompt, target): return -rank.astype(float)
    said = attribute(falling, model, case.pixels, PROMPT, case.target, case.regions)
    x = np.concatenate([[0], case.regions.area[said.order].cumsum()])
    def p(shown): return official(model, case.pixels, PROMPT, case.target.forced[:max(case.target.positions) + 1], (~shown).astype(int), [[True, False]])[0, list(case.target.positions)].mean()
    cuts = np.round(x*224*224)
    insertion, deletion = [p(rank < c) for c in cuts], [p(rank >= c) for c in cuts]
    row = score_method(case, said, ("pixel_insertion", "pixel_deletion", "pixel_auc_gap"))
    assert row["pixel_insertion"] == pytest.approx(auc(cuts/224**2, insertion), abs=1e-4) and row["pixel_deletion"] == pytest.approx(auc(cuts/224**2, deletion), abs=1e-4)
    assert row["pixel_auc_gap"] == pytest.approx(row["pixel_insertion"] - row["pixel_deletion"])


def test_the_oracle_beats_chance(model):
    e = evaluate(model, datasets.scenes_words(model, 12), ("oracle", "random", "centre-out"), **QUICK)
    test = e.compare("oracle", "random")
    assert test["lower"] > .1 and test["n"] == 12 and e.compare("oracle", "random", "deletion")["difference"] > 0
    assert e.values("oracle", "pointing_mask").mean() > e.values("random", "pointing_mask").mean()


def test_region_methods_have_no_pixels_of_their_own(model, data):
    f = evaluate(model, data[:1], ("occlusion", "EAGLE", left_to_right), **QUICK).frame.set_index("method")
    assert (f.loc[["occlusion", "EAGLE"], "pixel_auc_gap"] == f.loc[["occlusion", "EAGLE"], "auc_gap"]).all()
    assert f.loc["left_to_right", "pixel_auc_gap"] != f.loc["left_to_right", "auc_gap"]


def test_only_what_is_asked_for(model, data):
    before = counted()
    e = evaluate(model, data[:1], [left_to_right], ("insertion", "iou"), **QUICK)
    assert list(e.frame) == ["key", "method", "insertion", "iou", "tokens", "regions", "note"] and counted() - before == 2*9 + 2 - 2
    with pytest.raises(ValueError, match="unknown metric .'auc'.: choose of insertion"): evaluate(model, data, ["random"], ["auc"])


# files

def test_killed_and_taken_up_again(model, data, tmp_path):
    names, ask = ("random", "occlusion", left_to_right), dict(QUICK, out=tmp_path)
    whole = evaluate(model, data, names, **dict(QUICK, out=tmp_path/"whole"))
    calls = []
    def stops(model, image, prompt, target):
        calls.append(1)
        if len(calls) == 3: raise KeyboardInterrupt
        return left_to_right(model, image, prompt, target)
    stops.__qualname__ = left_to_right.__qualname__
    with pytest.raises(KeyboardInterrupt): evaluate(model, data, {"random": {"method": "random"}, "occlusion": {"method": "occlusion"}, "left_to_right": {"method": stops}}, **ask)
    file = tmp_path/"scenes-llava-scenes-words.jsonl"
    done = len(read_results(file).frame)
    file.write_text(file.read_text() + '{"key": "word-51')  # killed in the middle of a line
    before, seen = counted(), []
    def spy(scorer, keep, real=ModelScorer.compute): seen.append(len(keep)); return real(scorer, keep)
    with pytest.MonkeyPatch.context() as m:
        m.setattr(ModelScorer, "compute", spy)
        e = evaluate(model, data, names, **ask)
    costs_of = ["seconds", "memory"]
    assert done == 8 and len(e.frame) == 12 and sum(seen) == counted() - before
    pd.testing.assert_frame_equal(e.frame.drop(columns=costs_of), whole.frame.drop(columns=costs_of))
    before = counted()
    again = evaluate(model, data, names, **ask)
    assert counted() == before  # nothing is scored twice
    pd.testing.assert_frame_equal(again.frame, e.frame)
    assert read_results(file).table().equals(again.table())


def test_more_methods_and_samples_add_to_a_file(model, data, tmp_path):
    ask = dict(QUICK, out=tmp_path)
    a = evaluate(model, data[:2], ["random"], **ask)
    b = evaluate(model, data, ["random", "centre-out"], **ask)
    assert len(b.frame) == 8 and b.frame[b.frame.key.isin(a.frame.key) & (b.frame.method == "random")].equals(a.frame.set_axis(b.frame[b.frame.key.isin(a.frame.key) & (b.frame.method == "random")].index))
    assert evaluate(model, data[:2], ["random"], **ask).frame.equals(a.frame)  # only what was asked for


def test_metrics_that_are_asked_for_later_join(model, data, tmp_path):
    ask = dict(QUICK, out=tmp_path)
    a = evaluate(model, data[:1], ["random"], ["insertion", "iou"], **ask).frame
    b = evaluate(model, data[:1], ["random"], ["pixel_auc_gap", "forwards"], **ask).frame
    assert len(b) == 1 and {"insertion", "iou", "pixel_auc_gap"} <= set(b) and b["insertion"].equals(a["insertion"]) and b["pixel_auc_gap"].notna().all()
    before = counted()
    assert evaluate(model, data[:1], ["random"], ["iou", "pixel_auc_gap"], **ask).frame.equals(b) and counted() == before


def test_files_that_do_not_fit(model, data, tmp_path):
    ask = dict(QUICK, out=tmp_path)
    evaluate(model, data[:1], {"mine": {"method": "EAGLE", "budget": 40}}, **ask)
    file = next(tmp_path.iterdir())
    with pytest.raises(ValueError, match="with regions 9, this evaluation has 16: choose another folder"): evaluate(model, data, ["random"], **dict(ask, regions=16))
    with pytest.raises(ValueError, match="with seed 0, this evaluation has 1"): evaluate(model, data, ["random"], **dict(ask, seed=1))
    with pytest.raises(ValueError, match="results for 'mine' .* another label"): evaluate(model, data, {"mine": {"method": "EAGLE", "budget": 50}}, **ask)
    text = file.read_text()
    lines = text.splitlines()
    file.write_text("\n".join([lines[0], "{broken", *lines[1:]]) + "\n")
    with pytest.raises(ValueError, match="line 2 .* is damaged"): read_results(file)
    file.write_text('{"some": "json"}\n')
    with pytest.raises(ValueError, match="not a file of results"): evaluate(model, data, ["random"], **ask)
    file.write_text("")
    with pytest.raises(ValueError, match="is empty"): read_results(file)
    with pytest.raises(FileNotFoundError, match="no file"): read_results(tmp_path/"none.jsonl")
    assert len(evaluate(model, data[:1], ["random"], **ask).frame) == 1  # an empty file is begun


# what fails

def test_what_fails_is_told(model, data, tmp_path):
    flat = lambda model, image, prompt, target: np.ones(image.shape[:2])
    bad = lambda model, image, prompt, target: np.full(image.shape[:2], np.nan)
    flat.__name__, bad.__name__ = "flat", "bad"
    plain = Sample("no-truth", data[1].image, answer=data[1].answer, target=data[1].target)
    samples = [data[0], plain, Sample("gone", tmp_path/"gone.png"), Sample("mute", data[0].image, answer="")]
    e = evaluate(model, samples, ("oracle", flat, bad), **QUICK)
    assert set(e.left_out) == {"gone", "mute"} and "no image" in e.left_out["gone"] and "empty" in e.left_out["mute"]
    notes = e.frame.set_index(["key", "method"])["note"]
    assert notes["no-truth", "oracle"].endswith("give truth=mask or box") and notes[data[0].key, "flat"] == "the map is all equal" and "not numbers" in notes[data[0].key, "bad"]
    assert e.values("bad", "insertion").empty and len(e.values("oracle", "insertion")) == 1 and len(e.values("flat", "pointing_mask")) == 1
    assert e.values("flat", "pointing_mask").item() == pytest.approx(data[0].mask.mean(), abs=1e-6)  # chance, not a hit
    table = e.table()
    assert table.loc["bad", "n"] == 0 and table.loc["bad", "insertion"] == "–" and table.loc["flat", "n"] == 2
    report = e.report()
    assert "2 samples with results, 2 without" in report and "bad: 2 of 2 samples" in report and "1 out: FileNotFoundError" in report


def test_a_sample_that_comes_back_is_taken(model, data, tmp_path):
    image = tmp_path/"late.png"
    ask = dict(QUICK, out=tmp_path/"r")
    sample = Sample("late", image, answer=data[0].answer, target=data[0].target)
    assert evaluate(model, [sample], ["random"], **ask).left_out.keys() == {"late"}
    from PIL import Image
    Image.fromarray(data[0].pixels).save(image)
    e = evaluate(model, [sample], ["random"], **ask)
    assert not e.left_out and len(e.frame) == 1


def test_what_a_machine_could_not_do_is_tried_again(model, data, tmp_path):
    "Memory may suffice next time, and a function of one's own may have been mended."
    ask, asked = dict(QUICK, out=tmp_path), []
    def fails(model, image, prompt, target):
        asked.append("short of memory")
        if len(asked) == 1: raise RuntimeError("out of memory")
        return left_to_right(model, image, prompt, target)
    def never(model, image, prompt, target):
        asked.append("nan")
        return np.full(image.shape[:2], np.nan)
    first, second = (evaluate(model, data[:1], [fails, never], ("insertion",), **ask).frame.set_index("method") for _ in range(2))
    assert asked == ["short of memory", "nan"]*2 and "out of memory" in first.loc["fails", "note"]
    assert pd.isna(second.loc["fails", "note"]) and second.loc["fails", "insertion"] > 0 and "not numbers" in second.loc["never", "note"]


def test_a_function_that_breaks_does_not_end_the_evaluation(model, data):
    def breaks(model, image, prompt, target): raise KeyError("a bug of ours")
    e = evaluate(model, data[:1], [breaks, "random"], **QUICK)
    assert "KeyError" in e.frame.set_index("method").loc["breaks", "note"] and "breaks: 1 of 1 samples" in e.report() and len(e.values("random", "auc_gap")) == 1


def test_an_interrupted_search_is_no_result(model, data, tmp_path, monkeypatch):
    ask, real, calls = dict(QUICK, out=tmp_path), ModelScorer.compute, []
    def stops(scorer, keep, read=None):
        calls.append(1)
        if len(calls) == 3: raise KeyboardInterrupt
        return real(scorer, keep, read)
    monkeypatch.setattr(ModelScorer, "compute", stops)
    with pytest.raises(KeyboardInterrupt): evaluate(model, data[:1], ["EAGLE (exact)"], **ask)
    monkeypatch.undo()
    assert evaluate(model, data[:1], ["EAGLE (exact)"], **ask).frame["note"].isna().all() and len(read_results(next(tmp_path.iterdir())).frame) == 1


def test_a_sample_that_changed_is_not_mixed(model, data, tmp_path):
    from dataclasses import replace
    ask = dict(QUICK, out=tmp_path)
    evaluate(model, data[:1], ["random"], **ask)
    for other in (replace(data[0], target=0), replace(data[0], image=data[1].pixels)):
        with pytest.raises(runner.ChangedSample, match="give it another key"): evaluate(model, [other], ["random"], **dict(ask, name=data.name))


def test_other_weights_are_not_mixed(model, data, tmp_path):
    ask = dict(QUICK, out=tmp_path)
    evaluate(model, data[:1], ["random"], **ask)
    file, before = next(tmp_path.iterdir()), model.fingerprint
    weight = model.model.get_input_embeddings().weight
    with torch.no_grad(): weight *= 2                    # trained further, under the same name
    try:
        with pytest.raises(ValueError, match=f"other weights of .* .fingerprint {before}, now .*: choose another folder"): evaluate(model, data[:2], ["random"], **ask)
    finally:
        with torch.no_grad(): weight /= 2
    assert model.fingerprint == before and len(evaluate(model, data[:2], ["random"], **ask).frame) == 2
    lines = [json.loads(l) for l in file.read_text().splitlines()]
    del lines[0]["weights"]                               # a file from before weights were written down
    file.write_text("".join(json.dumps(l) + "\n" for l in lines))
    assert "weights" not in read_results(file).about and len(evaluate(model, data, ["random"], **ask).frame) == len(data)
    assert read_results(file).about["weights"] == before
    with torch.no_grad(): weight *= 2
    try:
        with pytest.raises(ValueError, match="other weights"): evaluate(model, data, ["centre-out"], **ask)
    finally:
        with torch.no_grad(): weight /= 2


def test_parts_of_an_evaluation_make_a_whole(model, data, tmp_path):
    data = Dataset("words", data, [("gone", "no image"), ("lost", "no image"), ("mute", "no answer")])
    for k in (2, 1): evaluate(model, data.part(k, 2), ["random", "centre-out"], **QUICK, out=tmp_path)
    a, b = sorted(tmp_path.iterdir())
    whole, asked = read_results(a, b), evaluate(model, data, ["random", "centre-out"], **QUICK)
    judged = [c for c in asked.frame if c not in ("seconds", "memory")]
    tidy = lambda e: e.frame[judged].sort_values(["key", "method"], ignore_index=True)
    assert tidy(whole).equals(tidy(asked)) and whole.about["data"] == "words" and "4 samples with results" in whole.report()
    assert whole.about["data_left_out"] == {"no image": 2, "no answer": 1} and read_results(a, a).about["data_left_out"] == read_results(a).about["data_left_out"]
    assert read_results(b).about["data"] == "words (of its parts only 2 of 2)"
    assert read_results(a, a).frame.equals(read_results(a).frame)  # the same twice counts once

    def no_part(match, lines):
        c = tmp_path/"c.jsonl"
        c.write_text("".join(json.dumps(l) + "\n" for l in lines))
        with pytest.raises(ValueError, match=match): read_results(a, c)
    lines = [json.loads(l) for l in b.read_text().splitlines()]
    no_part("no part of the same evaluation: its regions is 16, not 9", [lines[0] | dict(regions=16), *lines[1:]])
    no_part("no part of the same evaluation: its weights is '0', not", [lines[0] | dict(weights="0"), *lines[1:]])
    no_part("its data is 'captions', not 'words-1of2'", [lines[0] | dict(data="captions"), *lines[1:]])
    old = tmp_path/"old.jsonl"
    old.write_text("".join(json.dumps(l if i else {k: v for k, v in l.items() if k != "weights"}) + "\n" for i, l in enumerate(lines)))
    assert read_results(old, a).about["weights"] == model.fingerprint
    (tmp_path/"c.jsonl").write_text("".join(json.dumps(l) + "\n" for l in [lines[0] | dict(weights="0"), *lines[1:]]))
    with pytest.raises(ValueError, match="its weights is '0'"): read_results(old, a, tmp_path/"c.jsonl")
    failed = [{k: v for k, v in l.items() if k in ("key", "method", "sample")} | dict(note="OutOfMemoryError: x") if "method" in l and "define" not in l else l for l in lines]
    (tmp_path/"c.jsonl").write_text("".join(json.dumps(l) + "\n" for l in failed))
    for order in ((b, tmp_path/"c.jsonl"), (tmp_path/"c.jsonl", b)): assert read_results(*order).frame["note"].isna().all()  # a failure does not undo a result
    no_part("'random' means .*RISE", [l | dict(settings=dict(method="RISE")) if l.get("define") == "random" else l for l in lines])
    no_part("is another in .* another key", [l | dict(key=data[0].key) if "method" in l else l for l in lines])
    with pytest.raises(FileNotFoundError, match="no file"): read_results(a, tmp_path/"none.jsonl")
    for k in (0, 3):
        with pytest.raises(ValueError, match=f"parts are counted from 1 to their number, got part {k} of 2"): data.part(k, 2)


def test_two_that_begin_together(tmp_path, monkeypatch):
    pytest.importorskip("fcntl")
    path, head, first = tmp_path/"r.jsonl", dict(format=1, model="m", data="d"), []
    lock = store._lock
    def slow(file, at):
        monkeypatch.setattr(store, "_lock", lock)
        first.append(store.Store(path, head))  # another is faster
        first[0].add(key="k", method="random", iou=.5)
        lock(file, at)
    monkeypatch.setattr(store, "_lock", slow)
    with pytest.raises(ValueError, match="another evaluation is writing"): store.Store(path, head)
    first[0].close()
    assert len(read_results(path).frame) == 1


@pytest.mark.parametrize("cut", (1, 2, 30))
def test_cut_anywhere(tmp_path, cut):
    path, head = tmp_path/"r.jsonl", dict(format=1, model="m", data="d")
    held = store.Store(path, head)
    for k in "ab": held.add(key=k, method="random", iou=.5)
    held.close()
    path.write_bytes(path.read_bytes()[:-cut])
    held = store.Store(path, head)
    assert [r["key"] for r in held.rows] == ["a", "b"][:1 + (cut == 1)]
    held.add(key="c", method="random", iou=.5); held.close()
    assert read_results(path).frame["key"].tolist() == (["a", "b", "c"] if cut == 1 else ["a", "c"])


def test_a_truth_that_changed_is_not_mixed(model, data, tmp_path):
    from dataclasses import replace
    ask = dict(QUICK, out=tmp_path, name="words")
    evaluate(model, data[:1], ["random"], ["iou"], **ask)
    assert len(evaluate(model, data[:1], ["random"], ["iou"], **ask).frame) == 1
    with pytest.raises(runner.ChangedSample, match="or mask differ"): evaluate(model, [replace(data[0], segmentation=~data[0].mask)], ["random"], ["iou"], **ask)


def test_functions_without_a_name_are_told_apart(model, data, tmp_path):
    ask = dict(QUICK, out=tmp_path, name="words")
    rising = lambda model, image, prompt, target: np.broadcast_to(np.arange(image.shape[1], dtype=float), image.shape[:2])
    falling = lambda model, image, prompt, target: -np.broadcast_to(np.arange(image.shape[1], dtype=float), image.shape[:2])
    one = evaluate(model, data[:1], {"mine": dict(method=rising)}, ["auc_gap"], **ask)
    assert evaluate(model, data[:1], {"mine": dict(method=rising)}, ["auc_gap"], **ask).frame.equals(one.frame)
    with pytest.raises(ValueError, match="another label"): evaluate(model, data[:1], {"mine": dict(method=falling)}, ["auc_gap"], **ask)


def test_a_function_that_was_mended_is_asked_again(model, data, tmp_path):
    ask, broken = dict(QUICK, out=tmp_path, name="words"), [True]
    def mine(model, image, prompt, target):
        if broken: raise ValueError("not yet")
        return np.arange(image[..., 0].size, dtype=float).reshape(image.shape[:2])
    assert "not yet" in evaluate(model, data[:1], [mine], ["auc_gap"], **ask).frame["note"].item()
    broken.clear()
    assert evaluate(model, data[:1], [mine], ["auc_gap"], **ask).values("mine", "auc_gap").notna().all()


def test_orders_that_are_asked_for_later(model, data, tmp_path):
    ask = dict(QUICK, out=tmp_path)
    evaluate(model, data[:2], ["random", "centre-out"], ["iou"], **ask)
    e = evaluate(model, data[:3], ["random", "centre-out"], ["iou"], orders=True, **ask)
    assert e.frame["order"].notna().all() and len(comparisons.agreements(e, "random").frame) == 3


def test_one_writer_at_a_time(model, data, tmp_path):
    pytest.importorskip("fcntl")
    ask = dict(QUICK, out=tmp_path)
    def nested(model, image, prompt, target): evaluate(model, data[:1], ["random"], **ask)
    e = evaluate(model, data[:1], [nested], **ask)
    assert "another evaluation is writing" in e.frame["note"].item()


def test_truths_that_cannot_be(model, data):
    from dataclasses import replace
    samples = [replace(data[0], key="wide", box=(5, 5, 400, 400), segmentation=None), replace(data[0], key="small", segmentation=np.ones((9, 9), bool)), data[1]]
    e = evaluate(model, samples, ["random"], ("insertion",), **QUICK)
    assert set(e.left_out) == {"wide", "small"} and "another size" in e.left_out["wide"] and len(e.frame) == 1


def test_ids_of_another_tokenizer_are_left_out(model, data):
    from dataclasses import replace
    ids = list(data[0].answer.ids)
    wrong = [i + 1 for i in ids]
    samples = [replace(data[0], key="mine", answer=ids, meta=dict(prompt_ids=[1, 2])), replace(data[0], key="theirs", answer=wrong, target=[1], meta=dict(prompt_ids=[1, 2], sentence=data[0].answer.text, target_ids=[ids[1]], generate_sentence=data[0].answer.text))]
    e = evaluate(model, samples, ["random"], ("insertion",), **QUICK)
    assert "mine" not in e.left_out and "another tokenizer" in e.left_out.get("theirs", "")


def test_labels_that_mean_two_methods(model, data):
    with pytest.raises(ValueError, match="'LLaVA-CAM' means two methods"): evaluate(model, data, ["LLaVA-CAM", dict(method="LLaVA-CAM", layer=0)], **QUICK)
    e = evaluate(model, data[:1], ["random", dict(method="random", seed=3, name="other")], ("auc_gap",), **QUICK)
    assert e.methods == ["random", "other"] and e.values("random", "auc_gap").item() != e.values("other", "auc_gap").item()


def test_another_partition_is_refused(model, data):
    case = prepare_case(model, data[0], 9)
    def other(model, image, prompt, target): return Attribution("x", np.zeros(image.shape[:2]), np.arange(9), True, grid(image, 3, 3), 0, 0, 0., 0.)
    with pytest.raises(ValueError, match="of another partition"): attribute(other, model, case.pixels, PROMPT, case.target, case.regions)


def test_common_samples(): 
    e = frame(EAGLE=[1., 2., 3.], TAM=[1., None, 2.], RISE=[None, 1., 2.])
    assert set(e.common().frame["key"]) == {"2"} and set(e.common(["EAGLE", "TAM"]).frame["key"]) == {"0", "2"}
    mine = Evaluation(frame(ours=[9., 9.], TAM=[1., 2.]).frame, {}, dict(methods=dict(ours=dict(method="EAGLE"))))
    assert mine.best_baseline() == "TAM" and mine.compare("ours")["reference"] == "TAM"
    lucky = frame(LIME=[1., 1., 1., 9.], easy=[.9, .9, .9, None], TAM=[.1]*4)
    assert lucky.best_baseline() == "LIME" and lucky.compare("LIME")["reference"] == "easy"


def test_tables_without_insertion(model, data):
    e = evaluate(model, data[:1], ["random"], ["pointing_box"], **QUICK)
    assert e.table().loc["random", "n"] == 1 and "pointing_box" in repr(e)
    with pytest.raises(ValueError, match="no results to draw"): results.figure_comparison({"a": e})
    with pytest.raises(ValueError, match="at most 4"): results.figure_comparison({"a": e}, ("insertion", "deletion", "iou", "energy", "auc_gap"))


def test_nothing_to_do(model, data):
    with pytest.raises(ValueError, match="no samples"): evaluate(model, [], ["random"], **QUICK)
    with pytest.raises(ValueError, match="no methods"): evaluate(model, data, [], **QUICK)
    with pytest.raises(ValueError, match="unknown method 'rnd'"): evaluate(model, data, ["rnd"], **QUICK)


def test_left_out_data_is_in_the_report(model, data):
    d = Dataset("mine", list(data[:1]), [("a", "no image"), ("b", "no image")])
    assert "2 left out of the data: no image" in evaluate(model, d, ["random"], **QUICK).report()


# tables

def frame(**columns):
    rows = [dict(key=str(k), method=m, auc_gap=v, note=None, insertion=v) for m, values in columns.items() for k, v in enumerate(values) if v is not None]
    return Evaluation(pd.DataFrame(rows), {}, {})


def test_a_comparison_takes_the_samples_that_both_have():
    rng = np.random.default_rng(0)
    a = rng.random(20)
    e = frame(**{"EAGLE": [*a, 5., None], "TAM": [*(a - .1), None, 9.], "random": [0.]*22, "oracle": [99.]*22})
    t = e.compare("EAGLE")
    assert e.best_baseline() == "TAM" and t["n"] == 20 and t["difference"] == pytest.approx(.1) and t["ahead"] == 1
    assert e.compare("random", "TAM")["difference"] < 0
    assert frame(TAM=[1.]*9, RISE=[2.]*3 + [None]*6, LIME=[.9]*5 + [None]*4).best_baseline() == "TAM"  # a few lucky samples are no comparison
    with pytest.raises(ValueError, match="no baseline"): frame(EAGLE=[1., 2.], oracle=[1., 2.]).best_baseline()
    with pytest.raises(ValueError, match="methods EAGLE, TAM"): e.values("RISE", "auc_gap")


def test_a_summary_by_hand():
    s = frame(EAGLE=[1., 2., 3.], TAM=[5.]).summary(["auc_gap"]).set_index("method")
    assert s.loc["EAGLE", "mean"] == 2 and s.loc["EAGLE", "n"] == 3 and 1 <= s.loc["EAGLE", "lower"] < 2 < s.loc["EAGLE", "upper"] <= 3
    assert s.loc["TAM", "mean"] == 5 and math.isnan(s.loc["TAM", "lower"])


# the command

def test_the_command(tmp_path, capsys):
    runner.main(["captions", "--n", "2", "--methods", "random", "TAM", "--metrics", "insertion", "deletion", "--regions", "9", "--out", str(tmp_path), "--device", "cpu"])
    out = capsys.readouterr().out
    assert "insertion" in out and "2 samples with results" in out and len(read_results(tmp_path/"scenes-llava-scenes-captions.jsonl").frame) == 4
    with pytest.raises(SystemExit, match="needs --path"): runner.main(["own"])
    with pytest.raises(ValueError, match="unknown method 'ranom'"): runner.main(["captions", "--methods", "ranom"])


def test_the_command_in_parts(tmp_path, capsys):
    ask = ["words", "--n", "3", "--methods", "random", "--metrics", "iou", "--regions", "9", "--out", str(tmp_path)]
    for k in (1, 2): runner.main([*ask, "--part", f"{k}/2"])
    assert len(read_results(*sorted(tmp_path.iterdir())).frame) == 3
    with pytest.raises(SystemExit): runner.main([*ask[:1], "--n", "0"])
    assert "at least 1, got 0" in capsys.readouterr().err
    for bad in ("3/2", "0/2", "1", "a/b"):
        with pytest.raises(SystemExit): runner.main([*ask, "--part", bad])
        assert "a part is K/N with K from 1 to N" in capsys.readouterr().err


def test_the_command_on_own_data(tmp_path, capsys, model, data):
    from PIL import Image
    Image.fromarray(data[0].pixels).save(tmp_path/"a.png")
    (tmp_path/"d.csv").write_text("image,prompt,answer,target\na.png,Describe the image.,A cat.,cat\n")
    runner.main(["own", "--path", str(tmp_path/"d.csv"), "--methods", "random", "--metrics", "insertion", "--regions", "9", "--out", str(tmp_path/"out")])
    assert "1 samples with results" in capsys.readouterr().out


# memory

def test_memory_is_what_a_block_takes():
    with costs.measured() as cost: x = np.ones(2**25)
    if not math.isnan(cost["memory"]): assert .9 < cost["memory"]/x.nbytes < 1.5
    with pytest.raises(ZeroDivisionError):
        with costs.measured() as cost: 1/0
    assert "seconds" in cost


# the reference files, scored from the files alone by the definitions of the paper

def trapezoid(x, y): return sum((b - a)*(u + v)/2 for a, b, u, v in zip(x, x[1:], y, y[1:]))


def from_files(folder, name):
    "AUCs, highest confidence, sensitive AUCs and the place of the map's maximum."
    r, masks = json.loads((folder/"json"/f"{name}.json").read_text()), np.load(folder/"npy"/f"{name}.npy")[..., 0]
    area = [0, *r["region_area"]]
    insertion, deletion = [r["baseline_score"], *r["insertion_score"]], [r["org_score"], *r["deletion_score"]]
    whole, blank = np.array(r["insertion_word_score"][-1]), np.array(r["deletion_word_score"][-1])
    by_word = {k: np.array([first, *r[f"{k}_word_score"]])[:, whole - blank > .2] for k, first in (("insertion", blank), ("deletion", whole))}
    f, value, values = [1 - r["org_score"] + r["baseline_score"], *r["smdl_score"]], 0, []
    for a, b in zip(f, f[1:]):
        value -= abs(b - a)
        values.append(value)
    paint = sum(m.astype(float)*(v - min(values))/(max(values) - min(values)) for m, v in zip(masks, values))
    x0, y0, x1, y1 = (round(v) for v in r["location"])
    at = paint == paint.max()
    return dict(insertion=trapezoid(area, insertion), deletion=trapezoid(area, deletion), highest=max(insertion), box=at[y0:y1, x0:x1].sum()/at.sum(),
                sensitive_insertion=trapezoid(area, by_word["insertion"].mean(1)), sensitive_deletion=trapezoid(area, by_word["deletion"].mean(1)))


@pytest.mark.parametrize("search", ["fast", "exact"])
def test_reference_files_give_the_same_figures(model, data, tmp_path, search):
    from eagle_nb.evaluation.metrics import Curves, pointing
    for sample in data[:2]:
        case = prepare_case(model, sample, 12)
        e = attribute("EAGLE" if search == "fast" else "EAGLE (exact)", model, case.pixels, PROMPT, case.target, case.regions).explanation
        e.to_reference(tmp_path, sample.key, location=sample.box, select_category=sample.category)
        read, mine = from_files(tmp_path, sample.key), evaluate_order(case.judge, case.regions, e.order)
        s = mine.sensitive()
        assert read == pytest.approx(dict(insertion=mine.insertion_auc, deletion=mine.deletion_auc, highest=mine.highest, box=pointing(e.attribution("paper"), sample.box),
                                          sensitive_insertion=s.insertion_auc, sensitive_deletion=s.deletion_auc), abs=1e-5)
        assert json.loads((tmp_path/"json"/f"{sample.key}.json").read_text())["select_category"] == sample.category
    with pytest.raises(ValueError, match="lambda1 follow from the explanation"): e.to_reference(tmp_path, "x", lambda1=2)


# corrections

WRONG = ("correction", "corrected", "blamed")


@pytest.fixture(scope="module")
def questions(model): return datasets.scenes_questions(model, 3)


def test_corrections_are_those_of_correct(model, questions):
    from eagle_nb import correct
    e = evaluate(model, questions, [dict(method="EAGLE", budget=60)], WRONG, **QUICK)
    for s in questions:
        c = correct(model, s.image, s.prompt, s.foil, s.answer, target=s.target, regions=9, budget=60, show_progress=False)
        mine = e.frame.set_index("key").loc[s.key]
        assert mine["correction"] == pytest.approx(min(1, c.region), abs=1e-6) and mine["corrected"] == float(c.region <= .1)
        assert mine["blamed"] == pytest.approx(s.mask[c.explanation.regions.labels == c.explanation.order[-1]].mean(), abs=1e-6)


def test_an_order_by_hand_is_corrected_by_hand(model, questions):
    s = questions[0]
    case = prepare_case(model, s, 9)
    a = attribute(by_number, model, case.pixels, s.prompt, case.target, case.regions)
    row, shown, steps = score_method(case, a, WRONG), np.array(s.pixels), []
    for r in range(8, -1, -1):     # region 8 is last in this order, so it vanishes first
        if model.answer(shown, s.prompt).text.startswith("No"): break
        shown[case.regions.labels == r] = 0
        steps.append(r)
    fixed = model.answer(shown, s.prompt).text.startswith("No")
    assert row["correction"] == pytest.approx((case.regions.area[steps].sum() if fixed else 1)) and row["corrected"] == float(fixed and row["correction"] <= .1)
    assert row["blamed"] == pytest.approx(s.mask[case.regions.labels == 8].mean())


def test_a_method_asked_of_the_answer_is_turned_round(model, questions):
    asked = []
    def watch(model, image, prompt, target, regions):
        asked.append((target.text, target.foil, target.tokens))
        return np.arange(len(regions))
    both = evaluate(model, questions[:1], {"foil": dict(method=watch), "answer": dict(method=watch, of="answer")}, ("insertion", "deletion", *WRONG), **QUICK)
    assert asked == [("Yes", "No", ("No",)), ("Yes", None, ("Yes",))]
    case = prepare_case(model, questions[0], 9)
    back = evaluate_order(case.judge, case.regions, np.arange(9)[::-1])
    assert both.values("answer", "insertion").iloc[0] == pytest.approx(back.insertion_auc, abs=1e-5)
    assert both.values("foil", "insertion").iloc[0] == pytest.approx(evaluate_order(case.judge, case.regions, np.arange(9)).insertion_auc, abs=1e-5)
    assert both.values("answer", "blamed").iloc[0] == pytest.approx(questions[0].mask[case.regions.labels == 0].mean(), abs=1e-5)


def test_without_a_foil_there_is_nothing_to_correct(model, data):
    e = evaluate(model, data[:2], ["random", dict(name="turned", method="random", of="answer")], ("insertion", *WRONG), **QUICK)
    assert e.frame[list(WRONG)].isna().all().all() and (e.values("random", "insertion") == e.values("turned", "insertion")).all()


def test_corrections_are_asked_for_by_name(model, questions, tmp_path):
    ask = dict(QUICK, out=tmp_path)
    assert not set(WRONG) & set(evaluate(model, questions[:1], ["random"], **ask).frame)
    before = counted()
    evaluate(model, questions[:1], ["random"], **ask)
    assert counted() == before
    again = evaluate(model, questions[:1], ["random"], WRONG, **ask)
    assert set(WRONG) <= set(again.frame) and "insertion" in again.frame and "correction" in again.table()


def test_of_what(model, questions):
    with pytest.raises(ValueError, match="'foil' or 'answer', got 'both'"): evaluate(model, questions[:1], [dict(method="random", of="both")], **QUICK)


# ablations

def test_a_search_on_regions_of_its_own(model, data):
    case = prepare_case(model, data[0], "grid 16")
    ask = lambda **kw: attribute(dict(method="EAGLE", budget=40, **kw), model, case.pixels, PROMPT, case.target, case.regions)
    own, same, plain = ask(regions="grid 4"), ask(regions="grid 16"), ask()
    assert len(own.explanation.regions) == 4 and sorted(own.order) == list(range(16)) and own.by_region
    assert (same.order == plain.order).all() and (same.saliency == plain.saliency).all()
    quarter = np.array([case.regions.labels[own.explanation.regions.labels == r][0] for r in own.explanation.order])  # the first cell of each quarter
    assert [int(r) for r in own.order if r in quarter] == quarter.tolist()
    assert {tuple(sorted(own.order[k:k + 4])) for k in range(0, 16, 4)} == {(0, 1, 4, 5), (2, 3, 6, 7), (8, 9, 12, 13), (10, 11, 14, 15)}
    assert len(attribute(dict(method="EAGLE (one shot)", regions="tokens"), model, case.pixels, PROMPT, case.target, case.regions).explanation.regions) == 64
    with pytest.raises(ValueError, match="unknown regions 'gird 4'"): ask(regions="gird 4")


def test_a_search_with_a_fill_of_its_own(model, data):
    case = prepare_case(model, data[0], 9)
    said = attribute(dict(method="EAGLE", budget=40, fill="blur"), model, case.pixels, PROMPT, case.target, case.regions)
    blur = prepare_case(model, data[0], 9, "blur")
    assert said.explanation.insertion[0] == pytest.approx(float(blur.judge(torch.zeros(1, 9, dtype=torch.bool)).mean()), abs=1e-5)
    row, own = score_method(case, said, ("insertion", *results.OWN)), evaluate_order(blur.judge, blur.regions, said.order)
    assert row["own_insertion"] == pytest.approx(own.insertion_auc, abs=1e-5) and row["own_auc_gap"] == pytest.approx(own.auc_gap, abs=1e-5) and row["own_highest"] == pytest.approx(own.highest, abs=1e-5)
    assert row["insertion"] == pytest.approx(evaluate_order(case.judge, case.regions, said.order).insertion_auc)
    assert math.isnan(score_method(case, attribute("random", model, case.pixels, PROMPT, case.target, case.regions), results.OWN)["own_insertion"])


def test_orders_are_kept_where_asked_for(model, data, tmp_path):
    ask = dict(methods=["random", dict(method="random", seed=3, name="other")], metrics=("auc_gap",), out=tmp_path, **QUICK)
    e = evaluate(model, data[:2], orders=True, **ask)
    same = read_results(next(tmp_path.iterdir()))
    assert same.frame["order"].tolist() == e.frame["order"].tolist() and sorted(e.frame["order"][0]) == list(range(9))
    assert e.agreement("random", "random")["tau"].tolist() == [1., 1.] and e.agreement("random", "other")["tau"].max() < 1
    by_hand = Evaluation(pd.DataFrame([dict(key="a", method="x", order=[0, 1, 2]), dict(key="a", method="y", order=[0, 2, 1])]), {}, {})
    assert by_hand.agreement("x", "y", top=2).loc["a"].tolist() == pytest.approx([1/3, .5])
    with pytest.raises(ValueError, match="orders=True"): frame(a=[1.]).agreement("a", "a")


def test_differences_by_hand():
    e = frame(both=[1., 2., 3., None], one=[0., 2., 1., 5.], alone=[None, None, None, 1.])
    d = e.differences("both", ("auc_gap",)).set_index("method")
    assert d.loc["one", "difference"] == -1 and d.loc["one", "pairs"] == 3 and d.loc["one", "n"] == 4 and d.loc["one", "below"] <= -1 <= d.loc["one", "above"]
    assert math.isnan(d.loc["both", "difference"]) and math.isnan(d.loc["alone", "difference"]) and d.loc["alone", "pairs"] == 0
    t = comparisons.table_differences({"m": e, "k": e}, "both", ("auc_gap",))
    assert t.index.get_level_values("model").unique().tolist() == ["m", "k", "all"] and "Δ -1.000" in t.loc[("all", "one"), "auc_gap"] and t.loc[("all", "one"), "n"] == 8
    assert comparisons.figure_differences({"m": e, "k": e}, "both", ("auc_gap",)) is not None
    with pytest.raises(ValueError, match="two samples in common"): comparisons.figure_differences({"m": e}, "alone", ("auc_gap",))


def test_what_worse_means_turns_with_the_metric():
    e = Evaluation(pd.DataFrame([dict(key=str(k), method=m, deletion=v) for m, v in (("a", .1), ("b", .3)) for k in range(4)]), {}, {})
    assert e.differences("b", ("deletion",)).set_index("method").loc["a", "difference"] == pytest.approx(.2)


def test_claims_by_hand():
    e = frame(a=[1., 1.2, 1.1, 1.3]*3, b=[1., 1., 1., 1.]*3, few=[9., 9.] + [None]*10)
    verdict = lambda *args, **kw: comparisons.claim(e, *args, **kw)["verdict"]
    assert verdict("a", "b") == "holds" and verdict("b", "a") == "does not hold" and verdict("a", "b", margin=.15) == "undecided"
    assert verdict("b", "a", margin=-.5) == "holds" and verdict("a", "b", margin=.5) == "does not hold"
    assert verdict("few", "a") == "too few pairs" and verdict("a", "b", least=13) == "too few pairs"
    t = comparisons.table_claims({"m": e}, [dict(claim="a wins", method="a", reference="b")])
    assert t["verdict"].tolist() == ["holds"] and t["pairs"].item() == 12


def test_tests_are_corrected_for_their_number():
    from scipy.stats import wilcoxon
    rng = np.random.default_rng(0)
    base = rng.normal(size=30)
    e = frame(best=base + 9, sure=base + 1 + rng.normal(size=30), maybe=base + .4 + rng.normal(size=30), no=base + rng.normal(size=30), base=base, few=[1.] + [None]*29)
    t = comparisons.table_tests({"m": e, "n": e}, ["sure", "maybe", "no", "few", "base"], ["auc_gap"], "base").set_index(["model", "method"])
    assert set(t.index) == {(k, m) for k in "mn" for m in ("sure", "maybe", "no")} and (t["reference"] == "base").all()
    p = np.array([wilcoxon(e.values(m, "auc_gap"), base).pvalue for m in ("sure", "maybe", "no")])
    by_hand = np.minimum.accumulate((np.sort(p)*3/np.arange(1, 4))[::-1])[::-1][np.argsort(np.argsort(p))]  # twice the tests at twice the ranks: the same
    for k in "mn": np.testing.assert_allclose(t.loc[k]["q"], by_hand); np.testing.assert_allclose(t.loc[k]["p"], p)
    assert (t["q"] >= t["p"]).all() and list(t).index("q") == list(t).index("p") + 1
    assert comparisons.table_tests({"m": e}, ["sure"], ["auc_gap"])["reference"].item() == "best"
    assert comparisons.table_tests({"m": e}, ["few"], ["auc_gap"], "base").empty and comparisons.table_tests({}, ["sure"], ["auc_gap"]).empty


def test_models_that_saw_the_same_pictures_are_no_new_pictures():
    rng = np.random.default_rng(1)
    d = rng.normal(.1, .2, 12)
    one = frame(a=d, b=np.zeros(12))
    same = comparisons.pool(dict.fromkeys("xyz", one))
    t, u = same.compare("a", "b"), one.compare("a", "b")
    assert (t["n"], t["groups"], u["n"]) == (36, 12, 12) and t["p"] == u["p"] and t["difference"] == pytest.approx(u["difference"]) and t["effect"] == pytest.approx(u["effect"])
    assert t["upper"] - t["lower"] == pytest.approx(u["upper"] - u["lower"], rel=.05)
    s = same.summary(["auc_gap"]).iloc[0]
    assert s["n"] == 36 and s["upper"] - s["lower"] == pytest.approx(u["upper"] - u["lower"], rel=.05)
    few = comparisons.pool(dict.fromkeys("xyz", frame(a=[.1, .2, .1, .3], b=[0., 0., 0., 0.])))
    assert comparisons.claim(few, "a", "b")["verdict"] == "too few pairs" and comparisons.claim(few, "a", "b", least=4)["verdict"] == "holds"
    lone = comparisons.pool(dict.fromkeys("xyz", frame(a=[.1], b=[0.])))
    assert comparisons.claim(lone, "a", "b")["verdict"] == "too few pairs" and math.isnan(lone.summary(["auc_gap"])["lower"][0]) and lone.differences("b", ["auc_gap"])["difference"].isna().all()
    with pytest.raises(ValueError, match="two samples that both have"): lone.compare("a", "b")


def test_pools_know_what_labels_mean():
    e = frame(both=[1., 2., 3.], random=[0., 0., 0.])
    a, b = (Evaluation(e.frame, {}, dict(methods={"both": dict(method="EAGLE"), "random": dict(method="random"), **more}, data_left_out={"x": 1})) for more in ({}, {"other": dict(method="RISE")}))
    p = comparisons.pool({"a": a, "b": b})
    assert p.best_baseline() == "random" and p._kind("both") == "search" and p.about["data_left_out"] == {"x": 2}


def test_a_model_that_lacks_something_does_not_end_the_table():
    whole, part = frame(a=[1., 2., 3., 5.], b=[0., 1., 1., 2.], c=[0., 0., 0., 1.]), frame(a=[1., 2., 3., 5.])
    panels, asked = {"whole": whole, "part": part}, [dict(claim="a wins", method="a", reference="b")]
    assert comparisons.table_tests(panels, ["a", "c"], ["auc_gap"], "b")["model"].tolist() == ["whole", "whole"]
    t = comparisons.table_claims(panels, asked).set_index("model")
    assert t.loc["part", "verdict"] == "too few pairs" and t.loc["part", "pairs"] == 0 and t.loc["all", "pairs"] == 4
    d = comparisons.table_differences(panels, "b", ["auc_gap"])
    assert d.loc[("part", "a"), "auc_gap"].startswith("2.750") and "Δ" not in d.loc[("part", "a"), "auc_gap"] and "Δ" in d.loc[("whole", "a"), "auc_gap"]
    assert comparisons.figure_differences(panels, "b", ("auc_gap",)) is not None
    for call in (lambda: comparisons.table_tests(panels, ["nobody"], ["auc_gap"]), lambda: comparisons.table_claims(panels, [dict(asked[0], reference="nobody")]),
                 lambda: comparisons.table_differences(panels, "nobody", ["auc_gap"]), lambda: comparisons.figure_differences(panels, "nobody")):
        with pytest.raises(ValueError, match="no model has results for the method 'nobody': choose of a, b, c"): call()
    with pytest.raises(ValueError, match="metric 'iou': choose of insertion, auc_gap"): comparisons.table_differences(panels, "a", ["iou"])
    with pytest.raises(ValueError, match="no results"): comparisons.table_differences({}, "a", ["auc_gap"])
    by_turns = comparisons.table_tests({"m": whole, "n": whole}, (m for m in "ac"), (m for m in ["auc_gap"]), "b")
    assert len(by_turns) == 4


def test_memory_is_in_the_units_of_its_column():
    e = Evaluation(pd.DataFrame([dict(key=str(k), method=m, memory=v*1e9, note=None) for m, v in (("a", 2.5), ("b", .5)) for k in range(4)]), {}, {})
    assert comparisons.table_differences({"m": e}, "a", ["memory"]).loc[("m", "b"), "memory"] == "0.50 Δ +2.00 [+2.00, +2.00]"


def test_what_is_equal_is_not_better():
    e = frame(a=[1., 2., 3.]*4, b=[1., 2., 3.]*4, c=[1.1, 2.1, 3.1]*4)
    assert comparisons.claim(e, "a", "b")["verdict"] == "does not hold" and comparisons.claim(e, "a", "b", margin=-.01)["verdict"] == "holds"
    assert e.compare("c", "b")["effect"] == math.inf and e.compare("b", "c")["effect"] == -math.inf and e.compare("a", "b")["effect"] == 0


def test_a_figure_keeps_a_model_that_lacks_a_metric():
    bare = Evaluation(pd.DataFrame([dict(key="0", method="a", iou=.5)]), {}, {})
    fig = results.figure_comparison({"bare": bare, "full": frame(a=[1., 2.])}, ("insertion",))
    assert [ax.get_title() for ax in fig.axes] == ["bare (n = 0)", "full (n = 2)"] and len(fig.legends[0].get_texts()) == 1
    with pytest.raises(ValueError, match="bare has no deletion; evaluate first"): results.figure_comparison({"bare": bare}, ("deletion",))


def test_pooled_samples_stay_apart():
    p = comparisons.pool({"m": frame(a=[1., 2.]), "k": frame(a=[3., 4.])})
    assert p.values("a", "auc_gap").to_dict() == {"m/0": 1., "m/1": 2., "k/0": 3., "k/1": 4.} and p.about["model"] == "m, k"
    with pytest.raises(ValueError, match="nothing to pool"): comparisons.pool({})


def test_settings_side_by_side(model, data):
    told = []
    settings = {"both": dict(method="EAGLE", budget=40), "blur": dict(method="EAGLE", budget=40, fill="blur"), "random": dict(method="random"), "none": dict(method="EAGLE", regions="no such")}
    case, shown = examples.compare_settings(model, data[0], settings, progress=lambda done, total, what: told.append((done, total, what)), budget=30, regions=9)
    assert [r["title"] for r in shown] == list(settings) and "no such" in shown[-1]["note"] and "none: no result" in examples.settings_text(case, shown) and "correlation with both" in examples.settings_text(case, shown)
    def broken(model, image, prompt, target): return 1/0
    _, shown_ = examples.compare_settings(model, data[0], {"broken": dict(method=broken), "random": dict(method="random")}, (m for m in ("iou",)), regions=9)
    assert "ZeroDivisionError" in shown_[0]["note"] and list(shown_[1]["numbers"]) == ["iou"]
    assert shown[0]["said"].explanation.settings["search_forwards"] <= 30 and shown[0]["numbers"]["insertion"] == pytest.approx(auc(shown[0]["area"], shown[0]["insertion"]))
    assert [d for d, *_ in told] == sorted(d for d, *_ in told) and told[-1][0] <= 4 and any(d % 1 for d, *_ in told)


def test_agreement_by_hand():
    rows = [dict(key=k, method=m, order=o) for k in "ab" for m, o in (("x", [0, 1, 2]), ("y", [2, 1, 0]), ("z", [0, 1, 2]))] + [dict(key="a", method="once", order=[0, 1, 2])]
    a = comparisons.agreements(Evaluation(pd.DataFrame(rows), {}, {}), "x", top=2)
    assert a.methods == ["y", "z", "once"] and a.values("y", "tau").tolist() == [-1, -1] and a.values("y", "first").tolist() == [.5, .5] and a.values("z", "tau").tolist() == [1, 1]
    assert a.compare("z", "y", "tau")["difference"] == 2 and comparisons.claim(a, "z", "y", "tau", margin=-.1, least=2)["verdict"] == "holds" and len(a.values("once", "tau")) == 1
    e = Evaluation(pd.DataFrame(rows), {}, {})
    assert e.agreement("x", "z", top=5)["first"].tolist() == [1, 1]  # of three regions
    with pytest.raises(ValueError, match="top counts the first regions, at least 1, got 0"): e.agreement("x", "z", top=0)
    with pytest.raises(ValueError, match="no 'nobody'"): comparisons.agreements(e, "nobody")


def test_agreement_is_no_metric_of_one_method(model, data):
    with pytest.raises(ValueError, match="evaluate with orders=True, then ask `agreements`"): evaluate(model, data[:1], ["random"], ("auc_gap", "tau"), **QUICK)
