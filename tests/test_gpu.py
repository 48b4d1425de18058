"The same answers on a GPU as on the CPU, and what only a GPU can show: batches that fit, memory that is measured, a whole search. Skipped without CUDA."
import json
import warnings

import numpy as np
import pytest
import torch
from conftest import PROMPT

import eagle_nb
from eagle_nb import datasets
from eagle_nb.apps import benchmark
from eagle_nb.core.costs import PeakMemory, machine, measured, read_memory
from eagle_nb.evaluation.runner import evaluate
from eagle_nb.explanation.hallucination import correct
from eagle_nb.evaluation.methods import METHODS, attribute
from eagle_nb.core.checkpoints import EMBEDDED
from eagle_nb.core.regions import grid, slico
from eagle_nb.core.scores import MODES, ModelScorer
from eagle_nb.core.curves import auc, trace
from eagle_nb.search.search import search
from eagle_nb.core.selftest import self_test
from eagle_nb.core.targets import make_target

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

@pytest.fixture(scope="module", params=EMBEDDED)
def pair(request):
    "The same model on the CPU and on the GPU, in float32."
    return tuple(eagle_nb.load(request.param, dtype="float32", device=d) for d in ("cpu", "cuda"))


def keeps(n, count, seed=0): return torch.rand(count, n, generator=torch.Generator().manual_seed(seed)) < .5


def scorers(models, scene, parts, **kw):
    "A scorer on each device, for the caption that the CPU's model gives."
    target = make_target(models[0], models[0].answer(scene.image))
    return [ModelScorer(m, scene.pixels, PROMPT, target, parts, **kw) for m in models]


@pytest.mark.parametrize("mode", MODES)
def test_probabilities_are_the_cpus(pair, scene, mode):
    parts = slico(scene.pixels, 25)
    cpu, gpu = (s(keeps(len(parts), 40)) for s in scorers(pair, scene, parts, mode=mode))
    assert gpu.device.type == "cpu" and gpu.dtype == torch.float32
    assert float((cpu - gpu).abs().max()) < 1e-4


def test_answers_and_orders_are_the_cpus(pair, scene):
    assert pair[0].answer(scene.image).text == pair[1].answer(scene.image).text
    parts = slico(scene.pixels, 25)
    a, b = (search(s, "exact") for s in scorers(pair, scene, parts))
    assert (a.order == b.order).all()
    a, b = (search(s, "fast") for s in scorers(pair, scene, parts))  # it decides on estimates, so rounding may swap regions that are nearly equal
    judge = scorers(pair, scene, parts)[0]
    def result(order):
        curves = [auc(np.r_[0, parts.area[order].cumsum()], p.mean(1)) for p in trace(judge, order)]
        return curves[0] - curves[1]
    assert a.forwards == b.forwards and abs(result(a.order) - result(b.order)) < .03


def test_the_self_test_finds_no_fault(pair):
    report = self_test(pair[1])
    assert not report.problems and not report.unsafe_shortcuts


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_near(pair, scene, dtype):
    half = eagle_nb.load(pair[0].name, dtype=dtype, device="cuda")
    parts = slico(scene.pixels, 25)
    a, b = (s(keeps(len(parts), 60)) for s in scorers((pair[0], half), scene, parts))
    assert float((a - b).abs().mean()) < .01


def test_on_a_gpu_bfloat16_is_the_default(): assert eagle_nb.load(EMBEDDED[0], device="cuda").dtype == torch.bfloat16


def test_the_batch_grows_to_what_fits_and_stays_there(pair, scene):
    s = scorers(pair, scene, grid(scene.pixels, 8, 8))[1]
    first = s.batch_size
    with PeakMemory("cuda") as memory: s(keeps(64, 1500))
    assert s.batch_size > first and memory.bytes > 0, (s.batch_size, memory.bytes)


@pytest.mark.parametrize("amount", ["200 MB", "1.6 GB"])
def test_a_batch_takes_the_memory_that_is_allowed(pair, scene, amount, monkeypatch):
    monkeypatch.setattr(pair[1], "memory", read_memory(amount))
    s = scorers(pair, scene, grid(scene.pixels, 8, 8))[1]
    with PeakMemory("cuda") as memory: s(keeps(64, 1500))
    assert 0 < memory.bytes < 1.25*read_memory(amount), (s.batch_size, memory.bytes)


def test_the_peak_is_a_number_on_the_device_in_question(pair, scene):
    "Also where the scorer starts peaks of its own inside the block, and for a whole search."
    s = scorers(pair, scene, grid(scene.pixels, 4, 4))[1]
    with PeakMemory(s.model.device) as memory, PeakMemory("cuda") as same:
        search(s, "exact")
        x = torch.zeros(2**26, device=s.model.device)
        del x
        s(keeps(16, 30, seed=5))
    assert 2**28 <= memory.bytes == same.bytes


