"""The simulated exchange: bars in, fills out, in the same compiled loop as the core.

With bars only, what happened inside a bar is unknown; every rule takes the pessimistic reading:

- A **market order** sent at a bar's end fills from the open of the first bar that starts later and traded. Never on
  the bar that produced the signal. Its price is the open, moved against us by half the spread, by latency
  (``(high - low) * sqrt(latency / bar's length)``) and by impact (``open * impact * sqrt(share of the bar's volume)``).
- A **stop** is triggered when the bar touches it and fills at the worse of its trigger and the open, moved likewise.
  One that finds no volume left is triggered all the same: it goes on as a market order at the next bar.
- A **limit** order fills only when the bar trades *through* its price, at its price.
- Within a bar market orders come first, then stops, then limits: a bar that touches stop and target is a loss.
- All orders of a bar together take at most ``participation`` of its volume. What is left of an immediate order is
  cancelled; what is left of an exit goes on at the next bar. Bars without volume fill nothing.
- An **immediate** order (IOC) may fill only on the first bar behind it, and only if that bar starts less than one
  interval after the order's time and has volume. Otherwise it is cancelled as unfilled when that bar comes, however
  late. A market exit is good till cancelled: it waits. Bars that follow no clock come when they come, never too late.
- Reduce-only orders never open or turn a position; when there is none left they are cancelled.
- **Cash**: the account begins with the capital and moves with every fill and funding exactly like the core's books. A
  spot purchase takes at most the lots that its cash pays for, the fee included; the rest is cancelled as unfilled.
- Fees are the instrument's, on the notional rounded up, and are rounded up themselves.
- **Funding** is not made here: the core books it when FUNDING events are on the tape, and the account follows. A tape
  of perpetuals without such events is a market without funding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.events import EVENT, RATIO
from market.instruments import Instrument
from market.jit import kernel
from trading.config import ExchangeConfig, ratio_units
from trading.core import ACCEPTED, CANCEL, CANCELLED, FILL, REJECTED, SUBMIT, begin, funding_amount
from trading.core import notional_down as value_down
from trading.core import notional_up as value_up
from trading.exact import OVERFLOW, mul_div, mul_div_up
from trading.layout import IOC, MARKET, SLOTS, STOP_MARKET, tick_limit

Records = NDArray[np.void]

EXCHANGE = np.dtype(
    [(name, "<i8") for name in "next_venue_id slippage volume head tail charge interval delay cash".split()]
    + [(name, "<f8") for name in "half_spread latency impact participation".split()]
)
"""``slippage`` paid and ``volume`` traded so far, ledger units; ``latency`` is the root of its share of a bar of the
``interval``; ``delay``: the same in ns, for bars that follow no clock (interval 0).

``cash``: the account's, ledger units; the same as the core's.
"""

VENUE_BOOK = np.dtype(
    [
        (name, "<i8")
        for name in (
            "numerator denominator tick_limit maker_fee taker_fee spot next_trade position working left "
            "start end open high low volume"
        ).split()
    ]
)
"""One instrument at the venue; ``left``: lots that may still be traded on the current bar."""

RESTING = np.dtype(
    [(name, "<i8") for name in "client_id venue_id side type price trigger quantity reduce_only tif time spent".split()]
)
"""One order at the venue; ``time``: a market order fills on bars that start then or later; ``spent``: it had a fill."""

REASON_REDUCE_ONLY, REASON_UNFILLED, REASON_ASKED, REASON_FULL = 1, 2, 3, 4
"""Why an order was cancelled: nothing left to reduce; an immediate order's rest; we asked. Or rejected: no room."""
NONE, AT_OPEN, AT_STOP, AT_LIMIT = 0, 1, 2, 3


@dataclass(frozen=True, slots=True, eq=False)
class ExchangeState:
    """The exchange's memory: ``exchange`` (1,), ``books`` (n,), ``resting`` (n * SLOTS,), ``outbox`` of events."""

    exchange: Records
    books: Records
    resting: Records
    outbox: Records


