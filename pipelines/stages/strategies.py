"""The strategies stage: every predictor of a run traded by the same rules over the same stretch.

A run's ensemble is one of several strategies that somebody could choose among after looking; to judge the choice, all
of them must be known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from market.bar_events import bar_events
from market.events import MONEY
from market.instruments import Instrument
from market.time import DAY
from models.bundle.combination import Conformal
from models.bundle.manifest import Payoff
from models.dataset import Panel
from models.ensemble.nested import Combination, compared_folds
from models.ensemble.pools import pool_probability
from models.members.protocol import Progress
from pipelines.config import RunConfig
from pipelines.results import ENSEMBLE
from pipelines.stages.artefacts import Artefact, Draft, Job, job
from pipelines.stages.assemble import payoff
from pipelines.stages.backtest import series_signals, started
from pipelines.stages.fit import Window
from pipelines.stages.panel import load_panel
from pipelines.stages.performance import daily_returns
from pipelines.stages.redrawn import last_of_each
from pipelines.stages.tape import merge
from trading.backtest import Outcome, run
from trading.config import ExchangeConfig
from trading.trades import round_trips

Floats = NDArray[np.float64]
Records = NDArray[np.void]
STACKER = "stacker"
UNSIZED = "ensemble, not sized"
"""The ensemble without the second stage that sizes the run's bets."""
HELD = "buy and hold"


def signals_of(
    panel: Panel,
    first: Sequence[int],
    said: Sequence[Floats],
    pays: Payoff,
    conformal: Conformal | None = None,
    ensemble: Sequence[Floats] | None = None,
) -> list[Records]:
    """What a predictor says of contiguous rows of every series, as signals.

    ``first``: the first row of each series. ``said``: of each, shape (rows,), NaN where nothing is said. ``pays``: what
    its trades pay. ``conformal``: the threshold of prediction sets, if it says them; they are of ``ensemble``, of each
    (rows,), where that is not what is said.
    """
    of = [None] * len(panel.series) if ensemble is None else ensemble
    return [
        series_signals(series, number, first[number], said[number], pays, panel.interval, conformal, of[number])
        for number, series in enumerate(panel.series)
    ]


def tape_of(
    panel: Panel, signals: Sequence[Records], begin: int, end: int, instruments: Sequence[Instrument]
) -> Records:
    """One tape: all bars that end in [begin, end), and signals."""
    bars = [one.bars[(one.bars["end"] >= begin) & (one.bars["end"] < end)] for one in panel.series]
    events = [bar_events(one, rules, n) for n, (one, rules) in enumerate(zip(bars, instruments, strict=True))]
    return started(merge(events, signals))


def fold_said(config: RunConfig, score: Artefact, combination: Combination, number: int) -> dict[str, Floats]:
    """What every predictor says of one series' rows in one fold, by name."""
    members = score.array(f"members-{number}")
    said = {name: np.ascontiguousarray(members[:, column]) for column, name in enumerate(config.members)}
    if combination.pool is not None:
        said[STACKER] = pool_probability(combination.pool, members)
    if config.meta is not None and config.meta.sizing:
        said[UNSIZED] = score.array(f"ensemble-{number}")
    return said | {ENSEMBLE: score.array(f"probability-{number}")}


def strategy_tapes(
    config: RunConfig,
    panels: Sequence[Artefact],
    windows: Sequence[Window],
    scores: Sequence[Artefact],
    combinations: Sequence[Combination],
    instruments: Sequence[Instrument],
) -> Mapping[str, Records]:
    """Every predictor's tape over the compared folds."""
    chosen = compared_folds(len(windows))
    begin, end = windows[chosen[0]].test_start, windows[chosen[-1]].test_stop
    signals: dict[str, list[Records]] = {}
    for fold in chosen:
        panel = load_panel(panels[fold])
        pays = payoff(config, panel, windows[fold])
        first = [int(scores[fold].array(f"rows-{number}")[0]) for number in range(len(panel.series))]
        said = [fold_said(config, scores[fold], combinations[fold], number) for number in range(len(panel.series))]
        ensemble = [scores[fold].array(f"ensemble-{number}") for number in range(len(panel.series))]
        for name in said[0]:
            conformal = combinations[fold].conformal if name in (ENSEMBLE, UNSIZED) else None
            made = signals_of(panel, first, [one[name] for one in said], pays, conformal, ensemble)
            signals.setdefault(name, []).extend(made)
    return {name: tape_of(panel, parts, begin, end, instruments) for name, parts in signals.items()}


