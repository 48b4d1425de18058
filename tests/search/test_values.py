"Values of regions from scored sets, against games whose values are known and against a dense posterior written here."
import time

import numpy as np
import pytest
import torch

from eagle_nb.core.curves import trace
from eagle_nb.core.prompts import PromptScorer
from eagle_nb.core.regions import Regions
from eagle_nb.core.scores import FunctionScorer, ModelScorer
from eagle_nb.core.selftest import load
from eagle_nb.core.targets import make_target
from eagle_nb.search.search import SEARCHES, search
from eagle_nb.search.values import (Observed, RegionValues, fitted_values, half_differences, linear_variance, most_likely,
                                    observed, odd_kernel, per_area, posterior, region_values, set_kernel, set_values)
from eagle_nb.world import scenes


def all_sets(n): return (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(bool)

def pairs(rng, n, m, share=.5):
    "m random sets, and then their complements."
    keep = rng.random((m, n)) < share
    return np.unique(np.concatenate([keep, ~keep]), axis=0)

def averages(p, n):
    "The average effect of every region, over all surroundings: of a function that is known on all sets."
    keep = all_sets(n)
    return np.array([p[keep[:, r]].mean() - p[~keep[:, r]].mean() for r in range(n)])

class Interacting:
    "Weights of single regions, and products of two or three, through a logistic curve."
    def __init__(self, n, seed, strength=1.):
        self.rng, self.n = np.random.default_rng(seed), n
        self.weights = self.rng.normal(0, 1, n)
        self.terms = [(self.rng.normal()*strength, self.rng.choice(n, self.rng.integers(2, 4), replace=False)) for _ in range(n)]
    def __call__(self, keep):
        logit = (keep - .5) @ self.weights + sum(w*(keep[:, t].all(1) - .25) for w, t in self.terms)
        return 1/(1 + np.exp(-logit))


# ---- known games

@pytest.mark.parametrize("n, m", [(5, 30), (6, 20), (30, 200), (64, 550)])
def test_an_additive_game_gives_its_weights(n, m):
    rng = np.random.default_rng(n)
    weights = rng.normal(0, .3, n)/n
    keep = pairs(rng, n, m)
    value, std = set_values(keep, .5 + (keep - .5) @ weights)
    assert np.allclose(value, weights, atol=1e-6)
    assert std.max() < 1e-4
    area = rng.dirichlet(np.full(n, 5.))
    assert np.allclose(RegionValues(value, std, area).map(), weights/np.maximum(area*n, .25), atol=1e-5)


@pytest.mark.parametrize("n, m", [(6, 40), (40, 300)])
def test_an_additive_game_gives_its_weights_without_complements_too(n, m):
    rng = np.random.default_rng(n)
    weights = rng.normal(0, .3, n)/n
    keep = np.unique(rng.random((m, n)) < .3, axis=0)
    assert not observed(keep, keep @ weights).odd
    value, std = set_values(keep, .4 + keep @ weights)
    assert np.allclose(value, weights, atol=1e-5) and std.max() < 1e-3


@pytest.mark.parametrize("seed", range(4))
def test_all_sets_give_the_averages_themselves(seed):
    game, keep = Interacting(7, seed), all_sets(7)
    value, std = set_values(keep, game(keep))
    assert np.allclose(value, averages(game(keep), 7), atol=.005)
    assert std.max() < .02


@pytest.mark.parametrize("method", ["fast", "exact", "bidirectional", "lazy", "one_shot"])
def test_harmful_regions_are_negative_and_idle_ones_nearly_zero_after_any_search(method):
    def p(keep):
        k = keep.float()
        seen = k[:, 3]*k[:, 4]*2 + k[:, 5] + k[:, 6] - 1.5*k[:, 0] - 1.2*k[:, 1]
        return (seen - 1).sigmoid()
    scorer = FunctionScorer(p, 16)
    search(scorer, method)
    before = scorer.forwards
    found = region_values(scorer)
    assert scorer.forwards == before and found.sets == len(scorer.scored()[0])
    assert (found.value[[0, 1]] < -.02).all() and (found.value[[3, 4, 5, 6]] > .02).all()
    assert (found.map()[[0, 1]] < -.01).all() and (found.map()[[3, 4, 5, 6]] > .01).all()
    assert np.abs(found.map()[7:]).max() < .1*found.map().max()


def test_the_values_know_what_an_order_cannot():
    "Two copies of one object: the first takes the whole gain, yet the values are equal."
    scorer = FunctionScorer(lambda keep: .1 + .8*(keep[:, 2] | keep[:, 5]).float(), 8)
    search(scorer, "fast", seed=0)
    value = region_values(scorer).value
    assert abs(value[2] - value[5]) < .02 and value[2] == pytest.approx(.4, abs=.03)


@pytest.mark.parametrize("n", [1, 5, 40])
def test_what_nothing_moves_is_exactly_zero(n):
    rng = np.random.default_rng(0)
    keep = pairs(rng, n, 30)
    value, std = set_values(keep, np.full(len(keep), .83))
    assert not value.any() and not std.any()


@pytest.mark.parametrize("p", [.75, .7501, 1., 1e-5])
def test_the_last_digits_of_a_constant_are_no_effect(p):
    "Probabilities as several batches would give them: equal but for a part in ten thousand."
    rng = np.random.default_rng(1)
    keep = pairs(rng, 20, 100)
    table = {k.tobytes(): p*(1 - 2e-4*rng.random()) for k in keep}
    scorer = FunctionScorer(lambda sets: torch.tensor([table[k.numpy().tobytes()] for k in sets]), 20)
    scorer(torch.as_tensor(keep))
    assert len(scorer.scored()[1].unique()) > 50
    found = region_values(scorer)
    assert not found.value.any() and not found.std.any() and not found.map().any()


@pytest.mark.parametrize("n, m, noise", [(64, 550, .01), (64, 550, .05), (20, 60, .01)])
def test_pure_noise_becomes_no_pattern(n, m, noise):
    rng = np.random.default_rng(n)
    keep = pairs(rng, n, m)
    value, std = set_values(keep, .5 + noise*rng.normal(size=len(keep)))
    assert np.abs(RegionValues(value, std, np.full(n, 1/n)).map()).max() < .1*noise


def test_an_even_function_has_no_values():
    keep = all_sets(6)
    p = .2 + .1*np.abs(keep.sum(1) - 3)
    assert np.abs(set_values(keep, p)[0]).max() == 0


# ---- the same result however the question is put

def test_values_follow_their_regions():
    rng, game = np.random.default_rng(0), Interacting(12, 3)
    keep = pairs(rng, 12, 60)
    value, std = set_values(keep, game(keep))
    turned = rng.permutation(12)
    other, other_std = set_values(keep[:, turned], game(keep))
    assert np.allclose(other, value[turned], atol=1e-6) and np.allclose(other_std, std[turned], atol=1e-6)


def test_complements_and_the_sequence_of_sets_change_little():
    rng, game = np.random.default_rng(0), Interacting(12, 5)
    keep = pairs(rng, 12, 60)
    shuffled = rng.permutation(len(keep))
    a, b = set_values(keep, game(keep))[0], set_values(keep[shuffled], game(keep[shuffled]))[0]
    assert np.allclose(a, b, atol=1e-6)
    flipped = set_values(~keep, 1 - game(keep))[0] # hiding a region where it was shown, and the opposite target
    assert np.allclose(flipped, a, atol=1e-6)


def test_scale_of_the_probabilities_is_the_scale_of_the_values():
    rng, game = np.random.default_rng(0), Interacting(10, 7)
    keep = pairs(rng, 10, 50)
    value, std = set_values(keep, game(keep))
    small, small_std = set_values(keep, game(keep)/1000)
    assert np.allclose(small*1000, value, atol=1e-6) and np.allclose(small_std*1000, std, atol=1e-6)


# ---- against a dense posterior

def dense(keep, y, lengths, noise, trend, odd=True):
    "Mean and deviation of each region's average effect, from the covariance of all 2^n sets, written out."
    n = keep.shape[1]
    every = all_sets(n)
    differ = (every[:, None] != every[None])
    same, opposite = np.exp(-(differ @ lengths)), np.exp(-(~differ @ lengths))
    process = (same - opposite)/(1 - np.exp(-lengths.sum())) if odd else same
    cov = process + trend*(every - .5) @ (every - .5).T
    at = keep @ (1 << np.arange(n))
    observed_cov = cov[np.ix_(at, at)] + noise*np.eye(len(at)) + (0 if odd else 1e7)
    inverse = np.linalg.inv(observed_cov)
    effect = np.where(every, 1, -1)/2**(n - 1)
    to = effect.T @ cov[:, at]
    scale = y @ inverse @ y/(len(y) - (not odd))
    variance = np.einsum("ij,ij->i", effect.T @ cov, effect.T) - np.einsum("ij,jk,ik->i", to, inverse, to)
    return to @ inverse @ y, np.sqrt(scale*variance)


@pytest.mark.parametrize("whole, noise, trend", [(4., .01, .5), (.3, .1, 2.), (15., 1e-4, .01)])
@pytest.mark.parametrize("odd", [True, False])
def test_the_posterior_is_that_of_the_dense_covariance(whole, noise, trend, odd):
    lengths = whole*np.array([.05, .1, .15, .2, .2, .3])
    rng, game = np.random.default_rng(2), Interacting(6, 1)
    keep = pairs(rng, 6, 14)
    if odd: sets, y = half_differences(keep, game(keep))
    else: sets, y = keep[:12], game(keep[:12])
    value, std = posterior(Observed(sets - .5, y, odd), lengths, noise, trend)
    expected, deviation = dense(sets, y, lengths, noise, trend, odd)
    assert np.allclose(value, expected, rtol=1e-3, atol=1e-5)
    assert np.allclose(std, deviation, rtol=1e-3, atol=1e-5)


def log_likelihood(seen, lengths, noise, trend):
    "Of the most likely scale, dense."
    distance = (seen.x[:, None] != seen.x[None]) @ lengths
    cov = odd_kernel(distance, lengths.sum()) + trend*seen.x @ seen.x.T + noise*np.eye(len(seen.y))
    return -(len(seen.y)*np.log(seen.y @ np.linalg.solve(cov, seen.y)) + np.linalg.slogdet(cov)[1])/2


@pytest.mark.parametrize("seed", range(3))
def test_the_settings_are_nearly_the_most_likely_of_a_grid(seed):
    rng, game = np.random.default_rng(seed), Interacting(14, seed, strength=2.)
    keep = pairs(rng, 14, 120)
    seen = observed(keep, game(keep))
    shares = rng.dirichlet(np.full(14, 5.))
    best = max(log_likelihood(seen, whole*shares, noise, trend) for whole in np.geomspace(.1, 50, 12)
               for noise in np.geomspace(1e-5, 3, 10) for trend in np.geomspace(1e-4, 1e3, 15))
    assert log_likelihood(seen, *most_likely(seen, shares)) > best - 3 # wide priors pull a little


@pytest.mark.parametrize("n, whole", [(1, 2.), (3, .05), (5, 4.), (8, 100.)])
def test_the_linear_variance_is_that_of_all_sets(n, whole):
    every, lengths = all_sets(n), whole*np.random.default_rng(n).dirichlet(np.ones(n))
    distance = (every[:, None] != every[None]) @ lengths
    effect = np.where(every, 1, -1)/2**(n - 1)
    for kernel, odd in ((odd_kernel, True), (set_kernel, False)):
        assert np.allclose(np.diag(effect.T @ kernel(distance, lengths.sum()) @ effect), linear_variance(lengths, odd))


def test_lengths_follow_the_regions_that_matter():
    "A product of two regions among many idle ones is learned from few sets."
    rng = np.random.default_rng(0)
    keep = pairs(rng, 30, 120)
    seen = observed(keep, .1 + .5*(keep[:, 3] & keep[:, 8] & keep[:, 11]))
    error = lambda value: np.abs(value - np.where(np.isin(np.arange(30), [3, 8, 11]), .125, 0)).mean()
    same = posterior(seen, *most_likely(seen, np.full(30, 1/30)))[0]
    assert error(fitted_values(seen)[0]) < .8*error(same)


def test_the_deviation_says_how_far_off_the_values_are():
    "Over 40 games with interactions: in units of their deviation, errors are neither much too large nor much too small."
    off = []
    for seed in range(40):
        game, rng = Interacting(10, seed, strength=1.5), np.random.default_rng(seed)
        keep = pairs(rng, 10, 45)
        value, std = set_values(keep, game(keep))
        off.append((value - averages(game(all_sets(10)), 10))/std)
    off = np.abs(np.concatenate(off))
    assert .55 < (off < 1).mean() < .9
    assert (off < 2).mean() > .9


# ---- little to go on

def test_few_pairs_are_not_believed():
    "One pair that moves by .8 says that something matters, and not what."
    keep = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], bool)
    value, std = set_values(keep, np.array([.9, .1]))
    assert np.sign(value).tolist() == [1, 1, -1, -1] and (std > np.abs(value)).all()
    assert np.abs(RegionValues(value, std, np.full(4, .25)).map()).max() < .1


