"Tables: CSV files, JSON lines and DataFrames, and what is wrong with them."
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from eagle_nb import datasets as D, scenes
from eagle_nb.runs.tables import samples_of


@pytest.fixture
def folder(tmp_path):
    for k, name in enumerate(("000000000001.jpg", "000000000002.jpg")): scenes.sample(k).image.save(tmp_path/name)
    return tmp_path


# ---- files

def test_a_csv_file(folder):
    (folder/"bücher 本.png").write_bytes((folder/"000000000001.jpg").read_bytes())
    lines = ["\ufeffimage,prompt,answer,target,foil,x0,y0,x1,y1,source",
             '"bücher 本.png","What, and\nwhere?",Yes.,Yes,No,1,2,3.5,4,web', "bücher 本.png,,,,,,,,,", ""]
    (folder/"own.csv").write_text("\n".join(lines), encoding="utf-8")
    a, b = D.read_table(folder/"own.csv")
    assert (a.key, a.prompt, a.answer, a.target) == ("bücher_本", "What, and\nwhere?", "Yes.", "Yes")
    assert (a.foil, a.box, a.meta) == ("No", (1, 2, 3.5, 4), {"source": "web"})
    assert (b.key, b.prompt, b.answer, b.target) == ("bücher_本-2", "Describe the image.", None, None)
    assert (b.box, b.meta) == (None, {}) and b.pixels.shape == (224, 224, 3)


def test_json_lines(folder):
    turn = dict(role="user", content=[dict(type="image"), dict(type="text", text="Look.")])
    rows = [dict(image="000000000001.jpg", key="one", answer=[5, 6], target=[0, 1], box=[1, 2, 3, 4],
                 segmentation=[[0, 0, 9, 0, 9, 9]], category="car", year=2020),
            dict(image="000000000002.jpg", prompt=[turn])]
    (folder/"own.jsonl").write_text("\n\n".join(map(json.dumps, rows)) + "\n")
    a, b = D.read_table(folder/"own.jsonl")
    assert (a.key, a.answer, a.target, a.box) == ("one", [5, 6], [0, 1], (1, 2, 3, 4))
    assert (a.category, a.meta) == ("car", {"year": 2020}) and a.mask.any()
    assert b.prompt[0]["role"] == "user" and D.Dataset("b", [b]).frame().prompt[0] == "Look."
    (folder/"sub").mkdir()
    (folder/"sub"/"own.jsonl").write_text(json.dumps(rows[0]))
    assert D.read_table(folder/"sub"/"own.jsonl", images=folder)[0].image.parent == folder
    with pytest.raises(FileNotFoundError, match="1 of 1 image missing"): D.read_table(folder/"sub"/"own.jsonl")


@pytest.mark.parametrize("name,content,message", [
    ("a.csv", "picture,prompt\nx,y\n", "line 1: the header must have a column 'image'"),
    ("a.csv", "image;prompt\n", "line 1: .*got 'image;prompt'"),
    ("a.csv", "image,image\nx,y\n", "line 1: .*no column twice"),
    ("a.csv", "", "line 1: "),
    ("a.csv", "image,prompt\n1.jpg,a\n1.jpg,a, b\n", "line 3: the header has 2 columns, this row 3"),
    ("a.csv", 'image,prompt\n1.jpg,"a\nb"\n,c\n', "line 4: image is the path"),
    ("a.csv", 'image,prompt\n1.jpg,"a" b\n', "line 2: .*in double quotes"),
    ("a.csv", "image,x0,y0,x1,y1\n1.jpg,1,2,3,wide\n", "line 2: x0, y0, x1, y1 are numbers, got 'wide'"),
    ("a.csv", "image,x0\n1.jpg,1\n", "line 2: a box is"),
    ("a.csv", "image,segmentation\n1.jpg,abc\n", "line 2: a segmentation is"),
    ("a.csv", "image,key\n1.jpg,a/b\n", "line 2: a key names"),
    ("a.csv", "image,prompt\n", "no samples: 'a' is empty"),
    ("a.jsonl", '{"image": "1.jpg"}\n{"image": \n', r"line 2: no JSON object \(Expecting value"),
    ("a.jsonl", '["1.jpg"]', "line 1: a line holds a JSON object"),
    ("a.jsonl", '\n{"image": "1.jpg", "prompt": 3}', "line 2: a prompt is a text"),
    ("a.jsonl", '{"image": 3}', "line 1: image is the path"),
    ("a.jsonl", '{"image": "1.jpg", "answer": 3}', "line 1: .*whole numbers"),
    ("a.jsonl", "\n", "no samples"),
    ("a.xlsx", "", "a file of one of .csv, .jsonl")])
