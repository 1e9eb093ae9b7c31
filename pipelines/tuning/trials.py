"""Trials of a study, one after another in one process: suggested, registered, evaluated, told."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from pipelines.config import DataConfig, RunConfig
from pipelines.expected import expected_errors
from pipelines.ledger.record import failing, finish_trial, has_outcome, new_trial, resume
from pipelines.ledger.store import Ledger
from pipelines.ledger.study import Evaluation, StudyRecorder
from pipelines.ledger.trial import Stretch, Trial, fresh_id
from pipelines.stages import data as data_stage
from pipelines.stages.artefacts import Artefacts
from pipelines.stages.environment import code_digest
from pipelines.tuning.config import StudyConfig
from pipelines.tuning.evaluate import Evaluated, Ground, evaluate
from pipelines.tuning.storage import INTERRUPTED, PROCESS, open_storage, studies_url, this_process
from pipelines.tuning.study import base_values, open_study, study_folder
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from market.lake import Lake

METRICS, SCORES, EXCESS = "bot4.metrics", "bot4.scores", "bot4.excess"
"""User attributes of Optuna's trials: what the ledger keeps, every predictor's scores, each fold's loss."""
Tickets = Callable[[], bool]
"""Whether another trial may begin; asked once for each."""
After = Callable[[], None]
Heard = Callable[[int, int], None]
"""Called with a trial's number and how many of its folds are done."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What a process needs to try things: the study, its ground, where it is recorded, and what is told of it."""

    config: StudyConfig
    ground: Ground
    ledger: Ledger
    base: Trial
    study: Any
    folder: Path


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna without its log of every trial and without notices about new parts of its interface."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def set_up(config: StudyConfig, workspace: Workspace) -> Bench:
    """Find the data, the ledger and the study; nothing is tried yet.

    Raises
    ------
    TuningError
        If the study was begun about something else, or its storage cannot be reached.
    """
    lake = open_lake(config.base.data, workspace)
    facts = data_stage.describe(config.base.data, lake)
    instruments = data_stage.instruments(config.base.data, config.folder)
    ground = Ground(lake, Artefacts(workspace.artefacts), facts, instruments)
    return open_bench(config, workspace, ground, base_trial(config, ground))


def open_lake(data: DataConfig, workspace: Workspace) -> Lake:
    """The workspace's lake, with the embedded bars in it where they are a training's data."""
    from market.lake import Lake

    lake = Lake(workspace.lake)
    if data.source == "embedded":
        data_stage.ingest_embedded(data, lake)
    return lake


def base_trial(config: StudyConfig, ground: Ground) -> Trial:
    """The training's own configuration as a trial of the study, which need not be in the ledger."""
    evaluated = config.evaluated(config.base)
    made = new_trial(evaluated, ground.facts, code=code_digest(), instruments=ground.instruments, kind="optuna")
    # Trials never look behind the cut, where a training's untouched stretch begins.
    cut = ground.facts.cut
    return msgspec.structs.replace(made, touched=tuple(_before(one, cut) for one in made.touched if one.start < cut))


def open_bench(config: StudyConfig, workspace: Workspace, ground: Ground, base: Trial) -> Bench:
    """The study and the ledger of this process, over data that are known; errors as `set_up`."""
    storage = open_storage(studies_url(workspace, config.tuning.storage, os.environ))
    folder = study_folder(workspace, config.name)
    folder.mkdir(parents=True, exist_ok=True)
    with quiet():
        study = open_study(config, storage, base)
    return Bench(config, ground, Ledger.open(workspace), base, study, folder)


def _before(stretch: Stretch, cut: int) -> Stretch:
    return msgspec.structs.replace(stretch, stop=min(stretch.stop, cut))


def run_trials(
    bench: Bench, tickets: Tickets, threads: int, heard: Heard, after: After, claim: Mapping[str, Any] | None = None
) -> None:
    """Try as many configurations as there are tickets.

    A trial that fails for a reason that is told in a sentence is recorded as failed, and the next one begins; anything
    else is a defect and ends the process.

    Parameters
    ----------
    threads
        Fits that run side by side.
    after
        Called after every trial.
    claim
        What is kept with a trial beside which process tries it.
    """
    recorder = StudyRecorder(bench.ledger, bench.base)
    mine = {**this_process(), **(claim or {})}
    with ThreadPoolExecutor(threads) as fitters, quiet():
        while tickets():
            bench.study.optimize(objective(bench, recorder, fitters, heard, mine), n_trials=1, catch=told())
            after()


