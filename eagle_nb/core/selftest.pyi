"""Generated from selftest.py by .ci/stubs.py; do not edit."""
__all__ = ['SHORTCUTS', 'Report', 'self_test', 'load']
import copy, math, threading, time, warnings, weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
import torch
from torch import Tensor
from . import checkpoints, costs, servers
from .files import error_text
from .layout import check_image_tokens, layout, regions_for, token_grid
from .models import Model
from .patching import patch
from .prompts import prompt_words
from .regions import grid
from .scores import ModelScorer, short_of_memory
from .targets import Target
SHORTCUTS = {'tiles': 'equal tiles are computed once', 'head': 'the output head runs at the answer alone', 'batch': 'several images in one forward pass', 'labels': 'variants are composed from the label map', 'windows': 'a vision tower computes windows of one size in one call'}

@dataclass(frozen=True)
class Report:
    """What the self-test found."""
    batched: float
    leak: float
    repeat: float
    image: float
    transport: float
    positions: bool
    images: tuple[str, ...]
    unsafe_shortcuts: frozenset[str]
    errors: tuple[str, ...]
    remarks: tuple[str, ...]
    seconds: float
    abilities: object = field(default=None, repr=False, compare=False)

    @property
    def problems(self) -> tuple[str, ...]:
        ...

    @property
    def ok(self) -> bool:
        ...

    def why_not(self, what: str, model: Model) -> str | None:
        """Why this model cannot do something here; None where it can."""
        ...

    @property
    def unable(self) -> tuple[str, ...] | None:
        """What this model cannot do here."""
        ...

    def __str__(self) -> str:
        """A report as text."""
        ...

def _checks(r) -> list[tuple]:
    """What was checked."""
    ...

def _not_possible(r) -> list[str]:
    """What cannot be done."""
    ...

def _target(model, ids: list[int]) -> Target:
    """All tokens of an answer."""
    ...

class _Case:
    """An image, an answer and three variants, with the probabilities that `generate` gives them."""

    def __init__(self, model):
        ...

    def scorer(self, ids: list[int] | None=None, mode: str='nearest', fill: str='black') -> ModelScorer:
        """A scorer with the shortcuts that the model is thought to allow."""
        ...

    @cached_property
    def plain(self) -> Tensor:
        """What `generate` says about each variant."""
        ...

    @property
    def want(self) -> Tensor:
        """The probability of each token of the answer."""
        ...

def _transported(case) -> float:
    """Share of elements that agree between composed variants and masked pixels; gives the shortcut up where few do."""
    ...

def _agreement(case) -> float:
    """Share of elements that agree between composed variants and masked pixels through the processor."""
    ...

def _near(a: Tensor, b: Tensor, whole: Tensor) -> float:
    """Share of elements in which two variants differ by at most 5 % of the image's range."""
    ...
_TRIALS = ((), ('tiles',), ('head',), ('windows',), ('head', 'tiles'), ('head', 'tiles', 'windows'), ('batch', 'head', 'tiles', 'windows'))

def _in_half(model) -> bool:
    ...
_EXACT = 2e-05

def _tolerance(model) -> float:
    ...

def _gap(case) -> tuple[float, str]:
    """How far a batch of the scorer is from `generate`."""
    ...

def _find_shortcuts(case) -> tuple[float, str]:
    """Give up the fewest shortcuts with which the scorer is right, or those with which it is nearest."""
    ...

def _other(ids: list[int]) -> list[int]:
    """The same answer with another last token."""
    ...

def _largest(a: Tensor, b: Tensor) -> float:
    """Largest difference of two tensors of probabilities."""
    ...

@torch.no_grad()
def _distributions(case, ids: list[int]) -> Tensor:
    """Distributions at the answer of the partly hidden image, all in one forward pass."""
    ...

def _leak_and_repeat(case) -> tuple[float, float]:
    """How much a later token moves earlier distributions, and how much two equal calls differ."""
    ...

