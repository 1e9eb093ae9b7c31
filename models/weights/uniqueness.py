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

    The integral of one over the concurrency is accumulated once; a label's mean is a difference of two of its values.
    One start or end a step, without branches: which comes next is random, so a branch would be guessed wrong. Both of
    the next start and the next end are given the integral so far; the one that is passed keeps it.
    """
    size = start.shape[0]
    at_start, at_end = np.empty(size + 1), np.empty(size)
    first, last = 0, 0
    integral = 0.0
    before = start[by_start[0]] if size > 0 else 0
    while last < size:
        next_start, next_end = start[by_start[min(first, size - 1)]], t1[by_end[last]]
        opens = (first < size) & (next_start <= next_end)
        now = next_start if opens else next_end
        integral += float(now - before) / float(first - last) if first > last else 0.0
        at_start[first] = at_end[last] = integral
        first += opens
        last += not opens
        before = now
    for place in range(size):
        found[by_start[place]] = at_start[place]
    for place in range(size):
        label = by_end[place]
        found[label] = min((at_end[place] - found[label]) / float(t1[label] - start[label]), 1.0)


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
