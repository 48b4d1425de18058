"The benchmark: what it measures adds up, its commands write what they find, and mistakes end in a sentence."
import json

import numpy as np
import pytest
import torch

from eagle_nb.apps import benchmark
from eagle_nb.core.costs import clock
from eagle_nb.core.models import Model
from eagle_nb.core.scores import FunctionScorer
from eagle_nb.world import shapes


@pytest.mark.parametrize("name,peak", [
    ("NVIDIA H100 80GB HBM3", 989e12), ("NVIDIA H200", 989e12), ("NVIDIA H100 PCIe", 756e12), ("NVIDIA H200 NVL", 989e12),
    ("NVIDIA A100-SXM4-80GB", 312e12), ("Tesla T4", None), ("AMD EPYC, 2 threads", None)])
def test_the_peak_of_a_card_goes_by_its_name(name, peak): assert benchmark.card_peak(name) == peak


def test_scoring_and_thinking_make_the_whole():
    import time
    def slow(keep):
        time.sleep(.01)
        return keep.float().mean(1)
    found, order = benchmark.timed(FunctionScorer(slow, 6), "exact")
    assert found["scoring"] + found["thinking"] == pytest.approx(found["seconds"])
    assert found["scoring"] > .05 and 0 <= found["thinking"] < found["seconds"] and len(order) == 6
    assert found["per_second"] == pytest.approx(found["forwards"]/found["seconds"])


def test_sets_that_are_known_cost_no_scoring():
    scorer, keep = FunctionScorer(lambda keep: keep.float().mean(1), 4), torch.eye(4, dtype=torch.bool)
    scorer(keep)
    before = clock["scoring"]
    scorer(keep)
    assert clock["scoring"] - before < 1e-3


def test_the_command_for_a_gpu_runs_on_a_cpu_with_tiny_shapes(tmp_path):
    out = tmp_path/"gpu.json"
    benchmark.main(["gpu", "--shapes", "qwen2_5_vl", "llava", "--device", "cpu", "--dtype", "float32", "--regions", "9", "--tokens",
                    "4", "--budgets", "30", "default", "--sets", "12", "--out", str(out)])
    rows = json.loads(out.read_text())["rows"]
    assert [r["model"] for r in rows] == ["qwen2_5_vl", "llava"]
    for row in rows:
        assert row["machine"] == benchmark.machine() and row["regions"] == 9 and row["unsafe_shortcuts"] == []
        assert row["peaks"]["card"] is None and row["peaks"]["product"] > 1e8 and row["flops"] > 1e6
        plain = [s for s in row["searches"] if s["screen"] is None]
        assert [s["budget"] for s in plain] == [30, None] and plain[0]["forwards"] <= 30 + 2*10 < plain[1]["forwards"]
        for s in plain:
            share = s["forwards"]*row["flops"]/s["seconds"]/row["peaks"]["product"]
            assert s["share_of_peak"] == {"product": pytest.approx(share)} and 0 < share < 1.5
            assert s["seconds"] == pytest.approx(s["scoring"] + s["thinking"])
        assert [r["memory"] for r in row["rates"]] == ["2 GB", None, .5] and min(r["per_second"] for r in row["rates"]) > 1
        assert row["composing"] > 0


def test_a_shape_that_does_not_fit_leaves_the_others(tmp_path, monkeypatch):
    def short(name, *args):
        if name == "llava": raise torch.OutOfMemoryError("CUDA out of memory")
        return dict(model=name)
    monkeypatch.setattr(benchmark, "gpu_row", short)
    benchmark.main(["gpu", "--shapes", "llava", "gemma3", "--device", "cpu", "--out", str(tmp_path/"a.json")])
    first, second = json.loads((tmp_path/"a.json").read_text())["rows"]
    assert "out of memory" in first["failed"] and second == dict(model="gemma3")


