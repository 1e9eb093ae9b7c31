"""Split conformal prediction sets of calibrated probabilities (Vovk et al. 2005; Sadinle, Lei and Wasserman 2019).

A threshold is taken from rows that were predicted out of fold, so that a set holds what happens with a stated
frequency, whatever the model is worth: a poor model gives sets of both sides. The guarantee is for rows that could be
exchanged; markets change, so the frequency is measured forward in time and reported beside the one asked for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.bundle.combination import Conformal

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def fit_conformal(probability: Floats, label: Integers, weight: Floats, coverage: float) -> Conformal:
    """The threshold at which sets held what happened with frequency ``coverage``, the row to come counted too.

    Parameters
    ----------
    probability, label, weight
        Of rows predicted out of fold, shape (n,); the row to come has weight one (Tibshirani et al. 2019, lemma 3).
    coverage
        Between 0 and 1. Where there are too few rows to promise it, every set has both sides.

    Examples
    --------
    >>> label = np.array([1, 1, 1, 0])
    >>> fit_conformal(np.array([0.9, 0.8, 0.7, 0.4]), label, np.ones(4), 0.6)
    Conformal(coverage=0.6, least=0.7)
    >>> fit_conformal(np.array([0.9, 0.8, 0.7, 0.4]), label, np.ones(4), 0.9)
    Conformal(coverage=0.9, least=0.0)
    """
    happened = np.where(label > 0, probability, 1.0 - probability)
    order = np.argsort(-happened, kind="stable")
    mass = np.cumsum(weight[order])
    place = int(np.searchsorted(mass, coverage * (mass[-1] + 1.0) * (1.0 - 1e-12))) if len(mass) else 0
    least = float(happened[order[place]]) if place < len(mass) else 0.0
    return Conformal(coverage, least)


def prediction_sets(conformal: Conformal, probability: Floats) -> NDArray[np.bool_]:
    """Whether down and up are in the set of each row, shape (n, 2); neither where the probability is NaN.

    `models.graph.ensemble.add_prediction_set` is the same, to the last bit, as nodes of the graph.
    """
    return np.column_stack([1.0 - probability >= conformal.least, probability >= conformal.least])
