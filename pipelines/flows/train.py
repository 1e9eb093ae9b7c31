"""The training flow: from bars in the lake to a certified, registered, tracked model with an honest report."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.task_runners import ThreadPoolTaskRunner

from market.instruments import Instrument
from market.lake import Lake
from models.blas import one_blas_thread
from models.bundle.bundle import Bundle
from pipelines.audit.base import Trained
from pipelines.audit.stage import audit_job, load_audit
from pipelines.audit.text import headline as headline_of
from pipelines.config import RunConfig
from pipelines.devices import check_devices
from pipelines.flows.folds import fit_all, fit_features, score_all
from pipelines.flows.jobs import Scheduler
from pipelines.flows.laboratory import count_trials, examine, judge_all, study_features
from pipelines.flows.progress_artifact import shown_progress
from pipelines.flows.release import register, track_and_mirror, trade_on_paper, write_html
from pipelines.flows.retries import RETRIES
from pipelines.ledger.record import (
    MANUAL,
    RETRAINED,
    begin_trial,
    failing,
    finish_trial,
    has_outcome,
    headline,
    resume_trial,
)
from pipelines.ledger.store import Ledger
from pipelines.ledger.trial import Trial
from pipelines.predictions import OutOfFold
from pipelines.progress import Stage
from pipelines.results import RunResult
from pipelines.results import Stage as StageTime
from pipelines.stages import data as data_stage
from pipelines.stages.artefacts import Artefact, Artefacts
from pipelines.stages.assemble import BUNDLE, assemble_job
from pipelines.stages.backtest import backtest_job, load_backtest
from pipelines.stages.ensembles import ensembles_job, load_ensembles
from pipelines.stages.environment import code_digest
from pipelines.stages.evaluate import compared_rows, fold_predictions, fold_results, out_of_fold
from pipelines.stages.evidence import check_enough_rows
from pipelines.stages.feature_study import feature_study_job, load_feature_study
from pipelines.stages.fit import Live
from pipelines.stages.foreseen import check_burn_in, check_combining
from pipelines.stages.meta import load_meta, meta_job
from pipelines.stages.panel import load_panel, panel_job
from pipelines.stages.refit import refit_job
from pipelines.stages.score import next_combination, seen_columns
from pipelines.stages.scorecard import load_scorecard, scorecard_job
from pipelines.stages.summary import compose_result, new_run_id
from pipelines.stages.windows import check_length, final_window, fold_windows, folds
from pipelines.tracking.live import live_curves
from pipelines.workspace import Workspace

WORKERS = 2
RESEARCH = {
    "data": 4,
    "panel": 20,
    "fitted": 2,
    "fits": 90,
    "scores": 25,
    "refit": 20,
    "evaluate": 15,
    "ensembles": 10,
    "meta": 3,
    "bundle": 10,
    "backtest": 10,
    "audit": 20,
    "laboratory": 80,
    "importance": 10,
    "features": 3,
}
RELEASE = {"paper": 25, "report": 15, "tracking": 25}
"""Rough seconds of each stage on two cores, for the progress display."""


@dataclass(slots=True)
class Laps:
    """The stages' seconds, in order, and whether all a stage had to do was done already."""

    jobs: Scheduler
    stages: list[StageTime] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)

    def over(self, name: str, stage: Stage, what: str = "") -> None:
        """The stage that ran since the last one is over."""
        now, cached = time.monotonic(), self.jobs.all_cached()
        self.stages.append(StageTime(name, now - self.since, cached))
        get_run_logger().info("%s: %.1f s%s", name, now - self.since, " (cached)" if cached else "")
        if cached:
            stage.skip(what or "cached")
        else:
            stage.finish(what or "done")
        self.since = now


@dataclass(frozen=True, slots=True)
class Run:
    """What every step of research needs; ``command`` as the user gave it."""

    config: RunConfig
    command: str
    lake: Lake
    jobs: Scheduler
    laps: Laps
    instruments: tuple[Instrument, ...]
    stages: dict[str, Stage]


