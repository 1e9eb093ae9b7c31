"""One message into the book: which updates fit, which are old, and when the book is no longer known.

The rules (Binance's API documentation, "How to manage a local order book correctly"):

==========================  =====================================================================================
what comes                  what happens
==========================  =====================================================================================
snapshot                    replaces the book, and changes that waited for it follow at once; one that is older than a
                            valid book is left out as *old*
change, no valid book       waits for a snapshot
change, ended before        *old* or a duplicate: left out and counted
first after a snapshot      spot: must hold the snapshot's next id, ``U <= id + 1 <= u``; futures: the snapshot's
                            own, ``U <= id <= u``, or follow it, ``pu == id``; else the snapshot is too old
later change                spot: ``U == previous u + 1``; futures: ``pu == previous u``
anything else               a *gap*: also what came out of order, and what overlaps
gap message                 a gap
==========================  =====================================================================================

After a gap the book is invalid until the next snapshot. It is also invalid, with its own status, when it is crossed;
when a quote with the book's own update id contradicts it; and when a level is no price.

A side has a *horizon*, the last price down to which no level can be missing: that of the snapshot's worst level if the
snapshot was cut off. It moves in when a full side gives up a level, and out to the best price of every quote between
the snapshot and the book's update, because nothing better than that can have been there unseen. Levels behind the
horizon are kept, but others may lie between them: `known_levels` counts those before it.

Waiting changes are kept in ``waiting`` (messages) and ``held`` (levels). When they are full, the older ones are
forgotten: a snapshot from before the newer ones is then too old, and the next is waited for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.book.ladder import ASK, BID, NOWHERE, place_of, put_level
from market.book.tape import (
    BEFORE,
    BEGIN,
    CHANGE,
    EVENT_TIME,
    FIRST,
    GAP,
    KIND,
    LAST,
    LOTS,
    QUOTE,
    SIDE,
    SNAPSHOT,
    STOP,
    TICKS,
)
from market.instruments import LOT_LIMIT, TICK_LIMIT
from market.jit import kernel

Ints = NDArray[np.int64]

NO_SNAPSHOT, VALID, BROKEN, CROSSED, CONTRADICTED, NO_LEVEL = range(6)
"""The states of a book; all but VALID wait for a snapshot."""

HEADER = 24
STATUS, FUTURES, UPDATE, JOINED, TIME = range(5)
COUNT, HORIZON = 5, 7  # two each: bids, asks
QUOTE_ID, QUOTE_TICKS, QUOTE_LOTS = 9, 10, 12  # ticks and lots two each
APPLIED, OLD, GAPS, SNAPSHOTS, GIVEN_UP, WAITING, HELD, FORGOTTEN, SINCE = range(14, 23)


@kernel
def set_level(head: Ints, keys: Ints, lots: Ints, sign: int, ticks: int, quantity: int) -> None:
    """Set the quantity of a level; what a full side gives up moves its horizon in."""
    side = BID if sign > 0 else ASK
    count, gone = put_level(keys, lots, side, head[COUNT + side], sign * ticks, quantity)
    head[COUNT + side] = count
    if gone != NOWHERE:
        head[GIVEN_UP] += 1
        if gone + 1 > head[HORIZON + side]:
            head[HORIZON + side] = gone + 1


@kernel
def set_levels(head: Ints, keys: Ints, lots: Ints, levels: Ints, begin: int, stop: int) -> bool:
    """Set the quantities of some levels; false at one that is no price or quantity."""
    for row in range(begin, stop):
        ticks, quantity = levels[row, TICKS], levels[row, LOTS]
        if ticks < 1 or ticks > TICK_LIMIT or quantity < 0 or quantity > LOT_LIMIT:
            return False
        set_level(head, keys, lots, levels[row, SIDE], ticks, quantity)
    return True


@kernel
def best_key(head: Ints, keys: Ints, side: int) -> int:
    """The key of the best level, or NOWHERE."""
    count = head[COUNT + side]
    return keys[side, count - 1] if count > 0 else NOWHERE


@kernel
def contradicted(head: Ints, keys: Ints, lots: Ints) -> bool:
    """Whether the last quote has the book's update id and another best level; an absent side is quoted as 0."""
    if head[QUOTE_ID] != head[UPDATE]:
        return False
    for side in range(2):
        count = head[COUNT + side]
        ticks = abs(keys[side, count - 1]) if count > 0 else 0
        quantity = lots[side, count - 1] if count > 0 else 0
        if head[QUOTE_TICKS + side] != ticks or head[QUOTE_LOTS + side] != quantity:
            return True
    return False


