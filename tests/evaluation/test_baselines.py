"Baselines: each against a plain implementation in loops, known values, and a model that sees only one corner."
import contextlib
import functools
import random
import types
import warnings
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from conftest import PROMPT, same_rank
from eagle_nb import scenes
from eagle_nb.core import checkpoints, models
from eagle_nb.core.costs import measured
from eagle_nb.core.forward import Forward
from eagle_nb.core.images import fill_image
from eagle_nb.core.layout import Layout
from eagle_nb.core.regions import Regions, grid
from eagle_nb.core.scores import FunctionScorer, ModelScorer
from eagle_nb.core.targets import make_target
from eagle_nb.evaluation import baselines as B
from eagle_nb.world import shapes

SCENE = scenes.sample(10)  # a clock, bottom left; (17, 129, 96, 222)
BY_REGION, NO_MODEL = ("occlusion", "KernelSHAP", "LIME"), ("random", "centre-out", "oracle")
QUICK = {"KernelSHAP": dict(samples=12), "LIME": dict(samples=12), "RISE": dict(samples=6),
         "integrated gradients": dict(steps=3), "IGOS++": dict(iterations=1, steps=2), "LLaVA-CAM": dict(samples=3)}
FOLLOWING = ("occlusion", "KernelSHAP", "LIME", "RISE", "gradient x input", "integrated gradients", "IGOS++")
INSIDE = ("LLaVA-CAM", "TAM", "attention rollout")
VARIED = ("IGOS++", "LLaVA-CAM", "TAM")
WITH_MODEL = [name for name in B.BASELINES if name not in NO_MODEL]


@functools.lru_cache(None)
def tiny(family):
    try: m = models.Model(*shapes.tiny(family), family)
    except ImportError as e: pytest.skip(str(e))
    m.has_plain_head = True # else the first forward pass finds out, and costs two more
    return m


@functools.lru_cache(None)
def embedded(name, dtype="float32"): return checkpoints.load_checkpoint(name, dtype=dtype)


@pytest.fixture(params=shapes.TINY)
def family(request): return tiny(request.param)


@pytest.fixture(params=checkpoints.EMBEDDED)
def trained(request): return embedded(request.param)


def target(m, word="clock", text="A clock in a bedroom."): return make_target(m, m.read(text), word)


def question(m, t=None):
    "What a baseline is asked about the scene."
    return m, SCENE.pixels, PROMPT, target(m) if t is None else t


def noise(size=(130, 200), seed=0): return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def run(name, m, image, t, regions=None, **settings):
    "A baseline by name, with few samples."
    image = np.asarray(image)
    more = {"regions": regions or grid(image, 3, 3)} if name in BY_REGION + NO_MODEL else {}
    if name == "oracle": more["truth"] = (10, 10, 60, 60)
    return B.BASELINES[name](m, image, PROMPT, t, **more, **{**QUICK.get(name, {}), **settings})


# ---------------------------------------------------------------- plain references

def plain_inputs(m, image, forced):
    "Inputs by processor and chat template, followed by the answer; the position that predicts its first token."
    turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}
    chat = m.processor.apply_chat_template([turn], add_generation_prompt=True, tokenize=False)
    x = dict(m.processor(images=[[Image.fromarray(np.asarray(image))]], text=[chat], return_tensors="pt"))
    n, ids = x["input_ids"].shape[1], torch.tensor([list(forced)])
    behind = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    for k, v in list(x.items()):
        if v.shape == (1, n): x[k] = torch.cat([v, behind.get(k, torch.zeros_like(ids))], 1)
    return x, n - 1


def log_p(m, x, start, t, pixels=None):
    "Sum of the target's log-probabilities, with a graph."
    x = x if pixels is None else {**x, "pixel_values": pixels}
    z = m.model(**x, use_cache=False).logits[0].float().log_softmax(-1)
    return sum(z[start + k, i] for k, i in zip(t.positions, t.ids))


def image_places(m, x):
    "Positions of the image tokens; of the last tile where there are several, and of the first for LLaVA-NeXT."
    marks = (getattr(m.model.config, k, None) for k in ("image_token_id", "image_token_index"))
    mark = int(next(v for v in marks if v is not None))
    at = (x["input_ids"][0] == mark).nonzero()[:, 0].tolist()
    return {"llava_next": at[:64], "internvl": at[-16:], "idefics3": at[-16:], "smolvlm": at[-16:]}.get(m.name, at)


def to_image(a, size):
    "Bilinear, as torch has it; right where the model sees the whole image at one scale."
    return enlarged(torch.as_tensor(np.asarray(a, np.float32)), size).numpy()


def enlarged(a, size): return interpolate(a[None, None], size, mode="bilinear", align_corners=False)[0, 0]


# ---------------------------------------------------------------- masking regions

def test_occlusion_is_what_hiding_one_region_costs(trained):
    t, r = target(trained, None), grid(SCENE.pixels, 3, 3)
    keep = torch.cat([torch.ones(1, 9, dtype=torch.bool), ~torch.eye(9, dtype=torch.bool)])
    p = ModelScorer(trained, SCENE.pixels, PROMPT, t, r, "mean", batch_size=1)(keep).mean(1).numpy()
    for size in (None, 4):
        got = B.occlusion(trained, SCENE.pixels, PROMPT, t, r, fill="mean", batch_size=size)
        np.testing.assert_allclose(got, (p[0] - p[1:])[r.labels], atol=2e-5)


def linear(monkeypatch, weights, base=.1):
    "Let the region methods see a linear function of the visible regions instead of the model."
    w = torch.as_tensor(weights, dtype=torch.float32)
    def scorer(*a, **k): return FunctionScorer(lambda keep: base + keep.float() @ w, len(w), batch_size=7)
    monkeypatch.setattr(B, "make_scorer", scorer)


