"""Labels, weights, splits, combinations and scores against slow, obvious twins and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import cross_val_score

from market.bars import empty_bars
from models.ensemble import FoldScores, combination_for, compared_folds, fit_platt, fit_stacker, logit
from models.errors import EnsembleError, SplitError
from models.labels import LabelConfig, triple_barrier
from models.splitters import PurgedWalkForward
from models.statistics import predictions
from models.statistics.bootstrap import mean_interval, time_blocks
from models.weights import average_uniqueness

MINUTE = 60_000_000_000


def series(seed, count=400, gaps=0.02):
    random = np.random.default_rng(seed)
    bars = empty_bars(count)
    skipped = np.cumsum(np.where(random.random(count) < gaps, random.integers(1, 6, count), 0))
    bars["start"] = MINUTE * (np.arange(count) + skipped)
    bars["end"] = bars["start"] + MINUTE
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, count)))
    bars["close"], bars["open"] = close, np.r_[100, close[:-1]] * np.exp(random.normal(0, 0.002, count))
    bars["high"] = np.maximum(bars["open"], close) * np.exp(random.exponential(0.004, count))
    bars["low"] = np.minimum(bars["open"], close) * np.exp(-random.exponential(0.004, count))
    volatility = random.uniform(0.003, 0.02, count)
    volatility[random.random(count) < 0.05] = np.nan
    return bars, volatility


def twin(bars, volatility, config):
    """Every label in plain Python: bar by bar, forward from the entry."""
    found = []
    for row in range(len(bars)):
        entry = row + 1 + config.delay
        last = entry + config.horizon - 1
        if last >= len(bars) or not volatility[row] > 0:
            continue
        holes = [(bars["start"][k] - bars["end"][k - 1]) // MINUTE for k in range(row + 1, last + 1)]
        if max(holes) > config.max_gap:
            continue
        price = bars["open"][entry]
        reach = config.barrier * volatility[row] * math.sqrt(config.horizon)
        exit_, touched, move = last, 0, math.log(bars["close"][last] / price)
        for k in range(entry, last + 1):
            close = math.log(bars["close"][k] / price)
            by_close = config.touch == "close"
            up = (close if by_close else math.log(bars["high"][k] / price)) >= reach
            down = (close if by_close else math.log(bars["low"][k] / price)) <= -reach
            if up or down:
                exit_, touched = k, 3 if up and down else 1 if up else 2
                move = close if by_close or (up and down) else reach if up else -reach
                break
        found.append((row, int(bars["start"][entry]), int(bars["end"][exit_]), int(move > 0), move, touched))
    return found


@pytest.mark.parametrize(
    "config",
    [
        LabelConfig(horizon=12, barrier=1.0),
        LabelConfig(horizon=12, barrier=0.4, max_gap=0),
        LabelConfig(horizon=5, barrier=0.7, touch="close", delay=2),
        LabelConfig(horizon=1, barrier=0.1),
    ],
)
def test_labels_are_those_of_plain_python(config):
    kinds = set()
    for seed in range(3):
        bars, volatility = series(seed)
        expected = twin(bars, volatility, config)
        found = triple_barrier(bars, volatility, config, MINUTE)
        assert found.row.tolist() == [one[0] for one in expected]
        assert found.start.tolist() == [one[1] for one in expected]
        assert found.t1.tolist() == [one[2] for one in expected]
        assert found.label.tolist() == [one[3] for one in expected]
        assert found.move == pytest.approx([one[4] for one in expected], rel=1e-12)
        kinds |= set(found.touched.tolist())
        assert (found.start >= bars["end"][found.row]).all()
    assert len(kinds) >= 2


def test_a_label_knows_nothing_of_bars_after_its_end():
    bars, volatility = series(4, gaps=0)
    config = LabelConfig(horizon=8, barrier=0.8)
    whole = triple_barrier(bars, volatility, config, MINUTE)
    other = bars.copy()
    other["close"][200:] *= 1.5
    other["high"][200:] *= 1.6
    changed = triple_barrier(other, volatility, config, MINUTE)
    known = whole.t1 <= bars["end"][199]
    assert known.sum() > 100
    again = dict(zip(changed.row.tolist(), changed.label.tolist(), strict=True))
    assert [again[row] for row in whole.row[known].tolist()] == whole.label[known].tolist()


def test_uniqueness_is_the_mean_of_one_over_the_labels_open():
    random = np.random.default_rng(3)
    start = random.integers(0, 300, 120)
    t1 = start + random.integers(1, 40, 120)
    open_ = np.array([((start <= moment) & (t1 > moment)).sum() for moment in range(400)])
    expected = [np.mean(1 / open_[a:b]) for a, b in zip(start, t1, strict=True)]
    assert average_uniqueness(start, t1) == pytest.approx(expected, rel=1e-12)


def labelled(seed, instruments=3, count=600):
    random = np.random.default_rng(seed)
    t0 = np.repeat(np.arange(count) * MINUTE, instruments)
    return t0, t0 + random.integers(1, 30, len(t0)) * MINUTE


def leaks(t0, t1, train, test, begin):
    """Every pair of a training label and the test: does one reach into the other?"""
    pairs = (t0[train][:, None] <= t1[test][None, :]) & (t1[train][:, None] >= t0[test][None, :])
    return int(pairs.sum()) + int((t1[train] >= begin).sum())


@pytest.mark.parametrize("gap", [0, 7 * MINUTE])
@pytest.mark.parametrize("anchored", [False, True])
def test_no_training_label_reaches_into_its_test(gap, anchored):
    t0, t1 = labelled(5)
    splitter = PurgedWalkForward(7, t0, t1, 200 * MINUTE, gap=gap, anchored=anchored)
    tested = []
    for fold in splitter.folds():
        assert leaks(t0, t1, fold.train, fold.test, fold.test_start) == 0
        assert (t0[fold.train] < fold.test_start - gap).all()
        assert anchored or fold.train_stop - fold.train_start == 200 * MINUTE
        tested.append(fold.test)
    together = np.concatenate(tested)
    assert len(np.unique(together)) == len(together)
    assert set(together) == set(np.flatnonzero(t0 >= 200 * MINUTE + gap))


def test_the_check_sees_a_splitter_that_does_not_purge():
    t0, t1 = labelled(5)
    fold = PurgedWalkForward(7, t0, t1, 200 * MINUTE).folds()[3]
    unpurged = np.flatnonzero((t0 >= fold.train_start) & (t0 < fold.train_stop))
    assert leaks(t0, t1, unpurged, fold.test, fold.test_start) > 0


def test_the_splitter_is_scikit_learn_s():
    t0, t1 = labelled(6)
    random = np.random.default_rng(1)
    splitter = PurgedWalkForward(5, t0, t1, 200 * MINUTE)
    values = cross_val_score(
        DummyClassifier(), random.normal(size=(len(t0), 2)), random.integers(0, 2, len(t0)), cv=splitter
    )
    assert len(values) == splitter.get_n_splits() == 5
    with pytest.raises(SplitError, match="rows"):
        next(iter(splitter.split(np.zeros((3, 1)))))


def test_too_short_data_is_refused():
    t0, t1 = labelled(7)
    with pytest.raises(SplitError, match="training"):
        PurgedWalkForward(5, t0, t1, 10**6 * MINUTE).folds()


def scored(seed, folds=6, rows=400, members=3):
    random = np.random.default_rng(seed)
    found = []
    for number in range(folds):
        truth = random.normal(0, 0.7, rows)
        said = 1 / (1 + np.exp(-(truth[:, None] + random.normal(0, 0.8, (rows, members)))))
        label = (random.random(rows) < 1 / (1 + np.exp(-truth))).astype(np.int64)
        begin = number * 1000
        found.append(
            FoldScores(said, label, random.uniform(0.1, 1, rows), begin + random.integers(0, 1100, rows), begin)
        )
    return found


def nested(folds):
    stackers, found = [], []
    for number, fold in enumerate(folds):
        made = combination_for(folds[:number], stackers, fold.test_start, 1.0, 1e-4)
        stackers.append(made.stacker)
        found.append(made)
    return found


def test_a_fold_s_combination_knows_only_what_was_known_before_it():
    folds = scored(1)
    before = nested(folds)
    assert [one.stacker is None for one in before] == [True] + [False] * 5
    assert [one.platt is None for one in before] == [True, True] + [False] * 4
    for number in range(6):
        changed = [
            FoldScores(
                1 - fold.members if place >= number else fold.members,
                np.where((fold.t1 >= folds[number].test_start) | (place >= number), 1 - fold.label, fold.label),
                fold.weight,
                fold.t1,
                fold.test_start,
            )
            for place, fold in enumerate(folds)
        ]
        assert nested(changed)[number] == before[number]


def test_without_a_prior_the_stacker_is_logistic_regression():
    fold = scored(2, folds=1, rows=3000)[0]
    ours = fit_stacker(fold.members, fold.label, fold.weight, 0.0, 1e-6)
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000)
    theirs.fit(logit(fold.members, 1e-6), fold.label, sample_weight=fold.weight)
    assert ours.weights == pytest.approx(theirs.coef_[0].tolist(), abs=1e-5)
    assert ours.intercept == pytest.approx(float(theirs.intercept_[0]), abs=1e-5)


def test_an_upside_down_ensemble_becomes_the_base_rate():
    random = np.random.default_rng(3)
    value = random.normal(0, 1, 4000)
    label = (random.random(4000) < 1 / (1 + np.exp(2 * value))).astype(np.int64)
    platt = fit_platt(value, label, np.ones(4000), 1e-4)
    assert platt.slope == 0
    assert platt.apply(value) == pytest.approx(np.full(4000, label.mean()), abs=1e-3)


def test_fewer_than_four_compared_folds_are_refused():
    assert list(compared_folds(7)) == [2, 3, 4, 5, 6]
    with pytest.raises(EnsembleError, match="at least 6"):
        compared_folds(5)


def test_scores_are_scikit_learn_s():
    random = np.random.default_rng(4)
    said, weight = np.round(random.random(2000), 2).clip(0.01, 0.99), random.uniform(0.1, 2, 2000)
    label = (random.random(2000) < said).astype(np.int64)
    assert predictions.auc(label, said, weight) == pytest.approx(roc_auc_score(label, said, sample_weight=weight))
    assert predictions.log_loss(label, said, weight) == pytest.approx(log_loss(label, said, sample_weight=weight))
    assert predictions.brier(label, said, weight) == pytest.approx(brier_score_loss(label, said, sample_weight=weight))


def test_intervals_cover_what_they_say_when_time_is_correlated():
    random = np.random.default_rng(5)
    rows, inside, narrow = 1200, 0, 0
    time = np.arange(rows) * MINUTE
    for seed in range(150):
        noise = np.convolve(random.normal(size=rows + 11), np.ones(12) / 12, "valid")
        wide = mean_interval(noise, np.ones(rows), time_blocks(time, 12 * MINUTE, 4, 300, seed))
        alone = mean_interval(noise, np.ones(rows), time_blocks(time, MINUTE, 1, 300, seed))
        inside += wide.low <= 0 <= wide.high
        narrow += alone.low <= 0 <= alone.high
    assert 0.87 <= inside / 150 <= 0.99
    assert narrow / 150 < 0.6
