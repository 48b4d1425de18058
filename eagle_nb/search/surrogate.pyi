"""Generated from surrogate.py by .ci/stubs.py; do not edit."""
__all__ = ['one_thread', 'rounded', 'Record', 'Trend', 'mirrored', 'Process', 'Surrogate', 'Contrast']
import contextlib
import copy
import functools
import math
import os
import threading
from numbers import Real
import numpy as np
import torch
from scipy.linalg.blas import dtrsm
from scipy.linalg.lapack import dpotrf
from threadpoolctl import ThreadpoolController
from torch import Tensor
from ..core.patching import patch
from ..core.scores import packed
_LIMITED = threading.RLock()

def _fresh_lock():
    """A forked process must not wait for a thread that it does not have."""
    ...
if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_fresh_lock)

@functools.cache
def _libraries() -> ThreadpoolController:
    """The thread pools of the loaded libraries."""
    ...

@contextlib.contextmanager
def one_thread():
    """Matrix products of numpy, scipy and torch on one thread, for a block or as a decorator."""
    ...

def rounded(p: Tensor, bits: int=10) -> Tensor:
    """Probabilities without the digits that depend on batch size, threads and processor."""
    ...

class Record:
    """Scored sets, each in one row with its complement."""

    def __init__(self, n: int):
        ...

    def __len__(self):
        ...

    def _place(self, key, complement) -> tuple[int, int]:
        """The place of a set that is not in the record yet."""
        ...

    def add(self, keep: np.ndarray, p: Tensor) -> None:
        """Add scored sets, each once, with rounded probabilities."""
        ...

    def _grow(self, x, tokens) -> None:
        """Open rows."""
        ...

    def known(self, keep: np.ndarray) -> np.ndarray:
        """Are a set and its complement scored?"""
        ...

    def measured(self, keep: np.ndarray) -> np.ndarray:
        """The probabilities of scored sets."""
        ...

def _exp(logits, most=60.0) -> np.ndarray:
    """exp, without overflow in products of a few of them."""
    ...

class Trend:
    """Additive logistic model: the logits of T tokens are linear in a set of n regions."""
    steps = 30

    def __init__(self, n: int, tokens: int, adjacency: np.ndarray | None=None, smooth: float=0.1, decay: float=1.0):
        ...

    def _exponentials(self, x, w) -> tuple[np.ndarray, np.ndarray]:
        """exp(-logit) of each set, and what divided by it gives exp(-logit) of the complement."""
        ...

    def sides(self, x: np.ndarray) -> np.ndarray:
        """Probabilities of sets and of their complements."""
        ...

    def _bound(self, x, seen) -> np.ndarray:
        """Upper bound of the curvature of the summed cross-entropy; `seen` (2, M) says which sides are scored."""
        ...

    def _gradient(self, w, x, p, seen) -> np.ndarray:
        """Gradient of the summed cross-entropy over the scored sides, and of the penalty."""
        ...

    def fit(self, x: np.ndarray, p: np.ndarray) -> None:
        """A few accelerated Newton steps from the weights as they are."""
        ...

    def flips(self, x: np.ndarray, sign: int, columns: list[int] | None=None) -> tuple[np.ndarray, np.ndarray]:
        """A part of the mean probability, and its slope, with each region in turn switched."""
        ...

def _check_trend(smooth, decay):
    """Raise an error for invalid settings."""
    ...

def _flips_of(w, u, c, x, sign) -> tuple[np.ndarray, np.ndarray]:
    """Part and slope with each region in turn switched, from the exponentials of the sets."""
    ...

def mirrored(near: np.ndarray, whole: float, sign: int) -> np.ndarray:
    """Covariance of one part of a process, from that of the process itself."""
    ...

class Process:
    """Gaussian process on one part of a set function: the even part (sign 1) or the odd one (sign -1)."""
    lengths, noise = ((0.25, 0.5, 1.0, 2.0, 4.0, 8.0), 0.003)
    sample = 512

    def __init__(self, sign: int):
        ...

    def _similar(self, a, b) -> np.ndarray:
        """k(S, S′)."""
        ...

    def kernel(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Covariance of the part between sets, up to the scale."""
        ...

    def flips(self, x: np.ndarray) -> np.ndarray:
        """The part with each region in turn switched."""
        ...

    def _likelihood(self, x, y) -> float:
        """Log marginal likelihood, the scale at its best, up to a constant."""
        ...

    def tune(self, x: np.ndarray, y: np.ndarray, relevance: np.ndarray) -> None:
        """Choose shares and length, and factorise all rows."""
        ...

    def extend(self, x: np.ndarray) -> None:
        """Add rows to the factor."""
        ...

    def learn(self, y: np.ndarray) -> None:
        """Weights of the rows, and the scale."""
        ...

    def __call__(self, x: np.ndarray) -> np.ndarray:
        ...

    def deviation(self, x: np.ndarray) -> np.ndarray:
        """How unsure the process is."""
        ...

def _cholesky(matrix, noise) -> np.ndarray:
    """Cholesky factor of a symmetric matrix with noise on its diagonal."""
    ...

def _solve(factor, right, transposed=0) -> np.ndarray:
    """Solve with a Cholesky factor, or with its transpose."""
    ...

class Surrogate:
    """Mean probability of the target tokens for any set of regions, learned from scored sets."""
    grown = 1.12
    least = 0.01

    def __init__(self, n: int, columns: list[int] | None=None, adjacency: np.ndarray | None=None, memory: bool=True, **settings):
        ...

    @one_thread()
    def fit(self, record: Record) -> 'Surrogate':
        """Learn from all scored sets; a further call continues from the last."""
        ...

    def __call__(self, keep: np.ndarray) -> np.ndarray:
        ...

    def with_columns(self, columns: list[int]) -> Surrogate:
        """The surrogate of other tokens: the same trend, and processes of its own."""
        ...

    def _mean(self, p) -> np.ndarray:
        """Mean over the tokens of the target."""
        ...

    def _guess(self, x, sign) -> tuple[np.ndarray, np.ndarray]:
        """The trend's prediction of a part, and the slope."""
        ...

    def _guess_flips(self, x, sign) -> tuple[np.ndarray, np.ndarray]:
        """The same with each region in turn switched."""
        ...

    def _relevance(self, x, sign) -> np.ndarray:
        """How much switching a region changes a part in units of the slope, on average over some scored sets."""
        ...

    def _process(self, sign) -> Process | None:
        """The process of a part, fitted to what the trend misses of it."""
        ...

    def part(self, keep: np.ndarray, sign: int) -> np.ndarray:
        """(p(S) + sign*p(V\\S))/2."""
        ...

    def part_flips(self, keep: np.ndarray, sign: int) -> np.ndarray:
        """A part with each region in turn switched."""
        ...

class Contrast:
    """F up to a constant: lam1 * p(S) - lam2 * p(rest), under the surrogate (EAGLE, objective)."""

    def __init__(self, surrogate: Surrogate, lam: tuple[float, float]=(1, 1)):
        ...

    def __call__(self, keep: np.ndarray) -> np.ndarray:
        ...

    def flips(self, keep: np.ndarray) -> np.ndarray:
        """F with each region in turn switched."""
        ...

    def deviation(self, keep: np.ndarray) -> np.ndarray:
        """Standard deviation of F; zero without memory."""
        ...
