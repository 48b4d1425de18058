"Panels of one explanation without a model: which step a control repeats, what is offered, what a tip says."
from types import SimpleNamespace

import numpy as np
import pytest

from eagle_nb.apps import explained
from eagle_nb.apps.explained import (correction_panel, modality_panel, prior_panel, prompt_panel, show_forwards,
                                     steps_of, trace_panel, words_panel)
from eagle_nb.explanation import plots
from eagle_nb.explanation.hallucination import REPAIRS


def refuse(*args, **kwargs): raise ValueError("no model here")


PANELS = dict(
    words=lambda: words_panel(["a"], refuse, [18], refuse, "Describe.", (9,)),
    correction=lambda: correction_panel(["a"], refuse, refuse, (9,), ("black",)),
    prompt=lambda: prompt_panel(["a"], refuse, {"q": (18, "q?")}, (9,)),
    trace=lambda: trace_panel(["a"], refuse, [18], ["right, right"], refuse, "Describe.", (9,)),
    modality=lambda: modality_panel(["a"], refuse, [18], "Describe.", refuse, (9,), 9),
    prior=lambda: prior_panel(["a"], refuse, ["question"], refuse, {"full": len}, {}))


@pytest.mark.parametrize("kind", PANELS)
def test_every_control_says_what_it_does(kind):
    p = PANELS[kind]()
    assert set(p.line.tips) == set(p.controls) and all(len(tip) > 10 for tip in p.line.tips.values())
    assert p.status == "failed" and "no model here" in p.text()
    p.close()


class Corrections:
    "Corrections that note what was asked: of how many regions, and which repairs."
    def __init__(self, monkeypatch, step):
        self.searched, self.repaired, self.step = [], [], step
        monkeypatch.setattr(explained, "correct_sample", self.correct)
        monkeypatch.setattr(explained, "repair", self.repair)
        monkeypatch.setattr(explained, "matches_foil", lambda answer, target: True)
    def correct(self, model, sample, regions, progress, fill):
        self.searched.append((model, regions, fill))
        fig = plots.new_figure(1, 1)
        fig.suptitle("a title")
        e = SimpleNamespace(target=None, settings=dict(search_seconds=3., seed=0))
        return SimpleNamespace(step=self.step, explanation=e, plot=lambda truth: fig, text=lambda: "a correction",
                               state=lambda: {})
    def repair(self, c, model, how):
        self.repaired.append(how)
        return SimpleNamespace(text=f"by {how}")
    def panel(self):
        sample = SimpleNamespace(prompt="is it?", mask=None)
        return correction_panel(["a"], str.upper, lambda name: [sample], (16, 25), ("black", "blur"))


def ways(panel): return [v for _, v in panel.controls["repair_by"].options]


def test_another_repair_needs_no_other_search(monkeypatch):
    made = Corrections(monkeypatch, step=3)
    p = made.panel()
    assert made.searched == [("A", 16, "black")] and made.repaired == [] and p.state()["other"] is None
    for how in ("blur", "contrast", "removing", "blur"): p.set(repair_by=how)
    assert made.searched == [("A", 16, "black")] and made.repaired == ["blur", "contrast"]
    assert "other     blur: 'by blur', right" in p.text() and p.state()["settings"] == dict(seed=0)
    assert p.figure().get_suptitle().endswith("by blur instead: “by blur”")
    p.set(regions=25)
    assert made.searched[1:] == [("A", 25, "black")] and p.values["repair_by"] == "blur"
    p.close()


def test_repairs_that_give_the_same_are_not_offered(monkeypatch):
    p = Corrections(monkeypatch, step=3).panel()
    assert ways(p) == ["removing", *(r for r in REPAIRS if r != "black")]
    p.set(repair_by="blur")
    p.set(fill="blur")
    assert "blur" not in ways(p) and "black" in ways(p) and p.values["repair_by"] == "removing"
    p.close()


@pytest.mark.parametrize("step", [None, 0])
def test_where_nothing_is_repaired_there_is_one_way(monkeypatch, step):
    p = Corrections(monkeypatch, step).panel()
    assert p.status == "ready" and ways(p) == ["removing"] and p.controls["repair_by"].disabled
    p.close()


def test_the_steps_of_a_trace_end_at_full_stops():
    tokens = ("A", " cat", ".", " A", " dog", ".", " Or")
    target = SimpleNamespace(tokens=tokens)
    words = [("A", (0,)), ("cat", (1,)), ("A", (3,)), ("dog", (4,)), ("Or", (6,))]
    assert steps_of(SimpleNamespace(target=target, target_words=words)) == [([0, 1], (0, 1)), ([2, 3], (3, 4)), ([4], (6,))]


def test_progress_is_shown_where_somebody_watches():
    seen = []
    show_forwards(lambda *report: seen.append(report), 64)(dict(forwards=np.int64(9)))
    assert seen == [(9, 64, "forwards")] and show_forwards(None, 64) is None
