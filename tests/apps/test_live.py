"Widgets in a cell: what is left when they close, what a notebook keeps of them, and that text of a model stays text."
import base64
import gc
import io

import pytest
from PIL import Image

from eagle_nb.apps.scrubber import Scrubber
from widget_help import N, image_html, made_up, open_widgets, set_cell, set_frontend, text_html


@pytest.fixture
def scrub():
    s = Scrubber(made_up(), start=3)
    yield s
    s.close()


def test_closing_leaves_no_widget_and_keeps_state_and_text():
    before = open_widgets()
    s = Scrubber(made_up())
    assert len(open_widgets() - before) > 5
    s.close()
    assert open_widgets() == before and s.closed
    s.close()
    s.step = 2
    assert s.state()["step"] == 2 and "2 of 12" in s.text()


def test_forgetting_leaves_no_widget():
    before = open_widgets()
    s = Scrubber(made_up())
    del s
    gc.collect()
    assert open_widgets() == before


def test_a_cell_that_runs_again_closes_what_it_opened(monkeypatch):
    set_cell(monkeypatch, "a", 1)
    first, second = Scrubber(made_up()), Scrubber(made_up())
    set_cell(monkeypatch, "b", 2)
    other = Scrubber(made_up())
    set_cell(monkeypatch, None, 3)
    unknown = Scrubber(made_up())
    assert not any(s.closed for s in (first, second, other, unknown)), "two in one run live side by side"
    set_cell(monkeypatch, "a", 4)
    again = Scrubber(made_up())
    assert first.closed and second.closed and not any(s.closed for s in (other, unknown, again))
    for s in (other, unknown, again): s.close()


def test_text_of_a_model_is_not_run_as_html():
    s = Scrubber(made_up(('<img src=x onerror="alert(1)">', "</pre><script>alert(1)</script>", "&'")))
    for step in (0, N):
        s.step = step
        assert "<script" not in text_html(s) + image_html(s) and "<img src=x" not in text_html(s)
        assert "onerror" not in image_html(s) and image_html(s).count("<") == 1
    s.close()


def test_a_notebook_without_a_reader_keeps_image_and_text(scrub):
    out = scrub._repr_mimebundle_()
    assert set(out) == {"text/plain", "image/png"} and out["text/plain"] == scrub.text()
    w, h = Image.open(io.BytesIO(base64.b64decode(out["image/png"]))).size
    assert 700 < w < 1000 and 200 < h < 500


def test_a_reader_gets_the_controls_until_they_are_closed(scrub, monkeypatch):
    set_frontend(monkeypatch, lambda: True)
    out = scrub._repr_mimebundle_()
    assert out["application/vnd.jupyter.widget-view+json"]["model_id"] == scrub.box.model_id
    scrub.close()
    assert set(scrub._repr_mimebundle_()) == {"text/plain", "image/png"}, "a closed one shows its image"
