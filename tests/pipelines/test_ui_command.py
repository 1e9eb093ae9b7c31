"""``bot4 ui`` serves what was tracked, and stops what it started."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from contextlib import closing, contextmanager

import pytest
from typer.testing import CliRunner

from pipelines import servers
from pipelines.cli import app
from pipelines.servers import answers
from pipelines.tracking.tracker import Tracker
from pipelines.workspace import Workspace

RUNNER = CliRunner()
pytestmark = pytest.mark.xdist_group("mlflow")


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.loads(reply.read())


def test_it_serves_the_workspaces_experiments_until_it_is_told_to_stop(tmp_path):
    Tracker.local(Workspace(tmp_path), "to be seen")
    command = [
        sys.executable,
        "-c",
        "from pipelines.cli import main; main()",
        "ui",
        "--no-prefect",
        "--workspace",
        str(tmp_path),
    ]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_TRACKING", "BOT4_"))
    }
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        name, url, *_ = process.stdout.readline().split()
        assert name == "mlflow"
        found = post(f"{url}/api/2.0/mlflow/experiments/search", {"max_results": 10})
        assert "to be seen" in {one["name"] for one in found["experiments"]}
        with urllib.request.urlopen(url, timeout=30) as page:
            assert b"<title>MLflow</title>" in page.read()
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert not answers(url)


def test_mlflow_finds_its_tables_made(tmp_path, monkeypatch):
    """Its server would make them step by step in the file itself, and one that is killed then is refused ever after."""
    found = []

    @contextmanager
    def running(plans, logs, ready):
        with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
            found.extend(database.execute("SELECT version_num FROM alembic_version").fetchall())
        yield []

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    monkeypatch.setattr(servers, "running", running)
    monkeypatch.setattr(servers, "answers", lambda url, timeout: True)
    done = RUNNER.invoke(app, ["ui", "--no-prefect", "--check", "--workspace", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert len(found) == 1
    assert "all 1 pages answer" in done.output


def test_a_remote_tracking_server_is_only_named(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example:5000")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    done = RUNNER.invoke(app, ["ui", "--no-prefect", "--check", "--workspace", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "http://tracking.example:5000 (MLFLOW_TRACKING_URI)" in done.output


@pytest.mark.long
def test_check_starts_both_probes_them_and_stops(tmp_path):
    command = [
        sys.executable,
        "-c",
        "from pipelines.cli import main; main()",
        "ui",
        "--check",
        "--workspace",
        str(tmp_path),
    ]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_TRACKING", "PREFECT_"))
    }
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["mlflow", "prefect"]
    assert lines[2] == "all 2 pages answer"
    assert not any(answers(line.split()[1]) for line in lines[:2])
    assert (tmp_path / "prefect" / "prefect.db").is_file()
