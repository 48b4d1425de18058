"COCO files: objects that occur once, captions, and what is damaged."
import json

import pytest

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
    marks = [annotation(1, 1), annotation(2, 2), annotation(2, 1), annotation(2, 2),
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
