"""Conformal sets: their threshold by brute force, and how often they hold what happens."""

from __future__ import annotations

import numpy as np
import pytest

from models.bundle.combination import Conformal
from models.ensemble.conformal import fit_conformal, prediction_sets
from models.ensemble.logits import logistic


def rows(seed, count, scale=1.0):
    random = np.random.default_rng(seed)
    logit = random.normal(0, scale, count)
    return logistic(logit), (random.random(count) < logistic(logit)).astype(np.int64)


@pytest.mark.parametrize("coverage", [0.55, 0.8, 0.95])
def test_the_threshold_is_the_textbook_s_quantile(coverage):
    """The ceil((n + 1) coverage)-th smallest of one less the probability of what happened (Angelopoulos and Bates)."""
    probability, label = rows(1, 331)
    scores = np.sort(1 - np.where(label == 1, probability, 1 - probability))
    expected = 1 - scores[int(np.ceil(332 * coverage)) - 1]
    assert fit_conformal(probability, label, np.ones(331), coverage).least == pytest.approx(expected, abs=1e-15)


def test_a_row_counts_by_its_weight():
    probability, label = rows(2, 60)
    times = np.random.default_rng(3).integers(1, 4, 60)
    repeated = fit_conformal(np.repeat(probability, times), np.repeat(label, times), np.ones(times.sum()), 0.8)
    assert fit_conformal(probability, label, times.astype(float), 0.8) == repeated


@pytest.mark.parametrize("wrong", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("coverage", [0.6, 0.9])
def test_sets_keep_their_promise_whatever_the_model_is_worth(wrong, coverage):
    """Marginal coverage over many draws of calibration and test rows, of models too sure and too shy."""
    held = []
    for seed in range(300):
        probability, label = rows(seed, 101)
        probability = logistic(wrong * np.log(probability / (1 - probability)))
        found = fit_conformal(probability[:100], label[:100], np.ones(100), coverage)
        held.append(prediction_sets(found, probability[100:])[0, label[100]])
    error = (coverage * (1 - coverage) / 300) ** 0.5
    assert coverage - 3 * error < np.mean(held) < coverage + 0.02 + 3 * error


def test_too_few_rows_promise_nothing_and_hold_everything():
    found = fit_conformal(np.array([0.9, 0.9]), np.array([1, 1]), np.ones(2), 0.8)
    assert found == Conformal(0.8, 0.0)
    assert prediction_sets(found, np.array([0.01, 0.99])).all()
    assert fit_conformal(np.empty(0), np.empty(0, np.int64), np.empty(0), 0.8).least == 0.0


def test_the_sides_of_a_set():
    sets = prediction_sets(Conformal(0.8, 0.4), np.array([0.3, 0.5, 0.7]))
    assert sets.tolist() == [[True, False], [True, True], [False, True]]
    assert prediction_sets(Conformal(0.8, 0.6), np.array([0.5])).tolist() == [[False, False]]
