"Data sets: lists of four kinds, ids of other tokenizers, COCO's masks, tables, scenes, and everything that is not there."
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pycocotools import mask as M

from eagle_nb import datasets as D, scenes
from eagle_nb.apps import study
from eagle_nb.evaluation import lists
from eagle_nb.core.answers import Answer
from eagle_nb.core.targets import make_target

END = 2  # the embedded tokenizer's end of sequence
SENTENCE = "A car on a street."


@pytest.fixture
def folder(tmp_path):
    for k, name in enumerate(("000000000001.jpg", "000000000002.jpg", "COCO_val2014_000000000003.jpg")):
        scenes.sample(k).image.save(tmp_path/name)
    return tmp_path


def write(path, rows):
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def entry(model, image, prompt, sentence=SENTENCE, nested=True, at=None, end=True, **more):
    "A sample of a list as the reference writes it: prompt and answer in one row, a word a token, the end among them."
    said = model.read(sentence)
    ids = said.ids + [END]*end
    row = model.encode(image, prompt)["input_ids"][0].tolist() + ids
    at = list(range(len(ids))) if at is None else at
    return dict(generate_sentence=sentence, generated_ids=[row] if nested else row, words=said.tokens + [""]*end,
                selected_interpretation_token_id=at, selected_interpretation_token_word_id=[ids[k] for k in at], **more)


def object_entry(model, image, at=1, sentence=SENTENCE, **more):
    row = entry(model, image, D.PROMPTS["object"], sentence, nested=False, at=[at])
    ids = model.read(sentence).ids + [END]
    return dict(image_path=image.name, generate_sentence=sentence, generated_ids=row["generated_ids"], output_word_id=ids, select_category="car", location=[10, 20, 60, 70],
                segmentation=[[10, 20, 60, 20, 60, 70, 10, 70]], target_generated_index=at, target_generated_id=ids[at], target_generated_token="Ġcar", **more)


def listed(model, folder, kind):
    image = folder/"000000000001.jpg"
    if kind == "object": return object_entry(model, image)
    if kind == "caption": return entry(model, image, D.PROMPTS["caption"], image_path=image.name, gt_caption=["A car."])
    if kind == "mmvp": return entry(model, image, "Is it red?", image_filename=image.name, question_id="1", question="Is it red?", options=["Yes", "No"], answer="a")
    ask = D.PROMPTS["repope"].replace("{question}", "Is there a car in the image?")
    yes = entry(model, folder/"COCO_val2014_000000000003.jpg", ask, "Yes. It is on a street.", at=[0], image_name="COCO_val2014_000000000003.jpg", question="Is there a car in the image?", label="no", id=7)
    return {**yes, "counter_word_id": model.read("No").ids}


# --- lists

@pytest.mark.parametrize("kind", D.LIST_KINDS)
@pytest.mark.parametrize("nested", [True, False])
def test_a_list_of_each_kind(model, folder, kind, nested):
    row = listed(model, folder, kind)
    flat = lists.flat_ids(row["generated_ids"])
    data = D.read_list(write(folder/"list.json", [{**row, "generated_ids": [flat] if nested else flat}]), folder)
    s, = data
    said = model.read(row["generate_sentence"])
    assert s.answer == said.ids and END not in s.answer and s.meta["prompt_ids"] + s.answer + [END] == flat and not data.left_out
    assert s.target == {"object": (1,), "repope": (0,)}.get(kind, tuple(range(len(said)))) and s.image.is_file()
    assert s.foil == (model.read("No").ids if kind == "repope" else None)
    assert (s.category, s.box) == (("car", (10, 20, 60, 70)) if kind == "object" else (None, None))
    assert make_target(model, model.read(s.answer), s.target, s.foil).foil == ("No" if kind == "repope" else None)
    assert D.report_ids(D.check_ids(model, data)) == "All of 1 sample agree with this tokenizer and prompt."
    assert s.prompt == {"mmvp": "Is it red?", "repope": D.PROMPTS["repope"].replace("{question}", "Is there a car in the image?")}.get(kind, scenes.PAPER_PROMPT)


