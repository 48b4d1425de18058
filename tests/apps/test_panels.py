"Panels of results without a model: what is shown, what is counted, and what is refused."
import numpy as np
import pandas as pd
import pytest

from eagle_nb.apps import panels
from eagle_nb.apps.panels import (claims_panel, costs_panel, examples_panel, results_panel, rivals_panel, settings_panel,
                                  shares_panel)
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
    assert p.values == dict(fill="a", metrics="both") and p.state()["rows"][0]["fill"] == "a"
    p.close()


def test_without_results_the_panel_says_what_to_do():
    p = results_panel({}, VIEWS)
    assert p.status == "failed" and "there are no results yet: run the slow cell above" in p.text()
    p.close()


def test_the_default_setting_must_exist():
    with pytest.raises(ValueError, match="the default must be one of the settings plain, long, got 'short'"):
        settings_panel(("a",), None, SETTINGS, "short", ("insertion",), 9)


def test_a_sample_that_does_not_exist_is_refused(monkeypatch):
    monkeypatch.setattr(panels, "load", lambda name, dtype: name)
    p = settings_panel(("a",), lambda model, n: [], SETTINGS | {"wide": {}}, "plain", ("insertion",), 9)
    assert p.values == dict(model="a", sample=0, settings="all", budget=100, scale="shared")
    assert p.message == "there are 0 samples, counted from 0: choose one of them, got 0"
    p.close()


def test_settings_without_any_result_say_why(monkeypatch):
    rows = [dict(title="plain", note="no memory"), dict(title="long", note="no time")]
    monkeypatch.setattr(panels, "load", lambda name, dtype: name)
    monkeypatch.setattr(panels, "compare_settings", lambda *args, **kwargs: (None, rows))
    p = settings_panel(("a",), lambda model, n: list(range(n)), SETTINGS, "plain", ("insertion",), 9)
    assert p.message == "no setting has a result: plain: no memory; long: no time"
    p.close()


def made(kind, monkeypatch):
    "A panel of each kind, without a model: those that need one fail, and show their controls all the same."
    monkeypatch.setattr(panels, "load", lambda name, dtype: name)
    curve = np.array([[10., 50, 40, 60], [100, 100, 100, 100]])
    claim = dict(page="fill", model="a", claim="as good", difference="0.1 [0.0, 0.2]", above=0., pairs=9, verdict="holds")
    return dict(
        results=lambda: results_panel({"a": evaluation(0.), "b": evaluation(.1)}, VIEWS),
        settings=lambda: settings_panel(("a",), lambda model, n: [], SETTINGS, "plain", ("insertion",), 9),
        examples=lambda: examples_panel(("a",), str, lambda name: ["s"], ("random",), (9,)),
        claims=lambda: claims_panel(pd.DataFrame([claim])),
        costs=lambda: costs_panel([dict(model="a", seconds=dict(ours=1., naive=2.))], {"seconds": ("seconds", 1)}),
        shares=lambda: shares_panel({("a", "word"): dict(fast=curve)}, dict(fast="red")),
        rivals=lambda: rivals_panel(dict(word=dict(a=dict(n=2, lines=dict(fast=curve), tails={}))), dict(fast="red")))[kind]()


@pytest.mark.parametrize("kind", ["results", "settings", "examples", "claims", "costs", "shares", "rivals"])
def test_every_control_says_what_it_does(kind, monkeypatch):
    p = made(kind, monkeypatch)
    assert set(p.line.tips) == set(p.controls) and all(len(tip) > 10 for tip in p.line.tips.values())
    assert p.status == ("failed" if kind in ("settings", "examples") else "ready"), p.message
    p.close()


def test_what_would_be_the_same_is_not_offered():
    "`all` of one, and the only other setting next to the default."
    one = results_panel({"a": evaluation(0.)}, VIEWS)
    curve = np.array([[10., 50, 40, 60], [100, 100, 100, 100]])
    shares = shares_panel({("a", "word"): dict(fast=curve), ("b", "word"): dict(fast=curve)}, dict(fast="red"))
    options = lambda p, name: [v for _, v in p.controls[name].options]
    assert options(one, "model") == ["a"] and one.controls["model"].disabled
    assert options(shares, "model") == ["all", "a", "b"] and options(shares, "target") == ["word"]
    assert set(shares.set(model="b").text().splitlines()[1].split(":")) > {"b, words"}
    for p in (one, shares): p.close()


def test_one_other_setting_stands_next_to_the_default(monkeypatch):
    monkeypatch.setattr(panels, "load", lambda name, dtype: name)
    p = settings_panel(("a",), lambda model, n: [], SETTINGS, "plain", ("insertion",), 9)
    assert [v for _, v in p.controls["settings"].options] == ["long"]
    p.close()


def test_an_example_is_asked_for_by_its_line_in_the_menu(monkeypatch):
    asked = []
    def compare(model, sample, methods, regions, progress):
        asked.append((model, sample, regions))
        raise ValueError("asked")
    monkeypatch.setattr(panels, "compare_methods", compare)
    p = examples_panel(("a", "b"), str.upper, lambda name: [f"{name}0", f"{name}1"], ("random",), (9, 16), "word",
                       lambda k, s: f"{k} {s}")
    p.set(model="b", word="1 b1", regions=16)
    assert asked == [("A", "a0", 9), ("B", "b1", 16)] and p.message == "asked"
    p.close()
