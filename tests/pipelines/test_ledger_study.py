"""Real Optuna studies leave every trial in the ledger, whatever becomes of it."""

import signal
import subprocess
import sys

import optuna
import pytest
from sqlalchemy import URL

from pipelines.ledger.guard import summarise
from pipelines.ledger.study import Evaluation, StudyRecorder
from tests.pipelines.ledger_factory import daily, local_ledger, make_trial

KILLED = """
import os, signal, sys
import optuna
from pipelines.ledger.location import parse_url
from pipelines.ledger.store import Ledger
from pipelines.ledger.study import StudyRecorder
from tests.pipelines.ledger_factory import make_trial
recorder = StudyRecorder(Ledger(parse_url(sys.argv[1])), make_trial())
objective = recorder.objective(
    lambda trial: {"x": trial.suggest_float("x", 0, 1)}, lambda config: os.kill(os.getpid(), signal.SIGKILL)
)
optuna.create_study().optimize(objective, n_trials=3)
"""


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture
def ledger(tmp_path):
    return local_ledger(tmp_path)


@pytest.fixture
def recorder(ledger):
    return StudyRecorder(ledger, make_trial("base", parameters={"not": "mine"}))


@pytest.fixture
def study():
    return optuna.create_study(study_name="tuning", sampler=optuna.samplers.RandomSampler(seed=3))


def configure(trial):
    return {"x": trial.suggest_float("x", 0.0, 1.0), "depth": trial.suggest_int("depth", 1, 3)}


def evaluate(config):
    return Evaluation(config["x"], {"net_sharpe": config["x"] / 10}, daily([config["x"], 0.0]), "bundle")


def test_every_trial_of_a_study_is_recorded(ledger, recorder, study):
    study.optimize(recorder.objective(configure, evaluate), n_trials=8, callbacks=[recorder])
    entries = ledger.entries()
    assert len(entries) == 8
    assert len(ledger.rows()) == 16
    for number, (entry, trial) in enumerate(zip(entries, study.trials, strict=True)):
        assert entry.trial.parameters == trial.params
        assert (entry.status, entry.trial.kind, entry.trial.name) == ("finished", "optuna", "spot-15m")
        assert entry.trial.note == f"study tuning, trial {number}"
        assert entry.outcome.metrics == {"value": trial.value, "net_sharpe": trial.value / 10}
        assert (entry.returns, entry.outcome.bundle) == (daily([trial.value, 0.0]), "bundle")
    assert len({one.trial.identity for one in entries}) == 8
    assert summarise(ledger, entries[0].trial.id).distinct == 8


def test_a_trial_is_registered_before_it_is_evaluated(ledger, recorder, study):
    seen = []

    def looking(config):
        seen.append([one.status for one in ledger.entries()])
        return evaluate(config)

    study.optimize(recorder.objective(configure, looking), n_trials=2)
    assert seen == [["begun"], ["finished", "begun"]]


def test_the_same_suggestion_twice_is_one_trial(ledger, recorder, study):
    for _ in range(2):
        study.enqueue_trial({"x": 0.5, "depth": 2})
    study.optimize(recorder.objective(configure, evaluate), n_trials=2, callbacks=[recorder])
    found = summarise(ledger, ledger.entries()[0].trial.id)
    assert (found.records, found.distinct) == (2, 1)


def test_pruned_and_failed_trials_count(ledger, recorder, study):
    def mixed(config):
        if config["depth"] == 1:
            raise optuna.TrialPruned("no hope")
        if config["depth"] == 2:
            raise ArithmeticError("singular")
        return evaluate(config)

    for depth in (1, 2, 3):
        study.enqueue_trial({"x": 0.5, "depth": depth})
    study.optimize(recorder.objective(configure, mixed), n_trials=3, callbacks=[recorder], catch=(ArithmeticError,))
    entries = ledger.entries()
    assert [one.status for one in entries] == ["pruned", "failed", "finished"]
    assert [one.outcome.note for one in entries] == ["TrialPruned: no hope", "ArithmeticError: singular", ""]
    study.enqueue_trial({"x": 0.5, "depth": 2})
    with pytest.raises(ArithmeticError):
        study.optimize(recorder.objective(configure, mixed), n_trials=1)
    assert ledger.entries()[3].status == "failed"


def test_the_callback_alone_records_other_objectives(ledger, recorder, study):
    def objective(trial):
        value = trial.suggest_float("x", 0.0, 1.0)
        if trial.number == 1:
            raise optuna.TrialPruned
        return value

    study.optimize(objective, n_trials=3, callbacks=[recorder])
    entries = ledger.entries()
    assert [one.status for one in entries] == ["finished", "pruned", "finished"]
    assert [one.metric("value") for one in entries] == [study.trials[0].value, None, study.trials[2].value]
    assert len({one.trial.identity for one in entries}) == 3


def test_the_callback_records_several_values(ledger, recorder):
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 2.0), n_trials=1, callbacks=[recorder])
    (entry,) = ledger.entries()
    assert entry.outcome.metrics == {"value_0": study.trials[0].params["x"], "value_1": 2.0}


def test_the_callback_ends_what_began_elsewhere(ledger, recorder, study):
    def objective(trial):
        config = configure(trial)
        mine = make_trial("mine", configuration=str(config))
        ledger.begin(mine)
        trial.set_user_attr("bot4.trial", mine.id)
        return 0.5

    study.optimize(objective, n_trials=1, callbacks=[recorder])
    (entry,) = ledger.entries()
    assert (entry.trial.id, entry.status, entry.metric("value")) == ("mine", "finished", 0.5)


def test_threads_of_one_study(ledger, recorder, study):
    study.optimize(recorder.objective(configure, evaluate), n_trials=12, n_jobs=3, callbacks=[recorder])
    assert [one.status for one in ledger.entries()] == ["finished"] * 12
    assert ledger.verify().intact


def test_a_study_that_is_killed_while_it_evaluates_still_counts(tmp_path, ledger):
    url = URL.create("sqlite", database=str(tmp_path / "trials.db")).render_as_string()
    done = subprocess.run([sys.executable, "-c", KILLED, url], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (entry,) = ledger.entries()
    assert (entry.status, entry.trial.kind) == ("begun", "optuna")
    assert summarise(ledger, entry.trial.id).unfinished == 1
