"The one call from end to end: what comes back, its maps and figures, and how bad input is refused."
import copy
import hashlib
import inspect
import json
import pydoc
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import PROMPT
from fastcore.docments import docments
from PIL import Image

import eagle_nb
from eagle_nb import Correction, Explanation, scenes
from eagle_nb.core import checkpoints
from eagle_nb.core.regions import Regions, grid
from eagle_nb.core.scores import FunctionScorer
from eagle_nb.evaluation.metrics import evaluate_order
from eagle_nb.explanation.explanation import explain_scores
from eagle_nb.search.search import SEARCHES
from eagle_nb.world import shapes


def run(model, image, answer, **kw):
    return eagle_nb.explain(model, image, PROMPT, answer=answer, **{"regions": 4, "show_progress": False, **kw})


@pytest.fixture(scope="module")
def e(model, scene): return run(model, scene.image, scene.caption, regions=9)


def assert_same(a, b):
    assert np.array_equal(a.order, b.order) and np.array_equal(a.regions.labels, b.regions.labels)
    assert np.array_equal(a.image, b.image)
    assert np.array_equal(a.token_insertion, b.token_insertion)
    assert np.array_equal(a.token_deletion, b.token_deletion)


# ---- what comes back

def test_what_an_explanation_holds(e, scene):
    n, t = len(e.regions), len(e.target)
    assert sorted(e.order.tolist()) == list(range(n)) and t == len(e.answer)
    assert e.answer.text == e.target.text == scene.caption
    assert e.token_insertion.shape == e.token_deletion.shape == (n + 1, t) and e.insertion.shape == (n + 1,)
    assert np.allclose(e.token_insertion[0], e.token_deletion[-1])
    assert np.allclose(e.token_insertion[-1], e.token_deletion[0])
    assert e.area[0] == 0 and e.area[-1] == pytest.approx(1) and (np.diff(e.area) > 0).all()
    assert e.saliency.shape == (224, 224) and e.saliency.min() >= 0 and e.values.value.shape == (n,)
    assert e.modality.shape == (t,) and (e.modality >= 0).all() and (e.modality <= 1).all()
    assert e.forwards == e.scorer.forwards and e.forwards >= e.settings["search_forwards"] and e.seconds > 0
    assert e.text() == repr(e) and f"{e.insertion_auc:.3f}" in e.text()


def test_an_explanation_can_be_reproduced_from_its_record(model, e, scene):
    s = e.settings
    settings = {k: s[k] for k in ("fill", "lam", "mode", "search", "budget", "seed")}
    again = eagle_nb.explain(model, e.image, e.prompt, answer=e.answer.ids, target=list(e.target.positions),
                             regions=e.regions, show_progress=False, **settings)
    assert_same(e, again)
    for key in ("model", "revision", "processor", "fill", "mode", "seed", "lam", "search", "budget", "dtype", "device",
                "versions", "search_forwards"):
        assert key in s
    assert e.regions.settings["n"] == 9 and e.regions.method == "slico"
    json.dumps(s)


def test_the_curves_agree_with_the_evaluation(e):
    c = evaluate_order(e.scorer, e.regions, e.order)
    assert c.insertion_auc == pytest.approx(e.insertion_auc) and c.deletion_auc == pytest.approx(e.deletion_auc)


@pytest.mark.parametrize("name", sorted(SEARCHES))
def test_every_search_explains_and_is_independent_of_the_batch_size(model, scene, name):
    settings = dict(search=name, regions=grid(scene.pixels, 2, 2), target=scene.names[0])
    a = run(model, scene.image, scene.caption, **settings)
    assert a.settings["search"] == name and a.target.text == scene.names[0]
    assert sorted(a.order.tolist()) == [0, 1, 2, 3]
    assert_same(a, run(model, scene.image, scene.caption, batch_size=64, **settings))


def test_without_an_answer_the_model_gives_its_own(model, scene):
    a = eagle_nb.explain(model, scene.image, PROMPT, regions=4, show_progress=False)
    assert a.answer.ids == model.answer(scene.image, PROMPT).ids


