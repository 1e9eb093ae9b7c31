"""Stateless steps on prices and volumes of one bar (and the bar before)."""

from __future__ import annotations

import math

from market.jit import kernel

TURN = 2.0 * math.pi
S3, S5, S7, S9, S11, S13, S15 = ((-1.0) ** (k // 2) / math.factorial(k) for k in range(3, 16, 2))
C2, C4, C6, C8, C10, C12, C14, C16 = ((-1.0) ** (k // 2) / math.factorial(k) for k in range(2, 17, 2))


@kernel
def log_ratio(x: float, y: float) -> float:
    """log(x / y) to the last bits also where x and y nearly agree.

    Moves of up to 6 % take the series of 2 artanh((x - y) / (x + y)), which is as exact as `math.log1p` and cheaper.
    """
    share = (x - y) / (x + y)
    if abs(share) > 0.03125:
        return math.log(x / y)
    z = share * share
    return 2.0 * share + share * z * (2.0 / 3.0 + z * (0.4 + z * (2.0 / 7.0 + z * (2.0 / 9.0 + z * (2.0 / 11.0)))))


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
def range_variances(open_: float, high: float, low: float, close: float) -> tuple[float, float, float, float]:
    """Variance by Parkinson (1980), Garman and Klass (1980), Rogers and Satchell (1991), and log(close / open)."""
    up = log_ratio(high, open_)
    down = log_ratio(low, open_)
    body = log_ratio(close, open_)
    spread = up - down
    parkinson = spread * spread * (1.0 / 2.772588722239781)  # 4 ln 2
    garman_klass = 0.5 * spread * spread - 0.3862943611198906 * body * body  # 2 ln 2 - 1
    rogers_satchell = up * (up - body) + down * (down - body)
    return parkinson, garman_klass, rogers_satchell, body


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
def is_doji(open_: float, high: float, low: float, close: float) -> float:
    """1 where the body is at most a tenth of the range, also of a bar without range; else 0."""
    return 1.0 if 10.0 * abs(close - open_) <= high - low else 0.0


@kernel
def shadows(open_: float, high: float, low: float, close: float) -> tuple[float, float]:
    """Shares of the bar's range above and below its body; 0 for a bar without range."""
    if high <= low:
        return 0.0, 0.0
    top = open_ if open_ > close else close
    bottom = close if open_ > close else open_
    return (high - top) / (high - low), (bottom - low) / (high - low)


@kernel
def buying_pressure(low: float, close: float, before: float) -> float:
    """How far the bar closed above its true low (Williams 1985)."""
    return close - (low if low < before else before)


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
def is_weekend(end: int, origin: int, day: int) -> float:
    """1 where the last instant of the bar is on day six or seven of the weeks that begin at ``origin``, else 0."""
    return 1.0 if ((end - 1 - origin) // day) % 7 >= 5 else 0.0


@kernel
def cycle(end: int, origin: int, period: int) -> tuple[float, float]:
    """Sine and cosine of a clock that turns once in ``period`` nanoseconds and showed 0 at ``origin``.

    The quadrant is split off exactly; Taylor's series on the remaining eighths of a turn are exact to the last bits.
    """
    turns = ((end - origin) % period) / period
    quadrant = int(4.0 * turns + 0.5)
    angle = TURN * (turns - 0.25 * quadrant)
    z = angle * angle
    sine = angle * (1.0 + z * (S3 + z * (S5 + z * (S7 + z * (S9 + z * (S11 + z * (S13 + z * S15)))))))
    cosine = 1.0 + z * (C2 + z * (C4 + z * (C6 + z * (C8 + z * (C10 + z * (C12 + z * (C14 + z * C16)))))))
    if quadrant & 1:
        sine, cosine = cosine, -sine
    if quadrant & 2:
        sine, cosine = -sine, -cosine
    return sine, cosine


@kernel
def turns_added(sine: float, cosine: float, other_sine: float, other_cosine: float) -> tuple[float, float]:
    """Sine and cosine of the sum of two angles: of a clock that turns as often as both together."""
    return sine * other_cosine + cosine * other_sine, cosine * other_cosine - sine * other_sine
