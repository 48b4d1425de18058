"""Generated from scores.py by .ci/stubs.py; do not edit."""
__all__ = ['MODES', 'SCREENS', 'insight', 'necessity', 'objective', 'Scorer', 'packed', 'mates', 'short_of_memory', 'FunctionScorer', 'BatchMemory', 'ModelScorer', 'FeatureScorer']
import contextlib, copy, time
from collections.abc import Callable, Iterator
from functools import partial
from numbers import Integral
import numpy as np
import torch
from torch import Tensor
from .costs import batch_room, clock, free_memory, new_peak
from .forward import Forward, equal_tiles
from .images import DROP, canvas, mask_image
from .inference import sent
from .layout import ImageTokens, carry_coverage, carry_labels, carry_mask, check_image_tokens, image_tokens
from .models import Model
from .patching import patch
from .regions import Regions
from .targets import Target

def insight(p: Tensor) -> Tensor:
    """Sufficiency of S: mean probability with only S visible (EAGLE, insight score)."""
    ...

def necessity(p_rest: Tensor) -> Tensor:
    """Necessity of S: one minus the mean probability with S hidden (EAGLE, necessity score)."""
    ...

def objective(p: Tensor, p_rest: Tensor, lam: tuple[float, float]=(1.0, 1.0)) -> Tensor:
    """F(S) = λ1 · insight(S) + λ2 · necessity(V∖S) (EAGLE, objective)."""
    ...

