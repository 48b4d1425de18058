"The benchmark: places against a re-implementation, methods from outside, the shipped summary, and runs that go on."
import functools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluation_helpers import by_number, counted, frame, left_to_right

from eagle_nb.evaluation import leaderboard
from eagle_nb.evaluation.leaderboard import (LEAST, METRICS, MODELS, TRACKS, Benchmark, Outside, benchmark, check_function, import_method,
                                             listed, places, rank, read_summary, standings, summarize, write_summary)
from eagle_nb.evaluation.results import Evaluation, ResultStore

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = ROOT/"figures"/"results"/"evaluation"
SMALL = dict(tracks="words", regions=9, show_progress=False)


# --- places

def lower_end(d, groups=None):
    "Lower end of the 95 % interval of a mean: groups are drawn with replacement, each with all of its values."
    groups = np.arange(len(d)) if groups is None else np.asarray(groups)
    rng, names = np.random.default_rng(99), list(dict.fromkeys(groups))
    of = {g: d[groups == g] for g in names}
    means = [np.concatenate([of[names[k]] for k in rng.integers(len(names), size=len(names))]).mean() for _ in range(1500)]
    return np.quantile(means, .025)


def brute(values, groups=None):
    "Method -> places, from a dict of arrays with nan where a sample is missing; the first method has all samples."
    anchor = next(iter(values.values()))
    left, found, first = sorted(values, key=lambda m: -np.nanmean(values[m] - anchor)), {}, 1
    while left:
        group = []
        for m in left:
            d = values[left[0]] - values[m]
            there = ~np.isnan(d)
            if m == left[0] or lower_end(d[there], None if groups is None else groups[there]) <= 0: group.append(m)
        last = first + len(group) - 1
        found |= dict.fromkeys(group, f"{first}–{last}" if last > first else str(first))
        left, first = [m for m in left if m not in group], last + 1
    return found


def made_up(seed, n=30, missing=0):
    "Methods of known quality on samples of unequal difficulty; the last lacks some samples."
    rng = np.random.default_rng(seed)
    hard = rng.random(n)*5
    values = {f"m{k}": hard + gain + rng.normal(0, .1, n) for k, gain in enumerate((0, .5, .5, 1, -.4))}
    if missing: values["m4"][rng.permutation(n)[:missing]] = np.nan
    return values


def evaluation(values, groups=None, metric="auc_gap"):
    rows = [dict(key=str(k), method=m, note=None, **{metric: x}) for m, v in values.items() for k, x in enumerate(v)]
    table = pd.DataFrame(rows)
    return Evaluation(table if groups is None else table.assign(group=[groups[int(k)] for k in table["key"]]), {}, {})


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("grouped", [False, True])
def test_places_are_those_of_a_plain_implementation(seed, grouped):
    values = made_up(seed, missing=10)
    groups = np.array([f"scene {k//2}" for k in range(30)]) if grouped else None
    e = evaluation(values, groups)
    found = rank(e, "auc_gap")
    assert found["place"].to_dict() == brute(values, groups)
    assert found["n"].to_dict() == {**dict.fromkeys(values, 30), "m4": 20}
    assert found.index[0] == "m3" and np.isnan(found.loc["m3", "difference"])
    there = ~np.isnan(values["m4"])
    assert found.loc["m4", "difference"] == pytest.approx((values["m4"] - values["m3"])[there].mean())


def test_one_method_better_everywhere_is_first_alone_and_equal_methods_tie():
    values = {"best": np.arange(12.) + 1, "a": np.arange(12.), "b": np.arange(12.)}
    assert places(evaluation(values), "auc_gap") == {"best": "1", "a": "2–3", "b": "2–3"}
    lower_is_better = rank(evaluation(values, metric="correction"), "correction")
    assert lower_is_better["place"].to_dict() == {"a": "1–2", "b": "1–2", "best": "3"}
    assert lower_is_better.loc["best", "difference"] == -1


def test_easy_samples_are_no_merit():
    "Fewer samples, all of them easy: the highest mean, but behind on every sample."
    hard = np.linspace(0, 10, 20)
    values = {"all": hard, "few": np.where(hard > 4, hard - .5, np.nan)}
    found = rank(evaluation(values), "auc_gap")
    assert found["mean"]["few"] > found["mean"]["all"] and found["place"].to_dict() == {"all": "1", "few": "2"}
    assert found["n"]["few"] == 12


