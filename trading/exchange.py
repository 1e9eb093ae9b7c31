"""The simulated exchange: bars in, fills out, in the same compiled loop as the core.

With bars only, what happened inside a bar is unknown; every rule takes the pessimistic reading:

- A **market order** sent at a bar's end fills from the open of the first bar that starts later and traded. Never on
  the bar that produced the signal. Its price is the open, moved against us by half the spread, by latency
  (``(high - low) * sqrt(latency / interval)``) and by impact (``open * impact * sqrt(share of the bar's volume)``).
- A **stop** is triggered when the bar touches it and fills at the worse of its trigger and the open, moved likewise.
  One that finds no volume left is triggered all the same: it goes on as a market order at the next bar.
- A **limit** order fills only when the bar trades *through* its price, at its price.
- Within a bar market orders come first, then stops, then limits: a bar that touches stop and target is a loss.
- All orders of a bar together take at most ``participation`` of its volume. What is left of an immediate order is
  cancelled; what is left of an exit goes on at the next bar. Bars without volume fill nothing.
- Reduce-only orders never open or turn a position; when there is none left they are cancelled.
- Fees are the instrument's, on the notional rounded up, and are rounded up themselves.
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
from trading.core import ACCEPTED, CANCEL, CANCELLED, FILL, REJECTED, SUBMIT, begin
from trading.core import notional_up as value_up
from trading.exact import mul_div, mul_div_up
from trading.layout import IOC, MARKET, SLOTS, STOP_MARKET, tick_limit

Records = NDArray[np.void]

EXCHANGE = np.dtype(
    [(name, "<i8") for name in "next_venue_id slippage volume head tail charge".split()]
    + [(name, "<f8") for name in "half_spread latency impact participation".split()]
)
"""``slippage`` paid and ``volume`` traded so far, ledger units; ``latency`` is the root of its share of a bar."""

VENUE_BOOK = np.dtype(
    [
        (name, "<i8")
        for name in (
            "numerator denominator tick_limit maker_fee taker_fee next_trade position working left "
            "start end open high low volume"
        ).split()
    ]
)
"""One instrument at the venue; ``left``: lots that may still be traded on the current bar."""

RESTING = np.dtype(
    [(name, "<i8") for name in "client_id venue_id side type price trigger quantity reduce_only tif time".split()]
)
"""One order at the venue; ``time``: a market order fills on bars that start then or later."""

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


def new_exchange(instruments: Sequence[Instrument], config: ExchangeConfig, interval: int) -> ExchangeState:
    """An exchange without orders."""
    exchange, books = np.zeros(1, EXCHANGE), np.zeros(len(instruments), VENUE_BOOK)
    exchange["half_spread"], exchange["impact"] = config.half_spread, config.impact
    exchange["latency"] = math.sqrt(config.latency_ms * 1e6 / interval)
    exchange["participation"], exchange["charge"] = config.participation, config.fees
    exchange["next_venue_id"] = 1
    for number, one in enumerate(instruments):
        books["numerator"][number], books["denominator"][number] = one.notional_ratio
        books["maker_fee"][number] = ratio_units(float(one.maker_fee))
        books["taker_fee"][number] = ratio_units(float(one.taker_fee))
        books["next_trade"][number] = 1
        books["tick_limit"][number] = tick_limit(one)
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
    order["quantity"] = order["reduce_only"] = order["tif"] = order["time"] = 0


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
def _how(venue: Any, order: Any) -> int:
    """How an order fills on the current bar."""
    kind, side = order["type"], order["side"]
    if kind == MARKET:
        return AT_OPEN if order["time"] <= venue["start"] else NONE
    if kind == STOP_MARKET:
        touched = venue["low"] <= order["trigger"] if side < 0 else venue["high"] >= order["trigger"]
        return AT_STOP if touched else NONE
    through = venue["high"] > order["price"] if side < 0 else venue["low"] < order["price"]
    return AT_LIMIT if through else NONE


@kernel
def _price(state: Any, venue: Any, side: int, reference: int, lots: int) -> int:
    """A taker's price in ticks: the reference moved against us, rounded against us."""
    reach = float(venue["high"] - venue["low"]) * state["latency"]
    share = math.sqrt(float(lots) / float(venue["volume"]))
    worse = float(reference) * (state["half_spread"] + state["impact"] * share) + reach
    if side > 0:
        return int(min(math.ceil(float(reference) + worse), float(venue["tick_limit"])))
    return int(max(math.floor(float(reference) - worse), 1.0))


@kernel
def next_fill(exchange: Records, venues: Records, resting: Records, bar: Any, log: Records, at: int) -> bool:
    """Write what happens next on the current bar to ``log[at]``; False when nothing more does.

    The trader's reaction may place or cancel orders before the next call.
    """
    number = bar["instrument"]
    state, venue = exchange[0], venues[number]
    if venue["working"] == 0 or venue["volume"] == 0:
        return False
    best, how = -1, NONE
    for slot in range(number * SLOTS, (number + 1) * SLOTS):
        order = resting[slot]
        if order["client_id"] == 0:
            continue
        possible = _how(venue, order)
        if possible == AT_STOP and venue["left"] == 0:
            order["type"] = MARKET
            order["time"] = bar["ts_event"]
            continue
        if possible == NONE or (venue["left"] == 0 and order["tif"] != IOC):
            continue
        if best < 0 or possible < how or (possible == how and order["venue_id"] < resting[best]["venue_id"]):
            best, how = slot, possible
    if best < 0:
        return False
    order, made = resting[best], log[at]
    end, client_id, side = bar["ts_event"], order["client_id"], order["side"]
    lots, reason = min(order["quantity"], venue["left"]), REASON_UNFILLED
    if order["reduce_only"] == 1:
        held = -side * venue["position"]
        if held <= 0:
            lots, reason = 0, REASON_REDUCE_ONLY
        else:
            lots = min(lots, held)
    if lots == 0:
        begin(made, CANCELLED, number, end, end)
        made["p0"], made["p1"] = client_id, reason
        _clear(venue, order)
        return True
    when, maker, reference = end, how == AT_LIMIT, order["price"]
    if how == AT_OPEN:
        when, reference = bar["p5"], venue["open"]
    elif how == AT_STOP:
        reference = min(order["trigger"], venue["open"]) if side < 0 else max(order["trigger"], venue["open"])
    price = order["price"] if maker else _price(state, venue, side, reference, lots)
    value = value_up(venue, price, lots)
    state["volume"] += value
    state["slippage"] += abs(value - value_up(venue, reference, lots))
    fee = 0
    if state["charge"] == 1:
        rate = venue["maker_fee"] if maker else venue["taker_fee"]
        fee = mul_div_up(value, rate, RATIO) if rate >= 0 else -mul_div(value, -rate, RATIO)
    begin(made, FILL, number, when, end)
    made["p0"], made["p1"], made["p2"], made["p3"] = client_id, price, lots, fee
    made["p4"], made["p5"] = 1 if maker else 2, venue["next_trade"]
    venue["next_trade"] += 1
    venue["left"] -= lots
    venue["position"] += side * lots
    order["quantity"] -= lots
    if order["quantity"] == 0:
        _clear(venue, order)
    elif how == AT_STOP:
        order["type"] = MARKET
        order["time"] = end
    return True
