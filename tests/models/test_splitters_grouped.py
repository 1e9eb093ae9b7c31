"""PurgedKFold and CombinatorialPurgedCV: proven pair by pair, used unchanged by scikit-learn and Optuna."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import optuna
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate

from models.errors import SplitError
from models.splitters import (
    CombinatorialPurgedCV,
    PurgedKFold,
    PurgedWalkForward,
    check_splitter,
    cross_val_predict,
    cross_val_score,
)
from models.splitters.check import embargoed, overlap
from models.splitters.intervals import embargo_length


def intervals(seed, moments=60, instruments=2, longest=7, shuffled=False):
    """Decisions of several instruments, some at the same moment, some missing, with labels of different lengths."""
    random = np.random.default_rng(seed)
    t0 = np.sort(random.choice(np.repeat(np.arange(moments), instruments), moments * instruments * 3 // 4, False))
    t0 = t0 + np.where(t0 > moments // 2, random.integers(0, 30), 0)  # a hole
    t1 = t0 + random.integers(0, longest + 1, len(t0))
    order = random.permutation(len(t0)) if shuffled else np.arange(len(t0))
    return t0[order], t1[order]


CASES = {
    "seed": st.integers(0, 10_000),
    "longest": st.integers(0, 12),
    "embargo": st.integers(0, 8),
    "closed": st.booleans(),
    "shuffled": st.booleans(),
}


def leaves_something(splitter, t0, t1, embargo, closed):
    """Whether every split leaves something to train on, looked at pair by pair."""
    everything, left = np.arange(len(t0)), []
    for groups in splitter.tested_groups():
        test = splitter.time_groups().members(groups)
        near = overlap(t0, t1, everything, test, closed) | embargoed(t0, t1, everything, test, embargo, closed)
        left.append(np.setdiff1d(np.flatnonzero(~near.any(axis=1)), test).size)
    return min(left) > 0


def prove(splitter, t0, t1, embargo, closed, times_tested=1):
    """Its promises pair by pair; where they leave nothing to train on, that it says so."""
    if leaves_something(splitter, t0, t1, embargo, closed):
        check_splitter(splitter, t0, t1, embargo, closed, times_tested=times_tested)
    else:
        with pytest.raises(SplitError, match="leave nothing to train on"):
            list(splitter.split(t0))


@settings(max_examples=60, deadline=None)
@given(splits=st.integers(2, 6), **CASES)
def test_kfold_is_proven_pair_by_pair(splits, seed, longest, embargo, closed, shuffled):
    t0, t1 = intervals(seed, longest=longest, shuffled=shuffled)
    prove(PurgedKFold(splits, t0, t1, embargo, closed), t0, t1, embargo, closed)


@settings(max_examples=40, deadline=None)
@given(groups=st.integers(3, 6), tested=st.integers(1, 2), **CASES)
@example(groups=4, tested=2, seed=0, longest=11, embargo=8, closed=False, shuffled=False)  # leaves nothing
def test_combinatorial_is_proven_pair_by_pair(groups, tested, seed, longest, embargo, closed, shuffled):
    t0, t1 = intervals(seed, longest=longest, shuffled=shuffled)
    splitter = CombinatorialPurgedCV(groups, tested, t0, t1, embargo, closed)
    prove(splitter, t0, t1, embargo, closed, times_tested=comb(groups - 1, tested - 1))


@settings(max_examples=20, deadline=None)
@given(embargo=st.integers(0, 9), gap=st.integers(0, 5), anchored=st.booleans(), seed=st.integers(0, 1000))
def test_an_embargo_leaves_nothing_out_of_a_walk_forward(embargo, gap, anchored, seed):
    t0, t1 = intervals(seed)
    one, other = (PurgedWalkForward(3, t0, t1, 20, gap, anchored, embargo=value) for value in (embargo, 0))
    check_splitter(one, t0, t1, embargo, times_tested=None, keeps_all=False)
    for left, right in zip(one.folds(), other.folds(), strict=True):
        assert left.train.tolist() == right.train.tolist()


class Broken:
    """A splitter with one thing wrong."""

    def __init__(self, t0, t1, wrong):
        self.inner, self.wrong = PurgedKFold(4, t0, t1, 3), wrong
        self.t0, self.t1 = t0, t1

    def get_n_splits(self, X=None, y=None, groups=None):
        return 4 + (self.wrong == "count")

    def split(self, X, y=None, groups=None):
        for number, (train, test) in enumerate(self.inner.split(X)):
            rest = np.setdiff1d(np.arange(len(self.t0)), test)
            if self.wrong == "unpurged":
                train = rest
            elif self.wrong == "published":  # labels that begin before the test and reach into it are kept
                end = self.t1[test].max() + 3
                train = rest[(self.t0[rest] > end) | (self.t0[rest] < self.t0[test].min())]
            elif self.wrong == "no embargo":
                train = next(x for i, x in enumerate(PurgedKFold(4, self.t0, self.t1).split(X)) if i == number)[0]
            elif self.wrong == "lost":
                train = train[1:]
            elif self.wrong == "trained on the test":
                train = np.append(train, test[:1])
            elif self.wrong == "untested":
                test = test[1:]
            yield train, test


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("unpurged", "overlaps"),
        ("published", "overlaps"),
        ("no embargo", "embargo"),
        ("lost", "for no reason"),
        ("trained on the test", "trained on and tested"),
        ("untested", "for no reason|tested 0 times"),
        ("count", "get_n_splits"),
    ],
)
def test_the_check_catches_what_is_wrong(wrong, said):
    t0 = np.arange(60)
    with pytest.raises(SplitError, match=said):
        check_splitter(Broken(t0, t0 + 4, wrong), t0, t0 + 4, embargo=3)


def test_six_groups_by_two_are_fifteen_splits_and_five_paths():
    # López de Prado 2018, section 12.3 and figures 12.1 and 12.2.
    t0 = np.arange(120)
    splitter = CombinatorialPurgedCV(6, 2, t0, t0)
    assert splitter.get_n_splits() == 15
    assert splitter.n_paths == 5
    assert [comb(6, k) * k // 6 for k in (1, 2, 3)] == [CombinatorialPurgedCV(6, k, t0, t0).n_paths for k in (1, 2, 3)]
    # Group 1 is tested in the splits S1 to S5, group 2 in S1 and S6 to S9, …
    tested = splitter.path_splits().T.tolist()
    assert tested[0] == [0, 1, 2, 3, 4]
    assert tested[1] == [0, 5, 6, 7, 8]
    assert tested[5] == [4, 8, 11, 13, 14]


def test_every_path_predicts_every_sample_once_by_a_model_that_did_not_see_it():
    t0, t1 = intervals(4, shuffled=True)
    splitter = CombinatorialPurgedCV(5, 2, t0, t1)
    splits = list(splitter.split(t0))
    # Each split says its own number and the sample's: what arrives shows where it came from.
    paths = splitter.paths([np.column_stack([np.full(len(test), n), test]) for n, (_, test) in enumerate(splits)])
    assert paths.shape == (4, len(t0), 2)
    assert np.isfinite(paths).all()
    for path in paths:
        assert path[:, 1].tolist() == list(range(len(t0)))
        for sample, split in enumerate(path[:, 0].astype(int)):
            assert sample in splits[split][1]
            assert sample not in splits[split][0]
    # Over all paths each sample's predictions come from different splits: all those that test it.
    for sample in range(len(t0)):
        said = sorted(paths[:, sample, 0].astype(int).tolist())
        assert said == [n for n, (_, test) in enumerate(splits) if sample in test]


def test_paths_refuse_predictions_of_another_shape():
    t0 = np.arange(30)
    with pytest.raises(SplitError, match="one array a split"):
        CombinatorialPurgedCV(3, 1, t0, t0).paths([np.zeros(3)] * 3)


def test_decisions_at_one_moment_stay_in_one_fold():
    t0 = np.repeat(np.arange(10), 7)
    folds = [test for _, test in PurgedKFold(3, t0, t0).split(t0)]
    for one, other in combinations(folds, 2):
        assert not set(t0[one]) & set(t0[other])


def test_an_embargo_is_a_time_or_a_fraction():
    t0 = np.arange(0, 1000, 10)
    assert embargo_length(0.05, t0, t0 + 10) == 50
    for wrong in (-1, 1.0, -0.1, np.timedelta64(-1, "s")):
        with pytest.raises(SplitError, match="embargo"):
            embargo_length(wrong, t0, t0)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda t: PurgedKFold(1, t, t), "n_splits is 1"),
        (lambda t: PurgedKFold(40, t, t), "too few different"),
        (lambda t: PurgedKFold(2, t, t - 1), "before its decision"),
        (lambda t: PurgedKFold(2, t, t[1:]), "30 decision times and 29"),
        (lambda t: PurgedKFold(2, t.astype(float), t), "int64"),
        (lambda t: PurgedKFold(2, t, t + 100), "nothing to train on"),
        (lambda t: CombinatorialPurgedCV(3, 3, t, t), "n_test_groups is 3"),
        (lambda t: CombinatorialPurgedCV(29, 14, t, t), "splits of 29"),
    ],
)
def test_what_cannot_be_split_is_refused(made, said):
    t = np.arange(30)
    with pytest.raises(SplitError, match=said):
        list(made(t).split(t))


def test_another_number_of_rows_is_refused():
    t = np.arange(30)
    with pytest.raises(SplitError, match="X has 29 rows"):
        next(PurgedKFold(3, t, t).split(t[1:]))


@pytest.fixture
def problem():
    random = np.random.default_rng(0)
    t0 = np.arange(200)
    X = random.normal(size=(200, 3))
    y = (X[:, 0] + random.normal(size=200) > 0).astype(int)
    return t0, X, y


@pytest.mark.parametrize("kind", ["kfold", "combinatorial", "walk forward"])
def test_scikit_learn_uses_a_splitter_unchanged(problem, kind):
    t0, X, y = problem
    splitter = {
        "kfold": PurgedKFold(4, t0, t0 + 5, embargo=3),
        "combinatorial": CombinatorialPurgedCV(4, 2, t0, t0 + 5, embargo=3),
        "walk forward": PurgedWalkForward(3, t0, t0 + 5, 80),
    }[kind]
    found = cross_validate(LogisticRegression(), X, y, cv=splitter, scoring="neg_log_loss")
    by_hand = [
        LogisticRegression().fit(X[train], y[train]).predict_proba(X[test])[np.arange(len(test)), y[test]]
        for train, test in splitter.split(X)
    ]
    assert found["test_score"] == pytest.approx([np.log(one).mean() for one in by_hand], rel=1e-9)
    assert found["test_score"] == pytest.approx(cross_val_score(LogisticRegression(), X, y, splitter), rel=1e-9)
    search = GridSearchCV(LogisticRegression(), {"C": [0.01, 1.0]}, cv=splitter, scoring="neg_log_loss").fit(X, y)
    assert search.n_splits_ == splitter.get_n_splits()
    assert search.best_params_ == {"C": 1.0}


def test_optuna_tunes_over_a_splitter_unchanged(problem):
    t0, X, y = problem
    splitter = PurgedKFold(4, t0, t0 + 5, embargo=3)

    def objective(trial):
        model = LogisticRegression(C=trial.suggest_float("C", 1e-3, 10, log=True))
        return cross_validate(model, X, y, cv=splitter, scoring="neg_log_loss")["test_score"].mean()

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=8)
    assert study.best_value > np.log(0.5)
    assert study.best_value == max(trial.value for trial in study.trials)


def test_weights_reach_fit_and_score(problem):
    t0, X, y = problem
    splitter = PurgedKFold(4, t0, t0 + 5)
    weight = np.random.default_rng(1).integers(0, 3, len(y)).astype(float)
    found = cross_val_score(LogisticRegression(), X, y, splitter, weight)
    for score, (train, test) in zip(found, splitter.split(X), strict=True):
        again, seen = (np.repeat(index, weight[index].astype(int)) for index in (train, test))
        said = LogisticRegression().fit(X[again], y[again]).predict_proba(X[seen])[np.arange(len(seen)), y[seen]]
        assert score == pytest.approx(np.log(said).mean(), rel=1e-4)
    assert not np.allclose(found, cross_val_score(LogisticRegression(), X, y, splitter))


def test_joined_predictions_stand_at_their_samples(problem):
    t0, X, y = problem
    splitter = PurgedKFold(4, t0, t0 + 5)
    found = cross_val_predict(LogisticRegression(), X, y, splitter)
    assert np.isfinite(found.joined(len(y))).all()
    for number, (_, test) in enumerate(splitter.split(X)):
        assert (found.splits(len(y))[test] == number).all()
    walked = cross_val_predict(LogisticRegression(), X, y, PurgedWalkForward(3, t0, t0 + 5, 80))
    tested = walked.joined(len(y))
    assert np.isnan(tested[:80]).all()
    assert np.isfinite(tested[80:]).all()
    assert ((walked.splits(len(y)) == -1) == np.isnan(tested)).all()
    combined = cross_val_predict(LogisticRegression(), X, y, CombinatorialPurgedCV(4, 2, t0, t0))
    for put_together in (combined.joined, combined.splits):
        with pytest.raises(SplitError, match="more than once"):
            put_together(len(y))
