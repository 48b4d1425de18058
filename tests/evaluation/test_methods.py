"Methods asked in one way: names, functions of one's own, searches with settings of their own."
import math
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from conftest import PROMPT
from eagle_nb import datasets
from eagle_nb.core import costs
from eagle_nb.core.regions import grid
from eagle_nb.evaluation import results
from eagle_nb.evaluation.methods import METHODS, Attribution, attribute, find_method
from eagle_nb.evaluation.metrics import evaluate_order, pooled_order
from eagle_nb.evaluation.runner import prepare_case, score_method
from evaluation_helpers import by_number, left_to_right


@pytest.fixture(scope="module")
def data(model): return datasets.scenes_words(model, 4)


def ask(model, case, method, **settings):
    return attribute(method, model, case.pixels, PROMPT, case.target, case.regions, **settings)


SHORT = {**dict.fromkeys(("KernelSHAP", "LIME", "RISE"), dict(samples=24)),
         **dict.fromkeys(("IGOS++", "IGOS++ (paper)"), dict(iterations=1, steps=2)),
         "LLaVA-CAM": dict(samples=4), "LLaVA-CAM (paper)": dict(samples=1), "integrated gradients": dict(steps=4),
         "EAGLE": dict(budget=40), "EAGLE (lazy)": dict(budget=40)}


# one call

def test_every_method_has_one_signature(model, data):
    case = prepare_case(model, data[0], 9)
    for name, meaning in METHODS.items():
        if "sampler" in meaning and find_spec("shapiq") is None: continue
        a = ask(model, case, name, truth=data[0].mask, **SHORT.get(name, {}))
        assert a.saliency.shape == case.pixels.shape[:2] and np.isfinite(a.saliency).all(), name
        assert sorted(a.order) == list(range(9)), name
        assert a.forwards >= 0 and a.backwards >= 0 and a.seconds > 0 and (math.isnan(a.memory) or a.memory >= 0)
        if not a.by_region: assert (a.order == pooled_order(a.saliency, case.regions)).all()


def test_maps_have_the_unit_of_what_made_them(model, data):
    case = prepare_case(model, data[0], 9)
    found = {name: ask(model, case, name, **SHORT.get(name, {})) for name in ("EAGLE", "occlusion", "LIME", "TAM", "random")}
    assert found["EAGLE"].unit == found["EAGLE"].explanation.unit() and found["random"].unit is None
    assert found["LIME"].unit == found["occlusion"].unit != found["TAM"].unit
    assert ask(model, case, left_to_right).unit is None and "unit" not in found["LIME"].settings


def test_without_shapiq_its_samplers_say_what_is_missing(model, data, monkeypatch):
    monkeypatch.setitem(sys.modules, "shapiq", None)
    case = prepare_case(model, data[0], 9)
    for name in ("KernelSHAP (shapiq)", "Leverage SHAP", "ProxySPEX"):
        with pytest.raises(ImportError, match="pip install shapiq"): ask(model, case, name)


@pytest.mark.skipif(find_spec("shapiq") is None, reason="the optional library shapiq is not installed")
def test_a_sampler_sorts_by_shapley_values(model, data):
    case = prepare_case(model, data[0], 4)
    a = ask(model, case, "Leverage SHAP", budget=16)
    keep = torch.tensor([[bool(k >> r & 1) for r in range(4)] for k in range(16)])
    p = case.judge(keep).double().mean(1).tolist()
    weight = (1/4, 1/12, 1/12, 1/4) # 1/(4*binomial(3, size))
    value = [sum(weight[bin(k).count("1")]*(p[k | 1 << r] - p[k]) for k in range(16) if not k >> r & 1) for r in range(4)]
    assert a.order.tolist() == np.argsort(-np.array(value)).tolist() and a.settings["sampler"] == "leverage"


@pytest.mark.parametrize("name,forwards,backwards", [
    ("random", 0, 0), ("occlusion", 10, 0), ("gradient x input", 1, 1), ("integrated gradients", 4, 4),
    ("IGOS++", 8, 8), ("LLaVA-CAM", 4, 4), ("TAM", 1, 0), ("RISE", 24, 0)])
def test_costs_are_counted_where_they_arise(model, data, name, forwards, backwards):
    case, seen = prepare_case(model, data[0], 9), []
    note = lambda module, args, out: seen.append(len(out.last_hidden_state))
    hook = model.model.get_decoder().register_forward_hook(note)
    try: a = ask(model, case, name, **SHORT.get(name, {}))
    finally: hook.remove()
    assert (a.forwards, a.backwards) == (forwards, backwards) and sum(seen) == forwards


@pytest.mark.parametrize("fill", ["mean", "noise", "given"])
def test_an_explanation_shows_what_the_method_has_hidden_with(model, data, fill):
    case = prepare_case(model, data[0], 9)
    shown = np.full_like(case.pixels, 90) if fill == "given" else fill
    e = ask(model, case, "EAGLE", budget=40, fill=shown, seed=3).explanation
    assert np.array_equal(e.fill_image, e.scorer.fill) and e.fill_image.any()


