"Threads: found from the speed of batches, limited by whoever limits them, and given back; blocks nest for free."
import threading

import pytest
import torch
from conftest import PROMPT

from eagle_nb import scenes
from eagle_nb.core import costs, inference
from eagle_nb.core.inference import ThreadTuner, computing, thread_count
from eagle_nb.core.models import Model
from eagle_nb.core.regions import grid
from eagle_nb.core.scores import ModelScorer
from eagle_nb.core.targets import make_target
from eagle_nb.world import shapes


def run(tuner, speed, batches, n=8, start=0.):
    "The tuner on a machine of which the speed by threads is known; the thread counts that it used, and the clock."
    clock, used = start, []
    for _ in range(batches):
        used.append(tuner.current)
        seconds = n/speed(tuner.current)
        clock += seconds
        tuner.record(n, seconds, clock)
    return used, clock


@pytest.mark.parametrize("speeds,best", [
    ({1: 10, 2: 19, 4: 36}, 4), ({1: 10, 2: 19, 4: 15}, 2), ({1: 60, 2: 18, 4: 15}, 1), ({1: 60, 2: 14, 4: 15}, 4),
    ({1: 10.2, 2: 10.1, 4: 10}, 4)])
def test_the_first_number_from_above_after_which_the_speed_falls_is_taken(speeds, best):
    "It need not be the best of all: the search is downhill, and differences below a tenth change nothing."
    tuner = ThreadTuner(most=4)
    used, _ = run(tuner, speeds.get, 12)
    assert used[0] == 4 and used[-1] == tuner.best == best and not tuner.queue


@pytest.mark.parametrize("speeds,best", [({1: 60, 2: 18, 4: 15}, 1), ({1: 10, 2: 19, 4: 36}, 4), ({1: 10, 2: 19, 4: 15}, 2)])
def test_a_start_from_one_thread_goes_up_while_that_is_faster(speeds, best):
    tuner = ThreadTuner(most=4, start=1)
    used, _ = run(tuner, speeds.get, 12)
    assert used[0] == 1 and used[-1] == best


@pytest.mark.parametrize("times,want", [(5., 1), (1.5, 4), (.5, 4)])
def test_threads_that_wait_for_each_other_are_noticed_at_once(monkeypatch, times, want):
    def flops(*args, **kwargs): return 1e9/(times if torch.get_num_threads() == 4 else 1)
    monkeypatch.setattr(inference, "peak_flops", flops)
    with thread_count(4): assert inference.quick_threads() == want


def test_trials_become_rare_while_nothing_changes():
    tuner = ThreadTuner(most=2)
    used, clock = run(tuner, {1: 64., 2: 16.}.get, 10000)
    changes = sum(a != b for a, b in zip(used, used[1:]))
    assert clock > 1000 and changes < 2*(2 + clock/ThreadTuner.last_wait + 5)
    assert sum(u == 2 for u in used) < 40


def test_a_machine_that_becomes_busy_or_free_is_noticed():
    tuner = ThreadTuner(most=2)
    free, busy = {1: 50., 2: 95.}.get, {1: 50., 2: 7.}.get
    _, clock = run(tuner, free, 100)
    assert tuner.best == 2
    _, clock = run(tuner, busy, 20, start=clock + 3)
    assert tuner.best == 1, "after a few batches, not at the next trial that is due"
    _, clock = run(tuner, free, 1000, start=clock)
    assert tuner.best == 2


def test_tiny_batches_teach_nothing_and_never_hang_a_trial():
    tuner = ThreadTuner(most=2)
    run(tuner, {1: 50., 2: 7.}.get, 50, n=ThreadTuner.size - 1)
    assert tuner.current == 2 and not tuner.speed


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "MKL_NUM_THREADS"])
def test_numbers_of_the_environment_stay(monkeypatch, name):
    monkeypatch.setenv(name, str(torch.get_num_threads()))
    assert costs.chosen_threads() == torch.get_num_threads() and ThreadTuner().fixed


def test_a_number_set_by_hand_stays(monkeypatch):
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"): monkeypatch.delenv(name, raising=False)
    with thread_count(torch.get_num_threads() + 100):
        tuner = ThreadTuner()
        assert tuner.fixed and not tuner.queue and costs.machine().endswith(f", {tuner.base} threads")


