"""Capacity: the capital at which a strategy's own trading eats its profit.

Impact model: trading a value Q in a market that trades V per day moves the price against us by Y σ √(Q / V), σ being
the daily volatility and Y about one (the square-root law; Almgren, Thum, Hauptmann and Li 2005; Tóth et al. 2011).
Trades grow with capital, so profit is C f (e − Y σ √(f C / V)) a trade: it peaks, and then falls to zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.errors import ModelError
from models.statistics.bootstrap import Interval


@dataclass(frozen=True, slots=True)
class ImpactModel:
    """Square-root impact of a strategy's trades.

    ``fraction``: of the capital, that one trade is worth. ``volatility``: per day. ``daily_volume``: value traded in
    the market per day. ``coefficient``: Y.
    """

    fraction: float
    volatility: float
    daily_volume: float
    coefficient: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is not positive."""
        for name in ("fraction", "volatility", "daily_volume", "coefficient"):
            if not getattr(self, name) > 0:
                raise ModelError(f"{name} is {getattr(self, name)}; it must be positive")

    def cost(self, capital: float) -> float:
        """Impact of one trade, as a fraction of its value.

        Examples
        --------
        >>> ImpactModel(0.1, 0.02, 1e9).cost(1e8)
        0.002
        """
        return float(self.coefficient * self.volatility * np.sqrt(self.fraction * capital / self.daily_volume))


def expected_profit(edge: float, capital: float, impact: ImpactModel) -> float:
    """Profit of one trade at some capital, in its unit.

    Parameters
    ----------
    edge
        What a trade earns after fees and spread but before impact, as a fraction of its value.
    capital
        In the unit of the impact model's volume.
    impact
        Of the trades.

    Examples
    --------
    >>> round(expected_profit(0.003, 1e8, ImpactModel(0.1, 0.02, 1e9)))
    10000
    """
    return impact.fraction * capital * (edge - impact.cost(capital))


def capacity(edge: Interval, impact: ImpactModel) -> Interval:
    """The capital at which expected profit is zero; 0 without an edge.

    Profit is greatest at 4 / 9 of it. The interval is the edge's, carried through: capacity goes with the edge's
    square.

    Parameters
    ----------
    edge
        Per trade, after fees and spread, before impact, as a fraction of a trade's value, with its interval (a
        bootstrap of the trades, say).
    impact
        Of the trades.

    Examples
    --------
    >>> found = capacity(Interval(0.002, -0.001, 0.005), ImpactModel(0.1, 0.02, 1e9))
    >>> round(found.value), found.low, round(found.high)
    (100000000, 0.0, 625000000)
    """
    return Interval(*(_zero_profit(one, impact) for one in (edge.value, edge.low, edge.high)))


def _zero_profit(edge: float, impact: ImpactModel) -> float:
    ratio = max(edge, 0.0) / (impact.coefficient * impact.volatility)
    return ratio**2 * impact.daily_volume / impact.fraction
