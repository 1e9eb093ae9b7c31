"""Bytes as a table of named columns. CSV cells stay text here, so that a bad one can be named as it stands."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from market.errors import SourceError
from market.readers.files import Unpacked

SEPARATORS: Final = ",;\t"
NUMBER: Final = re.compile(r"\s*[-+]?(\d|\.\d)")
BINANCE: Final = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
)
"""The columns of Binance's kline archives, spot and futures; spot files have no header row."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table, and for each row the number that people give it: its line in a CSV, from 1 in Parquet."""

    frame: pl.DataFrame
    lines: NDArray[np.int64]
    header: bool

    def rows(self, chosen: NDArray[np.int64]) -> Table:
        """Some of the rows, which keep their line numbers."""
        return Table(self.frame[chosen], self.lines[chosen], self.header)


def kline_names(path: Path, cells: Sequence[str]) -> list[str]:
    """The columns of a kline archive without header row, of which ``cells`` are the first row.

    Raises
    ------
    SourceError
        If the row is not one of a kline archive.
    """
    if len(cells) != len(BINANCE):
        raise SourceError(
            f"{path}: has no header row and {len(cells)} columns; a Binance kline archive has {len(BINANCE)}."
            " Give other tables a header row, and name their columns if need be"
        )
    return list(BINANCE)


def table(path: Path, unpacked: Unpacked, names: Callable[[Path, Sequence[str]], list[str]] = kline_names) -> Table:
    """The table of a source file; ``names`` gives the columns of one without header row, from its first row.

    Raises
    ------
    SourceError
        If it is damaged, rows differ in their number of cells, or ``names`` refuses an unnamed table.
    """
    return _parquet(path, unpacked.content) if unpacked.format == "parquet" else _csv(path, unpacked.content, names)


def _parquet(path: Path, content: bytes) -> Table:
    try:
        frame = pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise SourceError(f"{path}: the Parquet file is truncated or damaged ({error})") from error
    if frame.is_empty():
        raise SourceError(f"{path}: has no rows")
    return Table(frame, _lines(frame, 1), True)


def _csv(path: Path, content: bytes, unnamed: Callable[[Path, Sequence[str]], list[str]]) -> Table:
    content = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").rstrip(b"\n")
    first = content.split(b"\n", 1)[0].decode("utf-8", "replace")
    separator = max(SEPARATORS, key=first.count)
    try:
        cells = next(csv.reader([first], delimiter=separator))
        _check_widths(path, content, separator, len(cells))
    except csv.Error as error:
        raise SourceError(
            f"{path}: is not a table of lines that end in a line feed ({error}); is it text at all?"
        ) from error
    header = NUMBER.match(cells[0]) is None or not any(NUMBER.match(cell) for cell in cells[1:])
    names = [cell.strip() for cell in cells] if header else unnamed(path, cells)
    if len(set(names)) != len(names):
        raise SourceError(f"{path}: the header {names} names a column twice")
    try:
        frame = pl.read_csv(io.BytesIO(content), has_header=False, infer_schema=False, separator=separator)
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{path}: is not a table of UTF-8 text ({error})") from error
    frame = frame.rename(dict(zip(frame.columns, names, strict=True))).slice(int(header))
    if frame.is_empty():
        raise SourceError(f"{path}: has a header but no rows")
    return Table(frame.with_columns(pl.all().str.strip_chars()), _lines(frame, 1 + int(header)), header)


def _lines(frame: pl.DataFrame, first: int) -> NDArray[np.int64]:
    return np.arange(first, first + frame.height, dtype=np.int64)


def _check_widths(path: Path, content: bytes, separator: str, width: int) -> None:
    """Refuse the first line whose number of cells is not that of the first line."""
    if b'"' in content:
        lines = csv.reader(io.StringIO(content.decode("utf-8", "replace")), delimiter=separator)
        counts = np.array([len(cells) for cells in lines])
    else:
        data = np.frombuffer(content + b"\n", np.uint8)
        ends = np.flatnonzero(data == ord("\n"))
        counts = np.diff(np.searchsorted(np.flatnonzero(data == ord(separator)), ends), prepend=0) + 1
    if (counts != width).any():
        line = int(np.argmax(counts != width))
        value = content.split(b"\n")[line][:80].decode("utf-8", "replace")
        raise SourceError(
            f"{path}: line {line + 1} has {counts[line]} cells where the first line has {width}: {value!r}."
            " The file may be truncated; fetch it again"
        )
