"""Generated from results.py by .ci/stubs.py; do not edit."""
__all__ = ['METRICS', 'NAMES', 'CORRECTIONS', 'OWN', 'AGREEMENT', 'MAY_CHANGE', 'pick_metrics', 'Evaluation', 'interval_text', 'order_agreement', 'ResultStore', 'evaluation_of', 'read_results', 'figure_comparison', 'range_text']
import hashlib, math, re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from ..core.patching import patch
from .methods import METHODS
from .metrics import bootstrap, paired
from ..explanation.plots import DELETION, INSERTION, MARK, PAGE, new_figure, paper_style
from ..runs.store import Store, plain_json
METRICS = {'insertion': +1, 'deletion': -1, 'auc_gap': +1, 'highest': +1, 'sensitive_insertion': +1, 'sensitive_deletion': -1, 'pixel_insertion': +1, 'pixel_deletion': -1, 'pixel_auc_gap': +1, 'pointing_box': +1, 'pointing_mask': +1, 'iou': +1, 'energy': +1, 'seconds': -1, 'forwards': -1, 'backwards': -1, 'memory': -1, 'correction': -1, 'corrected': +1, 'blamed': +1, 'own_insertion': +1, 'own_deletion': -1, 'own_auc_gap': +1, 'own_highest': +1, 'tau': +1, 'first': +1}
_AREAS = {'insertion': 'insertion AUC', 'deletion': 'deletion AUC', 'auc_gap': 'insertion AUC minus deletion AUC', 'highest': 'highest probability'}
_OF = {'': '', 'sensitive_': ', image-sensitive words', 'pixel_': ', pixel by pixel', 'own_': ', own regions'}
NAMES = {f'{which}{k}': v + note for which, note in _OF.items() for k, v in _AREAS.items()} | {'pointing_box': 'pointing game, box', 'pointing_mask': 'pointing game, mask', 'iou': 'overlap with the object (IoU)', 'energy': 'share of the map on the object', 'seconds': 'seconds', 'forwards': 'forward passes', 'backwards': 'backward passes', 'memory': 'memory (bytes)', 'correction': 'share of the image removed until corrected', 'corrected': 'answers corrected', 'blamed': 'share of the blame on the cause', 'tau': "Kendall's τ", 'first': 'first regions in common'}
CORRECTIONS = ('correction', 'corrected', 'blamed')
OWN = ('own_insertion', 'own_deletion', 'own_auc_gap', 'own_highest')
AGREEMENT = ('tau', 'first')
_DEFAULT = tuple((m for m in METRICS if m not in CORRECTIONS + OWN + AGREEMENT))

def pick_metrics(metrics: Iterable[str] | None, default: Iterable[str]=_DEFAULT) -> list[str]:
    """Names of metrics, checked."""
    ...

@dataclass(eq=False)
class Evaluation:
    """Results of methods on samples, tidy."""
    frame: pd.DataFrame
    left_out: dict[str, str]
    about: dict = field(default_factory=dict)

    @property
    def methods(self) -> list[str]:
        ...

    def values(self, method: str, metric: str) -> pd.Series:
        """One metric of one method."""
        ...

    def __repr__(self):
        ...

    def _groups(self, keys) -> np.ndarray | None:
        """The group of each sample, where samples were pooled."""
        ...

    def independent(self, keys: Iterable[str]) -> int:
        """The number of independent samples: those that several models share count once, see `comparisons.pool`."""
        ...

    def _has(self, metrics: Iterable[str] | None=None) -> pd.Series:
        """Which rows have a result at all."""
        ...

    def summary(self, metrics: Iterable[str] | None=None, level: float=0.95, seed: int=0) -> pd.DataFrame:
        """Means with bootstrap intervals over samples."""
        ...

    def _interval(self, values, level, seed) -> tuple[float, float, float]:
        """Mean, lower and upper end; NaN where there are too few samples."""
        ...

    def table(self, metrics: Iterable[str] | None=None, level: float=0.95) -> pd.DataFrame:
        """Means with intervals as text; n is the number of samples that a method has results for."""
        ...

    def shared(self, method: str, reference: str, metric: str) -> pd.Index:
        """The samples that both have."""
        ...

    def compare(self, method: str, reference: str | None=None, metric: str='auc_gap', **kwargs) -> dict:
        """A paired test on the samples that both have."""
        ...

    def kind(self, label: str) -> str:
        """Search, oracle or baseline, by what a label means."""
        ...

    def best_baseline(self, metric: str='auc_gap', method: str | None=None) -> str:
        """The best baseline on the samples that all have, of those with at least half of the samples."""
        ...

    def differences(self, reference: str, metrics: Iterable[str] | None=None, level: float=0.95) -> pd.DataFrame:
        """Means next to the paired differences from a reference."""
        ...

    def _difference(self, method, reference, metric, level) -> dict[str, float]:
        """A paired difference with its interval; NaN where there is nothing to compare."""
        ...

    def common(self, methods: Iterable[str] | None=None) -> Evaluation:
        """Only these methods, on the samples of which every one of them has a result."""
        ...

    def complete(self) -> Evaluation:
        """Only the methods that have results for all samples, so that all means rest on the same ones."""
        ...

    def agreement(self, method: str, reference: str, top: int=5) -> pd.DataFrame:
        """How alike two methods order the same regions; needs results of `evaluate` with orders=True."""
        ...

    def report(self) -> str:
        """What the numbers rest on, in words."""
        ...
