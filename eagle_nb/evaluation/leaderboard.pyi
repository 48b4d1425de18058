"""Generated from leaderboard.py by .ci/stubs.py; do not edit."""
__all__ = ['TRACKS', 'MODELS', 'SETTINGS', 'COSTS', 'NAMES', 'SUMMARY', 'TOLD', 'LEAST', 'Track', 'better', 'find_tracks', 'other_setting', 'summarize', 'write_summary', 'read_summary', 'main', 'listed', 'places', 'rank', 'check_function', 'Outside', 'import_method', 'Benchmark', 'standings', 'joined', 'method_labels', 'benchmark']
import argparse, contextlib, functools, html, importlib, importlib.util, inspect, json, math, re, sys, tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
import pandas as pd
from matplotlib.figure import Figure
from .. import DATA
from ..core.costs import versions
from ..core.files import command, error_text, write_whole
from ..core.models import Model
from ..core.patching import patch
from ..core.selftest import load
from . import datasets, results
from .comparisons import pool
from .methods import METHODS, find_method, method_name
from .metrics import bootstrap
from .results import METRICS, Evaluation, ResultStore, interval_text
from .runner import evaluate, label_methods, prepare_case, run_method
from ..explanation.formats import page_html, table_html
from ..explanation.plots import COLUMN, INSERTION, new_figure, paper_style
from ..runs.runs import short_digest, told
from ..runs.samples import Dataset, check_count
from ..runs.store import plain_json, read_lines

@dataclass(frozen=True, eq=False)
class Track:
    """What methods are asked, and what their answers are judged by."""
    name: str
    about: str
    data: Callable
    full: int
    seed: int
    decides: dict[str, str]
    shown: tuple[str, ...]

    def samples(self, model: Model, n: int | None=None) -> Dataset:
        """The first samples of a track."""
        ...
_FAITHFUL = "the model's own probabilities with regions hidden"
_OBJECT = 'the exact mask of the object that the word names'
TRACKS = {t.name: t for t in (Track('words', "an object word in the model's own description of a scene", lambda model, n, seed: datasets.scenes_words(model, n, seed=seed), 100, 51000, dict(auc_gap=_FAITHFUL, pointing_mask=_OBJECT, iou=_OBJECT), ('insertion', 'deletion', 'pixel_auc_gap', 'energy')), Track('captions', "the model's whole description of a scene", lambda model, n, seed: datasets.scenes_captions(n, seed=seed), 100, 50000, dict(auc_gap=_FAITHFUL), ('insertion', 'deletion', 'pixel_auc_gap')), Track('questions', 'a wrong Yes about an absent object whose planted trigger is in the scene', lambda model, n, seed: datasets.scenes_questions(model, n, seed=seed), 60, 52000, dict(correction="the model's own answers with regions removed", blamed='the exact mask of the trigger that was planted in training'), ('corrected', 'insertion', 'deletion')))}
MODELS = ('scenes-llava', 'scenes-qwen', 'scenes-internvl')
SETTINGS = dict(regions=64, fill='black', mode='nearest', seed=0, dtype='bfloat16')
COSTS = ('forwards', 'backwards', 'seconds')
NAMES = results.NAMES | dict(pointing_mask='brightest spot on the object', correction='area removed until corrected', blamed='first removed region on the trigger')

def better(metric: str) -> str:
    """Which values are better."""
    ...

def find_tracks(names: Iterable[str] | str | None=None) -> list[Track]:
    """Tracks by their names."""
    ...
SUMMARY = DATA / 'benchmark.json'
_FORMAT = 1
_SAME = ('revision', *SETTINGS, 'system', 'chat_template', 'chat_template_kwargs', 'max_new_tokens')

def other_setting(a: dict, b: dict) -> str | None:
    """A setting in which two results differ, although they must not."""
    ...

def _check_standard(head, model, where):
    """Refuse results of other settings."""
    ...

def _digests(store, path) -> dict[str, str]:
    """Which samples a file is about."""
    ...

def _means(rows, metrics) -> dict[str, float]:
    """Means of what was measured."""
    ...

def _machines(path) -> set[str]:
    """All machines on which a file was written."""
    ...

def _rounded(v) -> float | None:
    ...

def _summary_of_file(path, track, model) -> dict:
    """What the summary keeps of one model on one track."""
    ...

