"Scorers: the three modes, fills, memory and counting, against the plain model and against cases computed by hand."
import numpy as np
import pytest
import torch
from conftest import PROMPT, official, same_rank
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image

from eagle_nb import scenes
from eagle_nb.core import checkpoints
from eagle_nb.core.costs import PeakMemory
from eagle_nb.core.curves import trace
from eagle_nb.core.images import FILLS, fill_image, mask_image
from eagle_nb.core.layout import carry_labels
from eagle_nb.core.regions import Regions, grid, slico
from eagle_nb.core.scores import (MODES, BatchMemory, FunctionScorer, ModelScorer, Scorer, insight, necessity,
                                  objective)
from eagle_nb.core.targets import make_target
from eagle_nb.search.search import bidirectional, exact
from eagle_nb.world import shapes

forty_examples = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def random_keep(n, b=16, seed=0):
    "Keep-sets of all sizes; the first hides everything, the second nothing."
    rng = np.random.default_rng(seed)
    keep = rng.random((b, n)) < rng.random((b, 1))
    keep[0], keep[1] = False, True
    return torch.tensor(keep)


def scorer_for(model, image, text, regions, target=None, foil=None, **kw):
    target = make_target(model, model.read(text), target, foil)
    return ModelScorer(model, np.asarray(image), PROMPT, target, regions, **kw)


def share_visible(keep): return keep.float().mean(1)


# ---- the formulas

def test_objective_by_hand():
    p, rest = torch.tensor([[.5, 1.], [0., 0.]]), torch.tensor([[.25, .25], [1., 1.]])
    assert insight(p).tolist() == [.75, 0.] and necessity(rest).tolist() == [.75, 0.]
    assert objective(p, rest).tolist() == [1.5, 0.]
    assert objective(p, rest, (2, 1)).tolist() == [2.25, 0.] and objective(p, rest, (0, 1)).tolist() == [.75, 0.]


# ---- against the plain model

@pytest.mark.parametrize("mode", ["nearest", "resampled", "pixels"])
@pytest.mark.parametrize("kind", [{}, dict(target="in"), dict(target=[0, 2]), dict(target="in", foil="banana")])
def test_the_plain_model_gives_the_same_probabilities(model, scene, mode, kind):
    regions = grid(scene.pixels, 3, 4)
    s = scorer_for(model, scene.image, scene.caption, regions, mode=mode, **kind)
    keep, positions = random_keep(12, 6), list(s.target.positions)
    want = official(model, scene.image, PROMPT, s.target.forced, regions.labels, keep.numpy())
    assert np.abs(s(keep).numpy() - want[:, positions]).max() < 1e-5
    every = s.all_tokens(keep).numpy()
    assert np.abs(every - want[:, :max(positions) + 1]).max() < 1e-5, "also for the tokens before the target"
    assert s(keep).dtype == torch.float32 and s(keep).shape == (6, len(s.target))


@pytest.mark.parametrize("fill", [*FILLS, "given"])
def test_nearest_equals_pixels_at_the_models_own_size(model, scene, fill):
    if fill == "given": fill = scenes.sample(99).pixels
    regions = Regions(slico(scene.pixels, 30).labels)
    keep = random_keep(len(regions), 24)
    fast, slow = (scorer_for(model, scene.image, scene.caption, regions, fill=fill, mode=mode)(keep)
                  for mode in ("nearest", "pixels"))
    assert (fast - slow).abs().max() < 1e-5
    given = fill if isinstance(fill, np.ndarray) else fill_image(scene.pixels, fill)
    ids = model.read(scene.caption).ids
    want = official(model, scene.image, PROMPT, ids, regions.labels, keep.numpy()[:5], given)
    assert np.abs(fast[:5].numpy() - want).max() < 1e-5


@pytest.mark.parametrize("size", [(300, 200), (97, 151), (640, 480), (50, 60)])
@pytest.mark.parametrize("fill", FILLS)
def test_nearest_is_close_to_pixels_where_the_processor_resizes(model, size, fill):
    "Measured on four sizes and four fills: mean difference at most .003, rank correlation at least .989."
    s = scenes.sample(8 + size[0])
    image = s.image.resize(size)
    regions = slico(np.asarray(image), 24)
    keep = random_keep(len(regions), 24)
    fast, slow = (scorer_for(model, image, s.caption, regions, fill=fill, mode=mode)(keep)
                  for mode in ("nearest", "pixels"))
    assert (fast - slow).abs().mean() < .01
    assert same_rank(fast.mean(1).numpy(), slow.mean(1).numpy()) > .95
    assert torch.allclose(fast[1], slow[1], atol=1e-5), "with all regions visible there is no boundary"
    if fill in ("black", "mean"):
        assert torch.allclose(fast[0], slow[0], atol=1e-4), "with none visible a fill of one colour has none either"


