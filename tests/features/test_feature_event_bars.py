"""Features over bars on no grid: real trades as dollar bars, of which some start with the bar before."""

from __future__ import annotations

import numpy as np
import pytest

from features.catalogue import GROUPS, default_features
from features.engine import FeatureEngine
from features.errors import BarError
from features.feature_set import FeatureSet
from market.bar_builders.names import parse_spec
from market.bars import PANEL_FIELDS, present_fields
from market.lake import Lake
from market.time import DAY
from market.trades.bars import bars_key, build_from_lake
from market.trades.imports import import_trades
from market.trades.lake import TradeLake

# With the worker of the catalogue's other tests: the same code computes real bars on a grid, and is compiled once.
pytestmark = [pytest.mark.real_data, pytest.mark.xdist_group("features")]
SPEC = parse_spec("dollar-20000")


@pytest.fixture(scope="module")
def bars(real_data, tmp_path_factory):
    """A day of PEPEUSDT, through both lakes; alone in its panel, which is therefore neutral."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    path = real_data / "trades" / "spot-PEPEUSDT-aggTrades-2024-10-27.zip"
    source = import_trades(path, TradeLake(lake.root), "binance").written.key
    build_from_lake(lake, source, SPEC)
    bars = lake.read(bars_key(source, SPEC))
    for name in PANEL_FIELDS:
        bars[name] = 0.0
    return bars


@pytest.fixture(scope="module")
def engine(bars):
    return FeatureEngine(FeatureSet(default_features(present_fields(bars)), 0, 0))


@pytest.fixture(scope="module")
def rows(engine, bars):
    engine.reset()
    return engine.replay(bars)


def test_the_bars_share_times_and_have_what_trades_say(bars):
    assert len(bars) > 1500
    assert (np.diff(bars["start"]) == 0).sum() > 10
    assert present_fields(bars) >= {"quote_volume", "trade_count", "taker_buy_volume", "vwap"}


def test_every_feature_is_finite_behind_its_warm_up(engine, rows):
    """No hole in time is a gap: nothing starts anew during the day."""
    for column, feature in enumerate(engine.feature_set.features):
        assert feature.warmup < len(rows), feature.name
        assert np.isfinite(rows[feature.warmup :, column]).all(), feature.name
        assert np.isnan(rows[: feature.warmup - 1, column]).all(), feature.name


def test_bar_by_bar_and_from_a_snapshot_it_is_the_same_bytes(engine, bars, rows):
    engine.reset()
    live = np.array([engine.update(bar) for bar in bars[:1000]])
    snapshot = engine.snapshot()
    rest = engine.replay(bars[1000:])
    assert live.tobytes() == rows[:1000].tobytes()
    assert rest.tobytes() == rows[1000:].tobytes()
    engine.restore(snapshot)
    assert engine.replay(bars[1000:]).tobytes() == rest.tobytes()


def test_values_are_those_of_rows_not_of_the_clock(engine, bars, rows):
    """Bars as far apart as one likes give the same values, but for the calendar's."""
    spread = bars.copy()
    spread["start"] += np.arange(len(bars)) * DAY
    spread["end"] += np.arange(len(bars)) * DAY
    engine.reset()
    moved = engine.replay(spread)
    calendar = {feature.name for feature in GROUPS["calendar"]}
    kept = [name not in calendar for name in engine.feature_set.names]
    assert moved[:, kept].tobytes() == rows[:, kept].tobytes()
    assert np.nanmax(np.abs(moved - rows)) > 0


def test_returns_are_those_of_consecutive_bars(engine, bars, rows):
    column = engine.feature_set.names.index("scaled_return_1")
    moves = np.diff(np.log(bars["close"]), prepend=np.nan)
    defined = np.isfinite(rows[:, column])
    assert defined.sum() > 2900
    assert (moves != 0).sum() > 900
    assert (np.sign(rows[defined, column]) == np.sign(moves[defined])).all()


def test_overlapping_bars_are_refused(engine, bars):
    engine.reset()
    spoiled = bars.copy()
    spoiled["end"][10] = bars["start"][11] + 1
    with pytest.raises(BarError, match=r"bar 11 .* is before the end of the bar before it"):
        engine.replay(spoiled)
