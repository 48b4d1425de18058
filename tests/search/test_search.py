"Orders: against brute force, under budgets, interruptions and ties."
import itertools
import time

import numpy as np
import pytest
import torch
from conftest import PROMPT, official
from hypothesis import given, strategies as st
from set_functions import (GREEDY, Book, additive, brute_bidirectional, brute_exact, few, follow_exact, functions,
                           recovery, rough, scorer_of, table_book)

from eagle_nb import scenes
from eagle_nb.core.curves import prefixes, trace
from eagle_nb.core.regions import grid, slico
from eagle_nb.core.scores import FunctionScorer, ModelScorer
from eagle_nb.core.targets import make_target
from eagle_nb.search.search import (SEARCHES, bidirectional, exact, keep_masks, lazy, one_shot, random_order,
                                    read_budget, search)


# ---- on the model

def cases(scene):
    foil = "banana" if "banana" not in scene.names else "pizza"
    return {"sentence": {}, "word": dict(target=scene.names[0]),
            "two words": dict(target="in" if "in a" in scene.caption else "a"),
            "foil": dict(target=scene.names[-1], foil=foil)}


def held_out(k):
    several = (s for s in map(scenes.sample, range(40, 90)) if 2 <= len(s.names) <= 4)
    return list(itertools.islice(several, k))


def book_of(model, scene, target, regions, image=None):
    image = scene.pixels if image is None else image
    def p(kept):
        row = np.isin(np.arange(len(regions)), list(kept))
        tokens = official(model, image, PROMPT, target.forced, regions.labels, row)[0]
        return float(tokens[list(target.positions)].mean())
    return Book(p, len(regions))


@pytest.mark.parametrize("mode", ["nearest", "pixels"])
@pytest.mark.parametrize("which,kind,method", [(0, "sentence", "grid"), (1, "word", "slico"), (2, "foil", "grid"),
                                               (3, "foil", "slico")])
def test_exact_equals_brute_force_on_the_model(model, which, kind, method, mode):
    s = held_out(4)[which]
    regions = grid(s.pixels, 3, 4) if method == "grid" else slico(s.pixels, 12)
    assert 10 <= len(regions) <= 14
    target = make_target(model, model.read(s.caption), **cases(s)[kind])
    order = exact(ModelScorer(model, s.pixels, PROMPT, target, regions, mode=mode)).order
    book = book_of(model, s, target, regions)
    clear = follow_exact(book, order, 1e-6)  # where two regions differ by less, rounding may choose
    assert clear >= len(regions)//2  # or the check above would say nothing
    if clear == len(regions): assert order.tolist() == brute_exact(book)


@pytest.mark.parametrize("scope,pending,every", [(10, 8, 5), (4, 3, 3)])
def test_bidirectional_equals_brute_force_on_the_model(model, scope, pending, every):
    s = held_out(1)[0]
    regions = grid(s.pixels, 3, 4)
    target = make_target(model, model.read(s.caption), s.names[0])
    scorer = ModelScorer(model, s.pixels, PROMPT, target, regions)
    def p(kept): # the library's probabilities, or near-ties would part the two; those are compared above
        return float(scorer(keep_masks([sorted(kept)], len(regions)))[0].mean())
    order = bidirectional(scorer, scope=scope, pending=pending, every=every).order
    assert order.tolist() == brute_bidirectional(Book(p, len(regions)), scope, pending, every)


@pytest.mark.parametrize("name", SEARCHES)
def test_the_same_order_twice_and_for_any_batch_size_on_the_model(model, name):
    s = scenes.sample(18)
    regions, target = slico(s.pixels, 10), make_target(model, model.answer(s.image))
    found = [search(ModelScorer(model, s.pixels, PROMPT, target, regions, batch_size=b), name) for b in (32, 32, 1, 5)]
    assert [f.order.tolist() for f in found] == [found[0].order.tolist()]*4
    assert {f.forwards for f in found} == {found[0].forwards}


