"""Bars from trades, in research over arrays and live with one trade: the same compiled step."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.bar_builders.door import first_refused, refusal
from market.bar_builders.families import advance, build, show
from market.bar_builders.spec import BarSpec
from market.bar_builders.state import STATE, initial_state
from market.bars import BAR, empty_bars
from market.errors import TradeError
from market.jit import kernel
from market.snapshots import open_snapshot, seal_snapshot
from market.time import format_time
from market.trades.schema import LATEST, TRADE

MAGIC: Final = b"B4BB0001"
BUFFER: Final = 4096
NO_BARS: Final = np.empty(0, BAR)


@kernel
def offer(trades: NDArray[np.void], state: NDArray[np.void], bars: NDArray[np.void]) -> tuple[int, int, int]:
    """Check all trades and then take them in: the refusal or -1, and what `build` gives."""
    code = first_refused(trades, state)
    if code >= 0:
        return code, 0, 0
    row, count = build(trades, 0, state, bars)
    return code, row, count


class BarBuilder:
    """Turns trades into bars, with its state between calls.

    Parameters
    ----------
    spec
        Which bars.

    Notes
    -----
    However the trades are divided into calls, the bars are the same bytes. Trades that are out of order, repeated or
    impossible are refused by name before any is taken in. Not for use by several threads at once.

    *Time bars* cover the grid's [start, end), weeks from Monday; intervals without trades have no bar. The bar in
    progress comes out with the first trade at or after its end, or with `advance`, which live calls when the clock
    passes it. The first bar holds the trades from the first one given: where those begin inside an interval, it is not
    the whole interval's.

    *All other bars* start at their first trade's time and end at their last trade's, which ends the bar and belongs to
    it: a bar is known at its end. Of trades that share a time, the bar takes those up to the one that ends it, and the
    next bar starts at that same time. A trade above the threshold ends its bar; nothing is divided or carried over.

    The bar that nothing has ended is never among those returned; `unfinished` shows it.

    Volumes are compensated sums; the volume-weighted price is quote volume over volume, kept within the bar's low and
    high. ``taker_buy_volume`` is missing in a bar that has a trade of unknown side. ``trade_count`` adds up the trades'
    ``count``, so that aggregated trades give the venue's number.

    Examples
    --------
    >>> from market.trades.schema import empty_trades
    >>> trades = empty_trades(5)
    >>> trades["time"] = [10, 20, 20, 30, 40]
    >>> trades["price"] = [100.0, 101.0, 99.0, 100.0, 100.0]
    >>> trades["quantity"] = [0.5, 0.25, 0.25, 7.0, 0.5]
    >>> builder = BarBuilder(BarSpec("volume", threshold=1.0))
    >>> bars = builder.update(trades)
    >>> bars["start"].tolist(), bars["end"].tolist(), bars["volume"].tolist()
    ([10, 30], [20, 30], [1.0, 7.0])
    >>> builder.unfinished()["volume"].tolist()
    [0.5]
    """

    def __init__(self, spec: BarSpec) -> None:
        self.spec = spec
        self.state = initial_state(spec)
        self._bars = empty_bars(BUFFER)

    @property
    def count(self) -> int:
        """Bars that have ended."""
        return int(self.state["bars"][0])

    @property
    def last_time(self) -> int | None:
        """The latest time that a trade or `advance` brought (ns UTC), or None before any."""
        return int(self.state["last_time"][0]) if self.state["last_time"][0] >= 0 else None

    @property
    def last_id(self) -> int | None:
        """The id of the last trade that had one."""
        return int(self.state["last_id"][0]) if self.state["last_id"][0] >= 0 else None

    @property
    def skipped_ids(self) -> int:
        """How many ids were left out between trades: above zero, trades are missing and volumes are too small."""
        return int(self.state["skipped"][0])

    @property
    def threshold(self) -> float | None:
        """What ends the bar in progress; None for time bars and for the first bar of adaptive ones."""
        if self.spec.kind == "time" or (self.spec.adaptive is not None and not self.count):
            return None
        return float(self.state["threshold"][0])

    @property
    def expected_ticks(self) -> float | None:
        """Trades that an adaptive bar is expected to have; None for others."""
        return float(self.state["expected_ticks"][0]) if self.spec.adaptive is not None else None

    def update(self, trades: NDArray[np.void]) -> NDArray[np.void]:
        """Take in trades, shape (n,) of `market.trades.schema.TRADE`; the bars they ended, in order.

        Raises
        ------
        TradeError
            If a trade is refused; none was taken in.
        """
        if trades.dtype != TRADE:
            raise TradeError(f"trades have dtype {trades.dtype}, not market.trades.schema.TRADE; read them through it")
        if trades.ndim != 1 or not trades.flags.carray:
            trades = np.array(trades, TRADE, ndmin=1)
        code, row, count = offer(trades, self.state, self._bars)
        if code >= 0:
            raise refusal(trades, code)
        if row == len(trades):
            return self._written(count)
        parts = [self._written(count)]
        while row < len(trades):
            row, count = build(trades, row, self.state, self._bars)
            parts.append(self._written(count))
        return np.concatenate(parts)

    def advance(self, time: int) -> NDArray[np.void]:
        """No trade before ``time`` (ns UTC) will come: the time bar that is over then, if there is one.

        Raises
        ------
        TradeError
            If the time is before one already passed.
        """
        if not max(int(self.state["last_time"][0]), 0) <= time <= LATEST:
            raise TradeError(f"time {time} ns is before {format_time(self.last_time or 0)}, which has passed already")
        return self._written(advance(time, self.state, self._bars))

    def unfinished(self) -> NDArray[np.void]:
        """The bar in progress as it stands, shape (1,), or (0,) where no trade has come since the last bar."""
        return self._written(show(self.state, self._bars))

    def reset(self) -> None:
        """Forget all trades."""
        self.state[:] = initial_state(self.spec)

    def snapshot(self) -> bytes:
        """The whole state, also in the middle of a bar: a builder restored from it goes on with the same bytes."""
        return seal_snapshot(MAGIC, self.spec.digest, self.state)

    def restore(self, snapshot: bytes) -> None:
        """Go on from a snapshot.

        Raises
        ------
        SnapshotError
            If it is damaged, or of other bars; the state is as before.
        """
        self.state[:] = open_snapshot(snapshot, MAGIC, self.spec.digest, STATE, f"a builder of {self.spec.kind} bars")

    def _written(self, count: int) -> NDArray[np.void]:
        """A copy of the first bars of the buffer; copying none of records of many fields takes microseconds."""
        return self._bars[:count].copy() if count else NO_BARS


def build_bars(trades: NDArray[np.void], spec: BarSpec) -> NDArray[np.void]:
    """All bars that trades end, from an empty state."""
    return BarBuilder(spec).update(trades)
