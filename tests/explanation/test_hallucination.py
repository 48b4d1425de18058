"Corrections: answers are checked on images masked by hand, and all that follows from them is counted by hand."
import html
import re

import numpy as np
import pytest
import torch
from PIL import Image

import eagle_nb
from eagle_nb import datasets
from eagle_nb.core import costs
from eagle_nb.core.answers import Answer
from eagle_nb.core.checkpoints import EMBEDDED
from eagle_nb.core.regions import grid
from eagle_nb.core.scores import FunctionScorer
from eagle_nb.core.targets import Target, make_target
from eagle_nb.explanation.explanation import Explanation, explain_scores
from eagle_nb.explanation.hallucination import (REPAIRS, Correction, answers_while_masking, contrast, correct,
                                                matches_foil, repair)

YES_NO = Target((0,), (1,), ("No",), (1,), "Yes", "No")


def say(text): return Answer(text, [0], [text])


def correction_of(right, p=lambda k: k.float().mean(1), n=6, shape=(12, 18)):
    "A correction of a function instead of a model, one given answer per step."
    image, regions, settings = np.zeros((*shape, 3), np.uint8), grid(shape, 2, 3), dict(fill="black", seed=0)
    e = explain_scores(FunctionScorer(p, n), image, regions, YES_NO, say("Yes"), "Is there?", "exact", settings)
    return Correction(e, tuple(say("No." if r else "Yes.") for r in right), np.array(right, bool))


def constant(keep): return torch.full((len(keep),), .3)


@pytest.fixture(scope="module")
def samples(model): return datasets.scenes_questions(model, 4)


@pytest.fixture(scope="module")
def found(model, samples):
    settings = dict(regions=25, budget=200, show_progress=False)
    return [correct(model, s.image, s.prompt, s.foil, s.answer, **settings) for s in samples]


def chat_text(model, prompt):
    "One turn with an image, as the model's template writes it."
    turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}
    return model.processor.apply_chat_template([turn], add_generation_prompt=True, tokenize=False)


def next_logits(model, pixels, chat, out):
    "Logits of the next token with nothing of the library: the whole sequence through the model."
    x = dict(model.processor(images=[Image.fromarray(pixels)], text=[chat], return_tensors="pt"))
    ids = torch.cat([x["input_ids"], torch.tensor([out], dtype=torch.long)], 1) if out else x["input_ids"]
    with torch.no_grad():
        y = model.model(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=x["pixel_values"])
    return y.logits[0, -1].float()


def plain_answer(model, pixels, prompt, most=8):
    "Greedy decoding, token by token."
    chat, out = chat_text(model, prompt), []
    while len(out) < most:
        token = int(next_logits(model, pixels, chat, out).argmax())
        if token in model.stop_ids: break
        out.append(token)
    return out


# ---- which answers are right

@pytest.mark.parametrize("text,right", [("No.", True), ("no", True), ("NO, none.", True), ("Yes, no.", False),
                                        ("Nobody", False), ("", False), ("…", False)])
def test_a_foil_that_begins_the_answer(text, right): assert matches_foil(say(text), YES_NO) is right


@pytest.mark.parametrize("target,foil,text,right", [
    ("cat", "dog", "A dog.", True), ("cat", "dog", "A Dog and a cat", False),
    ("cat", "dog", "A bird", False), ("cat", "dog", "A doghouse", False),
    ("cat", "wine glass", "A wine glass.", True), ("cat", "wine glass", "A glass of wine", False),
    ("glass", "wine glass", "A wine glass", True),   # the foil holds what it replaces
    ("cat", "?", "A cat?", True)])
def test_a_foil_in_the_middle(target, foil, text, right):
    assert matches_foil(say(text), Target((1,), (1,), (foil,), (0, 1), target, foil)) is right


@pytest.mark.parametrize("said,target,foil,right,wrong", [
    ("**Yes**, a cat.", None, "No", ["No.", "**No**, none."], ["I have no doubt: a cat.", "There is no dog."]),
    ("\nYes.", None, "No", ["No"], ["There is no doubt."]), ("“Yes.”", "Yes", "No", ["“No.”"], ["By no means unlikely"]),
    ("A cat is there.", "cat", "dog", ["A dog.", "One dog"], ["A bird"])])
def test_a_foil_of_the_first_words_begins_the_answer_whatever_stands_before(model, said, target, foil, right, wrong):
    answer = model.read(said)
    t = make_target(model, answer, target, foil)
    assert [matches_foil(say(text), t, answer) for text in right + wrong] == [True]*len(right) + [False]*len(wrong)


