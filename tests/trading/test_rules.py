"""The core's and the exchange's rules, one by one, on markets made by hand."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import numpy as np
import pytest

from market.events import EVENT, Control, Kind
from market.instruments import Instrument
from trading import layout
from trading.backtest import run
from trading.config import ExchangeConfig, RiskConfig, SizingConfig, TradingConfig
from trading.core import rows_needed, step
from trading.errors import TapeError
from trading.signals import control_event, signal_events

INTERVAL, HORIZON = 60_000_000_000, 5
BEGIN = 1_600_000_200 * 10**9
NO_COSTS = ExchangeConfig(0.0, 0.0, 0.0, 1.0, False)
TRADING = TradingConfig(risk=RiskConfig(drawdown=1.0), sizing=SizingConfig(volatility_target=10.0, max_weight=0.5))


def instrument(kind="perpetual", **changes):
    values = {
        "symbol": "AAA", "venue": "test", "kind": kind, "base": "AAA", "quote": "USD", "tick": "0.01", "lot": "0.01",
        "min_quantity": "0.01", "max_quantity": "100000", "min_notional": "5", "maker_fee": "0", "taker_fee": "0.001",
    }  # fmt: skip
    return Instrument.from_dict({**values, **changes})


def bar(number, open_, high, low, close, volume=1_000_000):
    event = np.zeros(1, EVENT)
    event["kind"] = Kind.BAR
    event["p0"], event["p1"], event["p2"], event["p3"], event["p4"] = open_, high, low, close, volume
    event["p5"] = BEGIN + number * INTERVAL
    event["ts_event"] = event["ts_recv"] = BEGIN + (number + 1) * INTERVAL
    return event


def signal(number, probability=0.9, barrier=0.05, volatility=0.01, validity=INTERVAL):
    end = np.array([BEGIN + (number + 1) * INTERVAL])
    one = np.ones(1)
    return signal_events(
        end, 0, one * probability, one * 0.05, one * barrier, one * volatility, np.zeros(1, np.int64), validity, 1
    )


def flat_bar(number, volume=1_000_000):
    return bar(number, 10_000, 10_000, 10_000, 10_000, volume)


def traded(*events, rules=None, trading=TRADING, exchange=NO_COSTS):
    start = control_event(Control.RESUME, BEGIN)
    return run([rules or instrument()], trading, exchange, np.concatenate([start, *events]), INTERVAL, HORIZON)


def fills(done):
    return done.journal[done.journal["kind"] == Kind.FILL]


def denials(done):
    return done.journal["p1"][done.journal["kind"] == Kind.ORDER_DENIED].tolist()


def with_risk(**changes):
    return msgspec.structs.replace(TRADING, risk=msgspec.structs.replace(TRADING.risk, **changes))


def test_an_entry_fills_at_the_next_open():
    done = traded(flat_bar(0), signal(0), bar(1, 10_100, 10_150, 10_050, 10_120))
    (fill,) = fills(done)
    assert (fill["p1"], fill["ts_event"]) == (10_100, BEGIN + INTERVAL)
    orders = done.journal[done.journal["kind"] == Kind.SUBMIT_ORDER]
    assert orders["p6"].tolist() == [layout.ENTRY, layout.STOP, layout.TARGET]
    assert orders["p9"][1] == round(10_100 * np.exp(-0.05))
    assert orders["p3"][2] == round(10_100 * np.exp(0.05))


def test_a_bar_that_touches_both_barriers_is_a_loss():
    done = traded(flat_bar(0), signal(0), bar(1, 10_000, 11_000, 9_000, 10_000))
    _, exit_ = fills(done)
    assert exit_["p1"] == round(10_000 * np.exp(-0.05))
    assert done.equity[-1] < 10_000 * 10**8
    assert done.state.books["position"][0] == 0
    assert done.state.books["working"][0] == 0


def test_a_gap_through_the_stop_fills_at_the_open():
    done = traded(flat_bar(0), signal(0), flat_bar(1), bar(2, 8_000, 8_100, 7_900, 8_000))
    assert fills(done)["p1"].tolist() == [10_000, 8_000]


def test_a_target_needs_a_trade_through_its_price():
    target = round(10_000 * np.exp(0.05))
    touched = traded(flat_bar(0), signal(0), flat_bar(1), bar(2, 10_000, target, 10_000, 10_000))
    assert len(fills(touched)) == 1
    through = traded(flat_bar(0), signal(0), flat_bar(1), bar(2, 10_000, target + 1, 10_000, 10_000))
    assert fills(through)["p1"].tolist() == [10_000, target]
    assert fills(through)["p4"].tolist() == [2, 1]


def test_the_vertical_barrier_closes_a_position():
    bars = [flat_bar(number) for number in range(1, 9)]
    done = traded(flat_bar(0), signal(0), *bars)
    entry, exit_ = fills(done)
    assert exit_["ts_event"] == entry["ts_event"] + HORIZON * INTERVAL


def test_a_bar_without_volume_ends_an_entry_and_fills_no_exit():
    higher = bar(2, 10_200, 10_200, 10_200, 10_200)
    done = traded(flat_bar(0), signal(0), flat_bar(1, 0), higher)
    assert not len(fills(done))
    assert done.state.books["working"][0] == 0
    bars = [flat_bar(number, 0 if number in (6, 7) else 1_000_000) for number in range(1, 8)]
    done = traded(flat_bar(0), signal(0), *bars, bar(8, 10_200, 10_200, 10_200, 10_200))
    assert fills(done)["p1"].tolist() == [10_000, 10_200]


def test_what_is_left_of_an_entry_is_cancelled_and_of_an_exit_goes_on():
    exchange = msgspec.structs.replace(NO_COSTS, participation=0.1)
    bars = [flat_bar(1, 10_000), *[flat_bar(number, 4_000) for number in range(2, 12)]]
    done = traded(flat_bar(0), signal(0), *bars, exchange=exchange)
    lots = fills(done)["p2"].tolist()
    assert lots == [1_000, 400, 400, 200]
    assert done.journal[done.journal["kind"] == Kind.ORDER_CANCELLED]["p0"][0] == 1
    assert done.state.books["position"][0] == 0


def test_costs_are_against_us():
    exchange = ExchangeConfig(0.0, 0.001, 0.0, 1.0, True)
    long = traded(flat_bar(0), signal(0), flat_bar(1), exchange=exchange)
    short = traded(flat_bar(0), signal(0, 0.1), flat_bar(1), exchange=exchange)
    assert (fills(long)["p1"][0], fills(short)["p1"][0]) == (10_010, 9_990)
    fill = fills(long)[0]
    assert fill["p3"] == -(-int(fill["p1"]) * int(fill["p2"]) * 10_000 // 1000)


def test_spot_is_never_short():
    done = traded(flat_bar(0), signal(0, 0.01), flat_bar(1), rules=instrument("spot"))
    assert not len(fills(done))
    assert denials(done) == []


def test_a_stale_signal_is_ignored():
    late = signal(0)
    late["ts_recv"] += 2 * INTERVAL
    done = traded(flat_bar(0), flat_bar(1), flat_bar(2), late, flat_bar(3))
    assert not len(fills(done))
    assert done.state.core["ignored"][0] == 1


@pytest.mark.parametrize(
    ("reason", "trading", "rules"),
    [
        (layout.DENY_ORDER_NOTIONAL, with_risk(order_notional="100"), instrument()),
        (layout.DENY_POSITION_NOTIONAL, with_risk(position_notional="100"), instrument()),
        (layout.DENY_GROSS_NOTIONAL, with_risk(gross_notional="100"), instrument()),
        (layout.DENY_QUANTITY, TRADING, instrument(min_quantity="1000")),
        (layout.DENY_MIN_NOTIONAL, TRADING, instrument(min_notional="6000")),
        (layout.DENY_ORDER_NOTIONAL, TRADING, instrument(max_notional="100")),
    ],
)
def test_an_order_beyond_a_limit_is_denied(reason, trading, rules):
    done = traded(flat_bar(0), signal(0), flat_bar(1), rules=rules, trading=trading)
    assert denials(done) == [reason]
    assert not len(fills(done))
    denied = done.journal[done.journal["kind"] == Kind.ORDER_DENIED][0]
    assert denied["p2"] != denied["p3"]


def test_too_many_orders_in_a_minute_are_denied():
    first = [flat_bar(0), signal(0), bar(1, 10_000, 11_000, 9_000, 10_000), signal(1)]
    assert denials(traded(*first, flat_bar(2), trading=with_risk(orders_per_minute=2))) == [layout.DENY_RATE]
    assert denials(traded(*first, flat_bar(2), trading=with_risk(orders_per_minute=4))) == []


def test_a_drawdown_reduces_until_an_operator_resumes():
    fall = [flat_bar(0), signal(0, barrier=0.6), bar(1, 10_000, 10_000, 5_000, 5_000), signal(1), flat_bar(2)]
    done = traded(*fall, trading=with_risk(drawdown=0.2))
    assert done.state.core["trading_state"][0] == layout.REDUCING
    changed = done.journal[done.journal["kind"] == Kind.TRADING_STATE][-1]
    assert changed["p1"] == layout.BECAUSE_DRAWDOWN
    assert changed["p2"] < changed["p3"]
    resume = control_event(Control.RESUME, BEGIN + 3 * INTERVAL)
    again = traded(*fall, resume, flat_bar(3), trading=with_risk(drawdown=0.2))
    assert again.state.core["trading_state"][0] == layout.ACTIVE


class Direct:
    """A core that is told things by hand."""

    def __init__(self):
        self.state = layout.new_core([instrument()], TRADING, INTERVAL, HORIZON)
        self.log = np.zeros(rows_needed(1) + 1, EVENT)

    def tell(self, event):
        self.log[0] = event[0]
        return self.log[1 : step(self.state.core, self.state.books, self.state.orders, self.log, 0)].copy()

    def say(self, kind, **fields):
        event = np.zeros(1, EVENT)
        event["kind"], event["ts_event"], event["ts_recv"] = kind, BEGIN + INTERVAL, BEGIN + INTERVAL
        for name, value in fields.items():
            event[name] = value
        return self.tell(event)


@pytest.fixture
def entered():
    core = Direct()
    core.tell(control_event(Control.RESUME, BEGIN))
    core.tell(flat_bar(0))
    (order,) = core.tell(signal(0))
    made = core.say(Kind.FILL, p0=order["p0"], p1=10_000, p2=order["p4"], p3=7, p4=2, p5=1)
    assert made["p6"].tolist() == [layout.STOP, layout.TARGET]
    return core, made


def test_a_duplicate_fill_is_dropped(entered):
    core, _ = entered
    before = core.state.core["cash"][0]
    assert len(core.say(Kind.FILL, p0=1, p1=10_000, p2=10, p3=7, p5=1)) == 0
    assert (core.state.core["duplicates"][0], core.state.core["cash"][0]) == (1, before)


def test_a_fill_of_nobody_s_order_halts(entered):
    core, _ = entered
    before = core.state.core["cash"][0]
    (made,) = core.say(Kind.FILL, p0=99, p1=10_000, p2=10, p3=7, p5=2)
    assert (made["p0"], made["p1"]) == (layout.HALTED, layout.BECAUSE_UNKNOWN_ORDER)
    assert core.state.core["cash"][0] == before


def test_a_fill_beyond_the_order_halts(entered):
    core, (stop, _) = entered
    held = core.state.books["position"][0]
    (made,) = core.say(Kind.FILL, p0=stop["p0"], p1=10_000, p2=int(stop["p4"]) + 1, p3=0, p5=2)
    assert (made["p0"], made["p1"]) == (layout.HALTED, layout.BECAUSE_OVERFILL)
    assert core.state.books["position"][0] == held


@pytest.mark.parametrize("end", [Kind.ORDER_REJECTED, Kind.ORDER_CANCELLED])
def test_a_position_that_loses_its_stop_is_closed_at_the_market(entered, end):
    core, (stop, _) = entered
    (exit_,) = core.say(end, p0=stop["p0"])
    assert (exit_["p6"], exit_["p2"], exit_["p8"]) == (layout.EXIT, layout.MARKET, 1)
    assert exit_["p4"] == core.state.books["position"][0]


def test_funding_moves_cash_from_longs(entered):
    core, _ = entered
    held, before = int(core.state.books["position"][0]), int(core.state.core["cash"][0])
    core.say(Kind.FUNDING, p0=100_000, p1=10_000)
    assert core.state.core["cash"][0] == before - held * 10_000 * 10_000 // 10_000
    assert Decimal(int(core.state.core["cash"][0])) == int(core.state.core["cash"][0])


def test_a_halted_core_opens_nothing():
    core = Direct()
    core.tell(flat_bar(0))
    assert len(core.tell(signal(0))) == 0
    assert core.state.core["ignored"][0] == 1


def test_a_tape_out_of_order_or_of_strangers_is_refused():
    with pytest.raises(TapeError, match="event 2 of the tape is earlier"):
        traded(flat_bar(1), flat_bar(0))
    stranger = flat_bar(1)
    stranger["instrument"] = 9
    with pytest.raises(TapeError, match="instrument 9"):
        traded(flat_bar(0), stranger)
