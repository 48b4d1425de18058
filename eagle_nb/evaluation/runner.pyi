"""Generated from runner.py by .ci/stubs.py; do not edit."""
__all__ = ['Case', 'prepare_case', 'score_method', 'label_methods', 'run_method', 'ChangedSample', 'evaluate', 'from_run', 'main']
import argparse, json, math, re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
import numpy as np
from tqdm.auto import tqdm
from ..core.arguments import MODEL_HELP, server_options, source_of
from ..core.images import DROP
from ..core.answers import Answer
from ..core.files import command, error_text, part
from ..core.layout import regions_for
from ..core.models import Model
from ..core.patching import patch
from ..core.regions import Regions
from ..core.scores import Scorer
from ..core.servers import make_scorer
from ..core.selftest import load
from ..core.targets import Target, first_word, make_target
from . import datasets
from .methods import METHODS, Attribution, attribute, find_method, method_name, same_regions
from .metrics import Curves, as_mask, energy, evaluate_order, iou, pixel_regions, pointing
from .results import AGREEMENT, CORRECTIONS, METRICS, OWN, Evaluation, ResultStore, evaluation_of, pick_metrics
from ..runs import lists
from ..runs.executors import Processes, executor_of, until_end
from ..runs.runs import Progress, Results, asked_of, check_hiding, check_limits, found_anywhere, model_head, model_of, short_digest, told
from ..runs.samples import Dataset, Sample
from ..runs.store import plain_json
from ..runs.tables import samples_of
from ..explanation.hallucination import amcr, answers_while_masking, correction_region, csr, matches_foil, removed_area

@dataclass(frozen=True, eq=False)
class Case:
    """A sample ready to be judged."""
    sample: Sample
    pixels: np.ndarray
    target: Target
    regions: Regions
    judge: Scorer
    answer: Answer

    @property
    def truth(self) -> np.ndarray | tuple | None:
        ...

def prepare_case(model: Model, sample: Sample, regions: int | str | Regions=64, fill: str | np.ndarray='black', mode: str='nearest', seed: int=0, batch_size: int | None=None, max_new_tokens: int | None=None) -> Case:
    """Let the model answer where the sample has no answer, and make target, regions and judge."""
    ...

def _check_truth(sample, pixels):
    """Refuse an object that cannot lie in this image, before anything is computed."""
    ...

def score_method(case: Case, attribution: Attribution, metrics: Iterable[str] | None=None) -> dict[str, float]:
    """All metrics of one method on one sample; NaN where one does not apply."""
    ...
_CURVES = [m for m in METRICS if m.split('_')[-1] in ('insertion', 'deletion', 'gap', 'highest') and m not in OWN]

def _of_curves(case, attribution, wanted) -> dict[str, float]:
    """What follows from the curves of the order, and from those of the map's own pixels if they are wanted."""
    ...

def _areas(curves) -> dict[str, float]:
    """Areas under the curves, for all tokens and for the sensitive ones."""
    ...

def _localisation(case, attribution, wanted) -> dict[str, float]:
    """How far the map lies on the object, where the object is known."""
    ...

def _pixel_areas(case, attribution, curves) -> dict[str, float]:
    """The same areas for a map's own pixels, at the same shares of the image."""
    ...

def _curves_by_pixels(case, attribution, area) -> Curves:
    """The brightest pixels first."""
    ...

def _own_areas(explanation) -> dict[str, float]:
    """The curves that a search saw itself: on its own regions, with its own fill, for its own target."""
    ...

def _correction(case, attribution) -> dict[str, float]:
    """The share of the image that has to be removed until the answer is right."""
    ...

def _blamed(case, region) -> float:
    """How much of a region lies on the known cause."""
    ...

def label_methods(methods: Iterable[str | Callable | dict] | dict[str, dict]) -> dict[str, dict]:
    """Label -> settings, each checked before anything is computed."""
    ...

def _check_methods(pairs):
    """Refuse unknown methods, what cannot be explained, and a label that is used twice."""
    ...

def run_method(model: Model, case: Case, meaning: dict, label: str, settings: dict) -> Attribution:
    """The map and the order of a method, for the target or for the wrong answer in its place."""
    ...

def _turned(found: Attribution) -> Attribution:
    """What speaks against the wrong answer comes first; where a search made the map, with both signs. It has no unit."""
    ...

class ChangedSample(RuntimeError):
    """A key that means another sample than it did."""

def _digests(sample) -> dict[str, str | None]:
    """What a sample is besides its key, and where its object is."""
    ...

def _check_sample(store, key, digests):
    """Refuse to resume where a key means another sample than it did."""
    ...
