"""Independent twins of the features of memory, information, breaks and regimes: extended precision or plain Python.

Nothing here shares code with the kernels. ``REFERENCE`` maps a name to a function of (bars, fitted values) that gives
the exact values at ``rows``, shape (len(rows),), in extended precision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from features.feature_set import FeatureSet
from models.statistics.entropy import kontoyiannis_entropy, lempel_ziv_complexity, plug_in_entropy

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


def variances(returns: Array, span: int) -> Array:
    """The exponential average of squares with normalised weights; below 1e-120 it counts as 0."""
    keep, total, weight = 1 - Extended(2) / (span + 1), Extended(0), Extended(0)
    out = np.zeros(len(returns), Extended)
    for place, value in enumerate(returns):
        total, weight = keep * total + value * value, keep * weight + 1
        out[place] = total / weight
    return np.where(out < Extended(1e-120), 0, out)


def scaled_by(returns: Array, span: int) -> Array:
    """Returns over the root of their variance, 0 without one; shape as the returns."""
    variance = variances(returns, span)
    some = variance > Extended(1e-40)
    return np.where(some, returns / np.sqrt(np.where(some, variance, 1)), 0)


def message(bars: NDArray[np.void], letters: int, values: Values) -> NDArray[np.int64]:
    """Symbols of the bars' returns, shape (n - 1,): signs without letters, else fitted quantiles."""
    if letters == 0:
        return (np.sign(np.diff(bars["close"])) + 1).astype(np.int64)
    cuts = np.array(values[f"return_quantiles_{letters}"], Extended)
    return (scaled_by(log_returns(bars), 96)[:, None] > cuts).sum(axis=1)


Saying = Callable[[NDArray[np.int64]], float]


def said(say: Saying, length: int, letters: int, bars: NDArray[np.void], values: Values, rows: Rows) -> Array:
    """What `models.statistics.entropy` makes of the last ``length`` symbols."""
    symbols = message(bars, letters, values)
    return np.array([say(symbols[row - length : row]) for row in rows], Extended)


SAYINGS: dict[str, tuple[Saying, int, int]] = {
    "sign_entropy_96": (lambda m: plug_in_entropy(m, 1), 96, 0),
    "quantile_entropy_8_96": (lambda m: plug_in_entropy(m, 1), 96, 8),
    "sign_word_entropy_3_96": (lambda m: plug_in_entropy(m, 3), 96, 0),
    "quantile_word_entropy_4_2_96": (lambda m: plug_in_entropy(m, 2), 96, 4),
    "sign_lempel_ziv_96": (lempel_ziv_complexity, 96, 0),
    "quantile_lempel_ziv_4_96": (lempel_ziv_complexity, 96, 4),
    "sign_kontoyiannis_32_64": (lambda m: kontoyiannis_entropy(m, 32), 127, 0),
    "quantile_kontoyiannis_4_32_64": (lambda m: kontoyiannis_entropy(m, 32), 127, 4),
}


def csw(which: int, window: int, bars: NDArray[np.void], values: Values, rows: Rows) -> Array:
    """Statistics of every beginning, in the book's own words: y_t - y_n over the deviation and sqrt(t - n)."""
    logs, out = log_prices(bars), np.zeros(len(rows), Extended)
    spans = np.arange(1, window)
    critical = np.sqrt(Extended(4.6) + np.log(spans.astype(Extended)))
    for place, row in enumerate(rows):
        path = logs[row - window + 1 : row + 1]
        variance = (np.diff(path) ** 2).mean()
        moves = path[-1] - path[-2::-1]
        found = moves / np.sqrt(variance * spans) if variance > Extended(1e-40) else np.zeros(window - 1, Extended)
        out[place] = (found.max(), (-found).max(), (abs(found) - critical).max())[which]
    return out


def t_value(response: Array, one: Array, level: Array) -> float | None:
    """t of the level in a regression on a constant, one regressor and the level, by successive projections."""

    def without(x: Array, *columns: Array) -> Array:
        for column in columns:
            size = column @ column
            x = x if size == 0 else x - (x @ column) / size * column
        return x

    ones = np.ones(len(response), Extended)
    lagged, answer, base = without(one, ones), without(response, ones), without(level, ones)
    share = Extended(1e-9)
    if lagged @ lagged <= share * (one @ one) or answer @ answer <= share * (response @ response):
        return None
    left, x = without(answer, lagged), without(base, lagged)
    if x @ x <= share * (base @ base) or left @ left <= share * (answer @ answer):
        return None
    beta = (left @ x) / (x @ x)
    residual = max((left - beta * x) @ (left - beta * x), Extended(1e-4) * (left @ left))
    return beta / np.sqrt(residual / (len(response) - 3) / (x @ x))