def test_a_damaged_table_is_refused(tmp_path, name, content, message):
    (tmp_path/name).write_text(content)
    with pytest.raises(ValueError, match=message): D.read_table(tmp_path/name)


def test_rows_without_image_and_equal_keys(folder):
    (folder/"a.csv").write_text("image,key\n000000000001.jpg,x\nno.jpg,y\n000000000002.jpg,z\n")
    with pytest.raises(FileNotFoundError, match=r"1 of 3 images missing .*no\.jpg"): D.read_table(folder/"a.csv")
    data = D.read_table(folder/"a.csv", missing="skip")
    assert [s.key for s in data] == ["x", "z"] and data.left_out == [("y", "image missing")]
    (folder/"a.csv").write_text("image,key\n000000000001.jpg,x\n000000000002.jpg,x\n")
    with pytest.raises(ValueError, match="must differ, x occur"): D.read_table(folder/"a.csv")


@pytest.mark.parametrize("field,meant", [("promt", "prompt"), ("Answer", "answer"), ("categry", "category"),
                                         ("segmentations", "segmentation"), (" target ", "target")])
def test_a_misspelt_field_is_refused(tmp_path, field, meant):
    (tmp_path/"a.jsonl").write_text(json.dumps({"image": "1.jpg", field: "x"}))
    with pytest.raises(ValueError, match=f"line 1: unknown field {field!r}: did you mean '{meant}'"):
        D.read_table(tmp_path/"a.jsonl")


def test_a_whole_number_as_target_is_a_position(folder):
    rows = ["image,target", "000000000001.jpg,0", "000000000001.jpg,-1", "000000000002.jpg,2 cats", "000000000002.jpg,"]
    (folder/"a.csv").write_text("\n".join(rows) + "\n")
    assert [s.target for s in D.read_table(folder/"a.csv")] == [0, -1, "2 cats", None]


# ---- DataFrames

def two(**columns):
    "A DataFrame of two rows."
    return pd.DataFrame(dict(image=["000000000001.jpg", "000000000002.jpg"], **columns))


def test_a_data_frame_gives_the_samples_of_its_file(folder):
    frame = two(prompt=["Where?", None], answer=[None, "A car."], target=[None, "car"], x0=[1, np.nan], y0=[2, np.nan],
                x1=[3.5, np.nan], y1=[4, np.nan], source=["web", "book"])
    frame.to_csv(folder/"own.csv", index=False)
    from_file, from_frame = D.read_table(folder/"own.csv"), D.read_table(frame, images=folder)
    assert from_frame.name == "table"
    fields = ("key", "image", "prompt", "answer", "target", "foil", "category", "box", "segmentation", "meta")
    for a, b in zip(from_file, from_frame, strict=True):
        assert [getattr(a, f) for f in fields] == [getattr(b, f) for f in fields]
    assert from_frame[0].box == (1, 2, 3.5, 4) and from_frame[1].box is None


def test_keys_of_a_data_frame_come_from_the_names_of_images(folder):
    frame = pd.concat([two(), two()])
    keys = ["000000000001", "000000000002", "000000000001-2", "000000000002-2"]
    assert [s.key for s in D.read_table(frame, images=folder)] == keys
    assert [s.key for s in D.read_table(two(key=["a", None]), folder)] == ["a", "000000000002"]


