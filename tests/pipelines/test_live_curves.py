"""Learning curves are in MLflow while a training runs, once, and in the run that the finished training fills."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time

import msgspec
import pytest

from pipelines.tracking import live
from pipelines.tracking.content import curve_name
from pipelines.tracking.finished import is_tracked
from pipelines.tracking.live import LIVE_TAG, live_curves
from pipelines.tracking.tracker import Tracker
from pipelines.workspace import Workspace
from tests.pipelines.factory import make_result

pytestmark = pytest.mark.xdist_group("mlflow")
NAME = "artificial"
KILLED = """
import os, sys, time
from pathlib import Path
from pipelines.tracking.live import live_curves
from pipelines.workspace import Workspace

with live_curves("artificial", sys.argv[2], Workspace(Path(sys.argv[1]))) as told:
    told(0, "lstm", {"train_log_loss": 0.7}, 1)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("live"))


@pytest.fixture(scope="module")
def tracker(workspace):
    return Tracker.local(workspace, NAME)


@pytest.fixture(scope="module")
def result():
    made = make_result()
    return msgspec.structs.replace(made, learning_curves=made.learning_curves[:4], laboratory=None)


def history(tracker, run, name):
    return sorted((one.step, one.value) for one in tracker.client.get_metric_history(run.run_id, name))


def soon(what, seconds=300.0):
    """Wait until something is so; it is looked at, not timed."""
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.05)


def status(tracker, run):
    return tracker.client.get_run(run.run_id).info.status


def test_values_are_there_while_the_training_runs_and_the_finished_run_adds_what_is_missing(workspace, tracker, result):
    curve = result.learning_curves[0]
    name = curve_name(curve)
    with live_curves(NAME, result.run_id, workspace) as told:
        for step in (1, 2, 3):
            told(curve.fold, curve.member, {curve.name: curve.values[step - 1]}, step)
            run = tracker.find_live(result.run_id)
            soon(lambda step=step, run=run: len(history(tracker, run, name)) == step)
        assert status(tracker, run) == "RUNNING"
    assert status(tracker, run) == "RUNNING"
    assert not is_tracked(tracker, result.run_id)
    assert tracker.record(result).run_id == run.run_id
    assert status(tracker, run) == "FINISHED"
    for one in result.learning_curves:
        expected = [(step, value) for step, value in enumerate(one.values.tolist(), start=one.first)]
        assert history(tracker, run, curve_name(one)) == expected
    assert tracker.find_live(result.run_id) is None
    with live_curves(NAME, result.run_id, workspace) as told:
        assert told is None, "a finished run is not begun again"


@pytest.mark.parametrize(("error", "ends"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_training_that_fails_ends_its_run(workspace, tracker, error, ends):
    run_id = f"fails-{ends}"

    def training():
        with live_curves(NAME, run_id, workspace) as told:
            told(-1, "linear", {"validation_log_loss": 0.69}, 1)
            raise error

    with pytest.raises(error):
        training()
    run = tracker.find_live(run_id)
    assert status(tracker, run) == ends
    assert history(tracker, run, "learning/linear/validation_log_loss/final") == [(1, 0.69)]


def test_the_run_of_a_killed_process_is_ended_by_the_next_and_taken_up_by_its_own(workspace, tracker):
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(workspace.root), "killed"])
    try:
        soon(lambda: tracker.find_live("killed") is not None)
        run, name = tracker.find_live("killed"), "learning/lstm/train_log_loss/fold_1"
        soon(lambda: history(tracker, run, name) == [(1, 0.7)])
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert status(tracker, run) == "RUNNING"
    with live_curves(NAME, "another", workspace):
        assert status(tracker, run) == "KILLED"
        assert status(tracker, tracker.find_live("another")) == "RUNNING"
    with live_curves(NAME, "killed", workspace) as told:
        assert status(tracker, run) == "RUNNING"
        told(0, "lstm", {"train_log_loss": 0.7}, 1)
        told(0, "lstm", {"train_log_loss": 0.6}, 2)
    assert tracker.find_live("killed").run_id == run.run_id
    assert history(tracker, run, name) == [(1, 0.7), (2, 0.6)]
    assert tracker.client.get_run(run.run_id).data.tags[LIVE_TAG] == live.this_process()


def test_what_mlflow_does_stops_no_training(workspace, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with live_curves(NAME, "nobody", workspace) as told:
        assert told is None
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with live_curves(NAME, "broken", workspace) as told:
        monkeypatch.setattr(type(told.run), "values", lambda *_: 1 / 0)
        told(0, "lstm", {"train_log_loss": 0.7}, 1)
        soon(lambda: not any(one.name == "learning curves" for one in threading.enumerate()))
        told(0, "lstm", {"train_log_loss": 0.6}, 2)
    assert "nothing answers at http://127.0.0.1:9" in caplog.text
    assert "MLflow takes no more learning curves" in caplog.text
