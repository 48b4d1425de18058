"The rivals: PhaseWin, the reference's batched search, and orders from Shapley values."
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from eagle_nb.core.scores import FunctionScorer
from eagle_nb.search.rivals import SAMPLERS, batch_bidirectional, phasewin, shapley, shapley_values
from eagle_nb.search.search import SEARCHES, exact, search
from set_functions import Book, few, functions, scorer_of, table_book

LIBRARY = pytest.mark.skipif(find_spec("shapiq") is None, reason="the optional library shapiq is not installed")
GREEDY = {"phasewin": phasewin, "batch_bidirectional": batch_bidirectional}


def additive(weights):
    "Probability: the sum of the visible weights, which sum to at most 1."
    w = torch.as_tensor(weights, dtype=torch.float64)
    return FunctionScorer(lambda keep: keep.double() @ w, len(w))


def spread(n, seed=0):
    "Weights whose ratios are far from 1, in random sequence."
    w = .7**np.arange(n)
    return np.random.default_rng(seed).permutation(w/w.sum())


# ---- games whose best order is known

@pytest.mark.parametrize("n", [1, 2, 3, 5, 12])
@pytest.mark.parametrize("lam", [(1, 1), (1, 0), (0, 1), (2, .5)])
@pytest.mark.parametrize("settings", [dict(), dict(marginal=True), dict(window=1, temperature=0),
                                      dict(window=3, temperature=0)])
def test_phasewin_sorts_what_adds_up(n, lam, settings):
    "With batches of exact ties only, nothing else can come out."
    w = spread(n)
    found = phasewin(additive(w), lam, tie=1., prune=0., accept=0., **settings)
    assert found.order.tolist() == np.argsort(-w).tolist() and found.ranked == n


def test_phasewin_takes_near_equals_in_batches():
    "With the published settings a batch is sorted by its scores before the first was taken: cheaper, same order here."
    w = spread(12)
    published, greedy = phasewin(additive(w)), exact(additive(w))
    assert published.forwards < greedy.forwards
    assert published.order[0] == greedy.order[0]


@pytest.mark.parametrize("n", [1, 2, 3, 5, 12, 30])
@pytest.mark.parametrize("lam", [(1, 1), (1, 0), (0, 1)])
def test_batch_bidirectional_sorts_what_adds_up(n, lam):
    w = spread(n)
    assert batch_bidirectional(additive(w), lam).order.tolist() == np.argsort(-w).tolist()


@LIBRARY
@pytest.mark.parametrize("sampler", ["kernel", "leverage"])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 12])
@pytest.mark.parametrize("lam", [(1, 1), (1, 0)])
def test_values_of_what_adds_up_are_its_weights(n, sampler, lam):
    w = spread(n)
    scorer = additive(w)
    found = shapley(scorer, sampler, lam, budget=6*n)
    assert found.order.tolist() == np.argsort(-w).tolist()
    assert found.forwards == scorer.forwards <= 6*n
    assert np.allclose(shapley_values(additive(w), sampler, 6*n), w, atol=1e-5)


@LIBRARY
def test_boosted_trees_find_the_strong_regions():
    w = spread(12)
    found = shapley(additive(w), "proxyspex", budget=200)
    assert set(found.order[:3]) == set(np.argsort(-w)[:3]) and found.forwards <= 200


@LIBRARY
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_values_are_exact_where_every_set_is_paid_for(sampler):
    "Shapley's own formula, over all surroundings."
    from itertools import combinations
    from math import comb
    table = np.random.default_rng(3).random(32)
    p = lambda keep: torch.as_tensor(table)[(keep.long() << torch.arange(5)).sum(1)]
    mean = lambda s: table[sum(1 << r for r in s)]
    others = lambda r: [s for k in range(5) for s in combinations(sorted({*range(5)} - {r}), k)]
    truth = [sum((mean({*s, r}) - mean(s))/(5*comb(4, len(s))) for s in others(r)) for r in range(5)]
    assert np.allclose(shapley_values(FunctionScorer(p, 5), sampler, 32), truth, atol=1e-5)


@LIBRARY
def test_values_per_area_put_the_smaller_region_first():
    class Areas(FunctionScorer): area = np.array([.6, .1, .3])
    w = torch.tensor([.4, .2, .1])
    found = {k: shapley(Areas(lambda keep: keep.float() @ w, 3), per_area=k).order.tolist() for k in (False, True)}
    assert found == {False: [0, 1, 2], True: [1, 0, 2]}


# ---- against the published description, step by step

