"""A study from its configuration to its winner: what ``bot4 tune`` does."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pipelines.progress import Stage
from pipelines.tuning.config import StudyConfig
from pipelines.tuning.errors import TuningError
from pipelines.tuning.evaluate import Evaluated, base_panel
from pipelines.tuning.processes import run_processes, threads_each
from pipelines.tuning.storage import ended, recover
from pipelines.tuning.summary import StudySummary, rows, summarise
from pipelines.tuning.trials import EXCESS, Bench, evaluate_base, quiet, run_trials, set_up
from pipelines.tuning.winner import write_training
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from pipelines.tracking.tuning import StudyMirror

WEIGHTS = {"panel": 15.0, "trials": 300.0, "base": 5.0, "figures": 5.0, "tracking": 15.0}
"""Rough seconds of each stage, for the progress display."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """A study that reached its number of trials.

    ``winners``: trainings' configurations by trial, the best one first; of several objectives those of the front.
    ``recovered``: trials that killed processes had left. ``untracked``: why MLflow has not taken it all, if so.
    ``notes``: what is to be known of a cluster's workers.
    """

    summary: StudySummary
    folder: Path
    winners: dict[int, Path]
    recovered: int
    untracked: str = ""
    notes: tuple[str, ...] = ()


class Mirroring:
    """MLflow beside a study: what it does not take now is taken when the study is run again."""

    def __init__(self, bench: Bench, workspace: Workspace) -> None:
        self._bench = bench
        self._workspace = workspace
        self._mirror: StudyMirror | None = None
        self.trouble = ""

    def __call__(self) -> None:
        """Write what has ended since."""
        self._trying(lambda mirror: mirror.write(rows(self._bench)))

    def finish(self, summary: StudySummary, files: list[Path]) -> None:
        """Write the rest: figures, table, files."""

        def write(mirror: StudyMirror) -> None:
            mirror.write(summary.trials)
            mirror.finish(summary, files)

        self._trying(write)

    def _trying(self, write: Callable[[StudyMirror], None]) -> None:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        from pipelines.tracking.finished import reason

        if self.trouble:
            return
        try:
            self._mirror = self._mirror or self._open()
            write(self._mirror)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            self.trouble = reason(error)

    def _open(self) -> StudyMirror:
        from pipelines.tracking.tuning import open_mirror

        config = self._bench.config
        return open_mirror(self._workspace, config.name, config.base.name, parent_parameters(config))


def parent_parameters(config: StudyConfig) -> dict[str, Any]:
    """What the study's parent run shows as parameters."""
    tuning = {
        key: value
        for key, value in msgspec.to_builtins(config.tuning).items()
        if key not in ("jobs", "storage", "cluster", "trials")
    }
    return {"training": config.training, "tuning": tuning, "space": {one.key: one.text() for one in config.space}}


def tune(config: StudyConfig, workspace: Workspace, progress: Stage) -> Tuned:
    """Try configurations until the study has its number of trials, then say what came of it.

    Run again, it goes on: trials that a kill broke off are tried again, and nothing is counted twice.

    Raises
    ------
    TuningError
        If the study was begun about something else, no trial finished, or a process ended early.
    ConfigError
        If a member is to be trained on a GPU that is not there.
    """
    if not config.tuning.cluster:
        config.check_devices()
    stages = progress.plan(WEIGHTS)
    bench = set_up(config, workspace)
    recovered = recover(bench.study, bench.ledger)
    base_panel(config.base, bench.ground, stages["panel"])
    stages["panel"].finish()
    mirroring = Mirroring(bench, workspace)
    missing = config.tuning.trials - len(ended(bench.study.get_trials(deepcopy=False)))
    notes: tuple[str, ...] = ()
    if missing > 0:
        again, notes = try_missing(bench, workspace, missing, stages["trials"], mirroring)
        recovered += again
    stages["trials"].finish()
    base = base_of(bench, stages["base"])
    with quiet():
        summary = summarise(bench, base)
    summary.save(bench.folder)
    winners = write_winners(bench, summary)
    draw_all(summary, bench.folder / "figures")
    stages["figures"].finish()
    stages["tracking"]("writing the study to MLflow", 0.1)
    mirroring.finish(summary, list(winners.values()))
    stages["tracking"].finish()
    return Tuned(summary, bench.folder, winners, recovered, mirroring.trouble, notes)