def test_values_of_a_data_frame_become_plain(folder):
    "Numbers of numpy, arrays, paths, and positions that pandas turned into decimal numbers."
    mask = np.ones((224, 224), bool)
    frame = two(target=[3, None], answer=[np.array([5, 6]), [7]], year=[2020, 2021], box=[np.array([1, 2, 3, 4]), None],
                segmentation=[mask, [[0, 0, 9, 0, 9, 9]]])
    frame["image"] = frame["image"].map(Path)
    assert frame["target"].dtype == float and frame["year"].dtype == np.int64
    a, b = D.read_table(frame, images=folder)
    assert (a.target, b.target) == (3, None) and type(a.target) is int
    assert (a.answer, b.answer) == ([5, 6], [7]) and type(a.meta["year"]) is int
    assert a.box == (1, 2, 3, 4) and a.mask.all() and 0 < b.mask.sum() < 100
    positions = D.read_table(two(target=[1, 0]), images=folder)
    assert [s.target for s in positions] == [1, 0] and json.dumps([positions[0].target, a.meta])


def test_paths_of_a_data_frame_start_from_the_working_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert [s.image for s in D.read_table(two())] == [folder/"000000000001.jpg", folder/"000000000002.jpg"]
    monkeypatch.chdir("/")
    with pytest.raises(FileNotFoundError, match="2 of 2 images missing"): D.read_table(two())
    absolute = pd.DataFrame(dict(image=[str(folder/"000000000001.jpg")]))
    assert D.read_table(absolute)[0].pixels.shape == (224, 224, 3)
    left = D.read_table(pd.concat([two(), pd.DataFrame(dict(image=["no.jpg"]))]), folder, missing="skip").left_out
    assert left == [("no", "image missing")]


@pytest.mark.parametrize("columns,message", [
    (dict(box=[[1, 2, 3, 4], [5, 1, 4, 9]]), "row 1: a box is"), (dict(x0=[1, 2]), "row 0: a box is"),
    (dict(answer=["A car.", 3]), "row 1: .*whole numbers"), (dict(prompt=[3, "Where?"]), "row 0: a prompt is a text"),
    (dict(key=["a", "a/b"]), "row 1: a key names"), (dict(promt=["a", "b"]), "row 0: unknown field 'promt'"),
    (dict(segmentation=[None, "abc"]), "row 1: a segmentation is"), (dict(key=["a", "a"]), "must differ, a occur")])
def test_a_damaged_data_frame_is_refused(folder, columns, message):
    with pytest.raises(ValueError, match=message): D.read_table(two(**columns), images=folder)


def test_a_data_frame_names_its_rows_by_their_index_and_needs_its_columns(folder):
    named = two(key=["a", "b/c"]).set_index(pd.Index(["first", "second"]))
    with pytest.raises(ValueError, match="row second: a key names"): D.read_table(named, images=folder)
    no_image = two().assign(image=[None, "000000000002.jpg"])
    with pytest.raises(ValueError, match="row 0: image is the path"): D.read_table(no_image, images=folder)
    with pytest.raises(ValueError, match="the DataFrame must have a column 'image'.*got 'prompt'"):
        D.read_table(pd.DataFrame(dict(prompt=["Where?"])))
    twice = pd.concat([two(), two()], axis=1)
    with pytest.raises(ValueError, match="no column twice, got 'image', 'image'"): D.read_table(twice, images=folder)
    with pytest.raises(ValueError, match="no samples: 'table' is empty"): D.read_table(two()[:0], images=folder)
    with pytest.raises(ValueError, match="unknown missing 'drop'"): D.read_table(two(), images=folder, missing="drop")


# ---- numbers as pandas keeps them

def test_keys_and_foils_that_pandas_made_numbers(folder):
    image = "000000000001.jpg"
    frame = pd.DataFrame({"image": [image, image], "key": [7, 8], "target": ["cake", "woman"], "foil": [[20], None]})
    a, b = D.read_table(frame, images=folder)
    assert (a.key, b.key) == ("7", "8") and a.foil == [20] and b.foil is None


