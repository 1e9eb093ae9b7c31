"""Sums, moments and extremes over the last ``window`` values: no drift, and no memory beyond the window.

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

import math

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

INFINITY = math.inf


@kernel
def window_sum(
    state: Floats, at: int, x: float, ring: int, mask: int, head: int, window: int, fresh: bool, since: int
) -> float:
    """The sum of the last ``window`` values. State: prefix, suffix[window]."""
    suffix = at + 1
    if fresh:
        total = 0.0
        state[at] = 0.0
        state[suffix] = 0.0
        for back in range(1, window):
            total += state[ring + ((head - back) & mask)]
            state[suffix + back] = total
    prefix = state[at] + x
    state[at] = prefix
    whole: float = state[suffix + window - since] + prefix
    return whole


@kernel
def window_moments(
    state: Floats, at: int, x: float, ring: int, mask: int, head: int, window: int, fresh: bool, since: int
) -> tuple[float, float, float]:
    """Shift, sum and sum of squares of (value - shift). State: shift, two prefixes, pairs suffix[window]."""
    suffix = at + 3
    if fresh:
        first = 0.0
        second = 0.0
        state[at] = x
        state[at + 1] = 0.0
        state[at + 2] = 0.0
        state[suffix] = 0.0
        state[suffix + 1] = 0.0
        for back in range(1, window):
            d = state[ring + ((head - back) & mask)] - x
            first += d
            second += d * d
            state[suffix + 2 * back] = first
            state[suffix + 2 * back + 1] = second
    shift = state[at]
    d = x - shift
    first = state[at + 1] + d
    second = state[at + 2] + d * d
    state[at + 1] = first
    state[at + 2] = second
    older = suffix + 2 * (window - since)
    return shift, state[older] + first, state[older + 1] + second


@kernel
def window_higher_moments(
    state: Floats, at: int, x: float, ring: int, mask: int, head: int, window: int, fresh: bool, since: int
) -> tuple[float, float]:
    """Sums of third and fourth powers of (value - shift), with the shift of `window_moments`. State: as there."""
    suffix = at + 3
    if fresh:
        third = 0.0
        fourth = 0.0
        state[at] = x
        state[at + 1] = 0.0
        state[at + 2] = 0.0
        state[suffix] = 0.0
        state[suffix + 1] = 0.0
        for back in range(1, window):
            d = state[ring + ((head - back) & mask)] - x
            third += d * d * d
            fourth += d * d * d * d
            state[suffix + 2 * back] = third
            state[suffix + 2 * back + 1] = fourth
    d = x - state[at]
    third = state[at + 1] + d * d * d
    fourth = state[at + 2] + d * d * d * d
    state[at + 1] = third
    state[at + 2] = fourth
    older = suffix + 2 * (window - since)
    return state[older] + third, state[older + 1] + fourth


@kernel
def window_lagged_product(
    state: Floats, at: int, x: float, ring: int, mask: int, head: int, window: int, fresh: bool, since: int
) -> tuple[float, float]:
    """Sum of products of the window's neighbours about the shift of `window_moments`, and the window's oldest value.

    The pair across the block boundary is zero, because the shift is the boundary's value.
    State: shift, prefix, suffix[window].
    """
    suffix = at + 2
    if fresh:
        total = 0.0
        newer = state[ring + ((head - 1) & mask)] - x
        state[at] = x
        state[at + 1] = 0.0
        state[suffix] = 0.0
        state[suffix + 1] = 0.0
        for back in range(2, window):
            d = state[ring + ((head - back) & mask)] - x
            total += d * newer
            newer = d
            state[suffix + back] = total
    shift = state[at]
    prefix = state[at + 1] + (x - shift) * (state[ring + ((head - 1) & mask)] - shift)
    state[at + 1] = prefix
    return state[suffix + window - since] + prefix, state[ring + ((head - window + 1) & mask)]


@kernel
def window_extreme(
    floats: Floats,
    at: int,
    ints: Ints,
    at_int: int,
    x: float,
    ring: int,
    mask: int,
    head: int,
    window: int,
    fresh: bool,
    since: int,
    sign: float,
) -> tuple[float, int]:
    """The largest (sign 1.0) or smallest (sign -1.0) of the last values, and how many bars ago it was last seen."""
    suffix = at + 1
    suffix_at = at_int + 1
    value = sign * x
    if fresh:
        best = -INFINITY
        place = head
        floats[at] = value
        ints[at_int] = head
        floats[suffix] = best
        for back in range(1, window):
            older = sign * floats[ring + ((head - back) & mask)]
            if older > best:
                best = older
                place = head - back
            floats[suffix + back] = best
            ints[suffix_at + back] = place
    elif value >= floats[at]:
        floats[at] = value
        ints[at_int] = head
    rest = window - since
    if floats[suffix + rest] > floats[at]:
        return sign * floats[suffix + rest], head - ints[suffix_at + rest]
    return sign * floats[at], head - ints[at_int]


@kernel
def window_path(
    state: Floats, at: int, change: float, ring: int, mask: int, head: int, window: int, fresh: bool, since: int
) -> tuple[float, float, float, float]:
    """Moments of the path that changes add up to, over its last ``window`` points.

    The path is the logarithm of the price when the changes are log returns. It is measured from the block's first bar
    (where it is zero), so its level never costs precision.

    Returns
    -------
    tuple
        The path now, and over the window the sums of path, path squared, and age times path (age 0 is now).
        State: path, three prefixes, triples suffix[window].
    """
    suffix = at + 4
    if fresh:
        place = -change
        first = 0.0
        second = 0.0
        aged = 0.0
        for number in range(7):
            state[at + number] = 0.0
        for back in range(1, window):
            first += place
            second += place * place
            aged += back * place
            state[suffix + 3 * back] = first
            state[suffix + 3 * back + 1] = second
            state[suffix + 3 * back + 2] = aged
            place -= state[ring + ((head - back) & mask)]
    else:
        state[at] += change
        state[at + 3] += state[at + 1]
        state[at + 1] += state[at]
        state[at + 2] += state[at] * state[at]
    older = suffix + 3 * (window - since)
    aged = state[older + 2] + (since - 1) * state[older]
    return state[at], state[older] + state[at + 1], state[older + 1] + state[at + 2], aged + state[at + 3]


@kernel
def window_weighted_path(
    state: Floats,
    at: int,
    change: float,
    ring: int,
    mask: int,
    weight: float,
    weight_ring: int,
    weight_mask: int,
    head: int,
    window: int,
    fresh: bool,
    since: int,
) -> float:
    """Sum of weight times path over the window, with the path of `window_path`. State: path, prefix, suffix[window]."""
    suffix = at + 2
    if fresh:
        place = -change
        total = 0.0
        state[at] = 0.0
        state[at + 1] = 0.0
        state[suffix] = 0.0
        for back in range(1, window):
            total += state[weight_ring + ((head - back) & weight_mask)] * place
            state[suffix + back] = total
            place -= state[ring + ((head - back) & mask)]
    else:
        state[at] += change
    prefix = state[at + 1] + weight * state[at]
    state[at + 1] = prefix
    whole: float = state[suffix + window - since] + prefix
    return whole


@kernel
def window_commodity_channel(
    state: Floats,
    at: int,
    close: float,
    high_ring: int,
    high_mask: int,
    low_ring: int,
    low_mask: int,
    close_ring: int,
    close_mask: int,
    head: int,
    window: int,
) -> float:
    """Distance of the typical price to its mean in 0.015 mean absolute deviations (Lambert 1980); 0 when flat.

    The mean absolute deviation has no incremental form: two passes over the ring, on differences to the close.
    """
    total = 0.0
    for back in range(window - 1, -1, -1):
        total += (
            (state[high_ring + ((head - back) & high_mask)] - close)
            + (state[low_ring + ((head - back) & low_mask)] - close)
            + (state[close_ring + ((head - back) & close_mask)] - close)
        )
    mean = total / window
    deviation = 0.0
    now: float = 0.0
    for back in range(window - 1, -1, -1):
        now = (
            (state[high_ring + ((head - back) & high_mask)] - close)
            + (state[low_ring + ((head - back) & low_mask)] - close)
            + (state[close_ring + ((head - back) & close_mask)] - close)
        )
        deviation += abs(now - mean)
    deviation /= window
    if deviation <= 1e-12 * close:
        return 0.0
    return (now - mean) / (0.015 * deviation)
