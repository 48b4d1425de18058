"""Generated from session.py by .ci/stubs.py; do not edit."""
__all__ = ['MAX_PIXELS', 'MOST_REGIONS', 'SETTINGS', 'CLOSED', 'Sharing', 'SharedScorer', 'SharedServerScorer', 'shared_scorer', 'Case', 'read_image', 'Session', 'checked_settings', 'told']
import io, time, weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import wraps
from numbers import Integral
from pathlib import Path
from threading import Event, RLock
import numpy as np
import torch
from PIL import Image
from .panel import Cancelled
from .worker import Worker
from ..core.answers import Answer
from ..core.images import ImageLike, open_image
from ..core.layout import regions_for
from ..core.models import Model
from ..core.patching import patch
from ..core.regions import Regions
from ..core.scores import ModelScorer, mates, packed
from ..core.selftest import load
from ..core.servers import ServedModel, ServerScorer
from ..core.targets import Target, make_target, words as split_words
from ..explanation.explanation import Explanation, explain_scores, scorer_record
from ..explanation.maps import Maps
from ..explanation.words import WordMap
from ..search.fast import orders_from_scored
from ..search.search import SEARCHES, default_forwards, read_budget, read_weights

class Sharing:
    """What makes a scorer of a model take from others what they have scored for the same image and answer."""
    most = 20000

    def __init__(self, *args, pace: Callable[[], None]=lambda: None, **kwargs):
        ...

    def compute(self, keep: torch.Tensor, read: torch.Tensor | None=None) -> torch.Tensor:
        """One batch: what is known, and the model's probabilities for the rest."""
        ...

    def fresh(self, columns: tuple[int, ...], target: Target | None=None) -> 'Sharing':
        """A scorer for one search: it shares what is known and has counted nothing."""
        ...

    def snapshot(self, columns: tuple[int, ...], most: int=512) -> 'Sharing':
        """A scorer that knows what is known now, whatever is scored meanwhile; of many sets, some evenly spread."""
        ...

class SharedScorer(Sharing, ModelScorer):
    """A shared scorer of a model in this process."""

class SharedServerScorer(Sharing, ServerScorer):
    """A shared scorer of a served model."""

def shared_scorer(model: Model, *args, **kwargs) -> Sharing:
    """A shared scorer of any model; see `make_scorer`."""
    ...

def _spread(keep: np.ndarray, most: int) -> np.ndarray:
    """At most so many sets, evenly spread, each with its complement where that is there."""
    ...

@dataclass(eq=False)
class Case:
    """A question about an image, and all that was found for its answer."""
    image: np.ndarray
    prompt: str
    answer: Answer
    source: str | None = None
    partition: str = '64'
    regions: Regions | None = None
    scorer: Sharing | None = None
    settings: dict = field(default_factory=dict)
    found: OrderedDict = field(default_factory=OrderedDict)
    guessed: OrderedDict = field(default_factory=OrderedDict)
    decisions: dict = field(default_factory=dict)
    most = 16

    def keep(self, columns: tuple[int, ...], e: Explanation):
        """Remember an explanation; the one that was not used for longest goes."""
        ...

    def guess(self, columns: tuple[int, ...], word: WordMap):
        """Remember an estimate."""
        ...

def _keep_latest(table: OrderedDict, key, value, most: int):
    """Put a value at the end of a table of limited length."""
    ...
MAX_PIXELS = 50000000

def _pixel_count(image) -> int:
    """How many pixels an image has, without decoding a file."""
    ...

def _size_in_file(path) -> tuple[int, int]:
    ...

def read_image(image: ImageLike | bytes) -> np.ndarray:
    """An image of a size that can be explored."""
    ...

def _from_bytes(data: bytes) -> Image.Image:
    """An image file that is in memory."""
    ...
MOST_REGIONS = 1000
SETTINGS = dict(regions=64, fill='black', lam=(1, 1), search='fast', budget=None, seed=0, max_new_tokens=64)
CLOSED = 'this explorer is closed: run its cell again, or make a new one'

