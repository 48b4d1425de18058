"The fast search: budgets, seeds, early stops and warm starts, against brute force and exact greedy."
import itertools
import time

import numpy as np
import pytest
import torch
from set_functions import recovery, rough, worth

from eagle_nb.core.curves import prefixes
from eagle_nb.core.regions import grid
from eagle_nb.core.scores import FunctionScorer
from eagle_nb.search.fast import FastSearch, fast, orders_from_scored
from eagle_nb.search.quality import area_under_f, optimal
from eagle_nb.search.search import Run, exact, keep_masks, search


# ---- against exact greedy and brute force

def test_fast_comes_within_a_hundredth_of_exact_greedy_with_a_quarter_of_its_forwards():
    "On functions that a surrogate can learn; on the embedded models the study measures it."
    shares = []
    for seed in range(4):
        p = rough(30, seed)
        slow = exact(FunctionScorer(p, 30))
        quick = fast(FunctionScorer(p, 30), budget=slow.forwards//4)
        assert quick.forwards <= slow.forwards//4
        shares.append(worth(p, quick.order)/worth(p, slow.order))
    assert np.mean(shares) > .99


@pytest.mark.parametrize("n", [1, 2, 3])
def test_fast_finds_the_optimum_of_very_few_regions(n):
    p = rough(n)
    found = fast(FunctionScorer(p, n))
    best = max(worth(p, list(o)) for o in itertools.permutations(range(n)))
    assert worth(p, found.order) >= best - 1e-6 and found.forwards <= 2**n


def test_fast_takes_a_constant_function():
    scorer = FunctionScorer(lambda keep: torch.full((len(keep),), .25), 10)
    with pytest.warns(UserWarning, match="does not move") as seen: found = fast(scorer)
    assert found.order.tolist() == list(range(10)) and found.ranked == 10 and found.stopped == "flat"
    assert len(seen) == 1 and found.forwards == scorer.forwards < 160


def test_rounding_errors_leave_no_pattern():
    "A probability that moves in its last digits only."
    p = lambda keep: .5 + 1e-5*torch.sin(keep.float() @ torch.arange(12.))
    with pytest.warns(UserWarning, match="does not move"): found = fast(FunctionScorer(p, 12))
    assert found.order.tolist() == list(range(12)) and found.stopped == "flat"


@pytest.mark.parametrize("size", [1e-6, .5])
def test_what_only_the_whole_image_gives_is_not_flat(size):
    "Also a rare token whose probability doubles."
    p = lambda keep: size*(1 + keep.all(1).float())
    assert fast(FunctionScorer(p, 6), budget=40).stopped is None


@pytest.mark.parametrize("value", [0., 1.])
def test_fast_takes_probabilities_at_the_ends(value):
    scorer = FunctionScorer(lambda keep: torch.where(keep[:, 2], 1., value), 8)
    assert sorted(fast(scorer).order.tolist()) == list(range(8))


# ---- seeds, budgets, interruptions

def test_fast_is_the_same_for_a_seed_and_any_batch_size():
    p = rough(20)
    orders = [fast(FunctionScorer(p, 20, batch_size=b), seed=3, budget=120).order.tolist() for b in (1, 7, 4096)]
    assert orders[0] == orders[1] == orders[2]
    def sets_asked(seed):
        asked = set()
        def fn(keep):
            asked.update(k.tobytes() for k in keep.numpy())
            return p(keep)
        fast(FunctionScorer(fn, 20), seed=seed, budget=60)
        return asked
    assert sets_asked(0) != sets_asked(1)  # the seed draws the first sets


@pytest.mark.parametrize("budget", [40, 41, 60, 97, 200])
def test_fast_spends_its_budget_and_not_more(budget):
    scorer, seen = FunctionScorer(rough(20), 20), []
    found = fast(scorer, budget=budget, callback=seen.append)
    assert budget - 1 <= found.forwards == scorer.forwards <= budget
    assert found.stopped is None and found.ranked == 20
    assert [s["forwards"] for s in seen] == sorted(s["forwards"] for s in seen)
    assert seen[-1]["order"] == found.order.tolist()
    assert all(sorted(s["order"]) == list(range(20)) for s in seen)


def test_fast_has_a_budget_of_its_own():
    assert fast(FunctionScorer(rough(40), 40), tolerance=0).forwards == 16*40


def test_fast_ends_when_it_expects_to_gain_too_little():
    p = rough(40)
    found = {t: fast(FunctionScorer(p, 40), tolerance=t) for t in (0, .001, .02, None)}
    assert found[0].stopped is None and found[.001].stopped == found[.02].stopped == "converged"
    assert found[.02].forwards <= found[.001].forwards < 16*40
    assert worth(p, found[.001].order) > worth(p, found[0].order) - .01
    assert found[None].settings["tolerance"] > 0 and found[None].ranked == 40
    for ends in (dict(budget=200), dict(stop_at=.9)):
        assert fast(FunctionScorer(p, 40), **ends).settings["tolerance"] == 0


def test_a_tolerance_holds_with_a_budget_too():
    found = fast(FunctionScorer(rough(20), 20), budget=400, tolerance=.5)
    assert found.stopped == "converged" and found.forwards < 400


def test_fast_keeps_to_a_time_budget():
    start = time.perf_counter()
    found = fast(FunctionScorer(rough(40), 40), budget="0.5s")
    assert time.perf_counter() - start < 5 and found.ranked == 40


def test_an_interrupted_fast_search_keeps_its_last_order():
    seen = []
    def stop(state):
        seen.append(state["order"])
        if len(seen) == 2: raise KeyboardInterrupt
    found = fast(FunctionScorer(rough(20), 20), callback=stop)
    assert found.stopped == "interrupted" and found.order.tolist() == seen[-1] and found.ranked == 20


def test_a_fast_search_interrupted_at_once_ranks_nothing():
    def fn(keep): raise KeyboardInterrupt
    found = fast(FunctionScorer(fn, 6))
    assert found.stopped == "interrupted" and found.ranked == 0 and sorted(found.order) == list(range(6))


# ---- settings

def test_fast_records_how_it_was_run():
    found = fast(FunctionScorer(rough(12), 12), budget=80, explore_share=.25, smooth=.2)
    names = {"seed", "initial", "grow", "patches", "explore_share", "risk_aversion", "improve_order",
             "sample_uncertain", "tolerance", "smooth"}
    assert names <= found.settings.keys() and found.settings["explore_share"] == .25
    again = search(FunctionScorer(rough(12), 12), "fast", budget=80, **found.settings)
    assert again.order.tolist() == found.order.tolist()


@pytest.mark.parametrize("setting,message", [
    (dict(grow=0), "grow must lie"), (dict(initial=0), "initial must be"),
    (dict(stop_at=1.5), "stop_at must lie"), (dict(explore_share=1.5), "explore_share must lie"),
    (dict(risk_aversion=-1), "risk_aversion must be"),
    (dict(seed=-1), "seed must be"), (dict(seed=1.5), "seed must be"),
    (dict(tolerance=-1), "tolerance must be"), (dict(tolerance=True), "tolerance must be"),
    (dict(tolerance=float("nan")), "tolerance must be"), (dict(tolerance="a"), "tolerance must be"),
    (dict(decay=float("nan")), "decay must be"), (dict(smooth="a"), "smooth must be"),
    (dict(memory="no"), "memory must be"), (dict(stop_at=True), "stop_at must lie"),
    (dict(lam="11"), "lam takes two"), (dict(risk_aversion=float("nan")), "risk_aversion must be"),
    (dict(hiden=3), "unknown setting 'hiden'")])
def test_fast_refuses_settings_that_mean_nothing(setting, message):
    with pytest.raises(ValueError, match=message): search(FunctionScorer(rough(6), 6), "fast", **setting)


@pytest.mark.parametrize("lam", [(1, 0), (0, 1), (2, .5)])
def test_fast_knows_unequal_weights(lam):
    "Insight and necessity want different orders; each is judged under its own weights."
    def p(keep):
        x = keep.float()
        return .1 + .5*x[:, 0]*x[:, 1] + .2*(1 - (1 - x[:, 2])*(1 - x[:, 3])) + .01*x[:, 4:].sum(1)
    judged = lambda order: area_under_f(FunctionScorer(p, 9), order, lam)
    found = fast(FunctionScorer(p, 9), lam=lam, budget=120)
    assert judged(found.order) > judged(optimal(FunctionScorer(p, 9), lam).order) - .005


def test_one_and_two_threads_give_the_same_order():
    before, p = torch.get_num_threads(), rough(24)
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(fast(FunctionScorer(p, 24, batch_size=64//threads**2), budget=200).order.tolist())
    finally: torch.set_num_threads(before)
    assert found[0] == found[1]


# ---- which sets it scores

def first_sets(patches, seed=0):
    "The sets that the fast search begins with on an image of 8 by 8 regions, the smaller one of each pair."
    image = np.zeros((64, 64, 3), np.uint8)
    regions, asked = grid(image, 8, 8), []
    def fn(keep):
        asked.extend(keep.numpy())
        return keep.float().mean(1)
    scorer = FunctionScorer(fn, 64)
    scorer.regions = regions
    fast(scorer, budget=128, initial=32, patches=patches, seed=seed)
    small = np.array([k for k in asked[:66] if 8 <= k.sum() < 32])
    return small, regions.adjacency


def test_half_of_the_first_sets_are_patches():
    "Regions of a patch touch each other more often than scattered ones do."
    together = {}
    for patches in (True, False):
        sets, adjacency = first_sets(patches)
        touching = np.array([adjacency[np.ix_(k, k)].sum()/k.sum() for k in sets])  # neighbours in the set, per region
        size = sets.sum(1)
        together[patches] = touching/(adjacency.sum()/64*(size - 1)/63)  # 1 for a random set
    assert np.median(together[False]) == pytest.approx(1, abs=.25)
    assert (together[True] > 1.35).mean() > .35 and (together[False] > 1.35).mean() < .15


def test_sets_next_to_the_order_are_scored_and_can_be_left_out():
    "The share of the sets scored after the first that lie off the order of their time."
    def share_off(explore_share):
        seen, scorer, off = [], FunctionScorer(rough(40), 40), []
        def note(step): seen.append((step["order"], len(scorer.scored()[0])))
        fast(scorer, budget=500, explore_share=explore_share, risk_aversion=0., callback=note)
        keep = scorer.scored()[0]
        for (order, start), (_, end) in zip(seen, seen[1:]):
            on_order = {c.tobytes() for c in prefixes(order).numpy()}
            off += [not {k.tobytes(), (~k).tobytes()} & on_order for k in keep[start:end]]
        return np.mean(off)
    none, all_of_them = share_off(0.), share_off(1.)
    assert none < all_of_them - .15, (none, all_of_them)


class Guess:
    "An F that expects region k to add k, and is sure only along one order."
    def __init__(self, n, sure): self.w, self.sure = 2*np.arange(n)/n**2, {k.tobytes() for k in prefixes(sure).numpy()}
    def __call__(self, keep): return keep @ self.w
    def flips(self, keep): return (keep @ self.w)[:, None] + np.where(keep, -self.w, self.w)
    def deviation(self, keep): return np.array([0. if k.tobytes() in self.sure else .4 for k in keep])


@pytest.mark.parametrize("risk_aversion,first", [(0., 5), (1., 4)])
def test_a_careful_search_reports_the_order_that_it_knows(monkeypatch, risk_aversion, first):
    "The best predicted order is 5 4 3 2 1 0; nearly as good, and scored, is 4 5 3 2 1 0."
    state = FastSearch(Run(FunctionScorer(rough(6), 6)), seed=0, risk_aversion=risk_aversion)
    known = np.array([4, 5, 3, 2, 1, 0])
    monkeypatch.setattr("eagle_nb.search.fast.Contrast", lambda surrogate, lam: Guess(6, known))
    state.best = known
    state.choose()
    assert state.order.tolist() == [5, 4, 3, 2, 1, 0] and state.best[0] == first


def test_an_answer_that_the_blank_image_gives_is_not_recovered():
    v = torch.linspace(.1, 1, 10)
    def fn(keep): return torch.where(keep.any(1), .2 + .7*(keep.float() @ v)/v.sum(), torch.tensor(.95))
    scorer = FunctionScorer(fn, 10)
    found = fast(scorer, stop_at=.9)
    assert recovery(scorer, found)[found.ranked] >= .9


# ---- warm starts

def test_a_warm_start_costs_nothing_for_what_is_known():
    scorer = FunctionScorer(rough(20), 20)
    fast(scorer, budget=200)
    known = scorer.forwards
    again = fast(scorer.with_columns((1,)), warm=True, budget=50)
    assert scorer.forwards == known and again.forwards <= 50


@pytest.mark.parametrize("n", [2, 4, 9])
def test_a_warm_start_that_has_nothing_left_to_ask_keeps_what_it_knows(n):
    p = lambda keep: (keep.float() @ torch.arange(1., n + 1))/sum(range(n + 1))
    for first, budget in ((fast, 200), (exact, 1), (exact, 200)):
        scorer = FunctionScorer(p, n)
        first(scorer)
        again = fast(scorer, warm=True, budget=budget)
        assert again.order.tolist() == list(range(n))[::-1] and again.ranked == n, (first, budget)


def test_a_warm_start_from_nothing_is_a_cold_one():
    p = rough(12)
    warm, cold = (fast(FunctionScorer(p, 12), warm=warm, budget=100) for warm in (True, False))
    assert warm.order.tolist() == cold.order.tolist()
    with pytest.raises(ValueError, match="needs at least 24"): fast(FunctionScorer(p, 12), warm=True, budget=1)


def test_a_warm_start_asks_for_complements_that_are_missing():
    "Small sets depend on region 0, large ones on 5, 6 and 7: a search that has only seen the small ones must ask."
    def p(keep):
        small = keep.sum(1) <= 4
        return torch.where(small, .1 + .2*keep[:, 0], .1 + .25*keep[:, 5:].float().sum(1))
    def p_of_tokens(keep): return p(keep)[:, None]
    scorer = FunctionScorer(p, 8)
    scorer(keep_masks([list(c) for k in range(5) for c in itertools.combinations(range(8), k)], 8))
    again = fast(scorer, warm=True, budget=1000)
    cold = fast(FunctionScorer(p, 8), budget=1000)
    assert again.forwards > 30
    assert worth(p_of_tokens, again.order) >= worth(p_of_tokens, cold.order) - .01


# ---- orders for other tokens

def test_orders_from_scored_cost_nothing_and_mean_something():
    p = rough(24)
    scorer = FunctionScorer(p, 24)
    spent = fast(scorer, budget=300).forwards
    for word, (order, shown, hidden) in enumerate(orders_from_scored(scorer, [(0,), (1,)])):
        one = lambda keep: p(keep)[:, word:word + 1]
        assert shown.shape == hidden.shape == (25,) and sorted(order.tolist()) == list(range(24))
        assert worth(one, order) > .9*worth(one, exact(FunctionScorer(one, 24)).order)
        assert np.abs(shown - one(prefixes(order))[:, 0].numpy()).max() < .2
    assert scorer.forwards == spent
    with pytest.raises(ValueError, match="search first"): orders_from_scored(FunctionScorer(p, 24), [(0,)])


@pytest.mark.parametrize("scale", [.01, .5, 30.])
def test_the_tolerance_is_in_auc_whatever_the_weights_are_multiplied_by(scale):
    w = torch.linspace(.01, .07, 24)
    p = lambda keep: torch.sigmoid(6*(keep.float() @ w) - 2)
    plain, scaled = (fast(FunctionScorer(p, 24), lam=(k, k)) for k in (1, scale))
    assert plain.stopped == scaled.stopped == "converged" and scaled.forwards == plain.forwards
    assert (scaled.order == plain.order).all()
