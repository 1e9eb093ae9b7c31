"""The recorded stream: every instrument's bars of the lake in the order live would see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Arrival:
    """One bar: its instrument's number, its end (ns), and itself, shape (1,)."""

    number: int
    end: int
    bar: NDArray[np.void]


def arrivals(symbols: Sequence[str], bars: Mapping[str, NDArray[np.void]]) -> Iterator[Arrival]:
    """Bars of several instruments by their ends; those that end together in the instruments' order.

    Parameters
    ----------
    symbols
        In the order of their numbers.
    bars
        Per symbol, in order of time.
    """
    ends = np.concatenate([bars[symbol]["end"] for symbol in symbols])
    numbers = np.concatenate([np.full(len(bars[symbol]), number) for number, symbol in enumerate(symbols)])
    rows = np.concatenate([np.arange(len(bars[symbol])) for symbol in symbols])
    for place in np.lexsort((numbers, ends)):
        number, row = int(numbers[place]), int(rows[place])
        yield Arrival(number, int(ends[place]), bars[symbols[number]][row : row + 1])
