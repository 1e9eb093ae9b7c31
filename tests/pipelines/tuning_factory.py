"""Studies for tests: their files, a planted market to tune on, and processes that are killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import msgspec

from market.lake import Lake
from market.synthetic import SyntheticConfig, simulate
from pipelines.config import RunConfig
from pipelines.progress import showing
from pipelines.stages.data import series_key
from pipelines.toml import to_toml
from pipelines.tuning.config import load_study
from pipelines.tuning.tune import tune
from pipelines.workspace import Workspace
from tests.pipelines.conftest import MAIN
from tests.pipelines.planted_run import configuration
from tests.pipelines.small_training import embedded, training

BAD = {"learning_rate": 0.8, "leaves": 120, "depth": 12, "leaf_rows": 2, "l2": 0.0, "patience": 1, "rounds": 40}
"""LightGBM as nobody should configure it: it learns the noise and stops at once."""
SPACE = {
    "members.lightgbm.learning_rate": {"low": 0.02, "high": 0.9, "log": True},
    "members.lightgbm.leaf_rows": {"low": 1, "high": 100, "log": True},
    "members.lightgbm.leaves": {"low": 4, "high": 128, "log": True},
}
FEATURES = ("rsi_14", "scaled_return_1", "scaled_return_4", "scaled_return_16", "ewma_volatility_96")
EMBEDDED = training("tiny", embedded("BTC"), "\n[members.lightgbm]\nrounds = 30\n[members.linear]\n")


def quoted(space):
    """A space as TOML, a dotted key a line."""
    lines = [
        f'"{key}" = {{ {", ".join(f"{k} = {json.dumps(v)}" for k, v in one.items())} }}' for key, one in space.items()
    ]
    return "\n".join(["[space]", *lines])


def write_study(folder, text=EMBEDDED, space=SPACE, name="study", **tuning):
    """The two files of a study; gives the study's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "training.toml").write_text(text)
    head = to_toml({"name": name, "training": "training.toml", "tuning": tuning})
    path = folder / f"{name}.toml"
    path.write_text(f"{head}\n{quoted(space)}\n")
    return path


def planted_training(market, folder):
    """A training on a synthetic market whose trees are badly configured; its lake is below ``folder``."""
    config = configuration(market, members=("lightgbm",))
    lake = Lake(folder / "lake")
    for symbol, bars in market.bars.items():
        lake.write(series_key(config.data, symbol), bars)
    rules = {one.symbol: {k: v for k, v in one.to_dict().items() if k != "symbol"} for one in market.instruments}
    (folder / "rules.toml").write_text(to_toml(rules))
    raw = {
        "name": "planted",
        "data": {**given(config.data), "instruments": "rules.toml"},
        "features": {"names": list(FEATURES)},
        "labels": msgspec.to_builtins(config.labels),
        "validation": msgspec.to_builtins(config.validation),
        "trading": {"decision": {"margin": -0.0016}, "risk": {"drawdown": 1.0}},
        "members": {"lightgbm": BAD},
    }
    assert msgspec.convert(raw, RunConfig).labels == config.labels
    return to_toml(raw)


def given(data):
    return {key: value for key, value in msgspec.to_builtins(data).items() if value is not None and key != "listings"}


def planted_market(bars=6_000, seed=1):
    return simulate(SyntheticConfig(bars=bars), seed)


def run_study(path, folder, **changes):
    """Tune in this process; ``changes`` of the study's tuning."""
    study = load_study(path, {})
    study = msgspec.structs.replace(study, tuning=msgspec.structs.replace(study.tuning, **changes))
    with open(os.devnull, "w") as nowhere:
        from pipelines.progress import Lines

        with showing(study.name, Lines(nowhere)) as progress:
            return study, tune(study, Workspace(folder), progress)


def tuning_process(path, workspace, *options):
    """``bot4 tune`` as a process."""
    command = [sys.executable, "-c", MAIN, "tune", str(path), "--workspace", str(workspace), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def running(workspace, least):
    """Whether a trial from number ``least`` on is being tried, with a fold done."""
    database = workspace / "studies.db"
    if not database.is_file():
        return False
    asked = (
        "SELECT count(*) FROM trials JOIN trial_user_attributes USING (trial_id) "
        "WHERE state = 'RUNNING' AND number >= ? AND key = 'bot4.excess'"
    )
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        try:
            return connection.execute(asked, (least,)).fetchone()[0] > 0
        except sqlite3.OperationalError:
            return False


def killed_while_trying(path, workspace, least):
    """Start a study and kill it while it tries a trial from number ``least`` on; whether it could be killed so."""
    process = tuning_process(path, workspace)
    try:
        while process.poll() is None and not running(workspace, least):
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    return process.returncode == -signal.SIGKILL
