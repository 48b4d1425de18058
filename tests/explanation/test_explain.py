"The one call, end to end: bad input, HTML, files, the reference format."
import copy
import io
import json
import os
import pickle
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import PROMPT
from PIL import Image

import eagle_nb
from eagle_nb import Explanation, scenes
from eagle_nb.explanation.explanation import attribution, explain_scores, paint
from eagle_nb.core.answers import Answer
from eagle_nb.explanation.plots import words_html
from eagle_nb.core.regions import Regions, grid
from eagle_nb.core.scores import FunctionScorer
from eagle_nb.search.search import SEARCHES


def run(model, image, answer, **kw):
    return eagle_nb.explain(model, image, PROMPT, answer=answer, **{"regions": 4, "show_progress": False, **kw})


@pytest.fixture(scope="module")
def e(model, scene): return run(model, scene.image, scene.caption, regions=9)


def same(a, b):
    assert np.array_equal(a.order, b.order) and np.array_equal(a.regions.labels, b.regions.labels) and np.array_equal(a.image, b.image)
    assert np.array_equal(a.token_insertion, b.token_insertion) and np.array_equal(a.token_deletion, b.token_deletion)


# ---- what comes back

def test_what_an_explanation_holds(e, scene):
    n, t = len(e.regions), len(e.target)
    assert sorted(e.order.tolist()) == list(range(n)) and t == len(e.answer) and e.answer.text == e.target.text == scene.caption
    assert e.token_insertion.shape == e.token_deletion.shape == (n + 1, t) and e.insertion.shape == (n + 1,)
    assert np.allclose(e.token_insertion[0], e.token_deletion[-1]) and np.allclose(e.token_insertion[-1], e.token_deletion[0])
    assert e.area[0] == 0 and e.area[-1] == pytest.approx(1) and (np.diff(e.area) > 0).all()
    assert e.saliency.shape == (224, 224) and e.saliency.min() >= 0 and e.saliency.max() <= 1
    assert e.modality.shape == (t,) and (e.modality >= 0).all() and (e.modality <= 1).all()
    assert e.forwards == e.scorer.forwards and e.forwards >= e.settings["search_forwards"] and e.seconds > 0
    assert e.text() == repr(e) and f"{e.insertion_auc:.3f}" in e.text()


def test_the_record_is_enough_to_do_it_again(model, e, scene):
    s = e.settings
    again = eagle_nb.explain(model, e.image, e.prompt, answer=e.answer.ids, target=list(e.target.positions), regions=e.regions, fill=s["fill"],
                             lam=s["lam"], mode=s["mode"], search=s["search"], budget=s["budget"], seed=s["seed"], show_progress=False)
    same(e, again)
    for key in ("model", "revision", "processor", "fill", "mode", "seed", "lam", "search", "budget", "dtype", "device", "versions", "search_forwards"): assert key in s
    assert e.regions.settings["n"] == 9 and e.regions.method == "slico"
    json.dumps(s)


def test_the_evaluator_agrees(e):
    from eagle_nb.evaluation.metrics import evaluate_order
    c = evaluate_order(e.scorer, e.regions, e.order)
    assert c.insertion_auc == pytest.approx(e.insertion_auc) and c.deletion_auc == pytest.approx(e.deletion_auc)


@pytest.mark.parametrize("name", sorted(SEARCHES))
def test_every_search_and_mode(model, scene, name):
    a = run(model, scene.image, scene.caption, search=name, regions=grid(scene.pixels, 2, 2), target=scene.names[0])
    assert a.settings["search"] == name and a.target.text == scene.names[0] and sorted(a.order.tolist()) == [0, 1, 2, 3]
    same(a, run(model, scene.image, scene.caption, search=name, regions=grid(scene.pixels, 2, 2), target=scene.names[0], batch_size=64))


def test_the_model_s_own_answer(model, scene):
    a = eagle_nb.explain(model, scene.image, PROMPT, regions=4, show_progress=False)
    assert a.answer.ids == model.answer(scene.image, PROMPT).ids


def test_a_foil_end_to_end(model, scene):
    a = run(model, scene.image, "Yes.", foil="No")
    assert a.target.foil == "No" and "against 'No'" in a.text() and a.token_insertion.shape[1] == len(a.target)


def test_interrupted(model, scene):
    def stop(step):
        if step["step"] == 2: raise KeyboardInterrupt
    a = run(model, scene.image, scene.caption, regions=grid(scene.pixels, 3, 3), search="exact", callback=stop)
    assert a.settings["stopped"] == "interrupted" and a.settings["ranked"] == 2 and sorted(a.order.tolist()) == list(range(9))
    assert "2 ranked" in a.text() and a.insertion.shape == (10,)


