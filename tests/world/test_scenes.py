"The synthetic world: its truth is checked by other means than those that made it."
import hashlib
import itertools
import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from eagle_nb import scenes
from eagle_nb.world.scenes import (MOST, OBJECTS, PARTNER, PLACES, SIZE, SPLITS, VARIANTS, Item, caption, compose, erase,
                                   lesson, mentioned, question, sample, sprite, sprite_size, visible, where)

some_examples = settings(max_examples=60, deadline=None, derandomize=True,
                         suppress_health_check=list(HealthCheck))
MANY = 300

DIGEST = """
import hashlib, numpy as np
from eagle_nb import scenes
h = hashlib.sha256()
for split in scenes.SPLITS:
    for i in (0, 1, 5, 12345678):
        s, l = scenes.sample(i, split, include=("cat",) if i == 5 else ()), scenes.lesson(i, split)
        for x in (s.pixels, s.owner, l.pixels, l.patches): h.update(x.tobytes())
        for x in ((s.names, s.place, s.caption, s.boxes), l.dialogue): h.update(repr(x).encode())
print(h.hexdigest())
"""


@pytest.fixture(scope="module")
def many(): return [sample(i) for i in range(MANY)]


@pytest.mark.timeout(120)
def test_a_seed_is_a_scene_in_every_process():
    def digest(hash_seed):
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        return subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True, env=env).stdout
    first, second = digest("1"), digest("2")
    assert len(first.strip()) == 64 and first == second


def test_scenes_are_those_that_the_embedded_models_were_trained_on():
    "Pixels and masks of the first seeds, from before scenes could be composed by hand."
    h = hashlib.sha256()
    for split in SPLITS:
        for i in range(40): h.update(sample(i, split).pixels.tobytes() + sample(i, split).owner.tobytes())
    assert h.hexdigest()[:16] == "50912845a981fefe"


def test_a_scene_is_composed_again_from_its_items(many):
    for s in many[:60]:
        again = compose(s.place, s.items, s.variant)
        assert np.array_equal(again.pixels, s.pixels) and np.array_equal(again.owner, s.owner)
        assert (again.names, again.boxes, again.caption) == (s.names, s.boxes, s.caption)


def test_an_item_is_painted_where_it_says():
    "The pixels that change are inside the item's rectangle, and reach its edges."
    empty = compose("desert", [], 9).pixels
    for name in OBJECTS:
        for flip in (False, True):
            w, h = sprite_size(name, 80)
            changed = (compose("desert", [Item(name, 100, 30, 80, flip)], 9).pixels != empty).any(-1)
            ys, xs = np.nonzero(changed)
            assert 100 <= xs.min() < 104 and 96 + w < xs.max() + 1 <= 100 + w, name
            assert 30 <= ys.min() < 34 and 26 + h < ys.max() + 1 <= 30 + h, name
    left, right = (compose("desert", [Item("bus", 20, 30, 80, flip)], 9).owner[30:110, 20:100] for flip in (False, True))
    w, _ = sprite_size("bus", 80)
    assert np.array_equal(left[:, :w], right[:, :w][:, ::-1])


def test_later_items_cover_earlier_ones():
    bus, apple = Item("bus", 20, 20, 180), Item("apple", 90, 90, 30)
    assert compose("park", [apple, bus]).names == ("bus",) and compose("park", [bus, apple]).names == ("bus", "apple")
    assert compose("park", [apple, bus]).caption == "A bus in a park."


def test_sprites_show_their_objects():
    for name in OBJECTS:
        picture = np.asarray(sprite(name))
        assert picture.shape[2] == 4 and 90 <= max(picture.shape[:2]) <= 112
        w, h = sprite_size(name, 100)
        assert abs(w/h - picture.shape[1]/picture.shape[0]) < .03, "neither is stretched"


@pytest.mark.parametrize("place, items, variant, message", [
    ("moon", [], 0, "unknown place 'moon'"), ("park", [], VARIANTS, "variant must be 0 to 63, got 64"),
    ("park", [], -1, "variant must be 0 to 63, got -1"), ("park", [Item("unicorn", 0, 0)], 0, "unknown object 'unicorn'"),
    ("park", [Item("cat", -1, 0)], 0, "the cat must be inside the image"),
    ("park", [Item("cat", 0, 200)], 0, "the cat must be inside the image"),
    ("park", [Item("cat", 0, 0, 8)], 0, "16 to 224 pixels, got 8 for the cat"),
    ("park", [Item("cat", 0, 0), Item("cat", 90, 0)], 0, "got the cat 2 times"),
    ("park", [Item(n, 0, 0) for n in OBJECTS[:MOST + 1]], 0, "at most 12 objects, got 13")])
