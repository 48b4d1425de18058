"""Generated from hallucination.py by .ci/stubs.py; do not edit."""
__all__ = ['REPAIRS', 'matches_foil', 'removed_area', 'answers_while_masking', 'correction_region', 'amcr', 'csr', 'correction_curve', 'correction_auc', 'Correction', 'correct', 'figure_correction', 'contrast', 'repair']
import html, unicodedata
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike
from ..core.answers import Answer, word_spans
from ..core.files import write_whole
from ..core.forward import Forward
from ..core.images import DROP, FILLS, ImageLike, fill_image, mask_image, open_image
from ..core.models import MAX_NEW_TOKENS, Model
from ..core.patching import patch
from ..core.regions import Regions
from ..core.selftest import load as load_model
from ..core.targets import Target, make_target, occurrences
from . import plots
from .explanation import Explanation, explain
from .figures import wrap_title
from .formats import figure_html, page_html, table_html
from .scales import Unit, nothing_found, shared_scale
from .typography import shorten, wrap_text

def matches_foil(answer: Answer, target: Target, wrong: Answer | None=None) -> bool:
    """Whether an answer says what the foil asks for."""
    ...

def _is_first(target: Target, wrong: Answer | None) -> bool:
    """Whether a target is the first words of its answer; its first tokens may be those of the foil too."""
    ...

def _says(text: str, phrase: str, first: bool=False) -> bool:
    """Whether a text has the words of a phrase; where words are not told apart by spaces, the phrase itself."""
    ...

def _plain_words(text: str) -> list[str]:
    """Words without capitals, emoji and punctuation, in one Unicode form."""
    ...

def _contains(sentence: list[str], phrase: list[str]) -> bool:
    """Whether a phrase occurs in a list of words."""
    ...

def removed_area(regions: Regions, removed: ArrayLike) -> np.ndarray:
    """The share of the image that is removed at each step."""
    ...

def answers_while_masking(model: Model, image: ImageLike, prompt: str | list[dict], regions: Regions, removed: ArrayLike, fill: str | np.ndarray='black', seed: int=0, max_new_tokens: int=64, until: Callable[[Answer], bool] | None=None, batch_size: int=16) -> list[Answer]:
    """The model's answers while regions are removed."""
    ...

def _check_removal(pixels: np.ndarray, regions: Regions, removed: np.ndarray, batch_size: int):
    """Refuse regions of another image, and what names no region or one twice."""
    ...

def correction_region(area: ArrayLike, right: ArrayLike) -> float:
    """The smallest removed area at which the answer is right (EAGLE, minimal correction region)."""
    ...

def amcr(regions: ArrayLike) -> float:
    """Average minimal correction region; never corrected counts as the whole image (EAGLE, AMCR)."""
    ...

def csr(regions: ArrayLike, within: float=0.1) -> float:
    """Correction success rate: share of the samples corrected within an area (EAGLE, CSR@10%)."""
    ...

def _check_corrections(regions: ArrayLike) -> np.ndarray:
    """Minimal correction regions as an array."""
    ...

def correction_curve(regions: ArrayLike, area: ArrayLike) -> np.ndarray:
    """Corrected samples against the removed area."""
    ...

def correction_auc(regions: ArrayLike) -> float:
    """Area under the correction curve, exact for its steps; one minus the AMCR."""
    ...

