"Moves, improvement and greedy orders under a cheap function, against one evaluation per order."
import itertools

import numpy as np
import pytest
from set_functions import few
from hypothesis import given, strategies as st

from eagle_nb.core.curves import prefixes
from eagle_nb.search.orders import Cached, along, greedy, improve, moved, moves, trapezoids


class Table:
    "A random function of sets, with the values of all neighbours."
    def __init__(self, n, seed): self.n, self.values = n, np.random.default_rng(seed).normal(size=2**n)
    def __call__(self, keep): return self.values[(keep*(1 << np.arange(self.n))).sum(-1)]
    def flips(self, keep): return self(keep[:, None] ^ np.eye(self.n, dtype=bool))


class Difference:
    "lam1 * p(S) - lam2 * p(rest), as a search maximises it."
    def __init__(self, p, lam): self.p, self.lam = p, lam
    def __call__(self, keep): return self.lam[0]*self.p(keep) - self.lam[1]*self.p(~keep)
    def flips(self, keep): return self.lam[0]*self.p.flips(keep) - self.lam[1]*self.p.flips(~keep)


def case(n, seed):
    rng = np.random.default_rng(seed + 1)
    return Difference(Table(n, seed), (1, .5)), rng.permutation(n), rng.dirichlet(np.ones(n))


def area_by_hand(f, order, area):
    "Trapezoids, one set at a time."
    values = [float(f(np.isin(np.arange(len(order)), order[:k])[None])[0]) for k in range(len(order) + 1)]
    return sum(area[r]*(values[k] + values[k + 1])/2 for k, r in enumerate(order))


@few
@given(st.integers(1, 7), st.integers(0, 2**16))
def test_the_area_of_an_order_is_a_sum_of_trapezoids(n, seed):
    f, order, area = case(n, seed)
    sets = prefixes(order).numpy()
    assert trapezoids(order, f(sets), area) == pytest.approx(area_by_hand(f, order, area), abs=1e-9)
    assert np.allclose(along(order, f.flips(sets)), f(sets))


@few
@given(st.integers(2, 6), st.integers(0, 2**16))
def test_the_gain_of_each_move_is_the_difference_of_two_orders(n, seed):
    f, order, area = case(n, seed)
    sets = prefixes(order).numpy()
    gain, before = moves(order, f(sets), f.flips(sets), area), area_by_hand(f, order, area)
    for gap, i in itertools.product(range(n + 1), range(n)):
        new = moved(order, i, gap - (gap > i))
        assert gain[gap, order[i]] == pytest.approx(area_by_hand(f, new, area) - before, abs=1e-9)


@few
@given(st.integers(1, 6), st.integers(0, 2**16))
def test_an_improved_order_has_no_better_neighbour(n, seed):
    f, order, area = case(n, seed)
    better = improve(f, order, area)
    value = area_by_hand(f, better, area)
    assert sorted(better) == list(range(n)) and value >= area_by_hand(f, order, area) - 1e-9
    for i, j in itertools.product(range(n), range(n)):
        assert area_by_hand(f, moved(better, i, j), area) <= value + 1e-6


@few
@given(st.integers(1, 7), st.integers(0, 2**16))
def test_greedy_adds_the_best_region_at_each_step(n, seed):
    f, *_ = case(n, seed)
    order = greedy(f, n).tolist()
    for k, region in enumerate(order):
        value = {r: float(f(np.isin(np.arange(n), order[:k] + [r])[None])[0]) for r in order[k:]}
        assert value[region] == max(value.values())


def improve_plainly(f, order, area, passes=60):
    "Every pass computes all sets, sorts all moves and marks every step that it changes."
    for _ in range(passes):
        flips = f.flips(prefixes(order).numpy())
        gain, place = moves(order, along(order, flips), flips, area), np.argsort(order)
        taken, chosen = np.zeros(len(gain), bool), []
        for flat in np.argsort(-gain, axis=None, kind="stable")[:200]:
            gap, region = np.unravel_index(flat, gain.shape)
            low, high = min(gap, place[region]), max(gap, place[region] + 1)
            if gain[gap, region] > 1e-7 and not taken[low:high].any():
                taken[low:high] = True
                chosen.append((gap, region))
        if not chosen: break
        for gap, region in chosen:
            i = int(np.flatnonzero(order == region)[0])
            order = moved(order, i, gap - (gap > i))
    return order


class Hashed:
    "A function of many regions without structure and with ties: multiples of 1/8."
    def __init__(self, n, seed): self.n, self.w = n, np.random.default_rng(seed).integers(1, 2**20, n)
    def __call__(self, keep): return ((keep @ self.w) % 8191 % 17)/8 + keep @ (self.w % 3)/4
    def flips(self, keep): return self(keep[:, None] ^ np.eye(self.n, dtype=bool))


@few
@given(st.integers(1, 24), st.integers(0, 2**16))
def test_improving_makes_the_moves_of_the_plain_way(n, seed):
    f, order = Hashed(n, seed), np.random.default_rng(seed).permutation(n)
    area = np.random.default_rng(seed + 1).integers(1, 5, n)/16.
    plain = improve_plainly(f, order, area).tolist()
    assert improve(f, order, area).tolist() == improve(Cached(f), order, area).tolist() == plain


def test_a_pass_computes_only_the_sets_that_changed():
    class Counting(Hashed):
        asked = 0
        def flips(self, keep):
            self.asked += len(keep)
            return super().flips(keep)
    once, always = Counting(24, 0), Counting(24, 0)
    order, area = np.arange(24), np.full(24, 1/24)
    assert improve(Cached(once), order, area).tolist() == improve(always, order, area).tolist()
    assert once.asked < always.asked*.8
