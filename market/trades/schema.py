"""The trade: one schema for single trades and for the venue's aggregates of them.

Every field is eight bytes wide; compiled code reads the records by the names of their fields.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

TRADE: Final = np.dtype(
    [
        ("time", "<i8"),
        ("price", "<f8"),
        ("quantity", "<f8"),
        ("side", "<i8"),
        ("id", "<i8"),
        ("count", "<i8"),
    ]
)
"""``time`` is the venue's, in nanoseconds UTC; ``price`` in quote per base; ``quantity`` in base asset.

``side`` is the taker's: 1 bought, -1 sold, 0 where the source does not say. ``id`` is the venue's number, which grows
by one from row to row; -1 where there is none. ``count`` is how many trades the row stands for: 1, and more where a
venue joins the fills of one taker order at one price and time (Binance's ``aggTrades``).
"""

LEAST, MOST = 1e-18, 1e18
"""Prices and quantities lie between these, so that sums of their products stay finite."""
LATEST: Final = 2**62
"""No trade is later than this time (the year 2116), so that sums with an interval do not overflow."""
LARGEST_COUNT: Final = 2**31
"""No row stands for more trades than this."""
NO_ID: Final = -1


def empty_trades(count: int) -> NDArray[np.void]:
    """Trades with everything zero but ``id``, which is missing, and ``count``, which is 1."""
    trades = np.zeros(count, TRADE)
    trades["id"] = NO_ID
    trades["count"] = 1
    return trades


def numbered(trades: NDArray[np.void], first: int) -> NDArray[np.void]:
    """A copy whose ids count from ``first``: for sources without ids, whose order is their only identity.

    Examples
    --------
    >>> numbered(empty_trades(3), 10)["id"].tolist()
    [10, 11, 12]
    """
    copy = trades.copy()
    copy["id"] = first + np.arange(len(trades))
    return copy
