"""Stateless steps that turn aggregates into scale-free numbers; each states its value where the ratio is 0 / 0.

A dispersion below one part in a million of its mean (`NO_DISPERSION` on variances) counts as none: below it a double's
own rounding of the inputs would decide the result.
"""

from __future__ import annotations

import math

from market.jit import kernel

NO_DISPERSION = 1e-12
NO_VARIANCE = 1e-40  # of log returns: a standard deviation of 1e-20
LEVEL_FLOOR = 1e-8  # of the other level: log ratios of levels stay within 18.5, of deviations within 9.3
NOTHING = 1e-100  # smaller than any sum of changes that is not zero; averages are flushed below 1e-120
PERFECT_FIT = 1e-4  # the smallest residual share a t-value divides by
NO_COVARIANCE = 1e-10  # of the variance: below the resolution of windowed sums, where the square root is steep


@kernel
def difference(x: float, y: float) -> float:
    """The difference, x - y."""
    return x - y


@kernel
def linear(x: float, factor: float, offset: float) -> float:
    """A straight line, x * factor + offset."""
    return x * factor + offset


@kernel
def product(x: float, y: float) -> float:
    """The product, x * y."""
    return x * y


@kernel
def square(x: float) -> float:
    """The square, x * x."""
    return x * x


@kernel
def magnitude(x: float) -> float:
    """|x|."""
    return abs(x)


@kernel
def positive(x: float) -> float:
    """The positive part: x if positive, else 0."""
    return x if x > 0.0 else 0.0


@kernel
def positive_square(x: float) -> float:
    """The square of the positive part."""
    return x * x if x > 0.0 else 0.0


@kernel
def root(variance: float) -> float:
    """The standard deviation of a variance; one below 1e-20 per bar counts as 0."""
    if variance > NO_VARIANCE:
        return math.sqrt(variance)
    return 0.0


@kernel
def inverse_root(variance: float) -> float:
    """1 / standard deviation, and 0 where there is no variance: what is scaled by it is then 0."""
    if variance > NO_VARIANCE:
        return 1.0 / math.sqrt(variance)
    return 0.0


@kernel
def scaled(x: float, inverse: float, factor: float) -> float:
    """A move times a factor, x * factor, in units of a volatility given by its inverse."""
    return x * inverse * factor


@kernel
def ratio(x: float, y: float, neutral: float) -> float:
    """The ratio x / y for y >= 0; ``neutral`` where y is 0."""
    if y > NOTHING:
        return x / y
    return neutral


@kernel
def above_mean(x: float, mean: float, weight: float) -> float:
    """The distance x - mean; 0 where the mean has no weight."""
    if weight > NOTHING:
        return x - mean
    return 0.0


@kernel
def half_ratio(x: float, y: float) -> float:
    """(1 + x / y) / 2 for |x| <= y; one half where y is 0."""
    if y > NOTHING:
        return 0.5 + 0.5 * (x / y)
    return 0.5


@kernel
def position(x: float, low: float, high: float, neutral: float) -> float:
    """Where x lies between low (0) and high (1); ``neutral`` where they agree."""
    if high > low:
        return (x - low) / (high - low)
    return neutral


@kernel
def directional_index(plus: float, minus: float) -> float:
    """|plus - minus| / (plus + minus) (Wilder 1978); 0 where both are 0."""
    total = plus + minus
    if total > NOTHING:
        return abs(plus - minus) / total
    return 0.0


@kernel
def age_share(age: int, window: int) -> float:
    """1 - age / (window - 1): 1 for now, 0 for the window's oldest bar."""
    return (window - 1 - age) / (window - 1)


@kernel
def log_level_ratio(x: float, y: float, factor: float) -> float:
    """``factor`` times the log of the ratio of two levels, which counts as within 1e-8 to 1e8; 0 where both are 0."""
    over = x if x > NO_VARIANCE else 0.0
    under = y if y > NO_VARIANCE else 0.0
    if over + under <= 0.0:
        return 0.0
    if over < LEVEL_FLOOR * under:
        over = LEVEL_FLOOR * under
    if under < LEVEL_FLOOR * over:
        under = LEVEL_FLOOR * over
    return factor * math.log(over / under)


