"""Book aggregates per bar, from a stream: on a time grid, or into bars that exist.

What a bar gets (`market.bars.FIELDS`), all at its close except the two flows, which are summed over it:

- ``spread``, ``bid_size``, ``ask_size``: at the best prices; a side without levels has size 0, and then no spread;
- ``microprice``: the mid weighted by the opposite sizes, (size_bid * ask + size_ask * bid) / (size_bid + size_ask);
- ``bid_depth``, ``ask_depth``: quantity at the ten best levels;
- ``bid_slope``, ``ask_slope``: the straight line through the origin, by least squares, of cumulative depth over
  relative distance from the mid, at the ten best levels;
- ``order_flow_imbalance``, ``multilevel_order_flow_imbalance``: see `market.book.flow`.

A field is missing (NaN) where it is not known: the book is not valid; its last change is older than ``max_age``; fewer
than ten levels lie before the horizon (depths, slopes, multi-level flow). A flow is missing if the book was not valid
at any time of the bar, or its levels not known for longer than ``max_age``. See `market.book.sequence`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.bars import BAR, FIELDS, as_matrix, as_times, empty_bars
from market.book.close import fill
from market.book.flow import ALL, BEST, CLOCK, FLOW, NEVER, SEEN
from market.book.grid import Grid
from market.book.order_book import OrderBook
from market.book.tape import EVENT_TIME, GAP, KIND, Tape
from market.errors import MarketError
from market.time import SECOND

BOOK_FIELDS: Final = tuple(FIELDS[FIELDS.index("spread") : FIELDS.index("ask_slope") + 1])
MAX_AGE: Final = 10 * SECOND
FIRST_OPEN: Final = FLOW  # the start of the grid's open bar stands behind the flow's own state


class BookAggregates:
    """The book of one instrument with the flows of the open bar; the same for history and live.

    Parameters
    ----------
    grid
        Tick and lot of the tape.
    interval
        Of the bars `update` gives, in nanoseconds, on multiples of itself.
    futures
        Which rule of succession holds; see `market.book.order_book.OrderBook`.
    max_age
        How old in nanoseconds the last change may be at a close.
    book
        A book with other limits than the default's.

    Examples
    --------
    >>> from decimal import Decimal
    >>> from market.book.tape import TapeWriter
    >>> writer = TapeWriter()
    >>> writer.snapshot(SECOND, SECOND, 10, [("99", "2")], [("101", "3")], (False, False))
    >>> writer.change(2 * SECOND, 2 * SECOND, (11, 11, -1), [("99", "6")], [])
    >>> writer.change(3 * SECOND, 3 * SECOND, (12, 12, -1), [("100", "1")], [])
    >>> writer.change(4 * SECOND, 4 * SECOND, (13, 13, -1), [], [])
    >>> grid = Grid(Decimal(1), Decimal("0.5"))
    >>> bars = BookAggregates(grid, SECOND).update(writer.tape(grid))
    >>> bars["spread"].tolist(), bars["bid_depth"].tolist(), bars["order_flow_imbalance"].tolist()
    ([2.0, 2.0, 1.0], [2.0, 6.0, 7.0], [nan, 4.0, 1.0])
    """

    def __init__(
        self,
        grid: Grid,
        interval: int,
        futures: bool = False,
        max_age: int = MAX_AGE,
        book: OrderBook | None = None,
    ) -> None:
        if interval < 1 or max_age < 0:
            raise MarketError(f"interval {interval} ns must be above zero and max_age {max_age} ns not below")
        self.book = OrderBook(futures) if book is None else book
        self.interval = interval
        self.max_age = max_age
        self.flow = np.zeros(FLOW + 1, np.int64)
        self.flow[[BEST + SEEN, ALL + SEEN, FIRST_OPEN]] = NEVER
        over_under = [Fraction(step) for step in (grid.tick, grid.lot)]
        self._steps = np.array([float(part) for one in over_under for part in (one.numerator, one.denominator)])

    def update(self, tape: Tape) -> NDArray[np.void]:
        """Take in messages; gives the bars of the grid that they closed, with times and book fields only."""
        last = self._last_time(tape)
        if last <= 0:
            self.fill(tape, empty_bars(0))
            return empty_bars(0)
        if self.flow[FIRST_OPEN] == NEVER:
            times = tape.messages[tape.messages[:, KIND] != GAP, EVENT_TIME]
            first = int(times[times > 0][0])
            self.flow[FIRST_OPEN] = first - first % self.interval
        start = int(self.flow[FIRST_OPEN])
        bars = empty_bars((last - start) // self.interval + 1)
        bars["start"] = start + self.interval * np.arange(len(bars))
        bars["end"] = bars["start"] + self.interval
        closed = self.fill(tape, bars)
        self.flow[FIRST_OPEN] = start + closed * self.interval
        return bars[:closed]

    def fill(self, tape: Tape, bars: NDArray[np.void]) -> int:
        """Take in messages and write the book fields of the bars they close, in place; gives how many were closed.

        ``bars`` are in order of their ends, the first being the open one. For the bars of a time grid `update` does
        this; use one of the two.
        """
        if bars.dtype != BAR or not bars.flags.c_contiguous or (np.diff(bars["end"]) < 0).any():
            raise MarketError("bars to fill must be a contiguous array of market.bars.BAR in order of their ends")
        closed: int = fill(
            *self.book.arrays,
            self.flow,
            self._steps,
            self.max_age,
            tape.messages,
            tape.levels,
            as_matrix(bars),
            as_times(bars),
        )
        return closed

    def snapshot(self) -> bytes:
        """The whole state, mid-bar."""
        return self.flow.tobytes() + self.book.snapshot()

    def restore(self, snapshot: bytes) -> None:
        """Go on from a snapshot of aggregates with the same parameters.

        Raises
        ------
        MarketError
            If these bytes are none; the state is as before.
        """
        size = self.flow.nbytes
        self.book.restore(snapshot[size:])
        self.flow[:] = np.frombuffer(snapshot[:size], np.int64)

    def _last_time(self, tape: Tape) -> int:
        times = tape.messages[tape.messages[:, KIND] != GAP, EVENT_TIME]
        return max(int(self.flow[CLOCK]), int(times.max(initial=0)))


def with_book(bars: NDArray[np.void], book: NDArray[np.void]) -> NDArray[np.void]:
    """A copy of bars with the book fields of the bars of the same start and end, as `BookAggregates.update` gives them.

    Bars without a counterpart keep what they have.
    """
    filled = bars.copy()
    place = np.searchsorted(book["start"], bars["start"])
    inside = np.flatnonzero(place < len(book))
    same = book[["start", "end"]][place[inside]] == bars[["start", "end"]][inside]
    rows, found = inside[same], place[inside[same]]
    for name in BOOK_FIELDS:
        filled[name][rows] = book[name][found]
    return filled
