"""The compiled part of the stationary bootstrap (Politis and Romano 1994).

Apart, so that nothing but this file decides about its compiled code.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@kernel
def follow(uniform: Floats, restart: float, found: Integers) -> None:
    """Stationary draws from uniform numbers: below ``restart`` a number says where a block begins; (draws, rows)."""
    draws, rows = uniform.shape
    for draw in range(draws):
        at = min(np.int64(uniform[draw, 0] * rows), rows - 1)
        found[draw, 0] = at
        for place in range(1, rows):
            chance = uniform[draw, place]
            if chance < restart:
                at = min(np.int64(chance / restart * rows), rows - 1)
            else:
                at += 1
                if at == rows:
                    at = 0
            found[draw, place] = at
