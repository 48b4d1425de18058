"What the tests of live cells, scrubber and panel share: a made-up explanation, and a look at the screen."
import ipywidgets
import numpy as np
import torch

from eagle_nb.apps import live, panel
from eagle_nb.core.answers import Answer
from eagle_nb.core.regions import grid
from eagle_nb.core.scores import FunctionScorer
from eagle_nb.core.targets import Target
from eagle_nb.explanation.explanation import explain_scores

N = 12
WEIGHT = torch.linspace(1, 2, N)/torch.linspace(1, 2, N).sum()


def made_up(tokens=("A", " ca", "t", "."), shape=(60, 80), **settings):
    "An explanation of a made-up answer; the later a token, the more it depends on the image."
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    strength = torch.linspace(0, .9, len(tokens))
    scorer = FunctionScorer(lambda keep: .05 + (keep.float() @ WEIGHT)[:, None]*strength, N)
    positions, text = tuple(range(len(tokens))), "".join(tokens)
    target = Target(positions, positions, tuple(tokens), positions, text.strip())
    answer = Answer(text, list(positions), list(tokens))
    return explain_scores(scorer, image, grid(shape, 3, 4), target, answer, "Describe.", settings=settings)


def set_frontend(monkeypatch, present):
    "Say whether somebody is there to move a slider; `present` is asked each time."
    for module in (live, panel): monkeypatch.setattr(module, "has_frontend", present)


def set_cell(monkeypatch, cell, run):
    "Say which cell is running, and which run of it this is."
    monkeypatch.setattr(live, "this_cell", lambda: cell and (cell, run))


def open_widgets(): return set(ipywidgets.widgets.widget._instances)


def image_html(widget): return widget.box.children[-2].value
def text_html(widget): return widget.box.children[-1].value
