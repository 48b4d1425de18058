"""Where multimodal LLMs look and what they rely on.

The names in `__all__` are the public surface, and the rooms hold the rest. Each is imported when it is first used,
so that `import eagle_nb` costs nothing.
"""
import sys

if sys.version_info < (3, 10):
    raise ImportError("eagle-nb needs Python 3.10 or newer, this is %d.%d" % sys.version_info[:2])

import re
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING

__version__ = "0.2.0"
DATA = Path(__file__).parent/"data"  # the sprite sheet and the embedded models

if TYPE_CHECKING:  # what type checkers and completion see; at run time `__getattr__` does it
    from .apps.explorer import Explorer
    from .apps.scene_editor import SceneEditor
    from .core.models import Model
    from .core.regions import Regions
    from .core.selftest import load
    from .evaluation import datasets
    from .evaluation.runner import evaluate
    from .explanation.explanation import Explanation, explain
    from .explanation.hallucination import Correction, correct
    from .runs.runs import run
    from .runs.samples import Sample
    from .world import scenes

_NEEDS = {"torch": (2, 9), "transformers": (5, 17)}  # the oldest that work, as in settings.ini
_CPU = "without an NVIDIA GPU, add --index-url https://download.pytorch.org/whl/cpu, which saves gigabytes"


@cache
def check_versions():
    "Refuse a torch or transformers that is missing or too old, by name and with the remedy."
    for name, least in _NEEDS.items():
        try: have = version(name)
        except PackageNotFoundError: have = None
        numbers = re.match(r"v?(\d+)\.(\d+)", have or "")
        if numbers and tuple(map(int, numbers.groups())) >= least: continue
        wanted = f"{name}>={least[0]}.{least[1]}"
        raise ImportError(f"eagle-nb needs {wanted}, and {'none is installed' if have is None else have + ' is installed'}: "
                          f"pip install '{wanted}'" + (f"; {_CPU}" if name == "torch" else ""))


_HOME = {"load": "core.selftest", "Model": "core.models", "Regions": "core.regions",
         "explain": "explanation.explanation", "Explanation": "explanation.explanation",
         "correct": "explanation.hallucination", "Correction": "explanation.hallucination",
         "run": "runs.runs", "Sample": "runs.samples", "evaluate": "evaluation.runner", "Explorer": "apps.explorer",
         "SceneEditor": "apps.scene_editor"}
_MODULES = {"scenes": "world.scenes", "datasets": "evaluation.datasets"}
_ROOMS = ("core", "search", "world", "explanation", "runs", "evaluation", "apps")
__all__ = ["__version__", *_HOME, *_MODULES]


def __getattr__(name):
    if name in _HOME: return getattr(import_module(f"eagle_nb.{_HOME[name]}"), name)
    if name in _MODULES: return import_module(f"eagle_nb.{_MODULES[name]}")
    if name in _ROOMS: return import_module(f"eagle_nb.{name}")
    raise AttributeError(f"module 'eagle_nb' has no attribute {name!r}: it has {', '.join(__all__)}, "
                         f"and the rooms {', '.join(_ROOMS)}")


def __dir__(): return sorted([*__all__, *_ROOMS])


def modules_when_used(room, folders):
    "`__getattr__` and `__dir__` of a room: its modules, each imported when it is first used."
    check_versions()
    modules = [m.name for m in iter_modules(folders)]
    def get(name):
        if name in modules: return import_module(f"{room}.{name}")
        raise AttributeError(f"module {room!r} has no attribute {name!r}: it has {', '.join(modules)}")
    return get, lambda: sorted(modules)