_METHODS = ('EAGLE', 'LLaVA-CAM', 'IGOS++', 'TAM', 'random')

def evaluate(model: Model | str | tuple, data, methods: Iterable[str | Callable | dict] | dict[str, dict]=_METHODS, metrics: Iterable[str] | None=None, regions: int | str=64, fill: str='black', mode: str='nearest', out: str | Path | None=None, seed: int=0, batch_size: int | None=None, show_progress: bool | str=True, name: str | None=None, recorded: Callable[[Case, str], Attribution | None] | None=None, orders: bool=False, max_new_tokens: int | None=None, executor=None) -> Evaluation:
    """Judge methods on samples with one independent evaluator.

    With an executor the model is what each worker can load: a name, a folder, settings of `load` as a dict, or a
    function of a module.

    Arguments:
        model: a `Model`, or what `load` takes
        data: a `Dataset`, see `datasets`; or samples, images, a table, a DataFrame, see `samples_of`
        methods: names, functions, or label -> settings
        metrics: see `METRICS`; None for all but `CORRECTIONS` and `OWN`
        regions: of the judge: a number (SLICO) or the name of a partition
        fill: what replaces a hidden region
        mode: how regions are hidden, see `ModelScorer`
        out: a folder; with it an evaluation can be stopped and resumed
        seed: of regions and methods
        batch_size: masked images per forward pass; None for what fits
        show_progress: a bar, "json" for lines of JSON on standard error, or nothing
        name: of the data set, in the name of the file
        recorded: known results, by case and label
        orders: keep the order of the regions too, see `Evaluation.agreement`
        max_new_tokens: of the model's answers, where a sample has none; None for 64
        executor: where samples are judged, see `executors`; None for this process
    """
    ...

def _check_judge(mode, fill, metrics):
    """Refuse settings of the judge that do not exist, before a file is made for them."""
    ...

def _check_single(metrics):
    """Refuse metrics that compare two methods."""
    ...

def _head(about: dict, data, name, settings) -> dict:
    """What all results of a file have in common."""
    ...

def _file_name(name) -> str:
    """The last part of a name, in characters that every system allows."""
    ...
_FINAL = ('ValueError', 'TypeError', 'NotImplementedError')

@dataclass(frozen=True, eq=False)
class _Run:
    """What one call of `evaluate` asks of every sample."""
    model: Model
    labels: dict[str, dict]
    metrics: list[str]
    settings: dict
    recorded: Callable | None
    orders: bool
    digests: bool
    store: ResultStore | None = None

    @property
    def about(self) -> dict:
        ...

    def is_complete(self, row) -> bool:
        """Whether a stored row need not be computed again."""
        ...

    def done(self) -> set[tuple[str, str]]:
        ...

    def judge_all(self, data, show_progress):
        """Every method on every sample that is not complete."""
        ...

    def judge_sample(self, sample, done, bar) -> dict:
        """All methods that a sample lacks; what fails is written down too."""
        ...

    def __call__(self, task: tuple[Sample, list[str]]) -> tuple[list[dict], dict, dict]:
        """The work of an executor: all methods that a sample lacks, in memory."""
        ...

    def judge_method(self, case, label, digests) -> dict:
        """The row of one method on one sample; a failure becomes its note, so that hours of work go on."""
        ...

    def judge_elsewhere(self, pool, data, show_progress):
        """Give samples to workers, and write what comes back."""
        ...

    def keep(self, key: str, rows: list[dict], out: dict, digests: dict):
        """Write what a worker has found about a sample."""
        ...

def _make_judge(source, *asked) -> _Run:
    """What a worker begins with: it loads the model, see `run`."""
    ...

def from_run(found: Results) -> Callable:
    """The explanations of a run as a method; samples are found by their keys."""
    ...

class _FromRun:
    """A method that looks its attributions up; it can be sent to processes where the run is in a folder."""

    def __init__(self, found: Results):
        ...

    def __call__(self, model, pixels, prompt, target, key) -> Attribution:
        ...

def _check_found(found, e, model, pixels, prompt, target, key):
    """Refuse an explanation of something else."""
    ...

def main(args: list[str] | None=None, prog: str='python -m eagle_nb.evaluation.runner'):
    """`python -m eagle_nb.evaluation.runner captions|words|questions`, or `list` and `own` with files of your own."""
    ...

def _judge(a):
    """What the arguments ask for, and the table of it."""
    ...

def _data(a, model) -> Dataset:
    """The data set that the arguments name."""
    ...

def _parser(prog: str='runner') -> argparse.ArgumentParser:
    """All options of the command."""
    ...
if __name__ == '__main__' and '__file__' in globals():
    main()
