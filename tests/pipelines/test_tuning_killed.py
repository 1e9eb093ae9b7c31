"""Studies that are killed and started again: they go on, and count no trial twice."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import optuna
import pytest

from pipelines.ledger.count import distinct
from pipelines.ledger.store import Ledger
from pipelines.tuning.sampling import PlacedSampler, place
from pipelines.tuning.storage import (
    PROCESS,
    RETRY_OF,
    ended,
    gone,
    open_storage,
    recover,
    retried,
    studies_url,
    this_process,
)
from pipelines.tuning.summary import StudySummary
from pipelines.workspace import Workspace
from tests.pipelines.ledger_factory import local_ledger, make_trial
from tests.pipelines.tuning_factory import (
    killed_while_trying,
    run_study,
    tuning_process,
    write_study,
)

pytestmark = pytest.mark.xdist_group("tuning")
TRIALS = 5


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
    unclaimed = study.ask()
    assert recover(study, local_ledger(tmp_path)) == 0
    assert {one.state.name for one in study.get_trials()} == {"RUNNING"}
    begun = study.get_trials()[unclaimed.number].datetime_start.timestamp()
    assert gone(study.get_trials()[unclaimed.number], begun + 3600)


def test_what_was_killed_has_failed_in_the_ledger_unless_it_had_ended_there(storage, tmp_path):
    study, ledger = study_in(storage), local_ledger(tmp_path)
    for name in ("open", "over"):
        trial = abandon(study)
        ledger.begin(make_trial(name))
        trial.set_user_attr("bot4.trial", name)
    from pipelines.ledger.record import finish_trial

    finish_trial(ledger, make_trial("over"), metrics={"value": 1.0})
    assert recover(study, ledger) == 2
    outcomes = {one.trial.id: one.outcome for one in ledger.entries()}
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


def finish(path, workspace, *options):
    process = tuning_process(path, workspace, *options)
    said, told = process.communicate()
    assert process.returncode == 0, told
    return said


def summary_of(workspace, name):
    return StudySummary.load(workspace / "studies" / name)


def outcome(summary):
    """What a study tried and found, whatever numbers the trials have."""
    return [(one.parameters, one.values, one.excess, one.status) for one in summary.trials]


def check_counted(workspace, study, kills):
    """Every trial counts once in the ledger, whatever was killed."""
    entries = [one for one in Ledger.open(Workspace(workspace)).entries() if f"study {study}," in one.trial.note]
    summary = summary_of(workspace, study)
    assert len(summary.trials) == TRIALS
    assert len(distinct(entries)) == TRIALS
    assert all(one.outcome is not None for one in entries)
    assert TRIALS <= len(entries) <= TRIALS + kills
    by_id = {one.trial.id: one.status for one in entries}
    assert [by_id[one.ledger] for one in summary.trials] == [one.status for one in summary.trials]


def check_tracked(workspace, study, summary):
    """MLflow has one nested run a trial, none unfinished, below one parent."""
    from pipelines.tracking.tracker import mlflow_client

    client = mlflow_client(f"sqlite:///{workspace / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    (parent,) = [one for one in runs if one.data.tags.get("bot4.study") == study]
    nested = [one for one in runs if one.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert Counter(int(one.data.tags["bot4.trial_number"]) for one in nested) == Counter(
        one.number for one in summary.trials
    )
    assert all(one.info.status != "RUNNING" for one in runs)


def test_killed_while_it_tries_a_study_goes_on_and_ends_as_one_that_was_not(tmp_path):
    workspace = tmp_path / "workspace"
    killed, whole = (write_study(tmp_path, name=name, trials=TRIALS) for name in ("killed", "whole"))
    assert killed_while_trying(killed, workspace, 2)
    said = finish(killed, workspace)
    assert "Broken off before and tried again: 1." in said
    assert "bot4 train" in said
    _, tuned = run_study(whole, workspace)
    found = summary_of(workspace, "killed")
    assert outcome(found) == outcome(tuned.summary)
    assert sum(one.retry_of is not None for one in found.trials) == 1
    check_counted(workspace, "killed", kills=1)
    check_tracked(workspace, "killed", found)


@pytest.mark.long
def test_several_processes_share_a_study_and_end_with_the_one_that_started_them(tmp_path):
    workspace, path = tmp_path / "workspace", write_study(tmp_path, name="shared", trials=TRIALS, jobs=2)
    assert killed_while_trying(path, workspace, 1)
    finish(path, workspace)
    summary = summary_of(workspace, "shared")
    assert len(summary.trials) == TRIALS
    check_counted(workspace, "shared", kills=2)
    check_tracked(workspace, "shared", summary)


@pytest.mark.long
def test_killed_at_twenty_moments_a_study_ends_as_one_that_was_not(tmp_path):
    import random
    import time

    workspace = tmp_path / "workspace"
    killed, whole = (write_study(tmp_path, name=name, trials=TRIALS) for name in ("killed", "whole"))
    chance, kills = random.Random(5), 0
    for _ in range(200):
        process = tuning_process(killed, workspace)
        try:
            process.communicate(timeout=chance.uniform(3.0, 9.0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
        if kills >= 20 and process.returncode == 0:
            break
        time.sleep(0.1)
        if process.returncode == 0:
            # It was through: the next kill hits the end, where figures and MLflow are written again.
            continue
    print(f"{kills} kills", file=sys.stderr)
    finish(killed, workspace)
    finish(whole, workspace)
    assert kills >= 20
    found = summary_of(workspace, "killed")
    assert outcome(found) == outcome(summary_of(workspace, "whole"))
    check_counted(workspace, "killed", kills)
    check_tracked(workspace, "killed", found)
