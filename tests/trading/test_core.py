"""The core told things by hand: what it decides, what it books, what it refuses (`test_rules` has the simpler ones)."""

from __future__ import annotations

import math
from fractions import Fraction

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from market.events import EVENT, Control, Kind
from market.instruments import Instrument
from tests.trading.trading_samples import BEGIN, HORIZON, INTERVAL, Cover, bar, control, event, instrument, signal
from trading import layout
from trading.config import DecisionConfig, RiskConfig, SizingConfig, TradingConfig
from trading.core import rows_needed, step
from trading.errors import LimitError
from trading.exact import LIMIT

SIZING = SizingConfig(volatility_target=10, max_weight=0.2)
TRADING = TradingConfig(risk=RiskConfig(drawdown=1.0), sizing=SIZING)
CASH = 10_000 * 10**8


class Core:
    """A core that is told things by hand."""

    def __init__(self, trading=TRADING, *rules: Instrument, begun=True):
        rules = rules or (instrument(),)
        self.state = layout.new_core(rules, trading, INTERVAL, HORIZON)
        self.log = np.zeros(rows_needed(len(rules)) + 1, EVENT)
        if begun:
            self.tell(control(-1, Control.RESUME))
            for number in range(len(rules)):
                self.tell(bar(0, 10_000, 10_000, 10_000, 10_000, 10**6, number))

    def __getattr__(self, name):
        return self.state.core[name][0]

    def tell(self, told):
        self.log[0] = told[0]
        return self.log[1 : step(self.state.core, self.state.books, self.state.orders, self.log, 0)].copy()

    def fill(self, client, price, lots, trade, fee=0, number=0, now=BEGIN + INTERVAL):
        return self.tell(event(Kind.FILL, now, number, p0=client, p1=price, p2=lots, p3=fee, p4=2, p5=trade))

    def position(self, number=0):
        return int(self.state.books["position"][number])

    def check(self):
        """The equity and the gross are those of cash, positions and marks."""
        books = self.state.books
        worth = books["position"] * books["mark"] * books["numerator"]
        assert self.equity == self.cash + worth.sum()
        assert self.gross == abs(worth).sum() + books["reserved"].sum()


def entered(side=1, parts=(20_000,)):
    core = Core()
    core.tell(signal(0, 0.5 + side * 0.4))
    return core, [core.fill(1, 10_000, lots, number + 1) for number, lots in enumerate(parts)]


def kinds(made):
    return [(Kind(int(one["kind"])), int(one["p6" if one["kind"] == 32 else "p1"])) for one in made]


def size(probability=0.9, volatility=0.01, sizing=SIZING, **changes):
    made = Core(msgspec.structs.replace(TRADING, sizing=sizing, **changes)).tell(
        signal(0, probability, 1.0, 0.05, volatility)
    )
    return int(made["p4"][0]) if len(made) else 0


def test_the_expected_gain_must_exceed_the_costs():
    decision = DecisionConfig(margin=0.002, slippage=0.0003)
    cost = 2 * (0.0005 + 0.0003) + 0.002
    for side in (1, -1):
        for move, acts in ((cost / 0.2 * 1.00001, True), (cost / 0.2 * 0.99999, False)):
            made = Core(msgspec.structs.replace(TRADING, decision=decision)).tell(signal(0, 0.5 + side * 0.1, move))
            assert len(made) == acts
            assert not acts or made["p1"][0] == side
    assert size(0.5, decision=DecisionConfig(margin=1.0)) == 0


def test_sizes():
    annual = 0.01 * math.sqrt(365.25 * 86_400e9 / INTERVAL)
    half = SizingConfig(volatility_target=0.5, full_bet=0.4, max_weight=1)
    assert size(0.9, sizing=half) == math.floor(0.5 / annual * 10_000 / 100 * 1000)
    assert size(0.6, sizing=half) == math.floor(0.5 / annual * 0.5 * 10_000 / 100 * 1000)
    assert size(0.4, sizing=half) == size(0.6, sizing=half)
    assert size(0.9) == 20_000
    assert size(0.9, risk=RiskConfig(leverage=0.1)) == 10_000


