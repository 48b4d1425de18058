"Optimum, ratio, curvature and distance against definitions written here."
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from eagle_nb.core.scores import FunctionScorer
from eagle_nb.search.fast import fast
from eagle_nb.search.quality import area_under_f, distance, local_search, optimal, returns
from eagle_nb.search.search import exact

few = settings(max_examples=25, deadline=None, derandomize=True)


def mean_scorer(n): return FunctionScorer(lambda keep: keep.float().mean(1), n)


def random_function(n, seed):
    "A scorer, the mean probability of each set by its bits, and the generator of both."
    rng = np.random.default_rng(seed)
    table = torch.tensor(rng.random((2**n, 2)), dtype=torch.float32)
    scorer = FunctionScorer(lambda keep: table[(keep*(1 << torch.arange(n))).sum(1)], n)
    return scorer, table.mean(1).double().numpy(), rng


class Sized(FunctionScorer):
    "Regions of unequal size."
    sizes = None
    @property
    def area(self): return self.sizes


@few
@given(st.integers(1, 5), st.integers(0, 10**6), st.sampled_from([(1, 1), (1, 0), (0, 1), (2, .5)]))
def test_optimal_equals_all_permutations(n, seed, lam):
    scorer, p, rng = random_function(n, seed)
    sized = Sized(scorer.fn, n)
    sized.sizes = rng.dirichlet(np.ones(n))
    def value(order):
        sets = np.concatenate([[0], np.cumsum(1 << np.array(order))])
        f = lam[0]*p[sets] - lam[1]*p[2**n - 1 - sets]
        return sum(sized.sizes[r]*(f[k] + f[k + 1])/2 for k, r in enumerate(order))
    best = pytest.approx(max(map(value, itertools.permutations(range(n)))), abs=1e-6)
    found = optimal(sized, lam)
    assert value(found.order.tolist()) == best == area_under_f(sized, found.order, lam)
    assert found.forwards == 2**n and sorted(found.order.tolist()) == list(range(n))


def test_no_search_exceeds_the_optimum():
    for seed in range(8):
        scorer, *_ = random_function(7, seed)
        best = area_under_f(scorer, optimal(scorer).order)
        for search in (exact, fast): assert area_under_f(scorer, search(scorer).order) <= best + 1e-6


def test_optimal_refuses_too_many_regions():
    with pytest.raises(ValueError, match=r"13 regions needs 2\^13 = 8192 forwards.*at most 12"):
        optimal(mean_scorer(13))


def brute_returns(p, n, known, lam, least=.01):
    "Both definitions over all known sets, as frozensets."
    everything = frozenset(range(n))
    value = lambda s: p[sum(1 << r for r in s)]
    f = {s: lam[0]*value(s) + lam[1]*(1 - value(everything - s)) for s in known if everything - s in known}
    has_gain = lambda s, r: s in f and s | {r} in f
    gain = lambda s, r: f[s | {r}] - f[s]
    ratios, losses = [], []
    for s, t in itertools.product(f, f):
        if not s < t: continue
        if len(t - s) >= 2 and all(has_gain(s, r) for r in t - s) and f[t] - f[s] > least:
            ratios.append(sum(gain(s, r) for r in t - s)/(f[t] - f[s]))
        for r in everything - t:
            if has_gain(s, r) and has_gain(t, r) and gain(s, r) > least: losses.append(1 - gain(t, r)/gain(s, r))
    return ratios, losses


@few
@given(st.integers(3, 6), st.integers(0, 10**6), st.sampled_from([(1, 1), (1, 0)]))
def test_returns_equal_their_definitions(n, seed, lam):
    scorer, p, _ = random_function(n, seed)
    exact(scorer, lam)
    known = {frozenset(np.flatnonzero(k).tolist()) for k in scorer.scored()[0]}
    ratios, losses = brute_returns(p, n, known, lam)
    if not ratios or not losses:
        with pytest.raises(ValueError, match="no nested sets"): returns(scorer, lam)
        return
    spent = scorer.forwards
    r = returns(scorer, lam)
    assert scorer.forwards == spent and (r.pairs, r.gains) == (len(ratios), len(losses))
    assert r.ratio == pytest.approx(min(ratios), rel=1e-3, abs=1e-4)
    assert r.curvature == pytest.approx(max(losses), rel=1e-3, abs=1e-3)
    assert r.diminishing == pytest.approx(np.mean(np.array(ratios) >= 1), abs=.02)


def test_returns_need_nested_sets():
    with pytest.raises(ValueError, match="run a search with it first"): returns(mean_scorer(4))
    scorer = mean_scorer(4)
    scorer(torch.tensor([[True]*4, [False]*4]))
    with pytest.raises(ValueError, match="no nested sets"): returns(scorer)


def test_distance_of_reversed_and_equal_orders():
    scorer = FunctionScorer(lambda keep: keep.float() @ torch.arange(1., 21.)/210, 20)
    best, worst = np.arange(20)[::-1].copy(), np.arange(20)
    same, reversed_ = distance(scorer, best, best), distance(scorer, worst, best)
    assert same["share"] == pytest.approx(1) and same["tau"] == pytest.approx(1) and same["first"] == 1
    assert reversed_["share"] == pytest.approx(-1, abs=1e-5)
    assert reversed_["tau"] == pytest.approx(-1) and reversed_["first"] == 0


def test_returns_say_that_a_constant_function_has_no_gains():
    scorer = FunctionScorer(lambda keep: torch.full((len(keep),), .5), 6)
    exact(scorer)
    with pytest.raises(ValueError, match="lower least"): returns(scorer)


@few
@given(st.integers(3, 6), st.integers(0, 2**16), st.integers(1, 3))
def test_local_search_ends_where_no_move_helps(n, seed, reach):
    scorer, _, rng = random_function(n, seed)
    start = rng.permutation(n)
    found = local_search(scorer, start, reach=reach, rounds=50)
    value, best = area_under_f(scorer, found.order), area_under_f(scorer, optimal(scorer).order)
    assert area_under_f(scorer, start) - 1e-9 <= value <= best + 1e-9
    for i in range(n):
        for j in range(max(0, i - reach), min(n, i + reach + 1)):
            moved = found.order.tolist()
            moved.insert(j, moved.pop(i))
            assert area_under_f(scorer, np.array(moved)) <= value + 1e-6


def test_local_search_refuses_settings_below_1():
    scorer, *_ = random_function(3, 0)
    for setting in (dict(reach=0), dict(rounds=0)):
        with pytest.raises(ValueError, match="at least 1"): local_search(scorer, np.arange(3), **setting)
