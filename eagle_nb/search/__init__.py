"""The order of the regions. Imports only `core`. `fast` adds itself to the searches, so it comes with the room."""
from . import fast
