"Metrics: cases by hand, chance levels, coverage of intervals."
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st

from eagle_nb.core.curves import auc, trace
from eagle_nb.core.regions import Regions, grid
from eagle_nb.core.scores import FunctionScorer
from eagle_nb.evaluation.metrics import (Curves, as_mask, bootstrap, energy, evaluate_order, iou, paired,
                                         pixel_regions, pointing, pooled_order)
from eagle_nb.explanation.hallucination import amcr, correction_auc, correction_curve, correction_region, csr

sixty_examples = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
LABELS = np.array([[0, 0, 1, 1], [0, 0, 2, 3]])  # areas 1/2, 1/4, 1/8, 1/8


def test_auc_by_hand():
    assert auc([0, 1], [0, 1]) == .5 and auc([0, .25, 1], [1, 1, 1]) == 1
    assert auc([0, .5, 1], [0, 1, 0]) == .5 and auc([0, .25, 1], [0, 1, 0]) == .5
    assert auc([0, .25, 1], [.2, .6, .4]) == pytest.approx(.25*.4 + .75*.5)
    assert auc([0, 0, 1], [0, 1, 1]) == 1


@sixty_examples
@given(st.lists(st.floats(0, 1), min_size=3, max_size=9), st.integers(0, 2**16))
def test_auc_properties(p, seed):
    x = np.sort(np.random.default_rng(seed).random(len(p)))
    x[0], x[-1] = 0, 1
    a = auc(x, p)
    assert min(p) - 1e-9 <= a <= max(p) + 1e-9
    assert a == pytest.approx(np.trapezoid(p, x) if hasattr(np, "trapezoid") else np.trapz(p, x))
    assert auc(x, 1 - np.array(p)) == pytest.approx(1 - a) and auc(1 - x[::-1], p[::-1]) == pytest.approx(a)


@pytest.mark.parametrize("x,y,message", [
    ([0, 1], [0, 1, 2], "shapes"), ([0], [0], "at least 2 points"), ([0, .5, .2, 1], [0]*4, "must not fall"),
    ([0, 1], [0, float("nan")], "1 values that are not numbers"), ([[0, 1]], [[0, 1]], "one axis")])
def test_invalid_curves_are_refused(x, y, message):
    with pytest.raises(ValueError, match=message): auc(x, y)


def test_an_area_must_be_a_number():
    with pytest.raises(ValueError): auc([0, float("nan"), 1], [0, 0, 0])


def weighted():
    w = torch.tensor([[.1, .4], [.2, .1], [.3, .2], [.4, .3]])
    return FunctionScorer(lambda keep: keep.float() @ w, 4), w.numpy()


@sixty_examples
@given(st.permutations([0, 1, 2, 3]))
def test_the_evaluator_by_hand(order):
    (scorer, w), r = weighted(), Regions(LABELS)
    c = evaluate_order(scorer, r, order)
    share, shown, hidden, total = [0.], [np.zeros(2)], [w.sum(0)], 0.
    for k in order:
        total += (LABELS == k).mean()
        share.append(total)
        shown.append(shown[-1] + w[k])
        hidden.append(hidden[-1] - w[k])
    assert np.allclose(c.area, share)
    assert np.allclose(c.insertion, shown, atol=1e-6) and np.allclose(c.deletion, hidden, atol=1e-6)
    def trapezoids(y): return sum((share[i+1] - share[i])*(np.mean(y[i]) + np.mean(y[i+1]))/2 for i in range(4))
    assert c.insertion_auc == pytest.approx(trapezoids(shown), abs=1e-6)
    assert c.deletion_auc == pytest.approx(trapezoids(hidden), abs=1e-6)
    assert c.auc_gap == pytest.approx(c.insertion_auc - c.deletion_auc) and c.highest == pytest.approx(1, abs=1e-6)
    insertion, deletion = trace(weighted()[0], np.array(order))
    assert np.array_equal(c.insertion, insertion.double().numpy())
    assert np.array_equal(c.deletion, deletion.double().numpy())


@pytest.mark.parametrize("order", [[0, 1, 2], [0, 1, 2, 2], [1, 2, 3, 4]])
def test_an_order_must_name_each_region_once(order):
    with pytest.raises(ValueError): evaluate_order(weighted()[0], Regions(LABELS), order)


@pytest.mark.parametrize("regions", [Regions(np.array([[0, 1, 2, 3, 4]])), Regions(np.array([[0, 1, 2]]))])
def test_scorer_and_regions_must_be_of_one_partition(regions):
    with pytest.raises(ValueError, match="regions|partition"): evaluate_order(weighted()[0], regions, [0, 1, 2, 3])


