"""The study of other ways to combine the members: the run's own among them, the best one known, and what is shown."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from models.ensemble.config import EnsembleConfig
from models.ensemble.logits import logistic
from models.ensemble.nested import FoldScores, compared_folds
from models.statistics.bootstrap import time_blocks
from models.statistics.evaluation import Outcomes
from pipelines.config import DataConfig, RunConfig
from pipelines.figures.gallery import gallery
from pipelines.report.card import card
from pipelines.report.claims import claims_view
from pipelines.report.ensembles import ensembles_view, sentence
from pipelines.report.markdown import markdown
from pipelines.results import ENSEMBLE
from pipelines.stages.artefacts import silent
from pipelines.stages.claims import claims
from pipelines.stages.ensembles import study
from pipelines.stages.evaluate import Compared, nested_predictions
from pipelines.tracking.ensembles import ensemble_tables
from tests.pipelines.factory import make_result

MEMBERS = {"lightgbm": {}, "xgboost": {}}
HOUR = 3_600_000_000_000


def config_of(method="stack", calibration="platt"):
    data = DataConfig(("FAKE1USDT",), "1h")
    return RunConfig("other-ways", data, members=MEMBERS, ensemble=EnsembleConfig(method, calibration, ridge=10.0))


def made(config, shy=1.0, count=600, folds=7, seed=0):
    """Two members that each know half of the truth, said with a share of the certainty; folds and compared rows."""
    random, scored = np.random.default_rng(seed), []
    for number in range(folds):
        parts = random.normal(0, 0.8, (count, 2))
        label = (random.random(count) < logistic(parts.sum(axis=1))).astype(np.int64)
        t0 = (number * count + np.arange(count)) * HOUR
        scored.append(FoldScores(logistic(shy * parts), label, np.ones(count), t0 + 1, int(t0[0])))
    said = nested_predictions(scored, config.ensemble)
    chosen = compared_folds(folds)
    joined = {name: np.concatenate([getattr(scored[one], name) for one in chosen]) for name in ("members", "label")}
    rows = len(joined["label"])
    fold = np.repeat(np.arange(len(chosen)), count)
    outcomes = Outcomes(
        joined["label"], np.where(joined["label"] > 0, 0.01, -0.01), np.ones(rows), np.full(rows, 0.5), fold
    )
    predictors = {name: joined["members"][:, number] for number, name in enumerate(config.members)}
    predictors[ENSEMBLE] = np.concatenate([said[one] for one in chosen])
    times = np.concatenate([scored[one].t1 for one in chosen])
    blocks = time_blocks(times, 4 * HOUR, 8, 200, 1)
    return scored, Compared(np.arange(rows), outcomes, predictors, blocks)


def found_of(config, **how):
    return study(config, *made(config, **how), silent)


def test_the_run_s_own_way_is_among_them_and_differs_by_nothing():
    found = found_of(config_of())
    mine = [one for one in found.combined if one.chosen]
    assert [(one.kind, one.name) for one in mine] == [("pool", "stack"), ("calibration", "platt")]
    for one in mine:
        assert (one.difference.value, one.difference.low, one.difference.high) == (0.0, 0.0, 0.0)
    assert all(one.difference.value != 0.0 for one in found.combined if not one.chosen)


def test_where_a_sum_is_right_the_run_by_a_mean_is_told_so():
    """Each member knows its half of the log odds: the stacker adds them, no mean can, though calibration helps it."""
    found = found_of(config_of("bma"))
    ways = {one.name: one for one in found.of("pool")}
    assert ways["stack"].difference.below_zero
    assert "stacking" in sentence(found)
    assert "trial of its own" in sentence(found)
    assert ways["stack"].weights == pytest.approx({"lightgbm": 1.0, "xgboost": 1.0}, abs=0.2)


def test_where_the_run_is_right_no_other_is_found_better():
    text = sentence(found_of(config_of()))
    assert "the 95 % intervals give none a lower log loss" in text
    narrower = msgspec.structs.replace(found_of(config_of()), level=0.8)
    assert "the 80 % intervals give none a lower log loss" in sentence(narrower)


def test_what_rows_do_not_allow_is_said():
    found = found_of(config_of(), count=300)
    assert list(found.refused) == ["isotonic"]
    assert "1000 effective rows" in found.refused["isotonic"]
    assert "isotonic" not in [one.name for one in found.combined]
    assert "auto" in [one.name for one in found.combined]


def test_independent_halves_are_diverse_and_copies_are_not():
    config = config_of()
    folds, compared = made(config)
    apart = study(config, folds, compared, silent).diversity
    assert abs(apart.gains[0, 1]) < 0.1
    assert apart.brier_mean == pytest.approx(apart.brier_members - apart.brier_ambiguity)
    same = {**compared.predictors, "xgboost": compared.predictors["lightgbm"]}
    alike = study(config, folds, replace(compared, predictors=same), silent).diversity
    assert alike.gains[0, 1] == pytest.approx(1.0)
    assert (alike.brier_ambiguity, alike.disagreement[0, 1]) == (0.0, 0.0)


def test_prediction_sets_hold_what_they_promise_forward_in_time():
    """The market does not change here, so the promise must be kept: within three errors of independent rows."""
    found = found_of(config_of(), count=2_000)
    assert [one.coverage for one in found.sets] == [0.6, 0.7, 0.8, 0.9]
    rows = 4 * 2_000  # four folds have sets: the first of the compared ones has none
    for one in found.sets:
        error = (one.coverage * (1 - one.coverage) / rows) ** 0.5
        assert abs(one.held.value - one.coverage) < 3 * error * 2**0.5  # and the threshold is an estimate itself
    assert found.sets[0].single.value > found.sets[-1].single.value
    assert all(one.right.value >= 0.6 for one in found.sets)


def test_sets_of_a_model_that_knows_nothing_have_both_sides():
    config = config_of()
    folds, compared = made(config, count=800)
    random = np.random.default_rng(5)
    folds = [replace(one, label=random.integers(0, 2, 800)) for one in folds]
    label = np.concatenate([folds[number].label for number in compared_folds(7)])
    compared = replace(compared, outcomes=replace(compared.outcomes, label=label))
    found = study(config, folds, compared, silent).sets
    assert found[-1].coverage == 0.9
    assert found[-1].single.value < 0.3
    assert all(
        abs(one.right.value - 0.5) < 0.1 for one in found if one.right.value is not None and one.single.value > 0.2
    )


def test_claims_are_measured_by_counting():
    config = config_of()
    _, compared = made(config)
    found = claims(tuple(MEMBERS), compared)
    label, weight, ours = compared.outcomes.label, compared.outcomes.weight, compared.predictors[ENSEMBLE]
    right = {name: (said >= 0.5) == (label == 1) for name, said in compared.predictors.items()}
    down = label == 0
    best = max(MEMBERS, key=lambda name: right[name].mean())
    assert weight.tolist() == [1.0] * len(weight)
    assert found.best_member == best
    assert found.accuracy.value == pytest.approx(right[ENSEMBLE].mean())
    assert found.false_positives.value == pytest.approx((ours[down] >= 0.5).mean())
    assert found.improvement.value == pytest.approx(right[ENSEMBLE].mean() / right[best].mean() - 1)
    assert found.improvement.above_zero  # a sum of halves is better than either half
    surest_tenth = np.argsort(-np.abs(ours - 0.5))[: len(ours) // 10]
    tenth = next(one.precision for one in found.precision if one.coverage == 0.1)
    assert tenth.value == pytest.approx(right[ENSEMBLE][surest_tenth].mean(), abs=2e-3)
    assert tenth.low < tenth.value < tenth.high
    assert tenth.value > found.precision[0].precision.value


def test_the_report_puts_claims_beside_what_was_measured():
    found = claims(tuple(MEMBERS), made(config_of())[1])
    rows = claims_view(found)["claims"]
    assert [said for _, said, _ in rows] == ["85 %", "under 5 %", "+35 %"]
    assert rows[0][2].startswith(f"{100 * found.accuracy.value:.1f} % [")
    assert claims_view(None) is None


def test_a_run_of_one_member_has_a_study():
    config = msgspec.structs.replace(config_of(), members={"lightgbm": {}})
    folds, compared = made(config_of())
    folds = [replace(one, members=one.members[:, :1]) for one in folds]
    found = study(config, folds, compared, silent)
    assert found.diversity.members == ("lightgbm",)
    assert "diversity" not in gallery(msgspec.structs.replace(make_result(), ensemble_study=found))


def test_report_figure_and_table_show_the_study(tmp_path):
    found = found_of(config_of(), count=300)
    result = msgspec.structs.replace(make_result(), ensemble_study=found)
    result.save(tmp_path)
    result = type(result).load(tmp_path)
    shown = ensembles_view(result)
    assert [row["chosen"] for row in shown["pools"]] == [True, False, False, False]
    assert shown["refused"] == [("isotonic", found.refused["isotonic"])]
    words = markdown(card(result))
    for row in (*shown["pools"], *shown["calibrations"]):
        assert " | ".join((row["name"], row["auc"], row["gain"], row["error"], row["difference"])) in words
    for row in shown["sets"]:
        assert " | ".join((row["coverage"], row["held"], row["single"], row["right"], row["empty"])) in words
    for row in shown["claimed"]["claims"]:
        assert " | ".join(row) in words
    for name, cells in shown["claimed"]["precision"]:
        assert " | ".join((name, *cells)) in words
    assert f"isotonic was not possible: {found.refused['isotonic']}" in words
    assert "Combined otherwise" not in markdown(card(make_result()))
    table = ensemble_tables(result)["ensembles"]
    assert table["way"] == [one.name for one in found.combined]
    assert table["log_loss_difference"] == [one.difference.value for one in found.combined]
    assert "diversity" in gallery(result)
    assert ensembles_view(make_result()) is None
    assert ensemble_tables(make_result()) == {}