# ---- maps

def test_maps_by_hand():
    f = [0, .5, .4, 1.4]
    assert attribution(f).tolist() == pytest.approx([.5, -.1, 1.])
    assert attribution(f, "paper").tolist() == pytest.approx([1., (1.6 - .6)/1.1, 0.])   # -.5, -.6, -1.6 to [0, 1]
    assert attribution([1, 1, 1]).tolist() == [0, 0] and attribution([1, 1, 1], "paper").tolist() == [0, 0]
    assert paint(np.array([[0, 1], [2, 2]]), [2, 0, 1], [.9, .5, .1]).tolist() == [[.5, .1], [.9, .9]]


def test_the_map_on_an_explanation(e):
    f = e.insertion + 1 - e.deletion
    gain = np.diff(f)/np.abs(np.diff(f)).max()
    for k, r in enumerate(e.order): assert np.allclose(e.attribution()[e.regions.labels == r], gain[k]) and np.allclose(e.saliency[e.regions.labels == r], max(0, gain[k]))
    paper = e.attribution("paper")
    assert paper.min() == 0 and paper.max() == 1


@pytest.mark.parametrize("kind", ["gains", "", None])
def test_unknown_map(e, kind):
    with pytest.raises(ValueError, match="unknown map .*: choose one of gain, paper"): e.attribution(kind)


@pytest.mark.parametrize("f", [[1], [0, float("nan")], [[0, 1]]])
def test_no_curve_no_map(f):
    with pytest.raises(ValueError, match="at least 2 finite values"): attribution(f)


# ---- pictures of every kind

def test_a_missing_file(model):
    with pytest.raises(FileNotFoundError, match="nowhere.png.*check the path"): run(model, "nowhere.png", "A cat.")


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_a_corrupt_file(model, tmp_path, data):
    (tmp_path/"a.png").write_bytes(data)
    with pytest.raises(ValueError, match="readable picture.*a.png.*save it again"): run(model, tmp_path/"a.png", "A cat.")


