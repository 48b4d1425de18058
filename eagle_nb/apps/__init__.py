"""What people open: panels, demo, benchmark, study, pages of the paper."""
from .. import modules_when_used

__getattr__, __dir__ = modules_when_used(__name__, __path__)
