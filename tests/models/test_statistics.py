"""Scores against scikit-learn and SciPy, Sharpe ratios against the papers, intervals against their promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kurtosis, skew, spearmanr
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

from models.errors import ModelError
from models.statistics import predictions
from models.statistics.bootstrap import mean_interval, time_blocks
from models.statistics.evaluation import (
    Outcomes,
    drawn_auc,
    drawn_calibration_error,
    drawn_correlation,
    information_gain,
    loss_difference,
    score_intervals,
    scores,
)
from models.statistics.sharpe import (
    deflated_sharpe,
    drawdown,
    expected_best_sharpe,
    moments,
    probabilistic_sharpe,
    robust_error,
    sharpe_ratio,
    time_under_water,
)

MINUTE = 60_000_000_000


def forecast(seed, rows=1000, ties=False):
    random = np.random.default_rng(seed)
    said = random.uniform(0.02, 0.98, rows)
    said = np.round(said, 1) if ties else said
    label = (random.random(rows) < said**1.3).astype(np.int64)
    return label, said, random.uniform(0.1, 2, rows)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (predictions.auc, roc_auc_score),
        (predictions.brier, brier_score_loss),
        (
            lambda y, p, w: predictions.accuracy(y, p, w),
            lambda y, p, sample_weight: accuracy_score(y, p >= 0.5, sample_weight=sample_weight),
        ),
    ],
    ids=["auc", "brier", "accuracy"],
)
def test_a_weighted_score_is_scikit_learn_s(ours, theirs, ties):
    label, said, weight = forecast(1, ties=ties)
    assert ours(label, said, weight) == pytest.approx(theirs(label, said, sample_weight=weight), rel=1e-12)


def test_log_loss_is_scikit_learn_s():
    label, said, weight = forecast(2)
    assert predictions.log_loss(label, said, weight) == pytest.approx(
        log_loss(label, said, sample_weight=weight), rel=1e-12
    )


def test_a_certain_error_costs_a_finite_loss():
    assert predictions.row_log_loss(np.array([1, 0]), np.array([0.0, 1.0])) == pytest.approx([-np.log(1e-15)] * 2)


def test_auc_over_folds_is_the_mean_over_their_pairs():
    random = np.random.default_rng(11)
    label, said, weight = forecast(11, ties=True)
    fold = random.integers(0, 4, len(label))
    label[fold == 3] = 1
    pair = (label[:, None] > label[None, :]) & (fold[:, None] == fold[None, :])
    mass = weight[:, None] * weight[None, :] * pair
    above = (said[:, None] > said[None, :]) + 0.5 * (said[:, None] == said[None, :])
    expected = (mass * above).sum() / mass.sum()
    assert predictions.auc(label, said, weight, fold) == pytest.approx(expected, rel=1e-12)
    assert predictions.auc(label, said + 10 * fold, weight, fold) == pytest.approx(expected, rel=1e-12)
    assert predictions.auc(label, said + 10 * fold, weight) != pytest.approx(expected, rel=0.01)


def test_the_information_coefficient_ranks_within_folds():
    random = np.random.default_rng(12)
    value, move, fold = random.normal(size=600), random.normal(size=600), np.repeat([0, 1, 2], 200)
    each = [spearmanr(value[fold == one], move[fold == one]).statistic for one in range(3)]
    found = predictions.information_coefficient(value, move, fold)
    assert found == pytest.approx(np.mean(each), rel=1e-12)  # folds of one size
    shifted = predictions.information_coefficient(value + 5 * fold, move - 5 * fold, fold)
    assert shifted == pytest.approx(found, rel=1e-12)


def walked_forward(seed, folds=5, rows=100):
    """Labels without any pattern, and of each fold the base rate of all that came before, with a little noise."""
    random = np.random.default_rng(seed)
    label = random.integers(0, 2, (folds + 1) * rows)
    fold = np.repeat(np.arange(folds + 1), rows)
    base = np.cumsum(np.bincount(fold, weights=label)) / (rows * np.arange(1, folds + 2))
    test = fold > 0
    said = base[fold[test] - 1] + 1e-3 * random.normal(size=test.sum())
    return label[test], said, fold[test]


def test_pooled_folds_would_show_less_than_one_half_where_there_is_nothing():
    pooled, within = [], []
    for seed in range(300):
        label, said, fold = walked_forward(seed)
        pooled.append(predictions.auc(label, said, np.ones(len(label))))
        within.append(predictions.auc(label, said, np.ones(len(label)), fold))
    error = np.std(within) / np.sqrt(300)
    assert abs(np.mean(within) - 0.5) < 3 * error
    assert np.mean(pooled) < 0.5 - 5 * np.std(pooled) / np.sqrt(300)


def test_auc_of_one_class_is_undefined():
    assert np.isnan(predictions.auc(np.ones(5, np.int64), np.linspace(0.1, 0.9, 5), np.ones(5)))


def test_reliability_is_scikit_learn_s_calibration_curve():
    label, said, _ = forecast(3)
    observed, predicted = calibration_curve(label, said, n_bins=10, strategy="quantile")
    ours = predictions.reliability(label, said, np.ones(1000))
    assert ours[0] == pytest.approx(predicted, rel=1e-12)
    assert ours[1] == pytest.approx(observed, rel=1e-12)
    assert ours[2].tolist() == [100] * 10
    expected = np.abs(observed - predicted).mean()
    assert predictions.calibration_error(label, said, np.ones(1000)) == pytest.approx(expected, rel=1e-12)


def test_a_whole_weight_is_a_repeated_row():
    label, said, _ = forecast(4, rows=300)
    times = np.random.default_rng(0).integers(1, 4, 300)
    for score in (predictions.auc, predictions.brier, predictions.log_loss, predictions.calibration_error):
        repeated = score(np.repeat(label, times), np.repeat(said, times), np.ones(times.sum()))
        assert score(label, said, times.astype(float)) == pytest.approx(repeated, rel=1e-9)


def test_ties_stay_in_one_bin():
    _, said, weight = forecast(5, ties=True)
    bins = predictions.equal_mass_bins(said, weight, 10)
    assert all(len(set(bins[said == value])) == 1 for value in set(said))


def test_the_information_coefficient_is_spearman_s():
    random = np.random.default_rng(6)
    value = np.round(random.normal(size=500), 1)
    move = value + random.normal(size=500)
    assert predictions.information_coefficient(value, move) == pytest.approx(
        spearmanr(value, move).statistic, rel=1e-12
    )
    assert np.isnan(predictions.information_coefficient(np.ones(500), move))


def outcomes(seed, rows=400):
    label, said, weight = forecast(seed, rows)
    random = np.random.default_rng(seed + 100)
    move = (2 * label - 1) * random.exponential(0.01, rows)
    return Outcomes(label, move, weight, np.full(rows, label.mean()), np.zeros(rows, np.int64)), said


def test_the_base_rate_gains_nothing_and_the_truth_gains():
    seen, said = outcomes(7)
    assert information_gain(seen, seen.base) == 0
    assert information_gain(seen, said) > 0


def test_every_draw_is_the_score_of_its_repeated_rows():
    seen, said = outcomes(8)
    said = np.round(said, 2)
    blocks = time_blocks(np.arange(400) * MINUTE, MINUTE, 5, 20, 1)
    bins = predictions.equal_mass_bins(said, seen.weight, 10)
    ranked = predictions.ranks(said), predictions.ranks(seen.move)
    fold = np.random.default_rng(8).integers(0, 3, 400)
    areas = drawn_auc(seen.label, predictions.ranking(said), seen.weight, blocks)
    within = drawn_auc(seen.label, predictions.ranking(said, fold), seen.weight, blocks)
    errors = drawn_calibration_error(seen.label, said, seen.weight, blocks)
    correlations = drawn_correlation(*ranked, blocks)
    for draw in range(20):
        times = blocks.weights(draw)
        again = np.repeat(np.arange(400), times)
        assert areas[draw] == pytest.approx(
            roc_auc_score(seen.label[again], said[again], sample_weight=seen.weight[again]), rel=1e-12
        )
        assert within[draw] == pytest.approx(
            predictions.auc(seen.label[again], said[again], seen.weight[again], fold[again]), rel=1e-12
        )
        excess = np.bincount(bins[again], weights=(seen.weight * (said - seen.label))[again], minlength=10)
        assert errors[draw] == pytest.approx(np.abs(excess).sum() / seen.weight[again].sum(), rel=1e-9)
        assert correlations[draw] == pytest.approx(np.corrcoef(ranked[0][again], ranked[1][again])[0, 1], rel=1e-9)


def area_in_numpy(ranked, ones, zeros):
    """`Ranking.area` as array operations."""
    positive, negative = (
        np.add.reduceat(ones[ranked.order], ranked.ties),
        np.add.reduceat(zeros[ranked.order], ranked.ties),
    )
    before = np.cumsum(negative) - negative
    sizes = np.diff(np.append(ranked.folds, len(ranked.ties)))
    below = before - np.repeat(before[ranked.folds], sizes) + 0.5 * negative
    return positive @ below / (np.add.reduceat(positive, ranked.folds) @ np.add.reduceat(negative, ranked.folds))


@pytest.mark.parametrize("digits", [1, 3, 16])
@pytest.mark.parametrize("folds", [1, 3])
def test_areas_have_the_bits_of_plain_array_operations(digits, folds):
    seen, said = outcomes(11)
    blocks = time_blocks(np.arange(400) * MINUTE, MINUTE, 5, 50, 1)
    ranked = predictions.ranking(np.round(said, digits), np.arange(400) % folds)
    ones, zeros = seen.weight * (seen.label > 0), seen.weight * (seen.label <= 0)
    drawn = drawn_auc(seen.label, ranked, seen.weight, blocks)
    assert np.unique(drawn).size > 25
    for draw, area in enumerate(drawn):
        times = blocks.weights(draw)
        assert area == area_in_numpy(ranked, ones * times, zeros * times)
    assert ranked.area(ones, zeros) == area_in_numpy(ranked, ones, zeros)
    assert np.isnan(drawn_auc(np.ones(400, np.int64), ranked, seen.weight, blocks)).all()


def test_every_score_has_an_interval_around_it():
    seen, said = outcomes(9)
    found = score_intervals(seen, said, time_blocks(np.arange(400) * MINUTE, MINUTE, 5, 400, 1))
    plain = scores(seen, said)
    assert found.keys() == plain.keys()
    for name, interval in found.items():
        assert interval.value == pytest.approx(plain[name], rel=1e-12)
        assert interval.low < interval.high
        assert name == "calibration_error" or interval.low < interval.value < interval.high


def test_a_difference_of_losses_is_paired():
    seen, said = outcomes(10)
    blocks = time_blocks(np.arange(400) * MINUTE, MINUTE, 5, 400, 1)
    better = loss_difference(seen, np.clip(said + 0.01, 0, 1), said, blocks)
    alone = score_intervals(seen, said, blocks)["log_loss"]
    assert better.high - better.low < (alone.high - alone.low) / 5
    assert loss_difference(seen, said, said, blocks).value == 0
    assert loss_difference(seen, seen.base, said, blocks).low > 0


def test_a_draw_counts_every_row_of_its_times_and_as_many_times_as_there_are():
    time = np.repeat(np.arange(60) * MINUTE, 3)
    blocks = time_blocks(time, MINUTE, 7, 50, 3)
    assert blocks.counts.sum(axis=1).tolist() == [60] * 50
    for draw in range(50):
        assert (np.ptp(blocks.weights(draw).reshape(60, 3), axis=1) == 0).all()


def test_blocks_are_consecutive_and_go_around():
    blocks = time_blocks(np.arange(40) * MINUTE, MINUTE, 20, 300, 4)
    changes = (np.diff(blocks.counts, axis=1, append=blocks.counts[:, :1]) != 0).sum(axis=1)
    assert changes.max() <= 4
    assert (blocks.counts.mean(axis=0) > 0.7).all()


def test_times_without_rows_are_left_out():
    time = np.r_[np.arange(20), np.arange(500, 520)] * MINUTE
    assert time_blocks(time, MINUTE, 5, 10, 1).counts.shape == (10, 40)


def test_fewer_than_two_blocks_are_refused():
    with pytest.raises(ModelError, match="fewer than two blocks"):
        time_blocks(np.arange(9) * MINUTE, MINUTE, 5, 10, 1)


def width(interval):
    return interval.high - interval.low


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_intervals_of_independent_noise_cover_at_their_level(level):
    random = np.random.default_rng(11)
    rows, repeats, inside = 300, 600, 0
    time = np.arange(rows) * MINUTE
    blocks = [time_blocks(time, MINUTE, 5, 400, seed) for seed in range(20)]
    for repeat in range(repeats):
        found = mean_interval(random.normal(3, 1, rows), random.uniform(0.5, 1, rows), blocks[repeat % 20], level)
        inside += found.low <= 3 <= found.high
    assert inside / repeats == pytest.approx(level, abs=0.045)


def test_blocks_widen_the_interval_of_correlated_rows_and_not_of_independent_ones():
    random = np.random.default_rng(12)
    time = np.arange(3000) * MINUTE
    noise = random.normal(size=3019)
    smooth = np.convolve(noise, np.ones(20) / 20, "valid")
    long, single = time_blocks(time, MINUTE, 100, 2000, 1), time_blocks(time, MINUTE, 1, 2000, 1)
    ones = np.ones(3000)
    assert width(mean_interval(smooth, ones, long)) > 3 * width(mean_interval(smooth, ones, single))
    ratio = width(mean_interval(noise[:3000], ones, long)) / width(mean_interval(noise[:3000], ones, single))
    assert ratio == pytest.approx(1, abs=0.25)


def test_instruments_that_move_together_are_drawn_together():
    random = np.random.default_rng(13)
    time = np.arange(500) * MINUTE
    values = random.normal(size=500)
    one = mean_interval(values, np.ones(500), time_blocks(time, MINUTE, 5, 500, 1))
    copies = mean_interval(np.repeat(values, 8), np.ones(4000), time_blocks(np.repeat(time, 8), MINUTE, 5, 500, 1))
    assert (copies.low, copies.high) == pytest.approx((one.low, one.high), rel=1e-9)


PAPER = {"sharpe": 2.5 / 250**0.5, "periods": 1250, "skewness": -3, "kurtosis": 10, "variance": 0.5 / 250}


@pytest.mark.parametrize(("trials", "expected"), [(100, 0.9004), (46, 0.9505)])
def test_the_deflated_sharpe_ratio_is_the_paper_s(trials, expected):
    assert deflated_sharpe(trials=trials, **PAPER) == pytest.approx(expected, abs=5e-5)


def test_the_best_of_100_worthless_trials_is_the_paper_s():
    assert expected_best_sharpe(100, 0.5 / 250) == pytest.approx(0.1132, abs=5e-5)


def test_the_best_of_some_worthless_trials_is_what_a_simulation_finds():
    best = np.random.default_rng(14).normal(0, 0.3, (20_000, 50)).max(axis=1).mean()
    assert expected_best_sharpe(50, 0.09) == pytest.approx(best, rel=0.02)


def test_one_trial_deflates_nothing():
    plain = probabilistic_sharpe(0.1, 300, -0.5, 4)
    assert deflated_sharpe(0.1, 300, -0.5, 4, trials=1, variance=0.5) == plain


def test_the_probabilistic_sharpe_ratio_is_uniform_when_its_benchmark_is_true():
    returns = np.random.default_rng(15).normal(0.1, 1, (4000, 250))
    found = [probabilistic_sharpe(sharpe_ratio(one), 250, *moments(one), benchmark=0.1) for one in returns]
    assert np.quantile(found, [0.05, 0.5, 0.95]) == pytest.approx([0.05, 0.5, 0.95], abs=0.025)


def test_moments_are_scipy_s():
    returns = np.random.default_rng(16).gamma(2, 1, 500)
    assert moments(returns) == pytest.approx((skew(returns), kurtosis(returns, fisher=False)), rel=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.5, 0.1, -1e-3])
def test_returns_that_do_not_vary_have_no_sharpe_ratio(value):
    returns = np.full(1001, value)
    assert np.isnan(sharpe_ratio(returns))
    assert np.isnan(moments(returns)).all()
    assert np.isnan(robust_error(returns, 2))


def test_one_return_has_no_sharpe_ratio():
    assert np.isnan(sharpe_ratio(np.array([0.5])))


@pytest.mark.parametrize("memory", [0.0, 0.5])
def test_the_robust_error_is_the_spread_of_sharpe_ratios(memory):
    random = np.random.default_rng(17)
    noise = random.normal(size=(2000, 600))
    returns = np.empty_like(noise)
    returns[:, 0] = noise[:, 0]
    for k in range(1, 600):
        returns[:, k] = memory * returns[:, k - 1] + noise[:, k]
    returns += 1.5
    spread = np.std([sharpe_ratio(one) for one in returns])
    estimate = np.mean([robust_error(one, 15 if memory else 0) for one in returns])
    assert estimate == pytest.approx(spread, rel=0.1)


def test_a_drawdown_is_below_the_highest_so_far():
    assert drawdown(np.array([1.0, 2.0, 1.0, 1.5, 4.0, 3.0])).tolist() == [0, 0, 0.5, 0.25, 0, 0.25]


@pytest.mark.parametrize("seed", range(20))
def test_time_under_water_is_that_of_every_high(seed):
    random = np.random.default_rng(seed)
    count = 40
    time = np.cumsum(random.integers(1, 9, count))
    equity = 20.0 + np.cumsum(random.integers(-1, 2, count))
    longest = 0
    for i in range(count - 1):
        if equity[i] == equity[: i + 1].max() and equity[i + 1] < equity[i]:
            back = [j for j in range(i + 1, count) if equity[j] >= equity[i]]
            longest = max(longest, int(time[back[0] if back else -1] - time[i]))
    assert time_under_water(time, equity) == longest


def test_a_curve_that_only_rises_is_never_under_water():
    assert time_under_water(np.arange(5), np.arange(1.0, 6.0)) == 0
