"""Events: bars at which something has happened, as 1 or -1 by direction, and 0 at all others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.cusum import advance
from market.jit import kernel

Floats = NDArray[np.float64]


@kernel
def cusum_event(state: Floats, at: int, change: float, volatility: float, multiple: float) -> float:
    """The symmetric CUSUM filter of log returns at a multiple of their volatility; without any, its sums start anew.

    State: the sums upwards and downwards.
    """
    if not volatility > 0.0:
        state[at] = state[at + 1] = 0.0
        return 0.0
    up, down, side = advance(state[at], state[at + 1], change, multiple * volatility)
    state[at], state[at + 1] = up, down
    return float(side)
