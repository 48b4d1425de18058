"Influence of the image on tokens: properties, hand cases, refusals."
import sys
from itertools import permutations
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra.numpy import arrays

import eagle_nb
from eagle_nb import scenes
from eagle_nb.core.answers import Answer
from eagle_nb.core.scores import FunctionScorer
from eagle_nb.core.targets import words
from eagle_nb.evaluation.metrics import bootstrap, paired
from eagle_nb.explanation.modality import (CLASSES, CURVE_KINDS, TAGS, THRESHOLD, by_word, class_pairs, curve_kinds,
                                           curves_along, decide, influence, influence_draws, nltk_tagger,
                                           perturb_orders, spacy_tagger, summary, word_classes, word_table)

examples = settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@st.composite
def curves(draw):
    "(steps, tokens) probabilities."
    tokens = draw(st.integers(1, 3))
    steps = draw(st.integers(2, 8))
    return draw(arrays(float, (steps, tokens), elements=st.floats(0, 1, width=32)))


def areas(n, seed=0):
    x = np.sort(np.random.default_rng([n, seed]).random(n))
    x[0], x[-1] = 0, 1
    return x


def test_influence_by_hand():
    p = np.array([[.1, .5], [.3, .5], [.2, .5], [.9, .5]])
    assert influence(p) == pytest.approx([.0 + .2 + .1 + .8, 0])
    assert influence(p, [0, .5, .5, 1]) == pytest.approx([.5*.1 + 0 + .5*(.1 + .8)/2, 0])
    assert influence(p[::-1]) == pytest.approx(influence(p))


@examples
@given(curves())
def test_the_sum_over_steps_is_the_formula_of_the_paper(p):
    want = [sum(p[r, i] - min(p[:, i]) for r in range(len(p))) for i in range(p.shape[1])]
    assert influence(p) == pytest.approx(np.array(want))


@examples
@given(curves(), st.integers(0, 99))
def test_influence_is_bounded_and_ignores_shifts(p, seed):
    x = areas(len(p), seed)
    v = influence(p, x)
    assert (v >= 0).all() and (v <= np.ptp(p, axis=0) + 1e-9).all()
    assert influence(p*.5 + .25, x) == pytest.approx(v*.5)
    assert influence(p*.5 + .25) == pytest.approx(influence(p)*.5)
    assert influence(p.tolist(), x.tolist()) == pytest.approx(v)


@examples
@given(curves(), st.randoms(), st.booleans())
def test_tokens_do_not_mix(p, random, by_area):
    shuffled = list(range(p.shape[1]))
    random.shuffle(shuffled)
    area = areas(len(p)) if by_area else None
    assert influence(p[:, shuffled], area).tolist() == influence(p, area)[shuffled].tolist()


@examples
@given(st.floats(0, 1), st.integers(2, 9), st.booleans())
def test_a_constant_token_owes_nothing_to_the_image(value, n, by_area):
    assert influence(np.full((n, 2), value), areas(n) if by_area else None).tolist() == [0, 0]


@examples
@given(curves(), st.integers(0, 7), st.floats(0, .5), st.booleans())
def test_influence_rises_with_the_probability(p, step, more, by_area):
    "More probability at a step that is not the lowest is more influence."
    q, area = p/2, areas(len(p)) if by_area else None
    step %= len(p)
    if (q[step] <= q.min(0)).any():
        q, step = np.concatenate([np.zeros((1, q.shape[1])), q]), step + 1
        area = areas(len(q)) if by_area else None
    r = q.copy()
    r[step] += more
    assert (influence(r, area) >= influence(q, area) - 1e-12).all()
    if more > .01 and not by_area: assert (influence(r) > influence(q)).all()


@pytest.mark.parametrize("p,area,message", [
    (np.zeros(4), None, r"shape \(N\+1, T\).*got \(4,\)"), (np.zeros((1, 3)), None, "N of at least 1"),
    (np.array([[0.], [np.nan]]), None, "not numbers: score"), (np.zeros((3, 1)), [0, 1], r"shape \(3,\), got \(2,\)"),
    (np.zeros((3, 1)), [0, 1, .5], "area must rise")])
