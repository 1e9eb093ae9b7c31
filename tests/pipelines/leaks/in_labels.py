"""Leaks of labels, weights and splits."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from sklearn.model_selection import KFold

from market.time import HOUR
from models.labels import FixedConfig, fixed_horizon
from models.splitters import PurgedKFold, PurgedWalkForward
from models.weights import average_uniqueness
from pipelines.audit.pieces import Labels, Weights
from pipelines.audit.splits import Splits
from tests.pipelines.leaks.planted import HORIZON, LABELS, Planted, barrier_labels, walk_forward

EMBARGO = 4 * HOUR
BARRIERS = Labels(barrier_labels, span=HORIZON)


def replaced(found, **columns):
    names = ("row", "start", "t1", "label", "move")
    return SimpleNamespace(**{name: columns.get(name, getattr(found, name)) for name in names})


def half_horizon_declared(bars, interval):
    """Decided after the horizon, declared known after half of it."""
    found = fixed_horizon(bars, FixedConfig(horizon=HORIZON), interval=interval)
    return replaced(found, t1=found.t1 - HORIZON // 2 * interval)


def above_the_median(bars, interval):
    """Up if the move is more than the median of all moves, past and future."""
    found = fixed_horizon(bars, FixedConfig(horizon=HORIZON), interval=interval)
    level = np.median(found.move) if len(found.move) else 0.0
    return replaced(found, label=np.where(found.move > level, 1, -1))


def longer_concurrency(start, t1):
    """Concurrency counted over twice each label's length."""
    return average_uniqueness(start, t1 + (t1 - start))


def sum_of_all(start, t1):
    """Weights that add up to one over everything."""
    weight = average_uniqueness(start, t1)
    return weight / weight.sum()


def decayed_from_the_end(start, t1):
    """Linear decay from the newest label of the data."""
    age = (t1.max() - t1) / (t1.max() - t1.min() + 1)
    return average_uniqueness(start, t1) * (1.0 - 0.5 * age)


class Sklearn:
    """A splitter of scikit-learn's own."""

    def __init__(self, inner):
        self.inner = inner

    def split(self, X, y=None, groups=None):
        return self.inner.split(X)

    def get_n_splits(self, X=None, y=None, groups=None):
        return self.inner.get_n_splits()


class WithSome:
    """Purged walk-forward, with some of each test in training, or some rows after it."""

    def __init__(self, inner, shift):
        self.inner, self.shift = inner, shift

    def split(self, X, y=None, groups=None):
        for train, test in self.inner.split(X):
            more = test[:5] if self.shift == 0 else np.arange(test.max() + self.shift, len(X))[:1]
            yield np.union1d(train, more), test

    def get_n_splits(self, X=None, y=None, groups=None):
        return self.inner.get_n_splits()


def in_time(t0, t1):
    """Folds in the order of decision times, whatever order the samples come in, but not purged."""
    return ByTime(KFold(4), t0)


class ByTime(Sklearn):
    def __init__(self, inner, t0):
        super().__init__(inner)
        self.order = np.argsort(t0, kind="stable")
        self.t0 = t0

    def split(self, X, y=None, groups=None):
        for _, test in self.inner.split(X):
            low, high = self.t0[self.order[test]].min(), self.t0[self.order[test]].max()
            inside = (self.t0 >= low) & (self.t0 <= high)
            yield np.flatnonzero(~inside), np.flatnonzero(inside)


def purged_k(embargo):
    return lambda t0, t1: PurgedKFold(4, t0, t1, embargo=embargo)


def late_train(t0, t1):
    return WithSome(walk_forward(t0, t1), 40 * 3)


SOUND_SPLITS = Splits(LABELS, purged_k(EMBARGO), embargo=EMBARGO)
FORWARD = Splits(LABELS, walk_forward, forward=True)

# A label that exists before it is known moves all of its row; rows that are added by position move with the order too.
ROW = ("labels/start", "labels/t1", "labels/move")
ORDER = ("splits/order",)

LEAKS = [
    Planted("label longer than declared", Labels(half_horizon_declared), LABELS, "labels", "label", ROW),
    Planted("label by the median of everything", Labels(above_the_median), BARRIERS, "labels", "label"),
    Planted("weights by concurrency beyond the label", Weights(LABELS, longer_concurrency),
            Weights(LABELS, average_uniqueness), "weights", "weight"),
    Planted("weights that sum to one over everything", Weights(LABELS, sum_of_all),
            Weights(BARRIERS, average_uniqueness, span=HORIZON), "weights", "weight"),
    Planted("decay from the end of the data", Weights(LABELS, decayed_from_the_end),
            Weights(LABELS, average_uniqueness), "weights", "weight"),
    Planted("unpurged k-fold", Splits(LABELS, in_time), SOUND_SPLITS, "splits", "purge"),
    Planted("no embargo after the test", Splits(LABELS, purged_k(0), embargo=EMBARGO), SOUND_SPLITS, "splits",
            "embargo"),
    Planted("test rows in training", Splits(LABELS, lambda t0, t1: WithSome(walk_forward(t0, t1), 0), forward=True),
            FORWARD, "splits", "disjoint", ORDER),
    Planted("shuffled split", Splits(LABELS, lambda t0, t1: Sklearn(KFold(4, shuffle=True, random_state=1))),
            Splits(LABELS, purged_k(0)), "splits", "purge", ORDER),
    Planted("walk-forward trained on what follows", Splits(LABELS, late_train, forward=True), FORWARD, "splits",
            "forward", ORDER),
    Planted("split by position, not by time", Splits(LABELS, lambda t0, t1: Sklearn(KFold(4))), SOUND_SPLITS, "splits",
            "order", ("splits/purge",)),
    Planted("purged in another order than sorted",
            Splits(LABELS, lambda t0, t1: PurgedWalkForward(3, np.sort(t0), np.sort(t1), int(np.ptp(t0)) // 3)),
            Splits(LABELS, walk_forward), "splits", "order"),
]  # fmt: skip
