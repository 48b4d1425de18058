"Evaluation lists of four kinds, damaged ones, and ids of other tokenizers."
import json
from dataclasses import replace

import pytest

from eagle_nb import datasets as D, scenes
from eagle_nb.core.targets import make_target
from eagle_nb.evaluation import lists

END = 2  # the embedded tokenizer's end of sequence
SENTENCE = "A car on a street."
QUESTION = "Is there a car in the image?"
LAST = "COCO_val2014_000000000003.jpg"


@pytest.fixture
def folder(tmp_path):
    for k, name in enumerate(("000000000001.jpg", "000000000002.jpg", LAST)): scenes.sample(k).image.save(tmp_path/name)
    return tmp_path


def write(path, rows):
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def repope_prompt(): return D.PROMPTS["repope"].replace("{question}", QUESTION)


def entry(model, image, prompt, sentence=SENTENCE, nested=True, at=None, end=True, **more):
    "An entry as the reference writes it: prompt and answer in one row, a word per token, the end among them."
    answer = model.read(sentence)
    ids = answer.ids + [END]*end
    row = model.encode(image, prompt)["input_ids"][0].tolist() + ids
    at = list(range(len(ids))) if at is None else at
    return dict(generate_sentence=sentence, generated_ids=[row] if nested else row, words=answer.tokens + [""]*end,
                selected_interpretation_token_id=at, selected_interpretation_token_word_id=[ids[k] for k in at], **more)


def object_entry(model, image, at=1, sentence=SENTENCE, **more):
    row = entry(model, image, D.PROMPTS["object"], sentence, nested=False, at=[at])
    ids = model.read(sentence).ids + [END]
    return dict(image_path=image.name, generate_sentence=sentence, generated_ids=row["generated_ids"],
                output_word_id=ids, select_category="car", location=[10, 20, 60, 70],
                segmentation=[[10, 20, 60, 20, 60, 70, 10, 70]],
                target_generated_index=at, target_generated_id=ids[at], target_generated_token="Ġcar", **more)


def listed(model, folder, kind):
    "An entry of each kind."
    image = folder/"000000000001.jpg"
    if kind == "object": return object_entry(model, image)
    if kind == "caption": return entry(model, image, D.PROMPTS["caption"], image_path=image.name, gt_caption=["A car."])
    if kind == "mmvp":
        return entry(model, image, "Is it red?", image_filename=image.name, question_id="1", question="Is it red?",
                     options=["Yes", "No"], answer="a")
    yes = entry(model, folder/LAST, repope_prompt(), "Yes. It is on a street.", at=[0], image_name=LAST,
                question=QUESTION, label="no", id=7)
    return {**yes, "counter_word_id": model.read("No").ids}


# ---- reading

@pytest.mark.parametrize("kind", D.LIST_KINDS)
@pytest.mark.parametrize("nested", [True, False])
def test_a_list_of_each_kind_is_read(model, folder, kind, nested):
    row = listed(model, folder, kind)
    flat = lists.flat_ids(row["generated_ids"])
    data = D.read_list(write(folder/"list.json", [{**row, "generated_ids": [flat] if nested else flat}]), folder)
    s, = data
    answer = model.read(row["generate_sentence"])
    assert s.answer == answer.ids and END not in s.answer and not data.left_out
    assert s.meta["prompt_ids"] + s.answer + [END] == flat
    assert s.target == {"object": (1,), "repope": (0,)}.get(kind, tuple(range(len(answer)))) and s.image.is_file()
    assert s.foil == (model.read("No").ids if kind == "repope" else None)
    assert (s.category, s.box) == (("car", (10, 20, 60, 70)) if kind == "object" else (None, None))
    made = make_target(model, model.read(s.answer), s.target, s.foil)
    assert made.foil == ("No" if kind == "repope" else None)
    assert D.report_ids(D.check_ids(model, data)) == "All of 1 sample agree with this tokenizer and prompt."
    assert s.prompt == {"mmvp": "Is it red?", "repope": repope_prompt()}.get(kind, scenes.PAPER_PROMPT)


def test_keys_and_other_fields(model, folder):
    def sample(kind): return D.read_list(write(folder/"a.json", [listed(model, folder, kind)]), folder)[0]
    keys = ["000000000001", "000000000001-car", "000000000001", "COCO_val2014_000000000003-7"]
    assert [sample(k).key for k in D.LIST_KINDS] == keys
    assert sample("repope").meta["label"] == "no" and sample("caption").meta["gt_caption"] == ["A car."]
    assert sample("mmvp").meta["answer"] == "a"