def test_an_explanation_with_a_foil(model, scene):
    a = run(model, scene.image, "Yes.", foil="No")
    assert a.target.foil == "No" and "'No' in place of 'Yes'" in a.text() and a.name == "“No”"
    assert a.token_insertion.shape[1] == len(a.target)


def test_an_interrupted_search_still_gives_an_order_of_all_regions(model, scene):
    def stop(step):
        if step["step"] == 2: raise KeyboardInterrupt
    a = run(model, scene.image, scene.caption, regions=grid(scene.pixels, 3, 3), search="exact", callback=stop)
    assert a.settings["stopped"] == "interrupted" and a.settings["ranked"] == 2
    assert sorted(a.order.tolist()) == list(range(9))
    assert "2 ranked" in a.text() and a.insertion.shape == (10,)


# ---- maps (more in test_region_maps)

def test_the_map_on_an_explanation(e):
    gain = np.diff(e.insertion + 1 - e.deletion)
    for k, r in enumerate(e.order):
        assert np.allclose(e.attribution("gain")[e.regions.labels == r], gain[k])
    assert np.array_equal(e.saliency, e.attribution().clip(0))
    paper = e.attribution("paper")
    assert paper.min() == 0 and paper.max() == 1


# ---- figures and text

def test_an_explanation_draws_itself(e):
    import matplotlib.pyplot as plt
    assert len(e.plot().axes) >= 3 and e.curve() is not None and e.words() is not None
    plt.close("all")
    assert len(e.word_influence()) == len(e.answer.text.replace(",", "").split())


def test_an_explanation_without_words(e):
    t = replace(e.target, positions=(0,), ids=(5,), tokens=(".",), text=".")
    x = replace(e, target=t, token_insertion=e.token_insertion[:, :1], token_deletion=e.token_deletion[:, :1])
    assert x.word_influence()[0][0] == "." and "<img" in x.to_html() and x.text()


@pytest.mark.parametrize("n,rows", [(1, 0), (3, 0), (4, 1), (7, 1)])
def test_the_text_lists_the_least_influenced_words_only_among_more_than_three(e, n, rows):
    tokens = (" a", " red", " cat", " and", " two", " small", " dogs")[:n]
    target = replace(e.target, positions=(0,)*n, ids=(5,)*n, tokens=tokens, text="".join(tokens).strip())
    curves = np.linspace(0, 1, len(e.order) + 1)[:, None]*np.linspace(.2, .9, n)
    text = replace(e, target=target, token_insertion=curves, token_deletion=curves[::-1]).text()
    assert text.count("\nimage ") == 1 and text.count("\nprior ") == text.count("(least)") == rows


def test_the_heat_map_can_be_drawn_into_given_axes(e):
    from matplotlib.figure import Figure
    default, faint, other = Figure().subplots(1, 3)
    assert e.plot("the map", default) is default and default.get_title() == "the map"
    e.plot(ax=faint, alpha=.3)
    e.plot(ax=other, cmap="cividis")
    images = [ax.images[0].get_array() for ax in (default, faint, other)]
    assert all(i.shape == e.image.shape for i in images) and not np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])
    with pytest.raises(ValueError, match="alpha"): e.plot(ax=default, alpha=2.)


def test_the_figure_takes_opacity_and_colour_map(e):
    from matplotlib.figure import Figure
    for settings in (dict(alpha=.3), dict(cmap="cividis"), dict(alpha=.3, cmap="cividis", title="the figure")):
        assert isinstance(e.plot(**settings), Figure)


# ---- images of every kind

def test_a_missing_image_file(model):
    with pytest.raises(FileNotFoundError, match="nowhere.png.*check the path"): run(model, "nowhere.png", "A cat.")


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_a_corrupt_image_file(model, tmp_path, data):
    (tmp_path/"a.png").write_bytes(data)
    with pytest.raises(ValueError, match="readable image.*a.png.*save it again"):
        run(model, tmp_path/"a.png", "A cat.")