@kernel
def z_score(x: float, shift: float, first: float, second: float, window: int) -> float:
    """(x - mean) / population standard deviation, from shifted sums; 0 without dispersion."""
    mean = first / window
    variance = second / window - mean * mean
    level = shift + mean
    if variance <= NO_DISPERSION * level * level:
        return 0.0
    return (x - shift - mean) / math.sqrt(variance)


@kernel
def t_value(shift: float, first: float, second: float, window: int) -> float:
    """The t-value of a mean: mean / population standard deviation * sqrt(window); 0 without dispersion."""
    mean = first / window
    variance = second / window - mean * mean
    level = shift + mean
    if variance <= NO_DISPERSION * level * level:
        return 0.0
    return level / math.sqrt(variance) * math.sqrt(window)


@kernel
def coefficient_of_variation(shift: float, first: float, second: float, window: int) -> float:
    """Population standard deviation / mean of a non-negative series; 0 without dispersion."""
    mean = first / window
    variance = second / window - mean * mean
    level = shift + mean
    if variance <= NO_DISPERSION * level * level:
        return 0.0
    return math.sqrt(variance) / level


@kernel
def path_z_score(path: float, first: float, second: float, window: int) -> float:
    """(path - mean) / population standard deviation; 0 for a flat path."""
    mean = first / window
    variance = second / window - mean * mean
    if variance <= NO_VARIANCE:
        return 0.0
    return (path - mean) / math.sqrt(variance)


@kernel
def trend_correlation(first: float, second: float, aged: float, window: int) -> float:
    """The correlation of a path with time, -1 to 1; 0 for a flat path."""
    spread = window * (window * window - 1.0) / 12.0
    variation = second - first * first / window
    if variation <= NO_VARIANCE:
        return 0.0
    value = (0.5 * (window - 1.0) * first - aged) / math.sqrt(spread * variation)
    if value > 1.0:
        return 1.0
    if value < -1.0:
        return -1.0
    return value


@kernel
def correlation_t_value(correlation: float, window: int) -> float:
    """The t-value of a regression slope; the residual share is at least `PERFECT_FIT`."""
    residual = (1.0 - correlation) * (1.0 + correlation)
    if residual < PERFECT_FIT:
        residual = PERFECT_FIT
    return correlation * math.sqrt((window - 2.0) / residual)


@kernel
def skewness(shift: float, first: float, second: float, third: float, window: int) -> float:
    """Third standardised central moment; 0 without dispersion."""
    mean = first / window
    variance = second / window - mean * mean
    level = shift + mean
    if variance <= NO_DISPERSION * level * level:
        return 0.0
    moment = third / window - 3.0 * mean * (second / window) + 2.0 * mean * mean * mean
    return moment / (variance * math.sqrt(variance))


@kernel
def excess_kurtosis(shift: float, first: float, second: float, third: float, fourth: float, window: int) -> float:
    """Fourth standardised central moment minus 3; 0 without dispersion."""
    mean = first / window
    square_mean = second / window
    variance = square_mean - mean * mean
    level = shift + mean
    if variance <= NO_DISPERSION * level * level:
        return 0.0
    tail = 6.0 * mean * mean * square_mean - 3.0 * mean * mean * mean * mean
    moment = fourth / window - 4.0 * mean * (third / window) + tail
    return moment / (variance * variance) - 3.0


@kernel
def autocovariance_share(
    x: float, oldest: float, shift: float, first: float, second: float, lagged: float, window: int
) -> float:
    """Lag-one sample autocorrelation, -1 to 1; 0 without dispersion."""
    mean = first / window
    variation = second - first * mean
    level = shift + mean
    if variation <= NO_DISPERSION * level * level * window:
        return 0.0
    ends = 2.0 * first - (x - shift) - (oldest - shift)
    return (lagged - mean * ends + (window - 1.0) * mean * mean) / variation


@kernel
def roll_spread(autocorrelation: float) -> float:
    """2 sqrt(-autocovariance) in standard deviations (Roll 1984); 0 where the autocovariance is not negative."""
    if autocorrelation >= -NO_COVARIANCE:
        return 0.0
    return 2.0 * math.sqrt(-autocorrelation)
