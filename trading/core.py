"""The core: one event in, decisions out. Compiled, deterministic; no clock, no I/O, no allocation.

`step` handles ``log[row]`` and writes its decisions into the rows that follow. The rules:

- **Decide** on a SIGNAL, when ACTIVE, flat, without a working order, before the signal expires: the expected gain
  ``(2p - 1) * expected move`` must exceed the round trip's costs, ``2 * (taker fee + slippage) + margin``. Spot is
  long or flat; perpetuals mirror it short.
- **Size** by volatility target times bet size, within what leverage and cash leave, in whole lots.
- **Check** every entry against the limits; beyond one it is denied with the value and the limit. The rate counts every
  order sent in this second of event time and the `SECONDS` - 1 before it, so that no minute holds an entry too many;
  protection counts, and always passes.
- **Protect**: every fill of an entry at once gets its own stop and its own target, reduce-only, at the label's
  barriers around the fill's price. A target is placed only while a further stop would still find a slot. A fill whose
  stop finds none: the entry's rest is cancelled, the position leaves at the market, HALTED.
- **Cover**: a position is bare when its working stops and exits (sent or accepted, nobody asked for their end) would
  not close it. A bare position leaves at the market, in every trading state: at once when a stop ends, else at the
  instrument's next bar, and at each bar again until it is covered. One slot is kept for that exit.
- **Exit** at the vertical barrier: the first bar that ends a horizon after the entry (the last of as many bars where
  they follow no clock), again until flat. An exit is for what no working exit closes yet. Flat cancels what is left.
- **Book** cash flows exactly: a buyer's notional is rounded up, a seller's down, fees are the venue's.
- What leaves exact arithmetic is not booked: a value stays the last good one, funding or a fill is left out; HALTED.
- A duplicate fill is counted and dropped: its trade id is among the highest `TRADES` of those booked. A fill in no
  order is booked like any other. One below everything remembered cannot be told from a duplicate, others cannot be
  ours: they are not booked, HALTED, and a human looks.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.events import RATIO
from market.jit import kernel
from trading.exact import LIMIT, OVERFLOW, mul_div, mul_div_up
from trading.layout import (
    ACTIVE,
    BECAUSE_DRAWDOWN,
    BECAUSE_OLD_FILL,
    BECAUSE_OPERATOR,
    BECAUSE_OVERFILL,
    BECAUSE_OVERFLOW,
    BECAUSE_UNKNOWN_ORDER,
    BECAUSE_UNPROTECTED,
    CANCELLING,
    DENY_CASH,
    DENY_GROSS_NOTIONAL,
    DENY_MIN_NOTIONAL,
    DENY_ORDER_NOTIONAL,
    DENY_OVERFLOW,
    DENY_POSITION_NOTIONAL,
    DENY_QUANTITY,
    DENY_RATE,
    DENY_SLOTS,
    ENTRY,
    EXIT,
    FREE,
    GTC,
    HALTED,
    IOC,
    LIMIT_ORDER,
    MARKET,
    REDUCING,
    SECONDS,
    SENT,
    SLOTS,
    STOP,
    STOP_MARKET,
    TARGET,
    TRADES,
    WORKING,
)

Records = NDArray[np.void]

# market.events.Kind and Control as plain numbers: compiled code freezes them.
BAR, SIGNAL, ACCEPTED, REJECTED, CANCELLED, FILL, FUNDING, CONTROL = 4, 5, 6, 7, 8, 9, 10, 12
SUBMIT, CANCEL, DENIED, TRADING_STATE = 32, 33, 34, 36
CONTROL_HALT, CONTROL_RESUME, CONTROL_REDUCE = 1, 2, 3
SECOND = 1_000_000_000
ENTRY_RESERVE = 1.01
"""Cash kept for an entry, over its notional at the mark: the price may move before it fills."""
FAR = 60.0
"""A barrier, as a log return, beyond which every price lies off the scale."""
KNOWN, TOO_OLD = -1, -2
"""Of a trade id: it was booked; nobody can say."""
MARGIN_ROWS = 4 * SLOTS
"""Rows that must be free behind the input row: no event causes more decisions."""


@kernel
def begin(made: Any, kind: int, instrument: int, ts_event: int, ts_recv: int) -> None:
    """A record's first fields; everything else is zero."""
    made["seq"] = 0
    made["ts_event"] = ts_event
    made["ts_recv"] = ts_recv
    made["kind"] = kind
    made["flags"] = 0
    made["instrument"] = instrument
    made["p0"] = made["p1"] = made["p2"] = made["p3"] = made["p4"] = 0
    made["p5"] = made["p6"] = made["p7"] = made["p8"] = made["p9"] = 0
    made["reserved"] = 0
    made["checksum"] = 0


