"""Generated from store.py by .ci/stubs.py; do not edit."""
__all__ = ['FORMAT', 'to_line', 'from_line', 'read_lines', 'list_or_text', 'plain_json', 'lock_file', 'Store']
import contextlib, errno, json, os, warnings, zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from ..core.patching import patch
FORMAT = 1
_MARK, _TAIL = (b',"crc":"', 18)
_parse = json.JSONDecoder().raw_decode

def to_line(record: dict) -> bytes:
    """A record as a line that ends with its checksum (CRC-32)."""
    ...

def from_line(line: bytes, summed: bool=False) -> dict:
    """The record of a line; an error where it is not as it was written."""
    ...

def read_lines(path: Path, damaged: list[int] | None=None) -> tuple[list[dict], bool]:
    """The lines of a file of results; the last may be cut off."""
    ...

def list_or_text(v) -> list | str:
    """An array as a list, anything else as text."""
    ...

def plain_json(value, default: Callable=list_or_text):
    """The value as it comes back from a JSON file."""
    ...

def lock_file(file, path: Path):
    """Keep other processes from writing this file until it is closed."""
    ...

class Store:
    """Records under keys, in a file of JSON lines that can be stopped and resumed, or in memory only."""

    def __init__(self, path: Path | str | None, head: dict, may_change: Iterable[str]=(), by: tuple[str, ...]=('key',), forgive: bool=False):
        ...

    def __enter__(self):
        ...

    def __exit__(self, *error):
        ...

    def take(self, line: dict):
        """Sort one line in."""
        ...

    def key_of(self, record: dict) -> str | tuple[str, ...]:
        """The key of a record: one value, or a tuple where several fields make it."""
        ...

    @property
    def rows(self) -> list[dict]:
        """All records, in the order in which their keys first came."""
        ...

    @property
    def records(self) -> dict:
        """Key -> record without the fields of the key."""
        ...

    @property
    def about(self) -> dict:
        """The settings that all records share."""
        ...

    def add(self, **record):
        """Write a record to the file, then know it."""
        ...

    def _write(self, line):
        """One line, out of this process before the next result begins; whole or not at all."""
        ...

    def close(self):
        """Let others write the file."""
        ...

    def check_head(self, given: dict):
        """Refuse settings other than those of the file."""
        ...

    def _open(self):
        """Begin the file or resume it; nobody else may write meanwhile."""
        ...

    def _read(self) -> tuple[list[dict], bool]:
        """The lines of the file; damaged ones are named, or left out."""
        ...

    def _resume(self, lines, whole):
        """Know what the file holds, if it was made with these settings."""
        ...

    def _repair(self, lines):
        """Cut off a last line that is damaged, or end one that lacks only its line break."""
        ...

    @classmethod
    def read(cls, path: Path | str, **kwargs) -> Store:
        """What a file of results holds."""
        ...
