"""A study on a planted market whose trees are badly configured: what it finds is real, counted, tracked and written."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import NamedTuple

import numpy as np
import pytest

import pipelines.tuning.trials
from models.dataset import Samples
from models.statistics.predictions import log_loss
from pipelines.config import load
from pipelines.ledger.count import distinct
from pipelines.ledger.guard import summarise
from pipelines.ledger.record import begin_trial
from pipelines.ledger.store import Ledger
from pipelines.results import ENSEMBLE
from pipelines.stages.artefacts import Artefacts, silent
from pipelines.stages.environment import code_digest
from pipelines.stages.evaluate import compared_rows, fold_predictions, predictors
from pipelines.stages.fit import fit_job
from pipelines.stages.panel import load_panel, panel_job
from pipelines.stages.score import load_scores, next_combination, score_job
from pipelines.stages.windows import fold_windows, folds
from pipelines.toml import digest
from pipelines.tuning.errors import TuningError
from pipelines.tuning.evaluate import base_panel, check_same_decisions
from pipelines.tuning.summary import StudySummary
from pipelines.tuning.trials import set_up
from pipelines.workspace import Workspace
from tests.pipelines.tuning_factory import BAD, SPACE, planted_market, planted_training, run_study, write_study

pytestmark = pytest.mark.xdist_group("tuning")
TRIALS = 8


class Done(NamedTuple):
    """A finished study: its configuration, what it left, and where."""

    study: object
    tuned: object
    folder: object
    training: str

    @property
    def summary(self) -> StudySummary:
        return self.tuned.summary

    @property
    def entries(self):
        return Ledger.open(Workspace(self.folder)).entries()


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuning")
    training = planted_training(planted_market(), folder)
    path = write_study(folder, training, trials=TRIALS)
    study, tuned = run_study(path, folder)
    return Done(study, tuned, folder, training)


def research(config, study, folder):
    """The training's own stages, one after another, in a cache of their own: every predictor's scores."""
    bench = set_up(study, Workspace(folder))
    facts, artefacts = bench.ground.facts, Artefacts(folder / "twin")
    made = artefacts.make(panel_job(config, facts, bench.ground.lake), silent)
    panel = load_panel(made)
    found = folds(config, panel)
    scored, combinations = [], []
    for window in fold_windows(found):
        fits = {name: artefacts.make(fit_job(config, made, window, name), silent) for name in config.members}
        combination = next_combination(config, panel.samples, scored, combinations, window.test_start)
        scored.append(load_scores(panel, window, artefacts.make(score_job(config, made, window, fits, combination))))
        combinations.append(combination)
    compared = compared_rows(config, panel, fold_predictions(config, panel, found, scored, combinations))
    return {one.name: one.scores["log_loss"] for one in predictors(compared)}, scored, panel


def test_a_trials_value_is_what_a_training_of_it_reports(done):
    for row in (done.summary.trials[0], done.summary.trial(done.summary.best)):
        scores, scored, panel = research(done.study.configured(row.parameters), done.study, done.folder)
        assert row.values["loss"] == row.loss.value == scores[ENSEMBLE].value
        assert (row.loss.low, row.loss.high) == (scores[ENSEMBLE].low, scores[ENSEMBLE].high)
        assert row.scores["lightgbm"]["log_loss"] == pytest.approx(scores["lightgbm"].value, rel=1e-12)
        # By hand: the weighted mean over the rows of the folds that have a stacker and a calibration.
        rows = np.concatenate([one.index for one in scored[2:]])
        said = np.concatenate([one.probability for one in scored[2:]])
        by_hand = log_loss(panel.samples.label[rows], said, panel.samples.weight[rows])
        assert row.values["loss"] == pytest.approx(by_hand, rel=1e-12)


def test_tuning_mends_what_was_badly_configured(done):
    found = done.summary
    base = found.trials[0]
    assert base.is_base
    assert base.values == found.base
    assert found.trial(found.best).values["loss"] + found.luck < base.values["loss"]
    assert found.difference.below_zero
    assert found.luck_probability < 0.05
    assert 0 < found.luck < base.values["loss"] - found.trial(found.best).values["loss"]


def test_what_loses_fold_by_fold_is_stopped(done):
    pruned = done.summary.of("pruned")
    assert pruned, "the seed gives trials that lose"
    for row in pruned:
        assert 4 <= len(row.excess) < done.summary.folds, "of four folds p can be below 0.1"
        before = [one for one in done.summary.of("finished") if one.number < row.number]
        best = min(before, key=lambda one: one.values["loss"])
        lost = [mine > theirs for mine, theirs in zip(row.excess, best.excess, strict=False)]
        assert np.mean(lost) > 0.7
    assert all(len(one.excess) == done.summary.folds for one in done.summary.of("finished"))


def test_every_trial_is_in_the_ledger_as_the_training_of_its_configuration(done):
    entries = done.entries
    assert [one.status for one in entries] == [one.status for one in done.summary.trials]
    assert {one.trial.kind for one in entries} == {"optuna"}
    assert [one.trial.id for one in entries] == [one.ledger for one in done.summary.trials]
    for entry, row in zip(entries, done.summary.trials, strict=True):
        assert entry.trial.configuration == digest(done.study.configured(row.parameters))
        assert (entry.returns is not None) is (row.status == "finished")
        assert entry.metric("value") == row.values.get("loss")
    cut = set_up(done.study, Workspace(done.folder)).ground.facts.cut
    assert {span.stop for one in entries for span in one.trial.touched} == {cut}, "nothing behind the cut is looked at"


def test_the_winners_training_is_a_trial_that_was_counted_and_knows_of_the_others(done):
    bench, winner = set_up(done.study, Workspace(done.folder)), load(done.tuned.winners[done.summary.best])
    ground = bench.ground
    trial = begin_trial(bench.ledger, winner, ground.facts, code=code_digest(), instruments=ground.instruments)
    count = summarise(bench.ledger, trial.id)
    assert (count.distinct, count.records) == (TRIALS, TRIALS + 1)
    assert count.sharpes >= len(done.summary.of("finished")) - 1
    assert count.verified
    best = next(one for one in done.entries if one.trial.id == done.summary.trial(done.summary.best).ledger)
    assert trial.identity == best.trial.identity
    assert len(distinct(done.entries)) == TRIALS


def test_the_written_training_is_the_winners(done):
    row, path = done.summary.trial(done.summary.best), done.tuned.winners[done.summary.best]
    assert path == done.tuned.folder / "winner.toml"
    found = load(path)
    assert digest(found) == digest(done.study.configured(row.parameters))
    assert found.members["lightgbm"]["learning_rate"] == row.parameters["members.lightgbm.learning_rate"]
    assert found.members["lightgbm"]["l2"] == BAD["l2"], "and what was not searched is the training's"


def test_figures_and_summary_are_in_the_studys_folder(done):
    folder = done.tuned.folder
    for name in ("history", "slices", "importance"):
        assert (folder / "figures" / f"{name}.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert json.loads((folder / "study.json").read_text())["best"] == done.summary.best
    assert StudySummary.load(folder) == done.summary
    assert sum(done.summary.importances.values()) == pytest.approx(1.0)
    assert set(done.summary.importances) == set(SPACE)


def test_mlflow_has_a_nested_run_a_trial_below_the_study(done):
    from pipelines.tracking.tracker import mlflow_client

    assert done.tuned.untracked == ""
    client = mlflow_client(f"sqlite:///{done.folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("planted")
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert (parent.data.tags["bot4.study"], parent.info.status) == ("study", "FINISHED")
    nested = {int(run.data.tags["bot4.trial_number"]): run for run in runs if run.info.run_id != parent.info.run_id}
    assert sorted(nested) == [one.number for one in done.summary.trials]
    for row in done.summary.trials:
        run = nested[row.number]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["bot4.ledger"] == row.ledger
        assert run.data.params.keys() == row.parameters.keys()
        assert run.data.metrics.get("oof/ensemble/log_loss") == row.values.get("loss")
        steps = client.get_metric_history(run.info.run_id, "by_fold/excess_log_loss")
        assert [one.value for one in steps] == list(row.excess)
    best = done.summary.trial(done.summary.best)
    assert parent.data.metrics["oof/ensemble/log_loss"] == best.values["loss"]
    assert parent.data.metrics["oof/ensemble/log_loss/low"] == best.loss.low
    assert parent.data.metrics["tuning/luck"] == done.summary.luck
    figures = {one.path for one in client.list_artifacts(parent.info.run_id, "figures")}
    assert figures == {"figures/history.png", "figures/importance.png", "figures/slices.png"}
    kept = {one.path for one in client.list_artifacts(parent.info.run_id)}
    assert {"tables", "winner.toml"} <= kept


def test_run_again_a_finished_study_tries_nothing_and_says_the_same(done):
    before = len(done.entries)
    _, again = run_study(done.folder / "study.toml", done.folder)
    assert again.summary == done.summary
    assert len(done.entries) == before
    assert again.recovered == 0


def test_a_study_does_not_go_on_about_something_else(done):
    changed = done.training + "\n[ensemble]\nridge = 3.0\n"
    (done.folder / "other").mkdir(exist_ok=True)
    (done.folder / "other" / "rules.toml").write_text((done.folder / "rules.toml").read_text())
    path = write_study(done.folder / "other", changed, trials=TRIALS)
    with pytest.raises(TuningError, match="other values of the training"):
        run_study(path, done.folder)
    path = write_study(done.folder / "other", done.training, trials=TRIALS, seed=8)
    with pytest.raises(TuningError, match="other values of the sampler"):
        run_study(path, done.folder)


def test_several_objectives_give_a_front_and_nothing_is_pruned(done):
    space = {
        "members.lightgbm.rounds": {"low": 2, "high": 30, "log": True},
        "ensemble.ridge": {"values": [10.0, 1000.0]},
    }
    objectives = ["loss", "turnover", "latency"]
    path = write_study(done.folder, done.training, space, name="front", trials=3, objectives=objectives)
    _, tuned = run_study(path, done.folder)
    found = tuned.summary
    assert {one.status for one in found.trials} == {"finished"}
    points = {one.number: [one.values[name] for name in objectives] for one in found.trials}
    beaten = {
        mine
        for mine in points
        for other in points
        if all(np.array(points[other]) <= points[mine]) and any(np.array(points[other]) < points[mine])
    }
    assert set(found.front) == set(points) - beaten
    assert set(tuned.winners) == set(found.front)
    for number, written in tuned.winners.items():
        assert load(written).members["lightgbm"]["rounds"] == found.trial(number).parameters["members.lightgbm.rounds"]
    assert all(one.metrics["turnover"] == one.values["turnover"] for one in found.trials)
    assert (tuned.folder / "figures" / "front.png").is_file()
    # The training's own 40 rounds lie outside the space: it is a trial in the ledger and none of the study.
    assert not any(one.is_base for one in found.trials)
    entries = [one for one in done.entries if "study front" in one.trial.note]
    assert [one.status for one in entries] == ["finished"] * 4
    assert entries[-1].trial.note.endswith("the training's own configuration")
    _, again = run_study(path, done.folder)
    assert len([one for one in done.entries if "study front" in one.trial.note]) == 4, "and it is one trial"
    assert again.summary.front == found.front


def test_one_member_is_judged_and_fitted_alone(done):
    folder = done.folder / "two"
    training = done.training + "\n[members.linear]\n"
    path = write_study(folder, training, name="alone", trials=1, predictor="lightgbm")
    (folder / "rules.toml").write_text((done.folder / "rules.toml").read_text())
    study, tuned = run_study(path, done.folder)
    row = tuned.summary.trials[0]
    assert list(study.base.members) == ["lightgbm", "linear"]
    assert row.values["loss"] == pytest.approx(done.summary.trials[0].scores["lightgbm"]["log_loss"], rel=1e-12)
    assert "linear" not in row.scores
    assert not list((done.folder / "artefacts" / "fit").glob("*/linear.json"))
    assert list(load(tuned.winners[0]).members) == ["lightgbm", "linear"], "what is written is whole"


def test_decisions_that_are_not_the_trainings_are_refused(done):
    config = done.study.base
    ground = set_up(done.study, Workspace(done.folder)).ground
    samples = load_panel(base_panel(config, ground)).samples
    check_same_decisions(Samples(*(getattr(samples, field.name).copy() for field in fields(samples))), samples)
    for changed in (
        Samples(*(getattr(samples, field.name)[1:] for field in fields(samples))),
        replace(samples, label=1 - samples.label),
    ):
        with pytest.raises(TuningError, match=f"and the training's {len(samples):,}, or others"):
            check_same_decisions(changed, samples)


def test_a_trial_that_fails_is_counted_and_the_study_goes_on(done, monkeypatch):
    real = pipelines.tuning.trials.evaluate

    def evaluate(config, *others):
        if config.members["lightgbm"]["leaves"] != BAD["leaves"]:
            raise TuningError("this one does not work")
        return real(config, *others)

    monkeypatch.setattr(pipelines.tuning.trials, "evaluate", evaluate)
    _, tuned = run_study(write_study(done.folder, done.training, name="failing", trials=3), done.folder)
    assert [one.status for one in tuned.summary.trials] == ["finished", "failed", "failed"]
    entries = [one for one in done.entries if "study failing" in one.trial.note]
    assert [one.status for one in entries] == ["finished", "failed", "failed"]
    assert "this one does not work" in entries[-1].outcome.note


def test_a_trial_that_is_interrupted_by_hand_is_tried_again(done, monkeypatch):
    path = write_study(done.folder, done.training, name="interrupted", trials=3)
    real, calls = pipelines.tuning.trials.evaluate, []

    def evaluate(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(pipelines.tuning.trials, "evaluate", evaluate)
        with pytest.raises(KeyboardInterrupt):
            run_study(path, done.folder)
    _, tuned = run_study(path, done.folder)
    assert tuned.recovered == 1
    assert [(one.number, one.retry_of) for one in tuned.summary.trials] == [(0, None), (2, 1), (3, None)]
    # The same seed and the same places: what the study that nobody interrupted tried first.
    for mine, theirs in zip(tuned.summary.trials, done.summary.trials, strict=False):
        assert (mine.parameters, mine.values) == (theirs.parameters, theirs.values)
    entries = [one for one in done.entries if "study interrupted" in one.trial.note]
    assert [one.status for one in entries][:2] == ["finished", "failed"]
    assert len(entries) == 4
    assert len(distinct(entries)) == 3


@pytest.mark.long
def test_without_mlflow_the_study_is_whole_and_is_written_when_it_answers(done, tmp_path, monkeypatch):
    path = write_study(done.folder, done.training, name="untracked", trials=1)
    monkeypatch.setenv("BOT4_LEDGER_URL", f"sqlite:///{done.folder / 'trials.db'}")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'missing' / 'deeper' / 'mlflow.db'}")
    (tmp_path / "missing").write_text("a file where a folder is needed")
    _, tuned = run_study(path, done.folder)
    assert tuned.untracked
    assert tuned.winners
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    _, again = run_study(path, done.folder)
    assert again.untracked == ""
    assert again.summary == tuned.summary
