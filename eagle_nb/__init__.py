"""Where multimodal LLMs look and what they rely on.

The names in `__all__` are the public surface. Each is imported when it is first used, so that
`import eagle_nb` costs nothing.
"""
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

__version__ = "0.1.0"
DATA = Path(__file__).parent/"data"  # the sprite sheet and the embedded models

_HOME = {"load": "selftest", "Model": "models", "explain": "explain", "Explanation": "explain", "Regions": "regions", "evaluate": "evaluation", "correct": "hallucination", "Correction": "hallucination"}
_MODULES = ("regions", "models", "costs", "targets", "forward", "scores", "selftest", "layout", "surrogate", "orders", "prompts", "search", "quality", "modality", "plots", "words", "metrics", "hallucination", "scenes", "training", "shapes", "baselines", "methods", "datasets", "evaluation", "examples", "benchmark", "study", "widgets", "demo", "paper")
__all__ = ["__version__", *_HOME, "scenes"]


class _Package(ModuleType):
    "`eagle_nb.explain` is the function, also after the module of that name has been imported."
    def __setattr__(self, name, value):
        super().__setattr__(name, value.explain if name == "explain" and isinstance(value, ModuleType) else value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name):
    if name in _HOME: return getattr(import_module(f"eagle_nb.{_HOME[name]}"), name)
    if name in _MODULES: return import_module(f"eagle_nb.{name}")
    raise AttributeError(f"module 'eagle_nb' has no attribute {name!r}: it has {', '.join(__all__)}")


def __dir__(): return sorted(__all__)
