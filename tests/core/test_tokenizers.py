"""Answers, words, targets and foils with tokenizers of every make, judged by the bytes of their vocabularies.

With EAGLE_NB_TOKENIZERS=FOLDER the genuine tokenizers in the folders of FOLDER are judged, too."""
import os, re, unicodedata

import pytest
import regex
from hypothesis import HealthCheck, assume, given, settings, strategies as st
from tokenizer_makes import MAKES, Bytes, genuine, reader
from transformers import AutoTokenizer

from eagle_nb.core.answers import read_tokens, word_spans
from eagle_nb.core.targets import find, make_target, words

FOLDER = os.environ.get("EAGLE_NB_TOKENIZERS")
GENUINE = genuine(FOLDER) if FOLDER else {}
EXAMPLES = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def same_text(a, b): return unicodedata.normalize("NFC", a) == unicodedata.normalize("NFC", b)


@pytest.fixture(scope="module", params=[*MAKES, *GENUINE])
def make(request):
    "A model that reads with a tokenizer, and the bytes of its tokens."
    tok = MAKES[request.param]() if request.param in MAKES else AutoTokenizer.from_pretrained(GENUINE[request.param])
    return reader(tok, request.param), Bytes(tok)


@pytest.mark.skipif(not FOLDER, reason="genuine tokenizers are tested where EAGLE_NB_TOKENIZERS names a folder of them")
def test_the_folder_of_genuine_tokenizers_has_some(): assert GENUINE


# ---- sentences with marked words: «word», «word~asked for», «word#occurrence»; asked for in vain after !!
MARKED = """
A photo of a «bicycle» next to a wall.
«Elephant~elephant» on the floor, seen from above.
The «GIRAFFE~giraffe» stands there.
Two dogs and one «dog» are here.
The «cat»'s shadow falls on the «floor».
A cat, another cat and a third «cat#2» in a row.
Cat or «cat»? A cat.
A sign says "«zebra»" on a wall, and “«car»” below.
It shows **«cat»** and *cats* and _«dogs»_.
Objects:\\n«umbrella»\\ntable
1. «Cat»\\n2. Dogs\\n3. A «table»
- «table»\\n- chair
 a «cat» is here
  «indented» text and two  «spaces»
Here:«cat»,dogs;chair/«table»!
A caterpillar, a category and a «cat». !!ate !!caterp
A cupcake in a «cup». !!cake
«It's» a dog, «isn't» it? It’s the dog’s «bowl». !!its !!isnt
«It»'s a dog.
«It’s~it's» late.
A «well-known» dog, a well-«known#1» cat, a «three-year-old».
man--«boy» and man – «woman»
There are «20» cats at «10:15», «2nd» place. !!1 !!2
«20» cats are here. !!2
A price of $«5.99» and «3» dogs.
tab\\t«here» and a\\u00a0«space»
\\n«newline» first
«wine glass» and wine\\n«glass#1»
A «🐕» runs, a «👍🏽» sign, «❤️», a «👨‍👩‍👧» here. !!👍 !!👩
«🐕»
dog«🐕»cat🐕«🐈»
«café» and «crème brûlée» at «Łódź», «Dvořák»
A nai\\u0308ve «cafe\\u0301~café» table. !!cafe
the «İstanbul» of «ẞ~ss»
Большая «собака» бежит, «Кошка~кошка» спит, «їжа» тут.
Η «γάτα» κοιμάται, «ΣΚΎΛΟΣ~σκύλος» τρέχει.
一只«猫»坐在沙发上，桌上有«酒杯»和«蛋糕»。
没有«狗»，只有3只«鼯鼠»。
机の上に«リンゴ»と«自転車»があります。 !!ンゴ
«猫»がいて、«ネコ»もいる。
«고양이»가 소파에 «앉아» 있다, «개»와 개미. !!개미는 !!소
«케이크»가 있습니다.
มี«แมว»และ«สุนัข»ในภาพ !!มว
«قطة» على «الأريكة». قِطَّةٌ «جَمِيلَةٌ» هنا
יש «חתול» על הספה, «כֶּלֶב» רץ
«बिल्ली» सोफे पर है, एक «कुत्ता» है।
ទីនេះ «ឆ្កែ» ។ «ခွေး» ရှိ
`«cat».jpg` is <b>«dog»</b> at https://a.org/«zebra».png
snake_case «name» and C# «code»
{"object": "«cat»", "bbox": [«12»,34]}
"""
ESCAPES = {r"\n": "\n", r"\t": "\t"}


def unescape(line):
    "A line with its escapes as the characters that they stand for."
    return re.sub(r"\\n|\\t|\\u....", lambda m: ESCAPES.get(m[0]) or chr(int(m[0][2:], 16)), line)


CASES = [unescape(line) for line in MARKED.strip("\n").split("\n")]


