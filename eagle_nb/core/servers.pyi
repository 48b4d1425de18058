"""Generated from servers.py by .ci/stubs.py; do not edit."""
__all__ = ['PREFILLS', 'Read', 'WAYS', 'TRIAL', 'image_url', 'messages', 'HttpBackend', 'VllmBackend', 'SaidTokens', 'find_tokenizer', 'ServedModel', 'ForcedAnswer', 'InputLogprobs', 'NextToken', 'TopLogprobs', 'Sampling', 'ServerScorer', 'make_scorer', 'trial_image', 'find_way', 'ServerReport', 'examine', 'is_served', 'connect']
import base64, contextlib, hashlib, inspect, math, re, time, warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral
from pathlib import Path
import cv2
import numpy as np
import torch
from torch import Tensor
from .. import DATA
from .answers import Answer, conversation, same_text
from .checkpoints import EMBEDDED
from .connections import CapReached, Connection, Garbled, Refused, Unanswered
from .costs import spent
from .files import error_text
from .images import DROP, fill_image, mask_image, open_image
from .models import MAX_NEW_TOKENS, Model, warn_cut_off
from .patching import patch
from .regions import Regions, grid
from .scores import MODES, ModelScorer, Scorer, packed
from .targets import Target

def image_url(image: np.ndarray) -> str:
    """An image as text, without loss."""
    ...

def messages(image: np.ndarray, prompt: str | list[dict], system: str | None=None, said: str | None=None) -> list[dict]:
    """A conversation as a server reads it."""
    ...

def _content(parts: list[dict], shown: Iterator[np.ndarray]) -> str | list[dict]:
    """The content of a turn: text alone as text, for servers that take nothing else in a system turn."""
    ...

@dataclass
class HttpBackend:
    """A server with the interface of OpenAI."""
    connection: Connection
    name: str
    about: str = ''
    known: tuple | None = None
    others: tuple[str, ...] = ()

    def chats(self, bodies: list[Callable[[], dict]], read: Callable[[int, dict], object], found: Callable[[int, object], None]=lambda i, value: None) -> list:
        """What `read` finds in the answer to each conversation."""
        ...

    def generates(self, bodies: list[Callable[[], dict]], read: Callable[[int, dict], object], found: Callable[[int, object], None]=lambda i, value: None) -> list:
        """The same for texts, by SGLang's own interface."""
        ...

    def same(self, answer: dict) -> dict:
        """Refuse an answer of another model than before."""
        ...

@dataclass
class VllmBackend:
    """An `LLM` of vLLM in this process."""
    llm: object
    about: str = ''
    others: tuple = ()

    def chats(self, bodies, read, found=lambda i, value: None) -> list:
        """See `HttpBackend.chats`; all conversations go to the engine together."""
        ...

    def _run(self, asked: list[dict]) -> list:
        """The outputs of vLLM; conversations that begin an answer and those that do not go one after the other."""
        ...

def _sampling(body: dict):
    """What vLLM takes of a request."""
    ...
_OF_TEMPLATE = ('add_generation_prompt', 'continue_final_message', 'chat_template', 'chat_template_kwargs')

def _as_answer(o) -> dict:
    """An output of vLLM as its server would give it."""
    ...

class SaidTokens:
    """The tokens of an endpoint whose tokenizer is not known: those that it has said."""
    all_special_ids, added_tokens_decoder = ((), {})
    bos_token = bos_token_id = eos_token_id = pad_token_id = chat_template = None

    def __init__(self):
        ...

    def __len__(self):
        ...

    def add(self, texts: list[str]) -> list[int]:
        """The ids of tokens, old or new."""
        ...

    def encode(self, text: str, **options) -> list[int]:
        """A text in the longest tokens that are known."""
        ...

    def decode(self, ids: list[int], **options) -> str:
        ...

    def convert_ids_to_tokens(self, ids):
        ...

def find_tokenizer(tokenizer, *names: str) -> tuple[object, str]:
    """The tokenizer that belongs to a served model."""
    ...

