"Data sets of scenes, and the one place where all readers are found."
import pytest

from eagle_nb import datasets as D, scenes
from eagle_nb.apps import study
from eagle_nb.core.targets import make_target


def test_scenes_are_those_of_the_study(model):
    "Keys, words and answers, asked one at a time there and in batches here."
    named, described = D.scenes_words(model, 14), D.scenes_captions(3)
    for s, case in zip(named, study.cases(model, "word", 14), strict=True):
        scene = case["scene"]
        assert (s.key, s.target, s.answer.ids) == (case["key"], case["word"], case["answer"].ids)
        assert (s.pixels == scene.pixels).all() and (s.mask == scene.masks[s.category]).all()
        assert s.box == scene.boxes[s.category] and s.category == s.target
    assert named.left_out == [("word-51013", "the model names nothing that is there")]
    assert named[-1].key == "word-51014"
    for s, case in zip(described, study.cases(model, "caption", 3), strict=True):
        assert s.key == case["key"] and (s.pixels == case["scene"].pixels).all() and s.answer is None


def test_questions_are_about_what_is_not_there(model):
    data = D.scenes_questions(model, 4)
    for s in data:
        partner = s.meta["partner"]
        truth = scenes.sample(s.meta["seed"], include=(s.category,), exclude=(partner,))
        assert scenes.PARTNER[s.category] == partner and partner not in truth.names
        assert (s.mask == truth.masks[s.category]).all()
        assert s.prompt == scenes.question(partner) and s.target == "Yes"
        assert model.answer(s.pixels, s.prompt).ids == s.answer.ids
        assert make_target(model, s.answer, s.target, s.foil).tokens == ("No",)


def test_every_seed_is_used_or_left_out(model):
    data = D.scenes_questions(model, 4)
    keys = [s.key for s in data] + [k for k, _ in data.left_out]
    seeds = sorted(int(k.split("-")[1]) for k in keys)
    assert seeds == list(range(52_000, data[-1].meta["seed"] + 1))
    assert {r for _, r in data.left_out} == {"the model does not say Yes"}
    again = D.scenes_questions(model, 4)
    assert [s.key for s in again] == [s.key for s in data]
    assert all((a.pixels == b.pixels).all() for a, b in zip(again, data))
    assert [s.key for s in D.scenes_questions(model, 1, split="validation", seed=7)] != [data[0].key]


def test_a_model_that_gives_too_few_samples(model, monkeypatch):
    monkeypatch.setattr(D, "SCENES_PER_SAMPLE", 2)
    monkeypatch.setattr(model, "answers", lambda images, prompts: [model.read("It is dark.")]*len(images))
    message = r"no samples: all of 'scenes-words' are left out: the model names nothing that is there \(6\)"
    with pytest.raises(ValueError, match=message): D.scenes_words(model, 3)
    half = [model.read("No."), model.read("Yes.")]
    monkeypatch.setattr(model, "answers", lambda images, prompts: half[:len(images)])
    message = "8 scenes gave 2 of 4 samples for scenes-questions: the model does not say Yes"
    with pytest.warns(UserWarning, match=message): data = D.scenes_questions(model, 4)
    assert len(data) == 2


@pytest.mark.parametrize("n", [0, -1, 2.5, True, None])
def test_a_number_of_samples_that_cannot_be(n):
    with pytest.raises(ValueError, match="n must be a whole number from 1"): D.scenes_captions(n)


def test_one_place_for_all_readers():
    "`eagle_nb.datasets` knows every reader, wherever it is written."
    for name in ("Dataset", "Sample", "read_list", "check_ids", "report_ids", "read_table", "coco_objects",
                 "coco_captions", "scenes_captions", "scenes_words", "scenes_questions"):
        assert name in D.__all__ and callable(getattr(D, name))
