"""A workspace that was moved takes its MLflow store along: absolute artefact addresses are written anew.

MLflow stores an experiment's artefact folder as an absolute address and has no call to change it; a run tracked after
the move would write to where the workspace was. This concerns the workspace's own SQLite file only.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from pipelines.workspace import Workspace

ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
"""Tables and columns in which MLflow keeps addresses below the artefact folder."""


def follow(workspace: Workspace) -> bool:
    """Let every address below the artefact folder's old place point to where it is now; whether there was any.

    Nothing happens where MLflow is a server, or there is no store yet.
    """
    file = workspace.root / "mlflow.db"
    if workspace.mlflow_uri != f"sqlite:///{file}" or not file.is_file():
        return False
    now = workspace.mlflow_artefacts.resolve().as_uri()
    with closing(sqlite3.connect(file)) as database, database:
        before = old_places(database, now)
        for place in before:
            _rewrite(database, place, now)
    return bool(before)


def old_places(database: sqlite3.Connection, now: str) -> list[str]:
    """Artefact folders of experiments that lie elsewhere, but are named as the workspace's own is."""
    if "experiments" not in _tables(database):
        return []
    name = now.rpartition("/")[2]
    rows = database.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
    return sorted(place for (place,) in rows if place and place != now and place.rpartition("/")[2] == name)


def _rewrite(database: sqlite3.Connection, place: str, now: str) -> None:
    there = _tables(database)
    for table, column in ADDRESSES:
        if table in there:
            database.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {column} = ? OR {column} LIKE ? || '/%'",
                (now, len(place) + 1, place, place),
            )


def _tables(database: sqlite3.Connection) -> set[str]:
    return {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
