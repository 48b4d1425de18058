"Panels of results without a model: what is shown, what is counted, and what is refused."
import pandas as pd
import pytest

from eagle_nb.apps.panel import Panel
from eagle_nb.apps.panels import results_panel, settings_knobs
from eagle_nb.evaluation.results import Evaluation

VIEWS = {"both": ("insertion", "deletion"), "insertion": ("insertion",)}
SETTINGS = {"plain": dict(method="EAGLE"), "long": dict(method="EAGLE", budget=99)}


def evaluation(shift):
    rows = [dict(key=f"{k}", method=m, insertion=.5 + .01*k + gain + shift, deletion=.4 - .01*k - gain, tokens=1,
                 regions=16, note=None) for k in range(6) for m, gain in (("EAGLE", .2), ("random", 0.))]
    return Evaluation(pd.DataFrame(rows), {}, {})


@pytest.fixture
def panel():
    p = results_panel({"one": evaluation(0.), "two": evaluation(.1)}, VIEWS)
    yield p.wait(20)
    p.close()


def test_results_are_shown_for_all_models_at_first(panel):
    assert panel.values == dict(model="all", metrics="both")
    rows = panel.state()["rows"]
    assert {(r["model"], r["method"], r["metric"]) for r in rows} == {
        (model, method, metric) for model in ("one", "two") for method in ("EAGLE", "random") for metric in VIEWS["both"]}
    assert "one\n" in panel.text() and "two\n" in panel.text()


def test_a_model_and_its_metrics_are_chosen(panel):
    rows = panel.set(model="two", metrics="insertion").state()["rows"]
    assert {(r["model"], r["metric"]) for r in rows} == {("two", "insertion")} and len(rows) == 2
    assert "one\n" not in panel.text() and "deletion" not in panel.text()


def test_another_name_for_what_tells_results_apart():
    p = results_panel({"a": evaluation(0.)}, VIEWS, knob="fill")
    assert p.values == dict(fill="all", metrics="both") and p.state()["rows"][0]["fill"] == "a"
    p.close()


def test_without_results_the_panel_says_what_to_do():
    p = results_panel({}, VIEWS)
    assert p.status == "failed" and "there are no results yet: run the slow cell above" in p.text()
    p.close()


def test_the_default_setting_must_exist():
    with pytest.raises(ValueError, match="the default must be one of the settings plain, long, got 'short'"):
        settings_knobs(("a",), None, SETTINGS, "short", ("insertion",), 9)


def test_a_sample_that_does_not_exist_is_refused(monkeypatch):
    from eagle_nb.apps import panels
    monkeypatch.setattr(panels, "load", lambda name, dtype: name)
    knobs = settings_knobs(("a",), lambda model, n: [], SETTINGS, "plain", ("insertion",), 9)
    p = Panel(**knobs)
    assert p.values == dict(model="a", sample=0, settings="all", budget=100, scale="shared")
    assert p.message == "there are 0 samples, counted from 0: choose one of them, got 0"
    p.close()


def test_settings_without_any_result_say_why(monkeypatch):
    from eagle_nb.apps import panels
    rows = [dict(title="plain", note="no memory"), dict(title="long", note="no time")]
    monkeypatch.setattr(panels, "load", lambda name, dtype: name)
    monkeypatch.setattr(panels, "compare_settings", lambda *args, **kwargs: (None, rows))
    p = Panel(**settings_knobs(("a",), lambda model, n: list(range(n)), SETTINGS, "plain", ("insertion",), 9))
    assert p.message == "no setting has a result: plain: no memory; long: no time"
    p.close()