def sup_adf(window: int, minimum: int, bars: NDArray[np.void], values: Values, rows: Rows) -> Array:
    moves, out = log_returns(bars), np.zeros(len(rows), Extended)
    moves[bars["close"][1:] == bars["close"][:-1]] = 0
    for place, row in enumerate(rows):
        change = moves[row - window + 1 : row]
        level = np.concatenate([[Extended(0)], change.cumsum()])
        begins = range(window - 2 - minimum + 1)
        found = [t_value(change[k + 1 :], change[k:-1], level[k + 1 : -1]) for k in begins]
        out[place] = max((one for one in found if one is not None), default=0)
    return out


def filtered(states: int, place: int, bars: NDArray[np.void], values: Values, rows: Rows) -> Array:
    """Hamilton's filter in plain arrays; the model's first value is of the bar at which the slow average is defined."""
    parameters = np.array(values[f"hidden_markov_{states}"], Extended)
    transitions, mean, inverse, _ = np.split(parameters, np.cumsum([states**2, states, states]))
    transitions = transitions.reshape(states, states)
    belief, out = None, np.full(len(bars), np.nan, Extended)
    seen = scaled_by(log_returns(bars), 384)
    for row in range(384, len(bars)):
        prior = np.full(states, 1 / Extended(states)) if belief is None else belief @ transitions
        exponent = -(((seen[row - 1] - mean) * inverse) ** 2) / 2
        weight = prior * inverse * np.exp(exponent - exponent.max())
        belief = weight / weight.sum()
        out[row] = belief[place]
    return out[rows]


def rank(series: Array, window: int, relative: float, absolute: float, rows: Rows) -> Array:
    """Shares of a window below each value, ties half; ``series`` is of returns, so row r is at r - 1."""
    out = np.zeros(len(rows), Extended)
    for place, row in enumerate(rows):
        recent = series[row - window : row]
        slack = relative * abs(recent[-1]) + absolute
        others = recent[:-1] - recent[-1]
        out[place] = ((others < -slack).sum() + Extended(0.5) * (abs(others) <= slack).sum()) / (window - 1)
    return out


def floored_log_ratio(x: Array, y: Array) -> Array:
    x, y = np.where(x > 1e-40, x, 0), np.where(y > 1e-40, y, 0)
    none = (x == 0) & (y == 0)
    top, bottom = np.maximum(x, Extended(1e-8) * y), np.maximum(y, Extended(1e-8) * x)
    return np.where(none, 0, np.log(np.where(none, 1, top) / np.where(none, 1, bottom)) / 2)


def volatility_rank(bars: NDArray[np.void], values: Values, rows: Rows) -> Array:
    return rank(variances(log_returns(bars), 24), 384, 1e-9, 0.0, rows)


def volatility_ratio_rank(bars: NDArray[np.void], values: Values, rows: Rows) -> Array:
    returns = log_returns(bars)
    ratio = floored_log_ratio(variances(returns, 12), variances(returns, 96))
    return rank(ratio, 384, 0.0, 1e-9, rows)


REFERENCE: dict[str, Callable[[NDArray[np.void], Values, Rows], Array]] = {
    **{f"fractional_log_price_{k}": lambda b, v, r, k=k: fractional(k, b, v, r) for k in (64, 256)},
    **{name: lambda b, v, r, one=one: said(*one, b, v, r) for name, one in SAYINGS.items()},
    **{
        f"csw_{name}_{window}": lambda b, v, r, which=which, window=window: csw(which, window, b, v, r)
        for which, name in enumerate(("rise", "fall", "excess"))
        for window in (96, 384)
    },
    "regime_turbulent_2": lambda b, v, r: filtered(2, 1, b, v, r),
    "regime_calm_3": lambda b, v, r: filtered(3, 0, b, v, r),
    "regime_turbulent_3": lambda b, v, r: filtered(3, 2, b, v, r),
    "volatility_rank_24_384": volatility_rank,
    "volatility_ratio_rank_12_96_384": volatility_ratio_rank,
    "sup_adf_96": lambda b, v, r: sup_adf(96, 18, b, v, r),
    "sup_adf_192": lambda b, v, r: sup_adf(192, 26, b, v, r),
    **{
        f"fractional_z_{k}_{n}": lambda b, v, r, k=k, n=n: fractional_z(k, n, b, v, r)
        for k, n in ((64, 96), (256, 384))
    },
}


def worst_errors(
    feature_set: FeatureSet, got: NDArray[np.float64], bars: NDArray[np.void], every: int, first: int = 0
) -> dict[str, float]:
    """Each feature's largest error in units of max(|exact|, scale), at every few defined rows from ``first`` on."""
    worst = {}
    for column, feature in enumerate(feature_set.features):
        rows = np.unique([*range(max(first, feature.warmup - 1), len(bars), every), len(bars) - 1])
        exact = REFERENCE[feature.name](bars, feature_set.fitted, rows)
        error = np.abs(got[rows, column] - exact) / np.maximum(np.abs(exact), feature.scale)
        worst[feature.name] = float(error.max()) if not np.isnan(error).any() else np.inf
    return worst
