"COCO files: objects that occur once, captions, and what is damaged."
import json
import warnings

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as M

from eagle_nb import datasets as D, scenes
from eagle_nb.core.answers import Answer
from eagle_nb.core.targets import make_target


@pytest.fixture
def folder(tmp_path):
    for k, name in enumerate(("000000000001.jpg", "000000000002.jpg")): scenes.sample(k).image.save(tmp_path/name)
    return tmp_path


def write(path, content):
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def numbered(key, values): return [{"id": k, key: v} for k, v in enumerate(values, 1)]


def annotation(image, category, **more):
    outline = [10, 20, 60, 20, 60, 80, 10, 80]
    return dict(image_id=image, category_id=category, iscrowd=0, bbox=[10, 20, 50, 60], segmentation=[outline]) | more


def coco(folder, categories=("car", "dog", "zebra"), **changes):
    "One car; two dogs next to a car; a crowd of cars; a dog without outline; an image with nothing."
    names = ["000000000001.jpg", "000000000002.jpg", "c.jpg", "d.jpg", "e.jpg"]
    for name in names[2:]: scenes.sample(3).image.save(folder/name)
    marks = [annotation(1, 1), annotation(2, 2), annotation(2, 1), annotation(2, 2, bbox=[11, 20, 49, 60]),
             annotation(3, 1, iscrowd=1), annotation(4, 2, segmentation=[])]
    content = dict(images=numbered("file_name", names), annotations=[{**m, "id": k} for k, m in enumerate(marks)],
                   categories=numbered("name", categories))
    return write(folder/"instances.json", content | changes)


def test_objects_that_occur_once(folder, capsys):
    data = D.coco_objects(coco(folder), folder)
    assert [s.key for s in data] == ["000000000001-car", "000000000002-car"] and capsys.readouterr().out == ""
    assert data.left_out == [("000000000002-dog", "more than one in its image"), ("c-car", "a crowd"),
                             ("d-dog", "no box or segmentation")]
    s = data[0]
    assert (s.target, s.category, s.answer, s.box) == ("car", "car", None, (10, 20, 60, 80))
    assert s.prompt == scenes.PAPER_PROMPT and s.mask.sum() == 50*60 and s.mask[20:80, 10:60].all()
    assert len(D.coco_objects(coco(folder), folder, limit=1)) == 1


def test_categories_are_chosen_by_name(folder):
    path = coco(folder)
    def choose(*names): return D.coco_objects(path, folder, categories=list(names))
    assert {s.category for s in D.coco_objects(path, folder, categories="car")} == {"car"}
    message = r"no samples: .*more than one in its image \(1\); no box or segmentation \(1\)"
    with pytest.raises(ValueError, match=message): choose("dog")
    with pytest.raises(ValueError, match="no annotation of category 'zebra': choose from car, dog"): choose("zebra")
    with pytest.raises(ValueError, match="no annotation of category 'cra': choose from car"): choose("car", "cra")
    with pytest.raises(ValueError, match="category ids 2, which the file does not explain"):
        D.coco_objects(coco(folder, categories=("car",)), folder)


def test_no_category_is_not_all(folder):
    outlined = dict(id=1, bbox=[1, 2, 30, 40], segmentation=[[1, 2, 31, 2, 31, 42]], area=600)
    content = dict(images=[dict(id=1, file_name="000000000001.jpg", height=224, width=224)],
                   categories=numbered("name", ["cat"]), annotations=[annotation(1, 1, **outlined)])
    path = write(folder/"coco.json", content)
    with pytest.raises(ValueError, match="categories is empty"): D.coco_objects(path, folder, categories=[])
    assert len(D.coco_objects(path, folder)) == len(D.coco_objects(path, folder, categories=["cat"])) == 1


def test_objects_that_the_model_names(model, folder):
    "The scene of the first image is asked about what it shows and what it does not."
    shown = scenes.sample(0).names[0]
    path = coco(folder, categories=(shown, "dog"))
    data = D.coco_objects(path, folder, model=model, prompt="Describe the image.")
    assert [s.key for s in data] == [f"000000000001-{shown}"]
    assert isinstance(data[0].answer, Answer) and shown in data[0].answer.text
    assert (f"000000000002-{shown}", "the model does not name the object") in data.left_out
    assert len(data.left_out) == 4
    assert make_target(model, data[0].answer, data[0].target).text == shown


@pytest.mark.parametrize("said,places", [
    ("A hot dog next to a dog and a teddy bear near a bear.", {"dog": 20, "hot dog": 2, "bear": 48, "teddy bear": 30}),
    ("A hot dog, a bear.", {"hot dog": 2, "bear": 13}), ("A DOG with a teddy bear", {"dog": 2, "teddy bear": 13})])
