"""Bars as events, against exact rational arithmetic, row by row."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from market_bars import random_bars

from market.bar_events import bar_events
from market.embedded import embedded_bars, embedded_instruments
from market.errors import InstrumentError
from market.events import Kind
from market.instruments import Instrument


def instrument(tick="0.01", lot="0.001"):
    step = Decimal(lot)
    fee = Decimal("0.001")
    return Instrument(
        "X", "v", "spot", "X", "USD", Decimal(tick), step, step, step * 10**6, Decimal(0), maker_fee=fee, taker_fee=fee
    )


def assert_nearest(counts, values, step):
    """Every count is nearest to the shortest decimal text of its float; half-way, both neighbours are."""
    for count, value in zip(counts.tolist(), values.tolist(), strict=True):
        assert abs(Fraction(repr(value)) / Fraction(step) - count) <= Fraction(1, 2)


def assert_exact(events, bars, one, number):
    for column, field in enumerate(("open", "high", "low", "close")):
        assert_nearest(events[f"p{column}"], bars[field], one.tick)
    assert_nearest(events["p4"], bars["volume"], one.lot)
    known = ~np.isnan(bars["taker_buy_volume"])
    assert_nearest(events["p7"][known], bars["taker_buy_volume"][known], one.lot)
    assert (events["p7"][~known] == -1).all()
    counts = bars["trade_count"].tolist()
    assert events["p6"].tolist() == [-1 if count != count else int(count) for count in counts]
    assert (events["p5"] == bars["start"]).all()
    assert (events["ts_event"] == bars["end"]).all()
    assert (events["ts_recv"] == bars["end"]).all()
    assert set(events["kind"]) == {Kind.BAR}
    assert set(events["instrument"]) == {number}
    for unused in ("seq", "flags", "p8", "p9", "reserved", "checksum"):
        assert not events[unused].any()


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize(("tick", "lot"), [("0.01", "0.001"), ("0.05", "0.1"), ("0.00000001", "0.00001")])
def test_equal_to_exact_arithmetic(full, tick, lot):
    bars, one = random_bars(300, seed=3, full=full), instrument(tick, lot)
    assert_exact(bar_events(bars, one, 7), bars, one, 7)


def test_real_bars_equal_exact_arithmetic():
    instruments = embedded_instruments()
    for number, (symbol, bars) in enumerate(embedded_bars().items()):
        some = bars[::37]
        assert_exact(bar_events(some, instruments[symbol], number), some, instruments[symbol], number)


def test_live_and_history_give_the_same_bytes():
    bars, one = random_bars(50, seed=5), instrument()
    together = bar_events(bars, one, 1)
    assert together.tobytes() == b"".join(bar_events(bars[row : row + 1], one, 1).tobytes() for row in range(50))
    assert bar_events(bars[::2], one, 1).tobytes() == together[::2].tobytes()
    assert len(bar_events(bars[:0], one, 1)) == 0


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("open", np.nan, "X: price nan is not a finite number"),
        ("close", np.inf, "X: price inf"),
        ("low", 0.001, r"X: bar 3 at 2024-12-30T00:45:00Z cannot be an event: .* 0, "),
        ("high", 0.5, "X: bar 3 .* high and low enclose open and close"),
        ("low", 1000.0, "X: bar 3 .* high and low enclose open and close"),
        ("volume", -1.0, r"X: bar 3 .* volume -1\.0"),
        ("volume", np.nan, "X: bar 3 .* volume nan"),
        ("volume", 1e15, "X: quantity 1000000000000000.0 is not a finite number within"),
        ("taker_buy_volume", -0.5, "X: bar 3"),
        ("trade_count", -1.0, "X: bar 3"),
        ("trade_count", 1e300, "X: bar 3"),
        ("open", 1e14, "X: price 1"),
    ],
)
def test_impossible_bars_are_refused_by_name(field, value, message):
    bars = random_bars(6)
    bars[field][3] = value
    with pytest.raises(InstrumentError, match=message):
        bar_events(bars, instrument(), 1)
