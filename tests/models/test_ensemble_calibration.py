"""Temperature, isotonic calibration, and the choice among calibrations out of fold."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from models.bundle.combination import Isotonic, Platt
from models.ensemble.calibration import (
    BIN_ROWS,
    ISOTONIC_ROWS,
    STEEPEST,
    calibrate,
    candidates,
    fit_calibration,
    fit_isotonic,
    fit_temperature,
)
from models.ensemble.config import EnsembleConfig
from models.ensemble.logits import logistic
from models.ensemble.nested import Pooled, best_calibration
from models.errors import EnsembleError
from models.statistics.predictions import log_loss

CLIP = 1e-4


def outcome(seed, count, curve, scale=1.0):
    """Log odds, and labels of which the true probability is a curve of them."""
    random = np.random.default_rng(seed)
    combined = random.normal(0, scale, count)
    return combined, (random.random(count) < curve(combined)).astype(np.int64), np.ones(count)


def step(combined):
    """Nothing is known but the side: no line of log odds says that."""
    return np.where(combined > 0, 0.6, 0.4)


def test_a_temperature_is_found_and_has_no_intercept():
    combined, label, weight = outcome(1, 60_000, lambda x: logistic(x / 2.5))
    found = fit_temperature(combined, label, weight, CLIP)
    assert (found.slope, found.intercept) == (pytest.approx(0.4, abs=0.02), 0.0)


def test_a_temperature_minimises_its_loss():
    combined, label, weight = outcome(2, 3_000, lambda x: logistic(x / 2))
    found = fit_temperature(combined, label, weight, CLIP).slope
    loss = [log_loss(label, logistic(combined * slope), weight) for slope in np.linspace(0.5, 1.5, 201) * found]
    assert abs(int(np.argmin(loss)) - 100) <= 1


def test_an_upside_down_temperature_is_one_half():
    combined, label, weight = outcome(3, 3_000, lambda x: logistic(-x))
    assert calibrate(fit_temperature(combined, label, weight, CLIP), combined).tolist() == [0.5] * 3_000


def test_isotonic_follows_what_no_line_can():
    combined, label, weight = outcome(4, 40_000, step)
    said = {method: calibrate(fit_calibration(method, combined, label, weight, CLIP, 1.0), combined)
            for method in ("platt", "isotonic")}  # fmt: skip
    error = {method: np.abs(one - step(combined)).mean() for method, one in said.items()}
    assert error["isotonic"] < 0.5 * error["platt"]


def test_isotonic_is_scikit_learn_s_staircase_at_its_centres():
    """Bins as fine as the values: at the centre of every step the line has the step's height."""
    random = np.random.default_rng(5)
    levels = np.repeat(np.linspace(-2.0, 2.0, 40), 50)
    label = (random.random(2_000) < logistic(0.5 * levels)).astype(np.int64)
    found = fit_isotonic(levels, label, np.ones(2_000), CLIP)
    ones = label.sum()
    target = np.where(label, (ones + 1) / (ones + 2), 1 / (2_000 - ones + 2))
    theirs = IsotonicRegression().fit(levels, target)
    height = theirs.predict(np.unique(levels))
    for level in np.unique(height):
        centre = np.unique(levels)[height == level].mean()
        assert calibrate(found, np.array([centre]))[0] == pytest.approx(level, abs=1e-12)


def test_isotonic_never_falls_and_never_jumps():
    combined, label, weight = outcome(6, 5_000, step, scale=0.02)
    found = fit_isotonic(combined, label, weight, CLIP)
    assert isinstance(found, Isotonic)
    knots, values = np.array(found.knots), np.array(found.values)
    slopes = np.diff(values) / np.diff(knots)
    assert (slopes > 0).all()
    assert slopes.max() == pytest.approx(STEEPEST)
    assert np.average(calibrate(found, combined)) == pytest.approx(label.mean(), abs=0.02)


def test_isotonic_of_the_wrong_way_round_is_the_base_rate():
    combined, label, weight = outcome(7, 5_000, lambda x: logistic(-3 * x))
    found = fit_isotonic(combined, label, weight, CLIP)
    assert isinstance(found, Platt)
    assert calibrate(found, combined) == pytest.approx(label.mean(), abs=1e-3)


def test_no_step_of_isotonic_is_of_few_rows():
    combined, label, weight = outcome(8, 3_000, logistic)
    found = fit_isotonic(combined, label, 0.5 * weight, CLIP)
    assert len(found.knots) <= 1_500 / BIN_ROWS
    assert len(found.knots) > 5


def test_isotonic_asks_for_effective_rows():
    combined, label, weight = outcome(9, 3_000, logistic)
    with pytest.raises(EnsembleError, match=r"needs 1000 effective rows and has 300"):
        fit_isotonic(combined, label, 0.1 * weight, CLIP)
    assert "isotonic" not in candidates(ISOTONIC_ROWS - 1)
    assert "isotonic" in candidates(ISOTONIC_ROWS)


def test_none_changes_nothing_inside_the_clip():
    combined = np.linspace(-3, 3, 11)
    said = calibrate(fit_calibration("none", combined, combined > 0, np.ones(11), CLIP, 1.0), combined)
    assert said == pytest.approx(logistic(combined), abs=1e-15)


def pooled(seed, curve, count=3_000, folds=4):
    return [Pooled(*outcome(seed + number, count, curve)) for number in range(folds)]


@pytest.mark.parametrize(
    ("curve", "best"),
    [
        (step, {"isotonic"}),
        (lambda x: logistic(0.4 * x + 0.7), {"platt"}),
        (lambda x: logistic(0.4 * x), {"temperature"}),
        (logistic, {"none", "temperature", "platt"}),
    ],
)
def test_the_calibration_that_fits_is_chosen(curve, best):
    config = EnsembleConfig(calibration="auto", ridge=10.0)
    chosen = [best_calibration(pooled(seed, curve), config) for seed in range(0, 60, 10)]
    assert sum(one in best for one in chosen) >= 4


def test_the_choice_has_the_least_loss_out_of_fold_by_brute_force():
    folds, config = pooled(20, lambda x: logistic(0.7 * x + 0.1), count=1_200), EnsembleConfig(calibration="auto")
    losses = {}
    for method in ("platt", "temperature", "isotonic", "none"):
        losses[method] = 0.0
        for number in range(1, 4):
            rows = Pooled.joined(folds[:number])
            found = fit_calibration(method, rows.logit, rows.label, rows.weight, config.clip, config.ridge)
            said = calibrate(found, folds[number].logit)
            losses[method] += log_loss(folds[number].label, said, folds[number].weight) * folds[number].weight.sum()
    assert best_calibration(folds, config) == min(losses, key=losses.get)


def test_one_fold_is_no_choice():
    assert best_calibration(pooled(30, step, folds=1), EnsembleConfig(calibration="auto")) == "platt"


def test_what_few_rows_forbid_is_not_chosen():
    assert best_calibration(pooled(40, step, count=400), EnsembleConfig(calibration="auto")) != "isotonic"