def test_leverage_and_cash_leave_room_for_the_rest():
    rules = [instrument(name, "spot") for name in "AB"]
    core = Core(msgspec.structs.replace(TRADING, sizing=SizingConfig(volatility_target=10, max_weight=0.8)), *rules)
    first, second = (core.tell(signal(0, number=number))[0] for number in (0, 1))
    assert first["p4"] == 80_000
    assert second["p4"] == math.floor((10_000 - 8_000 * 1.01) / 1.01 / 0.1)
    assert core.cash == CASH
    core.check()


def denial(trading, rule):
    core = Core(trading, rule, begun=False)
    core.tell(control(-1, Control.RESUME))
    core.tell(bar(0, 1, 1, 1, 1, 10**6))
    (made,) = core.tell(signal(0, volatility=1e-6))
    assert made["kind"] == Kind.ORDER_DENIED
    assert (core.denials, core.orders, core.gross) == (1, 0, 0)
    assert made["p4"] == 3  # the signal's seq
    return int(made["p1"]), int(made["p2"]), int(made["p3"])


def test_an_entry_without_cash_is_denied():
    poor = TradingConfig(capital="0.000001", sizing=SizingConfig(volatility_target=10, full_bet=0.001, max_weight=100))
    rule = instrument("A", "spot", tick="1", lot="0.00000000001", min_quantity="0.00000000001", max_quantity="1")
    assert denial(poor, rule) == (layout.DENY_CASH, 100, 100)  # 99.009 units, rounded up, and a hundredth more


def test_a_notional_beyond_exact_arithmetic_is_denied():
    rich = TradingConfig(
        capital="1000000000", risk=RiskConfig(leverage=100), sizing=SizingConfig(volatility_target=10, max_weight=100)
    )
    rule = instrument(tick="1", lot="1", min_quantity="1", max_quantity="100000000000")
    assert denial(rich, rule) == (layout.DENY_OVERFLOW, 10**11, 10**11)


@pytest.mark.parametrize("field", ["order_notional", "position_notional", "gross_notional"])
def test_a_limit_is_met_to_the_unit(field):
    for money, acts in (("2000", True), ("1999.99999999", False)):
        made = Core(msgspec.structs.replace(TRADING, risk=RiskConfig(**{field: money}))).tell(signal(0))
        assert (made["kind"] == [Kind.SUBMIT_ORDER if acts else Kind.ORDER_DENIED]).all()
        assert acts or made[["p2", "p3"]].tolist() == [(2_000 * 10**8, 2_000 * 10**8 - 1)]


def test_the_gross_limit_counts_what_is_on_its_way():
    risk = RiskConfig(gross_notional="3999.99999999")
    core = Core(msgspec.structs.replace(TRADING, risk=risk), instrument("A"), instrument("B"))
    core.tell(signal(0))
    (made,) = core.tell(signal(0, number=1))
    assert (made["p1"], made["p2"]) == (layout.DENY_GROSS_NOTIONAL, 4_000 * 10**8)
    core.fill(1, 10_000, 20_000, 1)
    (made,) = core.tell(signal(0, number=1))
    assert (made["p1"], made["p2"]) == (layout.DENY_GROSS_NOTIONAL, 4_000 * 10**8)


@pytest.mark.parametrize("side", [1, -1])
def test_each_part_of_an_entry_is_protected_and_booked(side):
    core, made = entered(side, (3_000, 10_000, 7_000))
    for lots, decisions in zip((3_000, 10_000, 7_000), made, strict=True):
        stop, target = decisions
        assert (stop["p6"], stop["p2"], stop["p4"], stop["p1"]) == (layout.STOP, layout.STOP_MARKET, lots, -side)
        assert (target["p6"], target["p2"], target["p4"], target["p8"]) == (layout.TARGET, layout.LIMIT_ORDER, lots, 1)
        below, above = round(10_000 * math.exp(-0.05)), round(10_000 * math.exp(0.05))
        assert (stop["p9"], target["p3"]) == ((below, above) if side > 0 else (above, below))
    assert core.position() == side * 20_000
    assert core.cash == CASH - side * 2_000 * 10**8
    core.check()


