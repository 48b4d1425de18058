"Models: inputs equal to those of transformers, greedy answers, and answers and prompts that are refused."
import pytest
import torch
from conftest import PROMPT
from hypothesis import HealthCheck, given, settings, strategies as st

import eagle_nb
from eagle_nb import DATA, scenes
from eagle_nb.core import models
from eagle_nb.core.answers import Answer
from eagle_nb.world import shapes

EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
FOLDER = DATA/"scenes-llava"


# ---- inputs

def test_inputs_and_logits_equal_those_of_plain_transformers(model, scene):
    from transformers import AutoModelForImageTextToText, AutoProcessor
    try: processor = AutoProcessor.from_pretrained(FOLDER)
    except ImportError as e: pytest.skip(f"transformers itself cannot: {e}")
    net = AutoModelForImageTextToText.from_pretrained(FOLDER, dtype=torch.float32)
    turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}
    chat = processor.apply_chat_template([turn], add_generation_prompt=True, tokenize=False)
    x = processor(images=[scene.image], text=[chat], return_tensors="pt", add_special_tokens=False)
    ours = model.encode(scene.image, PROMPT)
    assert all(torch.equal(x[k], ours[k]) for k in ("input_ids", "pixel_values"))
    with torch.no_grad(): assert torch.allclose(net(**x).logits, model.model(**ours).logits, atol=1e-5)


# ---- answers

def test_answer_and_answers_agree(model):
    samples = [scenes.sample(i) for i in range(5)]
    prompts = [PROMPT, scenes.question("cat"), PROMPT, "Where was this taken?", scenes.question("dog")]
    side = model.tokenizer.padding_side
    singly = [model.answer(s.image, p) for s, p in zip(samples, prompts)]
    together = model.answers([s.image for s in samples], prompts, batch_size=3)
    for one, many in zip(singly, together):
        assert one.text == many.text and one.ids == many.ids
        assert not set(one.ids) & model.stop_ids and "</s>" not in one.text
    assert model.tokenizer.padding_side == side


def test_an_answer_is_greedy(model, scene):
    "Each token is the argmax of the plain forward."
    a = model.answer(scene.image, PROMPT)
    x = model.encode(scene.image, PROMPT)
    n = x["input_ids"].shape[1]
    x["input_ids"] = torch.cat([x["input_ids"], torch.tensor([a.ids])], 1)
    x["attention_mask"] = torch.ones_like(x["input_ids"])
    with torch.no_grad(): best = model.model(**x).logits[0, n-1:].argmax(-1).tolist()
    assert best[:len(a.ids)] == a.ids and best[len(a.ids)] in model.stop_ids


def test_an_answer_has_at_most_the_requested_number_of_tokens(model, scene):
    assert len(model.answer(scene.image, PROMPT, max_new_tokens=3)) == 3


def test_an_answer_knows_whether_it_came_to_its_end(model):
    "Also in a batch, where the short ones are padded to the length of the longest."
    samples = [scenes.sample(i) for i in range(4)]
    images, prompts = [s.image for s in samples], [PROMPT, scenes.question("cat"), PROMPT, "Where was this taken?"]
    whole = model.answers(images, prompts, max_new_tokens=64)
    assert all(a.complete for a in whole) and len({len(a) for a in whole}) > 1
    limit = sorted(map(len, whole))[1]
    short = model.answers(images, prompts, max_new_tokens=limit)
    assert [a.complete for a in short] == [len(a) < limit for a in whole]
    assert {a.complete for a in short} == {True, False}


def test_answers_needs_one_prompt_per_image(model):
    with pytest.raises(ValueError, match="got 1 images and 2 prompts"):
        model.answers([scenes.sample(0).image], ["a", "b"])


# ---- reading an answer

@EXAMPLES
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="<|>"), max_size=20))
def test_reading_an_answer_preserves_any_text(model, text):
    a = model.read(text)
    assert a.text == text and "".join(a.tokens) == text and len(a) == len(a.ids)
    assert model.read(a) is a and model.read(a.ids).tokens == a.tokens


@pytest.mark.parametrize("ids", [[10**7], [-1], [3, 10**7]])
def test_ids_outside_the_vocabulary_are_refused(model, ids):
    with pytest.raises(ValueError, match=r"answer ids must lie in 0..\d+ \(this tokenizer\), got .*give the text"):
        model.read(ids)


@pytest.mark.parametrize("answer", [3.5, {"text": "a"}, ["a", "b"]])
def test_answers_of_an_unknown_type_are_refused(model, answer):
    with pytest.raises(ValueError, match="answer"): model.read(answer)


# ---- prompts

@pytest.mark.parametrize("prompt", ["What is <image> here?", "</s> Describe <s> the image.", "<|assistant|> Yes.",
                                    "", "  ", "<b>\"'&", "x"*300])
def test_an_odd_prompt_gives_an_answer_or_a_clear_error(model, scene, prompt):
    "Either a result or an error that names the prompt and what is wrong; never a crash inside the model."
    try: a = model.answer(scene.image, prompt, max_new_tokens=3)
    except ValueError as e: assert "prompt" in str(e) and ("<image>" in str(e) or "tokens" in str(e)), e
    else: assert isinstance(a.text, str)


