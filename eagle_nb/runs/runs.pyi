"""Generated from runs.py by .ci/stubs.py; do not edit."""
__all__ = ['check_settings', 'check_hiding', 'told', 'function_text', 'short_digest', 'model_head', 'Explainer', 'check_limits', 'model_of', 'explainer', 'RunStore', 'Results', 'read_run', 'Progress', 'asked_of', 'sample_digest', 'found_anywhere', 'run']
import copy, errno, hashlib, inspect, json, sys, time, warnings, zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
import numpy as np
import pandas as pd
from tqdm.auto import tqdm
from .. import __version__
from ..core.answers import conversation
from ..core.costs import machine, versions
from ..core.files import error_text, write_whole
from ..core.images import DROP, FILLS, open_image
from ..core.models import Model
from ..core.patching import patch
from ..core.regions import Regions
from ..core.scores import MODES
from ..core.selftest import load
from ..explanation.explanation import Explanation, check_search, explain
from .executors import Here, Outcome, executor_of, until_end
from .lists import as_asked
from .samples import Sample, count_text, name_some
from .store import FORMAT, Store, plain_json
from .tables import samples_of
from ..search.search import read_budget, read_weights
_OF_A_SAMPLE = ('model', 'image', 'prompt', 'answer', 'target', 'foil')
_OF_A_CALL = ('show_progress', 'callback', 'search_settings')
_NO_MATTER = ('batch_size',)

def check_settings(settings: dict) -> dict:
    """Refuse what `explain` does not take, or takes of each sample."""
    ...

def _check_values(s: dict):
    """Refuse values that would fail every sample."""
    ...

def check_hiding(fill: str | np.ndarray, mode: str):
    """Refuse ways to hide regions that `ModelScorer` does not know."""
    ...

def told(setting):
    """A setting as a file tells it: an array or regions by their digest, so that others are not taken for them."""
    ...

def function_text(f: Callable) -> str:
    """The name of a function with a digest of its code, so that another one of the same name is not taken for it."""
    ...

def short_digest(content: bytes) -> str:
    ...

def model_head(model: Model) -> dict:
    """What results tell of their model: all that changes its answers."""
    ...

@dataclass(frozen=True)
class Explainer:
    """The work of a run."""
    model: Model
    settings: dict

    @property
    def about(self) -> dict:
        ...

    def __call__(self, s: Sample) -> tuple[dict, bytes]:
        ...

def _traffic(model: Model, before) -> dict:
    """What was sent to a server."""
    ...

def _line(e: Explanation, data: bytes, seconds: float, heard) -> dict:
    """What the file of a run says of an explanation."""
    ...

def check_limits(source, executor):
    """Refuse limits of a server's requests where several processes would each have them."""
    ...

def model_of(source: Model | str | dict | Callable) -> Model:
    """A model from what a worker is given."""
    ...

def explainer(source: Model | str | dict | Callable, settings: dict) -> Explainer:
    """What a worker begins with: it loads the model."""
    ...

def _place(key: str) -> Path:
    """The file of an explanation; a name that is too long for a file is cut, and told apart by a digest."""
    ...

class RunStore(Store):
    """Explanations in a folder, or in memory."""

    def __init__(self, out: str | Path | None, head: dict):
        ...

    def put(self, key: str, line: dict, data: bytes):
        """Write an explanation, then its line."""
        ...

    def tidy(self):
        """Remove what a killed process has left of a file that it was writing."""
        ...

    def get(self, key: str) -> bytes:
        """The content of an explanation, if it is as it was written."""
        ...
_MAY_CHANGE = ('machine', 'versions', *_NO_MATTER)

class Results(Mapping):
    """Explanations by the key of their sample; each is read when it is asked for."""

    def __init__(self, store: RunStore, keys: Iterable[str] | None=None):
        ...

    def __getitem__(self, key: str) -> Explanation:
        ...

    def __iter__(self) -> Iterator[str]:
        ...

    def __len__(self) -> int:
        ...

    def __contains__(self, key) -> bool:
        ...

    @property
    def failures(self) -> dict[str, str]:
        """Key -> what went wrong."""
        ...

    @property
    def about(self) -> dict:
        """Model and settings."""
        ...

    def frame(self) -> pd.DataFrame:
        """What is known of every sample: answer, target, areas under the curves, forwards, seconds, error."""
        ...

    def path(self, key: str) -> Path:
        """The file of an explanation."""
        ...

    def __repr__(self) -> str:
        ...

    def __reduce__(self):
        """For another process: the folder and the keys."""
        ...

def _read_some(out: Path, keys: list[str]) -> Results:
    ...

def read_run(out: str | Path) -> Results:
    """The explanations of a run, without its model."""
    ...

class Progress:
    """How far a long task is."""

    def __init__(self, total: int, name: str='run', done: int=0, show: bool | str=True):
        ...

    def step(self, key: str, error: str | None=None):
        """One more is done."""
        ...

    def __enter__(self):
        ...

    def __exit__(self, *error):
        ...

def asked_of(s: Sample) -> bytes:
    """What a sample asks: its prompt, with the pixels of other images in it, answer, target and foil."""
    ...

def sample_digest(s: Sample) -> str:
    """What a sample is besides its key."""
    ...

def found_anywhere(s: Sample) -> Sample:
    """A sample whose image is found from every folder."""
    ...

def _is_done(store: RunStore, s: Sample, retry: bool) -> bool:
    """Whether a sample need not be computed; refuses one that is not what it was."""
    ...

class _Job:
    """One call of `run`."""

    def __init__(self, source, data, out, executor, retry, settings):
        ...

    def resumed(self) -> RunStore | None:
        """What an earlier run has left, read without a model; refuses that of other settings."""
        ...

    def tasks(self, missing: list[Sample], failed: list[Outcome]) -> Iterator[tuple[str, Sample]]:
        """Samples for workers; one that cannot be read fails here."""
        ...

    def missing(self, store: RunStore | None) -> list[Sample]:
        """The samples that are still to be computed."""
        ...

    def compute(self, missing: list[Sample], progress: Progress) -> RunStore:
        """Explain samples, and keep each as soon as it is there."""
        ...

    def check_model(self, store: RunStore):
        """Refuse what another model has found, where nothing is left to compute; a name is enough where it is the same."""
        ...

    def keep(self, store: RunStore, o: Outcome, progress: Progress):
        """Write what became of a sample."""
        ...

def run(model: Model | str | dict | Callable, data, out: str | Path | None=None, executor=None, prompt: str | None=None, retry_failed: bool=True, show_progress: bool | str=True, **settings) -> Results:
    """Explain every sample of a data set.

    A sample that fails is in `Results.failures`, and the others go on. Give processes and clusters a model that
    each worker loads: a name, a folder, settings of `load` as a dict, or a function of a module. A `Model` travels with
    its weights, if it can.

    Arguments:
        model: a `Model`; a name or folder, or settings of `load`; or a function that gives a model
        data: see `samples_of`: samples, images, paths, a folder, a table, a DataFrame
        out: a folder; with it a run can be stopped and resumed. None keeps all in memory
        executor: where it is computed, see `executors`; None for this process
        prompt: the question about images that come without one; None for "Describe the image."
        retry_failed: whether samples that failed in an earlier run are tried again
        show_progress: a bar, "json" for lines of JSON on standard error, or nothing
        settings: of `explain`, the same for all samples: regions, fill, lam, search, budget, seed, ...
    """
    ...