def test_a_count_means_the_same_in_every_kind_of_table(folder):
    "2 for 3: as pandas reads them these are numbers, and could be a position and the id of a token."
    row = dict(image="000000000001.jpg", prompt="How many?", answer="There are 2 cats.")
    (folder/"a.csv").write_text("image,answer,target,foil\n000000000001.jpg,There are 2 cats.,2 cats,3\n")
    assert [(s.target, s.foil) for s in D.read_table(folder/"a.csv")] == [("2 cats", "3")]
    with pytest.raises(ValueError, match=r"row 0: a foil is a word or a list of token ids, got the number 3: .*'3', or .* \[3\]"):
        D.read_table(pd.read_csv(folder/"a.csv"), folder)
    (folder/"a.csv").write_text("image,answer,target\n000000000001.jpg,There are 2 cats.,2\n")
    for table in (folder/"a.csv", pd.read_csv(folder/"a.csv")):
        with pytest.raises(ValueError, match="the target 2 may be a position or the word of the answer: give JSON lines"):
            D.read_table(table, folder)
    (folder/"a.jsonl").write_text(lines([row | dict(target="2", foil="3"), row | dict(target=2, foil=[3])]))
    word, position = D.read_table(folder/"a.jsonl")
    assert (word.target, word.foil) == ("2", "3") and (position.target, position.foil) == (2, [3])
    frame = pd.DataFrame([row | dict(target="2", foil="3")])
    assert [(s.target, s.foil) for s in D.read_table(frame, folder)] == [("2", "3")]


@pytest.mark.parametrize("table", [["a.png"], {"image": "a.png"}, None, 3])
def test_what_is_no_table_is_refused(table):
    with pytest.raises(ValueError, match="a table is a file of one of .*, or a DataFrame, got a "): D.read_table(table)


# ---- published questions

POPE = [dict(question_id=1, image="000000000001.jpg", text="Is there a car in the image?", label="yes"),
        dict(question_id=2, image="000000000001.jpg", text="Is there a dog in the image?", label="no"),
        dict(question_id=3, image="000000000002.jpg", text="Is there a dog in the image?", label="no")]


def lines(rows): return "\n".join(map(json.dumps, rows)) + "\n"


@pytest.mark.parametrize("name,content", [("coco_pope_random.json", lines(POPE)), ("coco_repope_random.jsonl", lines(POPE)),
                                          ("pope.json", json.dumps(POPE, indent=1)), ("one.json", lines(POPE[:1]))])
def test_pope_and_repope_as_they_are_published(folder, name, content):
    (folder/name).write_text(content)
    data = D.read_table(folder/name)
    assert [s.prompt for s in data] == [r["text"] for r in POPE][:len(data)]
    assert [s.key for s in data] == ["000000000001-1", "000000000001-2", "000000000002-3"][:len(data)]
    assert [s.meta["label"] for s in data] == ["yes", "no", "no"][:len(data)] and data[0].answer is None
    with_demand = D.read_table(folder/name, prompt="{question} Yes or No?")
    assert with_demand[0].prompt == "Is there a car in the image? Yes or No?"
    assert D.read_table(pd.DataFrame(POPE), images=folder)[0].prompt == POPE[0]["text"]


@pytest.mark.parametrize("one", [lambda: scenes.sample(1).image, lambda: scenes.sample(1).pixels, lambda: scenes.sample(1).pixels[..., 0]],
                         ids=["PIL", "array", "grey"])
def test_one_image_is_a_data_set_of_one(one):
    assert [s.key for s in samples_of(one())] == ["image-0"]
    assert [s.key for s in samples_of(np.stack([scenes.sample(k).pixels for k in (1, 2)]))] == ["image-0", "image-1"]


