"""The exchange's rules for prices, volume and priority, on bars made by hand (`test_rules` has the simpler ones)."""

from __future__ import annotations

from math import ceil, exp, floor, sqrt

import numpy as np
import pytest

from market.events import Control, Kind
from tests.trading.trading_samples import EXIT, HORIZON, INTERVAL, STOP, TARGET, bar, control, event, instrument, signal
from trading.backtest import run
from trading.config import ExchangeConfig, RiskConfig, SizingConfig, TradingConfig
from trading.exchange import REASON_FULL, REASON_REDUCE_ONLY, REASON_UNFILLED, command, new_exchange
from trading.layout import SLOTS

TRADING = TradingConfig(risk=RiskConfig(drawdown=1.0), sizing=SizingConfig(volatility_target=10, max_weight=0.2))
LOTS = 20_000
"""Of an entry at 100.00: a fifth of 10000."""
FREE = ExchangeConfig(participation=1.0).free()
STOP_AT, TARGET_AT = round(10_000 * exp(-0.05)), round(10_000 * exp(0.05))


def flat(place, volume=10**6):
    return bar(place, 10_000, 10_000, 10_000, 10_000, volume)


def traded(*events, exchange=FREE, probability=0.9, barrier=0.05, **rules):
    """Records after a signal on the first of these bars."""
    tape = np.concatenate([control(-1, Control.RESUME), flat(0), signal(0, probability, barrier=barrier), *events])
    return run([instrument(**rules)], TRADING, exchange, tape, INTERVAL, HORIZON).journal


def of(journal, kind):
    return journal[journal["kind"] == kind]


def prices(journal):
    return of(journal, Kind.FILL)["p1"].tolist()


