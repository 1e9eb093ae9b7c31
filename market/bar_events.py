"""Float bars as tick events: the one conversion, used by backtest and live alike.

Prices go to the nearest tick, volumes to the nearest lot. Rounding is monotone, so a bar whose low and high
enclose its open and close still does afterwards; a bar that does not is refused, not repaired.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.bars import COLUMN, as_matrix
from market.errors import InstrumentError
from market.events import EVENT, WORDS, Kind
from market.instruments import Instrument
from market.time import format_time

MISSING: Final = -1
PRICES: Final = slice(COLUMN["open"], COLUMN["close"] + 1)
VOLUME: Final = COLUMN["volume"]
TRADES: Final = COLUMN["trade_count"]
TAKER: Final = COLUMN["taker_buy_volume"]
P0: Final = WORDS - 12
"""The event's first payload field, as a word: ten fields, a reserved one and the checksum end the record."""


def bar_events(bars: NDArray[np.void], instrument: Instrument, number: int) -> NDArray[np.void]:
    """Bars as BAR events, one each, in the same order; sequence numbers and checksums are left zero.

    Parameters
    ----------
    bars
        Array of `market.bars.BAR`, shape (n,).
    instrument
        Whose tick and lot to round to.
    number
        The instrument's number in the tape.

    Returns
    -------
    Array of `market.events.EVENT`, shape (n,): ``p0..p3`` open, high, low, close in ticks; ``p4`` volume in
    lots; ``p5`` start; ``p6`` trade count and ``p7`` taker-buy volume in lots, -1 where missing. ``ts_event``
    and ``ts_recv`` are the bar's end, the first moment anyone can know it.

    Raises
    ------
    InstrumentError
        If a price or volume is missing, rounds to no tick, contradicts the others, or would overflow.
    """
    bars = np.ascontiguousarray(bars)
    values = as_matrix(bars)
    ticks = instrument.nearest_ticks(values[:, PRICES])
    missing = np.isnan(values[:, TRADES : TAKER + 1])
    counts = np.where(missing[:, 0], MISSING, values[:, TRADES])
    _check(bars, values, ticks, counts, instrument)
    events = np.zeros(len(bars), EVENT)
    words = events.view(np.int64).reshape(len(bars), WORDS)
    events["ts_event"] = events["ts_recv"] = bars["end"]
    events["kind"] = Kind.BAR
    events["instrument"] = number
    words[:, P0 : P0 + 4] = ticks
    words[:, P0 + 4] = instrument.nearest_lots(values[:, VOLUME])
    events["p5"] = bars["start"]
    words[:, P0 + 6] = counts
    taker = instrument.nearest_lots(np.where(missing[:, 1], 0.0, values[:, TAKER]))
    words[:, P0 + 7] = np.where(missing[:, 1], MISSING, taker)
    return events


def _check(
    bars: NDArray[np.void],
    values: NDArray[np.float64],
    ticks: NDArray[np.int64],
    counts: NDArray[np.float64],
    instrument: Instrument,
) -> None:
    low, high = ticks[:, 2], ticks[:, 1]
    good = (low >= 1) & (low == ticks.min(axis=1)) & (high == ticks.max(axis=1))
    good &= (values[:, VOLUME] >= 0) & ~(values[:, TAKER] < 0) & ~(values[:, TRADES] < 0) & (counts < 2**53)
    if good.all():
        return
    row = int(np.argmin(good))
    raise InstrumentError(
        f"{instrument.symbol}: bar {row} at {format_time(int(bars['start'][row]))} cannot be an event: open, high, low,"
        f" close are {ticks[row].tolist()} ticks of {instrument.tick}, volume {values[row, VOLUME]}; prices must be at"
        " least one tick, high and low enclose open and close, volumes and counts not be negative"
    )