def test_a_prompt_longer_than_the_context_is_refused(model, scene):
    with pytest.raises(ValueError, match=r"tokens.*512"):
        model.answer(scene.image, "What is this animal? "*300)


def test_an_answer_of_another_tokenizer_is_refused(model, scene):
    "Its ids exist here, too, but say something else; without ids there is nothing to force."
    said = model.read("A dog.")
    assert model.read(said) is said
    for ids, message in ((model.read("A cat.").ids, "read 'A cat.' with this tokenizer"), ([10**6], "are not those of this tokenizer"),
                         ([], "give its text, answer.text")):
        other = Answer("A dog.", ids, ["A dog."] + [""]*(len(ids) - 1) if ids else [])
        with pytest.raises(ValueError, match=message): model.read(other)
        with pytest.raises(ValueError, match=message): eagle_nb.explain(model, scene.image, answer=other, regions=4)


# --- texts that follow a prompt

COLON = ("{% for m in messages %}{{ m.role }}:{% for c in m.content %} {{ c.text or '<image>' }}{% endfor %}{{ '\\n' }}"
         "{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}")


def test_a_text_follows_the_prompt_in_the_tokens_of_the_whole_conversation():
    "As in Idefics3's template, whose answers begin with a space that belongs to their first token."
    net, processor = shapes.tiny("idefics3")
    m = models.Model(net, processor, "colon", chat_template=COLON)
    begin = m.chat("What is there?")
    whole = m.tokenizer.encode(begin + " A dog.", add_special_tokens=False)
    n = len(m.tokenizer.encode(begin, add_special_tokens=False))
    assert m.follow("A dog.").ids == whole[n:] and m.follow("A dog.").text == " A dog."
    assert m.read("A dog.").ids != whole[n:]
    assert m.follow(" A dog.").ids == whole[n:] and m.follow(whole[n:]).ids == whole[n:]
    said = m.answer(scenes.sample(7).image, "What is there?", max_new_tokens=3)
    assert m.follow(said) is said


def test_a_text_is_read_as_it_is_where_the_template_puts_no_space_before_it(model):
    for text in ("A dog.", "", "犬", "\nYes"): assert model.follow(text) == model.read(text)


# --- the beginning and the end of a conversation

def with_begin(processor):
    "A tokenizer that puts its beginning token before every text, as LLaVA's and Gemma's do."
    from tokenizers.processors import TemplateProcessing
    tok = processor.tokenizer
    tok.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{tok.bos_token} $A", pair=f"{tok.bos_token} $A {tok.bos_token} $B",
        special_tokens=[(tok.bos_token, tok.bos_token_id)])
    return processor


@pytest.mark.parametrize("family", ["llava", "gemma3", "idefics3", "llava_next"])
@pytest.mark.parametrize("in_template", [True, False])
def test_a_conversation_begins_once(family, in_template):
    "As transformers writes it with apply_chat_template(tokenize=True)."
    net, processor = shapes.tiny(family)
    processor, begin = with_begin(processor), processor.tokenizer.bos_token
    template = processor.chat_template.removeprefix(begin)
    m = models.Model(net, processor, family, chat_template=begin*in_template + template)
    x = m.encode(scenes.sample(7).image, PROMPT)
    turns = [dict(role="user", content=[dict(type="image", image=scenes.sample(7).image), dict(type="text", text=PROMPT)])]
    want = processor.apply_chat_template(turns, chat_template=m.chat_template, add_generation_prompt=True, tokenize=True,
                                         return_dict=True, return_tensors="pt")
    assert x["input_ids"].tolist() == want["input_ids"].tolist()
    assert x["input_ids"][0].tolist().count(processor.tokenizer.bos_token_id) == 1


def test_an_ordinary_token_that_pads_ends_no_answer(model):
    net, processor = shapes.tiny("llava")
    tok = processor.tokenizer
    m = models.Model(net, processor, "llava")
    assert tok.pad_token_id in m.stop_ids
    tok.pad_token = tok.convert_ids_to_tokens(300)
    assert m.tokenizer.pad_token_id == 300 and 300 not in m.stop_ids and tok.eos_token_id in m.stop_ids


# --- step by step

def test_steps_are_those_of_the_model_when_it_speaks_and_of_one_pass_along_any_answer():
    "The truth of the self-test against transformers alone: its own answer by generate, another by all logits at once."
    net, processor = shapes.tiny("llava")
    m = models.Model(net, processor, "llava")
    x = m.encode(scenes.sample(7).image, PROMPT)
    out = net.generate(**x, max_new_tokens=5, min_new_tokens=5, do_sample=False, return_dict_in_generate=True,
                       output_logits=True)
    own, n = out.sequences[0, -5:].tolist(), x["input_ids"].shape[1]
    torch.testing.assert_close(m.stepwise(x, own), torch.cat(out.logits).softmax(-1), atol=1e-6, rtol=0)
    other = m.read("A dog in a park.").ids
    assert other[:5] != own
    ids = torch.tensor([other])
    whole = x | {"input_ids": torch.cat([x["input_ids"], ids], 1)}
    whole["attention_mask"] = torch.ones_like(whole["input_ids"])
    with torch.no_grad(): logits = net(**whole).logits[0, n - 1:-1]
    torch.testing.assert_close(m.stepwise(x, other), logits.softmax(-1), atol=1e-5, rtol=0)
