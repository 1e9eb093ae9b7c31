"""A study's file: what may be searched, what is refused and with which words, and what a trial's configuration is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.config import load
from pipelines.errors import ConfigError
from pipelines.toml import digest
from pipelines.tuning.config import load_study
from pipelines.tuning.study import base_values
from pipelines.tuning.winner import write_training
from tests.pipelines.tuning_factory import EMBEDDED, write_study

CONF = Path(__file__).resolve().parent.parent.parent / "conf"
RATE = {"members.lightgbm.learning_rate": {"low": 0.01, "high": 0.2, "log": True}}


def refused(tmp_path, space, **tuning):
    with pytest.raises(ConfigError) as caught:
        load_study(write_study(tmp_path, space=space, **tuning), {})
    return str(caught.value)


def test_the_example_is_a_study_of_its_training():
    study = load_study(CONF / "tune-spot-15m.toml", {})
    assert digest(study.base) == digest(load(CONF / "spot-15m.toml"))
    assert base_values(study) is not None, "the training's own configuration is its first trial"


def test_a_space_may_be_written_as_dotted_keys_or_as_tables(tmp_path):
    dotted = load_study(write_study(tmp_path, space=RATE), {}).space
    path = write_study(tmp_path, space={})
    for table in (
        "[space]\nmembers.lightgbm.learning_rate = { low = 0.01, high = 0.2, log = true }",
        "[space.members.lightgbm.learning_rate]\nlow = 0.01\nhigh = 0.2\nlog = true",
    ):
        path.write_text(f'name = "study"\ntraining = "training.toml"\n{table}\n')
        assert load_study(path, {}).space == dotted


@pytest.mark.parametrize(
    ("key", "one", "said"),
    [
        ("members.lightgbm.learning_rat", {"low": 0.1, "high": 0.2}, "did you mean members.lightgbm.learning_rate"),
        ("members.lstm.hidden", {"low": 8, "high": 16}, "which a training does not have"),
        ("members.lightgbm.leaves", {"low": 2.5, "high": 9}, "low is 2.5; it must be a whole number"),
        ("members.lightgbm.leaves", {"low": 9, "high": 4}, "goes from 9 to 4"),
        ("members.lightgbm.leaves", {"low": 4}, "high is null"),
        ("members.lightgbm.leaves", {"low": 4, "high": 8, "step": 5}, "step is 5"),
        ("members.lightgbm.leaves", {"low": 4, "high": 8, "steps": 2}, "did you mean step"),
        ("members.lightgbm.leaves", {"low": 4, "high": 8, "log": 1.5}, "log is 1.5"),
        ("members.lightgbm.l2", {"low": 0.0, "high": 8, "log": True}, "low must be above 0"),
        ("members.lightgbm.l2", {"low": 1.0, "high": 8, "log": True, "step": 1}, "leave out step or log"),
        ("members.lightgbm.leaves", {"low": 4, "values": [4, 5]}, "has values and low"),
        ("members.lightgbm.leaves", {"values": [4, 4]}, "list at least two, each once"),
        ("features.exclude", {"low": 4, "high": 5}, "is not a number"),
        ("members.lightgbm.learning_rate", {"low": 0.1, "high": 1.5}, "learning_rate is 1.5; it must be above 0"),
        ("members.lightgbm.leaves", {"values": [1, 5]}, "leaves is 1; it must lie between 2"),
        ("members.lightgbm.leaves", {"values": ["few", 5]}, "has \"few\", which it cannot be"),
        ("features.exclude", {"values": [[], ["rsi_41"]]}, "did you mean rsi_14"),
        ("ensemble.clip", {"low": 0.1, "high": 0.6}, "clip is 0.6"),
        ("seed", {"low": 1, "high": 100}, "draw of chance"),
        ("labels.barrier", {"low": 1.0, "high": 2.0}, "losses of other questions cannot be compared"),
        ("validation.train", {"values": ["90d", "120d"]}, "losses over other decisions cannot be compared"),
        ("data.holdout", {"values": ["20d", "30d"]}, "losses over other decisions cannot be compared"),
        ("exchange.half_spread", {"low": 0.0, "high": 0.1}, "the cheapest world is always the best"),
        ("ensemble.coverage", {"low": 0.6, "high": 0.9}, "changes no loss"),
        ("ensemble.one_sided", {"values": [False, True]}, "nothing about its loss"),
        ("trading.decision.margin", {"low": -0.1, "high": 0.1}, "where turnover is an objective"),
    ],
)  # fmt: skip
def test_what_cannot_be_searched_is_refused_before_anything_runs(tmp_path, key, one, said):
    text = refused(tmp_path, {key: one})
    assert key in text
    assert said in text
    assert not (tmp_path / "studies.db").exists()


def test_what_decides_trading_may_be_searched_with_turnover_and_the_tail_always(tmp_path):
    space = {"trading.decision.margin": {"low": -0.1, "high": 0.1}, "validation.tail": {"low": 0.1, "high": 0.3}}
    path = write_study(tmp_path, space=space, objectives=["loss", "turnover"])
    assert [one.key for one in load_study(path, {}).space] == list(space)


@pytest.mark.parametrize(
    ("tuning", "said"),
    [
        ({"objectives": ["turnover"]}, "without loss the best model is one that does nothing"),
        ({"objectives": ["loss", "loss"]}, "name each once"),
        ({"objectives": ["loss", "latency"], "pruner": "wilcoxon"}, "cannot be compared before they end"),
        ({"predictor": "lstm"}, "tuning.predictor is 'lstm'"),
        ({"trials": 0}, "trials is 0"),
        ({"level": 0.0}, "level is 0.0"),
    ],
)
def test_a_study_that_makes_no_sense_is_refused(tmp_path, tuning, said):
    assert said in refused(tmp_path, RATE, **tuning)


def test_a_key_that_another_members_loss_does_not_feel_is_refused(tmp_path):
    assert "changes nothing about linear" in refused(tmp_path, RATE, predictor="linear")


def test_a_trial_is_the_training_with_some_keys_set_and_nothing_else(tmp_path):
    study = load_study(write_study(tmp_path, space=RATE), {})
    found = study.configured({"members.lightgbm.learning_rate": 0.05})
    assert found.members == {"lightgbm": {"rounds": 30, "learning_rate": 0.05}, "linear": {}}
    own = study.configured({"members.lightgbm.learning_rate": 0.03})
    assert digest(own) == digest(study.base), "the training's own value is the training itself"


def test_a_training_that_names_no_members_keeps_its_default_ones(tmp_path):
    training = EMBEDDED.split("[members")[0]
    study = load_study(write_study(tmp_path, training, space=RATE), {})
    found = study.configured({"members.lightgbm.learning_rate": 0.05})
    assert list(found.members) == ["lstm", "lightgbm", "xgboost", "linear"]


def test_overrides_from_the_environment_are_the_trainings(tmp_path):
    study = load_study(write_study(tmp_path, space=RATE), {"BOT4__VALIDATION__FOLDS": "8"})
    assert study.configured({}).validation.folds == 8


def test_the_written_training_is_the_trials_with_the_files_it_names(tmp_path):
    space = {**RATE, "features.exclude": {"values": [[], ["rsi_14"]]}}
    training = EMBEDDED.replace("[data]", '[data]\ninstruments = "rules/spot.toml"')
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "spot.toml").write_text("# rules\n")
    study = load_study(write_study(tmp_path, training, space=space), {})
    values = {"members.lightgbm.learning_rate": 0.0512345678901234, "features.exclude": ["rsi_14"]}
    path = write_training(study, values, tmp_path / "elsewhere" / "winner.toml", "Trial 3.")
    assert digest(load(path)) == digest(study.configured(values))
    assert (tmp_path / "elsewhere" / "rules" / "spot.toml").read_text() == "# rules\n"
    assert path.read_text().startswith("# Trial 3.\nname")