def try_missing(
    bench: Bench, workspace: Workspace, missing: int, progress: Stage, mirroring: Mirroring
) -> tuple[int, tuple[str, ...]]:
    """Try what is missing, in this process, in several, or on a cluster.

    Returns
    -------
    How many trials were broken off meanwhile and tried again, and what is to be known of a cluster's workers.

    Raises
    ------
    TuningError
        If a process ended early, or a cluster cannot be used.
    """
    shown, tuning = Shown(bench, missing, progress), bench.config.tuning
    jobs = min(tuning.jobs, missing)

    def watch() -> None:
        shown.look()
        mirroring()

    if tuning.cluster:
        from pipelines.tuning.cluster import run_on_cluster

        return run_on_cluster(bench, workspace, tuning.cluster, watch)
    if jobs == 1:
        left = iter(range(missing))
        run_trials(bench, lambda: next(left, None) is not None, threads_each(1), shown.heard, mirroring)
        return 0, ()
    codes = run_processes(bench.config, workspace, missing, jobs, watch)
    if codes:
        recover(bench.study, bench.ledger)
        raise TuningError(
            f"{len(codes)} of {jobs} processes ended early (exit code {', '.join(map(str, codes))}); what they were "
            "trying is queued again: run the same command to go on"
        )
    return 0, ()


class Shown:
    """The progress of the missing trials: whole ones, and the folds of those that are running."""

    def __init__(self, bench: Bench, missing: int, progress: Stage) -> None:
        self._bench = bench
        self._before = bench.config.tuning.trials - missing
        self._missing = missing
        self._folds = bench.config.base.validation.folds
        self._progress = progress

    def heard(self, number: int, folds: int) -> None:
        """A trial of this process has done some of its folds."""
        self.look(f"trial {number}, fold {folds} of {self._folds}")

    def look(self, what: str = "") -> None:
        """Look at the storage and show where the study is."""
        trials = self._bench.study.get_trials(deepcopy=False)
        done = len(ended(trials)) - self._before
        running = [one for one in trials if one.state.name == "RUNNING"]
        part = sum(len(one.user_attrs.get(EXCESS, ())) for one in running) / self._folds
        told = what or f"{len(running)} running"
        self._progress(f"{self._before + done} ended, {told}", min(1.0, (done + part) / self._missing))


def base_of(bench: Bench, progress: Stage) -> Evaluated:
    """The training's own configuration, from the cache if it was a trial."""
    folds = bench.config.base.validation.folds
    with ThreadPoolExecutor(threads_each(1)) as fitters:
        found = evaluate_base(
            bench, fitters, lambda _, done: progress("the training's own configuration", done / folds)
        )
    progress.finish()
    return found


def write_winners(bench: Bench, summary: StudySummary) -> dict[int, Path]:
    """The best trial as ``winner.toml``, or every trial of the front as ``front/<number>.toml``."""
    chosen = summary.front or (summary.best,)
    found = {}
    for number in sorted(chosen, key=lambda one: summary.trial(one).values["loss"]):
        path = (
            bench.folder / ("front" if summary.front else "") / (f"{number}.toml" if summary.front else "winner.toml")
        )
        about = f"Trial {number} of the study {summary.name}, of {len(summary.trials)} trials."
        found[number] = write_training(bench.config, summary.trial(number).parameters, path, about)
    return found


def draw_all(summary: StudySummary, folder: Path) -> None:
    """Write the figures into the study's folder."""
    from pipelines.figures.tuning import study_pictures

    folder.mkdir(exist_ok=True)
    for picture in study_pictures(summary):
        picture.figure.savefig(folder / f"{picture.name}.png", dpi=150)
