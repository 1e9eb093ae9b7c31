"""Distances and clusters of features: the book's snippets as twins, planted blocks found again, residuals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy, rankdata, spearmanr
from sklearn.cluster import AgglomerativeClustering
from sklearn.linear_model import LinearRegression
from sklearn.metrics import silhouette_samples

from models.errors import ModelError
from models.importance.clusters import (
    cluster_features,
    cluster_quality,
    linkage_clusters,
    optimal_clusters,
    residualised,
    silhouettes,
)
from models.importance.distance import bins_for, correlation, feature_distance


def blocks(seed, sizes=(4, 3, 5), rows=400, blur=0.4):
    """Columns in blocks that share a factor, shuffled; also the block of each column."""
    random = np.random.default_rng(seed)
    block = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    factor = random.standard_normal((rows, len(sizes)))
    return factor[:, block] + blur * random.standard_normal((rows, len(block))), block


def same(one, other):
    """Whether two labellings say the same of every pair."""
    return np.array_equal(one[:, None] == one, other[:, None] == other)


def snippet_3_3(x, y, bins):
    """López de Prado 2020, snippet 3.3, normalised."""
    table = np.histogram2d(x, y, bins)[0]
    share = table / table.sum()
    one, other = entropy(np.histogram(x, bins)[0]), entropy(np.histogram(y, bins)[0])
    mutual = one + other - entropy(share.ravel())
    return (one + other - 2 * mutual) / (one + other - mutual)


def test_correlation_distances_are_those_of_scipy():
    X, _ = blocks(1)
    X[:, 0] = np.exp(3 * X[:, 0])
    rho = spearmanr(X).statistic
    np.testing.assert_allclose(feature_distance(X), np.sqrt(np.abs(1 - np.abs(rho))), atol=1e-6)
    pearson = np.sqrt(np.clip(1 - np.abs(np.corrcoef(X.T)), 0, None))
    np.testing.assert_allclose(feature_distance(X, "correlation"), pearson, atol=1e-6)
    assert np.abs(feature_distance(X) - pearson).max() > 0.1


def test_information_distance_is_the_books_on_ranks():
    X, _ = blocks(2, rows=300)
    found = feature_distance(X, "information")
    rank = np.stack([rankdata(column) for column in X.T], axis=1)
    rho = np.corrcoef(rank.T)
    for one in range(3):
        for other in range(one + 1, 6):
            expected = snippet_3_3(rank[:, one], rank[:, other], bins_for(300, rho[one, other]))
            assert found[one, other] == pytest.approx(expected, abs=0.03)


def test_information_sees_what_correlation_does_not():
    x = np.random.default_rng(3).standard_normal((4000, 2))
    X = np.column_stack([x[:, 0], x[:, 0] ** 2, x[:, 1]])
    rank, information = feature_distance(X), feature_distance(X, "information")
    assert rank[0, 1] > 0.95
    assert information[0, 1] < 0.8 < 0.95 < information[0, 2]


@pytest.mark.parametrize("kind", ["correlation", "rank_correlation", "information"])
def test_a_distance_is_one(kind):
    X, _ = blocks(4)
    X = np.column_stack([X, -X[:, 0], np.full(len(X), 0.1)])
    found = feature_distance(X, kind)
    np.testing.assert_array_equal(found, found.T)
    assert (np.diag(found) == 0).all()
    assert ((found >= 0) & (found <= 1)).all()
    assert found[0, -2] == pytest.approx(0.0, abs=1e-6)
    assert (found[-1, :-1] == 1).all()
    gap = found[:, :, None] + found[None, :, :] - found[:, None, :]
    assert gap.min() > -0.05 if kind == "information" else gap.min() > -1e-9


def test_the_correlation_of_numbers_far_from_zero():
    x = np.random.default_rng(5).standard_normal((500, 2))
    np.testing.assert_allclose(correlation(1e6 + x), np.corrcoef(x.T), atol=1e-8)


def test_bins_are_the_published_ones():
    """López de Prado 2020, snippet 3.3 (numBins), worked out for three cases."""
    n = 10_000
    z = (8 + 324 * n + 12 * (36 * n + 729 * n**2) ** 0.5) ** (1 / 3)
    assert bins_for(n, 1.0) == round(z / 6 + 2 / (3 * z) + 1 / 3)
    assert bins_for(n, 0.0) == round(2**-0.5 * (1 + (1 + 24 * n) ** 0.5) ** 0.5)
    assert bins_for(n, 0.5) == bins_for(n, -0.5) == round(2**-0.5 * (1 + (1 + 24 * n / 0.75) ** 0.5) ** 0.5)


@pytest.mark.parametrize("kind", ["correlation", "rank_correlation", "information"])
@pytest.mark.parametrize("method", ["linkage", "onc"])
@pytest.mark.parametrize("sizes", [(4, 3, 5), (3, 3, 3, 3, 3)])
def test_planted_blocks_are_found(kind, method, sizes):
    X, block = blocks(6, sizes, rows=800)
    found = cluster_features(X, [f"x{number}" for number in range(len(block))], kind, method)
    assert same(found.label, block)
    assert len(found) == len(sizes)


def test_features_that_resemble_nothing_are_no_cluster():
    """Their rows of distances are alike, which misleads k-means; linkage leaves them apart."""
    X, block = blocks(14, (5, 5), rows=2000)
    X = np.column_stack([X, np.random.default_rng(14).standard_normal((2000, 8))])
    names = [f"x{number}" for number in range(18)]
    apart = cluster_features(X, names, most=10).label
    together = cluster_features(X, names, method="onc").label
    assert same(apart[:10], block)
    assert not set(apart[:10]) & set(apart[10:])
    assert np.bincount(apart[10:]).max() <= 2
    assert np.bincount(together[10:]).max() >= 4


def test_linkage_cuts_where_the_mean_silhouette_is_largest():
    X = np.random.default_rng(15).standard_normal((40, 9))
    distance = feature_distance(X)
    label = linkage_clusters(distance, most=8)
    theirs = [
        AgglomerativeClustering(number, metric="precomputed", linkage="complete").fit(distance).labels_
        for number in range(2, 9)
    ]
    means = [silhouette_samples(distance, one, metric="precomputed").mean() for one in theirs]
    assert same(label, theirs[int(np.argmax(means))])
    assert len(np.unique(means)) > 3


def test_a_second_pass_takes_apart_what_the_first_left_together():
    """Six blocks, but at most three clusters at once: the first pass must merge some."""
    X, block = blocks(7, (4, 4, 4, 4, 4, 4), rows=2000, blur=0.3)
    found = optimal_clusters(feature_distance(X), most=3)
    assert len(np.unique(found)) > 3
    assert all(len(np.unique(found[block == number])) == 1 for number in range(6))


def test_clusters_are_numbered_by_first_features_and_named_by_their_middle():
    random = np.random.default_rng(9)
    middle, other = random.standard_normal((2, 500))
    X = np.column_stack(
        [
            other,
            middle + 0.5 * random.standard_normal(500),
            middle,
            middle + 0.5 * random.standard_normal(500),
            other + 0.01 * middle,
        ]
    )
    found = cluster_features(X, ["a", "b", "c", "d", "e"])
    assert found.label.tolist() == [0, 1, 1, 1, 0]
    assert found.titles == ("a +1", "c +2")
    assert [columns.tolist() for columns in found.groups.members] == [[0, 4], [1, 2, 3]]


def test_the_same_seed_gives_the_same_clusters():
    X = np.random.default_rng(10).standard_normal((60, 14))
    names = [f"x{number}" for number in range(14)]
    first, second = (cluster_features(X, names, method="onc", starts=2, seed=4) for _ in range(2))
    assert first.label.tobytes() == second.label.tobytes()
    assert first.silhouette.tobytes() == second.silhouette.tobytes()
    others = [cluster_features(X, names, method="onc", starts=1, seed=seed).label for seed in range(5)]
    assert any(not same(first.label, other) for other in others)


def test_silhouettes_and_their_quality():
    X, block = blocks(11)
    distance = feature_distance(X)
    found = silhouettes(distance, block)
    np.testing.assert_array_equal(found, silhouette_samples(distance, block, metric="precomputed"))
    np.testing.assert_array_equal(silhouettes(distance, block, "euclidean"), silhouette_samples(distance, block))
    expected = [found[block == number].mean() / found[block == number].std() for number in range(3)]
    np.testing.assert_allclose(cluster_quality(found, block), expected)
    assert (silhouettes(distance, np.zeros(12, np.int64)) == 0).all()
    assert cluster_quality(np.array([0.0, 0.5, 0.7]), np.array([0, 1, 1]))[0] == 0


def test_residuals_are_those_of_a_regression_on_earlier_clusters():
    X, block = blocks(12)
    train = np.arange(250)
    found = residualised(X, block, train)
    for number in (1, 2):
        earlier, mine = X[:, block < number], X[:, block == number]
        expected = mine - LinearRegression().fit(earlier[train], mine[train]).predict(earlier)
        np.testing.assert_allclose(found[:, block == number], expected, atol=1e-10)
    np.testing.assert_array_equal(found[:, block == 0], X[:, block == 0])


def test_residuals_of_training_rows_do_not_know_the_others():
    X, block = blocks(13)
    changed = X.copy()
    changed[250:] *= 100
    one, other = (residualised(rows, block, np.arange(250))[:250] for rows in (X, changed))
    assert one.tobytes() == other.tobytes()
    assert residualised(X, block)[:250].tobytes() != residualised(changed, block)[:250].tobytes()


def test_what_cannot_be_clustered_is_refused():
    with pytest.raises(ModelError, match="2 features cannot be clustered"):
        cluster_features(np.random.default_rng(1).standard_normal((9, 2)), ["a", "b"])
    with pytest.raises(ModelError, match="most is 1"):
        cluster_features(np.random.default_rng(1).standard_normal((9, 3)), ["a", "b", "c"], most=1)
    with pytest.raises(ModelError, match="2 names for 3 columns"):
        cluster_features(np.random.default_rng(1).standard_normal((9, 3)), ["a", "b"])
    with pytest.raises(ModelError, match="finite"):
        feature_distance(np.full((9, 3), np.nan))
    with pytest.raises(ModelError, match="no distance 'cosine'"):
        feature_distance(np.ones((9, 3)), "cosine")