def test_first_words_that_share_their_first_token_with_the_foil():
    "Skis and Skateboard begin alike, so the first token that differs is not the first of the answer."
    answer = Answer("Skis.", [0, 1, 2], ["Sk", "is", "."])
    t = Target((1, 2), (3, 4), ("ate", "board"), (0, 3, 4), "Skis", "Skateboard")
    assert matches_foil(say("Skateboard."), t, answer) and not matches_foil(say("Not a skateboard"), t, answer)
    later = Answer("A man on skis.", [5, 0, 1, 2], ["A man on ", "sk", "is", "."])
    t = Target((2, 3), (3, 4), ("ate", "board"), (5, 0, 3, 4), "skis", "skateboard")
    assert matches_foil(say("On a skateboard"), t, later)


def test_without_a_foil_no_answer_is_right():
    with pytest.raises(ValueError, match="has no foil"):
        matches_foil(say("No"), Target((0,), (1,), ("No",), (1,), "No"))


# ---- answers while regions are removed

def test_answers_equal_plain_decoding_of_images_masked_by_hand(model, samples, found):
    for s, c in zip(samples[:2], found):
        labels, order = c.explanation.regions.labels, c.explanation.order
        for k in (0, 1, 2, 5, 24, 25):
            masked = np.asarray(s.pixels).copy()
            for r in order[len(order) - k:]: masked[labels == r] = 0
            assert c.answers[k].ids == plain_answer(model, masked, s.prompt), k
            assert c.area[k] == pytest.approx(np.isin(labels, order[::-1][:k]).mean())


def test_answers_do_not_depend_on_the_batch_size(model, samples, found):
    s, c = samples[0], found[0]
    args = model, s.image, s.prompt, c.explanation.regions, c.removed[:7]
    a, b = (answers_while_masking(*args, batch_size=n) for n in (1, 5))
    assert [x.ids for x in a] == [x.ids for x in b] and len(a) == 8
    assert [x.ids for x in a] == [x.ids for x in c.answers[:8]]


@pytest.mark.parametrize("batch", [1, 3, 40])
def test_until_stops_at_the_first_right_answer(model, samples, found, batch):
    s, c = samples[0], found[0]
    assert c.step
    until_right = answers_while_masking(model, s.image, s.prompt, c.explanation.regions, c.removed,
                                        until=lambda a: matches_foil(a, c.explanation.target), batch_size=batch)
    assert len(until_right) == c.step + 1
    assert [a.ids for a in until_right] == [a.ids for a in c.answers[:c.step + 1]]


@pytest.mark.parametrize("removed", [[0, 0], [9], [-1], [[1]]])
def test_regions_that_cannot_be_removed_are_refused(model, samples, removed):
    with pytest.raises(ValueError, match="removed must name regions 0..8, each at most once"):
        answers_while_masking(model, samples[0].image, "?", grid((224, 224), 3, 3), removed)


def test_regions_of_another_image_are_refused(model, samples):
    with pytest.raises(ValueError, match="made for an image of"):
        answers_while_masking(model, samples[0].image, "?", grid((20, 20), 3, 3), [1])


# ---- what follows from the answers

def test_a_correction_by_hand():
    c = correction_of([False, False, True, False, True])
    assert c.step == 2 and c.region == pytest.approx(2/6) and c.answer.text == "No."
    assert c.blamed.tolist() == c.explanation.order[:-3:-1].tolist() and c.mask.mean() == pytest.approx(2/6)
    assert (c.repaired[c.mask] == 0).all() and c.area.tolist() == pytest.approx([k/6 for k in range(7)])
    assert c.probability.tolist() == c.explanation.insertion[::-1].tolist()
    assert "right once 2 regions are removed, 33.3% of the image" in c.text()
    assert c.state()["corrected"] and c.state()["region"] == pytest.approx(1/3)


def test_a_sample_that_is_never_corrected():
    c = correction_of([False]*7)
    assert c.step is None and c.region == np.inf and not len(c.blamed) and not c.mask.any()
    assert (c.repaired == c.explanation.image).all()
    assert "never right in 7 answers, with up to 100% of the image removed" in c.text()
    assert c.state()["region"] is None and not c.state()["corrected"]


