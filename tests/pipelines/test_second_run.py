"""The same configuration again: from another place, all cached; without MLflow, finished but for the tracking."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import urllib.request
from collections import Counter
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from models.bundle.store import ModelStore
from pipelines.results import RunResult
from pipelines.tracking.moved import follow
from pipelines.workspace import Workspace
from tests.pipelines.conftest import bot4, served

pytestmark = pytest.mark.xdist_group("road")
ROOT = Path(__file__).resolve().parent.parent.parent
NOBODY = "http://127.0.0.1:9"


@contextmanager
def moved(road, folder):
    """A copy of the workspace at another place, while there is nothing at the old one."""
    shutil.copytree(road.workspace, folder, symlinks=True)
    away = road.workspace.with_name("away")
    road.workspace.rename(away)
    try:
        yield Workspace(folder)
    finally:
        made = road.workspace.exists()
        if made:
            shutil.rmtree(road.workspace)
        away.rename(road.workspace)
    assert not made, "something was written where the workspace was before"


def newest(workspace):
    folder = max(workspace.runs.iterdir(), key=lambda path: path.stat().st_mtime)
    return folder, RunResult.load(folder)


def artefacts(workspace):
    return {path.relative_to(workspace.root): path.stat().st_mtime_ns for path in workspace.artefacts.glob("*/*")}


def addresses(workspace):
    with closing(sqlite3.connect(workspace.root / "mlflow.db")) as database:
        return [
            value
            for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri"))
            for (value,) in database.execute(f"SELECT {column} FROM {table}")
        ]


def test_a_moved_workspace_finds_everything_and_forgets_where_it_was(road, server, tmp_path):
    with moved(road, tmp_path / "moved") as workspace:
        before = artefacts(workspace)
        done = bot4("train", road.config, "--workspace", workspace.root, environment=served(server))
        assert done.returncode == 0, done.stderr
        assert artefacts(workspace) == before
        folder, result = newest(workspace)
    assert all(stage.cached for stage in result.stages if stage.name != "data"), done.stdout
    assert f"{result.stages[-1].name} 0 s (cached)" in done.stdout
    assert result.bundle.folder.startswith(str(workspace.root))
    assert [one.version for one in ModelStore(workspace.store).versions("tiny")] == [1]
    assert str(road.workspace) not in (folder / "result.json").read_text()
    assert [one for one in addresses(workspace) if str(road.workspace) in one] == []
    for run in addresses(workspace):
        assert "mlruns" in run
    assert follow(workspace) is False, "nothing is left to be moved"


def test_without_mlflow_a_run_is_registered_saved_and_tracked_later(road, server, tmp_path):
    environment = served(server, MLFLOW_TRACKING_URI=NOBODY)
    before = flow_states(server)
    with moved(road, tmp_path / "moved") as workspace:
        done = bot4("train", road.config, "--workspace", workspace.root, environment=environment)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr + done.stdout
        (said,) = [line for line in done.stderr.splitlines() if not line.startswith("[")]
        folder, result = newest(workspace)
        for words in (NOBODY, "registered as tiny version 1", f"bot4 track {folder} --workspace {workspace.root}"):
            assert words in said
        assert result.paper.identical
        assert (folder / "report.html").is_file()
        assert ModelStore(workspace.store).resolve("tiny", "challenger").digest == result.bundle.digest
        assert flow_states(server)["FAILED"] == before["FAILED"] + 1

        again = bot4("track", folder, "--workspace", workspace.root, environment=environment)
        assert again.returncode == 2
        assert "Nothing is lost" in again.stderr
        for word in ("now", "already"):
            done = bot4("track", folder, "--workspace", workspace.root)
            assert done.returncode == 0, done.stderr
            assert f"is {word} in sqlite" in done.stdout
            assert "@challenger" in done.stdout
    with closing(sqlite3.connect(workspace.root / "mlflow.db")) as database:
        tracked = [one for (one,) in database.execute("SELECT value FROM tags WHERE key = 'bot4.run_id'")]
    assert tracked.count(result.run_id) == 1


def test_learning_curves_were_in_mlflow_before_anything_else_of_the_run(road):
    with closing(sqlite3.connect(road.workspace / "mlflow.db")) as database:
        (parent,) = {run for (run,) in database.execute("SELECT run_uuid FROM tags WHERE key = 'bot4.run_id'")}
        found = database.execute("SELECT key, timestamp, step FROM metrics WHERE run_uuid = ?", [parent]).fetchall()
        live = database.execute("SELECT count(*) FROM tags WHERE key = 'bot4.live'").fetchone()
    curves = {(name, step): at for name, at, step in found if name.startswith("learning/")}
    assert {name.split("/")[1] for name, _ in curves} == {"lstm", "lightgbm", "xgboost", "linear"}
    assert len(curves) == sum(name.startswith("learning/") for name, _, _ in found), "each is there once"
    assert max(curves.values()) < min(at for name, at, _ in found if name.startswith("oof/"))
    assert live == (0,)


def flow_states(server):
    """How many flow runs a Prefect server has in each state."""
    request = urllib.request.Request(f"{server}/flow_runs/filter", b"{}", {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return Counter(run["state_type"] for run in json.load(reply))


def test_prefect_names_every_task_by_its_stage(road):
    with closing(sqlite3.connect(road.workspace / "prefect" / "prefect.db")) as database:
        names = {name for (name,) in database.execute("SELECT name FROM task_run")}
        progress = database.execute("SELECT data FROM artifact WHERE type = 'progress'").fetchall()
        logs = "\n".join(text for (text,) in database.execute("SELECT message FROM log"))
    expected = {
        "data", "features, labels and weights", "linear, fold 1", "scores, fold 7", "final refit",
        "scores and their intervals", "graph, certificate, bundle", "backtest out of sample",
        "registration", "paper", "report", "tracking", "registry mirror",
    }  # fmt: skip
    assert expected <= names
    assert not [name for name in names if name.startswith(("job", "make"))]
    assert 100.0 in [float(data) for (data,) in progress]
    assert "making linear, fold 1 (fit-" in logs
    assert "tiny version 1 is @challenger" in logs


def test_another_process_in_an_empty_workspace_makes_the_same_bundle(road, tmp_path):
    """Same configuration, data, locks and machine: the flow's threads and another order of hashing change no bit."""
    command = [sys.executable, "-m", "tests.pipelines.stages_alone", str(road.config), str(tmp_path / "workspace")]
    environment = {**os.environ, "PYTHONHASHSEED": "3", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [ModelStore(road.workspace / "store").resolve("tiny", "challenger").digest]
