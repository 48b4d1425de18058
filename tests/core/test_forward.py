"Forward: a batch of variants equals the plain model one by one, in every family, with other images and shared tiles."
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import PROMPT
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image

from eagle_nb import scenes
from eagle_nb.core import checkpoints, forward
from eagle_nb.core.forward import Forward, equal_tiles, full_float32
from eagle_nb.core.regions import grid
from eagle_nb.core.scores import ModelScorer
from eagle_nb.core.targets import make_target
from eagle_nb.world import shapes

forty_examples = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
TILED = ("llava_next", "internvl", "idefics3", "smolvlm")
SYSTEM = "Answer in one word."
IMAGE, QUESTION = {"type": "image"}, {"type": "text", "text": PROMPT}
TURNS = [{"role": "user", "content": [IMAGE, QUESTION]}]


@pytest.fixture(scope="module", params=shapes.TINY)
def family(request): return request.param


@pytest.fixture(scope="module")
def tiny(family): return made(family)


def made(family):
    "A tiny model with random weights."
    try: return checkpoints.load_checkpoint(shapes.tiny(family))
    except ImportError as e: pytest.skip(str(e))


def scene_image(seed, size=(300, 200)): return np.asarray(scenes.sample(seed).image.resize(size))


def likely_ids(model, image):
    "The ids of the model's own answer, which it finds likely."
    ids = model.answer(image, PROMPT, max_new_tokens=5).ids
    return ids or model.read("A dog in a park.").ids


def random_keep(n, b, seed=0):
    "Keep-sets; the first shows everything, the second nothing."
    keep = torch.rand(b, n, generator=torch.Generator().manual_seed(seed)) < .5
    keep[0], keep[1] = True, False
    return keep


def plain(model, images, turns, forced):
    "Probabilities of the forced ids from processor and model alone: one prompt, all logits, no cache, own positions."
    text = model.processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    x = dict(model.processor(images=[Image.fromarray(i) for i in images], text=[text], return_tensors="pt"))
    n, ids = x["input_ids"].shape[1], torch.tensor([list(forced)])
    appended = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    for k, v in list(x.items()):
        if v.shape == (1, n): x[k] = torch.cat([v, appended.get(k, torch.zeros_like(ids))], 1)
    with torch.no_grad(): p = model.model(**x, use_cache=False).logits[0].float().softmax(-1)
    return torch.stack([p[n - 1 + i, t] for i, t in enumerate(forced)])


def scorer(model, image, prompt=PROMPT, regions=None, **kw):
    target = make_target(model, model.read(likely_ids(model, image)))
    return ModelScorer(model, image, prompt, target, regions or grid(image, 3, 4), **kw)


def test_a_batch_equals_the_plain_model(tiny):
    images = [scene_image(1), np.zeros((200, 300, 3), np.uint8), scene_image(2)]
    ids = likely_ids(tiny, images[0])
    f = Forward(tiny, images[0], PROMPT, ids)
    p = f(torch.cat([f.pixels(i) for i in images]), 3)
    want = torch.stack([plain(tiny, [i], TURNS, ids) for i in images])
    assert p.shape == (3, len(ids)) and p.dtype == torch.float32 and (p - want).abs().max() < 1e-5
    assert (want[0] - want[1]).abs().max() > .01, "otherwise the comparison says nothing"
    assert (want[0] - want[2]).abs().max() > 1e-3, "otherwise the comparison says nothing"


def test_an_earlier_image_of_another_shape_changes_nothing(tiny):
    "Some families remember positions from one call to the next."
    ids = tiny.read("A dog.").ids
    f = Forward(tiny, scene_image(1), PROMPT, ids)
    before = f(f.whole, 1)
    other = Forward(tiny, scene_image(2, (120, 260)), PROMPT, ids)
    other(other.whole, 1)
    tiny.answer(scene_image(3, (260, 120)), PROMPT, max_new_tokens=2)
    assert torch.equal(f(f.whole, 1), before)


@pytest.mark.parametrize("unsafe,logits_at_once", [((), 1), (("head",), 2**25), (("tiles",), 2**25)])
def test_shortcuts_change_no_probability(tiny, unsafe, logits_at_once, monkeypatch):
    s = scorer(tiny, scene_image(4))
    keep = random_keep(s.n, 5)
    want = s(keep)
    monkeypatch.setattr(forward, "LOGITS_AT_ONCE", logits_at_once)
    monkeypatch.setattr(tiny, "unsafe_shortcuts", frozenset(unsafe))
    assert (scorer(tiny, scene_image(4))(keep) - want).abs().max() < 1e-5 and want.std(0).max() > 1e-3


# ---- other images, system prompts

def two_images(other, first):
    "A prompt that shows the explained image and another one."
    mine, theirs = IMAGE, {"type": "image", "image": other}
    return [{"role": "user", "content": [*((mine, theirs) if first else (theirs, mine)), QUESTION]}]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("mode", ["nearest", "pixels"])
def test_the_other_image_of_a_prompt_stays_visible(tiny, first, mode):
    image, other, third = (scene_image(seed, (224, 224)) for seed in (5, 6, 7))
    ids, regions = likely_ids(tiny, image), grid(image, 2, 2)
    s = scorer(tiny, image, two_images(other, first), regions, mode=mode)
    keep = torch.tensor([[True]*4, [False]*4])
    turns = [{"role": "user", "content": [IMAGE, IMAGE, QUESTION]}]
    for shown, p in zip((image, np.zeros_like(image)), s(keep)):
        images = (shown, other) if first else (other, shown)
        assert (plain(tiny, images, turns, ids) - p).abs().max() < 1e-5
    assert (s(keep)[0] - s(keep)[1]).abs().max() > 1e-3
    changed = scorer(tiny, image, two_images(third, first), regions, mode=mode)
    assert (changed(keep) - s(keep)).abs().max() > 1e-4, "the other image matters"