class ServedModel(Model):
    """A multimodal LLM behind a server, or in vLLM's engine; made by `load`."""

    def __init__(self, backend: HttpBackend | VllmBackend, name: str, tokenizer, way: str | None=None, top: int=20, samples: int=100, system: str | None=None, chat_template: str | None=None, chat_template_kwargs: dict | None=None):
        ...

    def __repr__(self):
        ...
    tokenizer = property(lambda self: self.seen_tokenizer)
    processor = property(lambda self: self.seen_tokenizer)
    fingerprint = None
    device, dtype, architecture, memory = (torch.device('cpu'), None, 'served', None)
    knows_tokens = property(lambda self: not isinstance(self.seen_tokenizer, SaidTokens))

    @property
    def model(self):
        ...

    @property
    def connection(self) -> Connection | None:
        ...

    def record(self) -> dict:
        """What a record says of it."""
        ...

    @property
    def image_ids(self) -> list[int]:
        """The id of the image token, if the tokenizer tells."""
        ...

    @property
    def stop_ids(self) -> set[int]:
        """Ids that end an answer."""
        ...

    def check_length(self, n: int):
        """The server knows what it takes."""
        ...

    def _inputs(self, *args, **kwargs):
        ...

    def followed(self, look):
        ...

    def asks(self, image: np.ndarray, prompt: str | list[dict], said: str | None=None, **options) -> dict:
        """The body of a request."""
        ...

    def answers(self, images: list, prompts: list, max_new_tokens: int | None=None, batch_size: int=32) -> list[Answer]:
        """Greedy answers to many questions; `batch_size` is of no meaning to a server."""
        ...

    def _answered(self, images, prompts, limit: int, likely: bool) -> list[tuple[Answer, list[float]]]:
        """Answers with the probabilities of their tokens; empty where the server does not tell."""
        ...

    def _heard(self, answer: dict, limit: int) -> tuple[Answer, list[float]]:
        """An answer from what the server sends."""
        ...

    def _by_ids(self, text: str, ids: list[int] | None) -> Answer:
        """An answer in the tokens in which a server reads it."""
        ...

    def _by_its_tokens(self, text: str, steps: list[dict]) -> Answer:
        """An answer in the tokens that the endpoint names, or in words where it names none."""
        ...

    def _space_before(self) -> tuple[str, str]:
        """See `Model.follow`; nothing where no chat template is known."""
        ...

    def follow(self, answer: str | list[int] | Answer) -> Answer:
        """See `Model.follow`."""
        ...

    @property
    def names_ids(self) -> bool:
        """Does the server name tokens by their ids where it is asked to? vLLM does."""
        ...
PREFILLS = (dict(add_generation_prompt=False, continue_final_message=True), dict(prefix=True), {})
_NEUTRAL = dict(repetition_penalty=1.0, presence_penalty=0.0, frequency_penalty=0.0, min_p=0.0)
Read = tuple[np.ndarray, np.ndarray, np.ndarray]

def _sure(p: list[float]) -> Read:
    ...

def _probability(logprob: float) -> float:
    """A probability from its logarithm."""
    ...

def _refuse_ids(model: ServedModel, got: list[int], ids: list[int]):
    """Refuse probabilities of other tokens than those that were meant, or after another prompt."""
    ...

def _whole_characters(model: ServedModel, target: Target) -> list[int]:
    """The ids of an answer up to the last target token, and on to the end of a character."""
    ...

class ForcedAnswer:
    """The log-probabilities of all tokens of an answer that is forced (vLLM)."""
    requests, exact = (1, True)

    def __init__(self, model: ServedModel, prompt: str | list[dict], target: Target):
        ...
    send = property(lambda self: self.model.backend.chats)

    def prepare(self, image: np.ndarray):
        """Find the text that the server reads as the answer's tokens, right after the prompt."""
        ...

    def _ids_of(self, image: np.ndarray, said: str | None) -> list[int]:
        """What the server reads."""
        ...

    def _told(self, answer: dict) -> tuple[list, list[int]]:
        ...

    def body(self, image: np.ndarray, k: int) -> dict:
        ...

    def together(self, parts: list[Read]) -> Read:
        ...

    def read(self, answer: dict, k: int) -> Read:
        ...

class InputLogprobs(ForcedAnswer):
    """The same as SGLang's `/generate` gives it."""

    def __init__(self, model: ServedModel, prompt: str | list[dict], target: Target):
        ...
    send = property(lambda self: self.model.backend.generates)

    def prepare(self, image: np.ndarray):
        ...

    def _ids_of(self, image: np.ndarray, said: str | None) -> list[int]:
        ...

    def _told(self, answer: dict) -> tuple[list, list[int]]:
        ...

    def _body(self, image: np.ndarray, said: str, start: int) -> dict:
        ...

    def body(self, image: np.ndarray, k: int) -> dict:
        ...

    def read(self, answer: dict, k: int) -> Read:
        ...

