"""Binance's streams as a tape: ``depthUpdate``, ``bookTicker``, ``trade``, ``aggTrade``, and the REST depth snapshot.

Lines are those of the recordings: receive time in ns, a space, and the message in combined-stream form,
``{"stream": …, "data": …}``. A line with ``lastUpdateId`` and no stream is the REST answer to ``GET /depth``. A line
with ``gap`` is our recorder's: messages may be missing there. Other messages are passed over.

Source: Binance API documentation, "WebSocket Streams" and "How to manage a local order book correctly".
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from market.book.grid import Grid
from market.book.recordings import lines_of, received
from market.book.tape import UNKNOWN, Tape, TapeWriter, joined
from market.errors import SourceError

MILLISECOND: Final = 1_000_000
LIMITS: Final = frozenset({5, 10, 20, 50, 100, 500, 1000, 5000})
"""The depths one can ask for: a side with exactly so many levels may have more behind them."""

Pairs = list[tuple[str, str]]


class Data(
    msgspec.Struct, rename={"first": "U", "last": "u", "before": "pu", "symbol": "s", "event": "e", "time": "E"}
):
    """The fields of all messages that are read; a letter means different things in different messages."""

    event: str = ""
    time: int = 0
    symbol: str = ""
    first: int | None = None
    last: int | None = None
    before: int | None = None
    T: int | None = None
    b: Pairs | str | int | None = None
    a: Pairs | str | int | None = None
    B: str | None = None
    A: str | None = None
    t: int | None = None
    p: str | None = None
    q: str | None = None
    m: bool | None = None


class Line(msgspec.Struct):
    """One message: of a stream, the REST snapshot, or a gap."""

    stream: str | None = None
    data: Data | None = None
    lastUpdateId: int | None = None  # noqa: N815
    bids: Pairs = []
    asks: Pairs = []
    E: int = 0
    gap: str | None = None


READ: Final = frozenset({"depthUpdate", "bookTicker", "trade", "aggTrade"})
DECODER: Final = msgspec.json.Decoder(Line)


class BinanceParser:
    """Reads lines into a tape, the same for a recording and for a live socket.

    Parameters
    ----------
    grid
        Tick and lot of the instrument.
    symbol
        Such as ``BTCUSDT``; messages of another are refused. None takes the first message's.

    Examples
    --------
    >>> from decimal import Decimal
    >>> parser = BinanceParser(Grid(Decimal("0.01"), Decimal("0.00001")))
    >>> ticker = b'5 {"stream":"x","data":{"u":7,"s":"X","b":"1.00","B":"2","a":"1.01","A":"3"}}'
    >>> parser.read([ticker]).levels.tolist()
    [[1, 100, 200000], [-1, 101, 300000]]
    """

    def __init__(self, grid: Grid, symbol: str | None = None) -> None:
        self.grid = grid
        self.symbol = symbol

    def read(self, lines: Iterable[bytes], where: str = "stream") -> Tape:
        """The messages of some lines.

        Raises
        ------
        SourceError
            Naming the line that is no such message, has another symbol, or a price off the grid.
        """
        writer = TapeWriter()
        for number, time, message in received(lines, where):
            try:
                self._line(writer, time, DECODER.decode(message))
            except (msgspec.DecodeError, SourceError) as error:
                raise SourceError(f"{where}: line {number}: {error}") from None
        try:
            return writer.tape(self.grid)
        except SourceError as error:
            raise SourceError(f"{where}: {error}") from None

    def _line(self, writer: TapeWriter, received: int, line: Line) -> None:
        if line.gap is not None:
            writer.gap(received, received)
        elif line.lastUpdateId is not None:
            cut = len(line.bids) in LIMITS, len(line.asks) in LIMITS
            time = line.E * MILLISECOND
            writer.snapshot(time, received, line.lastUpdateId, line.bids, line.asks, cut)
        elif line.data is not None:
            self._data(writer, received, line.data)

    def _data(self, writer: TapeWriter, received: int, data: Data) -> None:
        event, bids, asks = data.event or "bookTicker", data.b, data.a
        if event not in READ:
            return
        time = (data.T or data.time) * MILLISECOND
        if event == "depthUpdate":
            if data.first is not None and data.last is not None and isinstance(bids, list) and isinstance(asks, list):
                self._demand(data.symbol)
                before = UNKNOWN if data.before is None else data.before
                writer.change(data.time * MILLISECOND, received, (data.first, data.last, before), bids, asks)
                return
        elif event == "bookTicker":
            if data.last is not None and isinstance(bids, str) and isinstance(asks, str) and data.B and data.A:
                self._demand(data.symbol)
                writer.quote(time, received, data.last, (bids, data.B), (asks, data.A))
                return
            if not data.event:
                return  # a message without a kind that is no quote
        else:
            number = data.t if event == "trade" else asks
            if isinstance(number, int) and data.p and data.q and data.m is not None:
                self._demand(data.symbol)
                writer.trade(time, received, number, -1 if data.m else 1, (data.p, data.q))
                return
        raise SourceError(f"a {event} message lacks fields")

    def _demand(self, symbol: str) -> None:
        if self.symbol is None:
            self.symbol = symbol
        elif symbol != self.symbol:
            raise SourceError(f"is of {symbol}, not {self.symbol}; record one symbol a file")


def read_recording(paths: Iterable[Path], grid: Grid, symbol: str | None = None) -> Tape:
    """The messages of recorded files, in the order given.

    Raises
    ------
    SourceError
        Naming file and line of what cannot be read.
    """
    parser = BinanceParser(grid, symbol)
    return joined(parser.read(lines_of(path), path.name) for path in paths)