def test_on_a_linear_function_the_values_are_its_weights(monkeypatch, model):
    w = np.array([.3, -.05, .1, 0, .2, .05, 0, .15])
    linear(monkeypatch, w)
    r = grid(SCENE.pixels, 4, 2)
    def values(f, **k):
        a = f(model, SCENE.pixels, PROMPT, target(model), r, **k)
        return np.array([a[r.labels == i].mean() for i in range(8)])
    np.testing.assert_allclose(values(B.occlusion), w, atol=1e-6)
    np.testing.assert_allclose(values(B.kernel_shap, samples=200), w, atol=2e-3)
    np.testing.assert_allclose(values(B.lime, samples=400), w, atol=.02)


def test_shapley_values_where_regions_only_work_together(monkeypatch, model):
    keeps = []
    def both(keep):
        keeps.append(keep)
        return .9*(keep[:, 0] & keep[:, 1]).float()
    monkeypatch.setattr(B, "make_scorer", lambda *a, **k: FunctionScorer(both, 5, batch_size=16))
    r = grid(SCENE.pixels, 5, 1)
    a = B.kernel_shap(model, SCENE.pixels, PROMPT, target(model), r, samples=4000)
    np.testing.assert_allclose([a[r.labels == i].mean() for i in range(5)], [.45, .45, 0, 0, 0], atol=.06)
    assert torch.cat(keeps).all(1).any() and (~torch.cat(keeps)).all(1).any()


@pytest.mark.parametrize("name", BY_REGION)
def test_a_single_region_has_the_whole_difference(name, model):
    one = Regions(np.zeros((224, 224), int))
    p = ModelScorer(model, SCENE.pixels, PROMPT, target(model), one)(torch.tensor([[True], [False]])).mean(1)
    try: a = run(name, model, SCENE.pixels, target(model), one)
    except ValueError as e:
        assert "region" in str(e), e
        return
    assert np.isfinite(a).all() and (name == "LIME" or abs(a[0, 0] - float(p[0] - p[1])) < 1e-3)


def test_rise_averages_its_masks_weighted_by_what_they_leave(monkeypatch, trained):
    seen, forward = [], Forward.__call__
    def watched(self, pixels, n, *a, **k):
        seen.append((pixels.clone(), n))
        return forward(self, pixels, n, *a, **k)
    monkeypatch.setattr(Forward, "__call__", watched)
    t, soft = target(trained), []
    made = B.soft_mask
    monkeypatch.setattr(B, "soft_mask", lambda *a: soft.append(made(*a)) or soft[-1])
    got = run("RISE", trained, SCENE.pixels, t, samples=6, keep=.4, batch_size=4, fill="mean")
    assert len(soft) == 6 and [n for _, n in seen] == [4, 2]
    assert all(a.shape == (224, 224) and a.min() >= 0 and a.max() <= 1 and np.ptp(a) > .5 for a in soft)
    pixels = torch.cat([p.unflatten(0, (n, -1)) for p, n in seen])
    x, start = plain_inputs(trained, SCENE.pixels, t.forced)
    blank = plain_inputs(trained, fill_image(SCENE.pixels, "mean"), t.forced)[0]["pixel_values"]
    want = 0
    for shown, a in zip(pixels, soft):
        mask = in_patches(trained, torch.as_tensor(a), blank)
        torch.testing.assert_close(shown, blank + (x["pixel_values"] - blank)*mask, atol=1e-5, rtol=0)
        with torch.no_grad(): want = want + float(log_p(trained, x, start, t, shown).exp())*a
    np.testing.assert_allclose(got, want/6/.4, rtol=1e-4)
    again = run("RISE", trained, SCENE.pixels, t, samples=6, keep=.4, batch_size=32, fill="mean")
    np.testing.assert_allclose(again, got, atol=1e-5)


def test_cells_of_rise_are_visible_as_often_as_asked(model):
    rng = np.random.default_rng(0)
    for shape in ((130, 200), (224, 224), (5, 90)):
        a = np.mean([B.soft_mask(rng, shape, 7, .3) for _ in range(500)], 0)
        assert a.shape == shape and abs(a.mean() - .3) < .03 and np.ptp(a) < .25, "no place is favoured"


def test_rise_is_not_negative(model):
    a = run("RISE", model, SCENE.pixels, target(model, "A"), samples=1)
    assert 0 <= a.min(), "(H, W), not negative"


# ---------------------------------------------------------------- gradients

def in_patches(m, mask, like):
    "A mask over a 224 x 224 image in the layout of pixel_values of the embedded models, by hand."
    if m.name != "scenes-qwen": return mask.expand(like.shape)
    patch = mask.reshape(4, 2, 28, 4, 2, 28).permute(0, 3, 1, 4, 2, 5).reshape(64, 1, 1, 28, 28)
    return patch.expand(64, 3, 2, 28, 28).reshape(like.shape)


@pytest.fixture
def brought_back(monkeypatch):
    "What is brought back to the image."
    seen, gather = [], Layout.gather
    def watched(self, values, *a):
        seen.append(values.detach().clone())
        return gather(self, values, *a)
    monkeypatch.setattr(Layout, "gather", watched)
    return seen


def test_gradient_times_input_by_hand(trained, brought_back):
    t = target(trained)
    got = B.gradient_x_input(trained, SCENE.pixels, PROMPT, t, fill="mean")
    x, start = plain_inputs(trained, SCENE.pixels, t.forced)
    blank = plain_inputs(trained, fill_image(SCENE.pixels, "mean"), t.forced)[0]["pixel_values"]
    v = x["pixel_values"].requires_grad_()
    g, = torch.autograd.grad(log_p(trained, x, start, t, v), v)
    want = g*(v.detach() - blank)
    atol = 1e-6 + 1e-3*float(want.abs().max())
    torch.testing.assert_close(brought_back[0].view(want.shape), want, atol=atol, rtol=0)
    if trained.name != "scenes-qwen":
        total = want[0].sum(0).numpy()
        np.testing.assert_allclose(got/got.std(), total/total.std(), atol=.02)
    with torch.no_grad(): again = B.gradient_x_input(trained, SCENE.pixels, PROMPT, t, fill="mean")
    np.testing.assert_allclose(again, got, atol=1e-3*np.abs(got).max())