@pytest.mark.parametrize("mode", ["nearest", "resampled", "pixels"])
def test_the_batch_size_changes_no_probability(model, scene, mode):
    regions = slico(scene.pixels, 20)
    keep = random_keep(len(regions), 17)
    single = scorer_for(model, scene.image, scene.caption, regions, mode=mode, batch_size=1)
    for size in (2, 7, 64):
        batched = scorer_for(model, scene.image, scene.caption, regions, mode=mode, batch_size=size)
        assert (batched(keep) - single(keep)).abs().max() <= 1e-5


def test_probabilities_change_with_the_visible_regions(model):
    for s in map(scenes.sample, (60, 61, 62)):
        p = scorer_for(model, s.image, s.caption, grid(s.pixels, 4, 4))(random_keep(16, 24)).mean(1)
        assert p.std() > .01 and p[1] - p[0] > .05, "mean probability with all regions, and with none"


def test_another_image_gives_other_probabilities(model, scene):
    regions = grid(scene.pixels, 3, 4)
    whole = torch.ones(1, 12, dtype=torch.bool)
    images = (scene.image, scenes.sample(77).image)
    a, b = (scorer_for(model, i, scene.caption, regions)(whole) for i in images)
    assert (a - b).abs().max() > .01


def test_pixels_of_a_hidden_region_do_not_matter(model, scene):
    regions, keep = grid(scene.pixels, 2, 2), torch.tensor([[False, True, True, True]])
    other = scene.pixels.copy()
    other[:112, :112] = np.random.default_rng(0).integers(0, 256, (112, 112, 3))
    for mode in ("nearest", "resampled", "pixels"):
        a, b = (scorer_for(model, i, scene.caption, regions, mode=mode)(keep) for i in (scene.pixels, other))
        assert torch.equal(a, b)


def test_a_target_is_a_column_of_the_sentence(model, scene):
    regions, keep = grid(scene.pixels, 3, 3), random_keep(9)
    sentence = scorer_for(model, scene.image, scene.caption, regions)(keep)
    word = scorer_for(model, scene.image, scene.caption, regions, target=scene.names[0])
    assert torch.allclose(word(keep), sentence[:, list(word.target.positions)], atol=1e-6)


def test_foils_at_one_position_share_a_distribution(model, scene):
    "Together their probabilities cannot exceed 1."
    regions, keep = grid(scene.pixels, 2, 2), random_keep(4)
    ids = [i for i in range(10, 40) if i != model.read(scene.caption).ids[1]]
    p = sum(scorer_for(model, scene.image, scene.caption, regions, target=1, foil=[i])(keep)[:, 0] for i in ids)
    assert (p <= 1 + 1e-5).all() and (p > 0).all()


@pytest.mark.parametrize("family", ["scenes-llava", "llava", "llava_next", "qwen2_5_vl", "internvl", "gemma3"])
def test_resampled_is_closer_to_pixels_than_nearest(family):
    "In pixel_values and in probabilities, by mean difference, on an image that every processor resizes."
    m = checkpoints.load_checkpoint(family if family in checkpoints.EMBEDDED else shapes.tiny(family))
    image = np.asarray(scenes.sample(12).image.resize((300, 200)))
    answer = m.answer(image, PROMPT, max_new_tokens=5)
    target, regions = make_target(m, answer if len(answer) else m.read("A dog in a park.")), slico(image, 24)
    scorers = {mode: ModelScorer(m, image, PROMPT, target, regions, mode=mode) for mode in MODES}
    keep = random_keep(len(regions), 16)
    pixels = {mode: s.variants(keep)["pixel_values"].float() for mode, s in scorers.items()}
    p = {mode: s(keep).float() for mode, s in scorers.items()}
    def gap(values, mode): return float((values[mode] - values["pixels"]).abs().mean())
    def largest(mode): return (pixels[mode] - pixels["pixels"]).abs().max()
    assert gap(pixels, "resampled") < .5*gap(pixels, "nearest") and gap(p, "resampled") < gap(p, "nearest")
    assert largest("resampled") < largest("nearest")
    for mode in ("nearest", "resampled"):
        everything = pixels[mode].unflatten(0, (16, -1))[1].flatten()
        whole = scorers[mode].forward.whole.flatten()
        assert torch.allclose(everything, whole, atol=1e-5), "with all regions visible it is the image"


