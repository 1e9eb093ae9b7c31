"""Ranks: how a value stands among the last ones of its series."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel

Floats = NDArray[np.float64]


@kernel
def rank_share(
    state: Floats,
    at: int,
    x: float,
    ring: int,
    mask: int,
    head: int,
    window: int,
    relative: float,
    absolute: float,
) -> float:
    """The share of the ``window - 1`` values before it that a value exceeds; those within its tolerance count half.

    The tolerance is ``relative`` times the value plus ``absolute``: rounding decides no rank.
    """
    slack = relative * abs(x) + absolute
    oldest = (head - window + 1) & mask
    ahead = min(window - 1, mask + 1 - oldest)  # the ring's two straight pieces: straight loops run several at once
    below = 0
    above = 0
    for place in range(ring + oldest, ring + oldest + ahead):
        below += state[place] < x - slack
        above += state[place] > x + slack
    for place in range(ring, ring + window - 1 - ahead):
        below += state[place] < x - slack
        above += state[place] > x + slack
    return (0.5 * (window - 1 + below - above)) / (window - 1)