@kernel
def _write(core: Records, log: Records, row: int, at: int, kind: int, instrument: int) -> None:
    """Begin a decision's record at row ``at``; its cause is the input at ``row``."""
    state, now = core[0], log[row]["ts_recv"]
    begin(log[at], kind, instrument, now, now)
    log[at]["seq"] = state["seq"]
    state["seq"] += 1


@kernel
def _set_state(core: Records, log: Records, row: int, at: int, new: int, reason: int, value: int, limit: int) -> int:
    """Change the trading state, on the record; the next free row."""
    state = core[0]
    if state["trading_state"] == new:
        return at
    state["trading_state"] = new
    _write(core, log, row, at, TRADING_STATE, 0)
    made = log[at]
    made["p0"], made["p1"], made["p2"], made["p3"] = new, reason, value, limit
    made["p4"] = log[row]["seq"]
    return at + 1


@kernel
def _deny(core: Records, log: Records, row: int, at: int, number: int, reason: int, value: int, limit: int) -> int:
    """Record a denied order; the next free row."""
    core[0]["denials"] += 1
    _write(core, log, row, at, DENIED, number)
    made = log[at]
    made["p1"], made["p2"], made["p3"], made["p4"] = reason, value, limit, log[row]["seq"]
    return at + 1


@kernel
def notional_down(book: Any, ticks: int, lots: int) -> int:
    """The value of lots at a price, ledger units, rounded down; `OVERFLOW` beyond exact arithmetic."""
    if ticks < 0 or ticks > book["tick_limit"]:
        return OVERFLOW
    return mul_div(ticks * book["numerator"], lots, book["denominator"])


@kernel
def notional_up(book: Any, ticks: int, lots: int) -> int:
    """The value of lots at a price, ledger units, rounded up; `OVERFLOW` beyond exact arithmetic."""
    if ticks < 0 or ticks > book["tick_limit"]:
        return OVERFLOW
    return mul_div_up(ticks * book["numerator"], lots, book["denominator"])


@kernel
def _most_slots(purpose: int) -> int:
    """How many of an instrument's slots may be in use once an order is placed: a stop leaves one, a target two."""
    if purpose == EXIT:
        return SLOTS
    return SLOTS - 2 if purpose == TARGET else SLOTS - 1


@kernel
def _deny_slots(core: Records, books: Records, log: Records, row: int, at: int, number: int, purpose: int) -> int:
    """Record an order that finds no slot; the next free row."""
    return _deny(core, log, row, at, number, DENY_SLOTS, books[number]["working"] + 1, _most_slots(purpose))


@kernel
def _free_slot(orders: Records, number: int) -> int:
    for slot in range(number * SLOTS, (number + 1) * SLOTS):
        if orders[slot]["status"] == FREE:
            return slot
    return -1


@kernel
def _find(orders: Records, number: int, client_id: int) -> int:
    for slot in range(number * SLOTS, (number + 1) * SLOTS):
        if orders[slot]["status"] != FREE and orders[slot]["client_id"] == client_id:
            return slot
    return -1


@kernel
def _sent_recently(state: Any) -> int:
    """Orders sent in the second of the latest event and the `SECONDS` - 1 before it; what is older is forgotten."""
    second, sent = state["last_time"] // SECOND, state["sent"]
    for past in range(min(second - state["sent_second"], SECONDS)):
        bucket = (second - past) % SECONDS
        state["sent_recently"] -= sent[bucket]
        sent[bucket] = 0
    state["sent_second"] = second
    return int(state["sent_recently"])


