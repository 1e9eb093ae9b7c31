"""Studies that are killed and started again: they go on, and count no trial twice."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import optuna
import pytest

import pipelines.tuning.storage
from pipelines.commands.tune import summary as told
from pipelines.ledger.count import distinct
from pipelines.ledger.store import Ledger
from pipelines.tuning.sampling import PlacedSampler, place
from pipelines.tuning.storage import (
    BASE,
    PROCESS,
    RETRY_OF,
    ended,
    open_storage,
    recover,
    retried,
    studies_url,
    this_process,
)
from pipelines.tuning.summary import StudySummary
from pipelines.workspace import Workspace
from tests.pipelines.ledger_factory import local_ledger, make_trial
from tests.pipelines.small_training import embedded, training
from tests.pipelines.test_training_killed import ROOT, left_behind
from tests.pipelines.tuning_factory import killed_while_trying, run_study, tuning_process, write_study

pytestmark = pytest.mark.xdist_group("tuning")
TRIALS, MANY = 5, 20
LINEAR = training("tiny", embedded("BTC"), "\n[members.linear]\n")
CLIPS = {
    "members.linear.clip": {"low": 0.05, "high": 10.0, "log": True},
    "ensemble.ridge": {"low": 1.0, "high": 10_000.0, "log": True},
}
ABROAD = {"members.linear.clip": {"low": 6.0, "high": 10.0}}
"""A space without the training's own configuration."""
RECOVERING = [
    f"{when} {what}"
    for what in ("Study.enqueue_trial again", "Ledger.finish failed", "RDBStorage.set_trial_state_values FAIL")
    for when in ("before", "after")
]
"""Points that only a study reaches that was killed in a trial."""
TRACKING = ("MlflowClient", "make_database")
"""What of a trial's points lies behind its end."""


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture
def storage(tmp_path):
    return open_storage(studies_url(Workspace(tmp_path), "", {}))


def study_in(storage, name="s", seed=3, kind="tpe"):
    return optuna.create_study(storage=storage, study_name=name, sampler=PlacedSampler(kind, seed), load_if_exists=True)


def square(trial):
    return (trial.suggest_float("x", -3, 3) - 1) ** 2 + trial.suggest_int("n", 1, 9)


def tried(study):
    return [(one.params, one.values) for one in ended(study.get_trials())]


def abandon(study, params=True):
    """A trial whose process is no more."""
    trial = study.ask()
    trial.set_user_attr(PROCESS, {**this_process(), "began": 1.0})
    if params:
        square(trial)
    return trial


@pytest.mark.parametrize("kind", ["tpe", "random"])
def test_a_study_that_is_broken_off_again_and_again_tries_what_a_whole_one_does(storage, tmp_path, kind):
    whole, ledger = study_in(storage, "whole", kind=kind), local_ledger(tmp_path)
    whole.optimize(square, n_trials=14)
    for number in range(14):
        broken = study_in(storage, "broken", kind=kind)
        if number % 3 == 0:
            abandon(broken, params=number % 2 == 0)
            assert recover(broken, ledger) == 1
        broken.optimize(square, n_trials=1)
    assert tried(broken) == tried(whole)
    assert len({str(one) for one in tried(whole)}) == 14, "and none of them twice"


def test_another_seed_tries_other_things(storage):
    for seed in (3, 4):
        study_in(storage, str(seed), seed).optimize(square, n_trials=3)
    assert tried(study_in(storage, "3")) != tried(study_in(storage, "4"))


def test_a_kill_between_queueing_and_ending_changes_nothing(storage, tmp_path):
    study, ledger = study_in(storage), local_ledger(tmp_path)
    trial = abandon(study)
    study.enqueue_trial(trial.params, user_attrs={RETRY_OF: trial.number})
    recover(study, ledger)
    assert recover(study, ledger) == 0
    study.optimize(square, n_trials=1)
    (again,) = ended(study.get_trials())
    assert again.params == trial.params
    assert retried(study.get_trials()) == {0}
    assert place(again, study.get_trials()) == 0


def test_a_trial_that_somebody_works_on_is_left_alone(storage, tmp_path):
    study = study_in(storage)
    mine, foreign = study.ask(), study.ask()
    mine.set_user_attr(PROCESS, this_process())
    foreign.set_user_attr(PROCESS, {**this_process(), "host": "elsewhere", "began": 1.0})
    begun = study.ask()
    claim = threading.Timer(0.3, begun.set_user_attr, (PROCESS, this_process()))
    claim.start()
    assert recover(study, local_ledger(tmp_path)) == 0
    claim.join()
    assert {one.state.name for one in study.get_trials()} == {"RUNNING"}


