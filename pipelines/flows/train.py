"""The training flow: from bars in the lake to a certified, registered, tracked model with an honest report."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.task_runners import ThreadPoolTaskRunner

from market.lake import Lake
from models.ensemble import Combination, combination_for
from pipelines.config import RunConfig
from pipelines.flows.jobs import Pending, result, run, submit, was_cached
from pipelines.progress import Stage
from pipelines.results import RunResult
from pipelines.results import Stage as StageTime
from pipelines.stages import data as data_stage
from pipelines.stages.artefacts import Artefact, Artefacts
from pipelines.stages.assemble import BUNDLE, assemble_job
from pipelines.stages.backtest import backtest_job, load_backtest
from pipelines.stages.evaluate import compared_rows, fold_predictions, fold_results, predictors
from pipelines.stages.fit import fit_job
from pipelines.stages.panel import load_panel, panel_job
from pipelines.stages.refit import refit_job
from pipelines.stages.score import Scored, load_scores, score_job
from pipelines.stages.summary import compose_result
from pipelines.stages.windows import final_window, fold_windows, folds
from pipelines.workspace import Workspace

WORKERS = 2
WEIGHTS = {"data": 4, "panel": 20, "fits": 90, "scores": 25, "refit": 20, "evaluate": 15, "bundle": 10, "backtest": 10}
"""Rough seconds of each stage on two cores, for the progress display."""


@dataclass(slots=True)
class Timer:
    """The stages' seconds, in order."""

    stages: list[StageTime] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)

    def lap(self, name: str, cached: bool = False) -> None:
        """The stage that ran since the last lap is over."""
        now = time.monotonic()
        self.stages.append(StageTime(name, now - self.since, cached))
        self.since = now


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training run leaves: the result, its folder, and where its parts lie."""

    result: RunResult
    folder: Path
    bundle: Path
    cut: int


def fit_all(
    config: RunConfig, panel: Artefact, windows: Sequence[Any], artefacts: Artefacts, progress: Stage
) -> tuple[list[dict[str, Artefact]], bool]:
    """Fit every member on every window, in parallel; and whether all of it was cached."""
    titles = [f"{name}, fold {window.index + 1}" for window in windows for name in config.members]
    parts = progress.plan(dict.fromkeys(titles, 1.0))
    pending: list[dict[str, Pending]] = [
        {
            name: submit(fit_job(config, panel, window, name), artefacts, parts[f"{name}, fold {window.index + 1}"])
            for name in config.members
        }
        for window in windows
    ]
    made = [{name: result(one) for name, one in fold.items()} for fold in pending]
    cached = all(was_cached(one) for fold in pending for one in fold.values())
    return made, cached


def score_all(
    config: RunConfig,
    panel: Artefact,
    windows: Sequence[Any],
    fits: Sequence[Mapping[str, Artefact]],
    artefacts: Artefacts,
    progress: Stage,
) -> tuple[list[Artefact], list[Scored], list[Combination]]:
    """Score fold after fold, each with what the folds before it say about combining members."""
    samples = load_panel(panel).samples
    made: list[Artefact] = []
    scored: list[Scored] = []
    combinations: list[Combination] = []
    parts = progress.plan({f"fold {window.index + 1}": 1.0 for window in windows})
    for window, fit in zip(windows, fits, strict=True):
        combination = next_combination(config, samples, scored, combinations, window.test_start)
        job = score_job(config, panel, window, fit, combination)
        made.append(run(job, artefacts, parts[f"fold {window.index + 1}"]))
        scored.append(load_scores(load_panel(panel), window, made[-1]))
        combinations.append(combination)
    return made, scored, combinations


def next_combination(
    config: RunConfig, samples: Any, scored: Sequence[Scored], combinations: Sequence[Combination], moment: int
) -> Combination:
    """The stacker and calibration that may be used from a moment on."""
    earlier = [one.fold_scores(samples) for one in scored]
    stackers = [one.stacker for one in combinations]
    return combination_for(earlier, stackers, moment, config.ensemble.ridge, config.ensemble.clip)


@flow(
    name="train",
    flow_run_name="train {name}",
    task_runner=ThreadPoolTaskRunner(max_workers=WORKERS),
    validate_parameters=False,
)
def train_flow(
    name: str, config: RunConfig, folder: str, workspace: Workspace, progress: Stage, command: str
) -> Trained:
    """Train, certify, backtest and report one configuration; ``folder`` is the configuration file's."""
    stages = progress.plan({key: float(value) for key, value in WEIGHTS.items()})
    artefacts, lake, timer = Artefacts(workspace.artefacts), Lake(workspace.lake), Timer()
    if config.data.source == "embedded":
        data_stage.ingest_embedded(config.data, lake)
    facts = data_stage.describe(config.data, lake)
    instruments = data_stage.instruments(config.data, folder)
    stages["data"].finish(f"{sum(one.rows for one in facts.series):,} bars of {len(facts.series)} instruments")
    timer.lap("data")

    panel_artefact = run(panel_job(config, facts, lake), artefacts, stages["panel"])
    panel = load_panel(panel_artefact)
    stages["panel"].finish(f"{len(panel.samples):,} labelled decisions, {len(panel.feature_names)} features")
    timer.lap("features and labels")

    found = folds(config, panel)
    windows = fold_windows(found)
    last = final_window(config, facts)
    fits, cached = fit_all(config, panel_artefact, windows, artefacts, stages["fits"])
    timer.lap("fits", cached)
    made, scored, combinations = score_all(config, panel_artefact, windows, fits, artefacts, stages["scores"])
    timer.lap("out-of-fold scores")
    refit = run(refit_job(config, panel_artefact, last), artefacts, stages["refit"])
    timer.lap("final refit")

    predictions = fold_predictions(config, panel, found, scored, combinations)
    compared = compared_rows(config, panel, predictions)
    stages["evaluate"]("intervals", 0.3)
    judged = predictors(compared)
    stages["evaluate"].finish()
    timer.lap("evaluation")

    final = next_combination(config, panel.samples, scored, combinations, facts.cut + 1)
    statistics = {one.name: {key: value.value for key, value in one.scores.items()} for one in judged}
    job = assemble_job(config, facts, panel_artefact, refit, last, final, instruments, statistics)
    bundle = run(job, artefacts, stages["bundle"])
    timer.lap("graph, certificate, bundle")
    job = backtest_job(config, panel_artefact, windows, found, made, instruments)
    backtest = load_backtest(run(job, artefacts, stages["backtest"]))
    timer.lap("backtest")

    outcome = compose_result(
        config=config,
        command=command,
        lake=lake,
        facts=facts,
        panel_artefact=panel_artefact,
        folds=fold_results(panel, predictions),
        compared=compared,
        predictors=judged,
        fits=fits,
        refit=refit,
        combination=final,
        bundle=bundle.path / BUNDLE,
        backtest=backtest,
        stages=tuple(timer.stages),
    )
    show(outcome)
    return Trained(outcome, workspace.runs / outcome.run_id, bundle.path / BUNDLE, facts.cut)


def show(outcome: RunResult) -> None:
    """Leave the verdict and the table of predictors in the Prefect UI."""
    from pipelines.verdict import verdict

    said = verdict(outcome)
    create_markdown_artifact(key="verdict", markdown="\n\n".join([f"**{said.headline}**", *said.sentences]))
    rows = [
        {"predictor": one.name, **{key: score.value for key, score in one.scores.items()}} for one in outcome.predictors
    ]
    create_table_artifact(key="predictors", table=rows)
