"Answers: the text of each token, and conversations."
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from eagle_nb.core.answers import Answer, conversation, prompt_text, read_tokens

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
