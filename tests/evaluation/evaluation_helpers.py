"What the tests of evaluations share: quick settings, two methods of one's own, results by hand."
import numpy as np
import pandas as pd

from eagle_nb.core import costs
from eagle_nb.evaluation.results import Evaluation

QUICK = dict(regions=9, show_progress=False)


def left_to_right(model, image, prompt, target):
    "A map that falls from the left edge to the right one."
    return -np.broadcast_to(np.arange(image.shape[1], dtype=float), image.shape[:2])


def by_number(model, image, prompt, target, regions):
    "The order in which the regions are numbered."
    return np.arange(len(regions))


def counted():
    "Forward passes so far."
    return costs.spent["forwards"]


def frame(**columns):
    "An evaluation with these values of auc_gap, method by method; None where there is no result."
    rows = [dict(key=str(k), method=m, auc_gap=v, note=None, insertion=v)
            for m, values in columns.items() for k, v in enumerate(values) if v is not None]
    return Evaluation(pd.DataFrame(rows), {}, {})
