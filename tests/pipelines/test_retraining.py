"""Retraining: what is new is trained once, whatever kills it, and what is not new is left alone."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import msgspec
import pytest

from market.lake import Lake, SeriesKey
from models.bundle.store import ModelStore, Verdict
from pipelines.errors import ConfigError, StageError
from pipelines.flows import retrain as flow
from pipelines.flows.release import free_name
from pipelines.flows.retrain import again, check_drift, check_quality
from pipelines.ledger.record import RETRAINED, finish_trial, has_outcome, resume_trial
from pipelines.ledger.store import Ledger
from pipelines.promotion import Judged
from pipelines.report.view import second
from pipelines.results import RunResult
from pipelines.retraining import Plan, Retraining, Step, alone, find_retraining, load_plan
from pipelines.stages.data import describe, instruments
from pipelines.stages.environment import code_digest
from pipelines.workspace import Workspace
from tests.pipelines.conftest import bot4
from tests.pipelines.grown import grow, grown_workspace
from tests.pipelines.promoted import fill

pytestmark = pytest.mark.xdist_group("retraining")
ROOT = Path(__file__).resolve().parent.parent.parent
FOUND = Retraining(
    name="grown",
    run_id="run1",
    version=3,
    digest="ab" * 32,
    steps=(Step("new data", "7 new bars"), Step("quality", "9 bars pass"), Step("drift", "none")),
    verdicts=(Verdict("certificate", True, "it passed", "that it passes"),),
)


@pytest.fixture
def place(tmp_path):
    return grown_workspace(tmp_path)


def test_what_is_written_is_read_and_says_itself(tmp_path):
    workspace = Workspace(tmp_path)
    assert find_retraining(workspace, "run1") is None
    FOUND.save(workspace)
    assert find_retraining(workspace, "run1") == FOUND
    for text in (FOUND.text, FOUND.markdown):
        for words in ("grown version 3 is @challenger and passes", "7 new bars", "certificate", "that it passes"):
            assert words in text
    refused = msgspec.structs.replace(FOUND, verdicts=(Verdict("expiry", False, "old", "new"),))
    assert "does not pass the champion's gates: expiry: FAILED" in refused.text
    assert "`bot4 models promote grown 3 --to champion` decides" in FOUND.headline
    assert "grown version 3 is @challenger" in msgspec.structs.replace(FOUND, challenger=3).headline
    moved = msgspec.structs.replace(refused, challenger=1).headline
    assert "grown version 3 is not @challenger, which is version 1, and does not pass" in moved


@pytest.fixture
def known(tmp_path, monkeypatch):
    """Two versions were @challenger, one after the other, and the second one's run is found to be what is wanted."""
    workspace = fill(tmp_path)
    result = RunResult.load(workspace.runs / "run2")
    info = msgspec.structs.replace(result.bundle, name="tiny", version=2)
    result = msgspec.structs.replace(result, name="tiny", bundle=info)
    store = ModelStore(workspace.store)
    for version in (1, 2):
        store.promote("tiny", version, "challenger", (Verdict("certificate", True),), "Ada")
    said = {"update_data": "none", "find_data": None, "check_quality": "pass", "check_drift": "none"}
    found = {"find_trained": result, "complete": None}
    for name, value in (said | found).items():
        monkeypatch.setattr(flow, name, lambda *_, value=value: value)
    judged = Judged("tiny", 2, "champion", (Verdict("profit", False, "none", "some"),), 0)
    monkeypatch.setattr(flow, "judge_challenger", lambda *_: judged)
    plan = Plan(tmp_path, None, SimpleNamespace(name="tiny"), tmp_path, None)
    return SimpleNamespace(workspace=workspace, store=store, result=result, plan=plan)


def test_a_run_that_is_challenger_still_is_said_to_be(known):
    found = flow.retrain(known.plan, known.workspace, None)
    assert found.headline.startswith("tiny version 2 is @challenger and does not pass")
    assert "tiny version 2 is @challenger" in found.text


def test_a_challenger_that_was_moved_since_the_run_is_told_as_it_is(known):
    """By a rollback before the retraining could leave its report; or the run was made by `bot4 train`."""
    back = known.store.rollback("tiny", "challenger", "Bob")
    found = flow.retrain(known.plan, known.workspace, None)
    assert found.headline.startswith("tiny version 2 is not @challenger, which is version 1, and does not pass")
    moment = second(back.at)
    assert f"@challenger is version 1 since {moment}, by a rollback of Bob; version 2 was until {moment}" in found.text
    assert find_retraining(known.workspace, "run2") == found
    assert known.store.aliases("tiny")["challenger"] == back


