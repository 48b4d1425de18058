"An explanation as a web page, as a file and in the reference format; damaged and malicious input is refused."
import io
import json
import os
import pickle
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from conftest import PROMPT

import eagle_nb
from eagle_nb import Explanation
from eagle_nb.core.answers import Answer
from eagle_nb.core.regions import Regions, grid
from eagle_nb.explanation.plots import words_html


def run(model, image, answer, **kw):
    return eagle_nb.explain(model, image, PROMPT, answer=answer, **{"regions": 4, "show_progress": False, **kw})


@pytest.fixture(scope="module")
def e(model, scene): return run(model, scene.image, scene.caption, regions=9)


@pytest.mark.parametrize("name", ["e.json", "e.HTML", "e.png"])
def test_save_writes_no_file_under_the_name_of_another_kind(e, tmp_path, name):
    with pytest.raises(ValueError, match="save writes safetensors, got .*: name it .safetensors; to_html writes a page"): e.save(tmp_path/name)
    assert not list(tmp_path.iterdir())


# ---- the web page

class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text, self.attributes = [], [], []
    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, k, v) for k, v in attrs]
    def handle_data(self, data): self.text.append(data)


def parse(page):
    p = Tags()
    p.feed(page)
    p.close()
    return p


ALLOWED = set("p b bdi img table tr td div span".split())   # of a figure with its words
AROUND = set("html head meta title style body main h1 details summary noscript script".split())   # of a page
EVIL = ["<script>alert(1)</script>", "<img src=x onerror='alert(1)'>", "\"><b onmouseover=\"x\">", "' onload='x",
        "&lt;script&gt; & <i>", "</table></body><iframe>", "{title} {0} {body}", "$\\frac{1}$ \\textbf{x} $_"]


def evil_explanation(e, evil, tokens):
    "An explanation that holds a text wherever one can stand."
    places, random = tuple(range(len(tokens))), np.random.default_rng
    return replace(e, prompt=evil, answer=Answer(evil, list(places), list(tokens)),
                   target=replace(e.target, positions=places, ids=places, tokens=tokens, text=evil, foil=evil),
                   token_insertion=random(0).random((10, len(tokens))),
                   token_deletion=random(1).random((10, len(tokens))),
                   regions=Regions(e.regions.labels, evil, {evil: evil}),
                   settings={**e.settings, evil: evil, "model": evil})


@pytest.mark.parametrize("evil", EVIL)
def test_no_text_becomes_markup(e, evil):
    tokens = tuple(evil[i:i+7] for i in range(0, len(evil), 7))
    x = evil_explanation(e, evil, tokens)
    for page in (x.to_html(), x._repr_html_()) if evil == EVIL[0] else (x.to_html(),):
        p, whole = parse(page), page.startswith("<!doctype")
        allowed = ALLOWED | AROUND if whole else ALLOWED
        assert set(p.tags) <= allowed, set(p.tags) - allowed
        assert p.tags.count("script") == (2 if whole else 0) and not [k for _, k, _ in p.attributes if k == "src"][1:]
        assert p.tags.count("b") == 1 and p.tags.count("img") == 1 and p.tags.count("p") == 1
        assert not [a for a in p.attributes if a[1].startswith("on")]
        img = {k: v for tag, k, v in p.attributes if tag == "img"}
        assert set(img) == {"src", "alt"} and re.match("data:image/(png|webp);base64,", img["src"])
        assert evil in p.text, "and it is still there to read"
    p = parse(words_html(list(tokens) + [evil], np.ones(len(tokens) + 1)))
    known = ("style", "title", "dir", "lang")
    assert set(p.tags) == {"div", "span"} and not [a for a in p.attributes if a[1] not in known]


def test_the_page_is_self_contained(e, tmp_path):
    page = e.to_html(tmp_path/"deep"/"a.html")
    assert (tmp_path/"deep"/"a.html").read_text(encoding="utf-8") == page
    p = parse(page)
    assert not [a for a in p.attributes if a[1] in ("src", "href") and not a[2].startswith("data:")]
    assert "http" not in "".join(v or "" for _, _, v in p.attributes if not (v or "").startswith("data:"))
    assert f"{e.insertion_auc:.4f}" in page and e.settings["model"] in page


