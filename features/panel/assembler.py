"""When a step of a panel is closed, live: the stated rule for bars that come late or not at all.

A step closes when all members' bars are there; or, with those that are there, when ``grace`` has passed since its end;
or when a bar of a later step arrives. A bar that comes after its step was closed is *late*: it is dropped and counted,
and its series has a hole there, the same as if the venue had never sent it. What a step held is what research replays.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from features.errors import FeatureError
from market.bars import BAR

Bars = NDArray[np.void]
Step = dict[str, Bars]


class StepAssembler:
    """Collects the members' bars until their step closes.

    Parameters
    ----------
    members
        The panel's instruments.
    grace
        Nanoseconds after a step's end until it is closed without those who are missing.

    Examples
    --------
    >>> from features.conformance import plain_bars
    >>> assembler = StepAssembler(("BTC", "ETH"), grace=2_000_000_000)
    >>> bars = plain_bars(2, 1)
    >>> assembler.offer("BTC", bars[:1]), list(assembler.offer("ETH", bars[:1])[0])
    ((), ['BTC', 'ETH'])
    >>> [list(step) for step in assembler.offer("BTC", bars[1:])], assembler.expire(int(bars["end"][1]))
    ([], ())
    >>> [list(step) for step in assembler.expire(int(bars["end"][1]) + 2_000_000_000)]
    [['BTC']]
    >>> assembler.offer("ETH", bars[1:]), assembler.late
    ((), {'BTC': 0, 'ETH': 1})
    """

    def __init__(self, members: Sequence[str], grace: int) -> None:
        if grace < 0:
            raise FeatureError(f"grace {grace} ns must not be negative")
        self.members = tuple(members)
        self.grace = grace
        self.late = dict.fromkeys(self.members, 0)
        self._pending: Step = {}
        self._start = -1
        self._closed = -1

    def offer(self, member: str, bar: Bars) -> tuple[Step, ...]:
        """Take one bar; the steps that closed by it, oldest first, members in the panel's order.

        Raises
        ------
        FeatureError
            If ``member`` is unknown, ``bar`` is not one bar, or the member's bar of this step is there already.
        """
        if member not in self.late:
            raise FeatureError(f"{member!r} is no member of the panel {list(self.members)}")
        if bar.dtype != BAR or bar.size != 1:
            raise FeatureError(f"offer takes one bar of market.bars.BAR, not {bar.size} of {bar.dtype}")
        bar = bar.reshape(1)
        start = int(bar["start"][0])
        if start <= self._closed or (self._pending and start < self._start):
            self.late[member] += 1
            return ()
        closed = self._close() if self._pending and start > self._start else ()
        if member in self._pending:
            raise FeatureError(f"{member} gave two bars of one step, start {start}")
        self._start = start
        self._pending[member] = bar
        return (*closed, *self._close()) if len(self._pending) == len(self.members) else closed

    def expire(self, now: int) -> tuple[Step, ...]:
        """Close the pending step if its grace is over at ``now`` (ns UTC)."""
        if self._pending and now >= int(next(iter(self._pending.values()))["end"][0]) + self.grace:
            return self._close()
        return ()

    def _close(self) -> tuple[Step, ...]:
        step = {name: self._pending[name] for name in self.members if name in self._pending}
        self._pending, self._closed = {}, self._start
        return (step,)
