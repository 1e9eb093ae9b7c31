"""One series of bars through renames and changes of the contract multiplier."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.bars import BAR
from market.universe import Universe

Read = Callable[[str, int, int], NDArray[np.void]]
"""The bars of a symbol with start <= bar start < stop, such as of a lake."""

PRICES: Final = ("open", "high", "low", "close", "vwap", "spread", "microprice", "mark_price")
"""Fields in quote per unit of quantity: they grow with the multiplier."""

QUANTITIES: Final = (
    "volume",
    "taker_buy_volume",
    "bid_depth",
    "ask_depth",
    "order_flow_imbalance",
    "bid_size",
    "ask_size",
    "multilevel_order_flow_imbalance",
    "bid_slope",
    "ask_slope",
)
"""Fields in units of quantity: they shrink as the multiplier grows."""


def adjusted_bars(universe: Universe, symbol: str, start: int, stop: int, read: Read) -> NDArray[np.void]:
    """The bars of an instrument in [start, stop) under all its names, in the units of its last listing there.

    A bar belongs to the listing in which it starts. Prices are multiplied by the ratio of the last multiplier to the
    bar's own, quantities divided by it; amounts in quote, counts and rates stay. To know only what could be known at a
    time, ask the universe `market.universe.Universe.as_of` it: a later change of the multiplier then changes nothing.

    Parameters
    ----------
    symbol
        Any name the instrument had between start and stop.
    read
        Gives the bars of one symbol.

    Raises
    ------
    UniverseError
        If the symbol named nothing in that time, or two instruments.
    """
    spans = universe.spans(symbol, start, stop)
    last = spans[-1].multiplier
    parts = []
    for one in spans:
        assert one.stop is not None
        bars = read(one.symbol, one.start, one.stop)
        parts.append(scaled(bars, Fraction(last) / Fraction(one.multiplier)))
    return np.concatenate([np.empty(0, BAR), *parts])


def scaled(bars: NDArray[np.void], ratio: Fraction) -> NDArray[np.void]:
    """Bars whose unit of quantity is ``ratio`` times as many coins.

    Values are rounded once if the ratio or its inverse is a whole number, else twice.

    Examples
    --------
    >>> from market.bars import empty_bars
    >>> bars = empty_bars(1)
    >>> bars["close"], bars["volume"], bars["quote_volume"] = 0.0123, 5000.0, 61.5
    >>> scaled(bars, Fraction(1000))[["close", "volume", "quote_volume"]].tolist()
    [(12.3, 5.0, 61.5)]
    """
    result = bars.copy()
    for names, factor in ((PRICES, ratio), (QUANTITIES, 1 / ratio)):
        for name in names:
            result[name] = bars[name] * factor.numerator / factor.denominator
    return result
