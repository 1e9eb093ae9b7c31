"""Recordings into bars with the book's fields, and into trades."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.bar_builders.builder import BarBuilder
from market.bar_builders.spec import BarSpec
from market.bars import empty_bars
from market.book.aggregates import BookAggregates, with_book
from market.book.binance import BinanceParser
from market.book.grid import Grid
from market.book.order_book import Counters
from market.book.recordings import lines_of
from market.book.tape import BEGIN, EVENT_TIME, LAST, LOTS, SIDE, TICKS, Said, Tape
from market.trades.schema import empty_trades

Times = tuple[int, int]
NO_TRADES: Final = empty_trades(0)


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """What recordings gave.

    Attributes
    ----------
    bars
        Time bars whose trades are all there: not the first, which began before the recording, nor those that overlap
        a hole in the trade ids, nor the unfinished last one. Book fields are missing where the book was not known.
    trades
        All trades, each once.
    holes
        Times (ns UTC) of the trades before and behind each hole in the ids.
    left_out
        How many bars overlapped a hole.
    book
        What the order book counted.
    """

    bars: NDArray[np.void]
    trades: NDArray[np.void]
    holes: tuple[Times, ...]
    left_out: int
    book: Counters


def convert(paths: Iterable[Path], grid: Grid, interval: int, symbol: str, futures: bool) -> Converted:
    """Turn finished recordings of one symbol, in their order, into bars of an interval in ns.

    The same files give the same bars, however many follow them.

    Raises
    ------
    SourceError
        Naming file and line of what is no message, of another symbol, or off the grid.
    TradeError
        If trades go back in time.
    """
    parser = BinanceParser(grid, symbol)
    builder, aggregates = BarBuilder(BarSpec("time", interval=interval)), BookAggregates(grid, interval, futures)
    bars, books, trades, holes = [empty_bars(0)], [empty_bars(0)], [NO_TRADES], list[Times]()
    last = NO_TRADES
    for path in paths:
        tape = parser.read(lines_of(path), path.name)
        found = tape_trades(tape, grid)
        if len(last):
            found = found[found["id"] > last["id"][0]]
        holes += holes_in(np.concatenate([last, found]))
        last = found[-1:] if len(found) else last
        trades.append(found)
        bars.append(builder.update(found))
        books.append(aggregates.update(tape))
    whole = np.concatenate(bars)[1:]
    torn = overlapping(whole, holes)
    filled = with_book(whole[~torn], np.concatenate(books))
    return Converted(filled, np.concatenate(trades), tuple(holes), int(torn.sum()), aggregates.book.counters)


def tape_trades(tape: Tape, grid: Grid) -> NDArray[np.void]:
    """The trades of a tape as `market.trades.schema.TRADE`; one with the id of an earlier one is left out."""
    messages = tape.of_kind(Said.TRADE)
    newest = np.maximum.accumulate(messages[:, LAST])
    fresh = np.ones(len(messages), bool)
    fresh[1:] = messages[1:, LAST] > newest[:-1]
    messages = messages[fresh]
    levels = tape.levels[messages[:, BEGIN]]
    trades = empty_trades(len(messages))
    trades["time"], trades["id"], trades["side"] = messages[:, EVENT_TIME], messages[:, LAST], levels[:, SIDE]
    for name, column, step in (("price", TICKS, Fraction(grid.tick)), ("quantity", LOTS, Fraction(grid.lot))):
        trades[name] = levels[:, column] * float(step.numerator) / float(step.denominator)
    return trades


def holes_in(trades: NDArray[np.void]) -> Iterator[Times]:
    """The times before and behind each hole in the ids of trades in order."""
    for row in np.flatnonzero(np.diff(trades["id"]) > 1):
        yield int(trades["time"][row]), int(trades["time"][row + 1])


def overlapping(bars: NDArray[np.void], holes: Iterable[Times]) -> NDArray[np.bool_]:
    """Which bars some of the trades of a hole may belong to."""
    found = np.zeros(len(bars), bool)
    for before, behind in holes:
        found |= (bars["start"] <= behind) & (bars["end"] > before)
    return found
