"""What a bar gets from the book: the flows since its start, and the book at its close."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from market.bars import COLUMN
from market.book.flow import ALL, BEGUN, BEST, CLOCK, PLACES, SEEN, SUM, WHOLE, begin_bar, is_known, lose, observe
from market.book.ladder import ASK, BID
from market.book.sequence import COUNT, STATUS, TIME, VALID, take
from market.book.tape import CHANGE, EVENT_TIME, GAP, KIND, SNAPSHOT
from market.jit import kernel

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

START, END = COLUMN["start"], COLUMN["end"]
FIRST, BEHIND = COLUMN["spread"], COLUMN["ask_slope"] + 1
SPREAD, MICROPRICE = COLUMN["spread"], COLUMN["microprice"]
BEST_FLOW, ALL_FLOW = COLUMN["order_flow_imbalance"], COLUMN["multilevel_order_flow_imbalance"]
BID_DEPTH, ASK_DEPTH = COLUMN["bid_depth"], COLUMN["ask_depth"]
BID_SIZE, ASK_SIZE = COLUMN["bid_size"], COLUMN["ask_size"]
BID_SLOPE, ASK_SLOPE = COLUMN["bid_slope"], COLUMN["ask_slope"]
TICK_OVER, TICK_UNDER, LOT_OVER, LOT_UNDER = range(4)
"""The steps as numerators and denominators: dividing once gives the double nearest to the decimal."""


@kernel
def close_side(head: Ints, keys: Ints, lots: Ints, side: int, middle: int) -> tuple[int, int, float]:
    """Size at the best, depth over the best places, and slope in lots per unit of relative distance.

    ``middle`` is twice the mid in ticks. The slope is that of the straight line through the origin which fits the
    cumulative depth over the relative distance from the mid best, by least squares.
    """
    count = head[COUNT + side]
    size = lots[side, count - 1] if count > 0 else 0
    depth, over, under = 0, 0.0, 0.0
    for place in range(min(count, PLACES)):
        depth += lots[side, count - 1 - place]
        distance = float(abs(2 * abs(keys[side, count - 1 - place]) - middle))
        over += depth * distance
        under += distance * distance
    return size, depth, middle * over / under if under > 0.0 else math.nan


@kernel
def close_bar(
    head: Ints, keys: Ints, lots: Ints, flow: Ints, steps: Floats, max_age: int, bars_f: Floats, bars_i: Ints, row: int
) -> None:
    """Write the book's fields of a bar that ends; NaN where they are not known."""
    for column in range(FIRST, BEHIND):
        bars_f[row, column] = math.nan
    if flow[BEGUN] == 0:
        begin_bar(flow)
    flow[BEGUN] = 0
    if head[STATUS] != VALID or bars_i[row, END] - head[TIME] > max_age:
        return
    lot_over, lot_under = steps[LOT_OVER], steps[LOT_UNDER]
    for at, column in ((BEST, BEST_FLOW), (ALL, ALL_FLOW)):
        if flow[at + WHOLE] != 0 and bars_i[row, END] - flow[at + SEEN] <= max_age:
            bars_f[row, column] = flow[at + SUM] * lot_over / lot_under
    if not (is_known(head, keys, BID, 1) and is_known(head, keys, ASK, 1)):
        return
    both = head[COUNT + BID] > 0 and head[COUNT + ASK] > 0
    bid = keys[BID, head[COUNT + BID] - 1] if both else 0
    ask = -keys[ASK, head[COUNT + ASK] - 1] if both else 0
    bid_size, bid_depth, bid_slope = close_side(head, keys, lots, BID, bid + ask)
    ask_size, ask_depth, ask_slope = close_side(head, keys, lots, ASK, bid + ask)
    bars_f[row, BID_SIZE] = bid_size * lot_over / lot_under
    bars_f[row, ASK_SIZE] = ask_size * lot_over / lot_under
    if both:
        share = bid_size / (bid_size + ask_size)
        bars_f[row, SPREAD] = (ask - bid) * steps[TICK_OVER] / steps[TICK_UNDER]
        bars_f[row, MICROPRICE] = (bid + (ask - bid) * share) * steps[TICK_OVER] / steps[TICK_UNDER]
    if is_known(head, keys, BID, PLACES):
        bars_f[row, BID_DEPTH] = bid_depth * lot_over / lot_under
        if both:
            bars_f[row, BID_SLOPE] = bid_slope * lot_over / lot_under
    if is_known(head, keys, ASK, PLACES):
        bars_f[row, ASK_DEPTH] = ask_depth * lot_over / lot_under
        if both:
            bars_f[row, ASK_SLOPE] = ask_slope * lot_over / lot_under


@kernel
def fill(
    head: Ints,
    keys: Ints,
    lots: Ints,
    waiting: Ints,
    held: Ints,
    flow: Ints,
    steps: Floats,
    max_age: int,
    messages: Ints,
    levels: Ints,
    bars_f: Floats,
    bars_i: Ints,
) -> int:
    """All messages into the book, in turn; bars are closed as the clock passes their ends. Gives how many were closed.

    The clock is the largest event time so far. A message that comes later than its own time says belongs to the bar
    that is open when it comes: what live sees and what a recording replays is then the same.
    """
    bar = 0
    for row in range(messages.shape[0]):
        time = messages[row, EVENT_TIME]
        if messages[row, KIND] == GAP or time < flow[CLOCK]:  # a gap's time is ours, not the venue's
            time = flow[CLOCK]
        flow[CLOCK] = time
        while bar < bars_f.shape[0] and time >= bars_i[bar, END]:
            close_bar(head, keys, lots, flow, steps, max_age, bars_f, bars_i, bar)
            bar += 1
        if bar < bars_f.shape[0] and flow[BEGUN] == 0 and time >= bars_i[bar, START]:
            begin_bar(flow)
        take(head, keys, lots, waiting, held, messages, row, levels)
        kind = messages[row, KIND]
        if head[STATUS] != VALID:
            lose(flow)
        elif kind in (CHANGE, SNAPSHOT):
            observe(head, keys, lots, flow, BEST, 1, max_age)
            observe(head, keys, lots, flow, ALL, PLACES, max_age)
    return bar