def test_influence_refuses_wrong_shapes_and_values(p, area, message):
    with pytest.raises(ValueError, match=message): influence(p, area)


def test_influence_refuses_an_area_that_is_not_a_number():
    with pytest.raises(ValueError, match="area"): influence(np.zeros((3, 1)), [0, float("nan"), 1])


def test_word_values_by_hand():
    a = Answer("A wine glass.", [1, 2, 3, 4, 5], ["A", " wi", "ne", " glass", "."])
    got = by_word(words(a), [.1, .2, .4, .8, .9])
    assert [w for w, _ in got] == ["A", "wine", "glass"]
    assert [v for _, v in got] == pytest.approx([.1, .3, .8])
    with pytest.raises(ValueError, match="one value per token, got 2, and"): by_word(words(a), [1, 2])


# ---- classes of words

LEXICON = {"dog": "object", "wine glass": "object", "glass": "attribute", "woman": "object", "park": "place",
           **dict.fromkeys(("a", "and", "in"), "function")}


@pytest.mark.parametrize("sentence,want", [
    ("A dog in a park", "function object function function place"),
    ("a Wine Glass and a glass", "function object object function function attribute"), # the longest phrase first
    ("wine glasses and glasses", "object object function attribute"), # the plural is at its end
    ("women and a woman's dogs", "object function function object object")])
def test_a_lexicon_knows_phrases_plurals_and_possessives(sentence, want):
    assert word_classes(sentence.split(), LEXICON) == want.split()


@pytest.mark.parametrize("one,many", [
    ("city", "cities"), ("knife", "knives"), ("bus", "buses"), ("child", "children"), ("man", "men"),
    ("snowman", "snowmen"), ("shelf", "shelves"), ("fire person", "fire people")])
def test_plurals_have_the_class_of_their_singular(one, many):
    assert set(word_classes(many.split(), {one: "object"})) == {"object"}


def test_a_plural_is_not_found_in_other_words():
    for word in ("dogma", "do", "human", "dogsled"):
        with pytest.raises(ValueError, match="no class for"): word_classes([word], {"dog": "object", "man": "object"})
    own_entry = word_classes(["glasses"], {"glass": "object", "glasses": "attribute"})
    assert own_entry == ["attribute"], "what the lexicon says itself goes first"


def test_a_part_of_a_phrase_is_not_the_phrase():
    assert word_classes(["wine", "and", "glass"], LEXICON, other="action") == ["action", "function", "attribute"]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(scenes.OBJECTS), min_size=0, max_size=5, unique=True),
       st.sampled_from([None, *scenes.PLACES]))
def test_every_caption_of_the_small_world_is_known(names, place):
    text = scenes.caption(names, place)
    found = word_classes([w for w, _ in words(Answer(text, [0], [text]))], scenes.lexicon())
    assert found.count("object") == sum(len(n.split()) for n in names)
    assert found.count("place") == bool(place)
    assert found.count("attribute") == (0 if names else 1 if place else 2)


def test_a_tagger_sees_the_sentence_and_the_lexicon_goes_first():
    seen, sentence = [], "The red kite is flying over two Alps".split()
    def tagger(words):
        seen.append(list(words))
        return ["DET", "ADJ", "NOUN", "VERB", "VERB", "ADP", "NUM", "PROPN"]
    want = "function attribute object function action function attribute object".split()
    assert word_classes(sentence, tagger=tagger) == want
    assert word_classes(sentence, {"kite": "place"}, tagger)[2] == "place" and seen == [sentence, sentence]
    assert set(TAGS.values()) <= set(CLASSES)


@pytest.mark.parametrize("kw,message", [
    (dict(lexicon={"dog": "animal"}), "unknown class 'animal': choose from object"),
    (dict(lexicon={"cat": "object"}), "no class for 'dog'.*lexicon"),
    (dict(tagger=lambda w: ["NN"]), "unknown part of speech 'NN'"),
    (dict(tagger=lambda w: []), "one tag per word, got 0 for 1"),
    (dict(other="none"), "unknown class 'none'"), ({}, "no class for 'dog'")])