def test_exact_beats_random_orders_on_the_model(model):
    "The order means something: insertion minus deletion is higher than for random orders."
    from eagle_nb.evaluation.metrics import evaluate_order
    gain = []
    for s in held_out(3):
        regions = grid(s.pixels, 3, 4)
        target = make_target(model, model.read(s.caption), s.names[0])
        scorer = ModelScorer(model, s.pixels, PROMPT, target, regions)
        def gap(found): return evaluate_order(scorer, regions, found.order).auc_gap
        gain.append(gap(exact(scorer)) - np.mean([gap(random_order(scorer, i)) for i in range(8)]))
    assert np.mean(gain) > 0


# ---- random set functions

@few
@given(functions(), st.sampled_from([(1, 1), (1, 0), (0, 1), (2, .5)]))
def test_exact_equals_brute_force(f, lam):
    assert exact(scorer_of(*f), lam).order.tolist() == brute_exact(table_book(*f, lam))


@few
@given(functions(ties=True))
def test_exact_takes_the_lowest_of_equals(f):
    assert exact(scorer_of(*f)).order.tolist() == brute_exact(table_book(*f))


@few
@given(functions(high=8), st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))
def test_bidirectional_equals_brute_force(f, scope, pending, every):
    found = bidirectional(scorer_of(*f), scope=scope, pending=pending, every=every)
    assert found.order.tolist() == brute_bidirectional(table_book(*f), scope, pending, every)


@few
@given(functions())
def test_one_shot_sorts_single_regions(f):
    n, book = f[0], table_book(*f)
    assert one_shot(scorer_of(*f)).order.tolist() == sorted(range(n), key=lambda r: -book.F([r]))


@few
@given(functions(high=8, ties=True), st.sampled_from(sorted(SEARCHES)), st.integers(1, 7))
def test_every_search_gives_the_same_permutation_twice(f, name, batch):
    a, b = search(scorer_of(*f), name), search(scorer_of(*f, batch_size=batch), name)
    assert sorted(a.order.tolist()) == list(range(f[0]))
    assert a.order.tolist() == b.order.tolist() and a.forwards == b.forwards
    assert a.ranked == (0 if name == "random" else f[0]) and a.stopped == b.stopped
    assert a.stopped in ((None, "flat", "converged") if name == "fast" else (None,))


@few
@given(functions(low=2, high=8), st.sampled_from(sorted(GREEDY)), st.integers(0, 60))
def test_never_more_forwards_than_the_budget(f, name, extra):
    n, scorer = f[0], scorer_of(*f)
    budget = 2*n + extra
    found = GREEDY[name](scorer, budget=budget)
    assert sum(scorer.calls) == scorer.forwards == found.forwards <= budget
    assert sorted(found.order.tolist()) == list(range(n))
    assert found.ranked >= 1, "the first step fits into the smallest budget that is accepted"
    whole = GREEDY[name](scorer_of(*f))
    assert (found.stopped == "budget") == (found.ranked < n)
    if name == "exact": assert found.order[:found.ranked].tolist() == whole.order[:found.ranked].tolist()
    if found.stopped is None: assert found.order.tolist() == whole.order.tolist()


@few
@given(functions(low=2, high=6), st.sampled_from(["exact", "one_shot"]), st.randoms())
def test_renumbering_the_regions_renumbers_the_order(f, name, random):
    n, table = f
    new = list(range(n))
    random.shuffle(new)  # region r is called new[r]
    code = [sum(1 << new[r] for r in range(n) if s >> r & 1) for s in range(2**n)]
    renumbered = np.empty_like(table)
    renumbered[code] = table
    book, taken = table_book(*f), []
    order = GREEDY[name](scorer_of(n, table)).order.tolist()
    for region in order:  # invariance is promised only where nothing ties
        values = [book.F(taken + [x]) for x in range(n) if x not in taken]
        if len(set(values)) < len(values): return
        taken.append(region)
        if name == "one_shot": taken = []
    assert GREEDY[name](scorer_of(n, renumbered)).order.tolist() == [new[r] for r in order]


