"""Hidden Markov filters against every path there is, their fit against planted regimes; ranks of volatility."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue.regimes import LEAST_TRANSITION, SPREAD, MarkovFit, flat
from features.conformance import flattened, plain_bars, replayed
from features.engine import FeatureEngine
from features.errors import FeatureError
from features.feature_set import FeatureSet
from features.fitting import fit_features
from features.kernels.markov import expectations, filter_step, layout
from market.time import MINUTE

pytestmark = pytest.mark.xdist_group("features")


def model(states: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random transitions, means and deviations."""
    random = np.random.default_rng(seed)
    return random.dirichlet(np.ones(states), states), random.normal(size=states), random.uniform(0.3, 2.0, states)


def normal(x: float, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    return np.exp(-(((x - mean) / deviation) ** 2) / 2) / deviation / np.sqrt(2 * np.pi)


def every_path(series: np.ndarray, states: int, seed: int) -> dict[tuple[int, ...], float]:
    """The joint probability of a series with each path of states."""
    transitions, mean, deviation = model(states, seed)
    densities = [normal(x, mean, deviation) for x in series]
    found = {}
    for path in itertools.product(range(states), repeat=len(series)):
        weight = 1.0 / states
        for row, one in enumerate(path):
            weight *= densities[row][one] * (transitions[path[row - 1], one] if row else 1.0)
        found[path] = weight
    return found


def filtered_by_step(series: np.ndarray, states: int, values: np.ndarray) -> np.ndarray:
    size = layout(states)[-1]
    state = np.concatenate([values, np.zeros(2 * states + 1)])
    return np.array([filter_step(state, size, x, 0, states)[:states] for x in series])


@pytest.mark.parametrize("states", [2, 3])
@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32), st.lists(st.floats(-5, 5), min_size=1, max_size=6))
def test_the_filter_is_the_sum_over_all_paths(states, seed, values):
    series = np.array(values)
    found = filtered_by_step(series, states, flat(*model(states, seed)))
    for row in range(len(series)):
        paths = every_path(series[: row + 1], states, seed)
        share = [sum(w for path, w in paths.items() if path[-1] == one) for one in range(states)]
        np.testing.assert_allclose(found[row], np.array(share) / sum(share), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("states", [2, 3])
@pytest.mark.parametrize("length", [1, 2, 6])
def test_likelihood_and_expectations_are_sums_over_all_paths(states, length):
    series = np.random.default_rng(length).normal(size=length)
    sums = np.zeros(layout(states)[-1])
    likelihood = expectations(series, flat(*model(states, 7)), states, np.empty((length, 2 * states)), sums)
    paths = every_path(series, states, 7)
    total = sum(paths.values())
    assert likelihood == pytest.approx(np.log(total), rel=1e-12)
    expected = np.zeros_like(sums)
    for path, weight in paths.items():
        for row, one in enumerate(path):
            square = states * states
            for place, value in ((0, 1.0), (1, series[row]), (2, series[row] ** 2)):
                expected[square + place * states + one] += weight / total * value
            if row:
                expected[path[row - 1] * states + one] += weight / total
    np.testing.assert_allclose(sums, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("far", [1e3, -1e12, 8e21])
def test_values_far_from_every_state_keep_probabilities(far):
    found = filtered_by_step(np.array([0.1, far, far, 0.2]), 3, flat(*model(3, 5)))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)


def planted(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """States that stay for 50 and 20 rows, deviations 0.5 and 1.8, and what they emit."""
    random = np.random.default_rng(seed)
    states = np.zeros(count, int)
    for row in range(1, count):
        leave = (0.02, 0.05)[states[row - 1]]
        states[row] = states[row - 1] ^ (random.random() < leave)
    return states, random.normal(size=count) * np.array([0.5, 1.8])[states] + np.array([0.1, -0.2])[states]


TRUE = flat(np.array([[0.98, 0.02], [0.05, 0.95]]), np.array([0.1, -0.2]), np.array([0.5, 1.8]))


def test_planted_regimes_are_found():
    """Twice the gain in log likelihood over the truth is chi-squared of 6 parameters: 22.5 once in a thousand."""
    _, series = planted(20_000, 1)
    runs = [series[:12_000, None], series[12_000:, None]]
    fit = MarkovFit(2)
    values = np.array(fit(runs))
    series_of = [run[:, 0].copy() for run in runs]
    gain = 2.0 * (fit.expect(series_of, values)[0] - fit.expect(series_of, TRUE)[0])
    assert 0.0 < gain < 22.5
    np.testing.assert_allclose(1.0 / values[6:8], [0.5, 1.8], rtol=0.03)
    np.testing.assert_allclose(values[8:10], np.log(1.0 / values[6:8]), rtol=1e-12)


def test_the_filter_tells_planted_states_nearly_as_well_as_they_can_be_told():
    states, series = planted(20_000, 2)
    fitted = filtered_by_step(series, 2, np.array(MarkovFit(2)([series[:10_000, None]])))[10_000:, 1]
    best = filtered_by_step(series, 2, TRUE)[10_000:, 1]
    right, ceiling = (((one > 0.5) == states[10_000:]).mean() for one in (fitted, best))
    assert ceiling - 0.005 < right <= ceiling + 0.003
    assert right > 0.93


@pytest.mark.parametrize("states", [2, 3])
def test_every_round_of_the_fit_is_at_least_as_likely(states):
    series = [planted(2_000, 3)[1]]
    fit = MarkovFit(states)
    stay = np.full((states, states), 0.05 / (states - 1)) + np.eye(states) * (0.95 - 0.05 / (states - 1))
    values = flat(stay, np.zeros(states), np.array(SPREAD[states]))
    likelihoods = []
    for _ in range(40):
        likelihood, sums = fit.expect(series, values)
        likelihoods.append(likelihood)
        values = fit.maximised(sums, float(series[0].var()))
    assert (np.diff(likelihoods) > -1e-8 * abs(likelihoods[0])).all()
    assert likelihoods[-1] > likelihoods[0] + 10


@pytest.mark.parametrize("states", [2, 3])
def test_states_are_ordered_by_deviation_and_none_vanishes(states):
    calm = np.random.default_rng(5).normal(size=(3_000, 1))
    values = np.array(MarkovFit(states)([calm]))
    transitions, _, inverse, _ = np.split(values, np.cumsum([states**2, states, states]))
    assert (np.diff(1.0 / inverse) >= 0).all()
    assert (transitions >= LEAST_TRANSITION / 2).all()
    np.testing.assert_allclose(transitions.reshape(states, states).sum(axis=1), 1.0, rtol=1e-12)
    assert values.tolist() == MarkovFit(states)([calm])


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([np.zeros((399, 1))], "399 returns after warm-up for 2 states need 200 each"),
        ([np.zeros((500, 1))], "do not vary"),
        ([], "0 returns"),
    ],
)
def test_what_cannot_be_fitted_is_refused(runs, message):
    with pytest.raises(FeatureError, match=message):
        MarkovFit(2)(runs)


