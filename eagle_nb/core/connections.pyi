"""Generated from connections.py by .ci/stubs.py; do not edit."""
__all__ = ['OPENAI', 'Refused', 'Unanswered', 'CapReached', 'Garbled', 'read_url', 'is_local', 'read_key', 'Traffic', 'Connection']
import contextlib, ipaddress, json, os, queue, random, threading, time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from numbers import Integral, Real
from urllib.parse import urlsplit
from .patching import patch

class Refused(ValueError):
    """The server understood the request and will not answer it."""

    def __init__(self, message: str, status: int):
        ...

class Unanswered(ConnectionError):
    """No answer that can be used, however often the server was asked."""

    def __init__(self, message: str, ends_run: bool=False, garbled: bool=False):
        ...

class CapReached(ValueError):
    """All requests that were allowed are spent."""
    ends_run = True

class Garbled(ValueError):
    """An answer that cannot be read; it is asked for again."""

class _Again(Exception):
    """A failure that may pass."""

    def __init__(self, why: str, wait: float | None=None, garbled: bool=False):
        ...
OPENAI = 'https://api.openai.com'

def read_url(url: str) -> str:
    """The address of a server, checked."""
    ...

def is_local(url: str) -> bool:
    """Is it this machine?"""
    ...

def read_key(url: str, key_env: str | None) -> str | None:
    """The key for a server, from the environment."""
    ...

@dataclass
class Traffic:
    """What has been sent and answered."""
    requests: int = 0
    answers: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    untold: int = 0

    def since(self, before: 'Traffic') -> 'Traffic':
        """What came after a copy was made."""
        ...

    def copy(self) -> 'Traffic':
        ...

class Connection:
    """A server, and how hard it may be asked."""
    waits = (0.5, 20.0)
    patience = 120.0

    def __init__(self, url: str, key_env: str | None=None, concurrency: int=8, timeout: float=120.0, retries: int=5, rate: float | None=None, max_requests: int | None=None):
        ...

    def __repr__(self):
        ...

    def _once(self, method: str, url: str, body: dict | None, read: Callable):
        """Send a request and read its answer."""
        ...

    def _no_answer(self, e) -> Exception:
        """A failure of the transport: one of encryption does not pass."""
        ...

    def clean(self, text: str) -> str:
        """A text without the key."""
        ...

    def _counted(self, value, answer: dict):
        """Count an answer that could be read."""
        ...

    def _take_turn(self):
        """Wait for the rate, and refuse what is over the cap."""
        ...

    def _check_cap(self):
        """Refuse a request too many."""
        ...

    def _pause(self, seconds: float):
        """Wait, unless the others of this batch have failed meanwhile."""
        ...

    def ask(self, path: str, body: dict | None=None, read: Callable=lambda answer: answer):
        """The answer to a request, as `read` gives it."""
        ...

    def _wait(self, url: str, last: _Again, attempt: int):
        """Wait before a request is sent again: as long as the server asks, or twice as long as before."""
        ...

    def is_up(self) -> bool:
        """Does the server answer anything at all?"""
        ...

    def each(self, jobs: list[Callable[[], object]], found: Callable[[int, object], None]=lambda i, value: None) -> list:
        """The results of jobs, several of which run at once."""
        ...

def _check_whole(least: int, **settings):
    """Refuse what is no whole number from `least`; None is one's own choice."""
    ...

def _check_positive(**settings):
    """Refuse what is no number above 0; None is no limit."""
    ...

def _http_client(url: str, timeout: float):
    """A client of HTTP; proxies of the environment are for other machines."""
    ...
_PASSING = {408, 409, 425, 429}
_LASTING = {501, 505}

class _Key:
    """Sets the header of a request, so that no key is among the variables of a traceback."""

    def __init__(self, connection: Connection):
        ...

    def __call__(self, request):
        ...

def _hint(status: int) -> str:
    """What to do about a refusal."""
    ...

def _asked_wait(r) -> float | None:
    """How long the server asks us to wait."""
    ...
