"""Time decay: old labels count less, by how much was learned since and not by the clock (López de Prado 2018, 4.7)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError


def time_decay(
    uniqueness: NDArray[np.float64], oldest: float, time: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Weights that grow linearly with cumulative uniqueness up to one at the newest label; shape (n,).

    Parameters
    ----------
    uniqueness
        Average uniqueness of the labels, shape (n,).
    oldest
        The book's c, in (-1, 1]. 1 is no decay. In (0, 1) weights fall linearly towards it and stay positive. 0: they
        fall towards zero. Negative: the oldest share of -c of the cumulative uniqueness is forgotten, weight zero.
    time
        When the labels were made, shape (n,), by which they are ordered; in the given order if None.

    Raises
    ------
    ModelError
        If c is out of range, a uniqueness is negative or not finite, or all are zero.

    Notes
    -----
    The line is ``1 + slope * (cumulative - total)`` with ``slope = (1 - c) / total`` for c at least zero and
    ``1 / ((1 + c) * total)`` below. It passes c *before* the first label, whose own weight is one step above.

    References
    ----------
    López de Prado (2018), *Advances in Financial Machine Learning*, section 4.7, snippet 4.11.

    Examples
    --------
    >>> one = np.ones(4)
    >>> for oldest in (1.0, 0.5, 0.0, -0.5):
    ...     print(time_decay(one, oldest))
    [1. 1. 1. 1.]
    [0.625 0.75  0.875 1.   ]
    [0.25 0.5  0.75 1.  ]
    [0.  0.  0.5 1. ]
    """
    uniqueness = np.asarray(uniqueness, np.float64)
    if not -1 < oldest <= 1:
        raise ModelError(f"the oldest label's weight is {oldest}; it must be above -1 and at most 1")
    if len(uniqueness) == 0:
        return np.zeros(0)
    total = float(uniqueness.sum())
    if not (np.isfinite(uniqueness).all() and (uniqueness >= 0).all() and total > 0):
        raise ModelError("uniqueness must be finite and not negative, and not zero everywhere")
    order = np.arange(len(uniqueness)) if time is None else np.argsort(time, kind="stable")
    if len(order) != len(uniqueness):
        raise ModelError(f"{len(uniqueness)} labels but {len(order)} times; give one for each")
    cumulative = np.cumsum(uniqueness[order])
    slope = (1 - oldest) / cumulative[-1] if oldest >= 0 else 1 / ((1 + oldest) * cumulative[-1])
    weight = np.empty(len(uniqueness))
    weight[order] = np.maximum(1 + slope * (cumulative - cumulative[-1]), 0.0)
    return weight