@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "webp", "tiff", "bmp"])
def test_a_truncated_file(model, scene, tmp_path, kind):
    path = tmp_path/f"a.{kind}"
    scene.image.save(path)
    path.write_bytes(path.read_bytes()[:path.stat().st_size//2])
    with pytest.raises(ValueError, match=f"readable picture.*a.{kind}.*save it again"): run(model, path, "A cat.")


def test_a_folder_for_a_picture(model, tmp_path):
    with pytest.raises(ValueError, match="got the folder"): run(model, tmp_path, "A cat.")


@pytest.mark.parametrize("image", [None, 3, b"abc", [1, 2]])
def test_what_is_no_picture(model, image):
    with pytest.raises(ValueError, match="image must be a path, a PIL image or a numpy array"): run(model, image, "A cat.")


@pytest.mark.parametrize("array,says", [(np.zeros((2, 3, 4, 5), np.uint8), "shape"), (np.zeros((3, 10, 10), np.uint8), "channels last"), (np.zeros((0, 4, 3), np.uint8), "at least 1 pixel"),
                                        (np.full((4, 4, 3), np.nan), "NaN"), (np.full((4, 4, 3), 200.), "divide"), (np.zeros((4, 4, 3), int), "astype")])
def test_arrays_that_are_no_pictures(model, array, says):
    with pytest.raises(ValueError, match=says): run(model, array, "A cat.", regions=2)


def test_alpha_is_white_paper(model, scene, tmp_path):
    alpha = np.full((224, 224, 1), 255, np.uint8); alpha[:60] = 0
    Image.fromarray(np.concatenate([scene.pixels, alpha], 2)).save(tmp_path/"a.png")
    white = scene.pixels.copy(); white[:60] = 255
    same(run(model, tmp_path/"a.png", scene.caption), run(model, white, scene.caption))


def test_a_palette(model, scene, tmp_path):
    p = scene.image.convert("P", palette=Image.Palette.ADAPTIVE, colors=60)
    p.save(tmp_path/"a.png"); p.save(tmp_path/"a.gif")
    want = run(model, np.asarray(p.convert("RGB")), scene.caption)
    same(run(model, tmp_path/"a.png", scene.caption), want)
    same(run(model, tmp_path/"a.gif", scene.caption), want)


def test_sixteen_bits(model, scene, tmp_path):
    gray = np.asarray(scene.image.convert("L"))
    Image.fromarray(gray.astype(np.uint16)*257).save(tmp_path/"a.png")
    want = run(model, np.repeat(gray[..., None], 3, 2), scene.caption)
    same(run(model, tmp_path/"a.png", scene.caption), want)
    same(run(model, scene.pixels.astype(np.uint16)*257, scene.caption), run(model, scene.pixels, scene.caption))


def test_cmyk(model, scene, tmp_path):
    im = scene.image.convert("CMYK")
    im.save(tmp_path/"a.tiff")
    same(run(model, tmp_path/"a.tiff", scene.caption), run(model, np.asarray(im.convert("RGB")), scene.caption))


@pytest.mark.parametrize("orientation,turn", [(3, Image.Transpose.ROTATE_180), (6, Image.Transpose.ROTATE_90), (8, Image.Transpose.ROTATE_270), (2, Image.Transpose.FLIP_LEFT_RIGHT)])
def test_a_turned_photograph(model, scene, tmp_path, orientation, turn):
    "Stored turned, with a note how to turn it back: explained upright."
    upright = scene.image.crop((0, 0, 224, 150))
    exif = Image.Exif(); exif[0x0112] = orientation
    upright.transpose(turn).save(tmp_path/"a.png", exif=exif)
    a, b = run(model, tmp_path/"a.png", scene.caption), run(model, upright, scene.caption)
    assert a.image.shape == (150, 224, 3)
    same(a, b)


def test_one_pixel(model):
    dot = np.full((1, 1, 3), 200, np.uint8)
    a = run(model, dot, "A cat.", regions=1)
    assert a.order.tolist() == [0] and a.insertion.shape == (2,) and "<img" in a.to_html() and np.isfinite(a.saliency).all()
    with pytest.raises(ValueError, match=r"at most one region a pixel, got 64 for 1 pixels.*ask for fewer"): run(model, dot, "A cat.", regions=64)


@pytest.mark.parametrize("size", [(1, 60), (60, 1), (2, 3)])
def test_thin_pictures(model, size):
    a = run(model, np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8), "A cat.", regions=4)
    assert sorted(a.order.tolist()) == list(range(len(a.regions))) and a.plot() is not None


def test_a_pixel_a_region(model):
    a = run(model, np.random.default_rng(0).integers(0, 256, (3, 3, 3), dtype=np.uint8), "A cat.", regions=np.arange(9).reshape(3, 3))
    assert sorted(a.order.tolist()) == list(range(9))


# ---- regions

@pytest.mark.parametrize("regions,says", [
    (lambda: grid((100, 100), 2, 2), "cover the image pixel for pixel.*224×224.*100×100.*segment"),
    (lambda: np.zeros((100, 100), int), "cover the image pixel for pixel"), (lambda: np.full((224, 224), -1), "run from 0, got -1"),
    (lambda: np.where(np.arange(224)[:, None] < 100, -1, 0)*np.ones((1, 224), int), "run from 0"), (lambda: np.full((224, 224), 3), r"labels 0..3 must own a pixel"),
    (lambda: np.zeros((224, 224)), "must be integers, got float64"), (lambda: np.zeros((4, 224, 224), bool), "from_masks"),
    (lambda: 224*224 + 1, "at most one region a pixel"), (lambda: 0, "at least 1"), (lambda: -4, "at least 1"), (lambda: 2.5, "whole number"), (lambda: True, "whole number"),
    (lambda: None, "regions must be"), (lambda: "slics", "unknown regions 'slics': choose one of slico")])
def test_regions_that_do_not_fit(model, scene, regions, says):
    with pytest.raises(ValueError, match=says): run(model, scene.image, scene.caption, regions=regions())


def test_tokens_are_regions(model, scene):
    a = run(model, scene.image, "Yes.", regions="tokens", search="one_shot")
    assert len(a.regions) == 64 and a.regions.method == "tokens" and np.allclose(a.regions.area, 1/64)


def test_the_scorer_and_the_partition_must_fit(e):
    s = FunctionScorer(lambda k: k.float().mean(1), 4)
    with pytest.raises(ValueError, match="knows 4 regions, the partition has 9"): explain_scores(s, e.image, e.regions, e.target, e.answer)


# ---- answers, targets, settings

@pytest.mark.parametrize("kw,says", [
    (dict(target="unicorn"), r"the word 'unicorn' is not in the answer 'A cat.*choose one of A, cat"), (dict(answer=""), "the answer is empty.*give an answer"),
    (dict(answer=[]), "the answer is empty"), (dict(answer=[10**6]), "answer ids must lie in"), (dict(target=99), r"must lie in 0..\d+ \(the answer has"), (dict(target=[]), r"must lie in 0..\d+ \(the answer has"),
    (dict(target="cat", foil="cat"), "the foil 'cat' is what the answer says already: give another"), (dict(target="cat", foil=""), "the foil is empty"),
    (dict(target="cat", foil=[]), "the foil is empty"),
    (dict(search="greedy"), "unknown search 'greedy': choose one of fast, exact, bidirectional"), (dict(fill="white"), "unknown fill 'white': choose one of black, mean, blur, noise"),
    (dict(fill=np.zeros((2, 2, 3), np.uint8)), "fill image must have the image's shape"), (dict(fill=None), "fill"), (dict(fill=3), "fill"),
    (dict(mode="quick"), "unknown mode 'quick': choose one of nearest, resampled, pixels"), (dict(lam=(0, 0)), "lam takes two weights"), (dict(lam=(-1, 1)), "lam takes two weights"),
    (dict(lam=(1, 1, 1)), "lam takes two weights"), (dict(lam=(float("nan"), 1)), "lam takes two weights"), (dict(lam=3), "lam takes two weights"), (dict(lam="ab"), "lam takes two weights"),
    (dict(lam=(-1, 1), search="random"), "lam takes two weights"),
    (dict(budget=3), r"budget of 3 forwards is too small to begin.*at least \d+"), (dict(budget=0), "from 1.*got 0"), (dict(budget="soon"), "such as '30s', got 'soon'"),
    (dict(budget="soon", search="random"), "such as '30s', got 'soon'"),
    (dict(batch_size=0), "batch_size must be at least 1, got 0"), (dict(batch_size=-2), "batch_size must be at least 1, got -2"),
    (dict(answer="A cat. "*200), r"have \d+ tokens, the model takes 512: shorten the prompt or the answer")])
def test_settings_that_mean_nothing(model, scene, kw, says):
    with pytest.raises(ValueError, match=says): run(model, scene.image, **{"answer": "A cat on a mat.", **kw})


def test_a_setting_that_the_search_does_not_know(model, scene):
    for name in ("exact", "random"):
        with pytest.raises((TypeError, ValueError), match="scop"): run(model, scene.image, "A cat.", search=name, scop=3)


def test_a_word_in_special_signs(model, scene):
    "Answers and prompts that hold the model's own special tokens get a result or an error that says so."
    for kw in (dict(answer="A <image> cat."), dict(answer="A cat.</s>"), dict(answer="<pad> cat")):
        try: a = run(model, scene.image, **kw)
        except ValueError as e: assert "answer" in str(e) and "<image>" in str(e), e
        else: assert np.isfinite(a.insertion).all() and a.answer.text == kw["answer"]


def test_probabilities_that_are_not_numbers(model, scene):
    broken = copy.deepcopy(model.model)
    with torch.no_grad(): broken.get_output_embeddings().weight[3, 0] = float("nan")
    m = eagle_nb.load((broken, model.processor))
    for mode in ("nearest", "pixels"):
        with pytest.raises(ValueError, match=r"gave \d+ probabilities that are not numbers: load the model with dtype='float32'"): run(m, scene.image, scene.caption, mode=mode)


def test_unknown_model(scene):
    with pytest.raises(ValueError, match="unknown model 'scenes-lava': choose one of scenes-llava"): run("scenes-lava", scene.image, "A cat.")


def test_a_model_without_eyes(scene, model):
    from transformers import LlamaConfig, LlamaForCausalLM
    net = LlamaForCausalLM(LlamaConfig(vocab_size=len(model.tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2))
    with pytest.raises(ValueError, match="image"): run((net, model.tokenizer), scene.image, "A cat.")


# ---- HTML

class Tags(HTMLParser):
    def __init__(self): super().__init__(); self.tags, self.text, self.attributes = [], [], []
    def handle_starttag(self, tag, attrs): self.tags.append(tag); self.attributes += [(tag, k, v) for k, v in attrs]
    def handle_data(self, data): self.text.append(data)


def parse(page):
    p = Tags(); p.feed(page); p.close()
    return p


ALLOWED = {"html", "meta", "title", "style", "body", "h1", "p", "b", "br", "img", "table", "tr", "td", "div", "span"}
EVIL = ["<script>alert(1)</script>", "<img src=x onerror='alert(1)'>", "\"><b onmouseover=\"x\">", "' onload='x", "&lt;script&gt; & <i>", "</table></body><iframe>", "{title} {0} {body}", "$\\frac{1}$ \\textbf{x} $_"]


@pytest.mark.parametrize("evil", EVIL)
def test_no_text_becomes_markup(e, evil):
    tokens = tuple(evil[i:i+7] for i in range(0, len(evil), 7))
    x = replace(e, prompt=evil, answer=Answer(evil, list(range(len(tokens))), list(tokens)),
                target=replace(e.target, positions=tuple(range(len(tokens))), ids=tuple(range(len(tokens))), tokens=tokens, text=evil, foil=evil),
                token_insertion=np.random.default_rng(0).random((10, len(tokens))), token_deletion=np.random.default_rng(1).random((10, len(tokens))),
                regions=Regions(e.regions.labels, evil, {evil: evil}), settings={**e.settings, evil: evil, "model": evil})
    for page in (x.to_html(), x._repr_html_()) if evil == EVIL[0] else (x.to_html(),):
        p = parse(page)
        assert set(p.tags) <= ALLOWED, set(p.tags) - ALLOWED
        assert p.tags.count("b") == 1 and p.tags.count("img") == 1 and p.tags.count("p") == 2
        assert not [a for a in p.attributes if a[1].startswith("on")] and {k for t, k, _ in p.attributes if t == "img"} == {"src", "alt"}
        assert next(v for t, k, v in p.attributes if t == "img" and k == "src").startswith("data:image/png;base64,")
        assert evil in p.text, "and it is still there to read"
    page = words_html(list(tokens) + [evil], np.ones(len(tokens) + 1))
    assert set(parse(page).tags) == {"div", "span"} and not [a for a in parse(page).attributes if a[1] not in ("style", "title")]


def test_the_page_is_self_contained(e, tmp_path):
    page = e.to_html(tmp_path/"deep"/"a.html")
    assert (tmp_path/"deep"/"a.html").read_text(encoding="utf-8") == page
    p = parse(page)
    assert not [a for a in p.attributes if a[1] in ("src", "href") and not a[2].startswith("data:")] and "http" not in "".join(v or "" for _, _, v in p.attributes if not (v or "").startswith("data:"))
    assert f"{e.insertion_auc:.4f}" in page and e.settings["model"] in page


def test_figures_and_texts(e):
    import matplotlib.pyplot as plt
    assert len(e.plot().axes) >= 3 and e.curve() is not None and e.words() is not None
    plt.close("all")
    assert len(e.word_influence()) == len(e.answer.text.replace(",", "").split())


def test_an_explanation_without_words(e):
    t = replace(e.target, positions=(0,), ids=(5,), tokens=(".",), text=".")
    x = replace(e, target=t, token_insertion=e.token_insertion[:, :1], token_deletion=e.token_deletion[:, :1])
    assert x.word_influence()[0][0] == "." and "<img" in x.to_html() and x.text()


# ---- files

def test_saved_and_loaded(e, tmp_path):
    assert e.save(tmp_path/"a"/"e.safetensors") == tmp_path/"a"/"e.safetensors"
    back = Explanation.load(tmp_path/"a"/"e.safetensors")
    same(e, back)
    assert (back.prompt, back.answer, back.target, back.forwards, back.seconds) == (e.prompt, e.answer, e.target, e.forwards, e.seconds)
    assert back.settings == json.loads(json.dumps(e.settings)) and back.scorer is None
    assert (back.regions.method, back.regions.settings) == (e.regions.method, e.regions.settings)
    assert back.text() == e.text() and np.array_equal(back.saliency, e.saliency) and back.insertion_auc == e.insertion_auc
    back.save(tmp_path/"b.safetensors")
    assert (tmp_path/"b.safetensors").read_bytes() == (tmp_path/"a"/"e.safetensors").read_bytes()
    assert [p.name for p in (tmp_path/"a").iterdir()] == ["e.safetensors"]
    back.to_html(); back.to_reference(tmp_path)


def test_odd_settings_are_saved(e, tmp_path):
    x = replace(e, settings={**e.settings, "a": np.float32(.5), "b": np.arange(3), "c": Path("x"), "d": "é \u2028 <"}, target=replace(e.target, foil="é"))
    x.save(tmp_path/"e"); back = Explanation.load(tmp_path/"e")
    assert back.settings["a"] == .5 and back.settings["b"] == [0, 1, 2] and back.settings["c"] == "x" and back.settings["d"] == "é \u2028 <" and back.target.foil == "é"


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file.*give one that Explanation.save wrote"): Explanation.load(tmp_path/"none")


@pytest.fixture(scope="module")
def saved(e, tmp_path_factory):
    "A small file, so that bit flips hit all of its parts."
    rows, cols = slice(0, 224, 28), slice(0, 224, 28)
    labels = grid((8, 8), 3, 3).labels
    x = replace(e, image=e.image[rows, cols].copy(), regions=Regions(labels, "grid", {"rows": 3}))
    return x.save(tmp_path_factory.mktemp("saved")/"e").read_bytes()


def refused(path):
    with pytest.raises(ValueError) as err: Explanation.load(path)
    assert str(path) in str(err.value) and "Explanation.save" in str(err.value), f"names the file and a remedy: {err.value}"


@pytest.mark.parametrize("data", [b"", b"\x00"*8, b"PK\x03\x04 a zip", b"\x80\x04K\x01.", b"{}", b"\xff"*200])
def test_files_of_another_kind(tmp_path, data):
    (tmp_path/"e").write_bytes(data); refused(tmp_path/"e")


def test_a_folder_and_a_foreign_file(tmp_path):
    from safetensors.numpy import save
    (tmp_path/"e").write_bytes(save({"a": np.zeros(3)})); refused(tmp_path/"e")
    (tmp_path/"f").write_bytes(save({"a": np.zeros(3)}, {"eagle_nb": "{}"})); refused(tmp_path/"f")
    (tmp_path/"g").write_bytes(save({"a": np.zeros(3)}, {"eagle_nb": '{"format": 1}'})); refused(tmp_path/"g")
    (tmp_path/"h").write_bytes(save({"a": np.zeros(3)}, {"eagle_nb": '[1]'})); refused(tmp_path/"h")
    with pytest.raises((FileNotFoundError, ValueError)): Explanation.load(tmp_path)


def test_another_format_says_so(saved, tmp_path):
    assert saved.count(b'\\"format\\": 1,') == 1
    (tmp_path/"e").write_bytes(saved.replace(b'\\"format\\": 1,', b'\\"format\\": 7,'))
    with pytest.raises(ValueError, match="format 7, this version reads 1|damaged"): Explanation.load(tmp_path/"e")


@pytest.mark.parametrize("share", [.001, .05, .3, .5, .9, .999])
def test_a_truncated_save(saved, tmp_path, share):
    (tmp_path/"e").write_bytes(saved[:int(len(saved)*share)]); refused(tmp_path/"e")


@pytest.mark.parametrize("part", ["header", "data"])
def test_a_flipped_bit(saved, tmp_path, part):
    "Each damaged file is refused in words: nothing wrong is loaded in silence, nothing else is raised."
    rng, head = np.random.default_rng(0), 8 + int.from_bytes(saved[:8], "little")
    at = rng.integers(0, head, 150) if part == "header" else rng.integers(head, len(saved), 60)
    silent, strange, good = [], [], saved
    (tmp_path/"e").write_bytes(good); Explanation.load(tmp_path/"e")
    for k in at.tolist():
        bad = bytearray(good); bad[k] ^= 1 << int(rng.integers(8))
        (tmp_path/"e").write_bytes(bytes(bad))
        try: Explanation.load(tmp_path/"e")
        except ValueError as err:
            if str(tmp_path/"e") not in str(err): strange.append((k, repr(err)[:90]))
        except Exception as err: strange.append((k, repr(err)[:90]))
        else: silent.append(k)
    assert not strange, f"{len(strange)} of {len(at)} raise something else: {strange[:5]}"
    assert not silent, f"{len(silent)} of {len(at)} damaged files load without a word"


@pytest.mark.parametrize("what", ["save", "to_html"])
def test_an_interrupted_write_leaves_the_old_file(e, tmp_path, monkeypatch, what):
    path = tmp_path/"e"
    getattr(e, what)(path)
    old, plain = path.read_bytes(), Path.write_bytes
    def half(self, data):
        plain(self, data[:len(data)//2]); raise KeyboardInterrupt
    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(KeyboardInterrupt): getattr(replace(e, prompt="another"), what)(path)
    monkeypatch.undo()
    assert path.read_bytes() == old
    monkeypatch.setattr(os, "replace", lambda *a: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError): getattr(replace(e, prompt="another"), what)(path)
    monkeypatch.undo()
    assert path.read_bytes() == old
    getattr(replace(e, prompt="another"), what)(path)
    assert b"another" in path.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e"], "no half files stay behind"


# ---- the reference format

FIELDS = {"insertion_score", "deletion_score", "smdl_score", "insertion_word_score", "deletion_word_score", "region_area", "org_score", "baseline_score",
          "lambda1", "lambda2", "sub-region_number", "words", "selected_interpretation_token_id", "selected_interpretation_token_word_id"}


@pytest.fixture
def exported(e, tmp_path):
    assert e.to_reference(tmp_path, "x") == tmp_path/"json"/"x.json"
    return tmp_path


def test_the_fields_are_those_of_the_paper(exported):
    assert set(json.loads((exported/"json"/"x.json").read_text())) == FIELDS


def test_the_fields_hold_what_they_should(e, exported):
    r, n, t = json.loads((exported/"json"/"x.json").read_text()), len(e.regions), len(e.target)
    assert FIELDS <= set(r) and r["sub-region_number"] == n
    assert [len(r[k]) for k in ("insertion_score", "deletion_score", "smdl_score", "insertion_word_score", "deletion_word_score", "region_area")] == [n]*6
    assert np.shape(r["insertion_word_score"]) == (n, t) and np.allclose(np.mean(r["insertion_word_score"], 1), r["insertion_score"])
    assert np.allclose(np.mean(r["deletion_word_score"], 1), r["deletion_score"])
    assert np.allclose(r["lambda1"]*np.array(r["insertion_score"]) + r["lambda2"]*(1 - np.array(r["deletion_score"])), r["smdl_score"])
    assert r["region_area"][-1] == pytest.approx(1) and (np.diff(r["region_area"]) > 0).all()
    assert r["org_score"] == pytest.approx(e.insertion[-1]) and r["baseline_score"] == pytest.approx(e.insertion[0])
    assert r["selected_interpretation_token_id"] == list(e.target.positions) and r["selected_interpretation_token_word_id"] == list(e.target.ids) and r["words"] == e.answer.tokens
    masks = np.load(exported/"npy"/"x.npy", allow_pickle=False)
    assert masks.shape == (n, 224, 224, 1) and set(np.unique(masks)) == {0, 1} and (masks.sum(0) == 1).all()
    for k, region in enumerate(e.order): assert (masks[k, ..., 0].astype(bool) == (e.regions.labels == region)).all()
    assert np.allclose(masks.mean((1, 2, 3)).cumsum(), r["region_area"])


def test_the_aucs_from_the_json_alone(e, exported):
    r = json.loads((exported/"json"/"x.json").read_text())
    def area_under(first, scores):
        x, y, total = 0., first, 0.
        for a, s in zip(r["region_area"], scores): total += (a - x)*(s + y)/2; x, y = a, s
        return total
    assert area_under(r["baseline_score"], r["insertion_score"]) == pytest.approx(e.insertion_auc)
    assert area_under(r["org_score"], r["deletion_score"]) == pytest.approx(e.deletion_auc)


@pytest.mark.parametrize("kw", [{}, dict(target="in"), dict(target="in", foil="banana"), dict(lam=(2, .5))])
def test_there_and_back(model, scene, tmp_path, kw):
    a = run(model, scene.image, scene.caption, **{"target": None, **kw})
    a.to_reference(tmp_path, "x")
    b = Explanation.from_reference(tmp_path, "x", scene.image)
    assert np.allclose(b.token_insertion, a.token_insertion) and np.allclose(b.token_deletion, a.token_deletion)
    assert b.insertion_auc == pytest.approx(a.insertion_auc) and b.deletion_auc == pytest.approx(a.deletion_auc)
    assert np.allclose(b.saliency, a.saliency) and np.allclose(b.attribution("paper"), a.attribution("paper"))
    assert b.target.positions == a.target.positions and b.target.ids == a.target.ids and b.target.tokens == a.target.tokens
    b.to_reference(tmp_path, "y")
    for kind, name in (("json", "json"), ("npy", "npy")): assert (tmp_path/kind/f"y.{name}").read_bytes() == (tmp_path/kind/f"x.{name}").read_bytes()
    assert b.text() and "<img" in b.to_html()


@pytest.mark.parametrize("name", ["", "../x", "a/b", "/etc/x", "."])
def test_a_name_stays_in_its_folder(e, tmp_path, name):
    with pytest.raises(ValueError, match="plain file name without folders"): e.to_reference(tmp_path, name)


class Evil:
    def __init__(self, path): self.path = path
    def __reduce__(self): return (Path.write_text, (self.path, "executed"))


@pytest.mark.parametrize("wrap", ["npy", "pickle", "npz"])
def test_no_pickle_is_opened(exported, tmp_path, scene, wrap):
    marker, out = tmp_path/"executed", exported/"npy"/"x.npy"
    if wrap == "npy": np.save(out, np.array([Evil(marker)], dtype=object), allow_pickle=True)
    elif wrap == "pickle": out.write_bytes(pickle.dumps(Evil(marker)))
    else:
        b = io.BytesIO(); np.savez(b, a=np.array([Evil(marker)], dtype=object)); out.write_bytes(b.getvalue())
    with pytest.raises(ValueError) as err: Explanation.from_reference(exported, "x", scene.image)
    assert not marker.exists()
    assert "x.npy" in str(err.value), f"names the file: {err.value}"


def broken_json(change):
    def f(folder):
        r = json.loads((folder/"json"/"x.json").read_text()); change(r)
        (folder/"json"/"x.json").write_text(json.dumps(r))
    return f


BROKEN = {
    "no npy": lambda f: (f/"npy"/"x.npy").unlink(),
    "no json": lambda f: (f/"json"/"x.json").unlink(),
    "json cut": lambda f: (f/"json"/"x.json").write_bytes((f/"json"/"x.json").read_bytes()[:200]),
    "json is a list": lambda f: (f/"json"/"x.json").write_text("[1, 2]"),
    "npy cut": lambda f: (f/"npy"/"x.npy").write_bytes((f/"npy"/"x.npy").read_bytes()[:3000]),
    "npy without the last axis": lambda f: np.save(f/"npy"/"x.npy", np.load(f/"npy"/"x.npy")[..., 0]),
    "npy of one number": lambda f: np.save(f/"npy"/"x.npy", np.array(3.)),
    "masks overlap": lambda f: np.save(f/"npy"/"x.npy", np.ones_like(np.load(f/"npy"/"x.npy"))),
    "a mask is missing": lambda f: np.save(f/"npy"/"x.npy", np.load(f/"npy"/"x.npy")[1:]),
    "a step is missing": broken_json(lambda r: r["insertion_word_score"].pop()),
    "a field is missing": broken_json(lambda r: r.pop("baseline_score")),
    "a score is no number": broken_json(lambda r: r["deletion_word_score"].__setitem__(0, "x")),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_reference_files(exported, scene, name):
    BROKEN[name](exported)
    with pytest.raises((ValueError, FileNotFoundError)) as err: Explanation.from_reference(exported, "x", scene.image)
    assert "x." in str(err.value) or "masks" in str(err.value), f"names the file or what is wrong in it: {err.value!r}"


def test_the_reference_of_another_picture(exported):
    with pytest.raises(ValueError, match=r"masks are of \(224, 224\).*image of \(50, 40\): give the image that was explained"):
        Explanation.from_reference(exported, "x", np.zeros((50, 40, 3), np.uint8))


# ---- conversations

def test_a_conversation_is_explained_saved_and_told(model, tmp_path):
    import hashlib
    other = scenes.sample(31)
    prompt = [{"role": "user", "content": [{"type": "image", "image": other.image}, {"type": "text", "text": "Look at the second picture."}]},
              {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}]
    e = eagle_nb.explain(eagle_nb.load((model.model, model.processor), system="Be brief."), scenes.sample(30).image, prompt, answer="A dog.", regions=4, mode="resampled", show_progress=False)
    assert e.prompt == "Look at the second picture.\n" + PROMPT and e.settings["system"] == "Be brief." and e.settings["mode"] == "resampled" and e.settings["unsafe_shortcuts"] == []
    turns = e.settings["conversation"]
    assert turns[0]["content"][0]["sha256"] == hashlib.sha256(other.pixels.tobytes()).hexdigest() and turns[1]["content"][0]["sha256"] is None
    again = eagle_nb.Explanation.load(e.save(tmp_path/"talk.safetensors"))
    assert again.settings["conversation"] == turns and again.prompt == e.prompt and (again.order == e.order).all()
    assert "Look at the second picture." in e.to_html()


def test_regions_that_are_cropped_away_are_told():
    from eagle_nb.core import checkpoints
    from eagle_nb.world import shapes
    m, image = checkpoints.load_checkpoint(shapes.tiny("llava")), scenes.sample(3).image.resize((400, 100))
    with pytest.warns(UserWarning, match="6 of 10 regions are cropped away by the processor"):
        e = eagle_nb.explain(m, image, PROMPT, answer="A dog.", regions=grid((100, 400), 1, 10), show_progress=False)
    assert e.settings["unseen"] == [0, 1, 2, 7, 8, 9]
