"""Generated from regions.py by .ci/stubs.py; do not edit."""
__all__ = ['LARGE', 'PARTITIONS', 'Regions', 'slico', 'felzenszwalb', 'slico_cv', 'seeds', 'grid', 'tokens', 'rle_mask', 'from_masks', 'segment']
import colorsys, heapq, json, operator, warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
import cv2
import numpy as np
from .images import ImageLike, open_image
from .patching import patch

def _check_labels(labels) -> np.ndarray:
    """Refuse a label map that is not a partition numbered without gaps."""
    ...

def _check_gaps(a: np.ndarray):
    """Refuse numbers that no pixel has."""
    ...

def _are_masks(given) -> bool:
    """Is this a list of masks or of SAM's dicts, or an array (M, H, W) of masks, and not a label map?"""
    ...

@dataclass(frozen=True, eq=False, repr=False)
class Regions:
    """A partition of an image: each pixel belongs to exactly one of `n` regions."""
    labels: np.ndarray
    method: str = 'given'
    settings: dict = field(default_factory=dict)

    def __post_init__(self):
        ...

    @property
    def n(self) -> int:
        ...

    @property
    def shape(self) -> tuple[int, int]:
        ...

    def __len__(self) -> int:
        ...

    def __repr__(self) -> str:
        ...

    def _repr_png_(self) -> bytes:
        ...

    @classmethod
    def compact(cls, labels: np.ndarray, method: str='given', settings: dict | None=None) -> Regions:
        """Regions from a label map with gaps, or with negative or very large labels."""
        ...

    @property
    def area(self) -> np.ndarray:
        """Each region's share of the image."""
        ...

    def mask(self, keep: np.ndarray) -> np.ndarray:
        """The pixels of the kept regions."""
        ...

    @property
    def masks(self) -> np.ndarray:
        """One mask per region."""
        ...

    @property
    def adjacency(self) -> np.ndarray:
        """Which regions share a pixel edge."""
        ...

    @property
    def centers(self) -> np.ndarray:
        """The mean position of each region's pixels."""
        ...

    @property
    def boundaries(self) -> np.ndarray:
        """Pixels whose right or lower neighbour lies in another region."""
        ...

    def show(self, image: ImageLike | None=None, ax=None):
        """Draw the boundaries over the image."""
        ...

def _frozen(a: np.ndarray) -> np.ndarray:
    """The array, no longer writable."""
    ...

def _json_copy(settings: dict) -> dict:
    """The settings as JSON returns them."""
    ...

def _compact(labels: np.ndarray) -> np.ndarray:
    """Number the labels that occur 0..N-1."""
    ...

def _edges(labels: np.ndarray) -> np.ndarray:
    """The pairs of regions that share a pixel edge."""
    ...

def _flat_colours(regions: Regions) -> np.ndarray:
    """One flat colour per region."""
    ...

def _same_shape(regions: Regions, image: np.ndarray) -> np.ndarray:
    """The image, if it has the size of the label map."""
    ...

def _outlined(regions: Regions, image: ImageLike) -> np.ndarray:
    """The image with cyan lines between regions."""
    ...

def _pieces(labels: np.ndarray) -> np.ndarray:
    """A label for each connected piece; corners do not connect."""
    ...

def _neighbours(labels: np.ndarray, n: int) -> list[set[int]]:
    """For each region, the regions it touches."""
    ...

