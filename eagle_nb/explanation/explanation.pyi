"""Generated from explanation.py by .ci/stubs.py; do not edit."""
__all__ = ['Explanation', 'explain_scores', 'scorer_record', 'check_search', 'explain']
import difflib, hashlib, inspect, time, warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from ..core.answers import Answer, conversation, prompt_text
from ..core.costs import versions
from ..core.curves import auc, trace
from ..core.images import ImageLike, canvas, open_image
from ..core.layout import regions_for
from ..core.models import Model, warn_cut_off
from ..core.patching import patch
from ..core.prompts import PromptScorer
from ..core.regions import Regions
from ..core.scores import ModelScorer, Scorer
from ..core.selftest import load
from ..core.servers import make_scorer
from ..core.targets import Target, make_target, words as split_words
from . import figures, plots
from .formats import Page, Reference, Saved
from .maps import Maps, area_along
from .modality import by_word, influence
from .scales import Scale
from .typography import shorten
from ..search.search import SEARCHES, read_budget, read_weights, search as run_search, settings_of
from ..search.values import RegionValues, region_values

@dataclass(frozen=True, eq=False)
class Explanation(Maps, Saved, Page, Reference):
    """Which regions an answer depends on, for one target."""
    image: np.ndarray
    prompt: str
    answer: Answer
    target: Target
    regions: Regions
    order: np.ndarray
    token_insertion: np.ndarray
    token_deletion: np.ndarray
    forwards: int
    seconds: float
    settings: dict = field(default_factory=dict)
    scorer: Scorer | None = None
    fill: np.ndarray | None = None
    prompt_words: tuple[str, ...] = ()
    values: RegionValues | None = None

    def __repr__(self):
        ...

    @property
    def insertion(self) -> np.ndarray:
        """Mean target probability while regions appear."""
        ...

    @property
    def deletion(self) -> np.ndarray:
        """Mean target probability while regions are removed."""
        ...

    @property
    def area(self) -> np.ndarray:
        """Cumulative share covered by the first k items of the order (k = 0..N).

    A prompt word counts as one average region."""
        ...

    @property
    def insertion_auc(self) -> float:
        """Area under the insertion curve: high where few regions suffice."""
        ...

    @property
    def deletion_auc(self) -> float:
        """Area under the deletion curve: low where few regions are necessary."""
        ...

    @property
    def objective(self) -> np.ndarray:
        """F along the order: weighted insight plus weighted necessity."""
        ...

    @property
    def lam(self) -> tuple[float, float]:
        """The weights of insight and necessity."""
        ...

    @property
    def name(self) -> str:
        """What is explained, in quotation marks, as figures call it: the target, or the foil in its place."""
        ...

    @property
    def fill_image(self) -> np.ndarray:
        """What replaces hidden regions; black where their tokens are left out."""
        ...

    @property
    def modality(self) -> np.ndarray:
        """Influence of the image on each target token: high for perception, low for language prior.

    With `prompt_words` it includes the influence of the question, whose words are hidden at first."""
        ...

    @property
    def target_words(self) -> list[tuple[str, tuple[int, ...]]]:
        """The words of the target; its tokens where there is no whole word."""
        ...

    def word_influence(self) -> list[tuple[str, float]]:
        """Influence of the image on every word of the target."""
        ...

    def prompt_influence(self) -> list[tuple[str, float]]:
        """The value of each prompt word, in the unit of the map."""
        ...

    @property
    def region_order(self) -> np.ndarray:
        """The order without the words of the prompt."""
        ...

    def text(self, seconds: bool=True) -> str:
        """The explanation in plain text."""
        ...

    def plot(self, title: str='', ax: Axes | None=None, alpha: float | None=None, cmap: str | None=None, kind: str | None=None, signed: bool=False, contours: bool=False, scale: Scale | None=None) -> Figure | Axes:
        """Regions, heat map, curves and words in one figure.

    Arguments:
        title: above the figure
        ax: draw only the heat map into these axes; None makes the whole figure
        alpha: opacity of the heat map, from 0 to 1; None for the default
        cmap: a matplotlib colour map; None for the default
        kind: one of `MAPS`; None for `default_map`
        signed: diverging colours, for regions that speak against the target
        contours: lines instead of colours
        scale: from values to colours, to share it with other figures; None for this map's own
    """
        ...

    def curve(self, ax: Axes | None=None) -> Axes:
        """Insertion and deletion over the share of the image.

    Arguments:
        ax: where to draw; None makes a figure
    """
        ...

    def words(self, ax: Axes | None=None) -> Axes:
        """The target's words, coloured by the influence of the image.

    Arguments:
        ax: where to draw; None makes a figure
    """
        ...
