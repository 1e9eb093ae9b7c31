"""What follows research in a run, each a task: registration, the untouched stretch on paper, report, tracking."""

from __future__ import annotations

import getpass
from itertools import chain, count
from pathlib import Path

import msgspec
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from models.bundle.names import CHALLENGER
from models.bundle.store import ModelStore
from pipelines.config import RunConfig
from pipelines.flows.retries import RETRIES
from pipelines.gates import verdicts
from pipelines.holdout import with_holdout
from pipelines.live import write_live
from pipelines.paper import paper_run, serve_config
from pipelines.report.write import write_card, write_report
from pipelines.results import REPORT_FILE, BundleInfo, RunResult
from pipelines.tracking import finished
from pipelines.workspace import Workspace


@task(name="registration", task_run_name="registration", cache_policy=NO_CACHE, **RETRIES)
def register(result: RunResult, bundle: Path, workspace: Workspace) -> RunResult:
    """Put the bundle into the model store and, if its gates pass, point ``@challenger`` at it; save the result.

    A second try finds what the first one did, and changes nothing.
    """
    store = ModelStore(workspace.store)
    version = store.put(bundle, result.name)
    stored = store.resolve(result.name, version)
    known = store.aliases(result.name).get(CHALLENGER)
    if known is None or known.digest != stored.digest:
        store.promote(result.name, version, CHALLENGER, verdicts(stored, CHALLENGER, None), getpass.getuser())
    info = BundleInfo(result.name, version, stored.digest, str(stored.folder), (CHALLENGER,))
    get_run_logger().info("%s version %d is @%s: bundle %s", result.name, version, CHALLENGER, stored.digest[:12])
    registered = msgspec.structs.replace(result, bundle=info)
    registered.save(workspace.runs / result.run_id)
    return registered


@task(name="paper", task_run_name="paper", cache_policy=NO_CACHE)
def trade_on_paper(result: RunResult, config: RunConfig, workspace: Workspace) -> tuple[RunResult, Path]:
    """Trade the untouched stretch in a live process; the result with it, saved, and the live configuration's file.

    It is not tried again: it computes what it computed, and a second session would go on from the first one's journal.
    A run that goes on after it was killed here trades under another name; the other process may be trading still.
    """
    version = finished.bundle_of(result).version or 0
    live = serve_config(config, free_name(workspace.journals, result.run_id), version)
    folder = workspace.runs / result.run_id
    path = write_live(live, folder)
    bundle = ModelStore(workspace.store).resolve(result.name, version)
    traded = msgspec.structs.replace(result, paper=paper_run(bundle, live, path, workspace))
    if traded.meta_study is not None:
        study = with_holdout(traded.meta_study, bundle, live, config, workspace)
        traded = msgspec.structs.replace(traded, meta_study=study)
    traded.save(folder)
    return traded, path


def free_name(journals: Path, run_id: str) -> str:
    """The run's name, or the first one with a number behind it that no journal has."""
    names = chain([run_id], (f"{run_id}-{number}" for number in count(2)))
    return next(name for name in names if not (journals / name).exists())


@task(name="report", task_run_name="report", cache_policy=NO_CACHE, **RETRIES)
def write_html(result: RunResult, workspace: Workspace) -> Path:
    """Write the HTML report and the model's card into the run's folder; the report's path."""
    folder = workspace.runs / result.run_id
    write_card(result, folder, ModelStore(workspace.store).history(result.name))
    return write_report(result, folder / REPORT_FILE)


@task(name="tracking", task_run_name="tracking", cache_policy=NO_CACHE, **RETRIES)
def track(result: RunResult, workspace: Workspace) -> None:
    """Write the run to MLflow; a second try finds what the first one finished."""
    written = finished.record(result, workspace.runs / result.run_id, workspace)
    get_run_logger().info("run %s is %s in %s", result.run_id, "now" if written else "already", workspace.mlflow_uri)


@task(name="registry mirror", task_run_name="registry mirror", cache_policy=NO_CACHE, **RETRIES)
def mirror(result: RunResult, workspace: Workspace) -> None:
    """Show the run's aliases in MLflow's registry."""
    shown = finished.mirror_aliases(result, workspace)
    get_run_logger().info("MLflow's registry shows %s", ", ".join(f"@{alias}" for alias in shown) or "no alias")


def track_and_mirror(result: RunResult, workspace: Workspace) -> None:
    """Both, with errors that say what is safe; see `pipelines.tracking.finished.explained`."""
    with finished.explained(result, workspace.runs / result.run_id, workspace):
        track(result, workspace)
        mirror(result, workspace)
