"""The effective number of trials: planted families are found, and the formulas are the papers'."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_samples

from models.errors import ModelError
from models.statistics.sharpe import deflated_sharpe, moments, sharpe_ratio
from models.statistics.trials import (
    by_average_correlation,
    cluster,
    cluster_returns,
    correlations,
    distances,
    effective_trials,
    k_means,
    silhouettes,
)


def families(seed, sizes, rows=500, noise=0.5):
    random = np.random.default_rng(seed)
    ideas = random.normal(size=(rows, len(sizes)))
    member = np.repeat(np.arange(len(sizes)), sizes)
    order = random.permutation(len(member))
    return (ideas[:, member] + noise * random.normal(size=(rows, len(member))))[:, order], member[order]


@pytest.mark.parametrize("sizes", [(10, 10, 10), (3, 20, 7, 5), (4,) * 8, (30, 2), (2, 2, 2)])
def test_planted_families_are_found(sizes):
    returns, member = families(sum(sizes), sizes)
    found = effective_trials(returns, np.random.default_rng(0))
    assert found.count == len(sizes)
    assert adjusted_rand_score(member, found.labels) == 1


def test_a_cluster_of_families_is_clustered_again():
    returns, member = families(5, (10, 10, 10, 3, 3), noise=0.2)
    found = effective_trials(returns, np.random.default_rng(0), most=2)
    assert adjusted_rand_score(member, found.labels) == 1


def test_loose_families_are_told_apart_beside_tight_ones():
    tight, loose = families(0, (10, 10), noise=0.1), families(50, (6, 6, 6), noise=0.8)
    found = effective_trials(np.concatenate([tight[0], loose[0]], axis=1), np.random.default_rng(0))
    assert adjusted_rand_score(np.r_[tight[1] + 3, loose[1]], found.labels) == 1


@pytest.mark.parametrize("count", [2, 3, 6])
def test_silhouettes_are_scikit_learn_s(count):
    random = np.random.default_rng(count)
    points, labels = random.normal(size=(40, 3)), np.r_[np.arange(count), random.integers(0, count - 1, 40 - count)]
    found = silhouettes(distances(points, points), labels)
    assert found == pytest.approx(silhouette_samples(points, labels), abs=1e-6)


@pytest.mark.parametrize("count", [2, 4, 7])
def test_k_means_is_as_tight_as_scikit_learn_s(count):
    points = np.random.default_rng(count).normal(size=(60, 2))

    def spread(labels):
        return sum(((points[labels == k] - points[labels == k].mean(axis=0)) ** 2).sum() for k in set(labels))

    theirs = KMeans(count, n_init=20, random_state=0).fit(points)
    ours = k_means(points, count, np.random.default_rng(1), starts=20)
    assert len(set(ours)) == count
    assert spread(ours) <= theirs.inertia_ * 1.02


def test_k_means_finds_no_more_clusters_than_different_points():
    assert k_means(np.repeat([[0.0], [5.0]], 4, axis=0), 5, np.random.default_rng(0)).tolist() == [0] * 4 + [1] * 4


def test_the_same_seed_gives_the_same_clusters():
    returns, _ = families(4, (5, 9, 3), noise=2.0)
    one, other = (effective_trials(returns, np.random.default_rng(7)) for _ in range(2))
    assert one.labels.tolist() == other.labels.tolist()
    assert one.sharpes.tolist() == other.sharpes.tolist()


def test_clusters_earn_what_their_trials_weighted_by_inverse_variance_earn():
    returns, _ = families(5, (4, 6))
    found = effective_trials(returns, np.random.default_rng(0))
    for label in range(2):
        mine = returns[:, found.labels == label]
        weight = 1 / mine.var(axis=0)
        by_hand = mine @ (weight / weight.sum())
        assert cluster_returns(returns, found.labels)[:, label] == pytest.approx(by_hand, rel=1e-9)
        assert found.sharpes[label] == pytest.approx(sharpe_ratio(by_hand), rel=1e-9)
    assert found.variance == pytest.approx((found.sharpes[0] - found.sharpes[1]) ** 2 / 2, rel=1e-9)


@pytest.mark.parametrize("copies", [1, 2, 5])
def test_copies_of_one_trial_are_one_trial(copies):
    returns = np.repeat(np.random.default_rng(6).normal(size=(100, 1)), copies, axis=1)
    found = effective_trials(returns, np.random.default_rng(0))
    assert (found.count, found.variance) == (1, 0.0)
    assert found.by_correlation == pytest.approx(1.0, abs=1e-9)


def test_two_trials_that_differ_are_two():
    assert effective_trials(np.random.default_rng(7).normal(size=(100, 2)), np.random.default_rng(0)).count == 2


def test_copies_change_no_cluster():
    returns, _ = families(8, (5, 5, 5))
    plain = cluster(correlations(returns), np.random.default_rng(0))
    twice = cluster(correlations(np.concatenate([returns, returns], axis=1)), np.random.default_rng(0))
    assert twice[:15].tolist() == twice[15:].tolist()
    assert adjusted_rand_score(plain, twice[:15]) == 1


@pytest.mark.parametrize(("rho", "trials", "expected"), [(0.0, 10, 10), (1.0, 10, 1), (0.5, 3, 2.0), (0.8, 101, 21.0)])
def test_the_count_by_average_correlation_is_bailey_and_lopez_de_prado_2014(rho, trials, expected):
    correlation = np.full((trials, trials), rho)
    np.fill_diagonal(correlation, 1.0)
    assert by_average_correlation(correlation) == pytest.approx(expected)


def test_negative_correlation_makes_no_more_trials_than_there_are():
    assert by_average_correlation(np.array([[1.0, -0.9], [-0.9, 1.0]])) == 2


def test_unrelated_trials_are_not_made_few():
    returns = np.random.default_rng(11).normal(size=(400, 60))
    found = effective_trials(returns, np.random.default_rng(0))
    assert found.count < 40
    assert found.cautious == found.by_correlation > 57


def test_variants_deflate_less_than_as_many_ideas():
    """A hundred variants of five ideas: the best is judged against five trials' luck, not a hundred's."""
    returns, _ = families(9, (20,) * 5, rows=750, noise=0.3)
    found = effective_trials(returns, np.random.default_rng(0))
    sharpes = np.array([sharpe_ratio(one) for one in returns.T])
    best = returns[:, sharpes.argmax()]
    facts = (sharpes.max(), len(best), *moments(best))
    effective = deflated_sharpe(*facts, found.count, found.variance)
    naive = deflated_sharpe(*facts, 100, float(sharpes.var(ddof=1)))
    assert found.count == 5
    assert naive < effective < deflated_sharpe(*facts, 1, 0.0)


@pytest.mark.parametrize("values", [np.ones((50, 3)), np.zeros((50, 0)), np.ones((2, 4)), np.full((9, 2), np.nan)])
def test_what_has_no_correlation_is_refused(values):
    with pytest.raises(ModelError):
        effective_trials(values, np.random.default_rng(0))