class Session:
    """An image, a question, a selection; searches run in the background."""
    cases, events = (4, 32)
    pause_between = 1.0

    def __init__(self, model: Model | str | tuple, **settings):
        ...

    def _forget_question(self):
        """There is no answer yet."""
        ...

    def _say(self, message: str, status: str | None=None, refused: bool=False):
        """Put a message into the state."""
        ...

    def _changed(self):
        """Tell listeners that the state has changed."""
        ...

    def _failed(self, what: str) -> Callable[[Exception], None]:
        """What a task does when it fails."""
        ...

    @property
    def closed(self) -> bool:
        ...

    @told
    def set_image(self, image: ImageLike | bytes, source: str | None=None) -> Session:
        """Choose an image; the question stays, its answer goes."""
        ...

    @told
    def ask(self, question: str | None=None) -> Session:
        """Ask the model about the image; the search for its whole answer follows."""
        ...

    def _back_to(self, token, case: Case | None, columns) -> Callable[[Exception], None]:
        """What a question does that cannot be answered: the explanation of before is shown again."""
        ...

    @told
    def set(self, **settings) -> Session:
        """Change settings; the selection is explained again with them."""
        ...

    @contextmanager
    def _listening(self):
        """A block in which `typed` follows what the model says."""
        ...

    def _answer(self, asked, image, source, question):
        """Let the model answer, and begin with the whole answer or with what was selected meanwhile."""
        ...

    def _partition(self) -> str:
        """Python that asks for the regions; a given label map is named only."""
        ...

    def _open_case(self, case: Case):
        """Make a case the current one; of earlier ones the latest stay."""
        ...

    @told
    def select(self, which: None | str | tuple | int | slice | list=None) -> Session:
        """Explain a part of the answer: at once from what is scored, then by a search of its own."""
        ...

    def _columns(self, which) -> tuple[int, ...]:
        """The tokens that a selection means."""
        ...

    def _start(self, columns, message=''):
        """Show what is known of a selection, and search for it unless that is done."""
        ...

    def _prepare(self, case: Case):
        """Regions and scorer of a case, made when they are needed."""
        ...

    def _begin_clock(self):
        """Count forwards and seconds from here."""
        ...

    def _into_history(self, e: Explanation, source: str | None, partition: str):
        """Put an explanation into the history; the earliest goes."""
        ...

    def _search(self, case: Case, columns):
        """Explain a part of the answer of a case."""
        ...

    def _explained(self, case: Case, columns) -> Explanation:
        """The explanation as `explain` gives it; the model computes only what no other search has scored."""
        ...

    def _expected(self, n: int) -> tuple[int | None, float | None]:
        ...

    def _report(self, forwards: int, total: tuple):
        """Put the progress into the state."""
        ...

    def _round(self, forwards: int, total: tuple):
        """Report how far the search is, and let it be interrupted."""
        ...

    def _between_batches(self):
        """Let the search be interrupted, and ask for a map of what is scored: the first one soon."""
        ...

    def _estimate(self):
        """A map of the selection from what is scored, while its search runs."""
        ...

    def hide(self, regions: int | Iterable[int]=(), wait: bool=True) -> float | None:
        """The probability of the selection with regions hidden, from the model itself."""
        ...

    def _region_numbers(self, regions, n: int) -> list[int]:
        """Numbers of regions, each once."""
        ...

    def _hide(self, case: Case, columns, chosen: list[int]):
        """Score one set, and put the result into the state."""
        ...

    def wait(self, timeout: float | None=None) -> Session:
        """Wait until the work is done, cancelled or failed; a paused session is not waited for."""
        ...

    @told
    def cancel(self) -> Session:
        """Stop the work at its next step; what was scored is kept, and shown."""
        ...

    @told
    def pause(self) -> Session:
        """Let the work wait at its next step; clicks are still answered."""
        ...

    @told
    def resume(self) -> Session:
        """Go on after `pause`."""
        ...

    def close(self):
        """End all work; `state` still works."""
        ...

    def state(self) -> dict:
        """Everything that is shown."""
        ...

    def whole(self) -> tuple[int, ...]:
        """The tokens of the whole answer."""
        ...

    def words(self) -> list[dict]:
        """The words of the answer with their tokens, and the influence of the image once it is measured or decided."""
        ...

    def chips(self, columns: tuple[int, ...]) -> list[int]:
        """The words that a selection touches."""
        ...

    def maps(self) -> dict[tuple[int, ...], Maps]:
        """All maps of the answer so far: measured ones, and estimates of the rest."""
        ...

    def selected_text(self) -> str:
        """What is selected, as text."""
        ...

def _end_workers(workers):
    """End the threads; at the exit of Python, too, before its libraries go."""
    ...

def checked_settings(settings: dict) -> dict:
    """Settings that a search can have."""
    ...

def _check_number(name, value, low, high):
    """Refuse a number, or one at the end of a partition's name, that is not in its range."""
    ...

def _reason(e: BaseException) -> str:
    """What went wrong, in one line."""
    ...

def told(method):
    """A method of a session: what goes wrong becomes a message, and the session is returned."""
    ...

def _shown_state(shown: Maps | None) -> dict:
    """The map that is on the screen in numbers."""
    ...

def _influences(e: Explanation) -> list[tuple[tuple[int, ...], float]]:
    """Positions in the answer of each word, with the influence of the image."""
    ...
