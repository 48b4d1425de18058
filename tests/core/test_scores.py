"Scorers: the two modes, fills, memory, counting; against the plain model and against hand cases."
import numpy as np
import pytest
import torch
from conftest import PROMPT, official, same_rank
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image

from eagle_nb import scenes
from eagle_nb.core.regions import Regions, grid, slico
from eagle_nb.core.images import FILLS, fill_image, mask_image
from eagle_nb.core.layout import carry_labels
from eagle_nb.core.scores import MODES, FunctionScorer, ModelScorer, Scorer, insight, necessity, objective
from eagle_nb.core.curves import trace
from eagle_nb.search.search import bidirectional, exact
from eagle_nb.core.targets import make_target

few = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def keeps(n, b=16, seed=0):
    "Keep-sets of all sizes; the first hides all, the second nothing."
    rng = np.random.default_rng(seed)
    keep = rng.random((b, n)) < rng.random((b, 1))
    keep[0], keep[1] = False, True
    return torch.tensor(keep)


def scorer_for(model, image, text, regions, target=None, foil=None, **kw):
    pixels = np.asarray(image)
    return ModelScorer(model, pixels, PROMPT, make_target(model, model.read(text), target, foil), regions, **kw)


# ---- the formulas

def test_objective_by_hand():
    p, rest = torch.tensor([[.5, 1.], [0., 0.]]), torch.tensor([[.25, .25], [1., 1.]])
    assert insight(p).tolist() == [.75, 0.] and necessity(rest).tolist() == [.75, 0.]
    assert objective(p, rest).tolist() == [1.5, 0.]
    assert objective(p, rest, (2, 1)).tolist() == [2.25, 0.] and objective(p, rest, (0, 1)).tolist() == [.75, 0.]


# ---- against the plain model

@pytest.mark.parametrize("mode", ["nearest", "resampled", "pixels"])
@pytest.mark.parametrize("kind", [{}, dict(target="in"), dict(target=[0, 2]), dict(target="in", foil="banana")])
def test_the_plain_model_gives_the_same(model, scene, mode, kind):
    regions = grid(scene.pixels, 3, 4)
    s = scorer_for(model, scene.image, scene.caption, regions, mode=mode, **kind)
    keep = keeps(12, 6)
    want = official(model, scene.image, PROMPT, s.target.forced, regions.labels, keep.numpy())
    assert np.abs(s(keep).numpy() - want[:, list(s.target.positions)]).max() < 1e-5
    assert np.abs(s.all_tokens(keep).numpy() - want[:, :max(s.target.positions) + 1]).max() < 1e-5, "and of the tokens before the target"
    assert s(keep).dtype == torch.float32 and s(keep).shape == (6, len(s.target))


@pytest.mark.parametrize("fill", [*FILLS, "given"])
def test_fast_is_official_at_the_model_s_own_size(model, scene, fill):
    if fill == "given": fill = scenes.sample(99).pixels
    regions, keep = slico(scene.pixels, 30), keeps(30, 24)
    regions = Regions(regions.labels)
    keep = keeps(len(regions), 24)
    fast, slow = (scorer_for(model, scene.image, scene.caption, regions, fill=fill, mode=m)(keep) for m in ("nearest", "pixels"))
    assert (fast - slow).abs().max() < 1e-5
    own = fill if isinstance(fill, np.ndarray) else fill_image(scene.pixels, fill)
    want = official(model, scene.image, PROMPT, model.read(scene.caption).ids, regions.labels, keep.numpy()[:5], own)
    assert np.abs(fast[:5].numpy() - want).max() < 1e-5


