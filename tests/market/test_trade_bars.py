"""Bars of the lake's trades: in pieces the bytes of one call, and nothing mixed with what has changed."""

from __future__ import annotations

import numpy as np
import pytest
from bar_twins import random_trades
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from market_bars import tree

from market.bar_builders.builder import build_bars
from market.bar_builders.names import parse_spec
from market.bar_builders.spec import BarSpec
from market.errors import LakeError, TradeError
from market.lake import Lake, SeriesKey
from market.quality import check_bars
from market.time import DAY, MINUTE, parse_time
from market.trades import bars as module
from market.trades.bars import RECORD, bars_key, build_from_lake
from market.trades.lake import TradeLake, trade_key
from market.trades.read import read_trades

KEY = trade_key("venue", "BTCUSDT")
SPECS = {
    "time": BarSpec("time", interval=MINUTE),
    "tick": parse_spec("tick-3"),
    "volume": parse_spec("volume-0.5"),
    "dollar": parse_spec("dollar-500"),
    "imbalance": parse_spec("tick-imbalance-adaptive-10:5:50:2:100"),
    "run": parse_spec("dollar-run-400-tick-rule"),
}
every_spec = pytest.mark.parametrize("name", list(SPECS))


def bursts(count=2000, seed=1):
    """Trades of five days over the end of a month, six at each time."""
    trades = random_trades(count, seed)
    burst = np.arange(count) // 6
    trades["time"] = parse_time("2025-01-29T12:00") + burst * (5 * DAY // burst[-1])
    return trades


TRADES = bursts()


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


def put(lake, trades):
    return TradeLake(lake.root).write(KEY, trades)


def built(lake, spec):
    return tree(lake.root / bars_key(KEY, spec).folder)


@every_spec
def test_the_series_has_the_builder_s_bars(lake, name):
    spec = SPECS[name]
    put(lake, TRADES)
    done = build_from_lake(lake, KEY, spec)
    bars = build_bars(TRADES, spec)
    bars = bars[1:] if spec.kind == "time" else bars
    assert lake.read(bars_key(KEY, spec)).tobytes() == bars.tobytes()
    assert (done.trades, done.added, done.known, done.skipped) == (2000, len(bars), 0, 0)
    assert len(bars) > 100
    before = tree(lake.root)
    again = build_from_lake(lake, KEY, spec)
    assert (again.trades, again.added, again.known, again.in_progress) == (0, 0, 0, done.in_progress)
    assert tree(lake.root) == before


@every_spec
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.sets(st.integers(1, 1999), max_size=5), checkpoint=st.integers(1, 3))
def test_in_pieces_the_files_are_those_of_one_call(tmp_path_factory, monkeypatch, name, cuts, checkpoint):
    """Cuts fall inside bars, days and times; states are stored every few days."""
    spec = SPECS[name]
    whole, pieces = Lake(tmp_path_factory.mktemp("whole")), Lake(tmp_path_factory.mktemp("pieces"))
    put(whole, TRADES)
    build_from_lake(whole, KEY, spec)
    with monkeypatch.context() as patch:
        patch.setattr(module, "CHECKPOINT", checkpoint)
        for part in np.split(TRADES, sorted(cuts)):
            put(pieces, part)
            build_from_lake(pieces, KEY, spec)
    assert built(pieces, spec) == built(whole, spec)


@every_spec
def test_what_an_interruption_leaves_is_finished(lake, name):
    """The bars are there and the record of how far they have come is an older one, or none."""
    spec = SPECS[name]
    put(lake, TRADES[:777])
    build_from_lake(lake, KEY, spec)
    record = lake.root / bars_key(KEY, spec).folder / RECORD
    older = record.read_bytes()
    put(lake, TRADES[777:])
    done = build_from_lake(lake, KEY, spec)
    finished = built(lake, spec)
    record.write_bytes(older)
    again = build_from_lake(lake, KEY, spec)
    assert (again.added, again.known) == (0, done.added)
    assert built(lake, spec) == finished
    record.unlink()
    assert build_from_lake(lake, KEY, spec).added == 0
    assert built(lake, spec) == finished


