"Images: everything that `open_image` reads, and everything that it refuses."
import io
import warnings

import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from eagle_nb.core.images import open_image

WHITE = [255]*3


def noise(h, w): return np.random.default_rng(0).integers(0, 256, (h, w, 3), dtype=np.uint8)


def encoded(image, kind):
    "The bytes of an image file."
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind)
    return buffer.getvalue()


# ---- files, PIL images and arrays

def test_a_file_a_pil_image_and_an_array_give_the_same_pixels(tmp_path):
    a = noise(9, 13)
    Image.fromarray(a).save(tmp_path/"a.png")
    for source in (tmp_path/"a.png", str(tmp_path/"a.png"), Image.fromarray(a), a):
        b = open_image(source)
        assert b.dtype == np.uint8 and b.flags.c_contiguous and b.flags.writeable and np.array_equal(a, b)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, ">u2", np.float16, np.float32, np.float64])
@pytest.mark.parametrize("tail", [(), (1,), (3,), (4,)])
def test_arrays_of_each_dtype_and_shape_are_scaled_to_8_bits(dtype, tail):
    white = {"b": 1, "u": 2**(8*np.dtype(dtype).itemsize) - 1, "f": 1}[np.dtype(dtype).kind]
    a = np.zeros((2, 3, *tail), dtype)
    a[0] = white
    if tail == (4,): a[..., 3] = white
    before = a.copy()
    b = open_image(a)
    assert b.shape == (2, 3, 3) and b.dtype == np.uint8 and (b[0] == 255).all() and (b[1] == 0).all()
    b[:] = 7
    assert np.array_equal(a, before), "the caller's array was touched"


def test_read_only_and_strided_arrays_are_copied():
    a = noise(8, 8)[::2, ::-1]
    a.setflags(write=False)
    b = open_image(a)
    assert np.array_equal(a, b) and b.flags.writeable and b.flags.c_contiguous


T = Image.Transpose
STORED = {1: None, 2: T.FLIP_LEFT_RIGHT, 3: T.ROTATE_180, 4: T.FLIP_TOP_BOTTOM,
          5: T.TRANSPOSE, 6: T.ROTATE_90, 7: T.TRANSVERSE, 8: T.ROTATE_270}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_undone(orientation, tmp_path):
    a = noise(4, 6)
    upright, exif = Image.fromarray(a), Image.Exif()
    stored = upright if STORED[orientation] is None else upright.transpose(STORED[orientation])
    exif[274] = orientation
    stored.save(tmp_path/"r.png", exif=exif)
    assert np.array_equal(open_image(tmp_path/"r.png"), a)


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (4, 4), c) for c in ((255, 0, 0), (0, 0, 255))]
    frames[0].save(tmp_path/"a.gif", save_all=True, append_images=frames[1:])
    assert (open_image(tmp_path/"a.gif") == (255, 0, 0)).all()


# ---- transparency and depth

@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "La", "RGBa"])
def test_alpha_is_laid_on_white(mode):
    im = Image.new("RGBA", (2, 1), (0, 0, 0, 255))
    im.putpixel((1, 0), (0, 0, 0, 0))
    if mode == "PA": # made by hand: Pillow's own conversion forgets the alpha
        im = Image.new("PA", (2, 1), (0, 255))
        im.putpalette([0, 0, 0])
        im.putpixel((1, 0), (0, 0))
    elif mode == "La": im = im.convert("LA").convert("La")
    else: im = im.convert(mode)
    assert open_image(im).tolist() == [[[0]*3, WHITE]]


def test_half_transparent_pixels_of_every_depth_are_mixed_with_white():
    arrays = (np.array([[[0, 100, 200, 128]]], np.uint8),
              np.array([[[0, 100*257, 200*257, 128*257]]], np.uint16),
              np.array([[[0, 100/255, 200/255, 128/255]]]))
    for a in arrays: assert np.abs(open_image(a)[0, 0].astype(int) - [127, 177, 227]).max() <= 1


def test_palettes_and_their_transparent_entries(tmp_path):
    red, green, grey = [255, 0, 0], [0, 255, 0], [9, 9, 9]
    im = Image.new("P", (3, 1))
    im.putpalette(red + green + grey)
    im.putdata([0, 1, 2])
    assert open_image(im).tolist() == [[red, green, grey]]
    im.save(tmp_path/"p.png", transparency=1)
    assert open_image(tmp_path/"p.png").tolist() == [[red, WHITE, grey]]
    im.save(tmp_path/"q.png", transparency=bytes([255, 255, 0]))
    assert open_image(tmp_path/"q.png").tolist() == [[red, green, WHITE]]
    Image.new("RGB", (2, 1), (1, 2, 3)).save(tmp_path/"key.png", transparency=(1, 2, 3))
    assert (open_image(tmp_path/"key.png") == 255).all()


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits_are_scaled_not_clipped(suffix, tmp_path):
    a = np.array([[0, 257, 32768, 65535]], np.uint16)
    Image.fromarray(a).save(tmp_path/f"g.{suffix}")
    sources = (tmp_path/f"g.{suffix}", Image.fromarray(a.astype(np.int32)), Image.fromarray(a.astype(">u2")))
    for source in sources: assert open_image(source)[0, :, 0].tolist() == [0, 1, 128, 255]
    with pytest.raises(ValueError, match=r"0\.\.65535, got 0 to 65536"):
        open_image(Image.fromarray(np.array([[0, 65536]], np.int32)))