def test_keys_and_what_else_a_list_says(model, folder):
    key = lambda kind: D.read_list(write(folder/"a.json", [listed(model, folder, kind)]), folder)[0]
    assert [key(k).key for k in D.LIST_KINDS] == ["000000000001", "000000000001-car", "000000000001", "COCO_val2014_000000000003-7"]
    assert key("repope").meta["label"] == "no" and key("caption").meta["gt_caption"] == ["A car."] and key("mmvp").meta["answer"] == "a"


def test_an_answer_without_end_is_whole(model, folder):
    "An answer that was cut off at its maximal length has no end to take away."
    image = folder/"000000000001.jpg"
    s = D.read_list(write(folder/"a.json", [entry(model, image, D.PROMPTS["caption"], end=False, image_path=image.name)]), folder)[0]
    assert s.answer == model.read(SENTENCE).ids and len(s.target) == len(s.answer)


def test_missing_images(model, folder):
    row = listed(model, folder, "caption")
    path = write(folder/"a.json", [row] + [{**row, "image_path": f"val/{k}.jpg"} for k in range(5)])
    with pytest.raises(FileNotFoundError, match=r"5 of 6 images missing in .*: 0\.jpg, 1\.jpg, 2\.jpg and 2 more\. .*missing='skip'"): D.read_list(path, folder)
    data = D.read_list(path, folder, missing="skip")
    assert [s.key for s in data] == ["000000000001"] and data.left_out == [(str(k), "image missing") for k in range(5)]
    assert repr(data) == "Dataset('a', 1 sample, 5 left out: image missing (5))"
    assert data[0:1].left_out == data[1:].left_out == data.left_out and len(data[1:]) == 0
    with pytest.raises(ValueError, match=r"no samples: all of 'a' are left out: image missing \(5\)"): data[1:].require()
    with pytest.raises(ValueError, match="no samples"): D.read_list(write(folder/"b.json", [{**row, "image_path": "no.jpg"}]), folder, missing="skip")
    assert len(D.read_list(path, folder, limit=1)) == 1
    with pytest.raises(FileNotFoundError, match="there is none at"): D.read_list(path, folder/"elsewhere", missing="skip")


def test_a_picture_under_its_name_alone(model, folder):
    row = {**listed(model, folder, "caption"), "image_path": "/data/of/others/000000000001.jpg"}
    assert D.read_list(write(folder/"a.json", [row]), folder)[0].image == folder/"000000000001.jpg"


DAMAGE = {"caption": [(dict(words=None), "needs words"), (dict(words="A car"), "words is a list"), (dict(generated_ids=[1, "2"]), "whole numbers"), (dict(generated_ids=[1, 2]), "must hold the prompt"),
                      (dict(image_path=None), "needs image_path"), (dict(selected_interpretation_token_id=[40], selected_interpretation_token_word_id=[5]), "target positions must lie in the answer of 6 tokens, got 40"),
                      (dict(selected_interpretation_token_id=[0, 1], selected_interpretation_token_word_id=[5]), "2 positions and 1 ids"),
                      (dict(selected_interpretation_token_id=[6], selected_interpretation_token_word_id=[END]), "got none")],
          "object": [(dict(location=None), "needs location"), (dict(segmentation=None), "needs segmentation"), (dict(location=[5, 5, 5, 9]), "x0 < x1"), (dict(output_word_id="abc"), "whole numbers"),
                     (dict(target_generated_index=-1), "must lie in the answer"), (dict(output_word_id=[9, 9]), "do not end with 2 of an answer")],
          "repope": [(dict(counter_word_id="No"), "whole numbers"), (dict(question=None), "needs question")], "mmvp": [(dict(question=None), "needs question")]}


@pytest.mark.parametrize("kind,damage,says", [(k, d, s) for k, many in DAMAGE.items() for d, s in many])
def test_a_damaged_entry(model, folder, kind, damage, says):
    good = listed(model, folder, kind)
    path = write(folder/"a.json", [good, {**good, **damage}])
    with pytest.raises(ValueError, match=rf"a\.json, sample 1: .*{says}"): D.read_list(path, folder, kind=kind)
    data = D.read_list(path, folder, kind=kind, missing="skip")
    assert len(data) == 1 and data.left_out[0][0] == "sample-1" and says in data.left_out[0][1]


