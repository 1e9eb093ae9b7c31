"""Purged walk-forward: test windows that follow one another, each predicted by what was known before it.

Three separate things keep the future out of a training set. *Purge*: training labels whose interval overlaps the test
interval are removed. *Embargo*: training labels that begin within a time after a test interval are removed; it acts
only where training data follows test data, so in walk-forward there is nothing for it to do. *Gap*: a stretch of time
between the end of training and the start of a later test. Instruments are purged by time together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.time import format_time
from models.dataset import Samples
from models.errors import SplitError
from models.splitters.grouped import check_rows
from models.splitters.intervals import Embargo, embargo_length, purged


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One split: the samples' positions, and the times by which they were chosen (starts included, stops not)."""

    index: int
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    train_start: int
    train_stop: int
    test_start: int
    test_stop: int


class PurgedWalkForward:
    """Test windows that follow one another to the end of the data, each trained on what was known before it.

    Parameters
    ----------
    n_splits
        How many test windows; they have equal length in time and tile the stretch after the first training window.
    t0, t1
        Decision times and label ends of the samples (ns), shape (n,), in the samples' order.
    train_length
        Length of the first training window, and of all if ``anchored`` is false (ns).
    gap
        Time between the end of a training window and its test (ns).
    anchored
        Whether training always begins at the first sample; else windows have constant length.
    closed
        Whether label intervals that touch the test interval overlap it.
    embargo
        As in `models.splitters.PurgedKFold`, and checked like there. A fold's training data ends before its test
        begins, so none of it begins after a test: the embargo removes nothing, whatever its length.

    Notes
    -----
    A training window of constant length makes the final refit resemble what was scored. The label interval is
    [t0, t1]: from the decision, not from the entry, since features at the decision are what the test would share.
    """

    def __init__(
        self,
        n_splits: int,
        t0: NDArray[np.int64],
        t1: NDArray[np.int64],
        train_length: int,
        gap: int = 0,
        anchored: bool = False,
        closed: bool = True,
        embargo: Embargo = 0,
    ) -> None:
        self.n_splits = n_splits
        self.t0 = t0
        self.t1 = t1
        self.train_length = train_length
        self.gap = gap
        self.anchored = anchored
        self.closed = closed
        self.embargo = embargo

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """The number of splits."""
        return self.n_splits

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Positions of the training and test samples of each split; ``X`` has as many rows as there are labels."""
        check_rows(X, len(self.t0))
        for fold in self.folds():
            yield fold.train, fold.test

    def folds(self) -> list[Fold]:
        """The splits with their times.

        Raises
        ------
        SplitError
            If there are not two splits, the data is too short, or a fold has nothing to train on or to test.
        """
        self._check()
        first, stop = int(self.t0.min()), int(self.t0.max()) + 1
        begin = first + self.train_length + self.gap
        edges = [begin + (stop - begin) * k // self.n_splits for k in range(self.n_splits + 1)]
        folds = [self._fold(k, first, edges[k], edges[k + 1]) for k in range(self.n_splits)]
        for fold in folds:
            for what, index in (("training", fold.train), ("test", fold.test)):
                if len(index) == 0:
                    raise SplitError(
                        f"fold {fold.index + 1} has no {what} samples (test from {format_time(fold.test_start)} to "
                        f"{format_time(fold.test_stop)}): use fewer splits, or more data"
                    )
        return folds

    def final_window(self) -> tuple[int, int]:
        """The training window of the final refit: as long as the others, and ending with the data."""
        stop = int(self.t0.max()) + 1
        start = int(self.t0.min()) if self.anchored else stop - self.train_length
        return start, stop

    def _fold(self, index: int, first: int, test_start: int, test_stop: int) -> Fold:
        train_stop = test_start - self.gap
        train_start = first if self.anchored else train_stop - self.train_length
        inside = (self.t0 >= train_start) & (self.t0 < train_stop)
        kept = inside & purged(self.t0, self.t1, test_start, test_stop, self.closed)
        tested = (self.t0 >= test_start) & (self.t0 < test_stop)
        return Fold(index, np.flatnonzero(kept), np.flatnonzero(tested), train_start, train_stop, test_start, test_stop)

    def _check(self) -> None:
        if self.n_splits < 2:
            raise SplitError(f"n_splits is {self.n_splits}; it must be at least 2")
        if len(self.t0) == 0 or len(self.t0) != len(self.t1):
            raise SplitError(f"{len(self.t0)} decision times and {len(self.t1)} label ends; give one of each a sample")
        embargo_length(self.embargo, self.t0, self.t1)
        span = int(self.t0.max()) - int(self.t0.min())
        if span <= self.train_length + self.gap:
            days = 86_400e9
            raise SplitError(
                f"the samples span {span / days:.1f} days, but training alone takes {self.train_length / days:.1f} "
                f"and the gap {self.gap / days:.1f}: shorten the training window or bring more data"
            )


def purged_tail(
    samples: Samples, index: NDArray[np.int64], fraction: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Divide training samples into an earlier part and a validation tail, in time, and purge the part of the tail.

    Parameters
    ----------
    samples
        All samples.
    index
        The training samples' positions, shape (n,).
    fraction
        How much of their span in time is the tail.

    Returns
    -------
    train, tail
        Positions; no label of ``train`` ends at or after the first decision of ``tail``.

    Raises
    ------
    SplitError
        If either part is empty.
    """
    t0, t1 = samples.t0[index], samples.t1[index]
    cut = int(t0.max()) - int((int(t0.max()) - int(t0.min())) * fraction)
    tail = index[t0 >= cut]
    train = index[purged(t0, t1, cut, int(t0.max())) & (t0 < cut)]
    if len(train) == 0 or len(tail) == 0:
        raise SplitError(
            f"of {len(index)} training samples a tail of {fraction:.0%} leaves {len(train)} to learn from and "
            f"{len(tail)} to stop by: give a longer training window"
        )
    return train, tail