def test_mmvp_as_it_is_published(folder):
    (folder/"MMVP Images").mkdir()
    for k in (1, 2): scenes.sample(k).image.save(folder/"MMVP Images"/f"{k}.jpg")
    rows = ["Index,Question,Options,Correct Answer", '1,Are the wings open or closed?,(a) Open (b) Closed,(a)',
            '2,"Is it {odd}, or not?",(a) Yes (b) No,(b)']
    (folder/"Questions.csv").write_text("\n".join(rows) + "\n")
    data = D.read_table(folder/"Questions.csv", folder/"MMVP Images")
    assert [(s.key, s.image.name) for s in data] == [("1", "1.jpg"), ("2", "2.jpg")]
    assert [s.prompt for s in data] == ["Are the wings open or closed?", "Is it {odd}, or not?"]
    assert data[0].meta["Options"] == "(a) Open (b) Closed" and data[1].meta["Correct Answer"] == "(b)"
    full = D.read_table(folder/"Questions.csv", folder/"MMVP Images", prompt="{question} {Options}")
    assert full[1].prompt == "Is it {odd}, or not? (a) Yes (b) No"
    with pytest.raises(FileNotFoundError, match=r"2 of 2 images missing .*1\.jpg"): D.read_table(folder/"Questions.csv", folder)
    frame = pd.read_csv(folder/"Questions.csv")
    assert [s.prompt for s in D.read_table(frame, folder/"MMVP Images")] == [s.prompt for s in data]


@pytest.mark.parametrize("name", ["question", "Question", "QUESTION", "text"])
def test_a_column_of_questions_is_asked(folder, name):
    assert D.read_table(two(**{name: ["Is it red?", "Is it blue?"]}), folder)[1].prompt == "Is it blue?"
    (folder/"a.csv").write_text(f"image,{name}\n000000000001.jpg,Is it red?\n")
    assert D.read_table(folder/"a.csv")[0].prompt == "Is it red?"


@pytest.mark.parametrize("column,values", [
    ("text", ["A red car.", "A dog."]), ("query", ["Name it.", "Name it."]), ("instruction", ["Name it.", "Count."]),
    ("asked", ["Is it red?", "Is it blue?"]), ("Frage", ["Ist es rot?", "Wo?"]), ("q", ["<image>\nName it.", "<image> Go."]),
    ("conversations", ["", ""]), ("chat", [[{"from": "human", "value": "Hi"}]]*2)])
def test_a_question_that_is_not_read_is_an_error(folder, column, values):
    message = f"the column {column!r} may hold the questions, and none is called prompt or question: rename it to prompt"
    with pytest.raises(ValueError, match=message): D.read_table(two(**{column: values}), folder)
    assert D.read_table(two(**{column: values}), folder, prompt="Describe it.")[0].prompt == "Describe it."
    renamed = two(**{column: values}, prompt=["Look.", "See."])
    assert D.read_table(renamed, folder)[1].prompt == "See."


def test_a_prompt_that_leaves_the_question_of_its_row_out_is_an_error(folder):
    frame = two(question=["Is it red?", "Is it blue?"], prompt=["Is it red? Yes or no?", "Answer yes or no."])
    with pytest.raises(ValueError, match="row 1: the prompt 'Answer yes or no.' leaves out what the column 'question' asks"):
        D.read_table(frame, folder)
    assert D.read_table(frame[:1], folder)[0].prompt == "Is it red? Yes or no?"
    assert D.read_table(frame, folder, prompt="{question} {prompt}")[1].prompt == "Is it blue? Answer yes or no."
    assert D.read_table(frame.rename(columns={"question": "about"}), folder, prompt="{prompt}")[1].prompt == "Answer yes or no."


def test_facts_are_no_questions(folder):
    frame = two(source=["web", "Who knows?"], year=[2020, 2021], caption=["A car.", "A dog."], label=["yes", "no"])
    assert [s.prompt for s in D.read_table(frame, folder)] == ["Describe the image."]*2


def test_rows_without_their_question_are_refused(folder):
    rows = [dict(image="000000000001.jpg", question="Where?"), dict(image="000000000002.jpg")]
    (folder/"a.jsonl").write_text(lines(rows))
    with pytest.raises(ValueError, match="line 2: question is the question, got an empty cell"): D.read_table(folder/"a.jsonl")
    (folder/"a.jsonl").write_text(lines([rows[0], rows[1] | dict(prompt="Look.")]))
    assert [s.prompt for s in D.read_table(folder/"a.jsonl")] == ["Where?", "Look."]
    (folder/"a.csv").write_text("image,text,question_id\n000000000001.jpg,,1\n")
    with pytest.raises(ValueError, match="line 2: text is the question, got an empty cell"): D.read_table(folder/"a.csv")


