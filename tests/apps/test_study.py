"The study of searches: files that grow, shares, and what a case costs."
import numpy as np
import pytest
import torch

from eagle_nb import datasets
from eagle_nb.apps import study
from eagle_nb.core import costs
from eagle_nb.core.checkpoints import load_checkpoint
from eagle_nb.core.scores import FunctionScorer
from eagle_nb.evaluation.results import read_results
from eagle_nb.evaluation.runner import evaluate

QUICK = {m: study.VARIANTS[m] for m in ("one_shot", "random")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("study")
    study.run("scenes-internvl", 9, QUICK, 1, 2, path, split="validation")
    return path


def record(folder): return study.read_record(study.record_path("scenes-internvl", 9, folder))


# files that grow

def test_a_file_says_what_it_rests_on(folder):
    r = record(folder)
    settings = ("model", "regions", "dtype", "split", "shares")
    assert [r[k] for k in settings] == ["scenes-internvl", 9, "bfloat16", "validation", list(study.SHARES)]
    assert r["machine"] and r["torch"]
    assert sorted(r["cases"]) == ["caption-50000", "word-51000", "word-51001"]
    for key, case in r["cases"].items():
        assert case["methods"].keys() == QUICK.keys()
        assert case["n"] == len(case["methods"]["random"]["order"])
        assert (case["word"] is None) == key.startswith("caption")


def test_a_second_run_adds_only_what_is_missing(folder, monkeypatch):
    before, asked = record(folder), []
    real = study.curve
    def spy(base, area, method, **settings):
        asked.append(method)
        return real(base, area, method, **settings)
    monkeypatch.setattr(study, "curve", spy)
    study.run("scenes-internvl", 9, QUICK, 1, 2, folder, split="validation")
    assert not asked and record(folder) == before
    more = {**QUICK, "lazy": study.VARIANTS["lazy"]}
    study.run("scenes-internvl", 9, more, 1, 1, folder, split="validation")
    assert asked == ["lazy", "lazy"]
    after = record(folder)
    for key, case in before["cases"].items():
        known = {k: v for k, v in after["cases"][key]["methods"].items() if k != "lazy"}
        assert known == case["methods"]


@pytest.mark.parametrize("other", [dict(split="test"), dict(split="validation", dtype="float32")])
def test_a_file_of_other_cases_is_not_mixed_with(folder, other):
    with pytest.raises(ValueError, match="choose another folder"):
        study.run("scenes-internvl", 9, QUICK, 1, 1, folder, **other)


def test_maps_of_words_are_resumed(tmp_path, monkeypatch):
    path, asked = tmp_path/"words.jsonl", []
    def fake(model, scene, regions, words):
        asked.append(words)
        return [dict(word=w) for w in words]
    monkeypatch.setattr(study, "word_maps_of", fake)
    for n in (1, 2): study.run_words("scenes-internvl", 9, n, path)
    assert len(asked) == 2
    found = study.read_words(path)
    assert list(found) == ["scenes-internvl"]
    assert found["scenes-internvl"] == {f"word-{51_000 + k}": [dict(word=w)] for k, (w,) in enumerate(asked)}
    with pytest.raises(ValueError, match="choose another folder"): study.run_words("scenes-internvl", 16, 1, path)


# curves

def test_a_point_is_what_a_search_with_that_budget_gives():
    "The curve of a long search says what a short one would have found."
    p = lambda keep: torch.sigmoid(keep.float() @ torch.linspace(-1, 2, 16) - 2)
    curve = lambda **settings: study.curve(FunctionScorer(p, 16), np.full(16, 1/16), "exact", **settings)
    whole = curve()
    for share, value in zip(study.SHARES, whole["auc_gap"]):
        budget = int(share*16*17)
        if budget < 32: assert value is None
        else: assert value == pytest.approx(curve(budget=budget)["final"], abs=1e-4)
    assert whole["forwards"] <= 16*17 and whole["auc_gap"][-1] == whole["final"]


def test_each_search_pays_for_itself():
    base = FunctionScorer(lambda keep: keep.float().mean(1), 8)
    forwards = [study.curve(base, np.full(8, 1/8), m)["forwards"] for m in ("exact", "exact", "one_shot")]
    assert forwards[0] == forwards[1] > 0 and forwards[2] == 16


def test_shares_rest_on_the_cases_that_both_have():
    cases = {f"caption-{k}": dict(methods=dict(exact=dict(auc_gap=[0, 0], final=1.))) for k in range(4)}
    for k in range(2): cases[f"caption-{k}"]["methods"]["fast"] = dict(auc_gap=[.5 + k, None], final=1.)
    results, reference = study.paired_results(dict(shares=[.1, 1.], cases=cases), "fast", "caption")
    assert results.shape == (2, 2) and reference.tolist() == [1., 1.]
    share = study.share_of(results, reference)
    assert share[0].tolist() == pytest.approx([1., .5, 1.5]) and np.isnan(share[1]).all()
    assert np.isnan(study.share_of(results[:1], reference[:1])).all()


# the command, and the tables of `evaluate`

def test_the_command_refuses_a_search_that_is_not_there(capsys):
    with pytest.raises(SystemExit): study.main(["--methods", "quick"])
    assert "invalid choice: 'quick'" in capsys.readouterr().err


def test_recorded_orders_are_judged_without_a_search(tmp_path):
    "The orders of a study give the rows that the searches themselves give, with the forwards that they took."
    methods = {m: study.VARIANTS[m] for m in ("one_shot", "lazy")}
    study.run("scenes-internvl", 9, methods, 1, 1, tmp_path/"study")
    judge = lambda: study.judge("scenes-internvl", 9, 2, 1, tmp_path/"study", out=tmp_path/"out")
    judge()
    known = read_results(tmp_path/"out"/"scenes-internvl-scenes-captions.jsonl").frame
    model = load_checkpoint("scenes-internvl", dtype="bfloat16", device="cpu")
    captions = datasets.scenes_captions(1)
    asked = evaluate(model, captions, ["EAGLE (lazy)", "EAGLE (one shot)"], regions=9, show_progress=False).frame
    columns = ["key", "method", "insertion", "deletion", "highest", "pixel_auc_gap", "tokens", "regions"]
    areas = ["insertion", "deletion", "pixel_auc_gap"]
    a, b = (f[columns].sort_values("method").reset_index(drop=True) for f in (known, asked))
    assert a.drop(columns=areas).equals(b.drop(columns=areas))
    assert np.allclose(a[["insertion", "deletion"]], b[["insertion", "deletion"]], atol=2e-3)
    assert known.set_index("method").loc["EAGLE (one shot)", "forwards"] == 18 and known["memory"].isna().all()
    before = costs.spent["forwards"]
    judge()
    assert costs.spent["forwards"] == before
    recorded = study.recorded_orders(record(tmp_path/"study"))
    other = evaluate(model, captions, ["EAGLE (lazy)"], regions=16, show_progress=False, recorded=recorded)
    assert "use the same number" in other.frame["note"].item()