class NextToken:
    """One request for each target token; a subclass reads its probability."""
    exact, columns = (False, None)

    def __init__(self, model: ServedModel, prompt: str | list[dict], target: Target):
        ...
    send = property(lambda self: self.model.backend.chats)
    requests = property(lambda self: len(self.ids))

    def together(self, parts: list[Read]) -> Read:
        ...

    def _check_begun(self, said: str, ids: list[int]):
        """Refuse the beginning of an answer that text cannot tell."""
        ...

    def prepare(self, image: np.ndarray):
        """Know what the server reads before an answer, where it tells."""
        ...

    def check(self, answer: dict, k: int):
        """Refuse the next token after something else."""
        ...

    def forms(self, k: int) -> set[str]:
        """How a server may write a target token: with the space before it, where the server tells such spaces."""
        ...

    def has_twin(self, k: int) -> bool:
        """Whether a server that tells no spaces writes another token in the same way."""
        ...

class TopLogprobs(NextToken):
    """The likeliest next tokens."""

    def body(self, image: np.ndarray, k: int) -> dict:
        ...

    def read(self, answer: dict, k: int) -> Read:
        ...

    def _rest(self, p: list[float], said: float) -> float:
        """What any token has at most that is not listed."""
        ...

    def _find(self, listed: list[tuple[str, float]], rest: float, k: int) -> Read:
        """The probability of a target token: its own, if one that is listed is surely it."""
        ...

class Sampling(NextToken):
    """How often a target token is said."""

    @property
    def requests(self) -> int:
        ...

    def body(self, image: np.ndarray, k: int) -> dict:
        ...

    def read(self, answer: dict, k: int) -> tuple[int, int]:
        ...

    def _says(self, choice: dict, token: int) -> bool:
        """By its id where that is told; otherwise by its text, in which space does not count."""
        ...

    def together(self, parts: list[tuple[int, int]]) -> Read:
        """Shares with the interval of Clopper and Pearson, which holds the truth in at least 95 % of cases."""
        ...
WAYS = dict(prompt_logprobs=ForcedAnswer, input_logprobs=InputLogprobs, top_logprobs=TopLogprobs, sampling=Sampling)
_NEAR = 0.05

class ServerScorer(Scorer):
    """Probabilities of an answer's tokens from a served model."""
    remedy = "look at the server's log"
    mode, left_out, tokens = ('pixels', None, None)

    def __init__(self, model: ServedModel, image: np.ndarray, prompt: str | list[dict], target: Target, regions: Regions, fill: str | np.ndarray='black', batch_size: int | None=None, seed: int=0):
        ...

    def compute(self, keep: Tensor) -> Tensor:
        """One batch of requests."""
        ...

    def _digest(self) -> str:
        """What is asked, apart from the sets."""
        ...

    def _body(self, row: np.ndarray, r: int) -> dict:
        ...

    def _together(self, key: bytes, parts: list[Read]) -> Tensor:
        """All tokens of one image from the answers to its requests."""
        ...

    def bounds(self, keep: Tensor) -> tuple[Tensor, Tensor]:
        """Between what bounds the probabilities of the target tokens lie; equal where they are exact."""
        ...

    def uncertainty(self) -> dict:
        """How sure the probabilities are that were scored; an error where the server has become another one meanwhile."""
        ...

    def _check_same(self):
        """Ask for a set again, and refuse another answer than before."""
        ...

def make_scorer(model: Model, image: np.ndarray, prompt: str | list[dict], target: Target, regions: Regions, fill: str | np.ndarray='black', mode: str='nearest', batch_size: int | None=None, seed: int=0) -> Scorer:
    """From visible regions to probabilities of the target, with any model; see `ModelScorer` for the arguments.

    What travels to a server is masked in its pixels, whatever the mode."""
    ...
TRIAL = 'Describe the image.'

@dataclass
class _Trial:
    """A small image, what the model says about it, and why some ways are not possible."""
    image: np.ndarray
    answer: Answer
    said_at: list[float]
    unable: dict[str, str]

