"""Bars of real trades: equal to other ways of making them, and to the exchange's own bars where both exist."""

from __future__ import annotations

import gzip
import json

import numpy as np
import polars as pl
import pytest
from bar_twins import twin

from market.bar_builders.builder import BarBuilder, build_bars
from market.bar_builders.spec import Adaptive, BarSpec
from market.quality import check_bars
from market.readers import read_bars
from market.time import HOUR, MINUTE, parse_time
from market.trades.read import read_trades
from market.trades.schema import empty_trades

pytestmark = pytest.mark.real_data

FILES = {
    "PEPEUSDT": "spot-PEPEUSDT-aggTrades-2024-10-27.zip",
    "XRPETH": "XRPETH-aggTrades-20191011-20191013.csv.gz",
    "BTCUSDT": "binance-spot-BTCUSDT-trades-20240808T2354.csv.gz",
    "ETHUSDT": "binance-spot-ETHUSDT-trades-20240808T2354.csv.gz",
    "BTCUSDT-perpetual": "binance-um-BTCUSDT-trades-20240808T2354.csv.gz",
    "ES": "ES-ticks-20130901-20130903.csv.gz",
}
every_file = pytest.mark.parametrize("name", list(FILES))
VALUES = ("open", "high", "low", "close", "volume", "quote_volume", "trade_count", "taker_buy_volume")


@pytest.fixture(scope="session")
def trades_of(real_data):
    cache = {}

    def read(name):
        if name not in cache:
            cache[name] = read_trades(real_data / "trades" / FILES[name]).trades
        return cache[name]

    return read


def all_bars(trades, spec):
    """With the one in progress."""
    builder = BarBuilder(spec)
    return np.concatenate([builder.update(trades), builder.unfinished()])


def grouped(trades, interval):
    """Time bars by polars."""
    frame = pl.DataFrame({name: trades[name] for name in trades.dtype.names})
    quantity, side = pl.col("quantity"), pl.col("side")
    taker_buy = pl.when((side == 0).any()).then(float("nan")).otherwise(quantity.filter(side == 1).sum())
    return frame.group_by(pl.col("time") // interval * interval, maintain_order=True).agg(
        pl.col("price").first().alias("open"),
        pl.col("price").max().alias("high"),
        pl.col("price").min().alias("low"),
        pl.col("price").last().alias("close"),
        quantity.sum().alias("volume"),
        (pl.col("price") * quantity).sum().alias("quote_volume"),
        pl.col("count").sum().cast(pl.Float64).alias("trade_count"),
        taker_buy.alias("taker_buy_volume"),
    )


@every_file
@pytest.mark.parametrize("interval", [MINUTE, 5 * MINUTE])
def test_time_bars_are_those_of_polars_and_pass_the_gates(trades_of, name, interval):
    trades = trades_of(name)
    bars = all_bars(trades, BarSpec("time", interval=interval))
    table = grouped(trades, interval)
    assert bars["start"].tolist() == table["time"].to_list()
    for field in VALUES:
        np.testing.assert_allclose(bars[field], table[field].to_numpy(), rtol=1e-13, err_msg=field)
    assert not check_bars(bars, interval).errors


@every_file
def test_five_minutes_are_five_times_a_minute(trades_of, name):
    minutes = all_bars(trades_of(name), BarSpec("time", interval=MINUTE))
    bars = all_bars(trades_of(name), BarSpec("time", interval=5 * MINUTE))
    place = np.searchsorted(bars["start"], minutes["start"], side="right") - 1
    first = np.flatnonzero(np.diff(place, prepend=-1))
    last = np.r_[first[1:], len(minutes)] - 1
    assert np.array_equal(bars["open"], minutes["open"][first])
    assert np.array_equal(bars["close"], minutes["close"][last])
    assert np.array_equal(bars["high"], np.maximum.reduceat(minutes["high"], first))
    assert np.array_equal(bars["low"], np.minimum.reduceat(minutes["low"], first))
    for field in ("volume", "quote_volume", "trade_count"):
        np.testing.assert_allclose(bars[field], np.add.reduceat(minutes[field], first), rtol=1e-14)


@every_file
def test_every_family_is_that_of_plain_python(trades_of, name):
    """Thresholds such that there are dozens of bars; trades without sides go by the tick rule."""
    trades = trades_of(name)[:1200]
    sides = "tick_rule" if name == "ES" else "source"
    totals = {
        "tick": trades["count"].sum() / 60,
        "volume": trades["quantity"].sum() / 60,
        "dollar": (trades["quantity"] * trades["price"]).sum() / 60,
    }
    rule = Adaptive(expected_ticks=40, bar_span=5.0, trade_span=200.0, least_ticks=10, most_ticks=400)
    for measure, total in totals.items():
        specs = [BarSpec(measure, threshold=total, sides=sides)]
        for family in ("imbalance", "run"):
            specs.append(BarSpec(f"{measure}_{family}", threshold=total / 2, sides=sides))
            specs.append(BarSpec(f"{measure}_{family}", adaptive=rule, sides=sides))
        for spec in specs:
            bars, unfinished, _ = twin(trades, spec)
            builder = BarBuilder(spec)
            assert builder.update(trades).tobytes() == bars.tobytes(), spec
            assert builder.unfinished().tobytes() == unfinished.tobytes(), spec
            assert len(bars) > 4, spec


