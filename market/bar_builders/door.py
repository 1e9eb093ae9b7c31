"""The door: every trade is checked before any touches the state, and the refusal names what is wrong with it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.errors import TradeError
from market.jit import kernel
from market.time import format_time
from market.trades.schema import LARGEST_COUNT, LATEST, LEAST, MOST

NOT_A_TIME, TOO_EARLY, NOT_A_PRICE, NOT_A_QUANTITY, NOT_A_SIDE, NO_SIDE, NOT_AN_ID, NOT_NEW, NOT_A_COUNT = range(9)

SENTENCES: Final = {
    NOT_A_TIME: ("time", "is not between 1970 and 2116"),
    TOO_EARLY: ("time", "is before the trade before it or a time already passed: trades must come in order, each once"),
    NOT_A_PRICE: ("price", f"is not a price between {LEAST:g} and {MOST:g}"),
    NOT_A_QUANTITY: ("quantity", f"is not a quantity between {LEAST:g} and {MOST:g}"),
    NOT_A_SIDE: ("side", "is none of 1, -1 and 0"),
    NO_SIDE: ("side", "is unknown, and these bars depend on it: build them with sides='tick_rule'"),
    NOT_AN_ID: ("id", "is below -1, which stands for none"),
    NOT_NEW: ("id", "is not above the id before it: trades must come in order, each once"),
    NOT_A_COUNT: ("count", f"is not between 1 and {LARGEST_COUNT}"),
}


@kernel
def reason_against(trade: np.void, last_time: int, last_id: int, needs_sides: int) -> int:
    """Why a trade may not follow one of that time and id, or -1."""
    time, side, number = trade["time"], trade["side"], trade["id"]
    if time < 0 or time > LATEST:
        return NOT_A_TIME
    if time < last_time:
        return TOO_EARLY
    if not (LEAST <= trade["price"] <= MOST):
        return NOT_A_PRICE
    if not (LEAST <= trade["quantity"] <= MOST):
        return NOT_A_QUANTITY
    if side < -1 or side > 1:
        return NOT_A_SIDE
    if side == 0 and needs_sides == 1:
        return NO_SIDE
    if number < -1:
        return NOT_AN_ID
    if number >= 0 and number <= last_id:
        return NOT_NEW
    if trade["count"] < 1 or trade["count"] > LARGEST_COUNT:
        return NOT_A_COUNT
    return -1


@kernel
def first_refused(trades: NDArray[np.void], state: NDArray[np.void]) -> int:
    """The first bad trade as row * 16 + reason, or -1 if all may pass. Changes nothing."""
    last_time, last_id, needs_sides = state[0]["last_time"], state[0]["last_id"], state[0]["needs_sides"]
    for row in range(len(trades)):
        reason = reason_against(trades[row], last_time, last_id, needs_sides)
        if reason >= 0:
            return row * 16 + reason
        last_time = trades[row]["time"]
        if trades[row]["id"] >= 0:
            last_id = trades[row]["id"]
    return -1


def refusal(trades: NDArray[np.void], code: int) -> TradeError:
    """The error that says what `first_refused` found."""
    row, reason = divmod(code, 16)
    name, sentence = SENTENCES[reason]
    value, time = trades[name][row].item(), int(trades["time"][row])
    if name == "time" and reason == TOO_EARLY:
        value = format_time(value)
    when = format_time(time) if 0 <= time <= LATEST else f"{time} ns"
    return TradeError(f"trade {row} ({when}, id {trades['id'][row]}): {name} {value} {sentence}; no trade was taken in")