def trial_image() -> np.ndarray:
    """The image of every self-test: patches of colour, blended."""
    ...

@contextlib.contextmanager
def _briefly(model: ServedModel) -> Iterator[None]:
    """A block in which a request that fails is asked again once: what a server lacks does not come by waiting."""
    ...

def _whole_target(answer: Answer, most: int=4) -> Target:
    """The first tokens of an answer."""
    ...

def _first_answer(model: ServedModel, image: np.ndarray) -> tuple[Answer, list[float]]:
    """What the model says, with probabilities where the server tells them."""
    ...

def _goes_on(model: ServedModel, trial: _Trial) -> bool:
    """Is the next token after half of an answer the one that the answer has there?"""
    ...

def _find_prefill(model: ServedModel, trial: _Trial):
    """How this server is given the beginning of an answer; none if it does not go on with it."""
    ...

def _count_choices(model: ServedModel, trial: _Trial):
    """How many samples one request gives."""
    ...

def _try_way(model: ServedModel, name: str, trial: _Trial) -> str:
    """Score the trial in one way."""
    ...

def find_way(model: ServedModel, wanted: str | None=None) -> _Trial:
    """Find out how a server tells probabilities; sets `way`, `prefill` and `choices` of the model."""
    ...

@dataclass(frozen=True)
class ServerReport:
    """What the self-test of a served model found."""
    backend: str
    way: str
    exact: bool
    generated: float
    repeat: float
    image: float
    width: float
    tokens: str
    continues: bool
    requests: int
    rate: float
    errors: tuple[str, ...]
    remarks: tuple[str, ...]
    unable: tuple[str, ...]
    seconds: float
    unsafe_shortcuts: frozenset = frozenset()

    @property
    def problems(self) -> tuple[str, ...]:
        ...

    @property
    def ok(self) -> bool:
        ...

    def __str__(self):
        ...
_KEEP = torch.tensor([[True] * 4, [True, False, False, True], [False] * 4])

def _alone(scorer: ServerScorer) -> Tensor:
    ...

def _compare_tokens(model: ServedModel) -> tuple[str, str]:
    """Whether the server cuts some texts as the tokenizer here does."""
    ...

def _compare_prompt(model: ServedModel, theirs: list[int] | None) -> str:
    """Whether the server writes the prompt as the chat template here does."""
    ...

def _without_images(model: ServedModel, ids: list[int]) -> set[tuple[int, ...]]:
    """Ids without those of images, with and without the marks around them; the beginning of a text does not count."""
    ...

def _tested(model: ServedModel, trial: _Trial) -> dict:
    """All that a report says."""
    ...
_LACKING = ("prompt_words, regions='tokens', fill='drop', screen=... (they need the model's own inputs)", 'methods that read gradients, attention or hidden states')

def _server_errors(found: dict) -> list[str]:
    """Why probabilities would be wrong."""
    ...

def _server_remarks(model: ServedModel, found: dict, begin: list[int] | None) -> list[str]:
    """What else to know."""
    ...

def examine(model: ServedModel) -> ServerReport:
    """Compare what a server tells with what it says, and look for what a comparison can miss."""
    ...

def is_served(source) -> bool:
    """Is it the address of a server, or an `LLM` of vLLM?"""
    ...

def _served_name(connection: Connection, wanted: str | None) -> tuple[str, dict]:
    """The model to ask, of those that a server has."""
    ...

def _software(connection: Connection, told: dict) -> str:
    """What runs there, with its version where it is told."""
    ...

def connect(source: str | object, model: str | None=None, tokenizer=None, way: str | None=None, top: int=20, samples: int=100, system: str | None=None, chat_template: str | None=None, chat_template_kwargs: dict | None=None, **settings) -> ServedModel:
    """A model behind a server, with the way in which it tells probabilities."""
    ...

def _check_connect(top, samples, system, tokenizer, settings: dict):
    """Refuse settings that make no sense."""
    ...

def _http(url: str, model: str | None, settings: dict) -> tuple[HttpBackend, list[str]]:
    """A back end for a server, and names under which its tokenizer may be found."""
    ...

def _in_process(llm, model: str | None, settings: dict) -> tuple[VllmBackend, list[str]]:
    """The same for an engine in this process."""
    ...