def test_barriers_stay_a_tick_away_and_above_zero():
    for price, barrier, expected in ((10_000, 0.0, (9_999, 10_001)), (2, 30.0, (1, None)), (1, 0.1, (1, 2))):
        core = Core()
        core.tell(signal(0, barrier=max(barrier, 1e-9)))
        stop, target = core.fill(1, price, 5, 1)
        assert stop["p9"] == expected[0]
        assert expected[1] is None or target["p3"] == expected[1]


@pytest.mark.parametrize("barrier", [40.0, 50.0, 1_000.0, 1e6])
def test_a_barrier_out_of_reach_is_the_end_of_the_scale(barrier):
    core = Core()
    core.tell(signal(0, barrier=barrier))
    stop, target = core.fill(1, 10_000, 5, 1)
    assert (stop["p9"], target["p3"]) == (1, core.state.books["tick_limit"][0])


def test_a_size_beyond_int64_is_the_largest():
    tiny = instrument(tick="0.00000001", lot="0.000000000000001", min_quantity="0.000000000000001", max_quantity="1")
    core = Core(TRADING, tiny, begun=False)
    core.tell(control(-1, Control.RESUME))
    core.tell(bar(0, 1, 1, 1, 1, 10**6))
    (order,) = core.tell(signal(0))
    assert (order["kind"], order["p4"]) == (Kind.SUBMIT_ORDER, 10**15)


@settings(max_examples=150, deadline=None)
@given(
    limit=st.integers(1, 9),
    pauses=st.lists(st.sampled_from([0, 1, 10**7, 10**9 - 1, 10**9, 3 * 10**9, 29 * 10**9, 31 * 10**9, 90 * 10**9])),
    start=st.integers(0, 10**9),
)
def test_no_minute_holds_an_entry_too_many(limit, pauses, start):
    """Against a twin that remembers every moment; each entry admitted is filled, so that protection counts too."""
    core = Core(msgspec.structs.replace(TRADING, risk=RiskConfig(drawdown=1.0, orders_per_minute=limit)))
    now, sent = BEGIN + INTERVAL + start, []
    for trade, pause in enumerate(pauses):
        now += pause
        asked = signal(0)
        asked["ts_recv"], asked["p3"] = now, now
        (made,) = core.tell(asked)
        minute, more = (sum(time >= now - seconds * 10**9 for time in sent) for seconds in (60, 61))
        if made["kind"] == Kind.ORDER_DENIED:
            assert more >= limit
            assert (made["p1"], made["p3"]) == (layout.DENY_RATE, limit)
            assert minute < made["p2"] <= more + 1
            continue
        assert minute < limit
        stop, target = core.fill(int(made["p0"]), 10_000, int(made["p4"]), 2 * trade, now=now)
        core.fill(int(stop["p0"]), 10_000, int(made["p4"]), 2 * trade + 1, now=now)
        core.tell(event(Kind.ORDER_CANCELLED, now, p0=int(target["p0"])))
        sent += [now] * 3


def test_seven_orders_at_once_do_not_pass_a_limit_of_four():
    """Counted anew each minute, seven of these would be admitted within 0.13 s."""
    rules = [instrument(name) for name in "ABCDEFGH"]
    core = Core(
        msgspec.structs.replace(
            TRADING, risk=RiskConfig(drawdown=1.0, orders_per_minute=4), sizing=SizingConfig(10, 0.2, 0.05)
        ),
        *rules,
    )
    admitted = []
    for number, late in enumerate([0, 59.95, 59.96, 59.97, 60.0, 60.02, 60.05, 60.08]):
        asked = signal(0, number=number)
        asked["ts_recv"] = asked["p3"] = BEGIN + INTERVAL + round(late * 10**9)
        admitted.append(int(core.tell(asked)["kind"][0]) == Kind.SUBMIT_ORDER)
    assert admitted == [True] * 4 + [False] * 4
    asked["ts_recv"] = asked["p3"] = BEGIN + INTERVAL + 61 * 10**9
    assert core.tell(asked)["kind"] == [Kind.SUBMIT_ORDER]


