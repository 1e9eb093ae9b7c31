"""Two series together: sums of products over a window, correlation and slope."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from features.kernels.moments import NO_DISPERSION
from market.jit import kernel

Floats = NDArray[np.float64]

STEEPEST = 100.0


@kernel
def window_product(
    state: Floats,
    at: int,
    x: float,
    x_ring: int,
    x_mask: int,
    y: float,
    y_ring: int,
    y_mask: int,
    head: int,
    window: int,
    fresh: bool,
    since: int,
) -> float:
    """Sum of (x - its shift)(y - its shift) over the last ``window`` pairs, with the shifts of `window_moments`.

    State: two shifts, prefix, suffix[window].
    """
    suffix = at + 3
    if fresh:
        total = 0.0
        state[at] = x
        state[at + 1] = y
        state[at + 2] = 0.0
        state[suffix] = 0.0
        for back in range(1, window):
            total += (state[x_ring + ((head - back) & x_mask)] - x) * (state[y_ring + ((head - back) & y_mask)] - y)
            state[suffix + back] = total
    prefix = state[at + 2] + (x - state[at]) * (y - state[at + 1])
    state[at + 2] = prefix
    whole: float = state[suffix + window - since] + prefix
    return whole


@kernel
def spread_of(shift: float, first: float, second: float, window: int) -> float:
    """The sum of squared deviations from the mean; 0 without dispersion."""
    mean = first / window
    variation = second - first * mean
    level = shift + mean
    if variation <= NO_DISPERSION * level * level * window:
        return 0.0
    return variation


@kernel
def correlation(
    x_shift: float,
    x_first: float,
    x_second: float,
    y_shift: float,
    y_first: float,
    y_second: float,
    products: float,
    window: int,
) -> float:
    """Pearson's correlation of two windows from their moments, -1 to 1; 0 where either has no dispersion."""
    across = spread_of(x_shift, x_first, x_second, window)
    along = spread_of(y_shift, y_first, y_second, window)
    if across == 0.0 or along == 0.0:
        return 0.0
    value = (products - x_first * y_first / window) / (math.sqrt(across) * math.sqrt(along))
    if value > 1.0:
        return 1.0
    if value < -1.0:
        return -1.0
    return value


@kernel
def slope(x_first: float, y_shift: float, y_first: float, y_second: float, products: float, window: int) -> float:
    """The slope of the regression of x on y from their moments, within 100; 0 where y has no dispersion."""
    along = spread_of(y_shift, y_first, y_second, window)
    if along == 0.0:
        return 0.0
    value = (products - x_first * y_first / window) / along
    if value > STEEPEST:
        return STEEPEST
    if value < -STEEPEST:
        return -STEEPEST
    return value


@kernel
def residual(x: float, slope_: float, y: float) -> float:
    """What is left of x without its slope's share of y."""
    return x - slope_ * y