class Nesting(HTMLParser):
    "Refuses a tag that is closed by another, and a block inside a paragraph."
    def __init__(self, page):
        super().__init__()
        self.open = []
        self.feed(page)
        self.close()
        assert self.open in ([], ["html"]), self.open
    def handle_starttag(self, tag, attrs):
        assert tag not in ("div", "p", "table") or "p" not in self.open, self.open
        if tag not in ("img", "meta"): self.open.append(tag)
    def handle_endtag(self, tag): assert self.open.pop() == tag


@pytest.mark.parametrize("text, lang", [("קט שחור!", ""), ("قطة < سوداء", ""), ("猫がいる。", "ja"), ("고양이", "ko")])
@pytest.mark.filterwarnings("ignore:no installed font")
def test_any_script_keeps_its_direction_and_language(e, text, lang):
    tokens = tuple(text)
    page = evil_explanation(e, text, tokens).to_html()
    Nesting(page)
    p = parse(page)
    assert p.text.count(text) >= 4   # prompt, answer, target and settings
    assert [v for tag, k, v in p.attributes if (tag, k) == ("span", "dir")] == ["auto", "auto"]
    assert p.tags.count("bdi") == (0 if lang else len([t for t in p.text if t == text]) - 2)
    assert (("span", "lang", lang) in p.attributes) == bool(lang)


def test_prompt_words_are_isolated_from_their_numbers(e):
    x = replace(e, values=None, prompt_words=("קט", "<b>"), order=np.arange(11), token_insertion=e.token_insertion[[*range(10), 9, 9]],
                token_deletion=e.token_deletion[[*range(10), 9, 9]])
    page = x._repr_html_()
    Nesting(page)
    assert "<bdi>קט</bdi> " in page and "<bdi>&lt;b&gt;</bdi> " in page


# ---- files

def test_an_explanation_is_saved_and_loaded(e, tmp_path):
    assert e.save(tmp_path/"a"/"e.safetensors") == tmp_path/"a"/"e.safetensors"
    back = Explanation.load(tmp_path/"a"/"e.safetensors")
    for k in ("order", "image", "token_insertion", "token_deletion"):
        assert np.array_equal(getattr(back, k), getattr(e, k)), k
    assert np.array_equal(back.regions.labels, e.regions.labels)
    for k in ("prompt", "answer", "target", "forwards", "seconds"): assert getattr(back, k) == getattr(e, k), k
    assert back.settings == json.loads(json.dumps(e.settings)) and back.scorer is None
    assert (back.regions.method, back.regions.settings) == (e.regions.method, e.regions.settings)
    assert back.text() == e.text() and np.array_equal(back.saliency, e.saliency)
    assert back.insertion_auc == e.insertion_auc
    back.save(tmp_path/"b.safetensors")
    assert (tmp_path/"b.safetensors").read_bytes() == (tmp_path/"a"/"e.safetensors").read_bytes()
    assert [p.name for p in (tmp_path/"a").iterdir()] == ["e.safetensors"]
    back.to_html()
    back.to_reference(tmp_path)


def test_settings_of_any_type_are_saved_as_plain_values(e, tmp_path):
    odd = {"a": np.float32(.5), "b": np.arange(3), "c": Path("x"), "d": "é \u2028 <"}
    x = replace(e, settings={**e.settings, **odd}, target=replace(e.target, foil="é"))
    back = Explanation.load(x.save(tmp_path/"e"))
    assert {k: back.settings[k] for k in odd} == {"a": .5, "b": [0, 1, 2], "c": "x", "d": "é \u2028 <"}
    assert back.target.foil == "é"


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file.*give one that Explanation.save wrote"):
        Explanation.load(tmp_path/"none")


