"""Generated from samples.py by .ci/stubs.py; do not edit."""
__all__ = ['ORIENTED', 'flat_ids', 'Sample', 'fit_sample', 'count_text', 'name_some', 'Dataset', 'read_text', 'read_json', 'image_folder', 'find_image', 'check_images', 'make_key', 'image_keys', 'check_missing', 'check_count', 'keep_present', 'make_dataset', 'warn_turned']
import json, re, warnings, zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
import cv2
import numpy as np
import pandas as pd
from ..core.answers import Answer, prompt_text
from ..core.images import open_image, stored_size
from ..core.patching import patch
from ..core.regions import rle_mask

def _check_key(key):
    """Refuse a key that cannot be a file name."""
    ...

def _check_box(box) -> tuple:
    """The corners of a box."""
    ...

def _check_segmentation(s):
    """Refuse a segmentation in an unknown notation."""
    ...

def flat_ids(ids) -> list[int]:
    """A row of ids, also where it lies in a list of its own."""
    ...

@dataclass(frozen=True, eq=False)
class Sample:
    """What `explain` takes, and what is known about it."""
    key: str
    image: object
    prompt: object = 'Describe the image.'
    answer: object = None
    target: object = None
    foil: object = None
    box: tuple | None = None
    segmentation: object = None
    category: str | None = None
    meta: dict = field(default_factory=dict)

    def __post_init__(self):
        ...

    @property
    def pixels(self) -> np.ndarray:
        """The image; the last few stay in memory."""
        ...

    @property
    def mask(self) -> np.ndarray | None:
        """The segmentation in pixels of the image; the last few stay in memory."""
        ...

@lru_cache(8)
def _pixels(sample):
    ...

def _check_polygon(p, height, width):
    """Refuse what pycocotools would take for a box, or what lies outside the image."""
    ...

def _polygons(polygons, height, width) -> list:
    """Polygons that lie in the image."""
    ...

def _of_shape(mask, height, width, what) -> np.ndarray:
    """Refuse a mask of another size."""
    ...

def _decode(segmentation: list | dict, height: int, width: int) -> np.ndarray:
    """Polygons or RLE as a mask."""
    ...

def _fitting_mask(segmentation, shape) -> np.ndarray:
    """A mask of this shape that is not empty."""
    ...

def _extent(mask) -> tuple[int, int, int, int]:
    """The corners of a mask."""
    ...

def _check_corners(sample, mask) -> np.ndarray:
    """Refuse a box of x, y, width and height."""
    ...

@lru_cache(8)
def _mask(sample) -> np.ndarray | None:
    """The segmentation of a sample in pixels."""
    ...
_TURNED = {2: lambda x, y, w, h: (w - x, y), 3: lambda x, y, w, h: (w - x, h - y), 4: lambda x, y, w, h: (x, h - y), 5: lambda x, y, w, h: (y, x), 6: lambda x, y, w, h: (h - y, x), 7: lambda x, y, w, h: (h - y, w - x), 8: lambda x, y, w, h: (y, w - x)}
_TURNED_MASK = {2: lambda m: m[:, ::-1], 3: lambda m: m[::-1, ::-1], 4: lambda m: m[::-1], 5: lambda m: m.T, 6: lambda m: np.rot90(m, -1), 7: lambda m: m[::-1, ::-1].T, 8: np.rot90}

def _moved(segmentation, box, size, turned, scale) -> tuple:
    """An annotation of stored pixels on the upright image, scaled."""
    ...
ORIENTED = ('stored', 'upright')

def _plain_scale(size, to) -> tuple[float, float] | None:
    """The factors from one size to another, if it is the same shape but for rounding."""
    ...

def _meaning(size, stored, turned, oriented) -> str:
    """What was annotated: the pixels as they are stored, or as they are shown."""
    ...

def _check_extent(box, mask):
    """Refuse a box that lies out of the image, or elsewhere than its mask."""
    ...

def fit_sample(s: Sample, size: tuple[int, int] | None=None, oriented: str | None=None) -> Sample:
    """A sample whose box and segmentation mean the upright image, or the reason why they cannot."""
    ...

def _fitted(s, size, turned, scale) -> Sample:
    """Box and segmentation, checked at the size that was annotated, on the upright image."""
    ...

def count_text(n: int, noun: str) -> str:
    """A number with its noun, singular or plural."""
    ...

def name_some(names: Sequence) -> str:
    """The first three names, and how many more there are."""
    ...

class Dataset(Sequence):
    """Samples with distinct keys, and what was left out."""

    def __init__(self, name: str, samples: Iterable[Sample], left_out: Iterable[tuple[str, str]]=()):
        ...

    def __len__(self):
        ...

    def __getitem__(self, i: int | slice) -> 'Sample|Dataset':
        ...

    def __repr__(self):
        ...

    def reasons(self) -> str:
        """Why samples were left out and how often, frequent reasons first."""
        ...

    def require(self) -> Dataset:
        """Refuse to go on without samples."""
        ...

    def part(self, k: int, n: int) -> Dataset:
        """A part of the samples, for one of several machines; the parts together are the whole."""
        ...

    def frame(self) -> pd.DataFrame:
        """The samples as a table for people."""
        ...

def _answer_text(sample) -> str | None:
    """An answer in words, where they are known."""
    ...

def _row(s) -> dict:
    """A sample in words."""
    ...

def read_text(path: str | Path) -> str:
    """A text file in UTF-8."""
    ...

def read_json(path: str | Path):
    """The content of a JSON file."""
    ...

def image_folder(images: str | Path) -> Path:
    """The folder of the images, which must exist."""
    ...

def find_image(folder: Path, name: str) -> Path:
    """Where an image lies, or should."""
    ...

def check_images(folder: Path, names: Iterable[str]):
    """Refuse two names that would be read from one file."""
    ...

def make_key(*parts) -> str:
    """Parts joined to a key that is usable as a file name."""
    ...

def image_keys(names: Iterable[str]) -> dict[str, str]:
    """A key for each image, the stem of its name where no other has it."""
    ...

def check_missing(missing: str):
    """Refuse an unknown way to treat missing images."""
    ...

def check_count(n: int, name: str='n'):
    """Refuse a number that cannot count samples."""
    ...

def keep_present(found: Iterable[Sample | tuple], folder: Path, missing: str, limit: int | None=None) -> list[Sample | tuple]:
    """Refuse samples without an image, or leave them out."""
    ...

def make_dataset(name: str, found: Iterable[Sample | tuple], limit: int | None=None) -> Dataset:
    """A data set of what was found, which must not be empty."""
    ...

def _is_turned(path) -> bool:
    """Whether an EXIF record turns a file; one that is damaged is reported when its pixels are read."""
    ...

def warn_turned(found: Iterable):
    """Warn once about boxes and masks on images that their EXIF record turns; they count in the upright image."""
    ...
