"""Clusters of features that say the same, their number chosen by the data. The same seed gives the same clusters.

Two ways. ``linkage`` joins the two clusters whose farthest features are nearest, so that within a cluster *every* two
features are close, and cuts where the mean silhouette is largest. ``onc`` is the book's optimal number of clusters
(López de Prado 2020, chapter 4): k-means on the rows of the distance matrix for every number of clusters from several
starts, the best by its silhouettes' mean over deviation; clusters below the average are then clustered again.

The second suits features that fall into blocks. Features that resemble nothing have rows that resemble each other
(far from everything): it takes them for one cluster, though they are far apart. Of 75 features of five coins it made
two clusters, where linkage found 25; hence linkage is the default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.importance.distance import DistanceName, feature_distance
from models.importance.groups import FeatureGroups

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Clustering = Literal["linkage", "onc"]
LEAST_DEVIATION = 1e-6
"""Equal silhouettes have no deviation: their t-statistic would be infinite."""


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Which cluster each feature is in (f,), numbered from 0 by their first features.

    ``silhouette`` (f,) says how well a feature sits in its cluster (1 well, 0 between two, −1 in the wrong one; 0
    alone), ``distance`` (f, f) how far the features are from each other.
    """

    names: tuple[str, ...]
    label: Integers
    silhouette: Floats
    distance: Floats

    def __len__(self) -> int:
        return int(self.label.max()) + 1

    @property
    def members(self) -> tuple[Integers, ...]:
        """The columns of each cluster, ascending."""
        return tuple(np.flatnonzero(self.label == number) for number in range(len(self)))

    @property
    def titles(self) -> tuple[str, ...]:
        """Each cluster by the feature in its middle, and how many others it holds."""
        found = []
        for columns in self.members:
            near = self.distance[np.ix_(columns, columns)].sum(axis=1)
            others = f" +{len(columns) - 1}" if len(columns) > 1 else ""
            found.append(self.names[columns[int(np.argmin(near))]] + others)
        return tuple(found)

    @property
    def groups(self) -> FeatureGroups:
        """The clusters as what importance methods take."""
        return FeatureGroups(self.titles, self.members)

    @property
    def quality(self) -> Floats:
        """The t-statistic of each cluster's silhouettes, shape (c,)."""
        return cluster_quality(self.silhouette, self.label)


def cluster_features(
    X: Floats,
    names: Sequence[str],
    distance: DistanceName = "rank_correlation",
    method: Clustering = "linkage",
    most: int | None = None,
    starts: int = 5,
    seed: int = 0,
) -> Clusters:
    """Cluster the columns of some rows.

    Parameters
    ----------
    X
        Finite rows, shape (n, f). No label is looked at.
    names
        Of the columns.
    distance
        As `models.importance.distance.feature_distance`.
    method
        ``linkage`` or ``onc``.
    most
        The most clusters (``onc``: of the first pass); None: half of the features, and at least two.
    starts, seed
        Starting points of k-means for each number of clusters, and their seed; ``onc`` only.

    Raises
    ------
    ModelError
        If there are fewer than three features, or the rows have no distances.

    Examples
    --------
    >>> x = np.random.default_rng(1).standard_normal((500, 4))
    >>> X = np.column_stack([x[:, 0], x[:, 1], x[:, 0] + 0.1 * x[:, 2], x[:, 1] + 0.1 * x[:, 3]])
    >>> found = cluster_features(X, ["fast", "volume", "slow", "trades"])
    >>> found.label.tolist(), found.titles
    ([0, 1, 0, 1], ('fast +1', 'volume +1'))
    """
    far = feature_distance(np.asarray(X, np.float64), distance)
    if len(names) != len(far):
        raise ModelError(f"{len(names)} names for {len(far)} columns; give one each")
    label = optimal_clusters(far, most, starts, seed) if method == "onc" else linkage_clusters(far, most)
    return Clusters(tuple(names), label, silhouettes(far, label), far)


def linkage_clusters(distance: Floats, most: int | None = None) -> Integers:
    """Complete linkage, cut where the mean silhouette is largest; which cluster each feature is in, shape (f,).

    Raises
    ------
    ModelError
        If there are fewer than three features.
    """
    from scipy.cluster.hierarchy import cut_tree, linkage
    from scipy.spatial.distance import squareform

    limit = _most(distance, most)
    tree = linkage(squareform(distance, checks=False), "complete")
    labels = cut_tree(tree, n_clusters=np.arange(2, limit + 1)).astype(np.int64)
    means = [silhouettes(distance, label).mean() for label in labels.T]
    return _numbered(labels[:, int(np.argmax(means))])


def optimal_clusters(distance: Floats, most: int | None = None, starts: int = 5, seed: int = 0) -> Integers:
    """The optimal number of clusters, and which feature is in which, shape (f,); snippets 4.1 and 4.2.

    Raises
    ------
    ModelError
        If there are fewer than three features.

    Notes
    -----
    The book takes poor clusters up again only if they are two or more, and keeps the second pass if the mean quality of
    *all* new clusters beats that of the poor ones, which the good ones alone may do. Here one may be divided too, and
    the clusters that came of the poor ones must beat them.
    """
    from threadpoolctl import threadpool_limits

    _most(distance, most)
    with threadpool_limits(1):
        return _numbered(_improved(distance, most, starts, seed))


