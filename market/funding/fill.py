"""Funding and mark prices of the lake, joined to the lake's bars and stored with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from market.errors import LakeError
from market.funding.join import join_funding, join_marks
from market.lake import Lake, SeriesKey, WriteReport
from market.lake.keys import IRREGULAR


@dataclass(frozen=True, slots=True)
class FillReport:
    """How many bars of a series have each field now, and what the lake did."""

    bars: int
    funding_rate: int
    funding_in: int
    mark_price: int
    written: WriteReport


def fill_bars(lake: Lake, key: SeriesKey, *, delay: int = 0, replace: bool = False) -> FillReport:
    """Give stored bars ``funding_rate``, ``funding_in`` and ``mark_price`` as far as the lake knows them.

    Of several series of mark prices the one with the shortest interval is taken. Bars that end after the last stored
    funding get no rate yet, for there may have been another since: so nothing that is stored changes when this is
    repeated after bars or fundings were added.

    Parameters
    ----------
    key
        A series of bars.
    delay
        As `market.funding.join.join_funding`.
    replace
        Let values that contradict those stored (because fundings were corrected) replace them.

    Raises
    ------
    LakeError
        If the lake has neither fundings nor mark prices of the instrument, or has no such bars, or values contradict
        stored ones; nothing is stored.
    """
    keys = [info.key for info in lake.list() if (info.key.venue, info.key.instrument) == (key.venue, key.instrument)]
    funding = SeriesKey(key.venue, key.instrument, "funding", IRREGULAR)
    marks = sorted((one for one in keys if one.kind == "mark"), key=lambda one: one.nanoseconds)
    if funding not in keys and not marks:
        raise LakeError(f"lake {lake.root} has neither fundings nor mark prices of {key.venue} {key.instrument}")
    bars = lake.read(key)
    if funding in keys:
        rates = lake.read(funding)
        settled = int(np.searchsorted(bars["end"], rates["start"][-1], side="right"))
        bars[:settled] = join_funding(bars[:settled], rates, delay=delay)
    if marks:
        bars = join_marks(bars, lake.read(marks[0]))
    written = lake.write(key, bars, replace=replace)
    rate, wait, mark = (int((~np.isnan(bars[name])).sum()) for name in ("funding_rate", "funding_in", "mark_price"))
    return FillReport(len(bars), rate, wait, mark, written)