def test_a_system_prompt_reaches_the_model(tiny):
    instructed = checkpoints.load_checkpoint((tiny.model, tiny.processor), system=SYSTEM)
    image = scene_image(1)
    ids = likely_ids(tiny, image)
    f = Forward(instructed, image, PROMPT, ids)
    turns = [{"role": "system", "content": [{"type": "text", "text": SYSTEM}]}, *TURNS]
    want = plain(tiny, [image], turns, ids)
    assert (f(f.whole, 1)[0] - want).abs().max() < 1e-5
    assert (want - plain(tiny, [image], TURNS, ids)).abs().max() > 1e-4


# ---- tiles

@pytest.mark.parametrize("kind", TILED)
def test_equal_tiles_are_computed_once(kind):
    model = made(kind)
    image = scene_image(8, (400, 200))
    regions = grid(image, 2, 6)
    s = scorer(model, image, regions=regions)
    tiles = s.touched.shape[0]
    assert tiles > 1, "the image is cut into tiles"
    computed = []
    convolution = next(m for m in s.forward.tower.modules() if isinstance(m, torch.nn.Conv2d))
    hook = convolution.register_forward_pre_hook(lambda module, args: computed.append(len(args[0])))
    keep = ~torch.eye(12, dtype=torch.bool)
    model.has_plain_head = True # else the first pass finds out
    p = s.compute(keep)
    hook.remove()
    distinct = {(r, tuple((k & t).tolist())) for k in keep for r, t in enumerate(s.touched)}
    assert computed == [len(distinct)] and len(distinct) < 12*tiles
    model.unsafe_shortcuts = frozenset({"tiles"})
    assert (scorer(model, image, regions=regions).compute(keep) - p).abs().max() < 1e-5


@forty_examples
@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_alike_rows_against_brute_force(b, tiles, n, seed):
    g = torch.Generator().manual_seed(seed)
    keep, touched = torch.rand(b, n, generator=g) < .5, torch.rand(tiles, n, generator=g) < .5
    first, kind = equal_tiles(keep, touched)
    key = [(r, tuple((keep[i] & touched[r]).tolist())) for i in range(b) for r in range(tiles)]
    assert len(kind) == b*tiles and len(first) == len(set(key))
    for i in range(len(key)):
        assert key[int(first[kind[i]])] == key[i] and key.index(key[i]) == int(first[kind[i]])
        for j in range(len(key)): assert (key[i] == key[j]) == bool(kind[i] == kind[j])


# ---- what is refused

def test_an_empty_answer_is_refused(model):
    with pytest.raises(ValueError, match="answer is empty"): Forward(model, scene_image(1), PROMPT, [])


def test_a_processor_without_pixel_values_is_refused(model, monkeypatch):
    inputs = {"input_ids": torch.ones(1, 3, dtype=torch.long), "patches": torch.zeros(1)}
    monkeypatch.setattr(model, "encode", lambda *args, **kwargs: dict(inputs))
    with pytest.raises(ValueError, match="no pixel_values but input_ids, patches"):
        Forward(model, scene_image(1), PROMPT, [5])


# ---- float32 on a GPU

def test_float32_stays_full_while_any_block_is_inside():
    "Blocks of two threads overlap: the first one in makes the setting, the last one out restores it."
    cudnn, gpu = torch.backends.cudnn, SimpleNamespace(is_cuda=True, dtype=torch.float32)
    before = cudnn.allow_tf32, cudnn.conv.fp32_precision
    a, b = full_float32(gpu), full_float32(gpu)
    a.__enter__(); b.__enter__()
    a.__exit__(None, None, None)
    assert cudnn.conv.fp32_precision == "ieee" and cudnn.allow_tf32 is False
    b.__exit__(None, None, None)
    assert (cudnn.allow_tf32, cudnn.conv.fp32_precision) == before
    with pytest.raises(KeyError), full_float32(gpu): raise KeyError
    with full_float32(SimpleNamespace(is_cuda=True, dtype=torch.bfloat16)):
        assert cudnn.conv.fp32_precision == before[1]
    assert (cudnn.allow_tf32, cudnn.conv.fp32_precision) == before


@pytest.mark.parametrize("family", ["pixtral", "mistral3"])
@pytest.mark.parametrize("first", [True, False])
def test_a_tower_that_joins_its_images_takes_two(family, first):
    "Pixtral's lays the patches of all images in one row, so that none of them can be left out."
    m = made(family)
    image, other = scene_image(5, (150, 90)), scene_image(6, (90, 110))
    ids, keep = likely_ids(m, image), torch.tensor([[True]*4, [False]*4])
    p = scorer(m, image, two_images(other, first), grid(image, 2, 2), mode="nearest")(keep)
    for row, shown in zip(p, (image, np.zeros_like(image))):
        want = m.stepwise(m.encode(shown, two_images(other, first)), ids)
        torch.testing.assert_close(row, want[range(len(ids)), ids], atol=1e-5, rtol=0)