def test_sixteen_bit_colour_and_rotated_sixteen_bit_grey(tmp_path):
    cv2.imwrite(str(tmp_path/"c.png"), np.array([[[0, 32768, 65535]]], np.uint16))
    assert np.abs(open_image(tmp_path/"c.png")[0, 0].astype(int) - [255, 128, 0]).max() <= 1
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(np.array([[0, 65535]], np.uint16)).save(tmp_path/"r.png", exif=exif)
    assert open_image(tmp_path/"r.png")[..., 0].tolist() == [[0], [255]]


def test_other_colour_modes_of_pillow(tmp_path):
    assert open_image(Image.new("1", (2, 2), 1)).tolist() == [[WHITE]*2]*2
    assert open_image(Image.new("L", (1, 1), 77)).tolist() == [[[77]*3]]
    assert open_image(Image.new("CMYK", (1, 1), (255, 0, 0, 0))).tolist() == [[[0, 255, 255]]]
    Image.new("CMYK", (16, 16), (0, 0, 0, 0)).save(tmp_path/"c.jpg")
    assert (open_image(tmp_path/"c.jpg") > 250).all()
    assert open_image(Image.fromarray(np.array([[0, 1]], np.float32)))[0, :, 1].tolist() == [0, 255]
    red = Image.new("RGB", (2, 2), (255, 0, 0))
    for mode in ("YCbCr", "HSV"): assert open_image(red.convert(mode))[0, 0, 0] > 250


# ---- damaged files

@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_truncated_and_corrupt_files_are_refused(tmp_path):
    message = "readable image, got .*save it again as PNG or JPEG"
    for kind in ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"):
        data = encoded(noise(64, 64), kind)
        for length in (0, 1, 10, len(data)//3):
            path = tmp_path/f"x{length}.{kind.lower()}"
            path.write_bytes(data[:length])
            with pytest.raises(ValueError, match=message): open_image(path)
    lazy = Image.open(io.BytesIO(encoded(noise(64, 64), "PNG")[:500]))
    with pytest.raises(ValueError, match="readable image"): open_image(lazy)


@pytest.fixture(scope="module")
def file(tmp_path_factory): return tmp_path_factory.mktemp("damaged")/"x.img"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_damaged_bytes_give_an_image_or_a_value_error(file, data):
    raw = bytearray(encoded(noise(20, 20), data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "BMP"]))))
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(raw)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try: a = open_image(file)
        except ValueError as e: assert "must" in str(e) or "at least" in str(e)
        else: assert a.ndim == 3 and a.shape[2] == 3 and a.dtype == np.uint8


# ---- what is no image

def test_paths_and_objects_that_are_no_image_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no image at .*check the path"): open_image(tmp_path/"none.png")
    with pytest.raises(FileNotFoundError, match="web address .*: download it first"):
        open_image("https://example.org/a.png")
    with pytest.raises(ValueError, match="got the folder"): open_image(tmp_path)
    with pytest.raises(ValueError, match="got NoneType"): open_image(None)
    with pytest.raises(ValueError, match="got bytes.*BytesIO"): open_image(b"\x89PNG")
    with pytest.raises(ValueError, match="got a list of 1: explain many by eagle_nb.run"): open_image([[0, 1]])


@pytest.mark.parametrize("array, message", [
    (np.zeros((0, 5), np.uint8), "at least 1 pixel"),
    (np.zeros((5, 0, 3), np.uint8), "at least 1 pixel"),
    (np.zeros((2, 2, 2), np.uint8), "got (2, 2, 2)"),
    (np.zeros((2, 2, 5), np.uint8), "got (2, 2, 5)"),
    (np.zeros((2, 2, 0), np.uint8), "got (2, 2, 0)"),
    (np.zeros(5, np.uint8), "got (5,)"),
    (np.uint8(3)*np.ones(()), "got ()"),
    (np.zeros((1, 4, 4, 3), np.uint8), "one image of a batch"),
    (np.zeros((3, 8, 8), np.uint8), "channels last"),
    (np.array([[.5, np.nan]]), "1 NaN or infinite"),
    (np.array([[.5, np.inf]]), "1 NaN or infinite"),
    (np.array([[0, 255.]]), "got 0 to 255: divide"),
    (np.array([[-.1, 1]]), "got -0.1 to 1"),
    (np.array([[0, 255]], np.int64), "got int64"),
    (np.array([[0, 255]], np.uint32), "got uint32"),
    (np.array([["a"]]), "got <U1"),
    (np.array([[None]]), "got object"),
    (np.array([[1j]]), "got complex128")])