def new_exchange(
    instruments: Sequence[Instrument], config: ExchangeConfig, interval: int, capital: int
) -> ExchangeState:
    """An exchange without orders, and an account with its capital.

    Parameters
    ----------
    instruments
        In the order of their numbers on the tape.
    config
        The model's costs.
    interval
        Length of a bar, ns; 0 where bars follow no clock: each has its own, and none comes too late for an order.
    capital
        The account's cash before its first fill, ledger units.
    """
    exchange, books = np.zeros(1, EXCHANGE), np.zeros(len(instruments), VENUE_BOOK)
    exchange["half_spread"], exchange["impact"] = config.half_spread, config.impact
    exchange["delay"] = round(config.latency_ms * 1e6)
    exchange["latency"] = math.sqrt(config.latency_ms * 1e6 / interval) if interval else 0.0
    exchange["participation"], exchange["charge"] = config.participation, config.fees
    exchange["next_venue_id"], exchange["interval"], exchange["cash"] = 1, interval, capital
    for number, one in enumerate(instruments):
        books["numerator"][number], books["denominator"][number] = one.notional_ratio
        books["maker_fee"][number] = ratio_units(float(one.maker_fee) * config.fee_factor)
        books["taker_fee"][number] = ratio_units(float(one.taker_fee) * config.fee_factor)
        books["next_trade"][number] = 1
        books["tick_limit"][number], books["spot"][number] = tick_limit(one), one.kind == "spot"
    outbox = np.zeros(len(instruments) * SLOTS * 2 + 8, EVENT)
    return ExchangeState(exchange, books, np.zeros(len(instruments) * SLOTS, RESTING), outbox)


@kernel
def _answer(exchange: Records, outbox: Records, kind: int, number: int, now: int, client_id: int, value: int) -> None:
    """Queue an answer to the trader."""
    state = exchange[0]
    made = outbox[state["tail"]]
    begin(made, kind, number, now, now)
    made["p0"], made["p1"] = client_id, value
    state["tail"] += 1


@kernel
def _clear(venue: Any, order: Any) -> None:
    venue["working"] -= 1
    order["client_id"] = order["venue_id"] = order["side"] = order["type"] = order["price"] = order["trigger"] = 0
    order["quantity"] = order["reduce_only"] = order["tif"] = order["time"] = order["spent"] = 0


@kernel
def command(exchange: Records, venues: Records, resting: Records, outbox: Records, log: Records, row: int) -> None:
    """Take a decision of the core (``log[row]``) if it is an order or a cancel; the answer goes to the outbox."""
    asked = log[row]
    kind = asked["kind"]
    if kind != SUBMIT and kind != CANCEL:
        return
    number, client_id, now = asked["instrument"], asked["p0"], asked["ts_recv"]
    free = -1
    for slot in range(number * SLOTS, (number + 1) * SLOTS):
        known = resting[slot]["client_id"]
        if known == 0 and free < 0:
            free = slot
        if kind == CANCEL and known == client_id:
            _clear(venues[number], resting[slot])
            _answer(exchange, outbox, CANCELLED, number, now, client_id, REASON_ASKED)
            return
    if kind == CANCEL:
        return
    if free < 0:
        _answer(exchange, outbox, REJECTED, number, now, client_id, REASON_FULL)
        return
    state, order = exchange[0], resting[free]
    order["client_id"] = client_id
    order["venue_id"] = state["next_venue_id"]
    order["side"] = asked["p1"]
    order["type"] = asked["p2"]
    order["price"] = asked["p3"]
    order["quantity"] = asked["p4"]
    order["tif"] = asked["p5"]
    order["reduce_only"] = asked["p8"]
    order["trigger"] = asked["p9"]
    order["time"] = now
    venues[number]["working"] += 1
    state["next_venue_id"] += 1
    _answer(exchange, outbox, ACCEPTED, number, now, client_id, order["venue_id"])


