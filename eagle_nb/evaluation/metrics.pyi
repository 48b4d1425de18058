"""Generated from metrics.py by .ci/stubs.py; do not edit."""
__all__ = ['Curves', 'evaluate_order', 'pooled_order', 'pixel_regions', 'as_mask', 'pointing', 'energy', 'iou', 'bootstrap', 'paired']
import math
from dataclasses import dataclass
import numpy as np
from numpy.typing import ArrayLike
from ..core.curves import auc, trace
from ..core.patching import patch
from ..core.regions import Regions
from ..core.scores import Scorer

@dataclass(frozen=True, eq=False)
class Curves:
    """Faithfulness of one order on one sample."""
    area: np.ndarray
    insertion: np.ndarray
    deletion: np.ndarray

    @property
    def insertion_auc(self) -> float:
        ...

    @property
    def deletion_auc(self) -> float:
        ...

    @property
    def auc_gap(self) -> float:
        ...

    @property
    def highest(self) -> float:
        ...

    def sensitive(self, threshold: float=0.2) -> Curves | None:
        """The same curves for the tokens that need the image (EAGLE, sensitive tokens)."""
        ...

def evaluate_order(scorer: Scorer, regions: Regions, order: ArrayLike) -> Curves:
    """Score an order with the given scorer; a new one judges independently of the search."""
    ...

def _finite(saliency, shape=None) -> np.ndarray:
    """A map of finite numbers, of this shape."""
    ...

def _tie_breaks(shape, seed) -> np.ndarray:
    """A random number per pixel, which orders pixels of equal value."""
    ...

def pooled_order(saliency: np.ndarray, regions: Regions, seed: int=0) -> np.ndarray:
    """A map over pixels as an order of regions; how the regions are numbered does not matter."""
    ...

def pixel_regions(saliency: np.ndarray, area: ArrayLike, seed: int=0) -> Regions:
    """A map as regions of its own, to be revealed from the first to the last."""
    ...

def _box_mask(box, shape) -> np.ndarray:
    """The pixels of a box, as far as they lie in the image."""
    ...

def _binary(a: np.ndarray) -> np.ndarray:
    """A mask of booleans, or one of two numbers."""
    ...

def as_mask(truth: np.ndarray | tuple[float, float, float, float], shape: tuple[int, int]) -> np.ndarray:
    """A mask from a mask or a box."""
    ...

def pointing(saliency: np.ndarray, truth: np.ndarray | tuple[float, float, float, float]) -> float:
    """Pointing game; equally bright pixels count by their share instead of one of them being picked."""
    ...

def energy(saliency: np.ndarray, truth: np.ndarray | tuple[float, float, float, float]) -> float:
    """Energy-based pointing game."""
    ...

def iou(saliency: np.ndarray, truth: np.ndarray | tuple[float, float, float, float]) -> float:
    """Intersection over union of the object and as many of the brightest pixels as it has."""
    ...

def _group_numbers(groups, values) -> np.ndarray:
    """Groups as 0, 1, 2, ..."""
    ...

def _resampled_means(v, draws, seed, groups) -> np.ndarray:
    """Means of samples, or of whole groups, drawn with replacement."""
    ...

def bootstrap(values: ArrayLike, level: float=0.95, draws: int=4000, seed: int=0, groups: ArrayLike | None=None) -> tuple[float, float, float]:
    """Percentile bootstrap of the mean; with groups the cluster bootstrap (Davison and Hinkley 1997, section 3.8)."""
    ...

def _effect_size(mean: float, spread: float) -> float:
    """Mean difference over its standard deviation; infinite where all pairs differ by the same amount."""
    ...

def _spread(d) -> float:
    """Standard deviation; exactly 0 where all values are equal but for rounding."""
    ...

def paired(a: ArrayLike, b: ArrayLike, groups: ArrayLike | None=None, **kwargs) -> dict[str, float]:
    """Paired comparison of two methods; the effect is Cohen's d for pairs. With groups, their number comes last."""
    ...
