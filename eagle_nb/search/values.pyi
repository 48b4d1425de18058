"""Generated from values.py by .ci/stubs.py; do not edit."""
__all__ = ['half_differences', 'odd_kernel', 'set_kernel', 'linear_variance', 'Observed', 'observed', 'most_likely', 'posterior', 'fitted_values', 'set_values', 'per_area', 'RegionValues', 'region_values']
from collections.abc import Sequence
from dataclasses import dataclass, replace
import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from ..core.patching import patch
from ..core.scores import Scorer, mates
from .surrogate import mirrored, one_thread, rounded

def half_differences(keep: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sets whose complements are there, and half the difference of the two."""
    ...

def odd_kernel(distance: np.ndarray, whole: float) -> np.ndarray:
    """Covariance of an odd function on sets."""
    ...

def set_kernel(distance: np.ndarray, whole: float) -> np.ndarray:
    """Covariance of any function on sets, for those without complements, as LIME draws them."""
    ...

def linear_variance(lengths: np.ndarray, odd: bool=True) -> np.ndarray:
    """How much each region changes such a function, averaged over all surroundings."""
    ...

@dataclass(frozen=True, eq=False)
class Observed:
    """Values of a function at sets."""
    x: np.ndarray
    y: np.ndarray
    odd: bool

    def covariance(self, lengths: np.ndarray) -> np.ndarray:
        """Of the values, for a process of variance 1."""
        ...

    def some(self, most: int) -> 'Observed':
        """At most so many of them, evenly spread."""
        ...

def observed(keep: np.ndarray, p: np.ndarray) -> Observed:
    """Half differences where most sets have a complement; otherwise the sets as they are."""
    ...

@dataclass(frozen=True, eq=False)
class _Fit:
    """Ridge regression after the covariance of process and noise has been divided out."""
    spread: np.ndarray
    basis: np.ndarray
    along: np.ndarray
    square: float
    count: int
    log_scale: float

    def variance(self, trend: np.ndarray) -> np.ndarray:
        """The most likely variance of the process."""
        ...

    def log_evidence(self, trend: np.ndarray) -> np.ndarray:
        """Logarithm of the marginal likelihood, but for a constant."""
        ...

def _fit(seen: Observed, lengths: np.ndarray, noise: float) -> _Fit:
    """Divide the covariance out, and change to the eigenbasis of the regions."""
    ...

def _remove_constant(z) -> float:
    """Project the last column out of the others, in place; half the logarithm of its square."""
    ...
_MOST = 300
_TRENDS = np.geomspace(0.0001, 1000000.0, 61)
_CENTRE, _WIDTH = (np.log([4.0, 0.01]), np.array([1.5, 2.0]))
_LOWEST, _HIGHEST = (np.log([0.05, 1e-06]), np.log([200.0, 10.0]))

def _penalised(seen, shares, at) -> tuple[float, float]:
    """How likely a whole length and a strength of noise are, with their best trend."""
    ...

def most_likely(seen: Observed, shares: np.ndarray) -> tuple[np.ndarray, float, float]:
    """The settings under which the observations are most likely."""
    ...

def posterior(seen: Observed, lengths: np.ndarray, noise: float, trend: float) -> tuple[np.ndarray, np.ndarray]:
    """Average effect of every region."""
    ...

def fitted_values(seen: Observed) -> tuple[np.ndarray, np.ndarray]:
    """The average effect of every region, with lengths that follow a first estimate of it."""
    ...
_ENOUGH = 3000

def _moves(seen, p) -> bool:
    """Whether observations differ by more than the last digit of the probabilities that they come from."""
    ...

@one_thread()
def set_values(keep: np.ndarray, p: np.ndarray, unseen: Sequence[int]=()) -> tuple[np.ndarray, np.ndarray]:
    """How much the target changes when a region appears, averaged over all surroundings."""
    ...

def _check_sets(keep, p):
    """Refuse what cannot be learned from."""
    ...

def per_area(value: np.ndarray, area: np.ndarray, smallest: float=0.25) -> np.ndarray:
    """What a region of mean size would have."""
    ...

@dataclass(frozen=True, eq=False)
class RegionValues:
    """What each region adds to the target's mean probability, averaged over all surroundings."""
    value: np.ndarray
    std: np.ndarray
    area: np.ndarray
    sets: int = 0

    @property
    def shrunk(self) -> np.ndarray:
        """v * v^2/(v^2 + 4 std^2): the value where it is sure, next to nothing where it is not."""
        ...

    def map(self, smallest: float=0.25) -> np.ndarray:
        """Heights for a map: the shrunk value per area."""
        ...

def region_values(scorer: Scorer, columns: Sequence[int] | None=None) -> RegionValues:
    """Values of all regions from the sets that a scorer knows, without a forward pass."""
    ...

def _check_scored(keep, p, columns):
    """Refuse a scorer that has scored too little, and tokens that it does not have."""
    ...
