"The self-test: sound families pass, each fault that is put in is found, and the scorer is right in spite of it."
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
from eagle_nb.world import shapes
from eagle_nb.core.regions import grid
from eagle_nb.core.scores import ModelScorer
from eagle_nb.core.selftest import self_test
from eagle_nb.core.targets import make_target


@pytest.fixture(params=["scenes-llava", "internvl"])
def fresh(request):
    "A model of its own for a test that spoils it."
    return made(request.param)


def made(name):
    try: return checkpoints.load_checkpoint(name, dtype="float32", device="cpu") if name in checkpoints.EMBEDDED else checkpoints.load_checkpoint(shapes.tiny(name))
    except ImportError as e: pytest.skip(str(e))


def right_probabilities(model, mode="pixels"):
    "The scorer against the loop of the tests, on a non-square picture."
    image = np.asarray(scenes.sample(9).image)
    target = make_target(model, model.read("A dog in a park."))
    s = ModelScorer(model, image, PROMPT, target, grid(image, 2, 2), mode=mode)
    keep = np.array([[True]*4, [False]*4, [True, False, False, True]])
    return np.abs(s(torch.tensor(keep)).numpy() - official(model, image, PROMPT, target.forced, s.regions.labels, keep)).max(), s


@pytest.mark.parametrize("family", shapes.TINY)
def test_every_family_passes(family):
    r = self_test(made(family))
    assert r.ok and not r.unsafe_shortcuts and r.positions and r.batched < 1e-5 and r.transport > .9 and r.image > 1e-3, str(r)


def test_pictures_that_mix_in_a_batch(fresh, monkeypatch):
    inner, plain = fresh.model.base_model, fresh.model.base_model.forward
    @functools.wraps(plain)
    def mixing(*a, **k):
        out = plain(*a, **k)
        out.last_hidden_state = out.last_hidden_state + .5*(out.last_hidden_state.mean(0) - out.last_hidden_state)
        return out
    monkeypatch.setattr(inner, "forward", mixing)
    r = self_test(fresh)
    assert "batch" in r.unsafe_shortcuts and r.ok and r.batched < 1e-5
    gap, s = right_probabilities(fresh)
    assert gap < 1e-5 and s.batch_size == 1


def test_logits_that_are_more_than_the_head(fresh, monkeypatch):
    "As in families that cap or scale their logits behind the head."
    plain = fresh.model.forward
    @functools.wraps(plain)
    def capped(*a, **k):
        out = plain(*a, **k)
        out.logits = 5*torch.tanh(out.logits/5)
        return out
    monkeypatch.setattr(fresh.model, "forward", capped)
    r = self_test(fresh)
    assert r.unsafe_shortcuts == {"head"} and r.ok
    assert right_probabilities(fresh)[0] < 1e-5


def test_tiles_that_are_not_independent(monkeypatch):
    model = made("internvl")
    tower, plain = model.model.base_model.vision_tower, model.model.base_model.vision_tower.forward
    @functools.wraps(plain)
    def leaning(pixel_values, *a, **k): # each tile is seen beside the one before it
        out = plain(pixel_values, *a, **k)
        out.last_hidden_state = out.last_hidden_state + .3*out.last_hidden_state.roll(1, 0)
        return out
    monkeypatch.setattr(tower, "forward", leaning)
    r = self_test(model)
    assert "tiles" in r.unsafe_shortcuts


def test_a_processor_that_moves_pixels(fresh, monkeypatch):
    "Real pictures come out upside down, label maps do not."
    pixels, plain = fresh.processor.image_processor, type(fresh.processor.image_processor).preprocess
    def flipped(self, *a, **k):
        out = plain(self, *a, **k)
        if k.get("do_normalize", True): out["pixel_values"] = out["pixel_values"].flip(-2)
        return out
    monkeypatch.setattr(type(pixels), "preprocess", flipped)
    r = self_test(fresh)
    assert r.unsafe_shortcuts == {"labels"} and r.transport < .9 and "mode='pixels'" in r.problems[0]
    gap, s = right_probabilities(fresh)
    assert gap < 1e-5 and s.mode == "pixels"


def test_a_blind_model(fresh):
    for k, v in fresh.model.named_parameters():
        if "patch_embed" in k: torch.nn.init.zeros_(v)
    r = self_test(fresh)
    assert not r.ok and "do not move with the picture" in " ".join(r.problems) and r.image < 1e-4


def test_tokens_read_at_the_wrong_place(fresh, monkeypatch):
    plain = fresh.answer
    monkeypatch.setattr(fresh, "answer", lambda *a, **k: fresh.read(plain(*a, **k).ids[::-1] + [9]))
    assert "wrong places" in " ".join(self_test(fresh).problems)


def test_numbers_that_are_none(fresh):
    fresh.model.get_output_embeddings().weight.data.fill_(float("nan"))
    r = self_test(fresh)
    assert not r.ok and "failed with ValueError" in r.problems[0] or "off those" in r.problems[0]


def test_load_warns_and_goes_on(fresh, monkeypatch):
    def broken(*a, **k): raise RuntimeError("no kernel for this")
    monkeypatch.setattr(fresh.model, "generate", broken)
    with pytest.warns(UserWarning, match="self-test of .* failed with RuntimeError: no kernel for this"): m = eagle_nb.load((fresh.model, fresh.processor))
    assert not m.report.ok
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert eagle_nb.load((fresh.model, fresh.processor), check=False).report is None


def test_load_says_what_it_takes():
    names = list(inspect.signature(eagle_nb.load).parameters)
    assert names == [*list(inspect.signature(checkpoints.load_checkpoint).parameters)[:-1], "check", "settings"]
    with pytest.raises(ValueError, match="device"): eagle_nb.load("scenes-llava", device="abacus")


def test_a_report_reads_well():
    r = self_test(made("scenes-llava"))
    assert "batched against single" in str(r) and "\n" not in str(r) and r.seconds < 30