@kernel
def _submit(
    core: Records,
    books: Records,
    orders: Records,
    log: Records,
    row: int,
    at: int,
    number: int,
    side: int,
    kind: int,
    purpose: int,
    quantity: int,
    price: int,
    trigger: int,
) -> int:
    """Put an order into a slot and send it; the next free row, or -1 when there is no slot for its purpose."""
    slot = _free_slot(orders, number)
    if slot < 0 or books[number]["working"] >= _most_slots(purpose):
        return -1
    state, book, order = core[0], books[number], orders[slot]
    client_id = state["next_client_id"]
    state["next_client_id"] += 1
    state["orders"] += 1
    order["client_id"] = client_id
    order["status"] = SENT
    order["side"] = side
    order["type"] = kind
    order["price"] = price
    order["trigger"] = trigger
    order["quantity"] = quantity
    order["filled"] = 0
    order["purpose"] = purpose
    order["cause"] = log[row]["seq"]
    order["venue_id"] = 0
    order["reserve"] = 0
    book["working"] += 1
    state["sent_recently"] = _sent_recently(state) + 1
    state["sent"][state["sent_second"] % SECONDS] += 1
    _write(core, log, row, at, SUBMIT, number)
    made = log[at]
    made["p0"] = client_id
    made["p1"] = side
    made["p2"] = kind
    made["p3"] = price
    made["p4"] = quantity
    made["p5"] = IOC if purpose == ENTRY else GTC
    made["p6"] = purpose
    made["p7"] = log[row]["seq"]
    made["p8"] = 0 if purpose == ENTRY else 1
    made["p9"] = trigger
    return at + 1


@kernel
def _cancel(core: Records, orders: Records, log: Records, row: int, at: int, number: int, slot: int) -> int:
    """Ask for an order's end; the next free row."""
    order = orders[slot]
    order["status"] = CANCELLING
    _write(core, log, row, at, CANCEL, number)
    made = log[at]
    made["p0"], made["p1"], made["p2"] = order["client_id"], order["purpose"], log[row]["seq"]
    return at + 1


@kernel
def _cancel_all(core: Records, orders: Records, log: Records, row: int, at: int, number: int, purpose: int) -> int:
    """Cancel an instrument's orders of a purpose (0: all); the next free row."""
    for slot in range(number * SLOTS, (number + 1) * SLOTS):
        status = orders[slot]["status"]
        if (status in (SENT, WORKING)) and (purpose == 0 or orders[slot]["purpose"] == purpose):
            at = _cancel(core, orders, log, row, at, number, slot)
    return at


@kernel
def _cancel_entries(core: Records, books: Records, orders: Records, log: Records, row: int, at: int) -> int:
    for number in range(books.shape[0]):
        if books[number]["working"] > 0:
            at = _cancel_all(core, orders, log, row, at, number, ENTRY)
    return at


@kernel
def _halt(
    core: Records, books: Records, orders: Records, log: Records, row: int, at: int, reason: int, value: int, limit: int
) -> int:
    """No order but protection from now on: what is on its way to open a position is taken back; the next free row."""
    at = _set_state(core, log, row, at, HALTED, reason, value, limit)
    return _cancel_entries(core, books, orders, log, row, at)


@kernel
def _release(core: Records, books: Records, orders: Records, number: int, slot: int) -> int:
    """An order is over: free its slot and what it reserved; its purpose."""
    book, order = books[number], orders[slot]
    purpose = int(order["purpose"])
    book["working"] -= 1
    if purpose == ENTRY:
        core[0]["gross"] -= book["reserved"]
        book["reserved"] = 0
    order["client_id"] = order["side"] = order["type"] = order["price"] = order["trigger"] = 0
    order["quantity"] = order["filled"] = order["purpose"] = order["cause"] = order["venue_id"] = order["reserve"] = 0
    order["status"] = FREE
    return purpose


@kernel
def _fits(total: int, change: int) -> bool:
    """Whether both and their sum are below `LIMIT`, either way: their sum cannot wrap."""
    return -LIMIT < total < LIMIT and -LIMIT < change < LIMIT and -LIMIT < total + change < LIMIT


