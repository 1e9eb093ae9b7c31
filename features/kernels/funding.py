"""Steps on the funding fields of bars: when fundings happen, what was paid, and where the price stands to the mark.

The end of a bar plus the time to the next funding is the moment of that funding: it stands still until the funding
happens, and then moves on by one funding interval. Nothing is assumed about grids or lengths of intervals.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.kernels.price import cycle
from market.jit import kernel
from market.time import DAY, HOUR, SECOND

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LONGEST = 30 * DAY  # no venue's next funding is further away
FIRST_INTERVAL = 8 * HOUR  # what is taken for the interval until a funding has been seen
YEAR = 365 * DAY
LARGEST_RATE = 1.0  # no funding is more than all of the position's value
CAPACITY = 256  # fundings remembered: a week has 168 hours
THREE_DAYS, WEEK = 3 * DAY, 7 * DAY


@kernel
def rate_of(rate: float) -> float:
    """A funding rate, within 1."""
    if rate > LARGEST_RATE:
        return LARGEST_RATE
    if rate < -LARGEST_RATE:
        return -LARGEST_RATE
    return rate


@kernel
def schedule(ints: Ints, at: int, end: int, seconds: float) -> tuple[int, int, int]:
    """The length of the funding interval, what is left of it, and the moment of a funding in this bar or 0, in ns.

    The interval is the distance of the last two known moments of fundings, 8 hours until a funding has been seen.
    Moments less than a second apart are one: sources round. State: moment of the next funding, interval.
    """
    left = int(seconds * 1e9 + 0.5) if seconds < 2_592_000.0 else LONGEST
    moment = end + left
    before = ints[at]
    settled = 0
    if before == 0:
        ints[at + 1] = FIRST_INTERVAL
    elif before <= end and moment - before > SECOND:
        settled = before
        ints[at + 1] = min(moment - before, LONGEST)
    ints[at] = moment
    return ints[at + 1], left, settled


@kernel
def annual(rate: float, interval: int) -> float:
    """A rate per funding interval as one per year of 365 days, without compounding."""
    return rate * (YEAR / interval)


@kernel
def clock(interval: int, left: int) -> tuple[float, float, float]:
    """The share of the interval that is left, 0 to 1; sine and cosine of a turn from one funding to the next."""
    gone = interval - left if left < interval else 0
    sine, cosine = cycle(gone, 0, interval)
    return 1.0 - gone / interval, sine, cosine


@kernel
def recent(
    state: Floats, at: int, ints: Ints, at_int: int, rate: float, settled: int, end: int
) -> tuple[float, float, float]:
    """Sums of the rates of the fundings of the last day, three days and week, of those seen.

    The last funding counts with the last published rate: a venue may publish it a moment later. The sums are made anew
    when a funding comes, changes or leaves. State: rates, three sums; times, fundings seen, when the next one leaves.
    """
    count = ints[at_int + CAPACITY]
    newest = (count - 1) & (CAPACITY - 1)
    if settled != 0:
        newest = count & (CAPACITY - 1)
        count += 1
        ints[at_int + CAPACITY] = count
        ints[at_int + newest] = settled
    elif count == 0 or (end < ints[at_int + CAPACITY + 1] and state[at + newest] == rate):
        return state[at + CAPACITY], state[at + CAPACITY + 1], state[at + CAPACITY + 2]
    state[at + newest] = rate
    total = day = three_days = 0.0
    leaves = end + WEEK
    for back in range(min(count, CAPACITY)):
        place = (newest - back) & (CAPACITY - 1)
        age = end - ints[at_int + place]
        if age >= WEEK:
            break
        total += state[at + place]
        if age < DAY:
            day = total
        if age < THREE_DAYS:
            three_days = total
        remaining = (DAY if age < DAY else THREE_DAYS if age < THREE_DAYS else WEEK) - age
        leaves = min(leaves, end + remaining)
    ints[at_int + CAPACITY + 1] = leaves
    state[at + CAPACITY], state[at + CAPACITY + 1], state[at + CAPACITY + 2] = day, three_days, total
    return day, three_days, total