def test_a_version_that_never_was_challenger_is_not_said_to_have_been(known):
    other = msgspec.structs.replace(known.result, bundle=msgspec.structs.replace(known.result.bundle, digest="f" * 64))
    version, said = flow.find_challenger(other, known.store)
    assert version == 2
    assert said.endswith("; version 2 is not")


def test_one_that_is_cut_off_is_named(tmp_path):
    FOUND.save(Workspace(tmp_path))
    damaged = tmp_path / "runs" / "run1" / "retraining.json"
    damaged.write_bytes(damaged.read_bytes()[:50])
    with pytest.raises(StageError, match=rf"{damaged}: Input data was truncated"):
        find_retraining(Workspace(tmp_path), "run1")


def test_a_repetition_says_what_was_done_before():
    found = again(FOUND, [Step("new data", "0 new bars"), Step("quality", "9 bars pass")])
    assert found.headline.startswith("Nothing is done: run run1 has seen the same data")
    assert [step.said for step in found.steps] == ["0 new bars", "9 bars pass", "before: none"]
    assert found.verdicts == FOUND.verdicts


def test_two_at_a_time_are_refused_and_a_dead_one_holds_nothing(tmp_path):
    workspace = Workspace(tmp_path)
    with alone(workspace, "grown"):
        with alone(workspace, "other"):
            pass
        with (
            pytest.raises(StageError, match="grown is being trained again by another process"),
            alone(workspace, "grown"),
        ):
            pass
    with alone(workspace, "grown"):
        pass


def test_a_configuration_that_cannot_be_is_named(place, tmp_path):
    _, path = place
    path.write_text('run = "none.toml"')
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load_plan(path)
    path.write_text('run = "run.toml"\ngates = "none.toml"')
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load_plan(path)
    path.write_text('run = "run.toml"\nschedul = "daily"')
    with pytest.raises(ConfigError, match="did you mean `schedule`"):
        load_plan(path)


def test_bars_that_fail_the_gates_are_not_trained_on(place):
    workspace, path = place
    config, lake = load_plan(path).config, Lake(workspace.lake)
    assert check_quality.fn(config, lake) == "40,886 bars of 2 series pass"
    key = SeriesKey("grown", "ETH", interval="30m")
    bars = lake.read(key)
    bars["high"][100] = bars["low"][100] / 2
    lake.write(key, bars, replace=True)
    with pytest.raises(StageError, match=r"do not pass the quality gates: .*ETH"):
        check_quality.fn(config, lake)


def test_drift_without_a_model_is_said(place):
    workspace, path = place
    assert check_drift.fn(load_plan(path), workspace) == "there is no model yet"


def test_a_trial_is_resumed_after_a_kill_and_begun_anew_after_a_failure(place):
    workspace, path = place
    config, ledger = load_plan(path).config, Ledger.open(workspace)
    facts = describe(config.data, Lake(workspace.lake))

    def resumed(run, kind=RETRAINED):
        return resume_trial(ledger, config, facts, code="k", kind=kind, run=run)

    first = resumed("run1")
    assert resumed("run2") == first, "it began, and nobody knows how it ended: it was killed"
    assert not has_outcome(ledger, first)
    assert resumed("run3", kind="manual").run == "run3", "what somebody does by hand is their own"
    finish_trial(ledger, first, status="failed")
    second = resumed("run4")
    assert second.run == "run4"
    finish_trial(ledger, second)
    assert resumed("run5") == second, "it was killed between the ledger and the store"
    assert has_outcome(ledger, second)
    assert len(ledger.entries()) == 3


def test_a_paper_session_that_was_cut_short_is_not_gone_on_with(tmp_path):
    names = []
    for _ in range(3):
        names.append(free_name(tmp_path, "run"))
        (tmp_path / names[-1]).mkdir()
    assert names == ["run", "run-2", "run-3"]


class Ended(NamedTuple):
    """How a process ended, and what it said."""

    returncode: int
    stdout: str


def retrain(path, workspace, server, deadly=0):
    """In a process of its own, killed at a point. Its output goes to a file: what it started may outlive it."""
    command = [sys.executable, "-m", "tests.pipelines.retrain_work", str(deadly), str(path), str(workspace.root)]
    environment = {**os.environ, "PREFECT_API_URL": server, "PREFECT_HOME": str(workspace.prefect)}
    said, erred = path.parent / "said", path.parent / "erred"
    with said.open("w") as out, erred.open("w") as err:
        done = subprocess.run(command, stdout=out, stderr=err, check=False, cwd=ROOT, env=environment)
    assert done.returncode in (0, -signal.SIGKILL), erred.read_text()
    return Ended(done.returncode, said.read_text())