def test_too_few_samples_leave_a_method_out_and_a_reference_sets_the_samples():
    values = {"all": np.arange(20.), "few": np.where(np.arange(20) < 9, 30., np.nan)}
    e = evaluation(values)
    ranked, left_out = listed(e, "auc_gap")
    assert ranked.methods == ["all"] and left_out == {"few": 9}
    assert listed(e, "auc_gap", least=.4)[1] == {} and rank(e, "auc_gap", least=.4)["n"]["few"] == 9
    assert rank(e, "auc_gap", "few")["n"].to_dict() == {"few": 9, "all": 9}


def test_few_samples_give_no_places_and_the_oracle_none():
    values = dict(made_up(0, LEAST), oracle=np.full(LEAST, 99.))
    found = places(evaluation(values), "auc_gap")
    assert found["oracle"] == "–" and list(found)[-1] == "oracle" and found["m3"] == "1"
    fewer = places(evaluation({m: v[:-1] for m, v in values.items()}), "auc_gap")
    assert set(fewer.values()) == {"?", "–"}
    assert places(frame(a=[1.], b=[2.]), "auc_gap") == {"a": "?", "b": "?"}
    assert places(frame(a=[1., 2.], b=[2., np.nan]), "auc_gap") == {"a": "?", "b": "?"}
    with pytest.raises(ValueError, match="no results with 'iou'"): rank(frame(a=[1., 2.]), "iou")
    with pytest.raises(ValueError, match="'c' has no 'auc_gap'"): rank(frame(a=[1., 2.]), "auc_gap", "c")


# --- what is shipped

def test_the_shipped_summary_is_what_the_files_say():
    if not FILES.is_dir(): pytest.skip("the result files are not part of an sdist")
    shipped = json.loads(leaderboard.SUMMARY.read_text())
    assert shipped == json.loads(json.dumps(summarize(FILES))), "renew it: python -m eagle_nb.evaluation.leaderboard"
    assert leaderboard.SUMMARY.stat().st_size < 300_000
    store, kept = ResultStore.read(FILES/"scenes-qwen-scenes-words.jsonl"), read_summary()["words"]["scenes-qwen"]
    row = next(r for r in store.rows if r["method"] == "LIME" and r["key"] == store.rows[-1]["key"])
    assert kept.values("LIME", "iou")[row["key"]] == pytest.approx(row["iou"], abs=5e-5)


def small_file(folder, **head):
    "A result file of two samples, as `evaluate` writes it."
    about = dict(model="scenes-llava", revision=None, data="scenes-captions", machine="this", **leaderboard.SETTINGS) | head
    with ResultStore(folder/"scenes-llava-scenes-captions.jsonl", about) as store:
        store.define("random", dict(method="random"))
        for k in range(2): store.add(key=f"c{k}", method="random", sample=f"{k}", auc_gap=.5 + k, insertion=1., forwards=3)
    return folder


def test_a_summary_keeps_values_and_refuses_other_settings(tmp_path):
    kept = summarize(small_file(tmp_path/"a"))["tracks"]["captions"]["scenes-llava"]
    assert kept["values"] == {"random": {"auc_gap": [.5, 1.5]}} and kept["samples"] == {"c0": "0", "c1": "1"}
    assert kept["means"] == {"random": dict(insertion=1., forwards=3.)}
    with pytest.raises(ValueError, match="measured with regions 16, not 64"): summarize(small_file(tmp_path/"b", regions=16))
    with pytest.raises(ValueError, match="dtype 'float32', not 'bfloat16'"): summarize(small_file(tmp_path/"c", dtype="float32"))
    with pytest.raises(ValueError, match="has no results of the benchmark"): summarize(tmp_path/"none")
    write_summary(tmp_path/"a", tmp_path/"s.json")
    assert read_summary(tmp_path/"s.json")["captions"]["scenes-llava"].values("random", "auc_gap").tolist() == [.5, 1.5]
    changed = json.loads((tmp_path/"s.json").read_text())
    changed["tracks"]["captions"]["scenes-llava"]["about"]["seed"] = 1
    (tmp_path/"t.json").write_text(json.dumps(changed))
    with pytest.raises(ValueError, match="seed 1, not 0"): read_summary(tmp_path/"t.json")
    (tmp_path/"u.json").write_text("{}")
    with pytest.raises(ValueError, match="of another version"): read_summary(tmp_path/"u.json")