@pytest.mark.parametrize("content,says", [("[{", "is no JSON file .*was it downloaded whole"), ("{}", "is no evaluation list.*got dict"), ("[1]", "is no evaluation list"), ("[]", "no samples: 'a' is empty")])
def test_a_damaged_list(folder, content, says):
    (folder/"a.json").write_text(content)
    with pytest.raises(ValueError, match=says): D.read_list(folder/"a.json", folder)


def test_other_bad_arguments(model, folder):
    path = write(folder/"a.json", [listed(model, folder, "repope")])
    with pytest.raises(FileNotFoundError, match="no file at"): D.read_list(folder/"b.json", folder)
    with pytest.raises(ValueError, match="unknown kind 'video': choose one of caption, object"): D.read_list(path, folder, kind="video")
    with pytest.raises(ValueError, match="unknown missing 'drop': choose one of raise, skip"): D.read_list(path, folder, missing="drop")
    with pytest.raises(ValueError, match="limit must be a whole number from 1, got 0"): D.read_list(path, folder, limit=0)
    with pytest.raises(ValueError, match="holds {question} where"): D.read_list(path, folder, prompt="Is it there?")
    (folder/"c.json").write_bytes("é".encode("latin-1"))
    with pytest.raises(ValueError, match="no text in UTF-8"): D.read_list(folder/"c.json", folder)


# --- ids

def verdict(frame): return frame[["prompt_ok", "answer_ok", "target_ok"]].iloc[0].tolist()


def test_ids_of_another_tokenizer(model, folder):
    "Each part is judged by itself."
    row = listed(model, folder, "caption")
    data = D.read_list(write(folder/"a.json", [row]), folder)[:]
    s, ids = data[0], data[0].answer
    assert verdict(D.check_ids(model, data)) == [True]*3
    read = lambda **changes: D.check_ids(model, D.Dataset("changed", [replace(s, **changes)]))
    answer = read(answer=[i + 1 for i in ids], meta={**s.meta, "target_ids": [i + 1 for i in ids]})
    assert verdict(answer) == [True, False, True] and f"the list says '{SENTENCE}'" in answer.problem[0]
    target = read(meta={**s.meta, "target_ids": [ids[0], ids[1] + 1, *ids[2:]]})
    assert verdict(target) == [True, True, False] and f"token 1 of the answer: the list names id {ids[1] + 1}, the answer has {ids[1]}" in target.problem[0]
    prompt = read(meta={**s.meta, "prompt_ids": [*s.meta["prompt_ids"][:-2], 5, 5]})
    assert verdict(prompt) == [False, True, True] and f"prompt differs at token {len(s.meta['prompt_ids']) - 2}: the list has '<|assistant|>'" in prompt.problem[0]


def test_ids_beyond_the_tokenizer(model, folder):
    row = listed(model, folder, "repope")
    far = {**row, "generated_ids": [[i + 151_000 for i in row["generated_ids"][0]]], "selected_interpretation_token_word_id": [151_277], "counter_word_id": [-1]}
    frame = D.check_ids(model, D.read_list(write(folder/"a.json", [far]), folder))
    assert verdict(frame) == [False]*3 and frame.problem[0].count(f"lie outside 0..{len(model.tokenizer) - 1}") == 3
    assert "0 of 1 sample agree" in D.report_ids(frame) and "Load the model that the list was made with" in D.report_ids(frame)


def test_another_prompt_picture_tokens_and_no_picture(model, folder):
    path = write(folder/"a.json", [listed(model, folder, "caption")])
    other = D.check_ids(model, D.read_list(path, folder, prompt="Describe the image."))
    assert verdict(other) == [False, True, True] and "reads '<s><|user|><image>Describe the image in one" in other.problem[0]
    s = D.read_list(path, folder)[0]
    ids = s.meta["prompt_ids"]
    fewer = D.check_ids(model, [replace(s, meta={**s.meta, "prompt_ids": ids[:2] + ids[5:]})])
    assert f"{len(ids) - 3} tokens in the list and {len(ids)} here" in fewer.problem[0]
    assert "prompt cannot be compared: no image at" in D.check_ids(model, [replace(s, image=folder/"gone.jpg")]).problem[0]


