"""Aliases that MLflow's registry shows otherwise than the model store has them: they are told, and never obeyed.

In MLflow anybody can move or remove an alias with a click. Serving reads the store alone, so that reaches no market;
but whoever looks at MLflow then believes what is not so. A run that was killed before its tracking, or an MLflow that
did not answer, leaves an alias where it was before: where MLflow shows that, both causes are told.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from models.bundle.store import AliasRecord, ModelStore
from pipelines.tracking.registry import DIGEST_TAG, Registry
from pipelines.tracking.remedy import track_command
from pipelines.workspace import Workspace

SQLITE = "sqlite:///"
SECONDS = 60
"""How long a live process waits for a registry on a server before it starts all the same."""
ALIASES = """
SELECT a.alias, a.version, COALESCE(t.value, '') FROM registered_model_aliases a
LEFT JOIN model_version_tags t ON t.name = a.name AND t.version = a.version AND t.key = ?
WHERE a.name = ?
"""
VERSIONS = """
SELECT t.value, MAX(v.version) FROM model_versions v
JOIN model_version_tags t ON t.name = v.name AND t.version = v.version AND t.key = ?
WHERE v.name = ? AND v.current_stage <> 'Deleted_Internal' GROUP BY t.value
"""


class Shown(NamedTuple):
    """Where an alias stands in MLflow's registry: at which of its versions, and with which bundle (empty: none)."""

    version: int
    digest: str


class Registered(NamedTuple):
    """What MLflow's registry has of a model: its aliases, and its newest version of each bundle, by digest."""

    aliases: Mapping[str, Shown] = {}
    versions: Mapping[str, int] = {}


def registered(workspace: Workspace, name: str) -> Registered:
    """A model in MLflow's registry; nothing where there is no MLflow.

    The workspace's own store is read as the SQLite file it is, which takes a millisecond and no MLflow.
    """
    uri = workspace.mlflow_uri
    if uri.startswith(SQLITE):
        return _read(Path(uri.removeprefix(SQLITE)), name)
    if find_spec("mlflow") is None:
        return Registered()
    from pipelines.tracking.tracker import mlflow_client

    registry = Registry(mlflow_client(uri), uri)
    return Registered({alias: Shown(*at) for alias, at in registry.aliases(name).items()}, registry.versions(name))


def _read(file: Path, name: str) -> Registered:
    if not file.is_file():
        return Registered()
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'registered_model_aliases'").fetchone():
            return Registered()
        aliases, versions = (database.execute(query, (DIGEST_TAG, name)).fetchall() for query in (ALIASES, VERSIONS))
    return Registered({alias: Shown(int(version), digest) for alias, version, digest in aliases}, dict(versions))


def differences(
    name: str,
    found: Registered,
    stored: Mapping[str, AliasRecord],
    history: Sequence[AliasRecord],
    remedy: Callable[[str], str],
) -> tuple[str, ...]:
    """In words, each alias that MLflow does not show where the store has it.

    Parameters
    ----------
    history
        Of the model's aliases: where MLflow shows one where it was before, nobody need have moved it.
    remedy
        By a bundle's digest: how to have MLflow show it.

    Examples
    --------
    >>> found = Registered({"champion": Shown(2, "ab" * 32)})
    >>> differences("spot", found, {}, (), str)[0].split(", but ")[0]
    'MLflow shows spot @champion at its version 2 (bundle abababababab)'
    """
    said = []
    earlier = {(one.alias, one.digest) for one in history}
    for alias, (version, digest) in found.aliases.items():
        record = stored.get(alias)
        if record is not None and record.digest == digest:
            continue
        shows = f"{name} @{alias} at its version {version} (bundle {digest[:12] or 'unknown'})"
        if record is not None and (alias, digest) in earlier:
            said.append(
                f"MLflow shows {shows}, where it was before, but the model store {_has(record)}: MLflow was not told, "
                f"or it was moved back by hand, which is not obeyed; {remedy(record.digest)}"
            )
            continue
        has = "has no such alias" if record is None else _has(record)
        said.append(
            f"MLflow shows {shows}, but the model store {has}: it was moved by hand, and is not obeyed; move it with "
            "`bot4 models promote`"
        )
    for alias, record in stored.items():
        if alias not in found.aliases and record.digest in found.versions:
            said.append(
                f"MLflow shows no {name} @{alias}, but the model store {_has(record)}, which MLflow knows as its "
                f"version {found.versions[record.digest]}: it was removed by hand, or a run ended before it was shown; "
                f"{remedy(record.digest)}"
            )
    return tuple(said)


def _has(record: AliasRecord) -> str:
    return f"has it at version {record.version} ({record.digest[:12]})"


def remedy(workspace: Workspace, digest: str) -> str:
    """How to have MLflow show a bundle's aliases: the command, with the folder of the run if that is here."""
    from pipelines.errors import StageError
    from pipelines.runs import finished_runs

    try:
        runs = [one.run_id for one in finished_runs(workspace.runs) if one.bundle and one.bundle.digest == digest]
    except StageError:
        runs = []
    if not runs:
        return "`bot4 track` with the folder of the run that made it shows it there"
    return f"once its run is over, {track_command(workspace.runs / runs[0], workspace)} shows it there"


def moved_by_hand(workspace: Workspace, name: str) -> tuple[str, ...]:
    """What MLflow's registry shows otherwise than the store has it, in words; also if MLflow cannot be asked."""
    try:
        found = registered(workspace, name)
    except Exception as error:  # noqa: BLE001 - of MLflow, its database or the network: told, and nothing depends on it
        return (f"MLflow's registry at {workspace.mlflow_uri} cannot be asked for {name}: {type(error).__name__}",)
    store = ModelStore(workspace.store)
    return differences(name, found, store.aliases(name), store.history(name), partial(remedy, workspace))


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