def test_a_prompt_for_a_table_of_questions_holds_them(folder):
    frame = two(question=["Where?", "Who?"])
    with pytest.raises(ValueError, match="holds {question} where they stand, got 'Look.'"): D.read_table(frame, folder, prompt="Look.")
    with pytest.raises(ValueError, match="prompt is text with the names of columns in braces, got 3"):
        D.read_table(frame, folder, prompt=3)
    asked = D.read_table(two(prompt=["Where?", "Who?"]), folder, prompt="{prompt} Now, in {json}.")
    assert asked[1].prompt == "Who? Now, in {json}."


def test_files_of_other_readers_are_named(folder, tmp_path):
    (folder/"coco.json").write_text(json.dumps(dict(images=[], annotations=[])))
    with pytest.raises(ValueError, match="is a COCO file, no table: read it with coco_objects"): D.read_table(folder/"coco.json")
    (folder/"list.json").write_text(json.dumps([dict(generated_ids=[1])]))
    with pytest.raises(ValueError, match="evaluation list .* read it with read_list"): D.read_table(folder/"list.json")
    (folder/"pope.json").write_text(lines(POPE))
    with pytest.raises(ValueError, match="as POPE and RePOPE do: read it with read_table"): D.read_list(folder/"pope.json", folder)
    (folder/"odd.json").write_text('[{"image": "000000000001.jpg"}, 3]')
    with pytest.raises(ValueError, match=r"odd\.json, entry 1: an entry is a JSON object, got 3"): D.read_table(folder/"odd.json")


# ---- cells

@pytest.mark.parametrize("row,message", [
    ('{"image": "https://example.org/a.png"}', "got the web address 'https://example.org/a.png': download it first"),
    ('{"image": "1.jpg", "target": 2.5}', "got 2.5: positions are whole numbers"),
    ('{"image": "1.jpg", "target": true}', "got True: positions are whole numbers"),
    ('{"image": NaN}', "image is the path of an image, got None")])
def test_cells_that_mean_nothing_are_refused(tmp_path, row, message):
    (tmp_path/"a.jsonl").write_text(row)
    with pytest.raises(ValueError, match=f"line 1: .*{message}"): D.read_table(tmp_path/"a.jsonl")


def test_cells_of_nothing_and_positions_that_pandas_wrote(folder):
    (folder/"a.jsonl").write_text('{"image": "000000000001.jpg", "target": NaN, "answer": NaN, "key": NaN, "target": 3.0}')
    s, = D.read_table(folder/"a.jsonl")
    assert (s.target, s.answer, s.key) == (3, None, "000000000001") and type(s.target) is int
    two(target=[3, None]).to_csv(folder/"a.csv", index=False)
    assert [s.target for s in D.read_table(folder/"a.csv")] == [3, None]
    (folder/"empty.csv").write_text("")
    with pytest.raises(ValueError, match="line 1: the header .*got nothing, it is empty"): D.read_table(folder/"empty.csv")


def test_made_keys_never_meet(folder):
    for name in ("x.png", "x-2.png"): scenes.sample(0).image.save(folder/name)
    (folder/"a.csv").write_text("image\nx.png\nx-2.png\nx.png\nx.png\nx-2.png\n")
    keys = [s.key for s in D.read_table(folder/"a.csv")]
    assert len(set(keys)) == 5 and keys[:2] == ["x", "x-2"]


def test_a_box_on_an_image_that_is_shown_turned_is_told(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    scenes.sample(0).image.save(folder/"side.jpg", exif=exif)
    (folder/"a.csv").write_text("image,x0,y0,x1,y1\nside.jpg,1,2,30,40\n")
    with pytest.warns(UserWarning, match=r"turns 1 image with a box or a mask \(side\)"): D.read_table(folder/"a.csv")


def test_braces_without_a_column_are_refused(folder):
    with pytest.raises(ValueError, match="prompt asks for {question}, but there is no column of questions among 'image'"):
        D.read_table(two(), folder, prompt="{question} Yes or No?")
