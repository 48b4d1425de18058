"Methods judged by one evaluator, written down as they come, resumed, and never mixed."
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from conftest import PROMPT, official
import eagle_nb
from eagle_nb import correct, datasets, load
from eagle_nb.core.curves import auc
from eagle_nb.core.regions import Regions
from eagle_nb.core.scores import ModelScorer
from eagle_nb.evaluation import comparisons, runner
from eagle_nb.evaluation.methods import attribute
from eagle_nb.evaluation.metrics import evaluate_order, pointing
from eagle_nb.evaluation.results import read_results
from eagle_nb.evaluation.runner import evaluate, prepare_case, score_method
from eagle_nb.runs.executors import Here, Processes
from eagle_nb.runs.samples import Dataset, Sample
from eagle_nb.runs.store import from_line
from evaluation_helpers import QUICK, by_number, counted, left_to_right


@pytest.fixture(scope="module")
def data(model): return datasets.scenes_words(model, 4)


@pytest.fixture(scope="module")
def questions(model): return datasets.scenes_questions(model, 3)


# the judge

def test_the_judge_owes_nothing_to_the_method(model, data):
    "All of a row, from pixels masked by hand and one plain forward per image."
    case = prepare_case(model, data[0], 9, mode="pixels")
    found = attribute(left_to_right, model, case.pixels, PROMPT, case.target, case.regions)
    row, x = score_method(case, found), np.concatenate([[0], case.regions.area[found.order].cumsum()])
    forced, positions = case.target.forced[:max(case.target.positions) + 1], list(case.target.positions)
    def curve(keep):
        return official(model, case.pixels, PROMPT, forced, case.regions.labels, keep)[:, positions].mean(1)
    show = np.array([[r in found.order[:k] for r in range(9)] for k in range(10)])
    insertion, deletion = curve(show), curve(~show)
    assert row["insertion"] == pytest.approx(auc(x, insertion), abs=1e-4)
    assert row["deletion"] == pytest.approx(auc(x, deletion), abs=1e-4)
    assert row["auc_gap"] == pytest.approx(row["insertion"] - row["deletion"])
    assert row["highest"] == pytest.approx(insertion.max(), abs=1e-4)
    mask, box = data[0].mask, data[0].box
    assert row["pointing_mask"] == mask[:, 0].mean()
    assert row["pointing_box"] == float(box[0] == 0)*(box[3] - box[1])/224
    assert row["energy"] == 0  # a map without positive values lights nothing


def test_a_map_is_judged_by_its_own_pixels(model, data):
    "Pixels column by column, each of another value, hidden by hand at the shares of the pooled regions."
    case = prepare_case(model, data[0], 9, mode="pixels")
    rank = np.arange(224)[None]*224 + np.arange(224)[:, None]
    def falling(model, image, prompt, target): return -rank.astype(float)
    found = attribute(falling, model, case.pixels, PROMPT, case.target, case.regions)
    x = np.concatenate([[0], case.regions.area[found.order].cumsum()])
    forced, positions = case.target.forced[:max(case.target.positions) + 1], list(case.target.positions)
    def p(shown):
        labels = (~shown).astype(int)
        return official(model, case.pixels, PROMPT, forced, labels, [[True, False]])[0, positions].mean()
    cuts = np.round(x*224*224)
    insertion, deletion = [p(rank < c) for c in cuts], [p(rank >= c) for c in cuts]
    row = score_method(case, found, ("pixel_insertion", "pixel_deletion", "pixel_auc_gap"))
    assert row["pixel_insertion"] == pytest.approx(auc(cuts/224**2, insertion), abs=1e-4)
    assert row["pixel_deletion"] == pytest.approx(auc(cuts/224**2, deletion), abs=1e-4)
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
    assert list(e.frame) == ["key", "method", "insertion", "iou", "tokens", "regions", "note"]
    assert counted() - before == 2*9 + 2 - 2
    with pytest.raises(ValueError, match="unknown metric .'auc'.: choose one or more of insertion"):
        evaluate(model, data, ["random"], ["auc"])


