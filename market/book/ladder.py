"""One side of a book: levels sorted from worst to best, so that changes near the best move little memory.

A level's *key* grows with how good it is: ticks for bids, minus ticks for asks. Both sides are thus the same code, and
"better" is "greater" on both. ``keys`` and ``lots`` are int64 (2, capacity): row 0 the bids, row 1 the asks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel

Ints = NDArray[np.int64]

BID, ASK = 0, 1
NOWHERE = -(2**62)
"""A key below every level's: the place of a level that does not exist, and the horizon of a book known to its end."""


@kernel
def place_of(keys: Ints, side: int, count: int, key: int) -> int:
    """The first place whose key is not below ``key``."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if keys[side, middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def put_level(keys: Ints, lots: Ints, side: int, count: int, key: int, quantity: int) -> tuple[int, int]:
    """Set the quantity at a key, 0 to remove it; gives the new count, and the key of a level that had to go or NOWHERE.

    A full side gives up its worst level; one worse than all of a full side is itself the one that goes.
    """
    place = place_of(keys, side, count, key)
    if place < count and keys[side, place] == key:
        if quantity > 0:
            lots[side, place] = quantity
            return count, NOWHERE
        for below in range(place, count - 1):
            keys[side, below] = keys[side, below + 1]
            lots[side, below] = lots[side, below + 1]
        return count - 1, NOWHERE
    if quantity == 0:
        return count, NOWHERE
    if count < keys.shape[1]:
        for above in range(count, place, -1):
            keys[side, above] = keys[side, above - 1]
            lots[side, above] = lots[side, above - 1]
        keys[side, place] = key
        lots[side, place] = quantity
        return count + 1, NOWHERE
    if place == 0:
        return count, key
    gone = keys[side, 0]
    for below in range(place - 1):
        keys[side, below] = keys[side, below + 1]
        lots[side, below] = lots[side, below + 1]
    keys[side, place - 1] = key
    lots[side, place - 1] = quantity
    return count, gone
