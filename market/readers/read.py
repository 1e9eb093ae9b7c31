"""A file of bars, read as it stands: rows keep their order, and nothing is repaired (`market.quality` judges)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from market.bars import FIELDS, PRICE_FIELDS, empty_bars
from market.errors import SourceError
from market.lake.provenance import Source
from market.readers.columns import find_columns, numbers
from market.readers.files import Container, TableFormat, unpack
from market.readers.names import symbol_and_interval
from market.readers.tables import BINANCE, Table, table
from market.readers.times import SCALE, TimeUnit, times
from market.time import format_interval, format_time

FileFormat = Literal["binance", "csv", "parquet"]


@dataclass(frozen=True, slots=True, eq=False)
class SourceBars:
    """Bars of one instrument from one file, and what was found out about it.

    Attributes
    ----------
    bars
        Array of `market.bars.BAR`, shape (n,), in the file's order; ``end`` is start + interval.
    lines
        For each bar, its line in the file (Parquet: its row, from 1).
    symbol
        As the file says, by a column or its name; None where it says nothing.
    interval
        In nanoseconds.
    format, container, header, time_unit
        What was detected; the unit is ``"text"`` for written dates.
    source
        The file's name and SHA-256.
    notes
        Oddities that are no errors, in words.
    """

    bars: NDArray[np.void]
    lines: NDArray[np.int64]
    symbol: str | None
    interval: int
    format: FileFormat
    container: Container
    header: bool
    time_unit: str
    source: Source
    notes: tuple[str, ...] = ()


def read_bars(
    path: Path | str,
    *,
    symbol: str | None = None,
    format: FileFormat | None = None,
    interval: int | None = None,
    columns: Mapping[str, str] | None = None,
    time_unit: TimeUnit | None = None,
) -> SourceBars:
    """The bars of a file that holds one instrument, or of one ``symbol`` of a file that holds several.

    Parameters
    ----------
    path
        Binance kline archive (CSV, gzip or zip, with or without header), Parquet table, or CSV with a header.
    format
        Refuse any other; None takes what is found.
    interval
        In ns; None takes the file name's, else the commonest step between rows.
    columns
        Bar field (or ``start``, ``end``, ``symbol``) → column name; None goes by the usual names. A table whose
        bars are labelled by their close maps ``end``.
    time_unit
        None goes by magnitude.

    Raises
    ------
    SourceError
        If the file cannot be read as bars; names file, line and value.
    """
    found = read_series(path, format=format, interval=interval, columns=columns, time_unit=time_unit)
    if symbol is not None:
        found = [one for one in found if one.symbol in (symbol, None)]
    if len(found) != 1:
        raise SourceError(f"{path}: holds {len(found)} series where one was asked for; choose a symbol it holds")
    return found[0]


def read_series(
    path: Path | str,
    *,
    format: FileFormat | None = None,
    interval: int | None = None,
    columns: Mapping[str, str] | None = None,
    time_unit: TimeUnit | None = None,
    fields: Sequence[str] = FIELDS,
) -> list[SourceBars]:
    """The bars of every instrument of a file, in order of first appearance.

    Parameters as `read_bars`; of the file's fields only ``fields`` are read, and only those are required.
    """
    path = Path(path)
    unpacked = unpack(path)
    content = table(path, unpacked)
    detected = _format(unpacked.format, content)
    if format is not None and format != detected:
        raise SourceError(f"{path}: is a {detected} file, not {format}")
    found = find_columns(path, content.frame, columns, fields)
    named_symbol, named_interval = symbol_and_interval(path.name)
    series = []
    for symbol, rows in _groups(content.frame, found):
        part = content if symbol is None else content.rows(rows)
        bars, step, unit, notes = _bars(path, part, found, interval, named_interval, time_unit, fields)
        name = symbol or named_symbol
        source = unpacked.source
        series.append(
            SourceBars(bars, part.lines, name, step, detected, unpacked.container, content.header, unit, source, notes)
        )
    return series


def _format(kind: TableFormat, content: Table) -> FileFormat:
    if kind == "parquet":
        return "parquet"
    return "binance" if tuple(content.frame.columns[: len(BINANCE)]) == BINANCE else "csv"


def _groups(frame: pl.DataFrame, found: Mapping[str, str]) -> list[tuple[str | None, NDArray[np.int64]]]:
    rows = np.arange(frame.height, dtype=np.int64)
    if "symbol" not in found:
        return [(None, rows)]
    symbols = frame[found["symbol"]].cast(pl.String).to_numpy()
    return [(str(name), rows[symbols == name]) for name in dict.fromkeys(symbols)]


def _bars(
    path: Path,
    part: Table,
    found: Mapping[str, str],
    interval: int | None,
    named: int | None,
    time_unit: TimeUnit | None,
    fields: Sequence[str],
) -> tuple[NDArray[np.void], int, str, tuple[str, ...]]:
    label = "start" if "start" in found else "end"
    moments, unit = times(path, part, found[label], time_unit)
    step = interval or _interval(path, moments, named)
    bars = empty_bars(len(moments))
    bars["start"] = moments if label == "start" else moments - step
    bars["end"] = bars["start"] + step
    for field in fields:
        if field in found:
            bars[field] = numbers(path, part, found[field], field in PRICE_FIELDS)
    if "vwap" not in found:
        _derive_vwap(bars)
    return bars, step, unit, _close_notes(path, part, found, bars, unit)


def _interval(path: Path, moments: NDArray[np.int64], named: int | None) -> int:
    steps = np.diff(np.unique(moments))
    if not len(steps):
        if named is None:
            raise SourceError(f"{path}: neither its name nor its single row says the interval; give it")
        return named
    values, counts = np.unique(steps, return_counts=True)
    common = int(values[np.argmax(counts)])
    if named is not None and common != named:
        raise SourceError(
            f"{path}: its name says {format_interval(named)} but most rows are {common / 1e9:g} s apart;"
            " give the interval"
        )
    return common


def _derive_vwap(bars: NDArray[np.void]) -> None:
    traded = bars["volume"] > 0
    bars["vwap"][traded] = bars["quote_volume"][traded] / bars["volume"][traded]


def _close_notes(
    path: Path, part: Table, found: Mapping[str, str], bars: NDArray[np.void], unit: str
) -> tuple[str, ...]:
    """Close times that are not the last instant of the bar: a note if few, an error if most."""
    if "close_time" not in found or unit not in SCALE:
        return ()
    closes, close_unit = times(path, part, found["close_time"])
    odd = closes + SCALE[close_unit] != bars["end"]
    if odd.mean() > 0.5:
        row = int(np.argmax(odd))
        raise SourceError(
            f"{path}: line {part.lines[row]}: the bar closes at {format_time(int(closes[row]))}, which does not fit"
            f" bars of {(bars['end'][row] - bars['start'][row]) / 1e9:g} s; check the interval"
        )
    if not odd.any():
        return ()
    row = int(np.argmax(odd))
    when = format_time(int(bars["start"][row]))
    where = f"(first: line {part.lines[row]}, {when})"
    return (f"{int(odd.sum())} bars have an irregular close time {where}; end is on the grid",)