def test_flat_cancels_the_rest_and_only_once():
    core, _ = entered()
    core.tell(event(Kind.ORDER_ACCEPTED, BEGIN, p0=2, p1=70))
    made = core.fill(2, 9_500, 20_000, 2)
    assert kinds(made) == [(Kind.CANCEL_ORDER, layout.TARGET)]
    assert core.state.books["working"][0] == 1
    assert not len(core.tell(signal(0)))  # the cancel is not confirmed: not idle
    core.tell(event(Kind.ORDER_CANCELLED, BEGIN, p0=3, p1=3))
    assert (core.state.orders["status"] == layout.FREE).all()
    assert core.gross == 0
    assert len(core.tell(signal(0))) == 1
    core.check()


def test_a_target_that_fills_while_it_is_cancelled_is_booked():
    core, _ = entered()
    core.fill(2, 9_500, 20_000, 2)
    assert not len(core.fill(3, 10_500, 20_000, 3))
    assert (core.position(), core.violations) == (-20_000, 0)
    core.check()


STATES = pytest.mark.parametrize("action", [Control.RESUME, Control.HALT, Control.REDUCE])


def quiet(place):
    return bar(place, 10_000, 10_000, 10_000, 10_000, 10**6)


@STATES
def test_a_stop_lost_means_one_exit_whatever_the_state(action):
    core, _ = entered(1, (3_000, 17_000))
    core.tell(control(1, action))
    (exit_,) = core.tell(event(Kind.ORDER_REJECTED, BEGIN, p0=2))
    assert (exit_["p6"], exit_["p4"], exit_["p1"]) == (layout.EXIT, 20_000, -1)
    assert not len(core.tell(event(Kind.ORDER_CANCELLED, BEGIN, p0=4)))
    assert not len(core.tell(quiet(50)))  # one exit is enough


@STATES
def test_an_exit_that_is_rejected_is_sent_again_at_every_bar(action):
    core, _ = entered()
    core.tell(control(1, action))
    (exit_,) = core.tell(event(Kind.ORDER_REJECTED, BEGIN, p0=2))
    for place in range(2, 7):
        assert not len(core.tell(event(Kind.ORDER_REJECTED, BEGIN, p0=int(exit_["p0"]))))
        (exit_,) = core.tell(quiet(place))
        assert (exit_["p6"], exit_["p4"], exit_["p1"]) == (layout.EXIT, 20_000, -1)
    core.fill(int(exit_["p0"]), 10_000, 20_000, 2)
    assert core.position() == 0
    assert not len(core.tell(quiet(7)))


def test_an_exit_is_for_what_no_other_closes():
    core, _ = entered(1, (3_000, 10_000))
    (exit_,) = core.tell(event(Kind.ORDER_REJECTED, BEGIN, p0=2))
    assert exit_["p4"] == 13_000
    core.fill(int(exit_["p0"]), 10_000, 1_000, 3)
    core.fill(1, 10_000, 7_000, 4)  # with a stop of its own
    assert not len(core.tell(quiet(1)))
    (exit_,) = core.tell(quiet(50))  # the vertical barrier closes all of it
    assert exit_["p4"] == 7_000


def test_a_position_turned_by_a_late_target_leaves_at_the_next_bar():
    core, _ = entered()
    core.fill(2, 9_500, 20_000, 2)
    core.fill(3, 10_500, 20_000, 3)
    core.tell(control(1, Control.HALT))
    (exit_,) = core.tell(quiet(1))
    assert (exit_["p6"], exit_["p4"], exit_["p1"]) == (layout.EXIT, 20_000, 1)


