"Costs: forwards, seconds and memory of a block, and the machine in words."
import math

import numpy as np
import pytest
import torch

from eagle_nb.core.costs import PeakMemory, machine, measured, spent, versions


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
    assert machine().endswith(f", {torch.get_num_threads()} threads")
    assert versions()["torch"] == torch.__version__
    assert set(versions()) == {"eagle_nb", "torch", "transformers", "python"}
