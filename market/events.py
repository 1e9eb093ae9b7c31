"""The event: one fixed-width record for everything that happens.

A stretch of trading *is* an array of these. Each record carries its sequence number, the venue's time,
our receive time, a kind, an instrument number, flags, ten int64 payload fields and a checksum that
chains it to the record before it. All prices are in ticks, quantities in lots, money in ledger units
(1e-8 of the ledger asset), ratios in 1e-9, times in nanoseconds UTC.

Payload fields by kind (unused fields are zero)::

    TRADE            price, quantity, aggressor (+1 buy, -1 sell), trade id
    QUOTE            bid, bid quantity, ask, ask quantity
    BOOK_LEVEL       side (+1 bid, -1 ask), price, quantity, update id
    BAR              open, high, low, close, volume, start, trades (-1 missing), taker-buy volume (-1 missing)
                     ts_event is the bar's end
    SIGNAL           probability, expected move, barrier, expiry, bundle, row hash, volatility, bar end
                     moves are log returns in 1e-9; the expected move is that of the label at its exit; volatility is
                     per bar, or per day where bars follow no clock; flags say the prediction set (SetFlag)
    ORDER_ACCEPTED   client id, venue id
    ORDER_REJECTED   client id, reason
    ORDER_CANCELLED  client id, reason
    FILL             client id, price, quantity, fee (ledger units), liquidity (1 maker, 2 taker), venue trade id
    FUNDING          rate, mark price
    TIMER            timer number
    CONTROL          action (a Control), reason (interned text), value
    GAP              first missing time, last missing time
    SUBMIT_ORDER     client id, side, type, price, quantity, time in force, purpose, cause (seq), reduce only,
                     trigger price
    CANCEL_ORDER     client id, purpose, cause (seq)
    ORDER_DENIED     client id, reason, value, limit, cause (seq)
    STATE_DIGEST     first 63 bits of the core state's hash, records so far
    TRADING_STATE    new state, reason, value, limit, cause (seq)

Kinds below 32 are inputs to the core; kinds from 32 are what it decided, written so that a replay can
check that it decides the same again.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel

PAYLOAD = 10
EVENT = np.dtype(
    [
        ("seq", "<i8"),
        ("ts_event", "<i8"),
        ("ts_recv", "<i8"),
        ("kind", "<u2"),
        ("flags", "<u2"),
        ("instrument", "<u4"),
        *[(f"p{number}", "<i8") for number in range(PAYLOAD)],
        ("reserved", "<i8"),
        ("checksum", "<u8"),
    ]
)
WORDS = EVENT.itemsize // 8
RATIO = 1_000_000_000
MONEY = 100_000_000


class SetFlag(IntEnum):
    """Flags of a SIGNAL: whether the model says a prediction set, and which sides are in it. The core reads none."""

    FALLS = 1
    RISES = 2
    SAID = 4


class Kind(IntEnum):
    """What an event says; see the module's table for the payload of each."""

    TRADE = 1
    QUOTE = 2
    BOOK_LEVEL = 3
    BAR = 4
    SIGNAL = 5
    ORDER_ACCEPTED = 6
    ORDER_REJECTED = 7
    ORDER_CANCELLED = 8
    FILL = 9
    FUNDING = 10
    TIMER = 11
    CONTROL = 12
    GAP = 13
    SUBMIT_ORDER = 32
    CANCEL_ORDER = 33
    ORDER_DENIED = 34
    STATE_DIGEST = 35
    TRADING_STATE = 36


class Control(IntEnum):
    """Actions of a CONTROL event."""

    HALT = 1
    RESUME = 2
    REDUCE = 3
    CONFIG = 4


@kernel
def chained_checksum(words: NDArray[np.uint64], row: int, previous: np.uint64) -> np.uint64:
    """The checksum of one record, chained to that of the record before it.

    Parameters
    ----------
    words
        Events viewed as uint64, shape (n, WORDS); the last word is the checksum and is not read.
    row
        Which record.
    previous
        The checksum of the record before; zero for the first.

    Notes
    -----
    splitmix64's finaliser (Steele, Lea, Flood 2014) over every word: any changed bit, and any removed
    or reordered record, changes every later checksum.
    """
    state = previous + np.uint64(0x9E3779B97F4A7C15)
    for column in range(words.shape[1] - 1):
        state = (state ^ words[row, column]) + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return state


@kernel
def seal(words: NDArray[np.uint64], start: int, stop: int, previous: np.uint64) -> np.uint64:
    """Write the chained checksums of records ``start`` to ``stop``; return the last one."""
    last = words.shape[1] - 1
    for row in range(start, stop):
        previous = chained_checksum(words, row, previous)
        words[row, last] = previous
    return previous


@kernel
def first_broken(words: NDArray[np.uint64], previous: np.uint64) -> int:
    """The first record whose checksum does not follow from those before it, or -1."""
    last = words.shape[1] - 1
    for row in range(words.shape[0]):
        previous = chained_checksum(words, row, previous)
        if words[row, last] != previous:
            return row
    return -1


def as_words(events: NDArray[np.void]) -> NDArray[np.uint64]:
    """Events as a (n, WORDS) uint64 matrix over the same memory."""
    return events.view(np.uint64).reshape(len(events), WORDS)
