"""The order book of one instrument, rebuilt from snapshots and changes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.book import sequence
from market.book.ladder import ASK, BID, NOWHERE
from market.book.tape import LEVEL_WIDTH, MESSAGE_WIDTH, Tape
from market.errors import MarketError
from market.jit import kernel

Ints = NDArray[np.int64]

CAPACITY: Final = 8_192
WAITING_MESSAGES: Final = 4_096
WAITING_LEVELS: Final = 65_536
MAGIC: Final = 0x42344F4230303031


class Status(IntEnum):
    """Whether the book is known, and if not, why; see `market.book.sequence`."""

    NO_SNAPSHOT = sequence.NO_SNAPSHOT
    VALID = sequence.VALID
    BROKEN = sequence.BROKEN
    CROSSED = sequence.CROSSED
    CONTRADICTED = sequence.CONTRADICTED
    NO_LEVEL = sequence.NO_LEVEL


@dataclass(frozen=True, slots=True)
class Counters:
    """What happened so far.

    ``applied`` changes; ``old`` ones left out; ``gaps``; ``snapshots`` taken; levels ``given_up`` by full sides;
    changes ``waiting`` for a snapshot; changes ``forgotten`` because too many waited.
    """

    applied: int
    old: int
    gaps: int
    snapshots: int
    given_up: int
    waiting: int
    forgotten: int


class OrderBook:
    """A book of at most ``capacity`` levels a side.

    Parameters
    ----------
    futures
        Which rule of succession holds: spot's ``U == previous u + 1`` or futures' ``pu == previous u``.
    capacity
        Levels a side; a full side gives up its worst, and the book says down to which price it is complete.
    waiting_messages, waiting_levels
        How many changes, and levels in them, can wait for a snapshot.

    Examples
    --------
    >>> from decimal import Decimal
    >>> from market.book.grid import Grid
    >>> from market.book.tape import TapeWriter
    >>> writer = TapeWriter()
    >>> writer.snapshot(0, 0, 10, [("100", "2"), ("99", "1")], [("101", "3")], (True, True))
    >>> writer.change(5, 5, (11, 12, -1), [("100", "0")], [("101", "4")])
    >>> book = OrderBook()
    >>> book.take(writer.tape(Grid(Decimal(1), Decimal(1))))
    >>> book.status.name, book.bids().tolist(), book.asks().tolist()
    ('VALID', [[99, 1]], [[101, 4]])
    """

    def __init__(
        self,
        futures: bool = False,
        capacity: int = CAPACITY,
        waiting_messages: int = WAITING_MESSAGES,
        waiting_levels: int = WAITING_LEVELS,
    ) -> None:
        shapes = (
            (sequence.HEADER,),
            (2, capacity),
            (2, capacity),
            (waiting_messages, MESSAGE_WIDTH),
            (waiting_levels, LEVEL_WIDTH),
        )
        sizes = [int(np.prod(shape)) for shape in shapes]
        if min(sizes) < 1:
            raise MarketError("a book needs room for at least one level, waiting message and waiting level")
        self.state = np.zeros(sum(sizes), np.int64)
        pieces = np.split(self.state, np.cumsum(sizes)[:-1])
        self.head, self.keys, self.lots, waiting, held = (
            piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True)
        )
        self.arrays = self.head, self.keys, self.lots, waiting, held
        self.head[sequence.FUTURES] = futures
        self.head[sequence.HORIZON : sequence.HORIZON + 2] = NOWHERE
        self.head[[sequence.UPDATE, sequence.QUOTE_ID]] = -1, -2

    def take(self, tape: Tape) -> None:
        """Take in the messages of a tape, in their order."""
        take_all(*self.arrays, tape.messages, tape.levels)

    @property
    def status(self) -> Status:
        """Whether the book is known."""
        return Status(int(self.head[sequence.STATUS]))

    @property
    def update(self) -> int:
        """The id of the last update in the book, -1 before any."""
        return int(self.head[sequence.UPDATE])

    @property
    def counters(self) -> Counters:
        """What happened so far."""
        names = ("APPLIED", "OLD", "GAPS", "SNAPSHOTS", "GIVEN_UP", "WAITING", "FORGOTTEN")
        return Counters(*(int(self.head[getattr(sequence, name)]) for name in names))

    def bids(self, most: int | None = None) -> Ints:
        """(n, 2) ticks and lots of the bids, best first; at most ``most``. Only a valid book's mean anything."""
        return self._side(BID, most)

    def asks(self, most: int | None = None) -> Ints:
        """(n, 2) ticks and lots of the asks, best first; as `bids`."""
        return self._side(ASK, most)

    def known(self) -> tuple[int, int]:
        """How many of the best bids and asks are known with none missing among them."""
        bid, ask = (int(sequence.known_levels(self.head, self.keys, side)) for side in (BID, ASK))
        return bid, ask

    def horizon(self) -> tuple[int | None, int | None]:
        """Down to which bid and up to which ask, in ticks, no level can be missing; None: to the end."""
        bid, ask = (int(self.head[sequence.HORIZON + side]) for side in (BID, ASK))
        return None if bid == NOWHERE else bid, None if ask == NOWHERE else -ask

    def snapshot(self) -> bytes:
        """The whole state, waiting changes included."""
        shape = (self.keys.shape[1], *(len(array) for array in self.arrays[3:]))
        return np.array([MAGIC, *shape], np.int64).tobytes() + self.state.tobytes()

    def restore(self, snapshot: bytes) -> None:
        """Go on from a snapshot of a book with the same limits.

        Raises
        ------
        MarketError
            If these bytes are none; the state is as before.
        """
        if len(snapshot) != len(self.snapshot()) or snapshot[:32] != self.snapshot()[:32]:
            raise MarketError(f"these {len(snapshot)} bytes are no snapshot of a book with these limits")
        self.state[:] = np.frombuffer(snapshot[32:], np.int64)

    def _side(self, side: int, most: int | None) -> Ints:
        count = int(self.head[sequence.COUNT + side])
        first = 0 if most is None else max(0, count - most)
        return np.stack([abs(self.keys[side, first:count]), self.lots[side, first:count]], axis=1)[::-1]


@kernel
def take_all(head: Ints, keys: Ints, lots: Ints, waiting: Ints, held: Ints, messages: Ints, levels: Ints) -> None:
    """All messages in turn through `market.book.sequence.take`."""
    for row in range(messages.shape[0]):
        sequence.take(head, keys, lots, waiting, held, messages, row, levels)
