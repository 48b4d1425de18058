"The study of searches: files that grow, shares, and what a case costs."
import json
from importlib.util import find_spec

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
from eagle_nb.runs.store import from_line

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


def test_revisions_and_settings_are_never_taken_for_each_other(folder, tmp_path, monkeypatch):
    "A search that now finds other orders is searched again; what it found before stays, under a name of its own."
    path = study.record_path("scenes-internvl", 9, tmp_path)
    path.write_text(study.record_path("scenes-internvl", 9, folder).read_text())
    again = lambda methods: study.run("scenes-internvl", 9, methods, 1, 0, tmp_path, split="validation")
    before = record(tmp_path)["cases"]["caption-50000"]["methods"]
    monkeypatch.setitem(study.REVISIONS, "one_shot", 2)
    again(QUICK)
    after = record(tmp_path)["cases"]["caption-50000"]["methods"]
    assert after.keys() == before.keys() | {"one_shot, revision 1"}
    others = [c["methods"] for key, c in record(tmp_path)["cases"].items() if key != "caption-50000"]
    assert all("one_shot" not in m and "one_shot, revision 1" in m for m in others), "no mean may mix the two"
    assert after["one_shot, revision 1"] == before["one_shot"] and after["random"] == before["random"]
    assert json.loads(after["one_shot"]["made"])["revision"] == 2
    lines = path.read_text().count("\n")
    again(QUICK)
    assert path.read_text().count("\n") == lines
    again({"one_shot": dict(method="one_shot", lam=(1, 0))})
    assert path.read_text().count("\n") == lines + 1
    last = record(tmp_path)["cases"]["caption-50000"]["methods"]
    assert last["one_shot, lam=[1, 0]"]["settings"]["lam"] == [1, 0] and last["one_shot"] == after["one_shot"]


def test_rows_that_do_not_say_what_made_them_are_of_the_first_revision(folder, tmp_path, monkeypatch):
    path = study.record_path("scenes-internvl", 9, tmp_path)
    lines = study.record_path("scenes-internvl", 9, folder).read_bytes().splitlines()
    old = [{k: v for k, v in from_line(line).items() if k != "made"} for line in lines]
    path.write_text("".join(json.dumps(row) + "\n" for row in old))
    assert record(tmp_path) == record(folder)
    def never(*_, **settings): raise AssertionError("nothing is missing")
    monkeypatch.setattr(study, "curve", never)
    study.run("scenes-internvl", 9, QUICK, 1, 2, tmp_path, split="validation")


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


def test_the_tail_counts_what_loses_more_than_a_tenth():
    reference = np.linspace(.2, .9, 8)
    results = np.stack([reference - .1001, reference - .0999, reference + .5, [0., *reference[1:]]], 1)
    tail = study.tail_of(results, reference)
    assert tail[:, 0].tolist() == [1., 0., 0., 1/8]
    assert ((tail[:, 1] <= tail[:, 0]) & (tail[:, 0] <= tail[:, 2])).all() and (tail[:, 2] - tail[:, 1] > .1).all()
    results[3, 1] = np.nan
    assert np.isnan(study.tail_of(results, reference)[1]).all() and np.isnan(study.tail_of(results[:0], reference[:0])).all()


def test_parts_are_those_that_the_fast_search_takes():
    "Each variant begins without a complaint about its settings."
    p = lambda keep: torch.sigmoid(keep.float() @ torch.linspace(-1, 2, 4))
    parts = {label: s for label, s in study.VARIANTS.items() if label.startswith("fast,")}
    assert parts
    for settings in parts.values():
        assert len(study.curve(FunctionScorer(p, 4), np.full(4, 1/4), **settings)["order"]) == 4


@pytest.mark.skipif(find_spec("shapiq") is None, reason="the optional library shapiq is not installed")
def test_a_sampler_spends_its_share_and_no_more():
    p = lambda keep: torch.sigmoid(keep.float() @ torch.linspace(-1, 2, 16) - 2)
    for label in ("KernelSHAP, 25%", "Leverage SHAP, 25%"):
        got = study.curve(FunctionScorer(p, 16), np.full(16, 1/16), **study.VARIANTS[label])
        assert got["forwards"] == 68 and got["auc_gap"][3] == got["final"]
        assert [v is None for v in got["auc_gap"]] == [True]*3 + [False] + [True]*3


# the command, and the tables of `evaluate`

def test_the_command_refuses_a_search_that_is_not_there(capsys):
    with pytest.raises(SystemExit): study.main(["--methods", "quick"])
    assert "invalid choice: 'quick'" in capsys.readouterr().err


def test_only_the_fast_search_ends_elsewhere(monkeypatch):
    asked = {}
    monkeypatch.setattr(study, "run", lambda name, regions, methods, *_: asked.update(methods))
    study.main(["--methods", "exact", "fast", "--until", ".2", "--rivals", "--models", "scenes-llava"])
    assert asked.keys() == {"exact", "fast", *study.RIVALS}
    assert asked["fast"]["until"] == .2 and asked["Leverage SHAP, 5%"]["until"] == .05 and "until" not in asked["phasewin"]


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