def test_a_name_within_the_name_of_another_category_is_not_meant(model, folder, monkeypatch, said, places):
    names = ["dog", "hot dog", "bear", "teddy bear"]
    marks = [annotation(1, k) | {"id": k} for k in range(1, 5)]
    path = coco(folder, categories=names, images=numbered("file_name", ["000000000001.jpg"]), annotations=marks)
    monkeypatch.setattr(type(model), "answers", lambda self, images, prompts: [self.read(said) for _ in images])
    data = D.coco_objects(path, folder, model=model)
    targets = {s.category: make_target(model, s.answer, s.target) for s in data}
    starts = {name: model.read(said).spans[t.positions[0]][0] for name, t in targets.items()}
    assert targets.keys() == places.keys() and all(t.text.lower() == name for name, t in targets.items())
    assert all(i - starts[name] in (0, 1) for name, i in places.items()) # a token may begin with the space
    assert {reason for _, reason in data.left_out} <= {"the model does not name the object"}


def test_captions_of_people(folder):
    images = numbered("file_name", ["000000000001.jpg", "000000000002.jpg", "no.jpg"])
    captions = [(1, "A car."), (3, "A dog."), (1, "One car.")]
    annotations = [dict(id=k, image_id=i, caption=c) for k, (i, c) in enumerate(captions)]
    path = write(folder/"captions.json", dict(images=images, annotations=annotations))
    with pytest.raises(FileNotFoundError, match="1 of 2 images missing"): D.coco_captions(path, folder)
    data = D.coco_captions(path, folder, missing="skip")
    assert data[0].meta["gt_caption"] == ["A car.", "One car."] and (data[0].answer, data[0].target) == (None, None)
    assert data.left_out == [("000000000002", "no caption"), ("no", "image missing")]
    with pytest.raises(ValueError, match="no COCO file of this kind: it lacks categories"):
        D.coco_objects(path, folder)


@pytest.mark.parametrize("content", [dict(images=[{"id": 1}]), dict(annotations=[{"id": 1}])])
def test_a_damaged_file_is_refused(folder, content):
    with pytest.raises(ValueError, match="is damaged: an entry lacks"): D.coco_objects(coco(folder, **content), folder)


# ---- what an annotation means: drawn objects whose truth can be seen in the pixels

T = Image.Transpose
STORED = {2: T.FLIP_LEFT_RIGHT, 3: T.ROTATE_180, 4: T.FLIP_TOP_BOTTOM, 5: T.TRANSPOSE, 6: T.ROTATE_90,
          7: T.TRANSVERSE, 8: T.ROTATE_270}
LEFT, TOP, RIGHT, BOTTOM = 10, 20, 40, 70
OUTLINE = [LEFT, TOP, RIGHT, TOP, RIGHT, BOTTOM, LEFT, BOTTOM]


def drawn(width, height):
    "A dark object on white, where it is annotated."
    a = np.full((height, width, 3), 255, np.uint8)
    a[TOP:BOTTOM, LEFT:RIGHT] = 0
    return a


def single(folder, image, exif=1, entry=(), mark=(), name="x.png"):
    "A file of one image with one object."
    record = Image.Exif()
    record[0x0112] = exif
    image.save(folder/name, exif=record)
    images = [dict(id=1, file_name=name) | dict(entry)]
    mark = annotation(1, 1, bbox=[LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP], segmentation=[OUTLINE]) | dict(mark)
    return write(folder/"one.json", dict(images=images, annotations=[mark | dict(id=1)], categories=[dict(id=1, name="car")]))


def overlap(a, b): return (a & b).sum()/(a | b).sum()


def check_truth(sample):
    "Mask and box lie on the dark object of the pixels that the model sees."
    dark = sample.pixels.max(-1) < 100
    x0, y0, x1, y1 = (round(v) for v in sample.box)
    inside = np.zeros_like(dark)
    inside[y0:y1, x0:x1] = True
    assert overlap(sample.mask, dark) > .93 and overlap(inside, dark) > .93


def coded(kind, width, height):
    if kind == "polygon": return [OUTLINE]
    rle = M.encode(np.asfortranarray(drawn(width, height)[..., 0] == 0, np.uint8))
    return {**rle, "counts": rle["counts"].decode()}


@pytest.mark.parametrize("kind", ["polygon", "RLE"])
@pytest.mark.parametrize("exif", [5, 6, 7, 8])
def test_width_and_height_say_whether_the_stored_or_the_shown_pixels_were_annotated(folder, exif, kind):
    mark, size = dict(segmentation=coded(kind, 60, 100)), dict(width=60, height=100)
    stored = D.coco_objects(single(folder, Image.fromarray(drawn(60, 100)), exif, size, mark), folder)[0]
    check_truth(stored)
    assert stored.meta["turned"] == exif and stored.pixels.shape == (60, 100, 3)
    shown = Image.fromarray(drawn(60, 100)).transpose(STORED[exif])
    upright = D.coco_objects(single(folder, shown, exif, size, mark), folder)[0]
    check_truth(upright)
    assert "turned" not in upright.meta and upright.pixels.shape == (100, 60, 3)


