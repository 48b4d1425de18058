"""A model as one function, from visible regions to probabilities. Imports no other room."""
from .. import modules_when_used

__getattr__, __dir__ = modules_when_used(__name__, __path__)