def test_the_feature_tells_regimes_of_a_market_after_its_training_window():
    states, series = planted(12_000, 4)
    bars = plain_bars(12_000, 11)
    for name in ("open", "high", "low", "close"):
        bars[name] = 100.0 * np.exp(2e-3 * series.cumsum())
    names = ("regime_turbulent_2", "regime_calm_3", "regime_turbulent_3", "volatility_rank_24_384")
    fitted = fit_features(FeatureSet(names, MINUTE, 3), {"A": bars}, 0, 6_000 * MINUTE)
    rows, after = replayed(FeatureEngine(fitted), bars)[6_000:], states[6_000:]
    assert ((rows[:, 0] > 0.5) == after).mean() > 0.88
    stormy, calm = rows[after == 1].mean(axis=0), rows[after == 0].mean(axis=0)
    assert stormy[0] > 0.7 > 0.2 > calm[0]
    assert stormy[1] < calm[1]
    assert stormy[2] > calm[2]
    assert stormy[3] > 0.6 > 0.5 > calm[3]


def test_ranks_of_equal_values_are_one_half():
    engine = FeatureEngine(FeatureSet(("volatility_rank_24_384", "volatility_ratio_rank_12_96_384"), MINUTE, 3))
    still = flattened(plain_bars(3_000, 2), 1, 3_000, silent=True)
    np.testing.assert_array_equal(replayed(engine, still)[500:], 0.5)
