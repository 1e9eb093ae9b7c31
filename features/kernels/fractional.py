"""Fixed-width fractional differentiation of the log price (López de Prado 2018, ch. 5)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel

Floats = NDArray[np.float64]


def fractional_weights(order: float, count: int) -> Floats:
    """The first weights of (1 - B)^order, of the newest value first, shape (count,).

    Examples
    --------
    >>> fractional_weights(0.5, 4)
    array([ 1.    , -0.5   , -0.125 , -0.0625])
    """
    k = np.arange(1, count, dtype=np.float64)
    found: Floats = np.concatenate([[1.0], np.cumprod((k - 1.0 - order) / k)])
    return found


@kernel
def log_level(price: float) -> float:
    """The natural logarithm of a price."""
    return math.log(price)


@kernel
def fractional_difference(state: Floats, at: int, ring: int, mask: int, head: int, fitted: int, width: int) -> float:
    """The weighted sum of the last ``width`` values; ``fitted`` is where the order and then the weights lie.

    Four sums, whatever the processor: one would wait for itself. ``width`` is a multiple of four.
    """
    first = 0.0
    second = 0.0
    third = 0.0
    fourth = 0.0
    for back in range(0, width, 4):
        first += state[fitted + 1 + back] * state[ring + ((head - back) & mask)]
        second += state[fitted + 2 + back] * state[ring + ((head - back - 1) & mask)]
        third += state[fitted + 3 + back] * state[ring + ((head - back - 2) & mask)]
        fourth += state[fitted + 4 + back] * state[ring + ((head - back - 3) & mask)]
    return (first + second) + (third + fourth)
