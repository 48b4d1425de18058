"""Generated from models.py by .ci/stubs.py; do not edit."""
__all__ = ['MAX_NEW_TOKENS', 'unwrap', 'in_this_thread', 'grouped_windows', 'Model', 'warn_cut_off']
import contextlib, functools, hashlib, operator, threading, warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from .answers import Answer, conversation, encode_text, prompt_text, read_tokens, same_text
from .images import open_image
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

def _check_vision(model, processor, name: str):
    """Refuse a model or a processor that takes no image."""
    ...

def _token_id(owner) -> int | None:
    """The id of the image token as its owner knows it."""
    ...

def _image_ids(model, processor) -> list[int]:
    """Ids of tokens that stand for an image, or for a part of one; the model's own is the first."""
    ...

def _check_pair(model, processor, name: str):
    """Refuse a processor that was made for another model."""
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
def _holding(changes: Callable[[], list[tuple]]) -> Iterator[None]:
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

class Model:
    """A multimodal LLM with its processor; made by `load`."""

    def __init__(self, model, processor, name: str, revision: str | None=None, system: str | None=None, chat_template: str | None=None, chat_template_kwargs: dict | None=None):
        ...

    def __repr__(self):
        ...

    @property
    def tokenizer(self):
        """The tokenizer of the processor."""
        ...

    @property
    def device(self) -> torch.device:
        """Where inputs go: the device of the input embeddings, or where these are taken to be computed."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the weights."""
        ...

    def place(self, v: torch.Tensor) -> torch.Tensor:
        """An input where the model is."""
        ...

    @property
    def fingerprint(self) -> str | None:
        """Which weights these are, whatever their names."""
        ...

    @property
    def architecture(self) -> str:
        """The class of transformers."""
        ...

    @property
    def model_type(self) -> str:
        """The family, as its config names it."""
        ...

    @property
    def decoder(self) -> torch.nn.Module:
        """The language model: the stack of layers that image and text tokens go through."""
        ...

    def output_rows(self, ids: torch.Tensor) -> torch.Tensor:
        """Rows of the output head, one per token, with what adapters add."""
        ...

    @property
    def image_id(self) -> int | None:
        """The id that the tokens of an image have among the input ids."""
        ...

    @contextlib.contextmanager
    def inference(self, plain: bool=False) -> Iterator[None]:
        """A block to compute in: every part in evaluation mode; afterwards the model is as it was."""
        ...

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Gradients of the inputs, but none of the weights."""
        ...

    def plain_logits(self, inputs: dict) -> torch.Tensor:
        """Logits of plain transformers, without any shortcut of this project."""
        ...

    def chat(self, prompt: str | list[dict]) -> str:
        """The prompt in the chat template."""
        ...

    def template_variables(self) -> list[str]:
        """What `chat_template_kwargs` can set: variables that the chat template reads, besides the conversation."""
        ...

    def _check_variables(self):
        """Refuse variables that the template does not read."""
        ...

    def _check_words(self, prompts: list):
        """A prompt must not contain the image token."""
        ...

    def check_length(self, n: int):
        """Refuse more tokens than the model takes."""
        ...

    def _inputs(self, images: list, prompts: list, **kw) -> dict[str, torch.Tensor]:
        """Images and prompts through the processor, one explained image per prompt."""
        ...

    def encode(self, image, prompt: str | list[dict], **images_kwargs) -> dict[str, torch.Tensor]:
        """Image and prompt as inputs of the model."""
        ...

    def check_processor(self):
        """Refuse a processor that cannot write a prompt with an image for this model."""
        ...

    def _other_mark(self) -> str:
        """What is wrong with a processor that writes another image token than the model's."""
        ...

    def _without_mark(self, text: str) -> str | None:
        """What is wrong with a chat template that writes no place for the image."""
        ...

    def _lacking(self, cause: str) -> str:
        """The error of a processor that cannot be used."""
        ...

    @torch.inference_mode()
    def _count_features(self, inputs: dict) -> str | None:
        """Do as many features come from the image as there are tokens for it?"""
        ...

    @property
    def stop_ids(self) -> set[int]:
        """End-of-sequence and padding ids."""
        ...

    def read(self, answer: str | list[int] | Answer) -> Answer:
        """An answer that need not be the model's own."""
        ...

    def _check_answer(self, answer: Answer) -> Answer:
        """Refuse an answer whose ids say something else to this tokenizer."""
        ...

    def _greedy(self, max_new_tokens: int):
        """A neutral configuration of `generate`."""
        ...

    def _generate(self, images: list, prompts: list, max_new_tokens: int) -> list[list[int]]:
        """Ids that the model appends to each prompt, padded to one length."""
        ...

    def _appended(self, y: torch.Tensor, prompts: torch.Tensor) -> list[list[int]]:
        """What follows the prompts, one row per prompt."""
        ...

    @torch.inference_mode()
    def answers(self, images: list, prompts: list, max_new_tokens: int | None=None, batch_size: int=32) -> list[Answer]:
        """Greedy answers to many questions, in batches."""
        ...

    def answer(self, image, prompt: str | list[dict]='Describe the image.', max_new_tokens: int | None=None) -> Answer:
        """The model's greedy answer."""
        ...

    @torch.inference_mode()
    def stepwise(self, x: dict[str, torch.Tensor], ids: list[int]) -> torch.Tensor:
        """Distributions over the next token, as the model generates a given answer token by token.

    `generate` itself computes them, with its cache, positions and masks; the logits are read before the rule that
    forces the answer is applied."""
        ...

def _tensors(values) -> Iterator[torch.Tensor]:
    """The tensors of a state, which a quantized layer packs in tuples."""
    ...

def _adapters(net: nn.Module) -> list[str]:
    """What the adapters of PEFT are set to: the weights do not tell which of them are on, and how strongly."""
    ...

def _digest(t: torch.Tensor) -> str:
    """A digest of the shape and of 64 evenly spaced values."""
    ...
_NOT_VARIABLES = {'messages', 'tools', 'documents', 'add_generation_prompt', 'continue_final_message', 'chat_template', 'raise_exception', 'strftime_now', 'range', 'dict', 'lipsum', 'cycler', 'joiner', 'namespace'}

def _open_images(image, prompt) -> list[Image.Image]:
    """The images of a conversation in their order, the explained one in its place."""
    ...
_ORDINARY = Image.new('RGB', (300, 200), (120, 130, 140))

def _missing_settings(model, processor) -> dict:
    """What the processor must know of the model and does not, with the model's value."""
    ...

def _cause(e: Exception) -> str:
    """An error in one line."""
    ...

class _Reached(Exception):
    """The image is in its place; there is nothing more to find out."""
_MISMATCH = ('features', 'shape', 'size of tensor')

def _before(ids: list[int], stops: set[int]) -> list[int]:
    """The ids before the first stop."""
    ...

def _as_ids(answer) -> list[int]:
    """Token ids as plain ints."""
    ...
_PLACEHOLDERS = [f'{kind}_token_{end}' for kind in ('image', 'video', 'audio') for end in ('id', 'index')]

def _placeholders(model, processor) -> list[int]:
    """Ids that only a prompt may contain."""
    ...
MAX_NEW_TOKENS = 64

def warn_cut_off(answers: list[Answer], max_new_tokens: int):
    """Warn of answers that have as many tokens as they could."""
    ...

class _Force:
    """A rule for `generate` that allows one given token at each step."""

    def __init__(self, ids: list[int], start: int):
        ...

    def __call__(self, input_ids, scores):
        ...
