"""A training from its configuration to a tracked, registered challenger with a report: what ``bot4 train`` does."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from pathlib import Path

import msgspec

from models.bundle.store import ModelStore
from pipelines.config import RunConfig
from pipelines.flows.train import Trained, train_flow
from pipelines.gates import verdicts
from pipelines.paper import paper_run, serve_config, write_serve_config
from pipelines.progress import Stage
from pipelines.report.write import write_report
from pipelines.results import REPORT_FILE, BundleInfo, RunResult
from pipelines.workspace import Workspace

CHALLENGER = "challenger"


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished training: its result, the run's folder, the report and the live process's configuration."""

    result: RunResult
    folder: Path
    report: Path
    serve: Path


def register(trained: Trained, config: RunConfig, workspace: Workspace) -> RunResult:
    """Put the bundle into the model store and, if its gates pass, point ``@challenger`` at it."""
    store = ModelStore(workspace.store)
    version = store.put(trained.bundle, config.name)
    bundle = store.resolve(config.name, version)
    found = verdicts(bundle, CHALLENGER, trained.result)
    record = store.promote(config.name, version, CHALLENGER, found, getpass.getuser())
    info = BundleInfo(config.name, version, record.digest, str(bundle.folder), (CHALLENGER,))
    return msgspec.structs.replace(trained.result, bundle=info)


def track(result: RunResult, report: Path, workspace: Workspace) -> None:
    """Write the run to MLflow, and mirror the alias there."""
    from pipelines.tracking.mirror import mirror
    from pipelines.tracking.tracker import Tracker

    info = result.bundle
    if info is None:
        raise ValueError("a run without a bundle cannot be tracked")
    Tracker.local(workspace, result.name).record(result, report, Path(info.folder))
    mirror(workspace, info.name, info.digest, CHALLENGER)


def train(config: RunConfig, folder: Path, workspace: Workspace, progress: Stage, command: str) -> Finished:
    """Train, register, trade the untouched stretch on paper, report, track.

    Parameters
    ----------
    folder
        The configuration file's.
    command
        As the user gave it, for the report.
    """
    parts = progress.plan({"train": 10.0, "paper": 1.5, "report": 1.0, "tracking": 1.5})
    trained = train_flow(config.name, config, str(folder), workspace, parts["train"], command)
    result = register(trained, config, workspace)
    store = ModelStore(workspace.store)
    bundle = store.resolve(config.name, _version(result))
    live = serve_config(config, result.run_id, _version(result))
    path = write_serve_config(live, trained.folder)
    parts["paper"]("the untouched stretch, live on paper", 0.1)
    result = msgspec.structs.replace(result, paper=paper_run(bundle, live, path, workspace))
    parts["paper"].finish()
    result.save(trained.folder)
    report = write_report(result, trained.folder / REPORT_FILE)
    parts["report"].finish()
    parts["tracking"]("writing the run to MLflow", 0.1)
    track(result, report, workspace)
    parts["tracking"].finish()
    return Finished(result, trained.folder, report, path)


def _version(result: RunResult) -> int:
    if result.bundle is None or result.bundle.version is None:
        raise ValueError("the run's bundle is not in the store")
    return result.bundle.version
