"""Purged k-fold cross-validation (López de Prado 2018, ch. 7)."""

from __future__ import annotations

from models.splitters.grouped import GroupedSplitter, TimeGroups, check_count
from models.splitters.intervals import Embargo, Times


class PurgedKFold(GroupedSplitter):
    """Each of ``n_splits`` stretches of time is the test once; the model is trained on what lies before and after.

    Training samples whose label interval overlaps one of the test's are purged; those that begin within ``embargo``
    after one of the test's ends are left out too. Samples that are decided at the same moment, of all instruments, lie
    in the same fold, and are purged by time together.

    Parameters
    ----------
    n_splits
        How many folds, at least 2.
    t0, t1
        Decision times and label ends (ns), shape (n,), in the samples' order; they need not be sorted.
    embargo
        A time (ns, or a NumPy timedelta), or a fraction of the time that the samples span (a float below one).
    closed
        Whether intervals that touch overlap.

    Notes
    -----
    A model trained on data from behind its test has seen the test's future: use it to compare configurations, never
    for a track record. With ``embargo=0`` you assume that nothing leaks but the labels; serial correlation does: a
    feature computed just behind the test still looks at the test's bars.

    The published code (snippet 7.3) keeps training labels that reach into the test when they begin before it; here
    the intervals of every pair are compared.

    Examples
    --------
    >>> import numpy as np
    >>> t0 = np.arange(12)
    >>> splitter = PurgedKFold(3, t0, t0 + 2, embargo=1)
    >>> for train, test in splitter.split(t0):
    ...     print(train.tolist(), test.tolist())
    [7, 8, 9, 10, 11] [0, 1, 2, 3]
    [0, 1, 11] [4, 5, 6, 7]
    [0, 1, 2, 3, 4, 5] [8, 9, 10, 11]
    """

    def __init__(
        self,
        n_splits: int,
        t0: Times,
        t1: Times,
        embargo: Embargo = 0,
        closed: bool = True,
    ) -> None:
        self.n_splits = n_splits
        self.t0 = t0
        self.t1 = t1
        self.embargo = embargo
        self.closed = closed

    def tested_groups(self) -> list[tuple[int, ...]]:
        """Every fold alone."""
        check_count("n_splits", self.n_splits, 2)
        return [(number,) for number in range(self.n_splits)]

    def time_groups(self) -> TimeGroups:
        """The folds."""
        check_count("n_splits", self.n_splits, 2)
        return TimeGroups(self.t0, self.t1, self.n_splits)
