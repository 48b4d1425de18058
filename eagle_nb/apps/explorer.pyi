"""Generated from explorer.py by .ci/stubs.py; do not edit."""
__all__ = ['SIZE', 'TABS', 'picture_data', 'answer_data', 'pair_data', 'Screen', 'Explorer']
import contextlib, tempfile, time, weakref
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
import anywidget, traitlets
from . import live
from .findings import Findings
from .panel import figure_notice
from .session import checked_settings, told
from .worker import Worker
from ..core.images import FILLS, canvas
from ..core.models import Model
from ..core.patching import patch
from ..core.regions import PARTITIONS
from ..explanation import plots
from ..explanation.explanation import Explanation
from ..explanation.maps import DEFAULT_MAP, map_unit
from ..explanation.typography import direction, language
from ..explanation.view import encode_labels, encode_probabilities, image_uri, map_data, shrink, text_parts, view_colours, view_data, view_file
from ..search.search import SEARCHES
from ..world import scenes
SIZE = 1024

def picture_data(x: Findings) -> dict:
    """The image of a session for the browser."""
    ...

def _fill_data(x) -> str:
    """What replaces hidden regions: black, or an image."""
    ...

def answer_data(x: Findings) -> dict:
    """The answer of a session for the browser."""
    ...

def _units(lam) -> dict:
    """What the values of maps mean."""
    ...

def _curve_data(whole) -> dict | None:
    """The curves of all tokens of the whole answer, once they are measured."""
    ...

def pair_data(x: Findings) -> dict:
    """Both sides of a comparison for the browser, on one scale."""
    ...

class Screen(anywidget.AnyWidget):
    """What the browser gets: scripts, and four pieces of plain data."""
    scripts, styles = (('view', 'page', 'explorer'), ('view', 'explorer'))
    _esm = traitlets.Unicode().tag(sync=True)
    _css = traitlets.Unicode().tag(sync=True)
    picture, view, live, pair = (traitlets.Dict().tag(sync=True) for _ in range(4))

    def __init__(self):
        ...

class Explorer(Findings):
    """Image, question, answer, maps and searches in one widget."""
    refresh = 0.08
    screen = Screen
    tab = 'map'

    def __init__(self, model: Model | str | tuple, samples: dict | None=None, **settings):
        ...

    def __repr__(self):
        ...

    def close(self):
        """End all work and take the widget out of the notebook; `state` and `text` still work."""
        ...

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        """The widget where somebody can use it; else an image and a text."""
        ...

    def figure(self):
        """What is shown as a figure, for print."""
        ...

    def open_tab(self, name: str) -> Explorer:
        """Open a tab of the widget; `figure` shows what is in it."""
        ...

    def _pair_figure(self):
        """Both maps of the comparison, side by side on one scale."""
        ...

    def _display_(self):
        """The widget in marimo."""
        ...

    def _on_message(self, message: dict, buffers: list):
        """Do what the browser asks for; what goes wrong becomes a message."""
        ...

    @told
    def _ask_with(self, question: str, settings: dict):
        """A question with the settings that were typed before it."""
        ...

    @told
    def _load_bytes(self, name: str, data: bytes):
        """An explanation that the browser has read from a file."""
        ...

    def choose_sample(self, name: str) -> Explorer:
        """Take one of the samples as the image."""
        ...

    def _select_chips(self, chips: list[int]):
        """Words by their place in the answer; none for the whole."""
        ...

    def _export(self, kind: str):
        """Send a file to the browser, which saves it."""
        ...

    def file_bytes(self, kind: str) -> bytes:
        """What an export button saves."""
        ...

    def _later(self, event=None):
        """Send what has changed, soon; several changes at once are one message."""
        ...

    def _send_slowly(self):
        ...

    def _send(self):
        """Bring the traits of the widget up to date; large ones only where they have changed."""
        ...

    def _put(self, name: str, parts: list, make):
        """Set a trait if what it is made from is not the same as before."""
        ...

    def _code_now(self) -> str:
        """The Python of what is shown, written once for each map: it may hold an image."""
        ...

    def live_data(self) -> dict:
        """The part of the state that the controls show."""
        ...

def _end_screen(box, sender):
    """Take the widget out of the notebook and the kernel."""
    ...
TABS = ('map', 'modality', 'hallucination', 'compare', 'history', 'python')

def _weak_messages(method: Callable) -> Callable:
    """A listener to messages of the browser that does not keep the explorer alive."""
    ...

def _text(v) -> str:
    ...
_SAID = {'ask': lambda x, m: x._ask_with(_text(m['question']), m.get('settings') or {}), 'select': lambda x, m: x._select_chips(m['words']), 'hide': lambda x, m: x.hide(m['regions'], wait=False), 'set': lambda x, m: x.set(**m['settings']), 'back': lambda x, m: x.back(m['i']), 'correct': lambda x, m: x.correct(_text(m['word'])), 'decide': lambda x, m: x.decide(), 'compare': lambda x, m: x.compare(**{m['name']: m['value']}), 'sample': lambda x, m: x.choose_sample(m['name']), 'pause': lambda x, m: x.pause(), 'resume': lambda x, m: x.resume(), 'cancel': lambda x, m: x.cancel(), 'export': lambda x, m: x._export(m['kind'])}
_FILES = {'png': ('explanation.png', 'image/png'), 'html': ('explanation.html', 'text/html'), 'save': ('explanation.safetensors', 'application/octet-stream'), 'code': ('explanation.py', 'text/x-python')}