@kernel
def _pay(state: Any, flow: int) -> bool:
    """Book money that came or went; False, and nothing is booked, if it leads beyond exact arithmetic."""
    if not (_fits(state["cash"], flow) and _fits(state["equity"], flow)):
        return False
    state["cash"] += flow
    state["equity"] += flow
    return True


@kernel
def _revalue(core: Records, books: Records, number: int) -> bool:
    """Bring an instrument's value, the gross exposure and the equity up to its mark and position.

    False, and all three stay as they are, if that leads beyond exact arithmetic.
    """
    state, book = core[0], books[number]
    position, old = book["position"], book["value"]
    size = notional_down(book, book["mark"], position) if position >= 0 else notional_up(book, book["mark"], -position)
    value = size if position >= 0 else -size
    if size == OVERFLOW or not (_fits(state["equity"] - old, value) and _fits(state["gross"] - abs(old), size)):
        return False
    state["equity"] += value - old
    state["gross"] += size - abs(old)
    book["value"] = value
    return True


@kernel
def _marked(core: Records, books: Records, orders: Records, log: Records, row: int, at: int, number: int) -> int:
    """Revalue an instrument; what cannot be valued halts. The next free row."""
    book = books[number]
    if _revalue(core, books, number):
        return at
    return _halt(core, books, orders, log, row, at, BECAUSE_OVERFLOW, book["mark"], book["tick_limit"])


@kernel
def _uncovered(books: Records, orders: Records, number: int, beside: int) -> int:
    """Lots of a position that no working exit would close, nor any working order of the purpose ``beside``."""
    position = books[number]["position"]
    side, lots = -1 if position > 0 else 1, abs(position)
    for slot in range(number * SLOTS, (number + 1) * SLOTS):
        order = orders[slot]
        working = order["status"] in (SENT, WORKING) and order["side"] == side
        if working and (order["purpose"] == EXIT or order["purpose"] == beside):
            lots -= min(lots, order["quantity"] - order["filled"])
            if lots == 0:
                break
    return int(lots)


@kernel
def _exit(core: Records, books: Records, orders: Records, log: Records, row: int, at: int, number: int) -> int:
    """Close at the market what no working exit closes yet; the next free row."""
    lots = _uncovered(books, orders, number, EXIT)
    if lots == 0:
        return at
    side = -1 if books[number]["position"] > 0 else 1
    done = _submit(core, books, orders, log, row, at, number, side, MARKET, EXIT, lots, 0, 0)
    return _deny_slots(core, books, log, row, at, number, EXIT) if done < 0 else done


@kernel
def _cover(core: Records, books: Records, orders: Records, log: Records, row: int, at: int, number: int) -> int:
    """Leave a bare position at the market; the next free row."""
    if _uncovered(books, orders, number, STOP) == 0:
        return at
    return _exit(core, books, orders, log, row, at, number)


@kernel
def _is_over(state: Any, book: Any, now: int) -> bool:
    """Whether a position has come to its vertical barrier."""
    if state["horizon"] == 0:
        return bool(book["entry_bars"] >= state["horizon_bars"])
    return bool(now >= book["entry_time"] + state["horizon"])


@kernel
def _on_bar(core: Records, books: Records, orders: Records, log: Records, row: int, at: int) -> int:
    event = log[row]
    number = event["instrument"]
    state, book = core[0], books[number]
    state["bars"] += 1
    book["mark"] = event["p3"]
    book["mark_time"] = event["ts_event"]
    if book["position"] != 0:
        at = _marked(core, books, orders, log, row, at, number)
        book["entry_bars"] += 1
        if _is_over(state, book, event["ts_event"]) and state["trading_state"] != HALTED:
            at = _exit(core, books, orders, log, row, at, number)
        else:
            at = _cover(core, books, orders, log, row, at, number)
    if state["equity"] > state["peak"]:
        state["peak"] = state["equity"]
    if state["trading_state"] == ACTIVE:
        least = state["peak"] - mul_div(max(state["peak"], 0), state["drawdown"], RATIO)
        if state["equity"] < least:
            at = _set_state(core, log, row, at, REDUCING, BECAUSE_DRAWDOWN, state["equity"], least)
            at = _cancel_entries(core, books, orders, log, row, at)
    return at