def test_one_region():
    value, std = set_values(np.array([[False], [True]]), np.array([.2, .9]))
    assert value == pytest.approx([.7], abs=.02)


def test_a_single_pair_among_single_sets_is_used_with_them():
    rng, game = np.random.default_rng(0), Interacting(8, 2)
    keep = np.unique(rng.random((90, 8)) < .5, axis=0)
    value, _ = set_values(keep, game(keep))
    assert np.corrcoef(value, averages(game(all_sets(8)), 8))[0, 1] > .95


@pytest.mark.parametrize("method", sorted(SEARCHES))
def test_every_search_leaves_enough_once_its_curves_are_traced(method):
    scorer = FunctionScorer(lambda keep: .1 + keep.float() @ torch.linspace(.01, .2, 8), 8)
    trace(scorer, search(scorer, method).order)
    assert np.allclose(region_values(scorer).value, np.linspace(.01, .2, 8), atol=.03)


def test_unequal_weights_of_the_objective_change_the_sets_and_not_the_meaning():
    p = lambda keep: .05 + keep.float() @ torch.linspace(.01, .2, 8)
    for lam in ((1, 0), (0, 1), (1, 3)):
        scorer = FunctionScorer(p, 8)
        search(scorer, "fast", lam=lam)
        assert np.allclose(region_values(scorer).value, np.linspace(.01, .2, 8), atol=.002)


