"""The long-run variance: what an average of dependent values really scatters by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError

Floats = NDArray[np.float64]


def usual_lags(count: int) -> int:
    """Newey and West's rule of thumb for the number of lags, floor(4 (n / 100)^(2/9)).

    Examples
    --------
    >>> usual_lags(100), usual_lags(1000)
    (4, 6)
    """
    return int(4.0 * (count / 100.0) ** (2.0 / 9.0))


def weighted_sum(influence: Floats, lags: int) -> float:
    """The long-run variance of values with mean zero, times their number; Bartlett weights, never negative.

    Source: Newey and West (1987, 'A simple, positive semi-definite, …').

    Parameters
    ----------
    influence
        Shape (n,).
    lags
        Lags of autocovariance that count; 0 is the plain sum of squares.
    """
    total = float(influence @ influence)
    for lag in range(1, min(lags, len(influence) - 1) + 1):
        total += 2.0 * (1.0 - lag / (lags + 1.0)) * float(influence[lag:] @ influence[:-lag])
    return max(total, 0.0)


def autocorrelation(values: Floats, lags: int) -> Floats:
    """Autocorrelations at lags 1, 2, … (autocovariances divide by n), shape (lags,).

    Raises
    ------
    ModelError
        If there are no more values than lags.

    Examples
    --------
    >>> autocorrelation(np.array([1.0, -1.0, 1.0, -1.0]), 2)
    array([-0.75,  0.5 ])
    """
    if len(values) <= lags:
        raise ModelError(f"{len(values)} values have no autocorrelation at lag {lags}: give more values or fewer lags")
    centred = values - values.mean()
    scale = float(centred @ centred)
    return np.array([float(centred[lag:] @ centred[:-lag]) / scale for lag in range(1, lags + 1)])


def autocovariance(values: Floats) -> Floats:
    """Autocovariances at all lags 0 … n − 1 (divided by n), along the first axis; the shape of ``values``, (n, …)."""
    rows = len(values)
    size = 1 << (2 * rows - 1).bit_length()
    spectrum = np.fft.rfft(values - values.mean(axis=0), size, axis=0)
    found: Floats = np.fft.irfft(spectrum * spectrum.conj(), size, axis=0)[:rows] / rows
    return found