def test_unknown_classes_tags_and_words_are_refused(kw, message):
    with pytest.raises(ValueError, match=message): word_classes(["dog"], **kw)


def test_no_words_have_no_classes(): assert word_classes([], LEXICON) == []


def test_taggers_name_the_command_that_installs_them(monkeypatch):
    for name, make in (("nltk", nltk_tagger), ("spacy", spacy_tagger)):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(ImportError, match=f"pip install {name}"): make()
    nltk, spacy = ModuleType("nltk"), ModuleType("spacy")
    def no_data(*a, **k): raise LookupError("Resource not found")
    def no_pipeline(name): raise OSError("E050")
    nltk.pos_tag, spacy.load = no_data, no_pipeline
    monkeypatch.setitem(sys.modules, "nltk", nltk)
    monkeypatch.setitem(sys.modules, "spacy", spacy)
    with pytest.raises(LookupError, match="nltk.downloader averaged_perceptron_tagger_eng universal_tagset"):
        nltk_tagger()
    with pytest.raises(OSError, match="spacy download de_core"): spacy_tagger("de_core")


def test_taggers_are_asked_for_universal_tags(monkeypatch):
    nltk, spacy = ModuleType("nltk"), ModuleType("spacy")
    def pos_tag(words, tagset):
        assert tagset == "universal"
        return [(w, "NOUN" if w == "kite" else "DET") for w in words]
    def pipeline(doc):
        assert doc[0] == "vocabulary"
        return [SimpleNamespace(pos_="PROPN" if w == "kite" else "DET") for w in doc[1]]
    nltk.pos_tag = pos_tag
    spacy.tokens = SimpleNamespace(Doc=lambda vocab, words: (vocab, words))
    pipeline.vocab, spacy.load = "vocabulary", lambda name: pipeline
    monkeypatch.setitem(sys.modules, "nltk", nltk)
    monkeypatch.setitem(sys.modules, "spacy", spacy)
    for make in (nltk_tagger, spacy_tagger): assert word_classes(["A", "kite"], tagger=make()) == ["function", "object"]


# ---- the table

def explained(sentence, curves, area=None, **more):
    "A bare explanation: curves (T, N+1), one token per word."
    p = np.array(curves, float).T
    area = np.linspace(0, 1, len(p)) if area is None else np.array(area)
    target_words = [(w, (k,)) for k, w in enumerate(sentence)]
    return SimpleNamespace(target_words=target_words, token_insertion=p, area=area, **more)


def by_lexicon(sentence): return word_classes(sentence, LEXICON)


def three():
    return {"one": explained(["A", "dog"], [[.9, .9, .9], [0, 1, 1]]), # influence 0 and .75
            "two": explained(["A", "park"], [[.8, .2, .8], [.1, .9, .3]]), # dips .6, peaks .6
            "three": explained(["a", "dog", "and", "dogs"],
                               [[.5, .5, .5], [.6, .3, .2], [.5, .52, .5], [.1, .1, .9]])}


def test_a_table_by_hand():
    t = word_table(three(), by_lexicon)
    assert t["key"].tolist() == ["one"]*2 + ["two"]*2 + ["three"]*4
    assert t["position"].tolist() == [0, 1, 0, 1, 0, 1, 2, 3]
    assert t["class"].tolist() == "function object function place function object function object".split()
    assert t["influence"].tolist() == pytest.approx([0, .75, .3, .45, 0, (.4 + .1)/4 + .1/4, .01, .2])
    assert t["steps"].tolist() == pytest.approx([0, 2, 1.2, 1., 0, .5, .02, .8])
    assert t["difference"].tolist() == pytest.approx([0, 1, 0, .2, 0, -.4, 0, .8])
    assert t["dip"].tolist() == pytest.approx([0, 0, .6, 0, 0, 0, 0, 0])
    assert t["peak"].tolist() == pytest.approx([0, 0, 0, .6, 0, 0, .02, 0])
    assert (t["full"] - t["blank"]).tolist() == pytest.approx(t["difference"].tolist())
    assert curve_kinds(t).tolist() == ["steady", "rises", "dips and recovers", "rises and falls",
                                       "steady", "blank is likelier", "steady", "rises"]
    assert curve_kinds(t, .01).tolist()[6] == "rises and falls" and set(curve_kinds(t)) <= set(CURVE_KINDS)
    assert "class" not in word_table(three())