def test_an_answer_without_end_is_whole(model, folder):
    "An answer that was cut off at its maximal length has no end to take away."
    image = folder/"000000000001.jpg"
    row = entry(model, image, D.PROMPTS["caption"], end=False, image_path=image.name)
    s = D.read_list(write(folder/"a.json", [row]), folder)[0]
    assert s.answer == model.read(SENTENCE).ids and len(s.target) == len(s.answer)


def test_missing_images_are_reported_together_or_left_out(model, folder):
    row = listed(model, folder, "caption")
    path = write(folder/"a.json", [row] + [{**row, "image_path": f"val/{k}.jpg"} for k in range(5)])
    message = r"5 of 6 images missing in .*: 0\.jpg, 1\.jpg, 2\.jpg and 2 more\. .*missing='skip'"
    with pytest.raises(FileNotFoundError, match=message): D.read_list(path, folder)
    data = D.read_list(path, folder, missing="skip")
    assert [s.key for s in data] == ["000000000001"]
    assert data.left_out == [(str(k), "image missing") for k in range(5)]
    assert repr(data) == "Dataset('a', 1 sample, 5 left out: image missing (5))"
    assert data[0:1].left_out == data[1:].left_out == data.left_out and len(data[1:]) == 0
    with pytest.raises(ValueError, match=r"no samples: all of 'a' are left out: image missing \(5\)"):
        data[1:].require()
    alone = write(folder/"b.json", [{**row, "image_path": "no.jpg"}])
    with pytest.raises(ValueError, match="no samples"): D.read_list(alone, folder, missing="skip")
    assert len(D.read_list(path, folder, limit=1)) == 1
    with pytest.raises(FileNotFoundError, match="there is none at"):
        D.read_list(path, folder/"elsewhere", missing="skip")


def test_an_image_is_found_under_the_last_part_of_its_name(model, folder):
    row = {**listed(model, folder, "caption"), "image_path": "/data/of/others/000000000001.jpg"}
    assert D.read_list(write(folder/"a.json", [row]), folder)[0].image == folder/"000000000001.jpg"


# ---- damage

def target_at(at, ids): return dict(selected_interpretation_token_id=at, selected_interpretation_token_word_id=ids)


DAMAGE = [
    ("caption", dict(words=None), "needs words"),
    ("caption", dict(words="A car"), "words is a list"),
    ("caption", dict(generated_ids=[1, "2"]), "whole numbers"),
    ("caption", dict(generated_ids=[1, 2]), "must hold the prompt"),
    ("caption", dict(image_path=None), "needs image_path"),
    ("caption", target_at([40], [5]), "target positions must lie in the answer of 6 tokens, got 40"),
    ("caption", target_at([0, 1], [5]), "2 positions and 1 ids"),
    ("caption", target_at([6], [END]), "got none"),
    ("object", dict(location=None), "needs location"),
    ("object", dict(segmentation=None), "needs segmentation"),
    ("object", dict(location=[5, 5, 5, 9]), "x0 < x1"),
    ("object", dict(output_word_id="abc"), "whole numbers"),
    ("object", dict(target_generated_index=-1), "must lie in the answer"),
    ("object", dict(output_word_id=[9, 9]), "do not end with 2 of an answer"),
    ("repope", dict(counter_word_id="No"), "whole numbers"),
    ("repope", dict(question=None), "needs question"),
    ("mmvp", dict(question=None), "needs question")]


@pytest.mark.parametrize("kind,damage,message", DAMAGE)
def test_a_damaged_entry_is_named_or_left_out(model, folder, kind, damage, message):
    good = listed(model, folder, kind)
    path = write(folder/"a.json", [good, {**good, **damage}])
    with pytest.raises(ValueError, match=rf"a\.json, sample 1: .*{message}"): D.read_list(path, folder, kind=kind)
    data = D.read_list(path, folder, kind=kind, missing="skip")
    assert len(data) == 1 and data.left_out[0][0] == "sample-1" and message in data.left_out[0][1]


@pytest.mark.parametrize("content,message", [
    ("[{", "is no JSON file .*was it downloaded whole"), ("{}", "is no evaluation list.*got dict"),
    ("[1]", "is no evaluation list"), ("[]", "no samples: 'a' is empty")])
def test_a_damaged_list_is_refused(folder, content, message):
    (folder/"a.json").write_text(content)
    with pytest.raises(ValueError, match=message): D.read_list(folder/"a.json", folder)


