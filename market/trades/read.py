"""A file of trades, read as it stands: rows keep their order, nothing is repaired (`market.trades.quality` judges)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from market.errors import SourceError
from market.lake.provenance import Source
from market.readers.columns import numbers
from market.readers.files import Container, unpack
from market.readers.tables import Table, table
from market.readers.times import TimeUnit, times
from market.trades.columns import archive_names, counts, find_columns, sides, whole_numbers
from market.trades.schema import empty_trades

TradeKind = Literal["trades", "agg_trades"]
ARCHIVE: Final = re.compile(r"(?:^|[-_])([A-Z0-9]{2,}(?:_[A-Z0-9]+)?)-(?:aggTrades|trades)(?=[-._]|$)")


@dataclass(frozen=True, slots=True, eq=False)
class SourceTrades:
    """Trades of one instrument from one file, and what was found out about it.

    Attributes
    ----------
    trades
        Array of `market.trades.schema.TRADE`, shape (n,), in the file's order.
    lines
        For each trade, its line in the file (Parquet: its row, from 1).
    symbol
        As the file says, by a column or its name; None where it says nothing.
    kind
        ``agg_trades`` where rows name a first and a last trade, so that ids are those of aggregates; else ``trades``.
    container, header, time_unit
        What was detected; the unit is ``"text"`` for written dates.
    source
        The file's name and SHA-256.
    """

    trades: NDArray[np.void]
    lines: NDArray[np.int64]
    symbol: str | None
    kind: TradeKind
    container: Container
    header: bool
    time_unit: str
    source: Source


def read_trades(
    path: Path | str, *, columns: Mapping[str, str] | None = None, time_unit: TimeUnit | None = None
) -> SourceTrades:
    """The trades of a file that holds one instrument.

    Parameters
    ----------
    path
        Binance archive of ``trades`` or ``aggTrades``, spot or futures (CSV, gzip or zip, with or without header,
        milliseconds or microseconds), Parquet table, or CSV with a header.
    columns
        Field (a key of `market.trades.columns.ALIASES`) → column name; None goes by the usual names.
    time_unit
        None goes by magnitude. Written dates are UTC.

    Raises
    ------
    SourceError
        If the file cannot be read as trades; names file, line and value.
    """
    path = Path(path)
    unpacked = unpack(path)
    content = table(path, unpacked, archive_names)
    found = find_columns(path, content.frame, columns)
    trades = empty_trades(content.frame.height)
    trades["time"], unit = times(path, content, found["time"], time_unit)
    trades["price"] = numbers(path, content, found["price"], required=True)
    trades["quantity"] = numbers(path, content, found["quantity"], required=True)
    trades["side"] = sides(path, content, found)
    trades["count"] = counts(path, content, found)
    if "id" in found:
        trades["id"] = whole_numbers(path, content, found["id"])
    kind: TradeKind = "agg_trades" if {"first_trade_id", "last_trade_id"} <= found.keys() else "trades"
    symbol = _symbol(path, content, found.get("symbol"))
    container, source = unpacked.container, unpacked.source
    return SourceTrades(trades, content.lines, symbol, kind, container, content.header, unit, source)


def _symbol(path: Path, content: Table, column: str | None) -> str | None:
    if column is None:
        named = ARCHIVE.search(path.name)
        return named[1] if named else None
    symbols = content.frame[column].cast(pl.String).unique(maintain_order=True).to_list()
    if len(symbols) != 1:
        raise SourceError(f"{path}: holds trades of {len(symbols)} instruments {symbols[:5]}; give one file for each")
    return str(symbols[0])