@pytest.mark.parametrize("side", [1, -1])
def test_a_takers_price(side):
    exchange = ExchangeConfig(latency_ms=600.0, half_spread=0.0003, impact=0.02, participation=1.0)
    first = bar(1, 10_100, 10_300, 9_950, 10_000, 80_000)
    fill = of(traded(first, exchange=exchange, probability=0.5 + side * 0.4), Kind.FILL)[0]
    worse = 10_100 * (0.0003 + 0.02 * sqrt(LOTS / 80_000)) + 350 * sqrt(0.01)
    assert fill["p1"] == (ceil(10_100 + worse) if side > 0 else floor(10_100 - worse))
    assert (fill["p2"], fill["p4"]) == (LOTS, 2)
    value = int(fill["p1"]) * LOTS * 1000
    assert fill["p3"] == -(-value * 5 // 10_000)


def test_a_stop_pays_costs_on_the_worse_of_trigger_and_open():
    exchange = ExchangeConfig(latency_ms=0, half_spread=0.001, impact=0, participation=1.0)
    entry = 10_010
    trigger = round(entry * exp(-0.05))
    touched = traded(flat(1), bar(2, 10_000, 10_000, trigger, 10_000, 10**6), exchange=exchange)
    gapped = traded(flat(1), bar(2, 9_000, 9_900, 8_000, 9_900, 10**6), exchange=exchange)
    assert prices(touched) == [entry, floor(trigger * 0.999)]
    assert prices(gapped) == [entry, floor(9_000 * 0.999)]
    near = traded(flat(1), bar(2, 10_000, 10_000, trigger + 1, 10_000, 10**6), exchange=exchange)
    assert prices(near) == [entry]


def test_a_short_is_the_mirror():
    stop, target = round(10_000 * exp(0.05)), round(10_000 * exp(-0.05))
    both = traded(flat(1), bar(2, 10_000, stop, target - 1, 10_000, 10**6), probability=0.1)
    gap = traded(flat(1), bar(2, 12_000, 12_000, 12_000, 12_000, 10**6), probability=0.1)
    touch = traded(flat(1), bar(2, 10_000, 10_000, target, 10_000, 10**6), probability=0.1)
    through = traded(flat(1), bar(2, 10_000, 10_000, target - 1, 10_000, 10**6), probability=0.1)
    assert [prices(one) for one in (both, gap, touch, through)] == [
        [10_000, stop], [10_000, 12_000], [10_000], [10_000, target],
    ]  # fmt: skip


def test_prices_stay_at_least_a_tick():
    exchange = ExchangeConfig(0, 0.1, 1.0, 1.0)
    journal = traded(flat(1), bar(2, 1, 1, 1, 1, LOTS), exchange=exchange, barrier=2.0)
    assert prices(journal) == [ceil(10_000 * (1.1 + sqrt(LOTS / 10**6))), 1]


def test_a_target_gapped_through_fills_at_its_own_price_as_maker():
    journal = traded(flat(1), bar(2, 12_000, 12_000, 12_000, 12_000, 10**6), exchange=ExchangeConfig(0, 0, 0, 1.0))
    _, out = of(journal, Kind.FILL)
    assert (out["p1"], out["p4"]) == (TARGET_AT, 1)
    assert out["p3"] == -(-TARGET_AT * LOTS * 1000 * 2 // 10_000)


def test_a_rebate_is_rounded_down():
    journal = traded(
        flat(1), bar(2, 12_000, 12_000, 12_000, 12_000, 10**6), exchange=ExchangeConfig(0, 0, 0, 1.0),
        maker_fee="-0.000100007",
    )  # fmt: skip
    assert of(journal, Kind.FILL)["p3"][1] == -(TARGET_AT * LOTS * 1000 * 100_007 // 10**9)


def test_a_bar_too_thin_for_a_lot_ends_an_entry_but_no_exit():
    thin = ExchangeConfig(participation=0.1).free()
    journal = traded(flat(1, 9), flat(2), exchange=thin)
    assert not prices(journal)
    assert of(journal, Kind.ORDER_CANCELLED)[["p0", "p1"]].tolist() == [(1, REASON_UNFILLED)]
    bars = [flat(1), bar(2, 9_000, 9_000, 9_000, 9_000, 9), bar(3, 8_000, 8_000, 8_000, 8_000, 10**6)]
    assert prices(traded(*bars, exchange=thin)) == [10_000, 8_000]


def late(begins, volume=10**6):
    """A bar that begins some ns after the end of bar 0."""
    made = bar(1, 10_000, 10_000, 10_000, 10_000, volume)
    for name in ("p5", "ts_event", "ts_recv"):
        made[name] += begins
    return made


@pytest.mark.parametrize(
    ("bars", "filled"),
    [
        ([late(INTERVAL - 1)], True),
        ([late(INTERVAL)], False),
        ([late(3 * 86_400 * 10**9)], False),
        ([late(0, 0), late(1)], False),
        ([late(-1), late(0)], True),
        ([late(-1), late(INTERVAL), late(INTERVAL + 1)], False),
    ],
)
def test_an_immediate_order_has_one_bar(bars, filled):
    journal = traded(*bars)
    assert prices(journal) == [10_000] * filled
    ended = of(journal, Kind.ORDER_CANCELLED)[["p0", "p1", "ts_event"]].tolist()
    decisive = next(one for one in bars if one["p5"][0] >= signal(0)["ts_recv"][0])
    assert ended == ([] if filled else [(1, REASON_UNFILLED, int(decisive["ts_event"][0]))])


def test_an_exit_waits_however_late_a_bar_comes():
    bars = [flat(number) for number in range(1, HORIZON + 1)]
    journal = traded(*bars, flat(HORIZON + 5_000, 0), bar(HORIZON + 9_000, 9_900, 9_900, 9_900, 9_900, 10**6))
    assert prices(journal) == [10_000, 9_900]


def bought(cash_weight, *events, exchange, rules):
    sizing = SizingConfig(volatility_target=10, max_weight=cash_weight)
    trading = TradingConfig(risk=RiskConfig(drawdown=1.0), sizing=sizing)
    tape = np.concatenate([control(-1, Control.RESUME), *events])
    return run(rules, trading, exchange, tape, INTERVAL, HORIZON)


@pytest.mark.parametrize("impact", [0.0, 0.05, 0.6, 0.7, 0.8, 0.9, 1.0])
def test_a_spot_purchase_takes_at_most_what_its_cash_pays_for(impact):
    rules = [instrument(kind="spot")]
    exchange = ExchangeConfig(latency_ms=0, half_spread=0.001, impact=impact, participation=1.0)
    gap = bar(1, 11_000, 11_000, 11_000, 11_000, 10**6)
    done = bought(1.0, flat(0), signal(0, barrier=3.0), gap, exchange=exchange, rules=rules)
    (fill,) = of(done.journal, Kind.FILL)
    wanted = int(of(done.journal, Kind.SUBMIT_ORDER)["p4"][0])
    cash = int(done.state.core["cash"][0])

    def cost(lots):
        value = ceil(11_000 * (1.001 + impact * sqrt(lots / 10**6))) * lots * 1000
        return value + -(-value * 5 // 10_000)

    assert cost(wanted) > 10**12
    assert cash == 10**12 - cost(int(fill["p2"])) >= 0
    assert cost(int(fill["p2"]) + 1) > 10**12
    assert of(done.journal, Kind.ORDER_CANCELLED)[["p0", "p1", "ts_event"]].tolist() == [
        (1, REASON_UNFILLED, int(gap["ts_event"][0]))
    ]
    assert done.state.books["working"][0] == 2


def test_purchases_on_one_bar_share_the_cash():
    rules = [instrument(name, "spot") for name in "AB"]
    begin = [part for number in (0, 1) for part in (bar(0, *[10_000] * 4, 10**6, number), signal(0, number=number))]
    gaps = [bar(1, 12_000, 12_000, 12_000, 12_000, 10**6, number) for number in (0, 1)]
    done = bought(0.49, *begin, *gaps, exchange=ExchangeConfig(0, 0, 0, 1.0, False), rules=rules)
    assert of(done.journal, Kind.FILL)["p2"].tolist() == [49_000, floor((10**12 - 49_000 * 12_000_000) / 12_000_000)]
    assert 0 <= done.state.core["cash"][0] < 12_000_000


def test_a_perpetual_is_not_bound_by_cash():
    gap = bar(1, 11_000, 11_000, 11_000, 11_000, 10**6)
    done = bought(1.0, flat(0), signal(0), gap, exchange=FREE, rules=[instrument()])
    assert of(done.journal, Kind.FILL)["p2"].tolist() == [100_000]
    assert done.state.core["cash"][0] == done.exchange.exchange["cash"][0] == 10**12 - 11 * 10**11


def test_a_stop_touched_when_the_volume_is_gone_goes_on_at_the_next_open():
    bars = [bar(1, 10_000, 10_000, 9_000, 10_000, LOTS), bar(2, 10_200, 10_200, 10_100, 10_200, 10**6)]
    journal = traded(*bars)
    assert prices(journal) == [10_000, 10_200]
    assert journal[journal["kind"] == Kind.FILL]["ts_event"][1] == bars[1]["p5"][0]


def test_a_stop_half_filled_goes_on_at_the_open_and_before_limits():
    bars = [flat(1), bar(2, 9_000, 9_000, 9_000, 9_000, 5_000), bar(3, 10_000, 12_000, 10_000, 12_000, 7_000)]
    journal = traded(*bars, bar(4, 11_000, 12_000, 11_000, 12_000, 9_000), flat(5))
    found = of(journal, Kind.FILL)
    assert [(one["p1"], one["p2"]) for one in found] == [
        (10_000, LOTS), (9_000, 5_000), (10_000, 7_000), (11_000, 8_000),
    ]  # fmt: skip
    assert len(set(found["p0"][1:].tolist())) == 1
    assert of(journal, Kind.ORDER_CANCELLED)["p0"].tolist() == [3]


def test_an_exit_goes_before_stop_and_target_and_ends_both():
    bars = [flat(number) for number in range(1, HORIZON + 1)]
    wild = bar(HORIZON + 1, 10_001, 20_000, 5_000, 10_000, 10**6)
    journal = traded(*bars, wild, flat(HORIZON + 2))
    sent = {int(one["p0"]): int(one["p6"]) for one in of(journal, Kind.SUBMIT_ORDER)}
    assert [sent[int(one["p0"])] for one in of(journal, Kind.FILL)] == [1, EXIT]
    assert prices(journal) == [10_000, 10_001]
    assert [sent[one] for one in of(journal, Kind.ORDER_CANCELLED)["p0"].tolist()] == [STOP, TARGET]


def test_free_charges_nothing_but_keeps_the_volume():
    journal = traded(flat(1, 50_000), exchange=ExchangeConfig(500, 0.01, 0.5, 0.1).free())
    assert of(journal, Kind.FILL)[["p1", "p2", "p3"]].tolist() == [(10_000, 5_000, 0)]


class Venue:
    """An exchange that is sent orders by hand."""

    def __init__(self):
        self.state = new_exchange([instrument()], FREE, INTERVAL, 10**12)

    def send(self, kind=Kind.SUBMIT_ORDER, **fields):
        state, log = self.state, event(kind, 0, **fields)
        command(state.exchange, state.books, state.resting, state.outbox, log, 0)
        last = state.outbox[int(state.exchange["tail"][0]) - 1]
        return Kind(int(last["kind"])), int(last["p0"]), int(last["p1"])


def test_the_venue_answers_every_command():
    venue = Venue()
    for client in range(1, SLOTS + 1):
        assert venue.send(p0=client, p1=1, p2=1, p4=5) == (Kind.ORDER_ACCEPTED, client, client)
    assert venue.send(p0=99, p1=1, p2=1, p4=5) == (Kind.ORDER_REJECTED, 99, REASON_FULL)
    assert venue.send(Kind.CANCEL_ORDER, p0=7)[:2] == (Kind.ORDER_CANCELLED, 7)
    before = int(venue.state.exchange["tail"][0])
    venue.send(Kind.CANCEL_ORDER, p0=7)
    assert venue.state.exchange["tail"][0] == before
    assert venue.send(p0=99, p1=1, p2=1, p4=5) == (Kind.ORDER_ACCEPTED, 99, SLOTS + 1)


def test_reduce_only_orders_of_a_flat_account_are_cancelled():
    from trading.exchange import begin_bar, next_fill

    venue, log, now = Venue(), event(Kind.TIMER, 0), flat(1)
    venue.send(p0=1, p1=-1, p2=1, p4=5, p5=2, p8=1)
    state = venue.state
    begin_bar(state.exchange, state.books, now[0])
    assert next_fill(state.exchange, state.books, state.resting, now[0], log, 0)
    assert (log["kind"][0], log["p0"][0], log["p1"][0]) == (Kind.ORDER_CANCELLED, 1, REASON_REDUCE_ONLY)
    assert not next_fill(state.exchange, state.books, state.resting, now[0], log, 0)