@dataclass(frozen=True, eq=False)
class Correction:
    """What made a model hallucinate, and what it says without it."""
    explanation: Explanation
    answers: tuple[Answer, ...]
    right: np.ndarray

    @property
    def removed(self) -> np.ndarray:
        """Regions in the sequence in which they are removed."""
        ...

    def __repr__(self):
        ...

    @property
    def area(self) -> np.ndarray:
        """Share of the image that is removed at each step."""
        ...

    @property
    def probability(self) -> np.ndarray:
        """Probability of the foil while regions are removed."""
        ...

    @property
    def step(self) -> int | None:
        """How many regions have to be removed; None if the answer never comes right."""
        ...

    @property
    def region(self) -> float:
        """The minimal correction region as a share of the image; infinite if the answer never comes right."""
        ...

    @property
    def blamed(self) -> np.ndarray:
        """Regions of the minimal correction region, most to blame first; none if nothing corrects, or nothing has to."""
        ...

    @property
    def blame(self) -> np.ndarray:
        """How much each region speaks against the foil: the negative gains of the search."""
        ...

    @property
    def mask(self) -> np.ndarray:
        """The minimal correction region as pixels."""
        ...

    @property
    def repaired(self) -> np.ndarray:
        """The image without the blamed regions."""
        ...

    @property
    def answer(self) -> Answer:
        """The repaired answer; the last one if none is right."""
        ...

    def verdict(self) -> str:
        """The result in one sentence."""
        ...

    def text(self) -> str:
        """The correction in plain text."""
        ...

    def state(self) -> dict:
        """The correction in numbers."""
        ...

    def plot(self, truth: np.ndarray | None=None) -> Figure:
        """Blamed regions, repaired image and correction curve.

    Arguments:
        truth: (H, W) bool, the known cause, outlined in white
    """
        ...

    def save(self, path: str | Path) -> Path:
        """Write everything except the scorer to one file.

    Arguments:
        path: the file to write, whole or not at all
    """
        ...

    @classmethod
    def load(cls, path: str | Path) -> Correction:
        """Read a saved correction; it has no scorer.

    Arguments:
        path: a file that `save` wrote
    """
        ...

    def to_html(self, path: str | Path | None=None) -> str:
        """Self-contained web page: figure, verdict and all answers.

    Arguments:
        path: the file to write; None returns the text only
    """
        ...

    def _repr_html_(self) -> str:
        """Figure and verdict as HTML."""
        ...

def correct(model: Model | str | tuple, image: ImageLike, prompt: str | list[dict], foil: str | int | list[int], answer: str | list | Answer | None=None, target: None | str | tuple | int | slice | list=None, right: Callable[[Answer], bool] | None=None, every_step: bool=True, max_new_tokens: int | None=None, answer_batch: int=16, **settings) -> Correction:
    """Find what made a model say something wrong, and correct it by removing it (EAGLE, hallucination mitigation).

    Arguments:
        model: a `Model`, or what `load` takes: a name, a folder, (model, processor)
        image: a path, a PIL image or an array
        prompt: the question
        foil: what the model should have said
        answer: what it said; None asks it
        target: the wrong part, see `explain`; None for its first word
        right: which answers are right; None for `matches_foil`
        every_step: ask until all regions are removed; False stops at the first right answer
        max_new_tokens: per answer; None for 64
        answer_batch: images answered at once
        settings: for `explain`: regions, fill, search, budget, seed, ...
    """
    ...

def _accept(answer: Answer, target: Target, right: Callable[[Answer], bool] | None) -> Callable[[Answer], bool]:
    """The function that says which answers are right; it must not accept the one to be corrected."""
    ...

def _draw_curve(ax: Axes, area: np.ndarray, probability: np.ndarray, right: np.ndarray, foil: str):
    """The probability of the foil, and which answers were right."""
    ...

def _draw_right(ax: Axes, area: np.ndarray, right: np.ndarray) -> list:
    """One segment per answer below the axis, and a line where the first is right."""
    ...

def _shorten(text, most: int=64) -> str:
    """A text that fits over an image."""
    ...

@plots.paper_style
def figure_correction(image: ArrayLike, labels: ArrayLike, blame: ArrayLike, blamed: ArrayLike, fill: ArrayLike, area: ArrayLike, probability: ArrayLike, right: ArrayLike, before: str, after: str, question: str='', verdict: str='', foil: str='', truth: ArrayLike | None=None, unit: Unit=Unit()) -> Figure:
    """Blamed regions, repaired image with its answer, correction curve."""
    ...

@torch.inference_mode()
def contrast(model: Model, image: ImageLike, other: ImageLike, prompt: str | list[dict], alpha: float=1.0, beta: float=0.1, max_new_tokens: int=64) -> Answer:
    """Greedy answer from (1 + alpha) log p(token | image) - alpha log p(token | other) (Leng et al. 2024, eq. 3, 5)."""
    ...

def _logits_of(forward, images: list[torch.Tensor], column: int) -> torch.Tensor:
    """Logits of several images: in one batch, or one by one where the self-test found batches to be wrong."""
    ...

def _check_contrast(image: ImageLike, other: ImageLike, alpha: float, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """Two images of one size."""
    ...
REPAIRS = (*FILLS, 'contrast')

def repair(c: Correction, model: Model, how: str='blur', regions: int | None=None, prompt: str | list[dict] | None=None, max_new_tokens: int=64, **settings) -> Answer:
    """The answer after another repair of the same regions."""
    ...

def _repaired_regions(c: Correction, regions: int | None) -> int:
    """How many regions are repaired."""
    ...