@pytest.mark.parametrize("size", [(300, 200), (97, 151), (640, 480), (50, 60)])
@pytest.mark.parametrize("fill", FILLS)
def test_fast_is_near_official_where_the_processor_resizes(model, size, fill):
    "Measured on four sizes and four fills: mean difference at most .003, rank correlation at least .989."
    s = scenes.sample(8 + size[0])
    image = s.image.resize(size)
    regions = slico(np.asarray(image), 24)
    keep = keeps(len(regions), 24)
    fast, slow = (scorer_for(model, image, s.caption, regions, fill=fill, mode=m)(keep) for m in ("nearest", "pixels"))
    assert (fast - slow).abs().mean() < .01
    assert same_rank(fast.mean(1).numpy(), slow.mean(1).numpy()) > .95
    assert torch.allclose(fast[1], slow[1], atol=1e-5), "with all regions visible there is no boundary, so no difference"
    if fill in ("black", "mean"): assert torch.allclose(fast[0], slow[0], atol=1e-4), "nor with none, where the fill has one colour"


@pytest.mark.parametrize("mode", ["nearest", "resampled", "pixels"])
def test_batched_is_one_by_one(model, scene, mode):
    regions, keep = slico(scene.pixels, 20), None
    keep = keeps(len(regions), 17)
    one = scorer_for(model, scene.image, scene.caption, regions, mode=mode, batch_size=1)
    for size in (2, 7, 64):
        many = scorer_for(model, scene.image, scene.caption, regions, mode=mode, batch_size=size)
        assert (many(keep) - one(keep)).abs().max() <= 1e-5


def test_the_scorer_looks_at_the_image(model):
    for s in map(scenes.sample, (60, 61, 62)):
        regions = grid(s.pixels, 4, 4)
        p = scorer_for(model, s.image, s.caption, regions)(keeps(16, 24)).mean(1)
        assert p.std() > .01 and p[1] - p[0] > .05, "mean probability with all regions, against none"


def test_another_image_gives_other_probabilities(model, scene):
    regions = grid(scene.pixels, 3, 4)
    whole = torch.ones(1, 12, dtype=torch.bool)
    a, b = (scorer_for(model, i, scene.caption, regions)(whole) for i in (scene.image, scenes.sample(77).image))
    assert (a - b).abs().max() > .01


def test_a_region_that_is_hidden_does_not_matter(model, scene):
    "What lies under the fill cannot change a probability."
    regions, keep = grid(scene.pixels, 2, 2), torch.tensor([[False, True, True, True]])
    other = scene.pixels.copy()
    other[:112, :112] = np.random.default_rng(0).integers(0, 256, (112, 112, 3))
    for mode in ("nearest", "resampled", "pixels"):
        a, b = (scorer_for(model, i, scene.caption, regions, mode=mode)(keep) for i in (scene.pixels, other))
        assert torch.equal(a, b)


def test_a_target_is_a_column_of_the_sentence(model, scene):
    regions, keep = grid(scene.pixels, 3, 3), keeps(9)
    all_ = scorer_for(model, scene.image, scene.caption, regions)(keep)
    word = scorer_for(model, scene.image, scene.caption, regions, target=scene.names[0])
    assert torch.allclose(word(keep), all_[:, list(word.target.positions)], atol=1e-6)


def test_probabilities_of_two_foils_and_the_word(model, scene):
    "Foils of one token at one place share a distribution: together they cannot exceed 1."
    regions, keep, ids = grid(scene.pixels, 2, 2), keeps(4), range(10, 40)
    p = sum(scorer_for(model, scene.image, scene.caption, regions, target=1, foil=[i])(keep)[:, 0] for i in ids if i != model.read(scene.caption).ids[1])
    assert (p <= 1 + 1e-5).all() and (p > 0).all()


