"Costs: forwards, seconds and memory of a block, and the machine in words."
import math

import numpy as np
import pytest
import torch

from eagle_nb.core.costs import (PeakMemory, batch_room, free_memory, machine, measured, new_peak, read_memory, spent,
                                 versions)


def test_a_block_counts_what_it_spends_and_nothing_before(monkeypatch):
    monkeypatch.setitem(spent, "forwards", 100)
    monkeypatch.setitem(spent, "backwards", 7)
    with measured() as cost:
        spent["forwards"] += 3
        spent["backwards"] += 1
    assert (cost["forwards"], cost["backwards"]) == (3, 1) and cost["seconds"] > 0
    assert (spent["forwards"], spent["backwards"]) == (103, 8)


def test_nested_blocks_count_for_both(monkeypatch):
    monkeypatch.setitem(spent, "forwards", 0)
    with measured() as outer:
        spent["forwards"] += 1
        with measured() as inner: spent["forwards"] += 2
    assert (outer["forwards"], inner["forwards"]) == (3, 2) and outer["seconds"] >= inner["seconds"]


def test_memory_that_is_free_again_counts():
    with PeakMemory("cpu") as memory:
        x = np.ones(2**24)
        size, x = x.nbytes, None
    if memory.bytes is not None: assert .9 < memory.bytes/size < 1.5


def test_a_block_that_fails_still_has_its_costs(monkeypatch):
    monkeypatch.setitem(spent, "forwards", 0)
    with pytest.raises(ZeroDivisionError):
        with measured() as cost:
            spent["forwards"] += 5
            1/0
    assert cost["forwards"] == 5 and cost["seconds"] > 0


def test_memory_is_a_number_of_bytes_or_nan():
    with measured() as cost: pass
    assert isinstance(cost["memory"], float) and (math.isnan(cost["memory"]) or cost["memory"] >= 0)


def test_the_machine_and_the_versions_are_named():
    assert machine().endswith(f"{torch.get_num_threads()} threads")
    assert versions()["torch"] == torch.__version__
    assert set(versions()) == {"eagle_nb", "torch", "transformers", "python"}


class TwoGPUs:
    "Two devices with a peak each; an index of None is the first."
    def __init__(self, monkeypatch):
        self.used, self.peak = [0, 0], [0, 0]
        number = lambda device: torch.device("cuda" if device is None else device).index or 0
        monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device=None: self.used[number(device)])
        monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device=None: self.peak[number(device)])
        monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device=None: self.reset(number(device)))

    def reset(self, k): self.peak[k] = self.used[k]

    def take(self, k, n):
        "Allocate n bytes and free them again."
        self.peak[k] = max(self.peak[k], self.used[k] + n)


def test_the_peak_of_a_gpu_is_that_of_the_device_in_question(monkeypatch):
    gpus = TwoGPUs(monkeypatch)
    gpus.used = [100, 7]
    gpus.take(1, 10**6)
    with PeakMemory("cuda:1") as second, PeakMemory("cuda") as first, PeakMemory(torch.device("cuda:0")) as same:
        gpus.take(0, 500)
        gpus.take(1, 40)
        new_peak(torch.device("cuda:0"))
        gpus.take(0, 30)
        new_peak("cuda:1")
        gpus.take(1, 8)
    assert (first.bytes, same.bytes, second.bytes) == (500, 500, 40), "neither an earlier peak nor a later one"


@pytest.mark.parametrize("memory,free,room", [(None, 1e11, 1e10), (None, 1e9, 1.6e9), (5e9, 1, 5e9), ("3 GB", 1, 3e9),
                                              ("2gib", 1, 2**31), (.25, 8e9, 2e9), ("0.5", 8e9, 4e9)])
def test_the_room_for_a_batch(memory, free, room): assert batch_room(memory, free) == room


@pytest.mark.parametrize("memory", ["", "GB", "-3 GB", "1e GB", "nan", 0, -.5, float("inf"), [1], "1.2.3 GB", "0 GB", True])
def test_amounts_of_memory_that_are_none(memory):
    with pytest.raises(ValueError, match="memory must be a number of bytes, a text such as '4 GB', or a share"):
        read_memory(memory)


def test_what_is_free_on_a_gpu_counts_what_torch_holds_and_does_not_use(monkeypatch):
    gpus = TwoGPUs(monkeypatch)
    gpus.used = [30, 0]
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device=None: 50)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device=None: (1000, 2000))
    assert free_memory("cuda") == 1020
