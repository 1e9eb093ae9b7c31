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


@kernel
def dickey_fuller_t(
    count: int, xx: float, zz: float, ww: float, xz: float, xw: float, zw: float, raw: float
) -> tuple[bool, float]:
    """The t-value of x in the regression of w on 1, x and z, and whether x and z vary enough to have one.

    Parameters
    ----------
    count
        Rows, more than 3.
    xx, zz, ww, xz, xw, zw
        Central sums of squares and products. For the augmented Dickey–Fuller statistic with one lag, w is a change,
        z the change before it, and x the level before both.
    raw
        The sum of squares of w, about zero.
    """
    if zz <= COLLINEAR * raw or ww <= COLLINEAR * raw:
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
    mx, mz, mw, xx, zz, ww, xz, xw, zw, raw = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
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
        raw += w * w
    if count < 4:
        return False, 0.0
    return dickey_fuller_t(count, xx, zz, ww, xz, xw, zw, raw)


@kernel
def supremum_dickey_fuller(state: Floats, at: int, ring: int, mask: int, head: int, window: int, minimum: int) -> float:
    """The largest augmented Dickey–Fuller t-value over all beginnings, of log returns; 0 where no regression has one.

    ``window`` prices, the newest included, give window - 2 rows; a regression has at least ``minimum``. Means and
    central sums grow row by row into the past (Welford 1962).
    """
    mx, mz, mw, xx, zz, ww, xz, xw, zw, raw = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
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
        raw += w * w
        w = z
        if row >= minimum:
            some, value = dickey_fuller_t(row, xx, zz, ww, xz, xw, zw, raw)
            if some and (value > best or not found):
                best = value
                found = True
    return best
