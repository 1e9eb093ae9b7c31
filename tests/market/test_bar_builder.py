"""Bars from trades: equal to plain Python's, however trades are divided and wherever the builder is restarted."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from bar_twins import ADAPTIVE, SPECS, random_trades, twin
from hypothesis import given, settings
from hypothesis import strategies as st

from features.door import first_refused as features_refused
from market.bar_builders.builder import BarBuilder, build_bars
from market.bar_builders.spec import Adaptive, BarSpec
from market.bars import BAR, as_matrix, as_times
from market.errors import MarketError, SnapshotError, TradeError
from market.time import DAY, MINUTE, SECOND
from market.trades.schema import LATEST, empty_trades

TRADES = random_trades(1500, 1)
NAMES = [f"{spec.kind}-{spec.threshold or spec.interval or 'adaptive'}-{spec.sides}" for spec in SPECS]
every_spec = pytest.mark.parametrize("spec", SPECS, ids=NAMES)


@every_spec
def test_bars_are_those_of_plain_python(spec):
    bars, unfinished, threshold = twin(TRADES, spec)
    builder = BarBuilder(spec)
    found = builder.update(TRADES)
    assert len(found) > 8
    assert found.tobytes() == bars.tobytes()
    assert builder.unfinished().tobytes() == unfinished.tobytes()
    if threshold is not None:
        assert builder.threshold == pytest.approx(threshold, rel=1e-12)


trade_lists = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, SECOND // 3, SECOND, 9 * SECOND]),
        st.integers(9990, 10010),
        st.integers(1, 40),
        st.sampled_from([-1, 1]),
        st.integers(1, 4),
    ),
    max_size=120,
)


def trades_of(rows):
    trades = empty_trades(len(rows))
    if rows:
        steps, prices, quantities, trades["side"], trades["count"] = (
            np.array(part) for part in zip(*rows, strict=True)
        )
        trades["time"] = 3 * DAY + np.cumsum(steps)
        trades["price"], trades["quantity"] = prices / 100, quantities / 10
        trades["id"] = np.arange(len(rows))
    return trades


@settings(max_examples=300, deadline=None)
@given(trade_lists, st.sampled_from(SPECS))
def test_any_trades_give_the_bars_of_plain_python(rows, spec):
    trades = trades_of(rows)
    bars, unfinished, _ = twin(trades, spec)
    builder = BarBuilder(spec)
    assert builder.update(trades).tobytes() == bars.tobytes()
    assert builder.unfinished().tobytes() == unfinished.tobytes()


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(SPECS), st.lists(st.integers(0, 1500), max_size=12), st.data())
def test_division_restart_and_looking_change_no_byte(spec, cuts, data):
    """Also with `advance` to the next trade's time in between, and with a look at the bar in progress."""
    whole = BarBuilder(spec)
    expected = whole.update(TRADES)
    builder, parts = BarBuilder(spec), []
    for first, last in zip([0, *sorted(cuts)], [*sorted(cuts), 1500], strict=True):
        parts.append(builder.update(TRADES[first:last]))
        action = data.draw(st.sampled_from(["nothing", "restart", "look", "advance"]))
        if action == "restart":
            snapshot = builder.snapshot()
            builder = BarBuilder(spec)
            builder.update(TRADES[: data.draw(st.integers(0, 50))])
            builder.restore(snapshot)
        elif action == "look":
            builder.unfinished()
        elif action == "advance" and last < 1500:
            parts.append(builder.advance(int(TRADES["time"][last])))
    assert np.concatenate(parts).tobytes() == expected.tobytes()
    assert builder.unfinished().tobytes() == whole.unfinished().tobytes()
    assert builder.snapshot() == whole.snapshot()


@every_spec
def test_one_trade_at_a_time_gives_the_same_bytes(spec):
    builder = BarBuilder(spec)
    bars = np.concatenate([builder.update(TRADES[row : row + 1]) for row in range(len(TRADES))])
    assert bars.tobytes() == build_bars(TRADES, spec).tobytes()


def test_more_bars_than_the_buffer_holds():
    trades = random_trades(10_000, 2)
    bars = build_bars(trades, BarSpec("tick", threshold=1.0))
    assert len(bars) == 10_000
    assert np.array_equal(bars["close"], trades["price"])
    assert np.array_equal(bars["start"], trades["time"])


