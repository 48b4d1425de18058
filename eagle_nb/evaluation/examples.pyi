"""Generated from examples.py by .ci/stubs.py; do not edit."""
__all__ = ['Example', 'compare_methods', 'compare_settings', 'settings_text']
import inspect, math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from ..core.answers import prompt_text
from ..core.files import error_text
from ..core.models import Model
from ..core.patching import patch
from .methods import Attribution, find_method
from .metrics import Curves, energy, evaluate_order, pointing
from .results import order_agreement
from .runner import Case, label_methods, prepare_case, run_method, score_method
from ..runs.samples import Sample
from ..explanation.figures import METHOD_COLOURS, figure_methods

def _ask_methods(model, case, labels, settings, listen: Callable, keep_failures: bool=False) -> Iterator[tuple[str, tuple[Attribution, Curves] | str]]:
    """Each label with the map and order of its method, and its curves by the judge."""
    ...

@dataclass(frozen=True, eq=False)
class Example:
    """What several methods say about one sample."""
    case: Case
    found: dict[str, tuple[Attribution, Curves]]

    @property
    def target(self) -> str:
        """What was explained, in words."""
        ...

    def table(self) -> pd.DataFrame:
        """Areas under the curves, and where the object is known, how far the map lies on it."""
        ...

    def text(self, seconds: bool=True) -> str:
        """The table in plain text."""
        ...
    __repr__ = text

    def state(self, seconds: bool=True) -> dict:
        """The table, and what was explained."""
        ...

    def figure(self) -> Figure:
        """Maps and curves of all methods; maps in the same unit are on one scale."""
        ...

def _curves(c) -> dict[str, np.ndarray]:
    """Mean over the tokens, as figures take it."""
    ...

def compare_methods(model: Model, sample: Sample, methods: Iterable[str | Callable | dict]=('EAGLE', 'LLaVA-CAM', 'IGOS++', 'random'), regions: int | str=64, fill: str='black', seed: int=0, batch_size: int | None=None, progress: Callable | None=None) -> Example:
    """Ask methods about one sample, and judge them."""
    ...

def compare_settings(model: Model, sample: Sample, settings: dict[str, dict], metrics: Iterable[str]=('insertion', 'deletion', 'auc_gap', 'highest', 'pointing_mask'), progress: Callable | None=None, budget: int | None=None, regions: int | str=36, fill: str='black', seed: int=0) -> tuple[Case, list[dict]]:
    """Settings of a method on one sample, judged alike: title, attribution, saliency, unit, numbers, curves; or title and note."""
    ...

def _shown(case, label, found, metrics) -> dict:
    """One setting as plain data."""
    ...

def _share_of_budget(progress, total) -> Callable:
    """A listener: a search reports the share of its budget, where it can and has one."""
    ...

def settings_text(case: Case, shown: list[dict]) -> str:
    """The same in words; τ is Kendall's rank correlation with the order of the first setting that has one."""
    ...

def _setting_line(r, first) -> str:
    """Numbers of one setting, or why it has none."""
    ...
