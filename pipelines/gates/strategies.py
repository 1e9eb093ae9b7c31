"""What a champion and its successor earn after costs: both traded over the same bars by the same rules, bar by bar.

The successor's run says the rules: capital, limits, fees, slippage, latency. Each model sends its own signals, with its
own payoff, through the compiled core and the simulated exchange, as it would live. Returns of the same bar are
subtracted, so that what the market did to both cancels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.bar_events import bar_events
from market.events import MONEY
from market.time import DAY
from models.bundle.bundle import Bundle
from pipelines.behind import Scored
from pipelines.config import RunConfig
from pipelines.gates.config import GateConfig
from pipelines.gates.rivals import RETURN, Lead, led_by
from pipelines.stages.backtest import series_signals, started
from pipelines.stages.evaluate import BLOCK_HORIZONS
from pipelines.stages.tape import merge
from trading.backtest import run as trade

Floats = NDArray[np.float64]
Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Earned:
    """A strategy's wealth after costs, in the quote currency, at each moment; shapes (n,), times in ns."""

    time: Times
    wealth: Floats


def unlike_markets(one: Bundle, other: Bundle) -> str:
    """In what two models' markets differ, in words; empty if they trade the same bars of the same instruments."""
    bars = "" if one.manifest.features.bars_name == other.manifest.features.bars_name else "bars"
    ours, theirs = ({rules.symbol for rules in each.instruments()} for each in (one, other))
    return ", ".join(name for name in (bars, "" if ours == theirs else "instruments") if name)


def earned(bundle: Bundle, scored: Scored, run: RunConfig, begin: int) -> Earned | None:
    """Trade what a bundle says of the bars that end after ``begin``; None if there are none."""
    rules, interval, pays = bundle.instruments(), bundle.manifest.features.interval, bundle.manifest.payoff
    events, signals, sets = [], [], bundle.sets()
    for number, (one, series, stages) in enumerate(zip(rules, scored.series, scored.stages, strict=True)):
        first = int(np.searchsorted(series.bars["end"], begin, side="right"))
        events.append(bar_events(series.bars[first:], one, number))
        said = stages.from_row(first)
        signals.append(series_signals(series, number, first, said.probability, pays, interval, sets, said.ensemble))
    tape = merge(events, signals)
    if not len(tape):
        return None
    done = trade(rules, run.trading, run.exchange, started(tape), interval, pays.horizon)
    return Earned(done.time, done.equity / MONEY)


def compared_returns(ours: Earned, theirs: Earned, horizon: int, config: GateConfig) -> Lead | str:
    """By how much the first earns more than the second a day, from the returns of the moments that both have.

    Strategies that part on a few occasions only are not compared: blocks drawn from the rest are all alike. On how many
    they do is (Σ|b|)² / Σb² over the blocks' gains b: one for one large gain, all blocks for equal ones.

    Parameters
    ----------
    horizon
        How long a position lasts, ns.
    """
    time, mine, other = np.intersect1d(ours.time, theirs.time, return_indices=True)
    if len(time) < 2:
        return f"the two strategies share {len(time)} moments"
    if ours.wealth[mine].min() <= 0 or theirs.wealth[other].min() <= 0:
        return "one of the two strategies lost everything, and has no returns behind that"
    returns = [one[1:] / one[:-1] - 1.0 for one in (ours.wealth[mine], theirs.wealth[other])]
    gain, days, time = returns[0] - returns[1], np.diff(time) / DAY, time[1:]
    _, block = np.unique(time // (horizon * BLOCK_HORIZONS), return_inverse=True)
    gains = np.abs(np.bincount(block, weights=gain))
    if gains.any() and (apart := float(gains.sum() ** 2 / (gains**2).sum())) < config.blocks:
        return (
            f"what tells the two strategies apart happened in about {apart:.0f} blocks of time, where {config.blocks} "
            "are needed to draw from"
        )
    return led_by(gain / days, days, float(len(gain)), time, horizon, config, RETURN)
