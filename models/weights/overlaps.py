"""Concurrency: how many labels are open at a time, over all instruments together (López de Prado 2018, section 4.3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel
from models.errors import ModelError


def check_intervals(start: NDArray[np.int64], t1: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The intervals as contiguous int64 arrays, shape (n,).

    Raises
    ------
    ModelError
        If there is not one end for each start, a label does not end after its start, or they span more than int64
        counts, beyond which compiled differences would wrap silently.
    """
    start, t1 = np.ascontiguousarray(start, np.int64), np.ascontiguousarray(t1, np.int64)
    if start.shape != t1.shape or start.ndim != 1:
        raise ModelError(f"starts have shape {start.shape} and ends {t1.shape}; give one of each a label, shape (n,)")
    if not (t1 > start).all():
        bad = int(np.flatnonzero(t1 <= start)[0])
        raise ModelError(f"label {bad} starts at {start[bad]} and ends at {t1[bad]}; it must end after its start")
    if len(start) and int(t1.max()) - int(start.min()) > np.iinfo(np.int64).max:
        raise ModelError(f"labels run from {start.min()} to {t1.max()}; that is more than int64 counts")
    return start, t1


def lasting(start: NDArray[np.int64], t1: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ends that are after their starts, shape (n,): a label within one moment lasts a nanosecond.

    Bars that follow no clock may all be over in the moment in which they begin, and their labels with them.

    Examples
    --------
    >>> lasting(np.array([5, 5]), np.array([5, 9])).tolist()
    [6, 9]
    """
    return np.maximum(t1, start + 1)


def ascending(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The order in which values ascend; a stable sort, which is fast where they nearly do."""
    if (values[1:] >= values[:-1]).all():
        return np.arange(len(values))
    return np.argsort(values, kind="stable")


@kernel
def sweep(
    starts: NDArray[np.int64], ends: NDArray[np.int64], times: NDArray[np.int64], count: NDArray[np.int64]
) -> int:
    """Fill the distinct times of sorted starts and ends and the labels open from each on, and say how many.

    One start or end a step, without branches: which comes next is random, so a branch would be guessed wrong.
    """
    size = starts.shape[0]
    if size == 0:
        return 0
    first, last, found = 0, 0, 0
    before = starts[0]
    while last < size:
        start, end = starts[min(first, size - 1)], ends[last]
        opens = (first < size) & (start <= end)
        now = start if opens else end
        first += opens
        last += not opens
        found += now != before
        times[found], count[found] = now, first - last
        before = now
    return found + 1


def concurrency(start: NDArray[np.int64], t1: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The number of open labels [start, t1), piecewise constant in time.

    Parameters
    ----------
    start, t1
        Times of all instruments' labels together (ns), in any order, shape (n,).

    Returns
    -------
    times, count
        Shape (k,): ``count[i]`` labels are open from ``times[i]`` until ``times[i + 1]``; the last count is 0.

    Raises
    ------
    ModelError
        If the arrays differ in shape or a label does not end after its start.

    Examples
    --------
    >>> times, count = concurrency(np.array([0, 2, 4]), np.array([3, 4, 6]))
    >>> times.tolist(), count.tolist()
    ([0, 2, 3, 4, 6], [1, 2, 1, 1, 0])
    """
    start, t1 = check_intervals(start, t1)
    times, count = np.empty(2 * len(start), np.int64), np.empty(2 * len(start), np.int64)
    found = sweep(np.sort(start, kind="stable"), np.sort(t1, kind="stable"), times, count)
    return times[:found], count[:found]


def concurrency_at(start: NDArray[np.int64], t1: NDArray[np.int64], time: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of labels [start, t1) that are open at some times, shape of ``time``.

    Raises
    ------
    ModelError
        If the arrays differ in shape or a label does not end after its start.

    Examples
    --------
    >>> concurrency_at(np.array([0, 2, 4]), np.array([3, 4, 6]), np.array([-1, 0, 2, 3, 6]))
    array([0, 1, 2, 1, 0])
    """
    start, t1 = check_intervals(start, t1)
    return np.searchsorted(np.sort(start), time, "right") - np.searchsorted(np.sort(t1), time, "right")
