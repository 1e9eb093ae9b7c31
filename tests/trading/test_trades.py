"""Round trips and signals: against sums over a journal, and numbers computed by hand."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest

from market.events import Kind
from tests.trading.trading_samples import (
    EXCHANGE,
    HORIZON,
    INTERVAL,
    TRADING,
    Auditor,
    event,
    four_instruments,
    instrument,
    random_tape,
)
from trading.backtest import run
from trading.signals import signal_events
from trading.trades import TRADE, notional, round_trips


def test_notionals_are_rounded_as_asked():
    for one in four_instruments():
        unit = Fraction(one.tick) * Fraction(one.lot) * Fraction(one.contract_multiplier) * 10**8
        for ticks, lots in ((1, 1), (3, 7), (12345, 678), (2**45 + 1, 3)):
            assert notional(one, ticks, lots, True) == ceil(unit * ticks * lots)
            assert notional(one, ticks, lots, False) == floor(unit * ticks * lots)


def test_a_round_trip_by_hand():
    def order(client, side, purpose):
        return event(Kind.SUBMIT_ORDER, 1, p0=client, p1=side, p4=10, p6=purpose)

    def fill(client, now, price, lots, fee):
        return event(Kind.FILL, now, p0=client, p1=price, p2=lots, p3=fee)

    journal = np.concatenate([
        order(1, -1, 1), fill(1, 5, 100, 6, 1), fill(1, 6, 101, 4, 2), order(2, 1, 2), order(3, 1, 3),
        fill(3, 7, 90, 3, -5), fill(2, 8, 120, 7, 4), order(4, 1, 1), fill(4, 9, 100, 1, 1),
    ])  # fmt: skip
    (trip,) = round_trips(journal, [instrument()])
    assert dict(zip(TRADE.names, trip.item(), strict=True)) == {
        "instrument": 0, "side": -1, "opened": 5, "closed": 8, "lots": 10, "entry_notional": 1_004_000,
        "exit_notional": 1_110_000, "fees": 2, "profit": -106_002, "purpose": 2,
    }  # fmt: skip
    assert len(round_trips(journal[:0], [instrument()])) == 0


def test_profits_funding_and_open_positions_are_the_change_of_cash():
    rules = four_instruments()
    done = run(rules, TRADING, EXCHANGE, random_tape(12, 500), INTERVAL, HORIZON)
    auditor = Auditor(rules, TRADING, EXCHANGE)
    flat = paid = fees = 0
    for _ in auditor.audit(done.journal):
        if not any(auditor.position):
            flat, paid, fees = auditor.cash, auditor.paid, auditor.fees
    trips = round_trips(done.journal, rules)
    capital = int(Decimal(TRADING.capital) * 10**8)
    count = int(np.flatnonzero(np.cumsum(trips["fees"]) == fees)[-1]) + 1
    assert flat - capital == int(trips["profit"][:count].sum()) + paid
    assert paid != 0
    assert len(trips) > 50
    assert set(trips["side"]) == {1, -1}


def signals(probability, move=0.01, barrier=0.02, volatility=0.03):
    count = len(probability)
    ends, rows = np.arange(1, count + 1) * INTERVAL, np.arange(count) + 100
    every = (np.full(count, value) for value in (move, barrier, volatility))
    return signal_events(ends, 3, np.array(probability), *every, rows, 7 * INTERVAL, 9)


def test_signals_are_fixed_point_and_skip_silence():
    found = signals([0.1, float("nan"), 1 / 3, 1.0])
    assert found["p0"].tolist() == [100_000_000, 333_333_333, 1_000_000_000]
    assert found["ts_event"].tolist() == found["p7"].tolist() == [INTERVAL, 3 * INTERVAL, 4 * INTERVAL]
    assert found["p5"].tolist() == [100, 102, 103]
    assert found[["p1", "p2", "p6"]].tolist() == [(10_000_000, 20_000_000, 30_000_000)] * 3
    assert found["p3"].tolist() == [8 * INTERVAL, 10 * INTERVAL, 11 * INTERVAL]
    assert set(found["instrument"]) == {3}
    assert set(found["p4"]) == {9}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("probability", {"probability": [0.5, 1.0001]}),
        ("probability", {"probability": [0.5, -0.1]}),
        ("expected_move", {"move": float("nan")}),
        ("barrier", {"barrier": float("inf")}),
        ("volatility", {"volatility": -1e-9}),
        ("volatility", {"volatility": 2e6}),
    ],
)
def test_signals_out_of_range_are_named(name, values):
    with pytest.raises(ValueError, match=f"instrument 3: {name} is "):
        signals(**{"probability": [0.5, 0.6], **values})
