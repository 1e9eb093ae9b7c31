"""Steps of spread, impact and toxicity estimators from bars."""

from __future__ import annotations

import math

from features.kernels.price import log_ratio
from market.jit import kernel

SILVER = 1.0 + math.sqrt(2.0)
K2 = math.sqrt(8.0 / math.pi)
HALF = math.sqrt(0.5)


@kernel
def half_tanh(alpha: float) -> float:
    """The hyperbolic tangent of alpha / 2; Taylor's series, as exact and cheaper, where alpha is below a tenth."""
    x = 0.5 * alpha
    if abs(x) > 0.05:
        return math.tanh(x)
    z = x * x
    return x - x * z * (
        1.0 / 3.0 - z * (2.0 / 15.0 - z * (17.0 / 315.0 - z * (62.0 / 2835.0 - z * (1382.0 / 155925.0))))
    )


@kernel
def high_low_spread(high: float, low: float, high_before: float, low_before: float) -> tuple[float, float]:
    """Spread (Corwin and Schultz 2012) and volatility (Bekker and Parkinson) of two neighbouring bars; negative is 0.

    With beta the sum of the bars' squared log ranges and gamma the squared log range of both, alpha is
    (sqrt(beta) - sqrt(gamma)) / (sqrt(2) - 1) and the spread 2 (exp(alpha) - 1) / (exp(alpha) + 1).
    """
    one = log_ratio(high, low)
    other = log_ratio(high_before, low_before)
    top = high if high > high_before else high_before
    bottom = low if low < low_before else low_before
    both = log_ratio(top, bottom)
    root = math.sqrt(one * one + other * other)
    alpha = (root - both) * SILVER
    spread = 2.0 * half_tanh(alpha) if alpha > 0.0 else 0.0
    volatility = ((HALF - 1.0) * root * (SILVER * SILVER) + both * SILVER) / K2
    return spread, volatility if volatility > 0.0 else 0.0


@kernel
def midrange_distance(high: float, low: float, close: float) -> float:
    """Log close minus the mean of log high and log low."""
    return 0.5 * (log_ratio(close, high) + log_ratio(close, low))


@kernel
def close_high_low(distance_before: float, distance: float, change: float) -> float:
    """4 (log close - log midrange)(log close - next log midrange), for the bar before (Abdi and Ranaldo 2017)."""
    return 4.0 * distance_before * (distance - change)


@kernel
def bulk_imbalance(scaled_return: float) -> float:
    """Bought minus sold share of a bar's volume by bulk classification, 2 Phi(z) - 1, -1 to 1."""
    return math.erf(scaled_return * HALF)


@kernel
def impact(covariation: float, variation: float, size: float, window: int) -> float:
    """Slope through the origin times the mean size, (sum r x / sum x^2) (sum |x| / window); 0 without size."""
    if variation > 1e-100:
        return covariation / variation * size * (1.0 / window)
    return 0.0


@kernel
def root_dollars(volume: float, close: float) -> tuple[float, float]:
    """The square root of the quote asset traded, and that itself."""
    dollars = volume * close
    return math.sqrt(dollars), dollars


@kernel
def vwap_move(high: float, low: float, close: float, quote: float, volume: float) -> float:
    """log(close / mean traded price), the mean within the bar's range; 0 without volume."""
    if volume <= 0.0:
        return 0.0
    mean = quote / volume
    if mean > high:
        mean = high
    if mean < low:
        mean = low
    return log_ratio(close, mean)
