"Regions: partitions that cover each pixel exactly once."
import json
import subprocess
import sys
import warnings

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pycocotools.mask import encode

from eagle_nb.core.regions import (PARTITIONS, Regions, felzenszwalb, from_masks, grid, seeds, segment, slico,
                                   slico_cv, tokens)

EXAMPLES = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
contrib = pytest.mark.skipif(not hasattr(cv2, "ximgproc"), reason="needs cv2.ximgproc (opencv-contrib-python)")
plain = pytest.mark.skipif(hasattr(cv2, "ximgproc"), reason="this OpenCV is the contrib build")


def make_image(h, w, kind="shapes", seed=0):
    rng = np.random.default_rng(seed)
    if kind == "constant": return np.full((h, w, 3), 90, np.uint8)
    if kind == "noise": return rng.integers(0, 256, (h, w, 3), dtype=np.uint8)
    small = rng.integers(0, 256, (6, 7, 3), dtype=np.uint8)
    return cv2.resize(small, (w, h), interpolation=cv2.INTER_NEAREST if kind == "blocks" else cv2.INTER_CUBIC)


def count_pieces(mask):
    "Number of 4-connected pieces of a mask, by an independent flood fill."
    left, pieces = set(map(tuple, np.argwhere(mask))), 0
    while left:
        pieces, stack = pieces + 1, [left.pop()]
        while stack:
            y, x = stack.pop()
            for p in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                if p in left:
                    left.remove(p)
                    stack.append(p)
    return pieces


def check_partition(r, h, w):
    "Each pixel has one label, each label a pixel, and the record survives JSON."
    assert isinstance(r, Regions) and r.labels.shape == r.shape == (h, w) and r.labels.dtype == np.int32
    assert not r.labels.flags.writeable
    assert set(np.unique(r.labels)) == set(range(r.n)) and len(r) == r.n
    assert r.area.shape == (r.n,) and r.area.dtype == np.float64
    assert abs(r.area.sum() - 1) < 1e-9 and (r.area > 0).all()
    if r.n*h*w < 2e7: assert (r.masks.sum(0) == 1).all()
    assert np.array_equal(Regions(r.labels.copy()).labels, r.labels)
    assert json.loads(json.dumps(r.settings)) == r.settings
    assert r._repr_png_()[:4] == b"\x89PNG" and str(r.n) in repr(r)


# ---- Regions

def test_labels_keep_their_values_and_cannot_be_written_to():
    for dtype in (np.uint8, np.int16, np.int64, np.uint64, ">i4"):
        labels = np.array([[0, 1], [2, 1]], dtype)
        r = Regions(labels)
        assert r.labels.dtype == np.int32 and np.array_equal(r.labels, labels)
        labels[0, 0] = 9
        assert r.labels[0, 0] == 0
        with pytest.raises(ValueError): r.labels[0, 0] = 1
        with pytest.raises(AttributeError): r.labels = labels
    mine = np.array([[0, 1]], np.int32)
    Regions(mine)
    mine[0, 0] = 5 # the caller's own array stays writable
    for a in (r.area, r.adjacency, r.centers):
        with pytest.raises(ValueError): a[...] = 0


@pytest.mark.parametrize("labels, message", [
    (np.zeros((0, 3), int), "at least 1 pixel"),
    (np.zeros(4, int), "shape (H, W)"),
    (np.zeros((1, 2, 2), int), "shape (H, W)"),
    (np.zeros((2, 2)), "got float64"),
    (np.zeros((2, 2), bool), "masks are given as a list of arrays (H, W)"),
    (np.array([[0, -1]]), "got -1"),
    (np.array([[0, 2]]), "got 1 without one (first: 1)"),
    (np.array([[1, 2]]), "(first: 0)"),
    (np.array([[0, 2**40]]), "first: 1, 2, 3"),
    (np.array([[0, 2**63]], np.uint64), "without one"),
    (np.array([["a"]]), "must be integers")])
