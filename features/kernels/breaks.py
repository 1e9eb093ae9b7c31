"""Structural breaks: cumulative sums of Chu, Stinchcombe and White, and the supremum of Dickey–Fuller statistics.

Both look at every beginning within a window that ends now, so a bar costs a pass over the window. The path is taken
backwards from the newest price, so that its level never costs precision, and nothing is kept between bars.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel

Floats = NDArray[np.float64]

COLLINEAR = 1e-9  # the least share of a regressor that the others do not explain
PERFECT = 1e-4  # the least share of the response that is left unexplained: t-values stay finite
NO_VARIANCE = 1e-40  # of log returns
LONGEST = 1_024  # bars of the longest window

INVERSE_ROOTS = np.array([0.0, *(1.0 / math.sqrt(lag) for lag in range(1, LONGEST))])
CRITICAL = np.array([0.0, *(math.sqrt(4.6 + math.log(lag)) for lag in range(1, LONGEST))])
"""The 5 % critical values of Chu, Stinchcombe and White's statistic, by the number of bars since the beginning."""


@kernel
def dickey_fuller_t(
    count: int, xx: float, zz: float, ww: float, xz: float, xw: float, zw: float, raw_z: float, raw_w: float
) -> tuple[bool, float]:
    """The t-value of x in the regression of w on 1, x and z, and whether x and z vary enough to have one.

    Parameters
    ----------
    count
        Rows, more than 3.
    xx, zz, ww, xz, xw, zw
        Central sums of squares and products. For the augmented Dickey–Fuller statistic with one lag, w is a change,
        z the change before it, and x the level before both.
    raw_z, raw_w
        The sums of squares of z and w about zero.
    """
    if zz <= COLLINEAR * raw_z or ww <= COLLINEAR * raw_w:
        return False, 0.0
    level = xx - xz * xz / zz
    response = ww - zw * zw / zz
    if level <= COLLINEAR * xx or response <= COLLINEAR * ww:
        return False, 0.0
    covariance = xw - xz * zw / zz
    residual = 1.0 - covariance * covariance / (level * response)
    if residual < PERFECT:
        residual = PERFECT
    return True, covariance / math.sqrt(level * response * residual) * math.sqrt(count - 3.0)


@kernel
def dickey_fuller(series: Floats) -> tuple[bool, float]:
    """The augmented Dickey–Fuller t-value of a whole series, with a constant and one lag, and whether it has one."""
    mx, mz, mw, xx, zz, ww = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    xz, xw, zw, raw_z, raw_w = 0.0, 0.0, 0.0, 0.0, 0.0
    count = 0
    for row in range(2, series.shape[0]):
        w = series[row] - series[row - 1]
        z = series[row - 1] - series[row - 2]
        x = series[row - 1] - series[0]
        count += 1
        dx, dz, dw = x - mx, z - mz, w - mw
        mx, mz, mw = mx + dx / count, mz + dz / count, mw + dw / count
        xx, zz, ww = xx + dx * (x - mx), zz + dz * (z - mz), ww + dw * (w - mw)
        xz, xw, zw = xz + dx * (z - mz), xw + dx * (w - mw), zw + dz * (w - mw)
        raw_z, raw_w = raw_z + z * z, raw_w + w * w
    if count < 4:
        return False, 0.0
    return dickey_fuller_t(count, xx, zz, ww, xz, xw, zw, raw_z, raw_w)


@kernel
def supremum_dickey_fuller(state: Floats, at: int, ring: int, mask: int, head: int, window: int, minimum: int) -> float:
    """The largest augmented Dickey–Fuller t-value over all beginnings, of log returns; 0 where no regression has one.

    ``window`` prices, the newest included, give window - 2 rows; a regression has at least ``minimum``. Means and
    central sums grow row by row into the past (Welford 1962).
    """
    mx, mz, mw, xx, zz, ww = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    xz, xw, zw, raw_z, raw_w = 0.0, 0.0, 0.0, 0.0, 0.0
    x = 0.0
    best = 0.0
    found = False
    w = state[ring + (head & mask)]
    for row in range(1, window - 1):
        z = state[ring + ((head - row) & mask)]
        x -= w
        share = 1.0 / row
        dx, dz, dw = x - mx, z - mz, w - mw
        mx, mz, mw = mx + dx * share, mz + dz * share, mw + dw * share
        xx, zz, ww = xx + dx * (x - mx), zz + dz * (z - mz), ww + dw * (w - mw)
        xz, xw, zw = xz + dx * (z - mz), xw + dx * (w - mw), zw + dz * (w - mw)
        raw_z, raw_w = raw_z + z * z, raw_w + w * w
        w = z
        if row >= minimum:
            some, value = dickey_fuller_t(row, xx, zz, ww, xz, xw, zw, raw_z, raw_w)
            if some and (value > best or not found):
                best = value
                found = True
    return best


@kernel
def cumulative_sums(state: Floats, at: int, ring: int, mask: int, head: int, window: int) -> tuple[float, float, float]:
    """Chu, Stinchcombe and White's statistic (y_t - y_n) / (s sqrt(t - n)) over all n within ``window`` prices.

    s is the standard deviation of the window's log returns about zero (not their variance).

    Returns
    -------
    tuple
        Its largest value, the largest of its negative, and the largest excess of its size over the 5 % critical
        value. Without volatility it is 0 everywhere.
    """
    total = 0.0
    for back in range(window - 1):
        change = state[ring + ((head - back) & mask)]
        total += change * change
    variance = total / (window - 1)
    inverse = 1.0 / math.sqrt(variance) if variance > NO_VARIANCE else 0.0
    rise = -math.inf
    fall = -math.inf
    excess = -math.inf
    move = 0.0
    for lag in range(1, window):
        move += state[ring + ((head - lag + 1) & mask)]
        value = move * inverse * INVERSE_ROOTS[lag]
        rise = max(rise, value)
        fall = max(fall, -value)
        excess = max(excess, abs(value) - CRITICAL[lag])
    return rise, fall, excess
