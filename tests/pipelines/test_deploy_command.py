"""``bot4 deploy``: a real Prefect server knows the retraining, its schedule and its parameters, and runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from models.bundle.store import ModelStore
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
        assert f"retrain/grown is registered, due at `{schedule}` (UTC)" in done.stdout
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
