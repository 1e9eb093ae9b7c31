"""The bar in progress: opened by its first trade, written out, cleared.

Sums keep what rounding took from each addition and give it back (Knuth's two-sum), so that ten times 0.1 is 1.0.
"""

from __future__ import annotations

import numpy as np

from market.jit import kernel

NAN = np.nan


@kernel
def rounding(before: float, value: float, after: float) -> float:
    """What ``after = before + value`` lost to rounding, exactly."""
    added = after - before
    return (before - (after - added)) + (value - added)


@kernel
def side_of(trade: np.void, state: np.void) -> int:
    """The taker's side of a trade: its own, or by the tick rule, which remembers the price."""
    if state["tick_rule"] == 0:
        return int(trade["side"])
    price, last = trade["price"], state["last_price"]
    state["last_price"] = price
    if last > 0.0 and price > last:
        state["last_side"] = 1
    elif price < last:
        state["last_side"] = -1
    return int(state["last_side"])


@kernel
def note_order(trade: np.void, state: np.void) -> None:
    """Remember the trade's time and id, and count the ids left out before it."""
    number = trade["id"]
    if number >= 0:
        if state["last_id"] >= 0:
            state["skipped"] += number - state["last_id"] - 1
        state["last_id"] = number
    state["last_time"] = trade["time"]


@kernel
def take(trade: np.void, state: np.void) -> int:
    """Add a trade to the bar in progress, opening one if there is none; returns the trade's side."""
    note_order(trade, state)
    price, quantity = trade["price"], trade["quantity"]
    if state["rows"] == 0:
        state["start"] = trade["time"]
        state["open"] = state["high"] = state["low"] = price
    elif price > state["high"]:
        state["high"] = price
    elif price < state["low"]:
        state["low"] = price
    state["end"] = trade["time"]
    state["close"] = price
    state["rows"] += 1
    state["ticks"] += trade["count"]
    volume, quote, value = state["volume"], state["quote"], price * quantity
    state["volume"] = volume + quantity
    state["volume_lost"] += rounding(volume, quantity, volume + quantity)
    state["quote"] = quote + value
    state["quote_lost"] += rounding(quote, value, quote + value)
    side = side_of(trade, state)
    if side > 0:
        taker_buy = state["taker_buy"]
        state["taker_buy"] = taker_buy + quantity
        state["taker_buy_lost"] += rounding(taker_buy, quantity, taker_buy + quantity)
    elif side == 0:
        state["sideless"] += 1
    return side


@kernel
def write(state: np.void, bar: np.void) -> None:
    """The bar in progress as a bar; the state is as before, and the fields after ``vwap`` stay missing."""
    volume, quote = state["volume"] + state["volume_lost"], state["quote"] + state["quote_lost"]
    bar["start"], bar["end"] = state["start"], state["end"]
    bar["open"], bar["high"], bar["low"], bar["close"] = state["open"], state["high"], state["low"], state["close"]
    bar["volume"], bar["quote_volume"], bar["trade_count"] = volume, quote, float(state["ticks"])
    bar["taker_buy_volume"] = NAN if state["sideless"] > 0 else state["taker_buy"] + state["taker_buy_lost"]
    # The quotient may be rounded out of the range of prices by a unit of the last place.
    bar["vwap"] = min(max(quote / volume, state["low"]), state["high"])


@kernel
def finish(state: np.void, bar: np.void) -> None:
    """Write the bar in progress and start without one."""
    write(state, bar)
    state["volume"] = state["volume_lost"] = state["quote"] = state["quote_lost"] = 0.0
    state["taker_buy"] = state["taker_buy_lost"] = 0.0
    state["bought"] = state["bought_lost"] = state["sold"] = state["sold_lost"] = 0.0
    state["rows"] = state["ticks"] = state["sideless"] = 0
    state["bars"] += 1
