"""One explanation and all that it shows. Imports `core` and `search`."""
from .. import modules_when_used

__getattr__, __dir__ = modules_when_used(__name__, __path__)