def test_a_search_with_a_screen_is_timed_with_and_without_it(monkeypatch, model, scene):
    "A screen that a model refuses is written down with its reason."
    seen = []
    def fast(scorer, budget=None, screen=None):
        seen.append((budget, screen))
        if screen and budget == 30: raise ValueError("this model needs all of its tokens")
        return benchmark.SEARCHES["one_shot"](scorer)
    monkeypatch.setitem(benchmark.SEARCHES, "fast", fast)
    image, target, parts = benchmark._case(model, 9, 4)
    make = lambda: benchmark.ModelScorer(model, image, "Describe the image.", target, parts)
    rows = benchmark.search_times(make, (20, 30), 1e6, dict(product=1e12))
    assert seen == [(20, None), (20, "drop"), (30, None), (30, "drop")]
    assert rows[1]["share_of_peak"] is None and rows[1]["seconds"] > 0 and rows[0]["share_of_peak"]["product"] > 0
    assert "needs all of its tokens" in rows[3]["refused"] and "seconds" not in rows[3]


def test_searches_are_compared_by_seconds_and_results(tmp_path, capsys):
    benchmark.main(["searches", "--models", "scenes-internvl", "--searches", "exact", "one_shot", "-n", "2", "--first", "31",
                    "--regions", "9", "--dtype", "float32", "--out", str(tmp_path/"s.json")])
    found = json.loads((tmp_path/"s.json").read_text())
    assert found["dtype"] == {"scenes-internvl": "float32"} and len(found["rows"]) == 4
    exact = [r for r in found["rows"] if r["search"] == "exact"]
    mean = next(m for m in found["means"] if m["search"] == "exact")
    assert mean["n"] == 2 and mean["seconds"] == pytest.approx(np.mean([r["seconds"] for r in exact]))
    assert mean["result"] == pytest.approx(np.mean([r["result"] for r in exact]))
    assert [r["seed"] for r in exact] == [31, 32] and all(r["scoring"] > 0 and r["thinking"] >= 0 for r in exact)
    assert all(r["scoring"] + r["thinking"] == pytest.approx(r["seconds"]) for r in exact)
    assert capsys.readouterr().err.count("forwards, result") == 2


@pytest.mark.parametrize("family", shapes.FAMILIES)
def test_attention_is_fused_wherever_the_family_can(family):
    try: net, processor = shapes.tiny(family)
    except ImportError as e: pytest.skip(str(e))
    found = Model(net, processor, family).attention
    assert set(found.values()) <= {"sdpa", "eager"}
    for part, wanted in found.items():
        owners = [m for m in net.modules() if getattr(m, "_supports_sdpa", None) is not None]
        if all(m._supports_sdpa for m in owners): assert wanted == "sdpa", (family, part)


@pytest.mark.parametrize("command", [["gpu"], ["searches"], ["speed"], ["families"]])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(command, tmp_path):
    for out in (tmp_path, tmp_path/"no"/"such.json"):
        with pytest.raises(SystemExit, match="benchmark: cannot write"): benchmark.main([*command, "--out", str(out)])


@pytest.mark.parametrize("options,message", [
    (["searches", "--models", "scenes-lava"], "benchmark: unknown model"), (["searches", "--threads", "0"], "threads must be at least 1"),
    (["searches", "--dtype", "int8"], "choose one of auto")])
def test_mistakes_end_in_a_sentence(options, message):
    with pytest.raises(SystemExit) as e: benchmark.main(options)
    assert message in str(e.value)


@pytest.mark.parametrize("budget", ["0", "-3", "much", "1.5"])
def test_budgets_that_are_none(budget, capsys):
    with pytest.raises(SystemExit): benchmark.main(["gpu", "--budgets", budget])
    assert "a budget is a number of forwards or 'default'" in capsys.readouterr().err or budget == "-3"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_shapes_for_a_gpu_are_not_built_without_one():
    with pytest.raises(SystemExit, match="no GPU here: add --device cpu"): benchmark.main(["gpu"])
