"""An alias that somebody moved in MLflow is told by every command that looks at aliases, and obeyed by none."""

import sqlite3
import subprocess
from contextlib import closing

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from models.bundle.store import ModelStore, Verdict
from pipelines.cli import app
from pipelines.results import RunResult
from pipelines.tracking.by_hand import Registered, Shown, moved_by_hand, moved_by_hand_elsewhere, registered
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
    first, second = (one.digest for one in ModelStore(workspace.store).versions("tiny"))
    assert registered(workspace, "tiny") == Registered({"champion": Shown(1, first)}, {first: 1, second: 2})
    assert moved_by_hand(workspace, "tiny") == ()


def test_the_file_and_the_client_say_the_same(moved):
    client = mlflow_client(moved.mlflow_uri)
    registry = Registry(client, moved.mlflow_uri)
    shown = {alias: Shown(*at) for alias, at in registry.aliases("tiny").items()}
    assert Registered(shown, registry.versions("tiny")) == registered(moved, "tiny")
    assert registry.aliases("other") == registry.versions("other") == {}


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


@pytest.fixture
def untold(tmp_path):
    """A store that promoted twice, and an MLflow that was told of the first promotion only."""
    workspace = fill(tmp_path)
    store = ModelStore(workspace.store)
    first = store.promote("tiny", 1, "champion", PASSED, "Ada")
    client = tracked(workspace)
    mirror(workspace, "tiny", first.digest, "champion")
    store.promote("tiny", 2, "champion", PASSED, "Ada")
    return workspace, client


def test_an_mlflow_that_was_not_told_is_told_from_and_what_is_said_puts_it_right(untold):
    """Killed before its tracking, or MLflow was down: nobody need have moved anything."""
    workspace, _ = untold
    (said,) = moved_by_hand(workspace, "tiny")
    command = f"`bot4 track {workspace.runs / 'run2'} --workspace {workspace.root}`"
    for words in ("MLflow was not told", "tiny @champion at its version 1", "has it at version 2", command):
        assert words in said
    result = RunResult.load(workspace.runs / "run2")
    replace(result, name="tiny", bundle=replace(result.bundle, name="tiny", version=2)).save(workspace.runs / "run2")
    done = bot4(*command.strip("`").split()[1:])
    assert done.returncode == 0, done.stderr
    assert moved_by_hand(workspace, "tiny") == ()


def test_a_move_to_what_the_alias_never_showed_is_by_hand_and_one_back_may_be(untold):
    workspace, client = untold
    client.set_registered_model_alias("tiny", "challenger", "2")
    champion, challenger = sorted(moved_by_hand(workspace, "tiny"), key=lambda one: "@challenger" in one)
    assert "it was moved by hand, and is not obeyed" in challenger
    assert "MLflow was not told, or it was moved back by hand, which is not obeyed" in champion


def test_an_alias_that_was_removed_in_mlflow_is_told(place):
    workspace, client = place
    client.delete_registered_model_alias("tiny", "champion")
    try:
        (said,) = moved_by_hand(workspace, "tiny")
        for words in ("MLflow shows no tiny @champion", "as its version 1", "removed by hand", "`bot4 track "):
            assert words in said
    finally:
        client.set_registered_model_alias("tiny", "champion", "1")


def test_an_alias_of_a_bundle_that_mlflow_does_not_know_is_not_missed_there(tmp_path):
    """Between a first registration and its tracking; or the version was deleted."""
    workspace = fill(tmp_path)
    client = tracked(workspace)
    ModelStore(workspace.store).promote("tiny", 1, "champion", PASSED, "Ada")
    assert "no tiny @champion" in moved_by_hand(workspace, "tiny")[0]
    client.delete_model_version("tiny", "1")
    assert registered(workspace, "tiny").versions.keys() == {ModelStore(workspace.store).resolve("tiny", 2).digest}
    assert moved_by_hand(workspace, "tiny") == ()


def test_a_result_that_cannot_be_read_leaves_the_remedy_without_a_folder(untold):
    workspace, _ = untold
    (workspace.runs / "run1" / "result.json").write_bytes(b"{")
    (said,) = moved_by_hand(workspace, "tiny")
    assert "`bot4 track` with the folder of the run that made it" in said


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
    client.set_model_version_tag("tiny", "1", "bot4.champion", "since: it was killed before")
    mirror(workspace, "tiny", store.promote("tiny", 2, "champion", refused, "Ada", "again").digest, "champion")
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
