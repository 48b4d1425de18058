"Tables: CSV files, JSON lines and DataFrames, and what is wrong with them."
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eagle_nb import datasets as D, scenes


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
    ("a.csv", "picture,prompt\nx,y\n", "line 1: the header names the column image"),
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
    with pytest.raises(ValueError, match="the DataFrame names the column image.*got 'prompt'"):
        D.read_table(pd.DataFrame(dict(prompt=["Where?"])))
    twice = pd.concat([two(), two()], axis=1)
    with pytest.raises(ValueError, match="no column twice, got 'image', 'image'"): D.read_table(twice, images=folder)
    with pytest.raises(ValueError, match="no samples: 'table' is empty"): D.read_table(two()[:0], images=folder)
    with pytest.raises(ValueError, match="unknown missing 'drop'"): D.read_table(two(), images=folder, missing="drop")


# ---- numbers as pandas keeps them

def test_keys_and_foils_that_pandas_made_numbers(folder):
    image = "000000000001.jpg"
    frame = pd.DataFrame({"image": [image, image], "key": [7, 8], "target": ["cake", "woman"], "foil": [20, None]})
    a, b = D.read_table(frame, images=folder)
    assert (a.key, b.key) == ("7", "8") and a.foil == 20 and isinstance(a.foil, int) and b.foil is None


@pytest.mark.parametrize("table", [["a.png"], {"image": "a.png"}, None, 3])
def test_what_is_no_table_is_refused(table):
    with pytest.raises(ValueError, match="a table is a file of one of .*, or a DataFrame, got a "): D.read_table(table)
