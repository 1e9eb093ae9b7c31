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
        known = found.get(entry.trial.identity)
        if known is None or _tells(entry) >= _tells(known):
            found[entry.trial.identity] = entry
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
    known = {entry.trial.id: found for entry in entries if (found := _days(entry, judged))}
    needed = coverage * len(set().union(*known.values()))
    common: set[int] = set()
    chosen: set[str] = set()
    for name in sorted(known, key=lambda name: -len(known[name])):
        shared = common & known[name].keys() if chosen else set(known[name])
        if shared and len(shared) >= needed:
            common, chosen = shared, chosen | {name}
    days = sorted(common)
    ids = tuple(name for name in known if name in chosen)
    returns = np.array([[known[name][day] for name in ids] for day in days], np.float64).reshape(len(days), len(ids))
    return Aligned(ids, np.array(days, np.int64), returns)


def _days(entry: Entry, judged: Sequence[Stretch]) -> dict[int, float]:
    """Returns by day, of the days that reach into the judged time."""
    if entry.returns is None:
        return {}
    spans = {(one.start, one.stop) for one in judged}
    return {
        day: value
        for day, value in zip(entry.returns.days, entry.returns.values, strict=True)
        if any(start < (day + 1) * DAY and day * DAY < stop for start, stop in spans)
    }