def test_label_maps_that_are_no_partition_are_refused(labels, message):
    with pytest.raises(ValueError) as e: Regions(labels)
    assert message in str(e.value), str(e.value)


def test_settings_are_copied_and_must_be_json():
    with pytest.raises(ValueError, match="settings must hold what JSON can hold"):
        Regions(np.zeros((1, 1), int), "x", {"n": np.int64(3)})
    mine = {"list": [1]}
    r = Regions(np.zeros((1, 1), int), "x", mine)
    mine["list"].append(2)
    assert r.settings == {"list": [1]}


def neighbours_by_loop(labels, n):
    "Adjacency and boundaries, one pixel at a time."
    (h, w), adjacency = labels.shape, np.zeros((n, n), bool)
    boundary = np.zeros((h, w), bool)
    for y in range(h):
        for x in range(w):
            for v, u in ((y + 1, x), (y, x + 1)):
                if v < h and u < w and labels[y, x] != labels[v, u]:
                    i, j = labels[y, x], labels[v, u]
                    adjacency[i, j] = adjacency[j, i] = boundary[y, x] = True
    return adjacency, boundary


@EXAMPLES
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 10**6))
def test_properties_equal_those_of_plain_loops(h, w, seed):
    rng = np.random.default_rng(seed)
    r = Regions.compact(rng.integers(-3, 4, (h, w))*10**9)
    check_partition(r, h, w)
    adjacency, boundary = neighbours_by_loop(r.labels, r.n)
    assert np.array_equal(adjacency, r.adjacency) and np.array_equal(boundary, r.boundaries)
    for i in range(r.n):
        ys, xs = np.nonzero(r.labels == i)
        assert np.allclose(r.centers[i], (xs.mean(), ys.mean())) and np.isclose(r.area[i], len(xs)/(h*w))
    keep = rng.random(r.n) < .5
    assert np.array_equal(r.mask(keep), np.isin(r.labels, np.flatnonzero(keep)))
    assert np.array_equal(r.mask(keep) ^ r.mask(~keep), np.ones((h, w), bool))


def test_keep_must_be_one_boolean_per_region():
    r = grid((4, 4), 2, 2)
    for keep in ([0, 1], [True]*3, [1, 0, 1, 0], np.ones((1, 4), bool), 3):
        with pytest.raises(ValueError, match="keep must be 4 booleans"): r.mask(keep)
    assert r.mask([True]*4).all()


def test_show_draws_into_given_axes_or_makes_its_own():
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    r = slico(make_image(40, 50), 9)
    ax = plt.subplots()[1]
    assert r.show(make_image(40, 50), ax) is ax and r.show() is not ax
    with pytest.raises(ValueError, match="the image is 40×50, the regions 50×40"): r.show(make_image(50, 40))
    plt.close("all")


def test_methods_patched_onto_regions_are_documented():
    assert Regions.mask.__qualname__ == "Regions.mask" and "kept regions" in Regions.mask.__doc__
    assert Regions.compact.__doc__ and type(Regions.area).__name__ == "cached_property"


# ---- SLICO and Felzenszwalb

SIZES = (st.tuples(st.integers(1, 40), st.integers(1, 40))
         | st.tuples(st.integers(1, 3), st.integers(1, 300))
         | st.tuples(st.integers(1, 300), st.integers(1, 3)))
KINDS = st.sampled_from(["shapes", "blocks", "noise", "constant"])


@settings(EXAMPLES, max_examples=150)
@given(SIZES, KINDS, st.floats(0, 1), st.sampled_from([slico, felzenszwalb]), st.integers(0, 999))
def test_a_partition_covers_each_pixel_once(size, kind, share, method, seed):
    h, w = size
    a, n = make_image(h, w, kind, seed), max(1, min(200, round((h*w)**share)))
    before = a.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        r = method(a, n)
    check_partition(r, h, w)
    assert np.array_equal(a, before)
    assert np.array_equal(method(a, n).labels, r.labels), "not deterministic"
    for i in range(r.n): assert count_pieces(r.labels == i) == 1, "a region in pieces"
    if method is felzenszwalb: assert r.n <= n
    assert r.n <= max(n, 1.1*n) and (n > 1 or r.n == 1)