def test_a_word_of_two_tokens_is_their_mean():
    e = SimpleNamespace(target_words=[("wine", (0, 2))], token_insertion=np.array([[0, .5, .2], [1, .5, .4]]),
                        area=np.array([0, 1]))
    row = word_table({"k": e}).iloc[0]
    assert (row["influence"], row["full"], row["blank"], row["difference"]) == pytest.approx((.3, .7, .1, .6))


@examples
@given(curves())
def test_the_table_agrees_with_the_influence(p):
    e = explained([f"w{k}" for k in range(p.shape[1])], p.T, areas(len(p)))
    t = word_table({"k": e})
    assert t["influence"].to_numpy() == pytest.approx(influence(p, e.area), abs=1e-9)
    assert (t[["influence", "steps", "dip", "peak"]] >= 0).all().all()
    span = (t["difference"].abs() + t["dip"] + t["peak"]).to_numpy()
    assert np.ptp(p, 0) == pytest.approx(span, abs=1e-6), "ends, dip and peak make up the range"


def test_word_table_refuses_empty_and_damaged_explanations():
    with pytest.raises(ValueError, match="no explanations"): word_table({})
    with pytest.raises(ValueError, match="sample 'x' has no words"):
        word_table({"x": explained([], np.zeros((0, 3)), [0, .5, 1])})
    with pytest.raises(ValueError, match="not numbers"): word_table({"x": explained(["a"], [[0, np.nan]])})
    with pytest.raises(ValueError, match="one class per word, got 0 for 1"):
        word_table({"x": explained(["a"], [[0, 1]])}, lambda w: [])
    with pytest.raises(ValueError, match="unknown class 'animal'"):
        word_table({"x": explained(["a"], [[0, 1]])}, lambda w: ["animal"])
    for least in (0, 1, float("nan")):
        with pytest.raises(ValueError, match="least must lie"): curve_kinds(word_table(three()), least)


def test_a_summary_by_hand():
    t = word_table(three(), by_lexicon)
    s = summary(t, lambda v: (v.mean(), v.min(), v.max()))
    once_per_sentence = (.75 + (.15 + .2)/2)/2
    assert s.loc["object", ["words", "n"]].tolist() == [3, 2]
    assert s.loc["object", "mean"] == pytest.approx(once_per_sentence)
    assert s.loc["function", ["mean", "lower", "upper"]].tolist() == pytest.approx([(0 + .3 + .005)/3, 0, .3])
    assert s.loc["place", "n"] == 1 and np.isnan(s.loc["place", "lower"])
    assert s.loc["place", "mean"] == pytest.approx(.45)
    assert s.index.tolist() == ["object", "place", "function"]
    assert summary(t, bootstrap, "word").loc["a", "words"] == 3, "A and a are one word"
    assert summary(t, bootstrap, value="difference").loc["object", "mean"] == pytest.approx((1 + .2)/2)


def test_pairs_within_sentences_by_hand():
    t = word_table(three(), by_lexicon)
    a, b = class_pairs(t)
    assert np.array(sorted(zip(a, b))) == pytest.approx(np.array([(.175, .005), (.45, .3), (.75, 0)]))
    assert paired(a, b)["ahead"] == 1
    lonely = pd.concat([t, t.iloc[:1].assign(key="four")])
    assert len(class_pairs(lonely)[0]) == 3, "a sentence without objects has no pair"
    assert class_pairs(t, ["place"], ["object", "function"])[1].tolist() == pytest.approx([.3])