def test_missing_ids_refuse_the_work_or_are_counted(lake):
    spec = SPECS["volume"]
    put(lake, TRADES[:700])
    build_from_lake(lake, KEY, spec)
    put(lake, TRADES[1000:1500])
    before = tree(lake.root)
    with pytest.raises(TradeError, match=r"lacks the ids between 704 and 1005 \(2025-01-.*; import them"):
        build_from_lake(lake, KEY, spec)
    assert tree(lake.root) == before
    assert build_from_lake(lake, KEY, spec, gaps="report").skipped == 300
    put(lake, TRADES[700:1000])
    with pytest.raises(LakeError, match=r"took 1200 trades up to id 1504; the lake now has 1500 of them, or others"):
        build_from_lake(lake, KEY, spec)


@pytest.mark.parametrize("change", ["earlier", "replaced", "record", "months", "source"])
def test_a_series_whose_ground_has_moved_is_left_as_it_is(lake, change):
    spec = SPECS["dollar"]
    key = bars_key(KEY, spec)
    put(lake, TRADES[500:1500])
    build_from_lake(lake, KEY, spec)
    source, message = KEY, "delete .*dollar-500 to build it anew"
    if change == "earlier":
        put(lake, TRADES[:500])
        message = "took 1000 trades up to id 1504; the lake now has 1500.*" + message
    elif change == "replaced":
        other = TRADES[1499:1500].copy()
        other["quantity"] += 1
        TradeLake(lake.root).write(KEY, other, replace=True)
        message = "took 1000 trades up to id 1504; the lake now has 1000 of them, or others.*" + message
    elif change == "record":
        (lake.root / key.folder / RECORD).write_bytes(b"{}")
        message = "builder.json: is damaged.*" + message
    elif change == "months":
        put(lake, TRADES[1500:])
        (lake.root / key.folder / "month=2025-01.parquet").unlink()
        message = "bars of the .* that were built.*" + message
    else:
        source = trade_key("venue", "BTCUSDT", "agg_trades")
        TradeLake(lake.root).write(source, TRADES)
        message = "was built from .*kind=trades.*, not .*kind=agg_trades.*" + message
    before = tree(lake.root)
    with pytest.raises(LakeError, match=message):
        build_from_lake(lake, source, spec)
    assert tree(lake.root) == before


def test_bars_that_need_sides_and_unknown_series(lake):
    trades = TRADES.copy()
    trades["side"][100] = 0
    put(lake, trades)
    with pytest.raises(TradeError, match="these bars depend on it"):
        build_from_lake(lake, KEY, SPECS["imbalance"])
    assert lake.list() == []
    with pytest.raises(LakeError, match="has no series venue ETHUSDT irregular trades"):
        build_from_lake(lake, trade_key("venue", "ETHUSDT"), SPECS["dollar"])


@pytest.mark.real_data
def test_a_real_recording_in_two_halves_is_one_series(tmp_path, real_data):
    """Trades of milliseconds: some hundred dollar bars start with the bar before."""
    trades = read_trades(real_data / "trades" / "binance-spot-BTCUSDT-trades-20240808T2354.csv.gz").trades
    spec, key = parse_spec("dollar-20000"), SeriesKey("binance", "BTCUSDT", "bars", "dollar-20000")
    source, whole, halves = trade_key("binance", "BTCUSDT"), Lake(tmp_path / "whole"), Lake(tmp_path / "halves")
    TradeLake(whole.root).write(source, trades)
    build_from_lake(whole, source, spec)
    for part in np.split(trades, [9_999]):
        TradeLake(halves.root).write(source, part)
        build_from_lake(halves, source, spec)
    bars = build_bars(trades, spec)
    assert (np.diff(bars["start"]) == 0).sum() > 100
    assert check_bars(bars, 0).errors == ()
    assert whole.read(key).tobytes() == halves.read(key).tobytes() == bars.tobytes()
    assert tree(whole.root / key.folder) == tree(halves.root / key.folder)
