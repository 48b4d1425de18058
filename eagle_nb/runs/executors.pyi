"""Generated from executors.py by .ci/stubs.py; do not edit."""
__all__ = ['Outcome', 'Ended', 'until_end', 'Here', 'executor_of', 'WorkerError', 'environment', 'thread_limits', 'Processes', 'sendable', 'Plain', 'abort_at', 'Ray']
import contextlib, multiprocessing, os, signal, sys, time, warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import wait
from ..core.files import error_text
from ..core.patching import patch

@dataclass(frozen=True)
class Outcome:
    """What became of a task."""
    key: str
    value: object = None
    error: str | None = None
    ends: bool = False

class Ended(OSError):
    """No further task can be done; what was finished is kept."""

def until_end(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Outcomes, up to one that ends all; `Ended` there."""
    ...

def _outcome(work, key, item) -> Outcome:
    """Do a task; an error becomes its outcome."""
    ...

class Here:
    """This process, one task after another."""

    @contextlib.contextmanager
    def open(self, make: Callable, tasks: int | None=None) -> Iterator['_Inline']:
        """A block in which the work is ready."""
        ...

def executor_of(executor) -> 'Here|Processes|Ray':
    """An executor; this process where none is given."""
    ...

class _Inline:
    """Work in this process."""

    def __init__(self, work):
        ...

    def map(self, tasks: Iterable[tuple[str, object]]) -> Iterator[Outcome]:
        ...

@dataclass(eq=False)
class _Worker:
    """A worker as the driver sees it."""
    number: int
    handle: object = None
    ready: bool = False
    task: tuple | None = None
    early: int = 0

@dataclass(frozen=True)
class _Event:
    """What one hears of a worker."""
    worker: _Worker
    kind: str
    value: object = None

class WorkerError(ValueError, RuntimeError):
    """Workers that cannot begin."""

class _Pool:
    """Workers that pull tasks."""

    def __init__(self, make: Callable, workers: int, tries: int):
        ...

    def begin(self):
        """Start all workers."""
        ...

    @property
    def about(self) -> dict:
        """What the work says of itself, once a worker is ready."""
        ...

    def map(self, tasks: Iterable[tuple[str, object]]) -> Iterator[Outcome]:
        """Do all tasks."""
        ...

    def _feed(self, w: _Worker, tasks: Iterator) -> Iterator[Outcome]:
        """Give a worker its next task: one that another has died of comes first."""
        ...

    def _take(self, w: _Worker, tasks: Iterator) -> tuple | None:
        """The next task for this worker."""
        ...

    def _hear(self) -> list[Outcome]:
        """Wait until one hears of a worker."""
        ...

    def _greet(self, w: _Worker, about: dict):
        """A worker is ready; all must say the same of themselves."""
        ...

    def _bury(self, w: _Worker, how: str) -> list[Outcome]:
        """Start a dead worker again, and decide about the task that it had in hand."""
        ...

    def _dismiss(self, w: _Worker, how: str):
        """Go on without a worker that cannot begin."""
        ...

@contextlib.contextmanager
def environment(**values) -> Iterator[None]:
    """A block with other environment variables, for processes that start in it."""
    ...

def thread_limits(n: int | None) -> dict[str, str]:
    """Environment variables that limit the threads of numeric libraries."""
    ...

def _serve(conn, make):
    """What a worker process does: make the work, then task after task."""
    ...

class _Processes(_Pool):
    """Workers that are processes, each at the end of a pipe."""

    def __init__(self, make, workers, tries, threads, devices):
        ...

    def start(self, w: _Worker):
        ...

    def give(self, w: _Worker, task: tuple) -> bool:
        ...

    def events(self) -> list[_Event]:
        """Wait for a message or for the end of a process."""
        ...

    def _event(self, w: _Worker) -> _Event:
        """The next message of a worker; its end where there is none."""
        ...

    def close(self, patience: float=2.0):
        """End all processes."""
        ...

def _visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    ...

def _check_count(name: str, n):
    """Refuse what is no number of something."""
    ...

def _cores() -> int:
    """Cores that this process may use."""
    ...

def _enough(workers: int, tasks: int | None) -> int:
    ...

class Processes:
    """Processes of this machine, each with a model of its own."""

    def __init__(self, workers: int | None=None, threads: int | None=1, tries: int=2):
        ...

    @contextlib.contextmanager
    def open(self, make: Callable, tasks: int | None=None) -> Iterator[_Pool]:
        """A block in which the processes run."""
        ...
_SEND = 'give names, folders, or functions of a module that load or compute what is wanted, not a loaded model or a function of a notebook'

def _check_importable(make: Callable):
    """Refuse functions that other processes cannot import, such as those of a notebook."""
    ...

@contextlib.contextmanager
def sendable(make: Callable) -> Iterator[None]:
    """A block that sends a function to other processes; its errors say what to give instead."""
    ...

@dataclass
class Plain:
    """Work that calls a function."""
    function: Callable
    about: dict = field(default_factory=dict)

    def __call__(self, item):
        ...

def abort_at(item, bad):
    """A function for tests: it ends its process at one item."""
    ...

class _Actor:
    """What runs on the cluster; it answers with the kind of an event and its value."""

    def begin(self, make):
        ...

    def do(self, key, item):
        ...

def _ray():
    """Ray, if it is installed."""
    ...

class _RayActors(_Pool):
    """Workers that are actors."""

    def __init__(self, make, workers, tries, options):
        ...

    def start(self, w: _Worker):
        ...

    def give(self, w: _Worker, task: tuple) -> bool:
        ...

    def events(self) -> list[_Event]:
        ...

    def _event(self, w: _Worker, answer) -> _Event:
        ...

    def close(self):
        ...

class Ray:
    """Actors on a Ray cluster, each with a model of its own."""

    def __init__(self, workers: int, address: str | None=None, cpus: float=1, gpus: float=0, threads: int | None=1, tries: int=2):
        ...

    @contextlib.contextmanager
    def open(self, make: Callable, tasks: int | None=None) -> Iterator[_Pool]:
        """A block in which the actors run; the cluster stays for the next one."""
        ...
