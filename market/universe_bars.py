"""One series of bars through renames and changes of the contract multiplier."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.bars import BAR
from market.lake import Lake, SeriesKey, fingerprint_bars
from market.universe import ALWAYS, Listing, Universe

Read = Callable[[str, int, int], NDArray[np.void]]
"""The bars of a symbol with start <= bar start < stop, such as `from_lake`."""

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


def from_lake(lake: Lake, venue: str, interval: str) -> Read:
    """The reader of a venue's series of one interval."""

    def read(symbol: str, start: int, stop: int) -> NDArray[np.void]:
        return lake.read(SeriesKey(venue, symbol, "bars", interval), start, None if stop == ALWAYS else stop)

    return read


def adjusted_bars(universe: Universe, symbol: str, start: int, stop: int, read: Read) -> NDArray[np.void]:
    """The bars of an instrument in [start, stop) under all its names, in the unit of the one it is asked for by.

    A bar belongs to the listing in which it starts. Prices are multiplied by the ratio of the asked name's multiplier
    to the bar's own, quantities divided by it; amounts in quote, counts and rates stay. The unit is
    `market.universe.Universe.unit`, so nothing that is listed later changes a bar.

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

    Examples
    --------
    >>> from market.bars import empty_bars
    >>> universe = Universe([
    ...     Listing("PEPE", 0, "1000PEPEUSDT", 60, Decimal(1000)),
    ...     Listing("PEPE", 60, "PEPEUSDT"),
    ... ])
    >>> def read(symbol, start, stop):
    ...     bars = empty_bars(1)
    ...     bars["start"], bars["close"] = start, 0.0123 if symbol == "1000PEPEUSDT" else 0.0000125
    ...     return bars
    >>> adjusted_bars(universe, "1000PEPEUSDT", 0, 120, read)["close"].tolist()
    [0.0123, 0.0125]
    """
    return joined(universe.spans(symbol, start, stop), universe.unit(symbol, stop - 1), read)


def joined(spans: Sequence[Listing], unit: Decimal, read: Read) -> NDArray[np.void]:
    """The bars of some listings that have an end, one after the other, in one unit of quantity (in coins)."""
    parts = [scaled(bars, Fraction(unit) / Fraction(one.multiplier)) for one, bars in named_parts(spans, read)]
    return np.concatenate([np.empty(0, BAR), *parts])


def joined_fingerprint(parts: Sequence[tuple[Listing, NDArray[np.void]]], unit: Decimal) -> str:
    """What identifies joined parts: the bars' own fingerprint if they have one name and its unit, else all parts'."""
    if len(parts) == 1 and parts[0][0].multiplier == unit:
        return fingerprint_bars(parts[0][1])
    texts = [f"{one.symbol} {one.multiplier} {fingerprint_bars(bars)}" for one, bars in parts]
    return hashlib.sha256("\n".join([str(unit), *texts]).encode()).hexdigest()


def named_parts(spans: Iterable[Listing], read: Read) -> list[tuple[Listing, NDArray[np.void]]]:
    """Every listing with its bars as they are."""
    return [(one, read(one.symbol, one.start, ALWAYS if one.stop is None else one.stop)) for one in spans]


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
    if ratio == 1:
        return bars
    result = bars.copy()
    for names, factor in ((PRICES, ratio), (QUANTITIES, 1 / ratio)):
        for name in names:
            result[name] = bars[name] * factor.numerator / factor.denominator
    return result
