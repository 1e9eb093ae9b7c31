"""Stateless steps on prices and volumes of one bar (and the bar before)."""

from __future__ import annotations

import math

from market.jit import kernel

DAY = 86_400_000_000_000
WEEK = 7 * DAY
MONDAY = 4 * DAY  # 1970-01-05, the first Monday
TURN = 2.0 * math.pi


@kernel
def log_ratio(x: float, y: float) -> float:
    """log(x / y) to the last bits also where x and y nearly agree."""
    if 0.5 * y < x < 2.0 * y:
        return math.log1p((x - y) / y)
    return math.log(x / y)


@kernel
def true_range(high: float, low: float, before: float) -> float:
    """The range of the bar, extended to the close before (Wilder 1978)."""
    top = high if high > before else before
    bottom = low if low < before else before
    return top - bottom


@kernel
def directional_movement(high: float, low: float, high_before: float, low_before: float) -> tuple[float, float]:
    """Upward and downward directional movement, of which at most one is not zero (Wilder 1978)."""
    up = high - high_before
    down = low_before - low
    if up > down and up > 0.0:
        return up, 0.0
    if down > up and down > 0.0:
        return 0.0, down
    return 0.0, 0.0


@kernel
def range_variances(open_: float, high: float, low: float, close: float) -> tuple[float, float, float]:
    """One bar's variance by Parkinson (1980), Garman and Klass (1980), Rogers and Satchell (1991)."""
    up = log_ratio(high, open_)
    down = log_ratio(low, open_)
    body = log_ratio(close, open_)
    spread = up - down
    parkinson = spread * spread / 2.772588722239781  # 4 ln 2
    garman_klass = 0.5 * spread * spread - 0.3862943611198906 * body * body  # 2 ln 2 - 1
    rogers_satchell = up * (up - body) + down * (down - body)
    return parkinson, garman_klass, rogers_satchell


@kernel
def close_location(high: float, low: float, close: float) -> float:
    """Where in its range the bar closed, -1 (low) to 1 (high); 0 for a bar without range."""
    if high > low:
        return ((close - low) - (high - close)) / (high - low)
    return 0.0


@kernel
def body_share(open_: float, high: float, low: float, close: float) -> float:
    """(close - open) / (high - low); 0 for a bar without range."""
    if high > low:
        return (close - open_) / (high - low)
    return 0.0


@kernel
def typical_price(high: float, low: float, close: float) -> float:
    """(high + low + close) / 3, rounded as TA-Lib rounds it, because its sign of change is compared."""
    return (high + low + close) / 3.0


@kernel
def signed_flow(x: float, before: float, amount: float) -> tuple[float, float]:
    """The amount with the sign of the change, and without it: (sign(x - before) amount, |sign| amount)."""
    if x > before:
        return amount, amount
    if x < before:
        return -amount, amount
    return 0.0, 0.0


@kernel
def imbalance(bought: float, volume: float) -> float:
    """(bought - sold) / volume by takers, -1 to 1; 0 without volume."""
    if volume <= 0.0:
        return 0.0
    share = (bought - (volume - bought)) / volume
    if share > 1.0:
        return 1.0
    return share


@kernel
def illiquidity(change: float, volume: float, close: float) -> float:
    """|log return| per quote asset traded (Amihud 2002, eq. 1 per bar); 0 without volume."""
    if volume <= 0.0:
        return 0.0
    return abs(change) / (volume * close)


@kernel
def hour_angle(end: int) -> tuple[float, float]:
    """Sine and cosine of the time of day, one turn a day, 0 at midnight UTC."""
    angle = TURN * ((end % DAY) / DAY)
    return math.sin(angle), math.cos(angle)


@kernel
def weekday_angle(end: int) -> tuple[float, float]:
    """Sine and cosine of the time of week, one turn a week, 0 at Monday 00:00 UTC."""
    angle = TURN * (((end - MONDAY) % WEEK) / WEEK)
    return math.sin(angle), math.cos(angle)