def told() -> tuple[type[BaseException], ...]:
    """The errors that end a trial and not the study."""
    return tuple(one for one in expected_errors() if one is not ModuleNotFoundError)


def objective(
    bench: Bench, recorder: StudyRecorder, fitters: Executor, heard: Heard, process: Mapping[str, Any]
) -> Callable[[Any], Any]:
    """The study's objective: what Optuna calls with a trial."""

    def tried(trial: Any) -> float | tuple[float, ...]:
        trial.set_user_attr(PROCESS, dict(process))
        try:
            return recorder.objective(
                lambda one: suggested(bench.config, one), lambda config: attempt(bench, trial, config, fitters, heard)
            )(trial)
        except KeyboardInterrupt:
            trial.set_user_attr(INTERRUPTED, True)
            raise

    return tried


def suggested(config: StudyConfig, trial: Any) -> RunConfig:
    """The configuration that a trial suggests, as it is run."""
    values = {one.key: one.suggest(trial) for one in config.space}
    return config.evaluated(config.configured(values))


def attempt(bench: Bench, trial: Any, config: RunConfig, fitters: Executor, heard: Heard) -> Evaluation:
    """Evaluate a trial's configuration, and stop where the pruner says so."""
    import optuna

    tuning, excess = bench.config.tuning, []

    def report(fold: int, value: float) -> None:
        excess.append(value)
        trial.set_user_attr(EXCESS, excess)
        heard(trial.number, fold + 1)
        if tuning.prunes:
            trial.report(value, fold)
            # After the last fold there is nothing left to save.
            if fold + 1 < bench.config.base.validation.folds and trial.should_prune():
                raise optuna.TrialPruned(f"worse than the best so far on {fold + 1} folds")

    found = evaluate(
        config,
        bench.config.base,
        tuning.predictor,
        tuning.objectives,
        bench.ground,
        fitters,
        report,
    )
    trial.set_user_attr(METRICS, found.metrics())
    trial.set_user_attr(SCORES, {name: dict(one) for name, one in found.scores.items()})
    save_cells(bench.folder, str(trial.number), found)
    values = tuple(found.values[name] for name in tuning.objectives)
    return Evaluation(values[0] if len(values) == 1 else values, found.metrics(), found.returns)


def save_cells(folder: Path, name: str, found: Evaluated) -> None:
    """Keep a trial's losses by time cell, from which trials are compared at the end."""
    place = losses_of(folder, name)
    place.parent.mkdir(exist_ok=True)
    np.save(place, found.cells, allow_pickle=False)


def losses_of(folder: Path, name: str) -> Path:
    """Where a trial's losses by time cell are."""
    return folder / "losses" / f"{name}.npy"


def evaluate_base(bench: Bench, fitters: Executor, heard: Heard) -> Evaluated:
    """The training's own configuration, which is in the cache if it is one of the trials; else it is a trial too."""
    config, tuning = bench.config, bench.config.tuning
    base = config.evaluated(config.base)

    def found() -> Evaluated:
        return evaluate(
            base,
            config.base,
            tuning.predictor,
            tuning.objectives,
            bench.ground,
            fitters,
            lambda fold, _: heard(-1, fold + 1),
        )

    if base_values(config) is not None or losses_of(bench.folder, "base").is_file():
        return found()
    note = f"study {bench.study.study_name}, the training's own configuration"
    trial = resume(bench.ledger, msgspec.structs.replace(bench.base, id=fresh_id(), created=time.time_ns(), note=note))
    with failing(bench.ledger, trial):
        evaluated = found()
    if not has_outcome(bench.ledger, trial):
        finish_trial(bench.ledger, trial, metrics=evaluated.metrics(), returns=evaluated.returns)
    save_cells(bench.folder, "base", evaluated)
    return evaluated