@pytest.fixture(scope="module")
def saved(e, tmp_path_factory):
    "A small file, so that bit flips hit all of its parts."
    rows, cols = slice(0, 224, 28), slice(0, 224, 28)
    labels = grid((8, 8), 3, 3).labels
    x = replace(e, image=e.image[rows, cols].copy(), regions=Regions(labels, "grid", {"rows": 3}))
    return x.save(tmp_path_factory.mktemp("saved")/"e").read_bytes()


def assert_refused(path):
    with pytest.raises(ValueError) as err: Explanation.load(path)
    message = str(err.value)
    assert str(path) in message and "Explanation.save" in message, f"names the file and a remedy: {message}"


@pytest.mark.parametrize("data", [b"", b"\x00"*8, b"PK\x03\x04 a zip", b"\x80\x04K\x01.", b"{}", b"\xff"*200])
def test_files_of_another_kind_are_refused(tmp_path, data):
    (tmp_path/"e").write_bytes(data)
    assert_refused(tmp_path/"e")


def test_a_folder_and_foreign_safetensors_are_refused(tmp_path):
    from safetensors.numpy import save
    for header in (None, {"eagle_nb": "{}"}, {"eagle_nb": '{"format": 1}'}, {"eagle_nb": "[1]"}):
        (tmp_path/"e").write_bytes(save({"a": np.zeros(3)}, header))
        assert_refused(tmp_path/"e")
    with pytest.raises((FileNotFoundError, ValueError)): Explanation.load(tmp_path)


def test_a_file_of_another_format_version_is_refused(saved, tmp_path):
    assert saved.count(b'\\"format\\": 1,') == 1
    (tmp_path/"e").write_bytes(saved.replace(b'\\"format\\": 1,', b'\\"format\\": 7,'))
    with pytest.raises(ValueError, match="format 7, this version reads 1|damaged"): Explanation.load(tmp_path/"e")


@pytest.mark.parametrize("share", [.001, .05, .3, .5, .9, .999])
def test_a_truncated_file_is_refused(saved, tmp_path, share):
    (tmp_path/"e").write_bytes(saved[:int(len(saved)*share)])
    assert_refused(tmp_path/"e")


@pytest.mark.parametrize("part", ["header", "data"])
def test_a_file_with_a_flipped_bit_is_refused(saved, tmp_path, part):
    "Each damaged file is refused by an error that names it: none loads silently, none raises anything else."
    rng, header = np.random.default_rng(0), 8 + int.from_bytes(saved[:8], "little")
    places = rng.integers(0, header, 150) if part == "header" else rng.integers(header, len(saved), 60)
    path, silent, strange = tmp_path/"e", [], []
    path.write_bytes(saved)
    Explanation.load(path)
    for k in places.tolist():
        bad = bytearray(saved)
        bad[k] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(bad))
        try: Explanation.load(path)
        except ValueError as err:
            if str(path) not in str(err): strange.append((k, repr(err)[:90]))
        except Exception as err: strange.append((k, repr(err)[:90]))
        else: silent.append(k)
    assert not strange, f"{len(strange)} of {len(places)} raise something else: {strange[:5]}"
    assert not silent, f"{len(silent)} of {len(places)} damaged files load silently"