# ---- tokens, areas, players

def test_several_tokens_count_by_their_mean_and_other_tokens_can_be_asked_for():
    weights = torch.tensor([[.2, 0., .1, 0.], [0., .3, .1, 0.], [.1, .1, .1, .1]])
    scorer = FunctionScorer(lambda keep: .1 + keep.float() @ weights.T, 4)
    scorer.columns = (0, 1)
    search(scorer, "exact")
    assert np.allclose(region_values(scorer).value, weights[:2].mean(0), atol=1e-3)
    assert np.allclose(region_values(scorer, [2]).value, weights[2], atol=1e-3)
    assert np.allclose(region_values(scorer.with_columns(None)).value, weights.mean(0), atol=1e-3)


def test_a_sliver_does_not_glow():
    area = np.array([.5, .499, .001])
    heights = per_area(np.array([.1, .1, .01]), area)
    assert heights.argmax() != 2 and heights[2] == pytest.approx(.04)
    found = RegionValues(np.array([.1, .1, .01]), np.zeros(3), area)
    assert np.allclose(found.map(), heights) and found.map(smallest=.001)[2] == pytest.approx(.01/.003)


def test_the_map_shrinks_what_is_unsure_and_keeps_the_sign():
    found = RegionValues(np.array([.2, .2, -.2, 0., 0.]), np.array([0., .1, .1, 0., .3]), np.full(5, .2))
    assert np.allclose(found.map(), [.2, .1, -.1, 0., 0.])
    assert np.isfinite(RegionValues(np.zeros(2), np.zeros(2), np.full(2, .5)).map()).all()


