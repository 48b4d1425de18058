"""Generated from findings.py by .ci/stubs.py; do not edit."""
__all__ = ['SMALL', 'Findings']
import ast, base64, io
from dataclasses import replace
from numbers import Integral
from pathlib import Path
import numpy as np
from PIL import Image
from scipy.stats import spearmanr
from .session import SETTINGS, Case, Session, read_image, told
from ..core.files import write_whole
from ..core.models import Model
from ..core.patching import patch
from ..core.selftest import load as load_model
from ..core.targets import make_target
from ..explanation import plots
from ..explanation.explanation import Explanation, explain
from ..explanation.hallucination import correct as find_correction, matches_foil
from ..explanation.maps import common_kind
from ..explanation.modality import decide as decide_words, influence_draws
from ..explanation.scales import Scale, shared_scale

class Findings(Session):
    """A session whose results can be looked up, compared, corrected and saved."""

    def __init__(self, model: Model | str | tuple, **settings):
        ...

    @told
    def back(self, i: int) -> Findings:
        """Show an earlier explanation of this session again."""
        ...

    def _show(self, e: Explanation, source: str | None, partition: str):
        """Show an explanation, with the scores of its question if they are still there."""
        ...

    @told
    def compare(self, **other) -> Findings:
        """Explain the selection once more with one thing changed; both maps share one scale of colours."""
        ...

    def _begin_long(self, what: str, run):
        """Queue a long task behind the search."""
        ...

    def _refuse_two(self):
        """Only one comparison or correction at a time."""
        ...

    def _compare(self, case, columns, name: str, value):
        """Both explanations, and what tells them apart."""
        ...

    def _same_words(self, model, answer, first: Explanation, case):
        """The selected words in another answer; the whole answer where they are not in it."""
        ...

    def _explain_anew(self, model, image, prompt, answer, target, regions, s: dict) -> Explanation:
        """An explanation that shares nothing with the session, with its progress."""
        ...

    def _tick(self, forwards: int):
        """Progress of a search without a map."""
        ...

    def comparison_state(self) -> dict | None:
        """Both sides in numbers, and how alike they are."""
        ...

    def shared_kind(self) -> str | None:
        """The kind of map that both sides of the comparison have: one scale has one unit."""
        ...

    def shared_map_scale(self) -> Scale | None:
        """The scale of both maps of the comparison."""
        ...

    def shared_vmax(self) -> float | None:
        """The value with the strongest colour in both maps of the comparison."""
        ...

    @told
    def correct(self, word: str) -> Findings:
        """Find the regions that made the model say something else, and what it answers without them."""
        ...

    def _correct(self, case, columns, word: str):
        """The search for the foil, and the answers while what speaks against it is removed."""
        ...

    @told
    def decide(self, orders: int=8) -> Findings:
        """Decide for every word whether it rests on the image or on the language prior; see `modality.decide`."""
        ...

    def _decide(self, case, orders: int):
        """Influence along several orders, and the decision for every word."""
        ...

    def _measured(self) -> Explanation:
        """What is shown, if a search has measured it."""
        ...

    @told
    def save(self, path: str | Path) -> Findings:
        """Write the explanation to one file, for `load` and `Explanation.load`."""
        ...

    @told
    def load(self, path: str | Path) -> Findings:
        """Show an explanation from a file; selecting in it goes on with this model."""
        ...

    def _take(self, e: Explanation, name: str):
        """Show an explanation that was made elsewhere, and tell if it is another model's."""
        ...

    @told
    def to_html(self, path: str | Path) -> Findings:
        """Write a page that needs no kernel and no network."""
        ...

    def png_bytes(self) -> bytes:
        """The heat map over the image, at the size of the image."""
        ...

    @told
    def png(self, path: str | Path) -> Findings:
        """Write the heat map over the image, at the size of the image."""
        ...

    def code(self) -> str:
        """Python that computes what is shown once more."""
        ...

    def _image_code(self) -> list[str]:
        """Python that gives the image."""
        ...

    def state(self) -> dict:
        """Everything that is shown, with history, comparison and correction."""
        ...

    def text(self) -> str:
        """The session in plain text."""
        ...

def _settings_of(e: Explanation, partition: str) -> dict:
    """The settings that an explanation was made with, as far as they are known."""
    ...
SMALL = 100000

def _entry(e: Explanation) -> dict:
    """A line of the history."""
    ...
