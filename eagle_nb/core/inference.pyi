"""Generated from inference.py by .ci/stubs.py; do not edit."""
__all__ = ['unwrap', 'holding', 'in_this_thread', 'grouped_windows', 'computing', 'sent', 'thread_count', 'quick_threads', 'ThreadTuner']
import contextlib, functools, threading, time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral
import torch
import torch.nn.functional as F
from torch import nn
from .costs import chosen_threads, peak_flops
from .patching import patch

def unwrap(model):
    """The model that computes, without what is wrapped around it."""
    ...

def _without_peft(model):
    """The model with its adapters inside, where all of them are inside."""
    ...

def _check_wrapper(model):
    """Refuse an object that is no model of transformers, and name the part of it that is one."""
    ...

def _as_list(names) -> list[str]:
    ...

@dataclass
class _Held:
    """An attribute that blocks keep at a value of their own."""
    owner: object
    former: object
    blocks: int = 0
_held, _lock = ({}, threading.RLock())

def _differs(owner, name: str, value) -> bool:
    """Must a block set this attribute, or make sure that it stays?"""
    ...

def _take(owner, name: str, value) -> tuple:
    """Set an attribute; the first to do so remembers the former value."""
    ...

def _give_back(key: tuple):
    """The last to give an attribute back restores it."""
    ...

@contextlib.contextmanager
def holding(changes: Callable[[], list[tuple]]) -> Iterator[None]:
    """Attributes at other values while any block is inside."""
    ...

def _in_evaluation(net: nn.Module) -> list[tuple]:
    """Every part in evaluation mode; outputs with names, whatever the configuration says."""
    ...

def in_this_thread(hook: Callable) -> Callable:
    """The hook, for calls of the thread that makes it; those of other threads pass."""
    ...
_MARK = '_output_capturing_hooks_installed'
_ORIGIN = 'transformers.utils.output_capturing'
_hooked = {}

@contextlib.contextmanager
def _without_traces(net: nn.Module) -> Iterator[None]:
    """Hooks of transformers that appear inside are gone after the last block."""
    ...

def _leave(m: nn.Module):
    """One block less; after the last, no hooks."""
    ...
_GROUPED = 'eagle_grouped_flash'

def _windows(borders) -> dict[int, torch.Tensor | slice]:
    """The patches by the size of their window; remembered with the borders, which all layers share."""
    ...

def _by_size(borders) -> dict[int, torch.Tensor | slice]:
    """The patches by the size of their window."""
    ...

def _grouped_attention(module, query, key, value, attention_mask=None, scaling=None, cu_seq_lens_q=None, **kwargs):
    """Attention within consecutive windows, one call per window size."""
    ...

class _PatchProduct(nn.Conv3d):
    """A convolution whose kernel covers its whole input, as a matrix product."""

    def forward(self, x):
        ...

def _is_patch_cutter(conv) -> bool:
    """Is it a plain convolution without overlap and margin?"""
    ...

def _in_one_call(net: nn.Module) -> list[tuple]:
    """What makes a tower with windows compute them together; an implementation that someone chose stays."""
    ...

def grouped_windows(net: nn.Module) -> contextlib.AbstractContextManager:
    """A block in which a vision tower (Qwen2.5-VL, Qwen3-VL) computes windows of one size in one call."""
    ...
_inside = threading.local()

@contextlib.contextmanager
def computing(net: nn.Module, plain: bool=False) -> Iterator[None]:
    """A block to compute in: every part in evaluation mode; afterwards the model is as it was."""
    ...

def sent(t: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor on a device, without a wait."""
    ...

@contextlib.contextmanager
def thread_count(n: int) -> Iterator[None]:
    """A block in which this thread has torch compute on `n` threads."""
    ...

def quick_threads() -> int:
    """One thread where all together take more than twice as long as one for the same products."""
    ...

class ThreadTuner:
    """The number of threads on which a CPU computes a model fastest, found from the times of its batches."""
    size, batches = (4, 2)
    gain = 1.1
    first_wait, last_wait = (10, 160)

    def __init__(self, fixed: int | None=None, most: int | None=None, start: int | None=None):
        ...

    def neighbours(self) -> list[int]:
        """Half and twice the best number, as far as they are allowed."""
        ...

    @property
    def current(self) -> int:
        ...

    @property
    def decides(self) -> bool:
        """Is torch on `base` threads here, or on those of a block of this tuner? Otherwise someone else limits them."""
        ...

    @property
    def trying(self) -> bool:
        ...

    def record(self, n: int, seconds: float, now: float | None=None) -> None:
        """Learn from a batch; smaller ones than in a trial count for nothing."""
        ...

    def _has_fallen(self, now) -> bool:
        """Is the speed half of what it was, and is the latest trial some time ago?"""
        ...

    def _conclude(self, now):
        """A number has been tried: where it is faster it is the best, and the next one in its direction follows."""
        ...

    def _rest(self, now):
        """Set the time of the next trial: soon where this one has changed something, later each time where it has not."""
        ...

    @contextlib.contextmanager
    def block(self) -> Iterator[bool]:
        """A block on `current` threads, where the tuner decides."""
        ...