@kernel
def judge(head: Ints, keys: Ints, lots: Ints) -> int:
    """The status of a book whose updates fitted."""
    bid, ask = best_key(head, keys, BID), best_key(head, keys, ASK)
    if bid != NOWHERE and ask != NOWHERE and bid >= -ask:
        return CROSSED
    if contradicted(head, keys, lots):
        return CONTRADICTED
    return VALID


@kernel
def learn(head: Ints, keys: Ints) -> None:
    """What the last quote says about levels behind the horizon: at its update there were none better than its own."""
    if not (head[SINCE] <= head[QUOTE_ID] <= head[UPDATE]):
        return
    for side in range(2):
        key = head[QUOTE_TICKS + side] if side == BID else -head[QUOTE_TICKS + side]
        if key == 0 or key >= head[HORIZON + side]:
            continue
        place = place_of(keys, side, head[COUNT + side], key)
        there = place < head[COUNT + side] and keys[side, place] == key
        head[HORIZON + side] = key if there else key + 1


@kernel
def known_levels(head: Ints, keys: Ints, side: int) -> int:
    """How many of a side's best levels are known, with none missing among them."""
    count: int = head[COUNT + side]
    return count - place_of(keys, side, count, head[HORIZON + side])


@kernel
def follows(head: Ints, first: int, last: int, before: int) -> bool:
    """Whether a change that is not old is the next one."""
    update = int(head[UPDATE])
    if head[FUTURES] != 0:
        return before == update or (head[JOINED] == 0 and first <= update <= last)
    return first == update + 1 if head[JOINED] != 0 else first <= update + 1 <= last


@kernel
def apply_change(head: Ints, keys: Ints, lots: Ints, message: Ints, row: int, levels: Ints) -> int:
    """A change into a valid book; gives 1 if it was applied, 0 if it is old, -1 if the book broke."""
    last = message[row, LAST]
    # On futures the first change may end at the snapshot's own id.
    if last < head[UPDATE] or (last == head[UPDATE] and (head[FUTURES] == 0 or head[JOINED] != 0)):
        head[OLD] += 1
        return 0
    if not follows(head, message[row, FIRST], last, message[row, BEFORE]):
        head[STATUS] = BROKEN
        head[GAPS] += 1
        return -1
    given_up = head[GIVEN_UP]
    sound = set_levels(head, keys, lots, levels, message[row, BEGIN], message[row, STOP])
    if head[GIVEN_UP] > given_up:
        head[SINCE] = last
    head[UPDATE] = last
    head[JOINED] = 1
    head[TIME] = max(head[TIME], message[row, EVENT_TIME])
    head[APPLIED] += 1
    head[STATUS] = judge(head, keys, lots) if sound else NO_LEVEL
    if head[STATUS] != VALID:
        return -1
    learn(head, keys)
    return 1


