"""Generated from maps.py by .ci/stubs.py; do not edit."""
__all__ = ['MAPS', 'DEFAULT_MAP', 'SURFACE', 'SHARED', 'check_kind', 'map_unit', 'area_along', 'attribution', 'paint', 'likeness', 'share_values', 'Maps', 'TopRegions', 'Difference', 'common_kind']
import io
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from pathlib import Path
import cv2
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from ..core.files import write_whole
from ..core.patching import patch
from ..core.regions import Regions
from . import plots
from .scales import NOTHING, Scale, Unit, nothing_found, shared_scale
from ..search.values import RegionValues
MAPS = ('smooth', 'value', 'gain', 'per_area', 'paper')
DEFAULT_MAP = 'smooth'
_OF_SETS = ('smooth', 'value')

def check_kind(kind: str) -> str:
    """The kind of a map, refused unless it is one of `MAPS`."""
    ...

def map_unit(kind: str, lam: tuple[float, float]=(1, 1)) -> Unit:
    """What the values of a map mean, and from which size on they count."""
    ...

def area_along(regions: Regions, order: ArrayLike) -> np.ndarray:
    """The share covered by the first items of an order; a word of the prompt counts as one average region."""
    ...

def attribution(f: np.ndarray, kind: str='gain', area: np.ndarray | None=None) -> np.ndarray:
    """A value for each step of an order."""
    ...

def _paper_map(gain) -> np.ndarray:
    """The running value of the paper, stretched to [0, 1]."""
    ...