@kernel
def begin_bar(exchange: Records, venues: Records, bar: Any) -> None:
    """A bar of one instrument: what may be traded on it."""
    state, venue = exchange[0], venues[bar["instrument"]]
    venue["start"], venue["end"] = bar["p5"], bar["ts_event"]
    venue["open"], venue["high"], venue["low"] = bar["p0"], bar["p1"], bar["p2"]
    venue["volume"] = bar["p4"]
    venue["left"] = math.floor(float(bar["p4"]) * state["participation"])


@kernel
def fund(exchange: Records, venues: Records, event: Any) -> None:
    """A FUNDING event moves the account's cash as it moves the core's."""
    venue = venues[event["instrument"]]
    position, rate = venue["position"], event["p0"]
    amount = funding_amount(venue, position, rate, event["p1"])
    if amount != OVERFLOW:
        exchange[0]["cash"] += -amount if (position > 0) == (rate > 0) else amount


@kernel
def _how(venue: Any, order: Any) -> int:
    """How an order fills on the current bar; an immediate one is over with it, even if it has no volume."""
    kind, side = order["type"], order["side"]
    if venue["volume"] == 0 and order["tif"] != IOC:
        return NONE
    if kind == MARKET:
        return AT_OPEN if order["time"] <= venue["start"] else NONE
    if kind == STOP_MARKET:
        touched = venue["low"] <= order["trigger"] if side < 0 else venue["high"] >= order["trigger"]
        return AT_STOP if touched else NONE
    through = venue["high"] > order["price"] if side < 0 else venue["low"] < order["price"]
    return AT_LIMIT if through else NONE


@kernel
def _missed(state: Any, venue: Any, order: Any) -> bool:
    """Whether nothing more of an order may fill: an immediate one had its fill, or its bar is empty or too late."""
    late = state["interval"] > 0 and venue["start"] - order["time"] >= state["interval"]
    return bool(venue["volume"] == 0 or (order["tif"] == IOC and (late or order["spent"] == 1)))


@kernel
def _reference(venue: Any, order: Any, how: int) -> int:
    """The price in ticks before costs: the open, the worse of trigger and open, or the order's own."""
    if how == AT_OPEN:
        return int(venue["open"])
    if how == AT_LIMIT:
        return int(order["price"])
    trigger = order["trigger"]
    return int(min(trigger, venue["open"]) if order["side"] < 0 else max(trigger, venue["open"]))


@kernel
def _latency(state: Any, venue: Any) -> float:
    """The root of the latency's share of the current bar: all of one that is over before an order arrives."""
    if state["interval"] > 0 or state["delay"] == 0:
        return float(state["latency"])
    length = venue["end"] - venue["start"]
    return math.sqrt(float(state["delay"]) / float(length)) if length > state["delay"] else 1.0


@kernel
def _price(state: Any, venue: Any, order: Any, how: int, lots: int) -> int:
    """The price in ticks: the reference, for a taker moved against us and rounded against us."""
    reference, side = _reference(venue, order, how), order["side"]
    if how == AT_LIMIT:
        return reference
    reach = float(venue["high"] - venue["low"]) * _latency(state, venue)
    share = math.sqrt(float(lots) / float(venue["volume"]))
    worse = float(reference) * (state["half_spread"] + state["impact"] * share) + reach
    if side > 0:
        return int(min(math.ceil(float(reference) + worse), float(venue["tick_limit"])))
    return int(max(math.floor(float(reference) - worse), 1.0))


@kernel
def _fee(state: Any, venue: Any, how: int, value: int) -> int:
    """The fee on a notional, ledger units; a rebate is negative."""
    if state["charge"] == 0:
        return 0
    rate = venue["maker_fee"] if how == AT_LIMIT else venue["taker_fee"]
    return mul_div_up(value, rate, RATIO) if rate >= 0 else -mul_div(value, -rate, RATIO)


@kernel
def _paid(state: Any, venue: Any, order: Any, how: int, lots: int) -> bool:
    """Whether lots have an exact value and, on a spot purchase, the account's cash pays for them and their fee."""
    value = value_up(venue, _price(state, venue, order, how, lots), lots)
    if value == OVERFLOW or venue["spot"] == 0 or order["side"] < 0:
        return bool(value != OVERFLOW)
    return bool(value + _fee(state, venue, how, value) <= state["cash"])


