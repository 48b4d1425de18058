"""Generated from baselines.py by .ci/stubs.py; do not edit."""
__all__ = ['VARIANTS', 'BASELINES', 'UNITS', 'random_map', 'centre_out', 'oracle', 'occlusion', 'kernel_shap', 'lime', 'soft_mask', 'rise', 'gradient_x_input', 'integrated_gradients', 'blurred', 'IgosPath', 'edge_weights', 'penalty_gradient', 'igos', 'cam_layer', 'cam_maps', 'llava_cam', 'rank_gaussian', 'tam', 'layer_attentions', 'attention_rollout']
import contextlib, threading, warnings
from collections.abc import Callable, Iterator
import cv2
import numpy as np
import torch
from torch import Tensor, nn
from ..core.costs import spent
from ..core.forward import Forward
from ..core.images import ImageLike, fill_image, open_image
from ..core.layout import Layout, from_tokens, layout, token_grid
from ..core.inference import in_this_thread
from ..core.models import Model
from ..core.patching import patch
from ..core.regions import Regions
from ..core.servers import make_scorer
from ..core.targets import Target
from .metrics import as_mask
from ..explanation.scales import NOTHING, Unit

def random_map(model: Model, image: ImageLike, prompt: str | list[dict], target: Target, regions: Regions, seed: int=0) -> np.ndarray:
    """A random value per region."""
    ...

def centre_out(model: Model, image: ImageLike, prompt: str | list[dict], target: Target, regions: Regions) -> np.ndarray:
    """How near the centre of each region is to the centre of the image; a corner has 0."""
    ...

def oracle(model: Model, image: ImageLike, prompt: str | list[dict], target: Target, regions: Regions, truth: np.ndarray | tuple) -> np.ndarray:
    """Share of each region that the object fills."""
    ...

def _loaded(model) -> Model:
    """Refuse anything but a loaded model."""
    ...

def _at_least(least: int, **settings):
    """Refuse settings that leave nothing to compute."""
    ...

def _region_scorer(model, image, prompt, target, regions, fill, seed, batch_size) -> tuple[Callable, int]:
    """A function of float masks (B, N) to the mean probability of the target, and its batch size."""
    ...

def _by_captum(method, n: int, seed: int, **settings) -> np.ndarray:
    """Values of n regions by a method of captum."""
    ...

def occlusion(model: Model, image: ImageLike, prompt: str | list[dict], target: Target, regions: Regions, fill: str | np.ndarray='black', seed: int=0, batch_size: int | None=None) -> np.ndarray:
    """What the target loses when one region is hidden; N + 1 forwards."""
    ...

def kernel_shap(model: Model, image: ImageLike, prompt: str | list[dict], target: Target, regions: Regions, fill: str | np.ndarray='black', samples: int=512, seed: int=0, batch_size: int | None=None) -> np.ndarray:
    """Shapley values of the regions, estimated by KernelSHAP."""
    ...

def lime(model: Model, image: ImageLike, prompt: str | list[dict], target: Target, regions: Regions, fill: str | np.ndarray='black', samples: int=512, seed: int=0, batch_size: int | None=None) -> np.ndarray:
    """Weights of the regions in a local linear model (LIME): ridge, cosine distance, kernel width 0.25."""
    ...

def _open(model, image, prompt, target) -> tuple[Forward, Layout, list[int]]:
    """An image ready for the model, where its pixels go, and the positions of the target in the answer."""
    ...

def _blank(forward, fill, seed) -> Tensor:
    """What the model sees when everything is hidden."""
    ...

def _safe_batch(model, batch_size: int) -> int:
    """Images per forward: one where the self-test found batches to be wrong."""
    ...

def soft_mask(rng: np.random.Generator, shape: tuple[int, int], cells: int, keep: float) -> np.ndarray:
    """Random cells, enlarged and shifted (RISE)."""
    ...

def rise(model: Model, image: ImageLike, prompt: str | list[dict], target: Target, fill: str | np.ndarray='black', samples: int=512, cells: int=7, keep: float=0.5, seed: int=0, batch_size: int=32) -> np.ndarray:
    """The mean of random soft masks, weighted by the probability that each leaves (RISE)."""
    ...

def _gradient(score: Tensor, inputs: Tensor, n: int) -> Tensor:
    """Gradient of a sum over n images, counted as n backward passes."""
    ...

def _of_target(forward, z, columns) -> Tensor:
    """From values (n, K, V) over the vocabulary, those of the K target tokens."""
    ...

def _log_p(forward, pixels, n, columns) -> Tensor:
    """Log-probability of each target token, differentiable."""
    ...

def _pixel_scorer(model, image, prompt, target, fill, seed) -> tuple[Callable, Layout, Tensor, Tensor]:
    """The target's log-likelihood as a function of pixels, their layout, and the whole and the blank image."""
    ...

def gradient_x_input(model: Model, image: ImageLike, prompt: str | list[dict], target: Target, fill: str | np.ndarray='black', seed: int=0) -> np.ndarray:
    """Gradient of the target's log-likelihood times the difference between the image and the blank one."""
    ...

def integrated_gradients(model: Model, image: ImageLike, prompt: str | list[dict], target: Target, fill: str | np.ndarray='black', steps: int=32, seed: int=0, batch_size: int=8) -> np.ndarray:
    """Integrated gradients of the target's log-likelihood from the blank image."""
    ...
VARIANTS = ('fixed', 'paper')

def _check_variant(name):
    """Refuse an unknown variant."""
    ...

def blurred(image: np.ndarray) -> np.ndarray:
    """The blurred image that IGOS++ starts from; the kernel grows with the width."""
    ...