def test_ids_that_one_reads_but_does_not_write(model, folder):
    "The same sentence cut into other tokens is not what this tokenizer gives."
    split = [model.tokenizer.convert_tokens_to_ids(c) for c in ("c", "a", "r")]
    s = D.Sample("a", folder/"000000000001.jpg", answer=split, meta={"generate_sentence": "car"})
    frame = D.check_ids(model, [s])
    assert frame.answer_ok.tolist() == [False] and "answer differs at token 1: the list has 'a'" in frame.problem[0]


def test_the_report_counts_and_names_the_first(model, folder):
    row = listed(model, folder, "caption")
    rows = [row, {**row, "image_path": "000000000002.jpg", "generate_sentence": "Another."}]
    data = D.read_list(write(folder/"a.json", rows), folder)
    said = D.report_ids(D.check_ids(model, data))
    assert said.startswith("1 of 2 samples agree") and "000000000002: answer reads" in said
    assert D.report_ids(D.check_ids(model, data, limit=1)).startswith("All of 1 sample")
    nothing = D.check_ids(model, D.scenes_captions(2))
    assert nothing.prompt_ok.isna().all() and nothing.problem.tolist() == ["", ""] and D.report_ids(nothing) == "No sample stores token ids: there is nothing to compare."


# --- samples

def square(): m = np.zeros((5, 6), bool); m[1:4, 1:4] = True; return m


RLE = M.encode(np.asfortranarray(square(), np.uint8))
MASKS = {"polygon": [[1, 1, 4, 1, 4, 4, 1, 4]], "two polygons": [[1, 1, 4, 1, 4, 3, 1, 3], [1, 3, 4, 3, 4, 4, 1, 4]], "compressed": RLE, "compressed text": {"size": [5, 6], "counts": RLE["counts"].decode()},
         "uncompressed": {"size": [5, 6], "counts": [6, 3, 2, 3, 2, 3, 11]}, "array": square()}


@pytest.mark.parametrize("name", MASKS)
def test_masks(name):
    s = D.Sample("a", np.zeros((5, 6), np.uint8), segmentation=MASKS[name])
    assert s.mask.dtype == bool and (s.mask == square()).all() and s.pixels.shape == (5, 6, 3) and s.mask is s.mask and s.pixels is s.pixels


@pytest.mark.parametrize("seed", range(30))
def test_run_lengths_are_those_of_pycocotools(seed):
    rng = np.random.default_rng(seed)
    m = rng.random((int(rng.integers(1, 90)), int(rng.integers(1, 90)))) < rng.random()
    m[0, 0] = True
    s = D.Sample("a", np.zeros(m.shape), segmentation=M.encode(np.asfortranarray(m, np.uint8)))
    assert (s.mask == m).all()


@pytest.mark.parametrize("segmentation,says", [
    ({"size": [6, 5], "counts": [0, 30]}, "RLE is of 5 x 6 pixels"), ({"size": [5, 6], "counts": [1, 2]}, "cover 3 of 30 pixels"), ({"size": [5, 6], "counts": ""}, "cover 0 of 30"),
    ({"size": [5, 6], "counts": [40, -10]}, "cover 30 of 30"), ({"size": [5, 6], "counts": "\0zz"}, "of 30 pixels"), ({"size": [5], "counts": [30]}, "an RLE is"), ({"counts": [30]}, "an RLE is"),
    ({"size": [5, 6], "counts": [30]}, "no pixel in the image"), ([[1, 1, 4, 4]], "at least 3 points"), ([[1, 1, 4, 4, 2, float("nan")]], "at least 3 points"), ([1, 1, 4, 4, 2, 2], "a polygon is a list"), ([], "no polygon"),
    ([[50, 50, 60, 50, 60, 60]], "made for another size"), (np.zeros((5, 6), bool), "no pixel in the image"), (np.ones((6, 5), bool), "it has 5 x 6 pixels")])
def test_a_mask_that_does_not_fit(segmentation, says):
    with pytest.raises(ValueError, match=f"a: the segmentation does not fit the image of 6 x 5 pixels .*{says}"): D.Sample("a", np.zeros((5, 6)), segmentation=segmentation).mask


@pytest.mark.parametrize("fields,says", [(dict(key="a/b"), "names the files"), (dict(key=".."), "names the files"), (dict(key=3), "names the files"), (dict(box=(1, 2, 3)), "a box is"), (dict(box=(5, 1, 4, 9)), "x0 < x1"),
                                         (dict(box="abcd"), "a box is"), (dict(box=(0, 0, float("nan"), 1)), "a box is"), (dict(segmentation="RLE"), "a segmentation is"), (dict(segmentation=np.ones((5, 6))), "a segmentation is")])