@pytest.mark.parametrize("make,message", [
    (lambda t: class_pairs(t, ["animal"]), "unknown class 'animal'"),
    (lambda t: class_pairs(t, ["object"], ["object"]), "on both sides"),
    (lambda t: class_pairs(t, ["action"]), "no sentence"),
    (lambda t: class_pairs(t.drop(columns="class")), "give it classes"),
    (lambda t: summary(t, bootstrap, value="colour"), "needs colour"),
    (lambda t: summary(t[:0], bootstrap), "needs rows"),
    (lambda t: summary(t.assign(influence=np.nan), bootstrap), "not numbers"),
    (lambda t: class_pairs(t.assign(influence=np.inf)), "not numbers")])
def test_summaries_refuse_what_the_table_does_not_hold(make, message):
    with pytest.raises(ValueError, match=message): make(word_table(three(), by_lexicon))


# ---- several orders

def needs_first(n):
    "A word that needs the first of n regions, and one that is always likely."
    def p(keep): return torch.stack([keep[:, 0].float(), torch.full((len(keep),), .9)], 1)
    return SimpleNamespace(scorer=FunctionScorer(p, n), order=np.arange(n), target_words=[("dog", (0,)), ("a", (1,))])


@pytest.mark.parametrize("spread", [None, .02, .3, 5.])
def test_perturbed_orders_are_orders_and_depend_on_the_seed_alone(spread):
    order = np.random.default_rng(3).permutation(12)
    found = perturb_orders(order, 6, spread, seed=4)
    assert found.shape == (6, 12) and (np.sort(found, 1) == np.arange(12)).all()
    assert len({tuple(o) for o in found.tolist()}) > 1
    assert (found == perturb_orders(order, 6, spread, seed=4)).all()
    assert (found != perturb_orders(order, 6, spread, seed=5)).any()
    assert (perturb_orders(order, 9, spread, 4)[:6] == found).all(), "more orders begin with the same ones"


def test_a_small_spread_stays_close_to_the_order():
    order = np.random.default_rng(3).permutation(40)
    rank = np.argsort(order)
    moved = [np.abs(rank[perturb_orders(order, 2, s)[0]] - np.arange(40)).mean() for s in (.01, .1, None)]
    assert moved[0] < 1 < moved[1] < 7 < moved[2]


@pytest.mark.parametrize("kw,message", [
    (dict(order=[0, 0]), "each region once"), (dict(order=[[0]]), "each region once"), (dict(n=1), "at least 2 orders"),
    (dict(spread=0), "spread must be above 0"), (dict(spread=float("nan")), "spread must be above 0"),
    (dict(spread=float("inf")), "finite")])
def test_perturb_orders_refuses_wrong_settings(kw, message):
    with pytest.raises(ValueError, match=message): perturb_orders(**{"order": [0, 1, 2], **kw})


def test_all_orders_by_hand():
    "Over all orders of four equal regions, a word that needs one has influence 7/8, 5/8, 3/8 or 1/8: 1/2 on average."
    e = needs_first(4)
    p, area = curves_along(e, np.array(list(permutations(range(4)))))
    v = np.array([influence(q, a) for q, a in zip(p, area)])
    assert sorted(set(v[:, 0].round(9))) == pytest.approx([1/8, 3/8, 5/8, 7/8]) and v.mean(0) == pytest.approx([.5, 0])
    assert e.scorer.forwards == 16, "no set is scored twice"


def test_unequal_regions_have_their_area():
    e = needs_first(3)
    e.scorer.regions = SimpleNamespace(area=np.array([.5, .3, .2]))
    (p,), (area,) = curves_along(e, np.array([[2, 0, 1]]))
    assert area == pytest.approx([0, .2, .7, 1]) and p[:, 0].tolist() == [0, 0, 1, 1]
    assert influence(p, area)[0] == pytest.approx(.25 + .3)


def test_other_orders_need_a_scorer_and_its_number_of_regions():
    for e in (SimpleNamespace(), SimpleNamespace(scorer=None)):
        with pytest.raises(ValueError, match="no scorer.*explain the image again"): curves_along(e, [[0]])
    with pytest.raises(ValueError, match=r"shape \(K, 4\), got \(1, 3\)"): curves_along(needs_first(4), [[0, 1, 2]])


