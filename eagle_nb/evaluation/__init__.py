"""Many samples, many methods, one judge."""
from .. import modules_when_used

__getattr__, __dir__ = modules_when_used(__name__, __path__)