def test_a_sample_that_is_none(fields, says):
    with pytest.raises(ValueError, match=says): D.Sample(**{"key": "a", "image": "a.png", **fields})


def test_a_picture_is_read_when_asked_for(tmp_path):
    s = D.Sample("a", tmp_path/"later.png")
    with pytest.raises(FileNotFoundError, match="no image at"): s.pixels
    Image.new("RGB", (4, 3), "red").save(tmp_path/"later.png")
    assert s.pixels.shape == (3, 4, 3) and s.mask is None


def test_a_data_set_is_a_sequence(tmp_path):
    a, b = D.Sample("a", "a.png"), D.Sample("b", np.zeros((2, 2)), answer=[1, 2], box=(0, 0, 1, 1), segmentation=[[0, 0, 1, 0, 1, 1]])
    data = D.Dataset("two", iter([a, b]), [("c", "image missing"), ("d", "no caption"), ("e", "image missing")])
    assert list(data) == [a, b] and data[-1] is b and data[np.int64(0)] is a and b in data and len(data[:1]) == 1 and data.require() is data
    assert repr(data) == "Dataset('two', 2 samples, 3 left out: image missing (2); no caption (1))"
    assert data.frame().key.tolist() == ["a", "b"] and data.frame()["mask"][1] == "polygons" and data.frame().answer[1] == "2 ids" and isinstance(data.frame(), pd.DataFrame)
    with pytest.raises(ValueError, match="keys of 'x' must differ, a occur more than once"): D.Dataset("x", [a, b, a])
    with pytest.raises(ValueError, match="holds Samples, got 'a.png'"): D.Dataset("x", ["a.png"])
    with pytest.raises(ValueError, match="no samples: 'x' is empty"): D.Dataset("x", []).require()


# --- own data

def test_a_table(folder):
    (folder/"bücher 本.png").write_bytes((folder/"000000000001.jpg").read_bytes())
    (folder/"own.csv").write_text('\ufeffimage,prompt,answer,target,foil,x0,y0,x1,y1,source\n"bücher 本.png","What, and\nwhere?",Yes.,Yes,No,1,2,3.5,4,web\nbücher 本.png,,,,,,,,,\n', encoding="utf-8")
    a, b = D.read_table(folder/"own.csv")
    assert (a.key, a.prompt, a.answer, a.target, a.foil, a.box, a.meta) == ("bücher_本", "What, and\nwhere?", "Yes.", "Yes", "No", (1, 2, 3.5, 4), {"source": "web"})
    assert (b.key, b.prompt, b.answer, b.target, b.box, b.meta) == ("bücher_本-2", "Describe the image.", None, None, None, {}) and b.pixels.shape == (224, 224, 3)


def test_json_lines(folder):
    rows = [dict(image="000000000001.jpg", key="one", answer=[5, 6], target=[0, 1], box=[1, 2, 3, 4], segmentation=[[0, 0, 9, 0, 9, 9]], category="car", year=2020),
            dict(image="000000000002.jpg", prompt=[dict(role="user", content=[dict(type="image"), dict(type="text", text="Look.")])])]
    (folder/"own.jsonl").write_text("\n\n".join(map(json.dumps, rows)) + "\n")
    a, b = D.read_table(folder/"own.jsonl")
    assert (a.key, a.answer, a.target, a.box, a.category, a.meta) == ("one", [5, 6], [0, 1], (1, 2, 3, 4), "car", {"year": 2020}) and a.mask.any()
    assert b.prompt[0]["role"] == "user" and D.Dataset("b", [b]).frame().prompt[0] == "Look."
    (folder/"sub").mkdir()
    (folder/"sub"/"own.jsonl").write_text(json.dumps(rows[0]))
    assert D.read_table(folder/"sub"/"own.jsonl", images=folder)[0].image.parent == folder
    with pytest.raises(FileNotFoundError, match="1 of 1 image missing"): D.read_table(folder/"sub"/"own.jsonl")


