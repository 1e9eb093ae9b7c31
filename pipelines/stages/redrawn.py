"""How else a curve could have gone: its days drawn again in blocks, each with all that happened inside it.

A day carries its growth, its lowest and highest point against its beginning, and the deepest fall inside it. These
four are enough for the deepest fall of any sequence of days, so no draw forgets what happened between two midnights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.time import DAY
from models.statistics.bootstrap import percentiles
from models.statistics.resampling import stationary_indices
from pipelines.estimate import Estimate

BLOCK_DAYS = 10.0
"""Mean length of the stationary bootstrap's blocks: long against the labels and against a week."""
FEWEST_DAYS = 10
"""Fewer days say nothing about other days."""
DRAWS = 1000
LEVEL = 0.95

Floats = NDArray[np.float64]
Times = NDArray[np.int64]


def last_of_each(time: Times, length: int) -> Times:
    """The place of the last point in each cell of time.

    Examples
    --------
    >>> last_of_each(np.array([1, 4, 5, 11, 12]), 5).tolist()
    [2, 4]
    """
    cell = (time - 1) // length
    return np.flatnonzero(np.append(cell[1:] != cell[:-1], True))


def block_length(days: int) -> float:
    """Mean length of the blocks for a stretch: `BLOCK_DAYS`, or a quarter of a short one.

    Examples
    --------
    >>> block_length(20), block_length(400)
    (5.0, 10.0)
    """
    return min(BLOCK_DAYS, max(1.0, days / 4))


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """A curve by days, in logarithms; arrays of shape (days,).

    ``growth`` from the day before's end to its own; ``low`` and ``high`` against its beginning; ``fall``: the deepest
    inside it, zero or less.
    """

    growth: Floats
    low: Floats
    high: Floats
    fall: Floats

    def total_return(self, order: Times) -> Floats:
        """The return over each order of days, shape (draws,), of orders of shape (draws, days)."""
        found: Floats = np.expm1(self.growth[order].sum(axis=1))
        return found

    def max_drawdown(self, order: Times) -> Floats:
        """The deepest fall over each order of days, a fraction of the high before it, shape (draws,)."""
        growth = self.growth[order]
        begin = np.cumsum(growth, axis=1) - growth
        top = np.maximum.accumulate(np.maximum(begin + self.high[order], 0.0), axis=1)
        before = np.concatenate([np.zeros((len(order), 1)), top[:, :-1]], axis=1)
        deepest = np.minimum(begin + self.low[order] - before, self.fall[order]).min(axis=1)
        found: Floats = -np.expm1(np.minimum(deepest, 0.0))
        return found


def by_day(time: Times, equity: Floats, capital: float) -> Days:
    """A curve by UTC days; a point at midnight belongs to the day that ends there.

    Parameters
    ----------
    time, equity
        Shape (n,), ns and values above zero; the curve begins at ``capital``.

    Examples
    --------
    >>> days = by_day(np.array([DAY // 2, DAY, 2 * DAY]), np.array([50.0, 200.0, 100.0]), 100.0)
    >>> np.exp(days.growth).round(9).tolist(), np.exp(days.fall).round(9).tolist()
    ([2.0, 0.5], [0.5, 0.5])
    >>> days.max_drawdown(np.array([[0, 1], [1, 0]])).round(9).tolist()
    [0.5, 0.75]
    """
    level = np.log(equity / capital)
    last = last_of_each(time, DAY)
    begin = np.concatenate([[0], last[:-1] + 1])
    before = np.concatenate([[0.0], level[last[:-1]]])
    inside = level - np.repeat(before, last + 1 - begin)
    fall = [
        float((part - np.maximum.accumulate(np.maximum(part, 0.0))).min())
        for part in np.split(inside, begin[1:].tolist())
    ]
    return Days(
        level[last] - before,
        np.minimum.reduceat(inside, begin),
        np.maximum.reduceat(inside, begin),
        np.minimum(np.array(fall), 0.0),
    )


def orders(days: int) -> Times:
    """The orders in which a stretch's days are drawn, shape (draws, days): the same for curves of as many days."""
    return stationary_indices(days, block_length(days), DRAWS, np.random.default_rng(0))


def total_return(returns: Floats) -> Estimate:
    """The total return of some days, with the interval of the same days in other orders.

    The interval is that of `ranges` for a curve of these days; for none, or fewer than `FEWEST_DAYS`, it is unknown, as
    it is for a strategy that never traded or lost everything.

    Parameters
    ----------
    returns
        Simple daily returns, shape (days,).

    Examples
    --------
    >>> total_return(np.array([0.1, -0.5]))
    Estimate(value=-0.44999999999999996, low=None, high=None)
    >>> found = total_return(np.tile([0.01, -0.01], 50))
    >>> found.low < found.value < found.high
    True
    """
    if not len(returns):
        return Estimate(None)
    value = float(np.prod(1.0 + returns) - 1.0)
    if len(returns) < FEWEST_DAYS or not (returns > -1.0).all() or not returns.any():
        return Estimate(value)
    growth = np.log1p(returns)
    return Estimate(value, *percentiles(np.expm1(growth[orders(len(growth))].sum(axis=1)), LEVEL))


@dataclass(frozen=True, slots=True)
class Ranges:
    """Where 95 % of the draws lie; None where there is too little to draw from."""

    total_return: tuple[float, float] | None = None
    max_drawdown: tuple[float, float] | None = None


def ranges(time: Times, equity: Floats, capital: float) -> Ranges:
    """Intervals of a curve's total return and deepest fall: percentiles of a stationary bootstrap of its days.

    None for fewer than `FEWEST_DAYS` days, a curve that never moves, and one that loses everything.

    Parameters
    ----------
    time, equity, capital
        As for `by_day`.
    """
    if not (equity > 0).all() or (equity == capital).all():
        return Ranges()
    days = by_day(time, equity, capital)
    count = len(days.growth)
    if count < FEWEST_DAYS:
        return Ranges()
    order = orders(count)
    return Ranges(percentiles(days.total_return(order), LEVEL), percentiles(days.max_drawdown(order), LEVEL))