def test_sensitive_tokens_by_hand():
    insertion = np.array([[.1, .5, .1], [.2, .6, .2], [.35, .6, .25]])
    deletion = np.array([[.35, .6, .25], [.2, .5, .1], [.1, .5, .1]])
    c = Curves(np.array([0, .5, 1]), insertion, deletion)
    s = c.sensitive()
    assert s.insertion.tolist() == [[.1], [.2], [.35]] and s.deletion.tolist() == [[.35], [.2], [.1]]
    assert c.sensitive(.1).insertion.shape == (3, 2) and c.sensitive(.3) is None


# ---- maps

def test_pooling_by_hand():
    s = np.array([[0, 4., 1, 1], [0, 4, 5, 0]])
    assert pooled_order(s, Regions(LABELS)).tolist() == [2, 0, 1, 3]
    assert pooled_order(s, Regions(3 - LABELS)).tolist() == [1, 3, 2, 0]


def test_equal_regions_are_ordered_at_random():
    flat = np.zeros((2, 4))
    orders = [pooled_order(flat, Regions(LABELS), seed).tolist() for seed in range(400)]
    assert (3 - pooled_order(flat, Regions(3 - LABELS))).tolist() == pooled_order(flat, Regions(LABELS)).tolist()
    first = np.bincount([o[0] for o in orders], minlength=4)/400
    assert (np.abs(first - .25) < .08).all() # four standard deviations


def test_pixels_as_regions_by_hand():
    s = np.array([[9, 8, 1, 2], [7, 6, 3, 4.]])
    assert pixel_regions(s, [0, .25, .5, 1]).labels.tolist() == [[0, 0, 2, 2], [1, 1, 2, 2]]
    assert pixel_regions(s, [0, .01, .5, 1]).labels.tolist() == [[0, 0, 1, 1], [0, 0, 1, 1]] # no step without a pixel


@sixty_examples
@given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 9), st.integers(0, 2**16))
def test_pixels_as_regions(h, w, n, seed):
    rng = np.random.default_rng(seed)
    s = rng.integers(0, 4, (h, w)).astype(float)
    area = np.concatenate([[0], np.sort(rng.random(n - 1)), [1]])
    r = pixel_regions(s, area, seed)
    for k in range(1, len(r)): assert s[r.labels < k].min() >= s[r.labels >= k].max()
    steps = np.unique(np.round(area*h*w))
    assert np.allclose(np.bincount(r.labels.ravel()).cumsum(), steps[1:])


def test_a_map_that_is_the_truth_beats_its_opposite():
    "On a model that needs one corner, pooled and unpooled agree on which map is better."
    squares, s = grid((8, 8), 4, 4), np.zeros((8, 8))
    s[:2, :2] = 1
    for regions, order in ((squares, pooled_order(s, squares)), (pixel_regions(s, np.arange(17)/16), range(16))):
        corner = int(regions.labels[0, 0])
        scorer = FunctionScorer(lambda keep: keep[:, corner].float(), len(regions))
        c = evaluate_order(scorer, regions, order)
        assert c.insertion_auc == pytest.approx(1 - 1/32) and c.deletion_auc == pytest.approx(1/32)


def test_pooling_refuses_other_shapes_and_nan():
    with pytest.raises(ValueError, match=r"\(2, 4\) \(height, width\), got \(4, 2\)"):
        pooled_order(np.zeros((4, 2)), Regions(LABELS))
    with pytest.raises(ValueError, match="1 values that are not numbers, of 8"):
        pooled_order(np.array([[0, np.nan, 0, 0], [0]*4]), Regions(LABELS))


@sixty_examples
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**16))
def test_a_constant_map_points_at_the_chance_level(h, w, seed):
    mask = np.random.default_rng(seed).random((h, w)) < .4
    mask[0, 0] = True
    for value in (0., 1., -3.): assert pointing(np.full((h, w), value), mask) == pytest.approx(mask.mean())


def test_pointing_by_hand():
    s = np.zeros((6, 8))
    s[2, 3] = 1.
    assert pointing(s, (3, 2, 4, 3)) == 1 and pointing(s, (4, 2, 5, 3)) == 0 and pointing(s, (0, 0, 8, 6)) == 1
    s[2, 4] = 1.
    assert pointing(s, (3, 2, 4, 3)) == .5
    assert pointing(s, np.eye(6, 8, dtype=bool)) == 0 and pointing(s, s > 0) == 1
    assert pointing(s, [2.6, 1.6, 4.4, 3.4]) == .5 # the corners round to (3, 2, 4, 3)
    assert pointing(s, (-5, -5, 100, 100)) == 1


def test_random_maps_hit_as_often_as_their_masks_are_large():
    "Random maps hit as often as their masks are large."
    rng = np.random.default_rng(0)
    mask = np.zeros((20, 20), bool)
    mask[:10, :8] = True
    hits = [pointing(rng.random((20, 20)), mask) for _ in range(2000)]
    assert abs(np.mean(hits) - .2) < .03 and set(hits) == {0., 1.}