def test_an_explanation_is_kept(model, data):
    case = prepare_case(model, data[0], 9)
    a = ask(model, case, "EAGLE", budget=60)
    assert a.explanation.settings["search_forwards"] <= 60 and a.settings["budget"] == 60
    assert (a.order == a.explanation.order).all()
    assert (a.saliency == a.explanation.saliency).all() and a.by_region


def test_functions_of_ones_own(model, data):
    case = prepare_case(model, data[0], 9)
    a, b = ask(model, case, left_to_right), ask(model, case, by_number)
    assert (a.method, a.by_region, b.by_region) == ("left_to_right", False, True)
    assert b.order.tolist() == list(range(9))
    assert pooled_order(b.saliency, case.regions).tolist() == list(range(9))

    def known(model, image, prompt, target, key):
        return Attribution("x", np.zeros(image.shape[:2]), np.arange(9), True, case.regions, 7, 1, 2., 3.)
    c = ask(model, case, known, key="s")
    assert (c.method, c.forwards, c.seconds) == ("known", 7, 2.)

    def settled(model, image, prompt, target, *, shift=0):
        return np.full(image.shape[:2], shift) + np.arange(image.shape[1])
    assert ask(model, case, {"method": settled, "shift": 3}).saliency[0, 0] == 3
    assert ask(model, case, settled, shift=4).saliency[0, 0] == 4
    with pytest.raises(ValueError, match="unknown setting 'push' for settled: it takes shift"):
        ask(model, case, settled, push=1)
    with pytest.raises(ValueError, match="map of shape"):
        ask(model, case, lambda model, image, prompt, target: np.zeros((3, 3)))
    with pytest.raises(ValueError, match="each of the 9 regions once"):
        ask(model, case, lambda model, image, prompt, target: np.zeros(9, int))
    with pytest.raises(ValueError, match="not numbers"):
        ask(model, case, lambda model, image, prompt, target: np.full(image.shape[:2], np.inf))


def test_names_of_methods():
    assert find_method({"method": "EAGLE", "budget": 9}) == {"search": "fast", "budget": 9}
    assert find_method("IGOS++ (paper)")["variant"] == "paper" and find_method(by_number)["function"] is by_number
    for bad in ("igos", None, 3, {"search": "fast"}):
        with pytest.raises(ValueError, match="choose one of EAGLE"): find_method(bad)


def test_another_partition_is_refused(model, data):
    case = prepare_case(model, data[0], 9)
    def other(model, image, prompt, target):
        return Attribution("x", np.zeros(image.shape[:2]), np.arange(9), True, grid(image, 3, 3), 0, 0, 0., 0.)
    with pytest.raises(ValueError, match="of another partition"): ask(model, case, other)


# memory

def test_memory_is_what_a_block_takes():
    with costs.measured() as cost: x = np.ones(2**25)
    if not math.isnan(cost["memory"]): assert .9 < cost["memory"]/x.nbytes < 1.5
    with pytest.raises(ZeroDivisionError):
        with costs.measured() as cost: 1/0
    assert "seconds" in cost


# searches with settings of their own

def test_a_search_on_regions_of_its_own(model, data):
    case = prepare_case(model, data[0], "grid 16")
    search = lambda **settings: ask(model, case, dict(method="EAGLE", budget=40, **settings))
    own, same, plain = search(regions="grid 4"), search(regions="grid 16"), search()
    assert len(own.explanation.regions) == 4 and sorted(own.order) == list(range(16)) and own.by_region
    assert (same.order == plain.order).all() and (same.saliency == plain.saliency).all()
    quarters = own.explanation.regions.labels
    first = np.array([case.regions.labels[quarters == r][0] for r in own.explanation.order]) # cell of each quarter
    assert [int(r) for r in own.order if r in first] == first.tolist()
    by_quarter = {tuple(sorted(own.order[k:k + 4])) for k in range(0, 16, 4)}
    assert by_quarter == {(0, 1, 4, 5), (2, 3, 6, 7), (8, 9, 12, 13), (10, 11, 14, 15)}
    tokens = ask(model, case, dict(method="EAGLE (one shot)", regions="tokens"))
    assert len(tokens.explanation.regions) == 64
    with pytest.raises(ValueError, match="unknown regions 'gird 4'"): search(regions="gird 4")


def test_a_search_with_a_fill_of_its_own(model, data):
    case = prepare_case(model, data[0], 9)
    found = ask(model, case, dict(method="EAGLE", budget=40, fill="blur"))
    blur = prepare_case(model, data[0], 9, "blur")
    hidden = float(blur.judge(torch.zeros(1, 9, dtype=torch.bool)).mean())
    assert found.explanation.insertion[0] == pytest.approx(hidden, abs=1e-5)
    row = score_method(case, found, ("insertion", *results.OWN))
    own = evaluate_order(blur.judge, blur.regions, found.order)
    assert row["own_insertion"] == pytest.approx(own.insertion_auc, abs=1e-5)
    assert row["own_auc_gap"] == pytest.approx(own.auc_gap, abs=1e-5)
    assert row["own_highest"] == pytest.approx(own.highest, abs=1e-5)
    assert row["insertion"] == pytest.approx(evaluate_order(case.judge, case.regions, found.order).insertion_auc)
    assert math.isnan(score_method(case, ask(model, case, "random"), results.OWN)["own_insertion"])