def summarize(folder: str | Path, models: Iterable[str]=MODELS) -> dict:
    """The results of a folder, as the benchmark keeps them."""
    ...

def write_summary(folder: str | Path, path: str | Path=SUMMARY):
    """Renew what the wheel knows of the methods here."""
    ...

@functools.cache
def read_summary(path: Path=SUMMARY) -> dict[str, dict[str, Evaluation]]:
    """The results of the methods here."""
    ...

def _evaluation(s, track, model, path) -> Evaluation:
    """One model on one track."""
    ...

def main(args: list[str] | None=None):
    """`python -m eagle_nb.evaluation.leaderboard`: write the summary of the result files."""
    ...

def _counts(e, metric) -> dict[str, int]:
    """How many samples each method has."""
    ...

def _most(e, metric) -> str:
    """The method with the most samples."""
    ...

def listed(e: Evaluation, metric: str, reference: str | None=None, least: float=0.5) -> tuple[Evaluation, dict[str, int]]:
    """The methods that can be ranked."""
    ...
TOLD = ('oracle',)
LEAST = 10

def _wide(e, metric) -> pd.DataFrame:
    """The values of all methods."""
    ...

def _grouped(wide, anchor, groups) -> list[list[str]]:
    """Groups of methods that cannot be distinguished from the best of their group."""
    ...

def places(e: Evaluation, metric: str, reference: str | None=None) -> dict[str, str]:
    """Places only."""
    ...

def rank(e: Evaluation, metric: str, reference: str | None=None, least: float=0.5, place: dict[str, str] | None=None) -> pd.DataFrame:
    """A leaderboard as numbers; differences are from the reference, and positive is better."""
    ...
_GIVEN = ('regions', 'fill', 'seed', 'batch_size', 'key')

def check_function(f: Callable, settings: Iterable[str]=()) -> None:
    """Refuse a function that cannot be asked, before any model is loaded."""
    ...

def _source(f) -> str:
    """The code of a function: of its whole module, whose other functions it may call, or its own in a notebook."""
    ...

def _neighbours(path: Path, code: str, seen: set[Path]) -> str:
    """The code of what a file imports from its own folder."""
    ...

def _carried(f) -> list:
    """What a function carries along: fixed arguments, defaults, what it closes over, what an object holds."""
    ...

class Outside:
    """A function from outside: its name says which version of the code it is, so that results of another are not resumed."""

    def __init__(self, f: Callable, spec: str | None=None):
        ...

    def __call__(self, *args, **kwargs):
        ...

    def __reduce__(self):
        ...

def import_method(spec: str) -> Outside:
    """A function from a file or a module."""
    ...

def _of_module(name):
    ...

def _module_name(path) -> str:
    """A name that no other module has."""
    ...

def _of_file(path):
    """A module from a file, run anew."""
    ...

def _taken() -> set[str]:
    """Labels that mean a method here."""
    ...

def _label(method) -> tuple[str, dict]:
    """What a method is called, checked."""
    ...
_OF_YES = ', of Yes'

def _ways(labels, track) -> dict[str, dict]:
    """How each method is asked on a track."""
    ...