@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "webp", "tiff", "bmp"])
def test_a_truncated_image_file(model, scene, tmp_path, kind):
    path = tmp_path/f"a.{kind}"
    scene.image.save(path)
    path.write_bytes(path.read_bytes()[:path.stat().st_size//2])
    with pytest.raises(ValueError, match=f"readable image.*a.{kind}.*save it again"):
        run(model, path, "A cat.")


def test_a_folder_instead_of_an_image(model, tmp_path):
    with pytest.raises(ValueError, match="got the folder"): run(model, tmp_path, "A cat.")


@pytest.mark.parametrize("image", [None, 3, b"abc"])
def test_an_image_of_an_unknown_type_is_refused(model, image):
    with pytest.raises(ValueError, match="image must be a path, a PIL image or a numpy array"):
        run(model, image, "A cat.")


@pytest.mark.parametrize("array,message", [
    (np.zeros((2, 3, 4, 5), np.uint8), "shape"), (np.zeros((3, 10, 10), np.uint8), "channels last"),
    (np.zeros((0, 4, 3), np.uint8), "at least 1 pixel"), (np.full((4, 4, 3), np.nan), "NaN"),
    (np.full((4, 4, 3), 200.), "divide"), (np.zeros((4, 4, 3), int), "astype")])
def test_arrays_that_are_no_images_are_refused(model, array, message):
    with pytest.raises(ValueError, match=message): run(model, array, "A cat.", regions=2)


def test_transparent_pixels_are_white(model, scene, tmp_path):
    alpha, white = np.full((224, 224, 1), 255, np.uint8), scene.pixels.copy()
    alpha[:60], white[:60] = 0, 255
    Image.fromarray(np.concatenate([scene.pixels, alpha], 2)).save(tmp_path/"a.png")
    assert_same(run(model, tmp_path/"a.png", scene.caption), run(model, white, scene.caption))


def test_a_palette_image(model, scene, tmp_path):
    p = scene.image.convert("P", palette=Image.Palette.ADAPTIVE, colors=60)
    p.save(tmp_path/"a.png")
    p.save(tmp_path/"a.gif")
    want = run(model, np.asarray(p.convert("RGB")), scene.caption)
    assert_same(run(model, tmp_path/"a.png", scene.caption), want)
    assert_same(run(model, tmp_path/"a.gif", scene.caption), want)


def test_a_sixteen_bit_image(model, scene, tmp_path):
    gray = np.asarray(scene.image.convert("L"))
    Image.fromarray(gray.astype(np.uint16)*257).save(tmp_path/"a.png")
    want = run(model, np.repeat(gray[..., None], 3, 2), scene.caption)
    assert_same(run(model, tmp_path/"a.png", scene.caption), want)
    sixteen = run(model, scene.pixels.astype(np.uint16)*257, scene.caption)
    assert_same(sixteen, run(model, scene.pixels, scene.caption))


def test_a_cmyk_image(model, scene, tmp_path):
    im = scene.image.convert("CMYK")
    im.save(tmp_path/"a.tiff")
    want = run(model, np.asarray(im.convert("RGB")), scene.caption)
    assert_same(run(model, tmp_path/"a.tiff", scene.caption), want)


@pytest.mark.parametrize("orientation,turn", [
    (3, Image.Transpose.ROTATE_180), (6, Image.Transpose.ROTATE_90),
    (8, Image.Transpose.ROTATE_270), (2, Image.Transpose.FLIP_LEFT_RIGHT)])
def test_a_rotated_photograph_is_explained_upright(model, scene, tmp_path, orientation, turn):
    "Stored rotated, with an EXIF tag that says how to turn it back."
    upright, exif = scene.image.crop((0, 0, 224, 150)), Image.Exif()
    exif[0x0112] = orientation
    upright.transpose(turn).save(tmp_path/"a.png", exif=exif)
    a, b = run(model, tmp_path/"a.png", scene.caption), run(model, upright, scene.caption)
    assert a.image.shape == (150, 224, 3)
    assert_same(a, b)


def test_an_image_of_one_pixel(model):
    dot = np.full((1, 1, 3), 200, np.uint8)
    a = run(model, dot, "A cat.", regions=1)
    assert a.order.tolist() == [0] and a.insertion.shape == (2,)
    assert "<img" in a.to_html() and np.isfinite(a.saliency).all()
    with pytest.raises(ValueError, match=r"at most one region a pixel, got 64 for 1 pixels.*ask for fewer"):
        run(model, dot, "A cat.", regions=64)


@pytest.mark.parametrize("size", [(1, 60), (60, 1), (2, 3)])
def test_thin_images(model, size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    a = run(model, image, "A cat.", regions=4)
    assert sorted(a.order.tolist()) == list(range(len(a.regions))) and a.plot() is not None


def test_one_region_per_pixel(model):
    image = np.random.default_rng(0).integers(0, 256, (3, 3, 3), dtype=np.uint8)
    a = run(model, image, "A cat.", regions=np.arange(9).reshape(3, 3))
    assert sorted(a.order.tolist()) == list(range(9))


# ---- regions

@pytest.mark.parametrize("regions,message", [
    (lambda: grid((100, 100), 2, 2), "cover the image pixel for pixel.*224×224.*100×100.*segment"),
    (lambda: np.zeros((100, 100), int), "cover the image pixel for pixel"),
    (lambda: np.full((224, 224), -1), "run from 0, got -1"),
    (lambda: np.where(np.arange(224)[:, None] < 100, -1, 0)*np.ones((1, 224), int), "run from 0"),
    (lambda: np.full((224, 224), 3), r"labels 0..3 must own a pixel"),
    (lambda: np.zeros((224, 224)), "must be integers, got float64"),
    (lambda: np.zeros((4, 224, 224), bool), "masks must hold at least 1 pixel"),
    (lambda: 224*224 + 1, "at most one region a pixel"), (lambda: 0, "at least 1"), (lambda: -4, "at least 1"),
    (lambda: 2.5, "whole number"), (lambda: True, "whole number"),
    (lambda: None, "regions must be"), (lambda: "slics", "unknown regions 'slics': choose one of slico")])
def test_regions_that_do_not_fit_are_refused(model, scene, regions, message):
    with pytest.raises(ValueError, match=message): run(model, scene.image, scene.caption, regions=regions())


def test_the_model_s_image_tokens_as_regions(model, scene):
    a = run(model, scene.image, "Yes.", regions="tokens", search="one_shot")
    assert len(a.regions) == 64 and a.regions.method == "tokens" and np.allclose(a.regions.area, 1/64)


def test_the_scorer_and_the_partition_must_fit(e):
    s = FunctionScorer(lambda k: k.float().mean(1), 4)
    with pytest.raises(ValueError, match="knows 4 regions, the partition has 9"):
        explain_scores(s, e.image, e.regions, e.target, e.answer)


# ---- answers, targets, settings

NO_TARGET = r"must lie in 0..\d+ \(the answer has"
NO_WEIGHTS = "lam takes two weights"


@pytest.mark.parametrize("kw,message", [
    (dict(target="unicorn"), r"the word 'unicorn' is not in the answer 'A cat.*choose one of A, cat"),
    (dict(answer=""), "the answer is empty.*give an answer"), (dict(answer=[]), "the answer is empty"),
    (dict(answer=[10**6]), "answer ids must lie in"), (dict(target=99), NO_TARGET), (dict(target=[]), NO_TARGET),
    (dict(target="cat", foil="cat"), "the foil 'cat' is what the answer .* says already: give what"),
    (dict(target=["cat", "dog"]), "a target is one word, and a list holds positions, got .'cat', 'dog'.: explain one word at a time"),
    (dict(regoins=9), "unknown setting 'regoins': did you mean 'regions'"),
    (dict(target="cat", foil=""), "the foil is empty"), (dict(target="cat", foil=[]), "the foil is empty"),
    (dict(search="greedy"), "unknown search 'greedy': choose one of fast, exact, bidirectional"),
    (dict(fill="white"), "unknown fill 'white': choose one of black, mean, blur, noise"),
    (dict(fill=np.zeros((2, 2, 3), np.uint8)), "fill image must have the image's shape"),
    (dict(fill=None), "fill"), (dict(fill=3), "fill"),
    (dict(mode="quick"), "unknown mode 'quick': choose one of nearest, resampled, pixels"),
    (dict(lam=(0, 0)), NO_WEIGHTS), (dict(lam=(-1, 1)), NO_WEIGHTS), (dict(lam=(1, 1, 1)), NO_WEIGHTS),
    (dict(lam=(float("nan"), 1)), NO_WEIGHTS), (dict(lam=3), NO_WEIGHTS), (dict(lam="ab"), NO_WEIGHTS),
    (dict(lam=(-1, 1), search="random"), NO_WEIGHTS),
    (dict(budget=3), r"budget of 3 forwards is too small to begin.*at least \d+"), (dict(budget=0), "from 1.*got 0"),
    (dict(budget="soon"), "such as '30s', got 'soon'"),
    (dict(budget="soon", search="random"), "such as '30s', got 'soon'"),
    (dict(batch_size=0), "batch_size must be at least 1, got 0"),
    (dict(batch_size=-2), "batch_size must be at least 1, got -2"),
    (dict(answer="A cat. "*200), r"have \d+ tokens, the model takes 512: shorten the prompt or the answer")])
def test_wrong_settings_are_refused(model, scene, kw, message):
    with pytest.raises(ValueError, match=message): run(model, scene.image, **{"answer": "A cat on a mat.", **kw})


def test_a_setting_that_the_search_does_not_know(model, scene):
    for name in ("exact", "random"):
        with pytest.raises((TypeError, ValueError), match="scop"):
            run(model, scene.image, "A cat.", search=name, scop=3)


def test_special_tokens_in_an_answer(model, scene):
    "An answer that holds the model's own special tokens gets a result, or an error that says so."
    for kw in (dict(answer="A <image> cat."), dict(answer="A cat.</s>"), dict(answer="<pad> cat")):
        try: a = run(model, scene.image, **kw)
        except ValueError as e: assert "answer" in str(e) and "<image>" in str(e), e
        else: assert np.isfinite(a.insertion).all() and a.answer.text == kw["answer"]


def test_probabilities_that_are_not_numbers(model, scene):
    broken = copy.deepcopy(model.model)
    with torch.no_grad(): broken.get_output_embeddings().weight[3, 0] = float("nan")
    message = r"gave \d+ probabilities that are not numbers: load the model with dtype='float32'"
    with pytest.raises(ValueError, match=message): eagle_nb.load((broken, model.processor))
    m = eagle_nb.load((broken, model.processor), check=False)
    for mode in ("nearest", "pixels"):
        with pytest.raises(ValueError, match=message): run(m, scene.image, scene.caption, mode=mode)


def test_an_unknown_model_is_refused(scene):
    with pytest.raises(ValueError, match="unknown model 'scenes-lava': choose one of scenes-llava"):
        run("scenes-lava", scene.image, "A cat.")


def test_a_model_that_takes_no_images_is_refused(scene, model):
    from transformers import LlamaConfig, LlamaForCausalLM
    net = LlamaForCausalLM(LlamaConfig(vocab_size=len(model.tokenizer), hidden_size=32, intermediate_size=64,
                                       num_hidden_layers=1, num_attention_heads=2))
    with pytest.raises(ValueError, match="image"): run((net, model.tokenizer), scene.image, "A cat.")


# ---- conversations

def test_a_conversation_is_explained_recorded_and_saved(model, tmp_path):
    other, first = scenes.sample(31), "Look at the second picture."
    prompt = [{"role": "user", "content": [{"type": "image", "image": other.image}, {"type": "text", "text": first}]},
              {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}]
    brief = eagle_nb.load((model.model, model.processor), system="Be brief.")
    e = eagle_nb.explain(brief, scenes.sample(30).image, prompt, answer="A dog.", regions=4, mode="resampled",
                         show_progress=False)
    assert e.prompt == f"{first}\n{PROMPT}" and e.settings["system"] == "Be brief."
    assert e.settings["mode"] == "resampled" and e.settings["unsafe_shortcuts"] == []
    turns = e.settings["conversation"]
    assert turns[0]["content"][0]["sha256"] == hashlib.sha256(other.pixels.tobytes()).hexdigest()
    assert turns[1]["content"][0]["sha256"] is None
    again = Explanation.load(e.save(tmp_path/"talk.safetensors"))
    assert again.settings["conversation"] == turns and again.prompt == e.prompt and (again.order == e.order).all()
    assert first in e.to_html()


def test_a_warning_names_regions_that_are_cropped_away():
    m, image = checkpoints.load_checkpoint(shapes.tiny("llava")), scenes.sample(3).image.resize((400, 100))
    with pytest.warns(UserWarning, match="6 of 10 regions are cropped away by the processor"):
        e = eagle_nb.explain(m, image, PROMPT, answer="A dog.", regions=grid((100, 400), 1, 10), show_progress=False)
    assert e.settings["unseen"] == [0, 1, 2, 7, 8, 9]


# ---- help

DOCUMENTED = [eagle_nb.explain, eagle_nb.correct, eagle_nb.load, eagle_nb.run, eagle_nb.evaluate,
              Explanation.attribution, Explanation.plot, Explanation.curve, Explanation.words,
              Explanation.save, Explanation.load, Explanation.to_html,
              Explanation.to_reference, Explanation.from_reference,
              Correction.plot, Correction.save, Correction.load, Correction.to_html]


@pytest.mark.parametrize("function", DOCUMENTED, ids=lambda f: f.__qualname__)
def test_help_lists_every_argument_as_the_signature_documents_it(function):
    comments = docments(function, returns=False)
    arguments = inspect.getdoc(function).partition("Arguments:\n")[2]
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "self": continue
        comment = "" if parameter.kind is parameter.VAR_KEYWORD else comments[name] # docments leaves **kwargs out
        assert comment is not None and f"    {name}: {comment}" in arguments, name


def test_help_completion_and_tracebacks_know_the_methods():
    for cls in (Explanation, Correction):
        methods = [f for k, f in vars(cls).items() if callable(f) and not k.startswith("__")]
        assert methods and all(f.__qualname__.startswith(f"{cls.__name__}.") for f in methods)
        page = pydoc.plain(pydoc.render_doc(cls))
        for name in ("plot", "save", "load", "to_html", "text"): assert re.search(rf"\b{name}\(", page), name


def test_gains_per_area_tell_a_small_cause_from_a_large_background(e):
    "The background gains more by its size; a pixel of the object counts more."
    labels = np.zeros(e.image.shape[:2], int)
    labels[:20, :20] = 1
    share, tokens = 400/labels.size, e.token_insertion.shape[1]
    rising = np.repeat([[0.], [.6], [1.]], tokens, 1)
    x = replace(e, regions=Regions(labels), order=np.array([0, 1]), token_insertion=rising, token_deletion=1 - rising)
    gain, dense = x.attribution("gain"), x.attribution("per_area")
    assert gain[-1, -1] == pytest.approx(1.2) and gain[0, 0] == pytest.approx(.8)
    assert dense[0, 0] == pytest.approx(.8/(2*share)) and dense[-1, -1] == pytest.approx(1.2/(2*(1 - share)))
    plain, per_area = (fig.axes for fig in (x.plot(kind="gain"), x.plot(kind="per_area")))
    assert any(not np.array_equal(a.images[0].get_array(), b.images[0].get_array())
               for a, b in zip(plain, per_area) if a.images and b.images), "the figure shows the gains as before"
