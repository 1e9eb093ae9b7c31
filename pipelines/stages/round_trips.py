"""Closed round trips as bets: how often they earn, how much, and how much of their markets they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from market.events import MONEY
from market.time import DAY, YEAR
from models.statistics.bootstrap import percentiles
from models.statistics.resampling import stationary_indices
from pipelines.bets import Bets
from pipelines.estimate import Estimate
from pipelines.stages.redrawn import DRAWS, LEVEL, block_length, last_of_each

FEWEST = 10
"""Fewer round trips say nothing about others."""

Floats = NDArray[np.float64]
Times = NDArray[np.int64]


def bets(trades: NDArray[np.void], time: Times, equity: Floats, bars: Sequence[NDArray[np.void]]) -> Bets | None:
    """What some round trips were; None if there are none.

    Parameters
    ----------
    trades
        Of `trading.trades.TRADE`.
    time, equity
        Of the backtest, shape (n,): ns, and wealth in the unit of account.
    bars
        Each instrument's over the same stretch.
    """
    if not len(trades):
        return None
    value = trades["entry_notional"] / MONEY
    earned = trades["profit"] / trades["entry_notional"]
    right = trades["profit"] > 0
    volatility, volume = market(bars, trades["instrument"])
    return Bets(
        count=len(trades),
        hits=int(right.sum()),
        gain=float(earned[right].mean()) if right.any() else None,
        loss=float(earned[~right].mean()) if not right.all() else None,
        per_year=float(len(trades) * YEAR / (time[-1] - time[0])) if time[-1] > time[0] else None,
        edge=edge(earned),
        fraction=float(value.mean() / equity.mean()),
        volatility=volatility,
        daily_volume=volume,
    )


def edge(earned: Floats) -> Estimate:
    """The mean of what bets earned, with a 95 % interval from drawing blocks of them again; shape (bets,)."""
    count, value = len(earned), float(earned.mean())
    if count < FEWEST:
        return Estimate(value)
    order = stationary_indices(count, block_length(count), DRAWS, np.random.default_rng(0))
    return Estimate(value, *percentiles(earned[order].mean(axis=1), LEVEL))


def market(bars: Sequence[NDArray[np.void]], instrument: Times) -> tuple[float | None, float | None]:
    """Daily volatility and traded value of the instruments that bets were made in; None if either is unknown.

    Volatility is averaged over bets. The value is the one that gives the average over bets of volatility over root
    value, which is what the square-root law asks for: a thin market counts for what it costs.

    Parameters
    ----------
    bars
        Each instrument's.
    instrument
        Of each bet, shape (bets,).
    """
    daily = {number: _day(bars[number]) for number in np.unique(instrument).tolist()}
    found = np.array([daily[number] for number in instrument.tolist()])
    if not (np.isfinite(found).all() and (found > 0).all()):
        return None, None
    volatility = float(found[:, 0].mean())
    return volatility, float((volatility / (found[:, 0] / np.sqrt(found[:, 1])).mean()) ** 2)


def _day(bars: NDArray[np.void]) -> tuple[float, float]:
    """Standard deviation of daily log returns, and the median day's traded value; NaN where unknown.

    Bars without a traded value of their own are taken at their volume times their close.
    """
    if not len(bars):
        return float("nan"), float("nan")
    last = last_of_each(bars["end"], DAY)
    if len(last) < 3:
        return float("nan"), float("nan")
    traded = np.where(np.isnan(bars["quote_volume"]), bars["volume"] * bars["close"], bars["quote_volume"])
    value = np.add.reduceat(traded, np.concatenate([[0], last[:-1] + 1]))
    return float(np.diff(np.log(bars["close"][last])).std(ddof=1)), float(np.median(value))