def test_arrays_that_are_no_image_are_refused(array, message):
    with pytest.raises(ValueError) as e: open_image(np.asarray(array))
    assert message in str(e.value)


def test_an_empty_pil_image_is_refused():
    with pytest.raises(ValueError, match="pixel|picture"): open_image(Image.new("RGB", (0, 3)))


# ---- integers and floats that do not fill their range

def filled(top, dtype, h=4, w=5): return (np.linspace(0, 1, h*w)*top).reshape(h, w).astype(dtype)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 15])
@pytest.mark.parametrize("way,dtype", [("array", "<u2"), ("array", ">u2"), ("PIL", "<u2"), ("PIL", ">u2"),
                                       ("PIL", "<i4"), ("png", "<u2"), ("tiff", "<u2"), ("tiff", "<i4")])
def test_sixteen_bits_that_are_not_filled_are_refused(bits, way, dtype, tmp_path):
    a = filled(2**bits - 1, dtype)
    source = a if way == "array" else Image.fromarray(a)
    if way in ("png", "tiff"): source.save(tmp_path/f"a.{way}")
    if way in ("png", "tiff"): source = tmp_path/f"a.{way}"
    with pytest.raises(ValueError, match=rf"none above {2**bits - 1}.*\({bits}-bit values\?\): scale them"):
        open_image(source)
    remedy = (a.astype(np.uint16)*(65535/(2**bits - 1))).astype(np.uint16)
    assert abs(int(open_image(remedy).max()) - 255) <= 1


@pytest.mark.parametrize("suffix,alpha", [("png", False), ("png", True), ("tiff", False)])
def test_sixteen_bit_colours_that_pillow_cuts_are_refused_too(suffix, alpha, tmp_path):
    colours = np.repeat(filled(4095, np.uint16)[..., None], 3, -1)
    opaque = np.full((*colours.shape[:2], 1), 65535, np.uint16)
    stored = np.concatenate([colours, opaque], -1) if alpha else colours
    cv2.imwrite(str(tmp_path/f"a.{suffix}"), stored)
    with pytest.raises(ValueError, match=rf"a\.{suffix}'.*16-bit pixels must fill"): open_image(tmp_path/f"a.{suffix}")
    with pytest.raises(ValueError, match="16-bit pixels must fill"): open_image(stored)
    cv2.imwrite(str(tmp_path/f"a.{suffix}"), stored*np.uint16([16, 16, 16, 1][:stored.shape[2]]))
    assert open_image(tmp_path/f"a.{suffix}").max() == 255


def test_blank_and_bright_sixteen_bits_pass():
    assert not open_image(np.zeros((3, 3), np.uint16)).any() and not open_image(np.zeros((3, 3))).any()
    assert open_image(np.full((2, 2), 2**15 + 1, np.uint16)).max() == 128


@pytest.mark.parametrize("top", [1/255, 4095/65535, .06])
def test_floats_that_are_divided_twice_are_refused(top):
    with pytest.raises(ValueError, match=r"must fill \[0, 1\], got none above"): open_image(filled(top, np.float32))
    assert open_image(filled(.1, np.float32)).max() == 26


def test_a_mask_as_an_image_is_told(tmp_path):
    mask = np.eye(4, dtype=np.uint8)
    Image.fromarray(mask).save(tmp_path/"mask.png")
    for source in (mask, Image.fromarray(mask), tmp_path/"mask.png"):
        with pytest.warns(UserWarning, match="none above 1, which is black"): open_image(source)
    assert open_image(mask.astype(bool)).max() == 255
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_image(mask*2).max() == 2 and open_image(mask*0).max() == 0


def test_lab_keeps_its_colours(tmp_path):
    from PIL import ImageCms
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    change = ImageCms.buildTransform(*profiles, "RGB", "LAB")
    ImageCms.applyTransform(Image.new("RGB", (3, 2), (200, 30, 60)), change).save(tmp_path/"l.tif")
    assert np.abs(open_image(tmp_path/"l.tif")[0, 0].astype(int) - [200, 30, 60]).max() <= 2


def test_an_image_larger_than_pillow_opens_is_refused_from_its_header(tmp_path, monkeypatch):
    Image.new("L", (60, 50)).save(tmp_path/"large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ValueError, match=r"may have 2000 pixels at most, .*large\.png' has more .*make it smaller"):
        open_image(tmp_path/"large.png")
