"""How much is needed, how much fits: what a strategy's record is too short, too lucky, too risky or too big for.

Computed from a result and nothing else, as the verdict is. What has no meaning is None, and says why.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from market.time import DAYS_PER_YEAR
from models.statistics.bootstrap import Interval
from models.statistics.capacity import ImpactModel, capacity
from models.statistics.selection import haircut_sharpe
from models.statistics.sharpe import minimum_track_record, moments, sharpe_ratio, varies
from models.statistics.strategy_risk import strategy_risk
from pipelines.bets import Bets
from pipelines.estimate import Estimate, Number
from pipelines.results import ENSEMBLE, RunResult

CONFIDENCE = 0.95
TARGET = 1.0
"""The annual Sharpe ratio that a strategy is asked for."""
YEARS = 1.0
"""For how long it has to prove itself."""
FEWEST_BETS = 30
"""Fewer round trips say too little about how often the strategy is right."""


@dataclass(frozen=True, slots=True)
class Needed:
    """What the record is held against.

    ``days`` there are; ``record_zero`` and ``record_luck``: days until the Sharpe ratio, if it stays as it is, is known
    with 95 % confidence to be above zero, and above the luck of all trials (infinite if it is not above now).
    ``haircut_sharpe``: annual, after allowing for ``trials`` tests (Harvey and Liu 2015); None unless the ratio is
    positive. ``risk``: the probability that a year's bets miss `TARGET`. ``capacity``: the capital at which impact eats
    the edge. The last two have reasons where they have no value.
    """

    days: int
    record_zero: Number
    record_luck: Number
    sharpe: Number
    haircut_sharpe: Number
    haircut_p_value: Number
    trials: int
    risk: Estimate
    risk_missing: str
    capacity: Estimate
    capacity_missing: str


def needed(result: RunResult) -> Needed | None:
    """What a run's ensemble needs; None where it has no laboratory or no returns that vary."""
    lab = result.laboratory
    found = [one.returns for one in lab.strategies if one.name == ENSEMBLE] if lab else []
    if lab is None or not found or not varies(found[0]):
        return None
    returns, trials, year = found[0], result.trials.distinct, DAYS_PER_YEAR**0.5
    value, shape = sharpe_ratio(returns), moments(returns)
    luck = lab.deflated.luck
    cut = haircut_sharpe(value, len(returns), trials) if value > 0 else None
    bets = result.backtest.net_performance.bets if result.backtest else None
    risk, risk_missing = risk_of(bets)
    room, room_missing = capacity_of(bets)
    return Needed(
        days=len(returns),
        record_zero=minimum_track_record(value, *shape, 0.0, CONFIDENCE),
        record_luck=None if luck is None else minimum_track_record(value, *shape, luck / year, CONFIDENCE),
        sharpe=value * year,
        haircut_sharpe=None if cut is None else cut.sharpe * year,
        haircut_p_value=None if cut is None else cut.adjusted_p_value,
        trials=trials,
        risk=risk,
        risk_missing=risk_missing,
        capacity=room,
        capacity_missing=room_missing,
    )


def risk_of(bets: Bets | None) -> tuple[Estimate, str]:
    """The probability that a year's bets miss the target, or why it is unknown.

    Examples
    --------
    >>> few = Bets(4, 2, 0.02, -0.01, 9.0, Estimate(0.005), 0.1)
    >>> risk_of(few)[1]
    'it takes 30 round trips to tell, and there are 4'
    """
    if bets is None:
        return Estimate(None), "round trips are not known"
    if bets.count < FEWEST_BETS:
        return Estimate(None), f"it takes {FEWEST_BETS} round trips to tell, and there are {bets.count}"
    if bets.gain is None or bets.loss is None:
        return Estimate(None), "round trips all won or all lost"
    if bets.per_year is None or bets.per_year * YEARS < 1:
        return Estimate(None), "there is less than one round trip a year"
    found = strategy_risk(bets.hits, bets.count, TARGET, bets.per_year, bets.gain, bets.loss, YEARS, CONFIDENCE)
    return Estimate(found.value, found.low, found.high), ""


def capacity_of(bets: Bets | None) -> tuple[Estimate, str]:
    """The capital at which impact eats the edge, or why it is unknown.

    Examples
    --------
    >>> loses = Bets(400, 190, 0.01, -0.01, 900.0, Estimate(-0.0005, -0.001, 0.0), 0.1, 0.03, 1e9)
    >>> capacity_of(loses)[1]
    'round trips lose on average after costs, so no capital is small enough'
    """
    if bets is None or bets.edge.value is None:
        return Estimate(None), "round trips are not known"
    if bets.edge.value <= 0:
        return Estimate(None), "round trips lose on average after costs, so no capital is small enough"
    if bets.volatility is None or bets.daily_volume is None:
        return Estimate(None), "the market's traded value is not known"
    low, high = bets.edge.bounds or (math.nan, math.nan)
    # A round trip moves the price twice: at its entry and at its exit.
    impact = ImpactModel(bets.fraction, bets.volatility, bets.daily_volume, coefficient=2.0)
    known = capacity(Interval(bets.edge.value, low, high), impact)
    return (Estimate(known.value, known.low, known.high) if bets.edge.bounds else Estimate(known.value)), ""