def test_regions_outside_the_crop_are_found():
    "A LLaVA that crops the middle square of a wide image: the outer columns of a grid never reach it, in any mode."
    m = checkpoints.load_checkpoint(shapes.tiny("llava"))
    image = np.asarray(scenes.sample(3).image.resize((400, 100)))
    regions = grid(image, 1, 10)  # columns of 40 pixels: the crop shows 150 to 250
    for mode in MODES:
        s = ModelScorer(m, image, PROMPT, make_target(m, m.read("A dog.")), regions, mode=mode)
        assert s.unseen.tolist() == [0, 1, 2, 7, 8, 9]
        keep = torch.tensor([[True]*10, [False]*3 + [True]*4 + [False]*3])
        assert torch.allclose(*s(keep), atol=1e-6), "what the model does not see cannot matter"


# ---- the label map through the processor

@pytest.mark.parametrize("size,n", [((224, 224), 300), ((301, 203), 600), ((224, 224), 64)])
def test_labels_survive_the_processor(model, size, n):
    image = np.asarray(scenes.sample(3).image.resize(size))
    regions = grid(image, 20, 30) if n == 600 else slico(image, n)
    pixels = lambda a, **kw: model.encode(a, PROMPT, **kw)["pixel_values"]
    labels = carry_labels(pixels, regions.labels).numpy()
    map_ = Image.fromarray(regions.labels.astype(np.int32), mode="I")
    want = np.asarray(map_.resize((224, 224), Image.Resampling.NEAREST))
    assert labels.shape == (1, 3, 224, 224) and (labels == want).mean() > .99
    assert set(np.unique(labels)) <= set(range(len(regions)))
    assert (labels[0, 0] == labels[0, 1]).all()


def test_labels_are_minus_one_where_the_processor_pads():
    "A processor that puts a frame of zeros round the image."
    labels = np.arange(300).reshape(15, 20)
    def pixels(a, **kw):
        out = torch.zeros(1, 3, 25, 30)
        out[:, :, 5:20, 5:25] = torch.tensor(a).permute(2, 0, 1).float()
        return out
    carried = carry_labels(pixels, labels)[0, 1].numpy()
    assert (carried[5:20, 5:25] == labels).all()
    assert (np.delete(carried, np.s_[5:20], 0) == -1).all()
    assert (carried[:, :5] == -1).all() and (carried[:, 25:] == -1).all()


# ---- fills

def test_fills_by_hand():
    a = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)
    assert (fill_image(a, "black") == 0).all()
    mean = fill_image(a, "mean")
    assert np.abs(mean[3, 4] - a.reshape(-1, 3).mean(0)).max() <= .5
    assert len(np.unique(mean.reshape(-1, 3), axis=0)) == 1
    blur = fill_image(a, "blur")
    assert blur.std() < a.std()/3 and abs(blur.mean() - a.mean()) < 3
    noise = fill_image(a, "noise", 1)
    assert (noise == fill_image(a, "noise", 1)).all() and (noise != fill_image(a, "noise", 2)).mean() > .9
    other = a[::-1].copy()
    assert (fill_image(a, other) == other).all()
    for f in FILLS: assert fill_image(a, f).shape == a.shape and fill_image(a, f).dtype == np.uint8
    visible = np.zeros((30, 20), bool)
    visible[:5] = True
    mixed = mask_image(a, visible, other)
    assert (mixed[:5] == a[:5]).all() and (mixed[5:] == other[5:]).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (3, 2)])
def test_fills_of_tiny_images(size):
    a = np.full((*size, 3), 90, np.uint8)
    for f in ("mean", "blur"): assert (fill_image(a, f) == 90).all()


def test_an_unknown_fill_lists_the_options():
    with pytest.raises(ValueError, match="unknown fill 'blak'") as e: fill_image(np.zeros((2, 2, 3), np.uint8), "blak")
    assert all(f in str(e.value) for f in FILLS)


def test_a_fill_of_another_shape_is_refused():
    image, fill = np.zeros((4, 4, 3), np.uint8), np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(ValueError, match=r"\(4, 4, 3\), got \(2, 2, 3\).*resize"): fill_image(image, fill)