def brute_batch(book, scope, pending, every):
    "The reference's batched version, written from its description."
    everything, front, back, step, waiting = set(range(book.n)), [], [], 0, list(range(book.n))
    while waiting:
        if step and len(waiting) == 1: return front + waiting + back[::-1]
        full = step % every == 0
        seen = waiting if full else waiting[:scope]
        best = max(seen, key=lambda r: book.F(front + [r]))
        if full: waiting = sorted(waiting, key=lambda r: -book.F(front + [r]))
        front.append(best)
        waiting = [r for r in waiting if r != best]
        if step == 0 and waiting: back.append(waiting.pop())
        elif len(waiting) > pending:
            least = max(waiting[-pending:], key=lambda r: book.F(everything - set(back) - {r}))
            back.append(least)
            waiting.remove(least)
        step += 1
    return front + back[::-1]


@few
@given(functions(high=8), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
def test_batch_bidirectional_equals_brute_force(f, scope, pending, every):
    found = batch_bidirectional(scorer_of(*f), scope=scope, pending=pending, every=every)
    assert found.order.tolist() == brute_batch(table_book(*f), scope, pending, every)


def test_batch_bidirectional_counts_what_the_reference_counts():
    "20 regions, (3, 2, 5): candidates of each step by hand, two forwards each."
    waiting, sets = 20, 0
    for step in range(20):
        if waiting == 1 or not waiting: break
        sets += waiting if step % 5 == 0 else min(3, waiting)
        waiting -= 1
        if step == 0: waiting -= 1
        elif waiting > 2: sets, waiting = sets + 2, waiting - 1
    w = spread(20)
    p = lambda keep: (keep.double() @ torch.as_tensor(w))**2
    found = batch_bidirectional(FunctionScorer(p, 20), scope=3, pending=2, every=5)
    assert found.forwards <= 2*sets and found.forwards >= 2*sets - 20 # the last sets of both ends coincide


def brute_phasewin(book, window, prune, accept, tie, turn, pace, marginal):
    "The phases written out as one loop over sets, with no region put off."
    taken, weak = [], []
    def score(r): return book.F(taken + [r]) - (book.F(taken) if marginal else 0)
    def ranked(regions): # earlier ranks decide between equals, as everywhere
        f = {r: score(r) for r in regions}
        return sorted(f, key=lambda r: -f[r]), f
    waiting = list(range(book.n))
    while waiting:
        waiting, f = ranked(waiting)
        if f[waiting[0]] <= 0: break
        history = [f[waiting[0]]]
        taken.append(waiting.pop(0))
        if not waiting: break
        waiting, f = ranked(waiting)
        top = f[waiting[0]]
        if top <= 0: continue
        weak += [r for r in waiting if f[r] < prune*top]
        waiting = [r for r in waiting if f[r] >= prune*top]
        line = [r for r in waiting if f[r] >= accept*top]
        while line:
            seen, g = ranked(line[:window])
            now = [r for r in seen if g[r] >= accept*top and g[r] >= tie*g[seen[0]]]
            stop = not now
            for r in now:
                jump = len(history) > 1 and history[-1]/max(g[r], 1e-12) - history[-2]/max(history[-1], 1e-12) > turn
                stop = jump
                if jump and g[r] < pace*history[-1]: break
                taken.append(r)
                waiting.remove(r)
                line.remove(r)
                history.append(g[r])
                if jump: break
            if stop: break
    for rest in (waiting, weak): taken = taken + ranked(rest)[0] # scored once, then placed
    return taken


@few
@given(functions(high=8), st.integers(1, 5), st.sampled_from([0., .05, .6]), st.sampled_from([0., .6, .9]),
       st.sampled_from([.5, .99, 1.]), st.sampled_from([0., .02, 1.]), st.sampled_from([.5, .98]), st.booleans())
def test_phasewin_equals_brute_force(f, window, prune, accept, tie, turn, pace, marginal):
    settings = dict(window=window, prune=prune, accept=accept, tie=tie, turn=turn, pace=pace, marginal=marginal)
    found = phasewin(scorer_of(*f), temperature=0, **settings)
    assert found.order.tolist() == brute_phasewin(table_book(*f), **settings)


@few
@given(functions(high=8), st.booleans())
def test_phasewin_begins_as_greedy_does(f, marginal):
    "The first phase is led by the best single region, unless nothing is gained at all."
    n, book = f[0], table_book(*f)
    best = max(range(n), key=lambda r: book.F([r]))
    if marginal and book.F([best]) <= book.F([]): return
    assert phasewin(scorer_of(*f), marginal=marginal).order[0] == best


# ---- budgets, seeds, early stops

@few
@given(functions(low=2, high=8), st.sampled_from(sorted(GREEDY)), st.integers(0, 60), st.sampled_from([None, .5, .95]))
def test_never_more_forwards_than_the_budget(f, name, extra, stop_at):
    n, scorer = f[0], scorer_of(*f)
    found = GREEDY[name](scorer, budget=2*n + extra, stop_at=stop_at)
    assert sum(scorer.calls) == scorer.forwards == found.forwards <= 2*n + extra
    assert sorted(found.order.tolist()) == list(range(n)) and found.ranked >= 1


@few
@given(functions(low=2, high=8), st.booleans(), st.integers(0, 5), st.integers(0, 60))
def test_phasewin_stays_within_its_budget_with_any_setting(f, marginal, seed, extra):
    settings = dict(marginal=marginal, seed=seed, window=1 + seed, prune=.3, accept=.5, tie=.7)
    n = f[0]
    a, b = (phasewin(scorer_of(*f), budget=2*n + extra, **settings) for _ in range(2))
    assert a.order.tolist() == b.order.tolist() and a.forwards == b.forwards <= 2*n + extra


@pytest.mark.parametrize("name", sorted(GREEDY))
def test_a_stop_leaves_a_front_that_suffices(name):
    w = spread(12)
    found = GREEDY[name](additive(w), stop_at=.8)
    assert found.stopped == "recovered"
    assert w[found.order[:found.ranked]].sum() >= .8 > w[found.order[:found.ranked - 1]].sum()


@pytest.mark.parametrize("name", sorted(GREEDY))
def test_a_function_that_never_moves_keeps_the_sequence(name):
    found = GREEDY[name](FunctionScorer(lambda keep: torch.full((len(keep),), .25), 9))
    assert sorted(found.order.tolist()) == list(range(9)) and found.ranked == 9


def test_nothing_to_gain_ends_the_phases():
    "F is 0 everywhere: no region leads a phase, and the sequence stays."
    found = phasewin(FunctionScorer(lambda keep: torch.zeros(len(keep)), 9), (1, 0))
    assert found.order.tolist() == list(range(9)) and found.forwards == 9*2


@pytest.mark.parametrize("name", sorted(GREEDY))
def test_probabilities_that_are_not_numbers_are_named(name):
    with pytest.raises(ValueError, match="not numbers"):
        GREEDY[name](FunctionScorer(lambda keep: torch.full((len(keep),), float("nan")), 4))


@pytest.mark.parametrize("name", sorted(GREEDY))
def test_a_budget_below_the_first_step_is_refused(name):
    with pytest.raises(ValueError, match="needs at least 8"): GREEDY[name](additive(spread(4)), budget=1)


@pytest.mark.parametrize("name, value", [("window", 0), ("accept", 2), ("prune", -1), ("temperature", -1), ("seed", -1)])
def test_settings_that_mean_nothing_are_refused(name, value):
    with pytest.raises(ValueError, match=name): phasewin(additive(spread(4)), **{name: value})
    if name == "window":
        for other in ("scope", "pending", "every"):
            with pytest.raises(ValueError, match=other): batch_bidirectional(additive(spread(4)), **{other: 0})


def test_they_are_found_by_name():
    assert {"phasewin", "batch_bidirectional"} <= SEARCHES.keys()
    found = search(additive(spread(6)), "phasewin", window=2)
    assert found.method == "phasewin" and found.settings["window"] == 2


# ---- samplers

@LIBRARY
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sampler_keeps_to_its_budget_and_seed(sampler):
    "Forwards are counted by our scorer, each different set once."
    p = lambda keep: torch.sigmoid(keep.double() @ torch.linspace(-1, 2, 10, dtype=torch.float64) - 1)
    scorers = [FunctionScorer(p, 10) for _ in range(3)]
    a, b, c = (shapley(s, sampler, budget=80, seed=seed) for s, seed in zip(scorers, (0, 0, 1)))
    assert a.order.tolist() == b.order.tolist() and a.forwards == b.forwards == scorers[0].forwards <= 80
    assert not np.array_equal(scorers[0].scored()[0], scorers[2].scored()[0])


@LIBRARY
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sampler_leaves_what_never_moves_in_sequence(sampler):
    found = shapley(FunctionScorer(lambda keep: torch.full((len(keep),), .25), 9), sampler, budget=60)
    assert found.order.tolist() == list(range(9))


@LIBRARY
def test_too_few_sets_for_trees_are_an_error_and_no_order():
    with pytest.raises(ValueError, match="raise the budget"): shapley(additive(spread(12)), "proxyspex", budget=24)


@LIBRARY
def test_a_sampler_names_what_it_cannot_do():
    with pytest.raises(ValueError, match="unknown sampler 'odd': choose one of kernel"): shapley(additive(spread(4)), "odd")
    with pytest.raises(ValueError, match="number of forwards"): shapley(additive(spread(4)), budget="3s")
    with pytest.raises(ValueError, match="not numbers"):
        shapley(FunctionScorer(lambda keep: torch.full((len(keep),), float("nan")), 4))


def test_without_the_library_the_error_names_the_remedy(monkeypatch):
    import sys
    monkeypatch.setitem(sys.modules, "shapiq", None)
    with pytest.raises(ImportError, match="pip install shapiq"): shapley(additive(spread(4)))