@kernel
def _lots(core: Records, books: Records, number: int, probability: float, volatility: float) -> int:
    """The size of an entry, in lots: volatility target times bet size, within what leverage and cash leave."""
    state, book = core[0], books[number]
    annual = volatility * math.sqrt(state["bars_per_year"])
    bet = min(1.0, abs(2.0 * probability - 1.0) / state["full_bet"])
    weight = min(state["volatility_target"] / annual * bet, state["max_weight"])
    equity = float(state["equity"])
    room = equity * (float(state["leverage"]) / RATIO) - float(state["gross"])
    money = min(weight * equity, room)
    if book["spot"] == 1:
        money = min(money, _available(core, books) / ENTRY_RESERVE)
    lots: float = money * float(book["denominator"]) / (float(book["mark"]) * float(book["numerator"]))
    whole: int = math.floor(min(max(lots, 0.0), float(book["max_lots"])))
    return whole


@kernel
def _available(core: Records, books: Records) -> float:
    """Cash that no entry on its way has reserved."""
    free = float(core[0]["cash"])
    for number in range(books.shape[0]):
        free -= float(books[number]["reserved"]) * ENTRY_RESERVE
    return free


@kernel
def _on_signal(core: Records, books: Records, orders: Records, log: Records, row: int, at: int) -> int:
    event = log[row]
    number = event["instrument"]
    state, book = core[0], books[number]
    state["signals"] += 1
    idle = book["position"] == 0 and book["working"] == 0 and book["mark"] > 0
    fresh = event["ts_recv"] <= event["p3"]
    if state["trading_state"] != ACTIVE or not idle or not fresh or event["p6"] <= 0 or event["p2"] <= 0:
        state["ignored"] += 1
        return at
    probability = float(event["p0"]) / RATIO
    gain = (2.0 * probability - 1.0) * (float(event["p1"]) / RATIO)
    cost = 2.0 * (float(book["taker_fee"]) / RATIO + state["slippage"]) + state["margin"]
    side = 0
    if gain > cost:
        side = 1
    elif -gain > cost and book["spot"] == 0:
        side = -1
    if side == 0:
        return at
    lots = _lots(core, books, number, probability, float(event["p6"]) / RATIO)
    value = notional_up(book, book["mark"], lots)
    if value == OVERFLOW:
        return _deny(core, log, row, at, number, DENY_OVERFLOW, lots, book["max_lots"])
    if lots < book["min_lots"]:
        return _deny(core, log, row, at, number, DENY_QUANTITY, lots, book["min_lots"])
    if value < book["min_notional"]:
        return _deny(core, log, row, at, number, DENY_MIN_NOTIONAL, value, book["min_notional"])
    order_limit = min(state["order_limit"], book["max_notional"])
    if value > order_limit:
        return _deny(core, log, row, at, number, DENY_ORDER_NOTIONAL, value, order_limit)
    if value > state["position_limit"]:
        return _deny(core, log, row, at, number, DENY_POSITION_NOTIONAL, value, state["position_limit"])
    gross_limit = min(state["gross_limit"], mul_div(max(state["equity"], 0), state["leverage"], RATIO))
    if state["gross"] + value > gross_limit:
        return _deny(core, log, row, at, number, DENY_GROSS_NOTIONAL, state["gross"] + value, gross_limit)
    if book["spot"] == 1 and float(value) * ENTRY_RESERVE > _available(core, books):
        return _deny(core, log, row, at, number, DENY_CASH, value, state["cash"])
    recent = _sent_recently(state)
    if recent >= state["orders_per_minute"]:
        return _deny(core, log, row, at, number, DENY_RATE, recent + 1, state["orders_per_minute"])
    done = _submit(core, books, orders, log, row, at, number, side, MARKET, ENTRY, lots, 0, 0)
    if done < 0:
        return _deny_slots(core, books, log, row, at, number, ENTRY)
    state["entries"] += 1
    book["barrier"] = event["p2"]
    book["reserved"] = value
    state["gross"] += value
    return done