@pytest.mark.parametrize("exif", [2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("size", [dict(width=100, height=100), {}, dict(width=0, height=0)])
def test_where_the_size_cannot_say_it_the_user_must(folder, exif, size):
    path = single(folder, Image.fromarray(drawn(100, 100)), exif, size)
    with pytest.raises(ValueError, match=rf"orientation {exif}\), .*oriented='stored' or oriented='upright'"):
        D.coco_objects(path, folder)
    check_truth(D.coco_objects(path, folder, oriented="stored")[0])
    path = single(folder, Image.fromarray(drawn(100, 100)).transpose(STORED[exif]), exif, size)
    check_truth(D.coco_objects(path, folder, oriented="upright")[0])


def test_a_turn_by_half_of_a_wide_image_is_not_guessed(folder):
    path = single(folder, Image.fromarray(drawn(100, 80)), 3, dict(width=100, height=80))
    with pytest.raises(ValueError, match="orientation 3"): D.coco_objects(path, folder)
    with pytest.raises(ValueError, match="unknown oriented 'up': choose one of stored, upright"):
        D.coco_objects(path, folder, oriented="up")


@pytest.mark.parametrize("kind", ["polygon", "RLE"])
@pytest.mark.parametrize("to", [(120, 200), (30, 50), (45, 75), (61, 102)])
@pytest.mark.parametrize("exif", [1, 6])
def test_an_annotation_of_another_size_is_scaled_and_that_is_told(folder, to, kind, exif):
    mark, size = dict(segmentation=coded(kind, 60, 100)), dict(width=60, height=100)
    path = single(folder, Image.fromarray(drawn(60, 100)).resize(to, Image.Resampling.NEAREST), exif, size, mark)
    with pytest.warns(UserWarning, match=r"1 image of another size than the COCO file gives \(x-car\)"):
        s, = D.coco_objects(path, folder)
    check_truth(s)
    assert s.meta["scaled"] == (to[0]/60, to[1]/100) and s.meta.get("turned", 1) == exif
    assert s.pixels.shape[:2] == (to[::-1] if exif == 1 else to)


@pytest.mark.parametrize("size,mark,message", [
    (dict(width=100, height=60), {}, "file is of 60 x 100 pixels, the annotation of 100 x 60 .*another shape"),
    (dict(width=50, height=50), {}, "another shape: give the image that was annotated"),
    (dict(width=60, height=100), dict(segmentation=coded("RLE", 50, 80)), "its RLE is of 50 x 80 pixels"),
    (dict(width=60, height=100), dict(bbox=[10, 20, 40, 70]), "10, 20, 40, 70 read as corners fits"),
    (dict(width=60, height=100), dict(bbox=[45, 20, 10, 50]), "is elsewhere"),
    (dict(width=60, height=100), dict(bbox=[10, 20, 0, 50]), "width and height with an area, got"),
    (dict(width=60, height=100), dict(bbox=[10, 20, 30]), "width and height with an area, got"),
    (dict(width=60, height=100), dict(bbox=["a", 20, 30, 5]), "width and height with an area, got"),
    (dict(width=60, height=100), dict(bbox=[-5, -5, 200, 300]), "box reaches from -5, -5 to 195, 295, out of"),
    (dict(width=60, height=100), dict(segmentation=[[10, 20, 130, 20, 130, 70]]), "polygon reaches from"),
    (dict(width=60, height=100), dict(segmentation=[[10, 20, 40, 70]]), "at least 3 points"),
    (dict(width=60, height=100), dict(segmentation=[10, 20, 40, 70]), "at least 3 points"),
    (dict(width=60, height=100), dict(segmentation=[OUTLINE, [1, 2, 3, 4]]), "at least 3 points"),
    (dict(width=60, height=100), dict(segmentation=[[10, 20, 10, 20, 10, 20]]), "no pixel in the image"),
    (dict(width=60, height=100), dict(segmentation=[]), "no box or segmentation"),
    (dict(width=60, height=100), dict(segmentation=[[]]), "at least 3 points"),
    (dict(width=60, height=100), dict(bbox=[]), "no box or segmentation")])
def test_what_does_not_fit_is_left_out_before_anything_is_computed(folder, size, mark, message):
    path = single(folder, Image.fromarray(drawn(60, 100)), 1, size, mark)
    with pytest.raises(ValueError, match=f"no samples: all of 'one' are left out: .*{message}"):
        D.coco_objects(path, folder)


def test_a_flat_polygon_is_one_polygon(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        check_truth(D.coco_objects(single(folder, Image.fromarray(drawn(60, 100)), mark=dict(segmentation=OUTLINE)), folder)[0])


# ---- ids and names

def joined(folder, images, marks, categories=("car", "dog")):
    for name in {i["file_name"] for i in images}:
        (folder/name).parent.mkdir(exist_ok=True)
        scenes.sample(1).image.save(folder/name)
    return write(folder/"joined.json", dict(images=images, annotations=[m | dict(id=m.get("id", k)) for k, m in enumerate(marks)],
                                            categories=numbered("name", categories)))


def entry(id, name): return dict(id=id, file_name=name, width=224, height=224)


def test_one_stem_in_two_folders_and_two_extensions_have_keys_of_their_own(folder):
    names = ["a/x.png", "b/x.png", "b/x.jpg", "b/y.png", "c/X.png"]
    marks = [annotation(k, 1) for k in range(1, 6)]
    data = D.coco_objects(joined(folder, [entry(k, n) for k, n in enumerate(names, 1)], marks), folder)
    keys = {s.meta["id"]: s.key for s in data}
    assert keys[3] == "b_x.jpg-car" and keys[2] == "b_x.png-car" and keys[4] == "y-car"
    assert len({k.casefold() for k in keys.values()}) == 5, "two keys are one file on some systems"
    again = D.coco_objects(joined(folder, [entry(k, n) for k, n in enumerate(names, 1)][::-1], marks), folder)
    assert {s.meta["id"]: s.key for s in again} == keys, "keys depend on the order"
    assert [s.image for s in data][:2] == [folder/"a/x.png", folder/"b/x.png"]
    few = D.coco_objects(joined(folder, [entry(k, n) for k, n in enumerate(names, 1)], marks[1:2]), folder)
    assert few[0].key == keys[2], "keys depend on the annotations"


def test_two_names_never_mean_one_file(folder):
    path = joined(folder, [entry(1, "a/x.png"), entry(2, "b/x.png")], [annotation(1, 1), annotation(2, 1)])
    for name in ("a/x.png", "b/x.png"): (folder/name).unlink()
    scenes.sample(1).image.save(folder/"x.png")
    with pytest.raises(ValueError, match=r"'a/x\.png' and 'b/x\.png' would both be read from .*x\.png'"):
        D.coco_objects(path, folder)


def test_ids_that_mean_two_images_are_refused(folder):
    path = joined(folder, [entry(1, "x.png"), entry(1, "y.png")], [annotation(1, 1)])
    with pytest.raises(ValueError, match=r"id 1 has 'x\.png' and 'y\.png': number the images anew"):
        D.coco_objects(path, folder)
    with pytest.raises(ValueError, match="number the images anew"): D.coco_captions(path, folder)
    path = joined(folder, [entry(1, "x.png"), entry(2, "x.png")], [annotation(1, 1), annotation(2, 1)])
    with pytest.raises(ValueError, match=r"file_name 'x\.png' has 1 and 2: join the annotations"):
        D.coco_objects(path, folder)
    twice = joined(folder, [entry(1, "x.png"), entry(1, "x.png")], [annotation(1, 1)])
    assert [s.key for s in D.coco_objects(twice, folder)] == ["x-car"]


def test_annotations_that_are_there_twice_count_once(folder):
    path = joined(folder, [entry(1, "x.png")], [annotation(1, 1), annotation(1, 1), annotation(1, 2, id=0)])
    assert [s.key for s in D.coco_objects(path, folder)] == ["x-car", "x-dog"]
    path = joined(folder, [entry(1, "x.png")], [annotation(1, 1), annotation(1, 1, bbox=[10, 20, 50, 59])])
    with pytest.raises(ValueError, match="more than one in its image"): D.coco_objects(path, folder)


def test_two_ids_of_one_category_are_one(folder):
    marks = [annotation(1, 1), annotation(1, 3, bbox=[11, 20, 49, 60]), annotation(2, 3)]
    path = joined(folder, [entry(1, "x.png"), entry(2, "y.png")], marks, ("car", "dog", "car"))
    data = D.coco_objects(path, folder)
    assert [s.key for s in data] == ["y-car"] and data.left_out == [("x-car", "more than one in its image")]


def test_annotations_of_no_image_are_told(folder):
    path = joined(folder, [entry(1, "x.png")], [annotation("1", 1)])
    with pytest.raises(ValueError, match="no annotation belongs to an image of the file: .*got '1' for ids 1"):
        D.coco_objects(path, folder)
