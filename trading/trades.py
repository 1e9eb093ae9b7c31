"""Round trips: a projection of the journal, exact to the ledger unit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from market.events import Kind
from market.instruments import Instrument

TRADE = np.dtype(
    [
        (name, "<i8")
        for name in "instrument side opened closed lots entry_notional exit_notional fees profit purpose".split()
    ]
)
"""From flat to flat: ``opened``, ``closed`` in ns, money in ledger units, ``purpose`` of the order that closed it."""


def notional(instrument: Instrument, ticks: int, lots: int, up: bool) -> int:
    """The value of lots at a price in ledger units, rounded up or down; Python's own whole numbers."""
    numerator, denominator = instrument.notional_ratio
    product = ticks * lots * numerator
    return -(-product // denominator) if up else product // denominator


def round_trips(journal: NDArray[np.void], instruments: Sequence[Instrument]) -> NDArray[np.void]:
    """Every closed round trip of a journal, in the order they closed.

    Returns
    -------
    Array of `TRADE`, shape (n,). A position still open at the end is not among them.
    """
    orders = journal[journal["kind"] == Kind.SUBMIT_ORDER]
    about = {int(one["p0"]): (int(one["p1"]), int(one["p6"])) for one in orders}
    open_: dict[int, dict[str, int]] = {}
    closed: list[tuple[int, ...]] = []
    for fill in journal[journal["kind"] == Kind.FILL]:
        number, lots = int(fill["instrument"]), int(fill["p2"])
        side, purpose = about[int(fill["p0"])]
        value = notional(instruments[number], int(fill["p1"]), lots, side > 0)
        trip = open_.setdefault(
            number,
            {"side": side, "opened": int(fill["ts_event"]), "held": 0, "lots": 0, "in": 0, "out": 0, "fees": 0},
        )
        trip["fees"] += int(fill["p3"])
        trip["held"] += side * lots
        if side == trip["side"]:
            trip["lots"] += lots
            trip["in"] += value
        else:
            trip["out"] += value
        if trip["held"] == 0:
            profit = trip["side"] * (trip["out"] - trip["in"]) - trip["fees"]
            entry = (number, trip["side"], trip["opened"], int(fill["ts_event"]), trip["lots"])
            closed.append((*entry, trip["in"], trip["out"], trip["fees"], profit, purpose))
            del open_[number]
    return np.array(closed, TRADE)