def _means(labels: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Size and mean colour of each region."""
    ...

def _merge(i: int, j: int, links: list[set[int]], colour: np.ndarray, size: np.ndarray):
    """Make region i part of region j, in place."""
    ...

def _join(labels: np.ndarray, image: np.ndarray, n: int, smallest: float=1) -> np.ndarray:
    """Merge the smallest region with its neighbour of nearest colour until all is well."""
    ...

def _whole(value) -> int | None:
    """A whole number as a plain int."""
    ...

def _check_n(n: int, shape: tuple) -> int:
    """How many regions, as a plain int."""
    ...

def _shrink(image: np.ndarray, n: int, pixels: int) -> np.ndarray:
    """The image at no more than `pixels` pixels, or 64 per region where that is more."""
    ...

def _enlarge(labels: np.ndarray, shape: tuple) -> np.ndarray:
    """Labels at the size of the image."""
    ...

def slico(image: ImageLike, n: int=64, iterations: int=10) -> Regions:
    """SLICO superpixels by scikit-image: the default."""
    ...

def _slic(image: np.ndarray, n: int, iterations: int) -> np.ndarray:
    """Labels of n regions, at most a tenth fewer or more where the image has enough pixels."""
    ...

def felzenszwalb(image: ImageLike, n: int=64, sigma: float=0.8) -> Regions:
    """Felzenszwalb's graph-based regions by scikit-image."""
    ...

def _felzenszwalb(image: np.ndarray, n: int, sigma: float) -> np.ndarray:
    """Labels at the largest scale that gives at least n regions, otherwise at the smallest scale."""
    ...

def _ximgproc():
    """OpenCV's extra module, or how to get it."""
    ...

def _check_opencv(n: int, shape: tuple, name: str, across: int=1, least: int=1):
    """Refuse what crashes OpenCV: fewer than `across` regions in a row, or regions below `least` pixels."""
    ...

def slico_cv(image: ImageLike, n: int=64) -> Regions:
    """SLICO superpixels by OpenCV contrib, with the settings of the published results."""
    ...

def seeds(image: ImageLike, n: int=64, iterations: int=10) -> Regions:
    """SEEDS superpixels by OpenCV contrib."""
    ...

def _check_shape(shape: Sequence) -> tuple[int, int]:
    """Height and width as plain ints."""
    ...

def _check_side(v: int, size: int, name: str) -> int:
    """Into how many pieces a side is cut."""
    ...

def _squares(image_or_shape, rows: int, cols: int, method: str) -> Regions:
    """Cut both sides into equal pieces."""
    ...

def grid(image_or_shape: ImageLike | tuple[int, int], rows: int=8, cols: int=8) -> Regions:
    """Plain squares."""
    ...

def tokens(image_or_shape: ImageLike | tuple[int, int], grid: tuple[int, int]) -> Regions:
    """The model's own token grid."""
    ...

def _unpack(counts: bytes) -> list[int]:
    """Run lengths of COCO's compressed text."""
    ...

def _runs(rle) -> tuple[list[int], list[int]]:
    """Size and run lengths of an RLE."""
    ...

def rle_mask(rle: dict) -> np.ndarray:
    """Run lengths as a mask."""
    ...
_Masks = np.ndarray | Sequence[np.ndarray | dict] | Mapping[str, np.ndarray | dict]

def _as_mask(m) -> np.ndarray:
    """A mask, also out of a record of SAM and of run lengths."""
    ...

def _check_masks(masks: list, shape: tuple | None) -> list[np.ndarray]:
    """Boolean masks of one shape, at least one with a pixel."""
    ...

def _warn_dropped(dropped: list[int], names: list[str] | None):
    """Say which masks own no pixel."""
    ...

def _warn_large(share: float, what: str):
    """Say that one region is most of the image."""
    ...
LARGE = 0.5

def from_masks(masks: _Masks, shape: tuple[int, int] | None=None, rest: bool=True) -> Regions:
    """Regions from masks that may overlap and leave gaps."""
    ...

def _smaller_wins(masks: list[np.ndarray]) -> np.ndarray:
    """Where masks overlap, the smaller one; of two equal ones, the first."""
    ...
PARTITIONS: dict[str, Callable[..., Regions]] = {'slico': slico, 'slico_cv': slico_cv, 'seeds': seeds, 'felzenszwalb': felzenszwalb, 'grid': grid}

def _method(name: str) -> Callable[..., Regions]:
    """Look up a method, and how many regions it makes."""
    ...

def _cells(image: np.ndarray, n: int) -> Regions:
    """About n cells, as many rows as columns or nearly so."""
    ...

def segment(image: ImageLike, regions: int | str | Regions | np.ndarray | list=64, seed: int=0) -> Regions:
    """The image's regions, however they were requested.

    A number is about how many by `slico`. A name is one of `PARTITIONS`, with or without a number
    after it, such as "felzenszwalb 36". Labels are (H, W) integers. Masks are a list of (H, W)
    bool or of SAM's dicts; see `from_masks`."""
    ...

def _given(labels: np.ndarray) -> Regions:
    """A label map as regions; a background of most of the image is told."""
    ...

def _as_number(regions) -> int:
    """Refuse what is neither a number nor anything else that can be regions."""
    ...
