"Moves, improvement and greedy orders under a cheap function, against one evaluation per order."
import itertools

import numpy as np
import pytest
from set_functions import few
from hypothesis import given, strategies as st

from eagle_nb.core.curves import prefixes
from eagle_nb.search.orders import Contrast, along, greedy, improve, moved, moves, trapezoids


class Table:
    "A random function of sets, with the values of all neighbours."
    def __init__(self, n, seed): self.n, self.values = n, np.random.default_rng(seed).normal(size=2**n)
    def __call__(self, keep): return self.values[(keep*(1 << np.arange(self.n))).sum(-1)]
    def flips(self, keep): return self(keep[:, None] ^ np.eye(self.n, dtype=bool))


def case(n, seed):
    rng = np.random.default_rng(seed + 1)
    return Contrast(Table(n, seed), (1, .5)), rng.permutation(n), rng.dirichlet(np.ones(n))


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
