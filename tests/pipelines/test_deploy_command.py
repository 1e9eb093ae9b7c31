"""``bot4 deploy``: a real Prefect server knows the retraining, its schedule and its parameters, and runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import pytest

from models.bundle.store import ModelStore
from pipelines.commands.deploy import what_runs_it
from pipelines.servers import answers, free_port
from tests.pipelines.conftest import MAIN, bot4
from tests.pipelines.grown import grown_workspace

pytestmark = pytest.mark.xdist_group("retraining")
PATIENCE = 300


def ask(server, path, content=None):
    """A GET of Prefect's API, or a POST of some content."""
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(f"{server}/{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.loads(reply.read())


def environment(server, workspace):
    return {**os.environ, "PREFECT_API_URL": server, "PREFECT_HOME": str(workspace.prefect)}


def test_a_retraining_is_registered_once_and_brought_up_to_date(server, tmp_path):
    workspace, path = grown_workspace(tmp_path)
    for schedule in ("15 2 * * *", "45 3 * * 1"):
        path.write_text(f'run = "run.toml"\nschedule = "{schedule}"\n')
        done = bot4("deploy", path, "--workspace", workspace.root, environment=environment(server, workspace))
        assert done.returncode == 0, done.stderr
        assert f"retrain/grown is registered, due at `{schedule}` (UTC) for workers of pool bot4" in done.stdout
        found = ask(server, "deployments/name/retrain/grown")
        assert [(one["schedule"]["cron"], one["active"]) for one in found["schedules"]] == [(schedule, True)]
        assert found["parameters"] == {"conf": str(path), "workspace": str(workspace.root)}
        assert found["entrypoint"] == "pipelines.flows.retrain.retrain_flow"
        assert found["work_pool_name"] == "bot4"
    assert len(ask(server, "deployments/filter", {})) == 1
    path.write_text('run = "run.toml"\nschedule = "every now and then"\n')
    done = bot4("deploy", path, "--workspace", workspace.root, environment=environment(server, workspace))
    assert done.returncode == 2
    assert "schedule is 'every now and then', which is no cron line" in done.stderr


def ended(server, run):
    """The flow run's state once it is final."""
    for _ in range(PATIENCE):
        state = ask(server, f"flow_runs/{run}")["state"]["type"]
        if state in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
            return state
        time.sleep(1.0)
    return state


@pytest.mark.long
def test_what_is_due_is_run_by_the_process_that_stays(server, tmp_path):
    """Twice: the first trains, the second finds that nothing is new."""
    workspace, path = grown_workspace(tmp_path)
    command = [sys.executable, "-c", MAIN, "deploy", str(path), "--serve", "--workspace", str(workspace.root)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=environment(server, workspace), start_new_session=True
        )
        try:
            for _ in range(PATIENCE):
                if "retrain/grown" in (tmp_path / "log").read_text():
                    break
                time.sleep(1.0)
            deployment = ask(server, "deployments/name/retrain/grown")["id"]
            for _ in range(2):
                run = ask(server, f"deployments/{deployment}/create_flow_run", {"state": {"type": "SCHEDULED"}})["id"]
                assert ended(server, run) == "COMPLETED", (tmp_path / "log").read_text()
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)
    assert [one.version for one in ModelStore(workspace.store).versions("grown")] == [1]
    artifacts = ask(server, "artifacts/filter", {"artifacts": {"key": {"any_": ["retraining"]}}})
    assert sorted("Nothing is done" in one["data"] for one in artifacts) == [False, True]


def scheduled(server, deployment):
    """The runs that the server has made of a deployment's schedule, once it has looked."""
    for _ in range(PATIENCE):
        runs = ask(server, "flow_runs/filter", {"deployments": {"id": {"any_": [deployment]}}})
        if found := [one for one in runs if one["auto_scheduled"]]:
            break
        time.sleep(1.0)
    return found


def test_without_a_server_it_says_that_nothing_runs_it_yet_and_what_does(tmp_path):
    plan = SimpleNamespace(path="retrain.toml", about=SimpleNamespace(schedule="15 2 * * *"))
    said = what_runs_it("retrain/grown", plan, False, "/elsewhere")
    assert "nothing runs it yet: PREFECT_API_URL is not set" in said
    assert "for workers" not in said
    assert "  bot4 deploy retrain.toml --serve --workspace /elsewhere\n" in said
    assert "  bot4 ui --prefect-port 4200 --workspace /elsewhere, and" in said
    assert said.endswith("  PREFECT_API_URL=http://127.0.0.1:4200/api prefect worker start --pool bot4")
    assert "nothing runs it yet" not in what_runs_it("retrain/grown", plan, True, "")
    assert "--workspace" not in what_runs_it("retrain/grown", plan, False, "")


@contextmanager
def process(command, log, environment):
    """A process of its own group, ended with all that it started."""
    with log.open("w") as output:
        started = subprocess.Popen(command, stdout=output, stderr=output, env=environment, start_new_session=True)
        try:
            yield started
        finally:
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGTERM)
            try:
                started.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(started.pid, signal.SIGKILL)


@pytest.mark.long
def test_what_is_registered_without_a_server_is_run_by_the_ui_s_and_a_worker(tmp_path):
    """The second way that the message names, to the word but for the port."""
    workspace, path = grown_workspace(tmp_path)
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = bot4("deploy", path, "--workspace", workspace.root, environment=alone)
    assert done.returncode == 0, done.stderr
    *_, ui, worker = (one.strip() for one in done.stdout.splitlines())
    port = free_port()
    assert ui == f"bot4 ui --prefect-port 4200 --workspace {workspace.root}, and beside it"
    address, _, command = worker.replace("4200", str(port)).partition(" ")
    assert command == "prefect worker start --pool bot4"
    server = address.removeprefix("PREFECT_API_URL=")
    shown = [sys.executable, "-c", MAIN, "ui", "--prefect-port", str(port), "--workspace", str(workspace.root)]
    with process(shown, tmp_path / "ui", alone):
        for _ in range(PATIENCE):
            if answers(f"{server}/health"):
                break
            time.sleep(1.0)
        started = [sys.executable, "-m", *command.split()]
        told = {"PREFECT_API_URL": server, "PREFECT_HOME": str(tmp_path / "home")}
        with process(started, tmp_path / "worker", alone | told):
            deployment = ask(server, "deployments/name/retrain/grown")["id"]
            run = ask(server, f"deployments/{deployment}/create_flow_run", {"state": {"type": "SCHEDULED"}})["id"]
            assert ended(server, run) == "COMPLETED", (tmp_path / "worker").read_text()
            assert scheduled(server, deployment), "the server makes the runs of the schedule, as it did not without one"
    assert [one.version for one in ModelStore(workspace.store).versions("grown")] == [1]
