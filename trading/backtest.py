"""A backtest: a tape of bars, signals and controls through trader and simulated exchange, in one compiled loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.events import EVENT, as_words, seal
from market.instruments import Instrument
from market.jit import kernel
from trading.advance import advance
from trading.config import ExchangeConfig, TradingConfig, money_units
from trading.core import rows_needed
from trading.errors import TapeError
from trading.exchange import ExchangeState, new_exchange
from trading.layout import CoreState, new_core

Records = NDArray[np.void]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a backtest did.

    ``journal``: sealed events, the inputs of the core and its decisions. ``time``, ``equity``, ``gross``: at each
    moment of the tape, once it is over; ns and ledger units. ``state`` and ``exchange``: the memory at the end.
    """

    journal: Records
    time: NDArray[np.int64]
    equity: NDArray[np.int64]
    gross: NDArray[np.int64]
    state: CoreState
    exchange: ExchangeState


@kernel
def _run(
    core: Records,
    books: Records,
    orders: Records,
    exchange: Records,
    venues: Records,
    resting: Records,
    outbox: Records,
    tape: Records,
    log: Records,
    curve: NDArray[np.int64],
    place: NDArray[np.int64],
    margin: int,
) -> None:
    """Go on from ``place`` (tape index, log row, curve row) until the tape ends or the log is nearly full."""
    index, at, point = place[0], place[1], place[2]
    while index < tape.shape[0] and at + margin <= log.shape[0]:
        at = advance(core, books, orders, exchange, venues, resting, outbox, tape, index, log, at)
        now = tape[index]["ts_recv"]
        index += 1
        if index == tape.shape[0] or tape[index]["ts_recv"] != now:
            curve[point, 0], curve[point, 1], curve[point, 2] = now, core[0]["equity"], core[0]["gross"]
            point += 1
    place[0], place[1], place[2] = index, at, point


def margin(instruments: int) -> int:
    """Log rows that one event of the tape may fill: every slot of an instrument fills, each with its reactions."""
    return 64 * rows_needed(instruments)


def check_tape(tape: Records, instruments: int) -> None:
    """Refuse a tape that goes back in time or names an instrument that is not there.

    Raises
    ------
    TapeError
        Naming the first such event.
    """
    late = np.flatnonzero(np.diff(tape["ts_recv"]) < 0)
    if len(late):
        raise TapeError(
            f"event {int(late[0]) + 1} of the tape is earlier than the one before it: sort the tape by time"
        )
    strange = np.flatnonzero(tape["instrument"] >= instruments)
    if len(strange):
        number = int(tape["instrument"][strange[0]])
        raise TapeError(f"event {int(strange[0])} of the tape is of instrument {number}; there are {instruments}")


def run(
    instruments: Sequence[Instrument],
    trading: TradingConfig,
    exchange: ExchangeConfig,
    tape: Records,
    interval: int,
    horizon: int,
) -> Outcome:
    """Trade a tape.

    Parameters
    ----------
    instruments
        In the order of their numbers on the tape.
    tape
        `market.events.EVENT`, shape (n,), in the order of ``ts_recv``; it must begin with a CONTROL that resumes, or
        the trader stays HALTED.
    interval
        Length of a bar, ns.
    horizon
        Bars until the vertical barrier.

    Raises
    ------
    TapeError
        If the tape is out of order or names an unknown instrument.
    LimitError
        If an instrument could overflow the exact arithmetic.
    """
    check_tape(tape, len(instruments))
    state = new_core(instruments, trading, interval, horizon)
    venue = new_exchange(instruments, exchange, interval, money_units(trading.capital, "capital"))
    room = margin(len(instruments))
    log = np.zeros(len(tape) + len(tape) // 4 + 2 * room, EVENT)
    curve = np.zeros((len(tape), 3), np.int64)
    place = np.zeros(3, np.int64)
    while True:
        _run(
            state.core, state.books, state.orders,
            venue.exchange, venue.books, venue.resting, venue.outbox,
            tape, log, curve, place, room,
        )  # fmt: skip
        if place[0] == len(tape):
            break
        log = np.concatenate([log, np.zeros(len(log), EVENT)])
    journal = log[: place[1]].copy()
    seal(as_words(journal), 0, len(journal), np.uint64(0))
    time, equity, gross = (curve[: place[2], column].copy() for column in range(3))
    return Outcome(journal, time, equity, gross, state, venue)
