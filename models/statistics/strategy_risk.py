"""Strategy risk: the probability that a strategy misses its target, which is not the risk of what it holds.

A strategy makes n independent bets a year; each earns ``take`` with probability p (its precision) or ``stop`` else.
Then precision, odds and frequency imply the annual Sharpe ratio, and a small loss of precision can ruin it. Source:
AFML chapter 15.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from models.errors import ModelError
from models.statistics.bootstrap import Interval
from models.statistics.strategy import share_interval

Floats = NDArray[np.float64]


def sharpe_of_bets(precision: float, frequency: float, take: float = 1.0, stop: float = -1.0) -> float:
    """The annual Sharpe ratio of such bets (AFML section 15.3).

    Parameters
    ----------
    precision
        Probability that a bet earns ``take``.
    frequency
        Bets per year.
    take, stop
        What a bet earns when right, and when wrong; ``stop < take``.

    Examples
    --------
    The book's: 55 % of even bets reach a ratio of 2 with 396 bets a year; and its uneven bets.

    >>> round(sharpe_of_bets(0.55, 396), 6), round(sharpe_of_bets(0.7, 260, 0.005, -0.01), 3)
    (2.0, 1.173)
    """
    _check(take, stop)
    spread = take - stop
    deviation = spread * (precision * (1.0 - precision)) ** 0.5
    mean = spread * precision + stop
    return mean / deviation * frequency**0.5 if deviation > 0 else float(np.copysign(np.inf, mean))


def implied_precision(target: float, frequency: float, take: float = 1.0, stop: float = -1.0) -> float:
    """The precision at which bets reach a target Sharpe ratio per year (AFML snippet 15.3).

    Parameters
    ----------
    target
        Annual; may be zero (break-even) or negative.
    frequency, take, stop
        As in `sharpe_of_bets`.

    Examples
    --------
    The book's weekly even bets:

    >>> round(implied_precision(2, 52), 4)
    0.6336
    """
    _check(take, stop)
    spread, square = take - stop, target**2
    a = (frequency + square) * spread**2
    b = (2.0 * frequency * stop - square * spread) * spread
    root = max(b * b - 4.0 * a * frequency * stop**2, 0.0) ** 0.5
    return (-b + float(np.copysign(root, target))) / (2.0 * a)


def implied_frequency(target: float, precision: float, take: float = 1.0, stop: float = -1.0) -> float:
    """Bets per year with which a precision reaches a target Sharpe ratio (AFML snippet 15.4); infinite if none do.

    Parameters as above; ``target`` is positive.

    Examples
    --------
    >>> round(implied_frequency(2, 0.55), 6)
    396.0
    """
    alone = sharpe_of_bets(precision, 1.0, take, stop)
    return (target / alone) ** 2 if alone > 0 else float("inf")


def strategy_risk(
    hits: int, count: int, target: float, frequency: float, take: float, stop: float, years: float = 1.0,
    level: float = 0.95,
) -> Interval:  # fmt: skip
    """Probability that some years' bets are right too seldom for a target Sharpe ratio (AFML section 15.4).

    Exactly, by the binomial distribution; the book approximates it by a bootstrap, and its snippet 15.5 by a normal
    distribution whose deviation is p (1 − p), a slip. The interval is what Wilson's interval of the observed precision
    makes of it.

    Parameters
    ----------
    hits, count
        How many bets of how many were right, in the record.
    target
        Sharpe ratio per year.
    frequency
        Bets per year.
    take, stop
        Average gain of the bets that were right, average (negative) loss of the others.
    years
        For how long the strategy has to prove itself.
    level
        Of the interval's confidence.

    Raises
    ------
    ModelError
        If gains do not exceed losses, or less than one bet is made.

    Examples
    --------
    Bets that reach a ratio of 2 on average miss it almost every other year:

    >>> found = strategy_risk(317, 500, 2.0, 52, 1.0, -1.0)
    >>> round(found.low, 2), round(found.value, 2), round(found.high, 2)
    (0.22, 0.44, 0.69)
    """
    bets = int(frequency * years)
    if bets < 1:
        raise ModelError(f"{frequency} bets a year for {years} years: less than one bet")
    needed = implied_precision(target, frequency, take, stop)
    precision = share_interval(hits, count, level)
    too_few = int(np.ceil(needed * bets - 1e-9)) - 1
    risk = [float(binom.cdf(too_few, bets, one)) for one in (precision.value, precision.high, precision.low)]
    return Interval(*risk)


def _check(take: float, stop: float) -> None:
    if not stop < take:
        raise ModelError(f"a bet that is right earns {take}, one that is wrong {stop}: it must be less")