@dataclass(frozen=True, slots=True)
class Researched:
    """What research leaves: the run's result, not yet registered, its bundle's folder, and what was predicted."""

    result: RunResult
    bundle: Path
    predictions: OutOfFold


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished training: its result, the run's folder, the report and the live process's configuration."""

    result: RunResult
    folder: Path
    report: Path
    serve: Path


@task(name="data", task_run_name="data", cache_policy=NO_CACHE, **RETRIES)
def find_data(config: RunConfig, lake: Lake) -> data_stage.DataFacts:
    """The bars of a run, ingested first if they are the embedded ones."""
    if config.data.source == "embedded":
        data_stage.ingest_embedded(config.data, lake)
    return data_stage.describe(config.data, lake)


def research(
    config: RunConfig, folder: str, workspace: Workspace, progress: Stage, command: str, kind: str = MANUAL
) -> Researched:
    """Train, certify, backtest and judge; ``folder`` is the configuration file's.

    The run is a trial: it is in the ledger before anything of it is looked at, and its end is too. A retraining goes on
    with the record, and in the run's folder, of one that was killed.
    """
    check_devices(config)
    stages = progress.plan({key: float(value) for key, value in RESEARCH.items()})
    lake, jobs = Lake(workspace.lake), Scheduler(Artefacts(workspace.artefacts))
    run = Run(config, command, lake, jobs, Laps(jobs), data_stage.instruments(config.data, folder), stages)
    facts = find_data(config, lake)
    check_length(config, facts)
    check_burn_in(config, facts)
    bars = sum(one.rows for one in facts.series)
    run.laps.over("data", stages["data"], f"{bars:,} bars of {len(facts.series)} instruments")
    ledger, created = Ledger.open(workspace), time.time_ns()
    run_id = new_run_id(config, created)
    begin = resume_trial if kind == RETRAINED else begin_trial
    trial = begin(
        ledger, config, facts, code=code_digest(), instruments=run.instruments, kind=kind, run=run_id, created=created
    )
    with failing(ledger, trial):
        panel = prepare(run, facts)
        with live_curves(config.name, trial.run, workspace) as live:
            return investigate(run, facts, panel, ledger, trial, live)


def prepare(run: Run, facts: data_stage.DataFacts) -> Artefact:
    """Features, labels and weights, with which a training can end well: what forbids it is told before any fit."""
    artefact = run.jobs.run(panel_job(run.config, facts, run.lake), run.stages["panel"])
    panel = load_panel(artefact)
    check_enough_rows(panel, tuple(run.config.members))
    seen_columns(run.config, panel.feature_names)
    check_combining(run.config, panel, fold_windows(folds(run.config, panel)))
    decisions = f"{len(panel.samples):,} labelled decisions, {len(panel.feature_names)} features"
    run.laps.over("features and labels", run.stages["panel"], decisions)
    return artefact


def investigate(
    run: Run,
    facts: data_stage.DataFacts,
    panel_artefact: Artefact,
    ledger: Ledger,
    trial: Trial,
    live: Live | None = None,
) -> Researched:
    """Everything behind the panel: what it finds is the trial's outcome, and ``live`` is told how the members learn."""
    config, jobs, laps, stages = run.config, run.jobs, run.laps, run.stages
    panel = load_panel(panel_artefact)
    found = folds(config, panel)

    windows, last = fold_windows(found), final_window(config, facts)
    *panels, last_panel = fit_features(panel_artefact, [*windows, last], jobs, stages["fitted"])
    fits = fit_all(config, panels, windows, jobs, stages["fits"], live)
    laps.over("fits", stages["fits"])
    made, scored, combinations = score_all(config, panels, windows, fits, jobs, stages["scores"])
    laps.over("out-of-fold scores", stages["scores"])
    refit = jobs.run(refit_job(config, last_panel, last, live), stages["refit"])
    laps.over("final refit", stages["refit"])

    predictions = fold_predictions(config, panel, found, scored, combinations)
    compared = compared_rows(config, panel, predictions)
    job = scorecard_job(config, panel_artefact, windows, made, combinations, compared)
    judged = load_scorecard(jobs.run(job, stages["evaluate"]))
    laps.over("evaluation", stages["evaluate"])
    folded = [one.fold_scores(panel.samples) for one in scored]
    job = ensembles_job(config, panel_artefact, windows, made, combinations, folded, compared)
    ensembles = load_ensembles(jobs.run(job, stages["ensembles"]))
    laps.over("other ensembles", stages["ensembles"])
    second = None
    if config.meta is None:
        stages["meta"].skip("off")
    else:
        job = meta_job(config, panel_artefact, panel, windows, made, combinations, compared)
        second = load_meta(jobs.run(job, stages["meta"]))
        laps.over("second stage", stages["meta"])

    final = next_combination(config, panel.samples, scored, combinations, facts.cut + 1)
    statistics = {one.name: {key: value.value for key, value in one.scores.items()} for one in judged}
    job = assemble_job(config, facts, last_panel, refit, last, final, run.instruments, statistics)
    bundle = jobs.run(job, stages["bundle"]).path / BUNDLE
    laps.over("graph, certificate, bundle", stages["bundle"])
    job = backtest_job(config, panels, windows, found, made, run.instruments)
    traded = jobs.run(job, stages["backtest"])
    backtest = load_backtest(traded)
    laps.over("backtest", stages["backtest"])
    base = Trained(
        config,
        facts,
        run.lake,
        run.instruments,
        panel_artefact,
        found,
        windows,
        panels,
        fits,
        made,
        combinations,
        traded,
    )
    audit = load_audit(jobs.run(audit_job(base), stages["audit"]))
    laps.over("leakage audit", stages["audit"], headline_of(audit))

    examined = examine(
        config, panel_artefact, panels, windows, made, combinations, run.instruments, jobs, stages["laboratory"]
    )
    digest = Bundle.load(bundle).digest
    if not has_outcome(ledger, trial):
        finish_trial(ledger, trial, metrics=headline(judged, backtest), bundle=digest, returns=examined.by_day)
    trials, others = count_trials(ledger, trial, examined)
    laboratory = judge_all(config, panel, windows, compared, examined, trials, others)
    laps.over("laboratory", stages["laboratory"])

    study = study_features(config, panels, windows, fits, jobs, stages["importance"])
    if study is None:
        stages["importance"].skip("off")
    else:
        laps.over("importance", stages["importance"])
    job = feature_study_job(panel_artefact, panels, windows, facts.cut)
    features = load_feature_study(jobs.run(job, stages["features"]))
    laps.over("data and features", stages["features"])

    result = compose_result(
        config=config,
        command=run.command,
        lake=run.lake,
        facts=facts,
        panel_artefact=last_panel,
        folds=fold_results(panel, predictions),
        compared=compared,
        predictors=judged,
        fits=fits,
        refit=refit,
        combination=final,
        bundle=bundle,
        backtest=backtest,
        stages=tuple(laps.stages),
        trials=trials,
        laboratory=laboratory,
        importance_study=study,
        feature_study=features,
        ensemble_study=ensembles,
        meta_study=second,
        audit=audit,
        run_id=trial.run,
        created=trial.created,
    )
    return Researched(result, bundle, out_of_fold(config, panel, compared))