def test_what_was_killed_before_it_said_who_it_was_is_tried_again(storage, tmp_path, monkeypatch):
    """Also the training's own configuration, which nobody has begun to take from the queue's values."""
    monkeypatch.setattr(pipelines.tuning.storage, "CLAIM", 0.2)
    study, values = study_in(storage), {"x": 2.5, "n": 7}
    study.enqueue_trial(values, user_attrs={BASE: True})
    for _ in range(2):
        late = study.ask()
        assert recover(study, local_ledger(tmp_path)) == 1
        with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
            late.set_user_attr(PROCESS, this_process())
    study.optimize(square, n_trials=1)
    (again,) = ended(study.get_trials())
    assert again.params == values
    assert again.user_attrs[BASE]


def test_what_was_killed_has_failed_in_the_ledger_unless_it_had_ended_there(storage, tmp_path):
    study, ledger = study_in(storage), local_ledger(tmp_path)
    for name in ("open", "over", "named and never begun"):
        trial = abandon(study)
        trial.set_user_attr("bot4.trial", name)
        if "never" not in name:
            ledger.begin(make_trial(name))
    from pipelines.ledger.record import finish_trial

    finish_trial(ledger, make_trial("over"), metrics={"value": 1.0})
    assert recover(study, ledger) == 3
    outcomes = {one.trial.id: one.outcome for one in ledger.entries()}
    assert list(outcomes) == ["open", "over"]
    assert (outcomes["open"].status, outcomes["over"].status) == ("failed", "finished")
    assert "killed" in outcomes["open"].note


def test_a_kill_while_it_is_recovered_leaves_no_trial_open_in_the_ledger(storage, tmp_path, monkeypatch):
    study, ledger = study_in(storage), local_ledger(tmp_path)
    trial = abandon(study)
    ledger.begin(make_trial("open"))
    trial.set_user_attr("bot4.trial", "open")

    def killed(*arguments, **options):
        raise KeyboardInterrupt

    for step in ("enqueue_trial", "tell"):
        with monkeypatch.context() as patch:
            patch.setattr(study, step, killed)
            with pytest.raises(KeyboardInterrupt):
                recover(study, ledger)
    assert recover(study, ledger) == 1
    assert [one.status for one in ledger.entries()] == ["failed"]
    assert [one.state.name for one in study.get_trials()] == ["FAIL", "WAITING"]


def killed(path, workspace, *points):
    """A study's processes, one killed at each point; see `tests.pipelines.tune_work`. An empty one runs to its end."""
    command = [sys.executable, "-m", "tests.pipelines.tune_work", path, workspace, *points]
    said, erred = path.with_name("said"), path.with_name("erred")
    with said.open("w") as out, erred.open("w") as err:
        settings = {**os.environ, "PREFECT_HOME": str(workspace / "prefect")}
        done = subprocess.run(command, stdout=out, stderr=err, check=False, cwd=ROOT, env=settings)
    assert done.returncode == 0, erred.read_text()
    assert said.read_text().splitlines() == [f"{-9 if one else 0} {one}" for one in points], erred.read_text()


def reached(path):
    """The points that a study reached, in the order in which it did so first."""
    return list(dict.fromkeys(path.with_name("points").read_text().splitlines()))


def finish(path, workspace, *options):
    process = tuning_process(path, workspace, *options)
    said, told = process.communicate()
    assert process.returncode == 0, told
    return said


def places(folder, *study, **tuning):
    """Two places of the same study, to be killed and not: its path and its workspace of each."""
    return [(write_study(one, *study, **tuning), one / "workspace") for one in (folder / "killed", folder / "whole")]


def summary_of(workspace):
    return StudySummary.load(workspace / "studies" / "study")


def outcome(summary):
    """What a study tried and found, whatever numbers the trials have."""
    trials = [(one.parameters, one.values, one.excess, one.status, one.is_base) for one in summary.trials]
    return trials, summary.base, summary.difference, summary.luck, summary.importances


def check_counted(workspace, kills, trials=TRIALS, abroad=0):
    """Every trial counts once in the ledger, whatever was killed; ``abroad``: 1 if the training's own is beside."""
    ledger, summary = Ledger.open(Workspace(workspace)), summary_of(workspace)
    entries = ledger.entries()
    assert ledger.verify().intact
    assert len(summary.trials) == trials
    assert len(distinct(entries)) == trials + abroad
    assert all(one.outcome is not None for one in entries)
    assert trials + abroad <= len(entries) <= trials + abroad + kills
    by_id = {one.trial.id: one.status for one in entries}
    assert [by_id[one.ledger] for one in summary.trials] == [one.status for one in summary.trials]
    assert left_behind(Workspace(workspace)) == []


