from __future__ import annotations

import re

import numpy as np
import pytest

from features.catalogue import CATALOGUE, GROUPS, default_features, disabled_features
from features.conformance import plain_bars, replayed
from features.feature_set import FeatureSet
from market.bars import FIELDS, PRICE_FIELDS
from market.time import HOUR, MINUTE
from tests.features.cross_reference import CROSS

pytestmark = pytest.mark.xdist_group("features")  # one worker compiles the catalogue, once

FLOW_FEATURES = {name for name in CATALOGUE if name.startswith(("taker", "trade", "quote"))}
BOOK_FEATURES = {feature.name for feature in GROUPS["book"]}
FUNDING_FEATURES = {feature.name for feature in GROUPS["funding"]}
OPTIONAL = FLOW_FEATURES | BOOK_FEATURES | FUNDING_FEATURES | set(CROSS)


def test_names_are_unique_over_the_groups():
    assert sum(len(group) for group in GROUPS.values()) == len(CATALOGUE)
    assert len(default_features(FIELDS)) >= 200
    assert all(len(group) >= 4 for group in GROUPS.values())


@pytest.mark.parametrize("name", CATALOGUE)
def test_metadata_is_complete(name):
    feature = CATALOGUE[name]
    assert re.fullmatch(r"[a-z][a-z0-9_]*", feature.name)
    assert 0 < feature.scale <= 100
    assert feature.unit
    assert feature.source
    assert len(feature.meaning) > 20
    assert 1 <= feature.warmup <= (500 if feature.cost == "cheap" else 1_000)
    assert feature.memory is None or feature.memory >= 1
    assert feature.fields <= set(FIELDS)
    assert feature.kernel.startswith("features.kernels.")
    numbers = re.findall(r"(?<=_)\d+(?=_|$)", name)
    assert [float(number) for number in numbers] == [float(value) for value in feature.parameters.values()]


def test_sources_without_order_flow_switch_off_exactly_what_needs_it():
    assert set(default_features(FIELDS)) - set(default_features(PRICE_FIELDS)) == OPTIONAL
    assert set(disabled_features(PRICE_FIELDS)) == OPTIONAL
    assert disabled_features(PRICE_FIELDS)["ofi_8"] == (
        "needs ask_depth, bid_depth, order_flow_imbalance, which the bars lack"
    )
    without_sizes = [name for name in FIELDS if name not in ("bid_size", "ask_size")]
    assert {name for name in BOOK_FEATURES if name.startswith(("queue", "microprice_tilt"))} == set(
        disabled_features(without_sizes)
    )
    assert disabled_features(PRICE_FIELDS)["trade_size_z_96"] == "needs trade_count, which the bars lack"
    everything = [name for name, one in CATALOGUE.items() if one.cost == "cheap" and not one.fitted]
    assert list(default_features(FIELDS)) == everything
    assert disabled_features(FIELDS) == {}


def test_default_order_is_the_catalogues():
    names = default_features(PRICE_FIELDS)
    assert list(names) == [name for name in CATALOGUE if name in names]


def test_declared_warmups():
    expected = {
        "scaled_return_1": 97,
        "ewma_volatility_96": 97,
        "rsi_14": 15,
        "adx_14": 28,
        "aroon_up_25": 26,
        "trend_t_24": 24,
        "close_location": 1,
        "momentum_t_48": 49,
        "volatility_ratio_96_384": 385,
        "taker_imbalance_ewma_64": 64,
        "hma_distance_25": 97,
        "kama_distance_10_2_30": 97,
        "ichimoku_cloud_9_26_52": 97,
        "autocorrelation_24_96": 97,
        "deepest_drawdown_96": 191,
        "stochastic_rsi_14_14": 28,
        "vortex_24": 25,
        "skewness_384": 385,
        "donchian_24": 24,
        "taker_vpin_48": 48,
    }
    assert {name: CATALOGUE[name].warmup for name in expected} == expected
    assert FeatureSet(default_features(FIELDS), MINUTE, 0).warmup == 385


def test_memory_is_the_largest_or_endless():
    assert FeatureSet(("trend_t_24", "momentum_t_48"), MINUTE, 0).memory == 49
    assert FeatureSet(("trend_t_24", "rsi_14"), MINUTE, 0).memory is None


def test_features_do_not_depend_on_price_level_or_volume_unit(engine):
    """Powers of two scale exactly, so all but the price-rounded money flow keep their bits."""
    bars = plain_bars(1_500, 31)
    scaled = bars.copy()
    for name in ("open", "high", "low", "close", "spread", "microprice", "mark_price"):
        scaled[name] *= 2.0**9
    sides = [f"{side}_{what}" for side in ("bid", "ask") for what in ("size", "depth", "slope")]
    flows = ("order_flow_imbalance", "multilevel_order_flow_imbalance")
    for name in ("volume", "taker_buy_volume", *sides, *flows):
        scaled[name] *= 2.0**-5
    scaled["quote_volume"] *= 2.0**4
    np.testing.assert_allclose(replayed(engine, scaled), replayed(engine, bars), rtol=1e-12, atol=1e-12)


