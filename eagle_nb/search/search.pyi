"""Generated from search.py by .ci/stubs.py; do not edit."""
__all__ = ['SEARCHES', 'Order', 'read_budget', 'read_weights', 'check_seed', 'default_forwards', 'check_count', 'keep_masks', 'Run', 'BudgetSpent', 'Recovered', 'Converged', 'Flat', 'run_steps', 'exact', 'place_at_back', 'bidirectional', 'lazy', 'one_shot', 'random_order', 'register', 'settings_of', 'search']
import inspect
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Integral, Real
import numpy as np
import torch
from torch import Tensor
from ..core.costs import SteadyBar
from ..core.patching import patch
from ..core.scores import Scorer, objective
from .surrogate import rounded

@dataclass(frozen=True, eq=False)
class Order:
    """Regions, the most important first."""
    order: np.ndarray
    ranked: int
    forwards: int
    seconds: float
    method: str
    settings: dict = field(default_factory=dict)
    stopped: str | None = None

def read_budget(budget: int | str | None) -> tuple[int | None, float | None]:
    """What a search may spend."""
    ...

def _read_seconds(budget) -> float:
    """Seconds above 0 from a text such as '30s'."""
    ...

def read_weights(lam: tuple[float, float]) -> tuple[float, float]:
    """Two weights, not both zero."""
    ...

def check_seed(seed: int) -> None:
    """Refuse a seed that is not a whole number from 0."""
    ...

def _read_share(stop_at) -> float | None:
    """A share above 0, or None."""
    ...

def default_forwards(n: int) -> int:
    """What a search may spend that has no budget: 16 forwards per region, and no more than exact greedy."""
    ...

def check_count(name: str, value: int) -> None:
    """Refuse a setting that is not a whole number from 1."""
    ...

def keep_masks(sets: list[list[int]], n: int) -> Tensor:
    """Keep-masks from lists of regions."""
    ...

class Run:
    """One search: scorer, weights, budget, and the regions placed so far."""

    def __init__(self, scorer: Scorer, lam: tuple[float, float]=(1, 1), budget: int | str | None=None, callback: Callable[[dict], None] | None=None, show_progress: bool=False, name: str='search', stop_at: float | None=None):
        ...

    @property
    def used(self) -> int:
        """Forward passes of this search so far."""
        ...

    @property
    def late(self) -> bool:
        """Is the time of the budget over?"""
        ...

    def scores(self, sets: list[list[int]]) -> Tensor:
        """F of each set, for two forwards per set."""
        ...

    def order(self) -> list[int]:
        """All regions: placed at the front, not placed, placed at the back."""
        ...

    def enough(self) -> None:
        """Raise `Recovered` once the regions at the front restore the share `stop_at`."""
        ...

    def placed(self, region: int, value: float, front: bool=True) -> None:
        """Record a region, and stop where the front suffices."""
        ...

    def _report(self, **step):
        """Give the callback a step, with the forwards used and the order as it is now."""
        ...

    def guess(self, order: np.ndarray, value: float) -> None:
        """Record a whole order of which nothing is final."""
        ...

    def finish(self, method: str, settings: dict, stopped: str | None) -> Order:
        """Close the progress bar; the order as it stands."""
        ...

class BudgetSpent(Exception):
    """The budget is used up."""

class Recovered(Exception):
    """The regions at the front suffice."""

class Converged(Exception):
    """More forwards promise too little."""

class Flat(Exception):
    """No set changes the probability of the target."""

def run_steps(run: Run, steps: Callable[[], None], method: str, least: int, **settings) -> Order:
    """Run the steps until they are done, the budget is spent, or the user interrupts."""
    ...

def exact(scorer: Scorer, lam: tuple[float, float]=(1, 1), budget: int | str | None=None, stop_at: float | None=None, callback: Callable[[dict], None] | None=None, show_progress: bool=False) -> Order:
    """Greedy search that scores every remaining region at every step (EAGLE, greedy search)."""
    ...

def _rank(run, candidates, start) -> float:
    """Score candidates on top of `start` and put them, best first, at the head of the rest."""
    ...

def place_at_back(run: Run, pending: int) -> None:
    """Place the region that the whole image misses least at the back."""
    ...

def bidirectional(scorer: Scorer, lam: tuple[float, float]=(1, 1), scope: int=10, pending: int=8, every: int=5, budget: int | str | None=None, stop_at: float | None=None, callback: Callable[[dict], None] | None=None, show_progress: bool=False) -> Order:
    """Greedy search from both ends (EAGLE, the efficient version)."""
    ...

def _refresh(run, bound, value, width) -> float:
    """Score regions again, the largest old gain first, until the best new gain wins; sort the rest by gain."""
    ...

def lazy(scorer: Scorer, lam: tuple[float, float]=(1, 1), width: int=4, budget: int | str | None=None, stop_at: float | None=None, callback: Callable[[dict], None] | None=None, show_progress: bool=False) -> Order:
    """Greedy search that trusts old gains as upper bounds (Minoux 1978, accelerated greedy)."""
    ...

def one_shot(scorer: Scorer, lam: tuple[float, float]=(1, 1), budget: int | str | None=None, callback: Callable[[dict], None] | None=None, show_progress: bool=False) -> Order:
    """Every region scored once, alone, and sorted by F."""
    ...

def random_order(scorer: Scorer, seed: int=0, lam: tuple[float, float]=(1, 1), budget: int | str | None=None, callback: Callable[[dict], None] | None=None, show_progress: bool=False) -> Order:
    """A random order; it takes the settings of the searches and spends nothing."""
    ...
SEARCHES = {'exact': exact, 'bidirectional': bidirectional, 'lazy': lazy, 'one_shot': one_shot, 'random': random_order}
_MORE = {}

def register(name: str, search: Callable, settings: tuple[str, ...]=()) -> None:
    """Add a search to `SEARCHES`, before the others."""
    ...

def settings_of(method: str) -> list[str]:
    """The names of the settings that a search takes."""
    ...

def search(scorer: Scorer, method: str | Callable='fast', **kwargs) -> Order:
    """Order the regions by a method's name."""
    ...