_ENDS = {'converged': 'no longer improving', 'flat': 'no region moves the target', 'interrupted': 'interrupted'}

def _ended(settings) -> str:
    """Why the search ended by itself, if it did."""
    ...

def _listed(words, form='.2f') -> str:
    """Words with their values."""
    ...

def explain_scores(scorer: Scorer, image: np.ndarray, regions: Regions, target: Target, answer: Answer, prompt: str='', search: str | Callable='fast', settings: dict | None=None, **kwargs) -> Explanation:
    """Order the regions by a scorer, and trace the curves."""
    ...

def _values_of(scorer: Scorer) -> tuple[RegionValues | None, dict]:
    """The values of the regions from all that was scored, without a forward."""
    ...

def _doubts(scorer: Scorer) -> dict:
    """How sure the probabilities are, where they are not exact; with a warning where that may change the order."""
    ...

def _with_fill(e: Explanation, fill: np.ndarray | None) -> Explanation:
    """The explanation with that image, where the record does not tell it."""
    ...

def _conversation_record(model: Model, prompt: str | list[dict]) -> dict:
    """System prompt, custom chat template, and a conversation with the hashes of its images."""
    ...

def _image_hash(image) -> str | None:
    """SHA-256 of the pixels of an image."""
    ...

def scorer_record(scorer: ModelScorer, fill: str | np.ndarray, lam: tuple[float, float]=(1, 1), seed: int=0) -> dict:
    """What an explanation's record says of model, conversation and hidden regions."""
    ...

def _own_answer(model: Model, pixels: np.ndarray, prompt, max_new_tokens: int | None) -> Answer:
    """The model's answer, with a warning where it is cut off."""
    ...

def _warn_unseen(scorer: ModelScorer, regions: Regions):
    """Warn about regions that the model cannot see."""
    ...

def check_search(search: str | Callable, settings: Iterable[str]):
    """Refuse a search or a setting that does not exist."""
    ...

def explain(model: Model | str | tuple, image: ImageLike, prompt: str | list[dict]='Describe the image.', answer: str | list | Answer | None=None, target: None | str | tuple | int | slice | list=None, foil: str | int | list[int] | None=None, regions: int | str | Regions | np.ndarray | list=64, fill: str | np.ndarray='black', lam: tuple[float, float]=(1, 1), prompt_words: bool=False, mode: str='nearest', search: str | Callable='fast', budget: int | str | None=None, seed: int=0, batch_size: int | None=None, show_progress: bool=True, callback: Callable[[dict], None] | None=None, max_new_tokens: int | None=None, **search_settings) -> Explanation:
    """Explain an answer of a multimodal LLM: which regions of the image it needs, most important first.

    The curves cost at most 2(N+1) forwards beyond the budget, with N regions.

    Arguments:
        model: a `Model`, or what `load` takes: a name, a folder, (model, processor)
        image: a path, a PIL image or an array
        prompt: the question, or a conversation; see `Model.encode`
        answer: text, ids or an `Answer`; None lets the model answer
        target: None: the whole answer; "cat": a word, ("cat", 1): its second occurrence; 3 or slice(2, 5): positions
        foil: the contrastive answer, scored in place of the target
        regions: a number (SLICO), a method, "tokens", labels, masks, a `Regions`
        fill: what replaces a hidden region: black, mean, blur, noise or an image; drop leaves its tokens out
        lam: weights of insight and necessity
        prompt_words: rank the words of the prompt together with the regions; see `PromptScorer`
        mode: "nearest"; "resampled", closer to the paper at edges; "pixels", masked as in the paper
        search: a name in `search.SEARCHES`, or a function like those
        budget: forwards of the search, or a time such as "30s"; None for the search's own
        seed: of the regions, of random fills and of the search
        batch_size: masked images per forward pass; None for what fits
        show_progress: whether to draw a progress bar
        callback: called after each step of the search with what it knows
        max_new_tokens: of the model's answer; None for 64
        search_settings: for the search, such as stop_at=.95
    """
    ...