def test_functions_without_ties_are_common_enough_to_test_renumbering():
    rng = np.random.default_rng(0)
    tables = [rng.permutation(2**5)[:, None]/2**12 for _ in range(20)]
    free = [t for t in tables if follow_exact(table_book(5, t), exact(scorer_of(5, t)).order) == 5]
    assert len(free) > 5


@pytest.mark.parametrize("name", sorted(GREEDY))
def test_an_additive_function_is_sorted_by_weight(name):
    weights = [3., 9., 1., 7., 5., 8., 2., 6., 4., 0.]
    assert search(additive(weights), name).order.tolist() == np.argsort(weights)[::-1].tolist()


def test_exact_costs_what_the_paper_says_minus_repeated_sets():
    "N²+N forwards, minus the sets that recur: F(S) of step k asks for complements that recur only at both ends."
    n = 7
    table = np.random.default_rng(1).permutation(2**n)[:, None]/2**12
    asked, taken, everything = set(), [], frozenset(range(n))
    for region in brute_exact(table_book(n, table)):
        for c in everything - set(taken): asked |= {frozenset(taken + [c]), everything - set(taken) - {c}}
        taken.append(region)
    found = exact(scorer_of(n, table))
    assert found.forwards == len(asked) <= n*n + n


def test_bidirectional_is_cheaper_than_exact():
    rng = np.random.default_rng(3)
    w = rng.random(40).tolist()
    assert bidirectional(additive(w)).forwards < exact(additive(w)).forwards*.6


# ---- digits

@pytest.mark.parametrize("method", ["fast", "exact", "bidirectional", "lazy", "one_shot"])
def test_the_noise_of_float32_arithmetic_does_not_change_an_order(method):
    "Batch size, threads and processor move the last digits of a probability; here they are moved by hand."
    p = rough(16)
    def disturbed(seed):
        g = torch.Generator().manual_seed(seed)
        def noisy(keep):
            exact_p = p(keep).double()
            noise = 2*torch.rand(exact_p.shape, generator=g, dtype=torch.float64) - 1
            return (exact_p*(1 + 6e-8*noise)).clamp(0, 1)
        return noisy
    settings = dict(budget=100) if method == "fast" else {}
    orders = [search(FunctionScorer(disturbed(seed), 16), method, **settings).order.tolist() for seed in range(6)]
    assert all(o == orders[0] for o in orders)


@pytest.mark.parametrize("method", ["exact", "bidirectional", "lazy", "one_shot"])
def test_regions_that_count_the_same_keep_their_sequence_under_noise(method):
    rng = np.random.default_rng(0)
    def alike(keep): return .1 + .05*keep.sum(1)
    def noisy(keep): return alike(keep)*(1 + torch.as_tensor(rng.uniform(-6e-8, 6e-8, len(keep))))
    orders = [search(FunctionScorer(fn, 8), method).order.tolist() for fn in (noisy, alike)]
    assert orders[0] == orders[1]


@pytest.mark.parametrize("name", GREEDY)
def test_a_rare_token_is_ordered_like_a_frequent_one(name):
    "F must not lose the digits of probabilities of a millionth."
    rng = np.random.default_rng(3)
    w = torch.tensor(rng.random(16), dtype=torch.float64)
    q = torch.tensor(rng.normal(size=(16, 16))/40, dtype=torch.float64)
    def p(scale):
        def fn(keep):
            x = keep.double()
            return (scale*torch.sigmoid(8*(x @ w/w.sum() + ((x @ q)*keep).sum(1)) - 4)).float()
        return fn
    rare, frequent = (GREEDY[name](FunctionScorer(p(scale), 16)).order.tolist() for scale in (1e-6, .5))
    assert rare == frequent


# ---- budgets, interruptions, callbacks

