"""Generated from layout.py by .ci/stubs.py; do not edit."""
__all__ = ['as_gray', 'carry_labels', 'carry_mask', 'carry_coverage', 'Layout', 'layout', 'TokenGrid', 'from_tokens', 'token_grid', 'token_regions', 'regions_for', 'ImageTokens', 'image_tokens', 'check_image_tokens']
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from .forward import Forward
from .inference import in_this_thread
from .models import Model
from .patching import patch
from .regions import Regions, segment, tokens

def as_gray(a: np.ndarray) -> np.ndarray:
    """Numbers as a grey image."""
    ...

def carry_labels(pixels: Callable[..., Tensor], labels: np.ndarray) -> Tensor:
    """The region of every element of `pixel_values`."""
    ...

def carry_mask(pixels: Callable[..., Tensor], mask: np.ndarray) -> Tensor:
    """A mask through the processor's own resampling."""
    ...

def carry_coverage(pixels: Callable[..., Tensor], labels: np.ndarray, carried: Tensor) -> tuple[Tensor, Tensor]:
    """The elements of `pixel_values` in which the processor's own resampling mixes regions, and how (float32)."""
    ...

def _mixed(mask, flat, r) -> tuple[Tensor, Tensor]:
    """Elements in which the mask of a region differs from its carried labels, and the mask's values there."""
    ...

@dataclass(frozen=True, eq=False)
class Layout:
    """The pixel of the image that each element of `pixel_values` shows."""
    row: Tensor
    column: Tensor
    shape: tuple[int, int]

    @property
    def tiles(self) -> int:
        ...

    def spread(self, mask: Tensor) -> Tensor:
        """A mask over the image in the layout of `pixel_values`; differentiable."""
        ...

    def gather(self, values: Tensor, tile: int | None=None) -> np.ndarray:
        """Values of `pixel_values` in the image: the mean of all elements that show a pixel; gaps are filled."""
        ...

    def _flat(self, values: Tensor, tile) -> np.ndarray:
        """The elements of a tile, or of all, on one axis."""
        ...

    def total(self, values: Tensor) -> np.ndarray:
        """Attributions of `pixel_values` in the image, summed over tiles and channels: a region has the sum of its elements."""
        ...

    def _density(self, tile) -> float:
        """Elements of a tile for each pixel that it shows."""
        ...

def layout(forward: Forward) -> Layout:
    """The layout of an image."""
    ...

def _filled(total, count) -> np.ndarray:
    """Means from sums and counts; where nothing was counted, a blur of the means around."""
    ...

@dataclass(frozen=True)
class TokenGrid:
    """Image tokens that lie over the image as a grid."""
    positions: tuple[int, ...]
    shape: tuple[int, int]
    tile: int | None

    def __len__(self) -> int:
        ...

def _runs(positions: list[int]) -> list[list[int]]:
    """Positions that follow each other, together."""
    ...

def _patch_shape(forward: Forward) -> tuple[int, int, int] | None:
    """The patches of the image, where the processor tells."""
    ...

def _patch_grid(forward, positions) -> TokenGrid | None:
    """The grid of an image in its own shape: the last tokens, if there are as many without a gap."""
    ...

def _tile_grid(forward, layout, positions) -> TokenGrid | None:
    """The grid of the tile that shows the whole image, if its tokens are the first or the last."""
    ...

def _proportional(n: int, height: int, width: int) -> tuple[int, int] | None:
    """Rows and columns of n tokens with the proportions of a tile; None where there are none."""
    ...

def _tokens_per_tile(model, runs, tiles: int) -> int:
    """Tokens of one tile: from gaps between the tokens, the configuration, or the processor."""
    ...

def _whole_tile(layout) -> int:
    """The tile that covers most of the image."""
    ...

def _span(v) -> float:
    ...

def from_tokens(layout: Layout, grid: TokenGrid, values: np.ndarray) -> np.ndarray:
    """A value for each image token as a map over the image, bilinear between the centers of the tokens."""
    ...
_PROBES = 16

def _entrance(forward: Forward, pixels: Tensor) -> Tensor:
    """What the language half gets at every position."""
    ...

def _contrast(forward, layout, shown: np.ndarray) -> Tensor:
    """The image with some pixels as bright or dark as can be, whichever is farther."""
    ...

def _agreement(forward: Forward, layout: Layout, grid: TokenGrid) -> float:
    """How much more than others the token under a change moves: the share of tokens that move less."""
    ...
_AGREE = 0.75

def token_grid(forward: Forward, layout: Layout) -> TokenGrid:
    """The image tokens of an image; an error where they form no grid, or none that the model agrees with."""
    ...

def token_regions(model: Model, image: np.ndarray, prompt: str | list[dict]='') -> Regions:
    """One region for each image token, for models that lay one grid of tokens over the whole image."""
    ...

def _whole_grid(forward, where: Layout) -> TokenGrid:
    """The grid of tokens, if it spans the image from edge to edge."""
    ...

def regions_for(model: Model, image: np.ndarray, prompt: str | list[dict]='', regions: int | str | Regions | np.ndarray=64, seed: int=0) -> Regions:
    """The regions of an image for a model: those of `segment`, or the model's own grid of tokens."""
    ...

def _tensors_in(output) -> Iterator[Tensor]:
    """The tensors in what a module puts out."""
    ...

def _last_output_with(forward, images: dict, row: Tensor) -> Tensor | None:
    """The last output before the decoder that has a row."""
    ...

def _followed(features: Tensor, rows: Tensor) -> Tensor:
    """Which row each token is."""
    ...

def _cannot(forward, why: str):
    """An error for a model whose image tokens cannot be followed."""
    ...

def _token_rows(forward: Forward) -> tuple[Tensor, Tensor, int]:
    """The image tokens of all images in the prompt, and the rows of the vision half's output that they are."""
    ...

@torch.inference_mode()
def _features(forward, images: dict) -> Tensor:
    """What the language half gets at every position."""
    ...

def _elements_of_rows(forward, values: Tensor, rows: int) -> Tensor:
    """The elements of `pixel_values` that each row of the vision half's output looks at."""
    ...

def _of_patches(forward, values: Tensor, rows: int) -> Tensor:
    """Consecutive patches, as many for each row."""
    ...

@dataclass(frozen=True, eq=False)
class ImageTokens:
    """The tokens of the explained image, and what each shows of every region."""
    positions: Tensor
    covered: Tensor
    length: int
    rows: Tensor | None = None
    features: int = 0

    def __len__(self) -> int:
        ...

    def kept(self, keep: Tensor) -> Tensor:
        """The tokens that stay: all of which something is visible."""
        ...

    def seen(self, kept: Tensor) -> Tensor:
        """The features whose tokens stay, and those that are no token of the explained image."""
        ...

    def visible(self, keep: Tensor) -> Tensor:
        """How much of each token is visible."""
        ...

def _own(found: Tensor, covered: Tensor) -> slice:
    """The tokens of the explained image among those of all images."""
    ...

def image_tokens(forward: Forward, labels: Tensor, n: int) -> ImageTokens:
    """The tokens of the explained image; an error where they cannot be followed."""
    ...

def check_image_tokens(forward: Forward):
    """Raise an error where a changed pixel does not move the token that shows it more than others."""
    ...

def _flipped(whole: Tensor, elements: Tensor) -> Tensor:
    """Some elements as bright or dark as can be, whichever is farther."""
    ...
