"""Extremes over the last ``window`` values, by the blocks of `features.kernels.windows`."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from features.kernels.aside import NOT_NEGATIVE, aside
from market.jit import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

INFINITY = math.inf


@aside
def refill_extreme(state: Floats, suffix: int, ring: int, mask: int, head: int, window: int, sign: float) -> None:
    """The largest of ``sign`` times the last 0, 1, ..., window - 1 values before this bar."""
    best = -INFINITY
    state[suffix] = best
    for back in range(1, window):
        older = sign * state[ring + ((head - back) & mask)]
        best = older if older > best else best
        state[suffix + back] = best


@kernel
def window_extreme(
    state: Floats, at: int, x: float, ring: int, mask: int, head: int, window: int, fresh: bool, since: int, sign: float
) -> float:
    """The largest (sign 1.0) or smallest (sign -1.0) of the last values. State: prefix, suffix[window]."""
    value = sign * x
    suffix = at + 1
    if fresh:
        state[at] = value
        refill_extreme(state, suffix, ring, mask, head, window, sign)
    best = state[at]
    best = value if value > best else best
    state[at] = best
    older = state[suffix + ((window - since) & NOT_NEGATIVE)]
    return sign * (older if older > best else best)


@aside
def refill_age(
    state: Floats, suffix: int, ints: Ints, places: int, ring: int, mask: int, head: int, window: int, sign: float
) -> None:
    """As `refill_extreme`, with the bar at which each was last seen."""
    best = -INFINITY
    place = head
    state[suffix] = best
    for back in range(1, window):
        older = sign * state[ring + ((head - back) & mask)]
        if older > best:
            best = older
            place = head - back
        state[suffix + back] = best
        ints[places + back] = place


@kernel
def window_age(
    state: Floats,
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
) -> int:
    """How many bars ago the largest (sign 1.0) or smallest (sign -1.0) of the last values was last seen."""
    suffix = at + 1
    value = sign * x
    if fresh:
        state[at] = value
        ints[at_int] = head
        refill_age(state, suffix, ints, at_int + 1, ring, mask, head, window, sign)
    elif value >= state[at]:
        state[at] = value
        ints[at_int] = head
    rest = (window - since) & NOT_NEGATIVE
    seen: int = ints[at_int]
    if state[suffix + rest] > state[at]:
        seen = ints[at_int + 1 + rest]
    return head - seen