@pytest.mark.parametrize("what", ["save", "to_html"])
def test_an_interrupted_write_leaves_the_old_file(e, tmp_path, monkeypatch, what):
    path = tmp_path/"e"
    getattr(e, what)(path)
    old, plain = path.read_bytes(), Path.write_bytes
    def half(self, data):
        plain(self, data[:len(data)//2])
        raise KeyboardInterrupt
    def full(*args): raise OSError("disk full")
    write = getattr(replace(e, prompt="another"), what)
    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(KeyboardInterrupt): write(path)
    monkeypatch.undo()
    assert path.read_bytes() == old
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError): write(path)
    monkeypatch.undo()
    assert path.read_bytes() == old
    write(path)
    assert b"another" in path.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e"], "no partial files stay behind"


# ---- the reference format

STEPS = ("insertion_score", "deletion_score", "smdl_score", "insertion_word_score", "deletion_word_score",
         "region_area")
TOKENS = ("selected_interpretation_token_id", "selected_interpretation_token_word_id")
FIELDS = {*STEPS, *TOKENS, "org_score", "baseline_score", "lambda1", "lambda2", "sub-region_number", "words"}


@pytest.fixture
def exported(e, tmp_path):
    assert e.to_reference(tmp_path, "x") == tmp_path/"json"/"x.json"
    return tmp_path


def test_the_fields_are_those_of_the_reference_implementation(exported):
    assert set(json.loads((exported/"json"/"x.json").read_text())) == FIELDS


def test_the_fields_hold_curves_areas_tokens_and_masks(e, exported):
    r, n, t = json.loads((exported/"json"/"x.json").read_text()), len(e.regions), len(e.target)
    assert FIELDS <= set(r) and r["sub-region_number"] == n
    assert [len(r[k]) for k in STEPS] == [n]*6
    insertion, deletion = np.array(r["insertion_score"]), np.array(r["deletion_score"])
    assert np.shape(r["insertion_word_score"]) == (n, t)
    assert np.allclose(np.mean(r["insertion_word_score"], 1), insertion)
    assert np.allclose(np.mean(r["deletion_word_score"], 1), deletion)
    assert np.allclose(r["lambda1"]*insertion + r["lambda2"]*(1 - deletion), r["smdl_score"])
    assert r["region_area"][-1] == pytest.approx(1) and (np.diff(r["region_area"]) > 0).all()
    assert r["org_score"] == pytest.approx(e.insertion[-1]) and r["baseline_score"] == pytest.approx(e.insertion[0])
    assert r["selected_interpretation_token_id"] == list(e.target.positions)
    assert r["selected_interpretation_token_word_id"] == list(e.target.ids) and r["words"] == e.answer.tokens
    masks = np.load(exported/"npy"/"x.npy", allow_pickle=False)
    assert masks.shape == (n, 224, 224, 1) and set(np.unique(masks)) == {0, 1} and (masks.sum(0) == 1).all()
    for k, region in enumerate(e.order): assert (masks[k, ..., 0].astype(bool) == (e.regions.labels == region)).all()
    assert np.allclose(masks.mean((1, 2, 3)).cumsum(), r["region_area"])


def test_the_aucs_follow_from_the_json_alone(e, exported):
    r = json.loads((exported/"json"/"x.json").read_text())
    def area_under(first, scores):
        x, y, total = 0., first, 0.
        for a, s in zip(r["region_area"], scores):
            total += (a - x)*(s + y)/2
            x, y = a, s
        return total
    assert area_under(r["baseline_score"], r["insertion_score"]) == pytest.approx(e.insertion_auc)
    assert area_under(r["org_score"], r["deletion_score"]) == pytest.approx(e.deletion_auc)


@pytest.mark.parametrize("kw", [{}, dict(target="in"), dict(target="in", foil="banana"), dict(lam=(2, .5))])
def test_a_written_explanation_is_read_back(model, scene, tmp_path, kw):
    a = run(model, scene.image, scene.caption, **{"target": None, **kw})
    a.to_reference(tmp_path, "x")
    b = Explanation.from_reference(tmp_path, "x", scene.image)
    assert np.allclose(b.token_insertion, a.token_insertion) and np.allclose(b.token_deletion, a.token_deletion)
    assert b.insertion_auc == pytest.approx(a.insertion_auc) and b.deletion_auc == pytest.approx(a.deletion_auc)
    for kind in ("gain", "per_area", "paper"): assert np.allclose(b.attribution(kind), a.attribution(kind))
    assert b.default_map == "gain" and np.allclose(b.saliency, a.attribution("gain").clip(0)) # the format has no values
    for k in ("positions", "ids", "tokens"): assert getattr(b.target, k) == getattr(a.target, k), k
    b.to_reference(tmp_path, "y")
    for kind in ("json", "npy"):
        assert (tmp_path/kind/f"y.{kind}").read_bytes() == (tmp_path/kind/f"x.{kind}").read_bytes()
    assert b.text() and "<img" in b.to_html()


@pytest.mark.parametrize("name", ["", "../x", "a/b", "/etc/x", "."])
def test_a_name_with_folders_is_refused(e, tmp_path, name):
    with pytest.raises(ValueError, match="plain file name without folders"): e.to_reference(tmp_path, name)


class Evil:
    def __init__(self, path): self.path = path
    def __reduce__(self): return (Path.write_text, (self.path, "executed"))


@pytest.mark.parametrize("wrap", ["npy", "pickle", "npz"])
def test_pickles_are_not_opened(exported, tmp_path, scene, wrap):
    marker, out = tmp_path/"executed", exported/"npy"/"x.npy"
    if wrap == "npy": np.save(out, np.array([Evil(marker)], dtype=object), allow_pickle=True)
    elif wrap == "pickle": out.write_bytes(pickle.dumps(Evil(marker)))
    else:
        archive = io.BytesIO()
        np.savez(archive, a=np.array([Evil(marker)], dtype=object))
        out.write_bytes(archive.getvalue())
    with pytest.raises(ValueError) as err: Explanation.from_reference(exported, "x", scene.image)
    assert not marker.exists()
    assert "x.npy" in str(err.value), f"names the file: {err.value}"


def cut(kind, size): return lambda f: (f/kind/f"x.{kind}").write_bytes((f/kind/f"x.{kind}").read_bytes()[:size])


def change_masks(change): return lambda f: np.save(f/"npy"/"x.npy", change(np.load(f/"npy"/"x.npy")))


def change_json(change):
    def f(folder):
        r = json.loads((folder/"json"/"x.json").read_text())
        change(r)
        (folder/"json"/"x.json").write_text(json.dumps(r))
    return f


BROKEN = {
    "no npy": lambda f: (f/"npy"/"x.npy").unlink(),
    "no json": lambda f: (f/"json"/"x.json").unlink(),
    "json cut": cut("json", 200),
    "json is a list": lambda f: (f/"json"/"x.json").write_text("[1, 2]"),
    "npy cut": cut("npy", 3000),
    "npy without the last axis": change_masks(lambda masks: masks[..., 0]),
    "npy of one number": change_masks(lambda masks: np.array(3.)),
    "masks overlap": change_masks(np.ones_like),
    "a mask is missing": change_masks(lambda masks: masks[1:]),
    "a step is missing": change_json(lambda r: r["insertion_word_score"].pop()),
    "a field is missing": change_json(lambda r: r.pop("baseline_score")),
    "a score is no number": change_json(lambda r: r["deletion_word_score"].__setitem__(0, "x")),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_reference_files_are_refused(exported, scene, name):
    BROKEN[name](exported)
    with pytest.raises((ValueError, FileNotFoundError)) as err: Explanation.from_reference(exported, "x", scene.image)
    assert "x." in str(err.value) or "masks" in str(err.value), f"names the file or the mistake: {err.value!r}"


def test_the_reference_files_of_another_image_are_refused(exported):
    message = r"masks are of \(224, 224\).*image of \(50, 40\): give the image that was explained"
    with pytest.raises(ValueError, match=message):
        Explanation.from_reference(exported, "x", np.zeros((50, 40, 3), np.uint8))


def test_words_that_lost_their_spaces_do_not_run_together(e, exported, scene):
    "The lists of LLaVA hold tokens that were decoded one by one: A, group, of, ted, dy, be, ars."
    path = exported/"json"/"x.json"
    record = json.loads(path.read_text())
    record["words"] = [w.strip() for w in record["words"]]
    path.write_text(json.dumps(record))
    with pytest.warns(UserWarning, match="the words of the result file have no spaces"):
        back = Explanation.from_reference(exported, "x", scene.image)
    assert back.answer.tokens[0] == e.answer.tokens[0] and not any(" " in w for w, _ in back.target_words)
    by_token = {t.strip(): v for t, v in zip(back.target.tokens, back.modality) if t.strip().isalpha()}
    assert all(v == pytest.approx(by_token[w]) for w, v in back.word_influence() if back.answer.tokens.count(" " + w) == 1)
    assert len(back.target_words) >= len(e.target_words)
