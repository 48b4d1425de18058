"""Generated from panel.py by .ci/stubs.py; do not edit."""
__all__ = ['figure_notice', 'Cancelled', 'Panel']
import inspect, threading, time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill as wrapped
import ipywidgets as W
from matplotlib import rcParams
from matplotlib.figure import Figure
from traitlets import TraitError
from ..explanation import plots
from .live import Live, close_widgets, has_frontend, png_base64, weak_listener, with_children
from .status import StatusLine, front_values
from ..core.patching import patch

@plots.paper_style
def figure_notice(text: str) -> Figure:
    """Words where a figure would be."""
    ...

def _menu(choices) -> list[tuple[str, object]]:
    """Pairs of a label and a value as they are, everything else under its own name."""
    ...

def _is_among(value, choices) -> bool:
    """Whether a value is one of the choices; `True` is not 1 here."""
    ...

def _stock_control(choice) -> W.Widget | None:
    """The widget for plain choices."""
    ...

def _control(name, choice, tip='') -> W.Widget:
    """A control for plain choices, labelled with its name; the tip says what it does."""
    ...

def _turn(name, w, value):
    """Set a control to a value that it can have."""
    ...

def _range(w) -> str:
    """The values that a control can have."""
    ...

class _Memory:
    """Results of a function for the values it was last given."""

    def __init__(self, keep: int):
        ...

    def __call__(self, given: dict, make: Callable):
        ...

def _names(function, skip=0) -> tuple[list[str], bool]:
    """What a function asks for, after the first `skip` parameters."""
    ...

def _call(function, /, *first, **known):
    """Call a function with those of the known values that it asks for."""
    ...

class _Steps:
    """Functions that hand on their results, each remembered for the knobs that it depends on."""

    def __init__(self, compute, knobs, redraw, keep):
        ...

    def needs(self, names) -> set[str]:
        """The knobs that these knobs and steps depend on."""
        ...

    def __call__(self, name, values, progress):
        """The result of a step, remembered or computed."""
        ...

def _check_steps(functions, knobs):
    """Refuse a step that asks for what does not exist, or that is named like a control."""
    ...

class _Knobs(Live):
    """Controls that are turned by hand or by name."""

    def _make_knobs(self, controls, start, keep, steps=None, tips={}):
        """Make the controls; if one cannot be made, none is left behind."""
        ...

    @property
    def values(self) -> dict:
        """The values of the controls as they stand."""
        ...

    @property
    def _known(self) -> dict:
        """The values without those of menus that are not known yet."""
        ...

    @contextmanager
    def _silently(self):
        """Let this thread turn controls without starting any work."""
        ...

    def _put(self, values):
        """Turn all these controls, or none, without starting any work."""
        ...

    def _settle(self, job, progress=None) -> dict:
        """The values of a job, once the choices that depend on others are known."""
        ...

    def _menu_for(self, n, values, progress) -> list[tuple[str, object]]:
        """The choices of a control by the values of those before it, and by the steps that its function names."""
        ...

    def _choose(self, job, n, menu):
        """Give a control its menu and choose a value from it."""
        ...

def _check_names(names, controls):
    """Refuse the name of a control that does not exist."""
    ...

def _check_menus(dependent, controls, steps):
    """Refuse a menu that needs the result of a step which depends on that menu, or on a later control."""
    ...

class Cancelled(BaseException):
    """Work that was cancelled."""

class _Job:
    """One computation of a panel."""

    def __init__(self, values: dict, front: dict | None=None):
        ...

class _Worker(threading.Thread):
    """The thread of a job."""
_AT_WORK = threading.RLock()

class _Work(_Knobs):
    """Computations, one at a time, that can be cancelled."""

    def set(self, **values):
        """Turn controls as a hand would, and wait for the figure."""
        ...

    def _begin(self) -> _Job:
        """Cancel what is running, and show that something new begins."""
        ...

    def _run(self, job):
        """Work in the background where somebody watches, else at once."""
        ...

    def _start(self):
        """Begin with the values of the controls."""
        ...

    def _on_turn(self, change=None):
        """A control was turned by hand."""
        ...

    def _on_click(self, ask):
        """The button cancels work, or begins it again."""
        ...

    def cancel(self):
        """Cancel the work; it stops where it next reports progress."""
        ...

    def wait(self, timeout: float | None=None):
        """Wait until the work is done, cancelled or failed."""
        ...

    def _work(self, job):
        """Settle the values, compute, and show the result, while no other panel works."""
        ...

    @contextmanager
    def _alone(self, job):
        """Wait until no panel works."""
        ...

    def _progress(self, job, done=0, total=None, what=''):
        """Stop if the job is cancelled; show how far it is, ten times a second at most."""
        ...

    def _show(self, job, values, result):
        """Render a result and put it on the screen."""
        ...

    def _set_status(self, job, status, message):
        """Bring image, text and line to a status; a job that has been replaced changes nothing."""
        ...

def _reason(e) -> str:
    """What a reader is told about an error."""
    ...
_STATE = ('status', 'message', 'values', 'shown', 'stale')

class Panel(_Work):
    """Controls, one result, one figure.

    A control is described by its choices: a list makes a menu, (low, high) or (low, high, step) a slider, a bool
    a box; a widget is taken as it is; a function names controls before it, or steps, and returns the list of a menu."""

    def __init__(self, controls: Mapping[str, object], compute: Callable | list[Callable], figure: Callable, text: Callable, numbers: Callable | None=None, redraw: tuple[str, ...]=(), start: Mapping[str, object] | None=None, keep: int=16, tips: Mapping[str, str] | None=None):
        ...

    @property
    def stale(self) -> bool:
        """Whether the figure is of other values than those of the controls."""
        ...

    @property
    def _seen(self) -> dict | None:
        ...

    def close(self):
        """Cancel work and take the widgets out of the notebook and the kernel."""
        ...

    def _make_frame(self, tips):
        """Put the controls in a row, and below them the line that says what goes on."""
        ...

    def figure(self) -> Figure:
        """What the panel shows, as a figure."""
        ...

    def _png(self) -> str:
        ...

    def state(self) -> dict:
        """The values of the controls, what is shown, and its numbers."""
        ...

    def text(self) -> str:
        """The panel in plain text."""
        ...

    def result(self):
        """What `compute` returned for what is shown, once the work is done."""
        ...

    def save(self, path: str | Path, **more) -> list[Path]:
        """Write what is shown as an image and as numbers."""
        ...

def _listed(values) -> str:
    """Names and values in one line."""
    ...
