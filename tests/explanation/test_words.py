"Maps of words from a sentence's search, and words of the question that are ordered with the regions."
import numpy as np
import pytest
import torch
from conftest import PROMPT

import eagle_nb
from eagle_nb import scenes
from eagle_nb.core.answers import Answer
from eagle_nb.core.models import Model
from eagle_nb.core.prompts import PromptScorer, prompt_words
from eagle_nb.core.regions import grid
from eagle_nb.core.scores import FunctionScorer, ModelScorer
from eagle_nb.core.targets import Target, make_target
from eagle_nb.explanation.explanation import Explanation, explain_scores
from eagle_nb.explanation.words import refine, word_maps
from eagle_nb.search.fast import orders_from_scored
from eagle_nb.world import shapes


def sentence(fn, tokens, side=4, search="fast", **kw):
    "An explanation of a function of regions as if a model had said these tokens."
    image, ids = np.zeros((8*side, 8*side, 3), np.uint8), tuple(range(len(tokens)))
    answer = Answer("".join(tokens), list(ids), list(tokens))
    target = Target(ids, ids, tuple(tokens), ids, answer.text)
    scorer = FunctionScorer(fn, side*side)
    return explain_scores(scorer, image, grid(image, side, side), target, answer, search=search, **kw)


def cat_and_dog(keep):
    dog = .1 + .5*keep[:, 10] + .3*keep[:, 11]
    return torch.stack([.1 + .8*keep[:, 5], torch.full((len(keep),), .5), dog], 1)


@pytest.fixture(scope="module")
def caption(): return sentence(cat_and_dog, ["A cat", " and", " dog"])


def test_each_word_has_its_own_map_without_a_forward(caption):
    spent = caption.scorer.forwards
    a, cat, conj, dog = word_maps(caption)
    assert caption.scorer.forwards == spent
    assert (a.word, cat.word, conj.word, dog.word) == ("A", "cat", "and", "dog")
    assert cat.columns == (0,) and dog.columns == (2,)
    assert cat.order[0] == 5 and set(dog.order[:2].tolist()) == {10, 11} and conj.saliency.max() < .01
    labels, cat_gain, dog_gain = caption.regions.labels, cat.attribution("gain"), dog.attribution("gain")
    assert cat_gain[labels == 5].min() == pytest.approx(1.6, abs=.05) # .8 as insight and .8 as necessity
    assert cat_gain[labels != 5].max() < .2
    assert dog_gain[labels == 10].min() == pytest.approx(1., abs=.05)
    assert dog_gain[labels == 11].min() == pytest.approx(.6, abs=.05)
    assert cat.saliency[labels == 5].min() == cat.saliency.max() > cat.saliency[labels != 5].max()
    assert cat.by_region("value")[5] == pytest.approx(.8, abs=.02)
    assert dog.by_region("value")[[10, 11]] == pytest.approx([.5, .3], abs=.02)


def test_words_are_chosen_by_name_and_occurrence(caption):
    assert [m.word for m in word_maps(caption, ["dog", ("cat", 0)])] == ["dog", "cat"]
    with pytest.raises(ValueError, match="'bird' is not a word of the target: choose one of A, cat, and, dog"):
        word_maps(caption, ["bird"])
    with pytest.raises(ValueError, match="occurs 1 times, got occurrence 1"): word_maps(caption, [("cat", 1)])


def test_a_refined_word_is_an_explanation_of_its_own(caption):
    fine = refine(caption, "dog", 30)
    assert fine.settings["search_forwards"] <= 30 and fine.target.text == "dog"
    assert fine.token_insertion.shape == (17, 1)
    assert set(fine.order[:2].tolist()) == {10, 11} and fine.settings["refined_from"] == caption.target.text
    revealed = torch.as_tensor(np.argsort(fine.order)[None] < np.arange(17)[:, None])
    assert np.allclose(fine.insertion, cat_and_dog(revealed)[:, 2])
    assert caption.scorer.columns is None, "the sentence's scorer is as it was"


@pytest.mark.parametrize("side,budget", [(2, 1), (2, 30), (4, 1)])
def test_a_refinement_keeps_what_the_sentence_has_shown(side, budget):
    n = side*side
    def cat_in_the_last(keep): return torch.stack([.1 + .8*keep[:, n - 1], torch.full((len(keep),), .5)], 1)
    e = sentence(cat_in_the_last, ["A cat", " here"], side=side)
    assert refine(e, "cat", budget).order[0] == n - 1 == word_maps(e, ["cat"])[0].order[0]


def test_a_refinement_takes_settings_and_records_its_own():
    e = sentence(cat_and_dog, ["A cat", " and", " dog"], stop_at=.5, smooth=.2)
    fine = refine(e, "dog", 40, seed=1, lam=(1, 0))
    assert fine.settings["seed"] == 1 and fine.settings["lam"] == [1., 0.]
    assert "stop_at" not in fine.settings and "smooth" not in fine.settings
    with pytest.raises(ValueError, match="refine goes on with the fast search"): refine(e, "dog", search="exact")
    with pytest.raises(ValueError, match=r"given as text, or as \(text, occurrence\)"): refine(e, ("dog",))


def test_columns_that_do_not_exist_are_refused(caption):
    for bad in ((7,), ()):
        with pytest.raises(ValueError, match="columns must be places of tokens from 0 to 2"):
            orders_from_scored(caption.scorer, [bad])


def test_a_loaded_explanation_has_no_words_to_read(caption, tmp_path):
    again = Explanation.load(caption.save(tmp_path/"e.safetensors"))
    for ask in (word_maps, lambda e: refine(e, "dog")):
        with pytest.raises(ValueError, match="has no scorer"): ask(again)