@pytest.mark.parametrize("family", ["scenes-llava", "llava", "llava_next", "qwen2_5_vl", "internvl", "gemma3"])
def test_soft_is_nearer_than_fast(family):
    "Pixels first, and what the model makes of them: mean differences to official, on a picture that every processor resizes."
    from eagle_nb.core import checkpoints
    from eagle_nb.world import shapes
    m = checkpoints.load_checkpoint(family if family in checkpoints.EMBEDDED else shapes.tiny(family))
    image = np.asarray(scenes.sample(12).image.resize((300, 200)))
    said = m.answer(image, PROMPT, max_new_tokens=5)
    target, regions = make_target(m, said if len(said) else m.read("A dog in a park.")), slico(image, 24)
    s = {k: ModelScorer(m, image, PROMPT, target, regions, mode=k) for k in MODES}
    keep = keeps(len(regions), 16)
    pixels, p = ({k: f(v).float() for k, v in s.items()} for f in (lambda v: v.variants(keep), lambda v: v(keep)))
    gap = {k: (float((pixels[k] - pixels["pixels"]).abs().mean()), float((p[k] - p["pixels"]).abs().mean())) for k in ("nearest", "resampled")}
    assert gap["resampled"][0] < .5*gap["nearest"][0] and gap["resampled"][1] < gap["nearest"][1], gap
    assert (pixels["resampled"] - pixels["pixels"]).abs().max() < (pixels["nearest"] - pixels["pixels"]).abs().max()
    for k in ("nearest", "resampled"): assert torch.allclose(pixels[k].unflatten(0, (16, -1))[1].flatten(), s[k].forward.whole.flatten(), atol=1e-5), "all visible is the picture"


def test_regions_outside_the_crop_are_found():
    "A LLaVA that crops the middle square of a wide picture: the outer columns of a grid never reach it, in any mode."
    from eagle_nb.core import checkpoints
    from eagle_nb.world import shapes
    m = checkpoints.load_checkpoint(shapes.tiny("llava"))
    image = np.asarray(scenes.sample(3).image.resize((400, 100)))
    parts = grid(image, 1, 10)  # columns of 40: the crop shows 150 to 250
    for mode in MODES:
        s = ModelScorer(m, image, PROMPT, make_target(m, m.read("A dog.")), parts, mode=mode)
        assert s.unseen.tolist() == [0, 1, 2, 7, 8, 9]
        keep = torch.tensor([[True]*10, [False]*3 + [True]*4 + [False]*3])
        assert torch.allclose(*s(keep), atol=1e-6), "what is not seen cannot matter"


# ---- the label map through the processor

@pytest.mark.parametrize("size,n", [((224, 224), 300), ((301, 203), 600), ((224, 224), 64)])
def test_labels_travel_unharmed(model, size, n):
    image = np.asarray(scenes.sample(3).image.resize(size))
    regions = grid(image, 20, 30) if n == 600 else slico(image, n)
    pixels = lambda a, **kw: model.encode(a, PROMPT, **kw)["pixel_values"]
    labels = carry_labels(pixels, regions.labels).numpy()
    want = np.asarray(Image.fromarray(regions.labels.astype(np.int32), mode="I").resize((224, 224), Image.Resampling.NEAREST))
    assert labels.shape == (1, 3, 224, 224) and (labels == want).mean() > .99 and set(np.unique(labels)) <= set(range(len(regions)))
    assert (labels[0, 0] == labels[0, 1]).all()


def test_labels_say_where_the_processor_pads():
    "A processor that puts a frame of zeros round the picture."
    labels = np.arange(300).reshape(15, 20)
    def pixels(a, **kw):
        out = torch.zeros(1, 3, 25, 30)
        out[:, :, 5:20, 5:25] = torch.tensor(a).permute(2, 0, 1).float()
        return out
    got = carry_labels(pixels, labels)[0, 1].numpy()
    assert (got[5:20, 5:25] == labels).all() and (np.delete(got, np.s_[5:20], 0) == -1).all() and (got[:, :5] == -1).all() and (got[:, 25:] == -1).all()


# ---- fills

def test_fills_by_hand():
    a = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)
    assert (fill_image(a, "black") == 0).all()
    assert np.abs(fill_image(a, "mean")[3, 4] - a.reshape(-1, 3).mean(0)).max() <= .5 and len(np.unique(fill_image(a, "mean").reshape(-1, 3), axis=0)) == 1
    blur = fill_image(a, "blur")
    assert blur.std() < a.std()/3 and abs(blur.mean() - a.mean()) < 3
    noise = fill_image(a, "noise", 1)
    assert (noise == fill_image(a, "noise", 1)).all() and (noise != fill_image(a, "noise", 2)).mean() > .9
    other = a[::-1].copy()
    assert (fill_image(a, other) == other).all()
    for f in FILLS: assert fill_image(a, f).shape == a.shape and fill_image(a, f).dtype == np.uint8
    visible = np.zeros((30, 20), bool); visible[:5] = True
    mixed = mask_image(a, visible, other)
    assert (mixed[:5] == a[:5]).all() and (mixed[5:] == other[5:]).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (3, 2)])