@every_spec
def test_everything_traded_is_in_a_bar_or_in_the_one_in_progress(spec):
    builder = BarBuilder(spec)
    bars = np.concatenate([builder.update(TRADES), builder.unfinished()])
    assert bars["trade_count"].sum() == TRADES["count"].sum()
    assert bars["volume"].sum() == pytest.approx(TRADES["quantity"].sum(), rel=1e-13)
    assert bars["quote_volume"].sum() == pytest.approx((TRADES["price"] * TRADES["quantity"]).sum(), rel=1e-13)
    assert bars["high"].max() == TRADES["price"].max()
    if spec.sides == "source":
        bought = TRADES["quantity"][TRADES["side"] == 1].sum()
        assert bars["taker_buy_volume"].sum() == pytest.approx(bought, rel=1e-13)


@every_spec
def test_the_features_engine_takes_every_bar(spec):
    bars = build_bars(TRADES, spec)
    state = np.array([0, 0, 0, spec.interval or 0, 100], np.int64)
    fields = sum(1 << BAR.names.index(name) for name in ("quote_volume", "trade_count", "vwap"))
    if spec.sides == "source":
        fields |= 1 << BAR.names.index("taker_buy_volume")
    assert features_refused(as_matrix(bars), as_times(bars), state, fields) == -1


@pytest.mark.parametrize(
    "spec", [spec for spec in SPECS if spec.adaptive], ids=lambda spec: f"{spec.kind}-{spec.sides}"
)
@pytest.mark.parametrize("flow", ["balanced", "one_sided", "turning"])
def test_adaptive_bars_stay_within_their_bounds(spec, flow):
    """Where thresholds would collapse or explode, bars of the least or most trades remain."""
    trades = random_trades(20_000, 3, counts=False)
    number = np.arange(len(trades))
    side = {
        "balanced": np.random.default_rng(4).choice([-1, 1], len(trades)),
        "one_sided": np.ones(len(trades), np.int64),
        "turning": np.where(number < 10_000, 1, np.where(number % 2 == 0, 1, -1)),
    }[flow]
    trades["side"] = side
    trades["price"] = 100 + 0.01 * np.cumsum(side)
    builder = BarBuilder(spec)
    counts = []
    for row in range(0, len(trades), 500):
        counts += builder.update(trades[row : row + 500])["trade_count"].tolist()
        assert ADAPTIVE.least_ticks <= builder.expected_ticks <= ADAPTIVE.most_ticks
    assert counts[0] == ADAPTIVE.expected_ticks
    assert min(counts) >= ADAPTIVE.least_ticks
    assert max(counts) <= ADAPTIVE.most_ticks
    if spec.kind == "tick_imbalance":
        seen = set(counts)
        both = (ADAPTIVE.least_ticks in seen, ADAPTIVE.most_ticks in seen)
        assert both == {"balanced": (True, True), "one_sided": (False, False), "turning": (False, True)}[flow]
        assert (seen == {ADAPTIVE.expected_ticks}) == (flow == "one_sided")


def test_what_shares_a_time_is_divided_between_bars_by_order():
    trades = empty_trades(4)
    trades["time"], trades["price"], trades["quantity"] = 7, [1.0, 2.0, 3.0, 4.0], 1.0
    builder = BarBuilder(BarSpec("tick", threshold=3.0))
    bars = builder.update(trades)
    assert (bars["start"].tolist(), bars["end"].tolist(), bars["close"].tolist()) == ([7], [7], [3.0])
    assert builder.unfinished()["start"].tolist() == [7]


def test_ten_times_a_tenth_is_one():
    trades = empty_trades(30)
    trades["time"], trades["price"], trades["quantity"] = np.arange(30), 100.0, 0.1
    assert sum([0.1] * 10) < 1
    bars = build_bars(trades, BarSpec("volume", threshold=1.0))
    assert bars["volume"].tolist() == [1.0, 1.0, 1.0]


def test_a_large_trade_ends_its_bar_and_nothing_is_carried_over():
    trades = empty_trades(4)
    trades["time"], trades["price"], trades["quantity"] = [1, 2, 3, 4], 10.0, [1.0, 100.0, 2.0, 3.0]
    bars = build_bars(trades, BarSpec("dollar", threshold=50.0))
    assert bars["volume"].tolist() == [101.0, 5.0]


