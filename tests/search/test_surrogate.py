"The surrogate: one by one against all at once, and threads that are given back."
import itertools
import os
import signal
import threading

import numpy as np
import pytest
import torch
from set_functions import few, rough
from hypothesis import given, strategies as st

from eagle_nb.core.scores import FunctionScorer
from eagle_nb.search.search import search
from eagle_nb.search.surrogate import Contrast, Process, Record, Surrogate, Trend, one_thread, rounded


@few
@given(st.floats(1e-12, 1), st.integers(4, 24))
def test_rounding_keeps_the_first_bits(p, bits):
    value = float(rounded(torch.tensor([p], dtype=torch.float64), bits))
    assert value == pytest.approx(p, rel=2.**-bits)
    assert float(rounded(torch.tensor([value]), bits)) == value


def recorded(n, keep, p):
    record = Record(n)
    record.add(keep, p(torch.as_tensor(keep)))
    return record


def pairs_and_singles(n, pairs=40, singles=0, seed=0):
    keep = np.random.default_rng(seed).random((pairs + singles, n)) < .5
    return np.concatenate([keep, ~keep[:pairs]])


@pytest.mark.parametrize("lam", [(1, 1), (1, 0), (0, 1), (.3, 2)])
@pytest.mark.parametrize("neighbours", [False, True])
@pytest.mark.parametrize("memory", [False, True])
def test_flips_equal_asking_for_each_neighbour(lam, neighbours, memory):
    n = 9
    adjacency = np.eye(n, k=1, dtype=bool) | np.eye(n, k=-1, dtype=bool) if neighbours else None
    s = Surrogate(n, adjacency=adjacency, memory=memory).fit(recorded(n, pairs_and_singles(n, 40, 5), rough(n)))
    f, asked = Contrast(s, lam), np.random.default_rng(3).random((5, n)) < .5
    for one, row in zip(asked, f.flips(asked)): assert np.allclose(row, f(one ^ np.eye(n, dtype=bool)), atol=1e-9)
    assert np.allclose(f(asked), lam[0]*s(asked) - lam[1]*s(~asked), atol=1e-9)


def test_the_even_part_is_learned_only_where_it_counts():
    s = Surrogate(8).fit(recorded(8, pairs_and_singles(8), rough(8)))
    Contrast(s, (1, 1)).flips(pairs_and_singles(8)[:3])
    assert set(s.processes) == {-1}
    Contrast(s, (1, 0)).flips(pairs_and_singles(8)[:3])
    assert set(s.processes) == {-1, 1}


def test_the_record_is_a_table_of_both_sides():
    "Against a dictionary of sets."
    n, rng, record, known = 5, np.random.default_rng(0), Record(5), {}
    p = rough(n)
    for _ in range(12):
        keep = rng.random((4, n)) < .5
        record.add(keep, p(torch.as_tensor(keep)))
        known.update((tuple(k), v.numpy()) for k, v in zip(keep, rounded(p(torch.as_tensor(keep)))))
    every = np.array(list(itertools.product((False, True), repeat=n)))
    assert len(record) == len(known)
    both = [tuple(k) in known and tuple(~k) in known for k in every]
    assert record.known(every).tolist() == both and len(record.complete) == sum(both)/2
    for k, measured in zip(every, record.measured(every)):
        assert np.array_equal(measured, known[tuple(k)]) if tuple(k) in known else np.isnan(measured).all()
    assert not np.isnan(record.p[:, record.complete]).any() and len(set(record.complete)) == len(record.complete)


def test_sets_without_complement_are_not_lost():
    "Only small sets are scored, none of their complements; the trend must find the region that counts."
    keep = np.eye(10, dtype=bool)
    s = Surrogate(10).fit(recorded(10, keep, lambda k: .2 + .6*k[:, 3:4].float()))
    assert s.part_flips(np.zeros((1, 10), bool), -1)[0].argmax() == 3
    assert (Contrast(s).deviation(keep) == 1).all()  # no pair yet: everything is doubtful