def paint(labels: np.ndarray, order: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Region values as a map."""
    ...
SURFACE = 30.0
SHARED = 0.9

def likeness(image: np.ndarray, regions: Regions) -> np.ndarray:
    """How much neighbouring regions look like one surface."""
    ...

def share_values(value: np.ndarray, alike: np.ndarray, area: np.ndarray) -> np.ndarray:
    """Values mixed with those of neighbours that look alike; their sum stays."""
    ...

class Maps:
    """What an explanation shows on its image."""

    @property
    def default_map(self) -> str:
        """The kind that is used unless another one is asked for: `DEFAULT_MAP`, or "gain" without values."""
        ...

    def by_item(self, kind: str | None=None) -> np.ndarray:
        """The value of every region and of every word of the prompt that was ranked.

        Arguments:
            kind: one of `MAPS`; None for `default_map`
        """
        ...

    def by_region(self, kind: str | None=None) -> np.ndarray:
        """The value of every region, as the regions are numbered.

        Arguments:
            kind: one of `MAPS`; None for `default_map`
        """
        ...

    def attribution(self, kind: str | None=None) -> np.ndarray:
        """The value of each region on its pixels, with its sign, in the unit that `unit` tells.

        Arguments:
            kind: one of `MAPS`; None for `default_map`
        """
        ...

    def _value_by_item(self, kind) -> np.ndarray:
        """The values, as they are or shared; words have no neighbours."""
        ...

    @cached_property
    def _alike(self) -> np.ndarray:
        """Which regions look like one surface."""
        ...

    @cached_property
    def saliency(self) -> np.ndarray:
        """The heat map: the positive values of the attribution."""
        ...

    def unit(self, kind: str | None=None) -> Unit:
        """What the values of a map mean.

    Arguments:
        kind: one of `MAPS`; None for `default_map`
    """
        ...

    def map_scale(self, kind: str | None=None, signed: bool=False) -> Scale:
        """The scale of this map alone.

    Arguments:
        kind: one of `MAPS`; None for `default_map`
        signed: whether regions that speak against the target have colours too
    """
        ...

    def nothing(self, kind: str | None=None, signed: bool=False) -> str:
        """A sentence for a map that shows nothing.

    Arguments:
        kind: one of `MAPS`; None for `default_map`
        signed: whether regions that speak against the target count too
    """
        ...

    def heat_map(self, kind: str | None=None, ax: Axes | None=None, title: str='', scale: Scale | None=None, signed: bool=False, **look) -> Axes:
        """The map over its image.

    Arguments:
        kind: one of `MAPS`; None for `default_map`
        ax: where to draw; None makes a figure, with its scale
        title: above the map
        scale: None ends at the largest value of this map
        signed: diverging colours, for regions that speak against the target
        look: alpha, cmap, contours, colorbar, box, mask: see `plots.show_map`
    """
        ...

    def save_map(self, path: str | Path, kind: str | None=None, gray: bool=False, scale: Scale | None=None, signed: bool=False, cmap: str | None=None) -> Path:
        """Write the map alone, at the size of the image, in 8-bit RGBA or grey.

    Arguments:
        path: the file to write, a PNG
        kind: one of `MAPS`; None for `default_map`
        gray: 8-bit grey, where 0 is black; a signed map has 0 at 128
        scale: None ends at the largest value of this map
        signed: diverging colours, for regions that speak against the target
        cmap: a matplotlib colour map; None for the default
    """
        ...

    def top(self, k: int=5, kind: str | None=None) -> TopRegions:
        """The regions most in favour of the target.

    Arguments:
        k: how many, from 1 to the number of regions
        kind: one of `MAPS`; None for `default_map`
    """
        ...

    def to_frame(self) -> pd.DataFrame:
        """A table with a row per region, in the sequence of the order.

    rank counts from 1, over words of the prompt too where these are ranked; area is a share of the image; insertion
    and deletion are the probabilities after this step; value and std are of the whole region, smooth is as
    the map of that kind shows it, all three NaN where there are none; x and y are the centre and x0, y0, x1, y1 the box, in pixels, the end excluded."""
        ...

    def difference(self, other: Maps, kind: str | None=None) -> Difference:
        """This map minus another one.

    Arguments:
        other: of the same image and partition
        kind: one of `MAPS`; None for `default_map`, or "gain" where the other has no values
    """
        ...

    def __sub__(self, other: Maps) -> Difference:
        """This map minus another one."""
        ...

def _known_values(m: Maps) -> RegionValues:
    """The values of the regions, or why there are none."""
    ...

def _no_values(m) -> str:
    """Why an explanation has no values."""
    ...

def _shown(m: Maps, kind, signed) -> np.ndarray:
    """A map as it is drawn: 0 where nothing was found."""
    ...

def _gray_pixels(place, signed) -> np.ndarray:
    """Places on a scale as shades of grey."""
    ...

def _colour_pixels(place, signed, cmap) -> np.ndarray:
    """Places on a scale as colours with an opacity."""
    ...

def _scale_record(m, kind, scale) -> str:
    """The scale of a map in words."""
    ...

def _png(pixels, text) -> bytes:
    """Pixels as a file with a description."""
    ...

@dataclass(frozen=True, eq=False)
class TopRegions:
    """The regions most in favour of a target, the largest value first."""
    regions: np.ndarray
    values: np.ndarray
    masks: np.ndarray
    boxes: np.ndarray
    unit: Unit

    @property
    def mask(self) -> np.ndarray:
        """All of them."""
        ...

    def __len__(self):
        ...

    def __repr__(self):
        ...

def _box(mask) -> tuple[int, int, int, int]:
    """The smallest box around a mask."""
    ...

def _places(regions: Regions) -> pd.DataFrame:
    """Centre and box of every region."""
    ...

@dataclass(frozen=True, eq=False)
class Difference:
    """The values of one explanation minus those of another one, per region."""
    first: Maps
    second: Maps
    kind: str

    @property
    def values(self) -> np.ndarray:
        """The difference of every region."""
        ...

    @property
    def map(self) -> np.ndarray:
        """The difference on the pixels of the regions."""
        ...

    @property
    def unit(self) -> Unit:
        ...

    @property
    def title(self) -> str:
        """What was subtracted from what."""
        ...

    def to_frame(self) -> pd.DataFrame:
        """A row per region, the largest difference first: region, first, second, difference, x, y and the box."""
        ...

    def __repr__(self):
        ...

    def plot(self, ax: Axes | None=None, title: str | None=None, scale: Scale | None=None, **look) -> Axes:
        """The difference over the image, on a scale with both signs.

    Arguments:
        ax: where to draw; None makes a figure
        title: None says what was subtracted
        scale: None ends at the largest difference
        look: see `plots.show_map`
    """
        ...

def _check_pair(a: Maps, b: Maps, kind):
    """Refuse maps that cannot be subtracted, and say what differs."""
    ...

def common_kind(a: Maps, b: Maps) -> str:
    """The kind in which two maps are compared: the default of both; "gain" where only one has values."""
    ...
