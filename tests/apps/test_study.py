"The study of searches: files that grow, shares, and what a case costs."
import numpy as np
import pytest
import torch

from eagle_nb.apps import study
from eagle_nb.core.scores import FunctionScorer

FEW = {m: study.VARIANTS[m] for m in ("one_shot", "random")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("study")
    study.run("scenes-internvl", 9, FEW, 1, 2, where, split="validation")
    return where


def held(folder): return study.read_record(study.record_path("scenes-internvl", 9, folder))


def test_a_file_says_what_it_rests_on(folder):
    r = held(folder)
    assert (r["model"], r["regions"], r["dtype"], r["split"], r["shares"]) == ("scenes-internvl", 9, "bfloat16", "validation", list(study.SHARES)) and r["machine"] and r["torch"]
    assert sorted(r["cases"]) == ["caption-50000", "word-51000", "word-51001"]
    assert all(c["methods"].keys() == FEW.keys() and c["n"] == len(c["methods"]["random"]["order"]) for c in r["cases"].values())
    assert all((c["word"] is None) == k.startswith("caption") for k, c in r["cases"].items())


def test_a_second_run_adds_only_what_is_missing(folder, monkeypatch):
    before, asked = held(folder), []
    real = study.curve
    monkeypatch.setattr(study, "curve", lambda base, area, method, **kw: asked.append(method) or real(base, area, method, **kw))
    study.run("scenes-internvl", 9, FEW, 1, 2, folder, split="validation")
    assert not asked and held(folder) == before
    study.run("scenes-internvl", 9, {**FEW, "lazy": study.VARIANTS["lazy"]}, 1, 1, folder, split="validation")
    assert asked == ["lazy", "lazy"]
    after = held(folder)
    assert all({k: v for k, v in after["cases"][c]["methods"].items() if k != "lazy"} == before["cases"][c]["methods"] for c in before["cases"])


@pytest.mark.parametrize("other", [dict(split="test"), dict(split="validation", dtype="float32")])
def test_a_file_of_other_cases_is_not_mixed_with(folder, other):
    with pytest.raises(ValueError, match="choose another folder"): study.run("scenes-internvl", 9, FEW, 1, 1, folder, **other)


def test_a_point_is_what_a_search_with_that_budget_gives():
    "The curve of a long search says what a short one would have found."
    p = lambda keep: torch.sigmoid(keep.float() @ torch.linspace(-1, 2, 16) - 2)
    whole = study.curve(FunctionScorer(p, 16), np.full(16, 1/16), "exact")
    for share, value in zip(study.SHARES, whole["auc_gap"]):
        budget = int(share*16*17)
        if budget < 32: assert value is None; continue
        short = study.curve(FunctionScorer(p, 16), np.full(16, 1/16), "exact", budget=budget)
        assert value == pytest.approx(short["final"], abs=1e-4)
    assert whole["forwards"] <= 16*17 and whole["auc_gap"][-1] == whole["final"]


def test_each_search_pays_for_itself():
    base = FunctionScorer(lambda keep: keep.float().mean(1), 8)
    costs = [study.curve(base, np.full(8, 1/8), m)["forwards"] for m in ("exact", "exact", "one_shot")]
    assert costs[0] == costs[1] > 0 and costs[2] == 16


def test_shares_rest_on_the_cases_that_both_have():
    cases = {f"caption-{k}": dict(methods=dict(exact=dict(auc_gap=[0, 0], final=1.))) for k in range(4)}
    for k in range(2): cases[f"caption-{k}"]["methods"]["fast"] = dict(auc_gap=[.5 + k, None], final=1.)
    results, reference = study.paired_results(dict(shares=[.1, 1.], cases=cases), "fast", "caption")
    assert results.shape == (2, 2) and reference.tolist() == [1., 1.]
    share = study.share_of(results, reference)
    assert share[0, 0] == pytest.approx(1.) and share[0, 1] == pytest.approx(.5) and share[0, 2] == pytest.approx(1.5) and np.isnan(share[1]).all()
    assert np.isnan(study.share_of(results[:1], reference[:1])).all()


def test_the_command_refuses_a_search_that_is_not_there(capsys):
    with pytest.raises(SystemExit): study.main(["--methods", "quick"])
    assert "invalid choice: 'quick'" in capsys.readouterr().err


def test_what_was_found_is_judged_without_a_search(tmp_path):
    "The orders of a study give the rows that the searches themselves give, with the forwards that they took."
    from eagle_nb import datasets
    from eagle_nb.core import costs
    from eagle_nb.evaluation.results import read_results
    from eagle_nb.evaluation.runner import evaluate
    from eagle_nb.core.checkpoints import load_checkpoint
    study.run("scenes-internvl", 9, {m: study.VARIANTS[m] for m in ("one_shot", "lazy")}, 1, 1, tmp_path/"study")
    study.judge("scenes-internvl", 9, 2, 1, tmp_path/"study", out=tmp_path/"out")
    known = read_results(tmp_path/"out"/"scenes-internvl-scenes-captions.jsonl").frame
    model = load_checkpoint("scenes-internvl", dtype="bfloat16", device="cpu")
    asked = evaluate(model, datasets.scenes_captions(1), ["EAGLE (lazy)", "EAGLE (one shot)"], regions=9, show_progress=False).frame
    columns = ["key", "method", "insertion", "deletion", "highest", "pixel_auc_gap", "tokens", "regions"]
    a, b = (f[columns].sort_values("method").reset_index(drop=True) for f in (known, asked))
    assert a.drop(columns=["insertion", "deletion", "pixel_auc_gap"]).equals(b.drop(columns=["insertion", "deletion", "pixel_auc_gap"])) and np.allclose(a[["insertion", "deletion"]], b[["insertion", "deletion"]], atol=2e-3)
    assert known.set_index("method").loc["EAGLE (one shot)", "forwards"] == 18 and known["memory"].isna().all()
    before = dict(costs.spent)
    study.judge("scenes-internvl", 9, 2, 1, tmp_path/"study", out=tmp_path/"out")
    assert costs.spent["forwards"] == before["forwards"]
    other = evaluate(model, datasets.scenes_captions(1), ["EAGLE (lazy)"], regions=16, show_progress=False, recorded=study.recorded_orders(held(tmp_path/"study")))
    assert "use the same number" in other.frame["note"].item()
