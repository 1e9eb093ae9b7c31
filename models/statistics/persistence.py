"""How long a series remembers: its autocorrelation over a ladder of lags, and the lag at which half of it is gone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError

Floats = NDArray[np.float64]


def lag_ladder(longest: int) -> tuple[int, ...]:
    """Lags from 1 on that grow by about a half: 1, 2, 3, 4, 6, 8, 12, …, up to ``longest``.

    Examples
    --------
    >>> lag_ladder(20)
    (1, 2, 3, 4, 6, 8, 12, 16)
    """
    doubled = [1 << power for power in range(longest.bit_length())]
    return tuple(sorted({lag for one in doubled for lag in (one, one * 3 // 2) if lag <= longest}))


def lagged_correlation(X: Floats, lags: tuple[int, ...]) -> Floats:
    """Each column's autocorrelation at some lags over the pairs of rows that both have a value, shape (lags, f).

    Means and variances are the column's own, over all its values, as an autocorrelation's usually are; the sum over
    pairs is divided by their number, so that holes bias nothing. NaN where a column stands still or no pair is whole.

    Raises
    ------
    ModelError
        If a lag is less than one.

    Examples
    --------
    >>> lagged_correlation(np.array([[1.0], [-1.0], [1.0], [-1.0]]), (1, 2)).ravel().tolist()
    [-1.0, 1.0]
    """
    if any(lag < 1 for lag in lags):
        raise ModelError(f"lags are {lags}; each must be at least one row")
    there = ~np.isnan(X)
    count = np.maximum(there.sum(axis=0), 1)
    centred = np.where(there, X, 0.0)
    centred = np.where(there, centred - centred.sum(axis=0) / count, 0.0)
    scale = (centred**2).sum(axis=0) / count
    still = scale <= (1e-12 * np.abs(np.where(there, X, 0.0)).max(axis=0, initial=0.0)) ** 2
    found = np.full((len(lags), X.shape[1]), np.nan)
    mask = there.astype(np.float64)
    for place, lag in enumerate(lags):
        if lag < len(X):
            pairs = np.einsum("ij,ij->j", mask[lag:], mask[:-lag])
            total = np.einsum("ij,ij->j", centred[lag:], centred[:-lag])
            known = (pairs > 0) & ~still
            found[place, known] = total[known] / pairs[known] / scale[known]
    return found


def half_life(correlation: Floats, lags: tuple[int, ...]) -> Floats:
    """The lag at which each column's autocorrelation first falls to one half, shape (f,).

    Between two lags the logarithm is interpolated, which is exact for an autoregression of order one, whose half-life
    is ln ½ / ln ρ. Infinite where it stays above one half, NaN where there is no autocorrelation.

    Parameters
    ----------
    correlation
        At each lag, shape (lags, f).
    lags
        Ascending.

    Examples
    --------
    >>> lags = (1, 2, 3, 4, 6, 8)
    >>> half_life(0.9 ** np.array(lags, float)[:, None], lags).round(4), float(np.log(0.5) / np.log(0.9))
    (array([6.5788]), 6.578813478960585)
    """
    steps = np.concatenate([[0.0], lags])
    found = np.full(correlation.shape[1], np.nan)
    for column, values in enumerate(np.vstack([np.ones(correlation.shape[1]), correlation]).T):
        if np.isnan(values).any():
            continue
        below = np.flatnonzero(values <= 0.5)
        if not len(below):
            found[column] = np.inf
            continue
        last = int(below[0])
        # What is not positive has no logarithm; the smallest that counts puts the crossing right behind the last lag.
        high, low = np.log(values[last - 1]), np.log(max(float(values[last]), 1e-3))
        share = (high - np.log(0.5)) / (high - low)
        found[column] = steps[last - 1] + share * (steps[last] - steps[last - 1])
    return found
