"""Precision at coverage: how often the side that was called happens, where the caller is surest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def surest(probability: Floats, weight: Floats, coverage: float) -> NDArray[np.bool_]:
    """The rows furthest from one half that make up a share of the weight, shape (n,); ties are taken together.

    Chosen over all rows at once: what a threshold known beforehand would have chosen differs a little.

    Examples
    --------
    >>> surest(np.array([0.5, 0.9, 0.2, 0.55]), np.ones(4), 0.5).tolist()
    [False, True, True, False]
    """
    distance = np.abs(probability - 0.5)
    order = np.argsort(-distance, kind="stable")
    mass = np.cumsum(weight[order])
    last = min(int(np.searchsorted(mass, coverage * mass[-1] * (1.0 - 1e-12))), len(order) - 1)
    chosen: NDArray[np.bool_] = distance >= distance[order[last]]
    return chosen


def called_right(probability: Floats, label: NDArray[np.int64]) -> Floats:
    """1 where the more probable side happened, else 0; one half calls label 1. Shape (n,)."""
    right: NDArray[np.bool_] = (probability >= 0.5) == (label > 0)
    return right.astype(np.float64)
