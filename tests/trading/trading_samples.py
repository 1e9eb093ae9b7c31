"""Random tapes, and an auditor who believes nothing: whole numbers and fractions, from a journal's records alone."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor, sqrt

import numpy as np

from market.events import EVENT, Control, Kind
from market.instruments import Instrument
from trading.config import ExchangeConfig, RiskConfig, SizingConfig, TradingConfig
from trading.layout import DENY_RATE, DENY_SLOTS, SLOTS

INTERVAL, HORIZON, BEGIN = 60_000_000_000, 9, 1_700_000_040 * 10**9
HALTED, ACTIVE, REDUCING = 0, 1, 2
ENTRY, STOP, TARGET, EXIT = 1, 2, 3, 4
MARKET, LIMIT_ORDER, STOP_MARKET = 1, 2, 3
TRADING = TradingConfig(
    risk=RiskConfig(
        order_notional="2500",
        position_notional="2300",
        gross_notional="6000",
        leverage=0.7,
        orders_per_minute=14,
        drawdown=0.02,
    ),
    sizing=SizingConfig(volatility_target=3.0, max_weight=0.24),
)
EXCHANGE = ExchangeConfig(participation=0.07)


def instrument(symbol="AAA", kind="perpetual", **changes):
    values = {
        "symbol": symbol, "venue": "test", "kind": kind, "base": symbol, "quote": "USD", "tick": "0.01",
        "lot": "0.001", "min_quantity": "0.001", "max_quantity": "100000", "min_notional": "0",
        "maker_fee": "0.0002", "taker_fee": "0.0005",
    }  # fmt: skip
    return Instrument.from_dict({**values, **changes})


def four_instruments():
    return [
        instrument("BBB", "spot", lot="0.00001", min_quantity="0.00007", min_notional="1500"),
        instrument(
            "CCC", tick="0.0000007", lot="13", min_quantity="13", max_quantity="130000000000", maker_fee="-0.0001"
        ),
        instrument(
            "DDD", tick="0.05", lot="0.003", min_quantity="0.003", max_quantity="300000", contract_multiplier="0.1"
        ),
        instrument(
            "EEE", "spot", tick="0.03", lot="0.7", min_quantity="0.7", max_quantity="7000000", taker_fee="0.00037"
        ),
    ]


PRICES = (4_000_000, 700, 30_000, 123)
"""In ticks, of `four_instruments`."""


def event(kind, now, number=0, **payload):
    made = np.zeros(1, EVENT)
    made["kind"], made["ts_event"], made["ts_recv"], made["instrument"] = kind, now, now, number
    for name, value in payload.items():
        made[name] = value
    return made


def bar(place, open_, high, low, close, volume, number=0):
    start = BEGIN + place * INTERVAL
    return event(
        Kind.BAR, start + INTERVAL, number, p0=open_, p1=high, p2=low, p3=close, p4=volume, p5=start, p6=-1, p7=-1
    )


def signal(place, probability=0.9, move=0.05, barrier=0.05, volatility=0.01, number=0):
    end = BEGIN + (place + 1) * INTERVAL
    p0, p1, p2, p6 = (round(value * 10**9) for value in (probability, move, barrier, volatility))
    return event(Kind.SIGNAL, end, number, p0=p0, p1=p1, p2=p2, p3=end + INTERVAL, p6=p6, p7=end)


def control(place, action):
    return event(Kind.CONTROL, BEGIN + (place + 1) * INTERVAL, p0=action)


def all_spot():
    """`four_instruments`, each of them spot."""
    return [Instrument.from_dict({**one.to_dict(), "kind": "spot"}) for one in four_instruments()]


def random_tape(seed, count, rules=None):
    """Bars with gaps, jumps and empty bars, signals, funding and operators, of `four_instruments` or others like them.

    Only perpetuals are funded.
    """
    draw = np.random.default_rng(seed)
    rules, parts = rules or four_instruments(), [control(-1, Control.RESUME)]
    units = [Fraction(one.tick) * Fraction(one.lot) * Fraction(one.contract_multiplier) for one in rules]
    price = list(PRICES)
    for place in range(count):
        for number in draw.permutation(4):
            if draw.random() < 0.04:
                continue
            last = price[number]
            open_ = max(1, last + round(last * draw.normal(0, 0.02 if draw.random() < 0.05 else 0.0005)))
            close = max(1, open_ + round(open_ * draw.normal(0, 0.01)))
            reach = draw.integers(0, 3 + last // 80, 2)
            high, low = max(open_, close) + int(reach[0]), max(1, min(open_, close) - int(reach[1]))
            lots = int(draw.lognormal(10.5, 1.2) / float(units[number] * last))
            if draw.random() < 0.05:
                open_ = high = low = close = last
                lots = 0
            price[number] = close
            parts.append(bar(place, open_, high, low, close, lots, number))
            if draw.random() < 0.6:
                parts.append(
                    signal(place, draw.random(), 0.02, draw.uniform(0.003, 0.03), draw.uniform(0.004, 0.02), number)
                )
        if place % 6 == 5:
            for number in (number for number, one in enumerate(rules) if one.kind == "perpetual"):
                mark = price[number] + int(draw.integers(-2, 3))
                parts.append(
                    event(Kind.FUNDING, BEGIN + (place + 1) * INTERVAL, number, p0=round(draw.normal(0, 3e5)), p1=mark)
                )
        if draw.random() < 0.08:
            action = draw.choice([Control.HALT, Control.REDUCE, Control.RESUME, Control.RESUME, Control.RESUME])
            parts.append(control(place, action))
    return np.concatenate(parts)


class Cover:
    """Follows orders and positions through a core's records; AssertionError when a position is left bare.

    Fed record by record with `take`, and told by `decided` when no more decisions follow; `seen` says what occurred.
    """

    def __init__(self):
        self.live, self.position, self.seen = {}, {}, set()
        self.cause, self.state = None, HALTED

    def working(self, number, *purposes):
        """Lots that working orders would take off a position."""
        held = self.position.get(number, 0)
        orders = (one for one in self.live.values() if one["number"] == number and not one["asked"])
        return sum(one["left"] for one in orders if one["purpose"] in purposes and one["side"] * held < 0)

    def bare(self, number):
        return max(abs(self.position.get(number, 0)) - self.working(number, STOP, EXIT), 0)

    def take(self, one):
        kind, fields = Kind(int(one["kind"])), [int(one[f"p{place}"]) for place in range(10)]
        if kind < 32:
            self.decided()
            self.input(kind, int(one["instrument"]), fields)
        elif kind == Kind.SUBMIT_ORDER:
            self.submit(int(one["instrument"]), fields)
        elif kind == Kind.CANCEL_ORDER:
            self.live[fields[0]]["asked"] = True
        elif kind == Kind.ORDER_DENIED and fields[1] == DENY_SLOTS:
            purpose = {SLOTS: EXIT, SLOTS - 1: STOP, SLOTS - 2: TARGET}[fields[3]]
            assert fields[2] == len(self.slots(int(one["instrument"]))) + 1 > fields[3]
            self.denied.append(purpose)
        elif kind == Kind.TRADING_STATE:
            self.state = fields[0]

    def slots(self, number):
        return [one for one in self.live.values() if one["number"] == number]

    def input(self, kind, number, fields):
        purpose, before = None, self.bare(number)
        if kind == Kind.FILL:
            order = self.live[fields[0]]
            purpose = order["purpose"]
            order["left"] -= fields[2]
            self.position[number] = self.position.get(number, 0) + order["side"] * fields[2]
            if order["left"] == 0:
                del self.live[fields[0]]
        elif kind in (Kind.ORDER_REJECTED, Kind.ORDER_CANCELLED):
            purpose = self.live.pop(fields[0])["purpose"]
        self.cause = (kind, number, purpose, before, self.bare(number))
        self.sent, self.denied = [], []

    def submit(self, number, fields):
        client, side, _, _, quantity, _, purpose = fields[:7]
        held = self.position.get(number, 0)
        if purpose == EXIT:
            assert quantity == abs(held) - self.working(number, EXIT) > 0 > side * held
            self.seen.add(("exit", self.cause[0].name, self.state))
        self.sent.append(purpose)
        self.live[client] = {"number": number, "purpose": purpose, "side": side, "left": quantity, "asked": False}
        assert len(self.slots(number)) <= {EXIT: SLOTS, TARGET: SLOTS - 2}.get(purpose, SLOTS - 1)

    def decided(self):
        """The core has decided on its last input."""
        if self.cause is None:
            return
        kind, number, purpose, before, bare = self.cause
        tried = (self.sent + self.denied).count(EXIT)
        assert tried <= 1
        assert EXIT not in self.denied or len(self.slots(number)) == SLOTS
        if bare and (kind == Kind.BAR or (purpose == STOP and kind != Kind.FILL)):
            assert tried == 1
        if STOP in self.denied:
            entries = [one for one in self.slots(number) if one["purpose"] == ENTRY]
            assert self.state == HALTED
            assert tried == 1 or self.bare(number) == 0
            assert all(one["asked"] for one in entries)
        if kind == Kind.BAR or EXIT in self.sent:
            assert self.bare(number) == 0 or EXIT in self.denied
        if kind == Kind.FILL and purpose == ENTRY and before == 0:
            assert self.bare(number) == 0 or EXIT in self.denied
        self.seen |= {("denied", purpose) for purpose in self.denied}
        self.cause = None


class Auditor:
    """Recomputes what a journal's records mean, and raises AssertionError at the first that breaks a rule."""

    def __init__(self, rules, trading, exchange):
        self.rules, self.risk, self.exchange = rules, trading.risk, exchange
        self.unit = [Fraction(o.tick) * Fraction(o.lot) * Fraction(o.contract_multiplier) * 10**8 for o in rules]
        self.cash = self.peak = int(Decimal(trading.capital) * 10**8)
        self.fees = self.paid = 0
        self.position, self.mark, self.opened = ([0] * len(rules) for _ in range(3))
        self.state = self.expected = HALTED
        self.live, self.sent, self.filled, self.triggered = {}, {}, {}, set()
        self.seen = set()
        self.times = []
        self.cover = Cover()

    def value(self, number, lots, ticks, up):
        exact = self.unit[number] * lots * ticks
        return ceil(exact) if up else floor(exact)

    def holding(self, number):
        held, mark = self.position[number], self.mark[number]
        return self.value(number, held, mark, False) if held > 0 else -self.value(number, -held, mark, True)

    def equity(self):
        return self.cash + sum(self.holding(number) for number in range(len(self.rules)))

    def gross(self):
        reserved = sum(order["reserve"] for order in self.live.values())
        return reserved + sum(abs(self.holding(number)) for number in range(len(self.rules)))

    def audit(self, journal):
        """Take every record; yields (time, equity, gross) at the end of each moment."""
        bars, coming = {}, [None] * len(journal)
        for row in range(len(journal) - 1, -1, -1):  # a bar follows the fills it leads to
            one = journal[row]
            if one["kind"] == Kind.BAR:
                bars[int(one["instrument"])] = one
            coming[row] = bars.get(int(one["instrument"]))
        traded, now = {}, None
        for row, one in enumerate(journal):
            kind, number = Kind(int(one["kind"])), int(one["instrument"])
            if now is not None and one["ts_recv"] != now:
                yield now, self.equity(), self.gross()
            now = int(one["ts_recv"])
            assert self.cash >= 0 or any(rule.kind != "spot" for rule in self.rules)
            fields = [int(one[f"p{place}"]) for place in range(10)]
            self.cover.take(one)
            if kind < 32:
                self.settled()
            if kind == Kind.FILL:
                key = (number, int(coming[row]["ts_event"]))
                traded[key] = traded.get(key, 0) + fields[2]
                assert traded[key] <= Fraction(self.exchange.participation) * int(coming[row]["p4"])
                before, order = self.cash, self.live[fields[0]]
                self.fill(number, fields, one, coming[row])
                room = floor(Fraction(self.exchange.participation) * int(coming[row]["p4"])) - traded[key]
                if order["purpose"] == ENTRY and order["left"] and room:
                    self.poor(number, before, fields[2] + 1, coming[row])
            elif kind == Kind.SUBMIT_ORDER:
                self.submit(number, fields, now, journal[fields[7]])
            elif kind in (Kind.ORDER_CANCELLED, Kind.ORDER_REJECTED):
                self.seen.add((kind.name, self.live.pop(fields[0])["purpose"]))
            elif kind == Kind.CANCEL_ORDER:
                assert not self.live[fields[0]]["asked"]
                self.live[fields[0]]["asked"] = True
            elif kind == Kind.ORDER_DENIED:
                self.seen.add(("denied", fields[1]))
                assert fields[1] != DENY_RATE or self.within(61, now) >= self.risk.orders_per_minute
            elif kind == Kind.BAR:
                self.mark[number] = fields[3]
                self.leave(
                    number, fields, now, floor(self.exchange.participation * fields[4]) - traded.get((number, now), 0)
                )
                self.watch()
            elif kind == Kind.FUNDING:
                self.fund(number, fields)
            elif kind == Kind.CONTROL:
                self.expected = {1: HALTED, 2: ACTIVE, 3: REDUCING}[fields[0]]
                if fields[0] == Control.RESUME:
                    self.peak = self.equity()
            elif kind == Kind.TRADING_STATE:
                assert fields[0] != self.state
                self.state = fields[0]
                self.seen.add(("state", fields[0], fields[1]))
        self.cover.decided()
        self.settled()
        assert self.cash >= 0 or any(rule.kind != "spot" for rule in self.rules)
        yield now, self.equity(), self.gross()

    def settled(self):
        """What holds whenever the core has decided: the state is due, positions are covered, nothing else rests."""
        assert self.state == self.expected
        for number, held in enumerate(self.position):
            orders = [order for order in self.live.values() if order["number"] == number]
            if held:
                covering = [o["left"] for o in orders if o["purpose"] in (STOP, EXIT) and o["side"] * held < 0]
                assert sum(covering) >= abs(held)
            assert sum(o["purpose"] == EXIT for o in orders) <= 1
            assert self.state == ACTIVE or not any(o["purpose"] == ENTRY and not o["asked"] for o in orders)
            assert held or all(o["purpose"] == ENTRY or o["asked"] for o in orders)

    def leave(self, number, fields, end, room):
        """A bar is over: nothing that it could fill is left, and a stop that it touched is triggered."""
        _, high, low, _, volume, start = fields[:6]
        for order in (order for order in self.live.values() if order["number"] == number):
            price, sells = order["price"] or order["trigger"], order["side"] < 0
            if order["purpose"] == ENTRY:
                assert order["time"] > start
            elif volume == 0:
                continue
            elif order["type"] == MARKET:
                assert order["time"] > start or room == 0
            elif order["type"] == LIMIT_ORDER:
                assert room == 0 or not (high > price if sells else low < price)
            elif low <= price if sells else high >= price:
                assert room == 0
                order["type"], order["time"] = MARKET, end
                self.seen.add("a stop is triggered and finds no volume")

    def watch(self):
        equity = self.equity()
        self.peak = max(self.peak, equity)
        if self.state == ACTIVE and equity < self.peak - floor(self.peak * Fraction(str(self.risk.drawdown))):
            self.expected = REDUCING

    def submit(self, number, fields, now, cause):
        client, side, kind, price, quantity, tif, purpose, _, reduce_only, trigger = fields
        assert client == len(self.sent) + 1
        order = {
            "number": number, "side": side, "purpose": purpose, "left": quantity, "type": kind, "price": price,
            "trigger": trigger, "time": now, "reserve": 0, "asked": False,
        }  # fmt: skip
        held, rule = self.position[number], self.rules[number]
        assert (kind, tif) == {ENTRY: (1, 1), STOP: (3, 2), TARGET: (2, 2), EXIT: (1, 2)}[purpose]
        assert reduce_only == (purpose != ENTRY)
        if purpose == ENTRY:
            assert (cause["kind"], self.state, self.expected, held) == (Kind.SIGNAL, ACTIVE, ACTIVE, 0)
            assert not any(other["number"] == number for other in self.live.values())
            assert side == 1 or rule.kind == "perpetual"
            assert (side > 0) == (cause["p0"] > 500_000_000)
            assert rule.min_lots <= quantity <= rule.max_lots
            order["reserve"] = value = self.value(number, quantity, self.mark[number], True)
            assert value >= Fraction(rule.min_notional) * 10**8
            assert value <= Fraction(min(self.risk.order_notional, self.risk.position_notional, key=Decimal)) * 10**8
            most = min(Fraction(self.risk.gross_notional) * 10**8, self.equity() * Fraction(str(self.risk.leverage)))
            assert self.gross() + value <= most
            assert rule.kind == "perpetual" or value <= self.cash
            assert self.within(60, now) < self.risk.orders_per_minute
        else:
            assert side * held < 0
            assert quantity <= abs(held)
        self.sent[client] = self.live[client] = order
        self.times.append(now)

    def within(self, seconds, now):
        """Orders sent in the seconds up to a moment, both ends among them."""
        return sum(time >= now - seconds * 10**9 for time in self.times[-2 * self.risk.orders_per_minute :])

    def fill(self, number, fields, one, next_bar):
        client, price, lots, fee, liquidity = fields[:5]
        order = self.live[client]
        side, purpose, rule = order["side"], order["purpose"], self.rules[number]
        assert number == order["number"]
        assert 0 < lots <= order["left"]
        assert one["ts_recv"] == next_bar["ts_event"] > order["time"] - (purpose in (STOP, TARGET))
        assert purpose != ENTRY or int(next_bar["p5"]) - order["time"] < INTERVAL
        self.check_price(client, order, price, lots, one, next_bar)
        exact = self.unit[number] * lots * price
        maker = purpose == TARGET
        assert liquidity == (1 if maker else 2)
        assert fee == ceil(ceil(exact) * Fraction(rule.maker_fee if maker else rule.taker_fee))
        self.cash -= fee + (ceil(exact) if side > 0 else -floor(exact))
        self.fees += fee
        before = self.position[number]
        self.position[number] += side * lots
        if purpose != ENTRY:
            assert abs(self.position[number]) < abs(before)
            assert self.position[number] * before >= 0
        assert rule.kind == "perpetual" or self.position[number] >= 0
        left = order["left"] - lots
        order["reserve"] = order["reserve"] * left // order["left"]
        order["left"] = left
        self.seen.add(("part" if left else "whole", purpose, side))
        if not left:
            del self.live[client]

    def check_price(self, client, order, price, lots, one, bar_):
        """The pessimistic price, computed again."""
        side, open_, high, low, volume = order["side"], *(int(bar_[name]) for name in ("p0", "p1", "p2", "p4"))
        if order["type"] == LIMIT_ORDER:
            assert price == order["price"]
            assert high > price if side < 0 else low < price
            return
        reference = open_
        if order["type"] == STOP_MARKET:
            reference = min(order["trigger"], open_) if side < 0 else max(order["trigger"], open_)
            assert low <= order["trigger"] if side < 0 else high >= order["trigger"]
            assert one["ts_event"] == bar_["ts_event"]
            if lots < order["left"]:
                order["type"], order["time"] = MARKET, int(bar_["ts_event"])
        else:
            assert one["ts_event"] == bar_["p5"] >= order["time"]
        wanted = reference + side * self.cost(reference, high - low, lots / volume)
        assert (price - wanted) * side >= -1e-6
        assert abs(price - wanted) < 1 + 1e-6 or price == 1

    def cost(self, reference, reach, share):
        """What a taker pays above the reference, in ticks."""
        cost = reference * (self.exchange.half_spread + self.exchange.impact * sqrt(share))
        return cost + reach * sqrt(self.exchange.latency_ms * 1e6 / INTERVAL)

    def poor(self, number, cash, lots, bar_):
        """An entry was filled in part though there was volume: the cash did not pay for these lots, one more."""
        open_, high, low, volume = (int(bar_[name]) for name in ("p0", "p1", "p2", "p4"))
        value = self.value(number, lots, ceil(open_ + self.cost(open_, high - low, lots / volume) + 1e-6), True)
        assert self.rules[number].kind == "spot"
        assert value + ceil(value * Fraction(self.rules[number].taker_fee)) > cash
        self.seen.add("poor")

    def fund(self, number, fields):
        held, (rate, mark) = self.position[number], fields[:2]
        if held and rate:
            value, paying = self.value(number, abs(held), mark, True), (held > 0) == (rate > 0)
            exact = Fraction(value * abs(rate), 10**9)
            flow = -ceil(exact) if paying else floor(exact)
            self.cash += flow
            self.paid += flow
            self.seen.add(("funding", held > 0, rate > 0))