def test_time_bars_have_no_bar_for_an_empty_interval_and_weeks_start_on_monday():
    trades = empty_trades(3)
    trades["time"], trades["price"], trades["quantity"] = [10 * MINUTE + 1, 20 * MINUTE, 50 * MINUTE], 10.0, 1.0
    builder = BarBuilder(BarSpec("time", interval=10 * MINUTE))
    assert builder.update(trades)["start"].tolist() == [10 * MINUTE, 20 * MINUTE]
    assert builder.advance(60 * MINUTE - 1).tolist() == []
    assert builder.advance(60 * MINUTE)["end"].tolist() == [60 * MINUTE]
    assert builder.advance(60 * MINUTE).tolist() == []
    trades["time"] = [0, 4 * DAY, 11 * DAY]
    assert build_bars(trades, BarSpec("time", interval=7 * DAY))["start"].tolist() == [-3 * DAY, 4 * DAY]


def test_an_unknown_side_makes_the_taker_volume_of_its_bar_missing():
    trades = random_trades(20, 4, counts=False)
    trades["side"][3] = 0
    bars = build_bars(trades, BarSpec("tick", threshold=5.0))
    assert np.isnan(bars["taker_buy_volume"]).tolist() == [True, False, False, False]


def test_single_and_aggregated_trades_give_the_same_time_bars():
    """The fills of a taker order at one price, single and joined."""
    joined = random_trades(3000, 5)
    rows = np.repeat(np.arange(len(joined)), joined["count"])
    single = joined[rows].copy()
    single["quantity"] /= joined["count"][rows]
    single["count"], single["id"] = 1, np.arange(len(single))
    one, other = (build_bars(trades, BarSpec("time", interval=7 * SECOND)) for trades in (single, joined))
    for name in ("start", "end", "open", "high", "low", "close", "trade_count"):
        assert np.array_equal(one[name], other[name]), name
    for name in ("volume", "quote_volume", "taker_buy_volume", "vwap"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-12)


def with_row(field, value, row=7):
    trades = random_trades(12, 6)
    trades[field][row] = value
    return trades


@pytest.mark.parametrize(
    ("trades", "said"),
    [
        (with_row("time", 5), "trade 7 .*time 1970.* is before the trade before it"),
        (with_row("time", -5), "trade 7 .*-5 ns.*time -5 is not between 1970 and 2116"),
        (with_row("time", LATEST + 1), "trade 7 .*is not between 1970 and 2116"),
        (with_row("price", np.nan), "price nan is not a price"),
        (with_row("price", 0.0), "price 0.0 is not a price"),
        (with_row("price", np.inf), "price inf is not a price"),
        (with_row("quantity", 0.0), "quantity 0.0 is not a quantity"),
        (with_row("quantity", -1.0), "quantity -1.0 is not a quantity"),
        (with_row("side", 2), "side 2 is none of"),
        (with_row("id", 6), "id 6 is not above the id before it"),
        (with_row("id", -2), "id -2 is below -1"),
        (with_row("count", 0), "count 0 is not between"),
    ],
)
def test_impossible_trades_are_refused_by_name_and_change_nothing(trades, said):
    builder = BarBuilder(BarSpec("tick", threshold=3.0))
    builder.update(random_trades(4, 6))
    before = builder.snapshot()
    with pytest.raises(TradeError, match=said):
        builder.update(trades[4:] if "trade 7" not in said else with_earlier(trades))
    assert builder.snapshot() == before


def with_earlier(trades):
    """The same trades, later, so that row 7 of the call is the bad one."""
    later = trades.copy()
    later["id"] += 100
    good = np.arange(12) != 7
    later["time"][good] += SECOND
    return later


def test_trades_given_twice_are_refused():
    builder = BarBuilder(BarSpec("tick", threshold=3.0))
    trades = random_trades(5, 6)
    trades["time"] = trades["time"][0]
    builder.update(trades)
    with pytest.raises(TradeError, match="id 5 is not above the id before it"):
        builder.update(trades)


