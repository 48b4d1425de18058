"The scene editor: what a change leads to, what is refused, and what is left behind. Its browser is in test_apps.py."
import gc
import threading

import numpy as np
import pytest
from widget_help import open_widgets, set_cell

import eagle_nb
from eagle_nb import scenes
from eagle_nb.apps.scene_editor import SceneEditor, free_spot, inside, p_yes, scene_code, sprite_data
from eagle_nb.world.scenes import MOST, OBJECTS, PARTNER, PLACES, SIZE, SMALLEST, Item, compose, sample, sprite_size

QUICK = dict(regions=9, budget=20)


@pytest.fixture(scope="module")
def model(): return eagle_nb.load("scenes-llava", dtype="float32", device="cpu")


@pytest.fixture
def editor(model):
    x = SceneEditor(model, **QUICK)
    yield x
    x.close()


def message(editor, **m):
    "What the browser sends."
    editor._on_message(dict(serial=editor.serial + 1, **m), [])


def test_it_is_at_the_top_of_the_package(): assert eagle_nb.SceneEditor is SceneEditor


def test_each_change_makes_the_scene_that_it_names(model):
    x = SceneEditor(model, compose("park", []), **QUICK)
    x.place("dog", 10, 20, 60).place("cat", 120, 90, 50, flip=True)
    assert x.scene.items == (Item("dog", 10, 20, 60), Item("cat", 120, 90, 50, True)) and x.scene.place == "park"
    x.move("dog", 30, 40).flip("cat").background("beach", 9)
    assert x.scene.items == (Item("dog", 30, 40, 60), Item("cat", 120, 90, 50)) and (x.scene.place, x.scene.variant) == ("beach", 9)
    x.resize("dog", 80)
    (w, h), (v, u), dog = sprite_size("dog", 60), sprite_size("dog", 80), x.scene.items[0]
    assert abs(dog.x + v/2 - 30 - w/2) <= 1 and abs(dog.y + u/2 - 40 - h/2) <= 1, "its middle stays"
    x.remove("dog")
    assert x.scene.names == ("cat",)
    x.undo().undo()
    assert x.scene.items[0] == Item("dog", 30, 40, 60)
    x.start(7)
    assert np.array_equal(x.scene.pixels, sample(7).pixels)
    x.close()


def test_the_model_sees_what_is_composed_and_answers_once_for_changes_in_a_row(editor, monkeypatch):
    editor.wait()
    asked, answers = [], editor.model.answers
    monkeypatch.setattr(editor.model, "answers", lambda images, *a, **k: asked.append(np.asarray(images[0])) or answers(images, *a, **k))
    for x in range(10, 60, 10): editor.move("woman", x, 40)
    editor.wait()
    assert len(asked) == 1 and np.array_equal(asked[0], compose("street", [Item("woman", 50, 40, 120)], 3).pixels)
    assert editor.status == "done" and np.array_equal(editor.image, editor.scene.pixels)


def test_a_planted_partner_is_expected_next_to_its_trigger(editor):
    editor.wait()
    with_woman = {r["partner"]: r for r in editor.partner_rows()}
    assert set(with_woman) == set(PARTNER.values()) and all(r["before"] is None for r in with_woman.values())
    assert with_woman["handbag"]["trigger_there"] and not with_woman["handbag"]["partner_there"]
    assert with_woman["handbag"]["p"] == pytest.approx(p_yes(editor.model, editor.scene.image, "handbag"))
    answer = editor.state()["answer"]
    editor.remove("woman").wait()
    now = {r["partner"]: r for r in editor.partner_rows()}
    assert now["handbag"]["before"] == with_woman["handbag"]["p"] > 10*now["handbag"]["p"]
    assert editor.state()["before"] == answer != editor.state()["answer"]


def test_the_selected_word_stays_selected_and_another_answer_is_explained_where_it_is_gone(editor):
    editor.wait().select("woman").wait()
    editor.background("beach").wait()
    assert editor.state()["selected_text"] == "woman" and editor.state()["status"] == "done"
    editor.remove("woman").place("dog").wait()
    s = editor.state()
    assert "woman" not in s["answer"] and s["selected"] == list(editor.whole()) and "woman" in s["message"]


def test_a_search_ends_when_the_scene_changes(model):
    x = SceneEditor(model, regions=64, budget=4000)
    for _ in range(600):
        if x.state()["status"] == "searching" and x.forwards: break
        threading.Event().wait(.1)
    assert x.state()["status"] == "searching"
    x.set(budget=20, regions=9)
    x.background("desert").wait(60)
    assert x.status == "done" and x.forwards < 100 and "desert" in x.state()["answer"]
    x.close()


