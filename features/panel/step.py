"""One step of a panel: what the members' bars of one grid interval say about each other.

The step fills eight fields of every present member's bar (`market.bars.PANEL_FIELDS`); features read them like any
other field. A member *contributes* a value to the step only where it is defined: a return needs the member's bar of the
interval before, a momentum as many grid steps as its window, volatility and volume share their averages' span. Who
contributes nothing, or has nobody to be compared with, gets the neutral value, 0.

State of a member: a ring of closes by grid step, the exponential averages of squared returns and of volume with the
sums of their weights; and two integers, the grid steps since it (re)started and the number of its last bar's interval.
Up to ``max_gap`` missing bars in a row are bridged with the last close; after more of them the member starts anew.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.bars import COLUMN
from market.jit import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RING: Final = 128
SHORT: Final = 24
LONG: Final = 96
KEEP: Final = 1.0 - 2.0 / (LONG + 1.0)
VARIANCE, VARIANCE_WEIGHT, VOLUME_MEAN, VOLUME_WEIGHT = RING, RING + 1, RING + 2, RING + 3
FLOATS: Final = RING + 4
INTS: Final = 2
CLOSE, VOLUME = COLUMN["close"], COLUMN["volume"]
RETURN, SHORT_MOMENTUM, LONG_MOMENTUM, VOLATILITY, VOLUME_SHARE = range(5)
VALUES: Final = 5
NOTHING: Final = 1e-120


@kernel
def average(state: Floats, at: int, value: float) -> None:
    """Take a value into an exponential average (state: mean, sum of weights) with normalised weights."""
    total = KEEP * state[at + 1] + 1.0
    mean = state[at] + (value - state[at]) / total
    if mean < NOTHING:
        mean = 0.0
    state[at], state[at + 1] = mean, total


@kernel
def take_in(state: Floats, at: int, ints: Ints, at_int: int, close: float, volume: float, number: int, max_gap: int,
            values: Floats, member: int) -> None:  # fmt: skip
    """Advance one member by its bar, and write what it contributes to the step, NaN for nothing."""
    for value in range(VALUES):
        values[value, member] = math.nan
    count = ints[at_int]
    missing = number - ints[at_int + 1] - 1 if count > 0 else 0
    if missing > max_gap:
        for place in range(at, at + FLOATS):
            state[place] = 0.0
        count = 0
    before = state[at + (count & (RING - 1))]
    if count > 0:
        for _ in range(missing):
            count += 1
            state[at + (count & (RING - 1))] = before
        if missing == 0:
            change = math.log(close / before)
            values[RETURN, member] = change
            average(state, at + VARIANCE, change * change)
        if count >= SHORT:
            values[SHORT_MOMENTUM, member] = math.log(close / state[at + ((count + 1 - SHORT) & (RING - 1))])
        if count >= LONG:
            values[LONG_MOMENTUM, member] = math.log(close / state[at + ((count + 1 - LONG) & (RING - 1))])
            values[VOLATILITY, member] = state[at + VARIANCE]
            if state[at + VOLUME_MEAN] > 0.0:
                values[VOLUME_SHARE, member] = volume / state[at + VOLUME_MEAN]
    average(state, at + VOLUME_MEAN, volume)
    count += 1
    state[at + (count & (RING - 1))] = close
    ints[at_int], ints[at_int + 1] = count, number


@kernel
def rank(values: Floats, value: int, member: int) -> float:
    """A member's place among all that contribute, -1/2 (lowest) to 1/2, ties sharing theirs; 0 if it is alone."""
    mine = values[value, member]
    if math.isnan(mine):
        return 0.0
    below, same, others = 0, 0, -1
    for other in range(values.shape[1]):
        theirs = values[value, other]
        if not math.isnan(theirs):
            others += 1
            if theirs < mine:
                below += 1
            elif theirs == mine:
                same += 1
    return (below + 0.5 * (same - 1)) / others - 0.5 if others > 0 else 0.0


@kernel
def others_return(values: Floats, member: int) -> tuple[float, float]:
    """Mean return of the others, and the share of them that rose minus that of those that fell; 0 without any."""
    total, rising, count = 0.0, 0, 0
    for other in range(values.shape[1]):
        theirs = values[RETURN, other]
        if other != member and not math.isnan(theirs):
            total += theirs
            count += 1
            rising += int(theirs > 0.0) - int(theirs < 0.0)
    return (total / count, rising / count) if count > 0 else (0.0, 0.0)


@kernel
def dispersion(values: Floats) -> float:
    """Standard deviation of the members' returns about their mean (population); 0 with fewer than two."""
    total, count = 0.0, 0
    for member in range(values.shape[1]):
        if not math.isnan(values[RETURN, member]):
            total += values[RETURN, member]
            count += 1
    if count < 2:
        return 0.0
    mean, squares = total / count, 0.0
    for member in range(values.shape[1]):
        if not math.isnan(values[RETURN, member]):
            squares += (values[RETURN, member] - mean) ** 2
    return math.sqrt(squares / count)


@kernel
def panel_steps(
    bars_f: Floats, index: Ints, numbers: Ints, first: int, state: Floats, ints: Ints, max_gap: int, values: Floats
) -> None:
    """Take in steps, one after another, and write the panel fields into the bars.

    Parameters
    ----------
    bars_f
        All bars as a matrix (`market.bars.as_matrix`); columns from ``first`` on are written.
    index
        The row of each member's bar in each step, -1 where it has none, shape (steps, members).
    numbers
        Each step's number on the grid, shape (steps,).
    first
        The column of the first panel field.
    state, ints
        Members' states, ``FLOATS`` and ``INTS`` each.
    max_gap
        How many missing bars in a row are bridged.
    values
        Scratch, shape (VALUES, members).
    """
    members = index.shape[1]
    for step in range(index.shape[0]):
        for member in range(members):
            row = index[step, member]
            if row < 0:
                for value in range(VALUES):
                    values[value, member] = math.nan
            else:
                close, volume = bars_f[row, CLOSE], bars_f[row, VOLUME]
                take_in(
                    state, member * FLOATS, ints, member * INTS, close, volume, numbers[step], max_gap, values, member
                )
        spread = dispersion(values)
        for member in range(members):
            row = index[step, member]
            if row >= 0:
                mean, breadth = others_return(values, member)
                bars_f[row, first] = mean
                bars_f[row, first + 1] = breadth
                bars_f[row, first + 2] = spread
                for value in range(VALUES):
                    bars_f[row, first + 3 + value] = rank(values, value, member)
