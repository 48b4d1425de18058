"""Generated from fast.py by .ci/stubs.py; do not edit."""
__all__ = ['FastSearch', 'fast', 'orders_from_scored']
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm
from ..core.curves import prefixes
from ..core.patching import patch
from ..core.scores import Scorer
from .orders import Contrast, along, greedy, improve, moves, trapezoids
from .screens import on_screen
from .search import BudgetSpent, Order, Recovered, Run, check_seed, register, run_steps
from .surrogate import Surrogate, one_thread, rounded

class FastSearch:
    """The state of the fast search: the scored sets, the surrogate, and the best order under it."""
    reach = 3

    def __init__(self, run: Run, seed: int=0, grow: float=1.0, patches: bool=True, explore_share: float=0.5, risk_aversion: float=1.0, improve_order: bool=True, sample_uncertain: bool=True, **surrogate):
        ...

    def record(self, keep: np.ndarray, p: Tensor) -> None:
        """Add scored sets to the record, each once."""
        ...

    def recall(self) -> None:
        """Record all sets that the scorer has scored before."""
        ...

    def known(self, keep: np.ndarray) -> bool:
        """Are a set and its complement scored?"""
        ...

    def score(self, keep: np.ndarray) -> None:
        """Score sets and their complements, as many as the budget allows."""
        ...

    def begin(self, initial: int) -> None:
        """Score the blank and the whole image, then random pairs, alternately scattered regions and blobs."""
        ...

    def _std(self, sets) -> np.ndarray:
        """Standard deviation of F(S), with the errors of p(S) and p(V\\S) treated as fully correlated."""
        ...

    def _value(self, order, risk_aversion=0.0) -> float:
        """Predicted area under F without lam2, minus `risk_aversion` standard deviations."""
        ...

    def choose(self) -> None:
        """Find the best order under the current fit of the surrogate."""
        ...

    @one_thread()
    def refit(self) -> float:
        """Fit the surrogate to all scored sets, and find the best order."""
        ...

    @one_thread()
    def recovered(self) -> int:
        """Length of the shortest prefix of the best order with at least `stop_at` x p(whole image)."""
        ...

    def _along_best(self) -> np.ndarray:
        """Mean probability along the best order: measured where available, predicted elsewhere."""
        ...

    def _unscored_prefixes(self) -> np.ndarray:
        """Prefixes of the order that are not scored yet; with an early stop, up to the one that suffices."""
        ...

    def _candidates(self) -> list[tuple[int, int, np.ndarray, float]]:
        """Off-order sets that are not scored yet, by predicted gain, the largest first; at most 4N."""
        ...

    def _off_order(self, count) -> np.ndarray:
        """The off-order candidates with the highest upper confidence bound."""
        ...

    @one_thread()
    def next_sets(self) -> np.ndarray:
        """The sets to score next, each with its complement."""
        ...

    def steps(self, initial: int) -> None:
        """Score the initial sets, then fit and score in turn until the search ends."""
        ...

def _soft_field(centers, rng, bumps=6, width=0.15) -> np.ndarray:
    """A smooth random field over the regions: a sum of Gaussian bumps around some of them."""
    ...

def _highest(values, k) -> np.ndarray:
    """The regions with the k highest values."""
    ...

def _check_settings(initial, grow, explore_share, risk_aversion):
    """Raise an error for invalid settings."""
    ...

def _default_forwards(run) -> int:
    """Maximum number of forwards if the user gives none."""
    ...

def _result(found, state) -> Order:
    """The order with its number of ranked regions, and the reason if it ended early."""
    ...

def fast(scorer: Scorer, lam: tuple[float, float]=(1, 1), seed: int=0, budget: int | str | None=None, stop_at: float | None=None, warm: bool=False, initial: int=48, grow: float=0.05, patches: bool=True, explore_share: float=0.5, risk_aversion: float=1.0, improve_order: bool=True, sample_uncertain: bool=True, callback: Callable[[dict], None] | None=None, show_progress: bool=False, screen: str | None=None, **surrogate) -> Order:
    """Optimise the whole order under a surrogate that learns from all scored sets."""
    ...

def _check_scored(keep, p, columns):
    """Raise an error for a scorer without scored sets, and for columns that it does not have."""
    ...

@one_thread()
def orders_from_scored(scorer: Scorer, columns: list[tuple[int, ...]], lam: tuple[float, float]=(1, 1), seed: int=0) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Orders for other tokens, without a forward pass.

    Per group of tokens: the (N,) order, and the (N+1,) mean probabilities with its prefixes shown and with
    them hidden. The curves are predictions of the surrogate, and the sets were chosen for another target."""
    ...
