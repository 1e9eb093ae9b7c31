"""The bar: one schema for time, tick, volume, dollar, imbalance and run bars.

Sources lack fields (many have only OHLCV): missing is NaN, never zero. Every field is eight bytes wide,
so an array of bars is also, over the same memory, a matrix of float64 (`as_matrix`) whose first two
columns are int64 times (`as_times`); compiled code reads the matrices.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

PANEL_FIELDS = (
    "market_return",  # signed, mean log return over the bar of the panel's other members
    "market_breadth",  # signed, share of the other members that rose minus share of those that fell
    "market_dispersion",  # standard deviation of the members' log returns over the bar
    "return_rank",  # signed, -1/2 to 1/2 among the members: log return over the bar
    "momentum_rank_24",  # likewise: log return over 24 bars
    "momentum_rank_96",  # likewise: log return over 96 bars
    "volatility_rank",  # likewise: average square of log returns
    "volume_rank",  # likewise: volume over its own average
)
"""What the other instruments of a panel did in the same interval (`features.panel` fills it, no source has it)."""
FIELDS = (
    "open",
    "high",
    "low",
    "close",
    "volume",  # base asset
    "quote_volume",  # quote asset
    "trade_count",
    "taker_buy_volume",  # base asset bought by takers
    "vwap",  # quote per base
    "spread",  # quoted, at the close, quote per base
    "bid_depth",  # base asset over the ten best levels, at the close
    "ask_depth",  # base asset over the ten best levels, at the close
    "order_flow_imbalance",  # signed, base asset, at the best level, summed over the bar
    "microprice",  # quote per base, at the close
    "bid_size",  # base asset at the best bid, at the close
    "ask_size",  # base asset at the best ask, at the close
    "multilevel_order_flow_imbalance",  # signed, base asset, summed over the ten best levels and over the bar
    "bid_slope",  # base asset per unit of relative distance from the mid, at the close
    "ask_slope",  # base asset per unit of relative distance from the mid, at the close
    "funding_rate",  # signed fraction per funding interval, the last one published by the bar's end
    "funding_in",  # seconds from the bar's end to the next funding
    "mark_price",  # quote per base, the last one published by the bar's end
    *PANEL_FIELDS,
)
SIGNED_FIELDS = (
    "order_flow_imbalance",
    "multilevel_order_flow_imbalance",
    "funding_rate",
    *(field for field in PANEL_FIELDS if field != "market_dispersion"),
)
"""The fields that may be negative."""
PRICE_FIELDS = ("open", "high", "low", "close", "volume")
BAR = np.dtype([("start", "<i8"), ("end", "<i8"), *[(field, "<f8") for field in FIELDS]])
"""``start`` and ``end`` are nanoseconds UTC; the bar covers [start, end) and is available at ``end``."""

WIDTH = len(FIELDS) + 2
COLUMN = {name: number for number, name in enumerate(BAR.names or ())}
"""The matrix column of each field."""


def empty_bars(count: int) -> NDArray[np.void]:
    """Bars with zero times and every value missing."""
    bars = np.zeros(count, BAR)
    for field in FIELDS:
        bars[field] = np.nan
    return bars


def as_matrix(bars: NDArray[np.void]) -> NDArray[np.float64]:
    """Bars as a (n, 32) float64 matrix over the same memory; columns 0 and 1 are bit patterns of times."""
    return bars.view(np.float64).reshape(len(bars), WIDTH)


def as_times(bars: NDArray[np.void]) -> NDArray[np.int64]:
    """Bars as a (n, 32) int64 matrix over the same memory; only columns 0 and 1 are meaningful."""
    return bars.view(np.int64).reshape(len(bars), WIDTH)


def present_fields(bars: NDArray[np.void]) -> frozenset[str]:
    """The fields that have a value in every bar.

    Examples
    --------
    >>> bars = empty_bars(2)
    >>> for field in PRICE_FIELDS:
    ...     bars[field] = 1.0
    >>> sorted(present_fields(bars))
    ['close', 'high', 'low', 'open', 'volume']
    """
    return frozenset(field for field in FIELDS if len(bars) and not np.isnan(bars[field]).any())


def trimmed(bars: NDArray[np.void], fields: Iterable[str]) -> NDArray[np.void]:
    """The bars from the first to the last that has all of some fields; none if no bar has.

    Examples
    --------
    >>> bars = empty_bars(4)
    >>> bars["funding_in"] = [np.nan, 60.0, np.nan, 30.0]
    >>> len(trimmed(bars, ["funding_in"])), len(trimmed(bars, []))
    (3, 4)
    """
    there = np.ones(len(bars), np.bool_)
    for field in fields:
        there &= ~np.isnan(bars[field])
    if there.all():
        return bars
    rows = np.flatnonzero(there)
    return bars[rows[0] : rows[-1] + 1] if len(rows) else bars[:0]


def missing_bars(bars: NDArray[np.void], interval: int) -> NDArray[np.int64]:
    """How many bars are missing between each two, shape (n - 1,); none where there is no grid (``interval`` 0).

    Examples
    --------
    >>> bars = empty_bars(3)
    >>> bars["start"], bars["end"] = [0, 60, 240], [60, 120, 300]
    >>> missing_bars(bars, 60).tolist(), missing_bars(bars, 0).tolist()
    ([0, 2], [0, 0])
    """
    if interval == 0:
        return np.zeros(max(len(bars) - 1, 0), np.int64)
    missing: NDArray[np.int64] = (bars["start"][1:] - bars["end"][:-1]) // interval
    return missing
