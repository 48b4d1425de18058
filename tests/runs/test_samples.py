"Samples and data sets: masks in every notation of COCO, and everything that does not fit."
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pycocotools import mask as M

from eagle_nb import datasets as D
from eagle_nb.runs.samples import find_image, image_keys


def blank(height=5, width=6): return np.zeros((height, width), np.uint8)


def square():
    m = np.zeros((5, 6), bool)
    m[1:4, 1:4] = True
    return m


def encoded(mask): return M.encode(np.asfortranarray(mask, np.uint8))


RLE = encoded(square())
MASKS = {"polygon": [[1, 1, 4, 1, 4, 4, 1, 4]],
         "flat polygon": [1, 1, 4, 1, 4, 4, 1, 4],
         "two polygons": [[1, 1, 4, 1, 4, 3, 1, 3], [1, 3, 4, 3, 4, 4, 1, 4]],
         "compressed": RLE,
         "compressed text": {"size": [5, 6], "counts": RLE["counts"].decode()},
         "uncompressed": {"size": [5, 6], "counts": [6, 3, 2, 3, 2, 3, 11]},
         "array": square()}


@pytest.mark.parametrize("name", MASKS)
def test_every_notation_gives_the_same_mask(name):
    s = D.Sample("a", blank(), segmentation=MASKS[name])
    assert s.mask.dtype == bool and (s.mask == square()).all() and s.pixels.shape == (5, 6, 3)
    assert s.mask is s.mask and s.pixels is s.pixels


@pytest.mark.parametrize("seed", range(30))
def test_run_lengths_are_those_of_pycocotools(seed):
    rng = np.random.default_rng(seed)
    m = rng.random((int(rng.integers(1, 90)), int(rng.integers(1, 90)))) < rng.random()
    m[0, 0] = True
    s = D.Sample("a", np.zeros(m.shape), segmentation=encoded(m))
    assert (s.mask == m).all()


MISFITS = [
    ({"size": [6, 5], "counts": [0, 30]}, "RLE is of 5 x 6 pixels"),
    ({"size": [5, 6], "counts": [1, 2]}, "cover 3 of 30 pixels"),
    ({"size": [5, 6], "counts": ""}, "cover 0 of 30"),
    ({"size": [5, 6], "counts": [40, -10]}, "cover 30 of 30"),
    ({"size": [5, 6], "counts": "\0zz"}, "of 30 pixels"),
    ({"size": [5], "counts": [30]}, "an RLE is"),
    ({"counts": [30]}, "an RLE is"),
    ({"size": [5, 6], "counts": [30]}, "no pixel in the image"),
    ([[1, 1, 4, 4]], "at least 3 points"),
    ([[1, 1, 4, 4, 2, float("nan")]], "at least 3 points"),
    ([1, 1, 4, 4], "at least 3 points"),
    ([1, 1, 4, 4, 2], "at least 3 points"),
    ([[1, 1, 4, 4], 3], "at least 3 points"),
    ([], "no polygon"),
    ([[50, 50, 60, 50, 60, 60]], "made for another size"),
    (np.zeros((5, 6), bool), "no pixel in the image"),
    (np.ones((6, 5), bool), "it has 5 x 6 pixels")]


@pytest.mark.parametrize("segmentation,message", MISFITS)
def test_a_mask_that_does_not_fit_is_refused(segmentation, message):
    match = f"a: the segmentation does not fit the image of 6 x 5 pixels .*{message}"
    with pytest.raises(ValueError, match=match): D.Sample("a", np.zeros((5, 6)), segmentation=segmentation).mask


def test_a_polygon_of_another_image_is_refused():
    def outlined(polygon): return D.Sample("a", np.zeros((50, 50, 3), np.uint8), segmentation=[polygon])
    s = outlined([1, 1, 400, 1, 400, 400])
    with pytest.raises(ValueError, match="made for another size"): s.mask
    with pytest.raises(ValueError, match="made for another size"): outlined([1, 1, 1e9, 1, 1e9, 1e9]).mask
    assert outlined([0, 0, 50.5, 0, 50.5, 50.5, 0, 50]).mask.any()


@pytest.mark.parametrize("fields,message", [
    (dict(key="a/b"), "names the files"), (dict(key=".."), "names the files"), (dict(key=3), "names the files"),
    (dict(box=(1, 2, 3)), "a box is"), (dict(box=(5, 1, 4, 9)), "x0 < x1"), (dict(box="abcd"), "a box is"),
    (dict(box=(0, 0, float("nan"), 1)), "a box is"), (dict(segmentation="RLE"), "a segmentation is"),
    (dict(segmentation=np.ones((5, 6))), "a segmentation is")])