def test_fills_of_tiny_pictures(size):
    a = np.full((*size, 3), 90, np.uint8)
    for f in ("mean", "blur"): assert (fill_image(a, f) == 90).all()


def test_unknown_fill_lists_the_options():
    with pytest.raises(ValueError, match="unknown fill 'blak'") as e: fill_image(np.zeros((2, 2, 3), np.uint8), "blak")
    assert all(f in str(e.value) for f in FILLS)


def test_a_fill_of_another_shape(): 
    with pytest.raises(ValueError, match=r"\(4, 4, 3\), got \(2, 2, 3\).*resize"): fill_image(np.zeros((4, 4, 3), np.uint8), np.zeros((2, 2, 3), np.uint8))


@pytest.mark.parametrize("mode", ["exact", "", None])
def test_unknown_mode(model, scene, mode):
    with pytest.raises(ValueError, match="unknown mode .*: choose one of nearest, resampled, pixels"): scorer_for(model, scene.image, scene.caption, grid(scene.pixels, 2, 2), mode=mode)


def test_regions_of_another_picture(model, scene):
    with pytest.raises(ValueError, match=r"\(10, 10\).*\(224, 224\).*segment"): scorer_for(model, scene.image, scene.caption, grid((10, 10), 2, 2))


# ---- memory and counting

class Counting(Scorer):
    "p = share of regions kept; short of memory above `room` rows."
    def __init__(self, n, room=10**9, **kw):
        super().__init__(n, **kw)
        self.room, self.batches, self.rows = room, [], []
    def compute(self, keep):
        self.batches.append(len(keep))
        if len(keep) > self.room: raise torch.OutOfMemoryError("pretended")
        self.rows += [tuple(r) for r in keep.tolist()]
        w = torch.arange(1., self.n + 1).flip(0)
        return ((keep*w).sum(1)/w.sum())[:, None].repeat(1, 2)


@few
@given(st.integers(1, 9), st.lists(st.lists(st.integers(0, 511), max_size=12), max_size=5), st.integers(1, 5))
def test_a_keep_set_is_scored_once(n, calls, batch):
    s, seen = Counting(n, batch_size=batch), set()
    for codes in calls:
        keep = torch.tensor([[bool(c >> r & 1) for r in range(n)] for c in codes], dtype=torch.bool).reshape(len(codes), n)
        p = s(keep)
        seen |= set(map(tuple, keep.tolist()))
        assert s.forwards == len(s.rows) == len(seen) and set(s.rows) == seen
        want = torch.arange(1., n + 1).flip(0)
        if codes: assert torch.allclose(p, ((keep*want).sum(1)/want.sum())[:, None].repeat(1, 2))
        assert len(p) == len(codes)
    assert max(s.batches, default=0) <= batch


def test_no_keep_sets_at_all(model, scene):
    none = torch.zeros(0, 4, dtype=torch.bool)
    assert FunctionScorer(lambda k: k.float().mean(1), 4)(none).shape[0] == 0
    assert scorer_for(model, scene.image, scene.caption, grid(scene.pixels, 2, 2))(none).shape[0] == 0


