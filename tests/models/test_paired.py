"""Paired comparisons: the bootstrap by hand, intervals that cover, p-values of the promised size, and the pairing."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from models.errors import ModelError
from models.statistics.paired import mean_difference, sharpe_difference, studentised_sharpe_difference
from models.statistics.resampling import circular_indices, counts_of, stationary_indices
from models.statistics.sharpe import sharpe_ratio
from tests.models.test_sharpe_intervals import autoregressive


def pair(seed, rows=200, edge=0.0):
    random = np.random.default_rng(seed)
    market = random.normal(0.1, 1, rows)
    return market + 0.5 * random.normal(size=rows) + edge, market + 0.5 * random.normal(size=rows)


def test_differences_are_those_by_hand():
    one, other = pair(1)
    indices = stationary_indices(200, 4.0, 300, np.random.default_rng(2))
    for found, figure in (
        (mean_difference(one, other, counts_of(indices), 0.9), np.mean),
        (sharpe_difference(one, other, counts_of(indices), 0.9), sharpe_ratio),
    ):
        value = figure(one) - figure(other)
        drawn = np.array([figure(one[rows]) - figure(other[rows]) for rows in indices])
        assert found.difference.value == pytest.approx(value, rel=1e-9)
        assert (found.difference.low, found.difference.high) == pytest.approx(tuple(np.quantile(drawn, [0.05, 0.95])))
        assert found.p_value == (1 + (np.abs(drawn - value) >= abs(value)).sum()) / 301


def studentised_by_hand(one, other, block, draws, seed):
    rows = len(one) // block * block
    value = sharpe_ratio(one) - sharpe_ratio(other)

    def influence(x):
        ratio = x.mean() / x.std()
        return (x - x.mean()) / x.std() - ratio / 2 * ((x - x.mean()) ** 2 / x.var() - 1)

    values, lags = influence(one) - influence(other), max(block - 1, int(4 * (len(one) / 100) ** (2 / 9)))
    total = sum(
        (1 - lag / (lags + 1)) * (1 if lag == 0 else 2) * (values[lag:] * values[: len(values) - lag]).sum()
        for lag in range(lags + 1)
    )
    error, distance = total**0.5 / len(one), []
    for drawn in circular_indices(len(one), block, draws, np.random.default_rng(seed))[:, :rows]:
        a, b = one[drawn], other[drawn]
        blocks = (influence(a) - influence(b)).reshape(-1, block).sum(axis=1)
        distance.append(abs(sharpe_ratio(a) - sharpe_ratio(b) - value) / ((blocks**2).sum() ** 0.5 / rows))
    return error, np.array(distance), value


def test_the_studentised_comparison_is_ledoit_and_wolf_s_by_hand():
    one, other = pair(3, 207, 0.1)
    found = studentised_sharpe_difference(one, other, 6, 199, np.random.default_rng(4), 0.9)
    error, distance, value = studentised_by_hand(one, other, 6, 199, 4)
    reach = np.sort(distance)[int(np.ceil(0.9 * 198))] * error
    assert (found.difference.low, found.difference.high) == pytest.approx((value - reach, value + reach), rel=1e-9)
    assert found.p_value == (1 + (distance >= abs(value) / error).sum()) / 200


def test_equal_strategies_differ_significantly_in_about_five_of_a_hundred():
    random = np.random.default_rng(5)
    wrong = np.zeros(3)
    for seed in range(400):
        one, other = pair(seed, 150)
        counts = counts_of(stationary_indices(150, 2.0, 199, random))
        wrong += [
            mean_difference(one, other, counts).p_value <= 0.05,
            sharpe_difference(one, other, counts).p_value <= 0.05,
            studentised_sharpe_difference(one, other, 2, 199, random).p_value <= 0.05,
        ]
    assert (wrong > 6).all()
    assert (wrong < 0.09 * 400).all()


@pytest.mark.long
def test_the_studentised_interval_covers_under_autocorrelation():
    random = np.random.default_rng(6)
    inside = 0
    for _ in range(1000):
        one, other = autoregressive(random.normal(size=(2, 400)), 0.3) + 0.2
        found = studentised_sharpe_difference(one, other, 8, 399, random).difference
        inside += found.low <= 0 <= found.high
    assert inside / 1000 == pytest.approx(0.95, abs=0.025)


def test_pairing_finds_what_the_market_would_hide():
    random = np.random.default_rng(7)
    one, other = pair(8, 400, 0.15)
    counts = counts_of(stationary_indices(400, 2.0, 499, random))
    assert mean_difference(one, other, counts).p_value < 0.01
    paired = mean_difference(one, other, counts).difference
    apart = mean_difference(one, random.permutation(other), counts).difference
    assert paired.high - paired.low < 0.6 * (apart.high - apart.low)


def test_the_other_way_round_is_minus_the_difference():
    one, other = pair(9)
    counts = counts_of(stationary_indices(200, 4.0, 300, np.random.default_rng(2)))
    for compare in (mean_difference, sharpe_difference):
        here, there = compare(one, other, counts), compare(other, one, counts)
        assert here.difference.low == pytest.approx(-there.difference.high, rel=1e-9)
        assert here.p_value == there.p_value


def test_what_cannot_be_compared_is_refused():
    one, other = pair(10)
    counts = counts_of(stationary_indices(200, 4.0, 20, np.random.default_rng(2)))
    with pytest.raises(ModelError, match="same rows"):
        mean_difference(one, other[:-1], counts)
    with pytest.raises(ModelError, match="same rows"):
        sharpe_difference(one[:-1], other[:-1], counts)
    with pytest.raises(ModelError, match="do not vary"):
        sharpe_difference(one, np.full(200, 0.1), counts)
    with pytest.raises(ModelError, match="at least four blocks"):
        studentised_sharpe_difference(one, other, 60, 10, np.random.default_rng(1))
    with pytest.raises(ModelError, match="by a factor"):
        studentised_sharpe_difference(one, 2 * one, 5, 10, np.random.default_rng(1))


def test_strategies_that_differ_on_hardly_a_row_are_refused_without_a_warning():
    one, _ = pair(10)
    nearly, idle = one.copy(), np.zeros(200)
    nearly[7] += 0.5
    idle[[3, 150]] = 0.1, -0.2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for other, rows in ((nearly, 1), (idle, 200), (idle + 0.1, 200)):
            with pytest.raises(ModelError, match=f"differ on {rows} of 200 rows, and in .* of 199 draws do not differ"):
                studentised_sharpe_difference(one, other, 5, 199, np.random.default_rng(1))


def test_a_draw_in_which_nothing_differs_counts_as_the_farthest_off():
    one, other = pair(11, edge=0.4)
    idle = np.repeat([0.0, 1.0, 0.0], [140, 40, 20])
    found = studentised_sharpe_difference(one * idle, other * idle, 10, 1_999, np.random.default_rng(2))
    indices = circular_indices(200, 10, 1_999, np.random.default_rng(2))
    flat = sum(not idle[row].any() for row in indices)
    assert 0 < flat < 50
    assert found.p_value >= (1 + flat) / 2_000
    assert np.isfinite([found.difference.low, found.difference.high]).all()
