"Differences, tests and claims, on one model and on several."
import math

import numpy as np
import pandas as pd
import pytest

from eagle_nb.evaluation import comparisons
from eagle_nb.evaluation.results import Evaluation
from evaluation_helpers import frame


# claims

def test_claims_by_hand():
    e = frame(a=[1., 1.2, 1.1, 1.3]*3, b=[1., 1., 1., 1.]*3, few=[9., 9.] + [None]*10)
    verdict = lambda *args, **kw: comparisons.claim(e, *args, **kw)["verdict"]
    assert verdict("a", "b") == "holds" and verdict("b", "a") == "does not hold"
    assert verdict("a", "b", margin=.15) == "undecided"
    assert verdict("b", "a", margin=-.5) == "holds" and verdict("a", "b", margin=.5) == "does not hold"
    assert verdict("few", "a") == "too few pairs" and verdict("a", "b", least=13) == "too few pairs"
    t = comparisons.table_claims({"m": e}, [dict(claim="a wins", method="a", reference="b")])
    assert t["verdict"].tolist() == ["holds"] and t["pairs"].item() == 12


def test_what_is_equal_is_not_better():
    e = frame(a=[1., 2., 3.]*4, b=[1., 2., 3.]*4, c=[1.1, 2.1, 3.1]*4)
    assert comparisons.claim(e, "a", "b")["verdict"] == "does not hold"
    assert comparisons.claim(e, "a", "b", margin=-.01)["verdict"] == "holds"
    assert e.compare("c", "b")["effect"] == math.inf and e.compare("b", "c")["effect"] == -math.inf
    assert e.compare("a", "b")["effect"] == 0


# tests

def test_tests_are_corrected_for_their_number():
    from scipy.stats import wilcoxon
    rng = np.random.default_rng(0)
    base = rng.normal(size=30)
    noisy = dict(sure=base + 1 + rng.normal(size=30), maybe=base + .4 + rng.normal(size=30),
                 no=base + rng.normal(size=30))
    e = frame(best=base + 9, **noisy, base=base, few=[1.] + [None]*29)
    asked = ["sure", "maybe", "no", "few", "base"]
    t = comparisons.table_tests({"m": e, "n": e}, asked, ["auc_gap"], "base").set_index(["model", "method"])
    assert set(t.index) == {(k, m) for k in "mn" for m in ("sure", "maybe", "no")}
    assert (t["reference"] == "base").all()
    p = np.array([wilcoxon(e.values(m, "auc_gap"), base).pvalue for m in ("sure", "maybe", "no")])
    rising = (np.sort(p)*3/np.arange(1, 4))[::-1]  # twice the tests at twice the ranks: the same
    by_hand = np.minimum.accumulate(rising)[::-1][np.argsort(np.argsort(p))]
    for k in "mn":
        np.testing.assert_allclose(t.loc[k]["q"], by_hand)
        np.testing.assert_allclose(t.loc[k]["p"], p)
    assert (t["q"] >= t["p"]).all() and list(t).index("q") == list(t).index("p") + 1
    assert comparisons.table_tests({"m": e}, ["sure"], ["auc_gap"])["reference"].item() == "best"
    assert comparisons.table_tests({"m": e}, ["few"], ["auc_gap"], "base").empty
    assert comparisons.table_tests({}, ["sure"], ["auc_gap"]).empty


# several models

def test_models_that_saw_the_same_images_are_no_new_images():
    rng = np.random.default_rng(1)
    d = rng.normal(.1, .2, 12)
    one = frame(a=d, b=np.zeros(12))
    same = comparisons.pool(dict.fromkeys("xyz", one))
    t, u = same.compare("a", "b"), one.compare("a", "b")
    assert (t["n"], t["groups"], u["n"]) == (36, 12, 12) and t["p"] == u["p"]
    assert t["difference"] == pytest.approx(u["difference"]) and t["effect"] == pytest.approx(u["effect"])
    width = u["upper"] - u["lower"]
    assert t["upper"] - t["lower"] == pytest.approx(width, rel=.05)
    s = same.summary(["auc_gap"]).iloc[0]
    assert s["n"] == 36 and s["upper"] - s["lower"] == pytest.approx(width, rel=.05)
    few = comparisons.pool(dict.fromkeys("xyz", frame(a=[.1, .2, .1, .3], b=[0., 0., 0., 0.])))
    assert comparisons.claim(few, "a", "b")["verdict"] == "too few pairs"
    assert comparisons.claim(few, "a", "b", least=4)["verdict"] == "holds"
    lone = comparisons.pool(dict.fromkeys("xyz", frame(a=[.1], b=[0.])))
    assert comparisons.claim(lone, "a", "b")["verdict"] == "too few pairs"
    assert math.isnan(lone.summary(["auc_gap"])["lower"][0])
    assert lone.differences("b", ["auc_gap"])["difference"].isna().all()
    with pytest.raises(ValueError, match="two samples that both have"): lone.compare("a", "b")