@dataclass(eq=False)
class Benchmark:
    """Methods on tracks and models, next to the methods measured here."""
    panels: dict[str, dict[str, Evaluation]]
    labels: tuple[str, ...] = ()
    about: dict = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def of(self, track: str, model: str | None=None) -> Evaluation:
        """The results of a track."""
        ...

    def is_own(self, method: str) -> bool:
        ...

    def __repr__(self):
        ...

    def _reference(self, e, metric, least) -> str | None:
        """The run's own method, in the way of asking that has the metric's best mean; None where it failed on too many samples."""
        ...

    def _once(self, key: tuple, compute: Callable):
        """What was computed before, or now."""
        ...

    def places(self, track: str, metric: str | None=None, model: str | None=None, least: float=0.5) -> pd.Series:
        """Places only, without intervals and tests."""
        ...

    def ranks(self, track: str, metric: str, model: str | None=None, least: float=0.5) -> pd.DataFrame:
        """A leaderboard as numbers."""
        ...

    def costs(self, track: str) -> pd.DataFrame:
        """Mean costs per sample over the models; seconds only where all were measured on one machine."""
        ...

    def leaderboard(self, track: str, metric: str | None=None, model: str | None=None, least: float=0.5) -> pd.DataFrame:
        """Places, means with 95 % intervals, paired differences from the method in question or the best, and costs."""
        ...

    def overview(self, model: str | None=None, least: float=0.5) -> pd.DataFrame:
        """The places on all leaderboards; there is no total, since the metrics ask different questions."""
        ...

    def table(self, track: str) -> pd.DataFrame:
        """All metrics of the methods of this run, or the deciding ones of the methods here."""
        ...

    def left_out(self, least: float=0.5) -> list[str]:
        """The methods that are not ranked, for having too few samples."""
        ...

    def missing(self) -> list[str]:
        """What the leaderboards lack, in words."""
        ...

    def _boards(self) -> Iterator[tuple[str, str, pd.DataFrame]]:
        ...

    def text(self) -> str:
        """All leaderboards in plain text."""
        ...

    def _repr_html_(self) -> str:
        """All leaderboards as HTML."""
        ...

    def to_html(self, path: str | Path | None=None) -> str:
        """All leaderboards as a web page that needs no other file."""
        ...

    def record(self) -> dict:
        """What another person needs to check the result: settings, each sample's values of this run's methods, and all ranks."""
        ...

    def to_json(self, path: str | Path):
        """Write the record."""
        ...

    @paper_style
    def figure(self, track: str, metric: str | None=None, model: str | None=None, least: float=0.5) -> Figure:
        """Means with 95 % intervals, a row per method; methods that share their places share a band."""
        ...

def _difference_text(metric, r) -> str:
    """A difference with its interval; nothing for the reference itself."""
    ...

def _q_text(q) -> str:
    """A corrected p-value."""
    ...
_HOW = 'A place is shared by all whose paired difference from the best of their group has a 95 % interval that includes zero (bootstrap over scenes, of each pair alone). Differences: positive is better; q is p of a Wilcoxon test of ranks, corrected for the methods of a table, and may disagree with the interval of the mean where a few samples differ much. n counts samples, which several models share. Costs are means per sample.'

def _with_machines(e) -> Evaluation:
    """Results that know on which machines their seconds were measured."""
    ...

def standings(tracks: Iterable[str] | str | None=None, models: Iterable[str]=MODELS) -> Benchmark:
    """The methods measured here."""
    ...

def _measure(source, model, data, methods, metrics, settings, folder, executor, show_progress) -> Evaluation:
    """The results of one model on one track, with digests of the samples."""
    ...

def _file_of(folder, about) -> Path:
    """The file that `evaluate` wrote."""
    ...

def _check_first(rows, model, sample, methods, settings):
    """Stop where a method has no result for the first sample."""
    ...

def _failures(e, where) -> list[str]:
    """What has no result or a remark, in words."""
    ...

def joined(own: Evaluation, track: Track, notes: list[str]) -> Evaluation:
    """A run's results, and those of the methods here on the same samples."""
    ...

def _with_here(own, here, where, notes) -> Evaluation:
    """Both, on the samples that are the same."""
    ...

@contextlib.contextmanager
def _folder(out) -> Iterator[Path]:
    """Where results go; without a folder, where they are soon forgotten."""
    ...

def _load(source, dtype) -> tuple[object, Model]:
    """A model, in the precision of the benchmark unless it says otherwise."""
    ...

def method_labels(method: str | Callable | dict, against: Iterable[str | Callable | dict]=()) -> dict[str, dict]:
    """What a run measures, checked before any model is loaded."""
    ...

def benchmark(method: str | Callable | dict, tracks: Iterable[str] | str | None=None, models: Iterable[str | dict | Model]=MODELS, n: int | None=20, out: str | Path | None=None, against: Iterable[str | Callable | dict]=(), regions: int | str=SETTINGS['regions'], fill: str=SETTINGS['fill'], mode: str=SETTINGS['mode'], seed: int=SETTINGS['seed'], dtype: str=SETTINGS['dtype'], executor=None, show_progress: bool | str=True) -> Benchmark:
    """Measure a method, and place it among the methods here."""
    ...

def _about_run(panels, labels) -> dict:
    """Models, and which version of its code and which settings each method had."""
    ...
if __name__ == '__main__' and '__file__' in globals():
    main()