@kernel
def hold(head: Ints, waiting: Ints, held: Ints, message: Ints, row: int, levels: Ints) -> None:
    """Keep a change until a snapshot comes; forget the older ones where there is no room."""
    count = message[row, STOP] - message[row, BEGIN]
    if head[WAITING] == waiting.shape[0] or head[HELD] + count > held.shape[0]:
        head[FORGOTTEN] += head[WAITING]
        head[WAITING] = 0
        head[HELD] = 0
        if count > held.shape[0]:
            head[FORGOTTEN] += 1
            return
    place, begin = head[WAITING], head[HELD]
    for column in range(message.shape[1]):
        waiting[place, column] = message[row, column]
    for number in range(count):
        for column in range(levels.shape[1]):
            held[begin + number, column] = levels[message[row, BEGIN] + number, column]
    waiting[place, BEGIN] = begin
    waiting[place, STOP] = begin + count
    head[WAITING] = place + 1
    head[HELD] = begin + count


@kernel
def begin_book(head: Ints, keys: Ints, lots: Ints, message: Ints, row: int, levels: Ints) -> None:
    """A snapshot replaces the book."""
    head[COUNT + BID] = 0
    head[COUNT + ASK] = 0
    head[HORIZON + BID] = NOWHERE
    head[HORIZON + ASK] = NOWHERE
    sound = set_levels(head, keys, lots, levels, message[row, BEGIN], message[row, STOP])
    for side in range(2):
        cut = message[row, FIRST] if side == BID else message[row, BEFORE]
        if cut != 0 and head[COUNT + side] > 0:
            head[HORIZON + side] = max(head[HORIZON + side], keys[side, 0])
    head[UPDATE] = message[row, LAST]
    head[SINCE] = message[row, LAST]
    head[JOINED] = 0
    head[TIME] = max(head[TIME], message[row, EVENT_TIME])
    head[SNAPSHOTS] += 1
    head[STATUS] = judge(head, keys, lots) if sound else NO_LEVEL


@kernel
def catch_up(head: Ints, keys: Ints, lots: Ints, waiting: Ints, held: Ints) -> None:
    """Apply what waited for the snapshot. From a change that does not fit on, all keep waiting for the next one."""
    count = head[WAITING]
    done = 0
    while done < count and head[STATUS] == VALID:
        if apply_change(head, keys, lots, waiting, done, held) < 0 and head[STATUS] == BROKEN:
            break
        done += 1
    begin = waiting[done, BEGIN] if done < count else head[HELD]
    for place in range(done, count):
        for column in range(waiting.shape[1]):
            waiting[place - done, column] = waiting[place, column]
        waiting[place - done, BEGIN] -= begin
        waiting[place - done, STOP] -= begin
    for row in range(begin, head[HELD]):
        for column in range(held.shape[1]):
            held[row - begin, column] = held[row, column]
    head[WAITING] = count - done
    head[HELD] -= begin


@kernel
def take(head: Ints, keys: Ints, lots: Ints, waiting: Ints, held: Ints, message: Ints, row: int, levels: Ints) -> None:
    """Take in one message of any kind; trades pass."""
    kind = message[row, KIND]
    if kind == CHANGE:
        if head[STATUS] == VALID:
            apply_change(head, keys, lots, message, row, levels)
            if head[STATUS] == BROKEN:
                hold(head, waiting, held, message, row, levels)
        else:
            hold(head, waiting, held, message, row, levels)
    elif kind == QUOTE:
        head[QUOTE_ID] = message[row, LAST]
        for side in range(2):
            head[QUOTE_TICKS + side] = levels[message[row, BEGIN] + side, TICKS]
            head[QUOTE_LOTS + side] = levels[message[row, BEGIN] + side, LOTS]
        if head[STATUS] == VALID and contradicted(head, keys, lots):
            head[STATUS] = CONTRADICTED
        if head[STATUS] == VALID:
            learn(head, keys)
    elif kind == SNAPSHOT:
        if head[STATUS] == VALID and message[row, LAST] < head[UPDATE]:
            head[OLD] += 1
            return
        begin_book(head, keys, lots, message, row, levels)
        catch_up(head, keys, lots, waiting, held)
    elif kind == GAP:
        if head[STATUS] == VALID:
            head[GAPS] += 1
            head[STATUS] = BROKEN
        head[WAITING] = 0
        head[HELD] = 0
