"Tokens left out: the same as tokens that are not attended to, in every family; nothing hidden reaches the model."
import functools

import numpy as np
import pytest
import torch
from conftest import PROMPT
from PIL import Image

import eagle_nb
from eagle_nb import scenes
from eagle_nb.core import checkpoints
from eagle_nb.core.curves import trace
from eagle_nb.core.forward import Forward, kept_places
from eagle_nb.core.images import canvas, fill_image
from eagle_nb.core.layout import carry_labels, check_image_tokens, image_tokens
from eagle_nb.core.prompts import PromptScorer
from eagle_nb.core.regions import Regions, grid, slico
from eagle_nb.core.scores import FunctionScorer, ModelScorer
from eagle_nb.core.selftest import self_test
from eagle_nb.core.targets import make_target
from eagle_nb.evaluation.runner import evaluate
from eagle_nb.runs.samples import Sample
from eagle_nb.explanation.hallucination import answers_while_masking
from eagle_nb.world import families, shapes

EMBEDDED = ("scenes-llava", "scenes-qwen", "scenes-internvl")
PACKED = ("scenes-qwen", "qwen2_5_vl", "qwen3_vl", "qwen2_vl", "qwen3_vl_moe", "glm4v", "glm46v") # towers that are not plain
ABLE = (*shapes.TINY, "qwen2_vl", "qwen3_vl_moe", "glm4v", "glm46v", "paligemma")
UNABLE = {"qwen3_5": "linear_attention count tokens by index", "gemma4": "do not share 280 patches evenly",
          "llava_onevision": "are mixtures of several", "deepseek_ocr2": "the image comes in pixel_values, pixel_values_local",
          "minicpmv4_6": "linear_attention"}


@functools.lru_cache(None)
def made(name):
    if name in EMBEDDED: return checkpoints.load_checkpoint(name, dtype="float32", device="cpu")
    try: return checkpoints.load_checkpoint(shapes.tiny(name))
    except ImportError as e: pytest.skip(str(e))


@pytest.fixture(scope="module")
def picture(): return np.asarray(scenes.sample(7).image.resize((150, 100)))


def scorer_for(m, image, regions, fill="drop", text="A dog in a park.", prompt=PROMPT, kind=ModelScorer, **kw):
    return kind(m, image, prompt, make_target(m, m.read(text)), regions, fill, **kw)


def in_decoder(scorer):
    "The same scorer with the tower as it is, which sees hidden regions black."
    scorer.left_out = "decoder"
    return scorer


def sets_of(n, sizes=(.2, .5, .8), seed=0):
    "Random keep-sets; the last two are the whole image and none."
    rng = np.random.default_rng(seed)
    keep = [rng.random(n) < s for s in sizes]
    return torch.tensor(np.array([*keep, np.ones(n, bool), np.zeros(n, bool)]))


def not_attended(scorer, keep, words=None):
    "Plain transformers on each painted image, the whole sequence, all logits; tokens in the mask but not attended to."
    f, found = scorer.forward, []
    for k in keep:
        x = {name: v for name, v in (f.inputs | scorer.variants(k[None])).items() if v is not None}
        mask = scorer.tokens.kept(k[None]) if words is None else scorer.tokens.kept(k[None]) & words
        with torch.no_grad(): logits = scorer.model.model(**dict(x, attention_mask=mask.long(), use_cache=False)).logits
        found.append(logits[0, f.at].float().softmax(-1)[range(len(f.ids)), f.ids])
    return torch.stack(found)


# ---- the same as not attended to

@pytest.mark.parametrize("name", (*EMBEDDED, *ABLE))
def test_left_out_is_not_attended_to(name, picture):
    "Batches of five lengths, the whole and the blank image among them."
    s = scorer_for(made(name), picture, grid(picture, 3, 3), batch_size=5)
    keep = sets_of(9)
    assert s.left_out == ("decoder" if name in PACKED else "tower and decoder")
    assert (s.compute(keep) - s.hidden_by_masks(keep)).abs().max() < 1e-5
    assert (in_decoder(s).compute(keep) - not_attended(s, keep)).abs().max() < 1e-5
    assert len(set(s.tokens.kept(keep).sum(1).tolist())) >= 4
    black = scorer_for(made(name), picture, grid(picture, 3, 3), "black")
    assert (s(keep[3:4]) - black(keep[3:4])).abs().max() < 1e-5, "nothing is left out"
    assert (s(keep[:3]) - black(keep[:3])).abs().max() > 1e-7, "otherwise it is another fill"


