"""Average uniqueness: how much of a label is its own (López de Prado 2018, section 4.4).

A label's average uniqueness is the mean of one over the concurrency along its interval. Time is continuous here:
concurrency is piecewise constant between the labels' ends, and the mean is weighted by time, so that gaps between bars
and unequal bars need no special case.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel
from models.weights.overlaps import ascending, check_intervals


@kernel
def uniqueness(
    start: NDArray[np.int64],
    t1: NDArray[np.int64],
    by_start: NDArray[np.int64],
    by_end: NDArray[np.int64],
    found: NDArray[np.float64],
) -> None:
    """Fill each label's average uniqueness, walking starts and ends together in time.

    The integral of one over the concurrency is accumulated once; a label's mean is a difference of two of its values,
    the first of which waits in ``found``.
    """
    size = start.shape[0]
    first, last, open_now = 0, 0, 0
    integral = 0.0
    before = start[by_start[0]] if size > 0 else 0
    while last < size:
        now = min(start[by_start[first]], t1[by_end[last]]) if first < size else t1[by_end[last]]
        if open_now > 0:
            integral += float(now - before) / float(open_now)
        before = now
        while first < size and start[by_start[first]] == now:
            found[by_start[first]] = integral
            first += 1
            open_now += 1
        while last < size and t1[by_end[last]] == now:
            label = by_end[last]
            found[label] = min((integral - found[label]) / float(t1[label] - start[label]), 1.0)
            last += 1
            open_now -= 1


def average_uniqueness(start: NDArray[np.int64], t1: NDArray[np.int64]) -> NDArray[np.float64]:
    """The average uniqueness of labels over [start, t1), shape (n,), each in (0, 1].

    Parameters
    ----------
    start, t1
        Times of all instruments' labels together (ns), in any order, shape (n,).

    Raises
    ------
    ModelError
        If the arrays differ in shape or a label does not end after its start.

    Notes
    -----
    O(n log n) for the two sorts, O(n) for the rest; sorted input is not sorted again.

    References
    ----------
    López de Prado (2018), *Advances in Financial Machine Learning*, section 4.4, snippet 4.2.

    Examples
    --------
    The labels of López de Prado 2018, section 4.5.3, over bars 0 to 2, 2 to 3 and 4 to 5:

    >>> average_uniqueness(np.array([0, 2, 4]), np.array([3, 4, 6])).round(4).tolist()
    [0.8333, 0.75, 1.0]
    """
    start, t1 = check_intervals(start, t1)
    found = np.empty(len(start))
    uniqueness(start, t1, ascending(start), ascending(t1), found)
    return found


def effective_rows(weight: NDArray[np.float64]) -> float:
    """How many independent labels some weighted ones amount to: the sum of their average uniqueness."""
    return float(weight.sum())
