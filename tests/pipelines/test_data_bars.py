"""``bot4 data bars``: from trades in the lake to series of bars, listed and checked."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

sys.path.append(str(Path(__file__).resolve().parent.parent / "market"))
from bar_twins import random_trades
from market_bars import random_bars, tree

from market.bar_builders.builder import build_bars
from market.bar_builders.names import parse_spec
from market.bar_builders.spec import BarSpec
from market.lake import Lake, SeriesKey
from market.time import MINUTE
from market.trades.lake import TradeLake, trade_key
from pipelines.cli import app

RUNNER = CliRunner()
TRADES = random_trades(2000, 1)
KEY = trade_key("binance", "BTCUSDT")


def run(*arguments):
    return RUNNER.invoke(app, ["data", *map(str, arguments)], prog_name="bot4")


def build(workspace, *arguments):
    return run("bars", "--venue", "binance", "--workspace", workspace, *arguments)


@pytest.fixture
def workspace(tmp_path):
    TradeLake(tmp_path / "lake").write(KEY, TRADES[:1500])
    return tmp_path


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--kind", "dollar", "--threshold", "1e3"], "dollar-1000"),
        (["--kind", "tick", "--threshold", "7"], "tick-7"),
        (["--kind", "volume-imbalance", "--threshold", "2.50"], "volume-imbalance-2.5"),
        (
            ["--kind", "tick-run", "--adaptive", "20:5:100:5:50", "--sides", "tick-rule"],
            "tick-run-adaptive-20:5:100:5:50-tick-rule",
        ),
    ],
)
def test_a_second_call_goes_on_in_the_middle_of_a_bar(workspace, options, name):
    key, whole = SeriesKey("binance", "BTCUSDT", "bars", name), build_bars(TRADES, parse_spec(name))
    first = build(workspace, *options, "BTCUSDT")
    assert first.exit_code == 0, first.output
    assert f"binance BTCUSDT {name} bars: 1,500 new trades, " in first.output
    assert "building" in first.stderr
    lake = Lake(workspace / "lake")
    TradeLake(lake.root).write(KEY, TRADES)
    second = build(workspace, *options, "BTCUSDT")
    assert f"binance BTCUSDT {name} bars: 500 new trades, " in second.output
    assert lake.read(key).tobytes() == whole.tobytes()
    before = tree(lake.root)
    assert "0 new trades, 0 new bars, 0 known" in build(workspace, *options, "BTCUSDT").output
    assert tree(lake.root) == before


def test_list_and_check_show_what_lies_on_no_grid(workspace):
    build(workspace, "--kind", "dollar", "--threshold", "1000", "BTCUSDT")
    bars = build_bars(TRADES[:1500], parse_spec("dollar-1000"))
    Lake(workspace / "lake").write(SeriesKey("other", "X", "bars", "15m"), np.delete(random_bars(9), 4))
    listed = run("list", "--workspace", workspace).output
    assert listed.splitlines()[1].split()[:6] == ["binance", "BTCUSDT", "dollar-1000", str(len(bars)), "no", "grid"]
    done = run("check", "--workspace", workspace)
    assert done.exit_code == 0, done.output
    assert f"ok       binance BTCUSDT dollar-1000 bars: {len(bars)} bars, on no grid: gaps are not" in done.output
    assert "ok       other X 15m bars: 8 bars\n         warning gap: row 4" in done.output
    assert "ok       binance BTCUSDT irregular trades: 1,500 trades, days: 1" in done.output
    assert "3 of 3 series of" in done.output


def test_check_finds_damage_and_missing_ids(workspace):
    lake = Lake(workspace / "lake")
    build(workspace, "--kind", "dollar", "--threshold", "1000", "BTCUSDT")
    path = next((lake.root / "venue=binance").rglob("month=*.parquet"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    TradeLake(lake.root).write(trade_key("binance", "ETHUSDT"), np.delete(TRADES, [5, 6, 9]))
    done = run("check", "--workspace", workspace)
    # A folder's list reads, and so verifies, every file.
    assert done.exit_code == 2
    assert "is damaged" in done.output
    path.unlink()
    again = run("check", "--workspace", workspace)
    assert again.exit_code == 0
    assert "warning id_gap: 2 gaps, 3 ids missing; the largest is 2 ids before" in again.output


def test_time_bars_lack_the_first_and_join_the_venue_s_own(workspace):
    done = build(workspace, "--kind", "time", "--interval", "1m", "BTCUSDT")
    assert done.exit_code == 0, done.output
    stored = Lake(workspace / "lake").read(SeriesKey("binance", "BTCUSDT", "bars", "1m"))
    assert stored.tobytes() == build_bars(TRADES[:1500], BarSpec("time", interval=MINUTE))[1:].tobytes()


def test_trades_and_their_aggregates_are_not_mixed(workspace):
    TradeLake(workspace / "lake").write(trade_key("binance", "BTCUSDT", "agg_trades"), TRADES[:900])
    options = ("--kind", "tick", "--threshold", "9", "BTCUSDT")
    assert "has trades and agg_trades of binance BTCUSDT; say which" in build(workspace, *options).stderr
    assert "900 new trades" in build(workspace, *options, "--from", "agg_trades").output
    assert "was built from" in build(workspace, *options, "--from", "trades").stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kind", "dollar"], "dollar bars need a threshold"),
        (["--kind", "dollar", "--threshold", "0"], "must be above zero"),
        (["--kind", "dollar", "--threshold", "5", "--interval", "1m"], "dollar bars have no interval"),
        (["--kind", "time"], "time bars need an interval"),
        (["--kind", "time", "--interval", "1m", "--sides", "tick-rule"], "tick rule have no name"),
        (["--kind", "tick", "--adaptive", "20:5:100:5:50"], "only imbalance and run bars have adaptive ones"),
        (["--kind", "tick-run", "--adaptive", "20"], "such as 500:20:2000:50:5000"),
        (["--kind", "tick", "--threshold", "5", "--from", "agg_trades"], "has no agg_trades of binance BTCUSDT"),
    ],
)
def test_what_cannot_be_is_explained(workspace, arguments, message):
    before = tree(workspace / "lake")
    done = build(workspace, *arguments, "BTCUSDT")
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.output
    assert tree(workspace / "lake") == before


def test_holes_are_refused_or_told(workspace):
    TradeLake(workspace / "lake").write(KEY, TRADES[1600:])
    options = ("--kind", "tick", "--threshold", "9", "BTCUSDT")
    assert "lacks the ids between 1504 and 1605" in build(workspace, *options).stderr
    done = build(workspace, *options, "--gaps", "report")
    assert "100 ids are missing: bars over the holes have too little volume" in done.output