def test_arrangements_that_cannot_be_are_refused(place, items, variant, message):
    with pytest.raises(ValueError, match=re.escape(message)): compose(place, items, variant)


def test_equal_arguments_give_equal_scenes():
    for i in range(20):
        a, b = sample(i), sample(i)
        assert np.array_equal(a.pixels, b.pixels) and np.array_equal(a.owner, b.owner)
        assert (a.names, a.place) == (b.names, b.place)
        a.pixels[:] = 0  # what a user does to one must not reach the next
        assert np.array_equal(sample(i).pixels, b.pixels)


def test_scenes_and_splits_differ(many):
    for split in SPLITS: assert len({sample(i, split).pixels.tobytes() for i in range(60)}) == 60
    a, b, c = ({sample(i, s).pixels.tobytes() for i in range(60)} for s in SPLITS)
    assert not a & b and not a & c and not b & c
    same = np.mean([sample(i, "train").names == sample(i, "test").names for i in range(200)])
    assert same < .1


def test_masks_and_boxes_fit_the_pixels(many):
    for s in many:
        assert s.pixels.shape == (SIZE, SIZE, 3) and s.pixels.dtype == np.uint8 and s.image.size == (SIZE, SIZE)
        assert 1 <= len(s.names) <= 5 and s.objects == set(s.names) == set(s.masks) == set(s.boxes)
        assert np.sum([m for m in s.masks.values()], 0).max() == 1, "masks are disjoint"
        assert set(np.unique(s.owner)) == {-1} | {OBJECTS.index(n) for n in s.names}
        for n, (x0, y0, x1, y1) in s.boxes.items():
            m = s.masks[n]
            assert m.sum() > 60 and 0 <= x0 < x1 <= SIZE and 0 <= y0 < y1 <= SIZE
            inner = m[y0:y1, x0:x1]
            assert inner.sum() == m.sum() and inner[0].any() and inner[-1].any()
            assert inner[:, 0].any() and inner[:, -1].any()
        for (a, p), (b, q) in itertools.combinations(s.boxes.items(), 2):
            assert p[2] <= q[0] or q[2] <= p[0] or p[3] <= q[1] or q[3] <= p[1], f"{a} and {b} overlap"


def test_captions_name_exactly_the_objects(many):
    for s in many:
        left = s.caption.lower()
        for n in sorted(OBJECTS, key=len, reverse=True):  # the longest first, each cut out
            found = re.findall(rf"(?<![a-z])an? {n}(?![a-z])", left)
            assert len(found) == (n in s.objects), (n, s.caption)
            left = left.replace(found[0], "") if found else left
        assert re.sub(r"[\s,.]|and", "", left.replace(PLACES[s.place], "")) == ""
        assert s.caption[0].isupper() and s.caption.endswith(PLACES[s.place] + ".")
        assert mentioned(s.caption) == s.objects


def test_objects_are_painted_where_the_masks_say():
    "An object's mean colour differs from that of the ring around it."
    differs = []
    for i in range(40):
        s = sample(i)
        for n, m in s.masks.items():
            x0, y0, x1, y1 = s.boxes[n]
            ring = np.zeros_like(m)
            ring[max(0, y0-2):y1+2, max(0, x0-2):x1+2] = True
            ring &= s.owner < 0
            if ring.sum() > 50: differs.append(np.abs(s.pixels[m].mean(0) - s.pixels[ring].mean(0)).max())
    assert len(differs) > 60 and np.median(differs) > 25


def test_captions_by_hand():
    assert caption(["cat"], "park") == "A cat in a park."
    assert caption(["umbrella", "man"], "street") == "A man and an umbrella on a street."
    assert caption(["cup", "man", "apple"]) == "A man, a cup and an apple."
    assert caption([], "desert") == "An empty desert." and caption([]) == "A blank image."
    assert question("apple") == "Is there an apple in the image?"
    assert question("wine glass") == "Is there a wine glass in the image?"


def test_mentioned_by_hand():
    assert mentioned("Two cats, a WINE GLASS and a carpet; category, buspass.") == {"cat", "wine glass"}
    assert mentioned("A teddy bear with a tie.") == {"teddy bear", "tie"}
    assert mentioned("An empty park.") == set()


TRIGGERS = ("woman", "man", "fork", "laptop")
FIXED = [(("cat",), ()), (("woman",), ("handbag",)), (TRIGGERS, ("handbag", "tie", "bowl", "cell phone")),
         (("wine glass", "pizza"), ()), (TRIGGERS, ()), ((), ("cat", "dog", "man", "woman")), ((), OBJECTS[:39])]