def test_a_process_that_was_extended_is_the_one_fitted_at_once():
    n, rng = 10, np.random.default_rng(2)
    x, y = rng.choice([-.5, .5], (90, n)), rng.normal(size=90)
    for sign in (1, -1):
        grown, whole = Process(sign), Process(sign)
        grown.tune(x[:50], y[:50], np.ones(n))
        for a, b in ((50, 51), (51, 80), (80, 90)): grown.extend(x[a:b])
        grown.learn(y)
        whole.length, whole.share, whole.lengths = grown.length, grown.share, (grown.length,)
        whole.tune(x, y, np.ones(n))
        whole.learn(y)
        asked = rng.choice([-.5, .5], (20, n))
        for answer in (Process.__call__, Process.deviation, Process.flips):
            assert np.allclose(answer(grown, asked), answer(whole, asked), atol=1e-8)


@pytest.mark.parametrize("p", [lambda k: torch.full((len(k), 1), .5), lambda k: k[:, :1].float(),
                               lambda k: k.all(1, keepdim=True).float(), lambda k: 1e-9*k[:, :2].float()])
def test_extreme_probabilities_give_finite_predictions(p):
    n = 7
    keep = np.array(list(itertools.product((False, True), repeat=n)))
    s = Surrogate(n)
    for count in (4, 5, 60, 128): s.fit(recorded(n, np.concatenate([keep[:count], ~keep[:count]]), p))
    f = Contrast(s, (1, .5))
    for values in (f(keep), f.flips(keep), f.deviation(keep)): assert np.isfinite(values).all()


def test_a_surrogate_is_surest_where_it_was_fitted():
    n, rng = 12, np.random.default_rng(1)
    keep, other = pairs_and_singles(n, 60), rng.random((200, n)) < .5
    s = Surrogate(n).fit(recorded(n, keep, rough(n)))
    assert np.abs(s(keep) - rough(n)(torch.as_tensor(keep)).double().mean(1).numpy()).max() < .02
    assert Contrast(s).deviation(keep).mean() < Contrast(s).deviation(other).mean()


def test_the_search_thinks_on_one_thread_and_scores_on_all(monkeypatch):
    "The scorer keeps its threads; their number before the search is restored, after an error too."
    before, scoring, thinking = torch.get_num_threads(), [], []
    torch.set_num_threads(2)
    methods = ((Trend, "fit"), (Trend, "flips"), (Trend, "sides"), (Process, "learn"),
               (Process, "deviation"), (Process, "flips"))
    for cls, name in methods:
        def spied(self, *args, _plain=getattr(cls, name), _name=f"{cls.__name__}.{name}"):
            thinking.append((_name, torch.get_num_threads()))
            return _plain(self, *args)
        monkeypatch.setattr(cls, name, spied)
    try:
        def fn(keep):
            scoring.append(torch.get_num_threads())
            return keep.float().mean(1)
        search(FunctionScorer(fn, 6), "fast", budget=60)
        assert set(scoring) == {2} and torch.get_num_threads() == 2
        assert {name for name, _ in thinking} == {f"{cls.__name__}.{name}" for cls, name in methods}
        assert {count for _, count in thinking} == {1}
        with pytest.raises(KeyError), one_thread(): raise KeyError
        assert torch.get_num_threads() == 2
    finally: torch.set_num_threads(before)


def test_a_forked_process_does_not_wait_for_a_thread_that_it_does_not_have():
    if not hasattr(os, "fork"): pytest.skip("no fork here")
    inside, leave = threading.Event(), threading.Event()
    def hold():
        with one_thread():
            inside.set()
            leave.wait()
    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait()
    child = os.fork()
    if not child:
        signal.alarm(10)
        with one_thread(): os._exit(0)
    status = os.waitpid(child, 0)[1]
    leave.set()
    thread.join()
    assert status == 0
