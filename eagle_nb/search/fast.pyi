"""Generated from fast.py by .ci/stubs.py; do not edit."""
__all__ = ['TOLERANCE', 'FastSearch', 'fast', 'orders_from_scored']
import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
import numpy as np
import torch
from ..core.costs import SteadyBar
from ..core.curves import prefixes
from ..core.patching import patch
from ..core.scores import Scorer, packed
from .orders import Cached, along, greedy, improve, moves, trapezoids
from .screens import on_screen
from .search import BudgetSpent, Converged, Flat, Order, Recovered, Run, check_seed, default_forwards, register, run_steps
from .surrogate import Contrast, Record, Surrogate, one_thread

class FastSearch:
    """The state of the fast search: the scored sets, the surrogate, and the best order under it."""
    reach = 3
    shortlist = 256
    passes = 4

    def __init__(self, run: Run, seed: int=0, grow: float=1.0, patches: bool=True, explore_share: float=0.5, risk_aversion: float=1.0, improve_order: bool=True, sample_uncertain: bool=True, tolerance: float=0.0, **surrogate):
        ...

    def recall(self) -> None:
        """Record all sets that the scorer has scored before."""
        ...

    def score(self, keep: np.ndarray) -> None:
        """Score sets and their complements, as many as the budget allows."""
        ...

    def begin(self, initial: int) -> None:
        """Score the blank and the whole image, then random pairs, alternately scattered regions and blobs."""
        ...

    def _value(self, order, risk_aversion=0.0) -> float:
        """Predicted area under F without lam2, minus `risk_aversion` standard deviations."""
        ...

    def choose(self, passes: int=60) -> None:
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

    @one_thread()
    def last_gain(self) -> float:
        """How much better the best order is, as predicted now, than the one after two thirds of the forwards.

    In AUC, whatever the weights are multiplied by."""
        ...

    def check_converged(self) -> None:
        """Raise `Converged` when the search has gained less than `tolerance` of late, twice in a row."""
        ...

    def check_flat(self) -> None:
        """Raise `Flat` when all scored sets have the same probability, up to two steps of rounding."""
        ...

    def _unscored_prefixes(self) -> np.ndarray:
        """Prefixes of the order that are not scored yet; with an early stop, up to the one that suffices."""
        ...

    def _candidates(self) -> tuple[np.ndarray, ...]:
        """Off-order sets that are not scored yet, by predicted gain, the largest first; at most `shortlist`."""
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

def _check_settings(initial, grow, explore_share, risk_aversion, tolerance):
    """Raise an error for invalid settings."""
    ...
TOLERANCE = 0.004

def _default_forwards(run) -> int:
    """Maximum number of forwards if the user gives none."""
    ...

def _default_tolerance(budget, stop_at) -> float:
    """A search that has been told when to end does not end before."""
    ...

def _result(found, state) -> Order:
    """The order with its number of ranked regions, and the reason if it ended early."""
    ...

def fast(scorer: Scorer, lam: tuple[float, float]=(1, 1), seed: int=0, budget: int | str | None=None, tolerance: float | None=None, stop_at: float | None=None, warm: bool=False, initial: int=48, grow: float=0.05, patches: bool=True, explore_share: float=0.5, risk_aversion: float=1.0, improve_order: bool=True, sample_uncertain: bool=True, callback: Callable[[dict], None] | None=None, show_progress: bool=False, screen: str | None=None, **surrogate) -> Order:
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

def _fit_once(surrogate, record, times=4) -> Surrogate:
    """A fit from scratch, to its end."""
    ...