def _finds_itself_likely(case) -> bool:
    """Are half of the tokens of the model's own answer about as likely as the likeliest?"""
    ...

def _errors(model, found: dict, why: str) -> list[str]:
    """Why probabilities would be wrong."""
    ...

def _off(model, gap: float) -> str:
    """Probabilities that are not those of `generate`."""
    ...

def _unsure(model, found: dict) -> list[str]:
    """Differences that half precision allows, and that are none in most models."""
    ...

def _remarks(model, found: dict) -> list[str]:
    """What else to know."""
    ...

def _prompt_words(case):
    """The words of the prompt, among its tokens."""
    ...
_ABILITIES = {'methods that read image tokens': lambda case: token_grid((f := case.scorer().forward), layout(f)), "regions='tokens'": lambda case: regions_for(case.model, case.image, servers.TRIAL, 'tokens'), 'prompt_words=True': _prompt_words, "fill='drop'": lambda case: _try_dropping(case), "screen='features'": lambda case: case.scorer().screened('features')}

def _error(call: Callable[[], object]) -> Exception | None:
    """The error of a call, if there is one."""
    ...
_TRIAL = threading.RLock()

class _Abilities:
    """What a model can do beyond probabilities, tried when it is first asked for."""

    def __init__(self, model: Model):
        ...

    def __getstate__(self):
        ...

    def __setstate__(self, state):
        ...

    def tried(self, model: Model) -> dict[str, str | None]:
        """Why each of them is not possible; None where it is."""
        ...

    def unable(self) -> tuple[str, ...] | None:
        """All that is not possible, with the reasons; None where nothing can be tried."""
        ...

def _try_all(model: Model) -> dict[str, Exception | None]:
    """The error of each trial; None where it is possible."""
    ...

def _reasons(errors: dict) -> dict[str, str | None]:
    """Errors as text."""
    ...

@torch.inference_mode()
def _try_dropping(case):
    """Raise an error where tokens of hidden regions cannot be left out."""
    ...

def _examine(model) -> dict:
    """All that a report says; sets the model's unsafe shortcuts on the way."""
    ...

def _failed(e: Exception) -> dict:
    """The report of a model with which not even the case can be made."""
    ...

def self_test(model: Model) -> Report | servers.ServerReport:
    """Compare the scorer with `generate`, or a server with itself, and look for what a comparison can miss."""
    ...

def load(source: str | Path | tuple='scenes-llava', dtype: str | torch.dtype | None=None, device: str | None=None, revision: str | None=None, device_map: str | dict | None=None, system: str | None=None, chat_template: str | None=None, trust_remote_code: bool=False, chat_template_kwargs: dict | None=None, threads: int | None=None, memory: int | float | str | None=None, *, check: bool=True, **settings) -> Model:
    """Load an image-text-to-text checkpoint, or connect to a served one, and test the scorer on it.

    Arguments:
        source: an embedded model, a folder, a hub id, (model, processor), a server's address
        dtype: None: float32 on a CPU; "auto": what the device computes natively
        device: None: a GPU where there is one
        revision: branch, tag or commit of a hub id
        device_map: spread the model over devices, as accelerate does; instead of `device`
        system: what the system turn says
        chat_template: a Jinja template in place of the processor's own
        trust_remote_code: run code that comes with the checkpoint: read it first
        chat_template_kwargs: variables of the template, such as dict(enable_thinking=False)
        threads: of a CPU; None for as many as help
        memory: of a GPU for a batch: 4e9, "4 GB", .5 of what is free; None: a tenth
        check: run the self-test; refuse a model whose probabilities would be wrong
        settings: for `from_pretrained`, such as quantization_config; for a server see `servers.connect`
    """
    ...

def _refuse_files(**settings):
    """Refuse settings of a checkpoint for a model that is loaded elsewhere."""
    ...

def _pass_on(name: str, report: Report | servers.ServerReport):
    """Refuse a model with errors; warn of remarks and of shortcuts that are off."""
    ...