def test_pools_know_what_labels_mean():
    e = frame(both=[1., 2., 3.], random=[0., 0., 0.])
    known = {"both": dict(method="EAGLE"), "random": dict(method="random")}
    more = known | {"other": dict(method="RISE")}
    a, b = (Evaluation(e.frame, {}, dict(methods=m, data_left_out={"x": 1})) for m in (known, more))
    p = comparisons.pool({"a": a, "b": b})
    assert p.best_baseline() == "random" and p.kind("both") == "search" and p.about["data_left_out"] == {"x": 2}


def test_pooled_samples_stay_apart():
    p = comparisons.pool({"m": frame(a=[1., 2.]), "k": frame(a=[3., 4.])})
    assert p.values("a", "auc_gap").to_dict() == {"m/0": 1., "m/1": 2., "k/0": 3., "k/1": 4.}
    assert p.about["model"] == "m, k"
    with pytest.raises(ValueError, match="nothing to pool"): comparisons.pool({})


def test_a_model_that_lacks_something_does_not_end_the_table():
    whole = frame(a=[1., 2., 3., 5.], b=[0., 1., 1., 2.], c=[0., 0., 0., 1.])
    part = frame(a=[1., 2., 3., 5.])
    panels, asked = {"whole": whole, "part": part}, [dict(claim="a wins", method="a", reference="b")]
    tests = comparisons.table_tests(panels, ["a", "c"], ["auc_gap"], "b")
    assert tests["model"].tolist() == ["whole", "whole"]
    t = comparisons.table_claims(panels, asked).set_index("model")
    assert t.loc["part", "verdict"] == "too few pairs" and t.loc["part", "pairs"] == 0 and t.loc["all", "pairs"] == 4
    d = comparisons.table_differences(panels, "b", ["auc_gap"])["auc_gap"]
    assert d["part", "a"].startswith("2.750") and "Δ" not in d["part", "a"] and "Δ" in d["whole", "a"]
    assert comparisons.figure_differences(panels, "b", ("auc_gap",)) is not None
    by_turns = comparisons.table_tests({"m": whole, "n": whole}, (m for m in "ac"), (m for m in ["auc_gap"]), "b")
    assert len(by_turns) == 4


def test_a_name_that_no_model_knows_is_refused():
    whole, part = frame(a=[1., 2., 3., 5.], b=[0., 1., 1., 2.], c=[0., 0., 0., 1.]), frame(a=[1., 2., 3., 5.])
    panels, claim = {"whole": whole, "part": part}, dict(claim="a wins", method="a", reference="nobody")
    for call in (lambda: comparisons.table_tests(panels, ["nobody"], ["auc_gap"]),
                 lambda: comparisons.table_claims(panels, [claim]),
                 lambda: comparisons.table_differences(panels, "nobody", ["auc_gap"]),
                 lambda: comparisons.figure_differences(panels, "nobody")):
        message = "no model has results for the method 'nobody': choose one of a, b, c"
        with pytest.raises(ValueError, match=message): call()
    with pytest.raises(ValueError, match="metric 'iou': choose one of insertion, auc_gap"):
        comparisons.table_differences(panels, "a", ["iou"])
    with pytest.raises(ValueError, match="no results"): comparisons.table_differences({}, "a", ["auc_gap"])


def test_memory_is_in_the_units_of_its_column():
    rows = [dict(key=str(k), method=m, memory=v*1e9, note=None) for m, v in (("a", 2.5), ("b", .5)) for k in range(4)]
    e = Evaluation(pd.DataFrame(rows), {}, {})
    t = comparisons.table_differences({"m": e}, "a", ["memory"])
    assert t.loc[("m", "b"), "memory"] == "0.50 Δ +2.00 [+2.00, +2.00]"


# orders

def test_agreement_by_hand():
    orders = dict(x=[0, 1, 2], y=[2, 1, 0], z=[0, 1, 2])
    rows = [dict(key=k, method=m, order=o) for k in "ab" for m, o in orders.items()]
    rows += [dict(key="a", method="once", order=[0, 1, 2])]
    e = Evaluation(pd.DataFrame(rows), {}, {})
    a = comparisons.agreements(e, "x", top=2)
    assert a.methods == ["y", "z", "once"] and len(a.values("once", "tau")) == 1
    assert a.values("y", "tau").tolist() == [-1, -1] and a.values("y", "first").tolist() == [.5, .5]
    assert a.values("z", "tau").tolist() == [1, 1]
    assert a.compare("z", "y", "tau")["difference"] == 2
    assert comparisons.claim(a, "z", "y", "tau", margin=-.1, least=2)["verdict"] == "holds"
    assert e.agreement("x", "z", top=5)["first"].tolist() == [1, 1]  # of three regions
    with pytest.raises(ValueError, match="top counts the first regions, at least 1, got 0"):
        e.agreement("x", "z", top=0)
    with pytest.raises(ValueError, match="no 'nobody'"): comparisons.agreements(e, "nobody")
