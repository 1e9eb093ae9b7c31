"""Intervals of Sharpe ratios cover at their level, under fat tails and autocorrelation, per period and per year."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import ModelError
from models.statistics.long_run import autocorrelation, autocovariance, usual_lags, weighted_sum
from models.statistics.sharpe import moments, robust_error, sharpe_ratio, sharpe_variance
from models.statistics.sharpe_intervals import annual_factor, annual_sharpe, normal_interval, sharpe_interval


def autoregressive(noise, memory):
    found = np.empty_like(noise)
    found[..., 0] = noise[..., 0] / (1 - memory**2) ** 0.5
    for k in range(1, noise.shape[-1]):
        found[..., k] = memory * found[..., k - 1] + noise[..., k]
    return found


def test_the_influence_function_without_lags_is_mertens_formula():
    returns = np.random.default_rng(1).gamma(2, 1, 400) - 1.5
    ratio = returns.mean() / returns.std()
    expected = (sharpe_variance(ratio, *moments(returns)) / 400) ** 0.5
    assert robust_error(returns, 0) == pytest.approx(expected, rel=1e-12)


def coverage(intervals, truth):
    return np.mean([one.low <= truth <= one.high for one in intervals])


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_interval_of_skewed_fat_tailed_returns_covers(level):
    random = np.random.default_rng(2)
    returns = -random.exponential(1, (3000, 400)) + 1.3
    assert coverage([sharpe_interval(one, level=level) for one in returns], 0.3) == pytest.approx(level, abs=0.025)
    normal = [normal_interval(sharpe_ratio(one), (sharpe_variance(0.3, 0, 3) / 400) ** 0.5, level) for one in returns]
    assert coverage(normal, 0.3) < level - 0.04


def test_the_interval_of_autocorrelated_returns_covers_only_with_lags():
    random = np.random.default_rng(3)
    returns = autoregressive(random.normal(size=(1500, 800)), 0.4)
    returns += 0.2 * (1 - 0.4**2) ** -0.5
    assert coverage([sharpe_interval(one, 12) for one in returns], 0.2) == pytest.approx(0.95, abs=0.025)
    assert coverage([sharpe_interval(one) for one in returns], 0.2) < 0.87


@pytest.mark.parametrize("memory", [-0.3, 0.0, 0.4])
def test_eta_is_the_ratio_of_summed_autoregressive_returns(memory):
    year = autoregressive(np.random.default_rng(4).normal(size=(20_000, 32)), memory)[:, 20:].sum(axis=1)
    deviation = year.std() * (1 - memory**2) ** 0.5
    assert annual_factor(memory ** np.arange(1, 12), 12) == pytest.approx(12 / deviation, rel=0.02)


def test_impossible_autocorrelations_have_no_factor():
    assert np.isnan(annual_factor(np.array([-0.9]), 12))


def test_the_annual_interval_allows_for_estimated_autocorrelations():
    random = np.random.default_rng(5)
    truth = annual_factor(0.3 ** np.arange(1, 12), 12) * 0.3
    returns = autoregressive(random.normal(size=(1500, 600)), 0.3) + 0.3 * (1 - 0.3**2) ** -0.5
    found = [annual_sharpe(one, 12, 4) for one in returns]
    assert np.mean([one.value for one in found]) == pytest.approx(truth, rel=0.03)
    assert np.std([one.value for one in found]) == pytest.approx(
        np.mean([one.high - one.low for one in found]) / 3.92, rel=0.1
    )
    assert coverage(found, truth) == pytest.approx(0.95, abs=0.03)


def test_without_lags_a_year_is_a_root():
    returns = np.random.default_rng(6).normal(0.1, 1, 300)
    assert annual_sharpe(returns, 12, 0).value == pytest.approx(12**0.5 * sharpe_ratio(returns), rel=1e-12)


def test_what_cannot_be_annualised():
    assert np.isnan(annual_sharpe(np.ones(50), 12, 3).value)
    with pytest.raises(ModelError, match="too few"):
        annual_sharpe(np.arange(10.0), 12, 3)
    with pytest.raises(ModelError, match="fewer lags"):
        autocorrelation(np.arange(3.0), 3)


def test_autocovariances_by_fourier_are_the_plain_sums():
    values = np.random.default_rng(7).normal(size=(37, 2)).cumsum(axis=0)
    centred = values - values.mean(axis=0)
    plain = [(centred[lag:] * centred[: 37 - lag]).sum(axis=0) / 37 for lag in range(37)]
    assert autocovariance(values) == pytest.approx(np.array(plain), abs=1e-12)
    first = autocorrelation(values[:, 0], 5)
    assert first == pytest.approx(np.array(plain)[1:6, 0] / plain[0][0], rel=1e-9)


def test_newey_west_is_its_definition():
    values = np.random.default_rng(8).normal(size=50)
    plain = sum(
        max(0, 1 - abs(i - j) / 4) * values[i] * values[j] for i in range(50) for j in range(50) if abs(i - j) <= 3
    )
    assert weighted_sum(values, 3) == pytest.approx(plain, rel=1e-12)
    assert usual_lags(1000) == 6
