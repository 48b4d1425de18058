"Metrics: hand cases, chance levels, coverage of intervals."
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st

from eagle_nb.metrics import Curves, as_mask, auc, bootstrap, energy, evaluate_order, paired, pointing, pooled_order
from eagle_nb.regions import Regions, grid
from eagle_nb.scores import FunctionScorer
from eagle_nb.search import trace

few = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
LABELS = np.array([[0, 0, 1, 1], [0, 0, 2, 3]])  # areas 1/2, 1/4, 1/8, 1/8


def test_auc_by_hand():
    assert auc([0, 1], [0, 1]) == .5 and auc([0, .25, 1], [1, 1, 1]) == 1
    assert auc([0, .5, 1], [0, 1, 0]) == .5 and auc([0, .25, 1], [0, 1, 0]) == .5
    assert auc([0, .25, 1], [.2, .6, .4]) == pytest.approx(.25*.4 + .75*.5)
    assert auc([0, 0, 1], [0, 1, 1]) == 1


@few
@given(st.lists(st.floats(0, 1), min_size=3, max_size=9), st.integers(0, 2**16))
def test_auc_properties(p, seed):
    x = np.sort(np.random.default_rng(seed).random(len(p))); x[0], x[-1] = 0, 1
    a = auc(x, p)
    assert min(p) - 1e-9 <= a <= max(p) + 1e-9
    assert a == pytest.approx(np.trapezoid(p, x) if hasattr(np, "trapezoid") else np.trapz(p, x))
    assert auc(x, 1 - np.array(p)) == pytest.approx(1 - a) and auc(1 - x[::-1], p[::-1]) == pytest.approx(a)


@pytest.mark.parametrize("x,y,says", [([0, 1], [0, 1, 2], "shapes"), ([0], [0], "at least 2 points"), ([0, .5, .2, 1], [0]*4, "must not fall"),
                                      ([0, 1], [0, float("nan")], "1 values that are not numbers"), ([[0, 1]], [[0, 1]], "one axis")])
def test_curves_that_are_none(x, y, says):
    with pytest.raises(ValueError, match=says): auc(x, y)


def test_area_that_is_not_a_number():
    with pytest.raises(ValueError): auc([0, float("nan"), 1], [0, 0, 0])


def weighted():
    w = torch.tensor([[.1, .4], [.2, .1], [.3, .2], [.4, .3]])
    return FunctionScorer(lambda keep: keep.float() @ w, 4), w.numpy()


@few
@given(st.permutations([0, 1, 2, 3]))
def test_the_evaluator_by_hand(order):
    (scorer, w), r = weighted(), Regions(LABELS)
    c = evaluate_order(scorer, r, order)
    share, shown, hidden, total = [0.], [np.zeros(2)], [w.sum(0)], 0.
    for k in order:
        total += (LABELS == k).mean(); share.append(total)
        shown.append(shown[-1] + w[k]); hidden.append(hidden[-1] - w[k])
    assert np.allclose(c.area, share) and np.allclose(c.insertion, shown, atol=1e-6) and np.allclose(c.deletion, hidden, atol=1e-6)
    trap = lambda y: sum((share[i+1] - share[i])*(np.mean(y[i]) + np.mean(y[i+1]))/2 for i in range(4))
    assert c.insertion_auc == pytest.approx(trap(shown), abs=1e-6) and c.deletion_auc == pytest.approx(trap(hidden), abs=1e-6)
    assert c.result == pytest.approx(c.insertion_auc - c.deletion_auc) and c.highest == pytest.approx(1, abs=1e-6)
    insertion, deletion = trace(weighted()[0], np.array(order))
    assert np.array_equal(c.insertion, insertion.double().numpy()) and np.array_equal(c.deletion, deletion.double().numpy())


@pytest.mark.parametrize("order", [[0, 1, 2], [0, 1, 2, 2], [1, 2, 3, 4]])
def test_the_evaluator_wants_each_region_once(order):
    with pytest.raises(ValueError): evaluate_order(weighted()[0], Regions(LABELS), order)


@pytest.mark.parametrize("regions", [Regions(np.array([[0, 1, 2, 3, 4]])), Regions(np.array([[0, 1, 2]]))])
def test_the_evaluator_wants_the_scorer_s_partition(regions):
    with pytest.raises(ValueError, match="regions|partition"): evaluate_order(weighted()[0], regions, [0, 1, 2, 3])


def test_sensitive_tokens_by_hand():
    c = Curves(np.array([0, .5, 1]), np.array([[.1, .5, .1], [.2, .6, .2], [.35, .6, .25]]), np.array([[.35, .6, .25], [.2, .5, .1], [.1, .5, .1]]))
    s = c.sensitive()
    assert s.insertion.tolist() == [[.1], [.2], [.35]] and s.deletion.tolist() == [[.35], [.2], [.1]]
    assert c.sensitive(.1).insertion.shape == (3, 2) and c.sensitive(.3) is None


# ---- maps

def test_pooling_by_hand():
    s = np.array([[0, 4., 1, 1], [0, 4, 5, 0]])
    assert pooled_order(s, Regions(LABELS)).tolist() == [2, 0, 1, 3]
    assert pooled_order(np.zeros((2, 4)), Regions(LABELS)).tolist() == [0, 1, 2, 3]