def test_someone_elses_limit_is_respected_and_a_demand_is_not_limited():
    tuner = ThreadTuner(most=torch.get_num_threads() + 3)
    with tuner.block() as decides: assert not decides and not tuner.trying, "torch is on fewer threads than at the start"
    with thread_count(7), ThreadTuner(fixed=3).block() as decides: assert decides and torch.get_num_threads() == 3


@pytest.mark.parametrize("threads", [0, -2, 1.5, "2"])
def test_less_than_one_thread_is_refused(model, threads):
    with pytest.raises(ValueError, match=f"threads must be at least 1, got {threads!r}"):
        Model(model.model, model.processor, "m", threads=threads)


@pytest.fixture
def scorer(model, scene):
    target = make_target(model, model.read(scene.caption))
    return lambda **kw: ModelScorer(model, scene.pixels, PROMPT, target, grid(scene.pixels, 4, 4), **kw)


def keeps(n, b): return torch.rand(b, n, generator=torch.Generator().manual_seed(b)) < .5


def test_a_scorer_finds_its_threads_changes_no_number_and_gives_them_back(scorer, monkeypatch):
    s, other = scorer(), scorer()
    want, keep, used, before = other(keeps(16, 40)), keeps(16, 40), [], torch.get_num_threads()
    monkeypatch.setattr(s.model, "threads", ThreadTuner(most=2))
    with thread_count(2):
        hook = s.model.decoder.register_forward_pre_hook(lambda *a: used.append(torch.get_num_threads()))
        try: got = s(keep)
        finally: hook.remove()
        assert torch.get_num_threads() == 2
    assert (got - want).abs().max() < 1e-5 and s.forwards == other.forwards
    assert used[:4] == [2, 2, 1, 1] and set(used[4:]) == {s.model.threads.best} and len(used) < 10
    assert set(s.model.threads.speed) == {1, 2} and torch.get_num_threads() == before


def test_threads_that_explain_at_once_keep_their_numbers(scorer, monkeypatch):
    s, before = scorer(), torch.get_num_threads()
    monkeypatch.setattr(s.model, "threads", ThreadTuner(fixed=2))
    seen = []
    def other():
        seen.append(torch.get_num_threads())
        scorer()(keeps(16, 12))
        seen.append(torch.get_num_threads())
    worker = threading.Thread(target=other)
    worker.start()
    s(keeps(16, 13))
    worker.join()
    assert seen[0] == seen[1] and torch.get_num_threads() == before


def test_the_model_is_made_ready_once_per_call(scorer, monkeypatch):
    s, walks = scorer(batch_size=4), []
    modules = torch.nn.Module.named_modules
    def watched(self, *args, **kwargs):
        if self is s.model.model and not args: walks.append(1)
        return modules(self, *args, **kwargs)
    monkeypatch.setattr(torch.nn.Module, "named_modules", watched)
    s(keeps(16, 4))
    once = len(walks)
    s(keeps(16, 24))
    assert once and len(walks) == 2*once and s.forwards > 20


def test_windows_are_read_once_per_pass_and_not_once_per_layer(monkeypatch):
    "Two kinds of borders, of windows and of whole images, for three layers; each reading makes a GPU wait."
    net, processor = shapes.tiny("qwen2_5_vl")
    x, read, by_size = processor.image_processor([scenes.sample(7).image], return_tensors="pt"), [], inference._by_size
    monkeypatch.setattr(inference, "_by_size", lambda borders: read.append(len(borders)) or by_size(borders))
    with torch.no_grad(), computing(net):
        for _ in range(2): net.model.visual(x["pixel_values"], x["image_grid_thw"])
    assert len(read) == 4 and len(set(read)) == 2


def test_tensors_are_sent_from_pinned_memory(monkeypatch):
    steps, t = [], torch.arange(3)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: steps.append("pinned") or self)
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *a, **k: steps.append((*a, k)) or self)
    inference.sent(t, torch.device("cuda"))
    inference.sent(t, torch.device("cpu"))
    assert steps == ["pinned", (torch.device("cuda"), dict(non_blocking=True)), (torch.device("cpu"), {})]


def test_a_part_switched_to_training_inside_a_block_is_switched_back(model):
    net = model.model
    with computing(net):
        net.train()
        with computing(net): assert not any(m.training for m in net.modules())
    net.eval()
