"Influence of the image on tokens: properties, hand cases, refusals."
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from eagle_nb.modality import by_word, influence
from eagle_nb.models import Answer
from eagle_nb.targets import words

few = settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
curves = st.integers(1, 3).flatmap(lambda t: st.integers(2, 8).flatmap(lambda n: arrays(float, (n, t), elements=st.floats(0, 1, width=32))))


def areas(n, seed=0):
    x = np.sort(np.random.default_rng([n, seed]).random(n)); x[0], x[-1] = 0, 1
    return x


def test_by_hand():
    p = np.array([[.1, .5], [.3, .5], [.2, .5], [.9, .5]])
    assert influence(p) == pytest.approx([.0 + .2 + .1 + .8, 0])
    assert influence(p, [0, .5, .5, 1]) == pytest.approx([.5*.1 + 0 + .5*(.1 + .8)/2, 0])
    assert influence(p[::-1]) == pytest.approx(influence(p))


@few
@given(curves)
def test_the_formula_of_the_paper(p):
    want = [sum(p[r, i] - min(p[:, i]) for r in range(len(p))) for i in range(p.shape[1])]
    assert influence(p) == pytest.approx(np.array(want))


@few
@given(curves, st.integers(0, 99))
def test_bounds_and_shifts(p, seed):
    x = areas(len(p), seed)
    v = influence(p, x)
    assert (v >= 0).all() and (v <= np.ptp(p, axis=0) + 1e-9).all()
    assert influence(p*.5 + .25, x) == pytest.approx(v*.5) and influence(p*.5 + .25) == pytest.approx(influence(p)*.5)
    assert influence(p.tolist(), x.tolist()) == pytest.approx(v)


@few
@given(curves, st.randoms(), st.booleans())
def test_tokens_do_not_mix(p, random, by_area):
    at = list(range(p.shape[1])); random.shuffle(at)
    area = areas(len(p)) if by_area else None
    assert influence(p[:, at], area).tolist() == influence(p, area)[at].tolist()


@few
@given(st.floats(0, 1), st.integers(2, 9), st.booleans())
def test_a_constant_token_owes_nothing_to_the_image(value, n, by_area):
    assert influence(np.full((n, 2), value), areas(n) if by_area else None).tolist() == [0, 0]


@few
@given(curves, st.integers(0, 7), st.floats(0, .5), st.booleans())
def test_monotone_in_p(p, step, more, by_area):
    "More probability at a step that is not the lowest is more influence."
    q, area = p/2, areas(len(p)) if by_area else None
    step %= len(p)
    if (q[step] <= q.min(0)).any(): q = np.concatenate([np.zeros((1, q.shape[1])), q]); step += 1; area = areas(len(q)) if by_area else None
    r = q.copy(); r[step] += more
    assert (influence(r, area) >= influence(q, area) - 1e-12).all()
    if more > .01 and not by_area: assert (influence(r) > influence(q)).all()


@pytest.mark.parametrize("p,area,says", [(np.zeros(4), None, r"shape \(N\+1, T\).*got \(4,\)"), (np.zeros((1, 3)), None, "N of at least 1"),
                                         (np.array([[0.], [np.nan]]), None, "not numbers: score"), (np.zeros((3, 1)), [0, 1], r"shape \(3,\), got \(2,\)"),
                                         (np.zeros((3, 1)), [0, 1, .5], "area must rise")])
def test_refusals(p, area, says):
    with pytest.raises(ValueError, match=says): influence(p, area)


def test_area_that_is_not_a_number():
    with pytest.raises(ValueError, match="area"): influence(np.zeros((3, 1)), [0, float("nan"), 1])


def test_words_by_hand():
    a = Answer("A wine glass.", [1, 2, 3, 4, 5], ["A", " wi", "ne", " glass", "."])
    got = by_word(words(a), [.1, .2, .4, .8, .9])
    assert [w for w, _ in got] == ["A", "wine", "glass"] and [v for _, v in got] == pytest.approx([.1, .3, .8])
    with pytest.raises(ValueError, match="one value a token, got 2, and"): by_word(words(a), [1, 2])