def check_tracked(workspace, summary):
    """MLflow has one run a trial, all ended, below one parent, and they have what the summary says."""
    from pipelines.tracking.tracker import mlflow_client
    from pipelines.tracking.tuning import STATUS, study_metrics, trial_metrics

    client = mlflow_client(f"sqlite:///{workspace / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    (parent,) = [one for one in runs if one.data.tags["bot4.kind"] == "study"]
    nested = sorted((int(one.data.tags["bot4.trial_number"]), one) for one in runs if one is not parent)
    assert [number for number, _ in nested] == [one.number for one in summary.trials]
    for (_, run), one in zip(nested, summary.trials, strict=True):
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.info.status == STATUS[one.status]
        assert run.data.params == {key: str(value) for key, value in one.parameters.items()}
        assert run.data.metrics.items() >= trial_metrics(one).items()
    assert parent.info.status == "FINISHED"
    assert parent.data.params["training"] == "training.toml"
    assert parent.data.metrics.items() >= study_metrics(summary).items()


def test_killed_at_points_of_its_steps_a_study_ends_as_one_that_was_not(tmp_path):
    """A short slice of the campaign below: in the ledger and not tried, in half of MLflow, in the ledger as ended."""
    points = [
        "after Ledger.begin trial",
        "before MlflowClient.log_batch params",
        "before RDBStorage.set_trial_user_attr bot4.recorded",
    ]
    (path, workspace), (other, elsewhere) = places(tmp_path, LINEAR, CLIPS, trials=2)
    killed(path, workspace, *points)
    _, ours = run_study(path, workspace)
    _, whole = run_study(other, elsewhere)
    assert outcome(ours.summary) == outcome(whole.summary)
    assert "Broken off before and tried again: 1." in told(ours)
    assert "Broken off" not in told(whole)
    assert all(one.retry_of is not None for one in ours.summary.trials)
    check_counted(workspace, len(points), trials=2)
    check_tracked(workspace, ours.summary)


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_killed_at_every_point_a_study_ends_as_one_that_was_not(tmp_path):
    """Of points behind a trial's end each takes a trial that is not there for the next one; so those come late."""
    (path, workspace), (other, elsewhere) = places(tmp_path, LINEAR, CLIPS, trials=MANY)
    killed(other, elsewhere, "")
    found = [one for one in reached(other) if not one.startswith(("ready", "made"))]
    last = found.index("before StudySummary.save")
    trying = sorted(
        found[:last], key=lambda one: (any(name in one for name in TRACKING), one.lower().endswith("pruned"))
    )
    begun = trying.index("after Ledger.begin trial") + 1
    points = [*trying[:begun], *RECOVERING, *trying[begun:], *found[last:]]
    assert len(set(points)) == len(points) >= 60
    killed(path, workspace, *points, "")
    print(f"{len(points)} kills: {', '.join(points)}")
    ours, whole = summary_of(workspace), summary_of(elsewhere)
    assert whole.of("pruned")
    assert outcome(ours) == outcome(whole)
    check_counted(workspace, len(points), MANY)
    check_counted(elsewhere, 0, MANY)
    check_tracked(workspace, ours)
    check_tracked(elsewhere, whole)


@pytest.mark.long
def test_killed_around_the_trainings_own_configuration_it_is_counted_once(tmp_path):
    """Of a space that does not have it: it is evaluated last, when the only trial has ended."""
    (path, workspace), (other, elsewhere) = places(tmp_path, LINEAR, ABROAD, trials=1)
    steps = ("Ledger.begin base", "Ledger.finish finished", "trials.save_cells base")
    points = [f"{when} {what}" for what in steps for when in ("before", "after")]
    killed(path, workspace, *points, "")
    killed(other, elsewhere, "")
    assert outcome(summary_of(workspace)) == outcome(summary_of(elsewhere))
    check_counted(workspace, 0, trials=1, abroad=1)
    check_tracked(workspace, summary_of(workspace))


@pytest.mark.long
def test_a_killed_command_goes_on_by_itself_and_says_so(tmp_path):
    path, workspace = write_study(tmp_path, LINEAR, CLIPS, trials=TRIALS), tmp_path / "workspace"
    assert killed_while_trying(path, workspace, 2)
    said = finish(path, workspace)
    assert "Broken off before and tried again: 1." in said
    assert "bot4 train" in said
    assert sum(one.retry_of is not None for one in summary_of(workspace).trials) == 1
    check_counted(workspace, kills=1)
    check_tracked(workspace, summary_of(workspace))


@pytest.mark.long
def test_several_processes_share_a_study_and_end_with_the_one_that_started_them(tmp_path):
    workspace, path = tmp_path / "workspace", write_study(tmp_path, LINEAR, CLIPS, trials=TRIALS, jobs=2)
    assert killed_while_trying(path, workspace, 1)
    finish(path, workspace)
    check_counted(workspace, kills=2)
    check_tracked(workspace, summary_of(workspace))