def test_a_stop_that_is_asked_back_covers_nothing():
    core, _ = entered(1, (3_000, 4_000))
    core.fill(2, 9_500, 3_000, 3)
    assert kinds(core.fill(5, 10_500, 4_000, 4)) == [
        (Kind.CANCEL_ORDER, purpose) for purpose in (layout.ENTRY, layout.TARGET, layout.STOP)
    ]  # fmt: skip
    stop, _ = core.fill(1, 10_000, 2_000, 5)  # the cancel came too late
    (exit_,) = core.tell(event(Kind.ORDER_REJECTED, BEGIN, p0=int(stop["p0"])))
    assert (exit_["p6"], exit_["p4"]) == (layout.EXIT, 2_000)


def test_an_entry_in_too_many_parts():
    core, told = entered(1, [1_000] * 10)
    both = [(Kind.SUBMIT_ORDER, layout.STOP), (Kind.SUBMIT_ORDER, layout.TARGET)]
    no_room = (Kind.ORDER_DENIED, layout.DENY_SLOTS)
    for made in told[:6]:
        assert kinds(made) == both
    for made in told[6:8]:
        assert kinds(made) == [both[0], no_room]
    halted = (Kind.TRADING_STATE, layout.BECAUSE_UNPROTECTED)
    assert kinds(told[8]) == [
        no_room, halted, (Kind.CANCEL_ORDER, layout.ENTRY), (Kind.SUBMIT_ORDER, layout.EXIT),
    ]  # fmt: skip
    assert told[8]["p4"][3] == 9_000
    assert kinds(told[9]) == [no_room, no_room]
    denied = [one for made in told for one in made if one["kind"] == Kind.ORDER_DENIED]
    assert [(one["p2"], one["p3"]) for one in denied] == [(15, 14), (16, 14), (16, 15), (17, 15), (17, 16)]
    assert kinds(core.tell(quiet(1))) == []  # the stops and the exit cover all of it
    core.tell(event(Kind.ORDER_CANCELLED, BEGIN, p0=1))
    lost = [int(made["p0"][0]) for made in told[:8]]
    made = [core.tell(event(Kind.ORDER_CANCELLED, BEGIN, p0=client)) for client in lost]
    assert [one["p4"].tolist() for one in made] == [[]] * 7 + [[1_000]]
    assert not len(core.tell(quiet(2)))


VENUE = ("signal", "pieces", "bar", "rejected", "ended", "confirmed", "filled", "accepted", "control")


def dared(number, asked, trade, cover):
    """What a venue and an operator tell next, as (event, piece) pairs; nothing where it makes no sense."""
    action, choice, parts = asked
    orders = [(client, one) for client, one in cover.live.items() if one["number"] == number]
    wanted = {
        "pieces": [pair for pair in orders if pair[1]["purpose"] == layout.ENTRY],
        "confirmed": [pair for pair in orders if pair[1]["asked"]],
        "filled": [pair for pair in orders if pair[1]["purpose"] != layout.ENTRY],
        "rejected": [pair for pair in orders if pair[1]["purpose"] in (layout.STOP, layout.EXIT)],
    }.get(action, orders)
    now = BEGIN + INTERVAL
    if action == "signal":
        return [signal(0, (0.1, 0.9)[choice % 2], number=number)]
    if action == "bar":
        return [bar(1 + choice // 3, 10_000, 10_000, 10_000, 10_000, 10**6, number)]
    if action == "control":
        return [control(1, (Control.HALT, Control.REDUCE, Control.RESUME, Control.RESUME)[choice % 4])]
    if not wanted:
        return []
    client, order = wanted[choice % len(wanted)]
    if action == "pieces":
        sizes = [len(part) for part in np.array_split(np.arange(order["left"]), parts) if len(part)]
        sizes = sizes if choice % 3 else sizes[:-1]
        return [
            event(Kind.FILL, now, number, p0=client, p1=10_000, p2=lots, p4=2, p5=trade + place)
            for place, lots in enumerate(sizes)
        ]
    if action == "filled":
        held = max(-order["side"] * cover.position.get(number, 0), 0)
        lots = min(order["left"], held) if choice % 5 else order["left"]  # a venue's reduce-only may come too late
        lots = max(lots // parts, 1)
        return [event(Kind.FILL, now, number, p0=client, p1=10_000, p2=lots, p4=2, p5=trade)]
    kind = {"rejected": Kind.ORDER_REJECTED, "accepted": Kind.ORDER_ACCEPTED}.get(action, Kind.ORDER_CANCELLED)
    return [event(kind, now, number, p0=client, p1=choice)]


def dare(actions):
    """Tell a core all of it and audit every record; what occurred."""
    core, cover = Core(TRADING, instrument("A"), instrument("B")), Cover()
    cover.state, trade = int(core.trading_state), 1
    for asked in actions:
        for told in dared(asked[1] % 2, asked, trade, cover):
            trade += 1
            made = core.tell(told)
            for one in (told[0], *made):
                cover.take(one)
            cover.decided()
            assert cover.state == core.trading_state
        assert [core.position(number) for number in (0, 1)] == [cover.position.get(number, 0) for number in (0, 1)]
        assert [int(one) for one in core.state.books["working"]] == [len(cover.slots(number)) for number in (0, 1)]
        core.check()
    return cover.seen


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(VENUE), st.integers(0, 59), st.integers(1, 12)), max_size=60))
def test_no_bar_leaves_a_position_bare(actions):
    dare(actions)


