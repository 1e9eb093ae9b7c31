"""The builder's state: one record of named numbers, each eight bytes wide.

Compiled code takes records, not arrays: an array that is passed on costs two atomic operations a call, a record none.
A compensated sum has two fields, the sum and what rounding lost.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.bar_builders.spec import MEASURES, BarSpec
from market.time import DAY

BAR_IN_PROGRESS: Final = [
    *((name, "<f8") for name in ("open", "high", "low", "close")),
    *((name + part, "<f8") for name in ("volume", "quote", "taker_buy", "bought", "sold") for part in ("", "_lost")),
    *((name, "<i8") for name in ("rows", "ticks", "sideless", "start", "end")),
]
ACROSS_BARS: Final = [
    *((name, "<i8") for name in ("last_time", "last_id", "last_side", "skipped", "bars")),
    ("last_price", "<f8"),
    ("threshold", "<f8"),
    ("expected_ticks", "<f8"),
    *((name, "<f8") for name in ("decayed_bought", "decayed_sold", "decayed_ticks")),
]
OF_THE_SPEC: Final = [
    *((name, "<i8") for name in ("family", "measure", "tick_rule", "needs_sides", "adaptive")),
    *((name, "<i8") for name in ("least_ticks", "most_ticks", "interval", "origin")),
    ("trade_keep", "<f8"),
    ("bar_weight", "<f8"),
]
STATE: Final = np.dtype([*BAR_IN_PROGRESS, *ACROSS_BARS, *OF_THE_SPEC])

GRID, LEVEL, IMBALANCE, RUN = range(4)
"""Families: by the clock; by trades, volume or value; by net bought; by bought or sold, the larger."""
TICK_MEASURE, VOLUME_MEASURE, DOLLAR_MEASURE = range(len(MEASURES))

WEEK: Final = 7 * DAY
MONDAY: Final = 4 * DAY
"""Bars of whole weeks begin on Mondays, all others on multiples of their interval."""


def initial_state(spec: BarSpec) -> NDArray[np.void]:
    """The state before any trade, shape (1,) of `STATE`."""
    state = np.zeros(1, STATE)
    state["last_time"] = state["last_id"] = -1
    state["family"] = _family(spec)
    state["measure"] = MEASURES.index(spec.measure)
    state["tick_rule"] = spec.sides == "tick_rule"
    state["needs_sides"] = spec.needs_sides and spec.sides == "source"
    state["threshold"] = spec.threshold or 0.0
    if spec.interval is not None:
        state["interval"] = spec.interval
        state["origin"] = MONDAY if spec.interval % WEEK == 0 else 0
    if spec.adaptive is not None:
        rule = spec.adaptive
        state["adaptive"], state["least_ticks"], state["most_ticks"] = 1, rule.least_ticks, rule.most_ticks
        state["expected_ticks"] = rule.expected_ticks
        state["bar_weight"] = 2.0 / (rule.bar_span + 1.0)
        state["trade_keep"] = 1.0 - 2.0 / (rule.trade_span + 1.0)
    return state


def _family(spec: BarSpec) -> int:
    if spec.kind == "time":
        return GRID
    if not spec.needs_sides:
        return LEVEL
    return IMBALANCE if spec.kind.endswith("_imbalance") else RUN
