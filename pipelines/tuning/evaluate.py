"""One configuration over the training's own folds: the same jobs, so the same bytes, found or made in the same cache.

After each fold, in time order, one number is reported: the log loss of the tuned predictor on that fold's decisions
beyond that of the base rate. An ensemble has neither stacker nor calibration in the first two folds: there the number
is that of the members' mean logit. The value at the end is another one: the log loss over the decisions of the compared
folds, as a training reports it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.instruments import Instrument
from market.lake import Lake
from models.blas import one_blas_thread
from models.bundle.combination import Pool
from models.bundle.runner import GraphRunner
from models.dataset import Panel, Samples
from models.ensemble.nested import Combination
from models.ensemble.pools import pool_probability
from models.members.protocol import Progress
from models.splitters import Fold
from models.statistics.bootstrap import Interval, mean_interval
from models.statistics.evaluation import Outcomes, information_gain, scores
from models.statistics.predictions import row_log_loss
from pipelines.config import RunConfig
from pipelines.ledger.record import returns_by_day
from pipelines.ledger.trial import SHARPE, Returns
from pipelines.results import ENSEMBLE, Backtest
from pipelines.stages.artefacts import Artefact, Artefacts, silent
from pipelines.stages.backtest import backtest_job, load_backtest
from pipelines.stages.data import DataFacts
from pipelines.stages.evaluate import Compared, compared_rows, fold_predictions, outcomes_of
from pipelines.stages.evidence import check_enough_rows
from pipelines.stages.fit import Window, fit_job
from pipelines.stages.fitted import window_job
from pipelines.stages.foreseen import check_burn_in, check_combining
from pipelines.stages.panel import load_panel, panel_facts, panel_job
from pipelines.stages.score import Scored, load_scores, next_combination, score_job
from pipelines.stages.windows import check_length, fold_windows, folds
from pipelines.tuning.config import Objective
from pipelines.tuning.errors import TuningError

Floats = NDArray[np.float64]
Report = Callable[[int, float], None]
"""Called after each fold with its index and its loss beyond the base rate's; may raise to stop the evaluation."""
TIMED, WARM = 1000, 50
"""Rows that the latency is the median of, and rows before them."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What all trials of a study share: data, instruments, and where artefacts are kept."""

    lake: Lake
    artefacts: Artefacts
    facts: DataFacts
    instruments: tuple[Instrument, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """What an evaluation found.

    ``values``: by objective. ``loss``: with its interval. ``scores``: of every predictor, by metric. ``excess``: of
    each fold, as reported. ``cells``: the sums of weighted losses by time cell (see
    `models.statistics.bootstrap.TimeBlocks`), from which trials are compared.
    """

    values: Mapping[Objective, float]
    loss: Interval
    scores: Mapping[str, Mapping[str, float]]
    excess: tuple[float, ...]
    backtest: Backtest
    returns: Returns
    compared: Compared
    cells: Floats

    @property
    def mass(self) -> Floats:
        """The decisions' weight by time cell, shape (cells,)."""
        return cell_sums(self.compared, self.compared.outcomes.weight)

    def metrics(self) -> dict[str, float | None]:
        """What the ledger keeps."""
        net = self.backtest.net_performance
        found: dict[str, float | None] = {str(name): value for name, value in self.values.items()}
        found |= {"log_loss": self.loss.value, "log_loss_low": self.loss.low, "log_loss_high": self.loss.high}
        if ENSEMBLE in self.scores:
            found |= {name: self.scores[ENSEMBLE][name] for name in ("information_gain", "auc")}
        return found | {SHARPE: net.sharpe.value, "total_return": net.total_return, "turnover": net.turnover}


def cell_sums(compared: Compared, values: Floats) -> Floats:
    """Sums of per-decision values by time cell, shape (cells,)."""
    blocks = compared.blocks
    found = np.bincount(blocks.cell, weights=values, minlength=blocks.counts.shape[1])
    return found.astype(np.float64)


def mean_logit(members: Floats, clip: float) -> Floats:
    """The members' mean logit as a probability, shape (n,)."""
    count = members.shape[1]
    return pool_probability(Pool((1.0 / count,) * count, 0.0, clip), members)


def fold_excess(
    config: RunConfig, predictor: str, outcomes: Outcomes, scored: Scored, combination: Combination
) -> float:
    """A fold's log loss beyond the base rate's, nats per decision; below zero is better than knowing nothing."""
    if predictor != ENSEMBLE:
        said = scored.members[:, list(config.members).index(predictor)]
    elif combination.calibration is None:
        said = mean_logit(scored.members, config.ensemble.clip)
    else:
        said = scored.probability
    return -information_gain(outcomes, said)


def check_same_decisions(samples: Samples, base: Samples) -> None:
    """Refuse a trial whose features leave other decisions to be judged on than the base's.

    Raises
    ------
    TuningError
        With how many there are of both.
    """
    if samples is base:
        return
    same = len(samples) == len(base) and all(
        np.array_equal(getattr(samples, name), getattr(base, name)) for name in ("t0", "instrument", "t1", "label")
    )
    if not same:
        raise TuningError(
            f"the trial's features leave {len(samples):,} decisions and the training's {len(base):,}, or others: their "
            "losses cannot be compared. Let every choice keep the feature with the longest warm-up"
        )


def base_panel(config: RunConfig, ground: Ground, progress: Progress = silent) -> Artefact:
    """The panel of the training's own configuration, made once for all trials that do not change it."""
    check_length(config, ground.facts)
    check_burn_in(config, ground.facts)
    return ground.artefacts.make(panel_job(config, ground.facts, ground.lake), progress)


@one_blas_thread()
def evaluate(
    config: RunConfig,
    base: RunConfig,
    predictor: str,
    objectives: tuple[Objective, ...],
    ground: Ground,
    fitters: Executor,
    report: Report,
) -> Evaluated:
    """Fit, score and trade a configuration over its folds, one after another.

    Parameters
    ----------
    config, base
        What is tried, and the training's own.
    fitters
        Runs the fits of one fold side by side.

    Raises
    ------
    TuningError
        If the decisions are not the base's.
    """
    make = ground.artefacts.make
    panel_artefact = make(panel_job(config, ground.facts, ground.lake))
    panel = load_panel(panel_artefact)
    check_same_decisions(panel.samples, load_panel(base_panel(base, ground)).samples)
    check_enough_rows(panel, tuple(config.members))
    found = folds(config, panel)
    windows = fold_windows(found)
    check_combining(config, panel, windows)
    panels = [window_panel(panel_artefact, window, ground) for window in windows]
    scored: list[Scored] = []
    combinations: list[Combination] = []
    made: list[Artefact] = []
    excess: list[float] = []
    for fold, window, own in zip(found, windows, panels, strict=True):
        pending = {name: fitters.submit(make, fit_job(config, own, window, name)) for name in config.members}
        fits = {name: one.result() for name, one in pending.items()}
        combination = next_combination(config, panel.samples, scored, combinations, window.test_start)
        made.append(make(score_job(config, own, window, fits, combination)))
        scored.append(load_scores(load_panel(own), window, made[-1]))
        combinations.append(combination)
        outcomes = outcomes_of(panel, fold, scored[-1])
        excess.append(fold_excess(config, predictor, outcomes, scored[-1], combination))
        report(fold.index, excess[-1])
    compared = compared_rows(config, panel, fold_predictions(config, panel, found, scored, combinations))
    backtest = load_backtest(make(backtest_job(config, panels, windows, found, made, ground.instruments)))
    return judged(config, predictor, objectives, panel, found, compared, backtest, made[-1], tuple(excess))


def window_panel(panel: Artefact, window: Window, ground: Ground) -> Artefact:
    """The panel of one window: the run's own, unless features are fitted there."""
    return ground.artefacts.make(window_job(panel, window)) if panel_facts(panel).fitted else panel


def judged(
    config: RunConfig,
    predictor: str,
    objectives: tuple[Objective, ...],
    panel: Panel,
    found: list[Fold],
    compared: Compared,
    backtest: Backtest,
    last: Artefact,
    excess: tuple[float, ...],
) -> Evaluated:
    """An evaluation's values from what it predicted and traded; ``last`` is the newest fold's score."""
    outcomes = compared.outcomes
    losses = row_log_loss(outcomes.label, compared.predictors[predictor])
    loss = mean_interval(losses, outcomes.weight, compared.blocks)
    values: dict[Objective, float] = {"loss": loss.value}
    if "turnover" in objectives:
        values["turnover"] = float(backtest.net_performance.turnover or 0.0)
    if "latency" in objectives:
        values["latency"] = latency(last, panel, found[-1])
    net = backtest.net
    return Evaluated(
        values={name: values[name] for name in objectives},
        loss=loss,
        scores={name: scores(outcomes, said) for name, said in compared.predictors.items()},
        excess=excess,
        backtest=backtest,
        returns=returns_by_day(net.time, net.equity, float(config.trading.capital)),
        compared=compared,
        cells=cell_sums(compared, losses * outcomes.weight),
    )


def latency(score: Artefact, panel: Panel, fold: Fold) -> float:
    """The median time of one bar through a fold's graph, µs: measured here and now, on distinct rows, on one thread.

    It is noisy: other work on the machine, other trials among it, makes it longer.
    """
    series = panel.series[0]
    first = int(np.searchsorted(series.bars["end"], fold.test_start))
    rows = np.ascontiguousarray(series.features[first : first + WARM + TIMED])
    rows = rows[np.isfinite(rows).all(axis=1)]
    runner = GraphRunner((score.path / "graph.onnx").read_bytes())
    taken = []
    for row in rows:
        begun = time.perf_counter_ns()
        runner.step(row)
        taken.append(time.perf_counter_ns() - begun)
    return float(np.median(taken[WARM:] or taken)) / 1000.0