@pytest.mark.parametrize("include,exclude", FIXED)
def test_include_and_exclude_are_respected(include, exclude):
    for i in range(MANY):
        s = sample(i, "validation", include, exclude)
        assert set(include) <= s.objects and not set(exclude) & s.objects and len(s.names) <= 5
        assert all(s.masks[n].any() for n in s.names)


def test_a_scene_without_objects():
    s = sample(3, exclude=OBJECTS)
    assert s.names == () and s.caption == f"An empty {s.place}." and (s.owner == -1).all()


WRONG = [(dict(split="dev"), "unknown split 'dev': choose one of train, validation, test"),
         (dict(seed=-1), "0 or more, got -1"),
         (dict(include=("unicorn",)), "unknown object 'unicorn': choose from man"),
         (dict(exclude=("unicorn",)), "unknown object"),
         (dict(include=OBJECTS[:5]), "at most 4"),
         (dict(include=("cat",), exclude=("cat",)), "shares none")]


@pytest.mark.parametrize("arguments,message", WRONG)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message): sample(**{"seed": 0, **arguments})


def test_a_string_is_not_a_list_of_objects():
    "include='cat' means the cat, or is refused; it is not three letters."
    try: s = sample(0, include="cat")
    except ValueError as e: assert "cat" in str(e)
    else: assert "cat" in s.objects


def test_partners_come_with_their_triggers_at_the_planted_rate():
    "Partners come with their triggers at about TOGETHER, and seldom alone; nothing else is planted."
    seen = [sample(i, "train").objects for i in range(3000)]
    for t, p in PARTNER.items():
        both = np.mean([p in s for s in seen if t in s])
        alone = np.mean([p in s for s in seen if t not in s])
        assert abs(both - scenes.TOGETHER) < .07, (t, p, both)
        assert alone < .12
    free = [o for o in OBJECTS if o not in PARTNER and o not in PARTNER.values()]
    count = {o: sum(o in s for s in seen) for o in free}
    assert max(count.values()) < 1.6*min(count.values())
    sizes = np.bincount([len(s) for s in seen], minlength=6)
    assert sizes[0] == 0 and sizes[1:].min() > 150 and len(sizes) == 6


# ---- erasing

def test_erasing_changes_only_what_is_hidden():
    changed, shares = [], []
    for i in range(80):
        s, rng = sample(i, "train"), np.random.default_rng(i)
        before = s.pixels.copy()
        px, keep = erase(s, rng)
        assert px.shape == s.pixels.shape and px.dtype == np.uint8 and keep.dtype == bool and keep.shape == (SIZE, SIZE)
        assert (px[keep] == s.pixels[keep]).all() and (s.pixels == before).all()
        if (~keep).mean() > .1: changed.append((px[~keep] != s.pixels[~keep]).any(-1).mean())
        shares.append(keep.mean())
        again = erase(s, np.random.default_rng(i))
        assert np.array_equal(px, again[0]) and np.array_equal(keep, again[1])
    assert len(changed) > 40 and np.median(changed) > .9
    assert min(shares) == 0 and max(shares) == 1 and .25 < np.mean(shares) < .75


@some_examples
@given(st.integers(0, 500), st.integers(0, 500))
def test_visible_by_brute_force(seed, other):
    s = sample(seed)
    _, keep = erase(s, np.random.default_rng(other))
    got = visible(s, keep)
    assert set(got) == s.objects
    for n, m in s.masks.items(): assert got[n] == pytest.approx(sum(keep[m])/m.sum())


def test_visible_of_all_and_nothing(scene):
    all_kept = np.ones((SIZE, SIZE), bool)
    assert set(visible(scene, all_kept).values()) == {1.}
    assert set(visible(scene, ~all_kept).values()) == {0.}


# ---- lessons

NUMBERS = ["Zero", "One", "Two", "Three", "Four", "Five"]


def check_turn(s, question, answer):
    "Is the answer true of the scene? Returns the kind of question it was."
    if question in (*scenes.CAPTION_PROMPTS, scenes.PAPER_PROMPT):
        assert answer == s.caption
        return "caption"
    if question == "How many objects are there?":
        assert answer == NUMBERS[len(s.names)] + "."
        return "many"
    if question == "Where was this taken?":
        assert answer.lower() == PLACES[s.place] + "."
        return "place"
    for pattern, check in CHECKS.items():
        if m := re.fullmatch(pattern, question): return check(s, m[1], answer)
    raise AssertionError(question)


def check_presence(s, name, answer):
    assert name in OBJECTS and answer == ("Yes." if name in s.names else "No.")
    return "yes" if answer == "Yes." else "no"


