"Prompt words: which tokens they are, and a scorer that hides them as it hides regions."
import numpy as np
import pytest
import torch
from conftest import PROMPT

from eagle_nb import scenes
from eagle_nb.core.prompts import PromptScorer, prompt_words
from eagle_nb.core.regions import grid
from eagle_nb.core.scores import ModelScorer
from eagle_nb.core.targets import make_target

QUESTION = "Is there a cake in the image?"


def ids_of(model, prompt): return model.encode(scenes.sample(18).pixels, prompt)["input_ids"][0].tolist()


def scorer_for(model, prompt, kind=PromptScorer, **kw):
    image = scenes.sample(18).pixels
    return kind(model, image, prompt, make_target(model, model.read("Yes.")), grid(image, 2, 2), **kw)


@pytest.mark.parametrize("question,words", [
    (QUESTION, ["Is", "there", "a", "cake", "in", "the", "image"]),
    ("  Who's well-known?! ", ["Who's", "well-known"]),
    ("the cake, the cake", ["the", "cake", "the", "cake"]),
    ("Wo ist die nai\u0308ve cafe\u0301?", ["Wo", "ist", "die", "nai\u0308ve", "cafe\u0301"]),
    ("Is it a 🐕?", ["Is", "it", "a", "🐕"])])
def test_words_are_found_with_their_tokens_in_order(model, question, words):
    ids = ids_of(model, question)
    found = prompt_words(model, ids, question)
    assert [w for w, _ in found] == words
    for word, positions in found:
        assert word in model.tokenizer.decode([ids[k] for k in positions])
    positions = [k for _, p in found for k in p]
    assert positions == sorted(set(positions)), "no token belongs to two words"


def test_special_tokens_are_no_words(model):
    positions = [k for _, p in prompt_words(model, ids_of(model, "image"), "image") for k in p]
    special = set(model.tokenizer.all_special_ids)
    assert positions and not special & {ids_of(model, "image")[k] for k in positions}


def test_a_prompt_that_the_model_does_not_read_is_refused(model):
    with pytest.raises(ValueError, match="does not stand in one piece"):
        prompt_words(model, ids_of(model, QUESTION), "Where is it?")
    with pytest.raises(ValueError, match="does not stand in one piece"):
        prompt_words(model, ids_of(model, QUESTION), "  ")


@pytest.mark.parametrize("mode", ["nearest", "pixels"])
def test_with_all_words_read_the_scores_are_those_of_the_plain_scorer(model, mode):
    scorer, plain = scorer_for(model, QUESTION, mode=mode), scorer_for(model, QUESTION, ModelScorer, mode=mode)
    keep = torch.rand(5, 4, generator=torch.Generator().manual_seed(0)) < .5
    words = torch.ones(5, len(scorer.words), dtype=torch.bool)
    assert scorer.n == 4 + 7
    assert torch.allclose(scorer(torch.cat([keep, words], 1)), plain(keep), atol=1e-5)


def test_a_hidden_word_changes_the_probabilities(model):
    scorer = scorer_for(model, QUESTION)
    everything = torch.ones(1, scorer.n, dtype=torch.bool)
    without = everything.clone()
    without[0, 4 + scorer.words.index("cake")] = False
    assert (scorer(everything) - scorer(without)).abs().max() > 1e-3
    assert scorer.forwards == 2


def test_a_conversation_has_the_words_of_its_text_parts(model):
    turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}
    assert scorer_for(model, [turn]).words == scorer_for(model, PROMPT).words == ("Describe", "the", "image")


def test_words_weigh_as_much_as_average_regions_and_lie_apart(model):
    scorer = scorer_for(model, PROMPT)
    np.testing.assert_allclose(scorer.area, 1/7)
    centers, adjacency = scorer.layout
    assert centers.shape == (7, 2) and (centers[4:, 0] >= 2).all() and (centers[:4] <= 1).all()
    assert (adjacency == adjacency.T).all() and not adjacency[:4, 4:].any()
    assert adjacency[4, 5] and adjacency[5, 6] and not adjacency[4, 6]
