"""Steps of trend indicators: averages of averages, adaptive weights, bands that follow, midpoints of ranges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel

Floats = NDArray[np.float64]

LARGER = 1.0 + 1e-9
"""One point that moved has the same t-value in every window: rounding must not choose among them."""


@kernel
def triple_distance(distance: float, once: float, twice: float) -> float:
    """Distance to the triple exponential average (Mulloy 1994), from averages of the distance to the simple one."""
    return distance - 2.0 * once + twice


@kernel
def twice_less(x: float, y: float) -> float:
    """The difference 2 x - y."""
    return 2.0 * x - y


@kernel
def adaptive_weight(efficiency: float, fast: float, slow: float) -> float:
    """The squared weight between slow and fast that Kaufman (1995) gives the newest value of an adaptive average."""
    weight = abs(efficiency) * (fast - slow) + slow
    return weight * weight


@kernel
def vortex_movement(high: float, low: float, high_before: float, low_before: float) -> float:
    """Upward less downward vortex movement, |high - low before| - |low - high before| (Botes and Siepman 2010)."""
    return abs(high - low_before) - abs(low - high_before)


@kernel
def strongest(a: float, b: float, c: float, d: float) -> tuple[float, int]:
    """The value of largest magnitude, and its place; one counts as larger only by more than a billionth."""
    value = a
    place = 0
    if abs(b) > LARGER * abs(value):
        value = b
        place = 1
    if abs(c) > LARGER * abs(value):
        value = c
        place = 2
    if abs(d) > LARGER * abs(value):
        value = d
        place = 3
    return value, place


@kernel
def midpoint_distance(close: float, high: float, low: float) -> float:
    """(close - midpoint of a range) / close."""
    return 0.5 * ((close - high) + (close - low)) / close


@kernel
def midpoints_apart(high: float, low: float, high_other: float, low_other: float, close: float) -> float:
    """(midpoint of one range - midpoint of another) / close."""
    return 0.5 * ((high - high_other) + (low - low_other)) / close


@kernel
def midpoint(high: float, low: float) -> float:
    """The middle of a range."""
    return 0.5 * (high + low)


@kernel
def outside(close: float, one: float, other: float) -> float:
    """How far a price is above or below a band, over the price; 0 within."""
    top = one if one > other else other
    bottom = other if one > other else one
    if close > top:
        return (close - top) / close
    if close < bottom:
        return (close - bottom) / close
    return 0.0


@kernel
def supertrend(
    state: Floats, at: int, high: float, low: float, close: float, change: float, average_range: float, multiple: float
) -> float:
    """Close minus the band that follows the trend: positive in an upward trend, negative in a downward one.

    The bands are kept as distances from the close, so that no price level is subtracted from another.
    State: distance up to the upper band, distance down to the lower one, trend (0 before the first bar).
    """
    middle = 0.5 * ((high - close) + (low - close))
    upper = middle + multiple * average_range
    lower = multiple * average_range - middle
    trend = state[at + 2]
    if trend == 0.0:
        trend = 1.0
    else:
        held = state[at] - change
        if upper >= held and state[at] >= 0.0:
            upper = held
        held = state[at + 1] + change
        if lower >= held and state[at + 1] >= 0.0:
            lower = held
        if trend > 0.0:
            if lower < 0.0:
                trend = -1.0
        elif upper < 0.0:
            trend = 1.0
    state[at] = upper
    state[at + 1] = lower
    state[at + 2] = trend
    return lower if trend > 0.0 else -upper
