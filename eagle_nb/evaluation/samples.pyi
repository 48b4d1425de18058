"""Generated from samples.py by .ci/stubs.py; do not edit."""
__all__ = ['Sample', 'count_text', 'name_some', 'Dataset', 'read_text', 'read_json', 'image_folder', 'find_image', 'make_key', 'check_missing', 'check_count', 'keep_present', 'make_dataset']
import json, operator, re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
import numpy as np
import pandas as pd
from ..core.answers import Answer, prompt_text
from ..core.images import open_image
from ..core.patching import patch

def _check_key(key):
    """Refuse a key that cannot be a file name."""
    ...

def _check_box(box) -> tuple:
    """The corners of a box."""
    ...

def _check_segmentation(s):
    """Refuse a segmentation in an unknown notation."""
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

def _unpack(counts: bytes) -> list[int]:
    """Run lengths of COCO's compressed text."""
    ...

def _runs(rle) -> tuple[list[int], list[int]]:
    """Size and run lengths of an RLE."""
    ...

def _decode_rle(rle: dict, height: int, width: int) -> dict:
    """An RLE that fills the image."""
    ...

def _decode(segmentation: list | dict, height: int, width: int) -> np.ndarray:
    """Polygons or RLE as a mask."""
    ...

def _fitting_mask(segmentation, shape) -> np.ndarray:
    """A mask of this shape that is not empty."""
    ...

@lru_cache(8)
def _mask(sample) -> np.ndarray | None:
    """The segmentation of a sample in pixels."""
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

def make_key(*parts) -> str:
    """Parts joined to a key that is usable as a file name."""
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