@pytest.mark.parametrize("search", [exact, bidirectional])
@pytest.mark.parametrize("room", [1, 3, 7])
def test_short_of_memory_in_the_middle_of_a_search(search, room):
    free = Counting(14, batch_size=16)
    want = search(free)
    short = Counting(14, batch_size=16)
    seen, at = [], []
    def tighten(step):
        seen.append(step)
        if len(seen) == 3: short.room = room; at.append(len(short.batches))
    found = search(short, callback=tighten)
    assert found.order.tolist() == want.order.tolist() and found.forwards == want.forwards == short.forwards
    assert len(short.rows) == len(set(short.rows)) == short.forwards, "no keep-set is scored twice"
    assert short.batch_size <= room and max(short.batches) == 16
    assert short.batches[at[0]] > room and short.batches[at[0] + 1] == short.batches[at[0]]//2, "halved"
    for a, b in zip(trace(free, want.order), trace(short, found.order)): assert torch.equal(a, b)


def test_short_of_memory_on_the_model(model, scene, monkeypatch):
    regions, want = grid(scene.pixels, 3, 3), None
    free = scorer_for(model, scene.image, scene.caption, regions, batch_size=8)
    want = exact(free)
    short, calls, compute = scorer_for(model, scene.image, scene.caption, regions, batch_size=8), [], ModelScorer.compute
    def limited(self, keep):
        calls.append(len(keep))
        if len(calls) > 3 and len(keep) > 4: raise torch.OutOfMemoryError("pretended")
        return compute(self, keep)
    monkeypatch.setattr(ModelScorer, "compute", limited)
    found = exact(short)
    assert found.order.tolist() == want.order.tolist() and found.forwards == want.forwards and short.batch_size == 4
    assert max(calls[4:]) <= 4 and max(calls[:4]) == 8
    for a, b in zip(trace(free, want.order), trace(short, found.order)): assert (a - b).abs().max() < 1e-5


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
                                   RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")])
def test_every_way_of_being_short_of_memory(error):
    s, compute = Counting(6, batch_size=8), Counting.compute
    def short(keep):
        if len(keep) > 2: raise error
        return compute(s, keep)
    s.compute = short
    keep = keeps(6, 16)
    assert torch.equal(s(keep), Counting(6)(keep)) and s.batch_size == 2


def test_interrupted_in_the_middle_of_a_call():
    "What is computed stays known: asked again, only the rest is."
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


def test_the_results_leave_the_device_once_a_call(model, scene, monkeypatch):
    s, moved, plain = scorer_for(model, scene.image, scene.caption, grid(scene.pixels, 3, 3), batch_size=4), [], torch.Tensor.cpu
    def watch(self, *a, **k):
        if self.ndim == 2 and self.dtype == torch.float32: moved.append(len(self))
        return plain(self, *a, **k)
    monkeypatch.setattr(torch.Tensor, "cpu", watch)
    s(keeps(9, 15, 3))
    assert moved == [s.forwards] and s.forwards > 8


class FakeGPU:
    "A device on which a variant takes 100 MB and all else 50."
    def __init__(self, monkeypatch):
        self.peak = 0
        for name, fn in dict(memory_allocated=lambda d=None: 0, reset_peak_memory_stats=lambda d=None: self.run(None), max_memory_allocated=lambda d=None: self.peak).items(): monkeypatch.setattr(torch.cuda, name, fn)
    def run(self, n): self.peak = 0 if n is None else max(self.peak, int(1e8*n + 5e7))


def test_a_batch_that_fits_is_found(monkeypatch):
    from eagle_nb.core.scores import _Memory
    gpu, memory, size = FakeGPU(monkeypatch), _Memory(torch.device("cuda")), 8
    for _ in range(4):
        memory.start(); gpu.run(size)
        size = memory.fitting(size, size)
    assert 14 <= size <= 16 and gpu.peak <= 2e9
    gpu.peak = 1000
    assert memory.fitting(8, 8) == memory.most, "no more variants than are of use"
    gpu.peak = int(9e9)
    assert memory.fitting(2, 2) == 1
    assert _Memory(torch.device("cpu")).fitting(3, 7) == 7, "on a CPU the size stays"


