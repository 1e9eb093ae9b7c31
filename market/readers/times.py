"""Time columns as int64 nanoseconds UTC."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from market.errors import SourceError
from market.readers.tables import Table

TimeUnit = Literal["s", "ms", "us", "ns"]
SCALE: Final[dict[str, int]] = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
# The four units of any moment between 1973-03-03 and 5138-11-16 fall into disjoint ranges.
UPPER: Final[tuple[tuple[TimeUnit, int], ...]] = (("s", 10**11), ("ms", 10**14), ("us", 10**17))
FORMATS: Final = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")


def times(path: Path, table: Table, column: str, unit: TimeUnit | None = None) -> tuple[NDArray[np.int64], str]:
    """A column as nanoseconds UTC, and the unit it was in (``"text"`` for written dates).

    Numbers are seconds to nanoseconds by their magnitude, unless ``unit`` says; written dates are ISO 8601, UTC.

    Raises
    ------
    SourceError
        If a cell is not a time, or units are mixed; names row and value.
    """
    cells = table.frame[column]
    if cells.dtype in (pl.Datetime, pl.Date):
        return _nanoseconds(path, table, cells, cells), "text"
    numeric = cells.cast(pl.Int64, strict=False)
    if cells.dtype == pl.String and numeric[0] is None:
        return _nanoseconds(path, table, cells, _parsed(cells)), "text"
    _check_complete(path, table, cells, numeric)
    values = numeric.to_numpy().copy()
    units = np.searchsorted([limit for _, limit in UPPER], np.abs(values), side="right")
    chosen = unit or tuple(SCALE)[int(units[0])]
    if unit is None and (units != units[0]).any():
        _refuse(path, table, cells, int(np.argmax(units != units[0])), f"is not in {chosen} like the first row")
    too_far = np.abs(values) > np.iinfo(np.int64).max // SCALE[chosen]
    if too_far.any():
        _refuse(path, table, cells, int(np.argmax(too_far)), f"in {chosen} is beyond the year 2262")
    return values * SCALE[chosen], chosen


def _parsed(cells: pl.Series) -> pl.Series:
    """Text as datetimes in the format that reads the most cells; the others are null."""
    text = cells.str.replace("T", " ", literal=True).str.replace(r"\s*(Z|UTC|\+00:?00)$", "")
    attempts = [text.str.to_datetime(pattern, strict=False, time_unit="ns") for pattern in FORMATS]
    return min(attempts, key=lambda attempt: attempt.null_count())


def _nanoseconds(path: Path, table: Table, cells: pl.Series, moments: pl.Series) -> NDArray[np.int64]:
    _check_complete(path, table, cells, moments)
    return moments.cast(pl.Datetime("ns")).cast(pl.Int64).to_numpy().copy()


def _check_complete(path: Path, table: Table, cells: pl.Series, values: pl.Series) -> None:
    if values.null_count():
        row = int(values.is_null().arg_max() or 0)
        _refuse(path, table, cells, row, "is neither a whole number nor an ISO 8601 time in UTC")


def _refuse(path: Path, table: Table, cells: pl.Series, row: int, why: str) -> None:
    raise SourceError(f"{path}: line {table.lines[row]}, column {cells.name!r}: time {cells[row]!r} {why}")
