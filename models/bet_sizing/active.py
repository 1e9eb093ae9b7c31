"""The average of the bets that are open (López de Prado 2018, section 10.4).

Holding each new signal alone would trade the whole position at every signal; the average of those still open changes
little at each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel
from models.errors import ModelError
from models.weights.overlaps import ascending, check_intervals


@kernel
def add_exactly(high: float, low: float, value: float) -> tuple[float, float]:
    """A sum in two floats, with one more value: the error of the first is kept in the second (Knuth's two-sum)."""
    total = high + value
    back = total - high
    low += (high - (total - back)) + (value - back)
    return total, low


@kernel
def average_open(
    start: NDArray[np.int64],
    t1: NDArray[np.int64],
    size: NDArray[np.float64],
    by_start: NDArray[np.int64],
    by_end: NDArray[np.int64],
    times: NDArray[np.int64],
    mean: NDArray[np.float64],
) -> int:
    """Fill the distinct times and the mean of the bets open from each on, and say how many there are."""
    count = start.shape[0]
    first, last, found, open_now = 0, 0, 0, 0
    high, low = 0.0, 0.0
    while last < count:
        now = min(start[by_start[first]], t1[by_end[last]]) if first < count else t1[by_end[last]]
        while first < count and start[by_start[first]] == now:
            high, low = add_exactly(high, low, size[by_start[first]])
            first += 1
            open_now += 1
        while last < count and t1[by_end[last]] == now:
            high, low = add_exactly(high, low, -size[by_end[last]])
            last += 1
            open_now -= 1
        if open_now == 0:
            high, low = 0.0, 0.0
        times[found] = now
        mean[found] = (high + low) / float(open_now) if open_now > 0 else 0.0
        found += 1
    return found


def average_active(
    start: NDArray[np.int64], t1: NDArray[np.int64], size: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The mean size of the open bets, piecewise constant in time.

    Parameters
    ----------
    start, t1
        When each bet is open, [start, t1) (ns), in any order, shape (n,); one whose end is not known yet ends at
        the largest int64.
    size
        Of each bet, shape (n,).

    Returns
    -------
    times, mean
        Shape (k,): the mean from ``times[i]`` until ``times[i + 1]``; 0 where no bet is open.

    Raises
    ------
    ModelError
        If the shapes differ, a bet does not end after its start, or a size is not finite.

    Notes
    -----
    Compiled, O(n log n): the sum of open bets is kept in two floats, so that a bet leaves nothing behind.

    References
    ----------
    López de Prado (2018), *Advances in Financial Machine Learning*, section 10.4, snippet 10.2.

    Examples
    --------
    >>> times, mean = average_active(np.array([0, 2]), np.array([4, 6]), np.array([1.0, -0.5]))
    >>> times.tolist(), mean.tolist()
    ([0, 2, 4, 6], [1.0, 0.25, -0.5, 0.0])
    """
    start, t1 = check_intervals(start, t1)
    size = np.ascontiguousarray(size, np.float64)
    if size.shape != start.shape or not np.isfinite(size).all():
        raise ModelError(f"{len(start)} bets but sizes of shape {size.shape}; give one finite size a bet")
    times, mean = np.empty(2 * len(start), np.int64), np.empty(2 * len(start))
    found = average_open(start, t1, size, ascending(start), ascending(t1), times, mean)
    return times[:found], mean[:found]