@pytest.mark.parametrize("name,content,says", [
    ("a.csv", "picture,prompt\nx,y\n", "line 1: the header names the column image"), ("a.csv", "image;prompt\n", "line 1: .*got 'image;prompt'"), ("a.csv", "image,image\nx,y\n", "line 1: .*no column twice"), ("a.csv", "", "line 1: "),
    ("a.csv", "image,prompt\n1.jpg,a\n1.jpg,a, b\n", "line 3: the header has 2 columns, this row 3"), ("a.csv", 'image,prompt\n1.jpg,"a\nb"\n,c\n', "line 4: image is the path"),
    ("a.csv", 'image,prompt\n1.jpg,"a" b\n', "line 2: .*in double quotes"), ("a.csv", "image,x0,y0,x1,y1\n1.jpg,1,2,3,wide\n", "line 2: x0, y0, x1, y1 are numbers, got 'wide'"),
    ("a.csv", "image,x0\n1.jpg,1\n", "line 2: a box is"), ("a.csv", "image,segmentation\n1.jpg,abc\n", "line 2: a segmentation is"), ("a.csv", "image,key\n1.jpg,a/b\n", "line 2: a key names"), ("a.csv", "image,prompt\n", "no samples: 'a' is empty"),
    ("a.jsonl", '{"image": "1.jpg"}\n{"image": \n', r"line 2: no JSON object \(Expecting value"), ("a.jsonl", '["1.jpg"]', "line 1: a line holds a JSON object"), ("a.jsonl", '\n{"image": "1.jpg", "prompt": 3}', "line 2: a prompt is a text"),
    ("a.jsonl", '{"image": 3}', "line 1: image is the path"), ("a.jsonl", '{"image": "1.jpg", "answer": 3}', "line 1: .*whole numbers"), ("a.jsonl", "\n", "no samples"), ("a.xlsx", "", "a file of one of .csv, .jsonl")])
def test_a_damaged_table(tmp_path, name, content, says):
    (tmp_path/name).write_text(content)
    with pytest.raises(ValueError, match=says): D.read_table(tmp_path/name)


def test_rows_without_image_and_equal_keys(folder):
    (folder/"a.csv").write_text("image,key\n000000000001.jpg,x\nno.jpg,y\n000000000002.jpg,z\n")
    with pytest.raises(FileNotFoundError, match=r"1 of 3 images missing .*no\.jpg"): D.read_table(folder/"a.csv")
    data = D.read_table(folder/"a.csv", missing="skip")
    assert [s.key for s in data] == ["x", "z"] and data.left_out == [("y", "image missing")]
    (folder/"a.csv").write_text("image,key\n000000000001.jpg,x\n000000000002.jpg,x\n")
    with pytest.raises(ValueError, match="must differ, x occur"): D.read_table(folder/"a.csv")


# --- COCO

def coco(folder, categories=("car", "dog", "zebra"), **changes):
    "One car; two dogs beside a car; a crowd of cars; a dog without outline; a picture with nothing."
    names = ["000000000001.jpg", "000000000002.jpg", "c.jpg", "d.jpg", "e.jpg"]
    mark = lambda i, c, **kw: dict(image_id=i, category_id=c, iscrowd=0, bbox=[10, 20, 50, 60], segmentation=[[10, 20, 60, 20, 60, 80, 10, 80]], **kw)
    marks = [mark(1, 1), mark(2, 2), mark(2, 1), mark(2, 2), {**mark(3, 1), "iscrowd": 1}, {**mark(4, 2), "segmentation": []}]
    for name in names[2:]: scenes.sample(3).image.save(folder/name)
    return write(folder/"instances.json", {**dict(images=[dict(id=k, file_name=n) for k, n in enumerate(names, 1)], annotations=[{**m, "id": k} for k, m in enumerate(marks)],
                                                  categories=[dict(id=k, name=c) for k, c in enumerate(categories, 1)]), **changes})


def test_objects_that_occur_once(folder, capsys):
    data = D.coco_objects(coco(folder), folder)
    assert [s.key for s in data] == ["000000000001-car", "000000000002-car"] and capsys.readouterr().out == ""
    assert data.left_out == [("000000000002-dog", "more than one in its image"), ("c-car", "a crowd"), ("d-dog", "no box or segmentation")]
    s = data[0]
    assert (s.target, s.category, s.answer, s.box, s.prompt) == ("car", "car", None, (10, 20, 60, 80), scenes.PAPER_PROMPT) and s.mask.sum() == 50*60 and s.mask[20:80, 10:60].all()
    assert len(D.coco_objects(coco(folder), folder, limit=1)) == 1


