"""Size by the number of open bets, so that something is left for the next (López de Prado 2018, section 10.2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.weights.overlaps import check_intervals, concurrency_at


def open_bets(
    start: NDArray[np.int64], t1: NDArray[np.int64], side: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """How many long and short bets are open, piecewise constant in time.

    Parameters
    ----------
    start, t1
        When each bet is open, [start, t1) (ns), in any order, shape (n,).
    side
        Above zero long, below zero short, shape (n,); zero is no bet.

    Returns
    -------
    times, long, short
        Shape (k,): the counts from ``times[i]`` until ``times[i + 1]``.

    Raises
    ------
    ModelError
        If the shapes differ, a bet does not end after its start, or a side is NaN.

    Examples
    --------
    >>> open_bets(np.array([0, 1]), np.array([2, 3]), np.array([1.0, -1.0]))
    (array([0, 1, 2, 3]), array([1, 1, 0, 0]), array([0, 1, 1, 0]))
    """
    start, t1 = check_intervals(start, t1)
    side = np.asarray(side, np.float64)
    if side.shape != start.shape or np.isnan(side).any():
        raise ModelError(f"{len(start)} bets but sides of shape {side.shape}; give one a bet, none of them NaN")
    times = np.unique(np.concatenate([start, t1]))
    long, short = (concurrency_at(start[mine], t1[mine], times) for mine in (side > 0, side < 0))
    return times, long, short


def budget_size(
    start: NDArray[np.int64],
    t1: NDArray[np.int64],
    side: NDArray[np.float64],
    most_long: int | None = None,
    most_short: int | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The share of the long budget in use less that of the short one, piecewise constant in time.

    Parameters
    ----------
    start, t1, side
        As in `open_bets`.
    most_long, most_short
        Bets that use a budget up, for example the most ever open in training; more use no more. None: the most open
        until then.

    Returns
    -------
    times, size
        Shape (k,): the size in [-1, 1] from ``times[i]`` until ``times[i + 1]``.

    Raises
    ------
    ModelError
        As `open_bets`, or if a budget is not positive.

    Notes
    -----
    The book divides by the most bets ever open, which at any time but the last is not known yet. Here the future is
    used only if it is passed in.

    References
    ----------
    López de Prado (2018), *Advances in Financial Machine Learning*, section 10.2.

    Examples
    --------
    >>> start, t1, side = np.array([0, 1, 2]), np.array([4, 3, 5]), np.array([1.0, 1.0, -1.0])
    >>> budget_size(start, t1, side, most_long=2, most_short=1)
    (array([0, 1, 2, 3, 4, 5]), array([ 0.5,  1. ,  0. , -0.5, -1. ,  0. ]))
    """
    times, long, short = open_bets(start, t1, side)
    return times, _used(long, most_long, "most_long") - _used(short, most_short, "most_short")


def _used(count: NDArray[np.int64], most: int | None, name: str) -> NDArray[np.float64]:
    if most is not None and most < 1:
        raise ModelError(f"{name} is {most}; it must be at least 1, or None for the most open until then")
    budget = np.maximum.accumulate(np.maximum(count, 1)) if most is None else np.full(len(count), most)
    used: NDArray[np.float64] = np.minimum(count / budget, 1.0)
    return used
