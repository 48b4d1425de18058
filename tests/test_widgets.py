"The scrubber without a browser: what it says, what it refuses, and that nothing is left behind."
import base64, gc, html, io

import ipywidgets
import numpy as np
import pytest
import torch
from PIL import Image

from eagle_nb.explain import Explanation, explain_scores
from eagle_nb.models import Answer
from eagle_nb.regions import Regions, grid
from eagle_nb.scores import FunctionScorer
from eagle_nb.targets import Target
from eagle_nb import widgets
from eagle_nb.widgets import Scrubber, figure_step, word_curves

N = 12
WEIGHT = torch.linspace(1, 2, N)/torch.linspace(1, 2, N).sum()


def make(tokens=("A", " ca", "t", "."), shape=(60, 80), **settings):
    "An explanation of a made-up answer whose tokens react to the picture more and more."
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    strength = torch.linspace(0, .9, len(tokens))
    p = lambda keep: .05 + (keep.float() @ WEIGHT)[:, None]*strength
    at = tuple(range(len(tokens)))
    target = Target(at, at, tuple(tokens), at, "".join(tokens).strip())
    return explain_scores(FunctionScorer(p, N), image, grid(shape, 3, 4), target, Answer("".join(tokens), list(at), list(tokens)), "Describe.", settings=settings)


def alive(): return set(ipywidgets.widgets.widget._instances)


@pytest.fixture
def scrub():
    s = Scrubber(make(), start=3)
    yield s
    s.close()


def test_state_follows_the_slider(scrub):
    e = make()
    for k in (0, 3, N):
        scrub.slider.value = k
        s = scrub.state()
        assert s["step"] == scrub.step == k and s["of"] == N
        assert s["regions"] == e.order[:k].tolist()
        assert s["area"] == pytest.approx(e.area[k]) and s["area"] == pytest.approx(k/N)
        assert s["insertion"] == pytest.approx(e.token_insertion[k].mean()) and s["deletion"] == pytest.approx(e.token_deletion[k].mean())
        assert [w for w, _ in s["words"]] == ["A", "cat"]
        assert s["words"][1][1] == pytest.approx(e.token_insertion[k, 1:3].mean())


def test_what_is_seen_changes_with_the_step(scrub):
    told, picture = scrub._told.value, scrub._picture.value
    scrub.step = 4
    assert scrub._told.value != told and scrub._picture.value != picture
    assert html.unescape(scrub._told.value).split(">", 1)[1].startswith("4 of 12 regions, 33% of the picture")
    scrub.step = 3
    assert scrub._told.value == told and scrub._picture.value == picture


def test_text_is_the_twin_of_the_state(scrub):
    s, text = scrub.state(), scrub.text()
    assert f"{s['insertion']:.3f} with only these" in text and f"{s['deletion']:.3f} without" in text
    for word, p in s["words"]: assert any(line.startswith(word) and line.endswith(f"{p:.3f}") for line in text.splitlines())
    assert repr(scrub) == text


@pytest.mark.parametrize("step", [-1, N + 1, 1.5, True, float("nan"), "2"])
def test_steps_that_do_not_exist(scrub, step):
    with pytest.raises(ValueError, match=rf"step must be a whole number from 0 to {N}"): scrub.step = step
    with pytest.raises(ValueError, match="step must be"): Scrubber(make(), start=step)


def test_the_first_step_is_where_the_answer_is_back():
    e = make()
    s = Scrubber(e)
    assert e.insertion[s.step] >= .9*e.insertion.max() > e.insertion[s.step - 1]
    s.close()


def test_closing_leaves_nothing():
    before = alive()
    s = Scrubber(make())
    assert len(alive() - before) > 5
    s.close()
    assert alive() == before and s.closed
    s.close()
    s.step = 2
    assert s.state()["step"] == 2 and "2 of 12" in s.text()


def test_forgetting_leaves_nothing():
    before = alive()
    s = Scrubber(make())
    del s
    gc.collect()
    assert alive() == before


def test_a_cell_that_runs_again_closes_what_it_opened(monkeypatch):
    run = lambda cell, n: monkeypatch.setattr(widgets, "_this_cell", lambda: cell and (cell, n))
    run("a", 1); first, second = Scrubber(make()), Scrubber(make())
    run("b", 2); other = Scrubber(make())
    run(None, 3); loose = Scrubber(make())
    assert not any(s.closed for s in (first, second, other, loose)), "two in one run live side by side"
    run("a", 4); again = Scrubber(make())
    assert first.closed and second.closed and not any(s.closed for s in (other, loose, again))
    for s in (other, loose, again): s.close()


def test_text_of_a_model_stays_text():
    s = Scrubber(make(('<img src=x onerror="alert(1)">', "</pre><script>alert(1)</script>", "&'")))
    for step in (0, N):
        s.step = step
        assert "<script" not in s._told.value + s._picture.value and "<img src=x" not in s._told.value
        assert "onerror" not in s._picture.value and s._picture.value.count("<") == 1
    s.close()


def test_saved_explanations_will_do(tmp_path, scrub):
    e = Explanation.load(make().save(tmp_path/"e.safetensors"))
    s = Scrubber(e, start=3)
    assert e.scorer is None and s.state() == scrub.state()
    s.close()


def test_no_model_is_called():
    e = make()
    used = e.scorer.forwards
    s = Scrubber(e)
    for k in range(N + 1): s.step = k
    assert e.scorer.forwards == used
    s.close()


def test_what_a_notebook_without_a_reader_keeps(scrub):
    out = scrub._repr_mimebundle_()
    assert set(out) == {"text/plain", "image/png"} and out["text/plain"] == scrub.text()
    w, h = Image.open(io.BytesIO(base64.b64decode(out["image/png"]))).size
    assert 700 < w < 1000 and 200 < h < 500


def test_what_a_reader_gets(scrub, monkeypatch):
    monkeypatch.setattr(widgets, "_watched", lambda: True)
    out = scrub._repr_mimebundle_()
    assert out["application/vnd.jupyter.widget-view+json"]["model_id"] == scrub.box.model_id
    scrub.close()
    assert set(scrub._repr_mimebundle_()) == {"text/plain", "image/png"}, "a closed one shows its picture"


@pytest.mark.parametrize("shape", [(60, 80), (900, 1600), (1600, 500), (8, 8)])
def test_pictures_of_all_sizes(shape):
    s = Scrubber(make(shape=shape), start=2)
    assert max(s.image.shape) == min(480, max(shape))
    assert s.image.shape[:2] == s.labels.shape == s.hidden.shape[:2] and set(np.unique(s.labels)) == set(range(N))
    assert s.figure().axes
    s.close()


def test_hidden_regions_look_as_the_model_saw_them():
    black, mean = Scrubber(make(fill="black"), start=1), Scrubber(make(fill="mean"), start=1)
    assert (black.hidden == 0).all() and (mean.hidden > 90).all()
    for s in (black, mean): s.close()


def test_a_target_without_a_word():
    names, p = word_curves(make((".", "!")))
    assert names == [".", "!"] and p.shape == (N + 1, 2)


def test_the_figure_draws_every_step():
    e = make()
    for k in (0, 1, N): assert len(figure_step(e.image, e.regions.labels, e.order, e.area, e.insertion, e.deletion, k).axes) == 3
