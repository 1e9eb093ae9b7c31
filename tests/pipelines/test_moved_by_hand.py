"""An alias that somebody moved in MLflow is told by every command that looks at aliases, and obeyed by none."""

import sqlite3
import subprocess
from contextlib import closing

import pytest
from typer.testing import CliRunner

from models.bundle.store import ModelStore, Verdict
from pipelines.cli import app
from pipelines.tracking.by_hand import Shown, moved_by_hand, moved_by_hand_elsewhere, shown_aliases
from pipelines.tracking.mirror import mirror
from pipelines.tracking.registry import Registry
from pipelines.tracking.tracker import mlflow_client
from pipelines.workspace import Workspace
from tests.pipelines.conftest import bot4
from tests.pipelines.promoted import fill

pytestmark = pytest.mark.xdist_group("mlflow")
RUNNER = CliRunner()
PASSED = (Verdict("certificate", True),)
SERVE = """
name = "paper"
[model]
name = "tiny"
[source]
venue = "fake"
"""


def tracked(workspace):
    """A real MLflow store that knows both versions, with the champion that the model store has."""
    client = mlflow_client(workspace.mlflow_uri)
    registry = Registry(client, workspace.mlflow_uri)
    experiment = client.create_experiment("tiny", artifact_location=workspace.mlflow_artefacts.as_uri())
    for one in ModelStore(workspace.store).versions("tiny"):
        run = client.create_run(experiment)
        model = client.create_logged_model(experiment, source_run_id=run.info.run_id)
        assert registry.register("tiny", model.model_id, run.info.run_id, one.digest) == one.version
    return client


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    workspace = fill(tmp_path_factory.mktemp("by_hand"))
    record = ModelStore(workspace.store).promote("tiny", 1, "champion", PASSED, "Ada")
    client = tracked(workspace)
    assert "shows @champion at its version 1" in mirror(workspace, "tiny", record.digest, "champion")
    return workspace, client


@pytest.fixture
def moved(place):
    """By a click: to the version that no gate passed."""
    workspace, client = place
    client.set_registered_model_alias("tiny", "champion", "2")
    yield workspace
    client.set_registered_model_alias("tiny", "champion", "1")


def test_a_mirror_that_shows_what_the_store_has_is_not_worth_a_word(place):
    workspace, _ = place
    digest = ModelStore(workspace.store).resolve("tiny", 1).digest
    assert shown_aliases(workspace, "tiny") == {"champion": Shown(1, digest)}
    assert moved_by_hand(workspace, "tiny") == ()


def test_the_file_and_the_client_say_the_same(moved):
    client = mlflow_client(moved.mlflow_uri)
    shown = {alias: Shown(*at) for alias, at in Registry(client, moved.mlflow_uri).aliases("tiny").items()}
    assert shown == shown_aliases(moved, "tiny")
    assert Registry(client, moved.mlflow_uri).aliases("other") == {}


def test_a_move_is_told_and_the_store_stays_as_it_was(moved):
    (said,) = moved_by_hand(moved, "tiny")
    for words in ("tiny @champion at its version 2", "has it at version 1", "not obeyed", "bot4 models promote"):
        assert words in said
    assert ModelStore(moved.store).aliases("tiny")["champion"].version == 1


def test_an_alias_that_only_mlflow_has_is_told(place):
    workspace, client = place
    client.set_registered_model_alias("tiny", "challenger", "2")
    try:
        (said,) = moved_by_hand(workspace, "tiny")
        assert "@challenger" in said
        assert "has no such alias" in said
    finally:
        client.delete_registered_model_alias("tiny", "challenger")


def test_list_promote_rollback_and_serve_tell_it_and_serve_obeys_the_store(moved, tmp_path):
    told = "tiny @champion at its version 2"
    for command in (("list",), ("promote", "tiny", "2"), ("rollback", "tiny")):
        done = RUNNER.invoke(app, ["models", *command, "--workspace", str(moved.root)], prog_name="bot4")
        assert told in done.stderr, done.stdout
    (tmp_path / "serve.toml").write_text(SERVE)
    done = bot4("serve", tmp_path / "serve.toml", "--workspace", moved.root)
    assert done.returncode == 0, done.stderr
    assert told in done.stderr
    assert f"bundle {ModelStore(moved.store).resolve('tiny', 1).digest[:12]} verified" in done.stderr


def test_a_promotion_puts_the_mirror_right(moved):
    record = ModelStore(moved.store).aliases("tiny")["champion"]
    mirror(moved, "tiny", record.digest, "champion")
    assert moved_by_hand(moved, "tiny") == ()


def test_a_move_writes_the_cards_of_both_versions_anew_and_one_by_hand_writes_none(place):
    workspace, client = place
    store = ModelStore(workspace.store)

    def page(version):
        found = client.get_model_version("tiny", version)
        return found.description or "", found.tags.get("bot4.champion", "")

    first = store.aliases("tiny")["champion"]
    mirror(workspace, "tiny", first.digest, "champion")
    assert "@champion since" in page("1")[0]
    assert page("1")[1].endswith("all 1 gates were passed")
    assert page("2") == ("", "")
    client.set_registered_model_alias("tiny", "champion", "2")
    assert page("2") == ("", "")
    refused = (Verdict("profit", False),)
    second = store.promote("tiny", 2, "champion", refused, "Ada", "to see both pages")
    mirror(workspace, "tiny", second.digest, "champion")
    assert "@champion until" in page("1")[0]
    assert page("1")[1].startswith("until ")
    assert "by Ada: overruled: profit" in page("2")[0]
    assert page("2")[1].endswith("overruled: profit")
    assert moved_by_hand(workspace, "tiny") == ()
    back = store.rollback("tiny", "champion")
    mirror(workspace, "tiny", back.digest, "champion")
    assert "without gates, by a rollback" in page("1")[0]
    assert page("2")[1].startswith("until ")


def test_without_mlflow_there_is_nothing_to_tell(tmp_path):
    assert moved_by_hand(Workspace(tmp_path), "tiny") == ()
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("CREATE TABLE other (x)")
    assert moved_by_hand(Workspace(tmp_path), "tiny") == ()


def test_a_registry_that_cannot_be_asked_is_said(tmp_path, monkeypatch):
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 100)
    (said,) = moved_by_hand(Workspace(tmp_path), "tiny")
    assert "cannot be asked for tiny" in said


def test_a_live_process_asks_a_server_through_another_process(moved, monkeypatch):
    """So that MLflow is not loaded into it; what the other says is passed on."""
    asked = []

    def run(command, **options):
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, "MLflow shows …\n", "")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setattr(subprocess, "run", run)
    assert moved_by_hand_elsewhere(moved, "tiny") == ("MLflow shows …",)
    assert asked[0][-2:] == [str(moved.root), "tiny"]


def test_the_other_process_says_that_a_server_does_not_answer(moved, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    (said,) = moved_by_hand_elsewhere(moved, "tiny")
    assert "http://127.0.0.1:9 cannot be asked" in said
