r"""When a bar ends: one rule a family.

*Grid* (time bars): a bar holds the trades of one interval [start, end) of the grid; an interval without trades has
no bar.

*Level* (tick, volume, dollar): the bar ends with the trade that brings its sum to the threshold or above.

*Imbalance*: with the trade that brings \|bought - sold\| there. *Run*: with the trade that brings the larger of bought
and sold there. Both count trades, base asset or quote asset, and may adapt: the threshold is the expected number of
trades a bar times the expected \|bought - sold\| a trade, or times the expected larger of bought and sold a trade.

A trade is never divided and nothing is carried over: what exceeds the threshold belongs to the bar that it ends.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.bar_builders.accumulate import finish, rounding, take, write
from market.bar_builders.state import (
    DOLLAR_MEASURE,
    GRID,
    IMBALANCE,
    LEVEL,
    TICK_MEASURE,
    VOLUME_MEASURE,
)
from market.jit import kernel


@kernel
def pass_time(time: int, state: np.void, bar: np.void) -> int:
    """End the time bar in progress if its interval is over at ``time``; returns the number of bars written."""
    if state["family"] == GRID and state["rows"] > 0 and time >= state["end"]:
        finish(state, bar)
        return 1
    return 0


@kernel
def grid_step(trade: np.void, state: np.void, bar: np.void) -> int:
    """One trade of time bars."""
    time, interval, origin = trade["time"], state["interval"], state["origin"]
    wrote = pass_time(time, state, bar)
    start, end = state["start"], state["end"]
    if state["rows"] == 0:
        start = (time - origin) // interval * interval + origin
        end = start + interval
    take(trade, state)
    state["start"], state["end"] = start, end
    return wrote


@kernel
def level(state: np.void) -> float:
    """What the bar in progress has of its measure."""
    if state["measure"] == TICK_MEASURE:
        return float(state["ticks"])
    if state["measure"] == VOLUME_MEASURE:
        return float(state["volume"] + state["volume_lost"])
    return float(state["quote"] + state["quote_lost"])


@kernel
def level_step(trade: np.void, state: np.void, bar: np.void) -> int:
    """One trade of tick, volume or dollar bars."""
    take(trade, state)
    if level(state) >= state["threshold"]:
        finish(state, bar)
        return 1
    return 0


@kernel
def contrast(family: int, bought: float, sold: float) -> float:
    """What is held against the threshold: the net amount, or the larger."""
    return abs(bought - sold) if family == IMBALANCE else max(bought, sold)


@kernel
def is_over(state: np.void) -> bool:
    """Whether an imbalance or run bar ends with the trade just taken."""
    if state["adaptive"] == 1:
        ticks = state["ticks"]
        if ticks < state["least_ticks"]:
            return False
        if ticks >= state["most_ticks"]:
            return True
        if state["bars"] == 0:
            return bool(ticks >= state["expected_ticks"])
    bought, sold = state["bought"] + state["bought_lost"], state["sold"] + state["sold_lost"]
    return bool(contrast(state["family"], bought, sold) >= state["threshold"])


@kernel
def adapt(ticks: int, state: np.void) -> None:
    """The next bar's threshold, from all trades so far and the number of them in the bar that ended."""
    expected = state["expected_ticks"]
    expected += state["bar_weight"] * (float(min(ticks, state["most_ticks"])) - expected)
    state["expected_ticks"] = expected
    net = contrast(state["family"], state["decayed_bought"], state["decayed_sold"])
    state["threshold"] = expected * (net / state["decayed_ticks"])


@kernel
def decay(bought: float, sold: float, ticks: int, state: np.void) -> None:
    """One trade into the exponential averages: decayed sums, whose quotient needs no correction at the start."""
    keep = state["trade_keep"]
    state["decayed_bought"] = keep * state["decayed_bought"] + bought
    state["decayed_sold"] = keep * state["decayed_sold"] + sold
    state["decayed_ticks"] = keep * state["decayed_ticks"] + float(ticks)


@kernel
def amount_of(trade: np.void, measure: int) -> float:
    """A trade in the measure of its bars."""
    if measure == TICK_MEASURE:
        return float(trade["count"])
    quantity: float = trade["quantity"]
    return trade["price"] * quantity if measure == DOLLAR_MEASURE else quantity


@kernel
def signed_step(trade: np.void, state: np.void, bar: np.void) -> int:
    """One trade of imbalance or run bars."""
    side = take(trade, state)
    amount = amount_of(trade, state["measure"])
    if side > 0:
        bought = state["bought"]
        state["bought"] = bought + amount
        state["bought_lost"] += rounding(bought, amount, bought + amount)
    elif side < 0:
        sold = state["sold"]
        state["sold"] = sold + amount
        state["sold_lost"] += rounding(sold, amount, sold + amount)
    if state["adaptive"] == 1:
        decay(amount if side > 0 else 0.0, amount if side < 0 else 0.0, trade["count"], state)
    if not is_over(state):
        return 0
    ticks = state["ticks"]
    finish(state, bar)
    if state["adaptive"] == 1:
        adapt(ticks, state)
    return 1


@kernel
def step(trade: np.void, state: np.void, bar: np.void) -> int:
    """Take in one trade; returns the number of bars it ended, 0 or 1, written to ``bar``."""
    if state["family"] == GRID:
        return grid_step(trade, state, bar)
    if state["family"] == LEVEL:
        return level_step(trade, state, bar)
    return signed_step(trade, state, bar)


@kernel
def build(trades: NDArray[np.void], first: int, state: NDArray[np.void], bars: NDArray[np.void]) -> tuple[int, int]:
    """Take in trades from row ``first`` until ``bars`` is full: the next row, and the number of bars written."""
    one = state[0]
    count = 0
    for row in range(first, len(trades)):
        if count == len(bars):
            return row, count
        count += step(trades[row], one, bars[count])
    return len(trades), count


@kernel
def advance(time: int, state: NDArray[np.void], bars: NDArray[np.void]) -> int:
    """No trade before ``time`` will come any more: end the time bar that is over; returns the bars written."""
    one = state[0]
    one["last_time"] = time
    return pass_time(time, one, bars[0])


@kernel
def show(state: NDArray[np.void], bars: NDArray[np.void]) -> int:
    """Write the bar in progress, if there is one, and leave it in progress; returns the bars written."""
    if state[0]["rows"] == 0:
        return 0
    write(state[0], bars[0])
    return 1
