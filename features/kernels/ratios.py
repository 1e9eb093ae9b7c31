"""Stateless steps that turn aggregates into scale-free numbers; each states its value where the ratio is 0 / 0."""

from __future__ import annotations

import math

from features.kernels.logarithm import logarithm
from market.jit import kernel

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
def total(x: float, y: float) -> float:
    """The sum, x + y."""
    return x + y


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
def negative_square(x: float) -> float:
    """The square of the negative part."""
    return x * x if x < 0.0 else 0.0


@kernel
def is_positive(x: float) -> float:
    """1 where x is positive, else 0."""
    return 1.0 if x > 0.0 else 0.0


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
def ratio_above(x: float, y: float, least: float) -> float:
    """The ratio x / y for y >= 0; 0 where y is no more than ``least``."""
    if y > least:
        return x / y
    return 0.0


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
def position(x: float, low: float, high: float, neutral: float, least: float) -> float:
    """Where x lies between low (0) and high (1); ``neutral`` where they are no more than ``least`` apart."""
    if high - low > least:
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
    return factor * logarithm(over / under)


@kernel
def correlation_t_value(correlation: float, window: int) -> float:
    """The t-value of a regression slope; the residual share is at least `PERFECT_FIT`."""
    residual = (1.0 - correlation) * (1.0 + correlation)
    if residual < PERFECT_FIT:
        residual = PERFECT_FIT
    return correlation * math.sqrt((window - 2.0) / residual)


@kernel
def roll_spread(autocorrelation: float) -> float:
    """2 sqrt(-autocovariance) in standard deviations (Roll 1984); 0 where the autocovariance is not negative."""
    if autocorrelation >= -NO_COVARIANCE:
        return 0.0
    return 2.0 * math.sqrt(-autocorrelation)