def parse(case):
    "The text, its marked words as (target, start, end), and the words that are not in it."
    case, *missing = re.split(" !!", case)
    text, marks, last = "", [], 0
    for m in re.finditer("«([^»~#]*)(?:~([^»]*))?(?:#([0-9]))?»", case):
        text += case[last:m.start()]
        word = m[2] or m[1]
        marks.append(((word, int(m[3])) if m[3] else word, len(text), len(text) + len(m[1])))
        text, last = text + m[1], m.end()
    return text + case[last:], marks, missing


def place(text, i):
    "A place in a text after its characters are composed."
    return len(unicodedata.normalize("NFC", text[:i]))


def test_marked_words_are_found_with_all_their_bytes(make):
    model, truth = make
    for case in CASES:
        text, marks, missing = parse(case)
        a = model.read(text)
        assert same_text(a.text, text) and "".join(a.tokens) == a.text == truth.spans(a.ids)[1].decode(), text
        for target, i, j in marks:
            if a.text != text: i, j = place(text, i), place(text, j)
            assert find(a, target) == truth.cover(a.ids, a.text, i, j), (text, target, a.tokens)
            t = make_target(model, a, target)
            assert [a.ids[k] for k in t.positions] == list(t.ids) and t.text == a.text[i:j], (text, target)
        for word in missing:
            with pytest.raises(ValueError, match="is not in the answer.*choose one of") as e: find(a, word)
            assert repr(word) in str(e.value) and repr(a.text) in str(e.value)


def test_words_have_the_tokens_that_hold_their_bytes(make):
    model, truth = make
    for case in CASES:
        a, at = model.read(parse(case)[0]), 0
        for word, positions in words(a):
            at = a.text.index(word, at)
            assert positions == truth.cover(a.ids, a.text, at, at + len(word)), (a.text, word)
            assert not unicodedata.category(a.text[at]).startswith("M"), (a.text, word)
            at += len(word)
            assert not unicodedata.category(a.text[at:at + 1] or " ").startswith("M"), (a.text, word)


@pytest.mark.parametrize("foil", ["elephant", "20", "象🦁"])
def test_a_foil_stands_exactly_where_its_target_was(make, foil):
    model, _ = make
    for case in CASES:
        text, marks, _ = parse(case)
        a = model.read(text)
        for target, i, _ in marks:
            if a.text != text: i = place(text, i)
            if a.text[i:].startswith(foil): continue
            t = make_target(model, a, target, foil=foil)
            said = model.tokenizer.decode(list(t.forced), skip_special_tokens=False)
            assert said == a.text[:i] + foil, (text, target)
            assert list(t.forced) == model.read(a.text[:i] + foil).ids, (text, target)
            kept = t.positions[0]
            assert list(t.forced[:kept]) == a.ids[:kept] and t.forced[kept:] == t.ids and t.foil == foil, (text, target)
            assert t.ids[0] != a.ids[kept], "the first token of the foil is not what the answer has there"


# ---- texts and ids of any kind

SIGNS = ["cat", "Dog", "well", "20", "é", "e\u0301", "ї", "ß", "猫", "鼯", "ネコ", "고양이", "가", "แมว", "ั", "कु", "त्ता", "قِطَّ", "חת", "ខ្",
         "🐕", "👍🏽", "❤️", "‍", "'", "’", "-", "_", ".", ",", "!", " ", "  ", "\n", "\t", "\u00a0", "(", "]", '"', "。", "▁", "\ufeff", "<0x41>"]
TEXTS = st.lists(st.sampled_from(SIGNS), min_size=1, max_size=14).map("".join) | st.text(max_size=12)


@EXAMPLES
@given(TEXTS)
def test_every_character_belongs_to_the_tokens_that_hold_its_bytes(make, text):
    model, truth = make
    a = model.read(text)
    _, raw = truth.spans(a.ids)
    assert "".join(a.tokens) == a.text == raw.decode("utf-8", "replace") and len(a.tokens) == len(a.spans) == len(a.ids)
    assert a.spans == sorted(a.spans) and all(0 <= i <= j <= len(a.text) for i, j in a.spans)
    for c in range(len(a.text)):
        owners = tuple(k for k, (i, j) in enumerate(a.spans) if i <= c < j)
        assert owners == truth.cover(a.ids, a.text, c, c + 1)


def spans_of(answer, word):
    "The tokens of each occurrence that `find` knows."
    with pytest.raises(ValueError) as e: find(answer, (word, 10**6))
    known = re.search(r"must be 0..(\d+), got", str(e.value))
    return [find(answer, (word, k)) for k in range(int(known[1]) + 1)] if known else []


@EXAMPLES
@given(TEXTS)
def test_every_word_of_a_text_is_found_again(make, text):
    model, truth = make
    a = model.read(text)
    whole = {k for m in regex.finditer(r"\X", a.text) for k in m.span()}
    for i, j in word_spans(a.text):
        if not {i, j} <= whole: continue # a sign that changes another one, such as a tone of skin
        assert truth.cover(a.ids, a.text, i, j) in spans_of(a, a.text[i:j]), (a.text, a.text[i:j])


