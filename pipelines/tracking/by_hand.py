"""Aliases that MLflow's registry shows otherwise than the model store has them: they are told, and never obeyed.

In MLflow anybody can move an alias with a click. Serving reads the store alone, so such a move reaches no market; but
whoever looks at MLflow then believes what is not so.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from models.bundle.store import AliasRecord, ModelStore
from pipelines.tracking.registry import DIGEST_TAG, Registry
from pipelines.workspace import Workspace

SQLITE = "sqlite:///"
SECONDS = 60
"""How long a live process waits for a registry on a server before it starts all the same."""
QUERY = """
SELECT a.alias, a.version, COALESCE(t.value, '') FROM registered_model_aliases a
LEFT JOIN model_version_tags t ON t.name = a.name AND t.version = a.version AND t.key = ?
WHERE a.name = ?
"""


class Shown(NamedTuple):
    """Where an alias stands in MLflow's registry: at which of its versions, and with which bundle (empty: none)."""

    version: int
    digest: str


def shown_aliases(workspace: Workspace, name: str) -> dict[str, Shown]:
    """A model's aliases in MLflow's registry; none where there is no MLflow.

    The workspace's own store is read as the SQLite file it is, which takes a millisecond and no MLflow.
    """
    uri = workspace.mlflow_uri
    if uri.startswith(SQLITE):
        return _read(Path(uri.removeprefix(SQLITE)), name)
    if find_spec("mlflow") is None:
        return {}
    from pipelines.tracking.tracker import mlflow_client

    return {alias: Shown(*at) for alias, at in Registry(mlflow_client(uri), uri).aliases(name).items()}


def _read(file: Path, name: str) -> dict[str, Shown]:
    if not file.is_file():
        return {}
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'registered_model_aliases'").fetchone():
            return {}
        rows = database.execute(QUERY, (DIGEST_TAG, name)).fetchall()
    return {alias: Shown(int(version), digest) for alias, version, digest in rows}


def differences(name: str, shown: Mapping[str, Shown], stored: Mapping[str, AliasRecord]) -> tuple[str, ...]:
    """In words, each alias that MLflow shows at another bundle than the store's.

    Examples
    --------
    >>> differences("spot", {"champion": Shown(2, "ab" * 32)}, {})[0].split(", but ")[0]
    'MLflow shows spot @champion at its version 2 (bundle abababababab)'
    """
    found = []
    for alias, (version, digest) in shown.items():
        record = stored.get(alias)
        if record is not None and record.digest == digest:
            continue
        has = "has no such alias" if record is None else f"has it at version {record.version} ({record.digest[:12]})"
        found.append(
            f"MLflow shows {name} @{alias} at its version {version} (bundle {digest[:12] or 'unknown'}), but the model "
            f"store {has}: it was moved by hand, and is not obeyed; move it with `bot4 models promote`"
        )
    return tuple(found)


def moved_by_hand(workspace: Workspace, name: str) -> tuple[str, ...]:
    """What MLflow's registry shows otherwise than the store has it, in words; also if MLflow cannot be asked."""
    try:
        shown = shown_aliases(workspace, name)
    except Exception as error:  # noqa: BLE001 - of MLflow, its database or the network: told, and nothing depends on it
        return (f"MLflow's registry at {workspace.mlflow_uri} cannot be asked for {name}: {type(error).__name__}",)
    return differences(name, shown, ModelStore(workspace.store).aliases(name))


def moved_by_hand_elsewhere(workspace: Workspace, name: str) -> tuple[str, ...]:
    """The same for a live process: a registry on a server is asked by another process, so that MLflow is not loaded."""
    if workspace.mlflow_uri.startswith(SQLITE):
        return moved_by_hand(workspace, name)
    command = [sys.executable, "-m", __name__, str(workspace.root), name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return (f"MLflow's registry at {workspace.mlflow_uri} did not answer in {SECONDS} s",)
    return tuple(done.stdout.splitlines())


if __name__ == "__main__":
    for sentence in moved_by_hand(Workspace(Path(sys.argv[1])), sys.argv[2]):
        sys.stdout.write(sentence + "\n")
