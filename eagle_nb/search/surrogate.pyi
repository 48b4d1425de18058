"""Generated from surrogate.py by .ci/stubs.py; do not edit."""
__all__ = ['one_thread', 'rounded', 'Network', 'Residual', 'Surrogate']
import contextlib
import functools
import os
import threading
from numbers import Integral, Real
import numpy as np
import torch
from scipy.linalg import cho_factor, cho_solve
from threadpoolctl import ThreadpoolController
from torch import Tensor
from ..core.patching import patch
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

def _signs(keep) -> Tensor:
    """Sets of visible regions as numbers."""
    ...

def _spots(centers, hidden_units, normal, generator, width=0.1) -> Tensor:
    """Gaussian bumps around random regions, of either sign."""
    ...

class Network:
    """Logits of T tokens from a set of n regions: a sum over regions plus rectified hidden units."""

    def __init__(self, n: int, tokens: int, centers: np.ndarray | None=None, adjacency: np.ndarray | None=None, hidden_units: int=64, smooth: float=0.1, decay: float=0.001, seed: int=0):
        ...

    def __call__(self, x: Tensor) -> Tensor:
        ...

    def fit(self, x: Tensor, p: Tensor, steps: int=80, rate: float=0.02) -> None:
        """Adam on the cross-entropy; the rate falls to nothing within the call."""
        ...

    def _pull(self, w, share) -> Tensor:
        """Gradient of weight decay and of the roughness over neighbours."""
        ...

    def _gradients(self, x, p) -> list[Tensor]:
        """Gradient of the cross-entropy and of the pull, for each of the weights."""
        ...

    def _step(self, x, p, rate):
        """One step of Adam."""
        ...

    def flips(self, x: Tensor) -> Tensor:
        """The logits with each region in turn switched."""
        ...

def _first_weights(n, tokens, centers, hidden_units, seed) -> list[Tensor]:
    """Bias, weights of the sum, and weights into and out of the hidden units."""
    ...

def _check_network(hidden_units, smooth, decay):
    """Refuse settings that mean nothing."""
    ...

def _kernel(a, b, theta) -> np.ndarray:
    """Similarity of sets: exp(-sum of theta over the regions in which they differ)."""
    ...

def _most_likely(x, y, share, lengths, noise) -> tuple:
    """The fit of a Gaussian process with the length of the highest marginal likelihood."""
    ...

class Residual:
    """Gaussian process on sets with an exponential kernel over the regions in which they differ."""
    lengths, noise = ((0.25, 0.5, 1.0, 2.0, 4.0, 8.0), 0.001)

    def __init__(self, x: np.ndarray, y: np.ndarray, relevance: np.ndarray, length: float | None=None):
        ...

    def __call__(self, x: np.ndarray) -> np.ndarray:
        ...

    def flips(self, x: np.ndarray) -> np.ndarray:
        """The residual with each region in turn switched."""
        ...

    def deviation(self, x: np.ndarray) -> np.ndarray:
        """How unsure the residual is."""
        ...

class Surrogate:
    """Mean probability of the target tokens for any set of regions, learned from scored sets."""

    def __init__(self, n: int, columns: list[int] | None=None, centers: np.ndarray | None=None, adjacency: np.ndarray | None=None, seed: int=0, memory: bool=True, **settings):
        ...

    def __call__(self, keep: np.ndarray) -> np.ndarray:
        ...

    def flips(self, keep: np.ndarray) -> np.ndarray:
        """The value with each region in turn switched."""
        ...

    def _mean(self, p) -> Tensor:
        """Mean over the tokens of the target."""
        ...

    def _guess(self, x) -> Tensor:
        """The network's mean probability."""
        ...

    def _slope(self, x, least=0.01) -> np.ndarray:
        """How far an error of the logits moves the mean probability: p(1-p), and never less than `least`."""
        ...

    def _relevance(self, x) -> np.ndarray:
        """How much switching a region changes the prediction, on average over some scored sets."""
        ...

    @one_thread()
    def remember(self, keep: np.ndarray, p: Tensor, columns: list[int] | None=None) -> Surrogate:
        """Fit the memory alone: the network knows all tokens, the memory only the mean of the target's."""
        ...

    @one_thread()
    def fit(self, keep: np.ndarray, p: Tensor, steps: int | None=None) -> Surrogate:
        """Learn from all scored sets; a further call continues from the last."""
        ...

    def deviation(self, keep: np.ndarray) -> np.ndarray:
        """Standard deviation: the memory's, larger where the probabilities can move (delta method)."""
        ...
