"""Which column of a file of trades is which field, and what its cells mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from market.errors import SourceError
from market.readers.tables import Table

ALIASES: Final = {
    "time": ("transact_time", "timestamp", "time", "datetime", "date_time", "date", "t"),
    "price": ("price", "p"),
    "quantity": ("base_qty", "quantity", "qty", "q", "amount", "size", "volume"),
    "id": ("agg_trade_id", "trade_id", "id", "tid", "a"),
    "is_buyer_maker": ("is_buyer_maker", "isbuyermaker", "m"),
    "side": ("side", "taker_side"),
    "first_trade_id": ("first_trade_id",),
    "last_trade_id": ("last_trade_id",),
    "count": ("count", "trade_count"),
    "symbol": ("symbol", "instrument", "pair"),
}
"""Names a field goes by, compared without case."""
NEEDED: Final = ("time", "price", "quantity")

AGGREGATES: Final = ("agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "transact_time")
SINGLES: Final = ("id", "price", "qty", "quote_qty", "time")
FLAGS: Final = ("is_buyer_maker", "is_best_match")
BOOLEANS: Final = {"true": 1, "false": 0, "1": 1, "0": 0}
SIDES: Final = {"buy": 1, "sell": -1, "b": 1, "s": -1, "1": 1, "-1": -1, "": 0, "0": 0}


def archive_names(path: Path, cells: Sequence[str]) -> list[str]:
    """The columns of a Binance archive of trades without header row, told by the place of its true and false.

    Spot archives have both flags, futures archives only the first.

    Raises
    ------
    SourceError
        If the row is of none of the four layouts.

    Examples
    --------
    >>> archive_names(Path("f.csv"), "7,61800.30,0.006,370.8,1723161256322,false".split(","))
    ['id', 'price', 'qty', 'quote_qty', 'time', 'is_buyer_maker']
    """
    flags = [cell.strip().lower() in ("true", "false") for cell in cells]
    for names in (AGGREGATES, SINGLES):
        for count in (1, 2):
            if flags == [False] * len(names) + [True] * count:
                return [*names, *FLAGS[:count]]
    raise SourceError(
        f"{path}: has no header row, and its {len(cells)} columns are not those of a Binance archive of trades or"
        " aggTrades. Give other tables a header row, and name their columns if need be"
    )


def find_columns(path: Path, frame: pl.DataFrame, chosen: Mapping[str, str] | None) -> dict[str, str]:
    """The table's column for each field: as chosen, or by the usual names.

    Raises
    ------
    SourceError
        If a field or column is unknown, or time, price or quantity has none.
    """
    lower = {name.lower(): name for name in frame.columns}
    usual = {
        field: next(lower[name] for name in names if name in lower)
        for field, names in ALIASES.items()
        if not lower.keys().isdisjoint(names)
    }
    found = usual if chosen is None else dict(chosen)
    unknown = sorted(found.keys() - ALIASES.keys()) + sorted(set(found.values()) - set(frame.columns))
    missing = [field for field in NEEDED if field not in found]
    if unknown or missing:
        raise SourceError(
            f"{path}: no column for {', '.join([*missing, *unknown])} among {frame.columns}; name them with a column"
            f" map of {', '.join(ALIASES)}, such as {{'time': 'Date', 'price': 'Last', 'quantity': 'Size'}}"
        )
    return found


def whole_numbers(path: Path, table: Table, column: str) -> NDArray[np.int64]:
    """A column as integers.

    Raises
    ------
    SourceError
        If a cell is not one; names row, column and value.
    """
    values = table.frame[column].cast(pl.Int64, strict=False)
    _refuse_null(path, table, column, values, "is not a whole number")
    return values.to_numpy().copy()


def sides(path: Path, table: Table, found: Mapping[str, str]) -> NDArray[np.int64]:
    """The taker's side of every row: the seller where the buyer was the maker; 0 where the file does not say.

    Raises
    ------
    SourceError
        If a cell is no side; names row, column and value.
    """
    if "is_buyer_maker" in found:
        return 1 - 2 * _coded(path, table, found["is_buyer_maker"], BOOLEANS, "is neither true nor false")
    if "side" in found:
        return _coded(path, table, found["side"], SIDES, "is neither buy nor sell")
    return np.zeros(table.frame.height, np.int64)


def counts(path: Path, table: Table, found: Mapping[str, str]) -> NDArray[np.int64]:
    """How many trades every row stands for.

    Raises
    ------
    SourceError
        If a cell is not a whole number; names row, column and value.
    """
    if "first_trade_id" in found and "last_trade_id" in found:
        first, last = (whole_numbers(path, table, found[name]) for name in ("first_trade_id", "last_trade_id"))
        return last - first + 1
    if "count" in found:
        return whole_numbers(path, table, found["count"])
    return np.ones(table.frame.height, np.int64)


def _coded(path: Path, table: Table, column: str, codes: Mapping[str, int], why: str) -> NDArray[np.int64]:
    text = table.frame[column].cast(pl.String).fill_null("").str.to_lowercase()
    values = text.replace_strict(list(codes), list(codes.values()), default=None, return_dtype=pl.Int64)
    _refuse_null(path, table, column, values, why)
    return values.to_numpy().copy()


def _refuse_null(path: Path, table: Table, column: str, values: pl.Series, why: str) -> None:
    if values.null_count():
        row = int(values.is_null().arg_max() or 0)
        raise SourceError(f"{path}: line {table.lines[row]}, column {column!r}: {table.frame[column][row]!r} {why}")
