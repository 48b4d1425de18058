"""Generated from models.py by .ci/stubs.py; do not edit."""
__all__ = ['MAX_NEW_TOKENS', 'Model', 'warn_cut_off']
import contextlib, hashlib, operator, re, time, warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
import torch
from PIL import Image
from torch import nn
from .answers import Answer, conversation, encode_text, prompt_text, read_tokens, same_text
from .images import open_image
from .costs import read_memory
from .inference import ThreadTuner, computing, holding, in_this_thread, quick_threads, unwrap
from .patching import patch

def _check_vision(model, processor, name: str):
    """Refuse a model or a processor that takes no image."""
    ...

def _check_pair(model, processor, name: str):
    """Refuse a processor that was made for another model."""
    ...

class Model:
    """A multimodal LLM with its processor; made by `load`."""

    def __init__(self, model, processor, name: str, revision: str | None=None, system: str | None=None, chat_template: str | None=None, chat_template_kwargs: dict | None=None, threads: int | None=None, memory: int | float | str | None=None):
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
    def attention(self) -> dict[str, str | None]:
        """The implementation of attention in both halves."""
        ...

    def record(self) -> dict:
        """What a record says of the model."""
        ...

    @property
    def decoder(self) -> torch.nn.Module:
        """The language model: the stack of layers that image and text tokens go through."""
        ...

    def output_rows(self, ids: torch.Tensor) -> torch.Tensor:
        """Rows of the output head, one per token, with what adapters add."""
        ...

    @torch.no_grad()
    def decoder_inputs(self, x: dict[str, torch.Tensor]) -> dict:
        """What the decoder gets; nothing after that is computed."""
        ...

    @property
    def image_ids(self) -> list[int]:
        """Ids of tokens that stand for an image, or for a part of one; the model's own is the first."""
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
    def timed(self, n: int) -> Iterator[None]:
        """A block that computes one batch, from which the number of threads of a CPU is learned."""
        ...

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Gradients of the inputs, but none of the weights."""
        ...

    def plain_logits(self, inputs: dict) -> torch.Tensor:
        """Logits of plain transformers, without any shortcut of this project."""
        ...

    def _write(self, turns: list[dict], **options) -> str:
        """Turns in the chat template."""
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

    @property
    def stop_ids(self) -> set[int]:
        """End-of-sequence ids, and padding where it is no ordinary token."""
        ...

    def read(self, answer: str | list[int] | Answer) -> Answer:
        """An answer that need not be the model's own."""
        ...

    def _check_answer(self, answer: Answer) -> Answer:
        """Refuse an answer whose ids say something else to this tokenizer."""
        ...

    def _space_before(self) -> tuple[str, str]:
        """How the chat template begins an answer."""
        ...

    def follow(self, answer: str | list[int] | Answer) -> Answer:
        """An answer that need not be the model's own, as it follows the prompt."""
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

    def _ended(self, row: list[int]) -> Answer:
        """The answer before the first stop; without a stop it is not complete."""
        ...

    def answer(self, image, prompt: str | list[dict]='Describe the image.', max_new_tokens: int | None=None) -> Answer:
        """The model's greedy answer."""
        ...

    @contextlib.contextmanager
    def followed(self, look: Callable[[int], None]) -> Iterator[None]:
        """A block in which the answer about one image can be read as it is generated, in this thread."""
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

class _Reached(Exception):
    """The decoder's arguments are known; there is nothing more to compute."""

def _token_id(owner) -> int | None:
    """The id of the image token as its owner knows it."""
    ...
_NOT_VARIABLES = {'messages', 'tools', 'documents', 'add_generation_prompt', 'continue_final_message', 'chat_template', 'raise_exception', 'strftime_now', 'range', 'dict', 'lipsum', 'cycler', 'joiner', 'namespace'}

def _open_images(image, prompt) -> list[Image.Image]:
    """The images of a conversation in their order, the explained one in its place."""
    ...

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
    """Warn of answers that did not come to their end."""
    ...

class _Force:
    """A rule for `generate` that allows one given token at each step."""

    def __init__(self, ids: list[int], start: int):
        ...

    def __call__(self, input_ids, scores):
        ...
