"""The drawn world with known truth, and models that live in it. Imports only `core`."""
from .. import modules_when_used

__getattr__, __dir__ = modules_when_used(__name__, __path__)
