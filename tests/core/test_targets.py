"Targets: words in tokens of all shapes, foils, and what is refused."
import unicodedata

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from eagle_nb import scenes
from eagle_nb.core.answers import Answer
from eagle_nb.core.targets import Target, find, first_word, joined_spans, make_target, occurrences, words

EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def answer(*tokens): return Answer("".join(tokens), list(range(len(tokens))), list(tokens))


CAT = answer("A", " ca", "t", " sees", " a", " cat", " on", " a", " wine", " glass", ".")


def test_words_have_the_tokens_that_overlap_them():
    assert words(CAT) == [("A", (0,)), ("cat", (1, 2)), ("sees", (3,)), ("a", (4,)), ("cat", (5,)), ("on", (6,)),
                          ("a", (7,)), ("wine", (8,)), ("glass", (9,))]
    hyphenated = answer("It's", " a", " well", "-", "known", " dog", "!")
    assert words(hyphenated) == [("It's", (0,)), ("a", (1,)), ("well-known", (2, 3, 4)), ("dog", (5,))]
    assert words(answer(".", "!")) == []


@pytest.mark.parametrize("target, positions", [
    (None, tuple(range(11))),
    ("cat", (1, 2)),
    ("CAT", (1, 2)),
    (" cat ", (1, 2)),
    (("cat", 1), (5,)),
    ("wine glass", (8, 9)),
    ("a cat", (4, 5)),
    ("A cat", (0, 1, 2)),
    (("a cat", 1), (0, 1, 2)),
    ("glass.", (9, 10)),
    (3, (3,)),
    (-1, (10,)),
    (slice(2, 5), (2, 3, 4)),
    (slice(-2, None), (9, 10)),
    ([4, 3, 4], (3, 4)),
    ([-1, 0], (0, 10)),
    (range(2), (0, 1))])
def test_targets_are_found_at_their_positions(target, positions): assert find(CAT, target) == positions


@pytest.mark.parametrize("target", ["ca", "at", "dog", "wineglass", "cat on cat"])
def test_a_word_that_is_not_in_the_answer_is_refused(target):
    with pytest.raises(ValueError, match=f"the word '{target}' is not in the answer") as e: find(CAT, target)
    assert "choose one of A, cat, sees" in str(e.value)


def test_punctuation_in_the_answer_is_found():
    assert find(CAT, ".") == (10,)
    assert find(answer("A", " man", ",", " a", " dog"), ", a") == (2, 3)


@pytest.mark.parametrize("target", [11, -12, [0, 11], slice(5, 5), slice(20, 30), [], True, [1.5]])
def test_positions_outside_the_answer_are_refused(target):
    with pytest.raises(ValueError, match=r"must lie in 0..10 \(the answer has 11 tokens\)"): find(CAT, target)


@pytest.mark.parametrize("target", [["cat"], ["cat", "sees"], ("cat", "sees", "dog"), [0, "cat"]])
def test_a_list_of_words_is_refused(target):
    with pytest.raises(ValueError, match="explain one word at a time, or one search for all words"): find(CAT, target)


@pytest.mark.parametrize("target", [2.5, {"a": 1}, object()])
def test_targets_of_an_unknown_type_are_refused(target):
    with pytest.raises(ValueError, match="target"): find(CAT, target)


def test_numpy_integers_are_positions():
    assert find(CAT, np.int64(3)) == (3,) and find(CAT, np.array([3, 4])) == (3, 4)


def test_an_occurrence_beyond_the_last_is_refused():
    with pytest.raises(ValueError, match=r"occurs 2 times.*must be 0..1, got 2"): find(CAT, ("cat", 2))
    with pytest.raises(ValueError, match=r"must be 0..1, got -1"): find(CAT, ("cat", -1))


@pytest.mark.parametrize("target", ["", "  "])
def test_an_empty_word_is_refused(target):
    with pytest.raises(ValueError, match="the target word is empty"): find(CAT, target)


@pytest.mark.parametrize("target", [None, "cat", 0, slice(None)])
def test_an_empty_answer_is_refused(target):
    with pytest.raises(ValueError, match="the answer is empty.*give an answer"): find(answer(), target)


@EXAMPLES
@given(st.lists(st.sampled_from(["a", "cat", "wine", "glass", "été", "No", "x-ray"]), min_size=1, max_size=8),
       st.randoms())