@pytest.mark.parametrize("name", ["scenes-internvl", "scenes-qwen"])
def test_integrated_gradients_add_up_to_the_gain_of_the_image(name, brought_back):
    trained = embedded(name)
    t = target(trained)
    def score(image):
        x, start = plain_inputs(trained, image, t.forced)
        with torch.no_grad(): return float(log_p(trained, x, start, t))
    whole, blank = score(SCENE.pixels), score(fill_image(SCENE.pixels, "mean"))
    got = B.integrated_gradients(trained, SCENE.pixels, PROMPT, t, fill="mean", steps=24, batch_size=12)
    assert abs(whole - blank) > .5, "or equality says nothing"
    assert abs(float(brought_back[0].sum()) - (whole - blank)) < .05*abs(whole - blank)
    assert got.min() < 0 < got.max()


def test_integrated_gradients_do_not_depend_on_the_batch(model):
    a, b = (B.integrated_gradients(*question(model), steps=6, batch_size=n) for n in (2, 6))
    np.testing.assert_allclose(a, b, atol=1e-3*np.abs(a).max())


# ---------------------------------------------------------------- IGOS++

def igos_by_hand(m, image, t, variant, baseline, iterations, steps, size=32, lr=10.):
    "Both masks as variables of one objective for each; an image at a time."
    x, start = plain_inputs(m, image, t.forced)
    whole = x["pixel_values"]
    blurred = cv2.GaussianBlur(image, (101, 101), 100, borderType=cv2.BORDER_REFLECT)
    assert image.shape[1] < 500, "wider images have a larger kernel"
    plain = torch.zeros_like(whole) if baseline == "zero" else plain_inputs(m, blurred, t.forced)[0]["pixel_values"]
    up = lambda a: enlarged(a, image.shape[:2])

    def S(a, b, mask):
        total = 0
        for j in range(1, steps + 1):
            u = in_patches(m, up(mask)*j/steps, whole)
            total = total + log_p(m, x, start, t, a*u + b*(1 - u))
        return total/steps

    back = (whole, plain) if variant == "paper" else (plain, whole)
    def objective(d, i, which):
        both = S(whole, plain, d*i) - S(*back, d*i)
        return (both + (S(whole, plain, d) if which == "d" else -S(*back, i)))/2

    now = torch.ones(2, size, size)
    step = now.clone()
    for n in range(iterations):
        g = []
        for which in "di":
            d, i = (v.clone().requires_grad_() for v in now)
            total = objective(d, i, which) + price(d*i, image, n, up)
            g.append(torch.autograd.grad(total, d if which == "d" else i)[0])
        new = now - lr*torch.stack(g)
        now = (new + n/(n + 5)*(new - step)).clamp(0, 1)
        step = new
    u = up(now[0]*now[1])
    return (1 - (u - u.min())/(u.max() - u.min())).numpy()


def price(mask, image, n, up):
    "Area, and roughness along rows and columns, which costs more where the image is smooth."
    x, u, s = torch.as_tensor(image, dtype=mask.dtype)/255, up(mask), .01
    tv_h, tv_w = ((mask[1:] - mask[:-1])**2).mean(), ((mask[:, 1:] - mask[:, :-1])**2).mean()
    b_h = ((u[1:] - u[:-1])**2*torch.exp(-((x[1:] - x[:-1])**2).mean(2)/s)).mean()
    b_w = ((u[:, 1:] - u[:, :-1])**2*torch.exp(-((x[:, 1:] - x[:, :-1])**2).mean(2)/s)).mean()
    fading = .1*float(np.exp(-n))*((1 - mask)**2).sum()
    return (1 - mask).abs().mean() + 10*.5*(tv_h + tv_w + b_h + b_w) + fading


@pytest.mark.parametrize("name,baseline,variant", [("scenes-internvl", "blur", "fixed"),
                                                   ("scenes-qwen", "zero", "paper")])
def test_igos_by_hand(name, baseline, variant):
    m = embedded(name)
    settings = dict(iterations=2, steps=2)
    want = igos_by_hand(m, SCENE.pixels, target(m), variant, baseline, **settings)
    size = 1 if baseline == "zero" else 10
    got = B.igos(*question(m), variant, baseline, noise=0, batch_size=size, **settings)
    assert np.ptp(want) == 1 and np.abs(got - want).max() < .02
    assert np.corrcoef(got.ravel(), want.ravel())[0, 1] > .9999


def test_the_variants_of_igos_differ():
    m = embedded("scenes-internvl")
    a, b = (run("IGOS++", m, SCENE.pixels, target(m), variant=v) for v in B.VARIANTS)
    assert np.abs(a - b).max() > .05


def test_igos_adds_noise_by_its_seed():
    m = embedded("scenes-internvl")
    draws = ((1, 10), (1, 1), (2, 10))
    a, b, c = (run("IGOS++", m, SCENE.pixels, target(m), seed=s, batch_size=n) for s, n in draws)
    np.testing.assert_allclose(a, b, atol=2e-3)
    assert np.abs(a - c).max() > 1e-3


