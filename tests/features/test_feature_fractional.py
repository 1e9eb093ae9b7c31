"""Fractional differentiation: the book's weights, exact sums, and an order fitted by a test that is statsmodels'."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue import CATALOGUE
from features.catalogue.memory import ORDERS, FractionalFit, critical_value, stationary
from features.conformance import plain_bars, replayed
from features.engine import FeatureEngine
from features.errors import FeatureError
from features.feature_set import FeatureSet
from features.fitting import fit_features
from features.kernels.breaks import dickey_fuller
from features.kernels.fractional import fractional_weights
from market.time import MINUTE
from models.statistics.fractional import fixed_width_weights, fractional_difference
from models.statistics.stationarity import adf
from tests.models.test_stationarity import STATSMODELS

pytestmark = pytest.mark.xdist_group("features")


def walk(count: int, seed: int) -> np.ndarray:
    return 5.0 + 0.01 * np.random.default_rng(seed).standard_normal(count).cumsum()


@pytest.mark.parametrize("seed", range(8))
def test_the_statistic_is_the_other_implementation_s(seed):
    series = walk(400, seed) if seed % 2 else np.random.default_rng(seed).standard_normal(400)
    some, value = dickey_fuller(series)
    assert some
    assert value == pytest.approx(adf(series, 1), rel=1e-9)


@pytest.mark.parametrize(("seed", "value"), [(s, v) for s, lags, trend, v in STATSMODELS if lags == 1 and not trend])
def test_the_statistic_is_statsmodels_adfuller(seed, value):
    assert dickey_fuller(np.random.default_rng(seed).normal(size=120).cumsum())[1] == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("series", [np.zeros(50), np.ones(50), 3.0 + 0.1 * np.arange(50.0), np.exp(np.arange(50.0))])
def test_series_without_independent_moves_have_no_statistic_and_only_those_that_stand_still_pass(series):
    assert dickey_fuller(series) == (False, 0.0)
    assert stationary(series) == (series[0] == series[-1])


def test_critical_values_are_mackinnon_s():
    """MacKinnon (2010), table 2, constant, 5 %; the limit is -2.8615."""
    assert critical_value(10**9) == pytest.approx(-2.86154, abs=1e-8)
    assert critical_value(50) == pytest.approx(-2.86154 - 2.8903 / 50 - 4.234 / 2500 - 40.04 / 125_000, abs=1e-12)


def test_at_the_critical_value_one_walk_in_twenty_passes():
    passed = sum(stationary(walk(250, seed)) for seed in range(2_000))
    assert passed == pytest.approx(100, abs=4 * np.sqrt(95))


def test_the_order_is_the_smallest_that_passes():
    series = walk(3_000, 3)
    order, *kept = FractionalFit(64)([series[:, None]])
    passes = [stationary(fractional_difference(series, fractional_weights(one, 64))[63:]) for one in ORDERS]
    assert 0.0 < order < 1.0
    assert order == ORDERS[passes.index(True)]
    assert kept == fractional_weights(order, 64).tolist()


def test_white_noise_needs_no_differencing_and_an_explosion_gets_all_there_is():
    noise = np.random.default_rng(1).standard_normal(2_000)
    assert FractionalFit(64)([noise[:, None]])[0] == 0.0
    explosion = noise.copy()
    for row in range(1, len(noise)):
        explosion[row] += 1.01 * explosion[row - 1]
    assert FractionalFit(64)([explosion[:, None]])[0] == 1.0


def test_every_long_run_must_pass_and_short_ones_have_no_say():
    noise, drifting = np.random.default_rng(1).standard_normal((2_000, 1)), walk(2_000, 3)[:, None]
    alone = FractionalFit(64)([drifting])[0]
    assert alone > 0.0
    assert FractionalFit(64)([noise, drifting])[0] == FractionalFit(64)([drifting, noise])[0] == alone
    assert FractionalFit(64)([noise, drifting[:999]])[0] == 0.0
    with pytest.raises(FeatureError, match="has 127 bars and needs 128"):
        FractionalFit(64)([noise[:127]] * 9)


@settings(deadline=None)
@given(st.floats(0.05, 1.0))
def test_weights_of_a_fixed_width_are_the_book_s_until_its_threshold(order):
    book = fixed_width_weights(order, 1e-3)[:64]
    np.testing.assert_array_equal(fractional_weights(order, 64)[: len(book)], book)


@pytest.mark.parametrize("order", [0.0, 1.0])
def test_order_0_is_the_log_price_and_order_1_its_return(order):
    unfitted = FeatureSet(("fractional_log_price_64",), MINUTE, 3)
    engine = FeatureEngine(unfitted.with_fitted({"fractional_64": (order, *fractional_weights(order, 64).tolist())}))
    bars = plain_bars(300, 1)
    logs = np.log(bars["close"])
    expected = logs if order == 0.0 else np.diff(logs, prepend=np.nan)
    np.testing.assert_allclose(replayed(engine, bars)[63:, 0], expected[63:], rtol=0, atol=1e-14)


def test_the_z_score_does_not_know_the_price_s_unit():
    names = ("fractional_z_64_96", "fractional_log_price_64")
    engine = FeatureEngine(fit_features(FeatureSet(names, MINUTE, 3), {"A": plain_bars(3_000, 2)}, 0, 3_000 * MINUTE))
    bars, other = plain_bars(1_000, 4), plain_bars(1_000, 4)
    for name in ("open", "high", "low", "close"):
        other[name] *= 1e-7
    one, two = replayed(engine, bars)[200:], replayed(engine, other)[200:]
    np.testing.assert_allclose(one[:, 0], two[:, 0], rtol=0, atol=1e-9)
    level = np.log(1e-7) * sum(engine.feature_set.fitted["fractional_64"][1:])
    np.testing.assert_allclose(two[:, 1], one[:, 1] + level, rtol=0, atol=1e-12)


def test_warmups_are_the_widths():
    expected = {
        "fractional_log_price_64": 64,
        "fractional_log_price_256": 256,
        "fractional_z_64_96": 159,
        "fractional_z_256_384": 639,
    }
    assert {name: (CATALOGUE[name].warmup, CATALOGUE[name].memory) for name in expected} == {
        name: (bars, bars) for name, bars in expected.items()
    }