@pytest.mark.parametrize("wrong, said", [
    (lambda x: x.place("unicorn"), "unknown object 'unicorn'"), (lambda x: x.place("cat", 200, 0), "must be inside the image"),
    (lambda x: x.place("cat", size=8), "16 to 224"), (lambda x: x.place("woman"), "already: move it"),
    (lambda x: x.move("dog", 0, 0), "not in the scene, which holds woman"), (lambda x: x.move("woman", -1, 0), "must be inside"),
    (lambda x: x.resize("woman", 500), "16 to 224"), (lambda x: x.remove("pegasus"), "unknown object 'pegasus'"),
    (lambda x: x.background("moon"), "unknown place 'moon'"), (lambda x: x.background("park", 64), "0 to 63"),
    (lambda x: x.undo(), "nothing was changed"), (lambda x: x.start(-1), "seed must be 0 or more")])
def test_what_cannot_be_is_told_and_changes_nothing(editor, wrong, said):
    before = editor.scene
    wrong(editor)
    assert said in editor.message and editor.scene is before


def test_a_scene_can_be_full(editor):
    for name in OBJECTS[2:MOST + 1]: editor.place(name, 0, 0, SMALLEST)
    assert len(editor.scene.items) == MOST
    editor.place("pizza", 0, 0, SMALLEST)
    assert "at most 12 objects" in editor.message and len(editor.scene.items) == MOST


def test_messages_of_the_browser(editor):
    message(editor, do="place", name="dog")
    assert [i.name for i in editor.scene.items] == ["woman", "dog"]
    message(editor, do="change", name="dog", x=-50, y=1e4, size=40.4, flip=True)
    dog = editor.scene.items[1]
    assert (dog.x, dog.y, dog.size, dog.flip) == (0, SIZE - sprite_size("dog", 40)[1], 40, True), "moved into the image"
    message(editor, do="background", place="kitchen", variant=5)
    message(editor, do="remove", name="woman")
    assert editor.scene.caption == "A dog in a kitchen."
    message(editor, do="undo")
    assert len(editor.scene.items) == 2
    message(editor, do="clear")
    assert editor.scene.caption == "An empty kitchen."
    for bad in (dict(do="change", name="dog"), dict(do="change", name="cat", x=0, y=0, size=9), dict(do="place"),
                dict(do="nonsense"), dict(do="background", place=None, variant=0)):
        message(editor, **bad)
        assert editor.message and editor.scene.caption == "An empty kitchen."
    message(editor, do="ask", question="Where was this taken?")
    editor.wait()
    assert editor.state()["prompt"] == "Where was this taken?" and "kitchen" in editor.state()["answer"].lower()


def test_what_the_browser_gets(editor):
    editor.wait()
    editor._sender.wait(10)
    message(editor, do="move nowhere")
    assert editor.box.scene["items"] == [dict(name="woman", x=78, y=60, size=120, flip=False, light=1.)]
    serial = editor.serial
    message(editor, do="place", name="unicorn")
    editor._sender.wait(10)
    assert editor.box.scene["serial"] == serial + 1, "a refused change is answered with the scene as it is"
    assert len(sprite_data()["names"]) == len(OBJECTS) and sprite_data()["places"] == list(PLACES)
    assert editor.box.live["partners"] == editor.partner_rows() and editor.box.live["truth"] == editor.scene.caption


def test_the_code_composes_the_scene_once_more():
    for s in (sample(7), compose("park", []), compose("desert", [Item("wine glass", 3, 4, 50, True)], 63)):
        assert np.array_equal(np.asarray(eval(scene_code(s))), s.pixels)


def test_free_spots_cover_nothing():
    items = ()
    for name in OBJECTS[:8]:
        x, y = free_spot(items, name, 60)
        items += (Item(name, x, y, 60),)
    boxes = [(i.x, i.y, i.x + w, i.y + h) for i in items for w, h in [sprite_size(i.name, 60)]]
    for k, a in enumerate(boxes):
        for b in boxes[:k]: assert a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]


def test_everything_can_be_moved_inside():
    rng = np.random.default_rng(0)
    for name in OBJECTS: compose("park", [Item(name, **inside(name, *rng.uniform(-400, 400, 2), rng.uniform(-50, 600)))])


def test_a_cell_that_runs_again_leaves_nothing(model, monkeypatch):
    gc.collect()
    threads, widgets = set(threading.enumerate()), open_widgets()
    set_cell(monkeypatch, "cell", 1)
    first = SceneEditor(model, **QUICK)
    set_cell(monkeypatch, "cell", 2)
    second = SceneEditor(model, **QUICK)
    assert first.closed and not second.closed
    assert "closed" in first.place("dog").message
    second.close()
    for t in set(threading.enumerate()) - threads: t.join(10)
    assert set(threading.enumerate()) <= threads and open_widgets() <= widgets
    assert first.state()["scene"]["caption"] and second.text().startswith("scene ")


def test_the_text_says_all(editor):
    editor.wait()
    text = editor.text()
    assert editor.scene.caption in text and editor.state()["answer"] in text and "handbag, not there" in text
    assert repr(editor) == text
    shown = editor._repr_mimebundle_()
    assert shown["text/plain"] == text and set(shown) == {"text/plain", "image/png"}
