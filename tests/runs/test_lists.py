"Evaluation lists of four kinds, damaged ones, and ids of other tokenizers."
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from eagle_nb import datasets as D, scenes
from eagle_nb.core.targets import make_target
from eagle_nb.runs import lists

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
    cut = check(meta={**s.meta, "prompt_ids": s.meta["prompt_ids"][:-2]})
    assert verdict(cut) == [False, True, True] and "prompt cannot be compared: the prompt of the list reads" in cut.problem[0]
    given = check(meta={**s.meta, "prompt_ids": [*s.meta["prompt_ids"][:-2], 5, 5], "prompt_from": "user"})
    message = f"prompt differs at token {len(s.meta['prompt_ids']) - 2}: the list has '<|assistant|>'"
    assert verdict(given) == [False, True, True] and message in given.problem[0]


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
    assert "61 tokens of the image in the list and 64 here, the text is the same" in fewer.problem[0]
    absent = D.check_ids(model, [replace(s, image=folder/"gone.jpg")])
    assert "prompt cannot be compared: no image at" in absent.problem[0]


def test_the_same_sentence_in_other_tokens_is_noted(model, folder):
    "Ids that this tokenizer reads but would not write: a model may say a word letter by letter."
    split = [model.tokenizer.convert_tokens_to_ids(c) for c in ("c", "a", "r")]
    s = D.Sample("a", folder/"000000000001.jpg", answer=split, meta={"generate_sentence": "car"})
    frame = D.check_ids(model, [s])
    assert frame.answer_ok.tolist() == [True] and frame.problem[0] == ""
    assert frame.note[0].startswith("answer has the same text in other ids: it differs at token 1: the list has 'a'")
    assert D.report_ids(frame).startswith("All of 1 sample agree with this tokenizer and prompt. 1 sample in text only, a first")
    other = D.check_ids(model, [replace(s, meta={"generate_sentence": "cat"})])
    assert other.answer_ok.tolist() == [False] and "the list says 'cat'" in other.problem[0]


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


# ---- the prompt that a list was made with

WORDINGS = ['Answer with "Yes" or "No".\n\nQuestion: Is there a car?\nAnswer:', "Is it red? ", "Look at this.  Twice. "]


@pytest.mark.parametrize("asked", WORDINGS)
@pytest.mark.parametrize("kind", D.LIST_KINDS)
def test_the_prompt_is_read_from_the_ids_of_the_list(model, folder, kind, asked):
    row = listed(model, folder, kind)
    image = folder/next(row[f] for f in ("image_path", "image_name", "image_filename") if f in row)
    answer = lists.flat_ids(row["generated_ids"])[len(model.encode(image, prompt_of(kind))["input_ids"][0]):]
    ids = model.encode(image, asked)["input_ids"][0].tolist()
    path = write(folder/"a.json", [{**row, "generated_ids": ids + answer}])
    data = D.read_list(path, folder)
    assert data[0].prompt == prompt_of(kind)
    resolved = lists.with_stored_prompt(model, data[0])
    assert resolved.meta["prompt_from"] == "ids" and model.encode(image, resolved.prompt)["input_ids"][0].tolist() == ids
    assert verdict(D.check_ids(model, data)) == [True]*3
    assert lists.with_stored_prompt(model, resolved) is resolved
    assert D.read_list(path, folder, model=model)[0].prompt == resolved.prompt
    question = "{question} Please." if kind in ("mmvp", "repope") else "Please."
    given = D.read_list(path, folder, prompt=question)[0]
    assert lists.with_stored_prompt(model, given) is given and given.prompt.endswith("Please.")
    assert verdict(D.check_ids(model, [given])) == [False, True, True]


def prompt_of(kind): return {"mmvp": "Is it red?", "repope": repope_prompt()}.get(kind, scenes.PAPER_PROMPT)


TURNS = [dict(role="system", content="Be brief."),
         dict(role="user", content=[{"type": "image"}, {"type": "text", "text": "Is it red?"}])]
FIRST = [dict(role="user", content=[{"type": "text", "text": "Is this red?"}, {"type": "image"}])]


@pytest.mark.parametrize("family", ["qwen2_5_vl", "internvl", "llava", "gemma3", "idefics3"])
@pytest.mark.parametrize("asked", [*WORDINGS, TURNS, FIRST, [TURNS[0], *FIRST]])
def test_stored_prompts_of_every_family(folder, family, asked):
    "Also with a system turn of the list's own, and with the question before the image."
    from eagle_nb.core.models import Model
    from eagle_nb.world import shapes
    net, processor = shapes.tiny(family)
    tiny = Model(net, processor, family)
    ids = tiny.encode(folder/"000000000001.jpg", asked)["input_ids"][0].tolist()
    s = D.Sample("a", folder/"000000000001.jpg", meta=dict(prompt_ids=ids, prompt_from="kind"))
    resolved = lists.with_stored_prompt(tiny, s)
    assert tiny.encode(s.image, resolved.prompt)["input_ids"][0].tolist() == ids
    assert isinstance(resolved.prompt, str) == isinstance(asked, str)


