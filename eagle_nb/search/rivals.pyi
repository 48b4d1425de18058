"""Generated from rivals.py by .ci/stubs.py; do not edit."""
__all__ = ['SAMPLERS', 'PhaseWin', 'phasewin', 'batch_bidirectional', 'shapley_values', 'shapley']
import math
from collections.abc import Callable
from numbers import Integral, Real
import numpy as np
import torch
from ..core.patching import patch
from ..core.scores import Scorer
from .search import SEARCHES, Order, Run, check_count, check_seed, default_forwards, place_at_back, run_steps
from .surrogate import rounded

class PhaseWin:
    """The state of a PhaseWin search: the run, what it set aside, and how freely regions are put off."""

    def __init__(self, run: Run, window: int, prune: float, accept: float, tie: float, turn: float, pace: float, temperature: float, cooling: float, marginal: bool, seed: int):
        ...

    @property
    def active(self) -> list[int]:
        """The regions that wait and were not set aside."""
        ...

    def gains(self, regions: list[int]) -> dict[int, float]:
        """Score each region on top of those taken, and sort all that wait by what is known."""
        ...

    def slows(self, past: list[float], now: float) -> bool:
        """Does the pace change by more than `turn`?"""
        ...

    def take(self, region: int, value: float, known: bool) -> None:
        """Place a region at the front."""
        ...

    def puts_off(self, excess: float) -> bool:
        """Toss a coin: even at the bar, the rarer the higher a score lies above it."""
        ...

    def refill(self, window: list[int], queue: list[int], bar: float, scores: dict[int, float], delayed: set[int]) -> None:
        """Move regions from the queue into the window, in place."""
        ...

    def work_through(self, queue: list[int], scores: dict[int, float], past: list[float]) -> None:
        """Take batches of near-equals from a window, until none clears the bar or the pace changes."""
        ...

    def phase(self) -> bool:
        """One phase."""
        ...

    def sort_rest(self, regions: list[int]) -> None:
        """Score regions once, and place them by that."""
        ...

    def steps(self) -> None:
        """Phases, then what is left."""
        ...

def _check_phasewin(window, temperature, **shares):
    """Refuse settings that mean nothing."""
    ...

def phasewin(scorer: Scorer, lam: tuple[float, float]=(1, 1), window: int=16, prune: float=0.05, accept: float=0.6, tie: float=0.99, turn: float=0.02, pace: float=0.98, temperature: float=0.5, cooling: float=0.85, marginal: bool=False, seed: int=0, budget: int | str | None=None, stop_at: float | None=None, callback: Callable[[dict], None] | None=None, show_progress: bool=False) -> Order:
    """Greedy search in phases, each with a pruned window (PhaseWin, after arXiv 2511.10914 and 2606.18008)."""
    ...
SEARCHES['phasewin'] = phasewin

def _step_forward(run, candidates, sort) -> None:
    """Place the best candidate; sort the candidates, which then are all that wait, or leave them as they are."""
    ...

def batch_bidirectional(scorer: Scorer, lam: tuple[float, float]=(1, 1), scope: int=8, pending: int=4, every: int=10, budget: int | str | None=None, stop_at: float | None=None, callback: Callable[[dict], None] | None=None, show_progress: bool=False) -> Order:
    """Greedy search from both ends, as the reference implementation's batched version does it."""
    ...
SEARCHES['batch_bidirectional'] = batch_bidirectional

def _shapiq():
    """The library, or what to do without it."""
    ...
SAMPLERS = ('kernel', 'leverage', 'proxyspex')

def _sampler(name, n, seed):
    """An estimator of shapiq."""
    ...

def _estimate(estimator, game, budget, n):
    """Values from an estimator: region -> value."""
    ...

def shapley_values(scorer: Scorer, sampler: str='leverage', budget: int=512, seed: int=0) -> np.ndarray:
    """Shapley values of the mean probability of the target."""
    ...

def shapley(scorer: Scorer, sampler: str='leverage', lam: tuple[float, float]=(1, 1), per_area: bool=False, seed: int=0, budget: int | None=None, callback: Callable[[dict], None] | None=None, show_progress: bool=False) -> Order:
    """Regions sorted by Shapley values that shapiq estimates."""
    ...
