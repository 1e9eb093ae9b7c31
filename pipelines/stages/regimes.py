"""Predictions and trading by the market's state: volatility and trend at the decision, never after it.

Thresholds come from training data: the terciles of each instrument's volatility before the first compared test, and a
move of half a standard deviation over the labels' horizon.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from market.time import DAY
from models.dataset import Panel, Series
from models.statistics.bootstrap import Interval, TimeBlocks
from models.statistics.evaluation import Outcomes, score_intervals
from pipelines.laboratory import Regime
from pipelines.results import Estimate
from pipelines.stages.performance import sharpe_estimates
from pipelines.stages.redrawn import total_return

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
VOLATILITY = ("calm", "usual", "turbulent")
TREND = ("falling", "sideways", "rising")
MOVE = 0.5
"""Standard deviations of a move over the horizon beyond which the market rises or falls."""
LEAST_EFFECTIVE = 20.0
"""Effective decisions below which a regime's scores are not computed."""


def volatility_codes(series: Series, before: int) -> Codes:
    """Calm, usual or turbulent (0, 1, 2) at every row, by the terciles of rows that end before a time; −1: unknown."""
    known = np.isfinite(series.volatility)
    seen = series.volatility[known & (series.bars["end"] < before)]
    if not len(seen):
        return np.full(len(series.volatility), -1)
    codes: Codes = np.searchsorted(np.quantile(seen, [1 / 3, 2 / 3]), series.volatility, side="right")
    return np.where(known, codes, -1)


def trend_codes(series: Series, horizon: int) -> Codes:
    """Falling, sideways or rising (0, 1, 2) at every row, by the last ``horizon`` bars' move; −1: unknown."""
    close = np.log(series.bars["close"])
    moves = np.full(len(close), np.nan)
    moves[horizon:] = (close[horizon:] - close[:-horizon]) / (series.volatility[horizon:] * np.sqrt(horizon))
    return np.where(np.isfinite(moves), (moves > MOVE).astype(np.int64) + (moves >= -MOVE), -1)


def kinds(panel: Panel, horizon: int, before: int) -> Iterator[tuple[str, tuple[str, ...], list[Codes]]]:
    """Every kind of regime: its name, the regimes' names, and each series' codes."""
    yield "volatility", VOLATILITY, [volatility_codes(one, before) for one in panel.series]
    yield "trend", TREND, [trend_codes(one, horizon) for one in panel.series]


def market_codes(panel: Panel, codes: Sequence[Codes], days: NDArray[np.int64], count: int) -> Codes:
    """The market's regime on each day, shape (days,): the median instrument's at the last bar before the day; −1: none.

    ``days``: each day's last moment, ns.
    """
    begin = (days - 1) // DAY * DAY
    found = np.full((len(codes), len(days)), np.nan)
    for number, (series, mine) in enumerate(zip(panel.series, codes, strict=True)):
        row = np.searchsorted(series.bars["end"], begin, side="right") - 1
        value = np.where(row >= 0, mine[np.maximum(row, 0)], -1)
        found[number] = np.where(value >= 0, value, np.nan)
    known = np.isfinite(found).any(axis=0)
    market = np.full(len(days), -1)
    market[known] = np.clip(np.nanmedian(found[:, known], axis=0).astype(np.int64), 0, count - 1)
    return market


def regimes(
    panel: Panel,
    horizon: int,
    before: int,
    index: NDArray[np.int64],
    outcomes: Outcomes,
    probability: Floats,
    blocks: TimeBlocks,
    days: NDArray[np.int64],
    returns: Floats,
) -> tuple[Regime, ...]:
    """Scores of the ensemble and of its trading in every regime.

    A regime's days are drawn again as if they followed each other, though other days lay between them.

    Parameters
    ----------
    before
        The first compared test's begin, ns: thresholds come from before it.
    index, outcomes, probability, blocks
        The compared samples: positions in the panel, what happened, what the ensemble said, blocks to resample.
    days, returns
        The days of the strategy's net returns and these, shape (days,).
    """
    found = []
    samples = panel.samples
    for kind, names, codes in kinds(panel, horizon, before):
        at = np.empty(len(index), np.int64)
        for number, mine in enumerate(codes):
            here = samples.instrument[index] == number
            at[here] = mine[samples.row[index[here]]]
        market = market_codes(panel, codes, days, len(names))
        for code, name in enumerate(names):
            gain, auc = _scores(outcomes, probability, blocks, at == code)
            daily = returns[market == code]
            total = total_return(daily)
            found.append(
                Regime(
                    kind,
                    name,
                    int((at == code).sum()),
                    float(outcomes.weight[at == code].sum()),
                    gain,
                    auc,
                    len(daily),
                    sharpe_estimates(daily)[1],
                    total_return=total.value,
                    total_return_interval=total.bounds,
                )
            )
    return tuple(found)


def _scores(
    outcomes: Outcomes, probability: Floats, blocks: TimeBlocks, mine: NDArray[np.bool_]
) -> tuple[Estimate, Estimate]:
    """Information gain and AUC on some rows, with intervals; unknown where there are too few."""
    part = outcomes.rows(mine)
    if part.weight.sum() < LEAST_EFFECTIVE or len(np.unique(part.label)) < 2:
        return Estimate(None), Estimate(None)
    cells, cell = np.unique(blocks.cell[mine], return_inverse=True)
    # Draws that hit none of the regime's cells say nothing about it.
    counts = blocks.counts[:, cells]
    drawn = TimeBlocks(cell, counts[counts.sum(axis=1) > 0])
    scores = score_intervals(part, probability[mine], drawn)
    return _estimate(scores["information_gain"]), _estimate(scores["auc"])


def _estimate(interval: Interval) -> Estimate:
    return Estimate(interval.value, interval.low, interval.high)