def test_a_prompt_that_the_template_cannot_write_says_what_differs(model, folder):
    from eagle_nb.core.models import Model
    plain = "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}" \
            "Q:{% for c in m['content'] %}{{ '<image>' if c['type'] == 'image' else c['text'] }}{% endfor %}{% endfor %}A:"
    other = Model(model.model, model.processor, "another template", chat_template=plain)
    data = D.read_list(write(folder/"a.json", [listed(model, folder, "caption")]), folder)
    message = r"the prompt of the list reads '.*Describe the image in one.*', the chat template of 'another template' " \
              r"writes '.*…A:': load the model with .*chat_template"
    with pytest.raises(ValueError, match=message): lists.with_stored_prompt(other, data[0])
    assert verdict(D.check_ids(other, data)) == [False, True, True]
    with pytest.raises(ValueError, match="a.json, 000000000001: the prompt of the list reads"):
        D.read_list(folder/"a.json", folder, model=other)
    with pytest.raises(ValueError, match="no samples: .*prompt: the prompt of the list reads"):
        D.read_list(folder/"a.json", folder, model=other, missing="skip")


def test_an_evaluation_asks_what_the_list_asked(model, folder):
    from eagle_nb.evaluation.runner import evaluate, prepare_case
    asked = "Is it a red car?"
    row = listed(model, folder, "object")
    ids = model.encode(folder/"000000000001.jpg", asked)["input_ids"][0].tolist()
    path = write(folder/"a.json", [{**row, "generated_ids": ids + row["output_word_id"]}])
    data = D.read_list(path, folder)
    case, by_hand = (prepare_case(model, s, 9) for s in (data[0], replace(data[0], prompt=asked, meta={})))
    assert case.sample.prompt == asked and case.judge.prompt == asked
    keep = torch.ones(1, 9, dtype=torch.bool)
    assert torch.equal(case.judge(keep), by_hand.judge(keep))
    result = evaluate(model, data, ["random"], ["insertion"], regions=9, out=folder/"results", show_progress=False)
    assert result.frame["key"].tolist() == ["000000000001-car"] and result.frame["insertion"].notna().all()
    foreign = with_another_template(model)
    out = evaluate(foreign, data, ["random"], ["insertion"], regions=9, show_progress=False)
    assert "the prompt of the list reads" in out.left_out["000000000001-car"]


def with_another_template(model):
    from eagle_nb.core.models import Model
    plain = "{% for m in messages %}Q:{% for c in m['content'] %}{{ '<image>' if c['type'] == 'image' else c['text'] }}" \
            "{% endfor %}{% endfor %}A:"
    return Model(model.model, model.processor, "another template", chat_template=plain)


# ---- keys and files

def test_an_image_that_is_there_twice_has_keys_of_its_own(model, folder):
    row = listed(model, folder, "caption")
    data = D.read_list(write(folder/"a.json", [row, row, {**row, "image_path": "000000000002.jpg"}]), folder)
    assert [s.key for s in data] == ["000000000001-0", "000000000001-1", "000000000002"]


def test_two_names_of_one_file_are_refused(model, folder):
    row = listed(model, folder, "caption")
    path = write(folder/"a.json", [row, {**row, "image_path": "val/000000000001.jpg"}])
    with pytest.raises(ValueError, match="would both be read from"): D.read_list(path, folder)


def test_a_box_on_an_image_that_is_shown_turned_is_told(model, folder):
    row = listed(model, folder, "object")
    exif = Image.Exif()
    exif[0x0112] = 6
    scenes.sample(0).image.save(folder/"000000000001.jpg", exif=exif)
    with pytest.warns(UserWarning, match=r"turns 1 image with a box or a mask \(000000000001-car\)"):
        D.read_list(write(folder/"a.json", [row]), folder)


# ---- genuine tokenizers and lists, where this machine has them

def folder_of(variable):
    "The folder that an environment variable names, or a skip that says what is missing."
    path = Path(os.environ.get(variable, ""))
    if not os.environ.get(variable) or not path.is_dir(): pytest.skip(f"{variable} names no folder")
    return path


