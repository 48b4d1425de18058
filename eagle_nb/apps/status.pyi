"""Generated from status.py by .ci/stubs.py; do not edit."""
__all__ = ['front_trait', 'front_values', 'StatusLine']
import threading
from collections.abc import Callable, Mapping
import anywidget, ipywidgets as W, traitlets
from .. import DATA
from ..core.patching import patch

def front_trait(w: W.Widget) -> str | None:
    """The trait by which the browser tells the values of a control apart."""
    ...

def front_values(controls: Mapping[str, W.Widget]) -> dict:
    """The values of controls as the browser has them."""
    ...

class StatusLine(anywidget.AnyWidget):
    """A button, a bar and words that show the state of a panel."""
    _esm = (DATA / 'status.js').read_text(encoding='utf-8')
    _css = (DATA / 'status.css').read_text(encoding='utf-8')
    report = traitlets.Dict().tag(sync=True)
    knobs = traitlets.Dict().tag(sync=True)
    tips = traitlets.Dict().tag(sync=True)
    button = traitlets.Bool(True).tag(sync=True)
    clicked = traitlets.Int(0).tag(sync=True)

    def __init__(self, controls: Mapping[str, W.Widget], on_click: Callable | None=None, tips: Mapping[str, str]={}):
        ...

    def tell(self, **news):
        """Bring the report up to date."""
        ...

    def _hear(self, widget, content, buffers):
        """Act on a click, then say so."""
        ...
