"One sample under several settings."
import pytest

from eagle_nb import datasets
from eagle_nb.core.curves import auc
from eagle_nb.evaluation import examples


@pytest.fixture(scope="module")
def data(model): return datasets.scenes_words(model, 4)


def test_settings_side_by_side(model, data):
    steps = []
    note = lambda done, total, what: steps.append((done, total, what))
    settings = {"both": dict(method="EAGLE", budget=40), "blur": dict(method="EAGLE", budget=40, fill="blur"),
                "random": dict(method="random"), "none": dict(method="EAGLE", regions="no such")}
    case, shown = examples.compare_settings(model, data[0], settings, progress=note, budget=30, regions=9)
    text = examples.settings_text(case, shown)
    assert [r["title"] for r in shown] == list(settings) and "no such" in shown[-1]["note"]
    assert "none: no result" in text and "correlation with both" in text
    both = shown[0]
    assert both["attribution"].explanation.settings["search_forwards"] <= 30
    assert both["numbers"]["insertion"] == pytest.approx(auc(both["area"], both["insertion"]))
    done = [d for d, *_ in steps]
    assert done == sorted(done) and steps[-1][0] <= 4 and any(d % 1 for d in done)


def test_a_setting_that_breaks_leaves_the_others(model, data):
    def broken(model, image, prompt, target): return 1/0
    settings = {"broken": dict(method=broken), "random": dict(method="random")}
    _, shown = examples.compare_settings(model, data[0], settings, (m for m in ("iou",)), regions=9)
    assert "ZeroDivisionError" in shown[0]["note"] and list(shown[1]["numbers"]) == ["iou"]
