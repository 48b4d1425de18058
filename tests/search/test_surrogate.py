"The surrogate: one by one against all at once, and threads that are given back."
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
from eagle_nb.search.surrogate import Network, Residual, Surrogate, one_thread, rounded


@few
@given(st.floats(1e-12, 1), st.integers(4, 24))
def test_rounding_keeps_the_first_bits(p, bits):
    value = float(rounded(torch.tensor([p], dtype=torch.float64), bits))
    assert value == pytest.approx(p, rel=2.**-bits)
    assert float(rounded(torch.tensor([value]), bits)) == value


@pytest.mark.parametrize("places", [False, True])
@pytest.mark.parametrize("memory", [False, True])
def test_flips_equal_asking_for_each_neighbour(places, memory):
    n, rng = 9, np.random.default_rng(0)
    layout = dict(centers=rng.random((n, 2)), adjacency=np.eye(n, k=1, dtype=bool) | np.eye(n, k=-1, dtype=bool))
    keep = rng.random((40, n)) < .5
    s = Surrogate(n, memory=memory, **(layout if places else {})).fit(keep, rough(n)(torch.as_tensor(keep)))
    asked = rng.random((5, n)) < .5
    neighbours = asked[:, None] ^ np.eye(n, dtype=bool)
    assert np.allclose(s.flips(asked), [s(k) for k in neighbours], atol=1e-9)


def test_a_surrogate_is_surest_where_it_was_fitted():
    n, rng = 12, np.random.default_rng(1)
    keep, other = rng.random((60, n)) < .5, rng.random((200, n)) < .5
    p = rough(n)(torch.as_tensor(keep))
    s = Surrogate(n).fit(keep, p)
    assert np.abs(s(keep) - p.double().mean(1).numpy()).max() < .02
    assert s.deviation(keep).mean() < s.deviation(other).mean()


def test_the_search_thinks_on_one_thread_and_scores_on_all(monkeypatch):
    "The scorer keeps its threads; their number before the search is restored, after an error too."
    before, scoring, thinking = torch.get_num_threads(), [], []
    torch.set_num_threads(2)
    methods = ((Network, "fit"), (Network, "flips"), (Network, "__call__"),
               (Residual, "deviation"), (Residual, "flips"))
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
