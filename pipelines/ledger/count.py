"""Which trials count against a stretch of data, and what they returned there. Pure functions.

A trial counts against a judged stretch if it touched any of the same data: the same instrument at an overlapping
time, whatever the bars' size. Overlap is *direct*: what matters is who could have looked at the data on which a
verdict is reached. A trial on other data says nothing about luck on these, even where a third trial touched both, so
overlaps are not chained. The extent of an overlap does not matter either: a longer history touches what a shorter one
touched, so adding a day resets nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from market.time import DAY
from pipelines.ledger.trial import Entry, Stretch

Days = NDArray[np.int64]
By = Literal["instrument", "asset"]
"""``instrument``: the same symbol of the same venue. ``asset``: also any other with the same base asset (BTCUSDT and
BTCUSDC, spot and perpetual, of any venue: nearly the same prices); a stretch whose asset is unknown stands for itself.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """Returns of several trials on the same days: shapes (days,) and (days, trials); ``ids`` name the columns."""

    ids: tuple[str, ...]
    days: NDArray[np.int64]
    returns: NDArray[np.float64]


def overlap(one: Stretch, other: Stretch, by: By = "instrument") -> bool:
    """Whether two stretches share data.

    Examples
    --------
    >>> may, june = Stretch("binance", "BTCUSDT", 5, 6), Stretch("binance", "BTCUSDT", 6, 7)
    >>> overlap(may, june), overlap(may, Stretch("binance", "BTCUSDT", 0, 9))
    (False, True)
    >>> elsewhere = Stretch("kraken", "XBTUSD", 0, 9, asset="BTC")
    >>> overlap(Stretch("binance", "BTCUSDT", 5, 6, asset="BTC"), elsewhere, by="asset")
    True
    """
    return one.start < other.stop and other.start < one.stop and _same(one, other, by)


def _same(one: Stretch, other: Stretch, by: By) -> bool:
    if (one.venue, one.symbol) == (other.venue, other.symbol):
        return True
    return by == "asset" and one.asset != "" and one.asset.upper() == other.asset.upper()


def overlapping(entries: Iterable[Entry], judged: Sequence[Stretch], by: By = "instrument") -> list[Entry]:
    """The entries that touched any of the judged data, in their order: begun, failed and finished alike.

    A trial without an outcome counts, because nobody can show that its author did not see one.
    """
    return [entry for entry in entries if any(overlap(mine, one, by) for mine in entry.trial.touched for one in judged)]


def distinct(entries: Iterable[Entry]) -> list[Entry]:
    """One entry for each trial (the same configuration, data and code), in the order they first began.

    Of several records the latest that knows its returns stands for the trial, else the latest with an outcome.
    """
    found: dict[str, Entry] = {}
    for entry in entries:
        identity = entry.trial.identity
        known = found.get(identity)
        if known is None or _tells(entry) >= _tells(known):
            found[identity] = entry
    return list(found.values())


def _tells(entry: Entry) -> int:
    return (entry.outcome is not None) + (entry.returns is not None)


def aligned(entries: Iterable[Entry], judged: Sequence[Stretch], coverage: float = 0.5) -> Aligned:
    """The returns of trials on the days they have in common within the judged time, one column a trial.

    Trials are taken from the one with the most days there to the one with the fewest, as long as the common days
    stay at least ``coverage`` of all days that any of them knows; the others are left out, lest one with a week of
    returns leave a week to all. Columns stand in the entries' order.

    Parameters
    ----------
    entries
        Distinct ones; those without returns are left out.
    coverage
        In (0, 1].
    """
    known = {entry.trial.id: found for entry in entries if len((found := _returns(entry, judged))[0])}
    needed = coverage * len(np.unique(np.concatenate([days for days, _ in known.values()]))) if known else 0.0
    common: Days = np.empty(0, np.int64)
    chosen: set[str] = set()
    for name in sorted(known, key=lambda name: -len(known[name][0])):
        days = known[name][0]
        shared = np.intersect1d(common, days, assume_unique=True) if chosen else days
        if len(shared) and len(shared) >= needed:
            common, chosen = shared, chosen | {name}
    ids = tuple(name for name in known if name in chosen)
    returns = np.empty((len(common), len(ids)))
    for column, name in enumerate(ids):
        days, values = known[name]
        returns[:, column] = values[np.searchsorted(days, common)]
    return Aligned(ids, common, returns)


def _returns(entry: Entry, judged: Sequence[Stretch]) -> tuple[Days, NDArray[np.float64]]:
    """Days, ascending, and returns of those that reach into the judged time."""
    if entry.returns is None:
        return np.empty(0, np.int64), np.empty(0)
    days, values = np.array(entry.returns.days, np.int64), np.array(entry.returns.values, np.float64)
    inside = np.zeros(len(days), bool)
    for start, stop in {(one.start, one.stop) for one in judged}:
        inside |= (start < (days + 1) * DAY) & (days * DAY < stop)
    return days[inside], values[inside]