def release(found: Researched, config: RunConfig, workspace: Workspace, progress: Stage) -> Finished:
    """Register what research found, trade the untouched stretch on paper, report and track."""
    stages = progress.plan({key: float(value) for key, value in RELEASE.items()})
    found.predictions.save(workspace.runs / found.result.run_id)
    registered = register(found.result, found.bundle, workspace)
    stages["paper"]("the untouched stretch, live on paper", 0.1)
    result, serve = trade_on_paper(registered, config, workspace)
    stages["paper"].finish()
    show(result)
    report = write_html(result, workspace)
    stages["report"].finish()
    stages["tracking"]("writing the run to MLflow", 0.1)
    track_and_mirror(result, workspace)
    stages["tracking"].finish()
    return Finished(result, workspace.runs / result.run_id, report, serve)


@flow(
    name="train",
    flow_run_name="train {name}",
    task_runner=ThreadPoolTaskRunner(max_workers=WORKERS),
    validate_parameters=False,
)
def train_flow(
    name: str,
    config: RunConfig,
    folder: str,
    workspace: Workspace,
    progress: Stage,
    command: str,
    kind: str = MANUAL,
) -> Finished:
    """Research, then release: a run is complete when its model is registered, traded on paper, reported and tracked.

    One BLAS thread for all of it: what is computed between the stages decides their digests.
    """
    parts = progress.plan({"train": float(sum(RESEARCH.values())), "release": float(sum(RELEASE.values()))})
    with one_blas_thread(), shown_progress("training", f"training {name}", lambda: progress.fraction):
        found = research(config, folder, workspace, parts["train"], command, kind)
        return release(found, config, workspace, parts["release"])


def show(outcome: RunResult) -> None:
    """Leave the verdict and the table of predictors in the Prefect UI."""
    from pipelines.verdict import verdict

    said = verdict(outcome)
    create_markdown_artifact(key="verdict", markdown="\n\n".join([f"**{said.headline}**", *said.sentences]))
    rows = [
        {"predictor": one.name, **{key: score.value for key, score in one.scores.items()}} for one in outcome.predictors
    ]
    create_table_artifact(key="predictors", table=rows)