@every_file
@pytest.mark.parametrize("kind", ["tick", "volume", "dollar"])
def test_bars_of_all_trades_are_those_of_running_sums(trades_of, name, kind):
    """The bounds of each bar, found again by exact sums of the rows between them."""
    trades = trades_of(name)
    amounts = {
        "tick": trades["count"].astype(float),
        "volume": trades["quantity"],
        "dollar": trades["quantity"] * trades["price"],
    }[kind]
    threshold = float(amounts.sum() / 300)
    bars = build_bars(trades, BarSpec(kind, threshold=threshold))
    field = {"tick": "trade_count", "volume": "volume", "dollar": "quote_volume"}[kind]
    counts, sums = [], np.longdouble(0)
    first = 0
    for row, amount in enumerate(amounts.astype(np.longdouble)):
        sums += amount
        if float(sums) >= threshold:
            counts.append(row + 1 - first)
            assert bars[field][len(counts) - 1] == pytest.approx(float(sums), rel=1e-15)
            first, sums = row + 1, np.longdouble(0)
    ends = np.cumsum(counts) - 1
    assert len(bars) == len(counts) > 100
    assert np.array_equal(bars["end"], trades["time"][ends])
    assert np.array_equal(bars["close"], trades["price"][ends])


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_recorded_trades_agree_with_the_exchanges_hours_on_both_sides_of_midnight(trades_of, real_data, symbol):
    """The recording is a stretch of two hours: what it has of them is within the exchange's bars, and equal where it
    must be.
    """
    bars = all_bars(trades_of(symbol), BarSpec("time", interval=HOUR))
    klines = read_bars(real_data / "klines" / "spot-1h" / f"{symbol}-1h-20220101-20250831.parquet").bars
    before, after = klines[np.isin(klines["start"], bars["start"])]
    assert bars["start"].tolist() == [before["start"], after["start"]]
    assert bars["close"][0] == before["close"]
    assert bars["open"][1] == after["open"]
    if symbol == "BTCUSDT":
        assert (bars["low"][0], bars["high"][1]) == (before["low"], after["high"])
    for bar, kline in zip(bars, (before, after), strict=True):
        assert kline["low"] <= bar["low"] <= bar["high"] <= kline["high"]
        for field in ("volume", "quote_volume", "trade_count", "taker_buy_volume"):
            assert 0 < bar[field] < kline[field]


def test_a_recorded_minute_of_one_trade_is_the_exchanges_minute(real_data):
    """The stream of 2021 has a minute of LRCBTC whose only trade was recorded too: every field agrees exactly."""
    path = real_data / "protocol" / "binance-spot" / "recorded" / "ws-combined-20211012.txt.gz"
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()[1:]
    messages = [json.loads(line.split(": ", 1)[1])["data"] for line in lines if '"data":' in line]
    trade = next(one for one in messages if one.get("e") == "aggTrade" and one["s"] == "LRCBTC")
    kline = next(one["k"] for one in messages if one.get("e") == "kline" and one["s"] == "LRCBTC")
    assert kline["f"] == trade["f"]
    row = empty_trades(1)
    row["time"], row["price"], row["quantity"] = trade["T"] * 10**6, float(trade["p"]), float(trade["q"])
    row["side"], row["id"], row["count"] = -1 if trade["m"] else 1, trade["a"], trade["l"] - trade["f"] + 1
    builder = BarBuilder(BarSpec("time", interval=MINUTE))
    builder.update(row)
    (bar,) = builder.advance((kline["T"] + 1) * 10**6)
    names = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v", "quote_volume": "q", "trade_count": "n"}
    names["taker_buy_volume"] = "V"
    assert {name: float(bar[name]) for name in names} == {name: float(kline[key]) for name, key in names.items()}
    assert (bar["start"], bar["end"]) == (kline["t"] * 10**6, (kline["T"] + 1) * 10**6)


def test_a_real_day_has_all_its_minutes(trades_of):
    bars = all_bars(trades_of("PEPEUSDT"), BarSpec("time", interval=MINUTE))
    start = parse_time("2024-10-27")
    assert bars["start"].tolist() == (start + MINUTE * np.arange(1440)).tolist()
    assert bars["trade_count"].sum() == 392_176


def test_a_day_divided_anywhere_gives_the_same_bytes(trades_of):
    rng = np.random.default_rng(0)
    trades = trades_of("PEPEUSDT")
    rule = Adaptive(expected_ticks=500, bar_span=20.0, trade_span=2000.0, least_ticks=50, most_ticks=5000)
    for spec in (
        BarSpec("time", interval=MINUTE),
        BarSpec("dollar", threshold=250_000.0),
        BarSpec("dollar_imbalance", adaptive=rule),
        BarSpec("volume_run", adaptive=rule),
    ):
        builder, parts = BarBuilder(spec), []
        for part in np.split(trades, np.sort(rng.choice(len(trades), 200, replace=False))):
            snapshot, builder = builder.snapshot(), BarBuilder(spec)
            builder.restore(snapshot)
            parts.append(builder.update(part))
        bars = np.concatenate(parts)
        assert bars.tobytes() == build_bars(trades, spec).tobytes()
        assert len(bars) > 100
        assert bars["trade_count"].sum() + builder.unfinished()["trade_count"].sum() == 392_176


def test_the_tick_rule_finds_most_sides_that_the_exchange_knows(trades_of):
    """An estimate: on spot BTCUSDT it gives the taker's side of 96 trades in 100."""
    trades = trades_of("BTCUSDT")
    known = build_bars(trades, BarSpec("tick", threshold=1.0))["taker_buy_volume"] > 0
    guessed = build_bars(trades, BarSpec("tick", threshold=1.0, sides="tick_rule"))["taker_buy_volume"]
    agree = (guessed > 0) == known
    assert agree[~np.isnan(guessed)].mean() == pytest.approx(0.964, abs=0.001)