def test_agreement_is_no_metric_of_one_method(model, data):
    with pytest.raises(ValueError, match="evaluate with orders=True, then ask `agreements`"):
        evaluate(model, data[:1], ["random"], ("auc_gap", "tau"), **QUICK)


# what is asked

def test_labels_that_mean_two_methods(model, data):
    with pytest.raises(ValueError, match="'LLaVA-CAM' means two methods"):
        evaluate(model, data, ["LLaVA-CAM", dict(method="LLaVA-CAM", layer=0)], **QUICK)
    e = evaluate(model, data[:1], ["random", dict(method="random", seed=3, name="other")], ("auc_gap",), **QUICK)
    assert e.methods == ["random", "other"]
    assert e.values("random", "auc_gap").item() != e.values("other", "auc_gap").item()


def test_nothing_to_do(model, data):
    with pytest.raises(ValueError, match="no samples"): evaluate(model, [], ["random"], **QUICK)
    with pytest.raises(ValueError, match="no methods"): evaluate(model, data, [], **QUICK)
    with pytest.raises(ValueError, match="unknown method 'rnd'"): evaluate(model, data, ["rnd"], **QUICK)


def test_left_out_data_is_in_the_report(model, data):
    d = Dataset("mine", list(data[:1]), [("a", "no image"), ("b", "no image")])
    assert "2 left out of the data: no image" in evaluate(model, d, ["random"], **QUICK).report()


# files

def test_killed_and_resumed(model, data, tmp_path):
    names, ask = ("random", "occlusion", left_to_right), dict(QUICK, out=tmp_path)
    whole = evaluate(model, data, names, **dict(QUICK, out=tmp_path/"whole"))
    calls = []
    def stops(model, image, prompt, target):
        calls.append(1)
        if len(calls) == 3: raise KeyboardInterrupt
        return left_to_right(model, image, prompt, target)
    stops.__qualname__ = left_to_right.__qualname__
    methods = dict(random="random", occlusion="occlusion", left_to_right=stops)
    with pytest.raises(KeyboardInterrupt):
        evaluate(model, data, {label: {"method": m} for label, m in methods.items()}, **ask)
    file = tmp_path/"scenes-llava-scenes-words.jsonl"
    done = len(read_results(file).frame)
    file.write_text(file.read_text() + '{"key": "word-51')  # killed in the middle of a line
    before, seen = counted(), []
    def spy(scorer, keep, real=ModelScorer.compute):
        seen.append(len(keep))
        return real(scorer, keep)
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
    known = b.frame[b.frame.key.isin(a.frame.key) & (b.frame.method == "random")]
    assert len(b.frame) == 8 and known.equals(a.frame.set_axis(known.index))
    assert evaluate(model, data[:2], ["random"], **ask).frame.equals(a.frame)  # only what was asked for


def test_metrics_that_are_asked_for_later_join(model, data, tmp_path):
    ask = dict(QUICK, out=tmp_path)
    a = evaluate(model, data[:1], ["random"], ["insertion", "iou"], **ask).frame
    b = evaluate(model, data[:1], ["random"], ["pixel_auc_gap", "forwards"], **ask).frame
    assert len(b) == 1 and {"insertion", "iou", "pixel_auc_gap"} <= set(b)
    assert b["insertion"].equals(a["insertion"]) and b["pixel_auc_gap"].notna().all()
    before = counted()
    assert evaluate(model, data[:1], ["random"], ["iou", "pixel_auc_gap"], **ask).frame.equals(b)
    assert counted() == before


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
    assert "another process is writing" in e.frame["note"].item()


# what must not be mixed