_UNITS = {'memory': (1e-09, 2), 'seconds': (1, 2), 'forwards': (1, 0), 'backwards': (1, 0)}

def interval_text(metric: str, mean: float, lower: float, upper: float, signed: bool=False) -> str:
    """A number with its interval, such as 0.712 [0.650, 0.774]; memory in GB."""
    ...

def order_agreement(a: Iterable[int], b: Iterable[int], top: int=5) -> dict[str, float]:
    """Kendall's rank correlation of two orders, and the share of their first regions that both have."""
    ...

def _settings_text(about) -> str:
    """Settings in one line."""
    ...
MAY_CHANGE = ('machine', 'versions', 'data_left_out', 'weights')
_RENAMED = {'result', 'pixel_result', 'own_result'}

class ResultStore(Store):
    """Results of methods on samples, in a file or in memory only."""

    def __init__(self, path: Path | None, head: dict):
        ...

    def take(self, line: dict):
        ...

    def check_head(self, given: dict):
        ...

    def define(self, label: str, settings: dict):
        """Write down what a label means, or refuse another meaning."""
        ...

def _function_text(f) -> str:
    """The name of a function; for one without a name, its code as well."""
    ...

def evaluation_of(store: ResultStore, keys: Collection[str] | None=None, labels: Collection[str] | None=None) -> Evaluation:
    """What a store holds of these samples and methods."""
    ...

def read_results(path: str | Path, *more: str | Path) -> Evaluation:
    """An evaluation from its file, or from the files of its parts."""
    ...
_PART = re.compile('-(\\d+)of(\\d+)$')

def _parts_text(names) -> str:
    """The name of the whole, and which parts are there if not all."""
    ...

def _check_part(whole, part, path):
    """Refuse a part with other settings, other meanings of labels, or other samples."""
    ...

def _other_field(a, b) -> str | None:
    """A field of the head in which two parts differ but must not."""
    ...

def _join(whole, part):
    """Take the results of a part into the whole."""
    ...

@paper_style
def figure_comparison(panels: dict[str, Evaluation], metrics: tuple[str, ...]=('insertion', 'deletion'), first: tuple[str, ...]=('oracle', 'EAGLE')) -> Figure:
    """Means with 95 % intervals, a row per method, sorted by the first metric."""
    ...
_COLOURS = (INSERTION, DELETION, MARK, '#009E73')

def _ranked(panels, metric, first) -> list[str]:
    """Methods by their mean over all panels, the marked ones first."""
    ...

def _intervals(ax, e, metrics, names, title):
    """One panel."""
    ...

def _say_samples(ax, s, names, title):
    """How many samples the means are of: in the title, and next to each row where it is another number."""
    ...

def range_text(n: pd.Series) -> str:
    """One number, or the smallest and the largest: '20', '18 to 20'."""
    ...
