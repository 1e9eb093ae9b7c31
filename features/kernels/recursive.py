"""Steps that remember: exponential averages (weights normalised: the first value is not favoured) and lags."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel

Floats = NDArray[np.float64]

NOTHING = 1e-120  # averages of what stopped moving are flushed to zero long before doubles lose their precision


@kernel
def ewma_weight(state: Floats, at: int, keep: float) -> float:
    """The weight of the newest value, 1 / (1 + keep + keep^2 + ...), in an exponential average with decay ``keep``.

    The sum soon stands still to the last bit, and with it the weight: no further division. State: sum, weight.
    """
    before: float = state[at]
    total = keep * before + 1.0
    if total != before:
        state[at] = total
        state[at + 1] = 1.0 / total
    weight: float = state[at + 1]
    return weight


@kernel
def ewma(state: Floats, at: int, x: float, weight: float) -> float:
    """The exponential average with normalised weights (pandas ``ewm(adjust=True)``)."""
    average: float = state[at] + weight * (x - state[at])
    if abs(average) < NOTHING:
        average = 0.0
    state[at] = average
    return average


@kernel
def ewma_distance(state: Floats, at: int, change: float, weight: float) -> float:
    """How far a series is above its exponential average, from the series' changes alone.

    x - E(x) obeys d' = (1 - w)(d + change): the level of x never enters, so there is nothing to cancel.
    """
    distance: float = (1.0 - weight) * (state[at] + change)
    if abs(distance) < NOTHING:
        distance = 0.0
    state[at] = distance
    return distance


@kernel
def previous(state: Floats, at: int, x: float) -> float:
    """The value one bar ago."""
    before: float = state[at]
    state[at] = x
    return before
