"""Many explanations, many machines: results that survive."""
from .. import modules_when_used

__getattr__, __dir__ = modules_when_used(__name__, __path__)
