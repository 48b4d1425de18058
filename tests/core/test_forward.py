"Forward: many variants at once are the plain model one by one, in every family, with other pictures beside and tiles shared."
import numpy as np
import pytest
import torch
from conftest import PROMPT
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image

from eagle_nb import scenes
from eagle_nb.core import checkpoints, forward
from eagle_nb.world import shapes
from eagle_nb.core.forward import Forward, alike_rows
from eagle_nb.core.regions import grid
from eagle_nb.core.scores import ModelScorer
from eagle_nb.core.targets import make_target

few = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
TILED = ("llava_next", "internvl", "idefics3", "smolvlm")


@pytest.fixture(scope="module", params=shapes.TINY)
def family(request): return request.param


@pytest.fixture(scope="module")
def tiny(family): return made(family)


def made(family):
    try: return checkpoints.load_checkpoint(shapes.tiny(family))
    except ImportError as e: pytest.skip(str(e))


def picture(seed, size=(300, 200)): return np.asarray(scenes.sample(seed).image.resize(size))


def own(model, image):
    "Ids that the model itself would say, so that they are likely."
    ids = model.answer(image, PROMPT, max_new_tokens=5).ids
    return ids or model.read("A dog in a park.").ids


def keeps(n, b, seed=0):
    keep = torch.rand(b, n, generator=torch.Generator().manual_seed(seed)) < .5
    keep[0], keep[1] = True, False
    return keep


def plain(model, images, turns, forced):
    "Probabilities of the forced ids from processor and model alone: one picture, all logits, no cache, positions of its own."
    text = model.processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    x = dict(model.processor(images=[Image.fromarray(i) for i in images], text=[text], return_tensors="pt"))
    n, ids = x["input_ids"].shape[1], torch.tensor([list(forced)])
    for k, v in list(x.items()):
        if v.shape == (1, n): x[k] = torch.cat([v, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}.get(k, torch.zeros_like(ids))], 1)
    with torch.no_grad(): p = model.model(**x, use_cache=False).logits[0].float().softmax(-1)
    return torch.stack([p[n - 1 + i, t] for i, t in enumerate(forced)])


TURNS = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}]


def test_a_batch_is_the_plain_model(tiny):
    shown = [picture(1), np.zeros((200, 300, 3), np.uint8), picture(2)]
    ids = own(tiny, shown[0])
    f = Forward(tiny, shown[0], PROMPT, ids)
    p = f(torch.cat([f.pixels(i) for i in shown]), 3)
    want = torch.stack([plain(tiny, [i], TURNS, ids) for i in shown])
    assert p.shape == (3, len(ids)) and p.dtype == torch.float32 and (p - want).abs().max() < 1e-5
    assert (want[0] - want[1]).abs().max() > .01 and (want[0] - want[2]).abs().max() > 1e-3, "or the comparison says nothing"


def test_a_picture_of_another_shape_before_does_not_matter(tiny):
    "Some families remember positions from one call to the next."
    ids = tiny.read("A dog.").ids
    f = Forward(tiny, picture(1), PROMPT, ids)
    before = f(f.whole, 1)
    other = Forward(tiny, picture(2, (120, 260)), PROMPT, ids)
    other(other.whole, 1); tiny.answer(picture(3, (260, 120)), PROMPT, max_new_tokens=2)
    assert torch.equal(f(f.whole, 1), before)


@pytest.mark.parametrize("limit,pieces", [((), 1), (("head",), 2**25), (("tiles",), 2**25)])
def test_shortcuts_change_nothing(tiny, limit, pieces, monkeypatch):
    s = scorer(tiny, picture(4))
    keep = keeps(s.n, 5)
    want = s(keep)
    monkeypatch.setattr(forward, "_LOGITS", pieces)
    monkeypatch.setattr(tiny, "unsafe_shortcuts", frozenset(limit))
    assert (scorer(tiny, picture(4))(keep) - want).abs().max() < 1e-5 and want.std(0).max() > 1e-3


def scorer(model, image, prompt=PROMPT, parts=None, **kw):
    return ModelScorer(model, image, prompt, make_target(model, model.read(own(model, image))), parts or grid(image, 3, 4), **kw)


# ---- other pictures, system prompts