def silhouettes(distance: Floats, label: Integers, metric: str = "precomputed") -> Floats:
    """The silhouette of each feature, shape (f,); zeros if all are alone or together.

    Parameters
    ----------
    distance
        Of every two features, shape (f, f).
    label
        The cluster of each, shape (f,).
    metric
        ``precomputed``: by the distances. ``euclidean``: by the distances of their rows, as the book does.
    """
    from sklearn.metrics import silhouette_samples

    clusters = len(np.unique(label))
    if not 2 <= clusters <= len(label) - 1:
        return np.zeros(len(label))
    return np.asarray(silhouette_samples(distance, label, metric=metric), np.float64)


def cluster_quality(silhouette: Floats, label: Integers) -> Floats:
    """Mean over deviation of each cluster's silhouettes, by cluster number; zero for a feature alone."""
    parts = [silhouette[label == number] for number in np.unique(label)]
    return np.array([part.mean() / max(float(part.std()), LEAST_DEVIATION) for part in parts])


def residualised(X: Floats, label: Integers, train: Integers | None = None) -> Floats:
    """Each feature without what the features of earlier clusters say linearly, shape (n, f).

    Where clusters are not well apart, what a cluster shares with those before it is taken out, so that a share of
    importance has one owner (López de Prado 2020, section 6.5.2).

    Parameters
    ----------
    X
        Finite rows, shape (n, f).
    label
        Each feature's cluster, shape (f,); clusters are taken in the order of their numbers.
    train
        The rows whose least-squares coefficients are applied to all. None: all rows, which is looking ahead if the
        result is then split.

    Examples
    --------
    >>> x = np.random.default_rng(1).standard_normal((100, 2))
    >>> X = np.column_stack([x[:, 0], 2 * x[:, 0] + x[:, 1] + 3])
    >>> apart = residualised(X, np.array([0, 1]))
    >>> bool(abs(np.corrcoef(apart.T)[0, 1]) < 1e-12), np.array_equal(apart[:, 0], X[:, 0])
    (True, True)
    """
    used = np.arange(len(X)) if train is None else train
    found = X.astype(np.float64, copy=True)
    for number in range(1, int(label.max()) + 1):
        mine, earlier = label == number, label < number
        known = np.column_stack([np.ones(len(X)), X[:, earlier]])
        coefficients = np.linalg.lstsq(known[used], X[np.ix_(used, np.flatnonzero(mine))], rcond=None)[0]
        found[:, mine] = X[:, mine] - known @ coefficients
    return found


def _best_k_means(distance: Floats, most: int | None, starts: int, seed: int) -> Integers:
    """The clustering whose silhouettes have the largest mean over deviation, over all numbers and starts."""
    from sklearn.cluster import KMeans

    limit = _most(distance, most)
    best, quality = np.zeros(len(distance), np.int64), -np.inf
    for start in range(starts):
        for clusters in range(2, limit + 1):
            draw = int(np.random.SeedSequence([seed, start, clusters]).generate_state(1)[0])
            label = KMeans(clusters, n_init=1, random_state=draw).fit(distance).labels_.astype(np.int64)
            silhouette = _row_silhouettes(distance, label)
            found = float(silhouette.mean() / max(float(silhouette.std()), LEAST_DEVIATION))
            if found > quality:
                best, quality = label, found
    return best


def _improved(distance: Floats, most: int | None, starts: int, seed: int) -> Integers:
    """Cluster, then cluster again what came out below the average, as long as that helps."""
    label = _best_k_means(distance, most, starts, seed)
    quality = cluster_quality(_row_silhouettes(distance, label), label)
    poor = np.unique(label)[quality < quality.mean()]
    again = np.flatnonzero(np.isin(label, poor))
    if len(again) < 3 or len(again) == len(label):
        return label
    inner = _improved(distance[np.ix_(again, again)], most, starts, seed)
    proposed = label.copy()
    proposed[again] = label.max() + 1 + inner
    new = cluster_quality(_row_silhouettes(distance, proposed), proposed)[-len(np.unique(inner)) :]
    return proposed if new.mean() > quality[quality < quality.mean()].mean() else label


def _row_silhouettes(distance: Floats, label: Integers) -> Floats:
    return silhouettes(distance, label, "euclidean")


def _most(distance: Floats, most: int | None) -> int:
    """How many clusters to try at the most."""
    features = len(distance)
    if features < 3:
        raise ModelError(f"{features} features cannot be clustered; give at least three, or name groups by hand")
    if most is not None and most < 2:
        raise ModelError(f"most is {most}; there must be at least two clusters")
    return min(max(features // 2, 2) if most is None else most, features - 1)


def _numbered(label: Integers) -> Integers:
    """Clusters numbered by their first features."""
    _, first, place = np.unique(label, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[place].astype(np.int64)