@pytest.mark.parametrize("mode", ["exact", "", None])
def test_an_unknown_mode_lists_the_options(model, scene, mode):
    with pytest.raises(ValueError, match="unknown mode .*: choose one of nearest, resampled, pixels"):
        scorer_for(model, scene.image, scene.caption, grid(scene.pixels, 2, 2), mode=mode)


def test_regions_of_another_image_are_refused(model, scene):
    with pytest.raises(ValueError, match=r"\(10, 10\).*\(224, 224\).*segment"):
        scorer_for(model, scene.image, scene.caption, grid((10, 10), 2, 2))


# ---- memory and counting

def weights(n): return torch.arange(1., n + 1).flip(0)


class Counting(Scorer):
    "p = weighted share of regions kept, for two tokens; out of memory above `room` rows."
    def __init__(self, n, room=10**9, **kw):
        super().__init__(n, **kw)
        self.room, self.batches, self.rows = room, [], []

    def compute(self, keep):
        self.batches.append(len(keep))
        if len(keep) > self.room: raise torch.OutOfMemoryError("simulated")
        self.rows += [tuple(r) for r in keep.tolist()]
        w = weights(self.n)
        return ((keep*w).sum(1)/w.sum())[:, None].repeat(1, 2)


@forty_examples
@given(st.integers(1, 9), st.lists(st.lists(st.integers(0, 511), max_size=12), max_size=5), st.integers(1, 5))
def test_a_keep_set_is_scored_once(n, calls, batch):
    s, distinct = Counting(n, batch_size=batch), set()
    for codes in calls:
        bits = [[bool(c >> r & 1) for r in range(n)] for c in codes]
        keep = torch.tensor(bits, dtype=torch.bool).reshape(len(codes), n)
        p = s(keep)
        distinct |= set(map(tuple, keep.tolist()))
        assert s.forwards == len(s.rows) == len(distinct) and set(s.rows) == distinct
        want = ((keep*weights(n)).sum(1)/weights(n).sum())[:, None].repeat(1, 2)
        if codes: assert torch.allclose(p, want)
        assert len(p) == len(codes)
    assert max(s.batches, default=0) <= batch


def test_no_keep_sets_give_no_rows(model, scene):
    none = torch.zeros(0, 4, dtype=torch.bool)
    assert FunctionScorer(share_visible, 4)(none).shape[0] == 0
    assert scorer_for(model, scene.image, scene.caption, grid(scene.pixels, 2, 2))(none).shape[0] == 0


@pytest.mark.parametrize("search", [exact, bidirectional])
@pytest.mark.parametrize("room", [1, 3, 7])
def test_a_search_that_runs_short_of_memory_finds_the_same_order(search, room):
    free = Counting(14, batch_size=16)
    want = search(free)
    short = Counting(14, batch_size=16)
    steps, batches = [], []
    def tighten(step):
        "From the third step on there is less memory."
        steps.append(step)
        if len(steps) == 3:
            short.room = room
            batches.append(len(short.batches))
    found = search(short, callback=tighten)
    assert found.order.tolist() == want.order.tolist() and found.forwards == want.forwards == short.forwards
    assert len(short.rows) == len(set(short.rows)) == short.forwards, "no keep-set is scored twice"
    assert short.batch_size <= room and max(short.batches) == 16
    first, second = short.batches[batches[0]:batches[0] + 2]
    assert first > room and second == first//2, "halved"
    for a, b in zip(trace(free, want.order), trace(short, found.order)): assert torch.equal(a, b)


def test_a_model_that_runs_short_of_memory_gives_the_same_order(model, scene, monkeypatch):
    regions = grid(scene.pixels, 3, 3)
    free = scorer_for(model, scene.image, scene.caption, regions, batch_size=8)
    want = exact(free)
    short = scorer_for(model, scene.image, scene.caption, regions, batch_size=8)
    calls, compute = [], ModelScorer.compute
    def limited(self, keep):
        calls.append(len(keep))
        if len(calls) > 3 and len(keep) > 4: raise torch.OutOfMemoryError("simulated")
        return compute(self, keep)
    monkeypatch.setattr(ModelScorer, "compute", limited)
    found = exact(short)
    assert found.order.tolist() == want.order.tolist() and found.forwards == want.forwards and short.batch_size == 4
    assert max(calls[4:]) <= 4 and max(calls[:4]) == 8
    for a, b in zip(trace(free, want.order), trace(short, found.order)): assert (a - b).abs().max() < 1e-5


MEMORY_ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")]