def test_no_bar_leaves_a_position_bare_among_many():
    seen = set()
    for seed in range(60):
        draw = np.random.default_rng(seed)
        choices = zip(draw.choice(VENUE, 150), draw.integers(0, 60, 150), draw.integers(1, 13, 150), strict=True)
        seen |= dare([(str(action), int(choice), int(parts)) for action, choice, parts in choices])
    wanted = {("denied", purpose) for purpose in (layout.STOP, layout.TARGET, layout.EXIT)}
    wanted |= {("exit", "BAR", state) for state in (layout.ACTIVE, layout.HALTED, layout.REDUCING)}
    wanted |= {("exit", "FILL", layout.HALTED), ("exit", "ORDER_REJECTED", layout.HALTED)}
    assert not wanted - seen


def test_an_exit_that_ends_early_is_sent_again_at_the_next_bar():
    core, _ = entered()
    late = [bar(place, 10_000, 10_000, 10_000, 10_000, 1) for place in (HORIZON - 1, HORIZON, HORIZON + 1)]
    assert not len(core.tell(late[0]))
    assert kinds(core.tell(late[1])) == [(Kind.SUBMIT_ORDER, layout.EXIT)]
    assert not len(core.tell(late[2]))
    core.tell(event(Kind.ORDER_CANCELLED, BEGIN, p0=4))
    assert kinds(core.tell(late[2])) == [(Kind.SUBMIT_ORDER, layout.EXIT)]


@pytest.mark.parametrize("action", [Control.HALT, Control.REDUCE])
def test_halting_takes_entries_back_and_keeps_protection(action):
    core = Core(TRADING, instrument("A"), instrument("B"))
    core.tell(signal(0))
    core.fill(1, 10_000, 20_000, 1)
    core.tell(signal(0, number=1))
    state, cancel = core.tell(control(1, action))
    assert (state["kind"], cancel["kind"], cancel["instrument"]) == (Kind.TRADING_STATE, Kind.CANCEL_ORDER, 1)
    core.tell(event(Kind.ORDER_CANCELLED, BEGIN, 1, p0=int(cancel["p0"])))
    core.check()
    assert not len(core.tell(control(1, action)))
    assert not len(core.tell(signal(0, number=1)))
    late = core.tell(bar(50, 10_000, 10_000, 10_000, 10_000, 1))
    assert kinds(late) == ([] if action == Control.HALT else [(Kind.SUBMIT_ORDER, layout.EXIT)])