@pytest.mark.parametrize("kind", ["shapes", "blocks", "noise", "constant"])
@pytest.mark.parametrize("size", [(224, 224), (120, 160), (60, 600), (333, 250), (30, 30)])
def test_slico_makes_about_as_many_regions_as_requested(size, kind):
    image = make_image(*size, kind)
    for n in (1, 2, 3, 5, 7, 12, 36, 50, 64, 100): assert abs(slico(image, n).n - n) <= .15*n, n


def test_felzenszwalb_reaches_the_number_where_there_is_enough_detail():
    for n in (1, 10, 64): assert felzenszwalb(make_image(200, 300, "noise"), n).n == n
    assert felzenszwalb(make_image(200, 300, "constant"), 64).n == 1
    assert felzenszwalb(make_image(120, 140, "blocks"), 42).n > 30


@pytest.mark.parametrize("method", [slico, felzenszwalb])
def test_twelve_megapixels_are_segmented_at_full_size(method):
    r = method(make_image(3000, 4000), 64)
    check_partition(r, 3000, 4000)
    if method is slico: assert abs(r.n - 64) <= 9
    assert r.boundaries.any() and r.centers.max() < 4000


def test_regions_follow_edges():
    a = np.zeros((64, 64, 3), np.uint8)
    a[:, 29:] = 255
    dark, light = a[..., 0] == 0, a[..., 0] == 255
    for method in (slico, felzenszwalb):
        r = method(a, 16)
        straddling = [(r.labels[dark] == i).mean()*(r.labels[light] == i).mean() for i in range(r.n)]
        assert max(straddling) < 1e-3


@pytest.mark.parametrize("n, message", [
    (0, "at least 1"), (-3, "at least 1"), (26, "26 for 25 pixels"), (2.5, "whole number"), ("9", "whole number"),
    (True, "whole number"), (None, "whole number")])
@pytest.mark.parametrize("method", [slico, felzenszwalb])
def test_impossible_numbers_of_regions_are_refused(method, n, message):
    with pytest.raises(ValueError, match=message): method(np.zeros((5, 5)), n)
    assert method(np.zeros((5, 5)), np.int64(25)).n >= 1


# ---- squares

@EXAMPLES
@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_squares_differ_by_at_most_a_pixel(h, w, data):
    rows, cols = data.draw(st.integers(1, h)), data.draw(st.integers(1, w))
    r, by_tokens = grid((h, w), rows, cols), tokens((h, w), (rows, cols))
    check_partition(r, h, w)
    assert r.n == rows*cols and (r.method, by_tokens.method) == ("grid", "tokens")
    assert np.array_equal(r.labels, tokens(np.zeros((h, w)), (rows, cols)).labels)
    for lines, pieces in ((r.labels[:, 0]//cols, rows), (r.labels[0] % cols, cols)):
        widths = np.bincount(lines, minlength=pieces)
        assert widths.min() >= 1 and np.ptp(widths) <= 1 and (np.diff(lines) >= 0).all()


@pytest.mark.parametrize("call, message", [
    (lambda: grid((4, 9)), "rows must be a whole number from 1 to the 4"),
    (lambda: grid((9, 4)), "cols must be a whole number from 1 to the 4"),
    (lambda: grid((9, 9), 0), "got 0"),
    (lambda: grid((9, 9), 2.5), "got 2.5"),
    (lambda: grid((9, 9), True), "got True"),
    (lambda: grid((9, 9, 3)), "shape must be"),
    (lambda: grid((0, 9)), "shape must be"),
    (lambda: grid((9., 9)), "shape must be"),
    (lambda: tokens((9, 9), 8), "grid must be"),
    (lambda: tokens((9, 9), (1, 2, 3)), "grid must be"),
    (lambda: tokens((9, 9), (10, 2)), "rows")])
def test_impossible_squares_are_refused(call, message):
    with pytest.raises(ValueError) as e: call()
    assert message in str(e.value)


# ---- masks

@EXAMPLES
@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 6), st.floats(0, 1), st.integers(0, 10**6))
def test_the_smallest_mask_owns_each_pixel(h, w, m, share, seed):
    masks = np.random.default_rng(seed).random((m, h, w)) < share
    if not masks.any(): masks[0, 0, 0] = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        r = from_masks(masks)
    check_partition(r, h, w)
    size = masks.sum((1, 2))
    owners = r.settings["masks"] + [m]*r.settings["rest"]
    for y in range(h):
        for x in range(w):
            covering = [i for i in range(m) if masks[i, y, x]]
            expected = min(covering, key=lambda i: (size[i], i)) if covering else m
            assert owners[r.labels[y, x]] == expected


