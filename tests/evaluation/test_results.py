"Tables, paired tests and figures of results, by hand; files of results and their parts."
import json
import math

import numpy as np
import pandas as pd
import pytest

from eagle_nb import datasets
from eagle_nb.evaluation import comparisons, results
from eagle_nb.evaluation.results import Evaluation, read_results
from eagle_nb.evaluation.runner import evaluate
from eagle_nb.runs.samples import Dataset
from eagle_nb.runs.store import from_line
from evaluation_helpers import QUICK, frame


@pytest.fixture(scope="module")
def data(model): return datasets.scenes_words(model, 4)


# tables

def test_a_summary_by_hand():
    s = frame(EAGLE=[1., 2., 3.], TAM=[5.]).summary(["auc_gap"]).set_index("method")
    assert s.loc["EAGLE", "mean"] == 2 and s.loc["EAGLE", "n"] == 3
    assert 1 <= s.loc["EAGLE", "lower"] < 2 < s.loc["EAGLE", "upper"] <= 3
    assert s.loc["TAM", "mean"] == 5 and math.isnan(s.loc["TAM", "lower"])


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
    five = ("insertion", "deletion", "iou", "energy", "auc_gap")
    with pytest.raises(ValueError, match="at most 4"): results.figure_comparison({"a": e}, five)


def test_a_figure_keeps_a_model_that_lacks_a_metric():
    bare = Evaluation(pd.DataFrame([dict(key="0", method="a", iou=.5)]), {}, {})
    fig = results.figure_comparison({"bare": bare, "full": frame(a=[1., 2.])}, ("insertion",))
    assert [ax.get_title() for ax in fig.axes] == ["bare (n = 0)", "full (n = 2)"]
    assert len(fig.legends[0].get_texts()) == 1
    with pytest.raises(ValueError, match="bare has no deletion; evaluate first"):
        results.figure_comparison({"bare": bare}, ("deletion",))


# paired comparisons

def test_a_comparison_takes_the_samples_that_both_have():
    rng = np.random.default_rng(0)
    a = rng.random(20)
    e = frame(**{"EAGLE": [*a, 5., None], "TAM": [*(a - .1), None, 9.], "random": [0.]*22, "oracle": [99.]*22})
    t = e.compare("EAGLE")
    assert e.best_baseline() == "TAM" and t["n"] == 20
    assert t["difference"] == pytest.approx(.1) and t["ahead"] == 1
    assert e.compare("random", "TAM")["difference"] < 0
    few = frame(TAM=[1.]*9, RISE=[2.]*3 + [None]*6, LIME=[.9]*5 + [None]*4)
    assert few.best_baseline() == "TAM"  # a few lucky samples are no comparison
    with pytest.raises(ValueError, match="no baseline"): frame(EAGLE=[1., 2.], oracle=[1., 2.]).best_baseline()
    with pytest.raises(ValueError, match="methods EAGLE, TAM"): e.values("RISE", "auc_gap")


def test_differences_by_hand():
    e = frame(both=[1., 2., 3., None], one=[0., 2., 1., 5.], alone=[None, None, None, 1.])
    d = e.differences("both", ("auc_gap",)).set_index("method")
    one, alone = d.loc["one"], d.loc["alone"]
    assert one["difference"] == -1 and one["pairs"] == 3 and one["n"] == 4 and one["below"] <= -1 <= one["above"]
    assert math.isnan(d.loc["both", "difference"]) and math.isnan(alone["difference"]) and alone["pairs"] == 0
    t = comparisons.table_differences({"m": e, "k": e}, "both", ("auc_gap",))
    assert t.index.get_level_values("model").unique().tolist() == ["m", "k", "all"]
    assert "Δ -1.000" in t.loc[("all", "one"), "auc_gap"] and t.loc[("all", "one"), "n"] == 8
    assert comparisons.figure_differences({"m": e, "k": e}, "both", ("auc_gap",)) is not None
    with pytest.raises(ValueError, match="two samples in common"):
        comparisons.figure_differences({"m": e}, "alone", ("auc_gap",))


def test_worse_depends_on_the_metric():
    rows = [dict(key=str(k), method=m, deletion=v) for m, v in (("a", .1), ("b", .3)) for k in range(4)]
    d = Evaluation(pd.DataFrame(rows), {}, {}).differences("b", ("deletion",)).set_index("method")
    assert d.loc["a", "difference"] == pytest.approx(.2)


# orders