@pytest.mark.parametrize("name", ("scenes-llava", "internvl", "qwen3_vl", "gemma3"))
def test_neither_batch_nor_sequence_of_sets_matters(name, picture):
    m, regions = made(name), grid(picture, 3, 3)
    keep = sets_of(9, np.linspace(.1, .9, 7))[torch.randperm(9, generator=torch.Generator().manual_seed(1))]
    single = scorer_for(m, picture, regions, batch_size=1)
    want = torch.cat([single.compute(k[None])[:, list(single.target.positions)] for k in keep])
    for size in (2, 4, 9):
        assert (scorer_for(m, picture, regions, batch_size=size)(keep) - want).abs().max() < 1e-5


@pytest.mark.parametrize("name", ("scenes-llava", "scenes-qwen", "internvl", "gemma3"))
def test_words_of_the_prompt_are_hidden_at_the_same_time(name, picture):
    s = in_decoder(scorer_for(made(name), picture, grid(picture, 2, 2), kind=PromptScorer))
    keep = torch.rand(5, s.n, generator=torch.Generator().manual_seed(0)) < .5
    shown, read = keep[:, :4], keep[:, 4:]
    for k, words in zip(keep, read):
        attended = torch.ones(1, len(s.forward), dtype=torch.bool)
        for row, is_read in zip(s._read, words): attended[0, row] = bool(is_read)
        got = s.compute(k[None])
        assert (got - not_attended(s, k[None, :4], attended)).abs().max() < 1e-5
    assert (s.compute(keep) - torch.cat([s.compute(k[None]) for k in keep])).abs().max() < 1e-5
    assert (s.compute(torch.cat([shown, ~read], 1)) - s.compute(keep)).abs().max() > 1e-6


def test_the_decoder_computes_the_kept_tokens_alone(picture):
    s, seen = scorer_for(made("scenes-llava"), picture, grid(picture, 3, 3), batch_size=5), []
    layer = s.model.decoder.layers[0]
    hook = layer.register_forward_pre_hook(lambda module, args, kw: seen.append(
        (kw.get("hidden_states", args[0] if args else None)).shape[:2]), with_kwargs=True)
    keep = sets_of(9)
    for k in keep: s.compute(k[None])
    s.compute(keep[:2])
    hook.remove()
    kept = s.tokens.kept(keep).sum(1).tolist()
    assert [tuple(x) for x in seen] == [*((1, n) for n in kept), (2, max(kept[:2]))]
    assert kept[3:] == [len(s.forward), len(s.forward) - 64], "64 image tokens, none of them in the blank image"


# ---- what a token shows

def blocks(labels, side, n):
    "Share of each region in each square block, row by row."
    h, w = labels.shape[0]//side, labels.shape[1]//side
    cut = labels[:h*side, :w*side].reshape(h, side, w, side).transpose(0, 2, 1, 3).reshape(h*w, -1)
    return np.stack([(cut == r).mean(1) for r in range(n)], 1)


def by_the_rule(share, keep):
    "Something of it is visible."
    return share @ keep > 0


@pytest.mark.parametrize("name, size, side", [("scenes-llava", (224, 224), 28), ("llava", (112, 112), 14),
                                              ("qwen2_5_vl", (168, 112), 28), ("qwen3_vl", (128, 192), 32),
                                              ("internvl", (112, 112), 28), ("glm4v", (168, 112), 28)])
