"Layout: every number of `pixel_values` and every image token lies where a coded image, or a changed one, shows it."
import functools

import numpy as np
import pytest
import torch
from conftest import PROMPT
from PIL import Image

from eagle_nb.core import checkpoints, models
from eagle_nb.core.forward import Forward
from eagle_nb.core.layout import Layout, carry_labels, from_tokens, layout, token_grid, token_regions
from eagle_nb.core.regions import Regions
from eagle_nb.core.scores import ModelScorer
from eagle_nb.core.targets import make_target
from eagle_nb.world import coverage, shapes

SIZES = ((130, 200), (200, 130), (70, 48), (310, 400))  # wide, high, smaller than the model's, above 255 rows


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


def random_values(l, seed=0):
    "A value for each element of `pixel_values`."
    return torch.randn(l.row.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def labelled(l):
    "The elements that show a pixel, and the row and column of each."
    elements = (l.row >= 0).numpy()
    return elements, (l.row.numpy()[elements], l.column.numpy()[elements])


def opened(m, image, prompt=PROMPT):
    "An image before a model, and its layout."
    f = Forward(m, image, prompt, m.read("A cat").ids)
    return f, layout(f)


def channel(values):
    "Colour of every element, for the two kinds of pixel_values."
    if values.ndim != 2: return torch.arange(3)[:, None, None].expand(values.shape)
    per_colour = values.shape[1]//3
    return torch.arange(values.shape[1]).div(per_colour, rounding_mode="floor").expand(values.shape)


def blobs(size, n=5, seed=0):
    "Regions of any form: the nearest of n points."
    rng = np.random.default_rng(seed)
    y, x = np.indices(size)
    distances = [(y - rng.integers(size[0]))**2 + (x - rng.integers(size[1]))**2 for _ in range(n)]
    return Regions.compact(np.argmin(distances, 0))


def embedded(f, image):
    "The input of the language model at every position, for another image of the same size."
    class Stop(Exception): pass
    arguments = {}
    def stop(module, args, kwargs):
        arguments.update(kwargs)
        raise Stop
    hook = f.model.model.get_decoder().register_forward_pre_hook(stop, with_kwargs=True)
    x = {k: v for k, v in f.inputs.items() if v is not None}
    pixels = f.model.place(f.pixels(image))
    try:
        with torch.no_grad(): f.model.model.base_model(**x, pixel_values=pixels, use_cache=False)
    except Stop: return arguments["inputs_embeds"][0]
    finally: hook.remove()


def some_tokens(grid):
    "The corners and a few more."
    h, w = grid.shape
    return sorted({0, w - 1, (h - 1)*w, h*w - 1, w//2, (h//2)*w, (h//2)*w + w//3})


def moves_most(f, l, g, image):
    "For some tokens: does lighting the pixels under it move the token itself more than any other of the grid?"
    positions, found = list(g.positions), []
    before = embedded(f, image)[positions]
    for k in some_tokens(g):
        lit = from_tokens(l, g, np.eye(len(g))[k]) > .5
        assert lit.any()
        after = embedded(f, np.where(lit[..., None], np.uint8(255), image))[positions]
        moved = (after - before).norm(dim=1)
        found.append(bool(moved[k] > 1e-4) and int(moved.argmax()) == k)
    return found


def test_rows_and_columns_are_those_of_an_image_coded_in_colours(m, size):
    f, l = opened(m, noise(size))
    y, x = np.indices(size)
    options = dict(resample=Image.Resampling.NEAREST, do_rescale=False, do_normalize=False)
    def carried(*colours): return f.pixels(np.stack(colours, -1).astype(np.uint8), **options).round().long()
    coded, high = carried(y % 256, x % 256, 0*y + 7), carried(y//256, x//256, 0*y)
    colour, shown = channel(coded), l.row >= 0
    code = coded + 256*high
    assert (code[shown & (colour == 0)] == l.row[shown & (colour == 0)]).all()
    assert (code[shown & (colour == 1)] == l.column[shown & (colour == 1)]).all()
    assert (coded[shown & (colour == 2)] == 7).all() and (coded[~shown] == 0).all()
    assert ((l.row < 0) == (l.column < 0)).all() and l.shape == size
    for v in (l.row, l.column):
        a = v.flatten(0, -4) if v.ndim > 3 else v.view(len(v), 3, -1).flatten(2)
        assert (a == a[:, :1]).all(), "the colours of a pixel lie at one place"


def test_a_spread_mask_hides_what_a_scorer_hides(m, size):
    image, regions = noise(size), blobs(size)
    target = make_target(m, m.read("A cat"))
    f, l = opened(m, image)
    scorer = ModelScorer(m, image, PROMPT, target, regions, fill="noise", batch_size=1, seed=3)
    keep = torch.tensor([[True, False, True, False, False], [False]*5, [True]*5])[:, :len(regions)]
    variants = scorer.variants(keep)["pixel_values"].unflatten(0, (3, -1))
    blank = m.place(f.pixels(scorer.fill))
    for row, shown in zip(keep, variants):
        mask = torch.as_tensor(regions.mask(row.numpy()).astype(float))
        assert torch.equal(torch.where(l.spread(mask) > .5, f.whole, blank), shown)
        if row.all(): assert (l.spread(mask) == 1).all()
    scorer.mode = "pixels"
    slow = scorer.variants(keep)["pixel_values"].unflatten(0, (3, -1))
    value_range = float(f.whole.max() - f.whole.min())
    assert ((variants - slow).abs() > .02*value_range).float().mean() < .16, "only boundaries differ"


def test_a_gathered_pixel_has_the_mean_of_all_elements_that_show_it(m, size):
    f, l = opened(m, noise(size))
    v = random_values(l)
    total, count = np.zeros(size), np.zeros(size)
    elements, pixels = labelled(l)
    np.add.at(total, pixels, v.numpy()[elements])
    np.add.at(count, pixels, 1)
    back = l.gather(v)
    assert back.shape == size and back.dtype == np.float64
    np.testing.assert_allclose(back[count > 0], (total/np.maximum(count, 1))[count > 0], atol=1e-12)
    x = smooth(size)
    np.testing.assert_allclose(l.gather(l.spread(x))[count > 0], x.numpy()[count > 0], atol=1e-12)
    rows, columns = np.flatnonzero(count.any(1)), np.flatnonzero(count.any(0))
    inside = np.s_[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    error = np.abs(l.gather(l.spread(x))[inside] - x.numpy()[inside])
    assert error.max() < .1, "gaps between the pixels that are shown are filled"
    assert np.abs(l.gather(v.bfloat16()) - back).max() < .02


def test_the_gradient_of_a_spread_mask_is_the_sum_over_the_elements_of_a_pixel(m, size):
    f, l = opened(m, noise(size))
    mask = torch.rand(size, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weight = random_values(l, seed=1)
    gradient, = torch.autograd.grad((l.spread(mask)*weight).sum(), mask)
    want = np.zeros(size)
    elements, pixels = labelled(l)
    np.add.at(want, pixels, weight.numpy()[elements])
    np.testing.assert_allclose(gradient.numpy(), want, atol=1e-10)
    assert (gradient != 0).any() and l.spread(mask.detach().float()).dtype == torch.float32


def test_tokens_lie_where_changing_the_image_moves_them(m, size):
    image = np.full((*size, 3), 128, np.uint8)
    f, l = opened(m, image)
    g = token_grid(f, l)
    named = (getattr(m.model.config, k, None) for k in ("image_token_id", "image_token_index"))
    image_token = {int(v) for v in named if v is not None}
    assert len(image_token) == 1 and {int(f.inputs["input_ids"][0, p]) for p in g.positions} == image_token
    assert len(g) == g.shape[0]*g.shape[1] == len(set(g.positions)) and list(g.positions) == sorted(g.positions)
    assert all(moves_most(f, l, g, image))


@pytest.mark.parametrize("name", checkpoints.EMBEDDED)
def test_most_tokens_of_the_embedded_models_move_where_the_image_changes(name):
    m = checkpoints.load_checkpoint(name, dtype="float32")
    for size in ((224, 224), (150, 260)):
        image = np.full((*size, 3), 128, np.uint8)
        f, l = opened(m, image)
        g = token_grid(f, l)
        found = moves_most(f, l, g, image)
        assert np.mean(found) >= .7, found  # a trained tower also looks around


def with_others(where):
    "A prompt with one or two other images, the explained one first, second or in the middle."
    mine, other = {"type": "image"}, {"type": "image", "image": noise((120, 150), 5)}
    images = {"first": [mine, other], "second": [other, mine], "middle": [other, mine, other]}[where]
    return [{"role": "user", "content": [*images, {"type": "text", "text": PROMPT}]}]


@pytest.mark.parametrize("where", ["first", "second", "middle"])
def test_of_several_images_the_explained_one_is_found_or_refused(m, where):
    size = (130, 200)
    image = np.full((*size, 3), 128, np.uint8)
    f, l = opened(m, image, with_others(where))
    alone = opened(m, image)[1]
    assert int((l.row >= 0).sum()) == int((alone.row >= 0).sum()), "elements of other images show no pixel of this one"
    assert sorted(l.row[l.row >= 0].tolist()) == sorted(alone.row[alone.row >= 0].tolist())
    kept = torch.where(l.spread(torch.zeros(size)) > 0, f.whole, 9.)
    assert torch.equal(kept, torch.where(l.row < 0, f.whole, 9.))
    try: g = token_grid(f, l)
    except ValueError as e:
        assert "one image" in str(e) and m.name in str(e)
        return
    assert all(moves_most(f, l, g, image))


def test_tokens_follow_the_crop_of_a_wide_image():
    m = tiny("llava")
    h, w, tokens = 130, 300, 8
    f, l = opened(m, noise((h, w)))
    g = token_grid(f, l)
    scale, left = h/112, (w - h)/2  # the short side becomes 112, the middle 112 columns stay
    for r, c in ((0, 0), (0, 7), (7, 0), (3, 5), (7, 7)):
        lit = from_tokens(l, g, np.eye(64)[r*tokens + c])
        y, x = (lit*np.indices(lit.shape)).sum((1, 2))/lit.sum()
        inner = 0 < r < 7 and 0 < c < 7
        tolerance = 2.5 if inner else 6
        assert abs(y - (r + .5)*14*scale) < tolerance and abs(x - left - (c + .5)*14*scale) < tolerance
        assert .9 < lit.max() <= 1 + 1e-6
    everywhere = from_tokens(l, g, np.ones(64))
    np.testing.assert_allclose(everywhere[:, round(left) + 2:-round(left) - 2], 1, atol=1e-6)
    assert (everywhere[:, :40] == 0).all() and (everywhere[:, -40:] == 0).all(), "what is cropped away is dark"


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_qwen_tokens_span_the_whole_image_with_four_patches_each(family):
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


def test_a_map_is_bilinear_between_the_centers_of_tokens():
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


def test_elements_that_show_no_pixel_are_kept_and_gather_to_zero():
    l = Layout(torch.full((3, 4, 4), -1), torch.full((3, 4, 4), -1), (5, 6))
    assert (l.spread(torch.zeros(5, 6)) == 1).all() and (l.gather(torch.ones(3, 4, 4)) == 0).all()
    m = models.Model(*shapes.tiny("llava"), "llava")
    m.unsafe_shortcuts = frozenset({"labels"})
    with pytest.raises(ValueError, match="masks regions"): opened(m, noise((64, 64)))


def test_one_tile_of_several_is_gathered_alone():
    m = tiny("internvl")
    f, l = opened(m, noise((130, 200)))
    g = token_grid(f, l)
    v = torch.zeros(l.row.shape)
    v[g.tile] = 1
    assert l.tiles == 3 and g.tile == 2
    np.testing.assert_allclose(l.gather(v, g.tile), 1, atol=1e-6)
    assert l.gather(v).mean() < .7


# ---- families that keep the shape of an image, and what must not pass for a grid

NEWER = [f for f in shapes.FAMILIES if f not in shapes.TINY]
NO_GRID = ("minicpmv4_6", "deepseek_ocr2", "step3p7")  # a strip of patches; two inputs


def opened_or_skipped(family, size):
    "A tiny model before a noise image; skipped where `Model` refuses the pair."
    try: return opened(tiny(family), noise(size))
    except ValueError as e:
        if "does not fit" in str(e): pytest.skip(str(e))
        raise


@pytest.mark.parametrize("size", [(130, 200), (220, 60)], ids=["wide", "high"])
@pytest.mark.parametrize("family", NEWER)
def test_a_grid_of_any_shape_lies_where_the_image_moves_it(family, size):
    f, l = opened_or_skipped(family, size)
    if family in NO_GRID:
        with pytest.raises(ValueError, match="form no grid|sees the image in pixel_values_local, too"): token_grid(f, l)
        return
    image = noise(size)
    g = token_grid(f, l)
    assert len(g) == g.shape[0]*g.shape[1] == len(set(g.positions)) and list(g.positions) == sorted(g.positions)
    assert g.tile is not None or (g.shape[0] < g.shape[1]) == (size[0] < size[1]), "in the shape of the image"
    assert np.mean(moves_most(f, l, g, image)) >= .7, "one of 20 or more by chance"


@pytest.mark.parametrize("family,tokens", [("mistral3", (3, 5)), ("pixtral", (5, 8)), ("gemma4", (6, 10)), ("lfm2_vl", (3, 4)),
                                           ("glm4v", (5, 7)), ("qwen2_vl", (5, 7))])
def test_the_tokens_of_a_wide_image_are_regions_of_it(family, tokens):
    image = noise((130, 200))
    regions = token_regions(tiny(family), image)
    rows, columns = tokens if family not in ("mistral3", "pixtral") else token_shape(tiny(family), image)
    assert len(regions) == rows*columns and regions.labels[0, -1] == columns - 1


def token_shape(m, image):
    "Rows and columns of tokens, counted by the marks that end each row."
    ids, processor = m.encode(image, PROMPT)["input_ids"][0].tolist(), m.processor
    rows = ids.count(processor.image_break_token_id) + ids.count(processor.image_end_token_id)
    return rows, ids.count(processor.image_token_id)//rows


def test_a_row_of_tokens_is_no_square():
    "Four tokens side by side, as many as two by two."
    m = tiny("mistral3")
    image = noise((14, 90))
    f, l = opened(m, image)
    rows, columns = token_shape(m, image)
    assert rows == 1 and columns >= 4
    assert token_grid(f, l).shape == (1, columns)


def test_tiles_whose_tokens_happen_to_be_a_square_number_are_no_regions():
    m = tiny("internvl")
    image = noise((60, 180))
    x = m.encode(image, PROMPT)
    assert len(x["pixel_values"]) == 4 and int((x["input_ids"] == m.model.config.image_token_id).sum()) == 8**2
    with pytest.raises(ValueError, match="use regions='grid' instead"): token_regions(m, image)


@pytest.mark.parametrize("fault", ["mixed", "shuffled", "turned"])
def test_tokens_that_lie_elsewhere_than_a_grid_says_are_refused(fault, monkeypatch):
    "As learned queries do, which come in square numbers, too; or a raster by columns."
    m = models.Model(*shapes.tiny("llava"), "llava")
    f, l = opened(m, noise((130, 200)))
    token_grid(f, l)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    mix = torch.linalg.qr(torch.randn(64, 64, generator=torch.Generator().manual_seed(0))).Q
    change = {"mixed": lambda h: mix @ h, "shuffled": lambda h: h[:, order],
              "turned": lambda h: h.unflatten(1, (8, 8)).transpose(1, 2).flatten(1, 2)}[fault]
    hook = m.model.model.multi_modal_projector.register_forward_hook(lambda module, args, out: change(out))
    try:
        with pytest.raises(ValueError, match="does not move the token over it more than others"): token_grid(f, l)
    finally: hook.remove()


def test_learned_queries_in_a_square_number_are_refused():
    "Idefics2 has 64 of them, Aria 128 or 256; here 16, before a square image."
    m = models.Model(*coverage.generic("idefics2"), "idefics2")
    f, l = opened(m, noise((112, 112)))
    assert int((f.inputs["input_ids"] == m.model.config.image_token_id).sum()) == 4**2
    with pytest.raises(ValueError, match="does not move the token over it more than others"): token_grid(f, l)


def test_more_labels_than_two_bytes_hold_are_carried():
    "A region for each pixel of an image of 300 x 300."
    labels = np.arange(90_000).reshape(300, 300)
    def pixels(a, **kw): return torch.tensor(a).permute(2, 0, 1)[None].float()
    assert (carry_labels(pixels, labels)[0, 0].numpy() == labels).all()