def test_invalid_fields_are_refused(fields, message):
    with pytest.raises(ValueError, match=message): D.Sample(**{"key": "a", "image": "a.png", **fields})


def test_an_image_is_read_when_asked_for(tmp_path):
    s = D.Sample("a", tmp_path/"later.png")
    with pytest.raises(FileNotFoundError, match="no image at"): s.pixels
    Image.new("RGB", (4, 3), "red").save(tmp_path/"later.png")
    assert s.pixels.shape == (3, 4, 3) and s.mask is None


def test_a_data_set_is_a_sequence():
    a = D.Sample("a", "a.png")
    b = D.Sample("b", np.zeros((2, 2)), answer=[1, 2], box=(0, 0, 1, 1), segmentation=[[0, 0, 1, 0, 1, 1]])
    left_out = [("c", "image missing"), ("d", "no caption"), ("e", "image missing")]
    data = D.Dataset("two", iter([a, b]), left_out)
    assert list(data) == [a, b] and data[-1] is b and data[np.int64(0)] is a and b in data
    assert len(data[:1]) == 1 and data.require() is data
    assert repr(data) == "Dataset('two', 2 samples, 3 left out: image missing (2); no caption (1))"
    frame = data.frame()
    assert frame.key.tolist() == ["a", "b"] and isinstance(frame, pd.DataFrame)
    assert frame["mask"][1] == "polygons" and frame.answer[1] == "2 ids"


def test_a_data_set_refuses_equal_keys_other_objects_and_nothing():
    a, b = D.Sample("a", "a.png"), D.Sample("b", "b.png")
    with pytest.raises(ValueError, match="keys of 'x' must differ, a occur more than once"): D.Dataset("x", [a, b, a])
    with pytest.raises(ValueError, match="holds Samples, got 'a.png'"): D.Dataset("x", ["a.png"])
    with pytest.raises(ValueError, match="no samples: 'x' is empty"): D.Dataset("x", []).require()


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/secret.png", "sub/../../secret.png"])
def test_an_image_is_never_looked_for_outside_its_folder(tmp_path, name):
    (tmp_path/"images").mkdir()
    (tmp_path/"secret.png").write_bytes(b"x")
    assert find_image(tmp_path/"images", name) == tmp_path/"images"/"secret.png"


def test_keys_depend_on_the_names_alone():
    names = ["a/x.png", "b/x.png", "c d.png", "c_d.png", "e.png", "sub\\e.jpg", "lone.png"]
    keys = image_keys(names)
    assert keys == image_keys(names[::-1]) and len({k.casefold() for k in keys.values()}) == len(names)
    assert keys["lone.png"] == "lone" and keys["a/x.png"] == "a_x.png" and keys["sub\\e.jpg"] == "sub_e.jpg"
    assert keys["c d.png"].startswith("c_d.png-") and keys["c_d.png"].startswith("c_d.png-")
    assert all(D.Sample(k, "x").key == k for k in keys.values())


def test_an_image_of_a_list_made_on_windows_is_found(tmp_path):
    (tmp_path/"val").mkdir()
    (tmp_path/"val"/"a.png").write_bytes(b"x")
    assert find_image(tmp_path, "val\\a.png") == tmp_path/"val"/"a.png"


@pytest.mark.parametrize("kind", ["array", "polygon"])
def test_a_box_in_the_notation_of_coco_is_refused_where_a_mask_shows_it(kind):
    "4, 5, 10, 10 as x, y, width and height are also corners, of another box."
    mask = np.zeros((20, 24), bool)
    mask[5:15, 4:14] = True
    segmentation = mask if kind == "array" else [[4, 5, 14, 5, 14, 15, 4, 15]]
    def masked(box): return D.Sample("a", np.zeros((20, 24)), segmentation=segmentation, box=box).mask
    with pytest.raises(ValueError, match="4, 5, 10, 10 fits as x, y, width, height: give 4, 5, 14, 15"): masked((4, 5, 10, 10))
    for box in ((4, 5, 14, 15), (3, 4, 15, 16), (0, 0, 24, 20), (16, 1, 20, 4)):
        assert (masked(box) == mask).all()
