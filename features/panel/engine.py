"""The panel engine: one compiled step over all members' bars of an interval, replayed over history and called live."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from features.door import COUNT, INTERVAL, LAST_END, MAX_GAP, first_refused, refusal
from features.errors import FeatureError, StateError
from features.feature_set import collect_sources
from features.panel.step import FLOATS, INTS, VALUES, panel_steps
from market.bars import BAR, COLUMN, PANEL_FIELDS, as_matrix, as_times

Bars = NDArray[np.void]
MAGIC = b"B4PN0001"
SEAL = 8
DOOR = MAX_GAP + 1
FIRST = COLUMN[PANEL_FIELDS[0]]


class PanelEngine:
    """Fills the panel fields of the members' bars, with its state between calls.

    Parameters
    ----------
    members
        The instruments, in a fixed order; which bars are present decides each step, not the order of arrival.
    interval
        The bars' interval in nanoseconds. Panels need a time grid.
    max_gap
        How many missing bars in a row of a member are bridged; after more of them it starts anew.

    Notes
    -----
    ``update`` *is* ``replay`` of one step: from the same state both give the same bytes. A bar that comes after its
    step was closed is as good as missing (`features.panel.assembler` decides which those are): it must not be given.

    Raises
    ------
    FeatureError
        If there are no members, one is twice in the list, or the interval is not positive.

    Examples
    --------
    >>> from features.conformance import plain_bars
    >>> from market.time import MINUTE
    >>> engine = PanelEngine(("BTC", "ETH"), MINUTE, max_gap=3)
    >>> btc, eth = engine.replay([plain_bars(200, 1), plain_bars(200, 2)])
    >>> bool(btc["market_return"][9] == np.log(eth["close"][9] / eth["close"][8]))
    True
    """

    def __init__(self, members: Sequence[str], interval: int, max_gap: int) -> None:
        self.members = tuple(members)
        if not self.members or len(set(self.members)) < len(self.members):
            raise FeatureError(f"a panel needs members, each once, not {list(self.members)}")
        if interval <= 0 or max_gap < 0:
            raise FeatureError(
                f"a panel needs a grid: interval {interval} must be positive, max_gap {max_gap} not negative"
            )
        self.interval, self.max_gap = interval, max_gap
        count = len(self.members)
        self._state = np.zeros(count * FLOATS)
        self._ints = np.zeros(count * INTS, np.int64)
        self._door = np.zeros(DOOR, np.int64)
        self._parts = (self._state, self._ints, self._door)
        self._values = np.empty((VALUES, count))
        self.reset()

    @property
    def digest(self) -> str:
        """What a snapshot belongs to: members, interval, gap rule, and the source of every kernel of the step."""
        kernels: dict[str, str] = {}
        for one in (first_refused, panel_steps):
            collect_sources(one, kernels)
        what = (self.members, self.interval, self.max_gap, sorted(kernels.items()))
        return hashlib.sha256(repr(what).encode()).hexdigest()

    @property
    def last_end(self) -> int | None:
        """The end of the last step (ns UTC), or None before any."""
        return int(self._door[LAST_END]) if self._door[COUNT] else None

    def reset(self) -> None:
        """Forget all bars."""
        self._state[:] = 0.0
        self._ints[:] = 0
        self._door[:] = 0
        self._door[INTERVAL], self._door[MAX_GAP] = self.interval, self.max_gap

    def replay(self, bars: Sequence[Bars]) -> list[Bars]:
        """Copies of each member's bars with the panel fields filled; the state goes on from where it was.

        Parameters
        ----------
        bars
            One array of `market.bars.BAR` for each member, in the members' order; empty for a member without bars.

        Raises
        ------
        BarError
            If any bar is refused: out of order, off the grid, not after the last step, or no admissible prices.
        FeatureError
            If there is not one array for each member. Either way no bar was taken in.
        """
        if len(bars) != len(self.members):
            raise FeatureError(f"a panel of {len(self.members)} members was given {len(bars)} arrays of bars")
        self._check(bars)
        joined = np.concatenate([np.asarray(one, BAR) for one in bars])
        starts, index = step_index([one["start"] for one in bars])
        matrix = as_matrix(joined)
        numbers = starts // self.interval
        panel_steps(matrix, index, numbers, FIRST, self._state, self._ints, self.max_gap, self._values)
        if len(starts):
            self._door[COUNT] += len(starts)
            self._door[LAST_END] = starts[-1] + self.interval
        return np.split(joined, np.cumsum([len(one) for one in bars])[:-1])

    def update(self, bars: Mapping[str, Bars]) -> dict[str, Bars]:
        """Take in one step: the bars (one each, of one interval) of the members that are present.

        Raises
        ------
        FeatureError
            If a name is no member, or the bars are not of one interval.
        BarError
            As for `replay`.
        """
        unknown = set(bars) - set(self.members)
        if unknown:
            raise FeatureError(f"{sorted(unknown)} are no members of the panel {list(self.members)}")
        step = [np.reshape(bars[name], -1) if name in bars else np.zeros(0, BAR) for name in self.members]
        if len({int(start) for one in step for start in one["start"]}) > 1 or any(len(one) > 1 for one in step):
            raise FeatureError("a step takes one bar of each present member, all of one interval; use replay for more")
        return {name: one for name, one in zip(self.members, self.replay(step), strict=True) if name in bars}

    def snapshot(self) -> bytes:
        """The whole state: restored into an engine of the same members and grid, it goes on with the same bytes."""
        body = MAGIC + bytes.fromhex(self.digest) + b"".join(part.tobytes() for part in self._parts)
        return body + hashlib.sha256(body).digest()[:SEAL]

    def restore(self, snapshot: bytes) -> None:
        """Go on from a snapshot.

        Raises
        ------
        StateError
            If it is damaged, or of other members, another interval, gap rule or step; the state is as before.
        """
        body, seal = snapshot[:-SEAL], snapshot[-SEAL:]
        if body[: len(MAGIC)] != MAGIC or hashlib.sha256(body).digest()[:SEAL] != seal:
            raise StateError(f"these {len(snapshot)} bytes are no intact panel snapshot; take a new one")
        if body[len(MAGIC) : len(MAGIC) + 32].hex() != self.digest:
            raise StateError(
                f"the snapshot is of another panel than {list(self.members)}: "
                "members, interval, gap rule or a kernel differ"
            )
        at = len(MAGIC) + 32
        for part in self._parts:
            part[:] = np.frombuffer(body, part.dtype, part.size, at)
            at += part.nbytes

    def _check(self, bars: Sequence[Bars]) -> None:
        for member, one in enumerate(bars):
            if one.dtype != BAR:
                raise FeatureError(f"bars of {self.members[member]} have dtype {one.dtype}, not market.bars.BAR")
            if len(one):
                one = np.require(one, requirements=["C", "A", "W"])
                code = first_refused(as_matrix(one), as_times(one), self._door, 0)
                if code >= 0:
                    raise refusal(one, code, {})


def step_index(starts: Sequence[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The steps of a panel: their starts, and each member's row in the joined bars or -1, shape (steps, members).

    Examples
    --------
    >>> step_index([np.array([0, 60]), np.array([60, 120])])
    (array([  0,  60, 120]), array([[ 0, -1],
           [ 1,  2],
           [-1,  3]]))
    """
    steps = np.unique(np.concatenate(starts))
    index = np.full((len(steps), len(starts)), -1, np.int64)
    first = 0
    for member, own in enumerate(starts):
        index[np.searchsorted(steps, own), member] = first + np.arange(len(own))
        first += len(own)
    return steps, index