def test_invalid_arguments_are_refused(model, folder):
    path = write(folder/"a.json", [listed(model, folder, "repope")])
    with pytest.raises(FileNotFoundError, match="no file at"): D.read_list(folder/"b.json", folder)
    with pytest.raises(ValueError, match="unknown kind 'video': choose one of caption, object"):
        D.read_list(path, folder, kind="video")
    with pytest.raises(ValueError, match="unknown missing 'drop': choose one of raise, skip"):
        D.read_list(path, folder, missing="drop")
    with pytest.raises(ValueError, match="limit must be a whole number from 1, got 0"):
        D.read_list(path, folder, limit=0)
    with pytest.raises(ValueError, match="holds {question} where"): D.read_list(path, folder, prompt="Is it there?")
    (folder/"c.json").write_bytes("é".encode("latin-1"))
    with pytest.raises(ValueError, match="no text in UTF-8"): D.read_list(folder/"c.json", folder)


# ---- ids

def verdict(frame): return frame[["prompt_ok", "answer_ok", "target_ok"]].iloc[0].tolist()


def test_ids_of_another_tokenizer(model, folder):
    "Prompt, answer and target are each judged alone."
    data = D.read_list(write(folder/"a.json", [listed(model, folder, "caption")]), folder)[:]
    s, ids = data[0], data[0].answer
    assert verdict(D.check_ids(model, data)) == [True]*3
    def check(**changes): return D.check_ids(model, D.Dataset("changed", [replace(s, **changes)]))
    shifted = [i + 1 for i in ids]
    answer = check(answer=shifted, meta={**s.meta, "target_ids": shifted})
    assert verdict(answer) == [True, False, True] and f"the list says '{SENTENCE}'" in answer.problem[0]
    target = check(meta={**s.meta, "target_ids": [ids[0], ids[1] + 1, *ids[2:]]})
    message = f"token 1 of the answer: the list names id {ids[1] + 1}, the answer has {ids[1]}"
    assert verdict(target) == [True, True, False] and message in target.problem[0]
    prompt = check(meta={**s.meta, "prompt_ids": [*s.meta["prompt_ids"][:-2], 5, 5]})
    message = f"prompt differs at token {len(s.meta['prompt_ids']) - 2}: the list has '<|assistant|>'"
    assert verdict(prompt) == [False, True, True] and message in prompt.problem[0]


def test_ids_beyond_the_tokenizer(model, folder):
    row = listed(model, folder, "repope")
    far = {**row, "generated_ids": [[i + 151_000 for i in row["generated_ids"][0]]],
           "selected_interpretation_token_word_id": [151_277], "counter_word_id": [-1]}
    frame = D.check_ids(model, D.read_list(write(folder/"a.json", [far]), folder))
    assert verdict(frame) == [False]*3
    assert frame.problem[0].count(f"lie outside 0..{len(model.tokenizer) - 1}") == 3
    report = D.report_ids(frame)
    assert "0 of 1 sample agree" in report and "Load the model that the list was made with" in report


def test_another_prompt_another_number_of_image_tokens_and_no_image(model, folder):
    path = write(folder/"a.json", [listed(model, folder, "caption")])
    other = D.check_ids(model, D.read_list(path, folder, prompt="Describe the image."))
    assert verdict(other) == [False, True, True]
    assert "reads '<s><|user|><image>Describe the image in one" in other.problem[0]
    s = D.read_list(path, folder)[0]
    ids = s.meta["prompt_ids"]
    fewer = D.check_ids(model, [replace(s, meta={**s.meta, "prompt_ids": ids[:2] + ids[5:]})])
    assert f"{len(ids) - 3} tokens in the list and {len(ids)} here" in fewer.problem[0]
    absent = D.check_ids(model, [replace(s, image=folder/"gone.jpg")])
    assert "prompt cannot be compared: no image at" in absent.problem[0]


def test_the_same_sentence_in_other_tokens_differs(model, folder):
    "Ids that this tokenizer reads but would not write."
    split = [model.tokenizer.convert_tokens_to_ids(c) for c in ("c", "a", "r")]
    s = D.Sample("a", folder/"000000000001.jpg", answer=split, meta={"generate_sentence": "car"})
    frame = D.check_ids(model, [s])
    assert frame.answer_ok.tolist() == [False]
    assert "answer differs at token 1: the list has 'a'" in frame.problem[0]


def test_the_report_counts_and_names_the_first(model, folder):
    row = listed(model, folder, "caption")
    rows = [row, {**row, "image_path": "000000000002.jpg", "generate_sentence": "Another."}]
    data = D.read_list(write(folder/"a.json", rows), folder)
    report = D.report_ids(D.check_ids(model, data))
    assert report.startswith("1 of 2 samples agree") and "000000000002: answer reads" in report
    assert D.report_ids(D.check_ids(model, data, limit=1)).startswith("All of 1 sample")
    nothing = D.check_ids(model, D.scenes_captions(2))
    assert nothing.prompt_ok.isna().all() and nothing.problem.tolist() == ["", ""]
    assert D.report_ids(nothing) == "No sample stores token ids: there is nothing to compare."
