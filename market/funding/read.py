"""Files of funding rates: Binance's archive (``calc_time``, ``last_funding_rate``), its REST names, Parquet tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from market.bars import empty_bars
from market.errors import SourceError
from market.readers.columns import numbers
from market.readers.files import unpack
from market.readers.read import FileFormat, SourceBars
from market.readers.tables import Table, table
from market.readers.times import TimeUnit, times

ALIASES: Final = {
    "time": ("funding_time", "fundingtime", "calc_time", "time", "timestamp"),
    "funding_rate": ("funding_rate", "fundingrate", "last_funding_rate"),
    "mark_price": ("mark_price", "markprice"),
    "symbol": ("symbol", "instrument"),
}
ARCHIVE: Final = re.compile(r"(?:^|[-_])([A-Z0-9]{2,}(?:_[A-Z0-9]+)?)-fundingRate(?=[-._]|$)")


def read_funding(
    path: Path | str,
    *,
    format: FileFormat | None = None,
    interval: int | None = None,
    columns: Mapping[str, str] | None = None,
    time_unit: TimeUnit | None = None,
) -> list[SourceBars]:
    """The fundings of every instrument of a file, as rows of `market.bars.BAR` whose start and end are their time.

    Parameters
    ----------
    path
        CSV with a header (plain, gzip, zip) or Parquet.
    format, time_unit
        As `market.readers.read_bars`.
    interval
        Must be None: the times say it, and it changes.
    columns
        ``time``, ``funding_rate``, ``mark_price``, ``symbol`` → column name; None goes by the usual names.

    Raises
    ------
    SourceError
        If the file cannot be read as funding rates; names file, line and value.
    """
    path = Path(path)
    if interval is not None:
        raise SourceError(f"{path}: funding has no fixed interval; leave it out")
    unpacked = unpack(path)
    content = table(path, unpacked)
    detected: FileFormat = "parquet" if unpacked.format == "parquet" else "csv"
    if format is not None and format != detected:
        raise SourceError(f"{path}: is a {detected} file, not {format}")
    found = _columns(path, content, columns)
    named = ARCHIVE.search(path.name)
    series = []
    for symbol, rows in by_symbol(content, found.get("symbol")):
        part = content if symbol is None else content.rows(rows)
        bars, unit = _rows(path, part, found, time_unit)
        name = symbol or (named[1] if named else None)
        container, source = unpacked.container, unpacked.source
        series.append(SourceBars(bars, part.lines, name, 0, detected, container, content.header, unit, source))
    return series


def by_symbol(content: Table, column: str | None) -> list[tuple[str | None, NDArray[np.int64]]]:
    """The rows of each symbol in order of first appearance; one group without a name if no column says it."""
    rows = np.arange(content.frame.height, dtype=np.int64)
    if column is None:
        return [(None, rows)]
    symbols = content.frame[column].cast(pl.String).to_numpy()
    return [(str(name), rows[symbols == name]) for name in dict.fromkeys(symbols)]


def _columns(path: Path, content: Table, chosen: Mapping[str, str] | None) -> dict[str, str]:
    names = content.frame.columns
    lower = {name.lower(): name for name in names}
    usual = {field: lower[alias] for field, aliases in ALIASES.items() for alias in reversed(aliases) if alias in lower}
    found = usual if chosen is None else dict(chosen)
    unknown = sorted(set(found) - set(ALIASES)) + sorted(set(found.values()) - set(names))
    missing = [field for field in ("time", "funding_rate") if field not in found]
    if unknown or missing:
        raise SourceError(f"{path}: no column for {', '.join([*missing, *unknown])} among {names}")
    return found


def _rows(path: Path, part: Table, found: Mapping[str, str], unit: TimeUnit | None) -> tuple[NDArray[np.void], str]:
    moments, told = times(path, part, found["time"], unit)
    bars = empty_bars(len(moments))
    bars["start"] = bars["end"] = moments
    bars["funding_rate"] = numbers(path, part, found["funding_rate"], required=True)
    if "mark_price" in found:
        bars["mark_price"] = numbers(path, part, found["mark_price"], required=False)
    return bars, told