def test_pooling_refuses():
    with pytest.raises(ValueError, match=r"\(2, 4\), got \(4, 2\)"): pooled_order(np.zeros((4, 2)), Regions(LABELS))
    with pytest.raises(ValueError, match="1 values that are not numbers"): pooled_order(np.array([[0, np.nan, 0, 0], [0]*4]), Regions(LABELS))


@few
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**16))
def test_a_constant_map_points_by_chance(h, w, seed):
    mask = np.random.default_rng(seed).random((h, w)) < .4
    mask[0, 0] = True
    for value in (0., 1., -3.): assert pointing(np.full((h, w), value), mask) == pytest.approx(mask.mean())


def test_pointing_by_hand():
    s = np.zeros((6, 8)); s[2, 3] = 1.
    assert pointing(s, (3, 2, 4, 3)) == 1 and pointing(s, (4, 2, 5, 3)) == 0 and pointing(s, (0, 0, 8, 6)) == 1
    s[2, 4] = 1.
    assert pointing(s, (3, 2, 4, 3)) == .5
    assert pointing(s, np.eye(6, 8, dtype=bool)) == 0 and pointing(s, s > 0) == 1
    assert pointing(s, [2.6, 1.6, 4.4, 3.4]) == .5   # the corners round to (3, 2, 4, 3)
    assert pointing(s, (-5, -5, 100, 100)) == 1


def test_pointing_over_scenes_by_chance():
    "Random maps hit as often as their masks are large."
    rng = np.random.default_rng(0)
    mask = np.zeros((20, 20), bool); mask[:10, :8] = True
    hits = [pointing(rng.random((20, 20)), mask) for _ in range(2000)]
    assert abs(np.mean(hits) - .2) < .03 and set(hits) == {0., 1.}


@pytest.mark.parametrize("truth", [(-10, -10, -5, -5), (20, 20, 30, 30), (4, 4, 2, 2), (1, 1, 1, 1), np.zeros((6, 8), bool), np.ones((8, 6), bool), (1, 2, 3)])
def test_truths_that_are_none(truth):
    with pytest.raises(ValueError, match="box|mask"): pointing(np.zeros((6, 8)), truth)


@pytest.mark.parametrize("truth", [(float("nan"), 0, 2, 2), (0, 0, float("inf"), 2)])
def test_boxes_that_are_not_numbers(truth):
    with pytest.raises(ValueError, match="truth must be"): as_mask(truth, (6, 8))


def test_maps_that_are_none():
    for bad in (np.full((2, 2), np.nan), np.zeros(4), np.zeros((2, 2, 2))):
        with pytest.raises(ValueError, match="two-dimensional and finite"): pointing(bad, (0, 0, 1, 1))


def test_energy_by_hand():
    s = np.array([[1., 3], [-5, 0]])
    assert energy(s, (0, 0, 1, 1)) == .25 and energy(s, s < 0) == 0 and energy(-abs(s), (0, 0, 2, 2)) == 0
    assert energy(np.ones((5, 4)), (0, 0, 2, 5)) == .5


# ---- intervals

def test_the_interval_covers_the_truth():
    "About 95 of 100 intervals hold the true mean; a skewed sample loses a little."
    rng = np.random.default_rng(1)
    for draw, mean in ((lambda: rng.normal(3, 2, 40), 3.), (lambda: rng.exponential(1, 40), 1.)):
        inside = [lo <= mean <= hi for _, lo, hi in (bootstrap(draw(), draws=500, seed=i) for i in range(200))]
        assert .87 <= np.mean(inside) <= .99


def test_the_interval_by_hand():
    v = np.random.default_rng(0).normal(5, 1, 400)
    mean, lo, hi = bootstrap(v)
    assert mean == pytest.approx(v.mean()) and lo < mean < hi
    assert (hi - lo)/2 == pytest.approx(1.96*v.std()/20, rel=.1)
    assert bootstrap(v) == bootstrap(v) != bootstrap(v, seed=1)
    assert bootstrap(v, level=.5)[2] - bootstrap(v, level=.5)[1] < (hi - lo)/2
    assert bootstrap([2., 2., 2.]) == (2., 2., 2.)


@pytest.mark.parametrize("values", [[1.], [], [1., float("nan")], [[1., 2.]]])
def test_too_little_for_an_interval(values):
    with pytest.raises(ValueError, match="at least 2 finite values"): bootstrap(values)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_levels_that_are_none(level):
    with pytest.raises(ValueError, match=f"between 0 and 1, got {level}"): bootstrap([1., 2.], level=level)


def test_paired_by_hand():
    rng = np.random.default_rng(0)
    a = rng.random(60); b = a - .1 + rng.normal(0, .01, 60)
    r = paired(a, b)
    assert r["difference"] == pytest.approx((a - b).mean()) and r["lower"] > .08 and r["upper"] < .12 and r["p"] < 1e-6 and r["ahead"] == 1 and r["n"] == 60
    back = paired(b, a)
    assert back["difference"] == pytest.approx(-r["difference"]) and back["ahead"] == 0 and back["p"] == pytest.approx(r["p"])
    same = paired(a, a)
    assert same["p"] == 1 and same["difference"] == same["lower"] == same["upper"] == 0
    with pytest.raises(ValueError, match=r"same samples.*\(60,\) and \(59,\)"): paired(a, b[1:])


def test_paired_finds_nothing_where_nothing_is():
    rng = np.random.default_rng(2)
    found = [paired(rng.random(30), rng.random(30), draws=200)["p"] < .05 for _ in range(200)]
    assert np.mean(found) < .1