@pytest.mark.parametrize("n", (6, 40))
def test_the_rule_by_hand_where_a_token_is_a_square(name, size, side, n):
    image = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    labels = np.random.default_rng(n).integers(0, n, (-(-size[1]//11), -(-size[0]//11))).repeat(11, 0).repeat(11, 1)
    labels = np.unique(labels[:size[1], :size[0]], return_inverse=True)[1].reshape(size[::-1])
    regions = Regions(labels)
    s = scorer_for(made(name), image, regions)
    keep = sets_of(len(regions))
    share = blocks(labels, side, len(regions))
    own = s.tokens.kept(keep)[:, s.tokens.positions]
    assert own.shape[1] == len(share)
    for k, got in zip(keep.numpy(), own.numpy()): assert (got == by_the_rule(share, k)).all()
    assert torch.allclose(s.tokens.visible(keep), torch.tensor(keep.numpy() @ share.T).float(), atol=1e-6)


@pytest.mark.parametrize("name", ("scenes-llava", "scenes-qwen", "llava", "llava_next", "internvl", "idefics3", "qwen2_5_vl"))
def test_no_visible_region_is_lost_and_a_pair_holds_each_token(name, picture):
    s = scorer_for(made(name), picture, grid(picture, 5, 6))
    seen = np.setdiff1d(np.arange(30), s.unseen)
    alone = s.tokens.kept(torch.eye(30, dtype=torch.bool))[:, s.tokens.positions].any(1)
    assert alone[seen].all() and not alone[s.unseen].any()
    keep = sets_of(30, np.linspace(.1, .9, 9))
    shows = s.tokens.covered.sum(1) > 0
    both = s.tokens.kept(keep) | s.tokens.kept(~keep)
    assert both[:, s.tokens.positions[shows]].all()


@pytest.mark.parametrize("name, size", [("scenes-llava", (224, 224)), ("internvl", (112, 112)), ("gemma3", (112, 112)),
                                        ("qwen2_5_vl", (168, 112)), ("qwen3_vl", (192, 128))])
def test_nothing_hidden_reaches_the_model(name, size):
    "At the model's own size; where the processor resizes, a border has a share of what is next to it, as with any fill."
    image = np.asarray(scenes.sample(7).image.resize(size))
    regions, keep = slico(image, 9), sets_of(9)[:2]
    noise = np.random.default_rng(0).integers(0, 256, image.shape, dtype=np.uint8)
    for k in keep[:, :len(regions)]:
        other = np.where(regions.mask(k.numpy())[..., None], image, noise)
        a, b = (scorer_for(made(name), i, regions)(k[None]) for i in (image, other))
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", ("llava_next", "internvl", "idefics3"))
def test_tiles_show_what_they_are_cut_from(name, picture):
    "The tokens of a region lie where a change of its pixels moves the features most."
    m, regions = made(name), grid(picture, 2, 2)
    f = Forward(m, picture, PROMPT, m.read("A dog").ids)
    tokens = image_tokens(f, carry_labels(f.pixels, regions.labels), 4)
    whole = {k: v for k, v in f.inputs.items() if v is not None}
    features = lambda image: m.decoder_inputs(whole | {"pixel_values": m.place(f.pixels(image))})["inputs_embeds"][0]
    for r in range(4):
        only = torch.zeros(1, 4, dtype=torch.bool)
        only[0, r] = True
        changed = np.where(regions.mask(only[0].numpy())[..., None], 255 - picture, picture)
        moved = (features(changed) - features(picture)).norm(dim=1)[tokens.positions]
        inside = tokens.covered[:, r] > .99*tokens.covered.sum(1).clamp(min=1)
        outside = (tokens.covered[:, r] == 0) & (tokens.covered.sum(1) > 0)
        assert moved[inside].mean() > 1.5*moved[outside].mean()


def test_ends_of_rows_go_with_the_last_of_the_others(picture):
    s = scorer_for(made("llava_next"), picture, grid(picture, 2, 2))
    frame = s.tokens.covered.sum(1) == 0
    kept = s.tokens.kept(torch.cat([torch.eye(4), torch.zeros(1, 4)]).bool())[:, s.tokens.positions]
    assert frame.any() and kept[:4][:, frame].all() and not kept[4].any()


@pytest.mark.parametrize("name", (*EMBEDDED, "internvl", "qwen2_5_vl", "idefics3"))
def test_other_images_of_a_conversation_stay(name, picture):
    m, other = made(name), Image.fromarray(255 - picture[:80])
    turns = [dict(role="user", content=[dict(type="image", image=other), dict(type="image"), dict(type="text", text=PROMPT)])]
    s = scorer_for(m, picture, grid(picture, 2, 2), prompt=turns)
    keep = sets_of(4)
    assert (s.compute(keep) - s.hidden_by_masks(keep)).abs().max() < 1e-5
    in_decoder(s)
    image = s.forward.inputs["input_ids"][0] == m.image_id
    left = s.tokens.kept(keep)[4] & image
    assert 0 < left.sum() < image.sum() and int(left.nonzero().max()) < int(s.tokens.positions.min())
    assert (s.compute(keep) - not_attended(s, keep)).abs().max() < 1e-5


@pytest.mark.parametrize("name", ("scenes-llava", "scenes-internvl", "llava_next", "gemma3", "idefics3"))
def test_what_a_left_out_patch_shows_does_not_matter(name, picture):
    "In the tower neither; where the tower sees it, it does."
    s = scorer_for(made(name), picture, grid(picture, 3, 3))
    keep = sets_of(9)[:1]
    kept, seen = s._left(keep)
    x = s.variants(keep)["pixel_values"]
    tiles = seen.shape[0]
    side = round(seen.shape[1]**.5)
    hidden = torch.nn.functional.interpolate((~seen).view(tiles, 1, side, side).float(), x.shape[-2:]) > .5
    flat = x.flatten(0, -4)
    noisy = torch.where(hidden, torch.randn(flat.shape, generator=torch.Generator().manual_seed(0)), flat).view(x.shape)
    assert hidden.any() and not torch.equal(noisy, x)
    left_out = [s.forward(v, 1, kept=kept, seen=seen) for v in (x, noisy)]
    painted = [s.forward(v, 1, kept=kept) for v in (x, noisy)]
    assert torch.equal(*left_out) and (painted[0] - painted[1]).abs().max() > 1e-6


def test_the_tower_computes_the_patches_that_are_left(picture):
    s, seen = scorer_for(made("scenes-internvl"), np.asarray(scenes.sample(7).image), grid(np.zeros((224, 224, 3), np.uint8), 2, 2)), []
    part = s.forward.layers[0]
    norm = next(c for n, c in part.named_children() if "norm" in n)
    hook = norm.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[1]))
    for k in ([True]*4, [True, False, False, False], [False]*4): s.compute(torch.tensor([k]))
    hook.remove()
    whole, quarter, none = seen
    assert quarter - none == (whole - none)/4 and none <= 1


def test_filling_up_copies_the_last_token():
    kept = torch.tensor([[1, 0, 0, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]]).bool()
    assert kept_places(kept).tolist() == [[0, 3, 4, 4, 4], [0, 1, 2, 3, 4], [4, 4, 4, 4, 4]]


# ---- what cannot be done is refused

@pytest.mark.parametrize("name", UNABLE)
def test_a_family_that_cannot_says_why(name):
    image = np.asarray(scenes.sample(7).image.resize((300, 200)))
    with pytest.raises(ValueError, match=UNABLE[name]) as e: scorer_for(made(name), image, grid(image, 2, 2))
    assert made(name).name in str(e.value) and "use a fill that paints" in str(e.value)


def test_a_window_that_is_shorter_than_the_sequence_is_found(picture):
    text = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                max_position_embeddings=2048, initializer_range=.2, use_sliding_window=True, max_window_layers=0)
    vision = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=3, num_attention_heads=4, image_size=112,
                  patch_size=14, initializer_range=.2)
    for window, fits in ((16, False), (1024, True)):
        config, processor = families.internvl(dict(text, sliding_window=window), vision)
        m = checkpoints.load_checkpoint((shapes.random_model(config, processor.tokenizer), processor))
        try: error = "" if scorer_for(m, picture, grid(picture, 4, 4)) else ""
        except ValueError as e: error = str(e)
        assert ("hidden by the attention mask" in error) != fits, (window, error)