def test_categories(folder):
    path = coco(folder)
    assert {s.category for s in D.coco_objects(path, folder, categories="car")} == {"car"}
    with pytest.raises(ValueError, match=r"no samples: .*more than one in its image \(1\); no box or segmentation \(1\)"): D.coco_objects(path, folder, categories=["dog"])
    with pytest.raises(ValueError, match="no annotation of category 'zebra': choose from car, dog"): D.coco_objects(path, folder, categories=["zebra"])
    with pytest.raises(ValueError, match="no annotation of category 'cra': choose from car"): D.coco_objects(path, folder, categories=["car", "cra"])
    with pytest.raises(ValueError, match="category ids 2, which the file does not explain"): D.coco_objects(coco(folder, categories=("car",)), folder)


def test_objects_that_the_model_names(model, folder):
    "The scene of the first picture is asked about what it shows and what it does not."
    shown = scenes.sample(0).names[0]
    said = D.coco_objects(coco(folder, categories=(shown, "dog")), folder, model=model, prompt="Describe the image.")
    assert [s.key for s in said] == [f"000000000001-{shown}"] and isinstance(said[0].answer, Answer) and shown in said[0].answer.text
    assert (f"000000000002-{shown}", "the model does not name the object") in said.left_out and len(said.left_out) == 4
    assert make_target(model, said[0].answer, said[0].target).text == shown


def test_captions_of_people(folder):
    images = [dict(id=1, file_name="000000000001.jpg"), dict(id=2, file_name="000000000002.jpg"), dict(id=3, file_name="no.jpg")]
    said = [dict(id=k, image_id=i, caption=c) for k, (i, c) in enumerate([(1, "A car."), (3, "A dog."), (1, "One car.")])]
    path = write(folder/"captions.json", dict(images=images, annotations=said))
    with pytest.raises(FileNotFoundError, match="1 of 2 images missing"): D.coco_captions(path, folder)
    data = D.coco_captions(path, folder, missing="skip")
    assert data[0].meta["gt_caption"] == ["A car.", "One car."] and (data[0].answer, data[0].target) == (None, None) and data.left_out == [("000000000002", "no caption"), ("no", "image missing")]
    with pytest.raises(ValueError, match="no COCO file of this kind: it lacks categories"): D.coco_objects(path, folder)


@pytest.mark.parametrize("content", [dict(images=[{"id": 1}]), dict(annotations=[{"id": 1}])])
def test_a_damaged_coco_file(folder, content):
    with pytest.raises(ValueError, match="is damaged: an entry lacks"): D.coco_objects(coco(folder, **content), folder)


# --- scenes

def test_scenes_are_those_of_the_study(model):
    "Keys, words and answers, asked one at a time there and in batches here."
    said, described = D.scenes_words(model, 14), D.scenes_captions(3)
    for s, case in zip(said, study.cases(model, "word", 14), strict=True):
        assert (s.key, s.target, s.answer.ids) == (case["key"], case["word"], case["answer"].ids) and (s.pixels == case["scene"].pixels).all()
        assert (s.mask == case["scene"].masks[s.category]).all() and s.box == case["scene"].boxes[s.category] and s.category == s.target
    assert said.left_out == [("word-51013", "the model names nothing that is there")] and said[-1].key == "word-51014"
    for s, case in zip(described, study.cases(model, "caption", 3), strict=True): assert s.key == case["key"] and (s.pixels == case["scene"].pixels).all() and s.answer is None


