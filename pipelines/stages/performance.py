"""What an equity curve says: performance with intervals, and buying and holding beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from market.events import MONEY, Kind
from market.instruments import Instrument
from market.time import DAY, DAYS_PER_YEAR
from models.statistics.sharpe import (
    drawdown,
    moments,
    probabilistic_sharpe,
    robust_error,
    sharpe_ratio,
    time_under_water,
)
from models.statistics.strategy import share_interval
from pipelines import results
from pipelines.stages.redrawn import last_of_each, ranges
from pipelines.stages.round_trips import bets
from trading.backtest import Outcome
from trading.trades import round_trips

LAGS = 5
"""Days of autocorrelation that the Sharpe ratio's error allows for."""
SHARPE_METHOD = f"the normal approximation of Lo (2002) from daily returns, autocorrelated over up to {LAGS} days"
NORMAL = 1.959963984540054
POINTS = 4_000
"""About as many points as a saved curve has."""

Floats = NDArray[np.float64]
Times = NDArray[np.int64]


def daily_returns(time: Times, equity: Floats, start: float) -> Floats:
    """Simple returns from one UTC day's end to the next, the first from ``start``."""
    wealth = np.concatenate([[start], equity[last_of_each(time, DAY)]])
    found: Floats = wealth[1:] / wealth[:-1] - 1.0
    return found


def thinned(time: Times, equity: Floats) -> results.Curve:
    """A curve of about `POINTS` points."""
    length = max(1, int(time[-1] - time[0]) // POINTS)
    chosen = last_of_each(time, length)
    return results.Curve(time[chosen], equity[chosen])


def sharpe_estimates(returns: Floats) -> tuple[results.Estimate, results.Estimate]:
    """The daily and the annual Sharpe ratio with 95 % intervals (Lo 2002)."""
    if len(returns) < 3 or float(returns.std()) == 0:
        return results.Estimate(None), results.Estimate(None)
    value, error = sharpe_ratio(returns), robust_error(returns, LAGS)
    daily = (value, value - NORMAL * error, value + NORMAL * error)
    root = DAYS_PER_YEAR**0.5
    return results.Estimate(*daily), results.Estimate(*[root * one for one in daily])


def performance(
    outcome: Outcome, instruments: Sequence[Instrument], bars: Sequence[NDArray[np.void]], capital: float
) -> results.Performance:
    """The summary of a backtest over some bars; Sharpe ratios from daily returns."""
    equity = outcome.equity / MONEY
    returns = daily_returns(outcome.time, equity, capital)
    daily, annual = sharpe_estimates(returns)
    probability = None
    if daily.value is not None:
        probability = probabilistic_sharpe(daily.value, len(returns), *moments(returns))
    trades = round_trips(outcome.journal, instruments)
    profitable, between = int((trades["profit"] > 0).sum()), ranges(outcome.time, equity, capital)
    exchange, core = outcome.exchange.exchange[0], outcome.state.core[0]
    return results.Performance(
        total_return=float(equity[-1] / capital - 1.0),
        sharpe=daily,
        sharpe_annual=annual,
        periods_per_year=DAYS_PER_YEAR,
        probabilistic_sharpe=probability,
        max_drawdown=float(drawdown(np.concatenate([[capital], equity])).max()),
        time_under_water=time_under_water(outcome.time, equity),
        trades=len(trades),
        hit_ratio=float((trades["profit"] > 0).mean()) if len(trades) else None,
        turnover=float(exchange["volume"] / MONEY / equity.mean()),
        fees=float(core["fees"] / MONEY),
        slippage=float(exchange["slippage"] / MONEY),
        total_return_interval=between.total_return,
        max_drawdown_interval=between.max_drawdown,
        hit_ratio_interval=hit_interval(profitable, len(trades)),
        bets=bets(trades, outcome.time, equity, bars),
    )


def hit_interval(hits: int, count: int) -> tuple[float, float] | None:
    """Wilson's 95 % interval of the share of round trips with a profit; None if there were none.

    Examples
    --------
    >>> hit_interval(0, 0), [round(one, 2) for one in hit_interval(5, 10) or ()]
    (None, [0.24, 0.76])
    """
    if not count:
        return None
    found = share_interval(hits, count)
    return found.low, found.high


def held(name: str, time: Times, wealth: Floats) -> results.Reference:
    """Buying at the beginning and holding."""
    _, annual = sharpe_estimates(daily_returns(time, wealth, float(wealth[0])))
    between = ranges(time, wealth, float(wealth[0]))
    return results.Reference(
        name,
        thinned(time, wealth),
        annual,
        max_drawdown=float(drawdown(wealth).max()),
        max_drawdown_interval=between.max_drawdown,
        total_return=float(wealth[-1] / wealth[0] - 1.0),
        total_return_interval=between.total_return,
    )


def references(
    symbols: Sequence[str], bars: Sequence[NDArray[np.void]], time: Times, capital: float
) -> tuple[results.Reference, ...]:
    """Buying and holding each instrument, and all of them in equal parts, without costs, at a curve's times."""
    relative = []
    for one in bars:
        place = np.maximum(np.searchsorted(one["end"], time, side="right") - 1, 0)
        relative.append(one["close"][place] / one["open"][0])
    alone = [held(symbol, time, capital * path) for symbol, path in zip(symbols, relative, strict=True)]
    return (*alone, held(results.EQUAL_PARTS, time, capital * np.mean(relative, axis=0)))


def as_backtest(
    net: Outcome,
    gross: Outcome,
    instruments: Sequence[Instrument],
    bars: Sequence[NDArray[np.void]],
    capital: float,
) -> results.Backtest:
    """Two runs of one tape, with and without costs, as the result's part."""
    return results.Backtest(
        net=thinned(net.time, net.equity / MONEY),
        gross=thinned(gross.time, gross.equity / MONEY),
        net_performance=performance(net, instruments, bars, capital),
        gross_performance=performance(gross, instruments, bars, capital),
        references=references([one.symbol for one in instruments], bars, net.time, capital),
        capital=capital,
        asset="/".join(dict.fromkeys(one.quote for one in instruments)),
        funding_events=int((net.journal["kind"] == Kind.FUNDING).sum()),
    )
