"""What a strategy does: its bets, how often, for how long, how right, and how much hangs on a few of them.

Source of the definitions: AFML chapter 14. A bet is the time between two moments at which the position is flat or
changes sides (section 14.3). Intervals are Wilson's for shares and bootstraps over bets for the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtri

from models.errors import ModelError
from models.statistics.bootstrap import Interval
from models.statistics.resampling import bootstrap_interval, stationary_indices

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def share_interval(hits: int, count: int, level: float = 0.95) -> Interval:
    """A share and Wilson's (1927) score interval, which holds for small counts and for shares near 0 and 1.

    Parameters
    ----------
    hits, count
        How many of how many.
    level
        Of confidence.

    Raises
    ------
    ModelError
        If there is nothing to count, or more hits than that.

    Examples
    --------
    >>> found = share_interval(55, 100)
    >>> found.value, round(found.low, 4), round(found.high, 4)
    (0.55, 0.4524, 0.6439)
    """
    if count < 1 or not 0 <= hits <= count:
        raise ModelError(f"{hits} hits of {count}: no share")
    value, square = hits / count, float(ndtri(0.5 + level / 2.0)) ** 2
    centre = (value + square / (2.0 * count)) / (1.0 + square / count)
    reach = (square * (value * (1.0 - value) / count + square / (4.0 * count**2))) ** 0.5 / (1.0 + square / count)
    return Interval(value, max(min(centre - reach, value), 0.0), min(max(centre + reach, value), 1.0))


def hit_ratio(returns: Floats, level: float = 0.95) -> Interval:
    """Share of bets that earned something, of those that earned or lost; Wilson's interval. Shape (bets,).

    Examples
    --------
    >>> hit_ratio(np.array([0.1, -0.2, 0.3, 0.0])).value == 2 / 3
    True
    """
    decided = returns[returns != 0]
    return share_interval(int((decided > 0).sum()), len(decided), level)


def concentration(weights: Floats) -> float:
    """Normalised Herfindahl–Hirschman index: 0 if all weigh the same, 1 if one has everything (AFML 14.5.1).

    NaN for fewer than three weights, or if they sum to zero. Weights have one sign.

    Examples
    --------
    >>> concentration(np.ones(10)), concentration(np.array([0.0, 0.0, 5.0]))
    (0.0, 1.0)
    """
    count, total = len(weights), float(weights.sum())
    if count < 3 or total == 0:
        return float("nan")
    share = weights / total
    return max((float(share @ share) - 1.0 / count) / (1.0 - 1.0 / count), 0.0)


@dataclass(frozen=True, slots=True)
class Concentration:
    """How far gains, losses and bets come in few lumps: indices from 0 to 1, with intervals."""

    gains: Interval
    losses: Interval
    bets: float


def concentrations(
    returns: Floats, ends: Integers, cell: int, generator: Generator, draws: int = 1000, level: float = 0.95
) -> Concentration:
    """Concentration of positive and of negative bet returns, and of the number of bets over time (AFML 14.5.1).

    Parameters
    ----------
    returns, ends
        Of the bets, and when each ended (ns), shape (bets,).
    cell
        Length of the stretches of time in which bets are counted (ns), say a month; empty ones count.
    generator, draws
        For the bootstrap over bets.
    level
        Of confidence.

    Examples
    --------
    >>> generator = np.random.default_rng(13)
    >>> found = concentrations(generator.normal(size=200), np.arange(200), 20, generator)
    >>> found.gains.low < found.gains.value < found.gains.high, found.bets
    (True, 0.0)
    """
    place = ends // cell
    counts = np.bincount(place - place.min()).astype(np.float64)
    return Concentration(
        over_bets(concentration, returns[returns > 0], generator, draws, level),
        over_bets(concentration, returns[returns < 0], generator, draws, level),
        concentration(counts),
    )


def over_bets(
    statistic: Callable[[Floats], float], values: Floats, generator: Generator, draws: int = 1000, level: float = 0.95
) -> Interval:
    """A statistic of bets and its percentile interval, bets drawn independently; NaN for fewer than three bets."""
    if len(values) < 3:
        return Interval(float("nan"), float("nan"), float("nan"))
    return bootstrap_interval(statistic, values, stationary_indices(len(values), 1.0, draws, generator), level)


def bet_ends(position: Floats) -> Integers:
    """The rows at which a bet has just ended, flat or on the other side, shape (bets,) (AFML snippet 14.1).

    A bet that is still open at the end ends with the last row.

    Parameters
    ----------
    position
        Held after each row, shape (rows,).

    Examples
    --------
    >>> bet_ends(np.array([1.0, 2.0, 0.0, 0.0, -1.0, 1.0, 1.0])).tolist()
    [2, 5, 6]
    """
    side = np.sign(position)
    ended = np.flatnonzero((side[:-1] != 0) & (side[1:] != side[:-1])) + 1
    still_open = len(position) > 1 and side[-1] != 0 and (len(ended) == 0 or ended[-1] != len(position) - 1)
    return np.append(ended, len(position) - 1) if still_open else ended


def bet_frequency(position: Floats, time: Integers, year: float = 365.25 * 86_400e9) -> float:
    """Bets per year of the time between the first and the last row.

    Parameters
    ----------
    position, time
        Held after each row, and its time (ns), shape (rows,).
    year
        Its length in the unit of ``time``.

    Examples
    --------
    >>> bet_frequency(np.array([1.0, 0.0, -1.0, 0.0, 0.0]), np.arange(5), year=100)
    50.0
    """
    return float(len(bet_ends(position)) / ((time[-1] - time[0]) / year))


def average_holding(position: Floats, time: Integers) -> float:
    """Average time for which a unit of the position is held (AFML snippet 14.2), in the unit of ``time``.

    A growing position's entry time is the average of its parts'; a shrinking one releases units at that age. What is
    still held at the end is not counted. NaN if nothing was ever released.

    Examples
    --------
    >>> average_holding(np.array([1.0, 1.0, 0.0, -2.0, 0.0]), np.array([0, 1, 2, 3, 6]))
    2.6666666666666665
    """
    changed = np.flatnonzero(np.diff(position, prepend=0.0))
    entry, held, weight, total = 0.0, 0.0, 0.0, 0.0
    for row in changed:
        now, target = float(time[row] - time[0]), float(position[row])
        grows = held * target > 0 and abs(target) > abs(held)
        if grows:
            entry = (entry * held + now * (target - held)) / target
        else:
            released = abs(held) if held * target <= 0 else abs(held - target)
            total, weight = total + (now - entry) * released, weight + released
            entry = now if held * target <= 0 else entry
        held = target
    return total / weight if weight > 0 else float("nan")


def turnover(traded: Floats, capital: Floats, years: float) -> float:
    """Value traded per year, in average capitals (both sides of a round trip count).

    Parameters
    ----------
    traded
        Value of each trade, without sign, shape (trades,).
    capital
        Over time, shape (rows,), in the same unit.
    years
        For how long.

    Examples
    --------
    >>> turnover(np.array([50.0, 60.0]), np.array([100.0, 120.0]), 0.5)
    2.0
    """
    return float(np.abs(traded).sum() / capital.mean() / years)