def tracked(workspace):
    """The runs and registered versions that MLflow knows."""
    with closing(sqlite3.connect(workspace.root / "mlflow.db")) as database:
        runs = database.execute(
            "SELECT t.value FROM tags t JOIN runs r ON r.run_uuid = t.run_uuid"
            " WHERE t.key = 'bot4.run_id' AND r.status = 'FINISHED'"
        ).fetchall()
        versions = database.execute("SELECT version FROM model_versions").fetchall()
    return [run for (run,) in runs], sorted(version for (version,) in versions)


def check_one_training(workspace, versions=1):
    """So many versions, each with one trial, one run, one change of the alias; and no champion."""
    store, ledger = ModelStore(workspace.store), Ledger.open(workspace)
    assert [one.version for one in store.versions("grown")] == list(range(1, versions + 1))
    changes = store.history("grown")
    assert [(one.alias, one.version, one.change) for one in changes] == [
        ("challenger", number, number) for number in range(1, versions + 1)
    ]
    assert store.aliases("grown") == {"challenger": changes[-1]}
    entries = ledger.entries()
    assert [one.status for one in entries] == ["finished"] * versions
    assert ledger.verify().intact
    assert len(list(workspace.runs.iterdir())) == versions
    for entry, version in zip(entries, store.versions("grown"), strict=True):
        result = RunResult.load(workspace.runs / entry.run)
        assert entry.outcome.bundle == version.digest == result.bundle.digest
        assert result.paper.identical
        assert result.trials.distinct == store.versions("grown").index(version) + 1
        assert find_retraining(workspace, entry.run).version == version.version
    runs, numbers = tracked(workspace)
    assert sorted(runs) == sorted(entry.run for entry in entries)
    assert numbers == list(range(1, versions + 1))


def test_killed_in_training_it_leaves_one_record_which_the_next_one_takes_up(place, server):
    """A real process, kill -9, once its trial is in the ledger: nobody begins it a second time."""
    workspace, path = place
    assert retrain(path, workspace, server, deadly="after Ledger._append").returncode == -signal.SIGKILL
    plan, ledger = load_plan(path), Ledger.open(workspace)
    (entry,) = ledger.entries()
    assert (entry.status, entry.trial.kind) == ("begun", RETRAINED)
    facts, rules = describe(plan.config.data, Lake(workspace.lake)), instruments(plan.config.data, str(plan.folder))
    code = code_digest()
    again = resume_trial(ledger, plan.config, facts, code=code, instruments=rules, kind=RETRAINED, run="another")
    assert again == entry.trial
    assert len(ledger.rows()) == 1
    with alone(workspace, "grown"):
        assert ModelStore(workspace.store).names() == ()


@pytest.mark.long
def test_killed_between_version_and_alias_it_goes_on_and_does_nothing_twice(place, server):
    """A real process, kill -9: the bundle is stored, the alias not moved. The next one completes it."""
    workspace, path = place
    assert retrain(path, workspace, server, deadly="before ModelStore.promote").returncode == -signal.SIGKILL
    assert (path.parent / "points").read_text().splitlines()[-1] == "before ModelStore.promote"
    assert ModelStore(workspace.store).aliases("grown") == {}
    assert "grown version 1 is @challenger" in retrain(path, workspace, server).stdout
    check_one_training(workspace)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_killed_again_and_again_it_completes_once(tmp_path, server, seed):
    """After each kill it is started again, until it is through; then once more, and on what is new."""
    workspace, path = grown_workspace(tmp_path)
    generator, kills = random.Random(seed), 0
    while retrain(path, workspace, server, generator.randint(1, 12)).returncode:
        kills += 1
        assert kills < 200
    assert kills >= 8
    check_one_training(workspace)
    assert retrain(path, workspace, server).stdout.startswith("Nothing is done")
    grow(workspace, "2019-01-15")
    while retrain(path, workspace, server, generator.randint(1, 40)).returncode:
        kills += 1
    check_one_training(workspace, versions=2)


@pytest.mark.long
def test_the_command_trains_on_what_is_new_and_on_nothing_else(place):
    workspace, path = place
    (path.parent / "gates.toml").write_text("expiry = 1000.0\n")
    path.write_text('run = "run.toml"\ngates = "gates.toml"\n')
    for versions, until in ((1, None), (1, "2018-12-01"), (2, "2019-02-01")):
        if until:
            grow(workspace, until)
        done = bot4("retrain", path, "--workspace", workspace.root)
        assert done.returncode == 0, done.stderr
        assert ("Nothing is done" in done.stdout) is (until == "2018-12-01")
        check_one_training(workspace, versions)
    assert "against @challenger: " in done.stdout
    verdicts = find_retraining(workspace, Ledger.open(workspace).entries()[-1].run).verdicts
    assert next(one for one in verdicts if one.gate == "expiry").passed
