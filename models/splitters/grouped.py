"""What splitters over groups of time share: groups of equal size, and what may be trained on beside a test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any

import numpy as np

from models.errors import SplitError
from models.splitters.intervals import Embargo, Times, embargo_length

MOST_GROUPS = 1_000


class TimeGroups:
    """Samples cut into groups that follow one another in time, of equal size up to decisions at the same moment.

    Parameters
    ----------
    t0, t1
        Decision times and label ends (ns), shape (n,), in the samples' order, which need not be that of time.
    count
        How many groups.

    Raises
    ------
    SplitError
        If the times do not fit, or there are not enough moments for the groups.

    Notes
    -----
    In order of time a stretch of untested samples lies behind all earlier tests and before all later ones. So it
    overlaps earlier tests exactly where it begins before the last of their ends, and later tests exactly where it
    ends behind the first of their beginnings: two binary searches, and a look at the labels near the second.
    """

    def __init__(self, t0: Times, t1: Times, count: int) -> None:
        _check_times(t0, t1)
        self.count = count
        in_order = bool((t0[1:] >= t0[:-1]).all())
        self._order = None if in_order else np.argsort(t0, kind="stable")
        self._t0, self._t1 = (t0, t1) if self._order is None else (t0[self._order], t1[self._order])
        moments = self._t0[[len(t0) * number // count for number in range(count)]]
        self._edges: list[int] = [*np.searchsorted(self._t0, moments, side="left").tolist(), len(t0)]
        if len(set(self._edges)) != count + 1:
            raise SplitError(f"{len(t0)} samples have too few different decision times for {count} groups: use fewer")
        self._last = [
            int(self._t1[start:stop].max()) for start, stop in zip(self._edges, self._edges[1:], strict=False)
        ]
        self._longest = int((t1 - t0).max())
        self._places = np.arange(len(t0))

    def spans(self) -> list[tuple[int, int]]:
        """The groups in time: from each one's first decision to the next one's; the last ends behind its own last."""
        edges = [*self._t0[self._edges[:-1]].tolist(), int(self._t0[-1]) + 1]
        return list(pairwise(edges))

    def members(self, groups: Sequence[int]) -> Times:
        """The samples of some groups, in ascending order."""
        return self._positions([self._places[self._edges[one] : self._edges[one + 1]] for one in groups])

    def split(self, groups: Sequence[int], embargo: int, closed: bool) -> tuple[Times, Times]:
        """Training and test samples when some groups are the test.

        Parameters
        ----------
        groups
            The tested groups, ascending.
        embargo
            Samples that begin within this time after a tested one's end are left out of training, ns.
        closed
            Whether ends that touch overlap, and whether the embargo's last moment belongs to it.

        Raises
        ------
        SplitError
            If nothing is left to train on.
        """
        parts: list[Times] = []
        ends: list[int] = []
        for tested, run in groupby(range(self.count), lambda one: one in groups):
            numbers = list(run)
            if tested:
                ends += [self._last[one] for one in numbers]
                continue
            end = max(ends, default=None)
            parts += self._kept(self._edges[numbers[0]], self._edges[numbers[-1] + 1], end, embargo, closed)
        train = self._positions(parts)
        if len(train) == 0:
            raise SplitError(
                f"with group {', '.join(str(one + 1) for one in groups)} of {self.count} as the test, purge and "
                "embargo leave nothing to train on: use shorter labels, a shorter embargo, or more data"
            )
        return train, self.members(groups)

    def _kept(self, start: int, stop: int, end: int | None, embargo: int, closed: bool) -> list[Times]:
        """What may be trained on of an untested stretch; ``end`` is the last end of the tests before it."""
        first = start
        if end is not None:
            first += int(np.searchsorted(self._t0[start:stop], end + embargo, "right" if closed else "left"))
        if stop == len(self._t0):
            return [self._places[first:stop]]
        begin = int(self._t0[stop])
        near = max(first, start + int(np.searchsorted(self._t0[start:stop], begin - self._longest, "left")))
        apart = self._t1[near:stop] < begin if closed else self._t1[near:stop] <= begin
        return [self._places[first:near], self._places[near:stop][apart]]

    def _positions(self, parts: list[Times]) -> Times:
        """Places in order of time as the samples' positions, ascending."""
        places = np.concatenate(parts)
        return places if self._order is None else np.sort(self._order[places])


class GroupedSplitter:
    """Splits of `TimeGroups`, one for every choice of tested groups; scikit-learn's protocol.

    A subclass stores ``t0``, ``t1``, ``embargo`` and ``closed`` as given, and says which groups each split tests.
    """

    t0: Times
    t1: Times
    embargo: Embargo
    closed: bool

    def tested_groups(self) -> list[tuple[int, ...]]:
        """The groups that each split tests, in the order of the splits."""
        raise NotImplementedError

    def time_groups(self) -> TimeGroups:
        """The samples' groups."""
        raise NotImplementedError

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """The number of splits."""
        return len(self.tested_groups())

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Times, Times]]:
        """Positions of the training and test samples of each split.

        Parameters
        ----------
        X
            Anything with as many rows as there are label intervals.
        y, groups
            Not used.

        Raises
        ------
        SplitError
            If ``X`` has another number of rows, or a split has nothing to train on.
        """
        check_rows(X, len(self.t0))
        found = self.time_groups()
        embargo = embargo_length(self.embargo, self.t0, self.t1)
        for chosen in self.tested_groups():
            yield found.split(chosen, embargo, self.closed)


def check_rows(X: Any, wanted: int) -> None:
    """Refuse data of another length than the label intervals.

    Raises
    ------
    SplitError
        Naming both.
    """
    rows = X.shape[0] if hasattr(X, "shape") else len(X)
    if rows != wanted:
        raise SplitError(f"X has {rows} rows, but the splitter was given {wanted} label intervals")


def check_count(name: str, value: int, least: int) -> None:
    """Refuse a number of groups that makes no sense.

    Raises
    ------
    SplitError
        Naming it and the limits.
    """
    if not least <= value <= MOST_GROUPS:
        raise SplitError(f"{name} is {value}; it must lie between {least} and {MOST_GROUPS}")


def _check_times(t0: Times, t1: Times) -> None:
    if len(t0) == 0 or len(t0) != len(t1):
        raise SplitError(f"{len(t0)} decision times and {len(t1)} label ends; give one of each a sample")
    for name, times in (("t0", t0), ("t1", t1)):
        if times.dtype != np.int64:
            raise SplitError(f"{name} is {times.dtype}; label intervals are int64 nanoseconds")
    if bool((t1 < t0).any()):
        bad = int(np.flatnonzero(t1 < t0)[0])
        raise SplitError(f"label {bad} is decided at {t0[bad]} and known at {t1[bad]}, before its decision")
