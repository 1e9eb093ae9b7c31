"""A stretch of a market-data stream as two integer matrices, which compiled code reads: messages and their levels.

Messages keep the order in which they were received. ``levels`` holds the (side, ticks, lots) rows of all messages, one
behind the other; a message's are rows ``BEGIN`` to ``STOP``. What a message's three numbers mean depends on its kind:

==========  ==================  ==============  ==================  ================================================
kind        FIRST               LAST            BEFORE              levels
==========  ==================  ==============  ==================  ================================================
snapshot    bids cut off (0/1)  update id       asks cut off (0/1)  the whole book, or as much as was asked for
change      first update id     last update id  the last update id  new quantities, 0 where a level is gone
                                                before it, or -1
quote       update id           update id       -1                  best bid and best ask, a row each
trade       trade id            trade id        -1                  side of the taker, price, quantity
gap         0                   0               -1                  none: messages may be missing here
==========  ==================  ==============  ==================  ================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.book.grid import Grid
from market.errors import SourceError

Ints = NDArray[np.int64]
Pairs = Sequence[tuple[str, str]]

KIND, EVENT_TIME, RECEIVED, FIRST, LAST, BEFORE, BEGIN, STOP = range(8)
MESSAGE_WIDTH: Final = 8
SIDE, TICKS, LOTS = range(3)
LEVEL_WIDTH: Final = 3
UNKNOWN: Final = -1


class Said(IntEnum):
    """What a message says."""

    SNAPSHOT = 1
    CHANGE = 2
    QUOTE = 3
    TRADE = 4
    GAP = 5


# Compiled code reads plain integers.
SNAPSHOT, CHANGE, QUOTE, TRADE, GAP = (int(kind) for kind in Said)


@dataclass(frozen=True, slots=True, eq=False)
class Tape:
    """Messages int64 (m, 8) and levels int64 (k, 3), both in the order received; times in nanoseconds UTC."""

    messages: Ints
    levels: Ints

    def __len__(self) -> int:
        return len(self.messages)

    def part(self, start: int, stop: int) -> Tape:
        """Messages ``start`` to ``stop`` with all levels: a view."""
        return Tape(self.messages[start:stop], self.levels)

    def of_kind(self, kind: Said) -> Ints:
        """The messages of one kind."""
        chosen: Ints = self.messages[self.messages[:, KIND] == kind]
        return chosen


def joined(tapes: Iterable[Tape]) -> Tape:
    """Tapes one behind the other."""
    messages, levels, count = [np.empty((0, MESSAGE_WIDTH), np.int64)], [np.empty((0, LEVEL_WIDTH), np.int64)], 0
    for tape in tapes:
        moved = tape.messages.copy()
        moved[:, BEGIN : STOP + 1] += count
        messages.append(moved)
        levels.append(tape.levels)
        count += len(tape.levels)
    return Tape(np.concatenate(messages), np.concatenate(levels))


@dataclass(slots=True)
class TapeWriter:
    """Collects messages as a venue's parser reads them; `tape` turns them into integers at once.

    Examples
    --------
    >>> from decimal import Decimal
    >>> writer = TapeWriter()
    >>> writer.trade(7, 7, 1, +1, ("100.5", "2"))
    >>> tape = writer.tape(Grid(Decimal("0.5"), Decimal(1)))
    >>> tape.messages.tolist(), tape.levels.tolist()
    ([[4, 7, 7, 1, 1, -1, 0, 1]], [[1, 201, 2]])
    """

    rows: list[tuple[int, ...]] = field(default_factory=list)
    sides: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def snapshot(self, time: int, received: int, last: int, bids: Pairs, asks: Pairs, cut: tuple[bool, bool]) -> None:
        """A whole book, best levels first; ``cut`` tells for bids and asks whether there may be more behind."""
        self._add(Said.SNAPSHOT, time, received, (int(cut[0]), last, int(cut[1])), bids, asks)

    def change(self, time: int, received: int, ids: tuple[int, int, int], bids: Pairs, asks: Pairs) -> None:
        """New quantities of levels; ``ids`` are first, last and the last before (-1 where the venue says none)."""
        self._add(Said.CHANGE, time, received, ids, bids, asks)

    def quote(self, time: int, received: int, update: int, bid: tuple[str, str], ask: tuple[str, str]) -> None:
        """The best bid and ask, each price and quantity."""
        self._add(Said.QUOTE, time, received, (update, update, UNKNOWN), (bid,), (ask,))

    def trade(self, time: int, received: int, number: int, side: int, deal: tuple[str, str]) -> None:
        """A trade; ``side`` +1 if the taker bought, -1 if he sold."""
        bids, asks = ((deal,), ()) if side > 0 else ((), (deal,))
        self._add(Said.TRADE, time, received, (number, number, UNKNOWN), bids, asks)

    def gap(self, time: int, received: int) -> None:
        """Messages may be missing here."""
        self._add(Said.GAP, time, received, (0, 0, UNKNOWN), (), ())

    def tape(self, grid: Grid) -> Tape:
        """What was collected, in ticks and lots.

        Raises
        ------
        SourceError
            If a price or quantity is no number of the grid; the message says which of the messages has it.
        """
        levels = np.empty((len(self.sides), LEVEL_WIDTH), np.int64)
        levels[:, SIDE] = self.sides
        try:
            levels[:, TICKS:] = grid.counts(self.texts)
        except SourceError:
            self._blame(grid)
            raise
        return Tape(np.array(self.rows, np.int64).reshape(len(self.rows), MESSAGE_WIDTH), levels)

    def _add(self, kind: Said, time: int, received: int, ids: tuple[int, int, int], bids: Pairs, asks: Pairs) -> None:
        begin = len(self.sides)
        for price_and_quantity in bids:
            self.texts += price_and_quantity
        for price_and_quantity in asks:
            self.texts += price_and_quantity
        self.sides += [1] * len(bids) + [-1] * len(asks)
        self.rows.append((kind, time, received, *ids, begin, len(self.sides)))

    def _blame(self, grid: Grid) -> None:
        for number, row in enumerate(self.rows):
            try:
                grid.counts(self.texts[2 * row[BEGIN] : 2 * row[STOP]])
            except SourceError as error:
                kind = Said(row[KIND]).name.lower()
                raise SourceError(f"message {number} ({kind} received at {row[RECEIVED]} ns): {error}") from None