@pytest.mark.parametrize("error", MEMORY_ERRORS)
def test_every_error_of_short_memory_halves_the_batch(error):
    s, compute = Counting(6, batch_size=8), Counting.compute
    def short(keep):
        if len(keep) > 2: raise error
        return compute(s, keep)
    s.compute = short
    keep = random_keep(6, 16)
    assert torch.equal(s(keep), Counting(6)(keep)) and s.batch_size == 2


def test_an_interrupted_call_keeps_what_it_has_computed():
    "Called again, only the rest is computed."
    s, compute, calls = Counting(9, batch_size=4), Counting.compute, []
    def interrupting(keep):
        calls.append(len(keep))
        if len(calls) == 3: raise KeyboardInterrupt
        return compute(s, keep)
    s.compute = interrupting
    keep = ~torch.eye(9, dtype=torch.bool)
    with pytest.raises(KeyboardInterrupt): s(keep)
    assert s.forwards == 8
    assert torch.equal(s(keep), Counting(9)(keep)) and calls == [4, 4, 1, 1] and s.forwards == 9


def test_results_leave_the_device_once_per_call(model, scene, monkeypatch):
    s = scorer_for(model, scene.image, scene.caption, grid(scene.pixels, 3, 3), batch_size=4)
    moved, cpu = [], torch.Tensor.cpu
    def watch(self, *args, **kwargs):
        if self.ndim == 2 and self.dtype == torch.float32: moved.append(len(self))
        return cpu(self, *args, **kwargs)
    monkeypatch.setattr(torch.Tensor, "cpu", watch)
    s(random_keep(9, 15, 3))
    assert moved == [s.forwards] and s.forwards > 8


class FakeGPU:
    "A device on which a variant takes 100 MB and all else 50."
    def __init__(self, monkeypatch):
        self.peak = 0
        monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device=None: 0)
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device=None: 0)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device=None: (16*10**9, 80*10**9))
        monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device=None: self.run(None))
        monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device=None: self.peak)

    def run(self, n): self.peak = 0 if n is None else max(self.peak, int(1e8*n + 5e7))


def test_a_batch_that_fits_is_found(monkeypatch):
    gpu, memory, size = FakeGPU(monkeypatch), BatchMemory(torch.device("cuda")), 8
    for _ in range(4):
        memory.start()
        gpu.run(size)
        size = memory.fitting(size, size)
    assert 14 <= size <= 16 and gpu.peak <= 2e9
    gpu.peak = 1000
    assert memory.fitting(8, 8) == memory.most, "no more variants than are useful"
    gpu.peak = int(9e9)
    assert memory.fitting(2, 2) == 1
    assert BatchMemory(torch.device("cpu")).fitting(3, 7) == 7, "on a CPU the size stays"


def test_a_batch_takes_the_memory_that_is_allowed(monkeypatch):
    gpu = FakeGPU(monkeypatch)
    def settled(memory):
        sizer, size = BatchMemory(torch.device("cuda"), memory), 8
        for _ in range(5):
            sizer.start()
            gpu.run(size)
            size = sizer.fitting(size, size)
        return size
    assert [settled(m) for m in ("1 GB", 4e9, .5, None)] == [9, 39, 79, 15], "100 MB each; 16 GB are free"


def test_a_size_that_did_not_fit_is_not_tried_again(model, scene, monkeypatch):
    "Even where the peak of the smaller batches says that it would fit."
    gpu = FakeGPU(monkeypatch)
    s, want = (scorer_for(model, scene.image, scene.caption, grid(scene.pixels, 4, 4)) for _ in range(2))
    s.batch_size, s._sizer, sizes, forward = 8, BatchMemory(torch.device("cuda")), [], s.forward
    def short(x, n, *args):
        sizes.append(n)
        if n > 11: raise torch.OutOfMemoryError("CUDA out of memory")
        gpu.run(n)
        return forward(x, n, *args)
    monkeypatch.setattr(s, "forward", short)
    keep = random_keep(16, 60)
    assert (s(keep) - want(keep)).abs().max() < 1e-5 and s.forwards == want.forwards
    assert sum(n > 11 for n in sizes) == 1 and s.batch_size == max(sizes)//2


def test_the_peak_of_a_search_is_that_of_its_largest_batch(monkeypatch):
    gpu, memory = FakeGPU(monkeypatch), BatchMemory(torch.device("cuda"))
    gpu.run(90)
    with PeakMemory("cuda") as outer:
        for n in (2, 10, 3):
            memory.start()
            gpu.run(n)
            with PeakMemory("cuda") as inner: gpu.run(1)
            assert inner.bytes == 1.5e8, "an inner block has its own peak"
    assert outer.bytes == 1.05e9
    with PeakMemory("cuda") as later: gpu.run(4)
    assert later.bytes == 4.5e8 and outer.bytes == 1.05e9


