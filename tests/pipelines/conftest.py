"""A small finished training, made once: two instruments, all four members, every stage, live on paper."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from pipelines.commands.ui import prefect_plan
from pipelines.prefect_settings import SETTINGS
from pipelines.report import view, write
from pipelines.servers import free_port, running
from pipelines.tracking import tracker
from pipelines.tracking.database import SCHEME, make_database
from tests.pipelines.small_training import embedded, training

MAIN = "from pipelines.cli import main; main()"
CONFIG = training(
    "tiny",
    embedded("BTC", "ETH"),
    """
[laboratory]
groups = 4
draws = 200
importance_rows = 200
importance_single_rows = 500

[trading.risk]
drawdown = 0.9

# Trades on nearly every signal, edge or not: there must be orders to compare.
[trading.decision]
margin = -0.02

[members.lstm]
hidden = 8
epochs = 2

[members.lightgbm]
[members.xgboost]
[members.linear]
""",
)


class Road(NamedTuple):
    """The workspace, the configuration's path, the run's folder, and what `bot4 train` printed."""

    workspace: Path
    config: Path
    run: Path
    said: str


def bot4(*arguments, cwd=None, environment=None):
    """Run the command line in a process of its own."""
    command = [sys.executable, "-c", MAIN, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environment)


def contents(folder):
    """Every file below a folder with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="session", autouse=True)
def mlflow_migrated_once(tmp_path_factory):
    """MLflow's migrations take a second: in this process they make one database, of which all others are copies."""
    made = tmp_path_factory.mktemp("mlflow") / "mlflow.db"

    def copied(uri):
        path = Path(uri.removeprefix(SCHEME))
        if uri.startswith(SCHEME) and path.parent.is_dir() and not path.exists():
            make_database(f"{SCHEME}{made}")
            shutil.copyfile(made, path)
        make_database(uri)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracker, "make_database", copied)
        yield


@pytest.fixture(scope="session")
def road(tmp_path_factory):
    folder = tmp_path_factory.mktemp("road")
    config = folder / "tiny.toml"
    config.write_text(CONFIG)
    # An override that says what the file says: what a training starts must not take it for its own.
    overridden = {**os.environ, "BOT4__LABORATORY__DRAWS": "200"}
    done = bot4("train", config, "--workspace", folder / "workspace", environment=overridden)
    assert done.returncode == 0, done.stderr
    (run,) = (folder / "workspace" / "runs").iterdir()
    return Road(folder / "workspace", config, run, done.stdout)


class Undrawn(dict):
    """Figures by name, of which none was drawn."""

    def __missing__(self, name):
        return {"name": name, "caption": "", "source": ""}


@pytest.fixture
def undrawn(monkeypatch):
    """Reports without their figures, which take nearly all of the time: for tests of what is said in words."""
    monkeypatch.setattr(view, "gallery", lambda result: {})
    monkeypatch.setattr(write, "view", lambda result: {**view.view(result), "figures": Undrawn()})


def served(server, **more):
    """The environment of a command whose flows a running Prefect server keeps, not one of its own for each."""
    return {**os.environ, "PREFECT_API_URL": server, **more}


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A Prefect server's API address: one that a killed process had started for itself would stay behind."""
    folder = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        patch.setenv("PREFECT_HOME", str(folder))
        plan = prefect_plan(free_port())
        with running([plan], folder, lambda *_: None):
            yield f"{plan.url}/api"
