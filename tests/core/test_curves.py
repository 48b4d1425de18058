"Curves: keep-masks along an order, insertion and deletion, and areas against scipy and by hand."
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy.integrate import trapezoid

from eagle_nb.core.curves import auc, prefixes, trace
from eagle_nb.core.scores import FunctionScorer

forty_examples = settings(max_examples=40, deadline=None, derandomize=True)
orders = st.integers(1, 9).flatmap(lambda n: st.permutations(range(n)))


@forty_examples
@given(orders)
def test_row_k_shows_the_first_k_regions(order):
    keep = prefixes(order)
    assert keep.dtype == torch.bool and keep.shape == (len(order) + 1, len(order))
    for k, row in enumerate(keep): assert set(row.nonzero()[:, 0].tolist()) == set(order[:k])


@pytest.mark.parametrize("order", [[0, 0, 1], [1, 2, 3], [0, 2]])
def test_an_order_that_does_not_name_every_region_once_is_refused(order):
    with pytest.raises(ValueError, match=f"each of the {len(order)} regions once"): prefixes(order)


@forty_examples
@given(orders)
def test_deletion_shows_what_insertion_hides(order):
    weights = 2.**-torch.arange(1, len(order) + 1)
    scorer = FunctionScorer(lambda keep: (keep*weights).sum(1), len(order))
    insertion, deletion = trace(scorer, order)
    assert insertion.shape == deletion.shape == (len(order) + 1, 1)
    assert torch.allclose(insertion + deletion, weights.sum()), "the shares of a set and of its complement"
    assert insertion[0] == deletion[-1] == 0 and torch.allclose(insertion[1, 0], weights[order[0]])
    assert scorer.forwards == 2*len(order), "the whole and the blank image are scored once"


@forty_examples
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=9))
def test_the_area_is_scipys_trapezoid(points):
    x, y = np.sort([x for x, _ in points]), [y for _, y in points]
    assert auc(x, y) == pytest.approx(trapezoid(y, x), abs=1e-12)


def test_areas_by_hand():
    assert auc([0, .5, 1], [1, 1, 1]) == 1
    assert auc([0, .5, .5, 1], [0, 0, 1, 1]) == .5, "a step takes no area"


@pytest.mark.parametrize("area,p,message", [
    ([0, 1], [0, 1, 1], r"got shapes \(2,\) and \(3,\)"),
    ([1], [1], "at least 2 points"),
    ([[0, 1]], [[0, 1]], "one axis"),
    ([0, .6, .5], [0, 0, 0], "must not fall"),
    ([0, np.nan], [0, 0], "must be finite"),
    ([0, .5, 1], [0, np.nan, np.inf], "2 values that are not numbers")])
def test_malformed_curves_are_refused(area, p, message):
    with pytest.raises(ValueError, match=message): auc(area, p)


def test_areas_need_no_torch():
    code = "import sys; from eagle_nb.core.curves import auc; print(auc([0, 1], [0, 1]), 'torch' in sys.modules)"
    r = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert r.stdout.split() == ["0.5", "False"], r.stderr[-2000:]