@pytest.mark.parametrize("truth", [
    (-10, -10, -5, -5), (20, 20, 30, 30), (4, 4, 2, 2), (1, 1, 1, 1), (1, 2, 3),
    np.zeros((6, 8), bool), np.ones((8, 6), bool)])
def test_invalid_truths_are_refused(truth):
    with pytest.raises(ValueError, match="box|mask"): pointing(np.zeros((6, 8)), truth)


@pytest.mark.parametrize("truth", [(float("nan"), 0, 2, 2), (0, 0, float("inf"), 2)])
def test_boxes_of_infinite_numbers_are_refused(truth):
    with pytest.raises(ValueError, match="truth must be"): as_mask(truth, (6, 8))


@pytest.mark.parametrize("segmentation", [lambda m: m*10. - 5, lambda m: m*.8 + .1, lambda m: (m*247 + 3).astype(np.uint8),
                                          lambda m: m + 1])
def test_what_is_no_mask_is_refused_as_a_truth(segmentation):
    "Logits, probabilities, a mask saved as JPEG, labels: as booleans they are object everywhere."
    mask = np.zeros((6, 8), int)
    mask[2:4, 3:6] = 1
    for measure in (pointing, energy, iou):
        with pytest.raises(ValueError, match="a truth that is a mask must be boolean, got .* > 0 for logits"):
            measure(np.ones((6, 8)), segmentation(mask))
    for same in (mask, mask*1., (mask*255).astype(np.uint8)): assert (as_mask(same, (6, 8)) == (mask > 0)).all()


def test_invalid_maps_are_refused():
    for measure in (pointing, energy, iou):
        with pytest.raises(ValueError, match="not numbers"): measure(np.full((2, 2), np.nan), (0, 0, 1, 1))
        for shape in (4, (2, 2, 2)):
            with pytest.raises(ValueError, match="must have the shape"): measure(np.zeros(shape), (0, 0, 1, 1))


def test_iou_by_hand():
    s, mask = np.array([[4, 3, 2, 1.]]), np.array([[True, True, False, False]])
    assert iou(s, mask) == 1 and iou(-s, mask) == 0
    assert iou(s, np.array([[True, False, True, False]])) == pytest.approx(1/3)
    assert iou(np.array([[4, 2, 2, 1.]]), mask) == pytest.approx(1.5/2.5) # half of the two that are equal
    assert iou(np.ones((1, 4)), mask) == pytest.approx(1/3)


@sixty_examples
@given(st.integers(2, 12), st.integers(2, 12), st.integers(0, 2**16))
def test_iou_of_a_constant_map_is_at_the_chance_level(h, w, seed):
    mask = np.random.default_rng(seed).random((h, w)) < .5
    if not mask.any(): mask[0, 0] = True
    a = mask.mean()
    assert iou(np.ones((h, w)), mask) == pytest.approx(a*a/(2*a - a*a))


def test_corrections_by_hand():
    assert correction_region([0, .2, .6], [False, True, False]) == .2
    assert correction_region([0, .2], [False, False]) == np.inf
    found = [0, .1, .1000000001, .5, np.inf]
    assert amcr(found) == pytest.approx((0 + .1 + .1 + .5 + 1)/5) and csr(found) == .6 and csr(found, .05) == .2
    assert correction_curve(found, [0, .1, .3, 1]).tolist() == [.2, .6, .6, .8]
    assert csr([np.inf]*3) == 0 and amcr([np.inf]*3) == 1
    assert correction_auc([np.inf]) == 0 and correction_auc([0.]) == 1


def test_invalid_corrections_are_refused():
    for bad in ([], [np.nan], [-.1], [[.1]]):
        with pytest.raises(ValueError, match="infinite where never corrected"): amcr(bad)
    both = [True, True]
    wrong = [([0, .2], [True]), ([], []), ([.2, 0], both), ([0, 2], both), ([0, np.nan], [False, True])]
    for area, right in wrong:
        with pytest.raises(ValueError, match="must rise within"): correction_region(area, right)


@sixty_examples
@given(st.lists(st.one_of(st.floats(0, 1), st.just(np.inf)), min_size=1, max_size=20))
def test_the_area_under_the_correction_curve(found):
    x = np.linspace(0, 1, 20_001)
    y = correction_curve(found, x)
    assert ((y[1:] + y[:-1])/2).mean() == pytest.approx(correction_auc(found), abs=1e-3)
    assert (np.diff(y) >= 0).all()


def test_energy_by_hand():
    s = np.array([[1., 3], [-5, 0]])
    assert energy(s, (0, 0, 1, 1)) == .25 and energy(s, s < 0) == 0 and energy(-abs(s), (0, 0, 2, 2)) == 0
    assert energy(np.ones((5, 4)), (0, 0, 2, 5)) == .5


