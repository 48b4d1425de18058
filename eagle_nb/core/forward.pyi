"""Generated from forward.py by .ci/stubs.py; do not edit."""
__all__ = ['LOGITS_AT_ONCE', 'Forward', 'full_float32', 'equal_tiles']
import contextlib, threading
from collections.abc import Sequence
import torch
from torch import Tensor, nn
from .costs import spent
from .images import ImageLike
from .models import Model, in_this_thread
from .patching import patch

def _with_answer(model, image, prompt, forced) -> tuple[dict, int]:
    """What the processor makes of image and prompt, with the answer appended."""
    ...

class Forward:
    """An image, a prompt and a given answer: variants of the image in, probabilities of the answer's tokens out."""

    def __init__(self, model: Model, image: ImageLike, prompt: str | list[dict], forced: Sequence[int]):
        ...

    def __len__(self) -> int:
        ...

    @torch.inference_mode()
    def __call__(self, pixels: Tensor, n: int, alike: tuple[Tensor, Tensor] | None=None, read: Tensor | None=None) -> Tensor:
        """Probability of every answer token in every variant."""
        ...

    @property
    def _body(self) -> nn.Module:
        ...

    def _repeat(self, n: int) -> dict[str, Tensor]:
        """The inputs of `n` variants."""
        ...

    def _positions(self) -> Tensor | None:
        """Positions in time, height and width, as the decoder gets them; passed in, no earlier call can change them."""
        ...

    def _probabilities(self, x: dict) -> Tensor:
        """Probabilities of the answer's tokens, given all inputs of the model."""
        ...

    def _chosen(self, h: Tensor, head: nn.Module) -> Tensor:
        """Probability of the given token at each position, some rows at a time."""
        ...

    def pixels(self, image: ImageLike, **images_kwargs) -> Tensor:
        """`pixel_values` of another image in place of the explained one."""
        ...

    def hidden(self, pixels: Tensor, n: int) -> Tensor:
        """The model's last hidden states, differentiable; the answer is predicted at `self.at`."""
        ...

    def logits(self, pixels: Tensor, n: int, columns: list[int]) -> Tensor:
        """Logits of the whole vocabulary at some positions of the answer, differentiable."""
        ...

    @property
    def tower(self) -> nn.Module | None:
        """The vision tower, where it takes tiles of pixels independently of each other; otherwise None."""
        ...

def _copies(name, v, n) -> Tensor:
    """One input, `n` times; position_ids have a first axis for time, height and width."""
    ...

class _Known(Exception):
    """The decoder's arguments are known; there is nothing more to compute."""

@contextlib.contextmanager
def _no_tf32():
    """Set both the old and the new switch of torch, which complains where they disagree."""
    ...

class _Shared:
    """One setting for the blocks of all threads."""
    lock, inside, switch = (threading.Lock(), 0, contextlib.ExitStack())

@contextlib.contextmanager
def _shared_switch():
    """`_no_tf32` while any block is inside."""
    ...

def full_float32(pixels: Tensor) -> contextlib.AbstractContextManager:
    """A context in which a GPU computes float32 convolutions in float32; elsewhere it does nothing."""
    ...
LOGITS_AT_ONCE = 2 ** 25

def _pick(logits, ids) -> Tensor:
    """Softmax of logits (rows, V), at one id per row."""
    ...

def equal_tiles(keep: Tensor, touched: Tensor) -> tuple[Tensor, Tensor]:
    """Tiles that look the same because the same of their regions are visible."""
    ...

@contextlib.contextmanager
def _each_once(tower, first, kind):
    """Show the tower each distinct tile once, and hand its output to all tiles that are alike."""
    ...

def _has_rows(v, n) -> bool:
    """Is it a tensor with n rows?"""
    ...

def _expanded(v, n, kind):
    """An output of n rows with one row for each of the alike tiles, also in tuples and lists."""
    ...
