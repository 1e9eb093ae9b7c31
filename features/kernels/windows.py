"""Sums and moments over the last ``window`` values: no drift, and no memory beyond the window.

Running sums that add the newest value and subtract the oldest drift: an outlier leaves its rounding error behind for
ever. Here nothing is subtracted. Bar numbers are cut into blocks of ``window`` at absolute boundaries (multiples of
``window`` on the interval's grid). When a bar opens a new block (``fresh``), the suffix aggregates of the values before
it are computed anew from the ring of past values; within the block a prefix aggregate grows; the window is always

    suffix of (window - since) older values  +  prefix of ``since`` newer values,

with ``since`` the number of bars seen in the block. This is the two-scan of van Herk (1992) and Gil & Werman (1993),
made incremental: O(1) per bar on average. Since block boundaries are absolute and a window of W values always contains
the first bar of a block, the bits depend on exactly the last W values, wherever history began, gaps or not.

Second and higher moments are taken about a *shift* which is the value at the block's first bar. As that value lies in
the window, (shift - mean)^2 <= W * variance, so the cancellation costs at most a factor W: no price level can spoil it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.kernels.aside import NOT_NEGATIVE, aside
from market.jit import kernel

Floats = NDArray[np.float64]

SHORT = 8


@kernel
def lookback(state: Floats, at: int, ring: int, mask: int, head: int, bars: int) -> float:
    """The value some bars ago."""
    value: float = state[ring + ((head - bars) & mask)]
    return value


@kernel
def short_sum(state: Floats, at: int, x: float, ring: int, mask: int, head: int, window: int) -> float:
    """The sum of the last few values, anew for every bar: for up to `SHORT` that costs less than blocks."""
    total = 0.0
    for back in range(window - 1, 0, -1):
        total += state[ring + ((head - back) & mask)]
    return total + x


@kernel
def short_weighted_mean(state: Floats, at: int, x: float, ring: int, mask: int, head: int, window: int) -> float:
    """The linearly weighted average of the last few values, anew for every bar: weights 1, ..., now ``window``."""
    total = 0.0
    for back in range(window - 1, 0, -1):
        total += (window - back) * state[ring + ((head - back) & mask)]
    return (total + window * x) * (2.0 / (window * (window + 1.0)))


@aside
def refill_sum(state: Floats, suffix: int, ring: int, mask: int, head: int, window: int) -> None:
    """Sums of the last 0, 1, ..., window - 1 values before this bar, two at a time: no sum waits for the one before."""
    total = 0.0
    state[suffix] = 0.0
    for back in range(1, window - 1, 2):
        newer = state[ring + ((head - back) & mask)]
        older = state[ring + ((head - back - 1) & mask)]
        state[suffix + back] = total + newer
        total += newer + older
        state[suffix + back + 1] = total
    if window & 1 == 0:
        state[suffix + window - 1] = total + state[ring + ((head - window + 1) & mask)]


@kernel
def window_sum(
    state: Floats, at: int, x: float, ring: int, mask: int, head: int, window: int, fresh: bool, since: int
) -> float:
    """The sum of the last ``window`` values. State: prefix, suffix[window]."""
    suffix = at + 1
    if fresh:
        state[at] = 0.0
        refill_sum(state, suffix, ring, mask, head, window)
    prefix = state[at] + x
    state[at] = prefix
    whole: float = state[suffix + ((window - since) & NOT_NEGATIVE)] + prefix
    return whole


@aside
def refill_moments(
    state: Floats, suffix: int, shift: float, ring: int, mask: int, head: int, window: int, power: int
) -> None:
    """Sums of d ** power and d ** (power + 1), power 1 or 3, of the last 0, 1, ..., window - 1 values before now."""
    low = 0.0
    high = 0.0
    state[suffix] = 0.0
    state[suffix + 1] = 0.0
    for back in range(1, window):
        d = state[ring + ((head - back) & mask)] - shift
        term = d if power == 1 else d * d * d
        low += term
        high += term * d
        state[suffix + 2 * back] = low
        state[suffix + 2 * back + 1] = high


@kernel
def window_moments(
    state: Floats, at: int, x: float, ring: int, mask: int, head: int, window: int, fresh: bool, since: int
) -> tuple[float, float, float]:
    """Shift, sum and sum of squares of (value - shift). State: shift, two prefixes, pairs suffix[window]."""
    suffix = at + 3
    if fresh:
        state[at] = x
        state[at + 1] = 0.0
        state[at + 2] = 0.0
        refill_moments(state, suffix, x, ring, mask, head, window, 1)
    shift = state[at]
    d = x - shift
    first = state[at + 1] + d
    second = state[at + 2] + d * d
    state[at + 1] = first
    state[at + 2] = second
    older = suffix + 2 * ((window - since) & NOT_NEGATIVE)
    return shift, state[older] + first, state[older + 1] + second


@kernel
def window_higher_moments(
    state: Floats, at: int, x: float, ring: int, mask: int, head: int, window: int, fresh: bool, since: int
) -> tuple[float, float]:
    """Sums of third and fourth powers of (value - shift), with the shift of `window_moments`. State: as there."""
    suffix = at + 3
    if fresh:
        state[at] = x
        state[at + 1] = 0.0
        state[at + 2] = 0.0
        refill_moments(state, suffix, x, ring, mask, head, window, 3)
    d = x - state[at]
    third = state[at + 1] + d * d * d
    fourth = state[at + 2] + d * d * d * d
    state[at + 1] = third
    state[at + 2] = fourth
    older = suffix + 2 * ((window - since) & NOT_NEGATIVE)
    return state[older] + third, state[older + 1] + fourth