# ---- intervals

def test_the_interval_covers_the_truth():
    "About 95 of 100 intervals hold the true mean; a skewed sample loses a little."
    rng = np.random.default_rng(1)
    for draw, mean in ((lambda: rng.normal(3, 2, 40), 3.), (lambda: rng.exponential(1, 40), 1.)):
        intervals = (bootstrap(draw(), draws=500, seed=i) for i in range(200))
        inside = [lower <= mean <= upper for _, lower, upper in intervals]
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
def test_an_interval_needs_two_finite_values(values):
    with pytest.raises(ValueError, match="at least 2 finite values"): bootstrap(values)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_invalid_levels_are_refused(level):
    with pytest.raises(ValueError, match=f"between 0 and 1, got {level}"): bootstrap([1., 2.], level=level)


def test_paired_by_hand():
    rng = np.random.default_rng(0)
    a = rng.random(60)
    b = a - .1 + rng.normal(0, .01, 60)
    r = paired(a, b)
    assert r["difference"] == pytest.approx((a - b).mean()) and r["lower"] > .08 and r["upper"] < .12
    assert r["p"] < 1e-6 and r["ahead"] == 1 and r["n"] == 60
    back = paired(b, a)
    assert back["difference"] == pytest.approx(-r["difference"])
    assert back["ahead"] == 0 and back["p"] == pytest.approx(r["p"])
    same = paired(a, a)
    assert same["p"] == 1 and same["difference"] == same["lower"] == same["upper"] == 0
    with pytest.raises(ValueError, match=r"same samples.*\(60,\) and \(59,\)"): paired(a, b[1:])


def test_values_of_a_group_are_drawn_together():
    rng = np.random.default_rng(0)
    v, g = rng.normal(size=40), np.repeat(np.arange(10), 4)
    mean, lower, upper = bootstrap(v, groups=g)
    assert mean == pytest.approx(v.mean())
    def draw(): return np.concatenate([v[g == k] for k in rng.integers(10, size=10)]).mean()
    by_hand = np.array([draw() for _ in range(4000)])
    assert [lower, upper] == pytest.approx(np.quantile(by_hand, [.025, .975]), abs=.04)
    every = bootstrap(v, groups=np.arange(40))
    assert every == pytest.approx(bootstrap(v), abs=.03) # groups of one are samples
    copied = bootstrap(np.repeat(v, 3), groups=np.repeat(np.arange(40), 3))
    assert copied == pytest.approx(every, abs=1e-9) # copies add nothing
    assert bootstrap(v, groups=[f"scene {k}" for k in g]) == (mean, lower, upper)
    with pytest.raises(ValueError, match="at least 2 of them, got 1"): bootstrap(v, groups=np.zeros(40))
    with pytest.raises(ValueError, match="39 groups for 40 values"): bootstrap(v, groups=g[1:])


def test_paired_finds_no_difference_where_there_is_none():
    rng = np.random.default_rng(2)
    found = [paired(rng.random(30), rng.random(30), draws=200)["p"] < .05 for _ in range(200)]
    assert np.mean(found) < .1


@sixty_examples
@given(st.integers(3, 40), st.integers(0, 2**16))
def test_auc_agrees_with_scikit_learn(n, seed):
    from sklearn.metrics import auc as theirs
    rng = np.random.default_rng(seed)
    x, y = np.sort(rng.random(n)), rng.random(n)
    x[0], x[-1] = 0, 1
    assert auc(x, y) == pytest.approx(theirs(x, y))


@sixty_examples
@given(st.integers(0, 2**16))
def test_curves_do_not_depend_on_how_regions_are_numbered(seed):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(36) % 9).reshape(6, 6)
    s, weight = rng.random((6, 6)), rng.random((6, 6))
    new = rng.permutation(9)
    def score_method(labels):
        share = np.array([weight[labels == k].sum() for k in range(9)])/weight.sum()
        scorer = FunctionScorer(lambda keep: (keep.double() @ torch.as_tensor(share))**2, 9)
        return evaluate_order(scorer, Regions(labels), pooled_order(s, Regions(labels)))
    a, b = score_method(labels), score_method(new[labels])
    assert np.allclose(a.area, b.area) and np.allclose(a.insertion, b.insertion, atol=1e-6)
    assert np.allclose(a.deletion, b.deletion, atol=1e-6)


def test_the_effect_by_hand():
    d = np.array([.1, .3, .2, .2])
    assert paired(d, np.zeros(4))["effect"] == pytest.approx(d.mean()/d.std(ddof=1))
    assert paired(d, d)["effect"] == 0
    assert paired(np.ones(3), np.zeros(3))["effect"] == np.inf
    assert paired(np.zeros(3), np.ones(3))["effect"] == -np.inf