def test_masks_keep_names_and_order():
    top, everything = np.zeros((3, 3), bool), np.ones((3, 3), bool)
    top[0] = True
    r = from_masks({"sky": top, "all": everything})
    assert r.settings == {"masks": [0, 1], "rest": False, "names": ["sky", "all"]}
    assert r.labels[:, 0].tolist() == [0, 1, 1]
    with pytest.warns(UserWarning, match="what no mask covers is 67% of the image"):
        r = from_masks({"sky": top}, shape=(3, 3))
    assert r.settings["names"] == ["sky", "rest"] and r.n == 2
    assert from_masks([top, ~top], rest=False).n == 2 and from_masks(np.stack([top, everything])).n == 2
    with pytest.warns(UserWarning, match="but hidden, empty had none left"):
        r = from_masks({"hidden": everything, "top": top, "low": ~top, "empty": top & ~top})
    assert r.settings["names"] == ["top", "low"] and r.settings["masks"] == [1, 2]


def test_an_array_of_masks_is_masks_wherever_regions_are_given():
    top = np.zeros((8, 8), bool)
    top[:4] = True
    stacked, listed = np.stack([top, ~top]), from_masks([top, ~top])
    for made in (Regions(stacked), segment(np.zeros((8, 8, 3), np.uint8), stacked)):
        assert np.array_equal(made.labels, listed.labels)
    with pytest.raises(ValueError, match=r"masks are given as a list of arrays \(H, W\) of bool, or an array \(M, H, W\)"):
        Regions(stacked.astype(int))


@pytest.mark.parametrize("call, message", [
    (lambda a: from_masks([]), "at least 1 mask"),
    (lambda a: from_masks({}), "at least 1 mask"),
    (lambda a: from_masks([a & ~a]), "at least 1 pixel"),
    (lambda a: from_masks([a], rest=False), "6 of 9 pixels uncovered"),
    (lambda a: from_masks([a.astype(int)]), "got int64 for mask 0"),
    (lambda a: from_masks([a, a[:2]]), "got (2, 3) for mask 1"),
    (lambda a: from_masks([a], shape=(4, 3)), "shape (4, 3), got (3, 3)"),
    (lambda a: from_masks(a), "shape must be"),
    (lambda a: from_masks(np.zeros((1, 0, 3), bool)), "both at least 1 pixel")])
def test_impossible_masks_are_refused(call, message):
    a = np.zeros((3, 3), bool)
    a[0] = True
    with pytest.raises(ValueError) as e: call(a)
    assert message in str(e.value)


# ---- SAM's list of dicts

def sam_record(mask, coded):
    "What SAM's automatic generator gives for a mask."
    y, x = np.nonzero(mask)
    box = [int(x.min()), int(y.min()), int(np.ptp(x)), int(np.ptp(y))]
    return dict(segmentation=coded(mask), area=int(mask.sum()), bbox=box, predicted_iou=.98, stability_score=.96,
                point_coords=[[float(x[0]), float(y[0])]], crop_box=[0, 0, mask.shape[1], mask.shape[0]])