def test_questions_find_what_is_not_there(model):
    data = D.scenes_questions(model, 4)
    for s in data:
        truth = scenes.sample(s.meta["seed"], include=(s.category,), exclude=(s.meta["partner"],))
        assert scenes.PARTNER[s.category] == s.meta["partner"] and s.meta["partner"] not in truth.names and (s.mask == truth.masks[s.category]).all()
        assert s.prompt == scenes.question(s.meta["partner"]) and model.answer(s.pixels, s.prompt).ids == s.answer.ids and s.target == "Yes"
        assert make_target(model, s.answer, s.target, s.foil).tokens == ("No",)
    seeds = sorted(int(k.split("-")[1]) for k in [s.key for s in data] + [k for k, _ in data.left_out])
    assert seeds == list(range(52_000, data[-1].meta["seed"] + 1)) and {r for _, r in data.left_out} == {"the model does not say Yes"}
    again = D.scenes_questions(model, 4)
    assert [s.key for s in again] == [s.key for s in data] and all((a.pixels == b.pixels).all() for a, b in zip(again, data))
    assert [s.key for s in D.scenes_questions(model, 1, split="validation", seed=7)] != [data[0].key]


def test_a_model_that_gives_nothing(model, monkeypatch):
    monkeypatch.setattr(D, "SCENES_PER_SAMPLE", 2)
    mute = lambda images, prompts: [model.read("It is dark.")]*len(images)
    monkeypatch.setattr(model, "answers", mute)
    with pytest.raises(ValueError, match=r"no samples: all of 'scenes-words' are left out: the model names nothing that is there \(6\)"): D.scenes_words(model, 3)
    monkeypatch.setattr(model, "answers", lambda images, prompts: [model.read("No."), model.read("Yes.")][:len(images)])
    with pytest.warns(UserWarning, match="8 scenes gave 2 of 4 samples for scenes-questions: the model does not say Yes"): assert len(D.scenes_questions(model, 4)) == 2


@pytest.mark.parametrize("n", [0, -1, 2.5, True, None])
def test_how_many(n):
    with pytest.raises(ValueError, match="n must be a whole number from 1"): D.scenes_captions(n)


def test_a_polygon_of_another_picture():
    s = D.Sample("a", np.zeros((50, 50, 3), np.uint8), segmentation=[[1, 1, 400, 1, 400, 400]])
    with pytest.raises(ValueError, match="made for another size"): s.mask
    with pytest.raises(ValueError, match="made for another size"): D.Sample("b", np.zeros((50, 50, 3), np.uint8), segmentation=[[1, 1, 1e9, 1, 1e9, 1e9]]).mask
    assert D.Sample("c", np.zeros((50, 50, 3), np.uint8), segmentation=[[0, 0, 50.5, 0, 50.5, 50.5, 0, 50]]).mask.any()


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/secret.png", "sub/../../secret.png"])
def test_a_list_stays_in_its_folder(tmp_path, name):
    from eagle_nb.evaluation.samples import find_image
    (tmp_path/"images").mkdir(); (tmp_path/"secret.png").write_bytes(b"x")
    assert find_image(tmp_path/"images", name) == tmp_path/"images"/"secret.png"


@pytest.mark.parametrize("field,meant", [("promt", "prompt"), ("Answer", "answer"), ("categry", "category"), ("segmentations", "segmentation"), (" target ", "target")])
def test_a_misspelt_field(tmp_path, field, meant):
    (tmp_path/"a.jsonl").write_text(json.dumps({"image": "1.jpg", field: "x"}))
    with pytest.raises(ValueError, match=f"line 1: unknown field {field!r}: did you mean '{meant}'"): D.read_table(tmp_path/"a.jsonl")


def test_a_position_in_a_table(folder):
    (folder/"a.csv").write_text("image,target\n000000000001.jpg,0\n000000000001.jpg,-1\n000000000002.jpg,2 cats\n000000000002.jpg,\n")
    assert [s.target for s in D.read_table(folder/"a.csv")] == [0, -1, "2 cats", None]


def test_no_category_is_not_all(folder):
    coco = dict(images=[dict(id=1, file_name="000000000001.jpg", height=224, width=224)], categories=[dict(id=1, name="cat")],
                annotations=[dict(id=1, image_id=1, category_id=1, bbox=[1, 2, 30, 40], segmentation=[[1, 2, 31, 2, 31, 42]], area=600, iscrowd=0)])
    (folder/"coco.json").write_text(json.dumps(coco))
    with pytest.raises(ValueError, match="categories is empty"): D.coco_objects(folder/"coco.json", folder, categories=[])
    assert len(D.coco_objects(folder/"coco.json", folder)) == len(D.coco_objects(folder/"coco.json", folder, categories=["cat"])) == 1
