"""The order of the regions. Imports only `core`. `fast` adds itself to the searches, so it comes with the room."""
from .. import modules_when_used
from . import fast

__getattr__, __dir__ = modules_when_used(__name__, __path__)