def test_the_interval_has_its_nominal_coverage():
    "A word that needs one of 20 regions has expected influence 1/2: about 95 % of the 95 % intervals hold it."
    e = needs_first(20)
    def decisions(**kw): return [decide(influence_draws(e, 8, seed=s), .1, **kw).iloc[0] for s in range(300)]
    at_95, at_50 = decisions(), decisions(level=.5)
    coverage = np.mean([d["lower"] <= .5 <= d["upper"] for d in at_95])
    assert .91 <= coverage <= .99 and np.mean([d["mean"] for d in at_95]) == pytest.approx(.5, abs=.02)
    assert not any(d["decision"] == "prior" for d in at_95)
    assert np.mean([d["lower"] <= .5 <= d["upper"] for d in at_50]) < .65


def test_draws_have_one_column_per_word():
    e = needs_first(5)
    e.target_words = [("both", (0, 1)), ("a", (1,))]
    d = influence_draws(e, 3)
    assert d.shape == (3, 2) and (d[:, 1] == 0).all() and (d[:, 0] <= .5).all() and (d[:, 0] > 0).all()


def test_decisions_by_hand():
    draws = [[.3, .0, .1], [.5, .0, .3]]
    d = decide(draws, .1) # means .4 and .2, error .1; t of one degree of freedom is 12.706
    assert d["error"].tolist() == pytest.approx([.1, 0, .1])
    assert d["upper"].tolist() == pytest.approx([.4 + 1.2706, 0, .2 + 1.2706], abs=1e-4)
    assert d["decision"].tolist() == ["undecided", "prior", "undecided"]
    assert decide(draws, .1, level=.5)["decision"].tolist() == ["evidence", "prior", "undecided"]
    assert decide([[.1], [.1]], .1)["decision"].tolist() == ["undecided"] and 0 < THRESHOLD < 1


@examples
@given(arrays(float, (5, 3), elements=st.floats(0, 1, width=32)), st.floats(.05, .9))
def test_a_decision_follows_from_the_interval(v, threshold):
    d = decide(v, threshold)
    want = np.where(d["lower"] > threshold, "evidence", np.where(d["upper"] < threshold, "prior", "undecided"))
    assert d["decision"].tolist() == want.tolist()
    assert (d["lower"] <= d["mean"]).all() and (d["mean"] <= d["upper"]).all()


@pytest.mark.parametrize("args,message", [
    (([[.1]],), "at least 2 orders"), (([.1, .2],), "shape"), ((np.zeros((2, 0)),), "a word"),
    (([[.1], [np.nan]],), "not numbers"), (([[.1], [.2]], 0), "threshold must lie"),
    (([[.1], [.2]], .1, 1), "level must lie")])
def test_decide_refuses_wrong_draws_and_settings(args, message):
    with pytest.raises(ValueError, match=message): decide(*args)


def test_a_saved_explanation_gives_the_same_table_and_no_other_orders(tmp_path):
    m = eagle_nb.load("scenes-llava")
    e = eagle_nb.explain(m, scenes.sample(18).image, regions=9, budget=40, show_progress=False)
    t = word_table({"s": e}, lambda words: word_classes(words, scenes.lexicon()))
    assert t["influence"].tolist() == [v for _, v in e.word_influence()]
    before = e.scorer.forwards
    (p,), (area,) = curves_along(e, e.order[None])
    assert p == pytest.approx(e.token_insertion) and area == pytest.approx(e.area)
    assert e.scorer.forwards == before, "the own order is known"
    draws = influence_draws(e, 3)
    assert draws.shape == (3, len(t)) and e.scorer.forwards <= before + 3*8
    assert decide(draws).shape[0] == len(t)
    again = eagle_nb.Explanation.load(e.save(tmp_path/"e.safetensors"))
    assert word_table({"s": again}).equals(word_table({"s": e}))
    with pytest.raises(ValueError, match="no scorer"): influence_draws(again)
