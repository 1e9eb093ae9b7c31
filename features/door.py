"""The door: every bar is checked before it may touch any state, and gaps decide whether the state starts anew.

The first integers of the state are the engine's own: bars since the state was empty (`COUNT`), end of the last bar
(`LAST_END`), bar number on the grid (`NUMBER`), and the rule itself, `INTERVAL` and `MAX_GAP`.

`first_refused` looks at all rows first, so an array with one bad bar changes nothing. Its answer is one integer that
`refusal` turns into a sentence with the field, the value and the time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.errors import BarError
from market.bars import BAR, COLUMN, FIELDS, SIGNED_FIELDS, WIDTH
from market.jit import kernel
from market.time import format_time

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST, MOST = 1e-18, 1e18
"""Positive prices and volumes outside these are refused: products of a few of them must stay finite."""
WEEK = 604_800_000_000_000
MONDAY = 345_600_000_000_000  # bars of whole weeks begin on Mondays, all others on multiples of their interval
TAKER_SLACK = 1.0 + 1e-9
COLUMNS = WIDTH
REASONS = 16  # a refusal is (row * PLACES + column) * REASONS + reason
PLACES = 32
COUNT, LAST_END, NUMBER, INTERVAL, MAX_GAP = range(5)

START, END = COLUMN["start"], COLUMN["end"]
OPEN, HIGH, LOW, CLOSE, VOLUME = (COLUMN[name] for name in FIELDS[:5])
TAKER = COLUMN["taker_buy_volume"]
FIRST_OPTIONAL = COLUMN["quote_volume"]
SIGNED = sum(1 << COLUMN[name] for name in SIGNED_FIELDS)


class Refusal(IntEnum):
    """Why a bar was refused."""

    OFF_GRID = 0
    WRONG_END = 1
    NOT_AFTER = 2
    NOT_FINITE = 3
    NOT_A_PRICE = 4
    NOT_A_VOLUME = 5
    HIGH_BELOW = 6
    LOW_ABOVE = 7
    NEGATIVE = 8
    TAKER_ABOVE = 9
    BEFORE_EPOCH = 10


# Compiled code reads plain integers.
OFF_GRID, WRONG_END, NOT_AFTER, NOT_FINITE, NOT_A_PRICE = (int(code) for code in list(Refusal)[:5])
NOT_A_VOLUME, HIGH_BELOW, LOW_ABOVE, NEGATIVE, TAKER_ABOVE, BEFORE_EPOCH = (int(code) for code in list(Refusal)[5:])

SENTENCES = {
    Refusal.OFF_GRID: "is not on the grid of the interval",
    Refusal.WRONG_END: "is not one interval after its start",
    Refusal.NOT_AFTER: "is before the end of the bar before it: bars must come in order, each once",
    Refusal.NOT_FINITE: "is missing or not finite, and feature {reader} reads it; leave that out or provide the field",
    Refusal.NOT_A_PRICE: f"is not a price between {LEAST:g} and {MOST:g}",
    Refusal.NOT_A_VOLUME: f"is neither 0 nor a volume between {LEAST:g} and {MOST:g}",
    Refusal.HIGH_BELOW: "is below the bar's open or close",
    Refusal.LOW_ABOVE: "is above the bar's open or close",
    Refusal.NEGATIVE: "is negative",
    Refusal.TAKER_ABOVE: "is more than the bar's volume",
    Refusal.BEFORE_EPOCH: "is before 1970",
}


@kernel
def time_refused(start: int, end: int, before: int, interval: int) -> int:
    """The refusal code of a bar's times, or -1. ``before`` is the end of the last bar, -1 for none."""
    if start < 0:
        return START * REASONS + BEFORE_EPOCH
    if interval > 0:
        if start != before:  # the bar before was on the grid: no division on the usual path
            origin = MONDAY if interval % WEEK == 0 else 0
            if (start - origin) % interval != 0:
                return START * REASONS + OFF_GRID
        if end != start + interval:
            return END * REASONS + WRONG_END
    elif end < start:
        return END * REASONS + WRONG_END
    if start < before:
        return START * REASONS + NOT_AFTER
    return -1