@kernel
def _protect(
    core: Records, books: Records, orders: Records, log: Records, row: int, at: int, number: int, price: int, lots: int
) -> int:
    """A stop and a target for a fill of an entry, or the position's end if there is no slot; the next free row."""
    book = books[number]
    side = -1 if book["position"] > 0 else 1
    reach = math.exp(min(float(book["barrier"]) / RATIO, FAR))
    above = math.floor(min(float(price) * reach + 0.5, float(book["tick_limit"])))
    below = math.floor(float(price) / reach + 0.5)
    above = min(max(above, price + 1), book["tick_limit"])
    below = max(min(below, price - 1), 1)
    trigger, target = (below, above) if side < 0 else (above, below)
    done = _submit(core, books, orders, log, row, at, number, side, STOP_MARKET, STOP, lots, 0, trigger)
    if done < 0:
        at = _deny_slots(core, books, log, row, at, number, STOP)
        at = _halt(core, books, orders, log, row, at, BECAUSE_UNPROTECTED, number, SLOTS)
        return _exit(core, books, orders, log, row, at, number)
    at = done
    done = _submit(core, books, orders, log, row, at, number, side, LIMIT_ORDER, TARGET, lots, target, 0)
    return _deny_slots(core, books, log, row, at, number, TARGET) if done < 0 else done


@kernel
def _trade_place(book: Any, trade: int) -> int:
    """Where to remember a trade id: at a free place or the lowest id's; or `KNOWN`, or `TOO_OLD`.

    Forgetting the lowest keeps every id that was ever forgotten below those remembered.
    """
    trades, lowest = book["trades"], 0
    for place in range(book["trades_known"]):
        if trades[place] == trade:
            return KNOWN
        if trades[place] < trades[lowest]:
            lowest = place
    if book["trades_known"] < TRADES:
        return int(book["trades_known"])
    return lowest if trade > trades[lowest] else TOO_OLD


@kernel
def _on_fill(core: Records, books: Records, orders: Records, log: Records, row: int, at: int) -> int:
    event = log[row]
    number, price, lots = event["instrument"], event["p1"], event["p2"]
    state, book = core[0], books[number]
    place = _trade_place(book, event["p5"])
    if place == KNOWN:
        state["duplicates"] += 1
        return at
    if place == TOO_OLD:
        state["violations"] += 1
        return _halt(core, books, orders, log, row, at, BECAUSE_OLD_FILL, event["p5"], book["trades"].min())
    slot = _find(orders, number, event["p0"])
    if slot < 0:
        state["violations"] += 1
        return _halt(core, books, orders, log, row, at, BECAUSE_UNKNOWN_ORDER, event["p0"], 0)
    order = orders[slot]
    side, purpose = order["side"], order["purpose"]
    left = order["quantity"] - order["filled"]
    if lots <= 0 or price <= 0 or lots > left:
        state["violations"] += 1
        return _halt(core, books, orders, log, row, at, BECAUSE_OVERFILL, lots, left)
    value = notional_up(book, price, lots) if side > 0 else notional_down(book, price, lots)
    exact = value != OVERFLOW and _fits(state["fees"], event["p3"]) and _fits(book["position"], side * lots)
    if not exact or not _pay(state, -side * value - event["p3"]):
        state["violations"] += 1
        return _halt(core, books, orders, log, row, at, BECAUSE_OVERFLOW, price, book["tick_limit"])
    book["trades"][place] = event["p5"]
    book["trades_known"] = max(book["trades_known"], place + 1)
    state["fills"] += 1
    order["filled"] += lots
    state["fees"] += event["p3"]
    opening = book["position"] == 0
    book["position"] += side * lots
    if book["mark"] == 0:
        book["mark"] = price
    if purpose == ENTRY:
        reserved = mul_div(book["reserved"], left - lots, left)
        state["gross"] -= book["reserved"] - reserved
        book["reserved"] = reserved
        if opening:
            book["entry_time"], book["entry_bars"] = event["ts_event"], 0
    if lots == left:
        _release(core, books, orders, number, slot)
    at = _marked(core, books, orders, log, row, at, number)
    if book["position"] == 0:
        book["entry_time"] = book["entry_bars"] = 0
        book["barrier"] = 0
        return _cancel_all(core, orders, log, row, at, number, 0)
    if purpose == ENTRY:
        return _protect(core, books, orders, log, row, at, number, price, lots)
    return at


