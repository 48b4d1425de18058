"""Generated from forward.py by .ci/stubs.py; do not edit."""
__all__ = ['LOGITS_AT_ONCE', 'image_inputs', 'Forward', 'full_float32', 'equal_tiles', 'kept_places']
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
    def __call__(self, pixels: Tensor | dict[str, Tensor], n: int, alike: tuple[Tensor, Tensor] | None=None, read: Tensor | None=None, kept: Tensor | None=None, seen: Tensor | None=None, apart: bool=True) -> Tensor:
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

    def _probabilities(self, x: dict, at: Tensor) -> Tensor:
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

    @property
    def layers(self) -> list[nn.Module] | None:
        """The layers of the vision tower, where it is a plain transformer over one sequence of patches per tile; otherwise None."""
        ...

    @torch.inference_mode()
    def entrance(self, images: dict[str, Tensor]) -> dict[str, Tensor]:
        """What the decoder gets for one variant."""
        ...

    @torch.inference_mode()
    def from_features(self, arguments: dict, kept: Tensor | None=None) -> Tensor:
        """Probability of every answer token, from what the decoder gets."""
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

def _at(h: Tensor, at: Tensor) -> Tensor:
    """What is at the positions of the answer, the same in every variant or not."""
    ...

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

def kept_places(kept: Tensor) -> Tensor:
    """The positions of the tokens that are kept, filled up with the last one."""
    ...

def _moved(at: Tensor, kept: Tensor) -> Tensor:
    """The same positions among the tokens that are kept."""
    ...

def _of_tokens(name: str, v, places: Tensor, length: int):
    """One argument of the decoder, for the tokens that are kept."""
    ...

def _of_positions(v: Tensor, places: Tensor) -> Tensor:
    """The positions of the tokens that are kept."""
    ...

def _of_pairs(mask: Tensor, places: Tensor) -> Tensor:
    """Who attends to whom among the tokens that are kept."""
    ...

def _shortened(arguments: dict, kept: Tensor) -> dict:
    """The arguments of the decoder, for the tokens that are kept."""
    ...

def _deep_rows(visual: Tensor, places: Tensor, seen: Tensor) -> Tensor:
    """The rows of features, one for each image token of all variants, that are left."""
    ...

@contextlib.contextmanager
def _leaving_out(decoder: nn.Module, kept: Tensor) -> Iterator[None]:
    """A block in which the decoder gets the kept tokens alone."""
    ...

def _is_plain(layer) -> bool:
    """Does a layer attend from all patches of a tile to all, with a mask if one is given?"""
    ...

def _attentions(layer) -> list[nn.Module]:
    """The parts of a layer that take a mask."""
    ...

def _patches(seen: Tensor, length: int) -> Tensor:
    """The patches that go through the tower: all of each feature that is seen, and the token for the class."""
    ...

@contextlib.contextmanager
def _without_patches(layers: list[nn.Module], seen: Tensor, alike: tuple | None=None, apart: bool=True) -> Iterator[None]:
    """A block in which the layers of the tower see some patches alone."""
    ...

def _gathered(kept: Tensor) -> Tensor:
    """The places of the patches that are kept."""
    ...