@kernel
def prices_refused(bars_f: Floats, row: int) -> int:
    """The refusal code of a bar's open, high, low, close and volume, or -1."""
    for column in range(OPEN, VOLUME):
        if not (LEAST <= bars_f[row, column] <= MOST):
            return column * REASONS + NOT_A_PRICE
    volume = bars_f[row, VOLUME]
    if not (volume == 0.0 or LEAST <= volume <= MOST):
        return VOLUME * REASONS + NOT_A_VOLUME
    open_, high, low, close = bars_f[row, OPEN], bars_f[row, HIGH], bars_f[row, LOW], bars_f[row, CLOSE]
    if low > open_ or low > close:
        return LOW * REASONS + LOW_ABOVE
    if high < open_ or high < close:
        return HIGH * REASONS + HIGH_BELOW
    return -1


@kernel
def optional_refused(bars_f: Floats, row: int, optional: int) -> int:
    """The refusal code of the fields in the bit mask ``optional``, or -1."""
    for column in range(FIRST_OPTIONAL, COLUMNS):
        if (optional >> column) & 1:
            value = bars_f[row, column]
            if not (-MOST <= value <= MOST):
                return column * REASONS + NOT_FINITE
            if value < 0.0 and not (SIGNED >> column) & 1:
                return column * REASONS + NEGATIVE
            if column == TAKER and value > bars_f[row, VOLUME] * TAKER_SLACK:
                return column * REASONS + TAKER_ABOVE
    return -1


@kernel
def first_refused(bars_f: Floats, bars_i: Ints, state_i: Ints, optional: int) -> int:
    """The first bad bar as (row * PLACES + column) * REASONS + reason, or -1 if all may pass. Changes nothing."""
    before = state_i[LAST_END] if state_i[COUNT] > 0 else -1
    interval = state_i[INTERVAL]
    for row in range(bars_f.shape[0]):
        code = time_refused(bars_i[row, 0], bars_i[row, 1], before, interval)
        if code < 0:
            code = prices_refused(bars_f, row)
        if code < 0 and optional != 0:
            code = optional_refused(bars_f, row, optional)
        if code >= 0:
            return row * PLACES * REASONS + code
        before = bars_i[row, 1]
    return -1


@kernel
def arrive(
    start: int, last_end: int, count: int, number: int, state_f: Floats, state_i: Ints, interval: int, max_gap: int
) -> tuple[int, int]:
    """Bars since the state was empty, and the bar's number on the grid; after a long gap the state is emptied first."""
    if count > 0 and (interval == 0 or start == last_end):
        return count + 1, number + 1
    if interval == 0:
        return 1, 1
    if count > 0 and (start - last_end) // interval > max_gap:
        for place in range(state_f.shape[0]):
            state_f[place] = 0.0
        for place in range(MAX_GAP + 1, state_i.shape[0]):
            state_i[place] = 0
        count = 0
    return count + 1, start // interval


DOOR: tuple[Callable[..., Any], ...] = (
    time_refused,
    prices_refused,
    optional_refused,
    first_refused,
    arrive,
)
"""The compiled functions every replay calls besides its kernels."""


def refusal(bars: NDArray[np.void], code: int, readers: Mapping[str, str]) -> BarError:
    """The error that names what `first_refused` found; ``readers`` names a feature that reads each field."""
    row, rest = divmod(code, PLACES * REASONS)
    column, reason = divmod(rest, REASONS)
    name = (BAR.names or ())[column]
    value = bars[name][row]
    shown = format_time(int(value)) if name in ("start", "end") else repr(float(value))
    when = format_time(int(bars["start"][row]))
    sentence = SENTENCES[Refusal(reason)].format(reader=readers.get(name, ""))
    return BarError(f"bar {row} (start {when}): {name} {shown} {sentence}; no bar was taken in")
