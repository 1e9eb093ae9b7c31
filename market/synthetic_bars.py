"""From simulated closes to full bars: the path inside a bar, volume, trades and what takers bought.

Nothing in here looks at the drift or the jumps, and only the volume looks at the regime; all of it is drawn from
the closes, the flow score and independent noise. That is what makes closes, order flow and volume *sufficient*:
a bar's high, low, vwap and trade count say nothing more about the future, and the optimum that reads
only the former is the best predictor from whole bars.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from market.bars import empty_bars
from market.synthetic_config import SyntheticConfig

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Closes:
    """What the recursions left of one instrument; arrays of shape (n,), variances (n, 2)."""

    first_ticks: int
    ticks: NDArray[np.int64]
    variances: Floats
    regimes: NDArray[np.int64]
    flow_score: Floats


def to_price(ticks: NDArray[np.int64] | Floats, step: str) -> Floats:
    """A number of steps as the closest double to the decimal; one division, so that 7 steps of 0.01 are 0.07."""
    ratio = Fraction(Decimal(step))
    return np.asarray(ticks * float(ratio.numerator) / float(ratio.denominator), np.float64)


def make_bars(config: SyntheticConfig, closes: Closes, generator: np.random.Generator) -> NDArray[np.void]:
    """Bars of one instrument, shape (n,)."""
    count = len(closes.ticks)
    bars = empty_bars(count)
    bars["start"] = config.start_ns + config.interval_ns * np.arange(count)
    bars["end"] = bars["start"] + config.interval_ns
    _write_prices(bars, config, closes, _path(config, closes, generator), generator)
    _write_volumes(bars, config, closes, generator)
    bars["quote_volume"] = bars["volume"] * bars["vwap"]
    return bars


def open_ticks(closes: Closes) -> NDArray[np.int64]:
    """Every bar opens where the one before it closed, shape (n,)."""
    return np.concatenate([[closes.first_ticks], closes.ticks[:-1]])


def _path(config: SyntheticConfig, closes: Closes, generator: np.random.Generator) -> Floats:
    """Prices in ticks along each bar, open and close included, shape (n, substeps + 1).

    A Brownian bridge in logs between open and close; its variance is the average of the two regimes', which
    anyone can compute from past returns.
    """
    opens, steps = open_ticks(closes), config.substeps
    average = closes.variances @ np.array(config.stationary_regimes)
    walk = np.cumsum(generator.standard_normal((len(opens), steps)), axis=1)
    share = np.arange(1, steps + 1) / steps
    bridge = np.sqrt(average / steps)[:, None] * (walk - share * walk[:, -1:])
    line = share * np.log(closes.ticks / opens)[:, None]
    path = np.empty((len(opens), steps + 1))
    path[:, 0] = opens
    path[:, 1:] = opens[:, None] * np.exp(line + bridge)
    path[:, -1] = closes.ticks
    return path


def _write_prices(
    bars: NDArray[np.void], config: SyntheticConfig, closes: Closes, path: Floats, generator: np.random.Generator
) -> None:
    weights = generator.standard_exponential((len(path), config.substeps))
    middles = 0.5 * (path[:, 1:] + path[:, :-1])
    average = (weights * middles).sum(axis=1) / weights.sum(axis=1)
    bars["open"] = to_price(open_ticks(closes), config.tick)
    bars["close"] = to_price(closes.ticks, config.tick)
    bars["high"] = to_price(np.ceil(path.max(axis=1)), config.tick)
    bars["low"] = to_price(np.floor(path.min(axis=1)), config.tick)
    bars["vwap"] = np.clip(to_price(average, config.tick), bars["low"], bars["high"])


def volume_centres(config: SyntheticConfig, variances: Floats) -> Floats:
    """The mean log volume of each bar in each regime, the shape of ``variances``."""
    relative = variances / config.volatility[0] ** 2
    return np.asarray(np.log(config.volume) + 0.5 * config.volume_elasticity * np.log(relative), np.float64)


def _write_volumes(
    bars: NDArray[np.void], config: SyntheticConfig, closes: Closes, generator: np.random.Generator
) -> None:
    count = len(bars)
    centre = volume_centres(config, closes.variances)[np.arange(count), closes.regimes]
    volume = np.exp(centre + config.volume_noise * generator.standard_normal(count))
    lots = np.maximum(np.rint(volume / float(Decimal(config.lot))), 1.0)
    imbalance = np.tanh(config.flow_scale * closes.flow_score)
    bars["volume"] = to_price(lots, config.lot)
    bars["taker_buy_volume"] = to_price(np.rint(lots * (1.0 + imbalance) / 2.0), config.lot)
    spread = np.exp(0.2 * generator.standard_normal(count))
    bars["trade_count"] = np.maximum(np.rint(bars["volume"] / config.trade_size * spread), 1.0)


def observed_flow(config: SyntheticConfig, bars: NDArray[np.void]) -> Floats:
    """The flow score back from the bars, shape (n,): what `_write_volumes` did, undone."""
    imbalance = 2.0 * bars["taker_buy_volume"] / bars["volume"] - 1.0
    edge_of_range = 1.0 - 1e-9
    return np.asarray(np.arctanh(np.clip(imbalance, -edge_of_range, edge_of_range)) / config.flow_scale, np.float64)