@EXAMPLES
@given(TEXTS, st.sampled_from(["elephant", "20", "象", "🦁"]), st.data())
def test_a_foil_for_any_word_reads_as_the_text_up_to_it(make, text, foil, data):
    model, _ = make
    a = model.read(text)
    assume(word_spans(a.text))
    i, j = data.draw(st.sampled_from(word_spans(a.text)))
    word = a.text[i:j]
    assume(a.text.count(word) == 1 == len(spans_of(a, word)) and not a.text[i:].startswith(foil))
    t = make_target(model, a, word, foil=foil)
    assert same_text(model.tokenizer.decode(list(t.forced), skip_special_tokens=False), a.text[:i] + foil)
    assert list(t.forced[:t.positions[0]]) == a.ids[:t.positions[0]] and t.positions[0] < len(t.forced)


@EXAMPLES
@given(st.data())
def test_any_ids_are_read_with_a_place_for_each(make, data):
    model, truth = make
    ids = data.draw(st.lists(st.integers(0, len(model.tokenizer) - 1), max_size=12))
    a = read_tokens(model.tokenizer, ids)
    assert "".join(a.tokens) == a.text == model.tokenizer.decode(ids, skip_special_tokens=False)
    assert len(a.tokens) == len(a.ids) == len(a.spans) and all(0 <= i <= j <= len(a.text) for i, j in a.spans)
    assert sorted(a.spans) == a.spans
    for (i, j), token in zip(a.spans, a.tokens): assert token in a.text[i:j]


def letters(model, text):
    "The ids of a text letter by letter, as no tokenizer would cut it."
    space = next(mark for mark in "▁Ġ" if mark in model.tokenizer.get_vocab())
    return model.tokenizer.convert_tokens_to_ids([c.replace(" ", space) for c in text])


def test_ids_that_no_tokenizer_would_give_are_kept_before_a_foil(make):
    model, _ = make
    a = model.read(letters(model, "A well-known dog."))
    assert a.text == "A well-known dog." and a.ids != model.read(a.text).ids
    for word, foil, said in (("known", "elephant", "A well-elephant"), ("well-known", "象", "A 象"),
                             ("dog", "two cats", "A well-known two cats")):
        first = find(a, word)[0]
        t = make_target(model, a, word, foil=foil)
        assert list(t.forced[:first]) == a.ids[:first] and t.positions[0] >= first and t.text == word
        assert model.tokenizer.decode(list(t.forced)) == said


def test_a_foil_that_says_the_target_in_other_ids_is_refused(make):
    model, _ = make
    a = model.read("A cat.")
    usual = a.ids[find(a, "cat")[0]:-1]
    spelled = letters(model, " cat")
    assert spelled != usual and model.read([*a.ids[:1], *spelled]).text == "A cat"
    for answer, foil in ((a, "cat"), (a, spelled), (model.read([*a.ids[:1], *spelled]), "cat"), (a, usual)):
        with pytest.raises(ValueError, match="says already: give what the model"):
            make_target(model, answer, "cat", foil=foil)


def test_an_end_of_turn_is_no_word(make):
    model, _ = make
    a = model.read([*model.read("A cat.").ids, model.tokenizer.eos_token_id])
    assert a.text == "A cat." + model.tokenizer.eos_token and [w for w, _ in words(a)] == ["A", "cat"]
    assert a.special == (len(a) - 1,)
    inside = re.search("[a-z]+", model.tokenizer.eos_token)[0]
    with pytest.raises(ValueError, match="is not in the answer"): find(a, inside)


def test_an_answer_is_decoded_once_however_long_it_is(make, monkeypatch):
    model, _ = make
    ids, decode, calls = model.read("A dog 🐕 and a cat. "*40).ids, model.tokenizer.decode, []
    monkeypatch.setattr(model.tokenizer, "decode", lambda *a, **k: calls.append(a) or decode(*a, **k))
    assert "".join(read_tokens(model.tokenizer, ids).tokens) == decode(ids) and len(calls) == 1


def test_what_ends_an_answer_is_not_explained(make):
    "Ids as `generate` gives them end with a stop, and with padding in a batch."
    model, _ = make
    a = model.read("A cat.")
    for ends in (1, 3):
        t = make_target(model, model.read([*a.ids, *[model.tokenizer.eos_token_id]*ends]))
        assert (t.positions, t.ids, t.text) == (tuple(range(len(a))), tuple(a.ids), "A cat.")
    only = model.read([model.tokenizer.eos_token_id])
    assert make_target(model, only).positions == (0,)


def test_an_answer_does_not_begin_a_conversation(make):
    "As `tokenizer(text).input_ids` does where a tokenizer puts a mark in front."
    model, _ = make
    begin = model.tokenizer.bos_token_id
    if begin is None: return # this tokenizer has no such mark
    answer = model.read([begin, *model.read("A cat.").ids])
    for kw in ({}, dict(target="cat"), dict(target="cat", foil="dog")):
        with pytest.raises(ValueError, match="begins a conversation: leave it out"): make_target(model, answer, **kw)
