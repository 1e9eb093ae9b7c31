"""Sums over the path that changes add up to, by the blocks of `features.kernels.windows`.

A path is the logarithm of the price when the changes are log returns. It is measured from its block's first bar, so the
price level never costs precision.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.kernels.aside import NOT_NEGATIVE, aside
from market.jit import kernel

Floats = NDArray[np.float64]


@aside
def refill_path(state: Floats, suffix: int, change: float, ring: int, mask: int, head: int, window: int) -> None:
    """Sums of path, its square, bars back times path of the last 0, 1, ..., window - 1 points before this bar."""
    place = -change
    first = 0.0
    second = 0.0
    aged = 0.0
    state[suffix] = 0.0
    state[suffix + 1] = 0.0
    state[suffix + 2] = 0.0
    for back in range(1, window):
        first += place
        second += place * place
        aged += back * place
        state[suffix + 3 * back] = first
        state[suffix + 3 * back + 1] = second
        state[suffix + 3 * back + 2] = aged
        place -= state[ring + ((head - back) & mask)]


@kernel
def window_path(
    state: Floats, at: int, change: float, ring: int, mask: int, head: int, window: int, fresh: bool, since: int
) -> tuple[float, float, float, float]:
    """Moments of the path that changes add up to, over its last ``window`` points.

    Returns
    -------
    tuple
        The path now, and over the window the sums of path, path squared, and age times path (age 0 is now).
        State: path, three prefixes, triples suffix[window].
    """
    suffix = at + 4
    if fresh:
        for number in range(4):
            state[at + number] = 0.0
        refill_path(state, suffix, change, ring, mask, head, window)
    else:
        state[at] += change
        state[at + 3] += state[at + 1]
        state[at + 1] += state[at]
        state[at + 2] += state[at] * state[at]
    older = suffix + 3 * ((window - since) & NOT_NEGATIVE)
    aged = state[older + 2] + (since - 1) * state[older]
    return state[at], state[older] + state[at + 1], state[older + 1] + state[at + 2], aged + state[at + 3]


@aside
def refill_distance(state: Floats, suffix: int, change: float, ring: int, mask: int, head: int, window: int) -> None:
    """Sums of the sums of the last 0, 1, ..., window - 1 points before this bar."""
    place = -change
    first = 0.0
    weighted = 0.0
    state[suffix] = 0.0
    for back in range(1, window):
        first += place
        weighted += first
        state[suffix + back] = weighted
        place -= state[ring + ((head - back) & mask)]


@kernel
def window_weighted_distance(
    state: Floats, at: int, change: float, ring: int, mask: int, head: int, window: int, fresh: bool, since: int
) -> float:
    """Distance of the path to its linearly weighted average over the last ``window`` points.

    The sum of weight times path, weights ``window`` (now) to 1, has two parts. Of the points before the block the
    newest has a weight of one more than there are of them, for every ``since``: their part is a sum of their sums.
    State: path, prefix of path, prefix of weight times path, suffix[window].
    """
    suffix = at + 3
    if fresh:
        for number in range(3):
            state[at + number] = 0.0
        refill_distance(state, suffix, change, ring, mask, head, window)
    else:
        path = state[at] + change
        state[at + 2] += window * path - state[at + 1]
        state[at + 1] += path
        state[at] = path
    weighted = state[suffix + ((window - since) & NOT_NEGATIVE)] + state[at + 2]
    distance: float = state[at] - weighted * (2.0 / (window * (window + 1.0)))
    return distance


@kernel
def short_weighted_distance(
    state: Floats, at: int, change: float, ring: int, mask: int, head: int, window: int
) -> float:
    """The same of a few points, anew for every bar."""
    below = change
    total = (window - 1) * below
    for back in range(1, window - 1):
        below += state[ring + ((head - back) & mask)]
        total += (window - 1 - back) * below
    return total * (2.0 / (window * (window + 1.0)))


@aside
def refill_weighted_path(
    state: Floats,
    suffix: int,
    change: float,
    ring: int,
    mask: int,
    weight_ring: int,
    weight_mask: int,
    head: int,
    window: int,
) -> None:
    """Sums of weight times path of the last 0, 1, ..., window - 1 points before this bar."""
    place = -change
    total = 0.0
    state[suffix] = 0.0
    for back in range(1, window):
        total += state[weight_ring + ((head - back) & weight_mask)] * place
        state[suffix + back] = total
        place -= state[ring + ((head - back) & mask)]


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
        state[at] = 0.0
        state[at + 1] = 0.0
        refill_weighted_path(state, suffix, change, ring, mask, weight_ring, weight_mask, head, window)
    else:
        state[at] += change
    prefix = state[at + 1] + weight * state[at]
    state[at + 1] = prefix
    whole: float = state[suffix + ((window - since) & NOT_NEGATIVE)] + prefix
    return whole
