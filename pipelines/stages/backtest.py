"""The backtest stage: out-of-fold probabilities of the ensemble, traded through core and simulated exchange."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from features.row_hash import row_hashes
from market.bar_events import bar_events
from market.events import Control
from market.instruments import Instrument
from models.bundle.combination import Conformal
from models.bundle.manifest import Payoff
from models.dataset import Series
from models.ensemble.conformal import prediction_sets
from models.ensemble.nested import compared_folds
from models.members.protocol import Progress
from models.splitters import Fold
from pipelines import results
from pipelines.arrays_json import read_document, write_document
from pipelines.config import RunConfig
from pipelines.stages.artefacts import Artefact, Draft, Job, job
from pipelines.stages.assemble import payoff
from pipelines.stages.fit import Window
from pipelines.stages.panel import load_panel
from pipelines.stages.performance import as_backtest
from pipelines.stages.score import load_conformal
from pipelines.stages.tape import merge, places
from trading.backtest import Outcome, run
from trading.config import ExchangeConfig, TradingConfig
from trading.signals import control_event, signal_events

BACKTEST = "backtest.json"
BUNDLE, START = 1, 2
"""Numbers of the bundle and of the first control's reason among a journal's names."""

Records = NDArray[np.void]


def series_signals(
    series: Series,
    number: int,
    first: int,
    probability: NDArray[np.float64],
    payoff: Payoff,
    interval: int,
    conformal: Conformal | None = None,
    ensemble: NDArray[np.float64] | None = None,
) -> Records:
    """The signals of one series' rows from ``first`` on, one for each finite probability at which is decided.

    ``conformal``: the threshold of prediction sets, if they are said; they may say where is decided. ``ensemble``: what
    they are of, where a second stage's ``probability`` is another.
    ``seq`` is the place of each signal's bar among those that end at the same time; `merge` reads it.
    """
    rows = slice(first, first + len(probability))
    if series.decides is not None:
        probability = np.where(series.decides[rows], probability, np.nan)
    sets = None if conformal is None else prediction_sets(conformal, probability if ensemble is None else ensemble)
    if conformal is not None and sets is not None:
        probability = np.where(conformal.acted_on(sets), probability, np.nan)
    volatility = series.volatility[rows]
    expected, barrier = payoff.moves(volatility)  # type: ignore[arg-type]
    validity, per_bar = payoff.clock(number, interval)
    made = signal_events(
        series.bars["end"][rows],
        number,
        probability,
        np.asarray(expected),
        np.asarray(barrier),
        volatility * per_bar,
        row_hashes(series.features[rows]),
        validity,
        BUNDLE,
        sets,
    )
    made["seq"] = places(series.bars["end"])[rows][np.isfinite(probability)]
    return made


def started(tape: Records) -> Records:
    """A tape behind the control that makes the trader ACTIVE."""
    return np.concatenate([control_event(Control.RESUME, int(tape["ts_recv"][0]), START), tape])


def trade(
    instruments: Sequence[Instrument],
    tape: Records,
    trading: TradingConfig,
    exchange: ExchangeConfig,
    interval: int,
    horizon: int,
) -> tuple[Outcome, Outcome]:
    """Run one tape after and before costs; ``interval`` in ns (0: no clock), ``horizon`` in bars."""
    tape = started(tape)
    net = run(instruments, trading, exchange, tape, interval, horizon)
    return net, run(instruments, trading, exchange.free(), tape, interval, horizon)


def backtest_job(
    config: RunConfig,
    panels: Sequence[Artefact],
    windows: Sequence[Window],
    folds: Sequence[Fold],
    scores: Sequence[Artefact],
    instruments: Sequence[Instrument],
) -> Job:
    """The compared folds' test stretches, traded after and before costs; ``panels`` and ``windows`` of each fold."""
    chosen = compared_folds(len(folds))

    def build(draft: Draft, progress: Progress) -> None:
        panel = load_panel(panels[chosen[0]])
        begin, end = windows[chosen[0]].test_start, windows[chosen[-1]].test_stop
        bars = [one.bars[(one.bars["end"] >= begin) & (one.bars["end"] < end)] for one in panel.series]
        events = [bar_events(one, rules, n) for n, (one, rules) in enumerate(zip(bars, instruments, strict=True))]
        signals = []
        for fold in chosen:
            panel = load_panel(panels[fold])
            pays = payoff(config, panel, windows[fold])
            for number, series in enumerate(panel.series):
                first = int(scores[fold].array(f"rows-{number}")[0])
                said, ensemble = (scores[fold].array(f"{one}-{number}") for one in ("probability", "ensemble"))
                conformal = load_conformal(scores[fold])
                signals.append(series_signals(series, number, first, said, pays, panel.interval, conformal, ensemble))
        tape = merge(events, signals)
        progress("trading after and before costs", 0.3)
        net, gross = trade(instruments, tape, config.trading, config.exchange, panel.interval, config.labels.horizon)
        draft.array("journal", net.journal)
        write_document(
            as_backtest(net, gross, instruments, bars, float(config.trading.capital)), draft.folder, BACKTEST
        )

    inputs = (
        [one.digest for one in panels],
        windows,
        [one.digest for one in scores],
        [one.to_dict() for one in instruments],
        config.trading,
        config.exchange,
        config.labels,
    )
    return job("backtest", "backtest out of sample", inputs, build, ("numpy", "numba", "llvmlite", "scipy"))


def load_backtest(artefact: Artefact) -> results.Backtest:
    """Read a backtest back."""
    return read_document(results.Backtest, artefact.path, BACKTEST)
