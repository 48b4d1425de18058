"Searches on a screen: what is spent where, that the fill asked for decides, and what is refused."
import numpy as np
import pytest
import torch
from conftest import PROMPT

import eagle_nb
from eagle_nb import scenes
from eagle_nb.core import checkpoints
from eagle_nb.core.curves import trace
from eagle_nb.core.prompts import PromptScorer
from eagle_nb.core.regions import grid
from eagle_nb.core.scores import FunctionScorer, ModelScorer
from eagle_nb.core.targets import make_target
from eagle_nb.search import screens
from eagle_nb.search.fast import fast
from eagle_nb.search.orders import area_under_f
from eagle_nb.search.search import Order, random_order


@pytest.fixture(scope="module")
def case():
    m = checkpoints.load_checkpoint("scenes-internvl", dtype="float32", device="cpu")
    s = scenes.sample(11)
    return m, s.pixels, make_target(m, m.read(s.caption)), grid(s.pixels, 3, 4)


def scorer_of(case, kind=ModelScorer, fill="black"):
    m, image, target, regions = case
    return kind(m, image, PROMPT, target, regions, fill)


class Toy(FunctionScorer):
    "A function whose screen is another function."
    def __init__(self, true, cheap, n):
        super().__init__(true, n)
        self.cheap = cheap
    def screened(self, screen): return FunctionScorer(self.cheap, self.n)


def sums(weights):
    weights = torch.tensor(weights)
    return lambda keep: (keep.float() @ weights)[:, None]


# ---- what is spent where

@pytest.mark.parametrize("screen", ("drop", "features"))
def test_the_record_says_what_was_asked_of_which(case, screen):
    s = scorer_of(case)
    found = fast(s, budget=120, seed=1, screen=screen)
    used = found.settings
    assert used["screen"] == screen and used["screen_forwards"] + used["asked_forwards"] == found.forwards == s.forwards
    assert 24 <= used["asked_forwards"] == len(s._known) and used["screen_forwards"] >= .6*120
    assert found.forwards <= 120 + 2*(12 + 1), "only the last trace may go beyond the budget"
    before = s.forwards
    trace(s, found.order)
    assert s.forwards == before, "its curves are known, under the fill that was asked for"
    assert sorted(found.order.tolist()) == list(range(12)) and found.ranked == 12 and found.stopped is None
    assert (fast(scorer_of(case), budget=120, seed=1, screen=screen).order == found.order).all()


def test_the_screens_answers_are_not_the_scorers(case):
    s, plain = scorer_of(case), scorer_of(case)
    fast(s, budget=100, screen="drop")
    keep, p = s.scored()
    assert (plain.all_tokens(torch.tensor(keep)) - p).abs().max() < 1e-5


def test_an_explanation_on_a_screen(case):
    m, image, target, regions = case
    e = eagle_nb.explain(m, image, PROMPT, scenes.sample(11).caption, regions=regions, budget=100, screen="drop",
                         show_progress=False)
    plain = scorer_of(case)
    shown, hidden = trace(plain, e.order)
    assert np.abs(shown.numpy() - e.token_insertion).max() < 1e-5 and np.abs(hidden.numpy() - e.token_deletion).max() < 1e-5
    assert e.settings["screen"] == "drop" and e.settings["fill"] == "black"
    assert e.settings["screen_forwards"] + e.settings["asked_forwards"] == e.forwards


def test_steps_count_all_forwards(case):
    steps = []
    fast(scorer_of(case), budget=120, screen="drop", callback=steps.append)
    counts = [s["forwards"] for s in steps]
    assert counts == sorted(counts) and counts[-1] > 90


def test_a_time_is_divided():
    s = Toy(sums([.4, .3, .2, .1]), sums([.4, .3, .2, .1]), 4)
    found = fast(s, budget="2s", screen="drop")
    assert found.order.tolist()[0] == 0 and found.seconds < 6


# ---- the fill asked for decides

def fixed(orders):
    "A search that returns given orders, one after the other."
    left = list(orders)
    def search(scorer, budget, warm, callback):
        if warm: scorer.all_tokens(torch.eye(scorer.n, dtype=torch.bool)[:2])
        return Order(np.array(left.pop(0)), scorer.n, 0, 0., "fixed")
    return search


@pytest.mark.parametrize("orders, best", [(([0, 1, 2, 3], [3, 2, 1, 0]), [0, 1, 2, 3]),
                                          (([3, 2, 1, 0], [0, 1, 2, 3]), [0, 1, 2, 3])])
