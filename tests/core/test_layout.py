"Layout: every number of `pixel_values` and every image token lies where a coded picture, or a touched one, says it does."
import functools

import numpy as np
import pytest
import torch
from conftest import PROMPT

from eagle_nb.core import checkpoints, models
from eagle_nb.world import shapes
from eagle_nb.core.forward import Forward
from eagle_nb.core.layout import Layout, from_tokens, layout, token_grid
from eagle_nb.core.regions import Regions
from eagle_nb.core.scores import ModelScorer
from eagle_nb.core.targets import make_target

SIZES = ((130, 200), (200, 130), (70, 48), (310, 400))  # wide, high, smaller than the model's picture, larger with more than 255 rows
TWO = {"first": 0, "second": 1, "middle": 1}


@functools.lru_cache(None)
def tiny(family):
    try: return models.Model(*shapes.tiny(family), family)
    except ImportError as e: pytest.skip(str(e))


@pytest.fixture(params=shapes.TINY)
def m(request): return tiny(request.param)


@pytest.fixture(params=SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def size(request): return request.param


def noise(size, seed=0): return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
def smooth(size): return torch.as_tensor(np.add.outer(np.linspace(0, 1, size[0]), np.linspace(0, 2, size[1])))


def opened(m, image, prompt=PROMPT):
    f = Forward(m, image, prompt, m.read("A cat").ids)
    return f, layout(f)


def channel(values):
    "Colour of every element, by what is known of the two kinds of pixel_values."
    if values.ndim == 2: return torch.arange(values.shape[1]).div(values.shape[1]//3, rounding_mode="floor").expand(values.shape)
    return torch.arange(3)[:, None, None].expand(values.shape)


def blobs(size, n=5, seed=0):
    "Regions of any form: the nearest of n points."
    rng = np.random.default_rng(seed)
    y, x = np.indices(size)
    return Regions.compact(np.argmin([(y - rng.integers(size[0]))**2 + (x - rng.integers(size[1]))**2 for _ in range(n)], 0))


def embedded(f, image):
    "What the language model gets at every place, for another picture of the same size."
    class Got(Exception): pass
    got = {}
    def stop(module, args, kwargs):
        got.update(kwargs)
        raise Got
    hook = f.model.model.get_decoder().register_forward_pre_hook(stop, with_kwargs=True)
    try:
        with torch.no_grad(): f.model.model.base_model(**{k: v for k, v in f.inputs.items() if v is not None}, pixel_values=f.model.place(f.pixels(image)), use_cache=False)
    except Got: return got["inputs_embeds"][0]
    finally: hook.remove()


def some_tokens(grid):
    "The corners and a few more."
    h, w = grid.shape
    return sorted({0, w - 1, (h - 1)*w, h*w - 1, w//2, (h//2)*w, (h//2)*w + w//3})


def moves_most(f, l, g, image):
    "For each of some tokens, whether lighting the pixels under it moves the token itself more than any other of the grid."
    before, found = embedded(f, image)[list(g.positions)], []
    for k in some_tokens(g):
        lit = from_tokens(l, g, np.eye(len(g))[k]) > .5
        assert lit.any()
        moved = (embedded(f, np.where(lit[..., None], np.uint8(255), image))[list(g.positions)] - before).norm(dim=1)
        found.append(bool(moved[k] > 1e-4) and int(moved.argmax()) == k)
    return found


def test_rows_and_columns_are_those_of_a_picture_whose_colours_tell_them(m, size):
    from PIL import Image
    f, l = opened(m, noise(size))
    y, x = np.indices(size)
    options = dict(resample=Image.Resampling.NEAREST, do_rescale=False, do_normalize=False)
    coded, high = (f.pixels(np.stack(c, -1).astype(np.uint8), **options).round().long() for c in ((y % 256, x % 256, 0*y + 7), (y//256, x//256, 0*y)))
    colour, told = channel(coded), l.row >= 0
    code = coded + 256*high
    assert (code[told & (colour == 0)] == l.row[told & (colour == 0)]).all()
    assert (code[told & (colour == 1)] == l.column[told & (colour == 1)]).all()
    assert (coded[told & (colour == 2)] == 7).all() and (coded[~told] == 0).all()
    assert ((l.row < 0) == (l.column < 0)).all() and l.shape == size
    for v in (l.row, l.column):
        a = v.flatten(0, -4) if v.ndim > 3 else v.view(len(v), 3, -1).flatten(2)
        assert (a == a[:, :1]).all(), "the colours of a pixel lie at one place"


def test_a_spread_mask_hides_what_a_scorer_hides(m, size):
    image, r = noise(size), blobs(size)
    answer = m.read("A cat")
    f, l = opened(m, image)
    scorer = ModelScorer(m, image, PROMPT, make_target(m, answer), r, fill="noise", batch_size=1, seed=3)
    keep = torch.tensor([[True, False, True, False, False], [False]*5, [True]*5])[:, :len(r)]
    variants = scorer.variants(keep).unflatten(0, (3, -1))
    blank = m.place(f.pixels(scorer.fill))
    for row, shown in zip(keep, variants):
        mask = torch.as_tensor(r.mask(row.numpy()).astype(float))
        assert torch.equal(torch.where(l.spread(mask) > .5, f.whole, blank), shown)
        if row.all(): assert (l.spread(mask) == 1).all()
    scorer.mode = "pixels"
    slow = scorer.variants(keep).unflatten(0, (3, -1))
    reach = float(f.whole.max() - f.whole.min())
    assert ((variants - slow).abs() > .02*reach).float().mean() < .16, "only rims differ"


def test_back_in_the_picture_a_pixel_has_the_mean_of_all_that_show_it(m, size):
    f, l = opened(m, noise(size))
    v = torch.randn(l.row.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    total, count = np.zeros(size), np.zeros(size)
    told = (l.row >= 0).numpy()
    at = l.row.numpy()[told], l.column.numpy()[told]
    np.add.at(total, at, v.numpy()[told]); np.add.at(count, at, 1)
    back = l.gather(v)
    assert back.shape == size and back.dtype == np.float64
    np.testing.assert_allclose(back[count > 0], (total/np.maximum(count, 1))[count > 0], atol=1e-12)
    x = smooth(size)
    np.testing.assert_allclose(l.gather(l.spread(x))[count > 0], x.numpy()[count > 0], atol=1e-12)
    rows, columns = np.flatnonzero(count.any(1)), np.flatnonzero(count.any(0))
    inside = np.s_[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    assert np.abs(l.gather(l.spread(x))[inside] - x.numpy()[inside]).max() < .1, "between the pixels that are shown lie their neighbours"
    assert np.abs(l.gather(v.bfloat16()) - back).max() < .02


def test_the_gradient_of_a_spread_mask_is_summed_where_its_pixels_show(m, size):
    f, l = opened(m, noise(size))
    mask = torch.rand(size, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weight = torch.randn(l.row.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    got, = torch.autograd.grad((l.spread(mask)*weight).sum(), mask)
    want, told = np.zeros(size), (l.row >= 0).numpy()
    np.add.at(want, (l.row.numpy()[told], l.column.numpy()[told]), weight.numpy()[told])
    np.testing.assert_allclose(got.numpy(), want, atol=1e-10)
    assert (got != 0).any() and l.spread(mask.detach().float()).dtype == torch.float32


def test_tokens_lie_where_touching_the_picture_moves_them(m, size):
    image = np.full((*size, 3), 128, np.uint8)
    f, l = opened(m, image)
    g = token_grid(f, l)
    mark = {int(v) for k in ("image_token_id", "image_token_index") if (v := getattr(m.model.config, k, None)) is not None}
    assert len(mark) == 1 and {int(f.inputs["input_ids"][0, p]) for p in g.positions} == mark
    assert len(g) == g.shape[0]*g.shape[1] == len(set(g.positions)) and list(g.positions) == sorted(g.positions)
    assert all(moves_most(f, l, g, image))


@pytest.mark.parametrize("name", checkpoints.EMBEDDED)
def test_tokens_of_the_embedded_models(name):
    m = checkpoints.load_checkpoint(name, dtype="float32")
    for size in ((224, 224), (150, 260)):
        image = np.full((*size, 3), 128, np.uint8)
        f, l = opened(m, image)
        g = token_grid(f, l)
        found = moves_most(f, l, g, image)
        assert np.mean(found) >= .7, found  # a trained tower looks around, too


@pytest.mark.parametrize("where", TWO)
def test_of_several_pictures_the_explained_one_is_found_or_refused(m, where):
    size = (130, 200)
    image, other = np.full((*size, 3), 128, np.uint8), noise((120, 150), 5)
    parts = [{"type": "image"}, {"type": "image", "image": other}, {"type": "image", "image": other}][:3 if where == "middle" else 2]
    if where != "first": parts[0], parts[1] = parts[1], parts[0]
    f, l = opened(m, image, [{"role": "user", "content": [*parts, {"type": "text", "text": PROMPT}]}])
    alone = opened(m, image)[1]
    assert int((l.row >= 0).sum()) == int((alone.row >= 0).sum()), "elements of other pictures show no pixel of this one"
    assert sorted(l.row[l.row >= 0].tolist()) == sorted(alone.row[alone.row >= 0].tolist())
    hidden, black = torch.where(l.spread(torch.zeros(size)) > 0, f.whole, 9.), torch.where(l.row < 0, f.whole, 9.)
    assert torch.equal(hidden, black)
    try: g = token_grid(f, l)
    except ValueError as e:
        assert "one picture" in str(e) and m.name in str(e)
        return
    assert all(moves_most(f, l, g, image))


def test_llava_crops_a_wide_picture_and_tokens_follow():
    m = tiny("llava")
    h, w, tokens = 130, 300, 8
    f, l = opened(m, noise((h, w)))
    g = token_grid(f, l)
    scale, left = h/112, (w - h)/2  # the short side becomes 112, the middle 112 columns stay
    for r, c in ((0, 0), (0, 7), (7, 0), (3, 5), (7, 7)):
        lit = from_tokens(l, g, np.eye(64)[r*tokens + c])
        y, x = (lit*np.indices(lit.shape)).sum((1, 2))/lit.sum()
        inner = 0 < r < 7 and 0 < c < 7
        assert abs(y - (r + .5)*14*scale) < (2.5 if inner else 6) and abs(x - left - (c + .5)*14*scale) < (2.5 if inner else 6)
        assert .9 < lit.max() <= 1 + 1e-6
    everywhere = from_tokens(l, g, np.ones(64))
    np.testing.assert_allclose(everywhere[:, round(left) + 2:-round(left) - 2], 1, atol=1e-6)
    assert (everywhere[:, :40] == 0).all() and (everywhere[:, -40:] == 0).all(), "what is cropped away is dark"


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_qwen_shows_the_whole_picture_and_its_patches_go_by_fours(family):
    m = tiny(family)
    h, w = 130, 300
    f, l = opened(m, noise((h, w)))
    g = token_grid(f, l)
    rows, columns = g.shape
    assert (rows, columns) == tuple((f.inputs["image_grid_thw"][0, 1:]//2).tolist())
    for k in range(len(g)):
        r, c = divmod(k, columns)
        four = np.s_[4*k:4*k + 4]  # the patches that are merged into a token lie together
        assert r*h/rows - 1 <= l.row[four].min() and l.row[four].max() <= (r + 1)*h/rows
        assert c*w/columns - 1 <= l.column[four].min() and l.column[four].max() <= (c + 1)*w/columns
        y, x = np.unravel_index(from_tokens(l, g, np.eye(len(g))[k]).argmax(), (h, w))
        assert r*h/rows <= y + .5 <= (r + 1)*h/rows and c*w/columns <= x + .5 <= (c + 1)*w/columns
    assert (from_tokens(l, g, np.ones(g.shape)) == 1).all()


def test_between_the_middles_of_tokens_a_map_is_bilinear():
    m = checkpoints.load_checkpoint("scenes-llava", dtype="float32")
    f, l = opened(m, noise((224, 224)))
    g = token_grid(f, l)
    a = np.random.default_rng(0).random(g.shape)
    got = from_tokens(l, g, a)
    for y, x in ((14, 14), (42, 70), (30, 101), (100, 200), (0, 223)):
        v, u = (min(max((p + .5)/28 - .5, 0), 7) for p in (y, x))
        i, j = min(int(v), 6), min(int(u), 6)
        s, t = v - i, u - j
        want = (1 - s)*((1 - t)*a[i, j] + t*a[i, j + 1]) + s*((1 - t)*a[i + 1, j] + t*a[i + 1, j + 1])
        assert abs(got[y, x] - want) < 1e-4
    np.testing.assert_allclose(from_tokens(l, g, a.ravel()), got)


def test_a_value_without_a_pixel_is_refused_or_dark():
    l = Layout(torch.full((3, 4, 4), -1), torch.full((3, 4, 4), -1), (5, 6))
    assert (l.spread(torch.zeros(5, 6)) == 1).all() and (l.gather(torch.ones(3, 4, 4)) == 0).all()
    m = models.Model(*shapes.tiny("llava"), "llava")
    m.unsafe_shortcuts = frozenset({"labels"})
    with pytest.raises(ValueError, match="masks regions"): opened(m, noise((64, 64)))


def test_one_tile_of_several_is_brought_back_alone():
    m = tiny("internvl")
    f, l = opened(m, noise((130, 200)))
    g = token_grid(f, l)
    v = torch.zeros(l.row.shape)
    v[g.tile] = 1
    assert l.tiles == 3 and g.tile == 2
    np.testing.assert_allclose(l.gather(v, g.tile), 1, atol=1e-6)
    assert l.gather(v).mean() < .7
