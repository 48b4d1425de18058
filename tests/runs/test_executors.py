"Workers that die, lie, cannot begin or cannot be reached."
import multiprocessing
import os
import signal
import time
from collections import Counter
from functools import partial

import pytest

from eagle_nb.runs.executors import Here, Plain, Processes, Ray, environment, thread_limits


def slowly(item):
    time.sleep(.02)
    return item, os.getpid()


def threads(item): return os.environ.get("OMP_NUM_THREADS"), os.environ.get("CUDA_VISIBLE_DEVICES")
def none(): raise ValueError("there is no such model")
def by_process(): return Plain(slowly, dict(pid=os.getpid()))
def gone(): os._exit(3)


class Bomb:
    "It ends the process that opens it."
    def __reduce__(self): return os.abort, ()


TASKS = [(str(k), k) for k in range(30)]


def test_killed_workers_lose_nothing_and_repeat_nothing():
    with Processes(2).open(partial(Plain, slowly)) as pool:
        found, killed = [], 0
        for o in pool.map(TASKS):
            found.append(o)
            if len(found) % 8 == 4:
                os.kill(o.value[1], signal.SIGKILL)
                killed += 1
    assert killed >= 3 and [o.error for o in found] == [None]*len(TASKS)
    assert Counter(o.key for o in found) == {key: 1 for key, _ in TASKS} and all(o.value[0] == int(o.key) for o in found)


def test_a_task_that_ends_every_process_is_given_up_and_the_others_go_on():
    with Processes(2).open(partial(Plain, str)) as pool:
        found = {o.key: o for o in pool.map([("bomb", Bomb()), *TASKS[:4]])}
    assert found["bomb"].error == "its process ended 2 times (by signal 6, SIGABRT)"
    assert [found[str(k)].value for k in range(4)] == list("0123")


def test_a_task_that_cannot_be_sent_is_told():
    with Processes(1).open(partial(Plain, str)) as pool: a, b = pool.map([("a", lambda: 1), ("b", 2)])
    assert a.error.startswith("it cannot be sent to another process") and b.value == "2"


@pytest.mark.parametrize("make, said", [(none, "a worker could not begin: ValueError: there is no such model"),
                                        (by_process, "workers differ in pid"),
                                        (gone, r"workers end before they are ready \(exit code 3\)")])
def test_workers_that_cannot_begin(make, said):
    with pytest.raises(RuntimeError, match=said), Processes(2).open(make) as pool: list(pool.map(TASKS))
    assert not multiprocessing.active_children()


def test_no_process_outlives_its_block():
    with pytest.raises(KeyboardInterrupt), Processes(2).open(partial(Plain, slowly)) as pool:
        for _ in pool.map(TASKS): raise KeyboardInterrupt
    assert not multiprocessing.active_children()


def test_each_process_has_its_threads_and_its_gpu(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    executor = Processes(2, threads=1)
    executor.devices = ["3", "5"]
    with executor.open(partial(Plain, threads)) as pool: found = {o.value for o in pool.map(TASKS)}
    assert found <= {("1", "3"), ("1", "5")} and os.environ["OMP_NUM_THREADS"] == "7"
    with environment(OMP_NUM_THREADS=None, X_OF_A_TEST="1", **thread_limits(None)): assert os.environ["X_OF_A_TEST"] == "1"
    assert "X_OF_A_TEST" not in os.environ


@pytest.mark.parametrize("executor", [lambda: Processes(-1), lambda: Processes(True), lambda: Processes(2, tries=0), lambda: Ray(0)])
def test_numbers_are_checked(executor):
    with pytest.raises(ValueError, match="must be a whole number from 1"): executor()


def test_an_error_in_the_loop_is_the_callers():
    with Here().open(partial(Plain, str)) as pool, pytest.raises(ZeroDivisionError):
        for _ in pool.map(TASKS): 1/0


def test_ray_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ImportError, match=r'pip install "eagle-nb\[ray\]"'), Ray(1).open(partial(Plain, str)): pass
