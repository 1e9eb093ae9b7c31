"""Independent twins of the features of memory, information, breaks and regimes: extended precision or plain Python.

Nothing here shares code with the kernels. ``REFERENCE`` maps a name to a function of (bars, fitted values) that gives
the exact values at ``rows``, shape (len(rows),), in extended precision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from features.feature_set import FeatureSet

Extended = np.longdouble
Array = NDArray[np.longdouble]
Rows = NDArray[np.int64]
Values = Mapping[str, tuple[float, ...]]


def log_prices(bars: NDArray[np.void]) -> Array:
    return np.log(bars["close"].astype(Extended))


def log_returns(bars: NDArray[np.void]) -> Array:
    """Shape (n - 1,): the return of bar ``row`` is at ``row - 1``."""
    return np.diff(log_prices(bars))


def binomial_weights(order: float, width: int) -> Array:
    """(-1)^k binomial(d, k), from products of exact fractions."""
    found = [Extended(1)]
    for k in range(1, width):
        found.append(found[-1] * (Extended(k) - 1 - Extended(order)) / Extended(k))
    return np.array(found)


def fractional_series(bars: NDArray[np.void], order: float, width: int) -> Array:
    logs, kept = log_prices(bars), binomial_weights(order, width)[::-1]
    out = np.full(len(bars), np.nan, Extended)
    for row in range(width - 1, len(bars)):
        out[row] = kept @ logs[row - width + 1 : row + 1]
    return out


def fractional(width: int, bars: NDArray[np.void], values: Values, rows: Rows) -> Array:
    return fractional_series(bars, values[f"fractional_{width}"][0], width)[rows]


def fractional_z(width: int, window: int, bars: NDArray[np.void], values: Values, rows: Rows) -> Array:
    series = fractional_series(bars, values[f"fractional_{width}"][0], width)
    out = np.zeros(len(rows), Extended)
    for place, row in enumerate(rows):
        recent = series[row - window + 1 : row + 1]
        mean = recent.mean()
        variance = ((recent - mean) ** 2).mean()
        if variance > Extended(1e-12) * mean**2:
            out[place] = (recent[-1] - mean) / np.sqrt(variance)
    return out


REFERENCE: dict[str, Callable[[NDArray[np.void], Values, Rows], Array]] = {
    **{f"fractional_log_price_{k}": lambda b, v, r, k=k: fractional(k, b, v, r) for k in (64, 256)},
    **{
        f"fractional_z_{k}_{n}": lambda b, v, r, k=k, n=n: fractional_z(k, n, b, v, r)
        for k, n in ((64, 96), (256, 384))
    },
}


def worst_errors(
    feature_set: FeatureSet, got: NDArray[np.float64], bars: NDArray[np.void], every: int
) -> dict[str, float]:
    """Each feature's largest error in units of max(|exact|, scale), at every few rows after warm-up and the last."""
    worst = {}
    for column, feature in enumerate(feature_set.features):
        rows = np.unique([*range(feature.warmup - 1, len(bars), every), len(bars) - 1])
        exact = REFERENCE[feature.name](bars, feature_set.fitted, rows)
        error = np.abs(got[rows, column] - exact) / np.maximum(np.abs(exact), feature.scale)
        worst[feature.name] = float(error.max()) if not np.isnan(error).any() else np.inf
    return worst
