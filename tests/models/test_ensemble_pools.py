"""Pools of probabilities: their weights by hand and by brute force, and what each is good at."""

from __future__ import annotations

import numpy as np
import pytest

from models.bundle.combination import Pool
from models.ensemble.config import METHODS, EnsembleConfig
from models.ensemble.logits import logistic
from models.ensemble.pools import fit_model_average, fit_pool, fit_weighted, pool_logit, pool_probability
from models.errors import EnsembleError
from models.statistics.predictions import log_loss

CLIP = 1e-4


def rows(seed, noise, count=4_000, scale=0.8):
    """Members that see the truth through noise of these sizes; labels and uneven weights."""
    random = np.random.default_rng(seed)
    truth = random.normal(0, scale, count)
    members = logistic(truth[:, None] + random.normal(0, 1, (count, len(noise))) * noise)
    label = (random.random(count) < logistic(truth)).astype(np.int64)
    return members, label, random.uniform(0.1, 1.0, count)


def test_a_linear_pool_is_the_weighted_mean_of_probabilities():
    members = np.random.default_rng(0).uniform(0.01, 0.99, (50, 3))
    pool = Pool((0.2, 0.3, 0.5), 0.0, CLIP, linear=True)
    expected = 0.2 * members[:, 0] + 0.3 * members[:, 1] + 0.5 * members[:, 2]
    assert pool_probability(pool, members) == pytest.approx(expected, abs=1e-14)


def test_the_mean_is_the_mean():
    members, label, weight = rows(1, [0.3, 0.9, 2.0])
    pool = fit_pool(members, label, weight, EnsembleConfig("mean"))
    assert pool_probability(pool, members) == pytest.approx(members.mean(axis=1), abs=1e-14)


def test_model_averaging_is_bayes_theorem_over_members():
    """The posterior of which one of the members is true, from their likelihoods multiplied one row at a time."""
    members, label, _ = rows(2, [0.5, 0.6, 1.5], count=60)
    posterior = np.ones(3)
    for said, happened in zip(members, label, strict=True):
        posterior = posterior * np.where(happened, said, 1.0 - said)
        posterior = posterior / posterior.sum()
    found = fit_model_average(members, label, np.ones(60), CLIP)
    assert found.weights == pytest.approx(posterior, abs=1e-12)
    assert max(posterior) < 0.999


def test_model_averaging_counts_a_row_by_its_weight():
    members, label, _ = rows(3, [0.5, 1.5], count=40)
    twice = fit_model_average(np.repeat(members, 2, axis=0), np.repeat(label, 2), np.ones(80), CLIP)
    assert fit_model_average(members, label, np.full(40, 2.0), CLIP).weights == pytest.approx(twice.weights, abs=1e-12)


def test_model_averaging_ends_with_one_member_and_says_no_more_than_it():
    members, label, weight = rows(4, [0.2, 0.8, 1.5], count=40_000)
    weights = fit_model_average(members, label, weight, CLIP).weights
    assert weights[0] == pytest.approx(1.0, abs=1e-9)


def test_weights_are_gains_over_the_base_rate():
    members, label, weight = rows(5, [0.2, 0.5, 3.0])
    base = np.full(len(label), np.average(label, weights=weight))
    gains = [log_loss(label, base, weight) - log_loss(label, column, weight) for column in members.T]
    assert gains[0] > gains[1] > 0 > gains[2]
    total = gains[0] + gains[1]
    assert fit_weighted(members, label, weight, CLIP).weights == pytest.approx([gains[0] / total, gains[1] / total, 0])


def test_where_no_member_gains_all_weigh_the_same():
    _, label, weight = rows(6, [0.3])
    nonsense = np.column_stack([np.where(label, 0.3, 0.6), np.where(label, 0.1, 0.9)])
    assert fit_weighted(nonsense, label, weight, CLIP).weights == (0.5, 0.5)


def test_certain_and_wrong_members_have_finite_weights():
    label, weight = np.array([0, 1, 1, 0]), np.ones(4)
    members = np.column_stack([[1.0, 0.0, 0.0, 1.0], [0.4, 0.6, 0.6, 0.4]])
    for method in METHODS:
        pool = fit_pool(members, label, weight, EnsembleConfig(method))
        assert np.isfinite([*pool.weights, *pool_logit(pool, members)]).all()


def test_a_stacker_learns_what_no_mean_can():
    """Members that are shy by half: the sum of their log odds is right, and no weighted mean of them is."""
    random = np.random.default_rng(7)
    parts = random.normal(0, 0.8, (20_000, 2))
    label = (random.random(20_000) < logistic(parts.sum(axis=1))).astype(np.int64)
    members, weight = logistic(parts), np.ones(20_000)
    loss = {
        method: log_loss(
            label, pool_probability(fit_pool(members, label, weight, EnsembleConfig(method)), members), weight
        )
        for method in METHODS
    }
    assert loss["stack"] < min(loss["mean"], loss["weighted"], loss["bma"]) - 0.01


@pytest.mark.parametrize("method", ["stack", "weighted", "bma"])
def test_one_class_alone_is_refused(method):
    members, label, weight = rows(8, [0.3, 0.9], count=50)
    with pytest.raises(EnsembleError, match="both classes"):
        fit_pool(members, np.zeros_like(label), weight, EnsembleConfig(method))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"ridge": -1.0}, "ridge is -1"), ({"clip": 0.5}, "clip is 0.5"), ({"burn_in": -1}, "burn_in")],
)
def test_a_configuration_names_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        EnsembleConfig(**change)
