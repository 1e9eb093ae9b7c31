"""Tracking a finished run: its result, report and bundle in MLflow, and its alias in MLflow's registry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from models.bundle.store import ModelStore
from pipelines.errors import PipelineError
from pipelines.report.card import CARD_FILE, CARD_PAGE
from pipelines.results import REPORT_FILE, BundleInfo, RunResult
from pipelines.tracking.live import RUN_TAG
from pipelines.tracking.remedy import track_command
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from pipelines.tracking.tracker import Tracker

FILES = (REPORT_FILE, CARD_FILE, CARD_PAGE)


class TrackingError(PipelineError):
    """MLflow did not take what was to be tracked; the run itself is finished, registered and saved."""


def bundle_of(result: RunResult) -> BundleInfo:
    """The registered bundle of a result.

    Raises
    ------
    TrackingError
        If the run registered none.
    """
    if result.bundle is None or result.bundle.version is None:
        raise TrackingError(f"run {result.run_id} registered no model, so there is nothing to track; train again")
    return result.bundle


def is_tracked(tracker: Tracker, run_id: str) -> bool:
    """Whether the experiment has this run, finished."""
    wanted = f"tags.`{RUN_TAG}` = '{run_id}' and attributes.status = 'FINISHED'"
    return bool(tracker.client.search_runs([tracker.experiment_id], wanted, max_results=1))


def record(result: RunResult, folder: Path, workspace: Workspace) -> bool:
    """Write a run to MLflow unless it is there already; whether it was written.

    Parameters
    ----------
    folder
        The run's; its report and card go along, if there are any. The bundle is read from the model store.
    """
    from pipelines.tracking.moved import follow
    from pipelines.tracking.tracker import Tracker

    info = bundle_of(result)
    follow(workspace)
    tracker = Tracker.local(workspace, result.name)
    if is_tracked(tracker, result.run_id):
        return False
    store = ModelStore(workspace.store)
    bundle = store.resolve(info.name, info.version or 0)
    files = [path for path in (folder / name for name in FILES) if path.is_file()]
    tracker.record(result, files, bundle.folder, store.history(info.name))
    return True


def mirror_aliases(result: RunResult, workspace: Workspace) -> tuple[str, ...]:
    """Let MLflow's registry show every alias that the model store has for the run's bundle; returns them."""
    from pipelines.tracking.registry import Registry
    from pipelines.tracking.standing import refresh
    from pipelines.tracking.tracker import mlflow_client

    info, uri = bundle_of(result), workspace.mlflow_uri
    aliases = ModelStore(workspace.store).aliases(info.name)
    found = tuple(alias for alias, record in aliases.items() if record.digest == info.digest)
    registry = Registry(mlflow_client(uri), uri)
    for alias in found:
        registry.mirror_digest(info.name, info.digest, alias)
    refresh(registry, workspace, info.name)
    return found


@contextmanager
def explained(result: RunResult, folder: Path, workspace: Workspace) -> Iterator[None]:
    """Errors of MLflow, its database and the way to it, as one that says what is safe and how to go on.

    Raises
    ------
    TrackingError
        From the error itself.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except TrackingError:
        raise
    except (MlflowException, SQLAlchemyError, OSError, PipelineError) as error:
        raise untracked(error, result, folder, workspace) from error


def untracked(error: Exception, result: RunResult, folder: Path, workspace: Workspace) -> TrackingError:
    """What to tell a user whose run could not be tracked: what is safe, why, and how to track it later."""
    info = bundle_of(result)
    return TrackingError(
        f"MLflow at {workspace.mlflow_uri} did not take run {result.run_id}: {reason(error)}. Nothing is lost: the "
        f"model is registered as {info.name} version {info.version}, and the run's result and report are saved in "
        f"{folder}. When MLflow answers again (or with another MLFLOW_TRACKING_URI), run "
        f"{track_command(folder, workspace)}"
    )


def reason(error: BaseException) -> str:
    """An error on one line.

    Examples
    --------
    >>> reason(ConnectionError("refused  by the server."))
    'refused by the server'
    """
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
