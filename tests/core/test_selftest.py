"The self-test: sound families pass, each fault that is put in is found, and the scorer is right despite it."
import copy
import functools
import gc
import inspect
import pickle
import threading
import warnings
import weakref

import numpy as np
import pytest
import torch
from conftest import PROMPT, official

import eagle_nb
from eagle_nb import scenes
from eagle_nb.core import checkpoints, costs
from eagle_nb.core.regions import grid
from eagle_nb.core.scores import ModelScorer
from eagle_nb.core.selftest import SHORTCUTS, self_test
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
    assert r.leak < 1e-6 and r.repeat < 1e-6 and r.images == ("pixel_values",), str(r)


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
    assert "wrong places" in " ".join(self_test(fresh).errors)


def test_probabilities_that_are_not_numbers_are_reported(fresh):
    fresh.model.get_output_embeddings().weight.data.fill_(float("nan"))
    assert "not numbers" in " ".join(self_test(fresh).errors)


def test_an_answer_that_is_seen_before_it_is_predicted_is_refused(fresh, monkeypatch):
    "Each hidden state gets a share of the one after it, as under a mask that works in both directions."
    def look_ahead(output):
        h = output.last_hidden_state
        output.last_hidden_state = h + .3*torch.cat([h[:, 1:], h[:, -1:]], 1)
    replace_forward(monkeypatch, fresh.model.base_model, look_ahead)
    r = self_test(fresh)
    assert r.leak > 5e-5 and "before it is predicted" in " ".join(r.errors), str(r)
    with pytest.raises(ValueError, match="does not pass the self-test.*before it is predicted"):
        eagle_nb.load((fresh.model, fresh.processor))


def test_dropout_that_is_always_on_is_refused(fresh, monkeypatch):
    def drop(output): output.last_hidden_state = torch.nn.functional.dropout(output.last_hidden_state, .1)
    replace_forward(monkeypatch, fresh.model.base_model, drop)
    r = self_test(fresh)
    assert r.repeat > 1e-3 and "random" in " ".join(r.errors), str(r)


def test_an_input_that_changes_with_the_image_and_is_not_masked_is_refused(fresh, monkeypatch):
    "As in families with a second image input; here, a black image lacks the first token."
    encode = type(fresh).encode
    def revealing(self, *args, **kwargs):
        x = encode(self, *args, **kwargs)
        x["attention_mask"][:, 0] = int(x["pixel_values"][:, 0].std() > .1)
        return x
    monkeypatch.setattr(type(fresh), "encode", revealing)
    r = self_test(fresh)
    assert "shows the image in attention_mask" in " ".join(r.errors), str(r)


def test_a_trial_that_raises_is_a_failed_trial(fresh, monkeypatch):
    "The body without its head returns no hidden states, as in families whose decoder has a head of its own."
    body = type(fresh.model.base_model)
    plain, head = body.forward, fresh.model.forward
    @functools.wraps(plain)
    def bare(self, *args, **kwargs):
        output = plain(self, *args, **kwargs)
        return output if inside else output.to_tuple() # without names
    inside = []
    @functools.wraps(head)
    def whole(*args, **kwargs):
        inside.append(True)
        try: return head(*args, **kwargs)
        finally: inside.pop()
    monkeypatch.setattr(body, "forward", bare)
    monkeypatch.setattr(fresh.model, "forward", whole)
    r = self_test(fresh)
    assert "head" in r.unsafe_shortcuts and not r.errors and r.batched < 1e-5, str(r)


def test_load_refuses_a_model_that_fails(fresh, monkeypatch):
    pair = (fresh.model, fresh.processor)
    def broken(*args, **kwargs): raise RuntimeError("no kernel for this")
    monkeypatch.setattr(fresh.model, "generate", broken)
    with pytest.raises(ValueError, match="self-test failed with RuntimeError: no kernel for this"):
        eagle_nb.load(pair)
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


def test_a_report_reads_as_a_list_of_capabilities():
    r = self_test(made("scenes-llava"))
    lines = str(r).splitlines()
    assert lines[0].startswith("self-test: ok") and r.seconds < 30
    for what in ("against generate", "causality", "repeat", "image", "whole input", "label transport", *SHORTCUTS):
        assert sum(line.strip().startswith(what + " ") for line in lines) == 1, what
    assert len([line for line in lines if " on " in line]) >= len(SHORTCUTS)


def test_an_answer_that_is_seen_in_half_precision_is_told(monkeypatch):
    "Rounding allows more than this leak, whose error grows with the answer: 0.1 and more for twelve words."
    model = checkpoints.load_checkpoint("scenes-llava", dtype="bfloat16", device="cpu")
    assert self_test(model).ok and model.report.leak == model.report.repeat == 0
    def look_ahead(module, args, kwargs):
        h, *rest = args
        return (h + .1*torch.cat([h[:, 1:], torch.zeros_like(h[:, :1])], 1), *rest), kwargs
    hook = model.decoder.layers[1].register_forward_pre_hook(look_ahead, with_kwargs=True)
    try: r = self_test(model)
    finally: hook.remove()
    assert not r.ok and "dtype='float32' to tell" in " ".join(r.problems), str(r)


def test_what_a_model_cannot_do_is_tried_when_it_is_asked_for():
    m = eagle_nb.load("scenes-llava", device="cpu")
    report = m.report
    assert report.abilities.found is None, "loading does not wait for it"
    before = costs.spent.copy()
    assert report.unable == () and report.why_not("fill='drop'", m) is None
    assert report.abilities.found is not None and costs.spent == before and m.report is report


def test_a_report_keeps_no_model_and_a_copy_tries_for_itself():
    m = eagle_nb.load("scenes-llava", device="cpu")
    other, report = pickle.loads(pickle.dumps(m)), m.report
    assert len(pickle.dumps(report)) < 2000 and other.report == report
    gone = weakref.ref(m)
    gc.disable() # a model is freed at once, not when cycles are collected
    try:
        del m
        assert gone() is None
    finally: gc.enable()
    for r in (report, other.report): assert r.unable is None and "  not tried: " in str(r) and "not possible" not in str(r)
    assert other.report.why_not("screen='features'", other) is None and other.report.unable == ()


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("none left"), RuntimeError("can't allocate memory: none left")], ids=["gpu", "cpu"])
def test_a_trial_that_lacks_memory_is_tried_again(monkeypatch, error):
    m = eagle_nb.load("scenes-llava", device="cpu")
    plain, left = ModelScorer.all_tokens, [1]
    def short(self, keep):
        if left.pop() if left else 0: raise error
        return plain(self, keep)
    monkeypatch.setattr(ModelScorer, "all_tokens", short)
    assert "none left" in m.report.why_not("fill='drop'", m)
    assert m.report.why_not("fill='drop'", m) is None and m.report.unable == ()


def test_a_trial_leaves_other_threads_and_copies_alone():
    m = eagle_nb.load("scenes-llava", device="cpu")
    shared = copy.copy(m)
    shared.model = copy.copy(m.model) # another network under the same report
    shared.model.forward = None
    assert shared.report is m.report and m.report.why_not("fill='drop'", shared)
    assert m.report.why_not("fill='drop'", m) is None, "what is true of the copy is not said of the model"
    fresh, image = eagle_nb.load("scenes-llava", device="cpu"), scenes.sample(18).image
    asked = threading.Thread(target=lambda: fresh.report.unable)
    with costs.measured() as cost:
        asked.start()
        e = eagle_nb.explain(m, image, PROMPT, regions=4, search="random", show_progress=False)
        asked.join()
    assert cost["forwards"] >= e.forwards > 0