def test_seconds_of_two_machines_are_not_averaged(tmp_path):
    small_file(tmp_path)
    path = tmp_path/"scenes-llava-scenes-captions.jsonl"
    head = dict(ResultStore.read(path).head, machine="that")
    with ResultStore(path, head) as store: store.add(key="c0", method="random", sample="0", auc_gap=.5, insertion=1., forwards=3, seconds=7.)
    kept = summarize(tmp_path)["tracks"]["captions"]["scenes-llava"]
    assert kept["about"]["machine"] == "that, this" and "seconds" not in kept["means"]["random"]


def test_the_standings_have_every_deciding_metric_of_every_track():
    found = standings()
    assert set(found.panels) == set(TRACKS) and all(set(models) == set(MODELS) for models in found.panels.values())
    assert all(m in e.frame for t, models in found.panels.items() for e in models.values() for m in TRACKS[t].decides)
    assert all(m in METRICS and m in leaderboard.NAMES for t in TRACKS.values() for m in t.decides)
    with pytest.raises(ValueError, match="not on nobody"): standings(models=["nobody"])


# --- methods from outside

def write(folder, code, name="mine.py"):
    (folder/name).write_text(code)
    return folder/name


@pytest.mark.parametrize("code, said", [
    ("def f(image, target): pass", r"must be a function of \(model, image"), ("def f(model, image, prompt, target, truth): pass", "truth"),
    ("def f(model, image, prompt, target, window): pass", "needs 'window'"), ("def f(model, image, prompt, target, *, k): pass", "needs 'k'"),
    ("def g(): pass", "has no function 'f': it has g"), ("f = 3", "is no function"), ("import no_such_thing", "cannot be imported"), ("def f(:", "SyntaxError")])
def test_what_is_no_method_is_refused_before_a_model_is_loaded(tmp_path, monkeypatch, code, said):
    monkeypatch.setattr(leaderboard, "load", lambda **kwargs: pytest.fail("a model was loaded"))
    with pytest.raises((ValueError, ImportError), match=said): benchmark(import_method(f"{write(tmp_path, code)}:f"), **SMALL)


@pytest.mark.parametrize("method, said", [
    ("EAGEL", "unknown method"), ("oracle", "takes no part"), (dict(method="LIME", samples=3), "is the name of a method here"),
    (dict(method=by_number, name="occlusion"), "is the name of a method here"), (lambda image: 0, "must be a function"), (3, "no function")])
def test_what_is_no_method_of_a_benchmark_is_refused(monkeypatch, method, said):
    monkeypatch.setattr(leaderboard, "load", lambda **kwargs: pytest.fail("a model was loaded"))
    with pytest.raises(ValueError, match=said): benchmark(method, **SMALL)


def test_other_refusals(monkeypatch):
    monkeypatch.setattr(leaderboard, "load", lambda **kwargs: pytest.fail("a model was loaded"))
    with pytest.raises(ValueError, match="unknown track"): benchmark(by_number, "sounds")
    with pytest.raises(ValueError, match="0"): benchmark(by_number, n=0)
    with pytest.raises(ValueError, match="two methods"): benchmark(by_number, against=[by_number])


@pytest.mark.parametrize("answer, said", [
    (lambda h, w, n: np.zeros((3, 3)), "must give a map of shape"), (lambda h, w, n: np.full((h, w), np.nan), "not numbers"),
    (lambda h, w, n: np.arange(n) - 1, "names each of the"), (lambda h, w, n: [0]*n, "names each of the"), (lambda h, w, n: None, "real numbers"),
    (lambda h, w, n: np.ones((h, w), complex), "real numbers"), (lambda h, w, n: np.linspace(0, 1, n), "names regions by whole numbers")])
