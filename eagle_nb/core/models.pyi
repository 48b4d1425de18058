"""Generated from models.py by .ci/stubs.py; do not edit."""
__all__ = ['group_windows', 'Model']
import contextlib, hashlib, operator
from collections.abc import Iterator
import torch
import torch.nn.functional as F
from PIL import Image
from .answers import Answer, conversation, prompt_text, read_tokens
from .images import open_image
from .patching import patch

def _check_vision(model, processor, name: str):
    """Refuse a model or a processor that takes no image."""
    ...

def _token_id(owner) -> int | None:
    """The id of the image token as its owner knows it."""
    ...

def _image_id(model, processor) -> int | None:
    """The id of the token that stands for an image, or for a part of one."""
    ...

def _check_pair(model, processor, name: str):
    """Refuse a processor that was made for another model."""
    ...
_GROUPED = 'eagle_grouped_flash'

def _grouped_attention(module, query, key, value, attention_mask=None, scaling=None, cu_seq_lens_q=None, **kwargs):
    """Attention within consecutive windows, one call per window size."""
    ...

def _as_matrix_product(conv):
    """Let a patch embedding compute its convolution as a matrix product."""
    ...

def group_windows(model, on: bool=True) -> bool:
    """Let a vision tower with windows (Qwen2.5-VL, Qwen3-VL) compute those of one size in one call."""
    ...

class Model:
    """A multimodal LLM with its processor; made by `load`."""

    def __init__(self, model, processor, name: str, revision: str | None=None, system: str | None=None, chat_template: str | None=None):
        ...

    def __repr__(self):
        ...

    @property
    def tokenizer(self):
        """The tokenizer of the processor."""
        ...

    @property
    def device(self) -> torch.device:
        """Where inputs go: the device of the input embeddings."""
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
        """Rows of the output head, one per token."""
        ...

    @property
    def image_id(self) -> int | None:
        """The id that the tokens of an image have among the input ids."""
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
        """End-of-sequence and padding ids."""
        ...

    def read(self, answer: str | list[int] | Answer) -> Answer:
        """An answer that need not be the model's own."""
        ...

    def _generate(self, images: list, prompts: list, max_new_tokens: int) -> list[list[int]]:
        """Ids that the model appends to each prompt, padded to one length."""
        ...

    @torch.inference_mode()
    def answers(self, images: list, prompts: list, max_new_tokens: int=64, batch_size: int=32) -> list[Answer]:
        """Greedy answers to many questions, in batches."""
        ...

    def answer(self, image, prompt: str | list[dict]='Describe the image.', max_new_tokens: int=64) -> Answer:
        """The model's greedy answer."""
        ...

def _digest(t: torch.Tensor) -> str:
    """A digest of the shape and of 64 evenly spaced values."""
    ...

def _open_images(image, prompt) -> list[Image.Image]:
    """The images of a conversation in their order, the explained one in its place."""
    ...

def _before(ids: list[int], stops: set[int]) -> list[int]:
    """The ids before the first stop."""
    ...

def _as_ids(answer) -> list[int]:
    """Token ids as plain ints."""
    ...