@pytest.mark.parametrize("budget,message", [
    (0, "from 1"), (-3, "from 1"), (2.5, "whole number"), (True, "whole number"),
    ("soon", "such as '30s'"), ("0s", "above 0"), ("nan", "above 0"), ("-1s", "above 0")])
def test_a_budget_that_means_nothing_is_refused(budget, message):
    with pytest.raises(ValueError, match="budget") as e: read_budget(budget)
    assert message in str(e.value) and repr(budget) in str(e.value)


@pytest.mark.parametrize("budget", [float("nan"), float("inf"), [5], (1, 2), {}])
def test_a_budget_of_another_type_is_refused(budget):
    with pytest.raises(ValueError, match="budget must be"): read_budget(budget)


@pytest.mark.parametrize("name", sorted(GREEDY))
def test_a_budget_too_small_to_begin_is_refused(name):
    scorer = additive([1., 2., 3., 4., 5.])
    with pytest.raises(ValueError, match=r"budget of 9 forwards.*needs at least 10") as e:
        search(scorer, name, budget=9)
    assert scorer.forwards == 0 and "5 regions" in str(e.value)
    assert search(scorer, name, budget=10).ranked >= 1


@pytest.mark.parametrize("budget,seconds", [("30s", 30.), ("2.5", 2.5), (" 1s ", 1.)])
def test_a_time_is_read(budget, seconds): assert read_budget(budget) == (None, seconds)


def test_a_time_budget_stops_the_search():
    def slow(keep):
        time.sleep(.03)
        return keep.float().mean(1)
    start = time.perf_counter()
    found = exact(FunctionScorer(slow, 60), budget="0.3s")
    assert time.perf_counter() - start < 2
    assert found.stopped == "budget" and 1 <= found.ranked < 60 and sorted(found.order.tolist()) == list(range(60))


@pytest.mark.parametrize("name", sorted(GREEDY))
def test_a_time_too_short_for_the_first_step(name):
    "An order in which nothing is ranked must not pass for a result: the first step is made, or the error says so."
    try: found = search(additive([1., 2., 3.]), name, budget="0.000000001s")
    except ValueError as e: assert "too small to begin" in str(e)
    else: assert found.ranked >= 1 and found.order[0] == 2


class Interrupt:
    "A callback that interrupts the search at a step."
    def __init__(self, step): self.step, self.seen = step, []
    def __call__(self, state):
        self.seen.append(state)
        if len(self.seen) == self.step: raise KeyboardInterrupt


@pytest.mark.parametrize("name", sorted(GREEDY))
@pytest.mark.parametrize("step", [1, 4])
def test_an_interrupted_search_returns_what_is_ranked(name, step):
    weights = np.random.default_rng(2).permutation(12).astype(float).tolist()
    whole = search(additive(weights), name).order.tolist()
    found = search(additive(weights), name, callback=Interrupt(step))
    assert found.stopped == "interrupted" and found.ranked == step
    assert sorted(found.order.tolist()) == list(range(12))
    if name != "bidirectional": assert found.order[:step].tolist() == whole[:step]
    else: assert found.order[0] == whole[0] and (step == 1 or found.order[-1] == whole[-1])


def test_a_search_interrupted_inside_the_model_returns_what_is_ranked():
    calls = []
    def fn(keep):
        calls.append(1)
        if len(calls) == 4: raise KeyboardInterrupt
        return keep.float().mean(1)
    found = exact(FunctionScorer(fn, 9))
    assert found.stopped == "interrupted" and found.ranked == 3