def test_a_wrong_answer_ends_the_run_at_the_first_sample(model, answer, said):
    asked = []
    def wrong(model, image, prompt, target, regions):
        asked.append(1)
        return answer(*image.shape[:2], len(regions))
    with pytest.raises(ValueError, match="'wrong' failed on the first sample, word-") as e: benchmark(wrong, models=model, n=3, **SMALL)
    assert len(asked) == 2 and said in str(e.value.__cause__) # once more, for its own traceback


def test_a_function_and_its_name_change_with_its_code(tmp_path):
    first = import_method(f"{write(tmp_path, 'def f(model, image, prompt, target): return 1')}:f")
    assert first(0, 0, 0, 0) == 1 and first.__name__ == "f" and first.__qualname__ == f"f {first.digest}"
    second = import_method(f"{write(tmp_path, 'def f(model, image, prompt, target): return 2')}:f")
    assert second(0, 0, 0, 0) == 2 and second.digest != first.digest
    how, args = second.__reduce__()
    assert how(*args).digest == second.digest and how(*args)(0, 0, 0, 0) == 2 # as a worker makes it
    same = import_method("evaluation_helpers:by_number")
    assert same.digest == Outside(by_number).digest and same.f is by_number
    check_function(lambda *args, **kwargs: 0)


def test_what_a_function_carries_along_changes_its_name(tmp_path):
    "Closures, defaults, fixed arguments, state of objects, and modules next to its file."
    def make(k, text="a"):
        def f(model, image, prompt, target): return k, text
        return f
    class Held:
        def __init__(self, k): self.k = k
        def __call__(self, model, image, prompt, target): return self.k
    def shifted(model, image, prompt, target, by=1): return by
    pairs = [(make(0), make(3)), (make(np.zeros(3)), make(np.ones(3))), (Held(0), Held(1)),
             (functools.partial(shifted, by=1), functools.partial(shifted, by=2)), (make(make(0)), make(make(1)))]
    for one, other in pairs: assert Outside(one).digest != Outside(other).digest
    for f in (make(0), make(make(2)), Held(3), functools.partial(shifted, by=2)): assert Outside(f).digest == Outside(f).digest
    assert Outside(make(7)).digest == Outside(make(7)).digest
    (tmp_path/"helper_of_it.py").write_text("K = 0")
    (tmp_path/"stranger.py").write_text("K = 0")
    path = write(tmp_path, "from helper_of_it import K\ndef f(model, image, prompt, target): return K")
    first = import_method(f"{path}:f").digest
    (tmp_path/"stranger.py").write_text("K = 1")
    assert import_method(f"{path}:f").digest == first
    (tmp_path/"helper_of_it.py").write_text("K = 3")
    assert import_method(f"{path}:f").digest != first


def test_a_method_that_fails_on_most_samples_is_no_reference():
    "Fifteen of a hundred samples, all of them easy, give no place."
    values = {"mine": np.where(np.arange(100) < 15, 9., np.nan), "other": np.linspace(5, 0, 100), "third": np.linspace(4, 0, 100)}
    found = Benchmark({"words": {"m": Evaluation(evaluation(values).frame, {}, dict(means={}, machines=("one",)))}}, ("mine",))
    assert found.places("words", "auc_gap").to_dict() == {"other": "1", "third": "2"}
    assert found.left_out() == ["words: mine has 15 of the samples, less than 50%, and is left out"]
    values["mine"][:60] = 9.
    again = Benchmark({"words": {"m": Evaluation(evaluation(values).frame, {}, dict(means={}, machines=("one",)))}}, ("mine",))
    assert again.places("words", "auc_gap")["mine"] == "1" and again.ranks("words", "auc_gap")["n"].max() == 60


# --- runs