def test_mirrored_prices_mirror_the_signed_features(engine):
    """Prices replaced by their reciprocals turn every log return around."""
    bars = plain_bars(1_500, 32, price=1.0)
    mirror = bars.copy()
    mirror["open"], mirror["close"] = 1.0 / bars["open"], 1.0 / bars["close"]
    mirror["high"], mirror["low"] = 1.0 / bars["low"], 1.0 / bars["high"]
    bars["quote_volume"], mirror["quote_volume"] = (
        1.0001 * bars["quote_volume"],
        mirror["volume"] * mirror["close"] / 1.0001,
    )
    rows, turned = replayed(engine, bars), replayed(engine, mirror)
    odd = ("scaled_return", "return_ewma", "momentum_t", "ema_distance", "efficiency", "macd", "trend_t", "price_z")
    odd += (
        "trix",
        "skewness",
        "obv_slope",
        "vwap_deviation",
        "open_gap",
        "dema",
        "tema",
        "hma",
        "kama",
        "true_strength",
    )
    odd += ("trend_slope", "trend_residual", "trend_scan_t", "force", "return_volume", "taker_return", "taker_kyle")
    odd += ("bulk_imbalance", "quote_vwap_deviation")
    even = ("ewma_volatility", "volatility_ratio", "parkinson", "garman", "rogers", "excess", "autocorrelation")
    even += ("close_to_close", "yang_zhang", "bipower", "jump_share", "variance_ratio", "hurst", "bollinger_width")
    even += ("size", "corwin", "bekker", "abdi", "kyle", "bulk_vpin", "trend_r2", "trend_scan_place")
    for column, name in enumerate(engine.feature_set.names):
        sign = -1 if name.startswith(odd) else 1
        if name.startswith(odd + even):
            np.testing.assert_allclose(turned[:, column], sign * rows[:, column], rtol=1e-8, atol=1e-8, err_msg=name)
    of = dict(zip(engine.feature_set.names, rows.T, strict=True))
    mirrored = dict(zip(engine.feature_set.names, turned.T, strict=True))
    for one, other, sign in (
        ("largest_return_96", "smallest_return_96", -1),
        ("upside_ratio_96", "downside_ratio_96", 1),
        ("drawdown_384", "runup_384", -1),
        ("aroon_up_25", "aroon_down_25", 1),
    ):
        np.testing.assert_allclose(mirrored[one], sign * of[other], rtol=1e-8, atol=1e-8, err_msg=one)


def test_the_funding_clock_and_weekends():
    from features.engine import FeatureEngine

    names = ("funding_time_sin", "funding_time_cos", "half_day_cos", "minute_cos", "weekend")
    bars = plain_bars(7 * 24, 1, interval=HOUR, start=4 * 24 * HOUR)  # Monday 1970-01-05 00:00
    rows = FeatureEngine(FeatureSet(names, HOUR, 0)).replay(bars)
    np.testing.assert_allclose(rows[[1, 7, 15, 23], 0], [1.0, 0.0, 0.0, 0.0], atol=1e-14)  # 02:00, and each settlement
    np.testing.assert_allclose(rows[[7, 15, 23, 3], 1], [1.0, 1.0, 1.0, -1.0], atol=1e-14)
    np.testing.assert_allclose(rows[[5, 11], 2], [-1.0, 1.0], atol=1e-14)
    np.testing.assert_allclose(rows[:, 3], 1.0, atol=1e-13)
    assert rows[:, 4].tolist() == [0.0] * 120 + [1.0] * 48  # the bar that ends on Monday 00:00 is Sunday's


def test_calendar_is_that_of_the_bars_end(engine):
    bars = plain_bars(48, 1, interval=HOUR, start=4 * 24 * HOUR)  # Monday 1970-01-05 00:00
    from features.engine import FeatureEngine

    names = ("hour_sin", "hour_cos", "weekday_sin", "weekday_cos")
    rows = FeatureEngine(FeatureSet(names, HOUR, 0)).replay(bars)
    np.testing.assert_allclose(rows[5, :2], [1.0, 0.0], atol=1e-15)  # ends at 06:00
    np.testing.assert_allclose(rows[23, :2], [0.0, 1.0], atol=1e-15)  # ends at midnight
    np.testing.assert_allclose(rows[23, 2:], [np.sin(2 * np.pi / 7), np.cos(2 * np.pi / 7)], atol=1e-15)
