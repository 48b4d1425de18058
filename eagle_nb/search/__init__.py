"""The order of the regions. Imports only `core`. `fast` and `rivals` add their searches, so they come with the room."""
from .. import modules_when_used
from . import fast, rivals

__getattr__, __dir__ = modules_when_used(__name__, __path__)
