"""Generated from worker.py by .ci/stubs.py; do not edit."""
__all__ = ['Worker']
import atexit, threading, time, warnings, weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from .panel import Cancelled
from ..core.patching import patch

@dataclass(eq=False)
class _Task:
    """Something to do, and what to do if it fails."""
    run: Callable[[], None]
    key: str | None = None
    failed: Callable[[Exception], None] | None = None
    stop: bool = False

class _Turn:
    """A lock that is given in the sequence in which it was asked for, so that nobody waits for ever."""

    def __init__(self):
        ...

    def acquire(self):
        ...

    def release(self):
        ...
_TURN = _Turn()
_STARTED = weakref.WeakSet()

class Worker:
    """A thread that does one task after another."""

    def __init__(self, name: str, shared: bool=False):
        ...

    def post(self, run: Callable[[], None], key: str | None=None, failed: Callable[[Exception], None] | None=None, urgent: bool=False):
        """Add a task to the queue; the thread starts with the first one."""
        ...

    def _start(self):
        """Start the thread; a daemon, so that Python does not wait for work that nobody cancels."""
        ...

    def _loop(self):
        """Do tasks until the end."""
        ...

    def _next(self) -> _Task | None:
        """Wait for a task; it counts as being at work from here."""
        ...

    def _do(self, task: _Task):
        """Run a task; none ends the thread."""
        ...

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        ...

    def has(self, key: str, waiting: bool=False) -> bool:
        """Whether a task of this name waits or is at work."""
        ...

    def wait(self, timeout: float | None=None) -> bool:
        """Wait until there is nothing to do."""
        ...

    def cancel(self):
        """Stop the task at work at its next step, and forget those that wait."""
        ...

    def pause(self, paused: bool=True):
        """Let the task at work wait at its next step."""
        ...

    def end(self, timeout: float=0.0):
        """Cancel everything and let the thread end."""
        ...

    def between(self):
        """A place in a task where it can be interrupted; without effect in other threads."""
        ...

    def _let_others(self):
        """Leave models to other workers for a moment, or for as long as this one is paused."""
        ...

    def _pause_here(self):
        """Wait while paused, unless something is urgent or it is cancelled."""
        ...

    def _pop_urgent(self) -> _Task | None:
        ...

@atexit.register
def _end_all():
    """Cancel all work and wait until each thread is between two steps; Python can exit then."""
    ...
