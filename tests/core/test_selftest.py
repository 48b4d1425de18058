"The self-test: sound families pass, each fault that is put in is found, and the scorer is right despite it."
import functools
import inspect
import warnings

import numpy as np
import pytest
import torch
from conftest import PROMPT, official

import eagle_nb
from eagle_nb import scenes
from eagle_nb.core import checkpoints
from eagle_nb.core.regions import grid
from eagle_nb.core.scores import ModelScorer
from eagle_nb.core.selftest import self_test
from eagle_nb.core.targets import make_target
from eagle_nb.world import shapes


@pytest.fixture(params=["scenes-llava", "internvl"])
def fresh(request):
    "A model of its own for a test that spoils it."
    return made(request.param)


def made(name):
    if name in checkpoints.EMBEDDED: return checkpoints.load_checkpoint(name, dtype="float32", device="cpu")
    try: return checkpoints.load_checkpoint(shapes.tiny(name))
    except ImportError as e: pytest.skip(str(e))


def replace_forward(monkeypatch, module, change):
    "Let a module's forward pass change its output."
    plain = module.forward
    @functools.wraps(plain)
    def changed(*args, **kwargs):
        output = plain(*args, **kwargs)
        change(output)
        return output
    monkeypatch.setattr(module, "forward", changed)


def scorer_error(model, mode="pixels"):
    "Largest |Δp| between the scorer and the tests' own loop, on an image that is not square; and the scorer."
    image = np.asarray(scenes.sample(9).image)
    target = make_target(model, model.read("A dog in a park."))
    s = ModelScorer(model, image, PROMPT, target, grid(image, 2, 2), mode=mode)
    keep = np.array([[True]*4, [False]*4, [True, False, False, True]])
    want = official(model, image, PROMPT, target.forced, s.regions.labels, keep)
    return np.abs(s(torch.tensor(keep)).numpy() - want).max(), s


@pytest.mark.parametrize("family", shapes.TINY)
def test_every_family_passes(family):
    r = self_test(made(family))
    assert r.ok and not r.unsafe_shortcuts and r.positions, str(r)
    assert r.batched < 1e-5 and r.transport > .9 and r.image > 1e-3, str(r)


def test_images_that_mix_in_a_batch_are_scored_one_by_one(fresh, monkeypatch):
    def mix(output):
        h = output.last_hidden_state
        output.last_hidden_state = h + .5*(h.mean(0) - h)
    replace_forward(monkeypatch, fresh.model.base_model, mix)
    r = self_test(fresh)
    assert "batch" in r.unsafe_shortcuts and r.ok and r.batched < 1e-5
    error, s = scorer_error(fresh)
    assert error < 1e-5 and s.batch_size == 1


def test_logits_that_are_more_than_the_head_are_computed_by_the_model(fresh, monkeypatch):
    "As in families that cap or scale their logits after the head."
    def cap(output): output.logits = 5*torch.tanh(output.logits/5)
    replace_forward(monkeypatch, fresh.model, cap)
    r = self_test(fresh)
    assert r.unsafe_shortcuts == {"head"} and r.ok
    assert scorer_error(fresh)[0] < 1e-5


def test_tiles_that_influence_each_other_are_all_computed(monkeypatch):
    model = made("internvl")
    def lean(output): # each tile is changed by the one before it
        output.last_hidden_state = output.last_hidden_state + .3*output.last_hidden_state.roll(1, 0)
    replace_forward(monkeypatch, model.model.base_model.vision_tower, lean)
    r = self_test(model)
    assert "tiles" in r.unsafe_shortcuts


def test_a_processor_that_moves_pixels_gets_every_variant(fresh, monkeypatch):
    "Images come out upside down, label maps do not."
    kind = type(fresh.processor.image_processor)
    plain = kind.preprocess
    def flipped(self, *args, **kwargs):
        out = plain(self, *args, **kwargs)
        if kwargs.get("do_normalize", True): out["pixel_values"] = out["pixel_values"].flip(-2)
        return out
    monkeypatch.setattr(kind, "preprocess", flipped)
    r = self_test(fresh)
    assert r.unsafe_shortcuts == {"labels"} and r.transport < .9 and "mode='pixels'" in r.problems[0]
    error, s = scorer_error(fresh)
    assert error < 1e-5 and s.mode == "pixels"


def test_a_blind_model_is_reported(fresh):
    for k, v in fresh.model.named_parameters():
        if "patch_embed" in k: torch.nn.init.zeros_(v)
    r = self_test(fresh)
    assert not r.ok and "do not move with the image" in " ".join(r.problems) and r.image < 1e-4


def test_tokens_read_at_the_wrong_positions_are_reported(fresh, monkeypatch):
    answer = fresh.answer
    def reversed_answer(*args, **kwargs): return fresh.read(answer(*args, **kwargs).ids[::-1] + [9])
    monkeypatch.setattr(fresh, "answer", reversed_answer)
    assert "wrong places" in " ".join(self_test(fresh).problems)


def test_probabilities_that_are_not_numbers_are_reported(fresh):
    fresh.model.get_output_embeddings().weight.data.fill_(float("nan"))
    r = self_test(fresh)
    assert not r.ok and "failed with ValueError" in r.problems[0] or "off those" in r.problems[0]


def test_load_warns_of_a_failed_test_and_returns_the_model(fresh, monkeypatch):
    pair = (fresh.model, fresh.processor)
    def broken(*args, **kwargs): raise RuntimeError("no kernel for this")
    monkeypatch.setattr(fresh.model, "generate", broken)
    with pytest.warns(UserWarning, match="self-test of .* failed with RuntimeError: no kernel for this"):
        m = eagle_nb.load(pair)
    assert not m.report.ok
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert eagle_nb.load(pair, check=False).report is None


def test_load_takes_what_load_checkpoint_takes():
    own, inner = (inspect.signature(f).parameters for f in (eagle_nb.load, checkpoints.load_checkpoint))
    assert list(own) == [*list(inner)[:-1], "check", "settings"]
    for name, parameter in inner.items(): assert own[name].default == parameter.default, name
    with pytest.raises(ValueError, match="device"): eagle_nb.load("scenes-llava", device="abacus")


def test_load_passes_every_argument_on(monkeypatch):
    "Each parameter gets a value of its own, and load_checkpoint sees it under the same name."
    inner, received = inspect.signature(checkpoints.load_checkpoint), {}
    def record(*args, **kwargs): received.update(inner.bind(*args, **kwargs).arguments)
    monkeypatch.setattr(checkpoints, "load_checkpoint", record)
    given = {name: f"value of {name}" for name in list(inner.parameters)[:-1]}
    eagle_nb.load(**given, check=False, token="mine")
    assert received == {**given, "settings": {"token": "mine"}}


def test_a_report_reads_well():
    r = self_test(made("scenes-llava"))
    assert "batched against single" in str(r) and "\n" not in str(r) and r.seconds < 30
