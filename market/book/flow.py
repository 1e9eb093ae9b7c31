"""Order flow from one state of the book to the next, exactly, in lots.

A side's best levels are compared place by place. With P and q the price and quantity at a place, before and after, and
"better" meaning higher for bids, lower for asks, the flow of that place of a side is

    q_after  where P_after is at least as good as P_before,   minus
    q_before where P_after is at most as good as P_before,

and the order flow imbalance is that of the bids minus that of the asks: at the best place it is e_n of Cont, Kukanov
and Stoikov (2014), at place m that of Xu, Gould and Howison (2019), whose vector over the places is summed here. A
place that a known side does not fill counts as quantity 0 at a price worse than all.

Flow is counted from one known state to the next. Where a venue collects 100 ms into one change, what comes and goes
within them is not seen. A snapshot that replaces a valid book is one step, and so is a moment in which the best levels
lie behind the horizon (`market.book.sequence`), if it is no longer than ``max_age``; otherwise the bar's flow is not
known.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.book.ladder import ASK, BID, NOWHERE
from market.book.sequence import COUNT, HORIZON, TIME, known_levels
from market.jit import kernel

Ints = NDArray[np.int64]

PLACES = 10
CLOCK, BEGUN = 0, 1
BEST = 2  # the state of the flow at the best place; behind it, at `ALL`, that of the flow at the best ten
SEEN, SUM, WHOLE, LADDER = range(4)  # in each: time of the last known state or `NEVER`, and its levels
ALL = BEST + LADDER + 4
FLOW = ALL + LADDER + 4 * PLACES
NEVER = -1
SUM_LIMIT = 2**61


@kernel
def is_known(head: Ints, keys: Ints, side: int, places: int) -> bool:
    """Whether the best ``places`` of a side are known: that many levels, or all there are."""
    known = known_levels(head, keys, side)
    return bool(known >= places or (head[HORIZON + side] == NOWHERE and known == head[COUNT + side]))


@kernel
def place_flow(key: int, quantity: int, key_before: int, quantity_before: int) -> int:
    """The flow of one place of one side."""
    flow = 0
    if key >= key_before:
        flow += quantity
    if key <= key_before:
        flow -= quantity_before
    return flow


@kernel
def lose(flow: Ints) -> None:
    """The book is not valid: no flow of this bar is whole, and there is no state to go on from."""
    for at in (BEST, ALL):
        flow[at + SEEN] = NEVER
        flow[at + WHOLE] = 0


@kernel
def observe(head: Ints, keys: Ints, lots: Ints, flow: Ints, at: int, places: int, max_age: int) -> None:
    """Add the flow at the best ``places`` from the last known state to the present one, if this one is known."""
    if not (is_known(head, keys, BID, places) and is_known(head, keys, ASK, places)):
        return
    total = 0
    for side in range(2):
        count = head[COUNT + side]
        for place in range(places):
            slot = at + LADDER + 2 * (side * places + place)
            there = place < count
            key = keys[side, count - 1 - place] if there else NOWHERE
            quantity = lots[side, count - 1 - place] if there else 0
            change = place_flow(key, quantity, flow[slot], flow[slot + 1])
            total += change if side == BID else -change
            flow[slot] = key
            flow[slot + 1] = quantity
    if flow[at + SEEN] == NEVER or head[TIME] - flow[at + SEEN] > max_age:
        flow[at + WHOLE] = 0
    if flow[at + WHOLE] != 0:
        flow[at + SUM] += total
        if abs(flow[at + SUM]) > SUM_LIMIT:  # one step is less than 2**57: the sum has not wrapped
            flow[at + WHOLE] = 0
    flow[at + SEEN] = head[TIME]


@kernel
def begin_bar(flow: Ints) -> None:
    """A new bar begins: its sums are zero, and whole as long as there is a known state to go on from."""
    for at in (BEST, ALL):
        flow[at + SUM] = 0
        flow[at + WHOLE] = 1 if flow[at + SEEN] != NEVER else 0
    flow[BEGUN] = 1