@pytest.mark.parametrize("name", sorted(GREEDY))
def test_the_callback_sees_every_step(name):
    weights, seen = [4., 1., 3., 2., 7., 5., 9.], []
    found = search(additive(weights), name, callback=seen.append)
    assert [s["step"] for s in seen] == list(range(1, 8))
    assert sorted(s["region"] for s in seen) == list(range(7))
    front, back = ([s["region"] for s in seen if s["front"] == end] for end in (True, False))
    assert front + back[::-1] == found.order.tolist() == seen[-1]["order"]
    assert all(sorted(s["order"]) == list(range(7)) for s in seen)
    assert all(b["forwards"] >= a["forwards"] for a, b in itertools.pairwise(seen))
    assert seen[-1]["forwards"] == found.forwards
    if name == "exact":
        book, taken = Book(lambda kept: sum(weights[r] for r in kept)/31, 7), []
        for s in seen:
            taken.append(s["region"])
            assert s["F"] == pytest.approx(book.F(taken), abs=1e-6)


def test_another_error_is_not_swallowed():
    def fn(keep): raise RuntimeError("the model broke")
    with pytest.raises(RuntimeError, match="the model broke"): exact(FunctionScorer(fn, 3))


# ---- names, settings, random orders

def test_an_unknown_search_lists_the_options():
    with pytest.raises(ValueError, match="unknown search 'exakt'") as e: search(additive([1.]), "exakt")
    assert all(name in str(e.value) for name in SEARCHES)


@pytest.mark.parametrize("lam", [(0, 0), (-1, 1), (1,), (1, 2, 3), (float("nan"), 1), (float("inf"), 1)])
@pytest.mark.parametrize("name", sorted(SEARCHES))
def test_weights_that_mean_nothing_are_refused(lam, name):
    with pytest.raises(ValueError, match="lam takes two weights"): search(additive([1., 2.]), name, lam=lam)


@pytest.mark.parametrize("lam", [3, "ab", None, ("a", 1)])
def test_weights_of_another_type_are_refused(lam):
    with pytest.raises(ValueError, match="lam takes two weights"): exact(additive([1., 2.]), lam=lam)


