"""The filter against the Kalman filter where that is exact, and against the enumeration of everything hidden."""

from __future__ import annotations

import itertools

import msgspec
import numpy as np
import pytest
from scipy.stats import poisson
from synthetic_support import PLAIN, kalman, observed

from market.synthetic import SyntheticConfig, simulate
from market.synthetic_filter import filter_bars


def test_with_one_volatility_and_no_jumps_it_is_the_kalman_filter():
    bars = simulate(PLAIN, seed=1).bars["SYN0USD"]
    kept = filter_bars(PLAIN, bars, np.arange(len(bars)), 4, np.random.default_rng(0))
    expected = kalman(PLAIN, *observed(PLAIN, bars), 0.003)
    for particle in range(4):
        np.testing.assert_allclose(kept.drift_mean[:, particle], expected[:, 0], atol=1e-10)
        np.testing.assert_allclose(kept.drift_variance[:, particle], expected[:, 1], atol=1e-10)


def enumerated(config, bars):
    """Posterior of the last drift (mean, variance) and regime: every path of regimes and jump counts, by weight.

    Given a path, all returns and flows and the last drift are jointly Gaussian with mean zero; no recursion.
    """
    count = len(bars)
    returns, flow = observed(config, bars)
    seen = np.stack([returns, flow], axis=1).ravel()
    level, arch, garch = (np.array(values) for values in (config.volatility, config.arch, config.garch))
    variances = [config.first_variances()]
    for move in returns:
        variances.append(level**2 * (1 - arch - garch) + arch * move**2 + garch * variances[-1])
    drifts = config.persistence ** np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    stay = 1 - 1 / np.array(config.regime_bars)
    counts = np.append(poisson.pmf([0, 1, 2], config.jump_rate), poisson.sf(2, config.jump_rate))
    logs, means, spreads, last = [], [], [], []
    for regimes in itertools.product((0, 1), repeat=count):
        chances = [config.stationary_regimes[regimes[0]]]
        chances += [stay[b] if a == b else 1 - stay[a] for a, b in itertools.pairwise(regimes)]
        sigma = np.array([np.sqrt(variances[row][state]) for row, state in enumerate(regimes)])
        centres = np.log(config.volume) + config.volume_elasticity * np.log(sigma / level[0])
        volume_log = -0.5 * np.sum(((np.log(bars["volume"]) - centres) / config.volume_noise) ** 2)
        loads = np.stack([sigma * config.edge, np.full(count, config.flow_drift)], axis=1)
        for jumps in itertools.product(range(4), repeat=count):
            covariance = np.einsum("ia,jb,ij->iajb", loads, loads, drifts)
            for row in range(count):
                cross = config.flow_return * sigma[row]
                own = sigma[row] ** 2 + jumps[row] * config.jump_size**2
                covariance[row, :, row, :] += [[own, cross], [cross, 1 - config.flow_drift**2]]
            covariance = covariance.reshape(2 * count, 2 * count)
            toward = (loads * drifts[-1][:, None]).ravel()
            solved = np.linalg.solve(covariance, np.stack([seen, toward], axis=1))
            logs.append(
                np.log(chances).sum()
                + np.log(counts[list(jumps)]).sum()
                + volume_log
                - 0.5 * (np.linalg.slogdet(covariance)[1] + seen @ solved[:, 0])
            )
            means.append(toward @ solved[:, 0])
            spreads.append(1 - toward @ solved[:, 1])
            last.append(regimes[-1])
    weight = np.exp(np.array(logs) - max(logs))
    weight /= weight.sum()
    mean = weight @ np.array(means)
    return mean, weight @ (np.array(spreads) + (np.array(means) - mean) ** 2), weight @ np.array(last)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_agrees_with_the_enumeration_of_all_regimes_and_jumps(seed):
    config = SyntheticConfig(
        instruments=1, bars=4, edge=0.8, flow_drift=0.5, half_life=3.0, regime_bars=(4.0, 2.0), jump_rate=0.2,
        volume_noise=1.0, arch=(0.1, 0.3), garch=(0.5, 0.3), volatility=(0.002, 0.006), jump_size=0.01,
    )  # fmt: skip
    bars = simulate(config, seed).bars["SYN0USD"]
    kept = filter_bars(config, bars, np.array([3]), 40_000, np.random.default_rng(seed))
    mean, variance, turbulent = enumerated(config, bars)
    # The comb's error falls as 1 / particles: 3e-5 here, measured over 20 combs.
    assert kept.drift_mean.mean() == pytest.approx(mean, abs=2e-4)
    assert kept.drift_variance.mean() + kept.drift_mean.var() == pytest.approx(variance, abs=2e-4)
    assert kept.regime.mean() == pytest.approx(turbulent, abs=2e-4)


def test_few_particles_agree_with_many():
    """Alike particles invite a comb to draw one kind of branch only; see `market.synthetic_filter.branch`."""
    config = SyntheticConfig(instruments=1, bars=2000)
    bars = simulate(config, seed=5).bars["SYN0USD"]
    rows = np.arange(100, 2000)
    few, many = (filter_bars(config, bars, rows, count, np.random.default_rng(count)) for count in (32, 1000))
    for name, error in (("drift_mean", 0.02), ("regime", 0.1)):
        difference = getattr(few, name).mean(axis=1) - getattr(many, name).mean(axis=1)
        assert np.sqrt(np.mean(difference**2)) < error
        assert abs(difference.mean()) < error / 4


def test_a_filter_of_the_past_does_not_see_the_future():
    config = SyntheticConfig(instruments=1, bars=600)
    bars = simulate(config, seed=6).bars["SYN0USD"]
    whole = filter_bars(config, bars, np.array([299]), 16, np.random.default_rng(9))
    cut = filter_bars(config, bars[:300], np.array([299]), 16, np.random.default_rng(9))
    np.testing.assert_array_equal(whole.drift_mean, cut.drift_mean)
    np.testing.assert_array_equal(whole.variances, cut.variances)


def test_its_chances_of_the_regime_come_true():
    config = SyntheticConfig(instruments=1, bars=20_000)
    simulated = simulate(config, seed=7)
    kept = filter_bars(config, simulated.bars["SYN0USD"], np.arange(20_000), 64, np.random.default_rng(0))
    chance, truth = kept.regime.mean(axis=1), simulated.latent["SYN0USD"].regime
    assert np.mean((chance > 0.5) == truth) > 0.9
    for low, high in ((0.0, 0.1), (0.1, 0.9), (0.9, 1.01)):
        inside = (chance >= low) & (chance < high)
        assert truth[inside].mean() == pytest.approx(chance[inside].mean(), abs=0.08)


def test_an_impossible_branch_does_not_blind_the_filter():
    """Without jumps the two branches with jumps have no chance, however well they would explain an extreme return."""
    config = msgspec.structs.replace(PLAIN, bars=50)
    bars = simulate(config, seed=1).bars["SYN0USD"]
    bars["close"][30] *= 1.5
    kept = filter_bars(config, bars, np.array([49]), 4, np.random.default_rng(0))
    assert np.isfinite(kept.drift_mean).all()