def packed(mask): return encode(np.asfortranarray(mask, np.uint8))


def as_text(mask): return {**packed(mask), "counts": packed(mask)["counts"].decode()}


def run_lengths(mask):
    flat = mask.T.ravel()
    cuts = np.flatnonzero(np.diff(np.concatenate([[False], flat, [not flat[-1]]])))
    return {"size": list(mask.shape), "counts": np.diff(np.concatenate([[0], cuts])).tolist()}


@pytest.mark.parametrize("coded", [lambda m: m, packed, as_text, run_lengths])
def test_sam_s_masks_become_regions_the_smaller_on_top(coded):
    table, cup, hidden = np.zeros((3, 12, 16), bool)
    table[4:], cup[6:10, 3:8], hidden[7:9, 4:6] = True, True, True
    records = [sam_record(m, coded) for m in (hidden, table, cup)]
    expected = from_masks([hidden, table, cup])
    for r in (from_masks(records), segment(make_image(12, 16), records), Regions(records), Regions(tuple(records))):
        assert np.array_equal(r.labels, expected.labels) and r.method == "masks"
        assert r.settings == {"masks": [0, 1, 2], "rest": True} and r.labels[0, 0] == 3
        assert [r.labels[7, 4], r.labels[11, 0], r.labels[6, 3]] == [0, 1, 2]


@pytest.mark.parametrize("records,message", [
    ([], "at least 1 mask"), ([dict(area=4)], "an RLE is"), ([dict(segmentation=np.ones((4, 4)))], "boolean, got float64"),
    ([dict(segmentation=np.ones((4, 4), bool))], "shape (12, 16), got (4, 4)"),
    ([dict(segmentation=dict(size=[12, 16], counts=[5, 5]))], "cover 10 of 192 pixels")])
def test_sam_s_masks_that_do_not_fit_are_refused(records, message):
    with pytest.raises(ValueError) as e: segment(make_image(12, 16), records)
    assert message in str(e.value)


@pytest.mark.parametrize("rows,told", [(1, True), (5, True), (6, False), (12, False)])
def test_a_background_that_is_most_of_the_image_is_told_once(rows, told):
    covered = np.zeros((12, 16), bool)
    covered[:rows] = True
    records, labels = [sam_record(covered, packed)], covered.astype(int)
    if rows == 12: labels[:6] = 0
    with warnings.catch_warnings(record=True) as w:
        warnings.simplefilter("always")
        segment(make_image(12, 16), records)
    assert len(w) == told
    if told: assert f"what no mask covers is {1 - rows/12:.0%} of the image" in str(w[0].message)
    with warnings.catch_warnings(record=True) as w:
        warnings.simplefilter("always")
        segment(make_image(12, 16), labels)
    assert len(w) == told and (not told or "region 0 of the label map is" in str(w[0].message))


# ---- one call for all

def test_segment_takes_numbers_names_regions_and_labels():
    a = make_image(64, 48)
    assert segment(a, 20).method == "slico" and segment(a, np.int32(20)).settings["n"] == 20
    assert segment(a, 20, seed=3).settings["seed"] == 3
    assert np.array_equal(segment(a).labels, slico(a, 64).labels)
    own = Regions(np.zeros((64, 48), int))
    assert segment(a, own) is own and np.array_equal(segment(a, own.labels).labels, own.labels)
    assert list(PARTITIONS) == ["slico", "slico_cv", "seeds", "felzenszwalb", "grid"]
    for name in ("slico", "felzenszwalb", "grid"): assert segment(a, name).method == name
    names = [("slico 12", "slico", 12), ("felzenszwalb 12", "felzenszwalb", None),
             ("grid 12", "grid", 12), ("grid 36", "grid", 36), ("grid 1", "grid", 1)]
    for text, method, n in names:
        made = segment(a, text)
        assert made.method == method and made.n == (n or made.n) and made.n <= (n or 12)
    assert segment(a, "grid 12").settings["rows"] == 3
    assert np.array_equal(segment(a, "slico 20").labels, segment(a, 20).labels)