def test_shuffled_tokens_are_found_by_the_self_test_and_refused(picture):
    m = checkpoints.load_checkpoint(shapes.tiny("llava"))
    shuffled = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    hook = m.model.model.multi_modal_projector.register_forward_hook(lambda module, args, out: out[:, shuffled])
    regions = grid(picture, 2, 2)
    with pytest.raises(ValueError, match="does not move the token over it"): scorer_for(m, picture, regions)
    report = self_test(m)
    assert [u for u in report.unable if u.startswith("fill='drop'")]
    hook.remove()
    with pytest.raises(ValueError, match="self-test of 'LlavaForConditionalGeneration' found not possible: fill='drop'"):
        scorer_for(m, picture, regions)
    assert not [u for u in self_test(m).unable if "drop" in u]
    scorer_for(m, picture, regions)


def test_what_paints_refuses_to_drop(picture):
    regions = grid(picture, 2, 2)
    with pytest.raises(ValueError, match="has no image to paint"): fill_image(picture, "drop")
    with pytest.raises(ValueError, match="has no image to paint"):
        answers_while_masking(made("scenes-llava"), picture, PROMPT, regions, [0], "drop")
    with pytest.raises(ValueError, match="mode='nearest'"):
        scorer_for(made("scenes-llava"), picture, regions, mode="pixels")
    assert not canvas(picture, "drop").any() and (canvas(picture, "mean") == fill_image(picture, "mean")).all()


# ---- screens