def test_the_peak_of_a_search_is_that_of_its_largest_batch(monkeypatch):
    from eagle_nb.core.costs import PeakMemory
    from eagle_nb.core.scores import _Memory
    gpu, memory = FakeGPU(monkeypatch), _Memory(torch.device("cuda"))
    gpu.run(90)
    with PeakMemory("cuda") as outer:
        for n in (2, 10, 3):
            memory.start(); gpu.run(n)
            with PeakMemory("cuda") as inner: gpu.run(1)
            assert inner.bytes == 1.5e8, "and a block has its own"
    assert outer.bytes == 1.05e9
    with PeakMemory("cuda") as later: gpu.run(4)
    assert later.bytes == 4.5e8 and outer.bytes == 1.05e9


def test_no_room_for_a_single_one():
    with pytest.raises(torch.OutOfMemoryError): Counting(3, room=0)(torch.ones(4, 3, dtype=torch.bool))


def test_other_runtime_errors_come_through():
    def fn(keep): raise RuntimeError("shape mismatch")
    with pytest.raises(RuntimeError, match="shape mismatch"): FunctionScorer(fn, 3)(torch.ones(4, 3, dtype=torch.bool))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_probabilities_that_are_not_numbers(bad):
    s = FunctionScorer(lambda k: torch.where(k.all(1), torch.tensor(bad), torch.tensor(.5)), 3)
    assert s(torch.zeros(1, 3, dtype=torch.bool)).item() == .5
    with pytest.raises(ValueError, match="not numbers|must lie in"): s(torch.ones(1, 3, dtype=torch.bool))
    assert s.forwards == 1, "what failed is not counted"
    with pytest.raises(ValueError): s(torch.ones(1, 3, dtype=torch.bool))  # and not remembered


@pytest.mark.parametrize("fn,says", [(lambda k: k.float().mean(1)*2, r"\[0, 1\].*to 2"), (lambda k: -k.float().mean(1), r"\[0, 1\], got -1"),
                                     (lambda k: torch.zeros(1, 1), "one row a keep-set"), (lambda k: torch.zeros(len(k), 1, 1), "one row a keep-set")])
def test_functions_that_give_no_probabilities(fn, says):
    with pytest.raises(ValueError, match=says): FunctionScorer(fn, 3)(torch.tensor([[True, True, True], [False, False, True]]))


@pytest.mark.parametrize("keep", [torch.ones(2, 3), torch.ones(3, dtype=torch.bool), torch.ones(2, 4, dtype=torch.bool), np.ones((2, 3), int)])
def test_keep_sets_of_the_wrong_kind(keep):
    with pytest.raises(ValueError, match=r"keep must be bool of shape \(B, 3\), got"): FunctionScorer(lambda k: k.float().mean(1), 3)(keep)


def test_numpy_goes_in():
    s = FunctionScorer(lambda k: k.float().mean(1), 4)
    assert s(np.array([[True, False, False, False]])).tolist() == [[.25]]


@pytest.mark.parametrize("kw,says", [(dict(n=0), "at least 1 region, got 0"), (dict(n=2, batch_size=0), "batch_size must be at least 1, got 0")])
def test_scorers_that_cannot_be(kw, says):
    with pytest.raises(ValueError, match=says): FunctionScorer(lambda k: k, **kw)


def test_a_batch_size_of_zero_is_not_taken_for_none(model, scene):
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"): scorer_for(model, scene.image, scene.caption, grid(scene.pixels, 2, 2), batch_size=0)


def test_the_answer_must_fit(model, scene):
    with pytest.raises(ValueError, match=r"have \d+ tokens, the model takes 512: shorten"):
        scorer_for(model, scene.image, scene.caption*40, grid(scene.pixels, 2, 2))


def test_the_image_is_not_written_to(model, scene):
    before = scene.pixels.copy()
    for mode in ("nearest", "pixels"): scorer_for(model, scene.pixels, scene.caption, grid(scene.pixels, 2, 2), mode=mode)(keeps(4))
    assert (before == scene.pixels).all()


def test_results_do_not_share_memory_with_what_is_remembered():
    s = FunctionScorer(lambda k: k.float().mean(1), 2)
    keep = torch.tensor([[True, False]])
    s(keep)[:] = 9
    assert s(keep).item() == .5
