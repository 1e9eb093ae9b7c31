"""What goes into the lake of trades, what it says about its series, and their keys."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.lake.keys import IRREGULAR, SeriesKey
from market.lake.provenance import Source
from market.trades.read import TradeKind


@dataclass(frozen=True, slots=True, eq=False)
class TradeDelivery:
    """Trades for one series, shape (n,) of `market.trades.schema.TRADE`, and where they came from."""

    key: SeriesKey
    trades: NDArray[np.void]
    source: Source | None = None

    def __str__(self) -> str:
        return str(self.key) if self.source is None else f"{self.source.name} for {self.key}"


@dataclass(frozen=True, slots=True)
class TradeReport:
    """What a write did: trades by what happened to them, and the days whose files were written."""

    key: SeriesKey
    added: int
    changed: int
    unchanged: int
    days: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TradeInfo:
    """What the lake holds of one series; ``start`` and ``end`` are the first and last trade's times (ns UTC)."""

    key: SeriesKey
    rows: int
    start: int
    end: int
    first_id: int
    last_id: int
    days: tuple[str, ...]
    size: int


@dataclass(frozen=True, slots=True)
class IdGap:
    """Ids that the lake does not hold: those between two trades, of which ids and times (ns UTC) are given."""

    before_id: int
    after_id: int
    before: int
    after: int

    @property
    def missing(self) -> int:
        """How many ids."""
        return self.after_id - self.before_id - 1


def trade_key(venue: str, instrument: str, kind: TradeKind = "trades") -> SeriesKey:
    """The key of a series of trades.

    Examples
    --------
    >>> str(trade_key("binance", "BTCUSDT", "agg_trades").folder)
    'venue=binance/instrument=BTCUSDT/kind=agg_trades/interval=irregular'
    """
    return SeriesKey(venue, instrument, kind, IRREGULAR)
