"""Generated from fast.py by .ci/stubs.py; do not edit."""
__all__ = ['FastSearch', 'fast', 'orders_from_scored']
import math
from collections.abc import Callable
from dataclasses import replace
from numbers import Integral, Real
import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm
from ..core.curves import prefixes
from ..core.patching import patch
from ..core.scores import Scorer
from .orders import Contrast, along, greedy, improve, moves, trapezoids
from .search import BudgetSpent, Order, Recovered, Run, check_seed, register, run_steps
from .surrogate import Surrogate, one_thread, rounded

class FastSearch:
    """The state of the fast search: the scored sets, the surrogate, and the order that follows."""
    reach = 3

    def __init__(self, run: Run, seed: int=0, grow: float=1.0, patches: bool=True, explore_share: float=0.5, risk_aversion: float=1.0, improve_order: bool=True, sample_uncertain: bool=True, **surrogate):
        ...

    def record(self, keep: np.ndarray, p: Tensor) -> None:
        """Remember scored sets, each once."""
        ...

    def recall(self) -> None:
        """Record what the scorer knows already."""
        ...

    def known(self, keep: np.ndarray) -> bool:
        """Are a set and its complement scored?"""
        ...

    def score(self, keep: np.ndarray) -> None:
        """Score sets and their complements, as many as the budget has room for."""
        ...

    def begin(self, initial: int) -> None:
        """Score the blank and the whole image, then random sets, scattered and patches in turn."""
        ...

    def _doubt(self, sets) -> np.ndarray:
        """Standard deviation of F, if the errors of a set and of its complement add up."""
        ...

    def _worth(self, order, risk_aversion=0.0) -> float:
        """Area under F as the surrogate has it, minus the doubt."""
        ...

    def choose(self) -> None:
        """Find the best order under the surrogate as it is fitted now."""
        ...

    @one_thread()
    def think(self) -> float:
        """Fit the surrogate to all that is scored, and find the best order."""
        ...

    @one_thread()
    def recovered(self) -> int:
        """How many regions of the best order restore the share `stop_at`."""
        ...

    def _along_best(self) -> np.ndarray:
        """Mean probability along the best order: measured where it is, guessed elsewhere."""
        ...

    def _unknown_along(self) -> np.ndarray:
        """The sets along the order that are not scored yet, up to where its front suffices."""
        ...

    def _candidates(self) -> list[tuple[int, int, np.ndarray, float]]:
        """Sets along the order with a later region added that are not scored yet, the best moves first."""
        ...

    def _next_to(self, count) -> np.ndarray:
        """Sets next to the order where the move and the doubt about it promise most."""
        ...

    @one_thread()
    def questions(self) -> np.ndarray:
        """The sets to score next."""
        ...

    def steps(self, initial: int) -> None:
        """Begin, then think and ask in turn until the search ends."""
        ...

def _soft_field(centers, rng, bumps=6, width=0.15) -> np.ndarray:
    """A smooth random field over the regions, from Gaussian bumps around some of them."""
    ...

def _highest(values, k) -> np.ndarray:
    """The regions with the k highest values."""
    ...

def _check_settings(initial, grow, explore_share, risk_aversion):
    """Refuse settings that mean nothing."""
    ...

def _default_forwards(run) -> int:
    """Forwards where the user gives none."""
    ...

def _result(found, state) -> Order:
    """The order with the number of regions that it ranks, and why it ended early, if it did."""
    ...

def fast(scorer: Scorer, lam: tuple[float, float]=(1, 1), seed: int=0, budget: int | str | None=None, stop_at: float | None=None, warm: bool=False, initial: int=48, grow: float=0.05, patches: bool=True, explore_share: float=0.5, risk_aversion: float=1.0, improve_order: bool=True, sample_uncertain: bool=True, callback: Callable[[dict], None] | None=None, show_progress: bool=False, **surrogate) -> Order:
    """Search by a surrogate that learns from every set scored so far."""
    ...

def _check_scored(keep, p, columns):
    """Refuse a scorer without scored sets, and columns that it does not have."""
    ...

@one_thread()
def orders_from_scored(scorer: Scorer, columns: list[tuple[int, ...]], lam: tuple[float, float]=(1, 1), seed: int=0) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The (N,) order for each group of tokens, and (N+1,) mean probability along it, shown and hidden."""
    ...
