"""Trainings that are killed (-9) at one point after another: the next one goes on, and ends as one that was not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from models.blas import one_blas_thread
from models.bundle.bundle import Bundle
from models.bundle.store import ModelStore
from pipelines.ledger.count import distinct
from pipelines.ledger.store import Ledger
from pipelines.results import RunResult
from pipelines.stages.assemble import BUNDLE
from tests.pipelines.grown import grown_workspace
from tests.pipelines.stages_alone import bundle_of
from tests.pipelines.test_lifeline import gone
from tests.pipelines.test_retraining import tracked

pytestmark = pytest.mark.xdist_group("retraining")
ROOT = Path(__file__).resolve().parent.parent.parent
FOUND = (
    "samples",
    "folds",
    "predictors",
    "differences",
    "reliability",
    "learning_curves",
    "importances",
    "feature_study",
    "ensemble_study",
    "weights",
    "backtest",
    "audit",
    "laboratory",
)
"""What a run finds, apart from when, where, as whom and how fast."""


def killed(what, path, workspace, *points, **environment):
    """Trainings in a workspace, one killed at each point and one that is not; see `tests.pipelines.train_work`."""
    command = [sys.executable, "-m", "tests.pipelines.train_work", what, path.with_name("run.toml"), workspace.root]
    said, erred = path.with_name("said"), path.with_name("erred")
    with said.open("w") as out, erred.open("w") as err:
        settings = {**os.environ, "PREFECT_HOME": str(workspace.prefect), **environment}
        done = subprocess.run([*command, *points], stdout=out, stderr=err, check=False, cwd=ROOT, env=settings)
    assert done.returncode == 0, erred.read_text()
    assert said.read_text().splitlines() == [*(f"-9 {point}" for point in points), "0 "], erred.read_text()


def left_behind(workspace):
    """Folders and files that were being written when a process was killed."""
    places = (workspace.artefacts, workspace.store, workspace.runs)
    return [path for place in places for path in place.rglob(".*") if path.name != ".lock"]


def check_ended_once(workspace, kills):
    """One version, under one alias, from one trial, tracked once; the result of the run that was not killed."""
    store, ledger = ModelStore(workspace.store), Ledger.open(workspace)
    assert [one.version for one in store.versions("grown")] == [1]
    assert [(one.alias, one.version, one.change) for one in store.history("grown")] == [("challenger", 1, 1)]
    entries = ledger.entries()
    assert ledger.verify().intact
    assert len(distinct(entries)) == 1
    assert 1 <= len(entries) <= kills + 1
    assert entries[-1].status == "finished"
    result = RunResult.load(workspace.runs / entries[-1].run)
    assert result.trials.distinct == 1
    assert result.paper.identical
    assert result.bundle.digest == entries[-1].outcome.bundle == store.versions("grown")[0].digest
    runs, versions = tracked(workspace)
    assert runs.count(result.run_id) == 1
    assert len(runs) == len(set(runs))
    assert versions == [1]
    assert left_behind(workspace) == []
    return result


def artefacts(workspace):
    return sorted(str(path.relative_to(workspace.artefacts)) for path in workspace.artefacts.glob("*/*"))


def test_killed_in_its_stages_a_training_makes_the_bundle_of_one_that_was_not(tmp_path):
    """The bare stages; what follows them is killed below, in `test_retraining` and in the store's tests."""
    workspace, path = grown_workspace(tmp_path)
    killed("stages", path, workspace, "during panel", "during fit", "filled fit", "made score", "filled bundle")
    whole, path = grown_workspace(tmp_path / "whole")
    with one_blas_thread():
        bundle = bundle_of(path.with_name("run.toml"), whole)
    assert artefacts(workspace) == artefacts(whole)
    (made,) = (workspace.artefacts / "bundle").iterdir()
    assert Bundle.load(made / BUNDLE).digest == bundle.digest
    assert left_behind(workspace) == []


@pytest.mark.long
def test_killed_at_every_point_a_training_ends_as_one_that_was_not(server, tmp_path):
    (whole, its), (workspace, ours) = (grown_workspace(tmp_path / name) for name in ("whole", "killed"))
    killed("train", its, whole, PREFECT_API_URL=server)
    reached = list(dict.fromkeys(its.with_name("points").read_text().splitlines()))
    points = [one for one in reached if not one.startswith(("ready", "made"))]
    assert len(points) >= 40
    assert {f"filled {stage.name}" for stage in whole.artefacts.iterdir()} <= set(points)
    killed("train", ours, workspace, *points, PREFECT_API_URL=server)
    print(f"{len(points)} kills: {', '.join(points)}")
    one, other = check_ended_once(workspace, len(points)), check_ended_once(whole, 0)
    assert artefacts(workspace) == artefacts(whole)
    for name in FOUND:
        mine, theirs = (
            str(msgspec.to_builtins(getattr(each, name), enc_hook=np.ndarray.tolist)) for each in (one, other)
        )
        assert mine == theirs, name


STARTS = """
import sys, time
from pathlib import Path
from pipelines.prefect_settings import configure
from pipelines.workspace import Workspace
configure(Workspace(Path(sys.argv[1])))
from pipelines.flows.lifeline import server_ends_with_us
server_ends_with_us()
server_ends_with_us()
from prefect.server.api.server import SubprocessASGIServer
server = SubprocessASGIServer(int(sys.argv[2]))
server.start() if sys.argv[3] == "ready" else None
process = server.server_process or server._run_uvicorn_command()
print(process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("when", ["starting", pytest.param("ready", marks=pytest.mark.long)])
def test_the_temporary_server_of_a_killed_run_ends_with_it(tmp_path, when):
    from pipelines.servers import free_port

    command = [sys.executable, "-c", STARTS, str(tmp_path), str(free_port()), when]
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    with (tmp_path / "erred").open("w") as err:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, text=True, cwd=ROOT, env=environment)
    said = process.stdout.readline()
    process.kill()
    process.communicate()
    assert said, (tmp_path / "erred").read_text()
    assert gone(int(said))