@pytest.mark.parametrize("regions, message", [
    ("slic", "unknown regions 'slic': choose one of slico, slico_cv, seeds, felzenszwalb, grid"),
    (0, "at least 1"),
    (64*48 + 1, "3073 for 3072"),
    ("slico twelve", "unknown regions 'slico twelve'"),
    ("slico -3", "unknown regions 'slico -3'"),
    ("12 slico", "unknown regions"),
    ("grid 0", "at least 1"),
    ("felzenszwalb 0", "at least 1"),
    ("grid 9999", "9999 for 3072"),
    ("slico 20 30", "unknown regions"),
    (grid((48, 64)), "pixel for pixel"),
    (np.zeros((48, 64), int), "pixel for pixel"),
    (np.ones((64, 48), int), "Regions.compact"),
    (np.zeros((2, 64, 48), bool), "masks must hold at least 1 pixel"),
    (None, "got None"),
    (6.5, "got 6.5"),
    (True, "got True"),
    ([1, 2], "got [1, 2]")])
def test_segment_refuses_what_cannot_be_regions(regions, message):
    with pytest.raises(ValueError) as e: segment(make_image(64, 48), regions)
    assert message in str(e.value)


# ---- OpenCV contrib

@plain
@pytest.mark.parametrize("method", [slico_cv, seeds])
def test_without_contrib_the_error_names_the_remedy(method):
    remedy = "pip install opencv-contrib-python.*or use slico, scikit-image's SLICO and the default"
    with pytest.raises(ImportError, match=remedy): method(make_image(64, 64))
    with pytest.raises(ImportError, match="cv2.ximgproc"): segment(make_image(64, 64), method.__name__)


@contrib
@pytest.mark.parametrize("method", [slico_cv, seeds])
def test_with_contrib_the_number_is_about_right(method):
    for size in ((224, 224), (480, 640), (100, 400)):
        r = method(make_image(*size), 64)
        check_partition(r, *size)
        assert abs(r.n - 64) <= 20 and np.array_equal(r.labels, method(make_image(*size), 64).labels)
    with pytest.raises(ValueError, match="ask for more regions, or use slico"): method(make_image(1, 200), 4)
    too_many = 401 if method is slico_cv else 400
    with pytest.raises(ValueError, match="fewer|at most one"): method(make_image(20, 20), too_many)


@contrib
def test_small_images_never_crash_the_process():
    "OpenCV would crash on these; a subprocess, so that a crash is one failed test."
    code = """if True:
        import numpy as np
        from eagle_nb.core.regions import seeds, slico_cv
        rng, done = np.random.default_rng(0), 0
        for _ in range(300):
            h, w = rng.integers(1, 70, 2)
            a, n = rng.integers(0, 256, (h, w, 3), dtype=np.uint8), int(max(1, (h*w)**rng.random()))
            print(h, w, n, flush=True)
            for f in (slico_cv, seeds):
                try:
                    assert f(a, n).shape == (h, w)
                    done += 1
                except ValueError as e: assert 'or use slico' in str(e), e
        assert done > 100, done"""
    r = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert r.returncode == 0, (r.returncode, r.stdout[-20:], r.stderr[-500:])


# ---- the module itself

def test_the_module_imports_no_heavy_package():
    code = """if True:
        import sys, eagle_nb.core.regions
        heavy = ('torch', 'skimage', 'scipy', 'matplotlib', 'transformers')
        print([m for m in heavy if m in sys.modules])"""
    r = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert r.returncode == 0 and r.stdout.strip() == "[]", r.stdout + r.stderr
