"""Weights by return: a label counts for the return that is its own (López de Prado 2018, section 4.6).

Where nothing moved there was little to learn. A label's weight is the absolute log return along its interval, each
moment's part divided by the number of labels open then, over all instruments.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.weights.overlaps import check_intervals, concurrency


def return_attribution(
    start: NDArray[np.int64],
    t1: NDArray[np.int64],
    times: Sequence[NDArray[np.int64]],
    prices: Sequence[NDArray[np.float64]],
    instrument: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """The absolute return that is a label's own, scaled to a mean of one; shape (n,).

    Parameters
    ----------
    start, t1
        Label intervals [start, t1) of all instruments together (ns), shape (n,).
    times, prices
        For each instrument, when prices were (ns, strictly ascending) and which, shape (m,): for bars, the first open
        at its start and every close at its end. They must cover the instrument's labels.
    instrument
        Which of them each label belongs to, shape (n,); all to the first if None.

    Raises
    ------
    ModelError
        If shapes differ, prices are not positive and finite, do not ascend in time or do not cover a label, or no
        label has any return.

    Notes
    -----
    Between two prices the log price is taken to move evenly, so that an interval may begin or end between them. On one
    grid of bars this is the book's snippet 4.10, but for the return *into* the decision bar, which the snippet counts
    and a label does not earn. O((n + m) log(n + m)).

    References
    ----------
    López de Prado (2018), *Advances in Financial Machine Learning*, section 4.6, snippet 4.10.

    Examples
    --------
    Two labels share the second bar's return; the third has the large last one for itself:

    >>> prices = np.exp([0.0, 0.01, 0.03, 0.08])
    >>> weight = return_attribution(np.array([0, 1, 2]), np.array([2, 2, 3]), [np.arange(4)], [prices])
    >>> weight.round(3).tolist()
    [0.75, 0.375, 1.875]
    """
    start, t1 = check_intervals(start, t1)
    owner = np.zeros(len(start), np.int64) if instrument is None else np.asarray(instrument, np.int64)
    if owner.shape != start.shape or len(times) != len(prices):
        raise ModelError(
            f"{len(start)} labels but {len(owner)} instruments of them; {len(times)} arrays of times but {len(prices)} "
            "of prices: give one of each"
        )
    if len(owner) and not (owner.min() >= 0 and owner.max() < len(times)):
        raise ModelError(f"instruments are numbered {owner.min()} to {owner.max()}, but {len(times)} have prices")
    edges, count = concurrency(start, t1)
    weight = np.zeros(len(start))
    for number in range(len(times)):
        mine = np.flatnonzero(owner == number)
        if len(mine):
            own = _own_return(
                start[mine], t1[mine], np.asarray(times[number]), np.asarray(prices[number]), edges, count
            )
            weight[mine] = np.abs(own)
    total = weight.sum()
    if len(weight) and not total > 0:
        raise ModelError(f"none of {len(weight)} labels has a return; there is nothing to weigh by")
    return weight * (len(weight) / total) if len(weight) else weight


def _own_return(
    start: NDArray[np.int64],
    t1: NDArray[np.int64],
    times: NDArray[np.int64],
    prices: NDArray[np.float64],
    edges: NDArray[np.int64],
    count: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Each label's integral of d(log price) over the concurrency, as differences of one running integral."""
    if len(times) != len(prices) or not (np.isfinite(prices).all() and (prices > 0).all()):
        raise ModelError(f"{len(times)} times and {len(prices)} prices; give one positive, finite price for each time")
    if not (times[1:] > times[:-1]).all():
        raise ModelError("the prices' times must ascend strictly")
    if len(times) == 0 or start.min() < times[0] or t1.max() > times[-1]:
        covered = f"{times[0]} to {times[-1]}" if len(times) else "nothing"
        raise ModelError(f"labels run from {start.min()} to {t1.max()}, but prices cover {covered}")
    begin, end = int(start.min()), int(t1.max())
    inside = edges[(edges >= begin) & (edges <= end)]
    grid = np.unique(np.concatenate([inside, times[(times >= begin) & (times <= end)]]))
    level = np.interp((grid - begin).astype(np.float64), (times - begin).astype(np.float64), np.log(prices))
    open_now = count[np.searchsorted(edges, grid[:-1], "right") - 1]
    share = np.divide(np.diff(level), open_now, out=np.zeros(len(grid) - 1), where=open_now > 0)
    integral = np.concatenate([[0.0], np.cumsum(share)])
    own: NDArray[np.float64] = integral[np.searchsorted(grid, t1)] - integral[np.searchsorted(grid, start)]
    return own