def outcome(config: RunConfig, tape: Records, instruments: Sequence[Instrument], exchange: ExchangeConfig) -> Outcome:
    """Trade a tape by the run's rules."""
    return run(instruments, config.trading, exchange, tape, config.data.interval_ns, config.labels.horizon)


def returns_of(done: Outcome, capital: float) -> tuple[NDArray[np.int64], Floats]:
    """Days (the ns of each day's last moment) and daily returns, shapes (days,)."""
    return done.time[last_of_each(done.time, DAY)], daily_returns(done.time, done.equity / MONEY, capital)


def held_returns(panel: Panel, done: Outcome) -> Floats:
    """Daily returns of holding every instrument with the same initial value over a backtest's days, without costs."""
    begin, end = int(done.time[0]), int(done.time[-1])
    paths = []
    for series in panel.series:
        bars = series.bars[(series.bars["end"] >= begin) & (series.bars["end"] <= end)]
        place = np.maximum(np.searchsorted(bars["end"], done.time, side="right") - 1, 0)
        paths.append(bars["close"][place] / bars["open"][0])
    return daily_returns(done.time, np.mean(paths, axis=0), 1.0)


def strategies_job(
    config: RunConfig,
    panels: Sequence[Artefact],
    windows: Sequence[Window],
    scores: Sequence[Artefact],
    combinations: Sequence[Combination],
    instruments: Sequence[Instrument],
) -> Job:
    """Every predictor traded after costs, and the ensemble once more in other worlds of costs and latency."""

    def build(draft: Draft, progress: Progress) -> None:
        panel, capital = load_panel(panels[0]), float(config.trading.capital)
        tapes = strategy_tapes(config, panels, windows, scores, combinations, instruments)
        worlds = sensitivity_grid(config)
        total = len(tapes) + len(worlds)
        trades = {}
        for number, (name, tape) in enumerate(tapes.items()):
            progress(f"trading {name}", number / total)
            done = outcome(config, tape, instruments, config.exchange)
            days, returns = returns_of(done, capital)
            draft.array(f"returns-{number}", returns)
            trades[name] = len(round_trips(done.journal, instruments))
        draft.array("days", days)
        draft.array("held", held_returns(panel, done))
        for number, world in enumerate(worlds):
            progress(f"costs × {world[0]:g}, latency {world[1]:g} ms", (len(tapes) + number) / total)
            done = outcome(config, tapes[ENSEMBLE], instruments, in_world(config.exchange, *world))
            draft.array(f"world-{number}", returns_of(done, capital)[1])
        draft.json("strategies", {"names": list(tapes), "trades": trades, "worlds": worlds})

    inputs = (
        [one.digest for one in panels],
        windows,
        [one.digest for one in scores],
        combinations,
        [one.to_dict() for one in instruments],
        config.trading,
        config.exchange,
        config.labels,
        config.laboratory,
        config.meta,
    )
    return job("strategies", "every predictor traded", inputs, build, ("numpy", "numba", "llvmlite"))


def sensitivity_grid(config: RunConfig) -> list[tuple[float, float]]:
    """The worlds to look at: every factor on costs at the run's latency, and every latency at its costs."""
    latency = config.exchange.latency_ms
    by_costs = [(factor, latency) for factor in config.laboratory.costs]
    return by_costs + [(1.0, one) for one in config.laboratory.latencies_ms if one != latency]


def in_world(exchange: ExchangeConfig, costs: float, latency_ms: float) -> ExchangeConfig:
    """An exchange with all its costs multiplied, and another latency; what decisions assume is not changed."""
    return ExchangeConfig(
        latency_ms=latency_ms,
        half_spread=min(exchange.half_spread * costs, 0.1),
        impact=min(exchange.impact * costs, 1.0),
        participation=exchange.participation,
        fees=exchange.fees,
        fee_factor=min(exchange.fee_factor * costs, 100.0),
    )