def test_nothing_of_ours_waits_for_the_gpu_but_the_one_copy_of_the_results(pair, scene):
    s = scorers(pair, scene, slico(scene.pixels, 25), batch_size=16)[1]
    s(keeps(s.n, 20))
    keep = keeps(s.n, 80, seed=1)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try: s(keep)
        finally: torch.cuda.set_sync_debug_mode("default")
    waits = [f"{w.filename}:{w.lineno}" for w in seen if "synchroniz" in str(w.message)]
    ours = [w for w in waits if "eagle_nb" in w]
    assert len(ours) <= 1, ours
    print(f"{pair[1].name}: {len(waits)} waits in 5 batches, {len(ours)} of them ours")


def test_attention_is_fused(pair): assert set(pair[1].attention.values()) == {"sdpa"}


def test_what_is_measured_on_this_card_is_complete(tmp_path):
    out = tmp_path/"gpu.json"
    benchmark.main(["gpu", "--shapes", "llava", "--regions", "16", "--budgets", "60", "--sets", "64", "--out", str(out)])
    row, = json.loads(out.read_text())["rows"]
    assert row["machine"] == torch.cuda.get_device_name() and row["peaks"]["product"] > 1e12
    assert all(r["peak"] > 0 for r in row["rates"]) and all(s["memory"] > 0 for s in row["searches"] if "memory" in s)


def test_a_batch_that_does_not_fit_is_halved(pair, scene):
    parts = grid(scene.pixels, 8, 8)
    keep = keeps(64, 1024)
    plain, large = scorers(pair, scene, parts)[1], scorers(pair, scene, parts, batch_size=1024)[1]
    want = plain(keep)
    torch.cuda.empty_cache()
    used, whole = torch.cuda.memory_allocated(), torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((used + 1.5e8)/whole)
    try: got = large(keep)
    finally: torch.cuda.set_per_process_memory_fraction(1.)
    assert large.batch_size < 1024 and large.forwards == plain.forwards
    assert float((got - want).abs().max()) < 1e-4


def test_other_variants_in_a_batch_change_nothing(pair, scene):
    a, b = (scorers(pair, scene, slico(scene.pixels, 25), batch_size=n)[1] for n in (1, 64))
    keep = keeps(a.n, 64, seed=3)
    assert float((a(keep) - b(keep)).abs().max()) < 1e-4


@pytest.mark.parametrize("name", [m for m, meaning in METHODS.items() if "search" not in meaning])
def test_every_baseline_says_what_it_says_on_the_cpu(pair, scene, name):
    if name in ("KernelSHAP", "LIME", "integrated gradients", "gradient x input"): pytest.importorskip("captum")
    target, truth = make_target(pair[0], pair[0].answer(scene.image)), scene.masks[scene.names[0]]
    parts = slico(scene.pixels, 25)
    a, b = (attribute(name, m, scene.image, PROMPT, target, parts, truth=truth) for m in pair)
    assert np.isfinite(b.saliency).all() and b.saliency.shape == scene.pixels.shape[:2]
    assert (a.forwards, a.backwards) == (b.forwards, b.backwards)
    if np.ptp(a.saliency): assert np.corrcoef(a.saliency.ravel(), b.saliency.ravel())[0, 1] > .99
    else: assert not np.ptp(b.saliency)


def test_what_it_costs_is_measured(pair, scene):
    s = scorers(pair, scene, grid(scene.pixels, 4, 4))[1]
    with measured(pair[1].device) as cost: s(keeps(16, 20))
    assert cost["forwards"] == s.forwards and cost["seconds"] > 0 and cost["memory"] > 1e5
    assert machine("cuda") == torch.cuda.get_device_name()


def test_an_explanation_is_made_kept_and_read(pair, scene, tmp_path):
    e = eagle_nb.explain(pair[1], scene.image, PROMPT, regions=16, search="exact")
    e.save(tmp_path/"e")
    again = eagle_nb.Explanation.load(tmp_path/"e")
    assert (again.order == e.order).all() and np.array_equal(again.saliency, e.saliency)
    other = eagle_nb.explain(pair[0], scene.image, PROMPT, regions=16, search="exact")
    assert (other.order == e.order).all() and abs(other.saliency - e.saliency).max() < 1e-3


def test_an_evaluation_gives_the_cpus_table(pair):
    data = datasets.scenes_captions(2)
    a, b = (evaluate(m, data, ["EAGLE (exact)", "occlusion", "random"], regions=16, show_progress=False) for m in pair)
    for metric in ("insertion", "deletion"):
        for method in a.methods: np.testing.assert_allclose(a.values(method, metric), b.values(method, metric), atol=1e-4 if method != "EAGLE (exact)" else 5e-3)  # rounding may swap two regions that are nearly equal


def test_a_correction_goes_as_on_the_cpu(pair):
    sample = next(iter(datasets.scenes_questions(pair[0], 1)))
    a, b = (correct(m, sample.image, sample.prompt, "No", regions=16, search="exact") for m in pair)
    assert (a.removed == b.removed).all() and a.step == b.step and [x.text for x in a.answers] == [x.text for x in b.answers]