def test_maps_of_words_from_another_search():
    e = sentence(cat_and_dog, ["A cat", " and", " dog"], search="exact")
    assert word_maps(e, ["cat"])[0].order[0] == 5


def test_word_maps_agree_with_a_search_for_the_word_alone(model):
    s = scenes.sample(18)
    e = eagle_nb.explain(model, s.image, answer=s.caption, regions=25, show_progress=False)
    spent = e.scorer.forwards
    for m in word_maps(e, list(s.names)):
        own = eagle_nb.explain(model, s.image, answer=s.caption, target=m.word, regions=e.regions,
                               show_progress=False)
        assert len(set(m.order[:4].tolist()) & set(own.order[:4].tolist())) >= 2, m.word
    assert e.scorer.forwards == spent


# ---- words of the question

def question_scorer(model, question, **kw):
    "A scene, its regions, and the scorer of regions and words of a question."
    s = scenes.sample(18)
    regions, target = grid(s.pixels, 3, 3), make_target(model, model.answer(s.image, question))
    return s, regions, PromptScorer(model, s.pixels, question, target, regions, **kw)


def test_with_all_words_read_it_is_the_plain_scorer(model):
    s, regions, scorer = question_scorer(model, "Is there a cake in the image?")
    assert scorer.words == ("Is", "there", "a", "cake", "in", "the", "image") and scorer.n == 16
    plain = ModelScorer(model, s.pixels, "Is there a cake in the image?", scorer.target, regions)
    some = torch.rand(6, 9, generator=torch.Generator().manual_seed(0)) < .5
    all_words = torch.ones(6, 7, dtype=torch.bool)
    assert torch.allclose(scorer(torch.cat([some, all_words], 1)), plain(some), atol=1e-5)
    assert scorer.area.sum() == pytest.approx(1) and scorer.unseen.size == 0
    centers, adjacency = scorer.layout
    assert centers.shape == (16, 2) and adjacency.shape == (16, 16)
    assert (adjacency == adjacency.T).all() and not adjacency[:9, 9:].any()


@pytest.mark.parametrize("question", ["a", "ant", "assist"])
def test_a_marker_of_the_template_is_no_word(model, question):
    "The last place where the text stands may be inside a marker; the user's own word comes before it."
    ids = model.encode(scenes.sample(3).pixels, question)["input_ids"][0].tolist()
    (word, positions), = prompt_words(model, ids, question)
    assert word == question and not set(ids[k] for k in positions) & set(model.tokenizer.all_special_ids)


@pytest.mark.parametrize("family", sorted(shapes.TINY))
def test_the_text_of_a_hidden_token_does_not_matter(family):
    "Replacing a hidden word by another leaves the probabilities as they are; replacing one that is read does not."
    try: net, processor = shapes.tiny(family, 0)
    except ImportError as e: pytest.skip(str(e))
    m, s = Model(net, processor, family), scenes.sample(3)
    question = "Is there a cake in the image?"
    scorer = PromptScorer(m, s.pixels, question, make_target(m, m.read("a cake")), grid(s.pixels, 2, 2))
    keep = torch.ones(2, scorer.n, dtype=torch.bool)
    keep[1, 4 + scorer.words.index("cake")] = False
    before = scorer.compute(keep)
    ids = scorer.forward.inputs["input_ids"].clone()
    scorer.forward.inputs["input_ids"] = ids
    before_answer = ids[0, :int(scorer.forward.at[0]) + 1].tolist()
    positions = dict(prompt_words(m, before_answer, question))
    ids[0, list(positions["cake"])] = int(ids[0, positions["image"][0]])
    scorer.forward._repeated = (0, {})
    after = scorer.compute(keep)
    assert torch.allclose(before[1], after[1], rtol=1e-4, atol=1e-9)
    assert not torch.allclose(before[0], after[0], rtol=1e-4, atol=1e-9)


def test_the_word_that_names_the_object_counts(model):
    s = scenes.sample(18)
    e = eagle_nb.explain(model, s.image, scenes.question(s.names[0]), target=0, regions=16, prompt_words=True,
                         show_progress=False)
    by_word = dict(e.prompt_influence())
    assert max(by_word, key=by_word.get) in (s.names[0], "there")
    assert set(by_word) == set(e.prompt_words) and "asked" in e.text()
    assert sorted(e.order.tolist()) == list(range(16 + len(by_word))) and e.saliency.shape == s.pixels.shape[:2]


def test_a_prompt_explanation_is_saved_and_shown(model, tmp_path):
    s = scenes.sample(18)
    e = eagle_nb.explain(model, s.image, "Is there a <cake>?", answer="No.", regions=9, prompt_words=True,
                         search="one_shot", show_progress=False)
    again = Explanation.load(e.save(tmp_path/"e.safetensors"))
    assert again.prompt_words == e.prompt_words and again.prompt_influence() == e.prompt_influence()
    assert np.array_equal(again.area, e.area)
    assert np.allclose(e.values.area[e.order], np.diff(e.area)) and np.array_equal(again.by_item("value"), e.by_item("value"))
    assert "<cake>" not in e.to_html() and e.plot() is not None
    with pytest.raises(ValueError, match="regions only"): e.to_reference(tmp_path)
    from eagle_nb.apps.scrubber import Scrubber
    assert Scrubber(e).n == 9 + len(e.prompt_words)


def test_a_prompt_without_words_is_refused(model):
    with pytest.raises(ValueError, match="no word that could be hidden"): question_scorer(model, "?!")


def test_a_prompt_that_is_not_in_one_piece_is_refused(model):
    with pytest.raises(ValueError, match="does not stand in one piece"):
        prompt_words(model, model.read("Yes.").ids, PROMPT)
