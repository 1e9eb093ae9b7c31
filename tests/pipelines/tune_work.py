"""``python -m tests.pipelines.tune_work CONF WORKSPACE POINT …``: a study, killed at each point; "" kills nobody.

Points lie around what a study leaves in Optuna's storage, the ledger, MLflow and its folder, and around its artefacts.
They are told apart by what is written, a trial's state or attribute for example, and not by how often: a study that is
started again has less to do. Their names go into ``points`` beside the configuration; see `tests.pipelines.points`.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from mlflow import MlflowClient
from mlflow.store.tracking import sqlalchemy_store  # noqa: F401 - so that no study has to import it
from optuna import Study, Trial
from optuna.storages import RDBStorage
from optuna.storages._rdb.storage import _VersionManager

from market.lake.stores import FolderStore
from pipelines.figures import tuning as figures  # noqa: F401 - likewise
from pipelines.ledger.store import Ledger
from pipelines.prefect_settings import configure
from pipelines.progress import Lines, showing
from pipelines.tracking import tracker
from pipelines.tracking import tuning as tracking
from pipelines.tuning import trials, tune
from pipelines.tuning.config import load_study
from pipelines.tuning.storage import RETRY_OF
from pipelines.tuning.summary import StudySummary
from pipelines.workspace import Workspace
from tests.pipelines.points import Detail, Points, one_after_another


def always(*arguments, **options):
    return ""


def third(owner, name, key, *rest, **options):
    return key


def queued(study, params, user_attrs=None, **options):
    return "again" if RETRY_OF in (user_attrs or {}) else "base"


def state(storage, trial, state, *values, **options):
    return state.name


def begun(ledger, trial):
    return "base" if "own configuration" in trial.note else "trial"


def kind(client, experiment, *rest, tags, **options):
    return tags["bot4.kind"]


def ended(client, run, status="FINISHED", **options):
    return "parent" if not options else "trial"


def logged(client, run, metrics=(), params=(), tags=(), **options):
    return next(what for what, values in (("metrics", metrics), ("params", params), ("tags", tags)) if values)


LEAVES_BEHIND: tuple[tuple[object, str, Detail], ...] = (
    (FolderStore, "publish", always),
    (_VersionManager, "_init_version_info_model", always),
    (_VersionManager, "_set_alembic_revision", always),
    (RDBStorage, "create_new_study", always),
    (RDBStorage, "set_study_user_attr", third),
    (Study, "enqueue_trial", queued),
    (Study, "ask", always),
    (Trial, "suggest_float", always),
    (RDBStorage, "set_trial_user_attr", third),
    (RDBStorage, "set_trial_intermediate_value", always),
    (RDBStorage, "set_trial_state_values", state),
    (Ledger, "begin", begun),
    (Ledger, "finish", lambda ledger, outcome: outcome.status),
    (trials, "save_cells", lambda folder, name, found: "base" if name == "base" else "trial"),
    (StudySummary, "save", always),
    (tune, "write_winners", always),
    (tune, "draw_all", always),
    (tracker, "make_database", always),
    (MlflowClient, "create_experiment", always),
    (MlflowClient, "create_run", kind),
    (MlflowClient, "log_batch", logged),
    (MlflowClient, "log_figure", always),
    (MlflowClient, "log_table", always),
    (MlflowClient, "log_artifact", always),
    (MlflowClient, "set_terminated", ended),
    (tracking.StudyMirror, "finish", always),
)


def tune_once(conf: Path, workspace: Workspace, deadly: str) -> None:
    points = Points(deadly, conf.parent / "points")
    points.around_stages(workspace.artefacts)
    for owner, name, detail in LEAVES_BEHIND:
        points.around(owner, name, detail)
    with showing("killed", Lines(sys.stderr)) as progress:
        tune.tune(load_study(conf, {}), workspace, progress)


def main(conf: Path, workspace: Workspace, points: list[str]) -> None:
    configure(workspace)
    one_after_another(partial(tune_once, conf, workspace), points)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Workspace(Path(sys.argv[2])), sys.argv[3:])
