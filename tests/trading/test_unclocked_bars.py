"""Core and exchange on bars that follow no clock (interval 0): bars are counted, each has its own length."""

from __future__ import annotations

from math import ceil, sqrt

import msgspec
import numpy as np
import pytest

from market.events import EVENT, Control, Kind
from market.time import DAY
from tests.trading.trading_samples import BEGIN, HORIZON, INTERVAL, control, event, instrument
from trading import layout
from trading.backtest import run
from trading.config import ExchangeConfig, RiskConfig, SizingConfig, TradingConfig

TRADING = TradingConfig(risk=RiskConfig(drawdown=1.0), sizing=SizingConfig(volatility_target=10, max_weight=0.2))
FREE = ExchangeConfig(latency_ms=0, half_spread=0, impact=0, participation=1.0, fees=False)
YEAR_ROOT = sqrt(365.25)


def bar(start, end, low=10_000, high=10_000):
    """A bar from ``start`` to ``end`` (ns behind `BEGIN`)."""
    return event(Kind.BAR, BEGIN + end, p0=10_000, p1=high, p2=low, p3=10_000, p4=10**6, p5=BEGIN + start, p6=-1, p7=-1)


def signal(end, volatility=0.01):
    """A signal at the end of a bar that holds for a second."""
    now = BEGIN + end
    values = (round(value * 10**9) for value in (0.9, 0.05, 0.05, volatility))
    return event(Kind.SIGNAL, now, **dict(zip(("p0", "p1", "p2", "p6"), values, strict=True)), p3=now + 10**9, p7=now)


def traded(*told, exchange=FREE, trading=TRADING, interval=0):
    tape = np.concatenate([control(-1, Control.RESUME), *told])
    tape["ts_event"][0] = tape["ts_recv"][0] = tape["ts_recv"][1]
    return run([instrument()], trading, exchange, tape, interval, HORIZON).journal


def of(journal, kind, purpose=None):
    chosen = journal[journal["kind"] == kind]
    return chosen if purpose is None else chosen[chosen["p6"] == purpose]


@pytest.mark.parametrize("length", [0, 7, INTERVAL, 50 * INTERVAL])
def test_the_vertical_barrier_counts_bars(length):
    """The entry's bar is the first; the last one ends with the exit, however long they lasted."""
    bars = [bar(place * length, (place + 1) * length) for place in range(2 * HORIZON)]
    journal = traded(bars[0], signal(length), *bars[1:])
    (entry,), (left,) = (of(journal, Kind.SUBMIT_ORDER, purpose) for purpose in (layout.ENTRY, layout.EXIT))
    between = of(journal[int(np.flatnonzero(journal["seq"] == entry["seq"])[0]) :], Kind.BAR)
    before = between[between["seq"] < left["seq"]]
    assert len(before) == HORIZON
    assert left["ts_event"] == BEGIN + (HORIZON + 1) * length


def test_by_the_clock_missing_bars_count_too():
    bars = [bar(place * INTERVAL, (place + 1) * INTERVAL) for place in range(2 * HORIZON) if place % 3 != 2]
    journal = traded(bars[0], signal(INTERVAL), *bars[1:], interval=INTERVAL)
    (left,) = of(journal, Kind.SUBMIT_ORDER, layout.EXIT)
    assert left["ts_event"] == BEGIN + (HORIZON + 1) * INTERVAL
    assert len(of(journal[: int(left["seq"])], Kind.BAR)) < HORIZON


@pytest.mark.parametrize(("length", "share"), [(400, 1.0), (600, 1.0), (2_400, 0.25), (60_000, 0.01)])
def test_latency_is_a_share_of_the_bars_own_length(length, share):
    exchange = msgspec.structs.replace(FREE, latency_ms=600.0)
    unit = 10**6
    filled = bar(400 * unit, (400 + length) * unit, 9_900, 10_250)
    (fill,) = of(traded(bar(0, 400 * unit), signal(400 * unit), filled, exchange=exchange), Kind.FILL)
    assert fill["p1"] == ceil(10_000 + 350 * sqrt(share) - 1e-9)


def test_a_bar_without_length_moves_a_price_all_its_way_only_if_there_is_latency():
    for latency, paid in ((0.0, 10_000), (1.0, 10_350)):
        exchange = msgspec.structs.replace(FREE, latency_ms=latency)
        (fill,) = of(traded(bar(0, 5), signal(5), bar(5, 5, 9_900, 10_250), exchange=exchange), Kind.FILL)
        assert fill["p1"] == paid


def test_no_bar_comes_too_late():
    late = bar(5 + 90 * INTERVAL, 6 + 90 * INTERVAL)
    assert len(of(traded(bar(0, 5), signal(5), late), Kind.FILL)) == 1
    assert not len(of(traded(bar(0, INTERVAL), signal(INTERVAL), late, interval=INTERVAL), Kind.FILL))


def test_an_order_fills_on_the_next_of_bars_that_end_at_once():
    journal = traded(bar(0, 5), bar(5, 5), signal(5), bar(5, 5, 9_999, 10_001), bar(5, 9))
    (fill,) = of(journal, Kind.FILL)
    behind = journal[int(fill["seq"]) :]
    assert len(of(journal[: int(fill["seq"])], Kind.BAR)) == 2
    assert of(behind, Kind.BAR)["p1"].tolist() == [10_001, 10_000]


def test_volatility_is_per_day():
    sizing = SizingConfig(volatility_target=0.5, full_bet=0.4, max_weight=1)
    trading = msgspec.structs.replace(TRADING, sizing=sizing)
    (entry,) = of(traded(bar(0, 5), signal(5, 0.04), trading=trading), Kind.SUBMIT_ORDER, layout.ENTRY)
    assert entry["p4"] == int(0.5 / (0.04 * YEAR_ROOT) * 10_000 / 100 * 1000)
    state = layout.new_core([instrument()], trading, 0, HORIZON).core[0]
    assert state["bars_per_year"] == layout.new_core([instrument()], trading, DAY, HORIZON).core[0]["bars_per_year"]


def test_the_log_is_of_events():
    assert traded(bar(0, 5)).dtype == EVENT