@pytest.fixture(scope="module")
def model(): return load("scenes-llava", dtype="float32")


@pytest.fixture(scope="module")
def scene(): return scenes.sample(51_003, "test")


def quarters(pixels):
    h, w = pixels.shape[:2]
    labels = np.zeros((h, w), int)
    labels[:, w//2:] += 1
    labels[h//2:] += 2
    return Regions(labels, "quarters")


def test_words_of_the_prompt_count_as_regions_of_mean_size(model, scene):
    prompt, parts = "Describe the image.", quarters(scene.pixels)
    target = make_target(model, model.answer(scene.image), None)
    scorer = PromptScorer(model, scene.pixels, prompt, target, parts)
    search(scorer, "exact")
    found = region_values(scorer)
    n = len(parts) + len(scorer.words)
    assert len(found.value) == len(found.area) == n and np.allclose(found.area, 1/n, atol=.01)
    assert found.value[:4].max() > .01


def test_regions_that_the_model_cannot_see_have_no_value(model, scene, monkeypatch):
    scorer = ModelScorer(model, scene.pixels, "Describe the image.",
                         make_target(model, model.answer(scene.image), None), quarters(scene.pixels))
    search(scorer, "exact")
    monkeypatch.setattr(type(scorer), "unseen", np.array([2]))
    found = region_values(scorer)
    assert found.value[2] == found.std[2] == 0 and found.value[[0, 1, 3]].any()
    monkeypatch.setattr(type(scorer), "unseen", np.arange(4))
    assert not region_values(scorer).value.any()


# ---- bad input, and cost

def test_what_cannot_be_learned_from_is_refused():
    scorer = FunctionScorer(lambda keep: keep.float().mean(1), 4)
    with pytest.raises(ValueError, match="knows 0 sets, values need at least 2: search first"): region_values(scorer)
    scorer(torch.ones(1, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="knows 1 sets, values need at least 2"): region_values(scorer)
    search(scorer, "exact")
    for columns in ([], [1], [-1]):
        with pytest.raises(ValueError, match="places of tokens from 0 to 0, at least one"): region_values(scorer, columns)
    keep = all_sets(3)
    with pytest.raises(ValueError, match="1 of 8 probabilities are not numbers"): set_values(keep, np.r_[np.nan, np.ones(7)])
    with pytest.raises(ValueError, match="booleans and M probabilities, got int64"): set_values(keep.astype(int), np.ones(8))
    with pytest.raises(ValueError, match=r"of shape \(8, 3\) and shape \(7,\)"): set_values(keep, np.ones(7))
    with pytest.raises(ValueError, match="at least 2 sets, got 1"): set_values(keep[:1], np.ones(1))


@pytest.mark.parametrize("n, m, most", [(64, 550, .5), (256, 2048, 4.)])
def test_values_cost_little(n, m, most):
    rng = np.random.default_rng(0)
    keep = pairs(rng, n, m)
    p = 1/(1 + np.exp(-(keep @ rng.normal(0, 1, n))))
    start = time.thread_time()
    set_values(keep, p)
    assert time.thread_time() - start < most
