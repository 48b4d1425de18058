"""Generated from forward.py by .ci/stubs.py; do not edit."""
__all__ = ['LOGITS_AT_ONCE', 'image_inputs', 'Forward', 'full_float32', 'equal_tiles']
import contextlib, inspect, threading
from collections.abc import Iterator, Sequence
import torch
from torch import Tensor, nn
from .costs import spent
from .images import ImageLike, open_image
from .inference import in_this_thread, sent
from .models import Model
from .patching import patch

def _appended(model, x: dict, n: int, ids: Tensor) -> dict:
    """What a family is given for each token, extended as it does when it generates."""
    ...

def _with_answer(model, x: dict, forced) -> tuple[dict, int]:
    """Inputs of image and prompt, checked, with the answer appended."""
    ...

def image_inputs(model: Model, image: ImageLike, prompt: str | list[dict], x: dict[str, Tensor] | None=None) -> dict[str, bool]:
    """Which inputs of a model show the image."""
    ...

def _same(a, b) -> bool:
    """Are two inputs equal?"""
    ...

def _can_be_masked(a, b) -> bool:
    """Are these float tensors of one shape, with more than one axis?"""
    ...

def _maskable(model, image, prompt, x: dict) -> list[str]:
    """The inputs that show the image."""
    ...

def _refuse(model, names: list[str]):
    """Raise an error for inputs that show the image and cannot be masked."""
    ...

class Forward:
    """An image, a prompt and a given answer: variants of the image in, probabilities of the answer's tokens out."""

    def __init__(self, model: Model, image: ImageLike, prompt: str | list[dict], forced: Sequence[int]):
        ...

    @property
    def whole(self) -> Tensor:
        ...

    def __len__(self) -> int:
        ...

    @torch.inference_mode()
    def __call__(self, pixels: Tensor | dict[str, Tensor], n: int, alike: tuple[Tensor, Tensor] | None=None, read: Tensor | None=None) -> Tensor:
        """Probability of every answer token in every variant."""
        ...

    @property
    def _body(self) -> nn.Module:
        ...

    def _repeat(self, n: int) -> dict[str, Tensor]:
        """The inputs of `n` variants."""
        ...

    def _with_images(self, pixels: Tensor | dict[str, Tensor], n: int) -> dict:
        """The inputs of `n` variants with their images."""
        ...

    def _positions(self) -> Tensor | None:
        """Positions in time, height and width, as the decoder gets them; passed in, no earlier call can change them."""
        ...

    @contextlib.contextmanager
    def _computing(self) -> Iterator[None]:
        """A block in which the model computes: in evaluation mode, and float32 in float32."""
        ...

    def _probabilities(self, x: dict) -> Tensor:
        """Probabilities of the answer's tokens, given all inputs of the model."""
        ...

    @property
    def plain_head(self) -> bool:
        """Are the logits what the output head makes of the last hidden states, and nothing more?"""
        ...

    @torch.inference_mode()
    def _has_plain_head(self) -> bool:
        """Compare the logits of the model with those of its head, at one position of the image as it is."""
        ...

    def _chosen(self, h: Tensor, head: nn.Module) -> Tensor:
        """Probability of the given token at each position, some rows at a time."""
        ...

    def images_of(self, image: ImageLike, **images_kwargs) -> dict[str, Tensor]:
        """The image inputs for another image in place of the explained one."""
        ...

    def pixels(self, image: ImageLike, name: str='pixel_values', **images_kwargs) -> Tensor:
        """One image input for another image in place of the explained one."""
        ...

    def hidden(self, pixels: Tensor | dict[str, Tensor], n: int) -> Tensor:
        """The model's last hidden states, differentiable; the answer is predicted at `self.at`."""
        ...

    def logits(self, pixels: Tensor | dict[str, Tensor], n: int, columns: list[int]) -> Tensor:
        """Logits of the whole vocabulary at some positions of the answer, differentiable."""
        ...

    @property
    def tower(self) -> nn.Module | None:
        """The vision tower, where it takes tiles of pixels independently of each other; otherwise None."""
        ...

def _copies(name, v, n) -> Tensor:
    """One input, `n` times; position_ids have a first axis for time, height and width."""
    ...

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
