"""Generated from scrubber.py by .ci/stubs.py; do not edit."""
__all__ = ['figure_step', 'word_curves', 'Scrubber']
import cv2
import ipywidgets as W
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from ..explanation import plots
from .live import Live, png_base64, weak_listener
from .status import StatusLine, front_values
from ..core.images import mask_image
from ..core.patching import patch
from ..explanation.explanation import Explanation

def _show_masked(ax, pixels, newest, title):
    """A masked image with the newest region outlined."""
    ...

def _mark_step(ax: Axes, x, insertion, deletion):
    """A line and two points where a step is on the curves."""
    ...

@plots.paper_style
def figure_step(image: ArrayLike, labels: ArrayLike, order: ArrayLike, area: ArrayLike, insertion: ArrayLike, deletion: ArrayLike, step: int, fill: ArrayLike | None=None) -> Figure:
    """One step of a search: the first regions alone, the image without them, both curves."""
    ...

def _for_screen(e, side=480) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, labels and what replaces hidden regions, with at most `side` pixels on the longer side."""
    ...

def word_curves(e: Explanation) -> tuple[list[str], np.ndarray]:
    """The probability of each word of the target along the order."""
    ...

class Scrubber(Live):
    """A slider along the search of an explanation."""

    def __init__(self, explanation: Explanation, start: int | None=None):
        ...

    @property
    def step(self) -> int:
        ...

    @step.setter
    def step(self, value):
        ...

    def _checked(self, step) -> int:
        """A step that exists."""
        ...

    def _build(self, start):
        """Make the widgets and link them."""
        ...

    def _draw(self, change=None):
        """Bring image and words to the step."""
        ...

    def _png(self) -> str:
        """The image of the step, drawn once."""
        ...

    def figure(self) -> Figure:
        """The step as a figure."""
        ...

    def state(self) -> dict:
        """Everything that the step shows."""
        ...

    def text(self) -> str:
        """The step in plain text."""
        ...
