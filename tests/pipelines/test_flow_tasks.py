"""Tasks of the flow: what is tried again and what is not, and what Prefect's API is told, over a server of its own."""

from __future__ import annotations

import logging
import time

import pytest
from mlflow.exceptions import MlflowException
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, FlowRunFilter, LogFilter
from prefect.states import Completed
from prefect.testing.utilities import prefect_test_harness

from pipelines.flows import release
from pipelines.flows.console import RUN_LOGGERS, keep_runs_off_the_terminal
from pipelines.flows.jobs import Scheduler
from pipelines.flows.progress_artifact import shown_progress
from pipelines.flows.retries import may_pass
from pipelines.progress import Lines, showing
from pipelines.stages.artefacts import Artefacts, job
from pipelines.tracking import finished
from pipelines.workspace import Workspace
from tests.pipelines.factory import make_result

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.fixture(scope="module", autouse=True)
def server():
    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture
def whole(tmp_path):
    with (tmp_path / "progress").open("w") as stream, showing(display=Lines(stream)) as stage:
        yield stage


def failing(error, times=1):
    """A function that raises an error the first times, then gives True; and how often it was called."""
    calls = []

    def function(*arguments):
        calls.append(arguments)
        if len(calls) <= times:
            raise error
        return True

    return function, calls


def raised_from(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionResetError("by peer"), True),
        (TimeoutError("too long"), True),
        (OSError(5, "Input/output error"), True),
        (MlflowException("API request failed"), True),
        (raised_from(MlflowException.invalid_parameter_value("wrong"), ConnectionError("refused")), True),
        (MlflowException.invalid_parameter_value("wrong"), False),
        (FileNotFoundError("gone"), False),
        (PermissionError("not yours"), False),
        (ValueError("wrong"), False),
    ],
)
def test_only_errors_of_input_and_output_may_pass(error, expected):
    assert may_pass(error) is expected


def test_tracking_that_fails_once_succeeds_on_the_second_try(monkeypatch, tmp_path):
    function, calls = failing(ConnectionError("refused"))
    monkeypatch.setattr(finished, "record", function)
    monkeypatch.setattr(finished, "mirror_aliases", lambda *arguments: ())

    @flow(name="tracks", validate_parameters=False)
    def tracks():
        release.track_and_mirror(make_result(), Workspace(tmp_path))
        return Completed(message="tracked")

    assert tracks(return_state=True).is_completed()
    assert len(calls) == 2


def test_an_alias_that_the_registry_did_not_take_is_tried_again(monkeypatch, tmp_path):
    function, calls = failing(MlflowException("API request failed"), times=2)
    monkeypatch.setattr(finished, "record", lambda *arguments: True)
    monkeypatch.setattr(finished, "mirror_aliases", lambda *arguments: function() and ("challenger",))

    @flow(name="mirrors", validate_parameters=False)
    def mirrors():
        release.track_and_mirror(make_result(), Workspace(tmp_path))
        return Completed(message="mirrored")

    assert mirrors(return_state=True).is_completed()
    assert len(calls) == 3


def test_what_will_not_pass_is_tried_once_and_fails_the_flow_with_one_paragraph(monkeypatch, tmp_path):
    function, calls = failing(MlflowException.invalid_parameter_value("no such thing"), times=9)
    monkeypatch.setattr(finished, "record", function)

    @flow(name="refused", validate_parameters=False)
    def refused():
        release.track_and_mirror(make_result(), Workspace(tmp_path))

    state = refused(return_state=True)
    assert state.is_failed()
    assert len(calls) == 1
    with pytest.raises(finished.TrackingError, match=r"registered as artificial version 3.*`bot4 track ") as raised:
        state.result()
    assert "\n" not in str(raised.value)


def test_a_stage_whose_disk_failed_once_is_made_and_then_cached(tmp_path, whole):
    function, calls = failing(OSError(5, "Input/output error"))

    def build(draft, progress):
        function()
        draft.json("said", "made")

    made = job("fit", "linear, fold 1", ("disk", time.time_ns()), build, ("numpy",))

    @flow(name="makes", validate_parameters=False)
    def makes(part):
        jobs = Scheduler(Artefacts(tmp_path))
        return jobs.run(made, part).json("said"), jobs.all_cached()

    parts = whole.plan({"first": 1.0, "second": 1.0, "third": 1.0})
    assert makes(parts["first"]) == ("made", False)
    assert len(calls) == 2
    assert makes(parts["second"]) == ("made", True)
    assert len(calls) == 2
    (folder,) = (tmp_path / "fit").iterdir()
    (folder / "said.json").unlink()
    folder.rmdir()
    assert makes(parts["third"]) == ("made", False), "a deleted artefact is made again"


def test_a_wrong_stage_is_not_tried_again(tmp_path, whole):
    function, calls = failing(ValueError("wrong"), times=9)
    made = job("fit", "lstm, fold 1", ("wrong", time.time_ns()), lambda draft, progress: function(), ("numpy",))

    @flow(name="wrong", validate_parameters=False)
    def wrong():
        Scheduler(Artefacts(tmp_path)).run(made, whole)

    with pytest.raises(ValueError, match="wrong"):
        wrong()
    assert len(calls) == 1


def test_progress_and_logs_are_in_the_api_and_exceptions_not_on_the_terminal(tmp_path, whole, capfd):
    keep_runs_off_the_terminal()
    function, _ = failing(ValueError("planted"), times=9)
    made = job("score", "scores, fold 3", ("logs", time.time_ns()), lambda draft, progress: function(), ("numpy",))

    @flow(name="shows", validate_parameters=False)
    def shows():
        with shown_progress("training", "training x", lambda: whole.fraction, every=0.05):
            whole("half", 0.5)
            time.sleep(0.4)
            Scheduler(Artefacts(tmp_path)).run(made, whole)

    state = shows(return_state=True)
    assert state.is_failed()
    assert "Traceback" not in "".join(capfd.readouterr())
    run = state.state_details.flow_run_id
    logs, artefacts = seen(run, "Traceback", "making scores, fold 3")
    assert any("Traceback" in log.message and "planted" in log.message for log in logs)
    assert any(log.message.startswith("making scores, fold 3") for log in logs)
    assert [(one.key, one.data) for one in artefacts] == [("training", 50.0)]


def seen(run, *words):
    """A run's logs, once all those with some words have arrived (they come in batches), and its progress artifacts."""
    with get_client(sync_client=True) as client:
        for _ in range(300):
            logs = client.read_logs(LogFilter(flow_run_id={"any_": [run]}))
            if all(any(word in log.message for log in logs) for word in words):
                break
            time.sleep(0.1)
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(type={"any_": ["progress"]}),
            flow_run_filter=FlowRunFilter(id={"any_": [run]}),
        )
    return logs, found


@pytest.fixture(autouse=True)
def loggers():
    before = {name: logging.getLogger(name).propagate for name in RUN_LOGGERS}
    yield
    for name, propagate in before.items():
        logging.getLogger(name).propagate = propagate
