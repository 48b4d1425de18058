"Answers: the text of each token, and conversations."
import json
from dataclasses import asdict

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from eagle_nb.core.answers import Answer, conversation, encode_text, prompt_text, read_tokens, word_spans

EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@EXAMPLES
@given(st.lists(st.integers(0, 480), max_size=12))
def test_token_texts_join_to_the_decoded_text(model, ids):
    a = read_tokens(model.tokenizer, ids)
    decoded = model.tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    assert "".join(a.tokens) == a.text == decoded
    assert len(a.tokens) == len(ids)
    for (start, end), token in zip(a.spans, a.tokens):
        first_bytes_of_a_character = token == "" and end - start <= 1
        assert a.text[start:end] == token or first_bytes_of_a_character


def test_spans_point_at_the_text_of_each_token():
    a = Answer("A cat.", [5, 6, 7], ["A", " cat", "."])
    assert a.spans == [(0, 1), (1, 5), (5, 6)] and len(a) == 3


def test_an_answer_of_an_older_file_has_no_spans_and_gets_them_from_its_tokens():
    a = Answer(**dict(text="20 犬", ids=[1, 2, 3, 4], tokens=["", "20 ", "", "犬"]))
    assert a.spans == [(0, 0), (0, 3), (3, 4), (3, 4)] and a.special == ()
    assert Answer(**asdict(a)) == a and Answer(**json.loads(json.dumps(asdict(a)))) == a


def test_spans_must_fit_the_tokens():
    with pytest.raises(ValueError, match="one span per token, got 1 spans for 2 tokens"): Answer("A b", [1, 2], ["A", " b"], [(0, 1)])


TEXTS = ["A dog 🐕 and a café.", "猫が好き", "  two  spaces\n", "e\u0301", ""]


@pytest.mark.parametrize("text", TEXTS)
def test_a_tokenizer_written_in_python_is_read_by_its_decoder(text):
    from transformers import ByT5Tokenizer
    a = read_tokens(tok := ByT5Tokenizer(), tok.encode(text, add_special_tokens=False))
    assert "".join(a.tokens) == a.text == text and len(a.tokens) == len(text.encode())
    owner = [c for c, character in enumerate(text) for _ in character.encode()]
    assert a.spans == [(c, c + 1) for c in owner]


def test_word_pieces_are_read_by_their_decoder():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast
    vocabulary = {piece: i for i, piece in enumerate(["[UNK]", "a", "cat", "##s", "well", "-", "known", "."])}
    tok = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tok.pre_tokenizer, tok.decoder = pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    fast = PreTrainedTokenizerFast(tokenizer_object=tok, unk_token="[UNK]")
    a = read_tokens(fast, fast.encode("a cats well-known .")*30)
    assert "".join(a.tokens) == a.text == fast.decode(a.ids) and len(a.tokens) == len(a.ids) and a.tokens[1:3] == [" cat", "s"]


def test_a_name_of_a_special_token_in_a_text_does_not_change_it(model):
    tok = model.tokenizer
    for text in (f"a {tok.eos_token} b", " a", "  ", tok.eos_token):
        assert read_tokens(tok, encode_text(tok, text)).text == text


@pytest.mark.parametrize("text, words", [
    ("It's 3.14, isn’t it? A well-known T-shirt, rock 'n' roll.", "It's 3.14 isn’t it A well-known T-shirt rock n roll"),
    ("man--boy snake_case _x_ 555-1234 [12,34] No. 7", "man boy snake_case x 555-1234 12 34 No 7"),
    ("nai\u0308ve e\u0301te\u0301 phở बिल्ली قِطَّةٌ כֶּלֶב", "nai\u0308ve e\u0301te\u0301 phở बिल्ली قِطَّةٌ כֶּלֶב"),
    ("🐕🐈 👨‍👩‍👧, 👍🏽! ❤️ 🇩🇪 1️⃣ ★ ©", "🐕 🐈 👨‍👩‍👧 👍🏽 ❤️ 🇩🇪 1️⃣"),
    ("一只猫。3只狗", "一 只 猫 3 只 狗"), ("机の上にリンゴがある", "机 の 上 に リンゴ がある"),
    ("แมวนั่ง และ สุนัข", "แมวนั่ง และ สุนัข"), ("고양이가 있다.", "고양이가 있다"), ("...!?", "")])
def test_words_of_every_script(text, words): assert [text[i:j] for i, j in word_spans(text)] == words.split()


def test_a_text_prompt_becomes_one_turn_with_the_explained_image_first():
    turns, images = conversation("Where?")
    assert turns == [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Where?"}]}]
    assert images == [None]


def test_a_system_turn_is_added_only_where_there_is_none():
    assert conversation("Where?", system="Be brief.")[0][0]["role"] == "system"
    own = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": [{"type": "image"}]}]
    turns, _ = conversation(own, system="Be brief.")
    assert [t["role"] for t in turns] == ["system", "user"] and turns[0]["content"][0]["text"] == "Be kind."


def test_a_conversation_is_copied():
    prompt = [{"role": "user", "content": [{"type": "image"}, {"type": "image", "image": "other.png"}]}]
    turns, images = conversation(prompt)
    assert images == [None, "other.png"] and turns[0]["content"] == [{"type": "image"}, {"type": "image"}]
    assert prompt[0]["content"][1] == {"type": "image", "image": "other.png"}


@pytest.mark.parametrize("prompt, message", [
    ([], "a list of turns"),
    ([{"role": "user"}], "a list of turns"),
    ([{"role": "user", "content": "no image"}], "got 0 of 0"),
    ([{"role": "user", "content": [{"type": "video"}]}], "a part of a turn is")])
def test_malformed_conversations_are_refused(prompt, message):
    with pytest.raises(ValueError, match=message): conversation(prompt)


def test_the_words_of_a_prompt_leave_out_its_images():
    turns = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "One."}]},
             {"role": "user", "content": "Two."}]
    assert prompt_text(turns) == "One.\nTwo." and prompt_text("Where?") == "Where?"