@kernel
def _on_end(core: Records, books: Records, orders: Records, log: Records, row: int, at: int) -> int:
    """An order was rejected or cancelled: a position that lost a stop and is bare leaves at the market."""
    event = log[row]
    number = event["instrument"]
    slot = _find(orders, number, event["p0"])
    if slot < 0:
        return at
    purpose = _release(core, books, orders, number, slot)
    return _cover(core, books, orders, log, row, at, number) if purpose == STOP else at


@kernel
def funding_amount(book: Any, position: int, rate: int, ticks: int) -> int:
    """What funding moves on a position's notional at the mark, rounded against us; `OVERFLOW` beyond exact arithmetic.

    It is paid when position and rate have the same sign, else received.
    """
    if position == 0 or rate == 0:
        return 0
    value = notional_up(book, ticks, abs(position))
    if (position > 0) == (rate > 0):
        return mul_div_up(value, abs(rate), RATIO)
    return mul_div(value, abs(rate), RATIO)


@kernel
def _on_funding(core: Records, books: Records, orders: Records, log: Records, row: int, at: int) -> int:
    """Longs pay shorts a positive rate on the notional at the mark; what cannot be counted is not booked and halts."""
    event = log[row]
    book = books[event["instrument"]]
    position, rate = book["position"], event["p0"]
    amount = funding_amount(book, position, rate, event["p1"])
    flow = -amount if (position > 0) == (rate > 0) else amount
    if amount != OVERFLOW and _pay(core[0], flow):
        return at
    return _halt(core, books, orders, log, row, at, BECAUSE_OVERFLOW, event["p1"], book["tick_limit"])


@kernel
def _on_control(core: Records, books: Records, orders: Records, log: Records, row: int, at: int) -> int:
    action, state = log[row]["p0"], core[0]
    if action == CONTROL_RESUME:
        state["peak"] = state["equity"]
        return _set_state(core, log, row, at, ACTIVE, BECAUSE_OPERATOR, 0, 0)
    if action in (CONTROL_HALT, CONTROL_REDUCE):
        new = HALTED if action == CONTROL_HALT else REDUCING
        at = _set_state(core, log, row, at, new, BECAUSE_OPERATOR, 0, 0)
        return _cancel_entries(core, books, orders, log, row, at)
    return at


@kernel
def step(core: Records, books: Records, orders: Records, log: Records, row: int) -> int:
    """Take in the event at ``log[row]`` and write what is decided behind it.

    Parameters
    ----------
    core, books, orders
        The memory of `trading.layout.CoreState`; changed in place.
    log
        `market.events.EVENT` records; `MARGIN_ROWS` and twice the number of instruments must be free behind ``row``.
    row
        The input; its ``seq`` is assigned here.

    Returns
    -------
    int
        The first free row behind the decisions.
    """
    state, event = core[0], log[row]
    event["seq"] = state["seq"]
    state["seq"] += 1
    if event["ts_recv"] > state["last_time"]:
        state["last_time"] = event["ts_recv"]
    kind, at = event["kind"], row + 1
    if kind == BAR:
        return _on_bar(core, books, orders, log, row, at)
    if kind == SIGNAL:
        return _on_signal(core, books, orders, log, row, at)
    if kind == FILL:
        return _on_fill(core, books, orders, log, row, at)
    if kind == ACCEPTED:
        slot = _find(orders, event["instrument"], event["p0"])
        if slot >= 0:
            orders[slot]["venue_id"] = event["p1"]
            if orders[slot]["status"] == SENT:
                orders[slot]["status"] = WORKING
        return at
    if kind in (REJECTED, CANCELLED):
        return _on_end(core, books, orders, log, row, at)
    if kind == FUNDING:
        return _on_funding(core, books, orders, log, row, at)
    if kind == CONTROL:
        return _on_control(core, books, orders, log, row, at)
    return at


def rows_needed(instruments: int) -> int:
    """Rows that must be free behind an input."""
    return MARGIN_ROWS + 2 * instruments
