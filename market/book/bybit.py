"""Bybit's order book archive as a tape: a zip (or text) of JSON lines, snapshots and deltas of the 500 best levels.

The archive has no receive times; the venue's time stands for them. A delta's id ``u`` is the last one plus one. A
snapshot always starts the book anew (after a restart of the venue its ids begin at 1), so a gap stands before it.
Levels that leave the best 500 are deleted by deltas, so the book ends where its messages end.

Source: Bybit API documentation, "Orderbook" (WebSocket, public).
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

import msgspec

from market.book.grid import Grid
from market.book.recordings import lines_of
from market.book.tape import UNKNOWN, Tape, TapeWriter
from market.errors import SourceError

MILLISECOND: Final = 1_000_000


class Levels(msgspec.Struct, rename={"symbol": "s", "bids": "b", "asks": "a", "update": "u"}):
    """The changed levels."""

    symbol: str
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    update: int


class Message(msgspec.Struct):
    """One line."""

    type: Literal["snapshot", "delta"]
    ts: int
    data: Levels


DECODER: Final = msgspec.json.Decoder(Message)


def read_bybit(path: Path, grid: Grid) -> Tape:
    """The messages of an archive file.

    Raises
    ------
    SourceError
        Naming file and line of what is no message, of another symbol than the first, or off the grid.
    """
    writer, symbol = TapeWriter(), ""
    for number, line in enumerate(_lines(path), 1):
        try:
            message = DECODER.decode(line)
        except msgspec.DecodeError as error:
            raise SourceError(f"{path.name}: line {number} is no order book message: {error}") from None
        data, time = message.data, message.ts * MILLISECOND
        symbol = symbol or data.symbol
        if data.symbol != symbol:
            raise SourceError(f"{path.name}: line {number} is of {data.symbol}, not {symbol}")
        if message.type == "snapshot":
            writer.gap(time, time)
            cut = len(data.bids) >= DEPTH, len(data.asks) >= DEPTH
            writer.snapshot(time, time, data.update, data.bids, data.asks, cut)
        else:
            writer.change(time, time, (data.update, data.update, UNKNOWN), data.bids, data.asks)
    try:
        return writer.tape(grid)
    except SourceError as error:
        raise SourceError(f"{path.name}: {error}") from None


DEPTH: Final = 500


def _lines(path: Path) -> Iterable[bytes]:
    if not zipfile.is_zipfile(path):
        return lines_of(path)
    with zipfile.ZipFile(path) as archive:
        return archive.read(archive.namelist()[0]).splitlines()