@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("mode", ["nearest", "pixels"])
def test_the_other_picture_of_a_prompt_stays(tiny, first, mode):
    image, other = picture(5, (224, 224)), picture(6, (224, 224))
    ids = own(tiny, image)
    mine, theirs = {"type": "image"}, {"type": "image", "image": other}
    prompt = [{"role": "user", "content": [*((mine, theirs) if first else (theirs, mine)), {"type": "text", "text": PROMPT}]}]
    s = scorer(tiny, image, prompt, grid(image, 2, 2), mode=mode)
    keep = torch.tensor([[True]*4, [False]*4])
    turns = [{"role": "user", "content": [{"type": "image"}, {"type": "image"}, {"type": "text", "text": PROMPT}]}]
    for shown, p in zip((image, np.zeros_like(image)), s(keep)):
        assert (plain(tiny, (shown, other) if first else (other, shown), turns, ids) - p).abs().max() < 1e-5
    assert (s(keep)[0] - s(keep)[1]).abs().max() > 1e-3
    changed = scorer(tiny, image, [{"role": "user", "content": [*((mine, {**theirs, "image": picture(7, (224, 224))}) if first else ({**theirs, "image": picture(7, (224, 224))}, mine)), {"type": "text", "text": PROMPT}]}], grid(image, 2, 2), mode=mode)
    assert (changed(keep) - s(keep)).abs().max() > 1e-4, "the other picture is read"


def test_a_system_prompt_reaches_the_model(tiny):
    pair = (tiny.model, tiny.processor)
    told = checkpoints.load_checkpoint(pair, system="Answer in one word.")
    ids = own(tiny, picture(1))
    f = Forward(told, picture(1), PROMPT, ids)
    turns = [{"role": "system", "content": [{"type": "text", "text": "Answer in one word."}]}, *TURNS]
    want = plain(tiny, [picture(1)], turns, ids)
    assert (f(f.whole, 1)[0] - want).abs().max() < 1e-5 and (want - plain(tiny, [picture(1)], TURNS, ids)).abs().max() > 1e-4


# ---- tiles

@pytest.mark.parametrize("kind", TILED)
def test_equal_tiles_are_seen_once(kind):
    model = made(kind)
    image = picture(8, (400, 200))
    s = scorer(model, image, parts=grid(image, 2, 6))
    rows = s._touched.shape[0]
    assert rows > 1, "the picture is cut into tiles"
    seen = []
    first = next(m for m in s.forward.tower.modules() if isinstance(m, torch.nn.Conv2d))
    hook = first.register_forward_pre_hook(lambda m, a: seen.append(len(a[0])))
    keep = ~torch.eye(12, dtype=torch.bool)
    p = s.compute(keep)
    hook.remove()
    distinct = {(r, tuple((k & t).tolist())) for k in keep for r, t in enumerate(s._touched)}
    assert seen == [len(distinct)] and len(distinct) < 12*rows
    model.unsafe_shortcuts = frozenset({"tiles"})
    assert (scorer(model, image, parts=grid(image, 2, 6)).compute(keep) - p).abs().max() < 1e-5


@few
@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_alike_by_brute_force(b, rows, n, seed):
    g = torch.Generator().manual_seed(seed)
    keep, touched = torch.rand(b, n, generator=g) < .5, torch.rand(rows, n, generator=g) < .5
    first, kind = alike_rows(keep, touched)
    key = [(r, tuple((keep[i] & touched[r]).tolist())) for i in range(b) for r in range(rows)]
    assert len(kind) == b*rows and len(first) == len(set(key))
    for i in range(len(key)):
        assert key[int(first[kind[i]])] == key[i] and key.index(key[i]) == int(first[kind[i]])
        for j in range(len(key)): assert (key[i] == key[j]) == bool(kind[i] == kind[j])


# ---- what cannot be

def test_an_empty_answer(model):
    with pytest.raises(ValueError, match="answer is empty"): Forward(model, picture(1), PROMPT, [])


def test_a_processor_without_pixels(model, monkeypatch):
    monkeypatch.setattr(model, "encode", lambda *a, **k: {"input_ids": torch.ones(1, 3, dtype=torch.long), "patches": torch.zeros(1)})
    with pytest.raises(ValueError, match="no pixel_values but input_ids, patches"): Forward(model, picture(1), PROMPT, [5])


def test_float32_stays_whole_while_any_block_is_inside():
    "Blocks of two threads overlap: the first one in makes the setting, the last one out restores it."
    from types import SimpleNamespace
    from eagle_nb.core.forward import _whole_float32
    cudnn, gpu = torch.backends.cudnn, SimpleNamespace(is_cuda=True, dtype=torch.float32)
    before = cudnn.allow_tf32, cudnn.conv.fp32_precision
    a, b = _whole_float32(gpu), _whole_float32(gpu)
    a.__enter__(); b.__enter__()
    a.__exit__(None, None, None)
    assert cudnn.conv.fp32_precision == "ieee" and cudnn.allow_tf32 is False
    b.__exit__(None, None, None)
    assert (cudnn.allow_tf32, cudnn.conv.fp32_precision) == before
    with pytest.raises(KeyError), _whole_float32(gpu): raise KeyError
    with _whole_float32(SimpleNamespace(is_cuda=True, dtype=torch.bfloat16)): assert cudnn.conv.fp32_precision == before[1]
    assert (cudnn.allow_tf32, cudnn.conv.fp32_precision) == before
