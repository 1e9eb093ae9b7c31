"""Stateless steps from windowed sums to standardised moments and correlations.

A dispersion below one part in a million of its mean counts as none: below it a double's own rounding of the inputs
would decide the result. What multiplies two series asks for one part in a hundred, because its sums are not shifted.
"""

from __future__ import annotations

import math

from features.kernels.ratios import NO_VARIANCE, log_level_ratio
from market.jit import kernel

NO_DISPERSION = 1e-12  # of variances
NO_CORRELATION = 1e-4  # of variances
LOG_TWO = math.log(2.0)


@kernel
def dispersion(shift: float, first: float, second: float, window: int) -> tuple[float, float, float, float]:
    """Mean about the shift, mean, population variance and 1 / standard deviation; the last two 0 without dispersion."""
    mean = first * (1.0 / window)
    variance = second * (1.0 / window) - mean * mean
    level = shift + mean
    if variance <= NO_DISPERSION * level * level:
        return mean, level, 0.0, 0.0
    return mean, level, variance, 1.0 / math.sqrt(variance)


@kernel
def z_score(x: float, shift: float, mean: float, inverse: float) -> float:
    """(x - mean) / standard deviation; 0 without dispersion."""
    return (x - shift - mean) * inverse


@kernel
def coefficient_of_variation(level: float, variance: float, inverse: float) -> float:
    """Standard deviation / mean of a non-negative series; 0 without dispersion."""
    if variance > 0.0:
        return variance * inverse / level
    return 0.0


@kernel
def skewness(mean: float, second: float, third: float, inverse: float, window: int) -> float:
    """Third standardised central moment; 0 without dispersion."""
    moment = third * (1.0 / window) - 3.0 * mean * (second * (1.0 / window)) + 2.0 * mean * mean * mean
    return moment * inverse * inverse * inverse


@kernel
def excess_kurtosis(
    mean: float, second: float, third: float, fourth: float, variance: float, inverse: float, window: int
) -> float:
    """Fourth standardised central moment minus 3; 0 without dispersion."""
    if variance <= 0.0:
        return 0.0
    tail = 6.0 * mean * mean * (second * (1.0 / window)) - 3.0 * mean * mean * mean * mean
    moment = fourth * (1.0 / window) - 4.0 * mean * (third * (1.0 / window)) + tail
    return moment * (inverse * inverse) * (inverse * inverse) - 3.0


@kernel
def autocorrelation(
    products: float, newest: float, oldest: float, level: float, variance: float, window: int, lag: int
) -> float:
    """Sample autocorrelation from the window's sum of x[t] x[t - lag], -1 to 1; 0 without dispersion.

    ``newest`` and ``oldest`` are the sums of the window's last and first ``lag`` values.
    """
    if variance <= NO_CORRELATION * level * level:
        return 0.0
    return (products + level * (newest + oldest - (window + lag) * level)) / (variance * window)


@kernel
def correlation(
    products: float,
    x_level: float,
    x_variance: float,
    x_inverse: float,
    y_level: float,
    y_variance: float,
    y_inverse: float,
    window: int,
) -> float:
    """Correlation of two series from the window's sum of x y, -1 to 1; 0 where either has no dispersion."""
    if x_variance <= NO_CORRELATION * x_level * x_level or y_variance <= NO_CORRELATION * y_level * y_level:
        return 0.0
    return (products * (1.0 / window) - x_level * y_level) * x_inverse * y_inverse


@kernel
def path_dispersion(path: float, first: float, second: float, window: int) -> tuple[float, float, float]:
    """Distance to the mean, population standard deviation of a path, and its inverse; the last two 0 for a flat one."""
    mean = first * (1.0 / window)
    variance = second * (1.0 / window) - mean * mean
    if variance <= NO_VARIANCE:
        return path - mean, 0.0, 0.0
    deviation = math.sqrt(variance)
    return path - mean, deviation, 1.0 / deviation


@kernel
def path_slope(first: float, aged: float, window: int) -> float:
    """Least-squares slope of a path on time, per bar."""
    return (0.5 * (window - 1.0) * first - aged) * (12.0 / (window * (window * window - 1.0)))


@kernel
def slope_correlation(slope: float, inverse: float, window: int) -> float:
    """The correlation of a path with time, from its slope and 1 / standard deviation, -1 to 1; 0 for a flat path."""
    value = slope * inverse * math.sqrt((window * window - 1.0) / 12.0)
    if value > 1.0:
        return 1.0
    if value < -1.0:
        return -1.0
    return value


@kernel
def path_residual(distance: float, slope: float, window: int) -> float:
    """How far a path is above the end of its least-squares line."""
    return distance - slope * (0.5 * (window - 1.0))


@kernel
def hurst(base: float, x2: float, x8: float, x16: float) -> float:
    """Half the slope of log mean square on log lag, lags 1, 2, 4, 8 and 16; 0.5 without variance.

    Each argument is a window's sum of squared returns over so many bars; lag 4 stands in the middle of the line and has
    no weight in its slope. Ratios count as within 1e-8 to 1e8.
    """
    small = log_level_ratio(x2, 2.0 * base, 1.0)
    slope = log_level_ratio(x8, 8.0 * base, 1.0) + 2.0 * log_level_ratio(x16, 16.0 * base, 1.0) - small
    return 0.5 + slope * (0.05 / LOG_TWO)


@kernel
def yang_zhang(overnight: float, body: float, rogers_satchell: float, window: int) -> float:
    """Variance by Yang and Zhang (2000), from population variances of both moves and a sum of Rogers-Satchell terms."""
    weight = 0.34 / (1.34 + (window + 1.0) / (window - 1.0))
    unbiased = window / (window - 1.0)
    return unbiased * (overnight + weight * body) + (1.0 - weight) * rogers_satchell * (1.0 / window)


@kernel
def jump_share(bipower: float, variance: float, window: int) -> float:
    """1 - bipower variation / realised variance, at least 0; 0 without variance. The products are one fewer."""
    if variance <= NO_VARIANCE:
        return 0.0
    share = 1.0 - bipower * (0.5 * math.pi * window / (window - 1.0)) / variance
    return share if share > 0.0 else 0.0