def test_a_model_that_ignores_the_image_answers_from_its_prior():
    c = correction_of([False]*7, p=constant)
    assert "answers from its prior" in c.verdict()
    assert "answers from its prior" in c._repr_html_()


def test_an_answer_that_is_right_without_removing_anything():
    c = correction_of([True]*7)
    assert c.step == 0 and c.region == 0 and not len(c.blamed) and "nothing to correct" in c.verdict()


def test_the_region_against_the_foil_is_blamed_most():
    def p(k): return .2 + .1*k[:, :5].float().sum(1) - .15*k[:, 5]*(1 + k[:, 0].float())
    c = correction_of([False, True], p)
    assert c.removed[0] == 5 and c.blame.min() == 0
    assert c.blame[c.explanation.regions.labels == 5].min() == c.blame.max() == pytest.approx(.15 + .3), "in units of F"


def test_planted_hallucinations_are_corrected_and_the_trigger_is_blamed(samples, found):
    on_trigger = [s.mask[c.explanation.regions.labels == c.removed[0]].mean() for s, c in zip(samples, found)]
    assert all(c.right.any() and not c.right[0] for c in found)
    assert np.mean(on_trigger) > 2*np.mean([s.mask.mean() for s in samples])


@pytest.mark.parametrize("name", EMBEDDED)
def test_every_embedded_model_can_be_corrected_and_repaired(name):
    m = eagle_nb.load(name, dtype="float32")
    s = datasets.scenes_questions(m, 1)[0]
    c = correct(m, s.image, s.prompt, "No", regions=9, budget=60, every_step=False, show_progress=False)
    assert c.answers[0].ids == m.answer(s.image, s.prompt).ids == s.answer.ids
    assert len(c.answers) == len(c.right) == (10 if c.step is None else c.step + 1)
    for how in REPAIRS: assert repair(c, m, how, regions=2).text
    black = np.zeros((224, 224, 3), np.uint8)
    assert contrast(m, s.image, black, s.prompt, alpha=0, beta=0).ids == s.answer.ids


# ---- contrast

def test_contrast_by_hand(model, samples):
    s, other = samples[0], np.roll(samples[0].pixels, 60, 1)
    chat, out = chat_text(model, s.prompt), []
    while len(out) < 12:
        a, b = (torch.log_softmax(next_logits(model, pixels, chat, out), -1) for pixels in (s.pixels, other))
        score = 2.5*a - 1.5*b
        score[a.exp() < .2*a.exp().max()] = -np.inf
        if int(score.argmax()) in model.stop_ids: break
        out.append(int(score.argmax()))
    assert contrast(model, s.pixels, other, s.prompt, alpha=1.5, beta=.2, max_new_tokens=12).ids == out


def test_contrast_takes_images_one_by_one_where_a_batch_mixes_them(model, samples, monkeypatch):
    s, body = samples[1], model.model.base_model
    other, plain = np.zeros_like(s.pixels), body.forward
    want = contrast(model, s.pixels, other, s.prompt, alpha=1.5, beta=.2).ids
    def mixed(*args, **kwargs):
        out = plain(*args, **kwargs)
        if len(out.last_hidden_state) > 1: out.last_hidden_state = out.last_hidden_state.flip(0)
        return out
    monkeypatch.setattr(body, "forward", mixed)
    monkeypatch.setattr(model, "unsafe_shortcuts", frozenset({"batch"}))
    assert contrast(model, s.pixels, other, s.prompt, alpha=1.5, beta=.2).ids == want


def test_contrast_keeps_to_likely_tokens(model, samples):
    s = samples[0]
    only_the_likeliest = contrast(model, s.pixels, np.zeros_like(s.pixels), s.prompt, alpha=50., beta=1.)
    assert only_the_likeliest.ids == s.answer.ids


@pytest.mark.parametrize("bad", [dict(alpha=-1), dict(beta=2), dict(beta=-.1)])
def test_contrast_refuses_weights_out_of_range(model, samples, bad):
    with pytest.raises(ValueError, match="alpha must be at least 0"):
        contrast(model, samples[0].pixels, samples[0].pixels, "?", **bad)


def test_contrast_refuses_images_of_different_sizes(model, samples):
    with pytest.raises(ValueError, match="same size"):
        contrast(model, samples[0].pixels, np.zeros((9, 9, 3), np.uint8), "?")


# ---- bad input

