"""Symbols of returns, and how much the last of them say: entropies of a message (López de Prado 2018, ch. 18).

Symbols and words are small whole numbers, kept in rings as floats. Counts are integers, so nothing drifts.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LONGEST = 1_024  # words of the longest window
COUNT_LOGS = np.array([0.0, *(count * math.log2(count) for count in range(1, LONGEST + 1))])
"""c log2 c by count c."""


@kernel
def sign_symbol(change: float) -> float:
    """The sign of a return: 0 fell, 1 stood still, 2 rose (three letters)."""
    if change > 0.0:
        return 2.0
    return 0.0 if change < 0.0 else 1.0


@kernel
def quantile_symbol(state: Floats, at: int, x: float, fitted: int, letters: int) -> float:
    """How many of the ``letters - 1`` fitted quantiles a value is above."""
    symbol = 0.0
    for cut in range(letters - 1):
        if x > state[fitted + cut]:
            symbol += 1.0
    return symbol


@kernel
def word_code(state: Floats, at: int, ring: int, mask: int, head: int, letters: int, length: int) -> float:
    """The last ``length`` symbols as one number, the newest first."""
    code = 0.0
    for back in range(length):
        code = code * letters + state[ring + ((head - back) & mask)]
    return code


@kernel
def word_entropy(
    floats: Floats,
    at: int,
    ints: Ints,
    at_int: int,
    word: float,
    ring: int,
    mask: int,
    head: int,
    window: int,
    kinds: int,
    length: int,
) -> float:
    """Entropy of the frequencies of the last ``window`` words, in bits per symbol (section 18.3, plug-in).

    Of words of one symbol it is Shannon's. State: how many words were seen, counts[kinds].
    """
    counts = at_int + 1
    if ints[at_int] == window:
        ints[counts + int(floats[ring + ((head - window) & mask)])] -= 1
    else:
        ints[at_int] += 1
    ints[counts + int(word)] += 1
    total = 0.0
    for kind in range(kinds):
        total += COUNT_LOGS[ints[counts + kind]]
    entropy = (math.log2(window) - total / window) / length
    return entropy if entropy > 0.0 else 0.0


@kernel
def lempel_ziv(
    floats: Floats, at: int, ints: Ints, at_int: int, ring: int, mask: int, head: int, window: int, letters: int
) -> float:
    """How many different words a reader of the last ``window`` symbols meets, per symbol (snippet 18.2).

    A word is the longest one met before and one symbol more, so the words are the nodes of a tree, built anew every
    bar. State: the children of its root and of each word, children[window + 1][letters].
    """
    words = 0
    node = 0
    for letter in range(letters):
        ints[at_int + letter] = 0
    for back in range(window - 1, -1, -1):
        place = at_int + node * letters + int(floats[ring + ((head - back) & mask)])
        node = ints[place]
        if node == 0:
            words += 1
            ints[place] = words
            for letter in range(letters):
                ints[at_int + words * letters + letter] = 0
    return words / window


@kernel
def match_share(state: Floats, at: int, ring: int, mask: int, head: int, reach: int) -> float:
    """log2(reach + 1) / L, with L one more than the longest match (snippet 18.3, with a window of ``reach`` symbols).

    What is matched are the last ``reach`` symbols, from their first one on, with what begins in the ``reach`` symbols
    before them; a match may run into what is matched.
    """
    longest = 0
    place = head - reach + 1
    for begin in range(place - reach, place):
        length = 0
        while length < reach and (state[ring + ((begin + length) & mask)] == state[ring + ((place + length) & mask)]):
            length += 1
        longest = max(longest, length)
        if longest == reach:
            break
    return math.log2(reach + 1.0) / (longest + 1.0)
