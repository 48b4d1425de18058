"""Generated from estimates.py by .ci/stubs.py; do not edit."""
__all__ = ['Estimate', 'amount', 'spread', 'estimate']
import math
from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path
import numpy as np
import pandas as pd
from ..core.connections import Traffic
from ..core.models import Model
from ..core.patching import patch
from .runs import Results, model_of, run
from .samples import Dataset, count_text, name_some
from .tables import samples_of
_COUNTED = ('forwards', 'seconds', 'bytes', 'requests', 'input_tokens', 'output_tokens')

@dataclass(frozen=True)
class Estimate:
    """What a data set takes, from some of its samples."""
    samples: int
    measured: pd.DataFrame
    price: tuple[float, float] | None = None
    failures: dict = field(default_factory=dict)
    to_load: int = 0

    @property
    def frame(self) -> pd.DataFrame:
        """Totals with their 95 % intervals (Student's t over the samples; none where one was measured)."""
        ...

    @property
    def cost(self) -> float | None:
        """The money."""
        ...

    def __repr__(self) -> str:
        ...

def _total(measured: pd.Series, samples: int) -> list[float]:
    """The total of all samples from some of them."""
    ...
_WORDS = dict(forwards='forwards', requests='requests', seconds='hours', bytes='MB', input_tokens='tokens sent', output_tokens='tokens received')
_UNITS = dict(seconds=3600.0, bytes=1000000.0)

def amount(x: float) -> str:
    """A number as people write it."""
    ...

def spread(data: Dataset) -> list[int]:
    """An order in which every beginning is evenly spread (steps of the golden ratio)."""
    ...

def _width(rows: pd.DataFrame, samples: int) -> float:
    """Half of the interval of the total number of forwards, as a share of it."""
    ...

def _read_price(price) -> tuple[float, float] | None:
    """Two prices from 0."""
    ...

def estimate(model: Model | str | dict, data, out: str | Path | None=None, probes: int | None=None, within: float=0.05, price: tuple[float, float] | None=None, prompt: str | None=None, **settings) -> Estimate:
    """What `run` with the same arguments will take, on one process."""
    ...

def _first(settings: dict) -> int:
    """Samples to begin with: more where searches stop by themselves, which some do early."""
    ...

def _counted(found: Results, sent: Traffic | None) -> pd.DataFrame:
    """What a run has counted; samples that failed share what nobody else has sent."""
    ...
