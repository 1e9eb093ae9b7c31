"""Whether a series is stationary, wanders or explodes: Dickey–Fuller t-statistics, and their supremum over windows.

The regression is Δy_t = α (+ δ t) + β y_{t−1} + Σ γ_k Δy_{t−k} + ε; the statistic is β over its standard error. Far
below zero: stationary. Far above: explosive (a bubble). Its distribution is not Student's: compare with tabulated or
simulated critical values.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel
from models.errors import ModelError

Floats = NDArray[np.float64]
SINGULAR = 1e-11
"""A pivot below this share of its column's sum of squares is rounding: the regressors are collinear."""


@kernel
def t_statistic(gram: Floats, count: int, work: Floats) -> np.float64:
    """The last regressor's t; ``gram``: lower triangle of products of [regressors, response], (p + 1, p + 1)."""
    size = gram.shape[0]
    last = size - 2
    for row in range(size):
        for column in range(row):
            total = gram[row, column]
            for k in range(column):
                total -= work[row, k] * work[column, k]
            work[row, column] = total / work[column, column]
        pivot = gram[row, row]
        for k in range(row):
            pivot -= work[row, k] * work[row, k]
        if not pivot > SINGULAR * gram[row, row]:
            return np.float64(math.nan)
        work[row, row] = math.sqrt(pivot)
    return np.float64(work[size - 1, last] / (work[size - 1, size - 1] / math.sqrt(count - (size - 1.0))))


@kernel
def supremum(series: Floats, change: Floats, lags: int, trend: bool, minimum: int, first: int, found: Floats) -> None:
    """The largest t-statistic over all windows that end at each row; windows begin at ``first`` or later."""
    rows = series.shape[0]
    size = lags + 3 + (1 if trend else 0)
    gram, work, x = np.zeros((size, size)), np.zeros((size, size)), np.empty(size)
    x[0] = 1.0
    for begin in range(first, rows - minimum + 1):
        gram[:] = 0.0
        for row in range(begin, rows):
            for lag in range(1, lags + 1):
                x[lag] = change[row - lag]
            if trend:
                x[size - 3] = row - begin
            x[size - 2] = series[row - 1] - series[begin - 1]
            x[size - 1] = change[row]
            for i in range(size):
                for j in range(i + 1):
                    gram[i, j] += x[i] * x[j]
            count = row - begin + 1
            if count >= minimum:
                value = t_statistic(gram, count, work)
                if not value <= found[row] and not math.isnan(value):
                    found[row] = value


def sadf(series: Floats, minimum: int, lags: int = 1, trend: bool = False) -> Floats:
    """The supremum of augmented Dickey–Fuller t-statistics over all windows that end at each row (AFML section 17.4.2).

    Phillips, Shi and Yu's (2015) backward statistic: it looks back only, and its maximum over the rows is their GSADF.
    All (rows²) / 2 regressions are made, each from running sums; a window starts from its own level, so that sums stay
    small.

    Parameters
    ----------
    series
        Log prices, shape (rows,).
    minimum
        Fewest observations of a regression (rows of a window without its first lags + 1).
    lags
        Of the differences.
    trend
        Whether there is a linear trend.

    Returns
    -------
    Floats
        Shape (rows,); NaN before ``lags + minimum`` rows, and where no window has a regression (prices that stand
        still).

    Raises
    ------
    ModelError
        If the minimum leaves no degree of freedom, or a value is not finite.

    Examples
    --------
    >>> noise = np.random.default_rng(15).normal(size=300)
    >>> walk = noise.cumsum()
    >>> bubble = walk + 0.1 * 1.05 ** np.maximum(np.arange(300) - 150, 0)
    >>> bool(sadf(walk, 30)[-1] < 1.5 < sadf(bubble, 30)[-1])
    True
    """
    values = _checked(series, minimum, lags, trend)
    found = np.full(len(values), np.nan)
    if len(values) > lags + minimum:
        supremum(values, np.diff(values, prepend=np.nan), lags, trend, minimum, lags + 1, found)
    return found


def adf(series: Floats, lags: int = 1, trend: bool = False) -> float:
    """The augmented Dickey–Fuller t-statistic of a whole series; parameters and errors as in `sadf`.

    Examples
    --------
    >>> noise = np.random.default_rng(16).normal(size=300)
    >>> bool(adf(noise) < -3.43 < adf(noise.cumsum()))
    True
    """
    values = _checked(series, len(series) - lags - 1, lags, trend)
    found = np.full(len(values), np.nan)
    supremum(values, np.diff(values, prepend=np.nan), lags, trend, len(values) - lags - 1, lags + 1, found)
    return float(found[-1])


def _checked(series: Floats, minimum: int, lags: int, trend: bool) -> Floats:
    parameters = lags + 2 + trend
    if lags < 0 or minimum <= parameters:
        raise ModelError(f"{minimum} observations for {parameters} parameters ({lags} lags): give more")
    values = np.ascontiguousarray(series, np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ModelError(f"a series of shape {values.shape} with finite values only is needed")
    return values
