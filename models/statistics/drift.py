"""How far a later stretch of rows is from an earlier one, column by column: stability index, Kolmogorov–Smirnov.

Rows of a market depend on each other: features remember windows of many bars, so that a stretch of thousands of rows is
worth a few dozen. The tables of both statistics are for independent rows, and call nearly every such stretch changed;
no p-value is given here. What a distance means is read off the training rows themselves: each stretch of them, as long
as the test, is held against the rest of them. If the test is like any of k stretches, it is the farthest about once in
k + 1 times. (Held against all other rows, the test's among them, that would be exact. But then the first stretch of a
steady drift is as far from the others as the test at its end, and the drift is not seen: that is the worse error.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Counts = Floats | Integers
OUTSIDE = -1
"""The number of a training row that is in no stretch."""


@dataclass(frozen=True, slots=True, eq=False)
class ColumnDrift:
    """Of each column: ``distance`` and ``stability`` (f,) of the test from the training rows.

    ``usual_distance`` and ``usual_stability`` (stretches, f) are those of each stretch of the training rows from the
    rest of them.
    """

    distance: Floats
    stability: Floats
    usual_distance: Floats
    usual_stability: Floats


def column_drift(train: Floats, test: Floats, stretch: Integers | None = None, bins: int = 10) -> ColumnDrift:
    """The drift of each column between two sets of rows, and what is usual for stretches of the first.

    Parameters
    ----------
    train, test
        Finite rows, shapes (n, f) and (m, f).
    stretch
        The stretch of each training row, from 0, or `OUTSIDE`, shape (n,); None: there are none. Stretches with as many
        rows as the test make a fair comparison: distances of fewer rows are larger by chance.
    bins
        Of the stability index: quantiles of the training rows.

    Returns
    -------
    ColumnDrift
        ``distance``: the largest difference of the two distribution functions, Kolmogorov–Smirnov's statistic, in
        [0, 1]. ``stability``: the population stability index, see `population_stability`.

    Raises
    ------
    ModelError
        If there are no rows on one side, rows are not finite, or a stretch is empty or all there is.

    Examples
    --------
    >>> x = np.random.default_rng(1).standard_normal((4000, 2))
    >>> found = column_drift(x[:3000], x[3000:] + [0.0, 1.0], np.arange(3000) // 1000)
    >>> (found.distance > found.usual_distance.max(axis=0)).tolist(), found.stability.round(1).tolist()
    ([False, True], [0.0, 1.0])
    """
    stretch = np.full(len(train), OUTSIDE) if stretch is None else stretch
    member = _members(train, test, stretch)
    distance, stability = np.empty((2, len(member), train.shape[1]))
    for column in range(train.shape[1]):
        values = np.concatenate([train[:, column], test[:, column]])
        distance[:, column] = _distances(values, member, len(train))
        cell = np.searchsorted(quantile_edges(train[:, column], bins), values)
        known = np.bincount(cell[: len(train)], minlength=bins)
        counts = [np.bincount(cell[one], minlength=bins) for one in member]
        base = [*(known - one for one in counts[:-1]), known]
        stability[:, column] = [population_stability(*pair) for pair in zip(base, counts, strict=True)]
    return ColumnDrift(distance[-1], stability[-1], distance[:-1], stability[:-1])


def quantile_edges(values: Floats, bins: int) -> Floats:
    """The inner edges of bins that hold equal shares of some values, without repetition; a bin has its upper edge."""
    found: Floats = np.unique(np.quantile(values, np.arange(1, bins) / bins, method="inverted_cdf"))
    return found


def population_stability(base: Counts, other: Counts) -> float:
    """The population stability index of counts in bins, Σ (q − p) ln (q / p); ½ is added to every count in use.

    It is 0 where both have the same shares. Credit scoring calls less than 0.1 no shift and more than 0.25 a large one
    (Siddiqi 2006): thresholds for independent rows.

    Parameters
    ----------
    base, other
        Counts, shape (bins,); bins that are empty in both are left out.

    Raises
    ------
    ModelError
        If one of them has nothing in it.

    Examples
    --------
    >>> population_stability(np.array([10.0, 30.0]), np.array([20.0, 60.0])) < 1e-4
    True
    >>> round(population_stability(np.array([999.5, 999.5]), np.array([499.5, 1499.5])), 4)
    0.2747
    """
    if not (base.sum() > 0 and other.sum() > 0):
        raise ModelError("a population stability index needs rows on both sides")
    used = (base + other) > 0
    p, q = base[used] + 0.5, other[used] + 0.5
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def _distances(values: Floats, member: NDArray[np.bool_], train: int) -> Floats:
    """The largest difference of distribution functions of each stretch, or the test, and the other training rows."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    ends = np.append(ordered[1:] != ordered[:-1], True)
    inside = np.cumsum(member[:, order], axis=1)[:, ends]
    rest = np.cumsum(order < train)[ends] - np.concatenate([inside[:-1], np.zeros_like(inside[-1:])])
    found: Floats = np.abs(inside / inside[:, -1:] - rest / rest[:, -1:]).max(axis=1)
    return found


def _members(train: Floats, test: Floats, stretch: Integers) -> NDArray[np.bool_]:
    """Which rows of both are in each stretch, and, last, in the test; checked."""
    if train.ndim != 2 or test.ndim != 2 or train.shape[1] != test.shape[1] or not len(train) or not len(test):
        raise ModelError(f"drift needs rows with the same columns on both sides; got {train.shape} and {test.shape}")
    if not (np.isfinite(train).all() and np.isfinite(test).all()):
        raise ModelError("drift needs finite rows: leave out those that have a value missing")
    if stretch.shape != (len(train),) or stretch.min() < OUTSIDE:
        raise ModelError(f"stretch has shape {stretch.shape}; give each of {len(train)} training rows one, or -1")
    number = int(stretch.max()) + 1
    member = np.zeros((number + 1, len(train) + len(test)), np.bool_)
    member[-1, len(train) :] = True
    for one in range(number):
        member[one, : len(train)] = stretch == one
        if not 0 < member[one].sum() < len(train):
            raise ModelError(f"stretch {one} has {member[one].sum()} of {len(train)} training rows; it needs some")
    return member