def test_a_sample_that_changed_is_not_mixed(model, data, tmp_path):
    ask = dict(QUICK, out=tmp_path)
    evaluate(model, data[:1], ["random"], **ask)
    for other in (replace(data[0], target=0), replace(data[0], image=data[1].pixels)):
        with pytest.raises(runner.ChangedSample, match="give it another key"):
            evaluate(model, [other], ["random"], **dict(ask, name=data.name))


def test_a_truth_that_changed_is_not_mixed(model, data, tmp_path):
    ask = dict(QUICK, out=tmp_path, name="words")
    evaluate(model, data[:1], ["random"], ["iou"], **ask)
    assert len(evaluate(model, data[:1], ["random"], ["iou"], **ask).frame) == 1
    other = replace(data[0], segmentation=~data[0].mask)
    with pytest.raises(runner.ChangedSample, match="or mask differ"):
        evaluate(model, [other], ["random"], ["iou"], **ask)


def test_other_regions_and_fills_of_the_same_size_are_not_mixed(model, data, tmp_path):
    y, x = np.mgrid[:224, :224]
    columns, rows, grey = Regions(x*4//224), Regions(y*4//224), np.full((224, 224, 3), 128, np.uint8)
    def run(**kw): return evaluate(model, data[:1], [by_number], metrics=["insertion"], out=tmp_path, **QUICK | kw)
    first = run(regions=columns).frame["insertion"].tolist()
    assert run(regions=Regions(x*4//224)).frame["insertion"].tolist() == first
    with pytest.raises(ValueError, match="holds results with regions .*choose another folder"): run(regions=rows)
    with pytest.raises(ValueError, match=r"this run has 'uint8 \(224, 224, 3\) \w+'"): run(regions=columns, fill=grey)
    assert run(regions=columns, fill=grey, name="grey").frame["insertion"].tolist() != first
    with pytest.raises(ValueError, match="holds results with fill"): run(regions=columns, fill=grey + 1, name="grey")


def test_other_weights_are_not_mixed(model, data, tmp_path):
    ask = dict(QUICK, out=tmp_path)
    evaluate(model, data[:1], ["random"], **ask)
    file, before = next(tmp_path.iterdir()), model.fingerprint
    weight = model.model.get_input_embeddings().weight
    with torch.no_grad(): weight *= 2                    # trained further, under the same name
    try:
        message = f"other weights of .* .fingerprint {before}, now .*: choose another folder"
        with pytest.raises(ValueError, match=message): evaluate(model, data[:2], ["random"], **ask)
    finally:
        with torch.no_grad(): weight /= 2
    assert model.fingerprint == before and len(evaluate(model, data[:2], ["random"], **ask).frame) == 2
    lines = [from_line(line) for line in file.read_bytes().splitlines()]
    del lines[0]["weights"]                              # a file from before weights were written down
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "weights" not in read_results(file).about
    assert len(evaluate(model, data, ["random"], **ask).frame) == len(data)
    assert read_results(file).about["weights"] == before
    with torch.no_grad(): weight *= 2
    try:
        with pytest.raises(ValueError, match="other weights"): evaluate(model, data, ["centre-out"], **ask)
    finally:
        with torch.no_grad(): weight /= 2


def test_functions_without_a_name_are_told_apart(model, data, tmp_path):
    ask = dict(QUICK, out=tmp_path, name="words")
    def judged(f): return evaluate(model, data[:1], {"mine": dict(method=f)}, ["auc_gap"], **ask)
    columns = lambda image: np.broadcast_to(np.arange(image.shape[1], dtype=float), image.shape[:2])
    rising = lambda model, image, prompt, target: columns(image)
    falling = lambda model, image, prompt, target: -columns(image)
    one = judged(rising)
    assert judged(rising).frame.equals(one.frame)
    with pytest.raises(ValueError, match="another label"): judged(falling)


# what fails

def test_failures_are_reported(model, data, tmp_path):
    flat = lambda model, image, prompt, target: np.ones(image.shape[:2])
    bad = lambda model, image, prompt, target: np.full(image.shape[:2], np.nan)
    flat.__name__, bad.__name__ = "flat", "bad"
    plain = Sample("no-truth", data[1].image, answer=data[1].answer, target=data[1].target)
    missing, mute = Sample("gone", tmp_path/"gone.png"), Sample("mute", data[0].image, answer="")
    e = evaluate(model, [data[0], plain, missing, mute], ("oracle", flat, bad), **QUICK)
    assert set(e.left_out) == {"gone", "mute"}
    assert "no image" in e.left_out["gone"] and "empty" in e.left_out["mute"]
    notes = e.frame.set_index(["key", "method"])["note"]
    assert notes["no-truth", "oracle"].endswith("give truth=mask or box")
    assert notes[data[0].key, "flat"] == "the map is all equal" and "not numbers" in notes[data[0].key, "bad"]
    assert e.values("bad", "insertion").empty and len(e.values("oracle", "insertion")) == 1
    pointed = e.values("flat", "pointing_mask")
    assert len(pointed) == 1 and pointed.item() == pytest.approx(data[0].mask.mean(), abs=1e-6)  # chance, not a hit
    table = e.table()
    assert table.loc["bad", "n"] == 0 and table.loc["bad", "insertion"] == "–" and table.loc["flat", "n"] == 2
    report = e.report()
    assert "2 samples with results, 2 without" in report and "bad: 2 of 2 samples" in report
    assert "1 out: FileNotFoundError" in report


def test_a_sample_that_comes_back_is_taken(model, data, tmp_path):
    image = tmp_path/"late.png"
    ask = dict(QUICK, out=tmp_path/"r")
    sample = Sample("late", image, answer=data[0].answer, target=data[0].target)
    assert evaluate(model, [sample], ["random"], **ask).left_out.keys() == {"late"}
    Image.fromarray(data[0].pixels).save(image)
    e = evaluate(model, [sample], ["random"], **ask)
    assert not e.left_out and len(e.frame) == 1


def test_what_a_machine_could_not_do_is_tried_again(model, data, tmp_path):
    "Memory may suffice next time, and a function of one's own may have been corrected."
    ask, asked = dict(QUICK, out=tmp_path), []
    def fails(model, image, prompt, target):
        asked.append("short of memory")
        if len(asked) == 1: raise RuntimeError("out of memory")
        return left_to_right(model, image, prompt, target)
    def never(model, image, prompt, target):
        asked.append("nan")
        return np.full(image.shape[:2], np.nan)
    judged = lambda: evaluate(model, data[:1], [fails, never], ("insertion",), **ask).frame.set_index("method")
    first, second = judged(), judged()
    assert asked == ["short of memory", "nan"]*2 and "out of memory" in first.loc["fails", "note"]
    assert pd.isna(second.loc["fails", "note"]) and second.loc["fails", "insertion"] > 0
    assert "not numbers" in second.loc["never", "note"]


def test_a_function_that_was_corrected_is_asked_again(model, data, tmp_path):
    ask, broken = dict(QUICK, out=tmp_path, name="words"), [True]
    def mine(model, image, prompt, target):
        if broken: raise ValueError("not yet")
        return np.arange(image[..., 0].size, dtype=float).reshape(image.shape[:2])
    assert "not yet" in evaluate(model, data[:1], [mine], ["auc_gap"], **ask).frame["note"].item()
    broken.clear()
    assert evaluate(model, data[:1], [mine], ["auc_gap"], **ask).values("mine", "auc_gap").notna().all()


def test_a_function_that_breaks_does_not_end_the_evaluation(model, data):
    def breaks(model, image, prompt, target): raise KeyError("a bug of ours")
    e = evaluate(model, data[:1], [breaks, "random"], **QUICK)
    assert "KeyError" in e.frame.set_index("method").loc["breaks", "note"]
    assert "breaks: 1 of 1 samples" in e.report() and len(e.values("random", "auc_gap")) == 1


def test_an_interrupted_search_is_no_result(model, data, tmp_path, monkeypatch):
    ask, real, calls = dict(QUICK, out=tmp_path), ModelScorer.compute, []
    def stops(scorer, keep, read=None):
        calls.append(1)
        if len(calls) == 3: raise KeyboardInterrupt
        return real(scorer, keep, read)
    monkeypatch.setattr(ModelScorer, "compute", stops)
    with pytest.raises(KeyboardInterrupt): evaluate(model, data[:1], ["EAGLE (exact)"], **ask)
    monkeypatch.undo()
    assert evaluate(model, data[:1], ["EAGLE (exact)"], **ask).frame["note"].isna().all()
    assert len(read_results(next(tmp_path.iterdir())).frame) == 1


def test_truths_that_cannot_be(model, data):
    wide = replace(data[0], key="wide", box=(5, 5, 400, 400), segmentation=None)
    small = replace(data[0], key="small", segmentation=np.ones((9, 9), bool))
    e = evaluate(model, [wide, small, data[1]], ["random"], ("insertion",), **QUICK)
    assert set(e.left_out) == {"wide", "small"} and "another size" in e.left_out["wide"] and len(e.frame) == 1


def test_ids_of_another_tokenizer_are_left_out(model, data):
    ids, text = list(data[0].answer.ids), data[0].answer.text
    wrong = [i + 1 for i in ids]
    mine = replace(data[0], key="mine", answer=ids, meta=dict(prompt_ids=[1, 2]))
    stored = dict(prompt_ids=[1, 2], sentence=text, target_ids=[ids[1]], generate_sentence=text)
    theirs = replace(data[0], key="theirs", answer=wrong, target=[1], meta=stored)
    e = evaluate(model, [mine, theirs], ["random"], ("insertion",), **QUICK)
    assert "mine" not in e.left_out and "another tokenizer" in e.left_out.get("theirs", "")


# the command

def test_the_command(tmp_path, capsys):
    runner.main(["captions", "--n", "2", "--methods", "random", "TAM", "--metrics", "insertion", "deletion",
                 "--regions", "9", "--out", str(tmp_path), "--device", "cpu"])
    out = capsys.readouterr().out
    assert "insertion" in out and "2 samples with results" in out
    assert len(read_results(tmp_path/"scenes-llava-scenes-captions.jsonl").frame) == 4
    with pytest.raises(SystemExit, match="needs --path"): runner.main(["own"])
    with pytest.raises(SystemExit, match="^runner: unknown method 'ranom'"): runner.main(["captions", "--methods", "ranom"])
    with pytest.raises(SystemExit, match="^runner: no file at"): runner.main(["own", "--path", str(tmp_path/"no.csv")])
    with pytest.raises(SystemExit, match="^runner: unknown model"): runner.main(["words", "--model", "scenes-lava"])


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
    Image.fromarray(data[0].pixels).save(tmp_path/"a.png")
    (tmp_path/"d.csv").write_text("image,prompt,answer,target\na.png,Describe the image.,A cat.,cat\n")
    runner.main(["own", "--path", str(tmp_path/"d.csv"), "--methods", "random", "--metrics", "insertion",
                 "--regions", "9", "--out", str(tmp_path/"out")])
    assert "1 samples with results" in capsys.readouterr().out


# the reference files, scored from the files alone by the definitions of the paper

def trapezoid(x, y): return sum((b - a)*(u + v)/2 for a, b, u, v in zip(x, x[1:], y, y[1:]))


def reference_map(r, masks):
    "The map of the paper: each region by its place in the order and the changes of the objective before it."
    objective, value, values = [1 - r["org_score"] + r["baseline_score"], *r["smdl_score"]], 0, []
    for a, b in zip(objective, objective[1:]):
        value -= abs(b - a)
        values.append(value)
    low, high = min(values), max(values)
    return sum(m.astype(float)*(v - low)/(high - low) for m, v in zip(masks, values))


def from_files(folder, name):
    "AUCs, highest confidence, sensitive AUCs and the place of the map's maximum."
    r = json.loads((folder/"json"/f"{name}.json").read_text())
    masks = np.load(folder/"npy"/f"{name}.npy")[..., 0]
    area = [0, *r["region_area"]]
    insertion, deletion = [r["baseline_score"], *r["insertion_score"]], [r["org_score"], *r["deletion_score"]]
    whole, blank = np.array(r["insertion_word_score"][-1]), np.array(r["deletion_word_score"][-1])
    start, sensitive = dict(insertion=blank, deletion=whole), whole - blank > .2
    by_word = {k: np.array([first, *r[f"{k}_word_score"]])[:, sensitive] for k, first in start.items()}
    saliency = reference_map(r, masks)
    x0, y0, x1, y1 = (round(v) for v in r["location"])
    peak = saliency == saliency.max()
    return dict(insertion=trapezoid(area, insertion), deletion=trapezoid(area, deletion), highest=max(insertion),
                box=peak[y0:y1, x0:x1].sum()/peak.sum(),
                sensitive_insertion=trapezoid(area, by_word["insertion"].mean(1)),
                sensitive_deletion=trapezoid(area, by_word["deletion"].mean(1)))


@pytest.mark.parametrize("search", ["fast", "exact"])
def test_reference_files_give_the_same_figures(model, data, tmp_path, search):
    method = "EAGLE" if search == "fast" else "EAGLE (exact)"
    for sample in data[:2]:
        case = prepare_case(model, sample, 12)
        e = attribute(method, model, case.pixels, PROMPT, case.target, case.regions).explanation
        e.to_reference(tmp_path, sample.key, location=sample.box, select_category=sample.category)
        read, mine = from_files(tmp_path, sample.key), evaluate_order(case.judge, case.regions, e.order)
        s = mine.sensitive()
        expected = dict(insertion=mine.insertion_auc, deletion=mine.deletion_auc, highest=mine.highest,
                        box=pointing(e.attribution("paper"), sample.box),
                        sensitive_insertion=s.insertion_auc, sensitive_deletion=s.deletion_auc)
        assert read == pytest.approx(expected, abs=1e-5)
        written = json.loads((tmp_path/"json"/f"{sample.key}.json").read_text())
        assert written["select_category"] == sample.category
    with pytest.raises(ValueError, match="lambda1 follow from the explanation"):
        e.to_reference(tmp_path, "x", lambda1=2)


# corrections

WRONG = ("correction", "corrected", "blamed")


def test_corrections_are_those_of_correct(model, questions):
    e = evaluate(model, questions, [dict(method="EAGLE", budget=60)], WRONG, **QUICK)
    for s in questions:
        c = correct(model, s.image, s.prompt, s.foil, s.answer, target=s.target, regions=9, budget=60,
                    show_progress=False)
        mine = e.frame.set_index("key").loc[s.key]
        assert mine["correction"] == pytest.approx(min(1, c.region), abs=1e-6)
        assert mine["corrected"] == float(c.region <= .1)
        first = c.explanation.regions.labels == c.explanation.order[-1]
        assert mine["blamed"] == pytest.approx(s.mask[first].mean(), abs=1e-6)


def test_an_order_by_hand_is_corrected_by_hand(model, questions):
    s = questions[0]
    case = prepare_case(model, s, 9)
    a = attribute(by_number, model, case.pixels, s.prompt, case.target, case.regions)
    row, shown, steps = score_method(case, a, WRONG), np.array(s.pixels), []
    for r in range(8, -1, -1):     # region 8 is last in this order, so it is removed first
        if model.answer(shown, s.prompt).text.startswith("No"): break
        shown[case.regions.labels == r] = 0
        steps.append(r)
    fixed = model.answer(shown, s.prompt).text.startswith("No")
    assert row["correction"] == pytest.approx((case.regions.area[steps].sum() if fixed else 1))
    assert row["corrected"] == float(fixed and row["correction"] <= .1)
    assert row["blamed"] == pytest.approx(s.mask[case.regions.labels == 8].mean())


def test_a_method_asked_of_the_answer_is_turned_round(model, questions):
    asked = []
    def watch(model, image, prompt, target, regions):
        asked.append((target.text, target.foil, target.tokens))
        return np.arange(len(regions))
    methods = {"foil": dict(method=watch), "answer": dict(method=watch, of="answer")}
    both = evaluate(model, questions[:1], methods, ("insertion", "deletion", *WRONG), **QUICK)
    assert asked == [("Yes", "No", ("No",)), ("Yes", None, ("Yes",))]
    case = prepare_case(model, questions[0], 9)
    forth = evaluate_order(case.judge, case.regions, np.arange(9))
    back = evaluate_order(case.judge, case.regions, np.arange(9)[::-1])
    assert both.values("answer", "insertion").iloc[0] == pytest.approx(back.insertion_auc, abs=1e-5)
    assert both.values("foil", "insertion").iloc[0] == pytest.approx(forth.insertion_auc, abs=1e-5)
    first = case.regions.labels == 0
    assert both.values("answer", "blamed").iloc[0] == pytest.approx(questions[0].mask[first].mean(), abs=1e-5)


def test_a_map_of_the_answer_is_turned_round_with_both_signs(model, questions):
    case = prepare_case(model, questions[0], 9)
    settings = dict(fill="black", seed=0, batch_size=None)
    asked = lambda of: runner.run_method(model, case, dict(method="EAGLE (one shot)", of=of), of, settings)
    found, plain = asked("answer"), asked("foil")
    assert (found.saliency == -found.explanation.attribution()).all() and found.unit is None
    assert (found.order == found.explanation.order[::-1]).all()
    assert (plain.saliency >= 0).all() and plain.unit == plain.explanation.unit()


def test_without_a_foil_there_is_nothing_to_correct(model, data):
    methods = ["random", dict(name="turned", method="random", of="answer")]
    e = evaluate(model, data[:2], methods, ("insertion", *WRONG), **QUICK)
    assert e.frame[list(WRONG)].isna().all().all()
    assert (e.values("random", "insertion") == e.values("turned", "insertion")).all()


def test_corrections_are_asked_for_by_name(model, questions, tmp_path):
    ask = dict(QUICK, out=tmp_path)
    assert not set(WRONG) & set(evaluate(model, questions[:1], ["random"], **ask).frame)
    before = counted()
    evaluate(model, questions[:1], ["random"], **ask)
    assert counted() == before
    again = evaluate(model, questions[:1], ["random"], WRONG, **ask)
    assert set(WRONG) <= set(again.frame) and "insertion" in again.frame and "correction" in again.table()


def test_a_method_explains_the_foil_or_the_answer(model, questions):
    with pytest.raises(ValueError, match="'foil' or 'answer', got 'both'"):
        evaluate(model, questions[:1], [dict(method="random", of="both")], **QUICK)


# --- settings and files of another time

@pytest.mark.parametrize("setting, message", [(dict(mode="fast"), "unknown mode 'fast': choose one of nearest, resampled, pixels"),
                                              (dict(fill="blak"), "unknown fill 'blak': choose one of black")])
def test_settings_of_the_judge_are_checked_before_a_file_is_made(model, data, tmp_path, setting, message):
    with pytest.raises(ValueError, match=message): evaluate(model, data[:1], ["random"], out=tmp_path, **QUICK | setting)
    assert not list(tmp_path.iterdir())


def test_a_file_with_the_old_names_is_refused_and_not_half_read(model, data, tmp_path):
    ask = dict(methods=["random"], out=tmp_path, **QUICK)
    evaluate(model, data[:1], **ask)
    path, = tmp_path.iterdir()
    new = "".join(json.dumps(from_line(line)) + "\n" for line in path.read_bytes().splitlines()) # as without checksums
    path.write_text(new.replace('"auc_gap"', '"result"'))
    with pytest.raises(ValueError, match="written before the metric 'result' became 'auc_gap'"): read_results(path)
    with pytest.raises(ValueError, match="written before the metric 'result' became 'auc_gap'"): evaluate(model, data[:1], **ask)
    path.write_text(new.replace('"nearest"', '"fast"'))
    with pytest.raises(ValueError, match="written when the mode 'nearest' had another name"): evaluate(model, data[:1], **ask)


# ---- elsewhere, and from a run

def fast_model(): return load("scenes-internvl", dtype="float32", device="cpu", threads=1)


@pytest.mark.parametrize("executor", [Here(), Processes(2)], ids=["here", "processes"])
def test_elsewhere_it_is_judged_as_in_this_process(tmp_path, executor):
    data = Dataset("words", [*datasets.scenes_words(fast_model(), 2), Sample("lost", "no/such.png")])
    ask = dict(QUICK, show_progress=False)
    one = evaluate(fast_model(), data, ["random", "occlusion"], **ask, out=tmp_path/"one")
    two = evaluate(fast_model, data, ["random", "occlusion"], **ask, out=tmp_path/"two", executor=executor)
    timed = ("seconds", "memory")
    tidy = lambda e: e.frame.drop(columns=[c for c in timed if c in e.frame])
    assert tidy(one).equals(tidy(two)) and one.about == two.about and "FileNotFoundError" in two.report()
    path, = (tmp_path/"two").iterdir()
    before = path.read_bytes()
    evaluate(fast_model, data[:2], ["random", "occlusion"], **ask, out=tmp_path/"two", executor=Here())
    assert path.read_bytes() == before
    other = Dataset("words", [replace(data[0], image=data[1].image), data[1]])
    with pytest.raises(runner.ChangedSample, match="is not what it was"):
        evaluate(fast_model, other, ["random", "occlusion"], **ask, out=tmp_path/"two", executor=Here())


def test_a_run_of_something_else_is_refused(model, data):
    found = eagle_nb.run(model, data[:1], regions=9, budget=36, show_progress=False)
    judge = lambda data, m=model, **ask: evaluate(m, data, {"mine": runner.from_run(found)}, ["insertion"],
                                                  **{"regions": 9, "show_progress": False, **ask}).frame
    assert judge(data[:1])["insertion"].notna().all()
    for sample, said in ((replace(data[0], image=data[1].image), "another image"), (replace(data[0], target=0), "another target"),
                         (replace(data[0], prompt="What is it?"), "another prompt")):
        assert said in judge([sample])["note"][0]
    assert "there is no sample" in judge(data[1:2])["note"][0]
    assert "another partition" in judge(data[:1], regions=4)["note"][0]
    assert runner.from_run(found).__name__ == runner.from_run(found).__name__ != runner.from_run(
        eagle_nb.run(model, data[:1], regions=9, budget=40, show_progress=False)).__name__


def test_a_run_is_a_method_for_processes_too(tmp_path):
    from eagle_nb import run
    from eagle_nb.runs.executors import Processes
    data = [eagle_nb.Sample(f"s{k}", eagle_nb.scenes.sample(k).image, target=0) for k in range(2)]
    source = dict(source="scenes-internvl", dtype="float32", device="cpu", threads=1)
    found = run(source, data, tmp_path/"run", regions=9, budget=36, show_progress=False)
    judge = lambda model, **ask: evaluate(model, data, {"mine": runner.from_run(found)}, ["insertion"], regions=9, show_progress=False, **ask)
    there, here = judge(source, executor=Processes(2)), judge(load(**source))
    assert there.frame["insertion"].tolist() == here.frame["insertion"].tolist() and there.frame["insertion"].notna().all()
    in_memory = run(source, data[:1], regions=9, budget=36, show_progress=False)
    with pytest.raises(ValueError, match="cannot be sent to another process: give run"): in_memory.__reduce__()