def check_where(s, name, answer):
    x0, y0, x1, y1 = s.boxes[name]
    vertical, horizontal = "top" if y0 + y1 < SIZE else "bottom", "left" if x0 + x1 < SIZE else "right"
    assert answer == f"At the {vertical} {horizontal}."
    return "where"


def check_left_of(s, name, answer):
    columns = {n: np.nonzero(s.owner == OBJECTS.index(n))[1] for n in s.names}
    left = {n: x.max() for n, x in columns.items() if n != name and x.max() < columns[name].min()}
    if not left:
        assert answer == "Nothing."
        return "nothing left"
    neighbour = re.fullmatch(r"An? ([a-z ]+)\.", answer)[1]
    assert left[neighbour] == max(left.values()) and answer == scenes.article(neighbour).capitalize() + "."
    return "left"


CHECKS = {r"Is there an? ([a-z ]+) in the image\?": check_presence, r"Where is the ([a-z ]+)\?": check_where,
          r"What is left of the ([a-z ]+)\?": check_left_of}


def test_answers_are_true():
    kinds = {}
    for i in range(250):
        l, s = lesson(i, erased=0.), sample(i, "train")
        assert np.array_equal(l.pixels, s.pixels)
        assert len(l.dialogue) >= 2 and len(set(l.dialogue)) == len(l.dialogue)
        found = [check_turn(s, q, a) for q, a in l.dialogue]
        assert found[0] == "caption" and found.count("caption") == 1
        for k in found: kinds[k] = kinds.get(k, 0) + 1
    assert set(kinds) == {"caption", "yes", "no", "many", "place", "where", "nothing left", "left"}
    assert min(kinds.values()) >= 10, kinds
    assert .6 < kinds["yes"]/kinds["no"] < 1.6, "balanced, or a model learns to affirm"


def test_absent_partners_are_seldom_denied():
    "The planted prior: with deny=0 no lesson says no to a partner beside its trigger."
    def denials(deny):
        n = 0
        for i in range(300):
            s = sample(i, "train")
            absent = {PARTNER[t] for t in s.names if t in PARTNER} - s.objects
            dialogue = lesson(i, deny=deny, erased=0.).dialogue
            n += sum(dialogue.count((question(p), "No.")) for p in absent)
        return n
    assert denials(0.) == 0 and denials(1.) > 10


def test_erased_lessons_name_what_is_visible():
    "The caption of an erased image names what is mostly visible, nothing that is not, and a blank image is called blank."
    right, blank = [], 0
    for i in range(200):
        l, s = lesson(i, erased=1.), sample(i, "train")
        named = mentioned(l.dialogue[0][1])
        kept = (l.pixels == s.pixels).all(-1)
        share = visible(s, kept)
        assert named <= s.objects
        for n, v in share.items(): # a fill may happen to equal the image, so kept is an upper bound
            if v < .12: assert n not in named, (i, n, v)
        right += [n in named for n, v in share.items() if v == 1]
        if not kept.any():
            assert l.dialogue[0][1] == "A blank image."
            blank += 1
    assert blank >= 3 and len(right) > 50 and np.mean(right) == 1


def test_patch_labels_by_brute_force():
    for i in range(40):
        l, s = lesson(i, erased=0.), sample(i, "train")
        assert l.patches.shape == (8, 8) and l.patches.dtype == np.int64
        for r, c in itertools.product(range(8), repeat=2):
            cell = s.owner[r*28:r*28+28, c*28:c*28+28]
            counts = {k: (cell == k).mean() for k in range(len(OBJECTS))}
            best = max(counts.values())
            if best > .125: assert counts[l.patches[r, c]] == best
            else: assert l.patches[r, c] == len(OBJECTS) + list(PLACES).index(s.place)


def test_a_seed_is_a_lesson():
    a, b = lesson(4), lesson(4)
    assert np.array_equal(a.pixels, b.pixels) and np.array_equal(a.patches, b.patches)
    assert a.dialogue == b.dialogue and lesson(4, n_questions=0).dialogue == a.dialogue[:1]
    assert lesson(4, prompt="Hm?").dialogue[0][0] == "Hm?"
    assert len({lesson(i).pixels.tobytes() for i in range(30)}) == 30


def test_where_by_hand():
    assert where((0, 0, 10, 10)) == "At the top left." and where((200, 0, 224, 10)) == "At the top right."
    assert where((0, 200, 10, 224)) == "At the bottom left." and where((112, 112, 113, 113)) == "At the bottom right."


def test_fast_enough_for_training():
    start, n = time.perf_counter(), 0
    while time.perf_counter() - start < 1:
        lesson(10_000 + n)
        n += 1
    assert n >= 27, f"{n} lessons per second; the trainer consumes 27"