def test_bars_that_depend_on_sides_refuse_trades_without():
    trades = random_trades(50, 7, sideless=True)
    with pytest.raises(TradeError, match=r"trade 0 .*side 0 is unknown.*sides='tick_rule'"):
        build_bars(trades, BarSpec("tick_run", threshold=5.0))
    assert len(build_bars(trades, BarSpec("tick_run", threshold=5.0, sides="tick_rule")))


def test_time_does_not_go_back():
    builder = BarBuilder(BarSpec("time", interval=MINUTE))
    builder.advance(10 * MINUTE)
    before = builder.snapshot()
    with pytest.raises(TradeError, match="is before 1970-01-01T00:10:00Z, which has passed already"):
        builder.advance(10 * MINUTE - 1)
    trades = empty_trades(1)
    trades["time"], trades["price"], trades["quantity"] = 9 * MINUTE, 1.0, 1.0
    with pytest.raises(TradeError, match="a time already passed"):
        builder.update(trades)
    assert builder.snapshot() == before


def test_left_out_ids_are_counted():
    builder = BarBuilder(BarSpec("tick", threshold=3.0))
    trades = random_trades(10, 8)
    builder.update(trades[[0, 1, 2, 5]])
    builder.update(trades[[9]])
    assert (builder.skipped_ids, builder.last_id) == (5, trades["id"][9])
    assert builder.last_time == trades["time"][9]


def test_arrays_of_any_layout_are_taken():
    spec = BarSpec("volume", threshold=3.0)
    expected = build_bars(TRADES[::2].copy(), spec).tobytes()
    assert build_bars(TRADES[::2], spec).tobytes() == expected
    locked = TRADES[::2].copy()
    locked.flags.writeable = False
    assert build_bars(locked, spec).tobytes() == expected
    with pytest.raises(TradeError, match="dtype float64"):
        BarBuilder(spec).update(np.zeros(3))


def test_damaged_and_foreign_snapshots_are_refused():
    builder = BarBuilder(SPECS[0])
    builder.update(TRADES[:100])
    snapshot = builder.snapshot()
    broken = bytearray(snapshot)
    broken[60] ^= 1
    for bad in (bytes(broken), snapshot[:-1], b""):
        with pytest.raises(SnapshotError, match="no intact snapshot"):
            builder.restore(bad)
    with pytest.raises(SnapshotError, match="not of a builder of time bars with this spec"):
        BarBuilder(SPECS[1]).restore(snapshot)
    assert builder.snapshot() == snapshot


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: BarSpec("second", interval=1), "kind 'second' are not built"),
        (lambda: BarSpec("time"), "need an interval"),
        (lambda: BarSpec("time", interval=0), "need an interval"),
        (lambda: BarSpec("tick", threshold=5.0, interval=3), "have no interval"),
        (lambda: BarSpec("tick"), "need a threshold"),
        (lambda: BarSpec("tick", threshold=0.0), "must be above zero"),
        (lambda: BarSpec("tick", threshold=float("nan")), "must be above zero"),
        (lambda: BarSpec("tick", adaptive=ADAPTIVE), "only imbalance and run bars"),
        (lambda: BarSpec("tick_run", threshold=1.0, adaptive=ADAPTIVE), "and not both"),
        (lambda: BarSpec("tick", threshold=1.0, sides="none"), "sides 'none'"),
        (lambda: Adaptive(10, 4.0, 30.0, 20, 40), r"\(20, 10, 40\) of adaptive bars must be ascending"),
        (lambda: Adaptive(10, 0.5, 30.0, 5, 40), "bar_span 0.5"),
    ],
)
def test_impossible_specs_are_refused(make, said):
    with pytest.raises(MarketError, match=said):
        make()


def digests():
    trades = random_trades(400, 9)
    lines = []
    for spec in SPECS:
        builder = BarBuilder(spec)
        bars = [builder.update(trades[:150]), builder.update(trades[150:]), builder.unfinished()]
        content = np.concatenate(bars).tobytes() + builder.snapshot()
        lines.append(hashlib.sha256(content).hexdigest())
    return lines


def test_the_bits_are_the_same_with_the_compiler_off():
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines() == digests()
    assert len(set(digests())) == len(SPECS)


if __name__ == "__main__":
    print("\n".join(digests()))