_NEARLY = 0.0001

def _start(forward, baseline) -> Tensor:
    """The input without the image's content, from which IGOS++ starts."""
    ...

def _visual_tokens(forward, start, columns) -> list[int]:
    """The target tokens that the image makes more likely by a factor above e; if none, the one with the largest gain."""
    ...

def _enlarged(mask, shape) -> Tensor:
    """A small mask at the size of the image."""
    ...

class IgosPath:
    """Integrated gradients between an image and its blurred copy, along a mask."""

    def __init__(self, forward: Forward, where: Layout, columns: list[int], start: Tensor, steps: int, noise: float, seed: int, batch_size: int):
        ...

    def _noise(self, like: Tensor) -> Tensor:
        """Noise of the path, drawn on the CPU."""
        ...

    def gradient(self, mask: Tensor, inserting: bool) -> Tensor:
        """Gradient of the mean log-likelihood along the path with respect to the mask."""
        ...

def edge_weights(image: np.ndarray, sigma: float=0.01) -> tuple[Tensor, Tensor]:
    """How much a change of the mask between neighbouring pixels costs."""
    ...

def penalty_gradient(masks: Tensor, edges: tuple[Tensor, Tensor], t: int) -> Tensor:
    """Gradient of the penalty of IGOS++ for area and for roughness."""
    ...

def _descent(path, masks, variant) -> Tensor:
    """Gradient of both masks, without the penalty."""
    ...

def _optimise(path, edges, variant, iterations, lr, size) -> Tensor:
    """Nesterov steps on both masks."""
    ...

def _unit_range(a) -> Tensor:
    """Values scaled to [0, 1]."""
    ...

def igos(model: Model, image: ImageLike, prompt: str | list[dict], target: Target, variant: str='fixed', baseline: str='blur', own_tokens: bool=False, iterations: int=5, steps: int=10, lr: float=10.0, size: int=32, noise: float=0.2, seed: int=0, batch_size: int=10) -> np.ndarray:
    """A mask optimised with integrated gradients (IGOS++)."""
    ...
_CAM_LAYERS = {('qwen2_5_vl', 36): 32, ('qwen2_5_vl', 28): 26, ('internvl', 36): 32, ('llava', 32): 13}

def cam_layer(model: Model) -> int:
    """The layer that LLaVA-CAM reads: the published one, otherwise at 0.9 of the depth (LLaVA: 0.4), but not the last."""
    ...

def _check_layer(layer: int, n_layers: int):
    """Refuse a layer that is not there, or the last."""
    ...

def cam_maps(forward: Forward, pixels: Tensor, n: int, columns: list[int], module: nn.Module, positions: list[int]) -> Tensor:
    """Activations weighted by their positive gradients, one map per image (Grad-CAM)."""
    ...

def _noisy_copies(forward, n, noise, rng) -> Tensor:
    """Copies of the image with Gaussian noise."""
    ...

def llava_cam(model: Model, image: ImageLike, prompt: str | list[dict], target: Target, variant: str='fixed', layer: int | None=None, samples: int=50, noise: float=0.1, seed: int=0, batch_size: int=10) -> np.ndarray:
    """Smoothed Grad-CAM at the image tokens (LLaVA-CAM)."""
    ...

def _token_map(active, ids, at, image, text, causal) -> np.ndarray:
    """Activation of the image tokens for the token predicted at a position, minus what earlier words explain."""
    ...

def rank_gaussian(a: np.ndarray) -> np.ndarray:
    """The rank-Gaussian filter of TAM: a mean of the sorted window around its median, narrow where the window is even."""
    ...

def _activations(model, forward, ids) -> np.ndarray:
    """How strongly each position supports each token of the sequence, through the output head."""
    ...

def tam(model: Model, image: ImageLike, prompt: str | list[dict], target: Target, variant: str='fixed') -> np.ndarray:
    """Token activation map; for several tokens, the mean of their maps."""
    ...

def _eager_here(config) -> type:
    """The class of a configuration that asks for eager attention, in the thread that calls this."""
    ...
_rolling_out = threading.Lock()

@contextlib.contextmanager
def _eager(decoder: nn.Module) -> Iterator[list]:
    """Attention computed in eager mode, with its weights collected."""
    ...

def layer_attentions(forward: Forward) -> list[Tensor]:
    """Attention of each layer, averaged over its heads."""
    ...

def attention_rollout(model: Model, image: ImageLike, prompt: str | list[dict], target: Target) -> np.ndarray:
    """Attention, rolled out over the layers, from the target to the image tokens."""
    ...
BASELINES = {'random': random_map, 'centre-out': centre_out, 'oracle': oracle, 'occlusion': occlusion, 'KernelSHAP': kernel_shap, 'LIME': lime, 'RISE': rise, 'gradient x input': gradient_x_input, 'integrated gradients': integrated_gradients, 'IGOS++': igos, 'LLaVA-CAM': llava_cam, 'TAM': tam, 'attention rollout': attention_rollout}
_PER_REGION, _GRADIENT = (Unit('change of probability per region', NOTHING), Unit('change of log-likelihood per pixel'))
UNITS = {'oracle': Unit('share of the region that the object fills'), 'occlusion': _PER_REGION, 'KernelSHAP': _PER_REGION, 'LIME': _PER_REGION, 'RISE': Unit('mean probability where a pixel is shown'), 'gradient x input': _GRADIENT, 'integrated gradients': _GRADIENT, 'IGOS++': Unit('mask from 0 to 1'), 'LLaVA-CAM': Unit('share of the largest activation'), 'TAM': Unit('share of the largest activation'), 'attention rollout': Unit('share of attention per image token')}
