"""The purged walk-forward splitter: no pair of a training and a test label overlaps, counted pair by pair."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from models.dataset import Samples
from models.errors import SplitError
from models.splitters import PurgedWalkForward, purged_tail

DAY = 86_400_000_000_000


def overlapping(t0, t1, train, test, closed=True):
    """Pairs of a training and a test label that share a moment; with ``closed``, touching is sharing."""
    count = 0
    for i, j in product(train.tolist(), test.tolist()):
        apart = t1[i] < t0[j] or t1[j] < t0[i] if closed else t1[i] <= t0[j] or t1[j] <= t0[i]
        count += not apart
    return count


def panel(seed, times=120, instruments=2, longest=9):
    """Decisions of several instruments at the same times, with labels of different lengths."""
    random = np.random.default_rng(seed)
    t0 = np.repeat(np.arange(times), instruments)
    return t0, t0 + random.integers(1, longest + 1, len(t0))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    splits=st.integers(2, 6),
    length=st.integers(20, 50),
    gap=st.integers(0, 15),
    anchored=st.booleans(),
    closed=st.booleans(),
    longest=st.integers(1, 15),
    shuffled=st.booleans(),
)
def test_no_pair_overlaps_all_else_is_kept_and_the_tests_tile(
    seed, splits, length, gap, anchored, closed, longest, shuffled
):
    t0, t1 = panel(seed, longest=longest)
    if shuffled:
        order = np.random.default_rng(seed).permutation(len(t0))
        t0, t1 = t0[order], t1[order]
    folds = PurgedWalkForward(splits, t0, t1, length, gap, anchored, closed).folds()
    tested = np.concatenate([fold.test for fold in folds])
    assert sorted(tested.tolist()) == np.flatnonzero(t0 >= length + gap).tolist(), "each once, none left out"
    assert [fold.test_stop for fold in folds] == [*(fold.test_start for fold in folds[1:]), t0.max() + 1]
    for fold in folds:
        assert fold.test.tolist() == np.flatnonzero((t0 >= fold.test_start) & (t0 < fold.test_stop)).tolist()
        assert overlapping(t0, t1, fold.train, fold.test, closed) == 0
        inside = np.flatnonzero((t0 >= fold.train_start) & (t0 < fold.train_stop))
        for lost in np.setdiff1d(inside, fold.train):
            assert overlapping(t0, t1, np.array([lost]), fold.test, closed) > 0, "left out for no reason"
        assert t0[fold.train].max() < fold.test_start - gap
        assert t0[fold.train].min() >= fold.train_start
        assert fold.train_stop == fold.test_start - gap
        assert fold.train_start == (0 if anchored else fold.train_stop - length)


def test_the_check_catches_a_splitter_without_purge():
    t0, t1 = panel(1)
    for fold in PurgedWalkForward(4, t0, t1, 40).folds():
        naive = np.flatnonzero((t0 >= fold.train_start) & (t0 < fold.train_stop))
        assert overlapping(t0, t1, naive, fold.test) > 0


def test_only_what_overlaps_is_purged():
    t0, t1 = panel(2)
    for fold in PurgedWalkForward(4, t0, t1, 40).folds():
        inside = np.flatnonzero((t0 >= fold.train_start) & (t0 < fold.train_stop))
        assert fold.train.tolist() == [i for i in inside.tolist() if t1[i] < fold.test_start]


def test_a_label_that_touches_the_test_is_purged_only_if_closed():
    t0 = np.arange(40)
    t1 = t0 + 2
    closed = PurgedWalkForward(2, t0, t1, 20).folds()[0]
    half_open = PurgedWalkForward(2, t0, t1, 20, closed=False).folds()[0]
    assert (closed.train[-1], half_open.train[-1]) == (17, 18)
    assert overlapping(t0, t1, half_open.train, closed.test) > 0


def test_instruments_are_purged_together_by_time():
    t0 = np.concatenate([np.arange(60), np.arange(60)])
    t1 = t0 + np.repeat([1, 12], 60)
    for fold in PurgedWalkForward(3, t0, t1, 30).folds():
        short, long = fold.train[fold.train < 60], fold.train[fold.train >= 60] - 60
        assert short.max() == fold.test_start - 2
        assert long.max() == fold.test_start - 13
        assert set(fold.test[fold.test < 60]) == set(fold.test[fold.test >= 60] - 60)


def test_tests_tile_the_time_after_the_first_training():
    t0, t1 = panel(3)
    folds = PurgedWalkForward(5, t0, t1, 37, gap=4).folds()
    assert np.concatenate([fold.test for fold in folds]).tolist() == np.flatnonzero(t0 >= 41).tolist()
    assert all(one.test_stop == other.test_start for one, other in pairwise(folds))


def test_many_folds_over_many_years_keep_their_times():
    t0 = np.arange(DAY, 20 * 365 * DAY, DAY)
    folds = PurgedWalkForward(60, t0, t0 + 1, 365 * DAY).folds()
    lengths = {fold.test_stop - fold.test_start for fold in folds}
    assert max(lengths) - min(lengths) <= 1
    assert folds[-1].test_stop == t0[-1] + 1


@pytest.mark.parametrize(("anchored", "start"), [(False, 80), (True, 0)])
def test_the_final_window_ends_with_the_data(anchored, start):
    t0, t1 = panel(4)
    assert PurgedWalkForward(4, t0, t1, 40, anchored=anchored).final_window() == (start, 120)


def test_a_grid_search_can_use_it():
    t0, t1 = panel(5)
    random = np.random.default_rng(0)
    inputs = random.normal(size=(len(t0), 2))
    label = (inputs[:, 0] > 0).astype(int)
    splitter = PurgedWalkForward(3, t0, t1, 40)
    search = GridSearchCV(LogisticRegression(), {"C": [1e-6, 1.0]}, cv=splitter, scoring="neg_log_loss")
    search.fit(inputs, label)
    assert search.n_splits_ == 3
    assert search.best_params_ == {"C": 1.0}


def test_split_gives_the_folds_positions():
    t0, t1 = panel(6)
    splitter = PurgedWalkForward(3, t0, t1, 40)
    for (train, test), fold in zip(splitter.split(np.zeros((len(t0), 1))), splitter.folds(), strict=True):
        assert train.tolist() == fold.train.tolist()
        assert test.tolist() == fold.test.tolist()


@pytest.mark.parametrize(
    ("splits", "length", "message"),
    [(1, 40, "at least 2"), (3, 119, "shorten the training window"), (90, 100, "has no test samples")],
)
def test_what_cannot_be_split_is_refused(splits, length, message):
    t0, t1 = panel(7)
    with pytest.raises(SplitError, match=message):
        PurgedWalkForward(splits, t0, t1, length).folds()


def test_a_fold_whose_training_is_all_purged_is_refused():
    t0 = np.arange(100)
    with pytest.raises(SplitError, match="fold 1 has no training"):
        PurgedWalkForward(2, t0, t0 + 50, 40).folds()


def test_one_end_for_each_decision():
    with pytest.raises(SplitError, match="3 decision times and 2"):
        PurgedWalkForward(2, np.arange(3), np.arange(2), 1).folds()


def samples(t0, t1):
    zeros = np.zeros(len(t0), np.int64)
    return Samples(zeros, np.arange(len(t0)), t0, t0, t1, zeros, zeros.astype(float), np.ones(len(t0)))


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_a_tail_is_purged_of_the_part_before(fraction):
    t0, t1 = panel(8)
    index = np.flatnonzero((t0 >= 10) & (t0 < 110))
    train, tail = purged_tail(samples(t0, t1), index, fraction)
    assert overlapping(t0, t1, train, tail) == 0
    cut = t0[tail].min()
    assert tail.tolist() == index[t0[index] >= cut].tolist()
    assert train.tolist() == index[t1[index] < cut].tolist()
    assert cut == 109 - int(99 * fraction)


def test_a_tail_that_leaves_nothing_to_learn_from_is_refused():
    t0 = np.arange(20)
    with pytest.raises(SplitError, match="longer training window"):
        purged_tail(samples(t0, t0 + 30), np.arange(20), 0.5)
