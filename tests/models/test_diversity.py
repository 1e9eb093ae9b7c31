"""Diversity against sums written out, and what it says of members whose errors are known."""

from __future__ import annotations

import numpy as np
import pytest

from models.statistics.diversity import (
    ambiguity,
    disagreement,
    error_correlation,
    gain_correlation,
    weighted_correlation,
)


def rows(seed=0, count=400, members=3):
    random = np.random.default_rng(seed)
    return random.integers(0, 2, count), random.uniform(0.05, 0.95, (count, members)), random.uniform(0.1, 2.0, count)


def test_weights_count_rows():
    _, members, _ = rows()
    times = np.random.default_rng(1).integers(1, 5, len(members))
    repeated = np.corrcoef(np.repeat(members, times, axis=0).T)
    assert weighted_correlation(members, times.astype(float)) == pytest.approx(repeated, abs=1e-12)


def test_errors_and_gains_are_what_they_say():
    label, members, _ = rows(2)
    base = np.full(len(label), 0.4)
    errors = np.corrcoef((label[:, None] - members).T)
    happened = np.where(label[:, None] == 1, members, 1 - members)
    gains = np.corrcoef((np.log(happened) - np.log(np.where(label == 1, 0.4, 0.6))[:, None]).T)
    ones = np.ones(len(label))
    assert error_correlation(label, members, ones) == pytest.approx(errors, abs=1e-12)
    assert gain_correlation(label, members, base, ones) == pytest.approx(gains, abs=1e-12)


def test_weak_members_err_alike_and_gain_apart():
    """Independent whispers around one half: errors are nearly the label itself; what each gains is its own."""
    random = np.random.default_rng(3)
    label = random.integers(0, 2, 20_000)
    members = 0.5 + 0.02 * random.normal(size=(20_000, 2))
    ones, base = np.ones(20_000), np.full(20_000, 0.5)
    assert error_correlation(label, members, ones)[0, 1] > 0.99
    assert abs(gain_correlation(label, members, base, ones)[0, 1]) < 0.03


def test_a_constant_member_has_no_correlation():
    label, members, weight = rows(4)
    members[:, 1] = 0.5
    found = gain_correlation(label, members, np.full(len(label), 0.5), weight)
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[[0, 0, 2], [0, 2, 2]]).all()


def test_disagreement_by_counting():
    _, members, weight = rows(5)
    expected = sum(w for p, w in zip(members, weight, strict=True) if (p[0] >= 0.5) != (p[2] >= 0.5)) / weight.sum()
    found = disagreement(members, weight)
    assert found[0, 2] == pytest.approx(expected)
    assert np.diag(found).tolist() == [0, 0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_the_ambiguity_is_exactly_what_the_mean_gains(seed):
    label, members, weight = rows(seed, members=4)
    found = ambiguity(label, members, weight)
    assert found.ensemble == pytest.approx(found.members - found.ambiguity, abs=1e-14)
    assert found.ensemble == pytest.approx(np.average((label - members.mean(axis=1)) ** 2, weights=weight))