def test_a_foil_that_the_answer_says_already_is_refused(model, samples):
    s = samples[0]
    for foil, answer, message in (("Yes", s.answer, "says already"), ("No", "No.", "says already"),
                                  ("no", "No.", "nothing to correct")):
        with pytest.raises(ValueError, match=message):
            correct(model, s.image, s.prompt, foil, answer, regions=9, budget=20, show_progress=False)


def test_words_of_the_prompt_cannot_be_removed(model, samples):
    with pytest.raises(ValueError, match="leave prompt_words out"):
        correct(model, samples[0].image, "?", "No", prompt_words=True)


@pytest.mark.parametrize("how,regions,message", [
    ("melt", 1, "unknown repair 'melt': choose one of black"),
    ("blur", 0, "from 1 to 25"), ("blur", 26, "from 1 to 25"), ("blur", True, "from 1 to 25"), ("blur", 1.5, "from 1 to 25")])
def test_repair_refuses_unknown_fills_and_counts(model, found, how, regions, message):
    with pytest.raises(ValueError, match=message): repair(found[0], model, how, regions)


def test_repair_refuses_settings_that_a_fill_does_not_take(model, found):
    with pytest.raises(ValueError, match="unknown setting 'alpha'"): repair(found[0], model, "blur", 1, alpha=2)


# ---- files

def test_a_correction_is_saved_and_loaded(tmp_path, found):
    c = found[0]
    again = Correction.load(c.save(tmp_path/"c.safetensors"))
    assert again.text() == c.text() and again.right.tolist() == c.right.tolist()
    assert [a.ids for a in again.answers] == [a.ids for a in c.answers]
    a, b = again.state(), c.state()
    assert a.keys() == b.keys() and all(a[k] == b[k] for k in a if k != "settings")
    assert (again.blame == c.blame).all()
    assert "correction" not in again.explanation.settings and "correction" not in c.explanation.settings
    assert Explanation.load(tmp_path/"c.safetensors").order.tolist() == c.explanation.order.tolist()


def test_a_file_with_an_explanation_only_is_refused(tmp_path, found):
    path = found[0].explanation.save(tmp_path/"e.safetensors")
    with pytest.raises(ValueError, match="an explanation without a correction"): Correction.load(path)


def test_answers_are_escaped_in_html(tmp_path):
    c = correction_of([False, True])
    evil = "<script>alert('x')</script> \"><img src=x onerror=alert(1)>"
    c = Correction(c.explanation, (say(evil), say("No. " + evil)), c.right)
    page = c.to_html(tmp_path/"c.html")
    assert (tmp_path/"c.html").read_text(encoding="utf-8") == page
    elsewhere = re.sub(r'alt="[^"]*"|<td>[^<]*</td>', "", page)
    assert "<script" not in page and "src=x" not in html.unescape(elsewhere)
    assert html.escape(evil) in page


def test_the_figure_holds_question_answer_and_verdict(found):
    from matplotlib.text import Text
    for c in (*found[:1], correction_of([False]*7), correction_of([True]*7), correction_of([False]*7, p=constant)):
        fig = c.plot()
        shown = " ".join(t.get_text() for t in fig.findobj(Text))
        assert c.explanation.prompt in shown
        assert " ".join(shown.split()).count(c.verdict().split(";")[0].split(",")[0])
        assert (c.answer.text in shown) and len(fig.axes) == 3


def test_correct_and_correction_are_public():
    assert eagle_nb.correct is correct and eagle_nb.Correction is Correction


def test_a_right_answer_is_refused_before_any_forward(model, samples):
    s, before = samples[0], costs.spent["forwards"]
    with pytest.raises(ValueError, match="nothing to correct"):
        correct(model, s.image, s.prompt, "no", "No.", show_progress=False)
    with pytest.raises(ValueError, match="says already"):
        correct(model, s.image, s.prompt, "Yes", "Yes.", show_progress=False)
    assert costs.spent["forwards"] == before


def test_a_conversation_has_to_be_given_to_repair_again(model, samples):
    s = samples[0]
    turns = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": s.prompt}]}]
    c, plain = (correct(model, s.image, prompt, "No", "Yes.", regions=9, budget=40, show_progress=False)
                for prompt in (turns, s.prompt))
    assert [a.ids for a in c.answers] == [a.ids for a in plain.answers]
    with pytest.raises(ValueError, match="give it again as prompt"): repair(c, model, "blur", 1)
    assert repair(c, model, "blur", 1, prompt=turns).ids == repair(c, model, "blur", 1, prompt=s.prompt).ids