def test_a_single_variant_that_does_not_fit_is_an_error():
    with pytest.raises(torch.OutOfMemoryError): Counting(3, room=0)(torch.ones(4, 3, dtype=torch.bool))


def test_other_runtime_errors_are_raised():
    def fn(keep): raise RuntimeError("shape mismatch")
    with pytest.raises(RuntimeError, match="shape mismatch"): FunctionScorer(fn, 3)(torch.ones(4, 3, dtype=torch.bool))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_probabilities_that_are_not_numbers_are_neither_counted_nor_remembered(bad):
    s = FunctionScorer(lambda keep: torch.where(keep.all(1), torch.tensor(bad), torch.tensor(.5)), 3)
    everything = torch.ones(1, 3, dtype=torch.bool)
    assert s(~everything).item() == .5
    with pytest.raises(ValueError, match="not numbers|must lie in"): s(everything)
    assert s.forwards == 1
    with pytest.raises(ValueError): s(everything)


@pytest.mark.parametrize("fn,message", [(lambda keep: 2*share_visible(keep), r"\[0, 1\].*to 2"),
                                        (lambda keep: -share_visible(keep), r"\[0, 1\], got -1"),
                                        (lambda keep: torch.zeros(1, 1), "one row per keep-set"),
                                        (lambda keep: torch.zeros(len(keep), 1, 1), "one row per keep-set"),
                                        (lambda keep: torch.zeros(len(keep), 0), r"T at least 1, got shape \(2, 0\)"),
                                        (lambda keep: None, "got None: does it end in a return")])
def test_functions_that_give_no_probabilities_are_refused(fn, message):
    keep = torch.tensor([[True, True, True], [False, False, True]])
    with pytest.raises(ValueError, match=message): FunctionScorer(fn, 3)(keep)


def test_a_function_returns_as_many_tokens_for_every_set():
    s = FunctionScorer(lambda keep: torch.ones(len(keep), 1 + int(keep[0].all())), 2, batch_size=1)
    with pytest.raises(ValueError, match="same number of tokens for every set, got 2 after 1"):
        s(torch.tensor([[False, True], [True, True]]))


@pytest.mark.parametrize("keep", [torch.ones(2, 3), torch.ones(3, dtype=torch.bool),
                                  torch.ones(2, 4, dtype=torch.bool), np.ones((2, 3), int)])
def test_keep_sets_of_another_type_or_shape_are_refused(keep):
    with pytest.raises(ValueError, match=r"keep must be bool of shape \(B, 3\), got"):
        FunctionScorer(share_visible, 3)(keep)


def test_numpy_keep_sets_are_taken():
    s = FunctionScorer(share_visible, 4)
    assert s(np.array([[True, False, False, False]])).tolist() == [[.25]]


@pytest.mark.parametrize("kw,message", [(dict(n=0), "at least 1 region, got 0"),
                                        (dict(n=2, batch_size=0), "batch_size must be at least 1, got 0"),
                                        (dict(n=2, batch_size=1.5), "got 1.5: give a whole number"),
                                        (dict(n=2, batch_size="4"), "got '4': give a whole number")])
def test_scorers_of_no_regions_or_empty_batches_are_refused(kw, message):
    with pytest.raises(ValueError, match=message): FunctionScorer(lambda keep: keep, **kw)


def test_a_batch_size_of_zero_is_not_taken_for_none(model, scene):
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        scorer_for(model, scene.image, scene.caption, grid(scene.pixels, 2, 2), batch_size=0)


def test_an_answer_that_is_too_long_is_refused(model, scene):
    with pytest.raises(ValueError, match=r"have \d+ tokens, the model takes 512: shorten"):
        scorer_for(model, scene.image, scene.caption*40, grid(scene.pixels, 2, 2))


def test_the_image_is_not_written_to(model, scene):
    before = scene.pixels.copy()
    for mode in ("nearest", "pixels"):
        scorer_for(model, scene.pixels, scene.caption, grid(scene.pixels, 2, 2), mode=mode)(random_keep(4))
    assert (before == scene.pixels).all()


def test_results_do_not_share_memory_with_what_is_remembered():
    s = FunctionScorer(share_visible, 2)
    keep = torch.tensor([[True, False]])
    s(keep)[:] = 9
    assert s(keep).item() == .5