@pytest.mark.parametrize("name", ["scope", "pending", "every"])
def test_bidirectional_refuses_settings_below_1(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        bidirectional(additive([1., 2.]), **{name: 0})


def test_random_does_not_swallow_misspelt_settings():
    with pytest.raises((TypeError, ValueError)): search(additive([1., 2.]), "random", sead=3)


def test_a_random_order_depends_on_its_seed_alone():
    s = additive([1.]*20)
    orders = [random_order(s, seed=i).order.tolist() for i in range(30)]
    assert orders[3] == random_order(s, seed=3).order.tolist()
    assert len(set(map(tuple, orders))) == 30 and all(sorted(o) == list(range(20)) for o in orders)
    assert s.forwards == 0
    four = [random_order(additive([1.]*4), seed=i).order for i in range(400)]
    assert np.bincount([o[0] for o in four], minlength=4).min() > 60  # about 100 each


# ---- sets along an order

@few
@given(st.permutations(list(range(6))))
def test_prefixes_by_hand(order):
    keep = prefixes(order).numpy()
    assert keep.shape == (7, 6) and keep.dtype == bool
    assert all(set(np.flatnonzero(row)) == set(order[:k]) for k, row in enumerate(keep))


@pytest.mark.parametrize("order", [[0, 0, 1], [1, 2, 3], [0, 2]])
def test_prefixes_of_no_permutation_are_refused(order):
    with pytest.raises(ValueError, match="names each of the"): prefixes(order)


@few
@given(functions(low=1, high=6), st.randoms())
def test_trace_by_hand(f, random):
    n, table = f
    order = list(range(n))
    random.shuffle(order)
    insertion, deletion = trace(scorer_of(*f), order)
    for k in range(n + 1):
        kept = sum(1 << r for r in order[:k])
        assert np.allclose(insertion[k], table[kept]) and np.allclose(deletion[k], table[2**n - 1 - kept])


# ---- early stop

@pytest.mark.parametrize("name", ["fast", "exact", "lazy", "bidirectional"])
@pytest.mark.parametrize("stop_at", [.5, .9, 1.])
def test_an_early_stop_ranks_just_enough_regions(name, stop_at):
    "The first `ranked` regions restore the share, as measured, and the regions before the last of them do not."
    stops = 0
    for seed in range(6):
        for scale in (1., 1e-5):
            fn = rough(16, seed)
            scorer = FunctionScorer(lambda keep: scale*fn(keep), 16)
            found = search(scorer, name, stop_at=stop_at)
            if found.stopped != "recovered": continue
            stops, share = stops + 1, recovery(scorer, found)
            assert share[found.ranked] >= stop_at - 1e-6, (seed, scale, share[found.ranked])
            assert not (share[1:found.ranked] >= stop_at + 1e-6).any(), (seed, scale)
    assert stops or stop_at == 1.


def test_an_early_stop_of_the_bidirectional_search_counts_the_front():
    def p(keep):
        k = keep.float()
        parted = [(k[:, a] != k[:, b]).float() for a, b in ((3, 4), (5, 6), (7, 8))]
        return (.05 + .3*k[:, :3].sum(1) - .4*(sum(parted) > 0).float()).clamp(0, 1)
    scorer = FunctionScorer(p, 9)
    found = bidirectional(scorer, stop_at=.9)
    assert found.stopped == "recovered" and recovery(scorer, found)[found.ranked] >= .9


def test_lazy_notices_that_the_answer_is_restored():
    covers = torch.tensor([[1, 1, 1, 1, 0, 0, 0, 0, 0, 0],
                           [1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
                           [0, 0, 0, 0, 1, 1, 0, 0, 0, 0],
                           [1, 1, 0, 0, 0, 0, 0, 0, 0, 0],
                           [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]]).float()
    scorer = FunctionScorer(lambda keep: (keep.float() @ covers > 0).float().mean(1), 5)
    found = lazy(scorer, lam=(1, 0), width=1, stop_at=.9)
    assert (found.stopped, found.ranked) == ("recovered", 3)


@pytest.mark.parametrize("name", ["exact", "bidirectional", "lazy", "fast"])
def test_an_early_stop_leaves_the_rest_unranked(name):
    p = lambda keep: .1 + .5*keep[:, 4].float() + .35*keep[:, 9].float()*keep[:, 4].float()
    found = search(FunctionScorer(p, 14), name, stop_at=.9)
    whole = search(FunctionScorer(p, 14), name)
    assert found.stopped == "recovered" and found.ranked < 14 and found.forwards <= whole.forwards
    front = found.order[:2] if name != "fast" else found.order[:found.ranked]
    assert {4, 9} <= set(front.tolist())


def test_an_early_stop_that_never_comes_ranks_all():
    "The whole image's probability is reached only by the whole image."
    found = exact(additive([1., 2., 3.]), stop_at=1.)
    assert found.ranked == 3


@few
@given(functions(low=2, high=7), st.sampled_from(["exact", "bidirectional", "lazy"]), st.integers(0, 30))
def test_an_early_stop_keeps_to_the_budget(f, name, extra):
    n, scorer = f[0], scorer_of(*f)
    found = GREEDY[name](scorer, budget=2*n + extra, stop_at=.8)
    assert scorer.forwards == found.forwards <= 2*n + extra and found.ranked >= 1


# ---- lazy

def test_lazy_equals_exact_where_returns_diminish():
    "A coverage function is submodular in insertion, and with insight alone the bound holds."
    rng = np.random.default_rng(0)
    covers = torch.tensor(rng.random((12, 40)) < .2).float()
    weight = torch.tensor(rng.random(40), dtype=torch.float32)
    p = lambda keep: ((keep.float() @ covers > 0).float() @ weight)/weight.sum()
    a, b = lazy(FunctionScorer(p, 12), (1, 0)), exact(FunctionScorer(p, 12), (1, 0))
    value = lambda o: p(prefixes(o)).tolist()
    assert value(a.order) == pytest.approx(value(b.order), abs=1e-6) and a.forwards < b.forwards