@pytest.mark.parametrize(
    ("client", "price", "lots", "fee", "reason"),
    [
        (99, 10_000, 5, 10, layout.BECAUSE_UNKNOWN_ORDER),
        (2, 10_000, 20_001, 10, layout.BECAUSE_OVERFILL),
        (2, 0, 5, 10, layout.BECAUSE_OVERFILL),
        (2, 10_000, 0, 10, layout.BECAUSE_OVERFILL),
        (2, 10_000, -5, 10, layout.BECAUSE_OVERFILL),
        (2, 2**60, 5, 10, layout.BECAUSE_OVERFLOW),
        (2, 10_000, 5, LIMIT, layout.BECAUSE_OVERFLOW),
        (2, 10_000, 5, -(2**63), layout.BECAUSE_OVERFLOW),
        (2, 10_000, 5, -(LIMIT - 1), layout.BECAUSE_OVERFLOW),
    ],
)
def test_a_fill_that_cannot_be_ours_halts_and_is_not_booked(client, price, lots, fee, reason):
    core, _ = entered()
    before = core.state.core.copy(), core.state.books.copy(), core.state.orders.copy()
    (made,) = core.fill(client, price, lots, 2, fee=fee)
    assert (made["kind"], made["p0"], made["p1"]) == (Kind.TRADING_STATE, layout.HALTED, reason)
    for field in ("cash", "equity", "fees", "gross", "fills"):
        assert core.state.core[field] == before[0][field]
    assert core.violations == 1
    assert core.state.books.tobytes() == before[1].tobytes()
    assert core.state.orders.tobytes() == before[2].tobytes()
    assert not len(core.fill(client, price, lots, 2, fee=fee))
    assert (core.violations, core.trading_state) == (2, layout.HALTED)


@pytest.mark.parametrize("trade", [2, 1])
def test_a_fill_told_again_changes_only_its_count(trade):
    core, _ = entered(1, (3_000, 17_000))
    before = core.state.core.copy()
    assert not len(core.fill(2, 9_500, 3_000, trade, fee=3))
    before["duplicates"] += 1
    before["seq"] += 1
    assert core.state.core.tobytes() == before.tobytes()


def test_fills_in_no_order_are_booked():
    core = Core()
    core.tell(signal(0))
    for trade in (900, 0, 899, -7, 901):
        core.fill(1, 10_000, 1_000, trade)
        core.fill(1, 10_000, 1_000, trade)
    assert (core.position(), core.fills, core.duplicates, core.violations) == (5_000, 5, 5, 0)
    core.check()


def test_a_fill_below_all_that_is_remembered_halts_and_is_not_booked():
    core = Core()
    core.tell(signal(0))
    for trade in range(10, 10 + layout.TRADES):
        core.fill(1, 10_000, 10, trade)
        core.tell(control(1, Control.RESUME))
    before = core.position(), core.cash, core.state.books.copy()
    (made,) = core.fill(1, 10_000, 10, 9)[:1]
    assert made[["kind", "p0", "p1", "p2", "p3"]].item() == (
        Kind.TRADING_STATE, layout.HALTED, layout.BECAUSE_OLD_FILL, 9, 10,
    )  # fmt: skip
    assert (core.position(), core.cash, core.violations) == (*before[:2], 1)
    assert core.state.books["trades"].tolist() == before[2]["trades"].tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 45), max_size=90))
def test_no_trade_is_booked_twice_and_none_is_lost_in_silence(trades):
    core, booked, dropped, refused = Core(), [], 0, 0
    core.tell(signal(0))
    for trade in trades:
        core.fill(1, 10_000, 1, trade)
        remembered = sorted(booked)[-16:]
        if trade in remembered:
            dropped += 1
        elif len(remembered) == 16 and trade < remembered[0]:
            refused += 1
        else:
            booked.append(trade)
        assert (core.position(), core.duplicates, core.violations) == (len(booked), dropped, refused)
    assert len(set(booked)) == len(booked)


@pytest.mark.parametrize(("side", "rate", "flow"), [(1, 1450, -15), (1, -1450, 14), (-1, 1450, 14), (-1, -1450, -15)])
def test_funding_is_rounded_against_us(side, rate, flow):
    core = Core(TRADING, instrument(tick="0.00000001"))
    core.tell(signal(0, 0.5 + side * 0.4))
    core.fill(1, 10_000, 1_000_003, 1)
    before = core.cash, core.equity
    assert not len(core.tell(event(Kind.FUNDING, BEGIN, p0=rate, p1=10_000)))  # 14.5000435 units
    assert (core.cash, core.equity) == (before[0] + flow, before[1] + flow)


