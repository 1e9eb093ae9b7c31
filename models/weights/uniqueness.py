"""Sample weights: how much of a label is its own (López de Prado 2018, ch. 4).

Labels overlap, so a thousand of them carry the information of far fewer. The concurrency at a time is the number of
labels open then, over all instruments together; a label's average uniqueness is the mean of one over the concurrency
along its interval. Time is continuous here: concurrency is piecewise constant between the labels' ends, and the mean
is weighted by time, so that gaps between bars and unequal bars need no special case.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError


def average_uniqueness(start: NDArray[np.int64], t1: NDArray[np.int64]) -> NDArray[np.float64]:
    """The average uniqueness of labels over [start, t1), shape (n,), each in (0, 1].

    Parameters
    ----------
    start, t1
        Times of all instruments' labels together (ns), in any order, shape (n,).

    Raises
    ------
    ModelError
        If a label does not end after its start.

    Notes
    -----
    O(n log n): the integral of one over the concurrency is accumulated once over the sorted ends, and each label's
    mean is a difference of two of its values.

    Examples
    --------
    The example of López de Prado 2018, section 4.3, with labels over bars 0 to 2, 2 to 3 and 4 to 5:

    >>> average_uniqueness(np.array([0, 2, 4]), np.array([3, 4, 6])).round(4).tolist()
    [0.8333, 0.75, 1.0]
    """
    if not (t1 > start).all():
        bad = int(np.flatnonzero(t1 <= start)[0])
        raise ModelError(f"label {bad} starts at {start[bad]} and ends at {t1[bad]}; it must end after its start")
    if len(start) == 0:
        return np.zeros(0)
    times = np.unique(np.concatenate([start, t1]))
    first, last = np.searchsorted(times, start), np.searchsorted(times, t1)
    change = np.bincount(first, minlength=len(times)) - np.bincount(last, minlength=len(times))
    concurrency = np.cumsum(change)[:-1]
    share = np.divide(np.diff(times), concurrency, out=np.zeros(len(times) - 1), where=concurrency > 0)
    integral = np.concatenate([[0.0], np.cumsum(share)])
    found: NDArray[np.float64] = np.minimum((integral[last] - integral[first]) / (t1 - start), 1.0)
    return found


def effective_rows(weight: NDArray[np.float64]) -> float:
    """How many independent labels some weighted ones amount to: the sum of their average uniqueness."""
    return float(weight.sum())