@pytest.mark.parametrize("t", [0, 3])
def test_the_penalty_gradient_by_differences(t):
    rng = np.random.default_rng(0)
    image = np.clip(noise((20, 30)).astype(int)//12 + 100, 0, 255).astype(np.uint8)
    masks = torch.as_tensor(rng.uniform(.1, .9, (2, 6, 6)))
    up = lambda a: enlarged(a, image.shape[:2])
    got = B.penalty_gradient(masks.float(), B.edge_weights(image), t).double()
    for at in [(0, 0, 0), (0, 2, 3), (1, 5, 5), (1, 0, 4), (0, 5, 1)]:
        a, b = masks.clone(), masks.clone()
        a[at] += 1e-5
        b[at] -= 1e-5
        want = float(price(a[0]*a[1], image, t, up) - price(b[0]*b[1], image, t, up))/2e-5
        assert abs(float(got[at]) - want) < 1e-3*(1 + abs(want))


def test_own_tokens_are_those_that_the_image_makes_more_likely(model, monkeypatch):
    answer = model.answer(SCENE.pixels, PROMPT)
    t, chosen = make_target(model, answer), []
    made = B.IgosPath
    def watched(forward, where, columns, *a):
        chosen.append(list(columns))
        return made(forward, where, columns, *a)
    monkeypatch.setattr(B, "IgosPath", watched)
    def p(image):
        x, start = plain_inputs(model, image, t.forced)
        with torch.no_grad(): z = model.model(**x).logits[0].softmax(-1)
        return np.array([float(z[start + k, i]) for k, i in zip(t.positions, t.ids)])
    whole, without = p(SCENE.pixels), p(B.blurred(SCENE.pixels))
    run("IGOS++", model, SCENE.pixels, t, own_tokens=True)
    want = np.flatnonzero(np.log(whole) - np.log(without) > 1).tolist()
    assert 0 < len(want) < len(t) and chosen.pop() == want
    none = make_target(model, answer, [k for k in range(len(t)) if k not in want])
    run("IGOS++", model, SCENE.pixels, none, own_tokens=True)
    assert chosen.pop() == [max(none.positions, key=lambda k: whole[k] - without[k])]
    run("IGOS++", model, SCENE.pixels, t)
    assert chosen.pop() == list(t.positions)


def test_the_blur_grows_with_the_width():
    for w, k in ((40, 101), (499, 101), (500, 201), (800, 301), (2000, 501)):
        image = noise((20, w))
        want = cv2.GaussianBlur(image, (k, k), k - 1, borderType=cv2.BORDER_REFLECT)
        np.testing.assert_array_equal(B.blurred(image), want)


def test_igos_from_zeros_in_every_family(family):
    a = run("IGOS++", family, noise(), target(family), baseline="zero", own_tokens=True)
    assert a.shape == (130, 200) and np.isfinite(a).all()


# ---------------------------------------------------------------- LLaVA-CAM

def cam_by_hand(m, image, t, layer):
    "Activations and gradients by a hook that only looks; the map by loops over channels."
    x, start = plain_inputs(m, image, t.forced)
    held = []
    norm = m.model.get_decoder().layers[layer].post_attention_layernorm
    hook = norm.register_forward_hook(lambda mod, a, out: held.append(out))
    try: z = m.model(**x, use_cache=False).logits[0].float()
    finally: hook.remove()
    g, = torch.autograd.grad(sum(z[start + k, i] for k, i in zip(t.positions, t.ids)), held[0])
    places = image_places(m, x)
    f, g = (v[0, places].double().detach().numpy() for v in (held[0], g))
    side = int(len(places)**.5)
    out = np.zeros(len(places))
    for c in range(f.shape[1]): out += np.maximum(g[:, c], 0).mean()*f[:, c]/f.shape[1]
    return np.maximum(out, 0).reshape(side, side)


@pytest.mark.parametrize("name", checkpoints.EMBEDDED)
def test_cam_by_hand(name):
    m = embedded(name)
    for layer in (1, 2):
        a = cam_by_hand(m, SCENE.pixels, target(m), layer)
        got = B.llava_cam(*question(m), layer=layer, samples=2, noise=0)
        want = to_image(a/a.max(), (224, 224)) if a.max() > 0 else np.zeros((224, 224))
        np.testing.assert_allclose(got, want/max(want.max(), 1e-12), atol=2e-3)
        if a.max() > 0:
            paper = B.llava_cam(*question(m), "paper", layer=layer, samples=2, noise=0)
            np.testing.assert_allclose(paper, got, atol=1e-6)


def test_the_layer_of_cam_is_not_blind(trained):
    lit = 0
    for s in map(scenes.sample, (9, 10, 11)):
        t = make_target(trained, trained.answer(s.pixels, PROMPT))
        lit += B.llava_cam(trained, s.pixels, PROMPT, t, samples=3).max() == 1
    assert lit, "after the last layer image tokens no longer reach the answer, so every gradient is zero"


@pytest.mark.parametrize("kind,depth,want", [
    ("qwen2_5_vl", 36, 32), ("qwen2_5_vl", 28, 26), ("internvl", 36, 32), ("llava", 32, 13),
    ("qwen3_vl", 40, 36), ("llava_next", 40, 16), ("gemma3", 20, 18)])
def test_the_layer_of_cam(kind, depth, want):
    decoder = types.SimpleNamespace(layers=[None]*depth)
    assert B.cam_layer(types.SimpleNamespace(model_type=kind, decoder=decoder)) == want


def test_cam_with_noise_depends_on_the_seed_alone(model):
    draws = ((0, 7), (0, 2), (0, 1), (1, 7))
    a, b, c, d = (B.llava_cam(*question(model), samples=7, seed=s, batch_size=n) for s, n in draws)
    np.testing.assert_allclose(a, b, atol=1e-3)
    np.testing.assert_allclose(a, c, atol=1e-3)
    assert np.abs(a - d).max() > 1e-3 and a.max() == 1 and a.min() >= 0


def test_cam_averages_maps_of_noisy_images(model, monkeypatch):
    seen, pixels = [], Forward.pixels
    def watched(self, image, **k):
        if not k: seen.append(np.array(image))
        return pixels(self, image, **k)
    monkeypatch.setattr(Forward, "pixels", watched)
    got = B.llava_cam(*question(model), layer=2, samples=4)
    assert len(seen) == 4 and len({a.tobytes() for a in seen}) == 4
    unclipped = (SCENE.pixels > 100) & (SCENE.pixels < 155)
    off = np.stack([a.astype(float) - SCENE.pixels for a in seen])[:, unclipped]
    assert abs(off.std() - 25.5) < 1 and abs(off.mean()) < .3, "noise of a tenth of 255, the same to both sides"
    maps = [cam_by_hand(model, a, target(model), 2) for a in seen]
    want = to_image(np.mean([a/a.max() if a.max() > 0 else a for a in maps], 0), (224, 224))
    np.testing.assert_allclose(got, want/want.max(), atol=2e-3)


def test_an_image_without_positive_activation_is_dark_or_nan(model, monkeypatch):
    made, n = B.cam_maps, []
    def dark_once(*a):
        n.append(0)
        out = made(*a)
        out[0] *= 0
        return out
    maps = {}
    for v in B.VARIANTS:
        monkeypatch.setattr(B, "cam_maps", dark_once)
        maps[v] = B.llava_cam(*question(model), v, samples=3)
        monkeypatch.setattr(B, "cam_maps", lambda *a: made(*a)*0)
        maps[v + " dark"] = B.llava_cam(*question(model), v, samples=3)
    assert np.isnan(maps["paper"]).all() and np.isnan(maps["paper dark"]).all()
    assert maps["fixed"].max() == 1 and (maps["fixed dark"] == 0).all()


def test_wrong_settings_are_refused(model):
    for layer in (-1, 3):
        with pytest.raises(ValueError, match="layer must lie in 0..2"): B.llava_cam(*question(model), layer=layer)
    for f in (B.llava_cam, B.tam, B.igos):
        with pytest.raises(ValueError, match="choose one of fixed, paper"): f(*question(model), "Paper")
    with pytest.raises(ValueError, match="unknown baseline 'black': choose one of blur, zero"):
        B.igos(*question(model), baseline="black")
    with pytest.raises(ValueError, match="keep must lie between 0 and 1"): B.rise(*question(model), keep=1)


# ---------------------------------------------------------------- TAM

def rank_gaussian_by_hand(a):
    h, w = a.shape
    out = np.zeros((h, w))
    mirror = lambda k, n: -k if k < 0 else 2*n - 2 - k if k >= n else k
    for y in range(h):
        for x in range(w):
            v = sorted(a[mirror(y + dy, h), mirror(x + dx, w)] for dy in (-1, 0, 1) for dx in (-1, 0, 1))
            mean = sum(v)/9
            if mean <= 0: continue
            s = (sum((b - mean)**2 for b in v)/9)**.5/mean
            weights = [float(np.exp(-(r - 4)**2/(2*s*s))) if s > 0 else float(r == 4) for r in range(9)]
            out[y, x] = sum(b*c for b, c in zip(v, weights))/sum(weights)
    return out


def tam_by_hand(H, W, ids, at, image, mark, causal):
    "H (L, D) normed hidden states, W (V, D) head; the token that is predicted at `at`."
    A = lambda i, places: np.array([max(0., float(W[ids[i]] @ H[j])) for j in places])
    t = at + 1
    text = [j for j in range(t) if ids[j] != mark]
    a, s = A(t, image), A(t, text)
    if causal:
        total, M = sum(v for v, i in zip(s, text) if ids[i] != ids[t]) + 1e-8, np.zeros(len(image))
        for v, i in zip(s, text):
            if ids[i] != ids[t]: M += v/total*A(i, image)
        if M @ M > 0: a = np.maximum(0, a - (a @ M)/(M @ M)*M)
    joint = list(a) + [v for v, i in zip(s, text) if i != at]
    return (a - min(joint))/(max(joint) - min(joint))


def hidden_states(m, image, t):
    "What the output head is given, by a hook on it."
    x, start = plain_inputs(m, image, t.forced)
    held = []
    hook = m.model.get_output_embeddings().register_forward_pre_hook(lambda mod, a: held.append(a[0]))
    try:
        with torch.no_grad(): m.model(**x, use_cache=False)
    finally: hook.remove()
    return held[0][0].double().numpy(), x["input_ids"][0].tolist(), start, image_places(m, x)


@pytest.mark.parametrize("variant", B.VARIANTS)
def test_tam_by_hand(trained, variant):
    answer = trained.answer(SCENE.pixels, PROMPT)
    t = make_target(trained, answer, [1, len(answer) - 1])
    H, ids, start, places = hidden_states(trained, SCENE.pixels, t)
    W, side = trained.model.get_output_embeddings().weight.detach().double().numpy(), int(len(places)**.5)
    def by_hand(k):
        a = tam_by_hand(H, W, ids, start + k, places, ids[places[0]], variant == "fixed")
        return rank_gaussian_by_hand(a.reshape(side, side))
    maps = [by_hand(k) for k in t.positions]
    got = B.tam(*question(trained, t), variant)
    np.testing.assert_allclose(got, to_image(np.mean(maps, 0), (224, 224)), atol=1e-3)
    each = [B.tam(*question(trained, make_target(trained, answer, k)), variant) for k in t.positions]
    np.testing.assert_allclose(got, np.mean(each, 0), atol=1e-4)
    assert got.max() > .01 and 0 <= got.min() and got.max() <= 1 + 1e-6


def test_the_filter_of_tam_by_hand():
    rng = np.random.default_rng(0)
    for shape in ((8, 8), (4, 7), (2, 2), (2, 5)):
        maps = [rng.random(shape), (rng.random(shape) < .4)*1., np.full(shape, .3), np.zeros(shape)]
        for a in (*maps, rng.random(shape)**8):
            np.testing.assert_allclose(B.rank_gaussian(a), rank_gaussian_by_hand(a), atol=1e-9)


def test_tam_subtracts_what_an_earlier_word_explains(model, monkeypatch):
    t = target(model)
    x, start = plain_inputs(model, SCENE.pixels, t.forced)
    ids, places = x["input_ids"][0].tolist(), image_places(model, x)
    at = start + t.positions[0]
    word = next(j for j in range(places[-1] + 1, at) if ids.count(ids[j]) == 1) # an earlier word that occurs once
    H, W = torch.zeros(len(ids), 3), torch.zeros(model.model.get_output_embeddings().weight.shape[0], 3)
    W[t.ids[0], 0], W[ids[word], 1] = 1, 1
    leak, bump = np.zeros((8, 8)), np.zeros((8, 8))
    leak[:, 5:], bump[1:4, 1:4] = .6, .5
    H[places, 0] = torch.as_tensor((leak*.5 + bump).ravel(), dtype=torch.float32)
    H[places, 1] = torch.as_tensor(leak.ravel(), dtype=torch.float32)
    H[word, 0] = .8
    monkeypatch.setattr(Forward, "hidden", lambda self, pixels, n: H[None])
    head = torch.nn.Linear(*W.T.shape, bias=False)
    head.weight.data = W
    monkeypatch.setattr(model.model, "get_output_embeddings", lambda: head)
    fixed, paper = (B.tam(model, SCENE.pixels, PROMPT, t, v) for v in B.VARIANTS)
    np.testing.assert_allclose(fixed, to_image(rank_gaussian_by_hand(bump/.8), (224, 224)), atol=1e-5)
    np.testing.assert_allclose(paper, to_image(rank_gaussian_by_hand((leak*.5 + bump)/.8), (224, 224)), atol=1e-5)
    assert abs(fixed[70, 70] - .625) < .01 and (fixed[:, 160:] < 1e-6).all() and paper[100, 200] > .3


# ---------------------------------------------------------------- attention rollout

def rollout_by_hand(m, image, t):
    "On a copy whose attention is computed in the plain way and asked for."
    x, start = plain_inputs(m, image, t.forced)
    with torch.no_grad(): layers = m.model(**x, output_attentions=True, use_cache=False).attentions
    flow = np.eye(x["input_ids"].shape[1])
    for a in layers:
        a = a[0].double().numpy()
        mean = sum(a)/len(a)
        flow = (mean + np.eye(len(mean)))/2 @ flow
    rows = flow[[start + k for k in t.positions]]
    np.testing.assert_allclose(flow.sum(1), 1, atol=1e-4)
    return rows[:, image_places(m, x)].mean(0)


def attention_of(m): return m.model.get_decoder().config._attn_implementation


def test_rollout_by_hand(trained):
    t = target(trained, None)
    copy = checkpoints.load_checkpoint(trained.name, dtype="float32", attn_implementation="eager")
    assert attention_of(copy) == "eager" != attention_of(trained)
    a = rollout_by_hand(copy, SCENE.pixels, t)
    side = int(len(a)**.5)
    got = B.attention_rollout(*question(trained, t))
    np.testing.assert_allclose(got, to_image(a.reshape(side, side), (224, 224)), atol=1e-5)


def test_rollout_of_every_family_by_hand(family, monkeypatch):
    got = []
    def watched(where, grid, values):
        got.append(np.asarray(values))
        return np.zeros((130, 200))
    monkeypatch.setattr(B, "from_tokens", watched)
    t = target(family)
    B.attention_rollout(family, noise(), PROMPT, t)
    copy = models.Model(*shapes.tiny(family.name), family.name)
    copy.model.set_attn_implementation("eager")
    np.testing.assert_allclose(got[0], rollout_by_hand(copy, noise(), t), atol=2e-5, rtol=2e-3)


def test_rows_of_attention_sum_to_one_and_look_back_only(trained):
    f = Forward(trained, SCENE.pixels, PROMPT, target(trained).forced)
    before, layers = attention_of(trained), B.layer_attentions(f)
    assert len(layers) == len(trained.model.get_decoder().layers)
    for a in layers:
        np.testing.assert_allclose(a.sum(1), 1, atol=1e-4)
        assert (a.triu(1) == 0).all()
    assert attention_of(trained) == before


def test_a_model_without_attention_in_a_layer_stays_as_it_is():
    m = models.Model(*shapes.tiny("llava"), "llava")
    decoder = m.model.get_decoder()
    m.answer(noise(), PROMPT, max_new_tokens=1) # the first pass through a tower leaves hooks of transformers
    del decoder.layers[1].self_attn
    before = state(m)
    with pytest.raises((AttributeError, ValueError, TypeError)):
        B.attention_rollout(m, noise(), PROMPT, target(m))
    assert state(m) == before


# ---------------------------------------------------------------- a model that looks at one corner only

@contextlib.contextmanager
def bottom_left_only(m):
    "Everything else is black before the vision tower sees it."
    base = m.model.base_model
    tower = base.visual if m.name == "scenes-qwen" else base.vision_tower
    mask = torch.zeros(224, 224)
    mask[112:, :112] = 1
    def hide(module, args, kwargs):
        name = next((k for k in ("pixel_values", "hidden_states") if k in kwargs), None)
        v = kwargs[name] if name else args[0]
        u = in_patches(m, mask, v[:64]).repeat(len(v)//64, 1) if m.name == "scenes-qwen" else mask
        shown = v*u - (1 - u)
        return (args, {**kwargs, name: shown}) if name else ((shown, *args[1:]), kwargs)
    hook = tower.register_forward_pre_hook(hide, with_kwargs=True)
    try: yield
    finally: hook.remove()


MORE = {"KernelSHAP": dict(samples=50), "LIME": dict(samples=50), "RISE": dict(samples=50),
        "integrated gradients": dict(steps=8), "IGOS++": dict(iterations=3, steps=2),
        "LLaVA-CAM": dict(samples=4, layer=2)}
CORNER = ([("scenes-llava", k) for k in FOLLOWING + INSIDE] + [("scenes-qwen", k) for k in FOLLOWING[-3:] + INSIDE]
          + [("scenes-internvl", k) for k in INSIDE])
LOCAL = ("occlusion", "gradient x input", "integrated gradients")


def variants(method): return B.VARIANTS if method in ("IGOS++", "TAM") else (None,)


@pytest.mark.parametrize("name,method,variant", [(n, k, v) for n, k in CORNER for v in variants(k)])
def test_a_model_that_sees_one_corner(name, method, variant):
    m = embedded(name)
    settings = MORE.get(method, {}) | ({"variant": variant} if variant else {})
    with bottom_left_only(m):
        answer = m.answer(SCENE.pixels, PROMPT)
        assert "clock" in answer.text
        a = run(method, m, SCENE.pixels, make_target(m, answer, "clock"), grid(SCENE.pixels, 4, 4), **settings)
    y, x = np.unravel_index(a.argmax(), a.shape)
    inside = np.zeros((224, 224), bool)
    inside[112:, :112] = True
    assert np.isfinite(a).all() and (np.ptp(a) > 0 or method == "LLaVA-CAM")
    if method in FOLLOWING: assert inside[y, x], (x, y)
    if method in LOCAL: assert np.abs(a)[~inside].max() < .05*np.abs(a).max()
    if method in (*LOCAL, "IGOS++"): assert a.clip(0)[inside].sum() > .75*a.clip(0).sum()
    if method == "RISE": assert a[inside].mean() > a[~inside].mean()
    # methods that read hidden states need not follow the behaviour: TAM and rollout do here, LLaVA-CAM does not
    if method == "TAM": assert inside[y, x] and a[inside].mean() > 2*a[~inside].mean()
    if method == "attention rollout": assert a[inside].mean() > a[~inside].mean()


# ---------------------------------------------------------------- every baseline, every family

COSTS = {"occlusion": (10, 0), "RISE": (6, 0), "gradient x input": (1, 1), "integrated gradients": (3, 3),
         "IGOS++": (8, 8), "LLaVA-CAM": (3, 3), "TAM": (1, 0), "attention rollout": (1, 0)}


def expected_costs(name, variant=None):
    "Forwards and backwards; the paper's variant of IGOS++ leaves out half of the paths."
    forwards, backwards = COSTS.get(name, (0, 0))
    half = 2 if name == "IGOS++" and variant == "paper" else 1
    return forwards//half, backwards//half


@contextlib.contextmanager
def counted(m):
    "Images that really go through the language model."
    through = []
    hook = m.model.get_decoder().norm.register_forward_hook(lambda mod, a, out: through.append(len(out)))
    try: yield through
    finally: hook.remove()


@pytest.mark.parametrize("name", B.BASELINES)
def test_every_baseline_on_every_family_and_what_it_costs(name, family):
    t = target(family)
    for settings in [dict(variant=v) for v in B.VARIANTS] if name in VARIED else [{}]:
        with counted(family) as through, measured() as cost: a = run(name, family, noise(), t, **settings)
        assert cost["forwards"] == sum(through)
        if name in ("KernelSHAP", "LIME"): assert 6 <= cost["forwards"] <= 13 and cost["backwards"] == 0
        else: assert (cost["forwards"], cost["backwards"]) == expected_costs(name, **settings)
        assert a.shape == (130, 200) and a.dtype == np.float64
        if name != "LLaVA-CAM" or settings["variant"] == "fixed": assert np.isfinite(a).all()
        if name not in ("LLaVA-CAM", "TAM"): assert np.ptp(a) > 0
    if name not in NO_MODEL:
        with pytest.raises(TypeError, match="load the checkpoint"): run(name, family.name, noise(), t)


@pytest.mark.parametrize("name", WITH_MODEL)
def test_a_foil_gives_another_map(name):
    model = embedded("scenes-internvl")
    answer, settings = model.answer(SCENE.pixels, PROMPT), dict(layer=2) if name == "LLaVA-CAM" else {}
    targets = (make_target(model, answer, "clock", foil=foil) for foil in (None, "dog"))
    a, b = (run(name, model, SCENE.pixels, t, **settings) for t in targets)
    assert np.isfinite(b).all() and b.shape == (224, 224)
    assert np.abs(a - b).max() > 1e-6 or name == "attention rollout"


HALVED = [("scenes-internvl", k) for k in WITH_MODEL]
HALVED += [(n, k) for n in ("scenes-llava", "scenes-qwen") for k in ("occlusion", "gradient x input", *INSIDE)]


@pytest.mark.parametrize("source,name", HALVED)
def test_half_precision(source, name):
    trained, half = embedded(source), embedded_half(source)
    kw = dict(layer=2) if name == "LLaVA-CAM" else {}
    a, b = (run(name, m, SCENE.pixels, target(m), **kw) for m in (half, trained))
    assert a.shape == (224, 224) and np.isfinite(a).all()
    near = {"gradient x input": .3, "integrated gradients": .5, "IGOS++": .7}.get(name, .8)
    if np.ptp(b) > 0 and np.ptp(a) > 0: assert same_rank(a[::4, ::4].ravel(), b[::4, ::4].ravel()) > near


def embedded_half(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return embedded(name, "bfloat16")


def test_orders_that_need_no_model():
    r = grid(np.zeros((120, 200, 3), np.uint8), 3, 5)
    a, b, c = (B.random_map(None, None, None, None, r, seed=s) for s in (0, 0, 1))
    assert (a == b).all() and (a != c).any() and a.shape == (120, 200)
    assert a.min() >= 0 and a.max() <= 1 and len(np.unique(a)) == len(r)
    d = B.centre_out(None, None, None, None, r)
    assert d.max() <= 1 and d.min() >= 0 and d[60, 100] == d.max() and d[0, 0] == d.min()
    np.testing.assert_allclose(d, d[::-1, ::-1])
    e = B.oracle(None, None, None, None, r, (0, 0, 50, 40))
    for k in range(len(r)):
        at = r.labels == k
        inside = np.zeros(at.shape, bool)
        inside[:40, :50] = True
        np.testing.assert_allclose(e[at], inside[at].mean())
    np.testing.assert_allclose(B.oracle(None, None, None, None, r, inside), e)


# ---------------------------------------------------------------- what it leaves behind

def state(m):
    "Everything that a method may have touched."
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    hooks = sum(len(getattr(module, k)) for module in m.model.modules() for k in kinds)
    configs = (m.model.config, m.model.get_decoder().config, getattr(m.model.config, "vision_config", None))
    attention = [getattr(c, "_attn_implementation", None) for c in configs]
    weights = [(p.requires_grad, p.grad is None, float(p.detach().double().sum())) for p in m.model.parameters()]
    training = [module.training for module in m.model.modules()]
    return weights, training, hooks, attention, torch.is_grad_enabled(), m.unsafe_shortcuts


def random_states():
    n = np.random.get_state()
    return torch.get_rng_state().tolist(), n[1].tolist(), n[2], random.getstate()


@pytest.mark.parametrize("name", B.BASELINES)
def test_a_seed_decides_and_nothing_is_left_behind(name):
    m = tiny("qwen2_5_vl")
    m.model.get_input_embeddings().weight.requires_grad_(False)
    before, states = state(m), random_states()
    a = run(name, m, noise(), target(m))
    assert state(m) == before and random_states() == states
    torch.rand(3)
    np.random.rand(3)
    try: np.testing.assert_array_equal(run(name, m, noise(), target(m)), a)
    finally: m.model.get_input_embeddings().weight.requires_grad_(True)
    if name in ("random", "KernelSHAP", "LIME", "RISE", "IGOS++"):
        assert np.abs(run(name, m, noise(), target(m), seed=5) - a).max() > 0


@pytest.mark.parametrize("name", WITH_MODEL)
@pytest.mark.parametrize("kind", ["llava", "qwen3_vl"])
def test_an_error_leaves_nothing_behind(name, kind):
    m = tiny(kind)
    def stop(*a): raise RuntimeError("the device is gone")
    hook = m.model.get_decoder().norm.register_forward_pre_hook(stop)
    before, states = state(m), random_states()
    try:
        with pytest.raises(RuntimeError, match="the device is gone"): run(name, m, noise(), target(m))
        assert state(m) == before and random_states() == states
    finally: hook.remove()


@pytest.mark.parametrize("name", WITH_MODEL)
def test_a_model_that_is_wrong_in_batches_sees_one_image_at_a_time(name, monkeypatch):
    m = models.Model(*shapes.tiny("llava"), "llava")
    m.unsafe_shortcuts = frozenset({"batch", "head", "tiles"})
    sizes = []
    m.model.get_decoder().norm.register_forward_hook(lambda mod, a, out: sizes.append(len(out)))
    if name == "TAM":
        with pytest.raises(ValueError, match="more than its last hidden states"):
            run(name, m, noise(), target(m))
        return
    run(name, m, noise(), target(m))
    assert set(sizes) == {1}, "model.unsafe_shortcuts says that several images in one forward are wrong here"


@pytest.mark.parametrize("name", ["gradient x input", "integrated gradients", "IGOS++", "LLaVA-CAM"])
def test_a_model_that_changes_its_logits_is_followed_or_refused(name):
    m = models.Model(*shapes.tiny("llava"), "llava")
    plain, forward = m.model.forward, m.model.forward
    scale = torch.linspace(-1, 1, m.model.get_output_embeddings().weight.shape[0])
    def other(*a, **k):
        out = plain(*a, **k)
        out.logits = out.logits*scale
        return out
    m.model.forward = other
    m.unsafe_shortcuts = frozenset({"head"})
    ask = lambda: run(name, m, noise(), target(m), **({"layer": 0} if name == "LLaVA-CAM" else {}))
    try: got = ask()
    except ValueError as e:
        assert m.name in str(e)
        return
    m.unsafe_shortcuts = frozenset()
    m.model.forward = forward
    assert np.abs(got - ask()).max() > 1e-9, "the logits are not those of the head alone"


# ---- threads that share a model

def test_attention_is_eager_in_one_thread_only():
    "A thread that had begun without a mask would go on in eager mode, where no mask lets it see what comes after."
    m = embedded("scenes-llava")
    config, before = m.decoder.config, m.decoder.config._attn_implementation
    forward = Forward(m, SCENE.pixels, PROMPT, target(m).forced)
    with B._eager(m.decoder) as held, ThreadPoolExecutor(1) as pool:
        elsewhere = pool.submit(lambda: config._attn_implementation).result()
        assert (config._attn_implementation, elsewhere) == ("eager", before)
        pool.submit(forward, forward.whole, 1).result()
        assert not held, "weights of another thread"
    assert config._attn_implementation == before


@pytest.mark.parametrize("name", ["attention rollout", "LLaVA-CAM"])
def test_threads_read_the_attention_and_the_states_of_their_own_image(name):
    m, images = embedded("scenes-llava"), [scenes.sample(seed).image for seed in range(4)]
    def ask(image): return run(name, m, image, target(m))
    alone, config = [ask(image) for image in images], m.decoder.config
    kind, before = type(config), config._attn_implementation
    for _ in range(2):
        with ThreadPoolExecutor(4) as pool: together = list(pool.map(ask, images))
        for a, b in zip(alone, together): np.testing.assert_allclose(a, b, atol=1e-5)
    assert (type(config), config._attn_implementation) == (kind, before)