@pytest.mark.parametrize("name", (*EMBEDDED, "llava_next", "internvl", "qwen3_vl", "gemma3", "idefics3"))
def test_screens_are_right_at_both_ends(name, picture):
    m, regions = made(name), slico(picture, 9)
    base = scorer_for(m, picture, regions, "mean")
    keep, ends = sets_of(len(regions)), torch.tensor([[True]*len(regions), [False]*len(regions)])
    features, drop = base.screened("features"), base.screened("drop")
    assert (features(ends) - base(ends)).abs().max() < 1e-5
    assert (features(keep) - torch.cat([features.compute(k[None])[:, list(base.columns)] for k in keep])).abs().max() < 1e-5
    assert (drop.compute(keep) - not_attended(drop, keep)).abs().max() < 1e-5, "partly hidden tokens are painted as asked"
    assert base.forwards == 2 and drop.forwards == 0 and features.forwards == len(keep)
    assert base.tokens is None and (features.area == base.area).all()


def test_features_know_what_is_hidden(picture):
    "The leak that makes them a screen: hidden pixels reach visible tokens in the tower."
    regions, keep = grid(picture, 2, 2), torch.tensor([[True, False, True, True]])
    other = np.where(regions.mask(keep[0].numpy())[..., None], picture, 255 - picture)
    a, b = (scorer_for(made("scenes-llava"), i, regions, "black").screened("features")(keep) for i in (picture, other))
    assert (a - b).abs().max() > 1e-5


def test_screens_that_cannot_be_had(picture):
    base = scorer_for(made("scenes-llava"), picture, grid(picture, 2, 2), "black")
    with pytest.raises(ValueError, match="choose one of drop, features"): base.screened("black")
    with pytest.raises(ValueError, match="needs a scorer of a model, got FunctionScorer"):
        FunctionScorer(lambda keep: keep.float(), 3).screened("drop")
    words = scorer_for(made("scenes-llava"), picture, grid(picture, 2, 2), "black", kind=PromptScorer)
    with pytest.raises(ValueError, match="hides regions, not words"): words.screened("features")
    keep = torch.ones(1, words.n, dtype=torch.bool)
    assert (words.screened("drop")(keep) - words(keep)).abs().max() < 1e-5
    with pytest.raises(ValueError, match="more than its output head"):
        scorer_for(made("paligemma"), picture, grid(picture, 2, 2), "black").screened("features")


def test_changed_pixels_move_the_tokens_over_them(picture):
    for name in ("llava", "qwen2_vl", "idefics3"):
        check_image_tokens(Forward(made(name), picture, PROMPT, made(name).read("A dog").ids))


# ---- explanations

def test_an_explanation_with_tokens_left_out(tmp_path):
    m, s = made("scenes-internvl"), scenes.sample(11)
    e = eagle_nb.explain(m, s.image, PROMPT, s.caption, regions=9, fill="drop", budget=60, show_progress=False)
    again = scorer_for(m, s.pixels, e.regions, text=s.caption)
    shown, hidden = trace(again, e.order)
    assert np.abs(shown.numpy() - e.token_insertion).max() < 1e-5 and np.abs(hidden.numpy() - e.token_deletion).max() < 1e-5
    assert e.settings["fill"] == "drop" and e.settings["left_out"] == "tower and decoder" and e.fill is None and not e.fill_image.any()
    loaded = eagle_nb.Explanation.load(e.save(tmp_path/"e"))
    assert loaded.settings["fill"] == "drop" and not loaded.fill_image.any()
    black = eagle_nb.explain(m, s.image, PROMPT, s.caption, regions=e.regions, budget=60, show_progress=False)
    assert "left_out" not in black.settings
    assert np.abs(black.token_insertion[0] - e.token_insertion[0]).max() > 1e-3, "a blank of nothing is not a black one"


def test_a_correction_cannot_drop():
    with pytest.raises(ValueError, match="which fill='drop' cannot paint"):
        eagle_nb.correct(made("scenes-llava"), scenes.sample(3).image, scenes.question("cup"), "No", fill="drop")


def test_a_judge_can_drop_but_not_correct():
    m, s = made("scenes-internvl"), scenes.sample(11)
    sample = dict(key="one", image=s.image, prompt=PROMPT, answer=s.caption)
    run = lambda **kw: evaluate(m, [Sample(**sample)], {"random": dict(method="random")}, regions=6, fill="drop", show_progress=False, **kw)
    got = run(metrics=("insertion", "deletion")).frame.iloc[0]
    assert 0 < got.deletion < 1 and 0 < got.insertion < 1
    with pytest.raises(ValueError, match="ask the model about painted images"): run(metrics=("insertion", "correction"))
