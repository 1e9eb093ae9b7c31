"""Other futures: every bar after a cut is drastically different and still admissible, in several ways.

One way of changing the future may be blind to a leak (a global minimum does not notice a rise), so there are many:
other levels, other shapes, other volumes, a mirrored path, bars in another order, a market that stands still, bars that
are missing, and no future at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.conformance import shaken
from market.bars import FIELDS

Bars = NDArray[np.void]
Random = np.random.Generator
PRICES = ("open", "high", "low", "close")
LEVELS = (*PRICES, "vwap", "microprice", "mark_price")
AMOUNTS = tuple(name for name in FIELDS if name not in LEVELS)
"""Everything that is no price: each may grow by any factor and keeps its sign."""


@dataclass(frozen=True, slots=True)
class Perturbation:
    """A way to change bars from a row on; ``grid``: whether it takes bars away."""

    name: str
    apply: Callable[[Bars, int, Random], Bars]
    grid: bool = False

    def __call__(self, bars: Bars, cut: int, random: Random) -> Bars:
        """The bars with those that end after ``cut`` (ns UTC) changed; the others keep their bytes."""
        first = int(np.searchsorted(bars["end"], cut, side="right"))
        return self.apply(bars, first, random) if first < len(bars) else bars.copy()


def scaled(bars: Bars, first: int, random: Random) -> Bars:
    """Prices and amounts at another level."""
    out = bars.copy()
    for name in LEVELS:
        out[name][first:] *= 1.75
    for name in AMOUNTS:
        out[name][first:] *= 3.5
    return out


def sunken(bars: Bars, first: int, random: Random) -> Bars:
    """Prices at well below half, hardly any trade: minima, ranks and thresholds fall."""
    out = bars.copy()
    for name in LEVELS:
        out[name][first:] *= 0.4
    for name in AMOUNTS:
        out[name][first:] *= 0.03
    return out


def shifted(bars: Bars, first: int, random: Random) -> Bars:
    """A constant added to every price: returns shrink, differences stay; half as much again is traded."""
    out = bars.copy()
    for name in AMOUNTS:
        out[name][first:] *= 1.5
    step = 0.8 * float(bars["close"][first])
    for name in LEVELS:
        out[name][first:] += step
    return out


def noisy(bars: Bars, first: int, random: Random) -> Bars:
    """Every bar at a level of its own: large returns of both signs, volumes of their own."""
    out = bars.copy()
    count = len(bars) - first
    factor, amount = np.exp(0.08 * random.standard_normal(count)), np.exp(random.standard_normal(count))
    for name in LEVELS:
        out[name][first:] *= factor
    for name in AMOUNTS:
        out[name][first:] *= amount
    return out


def mirrored(bars: Bars, first: int, random: Random) -> Bars:
    """The path upside down about its last price: every direction that was up is down; half as much is traded."""
    out = bars.copy()
    for name in AMOUNTS:
        out[name][first:] *= 0.5
    pivot = float(bars["close"][max(first - 1, 0)]) ** 2
    for name, source in zip(LEVELS, ("open", "low", "high", "close", *LEVELS[4:]), strict=True):
        out[name][first:] = pivot / bars[source][first:]
    return out


def permuted(bars: Bars, first: int, random: Random) -> Bars:
    """The same bars in another order."""
    out = bars.copy()
    order = first + random.permutation(len(bars) - first)
    for name in FIELDS:
        out[name][first:] = bars[name][order]
    return out


def flat(bars: Bars, first: int, random: Random) -> Bars:
    """A market that stands still at its last price, without trades."""
    out = bars.copy()
    for name in LEVELS:
        price = bars["close"][max(first - 1, 0)]
        out[name][first:] = np.where(np.isnan(bars[name][first:]), np.nan, price)
    for name in AMOUNTS:
        out[name][first:] = np.where(np.isnan(bars[name][first:]), np.nan, 0.0)
    return out


def shaken_up(bars: Bars, first: int, random: Random) -> Bars:
    """The conformance suite's own: wide ranges, other bodies, other flows; fields that are missing stay missing."""
    out = shaken(bars, first, len(bars))
    for name in FIELDS:
        out[name][np.isnan(bars[name])] = np.nan
    return out


def truncated(bars: Bars, first: int, random: Random) -> Bars:
    """No future."""
    return bars[:first].copy()


def holed(bars: Bars, first: int, random: Random) -> Bars:
    """Every third bar missing, and one long hole right after the cut."""
    count = len(bars) - first
    keep = random.random(count) > 1 / 3
    keep[1 : 1 + min(40, count // 3)] = False
    return np.concatenate([bars[:first], bars[first:][keep]])


VALUES = tuple(
    Perturbation(function.__name__.replace("_", " "), function)
    for function in (scaled, mirrored, noisy, sunken, permuted, shaken_up, shifted, flat)
)
"""Other prices and amounts on the same grid of bars, the ones that find most first."""
GRIDS = tuple(Perturbation(function.__name__, function, grid=True) for function in (truncated, holed))
"""Other bars."""


def blanked(bars: Bars, cut: int, names: frozenset[str]) -> Bars:
    """The bars with some fields missing after the cut: those that nobody reads."""
    out = bars.copy()
    first = int(np.searchsorted(bars["end"], cut, side="right"))
    for name in names:
        out[name][first:] = np.nan
    return out
