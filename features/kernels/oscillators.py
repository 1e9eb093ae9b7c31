"""Steps of oscillators that are neither plain ratios nor plain sums."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.kernels.aside import NOT_NEGATIVE, aside
from market.jit import kernel

Floats = NDArray[np.float64]

FLAT = 1e-12  # of the price


@kernel
def ultimate(short: float, middle: float, long: float) -> float:
    """The weighted mean of three ratios (Williams 1985)."""
    return (4.0 * short + 2.0 * middle + long) * (1.0 / 7.0)


@aside
def refill_typical(
    state: Floats,
    suffix: int,
    shift: float,
    high_ring: int,
    high_mask: int,
    low_ring: int,
    low_mask: int,
    close_ring: int,
    close_mask: int,
    head: int,
    window: int,
) -> None:
    """Three times the distance of typical prices to a shift: sums of the last 0, 1, ..., and the values themselves."""
    total = 0.0
    state[suffix] = 0.0
    for back in range(1, window):
        older = (
            (state[high_ring + ((head - back) & high_mask)] - shift)
            + (state[low_ring + ((head - back) & low_mask)] - shift)
            + (state[close_ring + ((head - back) & close_mask)] - shift)
        )
        total += older
        state[suffix + back] = total
        state[suffix + window + window - back] = older


@kernel
def commodity_channel(
    state: Floats,
    at: int,
    high: float,
    low: float,
    close: float,
    high_ring: int,
    high_mask: int,
    low_ring: int,
    low_mask: int,
    close_ring: int,
    close_mask: int,
    head: int,
    window: int,
    fresh: bool,
    since: int,
) -> float:
    """Distance of the typical price to its mean in 0.015 mean absolute deviations (Lambert 1980); 0 when flat.

    The mean has the two parts of `features.kernels.windows`; the mean absolute deviation has no incremental form and is
    a pass over the window, which lies in one stretch: the values before the block, then those of the block. All are
    three times the distance to the typical price of the block's first bar.
    State: shift, prefix, suffix[window], values[2 * window].
    """
    suffix = at + 2
    values = suffix + window
    if fresh:
        shift = (high + low + close) / 3.0
        state[at] = shift
        state[at + 1] = 0.0
        refill_typical(
            state, suffix, shift, high_ring, high_mask, low_ring, low_mask, close_ring, close_mask, head, window
        )
    shift = state[at]
    now = (high - shift) + (low - shift) + (close - shift)
    state[values + window + (since & NOT_NEGATIVE) - 1] = now
    state[at + 1] += now
    mean = (state[suffix + ((window - since) & NOT_NEGATIVE)] + state[at + 1]) * (1.0 / window)
    begin = values + (since & NOT_NEGATIVE)
    end = begin + window
    place = begin
    one = 0.0
    two = 0.0
    three = 0.0
    four = 0.0
    while place + 4 <= end:  # four sums, so that none waits for another
        one += abs(state[place] - mean)
        two += abs(state[place + 1] - mean)
        three += abs(state[place + 2] - mean)
        four += abs(state[place + 3] - mean)
        place += 4
    while place < end:
        one += abs(state[place] - mean)
        place += 1
    deviation = ((one + two) + (three + four)) * (1.0 / window)
    if deviation <= FLAT * close:
        return 0.0
    channel: float = (now - mean) / (0.015 * deviation)
    return channel