def chatml(image, system=None):
    "The turns that Qwen2.5-VL and InternVL3.5 write."
    default = "{% if messages[0].role != 'system' %}<|im_start|>system\n" f"{system}" "<|im_end|>\n{% endif %}" if system else ""
    content = "{% for c in m.content %}{{ '" + image + "' if c.type == 'image' else c.text }}{% endfor %}"
    turns = "{% for m in messages %}<|im_start|>{{ m.role }}\n" + content + "<|im_end|>\n{% endfor %}"
    return default + turns + "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"


VICUNA = ("{% for m in messages %}{{ m.role.upper() }}: {% for c in m.content %}{{ '<image>\n' if c.type == 'image' else c.text }}"
          "{% endfor %} {% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}")
QWEN = chatml("<|vision_start|><|image_pad|><|vision_end|>", "You are a helpful assistant.")
GENUINE = { # tokenizer -> published shape, its chat template, part of the names of its lists, image token
    "llava_json": ("llava-1.5-7b", VICUNA, "llava", 32000), "llava": ("llava-1.5-7b", VICUNA, "llava", 32000),
    "qwen2_5_vl": ("qwen2.5-vl-3b", QWEN, "qwen", 151655),
    "internvl": ("internvl3.5-4b", chatml("<IMG_CONTEXT>\n"), "internvl", 151671)}


def genuine_model(name, monkeypatch):
    "A published shape without weights, with the genuine tokenizer and the published template."
    from transformers import AutoTokenizer
    from eagle_nb.core.models import Model
    from eagle_nb.world import shapes
    if not (folder_of("EAGLE_NB_TOKENIZERS")/name).is_dir(): pytest.skip(f"EAGLE_NB_TOKENIZERS has no {name}")
    tokenizer = AutoTokenizer.from_pretrained(folder_of("EAGLE_NB_TOKENIZERS")/name)
    monkeypatch.setattr("eagle_nb.world.families.small_tokenizer", lambda marks, **named: tokenizer)
    net, processor = shapes.real(GENUINE[name][0], layers=1, vision_layers=1, device="meta")
    return Model(net, processor, name, chat_template=GENUINE[name][1])


def stand_in(row, mark, path):
    "An image of the size that has as many tokens as the list stores."
    n = lists.flat_ids(row["generated_ids"]).count(mark)
    high = next(k for k in range(int(n**.5), 0, -1) if n % k == 0)
    size = {32000: (336, 336), 151655: (n//high*28, high*28), 151671: (448, 448)}[mark]
    Image.new("RGB", size, "grey").save(path/Path(next(row[f] for f in IMAGE_FIELDS if f in row)).name)


IMAGE_FIELDS = "image_path", "image_name", "image_filename"


def entries(name, tmp_path):
    "Each list of a tokenizer with its rows, and its samples with images of the right size."
    _, _, part, mark = GENUINE[name]
    for path in sorted(folder_of("EAGLE_NB_LISTS").glob("*.json")):
        if part not in path.name.lower(): continue
        rows, images = json.loads(path.read_text()), tmp_path/path.stem
        images.mkdir()
        for row in rows: stand_in(row, mark, images)
        yield path, rows, D.read_list(path, images)


@pytest.mark.parametrize("name,count,repope", [("llava_json", 15, 6), ("llava", 15, 6), ("qwen2_5_vl", 9, 3), ("internvl", 3, 0)])
def test_published_lists_agree_with_the_genuine_tokenizers(name, count, repope, tmp_path, monkeypatch):
    model, seen, counters = genuine_model(name, monkeypatch), 0, 0
    for path, rows, data in entries(name, tmp_path):
        frame = D.check_ids(model, data)
        assert frame[["prompt_ok", "answer_ok", "target_ok"]].all().all(), D.report_ids(frame)
        if name != "llava": assert (frame.note == "").all(), "another spelling of the ids than the list's"
        for s, row in zip(data, rows, strict=True):
            seen += 1
            answer = model.read(s.answer)
            assert answer.text.strip() == row["generate_sentence"]
            if "words" in row: assert [t.strip() for t in answer.tokens] == [w.strip() for w in row["words"] if w]
            asked = lists.with_stored_prompt(model, s).prompt
            if "RePOPE" not in path.name: assert asked == s.prompt
            else:
                counters += counter_word(model, s, row)
                assert asked != s.prompt and asked.endswith(f"Question: {row['question']}\nAnswer:")
                assert verdict(D.check_ids(model, [replace(s, meta={**s.meta, "prompt_from": "user"})])) == [False, True, True]
    assert (seen, counters) == (count, repope)


def counter_word(model, s, row):
    "The counter word is the other of Yes and No."
    made = make_target(model, model.read(s.answer), s.target, s.foil)
    return {made.text.strip(), made.foil.strip()} == {"Yes", "No"} and made.foil.strip().lower() == row["label"]
