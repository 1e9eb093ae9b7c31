"""Which column of a table is which field of a bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from market.bars import FIELDS, PRICE_FIELDS
from market.errors import SourceError
from market.readers.tables import Table

ALIASES: Final = {
    "start": ("start", "open_time", "time", "timestamp", "date", "datetime", "ts"),
    "end": ("end",),
    "close_time": ("close_time",),
    "symbol": ("symbol", "instrument", "pair"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "volume": ("volume", "vol", "v", "base_volume"),
    "quote_volume": ("quote_volume", "quote_asset_volume"),
    "trade_count": ("trade_count", "count", "trades", "number_of_trades"),
    "taker_buy_volume": ("taker_buy_volume", "taker_buy_base_volume", "taker_buy_base_asset_volume"),
    "vwap": ("vwap",),
}
"""Names a field goes by, compared without case."""

MAPPABLE: Final = frozenset({*FIELDS, *ALIASES})


def find_columns(
    path: Path, frame: pl.DataFrame, chosen: Mapping[str, str] | None, fields: Sequence[str] = FIELDS
) -> dict[str, str]:
    """The table's column for each field: as chosen, or by the usual names.

    Raises
    ------
    SourceError
        If a field or column is unknown, or the time or one of open, high, low, close, volume that is among ``fields``
        has none.
    """
    found = _by_alias(frame) if chosen is None else _by_choice(path, frame, chosen)
    missing = [name for name in PRICE_FIELDS if name in fields and name not in found]
    if "start" not in found and "end" not in found:
        missing.insert(0, "start (or end)")
    if missing:
        raise SourceError(
            f"{path}: no column for {', '.join(missing)} among {frame.columns};"
            " name them with a column map, such as {'start': 'Date', 'open': 'BTC.open', …}"
        )
    return found


def numbers(path: Path, table: Table, column: str, required: bool) -> NDArray[np.float64]:
    """A column as doubles, each the nearest to its decimal text; an empty optional cell is NaN.

    Raises
    ------
    SourceError
        If a cell is not a number, or a required one is empty; names row, column and value.
    """
    cells = table.frame[column]
    values = cells.cast(pl.Float64, strict=False)
    wrong = values.is_null().to_numpy()
    if not required:
        wrong = wrong & ~cells.cast(pl.String).fill_null("").eq("").to_numpy()
    if wrong.any():
        row = int(np.argmax(wrong))
        raise SourceError(
            f"{path}: line {table.lines[row]}, column {column!r}: {cells[row]!r} is not a number;"
            " repair or remove that row, or fetch the file again"
        )
    return values.fill_null(np.nan).to_numpy().copy()


def _by_alias(frame: pl.DataFrame) -> dict[str, str]:
    lower = {name.lower(): name for name in frame.columns}
    found = {}
    for field, names in ALIASES.items():
        hit = next((lower[name] for name in names if name in lower), None)
        if hit is not None:
            found[field] = hit
    return found


def _by_choice(path: Path, frame: pl.DataFrame, chosen: Mapping[str, str]) -> dict[str, str]:
    found = {"start" if field == "time" else field: column for field, column in chosen.items()}
    unknown = sorted(set(found) - MAPPABLE)
    if unknown:
        raise SourceError(f"{path}: the column map names unknown fields {unknown}; known are {sorted(MAPPABLE)}")
    absent = sorted(set(found.values()) - set(frame.columns))
    if absent:
        raise SourceError(f"{path}: the column map names {absent}, but the columns are {frame.columns}")
    return found