class Scorer:
    """keep (B, N) bool -> probabilities (B, T); a subclass computes a batch."""
    remedy = 'check the function'

    def __init__(self, n: int, batch_size: int=64, columns: tuple[int, ...] | None=None):
        ...

    def compute(self, keep: Tensor) -> Tensor:
        ...

    def uncertainty(self) -> dict:
        """How sure the probabilities are that were scored."""
        ...

    def __call__(self, keep: Tensor) -> Tensor:
        """Probabilities of the target tokens."""
        ...

    def _checked(self, keep) -> Tensor:
        """A bool tensor (B, N) on the CPU."""
        ...

    def all_tokens(self, keep: Tensor) -> Tensor:
        """Probabilities of every token that the forward pass yields, in the target or not."""
        ...

    def _compute_missing(self, keys, keep, rows):
        """Compute the given rows of `keep` in batches and cache them."""
        ...

    def _in_turn(self, keep, rows) -> list[int]:
        """The rows in the sequence in which they are computed."""
        ...

    def _try(self, keep) -> Tensor | None:
        """Compute a batch if memory suffices."""
        ...

    def _store(self, keys, p):
        """Count and cache all finite results; raise an error if some are NaN or infinite."""
        ...

    def scored(self) -> tuple[np.ndarray, Tensor]:
        """All keep-masks scored so far and their probabilities, in the order in which they were scored."""
        ...

    def forget(self):
        """Clear the cache and reset the count of forward passes."""
        ...

    def with_columns(self, columns: tuple[int, ...] | None) -> Scorer:
        """A scorer of other tokens that shares the cache; its forward passes are counted separately."""
        ...

    @property
    def area(self) -> np.ndarray:
        """The share of the image in each region; equal if the scorer has no image."""
        ...

    @property
    def layout(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Positions of the regions, in shares of width and height; None if the scorer has no image."""
        ...

    def screened(self, screen: str) -> Scorer:
        """A cheaper scorer of the same regions and target, with a cache of its own."""
        ...

def packed(keep: np.ndarray) -> list[bytes]:
    """Sets as dictionary keys."""
    ...

def mates(keep: np.ndarray) -> np.ndarray:
    """Where the complement of each set is."""
    ...

def short_of_memory(e: Exception) -> bool:
    """Does this error mean that the device, or the CPU, is short of memory?"""
    ...

class FunctionScorer(Scorer):
    """Any function from keep-masks to probabilities."""

    def __init__(self, fn: Callable[[Tensor], Tensor], n: int, batch_size: int=4096):
        ...

    def compute(self, keep: Tensor) -> Tensor:
        """One call of the function, checked."""
        ...

    def _check_shape(self, p, n):
        """Refuse anything but a row for each set, of at least one token, and of as many as before."""
        ...

class BatchMemory:
    """The batch size that fits into `room` on a GPU, from the peak of the last batch; on a CPU the size stays."""
    most = 256

    def __init__(self, device: torch.device, memory: int | float | str | None=None):
        ...

    def start(self):
        """Measure a new batch."""
        ...

    def fitting(self, n: int, size: int) -> int:
        """The size of the next batch."""
        ...

    def failed(self, n: int):
        """No later batch is larger than half of this one."""
        ...

class _Composer:
    """An image input of a model, from the image where a region is visible and from the fill elsewhere."""

    def __init__(self, pixels: Callable[..., Tensor], whole: Tensor, blank: Tensor, regions: np.ndarray, resampled: bool):
        ...

    def _find_boundaries(self, rim, share, tiles):
        """Remember the elements on boundaries, and the coverage of each by the regions."""
        ...

    def __call__(self, keep: Tensor) -> Tensor:
        """Elements of the image or of the fill, depending on their region."""
        ...

    def _blend(self, x, visible):
        """Give the elements on boundaries their share of image and fill."""
        ...
MODES = ('nearest', 'resampled', 'pixels')

class ModelScorer(Scorer):
    """Probabilities of an answer's tokens from a transformers image-text-to-text model."""
    remedy = "load the model with dtype='float32', or check its weights"

    def __init__(self, model: Model, image: np.ndarray, prompt: str | list[dict], target: Target, regions: Regions, fill: str | np.ndarray='black', mode: str='nearest', batch_size: int | None=None, seed: int=0):
        ...

    def compute(self, keep: Tensor, read: Tensor | None=None) -> Tensor:
        """One batch through the model."""
        ...

    def all_tokens(self, keep: Tensor) -> Tensor:
        """See `Scorer.all_tokens`; the model is made ready once for all batches of a call."""
        ...

    def _in_turn(self, keep, rows) -> list[int]:
        ...

    def _first_size(self, model) -> int:
        """Size of the first batch. CPU: chosen to fit the CPU cache; GPU: 8, to measure the memory per image."""
        ...

    @contextlib.contextmanager
    def _sized(self, n: int) -> Iterator[None]:
        """A block that computes one batch, from which the size of the next one follows."""
        ...

    def _pieces(self, n: int) -> Iterator[slice]:
        """A batch in one piece; while numbers of threads are tried, in small ones, so that a slow number costs little."""
        ...

    def _prepare(self, mode, fill, seed):
        """The fill, and what composes each image input."""
        ...

    def _make_composers(self) -> dict[str, _Composer]:
        """A composer for each image input of the model."""
        ...

    def variants(self, keep: Tensor) -> dict[str, Tensor]:
        """The masked images as the model sees them."""
        ...

    @property
    def touched(self) -> Tensor | None:
        """The regions in each tile of the image input."""
        ...

    def _alike(self, keep) -> tuple[Tensor, Tensor] | None:
        """Equal tiles among these masked images; None if the model cannot use them."""
        ...

    def _drop(self, tower: bool=True):
        """Leave hidden tokens out from now on; an error where the model cannot."""
        ...

    def _check_layers(self):
        """Raise an error for a mode that does not follow regions, and for layers that count by index."""
        ...

    def _tower_can(self) -> bool:
        """Leave patches out of the tower, if that gives what masks give."""
        ...

    @property
    def _tolerance(self) -> float:
        ...

    def find_tokens(self, what: str) -> ImageTokens:
        """What each image token shows of every region; an error where the self-test found it wrong, or now does."""
        ...

    def hidden_by_masks(self, keep: Tensor) -> Tensor:
        """The same as left out, but in whole sequences with attention masks, one image at a time: slow, for comparison."""
        ...

    def _gap_to_masked(self) -> float:
        """Largest |Δp| between tokens left out and tokens hidden by masks, with every second region hidden."""
        ...

    def _left(self, keep: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """The tokens that go through the decoder, and the features whose patches go through the tower."""
        ...

    @property
    def _filled(self) -> int:
        """The tiles that are no padding, which the towers skip."""
        ...

    def _longest_first(self, keep, rows) -> list[int]:
        """By the number of tokens left, the most first."""
        ...

    def _carried(self) -> list[tuple[Callable[..., Tensor], Tensor]]:
        """For each image input, the way to it and the region of each of its elements."""
        ...

    @property
    def unseen(self) -> np.ndarray:
        """Regions that can never matter, because the processor crops them away; none where that cannot be told."""
        ...

    def _reaches(self, region, way, labels) -> bool:
        """Does any pixel of a region reach the model, by the processor's own resampling?"""
        ...

def _check_inputs(image, regions, mode):
    """Raise an error for an unknown mode, and for regions of another image."""
    ...
_BY_POSITION = {'full_attention', 'sliding_attention', 'chunked_attention'}
_PAINT = "use a fill that paints, such as 'black'"
SCREENS = ('drop', 'features')

class FeatureScorer(Scorer):
    """A model on features of the whole image and of the fill, mixed by what each token shows."""
    remedy = ModelScorer.remedy

    def __init__(self, base: ModelScorer):
        ...

    def compute(self, keep: Tensor) -> Tensor:
        """One batch through the decoder."""
        ...

    def _compare(self, base: ModelScorer):
        """Take both sets of features; an error where the probabilities at both ends are not the model's."""
        ...

    def _mixed(self, keep: Tensor) -> dict:
        """What the decoder gets for masked images."""
        ...

    def _deep(self, share: Tensor) -> list[Tensor]:
        """Features that are fed in at several depths: a row for each image token of each masked image."""
        ...

def _lerp(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """From a where nothing is visible to b where everything is."""
    ...

def _repeated(v, n: int):
    """An argument of the decoder, `n` times."""
    ...