def test_whatever_halts_takes_entries_back():
    core = Core(TRADING, instrument("A"), instrument("B"))
    core.tell(signal(0))
    core.tell(signal(0, number=1))
    core.fill(1, 10_000, 5_000, 1)
    made = core.fill(99, 10_000, 5, 2)
    assert made["kind"].tolist() == [Kind.TRADING_STATE, Kind.CANCEL_ORDER, Kind.CANCEL_ORDER]
    assert made["p0"].tolist() == [layout.HALTED, 1, 2]


WHOLE = {"tick": "1", "lot": "1", "min_quantity": "1", "max_quantity": "100000000000"}


def of_two():
    """A core that is long a million of the first and short a million of the second, at 1."""
    rich = TradingConfig(
        capital="10000000",
        risk=RiskConfig("1000000", "1000000", "9000000", drawdown=1.0),
        sizing=SizingConfig(volatility_target=10, max_weight=0.1),
    )
    core = Core(rich, instrument("A", **WHOLE), instrument("B", **WHOLE), begun=False)
    core.tell(control(-1, Control.RESUME))
    for number, probability in enumerate((0.9, 0.1)):
        core.tell(bar(0, 1, 1, 1, 1, 10**6, number))
        (order,) = core.tell(signal(0, probability, volatility=1e-6, number=number))
        core.fill(int(order["p0"]), 1, int(order["p4"]), number, number=number)
    assert core.state.books["position"].tolist() == [10**6, -(10**6)]
    return core


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.integers(0, 1),
            st.floats(0, 62).map(lambda power: round(2**power)),
            st.floats(-62, 62).map(lambda power: round(math.copysign(2 ** abs(power), power))),
        ),
        max_size=12,
    )
)
@example([(True, 0, 30_000, 0), (True, 1, 30_000, 0)])
def test_what_leaves_exact_arithmetic_is_never_booked(told):
    """Against a twin of Python's own whole numbers."""
    core = of_two()
    held, cash, values, limit = (10**6, -(10**6)), int(core.cash), [10**14, -(10**14)], core.state.books["tick_limit"]
    for trade, number, price, rate in told:
        core.tell(control(0, Control.RESUME))
        value = price * abs(held[number]) * 10**8
        exact = price <= limit[number] and value < LIMIT
        if trade:
            others = values[1 - number]
            new = value if held[number] > 0 else -value
            exact = exact and abs(cash + others + new) < LIMIT and abs(others) + value < LIMIT
            made = core.tell(bar(1, price, price, price, price, 1, number))
            values[number] = new if exact else values[number]
        else:
            paying = (held[number] > 0) == (rate > 0)
            flow = -math.ceil(Fraction(value * abs(rate), 10**9)) if paying else value * abs(rate) // 10**9
            exact = exact and abs(rate) < LIMIT and abs(flow) < LIMIT
            exact = exact and abs(cash + flow) < LIMIT and abs(cash + flow + sum(values)) < LIMIT
            made = core.tell(event(Kind.FUNDING, BEGIN, number, p0=rate, p1=price))
            cash += flow if exact else 0
        halted = [(int(one["p0"]), int(one["p1"])) for one in made if one["kind"] == Kind.TRADING_STATE]
        assert ((layout.HALTED, layout.BECAUSE_OVERFLOW) in halted) == (not exact)
        assert (core.cash, core.equity, core.gross) == (cash, cash + sum(values), sum(map(abs, values)))
        assert core.state.books["value"].tolist() == values


def test_an_instrument_beyond_exact_arithmetic_is_refused():
    huge = {"lot": "1", "min_quantity": "1", "max_quantity": "1"}
    assert layout.tick_limit(instrument(tick="23058430092.13693951", **huge)) == 2
    with pytest.raises(LimitError, match="AAA: one tick"):
        Core(TRADING, instrument(tick="23058430092.13693952", **huge))