def test_every_word_is_found_however_the_text_is_tokenized(vocabulary, random):
    "Cut a text anywhere: each word is covered by the tokens that overlap it and by no other."
    text = " ".join(vocabulary) + "."
    cuts = sorted(random.sample(range(1, len(text)), random.randint(0, len(text) - 1)))
    a = answer(*[text[i:j] for i, j in zip([0] + cuts, cuts + [len(text)])])
    found = words(a)
    assert [word for word, _ in found] == vocabulary
    start = 0
    for k, (word, positions) in enumerate(found):
        i = text.index(word, start)
        start = i + len(word)
        owners = {next(n for n, (b, e) in enumerate(a.spans) if b <= c < e) for c in range(i, i + len(word))}
        assert positions == tuple(sorted(owners))
        assert find(a, (word, vocabulary[:k].count(word))) == positions


# ---- with the model's tokenizer

def test_every_object_of_every_caption_is_found(model):
    for i in range(60):
        s = scenes.sample(i)
        a = model.read(s.caption)
        assert a.text == s.caption and "".join(a.tokens) == a.text
        for name in s.names:
            t = make_target(model, a, name)
            assert t.text == name and [a.ids[k] for k in t.positions] == list(t.ids) and t.forced == tuple(a.ids)


def pieces(model, text):
    "For each token the bytes it stands for, by the byte-level alphabet, independent of the decoder."
    from transformers.convert_slow_tokenizer import bytes_to_unicode
    back = {c: b for b, c in bytes_to_unicode().items()}
    return [bytes(back[c] for c in t) for t in model.tokenizer.tokenize(text)]


@pytest.mark.parametrize("word", ["été", "naïve", "собака", "犬", "🐕", "cat"])
def test_a_word_with_multibyte_letters_is_covered_by_all_its_tokens(model, word):
    text = f"A {word} here."
    tokens, offset, expected = pieces(model, text), 0, []
    start = text.encode().index(word.encode())
    end = start + len(word.encode())
    for k, token in enumerate(tokens):
        if offset < end and offset + len(token) > start: expected.append(k)
        offset += len(token)
    assert b"".join(tokens) == text.encode() and expected
    assert list(find(model.read(text), word)) == expected


def test_a_foil_replaces_the_first_word_where_there_is_no_target(model):
    t = make_target(model, model.read("Yes. It is."), foil="No")
    assert t.foil == "No" and t.text == "Yes" and t.positions[0] == 0
    assert t.forced == t.ids == tuple(model.tokenizer.encode("No", add_special_tokens=False)) and len(t) == len(t.ids)


def test_a_foil_replaces_its_target_and_ends_the_forced_answer(model):
    a = model.read("A cat and a dog in a park.")
    t = make_target(model, a, "dog", foil="elephant")
    first = find(a, "dog")[0]
    assert t.positions == tuple(range(first, first + len(t.ids)))
    assert list(t.forced[:first]) == a.ids[:first] and t.forced[first:] == t.ids
    assert model.tokenizer.decode(t.forced) == "A cat and a elephant" and t.foil == "elephant"
    assert make_target(model, a, "dog", foil=" elephant ").ids == t.ids
    assert make_target(model, a, 2, foil=[7]).ids == (7,) and make_target(model, a, 2, foil=7).ids == (7,)


@pytest.mark.parametrize("foil", ["Yes", " Yes "])
def test_a_foil_equal_to_the_answer_is_refused(model, foil):
    with pytest.raises(ValueError, match="the foil .*Yes.* is what the answer .* says already: give what"):
        make_target(model, model.read("Yes."), foil=foil)


@pytest.mark.parametrize("foil", ["", "  ", []])
def test_an_empty_foil_is_refused(model, foil):
    with pytest.raises(ValueError, match="the foil is empty"): make_target(model, model.read("Yes."), foil=foil)


@pytest.mark.parametrize("foil", [[10**6], [-1], 10**6])
def test_a_foil_outside_the_vocabulary_is_refused(model, foil):
    with pytest.raises(ValueError, match="ids must lie in 0"): make_target(model, model.read("Yes."), foil=foil)


def test_a_foil_for_scattered_tokens_is_refused(model):
    with pytest.raises(ValueError, match="replaces one stretch"):
        make_target(model, model.read("A cat in a park."), [0, 2], foil="dog")


def test_a_foil_for_an_empty_answer_is_refused(model):
    with pytest.raises(ValueError, match="the answer is empty"): make_target(model, model.read(""), foil="No")


def test_a_foil_for_an_answer_without_words_replaces_the_answer(model):
    t = make_target(model, model.read("..."), foil="No")
    assert t.positions[0] == 0 and t.foil == "No"