def test_of_two_orders_the_better_one_is_returned(orders, best):
    s = Toy(sums([.4, .3, .2, .1]), sums([.1, .2, .3, .4]), 4)
    assert screens.on_screen(fixed(orders), s, "drop", 100).order.tolist() == best


@pytest.mark.parametrize("seed", range(6))
def test_a_misleading_screen_is_corrected(seed):
    "The screen takes the least important of eight regions for the most important: the best order is found all the same."
    weights = np.sort(np.random.default_rng(seed).random(8))[::-1]/8
    wrong = weights.copy()
    wrong[[0, 7]] = wrong[[7, 0]]
    value = lambda order: area_under_f(FunctionScorer(sums(weights.tolist()), 8), order)
    alone = fast(FunctionScorer(sums(wrong.tolist()), 8), budget=200)
    found = fast(Toy(sums(weights.tolist()), sums(wrong.tolist()), 8), budget=200, screen="drop")
    assert value(alone.order) < 0 and value(found.order) > .999*value(np.arange(8))


def test_calibration_by_hand():
    p, true = np.array([[0., .2], [1., .2], [.5, .9], [2., 0.]]), np.array([[.2, .3], [.6, .5]])
    got = screens.calibrated(p, np.ones((4, 3), bool), [0, 1], true)
    assert np.allclose(got, [[.2, .4], [.6, .4], [.4, .4], [1., .4]])


def test_noise_is_not_taken_for_amounts():
    "Differences without a pattern leave the line as it is; an amount of one region is found."
    rng = np.random.default_rng(0)
    keep = rng.random((600, 20)) < .5
    screen, noise = keep @ rng.random((20, 1))/20, .02*rng.standard_normal((600, 1))
    for amount in (0., .1):
        true = screen + amount*keep[:, 3:4]
        got = screens.calibrated(screen, keep, range(300), (true + noise)[:300])
        assert np.sqrt(((got - true)[300:]**2).mean()) < (.01 if amount else .003)


def test_an_interrupt_while_orders_are_judged_loses_nothing():
    "The fill asked for is interrupted at its first question: the screen's order is returned, marked."
    s = Toy(sums([.4, .3, .2, .1]), sums([.1, .2, .3, .4]), 4)
    def stop(keep): raise KeyboardInterrupt
    s.compute = stop
    found = fast(s, budget=60, screen="drop")
    assert found.stopped == "interrupted" and found.order.tolist() == [3, 2, 1, 0]


def test_an_interrupted_screen_ends_the_search(case):
    def stop(step): raise KeyboardInterrupt
    s = scorer_of(case)
    found = fast(s, budget=120, screen="drop", callback=stop)
    assert found.stopped == "interrupted" and found.settings["asked_forwards"] == 0 and s.forwards > 0


# ---- with words, and refused

def test_words_of_the_prompt_can_be_ranked_on_a_screen(case):
    s = scorer_of(case, PromptScorer)
    found = fast(s, budget=6*s.n, screen="drop")
    assert sorted(found.order.tolist()) == list(range(s.n)) and s.n > 12
    with pytest.raises(ValueError, match="hides regions, not words"): fast(s, budget=6*s.n, screen="features")


@pytest.mark.parametrize("kw, message", [(dict(screen="black"), "choose one of drop, features"),
                                         (dict(screen="drop", budget=40), "40 forwards is too small for a screen: 12 regions need at least 48"),
                                         (dict(screen="drop", budget=-1), "whole number of forwards"),
                                         (dict(screen="drop", budget="soon"), "or a time above 0"),
                                         (dict(screen="drop", lam=(0, 0)), "not both 0")])
def test_what_cannot_be_is_refused(case, kw, message):
    with pytest.raises(ValueError, match=message): fast(scorer_of(case), **kw)


def test_a_screen_needs_a_model(case):
    with pytest.raises(ValueError, match="needs a scorer of a model"): fast(FunctionScorer(sums([.5, .5]), 2), screen="drop")
    with pytest.raises(ValueError, match="is the fill of this scorer already"):
        fast(scorer_of(case, fill="drop"), screen="drop")
    with pytest.raises(TypeError, match="screen"): random_order(scorer_of(case), screen="drop")


@pytest.mark.parametrize("lam", ((1, 0), (0, 1)))
def test_one_weight_of_zero(case, lam):
    found = fast(scorer_of(case), lam=lam, budget=100, screen="features")
    assert sorted(found.order.tolist()) == list(range(12)) and found.settings["lam"] == list(lam)
