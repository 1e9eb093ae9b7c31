"""The features of funding a second time, in extended precision and from lists of fundings: see `feature_reference`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from market.time import DAY, HOUR, SECOND
from tests.features.feature_reference import Array, Extended, Market, ewm, z_score


def rate(m: Market) -> Array:
    return np.clip(m.bars["funding_rate"].astype(Extended), -1, 1)


def moments(m: Market) -> list[int]:
    """When the next funding is, as each bar says."""
    seconds = np.minimum(m.bars["funding_in"], 30 * 86_400.0)
    return (m.bars["end"] + np.floor(seconds * 1e9 + 0.5).astype(np.int64)).tolist()


def fundings(m: Market) -> list[tuple[int, int, int]]:
    """Row of the bar that saw it, moment, and distance to the next one, of each funding."""
    ends, named = m.bars["end"].tolist(), moments(m)
    rows = [row for row in range(1, len(named)) if named[row - 1] <= ends[row] and named[row] - named[row - 1] > SECOND]
    return [(row, named[row - 1], min(named[row] - named[row - 1], 30 * DAY)) for row in rows]


def interval(m: Market) -> Array:
    """In ns."""
    found = np.full(len(m.bars), 8 * HOUR, np.int64)
    for row, _, length in fundings(m):
        found[row:] = length
    return found.astype(Extended)


def carry(m: Market) -> Array:
    return rate(m) * (365 * DAY) / interval(m)


def left(m: Market) -> Array:
    remaining = (np.array(moments(m)) - m.bars["end"]).astype(Extended)
    return np.minimum(remaining / interval(m), 1)


def turn(m: Market) -> Array:
    return 2 * Extended("3.14159265358979323846264338327950288") * (1 - left(m))


def paid(m: Market, days: int) -> Array:
    """Every funding at the rate that was known last before the next one, and so far of the last one."""
    ends, rates = m.bars["end"], 10_000 * rate(m)
    found = np.zeros(len(ends), Extended)
    seen = fundings(m)
    for number, (row, moment, _) in enumerate(seen):
        following = seen[number + 1][0] if number + 1 < len(seen) else len(ends)
        known = rates[np.minimum(np.arange(row, len(ends)), following - 1)]
        forgotten = seen[number + 256][0] if number + 256 < len(seen) else len(ends)
        counts = (ends[row:] - moment < days * DAY) & (np.arange(row, len(ends)) < forgotten)
        found[row:] += np.where(counts, known, 0)
    return found


def basis(m: Market) -> Array:
    mark = m.bars["mark_price"].astype(Extended)
    some = mark >= 1e-18
    return np.where(some, 10_000 * np.log(np.where(some, mark, 1) / m.c), 0)


def change(x: Array, bars: int) -> Array:
    return np.concatenate([np.full(bars, np.nan), x[bars:] - x[:-bars]])


FUNDING_REFERENCE: dict[str, Callable[[Market], Array]] = {
    "funding_bps": lambda m: 10_000 * rate(m),
    "funding_bps_ewma_96": lambda m: ewm(10_000 * rate(m), 96),
    "funding_bps_ewma_384": lambda m: ewm(10_000 * rate(m), 384),
    "funding_z_384": lambda m: z_score(10_000 * rate(m), 384),
    "funding_carry": carry,
    "funding_carry_ewma_96": lambda m: ewm(carry(m), 96),
    **{f"funding_sum_{days}d": partial(paid, days=days) for days in (1, 3, 7)},
    "funding_left": left,
    "funding_turn_sin": lambda m: np.sin(turn(m)),
    "funding_turn_cos": lambda m: np.cos(turn(m)),
    "basis_bps": basis,
    "basis_bps_ewma_16": lambda m: ewm(basis(m), 16),
    "basis_z_96": lambda m: z_score(basis(m), 96),
    "basis_change_1": lambda m: change(basis(m), 1),
    "basis_change_8": lambda m: change(basis(m), 8),
    "premium_sigma": lambda m: m.per_volatility(-basis(m) / 10_000, 1),
    "premium_trend_8_96": lambda m: ewm(-basis(m), 8) - ewm(-basis(m), 96),
}
