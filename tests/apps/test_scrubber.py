"The scrubber without a browser: state, text and figure follow the step, and steps that do not exist are refused."
import html

import numpy as np
import pytest

from eagle_nb.apps.scrubber import Scrubber, figure_step, word_curves
from eagle_nb.explanation.explanation import Explanation
from widget_help import N, image_html, made_up, text_html


@pytest.fixture
def scrub():
    s = Scrubber(made_up(), start=3)
    yield s
    s.close()


def test_state_follows_the_slider(scrub):
    e = made_up()
    for k in (0, 3, N):
        scrub.slider.value = k
        s = scrub.state()
        assert s["step"] == scrub.step == k and s["of"] == N
        assert s["regions"] == e.order[:k].tolist()
        assert s["area"] == pytest.approx(e.area[k]) and s["area"] == pytest.approx(k/N)
        assert s["insertion"] == pytest.approx(e.token_insertion[k].mean())
        assert s["deletion"] == pytest.approx(e.token_deletion[k].mean())
        assert [w for w, _ in s["words"]] == ["A", "cat"]
        assert s["words"][1][1] == pytest.approx(e.token_insertion[k, 1:3].mean())


def test_image_and_text_change_with_the_step(scrub):
    text, image = text_html(scrub), image_html(scrub)
    scrub.step = 4
    assert text_html(scrub) != text and image_html(scrub) != image
    shown = html.unescape(text_html(scrub)).split(">", 1)[1]
    assert shown.startswith("4 of 12 regions, 33% of the image")
    scrub.step = 3
    assert text_html(scrub) == text and image_html(scrub) == image


def test_text_is_the_twin_of_the_state(scrub):
    s, text = scrub.state(), scrub.text()
    assert f"{s['insertion']:.3f} with only these" in text and f"{s['deletion']:.3f} without" in text
    for word, p in s["words"]:
        assert any(line.startswith(word) and line.endswith(f"{p:.3f}") for line in text.splitlines())
    assert repr(scrub) == text


@pytest.mark.parametrize("step", [-1, N + 1, 1.5, True, float("nan"), "2"])
def test_steps_that_do_not_exist_are_refused(scrub, step):
    with pytest.raises(ValueError, match=rf"step must be a whole number from 0 to {N}"): scrub.step = step
    with pytest.raises(ValueError, match="step must be"): Scrubber(made_up(), start=step)


def test_it_starts_where_the_answer_is_recovered():
    e = made_up()
    s = Scrubber(e)
    assert e.insertion[s.step] >= .9*e.insertion.max() > e.insertion[s.step - 1]
    s.close()


def test_a_saved_explanation_is_shown_like_a_fresh_one(tmp_path, scrub):
    e = Explanation.load(made_up().save(tmp_path/"e.safetensors"))
    s = Scrubber(e, start=3)
    assert e.scorer is None and s.state() == scrub.state()
    s.close()


def test_no_model_is_called():
    e = made_up()
    used = e.scorer.forwards
    s = Scrubber(e)
    for k in range(N + 1): s.step = k
    assert e.scorer.forwards == used
    s.close()


@pytest.mark.parametrize("shape", [(60, 80), (900, 1600), (1600, 500), (8, 8)])
def test_images_of_all_sizes(shape):
    s = Scrubber(made_up(shape=shape), start=2)
    assert max(s.image.shape) == min(480, max(shape))
    assert s.image.shape[:2] == s.labels.shape == s.fill_image.shape[:2]
    assert set(np.unique(s.labels)) == set(range(N))
    assert s.figure().axes
    s.close()


def test_hidden_regions_look_as_the_model_saw_them():
    black, mean = Scrubber(made_up(fill="black"), start=1), Scrubber(made_up(fill="mean"), start=1)
    assert (black.fill_image == 0).all() and (mean.fill_image > 90).all()
    for s in (black, mean): s.close()


def test_a_target_without_a_word_keeps_its_tokens():
    names, p = word_curves(made_up((".", "!")))
    assert names == [".", "!"] and p.shape == (N + 1, 2)


def test_the_figure_draws_every_step():
    e = made_up()
    for k in (0, 1, N):
        fig = figure_step(e.image, e.regions.labels, e.order, e.area, e.insertion, e.deletion, k)
        assert len(fig.axes) == 3