def test_a_method_from_outside_end_to_end_and_resumed(model, tmp_path):
    write(tmp_path, "import numpy as np\ndef mine(model, image, prompt, target, regions, seed): return np.random.default_rng(seed).permutation(len(regions))")
    def run(**more): return benchmark(import_method(f"{tmp_path/'mine.py'}:mine"), models=model, out=tmp_path/"out", **{"n": 3, **SMALL, **more})
    found = run(against=[left_to_right])
    e = found.of("words")
    assert e.methods == ["mine", "left_to_right"] and len(e.frame) == 6 and e.frame["sample"].notna().all()
    board = found.leaderboard("words", "iou")
    assert set(board["place"]) == {"?"} and list(board["n"]) == [3, 3] and board.loc["mine"].iloc[2] == ""
    notes = "\n".join(found.missing())
    assert "dtype 'float32', not 'bfloat16'" in notes or "regions 9, not 64" in notes
    assert "not run: captions, questions" in notes and "too few samples" in notes
    assert set(found.table("words").index.get_level_values(1)) == {"mine", "left_to_right"}
    before, lines = counted(), sorted((tmp_path/"out").glob("*.jsonl"))[0].read_bytes().count(b"\n")
    assert run(against=[left_to_right]).of("words").frame.equals(e.frame)
    answering = counted() - before
    before = counted()
    TRACKS["words"].samples(model, 3)
    assert answering == counted() - before # only the answers that make the data are asked for again
    assert sorted((tmp_path/"out").glob("*.jsonl"))[0].read_bytes().count(b"\n") == lines
    write(tmp_path, "import numpy as np\ndef mine(model, image, prompt, target, regions, seed): return np.arange(len(regions))")
    with pytest.raises(ValueError, match="has results for 'mine' with"): run()


def test_the_record_and_the_page_hold_what_the_tables_say(model, tmp_path):
    found = benchmark(by_number, models=model, n=2, **SMALL)
    found.to_json(tmp_path/"r.json")
    record = json.loads((tmp_path/"r.json").read_text())
    assert record["about"]["seeds"] == {"words": 51_000} and record["about"]["code"] == {"by_number": Outside(by_number).digest}
    rows = record["samples"]["words"]["scenes-llava"]
    assert [r["key"] for r in rows] == ["word-51000", "word-51001"] and all(len(r["sample"]) == 12 for r in rows)
    assert rows[0]["iou"] == found.of("words").values("by_number", "iou").iloc[0]
    page = found.to_html(tmp_path/"p.html")
    assert "by_number" in page and page == (tmp_path/"p.html").read_text() and "exact mask" in found.text()
    assert found.figure("words", "iou").get_size_inches()[0] < 3.5


def test_a_run_joins_the_methods_here_only_on_the_same_samples():
    here = read_summary()["words"]["scenes-llava"]
    digests = here.frame.drop_duplicates("key").set_index("key")["sample"]
    keys = list(digests.index[:14])
    rows = [dict(key=k, method="mine", auc_gap=2., pointing_mask=1., iou=1., forwards=5, note=None, sample=digests[k] if i else "another") for i, k in enumerate(keys)]
    own = Evaluation(pd.DataFrame(rows), {}, dict(here.about, methods={"mine": {}}, means={"mine": dict(forwards=5.)}, machines=("that",)))
    notes = []
    joined = leaderboard.joined(own, TRACKS["words"], notes)
    assert notes == ["words, scenes-llava: 1 sample differs from that of the methods here (the model answers otherwise), not compared"]
    found = Benchmark({"words": {"scenes-llava": joined}}, ("mine",))
    board = found.ranks("words", "auc_gap")
    assert board["place"]["mine"] == "1" and board["n"]["mine"] == 14 and set(board["n"].drop("mine")) == {13}
    plain = here.values("LIME", "auc_gap")[keys[1:]]
    assert board.loc["LIME", "difference"] == pytest.approx((plain - 2).mean()) and "seconds" not in found.leaderboard("words")
    other = Evaluation(own.frame, {}, dict(own.about, regions=16))
    assert leaderboard.joined(other, TRACKS["words"], notes).methods == ["mine"] and "regions 16, not 64" in notes[-1]
    changed = Evaluation(own.frame, {}, dict(own.about, weights="0"*12))
    assert leaderboard.joined(changed, TRACKS["words"], notes).methods == ["mine"] and "weights" in notes[-1]


def test_both_ways_are_asked_on_the_questions(model):
    found = benchmark(left_to_right, "questions", model, n=2, regions=9, show_progress=False)
    e = found.of("questions")
    assert e.methods == ["left_to_right", "left_to_right, of Yes"]
    assert set(TRACKS["questions"].decides) <= set(e.frame) and e.frame["correction"].notna().all()
    assert "left_to_right" in found.leaderboard("questions").columns[2]