def test_orders_are_kept_where_asked_for(model, data, tmp_path):
    methods = ["random", dict(method="random", seed=3, name="other")]
    e = evaluate(model, data[:2], methods, ("auc_gap",), out=tmp_path, orders=True, **QUICK)
    same = read_results(next(tmp_path.iterdir()))
    assert same.frame["order"].tolist() == e.frame["order"].tolist()
    assert sorted(e.frame["order"][0]) == list(range(9))
    assert e.agreement("random", "random")["tau"].tolist() == [1., 1.]
    assert e.agreement("random", "other")["tau"].max() < 1
    rows = [dict(key="a", method="x", order=[0, 1, 2]), dict(key="a", method="y", order=[0, 2, 1])]
    by_hand = Evaluation(pd.DataFrame(rows), {}, {})
    assert by_hand.agreement("x", "y", top=2).loc["a"].tolist() == pytest.approx([1/3, .5])
    with pytest.raises(ValueError, match="orders=True"): frame(a=[1.]).agreement("a", "a")


# files

def test_files_that_do_not_fit(model, data, tmp_path):
    ask = dict(QUICK, out=tmp_path)
    evaluate(model, data[:1], {"mine": {"method": "EAGLE", "budget": 40}}, **ask)
    file = next(tmp_path.iterdir())
    with pytest.raises(ValueError, match="with regions 9, this run has 16: choose another folder"):
        evaluate(model, data, ["random"], **dict(ask, regions=16))
    with pytest.raises(ValueError, match="with seed 0, this run has 1"):
        evaluate(model, data, ["random"], **dict(ask, seed=1))
    with pytest.raises(ValueError, match="results for 'mine' .* another label"):
        evaluate(model, data, {"mine": {"method": "EAGLE", "budget": 50}}, **ask)
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], "{broken", *lines[1:]]) + "\n")
    with pytest.raises(ValueError, match="line 2 .* is damaged"): read_results(file)
    file.write_text('{"some": "json"}\n')
    with pytest.raises(ValueError, match="not a file of results"): evaluate(model, data, ["random"], **ask)
    file.write_text("")
    with pytest.raises(ValueError, match="is empty"): read_results(file)
    with pytest.raises(FileNotFoundError, match="no file"): read_results(tmp_path/"none.jsonl")
    assert len(evaluate(model, data[:1], ["random"], **ask).frame) == 1  # an empty file is begun


def write(path, lines): path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_parts_of_an_evaluation_make_a_whole(model, data, tmp_path):
    data = Dataset("words", data, [("gone", "no image"), ("lost", "no image"), ("mute", "no answer")])
    for k in (2, 1): evaluate(model, data.part(k, 2), ["random", "centre-out"], **QUICK, out=tmp_path)
    a, b = sorted(tmp_path.iterdir())
    whole, asked = read_results(a, b), evaluate(model, data, ["random", "centre-out"], **QUICK)
    judged = [c for c in asked.frame if c not in ("seconds", "memory")]
    tidy = lambda e: e.frame[judged].sort_values(["key", "method"], ignore_index=True)
    assert tidy(whole).equals(tidy(asked)) and whole.about["data"] == "words"
    assert "4 samples with results" in whole.report()
    assert whole.about["data_left_out"] == {"no image": 2, "no answer": 1}
    assert read_results(a, a).about["data_left_out"] == read_results(a).about["data_left_out"]
    assert read_results(b).about["data"] == "words (of its parts only 2 of 2)"
    assert read_results(a, a).frame.equals(read_results(a).frame)  # the same twice counts once

    c = tmp_path/"c.jsonl"
    def no_part(match, lines):
        write(c, lines)
        with pytest.raises(ValueError, match=match): read_results(a, c)
    head, *rows = lines = [from_line(line) for line in b.read_bytes().splitlines()]
    no_part("no part of the same evaluation: its regions is 16, not 9", [head | dict(regions=16), *rows])
    no_part("no part of the same evaluation: its weights is '0', not", [head | dict(weights="0"), *rows])
    no_part("its data is 'captions', not 'words-1of2'", [head | dict(data="captions"), *rows])

    old = tmp_path/"old.jsonl"
    write(old, [{k: v for k, v in head.items() if k != "weights"}, *rows])
    assert read_results(old, a).about["weights"] == model.fingerprint
    write(c, [head | dict(weights="0"), *rows])
    with pytest.raises(ValueError, match="its weights is '0'"): read_results(old, a, c)

    is_row = lambda line: "method" in line and "define" not in line
    kept, note = ("key", "method", "sample"), dict(note="OutOfMemoryError: x")
    failure = lambda row: {k: row[k] for k in kept if k in row} | note
    write(c, [failure(line) if is_row(line) else line for line in lines])
    for order in ((b, c), (c, b)):
        assert read_results(*order).frame["note"].isna().all()  # a failure does not undo a result
    other = dict(settings=dict(method="RISE"))
    no_part("'random' means .*RISE", [line | other if line.get("define") == "random" else line for line in lines])
    moved = dict(key=data[0].key)
    no_part("is another in .* another key", [line | moved if "method" in line else line for line in lines])
    with pytest.raises(FileNotFoundError, match="no file"): read_results(a, tmp_path/"none.jsonl")
    for k in (0, 3):
        message = f"parts are counted from 1 to their number, got part {k} of 2"
        with pytest.raises(ValueError, match=message): data.part(k, 2)
