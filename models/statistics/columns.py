"""What the values of columns look like: location, spread, shape, the farthest values, a histogram.

Columns may have values missing (NaN): a column is described by those it has, and the number of them is said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError

Floats = NDArray[np.float64]
NORMAL_QUARTILES = 1.3489795003921634
"""The distance between the quartiles of a standard normal distribution."""
OUTLYING = 10.0
"""How many robust standard deviations from the median a value is an outlier."""
TAIL = 0.005
"""The share of values on each side that a histogram leaves out."""

NUMBERS = (
    *("mean", "deviation", "low", "median", "high", "skewness", "excess_kurtosis"),
    *("commonest", "outlying", "farthest"),
)
ROUNDING = 1e-12
"""A distance between quartiles that is a smaller share of the largest value is rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class ColumnSummary:
    """Of each column, shape (f,); undefined is NaN.

    ``count``: values that are there. ``mean``, ``deviation`` (divided by n), ``skewness`` and ``excess_kurtosis`` are
    the moments; ``low``, ``median`` and ``high`` the quantiles at 1, 50 and 99 %. ``commonest``: the share of the value
    that occurs most. ``outlying``: the share of values more than `OUTLYING` robust deviations (quartiles' distance over
    a normal's) from the median, and ``farthest`` how many the farthest is; undefined where the quartiles are equal.
    ``histogram`` (f, bins) counts between ``edges`` (f, 2), which leave `TAIL` of the values out on each side.
    """

    count: NDArray[np.int64]
    mean: Floats
    deviation: Floats
    low: Floats
    median: Floats
    high: Floats
    skewness: Floats
    excess_kurtosis: Floats
    commonest: Floats
    outlying: Floats
    farthest: Floats
    histogram: NDArray[np.int64]
    edges: Floats


def describe_columns(X: Floats, bins: int = 40) -> ColumnSummary:
    """Describe each column of some rows.

    Parameters
    ----------
    X
        Shape (n, f); NaN is missing.
    bins
        Of the histograms, equally wide.

    Raises
    ------
    ModelError
        If the rows are not a table, or a value is infinite.

    Examples
    --------
    >>> found = describe_columns(np.array([[1.0, 5.0], [2.0, 5.0], [6.0, np.nan]]), bins=2)
    >>> found.mean.tolist(), found.count.tolist(), found.commonest[1], found.histogram[0].tolist()
    ([3.0, 5.0], [3, 2], np.float64(1.0), [1, 0])
    """
    if X.ndim != 2 or np.isinf(X).any():
        raise ModelError(f"columns need rows (n, f) without infinite values; got shape {X.shape}")
    parts = [_described(np.sort(column[~np.isnan(column)]), bins) for column in X.T]
    numbers = np.array([part[0] for part in parts], np.float64).reshape(len(parts), len(NUMBERS)).T
    return ColumnSummary(
        count=np.sum(~np.isnan(X), axis=0, dtype=np.int64),
        histogram=np.array([part[1] for part in parts], np.int64).reshape(len(parts), bins),
        edges=np.array([part[2] for part in parts], np.float64).reshape(len(parts), 2),
        **{name: np.ascontiguousarray(row) for name, row in zip(NUMBERS, numbers, strict=True)},
    )


def _described(ordered: Floats, bins: int) -> tuple[list[float], NDArray[np.int64], tuple[float, float]]:
    """`NUMBERS`, the histogram, and its edges, of sorted values."""
    if len(ordered) == 0:
        return [np.nan] * len(NUMBERS), np.zeros(bins, np.int64), (np.nan, np.nan)
    first, low, quarter, median, upper, high, last = np.quantile(ordered, [TAIL, 0.01, 0.25, 0.5, 0.75, 0.99, 1 - TAIL])
    mean, deviation = float(ordered.mean()), float(ordered.std())
    still = ordered[0] == ordered[-1]
    if still:
        # A mean of equal numbers is rounded, and its rounding is no spread.
        mean, deviation = float(ordered[0]), 0.0
    z = (ordered - mean) / (deviation if deviation > 0 else np.nan)
    robust = float(upper - quarter) / NORMAL_QUARTILES
    if robust <= ROUNDING * max(abs(ordered[0]), abs(ordered[-1])):
        robust = np.nan
    away = np.abs(ordered - median) / robust
    runs = np.diff(np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1], [True]])))
    numbers = [
        *(mean, deviation, float(low), float(median), float(high)),
        *(float((z**3).mean()), float((z**4).mean() - 3.0)),
        float(runs.max() / len(ordered)),
        *(float((away > OUTLYING).mean()) if robust > 0 else np.nan, float(away.max())),
    ]
    inside = ordered[(ordered >= first) & (ordered <= last)]
    return numbers, np.histogram(inside, bins, _span(float(first), float(last)))[0], (float(first), float(last))


def _span(first: float, last: float) -> tuple[float, float]:
    """The edges of a histogram, apart where all values are one."""
    return (first, last) if last > first else (first - 0.5, first + 0.5)