@kernel
def _affordable(state: Any, venue: Any, order: Any, how: int, lots: int) -> int:
    """The most lots, up to ``lots``, that are `_paid`: value and cost grow with every lot."""
    if lots == 0 or _paid(state, venue, order, how, lots):
        return lots
    least, most = 0, lots
    while most - least > 1:
        middle = least + (most - least) // 2
        if _paid(state, venue, order, how, middle):
            least = middle
        else:
            most = middle
    return least


@kernel
def _lots(state: Any, venue: Any, order: Any, how: int) -> int:
    """How many lots of an order fill now."""
    if _missed(state, venue, order):
        return 0
    lots = min(order["quantity"], venue["left"])
    if order["reduce_only"] == 1:
        lots = min(lots, max(-order["side"] * venue["position"], 0))
    return _affordable(state, venue, order, how, int(lots))


@kernel
def _next(venue: Any, resting: Records, number: int, end: int) -> tuple[int, int]:
    """The slot of the order that is next on the current bar, -1 if none is, and how it fills.

    A stop that is touched when no volume is left becomes a market order.
    """
    best, how = -1, NONE
    for slot in range(number * SLOTS, (number + 1) * SLOTS):
        order = resting[slot]
        if order["client_id"] == 0:
            continue
        possible = _how(venue, order)
        if possible == AT_STOP and venue["left"] == 0:
            order["type"] = MARKET
            order["time"] = end
            continue
        if possible == NONE or (venue["left"] == 0 and order["tif"] != IOC):
            continue
        if best < 0 or possible < how or (possible == how and order["venue_id"] < resting[best]["venue_id"]):
            best, how = slot, possible
    return best, how


@kernel
def _fill(state: Any, venue: Any, order: Any, how: int, lots: int, bar: Any, made: Any) -> None:
    """Fill lots of an order, in the account and on the record ``made``."""
    side, end = order["side"], bar["ts_event"]
    price = _price(state, venue, order, how, lots)
    value = value_up(venue, price, lots)
    fee = _fee(state, venue, how, value)
    state["volume"] += value
    state["slippage"] += abs(value - value_up(venue, _reference(venue, order, how), lots))
    state["cash"] -= fee + (value if side > 0 else -value_down(venue, price, lots))
    begin(made, FILL, bar["instrument"], bar["p5"] if how == AT_OPEN else end, end)
    made["p0"], made["p1"], made["p2"], made["p3"] = order["client_id"], price, lots, fee
    made["p4"], made["p5"] = 1 if how == AT_LIMIT else 2, venue["next_trade"]
    venue["next_trade"] += 1
    venue["left"] -= lots
    venue["position"] += side * lots
    order["quantity"] -= lots
    order["spent"] = 1


@kernel
def next_fill(exchange: Records, venues: Records, resting: Records, bar: Any, log: Records, at: int) -> bool:
    """Write what happens next on the current bar to ``log[at]``; False when nothing more does.

    The trader's reaction may place or cancel orders before the next call.
    """
    number, end = bar["instrument"], bar["ts_event"]
    state, venue = exchange[0], venues[number]
    if venue["working"] == 0:
        return False
    best, how = _next(venue, resting, number, end)
    if best < 0:
        return False
    order, made = resting[best], log[at]
    lots = _lots(state, venue, order, how)
    if lots == 0:
        nothing_held = order["reduce_only"] == 1 and order["side"] * venue["position"] >= 0
        begin(made, CANCELLED, number, end, end)
        made["p0"], made["p1"] = order["client_id"], REASON_REDUCE_ONLY if nothing_held else REASON_UNFILLED
        _clear(venue, order)
        return True
    _fill(state, venue, order, how, lots, bar, made)
    if order["quantity"] == 0:
        _clear(venue, order)
    elif how == AT_STOP:
        order["type"] = MARKET
        order["time"] = end
    return True