# ---- words of every spelling and script

@pytest.mark.parametrize("text, word, places", [
    ("Cat, cat, CAT", "cat", [(5, 8), (0, 3), (10, 13)]),
    ("The US and us", "us", [(11, 13), (4, 6)]),
    ("cafe\u0301, café", "café", [(0, 5), (7, 11)]), ("cafe\u0301, café", "cafe\u0301", [(0, 5), (7, 11)]),
    ("cafe\u0301", "cafe", []), ("Straße", "STRASSE", [(0, 6)]), ("Straße", "stras", []),
    ("It’s", "it's", [(0, 4)]), ("It's", "its", []), ("It's", "It", [(0, 2)]),
    ("wine  glass", "wine glass", [(0, 11)]), ("wineglass", "wine glass", []),
    ("20 and 2", "2", [(7, 8)]), ("_cat_ a_cat", "cat", [(1, 4)]),
    ("狗和狗", "狗", [(0, 1), (2, 3)]), ("パンダのパン", "パン", [(4, 6)]), ("แมวนั่ง", "แมวน", []), ("แมวนั่ง", "แมว", [(0, 3)]),
    ("고양이가 개미와", "고양이", [(0, 3)]), ("고양이가 개미와", "개", []), ("나이", "나", []),
    (unicodedata.normalize("NFD", "고양이가"), "고양이", [(0, 7)]),
    ("👨‍👩‍👧 👍🏽 ❤️", "👩", []), ("👨‍👩‍👧 👍🏽 ❤️", "👍", []), ("👨‍👩‍👧 👍🏽 ❤️", "❤", [(9, 11)])])
def test_occurrences_of_every_spelling(text, word, places): assert occurrences(text, word) == places


def test_the_first_word_is_no_emoji(model):
    assert first_word(model.read("✅ Yes, it is.")) == "Yes" and first_word(model.read("...")) is None
    assert make_target(model, model.read("✅ Yes, it is."), foil="No").text == "Yes"


def test_a_target_knows_tokens_that_share_a_character(model):
    a = Answer("a 犬 b", [40, 41, 42, 43], ["a", " ", "犬", " b"], [(0, 1), (1, 3), (2, 3), (3, 5)])
    t = make_target(model, a, "犬")
    assert t.positions == (1, 2) and t.spans == ((0, 2), (1, 2)) and t.text == "犬"
    assert words(Answer("".join(t.tokens), list(t.ids), list(t.tokens), t.spans)) == [("犬", (0, 1))]
    assert joined_spans(a, (0, 3)) is None and make_target(model, a, "a").spans is None
    with pytest.raises(ValueError, match="one span per token, got 1 spans for 2"):
        Target((0, 1), (0, 1), ("a", "b"), (0, 1), "ab", spans=((0, 1),))


def test_words_of_a_long_answer_are_found_in_one_pass():
    a = answer(*["A"] + [" cat", " on"]*4000)
    assert len(words(a)) == 8001 and find(a, ("cat", 3999)) == (7999,)


def test_a_foil_may_share_its_first_tokens_with_the_target(model):
    a = model.read("A red cat.")
    t = make_target(model, a, "cat", foil="cats")
    assert model.tokenizer.decode(t.forced) == "A red cats" and t.foil == "cats" and t.text == "cat"
    k = t.positions[0]
    assert list(t.forced[:k]) == a.ids[:k] and t.forced[k] != a.ids[k] and t.positions == tuple(range(k, len(t.forced)))


@pytest.mark.parametrize("text,word,place", [
    ("A 2.5 m board and 2 dogs.", "2", 18), ("1,000 birds and 1 dog.", "1", 16), ("At 10:15 there are 10 cats.", "10", 19),
    ("A T-shirt and a shirt.", "shirt", 16), ("A hot-dog stand, a dog.", "dog", 19), ("A cat's tail, a cat.", "cat", 2),
    ("A well-known dog.", "known", 7), ("2.5 m", "2", 0), ("A 2-3 m board, 3 cats", "3", 15)])
def test_parts_of_numbers_and_of_words_come_last(text, word, place):
    assert occurrences(text, word)[0] == (place, place + len(word))


@pytest.mark.parametrize("target", [("cat", "dog"), ("cat", "1"), ("cat", None), ("cat", True), ("cat", 1.)])
def test_an_occurrence_is_a_whole_number(target):
    with pytest.raises(ValueError, match="a pair is a word and which of its occurrences is meant"): find(CAT, target)
