"""The distribution of drawdowns: every fall of a curve, and how deep the deepest would be if time were drawn again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.statistics.bootstrap import Interval, percentiles
from models.statistics.sharpe import drawdown

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Episodes:
    """Falls below a high, in order; arrays of shape (episodes,).

    ``high`` and ``end`` are rows: of the (last) high, and of the first return to it, or the last row if ``recovered``
    is false. ``depth`` is the largest fraction lost between them, ``under_water`` the time between them (ns).
    """

    high: Integers
    end: Integers
    depth: Floats
    under_water: Integers
    recovered: NDArray[np.bool_]


def episodes(time: Integers, equity: Floats) -> Episodes:
    """Every drawdown of a curve and its time under water (AFML section 14.5.2).

    Parameters
    ----------
    time, equity
        Times (ns) and values above zero, shape (rows,).

    Raises
    ------
    ModelError
        If there are no rows, or a value is not above zero.

    Examples
    --------
    >>> found = episodes(np.arange(6), np.array([1.0, 2.0, 1.0, 2.0, 3.0, 2.4]))
    >>> found.depth.round(2).tolist(), found.under_water.tolist(), found.recovered.tolist()
    ([0.5, 0.2], [2, 1], [True, False])
    """
    if len(equity) == 0 or not (equity > 0).all():
        raise ModelError("drawdowns need at least one value of equity, and all of them above zero")
    depth = drawdown(equity)
    below = np.concatenate([[False], depth > 0, [False]])
    change = np.flatnonzero(below[1:] != below[:-1])
    begin, after = change[::2], change[1::2]
    end = np.minimum(after, len(equity) - 1)
    deepest = np.maximum.reduceat(depth, begin) if len(begin) else np.zeros(0)
    return Episodes(begin - 1, end, deepest, (time[end] - time[begin - 1]).astype(np.int64), after < len(equity))


@dataclass(frozen=True, slots=True, eq=False)
class DrawdownDistribution:
    """The deepest fall and the longest time under water (rows): in the sample, with intervals, and drawn (draws,)."""

    maximum: Interval
    longest: Interval
    drawn_maximum: Floats
    drawn_longest: Integers


def drawdown_distribution(returns: Floats, indices: Integers, level: float = 0.95) -> DrawdownDistribution:
    """How deep and how long the worst drawdown could as well have been: percentiles over a block bootstrap.

    The sample's own worst drawdown is one draw of this distribution: the interval says what to expect of such returns,
    not where a fixed true value lies.

    Parameters
    ----------
    returns
        Simple, per period, above −1, shape (rows,).
    indices
        Draws (`models.statistics.resampling`), shape (draws, rows).
    level
        Of the interval.

    Raises
    ------
    ModelError
        If a return is −1 or less.

    Examples
    --------
    >>> from models.statistics.resampling import stationary_indices
    >>> generator = np.random.default_rng(14)
    >>> returns = generator.normal(0.0005, 0.01, 500)
    >>> found = drawdown_distribution(returns, stationary_indices(500, 5.0, 400, generator))
    >>> 0 < found.maximum.low < found.maximum.high < 1
    True
    """
    if not (returns > -1.0).all():
        raise ModelError(f"a return of {float(returns.min())} loses everything: returns must be above -1")
    growth = np.log1p(returns)
    sample = _worst(growth[None])
    drawn = [_worst(growth[part]) for part in np.array_split(indices, max(1, indices.size // 4_000_000))]
    depth, length = (np.concatenate([part[k] for part in drawn]) for k in (0, 1))
    return DrawdownDistribution(
        Interval(float(sample[0][0]), *percentiles(depth, level)),
        Interval(float(sample[1][0]), *percentiles(length.astype(np.float64), level)),
        depth,
        length.astype(np.int64),
    )


def _worst(growth: Floats) -> tuple[Floats, Integers]:
    """Deepest drawdown and longest time under water of each path of log returns, from (paths, rows)."""
    path = np.concatenate([np.zeros((len(growth), 1)), np.cumsum(growth, axis=1)], axis=1)
    high = np.maximum.accumulate(path, axis=1)
    rows = np.arange(path.shape[1])
    since = np.maximum.accumulate(np.where(path == high, rows, 0), axis=1)
    back = np.where((path == high)[:, 1:], rows[1:] - since[:, :-1], 0)
    length = np.maximum((rows - since).max(axis=1), np.where(back > 1, back, 0).max(axis=1, initial=0))
    return -np.expm1((path - high).min(axis=1)), length
