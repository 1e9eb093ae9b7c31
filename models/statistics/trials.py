"""How many independent trials some trials amount to.

A hundred variants of one idea are not a hundred trials; the deflated Sharpe ratio wants the number of independent ones
and the spread of *their* Sharpe ratios. Two estimates are given, since both err: clustering finds at least two clusters
and too few where trials are all unrelated (200 such are 16 clusters: the silhouettes are then alike for any number);
the average correlation assumes that all pairs are alike. A gate that must not be fooled takes the larger.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from models.errors import ModelError
from models.statistics.sharpe import sharpe_ratio

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
SAME = 1e-9
"""Trials whose correlation is within this of one are one trial."""
STARTS = 5
"""How often k-means begins anew for each number of clusters."""
STEPS = 100


@dataclass(frozen=True, slots=True, eq=False)
class EffectiveTrials:
    """Trials by their clusters: ``labels`` (trials,), ``sharpes`` of the clusters' returns (clusters,), per period.

    ``by_correlation`` is the other estimate, from the average correlation; ``cautious`` the larger of the two.
    """

    labels: Integers
    sharpes: Floats
    by_correlation: float

    @property
    def count(self) -> int:
        """Number of clusters: the effective number of trials."""
        return len(self.sharpes)

    @property
    def cautious(self) -> float:
        """The larger of the two estimates: for unrelated trials, their number."""
        return max(float(self.count), self.by_correlation)

    @property
    def variance(self) -> float:
        """Variance of the clusters' Sharpe ratios (with n − 1), per period squared; 0 for one cluster."""
        return float(self.sharpes.var(ddof=1)) if self.count > 1 else 0.0


def effective_trials(returns: Floats, generator: Generator, most: int | None = None) -> EffectiveTrials:
    """Cluster trials by the correlation of their returns, and say what the clusters earn.

    Source: López de Prado and Lewis (2019, 'Detection of false investment strategies using unsupervised learning
    methods'); MLfAM section 4.4 and chapter 8.

    Parameters
    ----------
    returns
        Of every trial, per period, over the same rows, shape (rows, trials).
    generator
        For the starts of k-means; the same seed gives the same clusters.
    most
        The largest number of clusters that is tried at once, by default half the trials, at most 50.

    Raises
    ------
    ModelError
        If there is no trial, fewer than three rows, or a trial's returns are not finite or do not vary.

    Examples
    --------
    Thirty variants of three ideas:

    >>> generator = np.random.default_rng(10)
    >>> ideas = generator.normal(size=(500, 3))
    >>> returns = np.repeat(ideas, 10, axis=1) + 0.5 * generator.normal(size=(500, 30))
    >>> effective_trials(returns, generator).count
    3
    """
    correlation = correlations(returns)
    labels = cluster(correlation, generator, most)
    sharpes = np.array([sharpe_ratio(one) for one in cluster_returns(returns, labels).T])
    return EffectiveTrials(labels, sharpes, by_average_correlation(correlation))


def correlations(returns: Floats) -> Floats:
    """Correlations of the trials' returns, exactly 1 with themselves, shape (trials, trials); errors as above."""
    if returns.ndim != 2 or returns.shape[1] < 1 or len(returns) < 3 or not np.isfinite(returns).all():
        raise ModelError(f"returns of shape {returns.shape}: give finite ones, (rows, trials), three rows or more")
    flat = np.flatnonzero(np.ptp(returns, axis=0) == 0)
    if len(flat):
        raise ModelError(f"trials {flat.tolist()} do not vary and have no correlation: leave them out")
    found: Floats = np.clip(np.atleast_2d(np.corrcoef(returns, rowvar=False)), -1.0, 1.0)
    np.fill_diagonal(found, 1.0)
    return found


def by_average_correlation(correlation: Floats) -> float:
    """N = ρ̄ + (1 − ρ̄) M, from the average correlation ρ̄ of M trials (Bailey and López de Prado 2014, appendix).

    ρ̄ below 0 counts as 0: there are never more independent trials than trials.

    Examples
    --------
    >>> by_average_correlation(np.array([[1.0, 0.5], [0.5, 1.0]]))
    1.5
    """
    trials = len(correlation)
    if trials == 1:
        return 1.0
    average = max(float((correlation.sum() - trials) / (trials * (trials - 1))), 0.0)
    return average + (1.0 - average) * trials


def cluster(correlation: Floats, generator: Generator, most: int | None = None) -> Integers:
    """The cluster of each trial, from 0, shape (trials,): optimal number of clusters (ONC, MLfAM section 4.4).

    k-means on the rows of the distance √((1 − ρ) / 2), for every number of clusters; the one whose silhouettes have the
    highest mean over deviation is kept. Clusters with a t-statistic below the average are clustered again, even if
    there is only one (the book leaves a single one alone), and the result is kept if it raises their average.

    Examples
    --------
    >>> blocks = np.kron(np.eye(2), np.full((3, 3), 0.9)) + 0.1 * np.eye(6)
    >>> cluster(blocks, np.random.default_rng(0))
    array([0, 0, 0, 1, 1, 1])
    """
    _, first, same = np.unique(correlation > 1.0 - SAME, axis=0, return_index=True, return_inverse=True)
    distinct = np.sqrt((1.0 - correlation[np.ix_(first, first)]) / 2.0)
    labels = _refined(distinct, generator, most) if len(first) > 2 else np.arange(len(first))
    return _numbered(labels[same.ravel()])


def _numbered(labels: Integers) -> Integers:
    """The same clusters, numbered in the order in which they appear."""
    _, first, place = np.unique(labels, return_index=True, return_inverse=True)
    found: Integers = np.argsort(np.argsort(first))[place.ravel()].astype(np.int64)
    return found


def _refined(points: Floats, generator: Generator, most: int | None) -> Integers:
    between = distances(points, points)
    labels = _best_clusters(points, between, generator, most)
    quality = _t_statistics(labels, silhouettes(between, labels))
    poor = np.flatnonzero(quality < quality.mean())
    again = np.isin(labels, poor)
    if len(poor) == 0 or again.sum() < 4:
        return labels
    proposed = labels.copy()
    proposed[again] = len(quality) + _refined(points[np.ix_(again, again)], generator, most)
    proposed = _numbered(proposed)
    redone = np.unique(proposed[again])
    better = _t_statistics(proposed, silhouettes(between, proposed))[redone].mean() > quality[poor].mean()
    return proposed if better else labels


def _best_clusters(points: Floats, between: Floats, generator: Generator, most: int | None) -> Integers:
    trials = len(points)
    limit = min(most or min(max(trials // 2, 2), 50), trials - 1)
    best, chosen = -np.inf, np.zeros(trials, np.int64)
    for count in range(2, max(limit, 2) + 1):
        labels = k_means(points, count, generator)
        found = silhouettes(between, labels)
        score = float(found.mean() / max(found.std(), 1e-12))
        if score > best:
            best, chosen = score, labels
    return chosen


def k_means(points: Floats, count: int, generator: Generator, starts: int = STARTS) -> Integers:
    """Lloyd's algorithm from k-means++ starts, the tightest of some; cluster of each point, from 0, shape (points,).

    Parameters
    ----------
    points
        Shape (points, coordinates).
    count
        Of clusters; fewer are found if fewer points differ.
    generator, starts
        For where to begin, and how often.

    Examples
    --------
    >>> k_means(np.array([[0.0], [9.0], [0.1], [9.1]]), 2, np.random.default_rng(0))
    array([0, 1, 0, 1])
    """
    best, chosen = np.inf, np.zeros(len(points), np.int64)
    between = distances(points, points) ** 2
    for _ in range(starts):
        centres = points[_spread_out(between, count, generator)]
        labels = np.zeros(0, np.int64)
        for _ in range(STEPS):
            squares = distances(points, centres) ** 2
            nearest = squares.argmin(axis=1)
            if np.array_equal(nearest, labels):
                break
            labels = np.unique(nearest, return_inverse=True)[1]
            member = (labels == np.arange(labels.max() + 1)[:, None]).astype(np.float64)
            centres = member @ points / member.sum(axis=1, keepdims=True)
        total = float(squares.min(axis=1).sum())
        if total < best:
            best, chosen = total, nearest
    return _numbered(chosen)


def _spread_out(between: Floats, count: int, generator: Generator) -> list[int]:
    """Each centre is a point drawn by its squared distance from those before (Arthur and Vassilvitskii 2007)."""
    chosen = [int(generator.integers(len(between)))]
    nearest = between[chosen[0]]
    while len(chosen) < count and nearest.sum() > 0:
        reach = np.cumsum(nearest)
        chosen.append(min(int(np.searchsorted(reach, generator.random() * reach[-1], side="right")), len(between) - 1))
        nearest = np.minimum(nearest, between[chosen[-1]])
    return chosen


def distances(points: Floats, others: Floats) -> Floats:
    """Euclidean distances, shape (points, others)."""
    squares = (points**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2.0 * points @ others.T
    found: Floats = np.sqrt(np.maximum(squares, 0.0))
    return found


def silhouettes(between: Floats, labels: Integers) -> Floats:
    """(b − a) / max(a, b) of mean distances to the own cluster and to the nearest other one; 0 alone (Rousseeuw 1987).

    Parameters
    ----------
    between
        Distances, shape (points, points), zero with themselves.
    labels
        Clusters from 0, all used, shape (points,).
    """
    member = (labels[:, None] == np.arange(labels.max() + 1)).astype(np.float64)
    size, row = member.sum(axis=0), np.arange(len(labels))
    total = (between - np.diag(np.diag(between))) @ member
    own = total[row, labels] / np.maximum(size[labels] - 1.0, 1.0)
    others = total / size
    others[row, labels] = np.inf
    other = others.min(axis=1)
    found: Floats = np.where(size[labels] > 1, (other - own) / np.maximum(np.maximum(own, other), 1e-300), 0.0)
    return found


def _t_statistics(labels: Integers, quality: Floats) -> Floats:
    """Mean over deviation of each cluster's silhouettes; clusters of one have none and count as zero."""
    parts = [quality[labels == one] for one in range(labels.max() + 1)]
    return np.array([part.mean() / max(part.std(), 1e-12) if len(part) > 1 else 0.0 for part in parts])


def cluster_returns(returns: Floats, labels: Integers) -> Floats:
    """Returns of each cluster: its trials weighted by inverse variance, shape (rows, clusters) (MLfAM chapter 8).

    Examples
    --------
    >>> cluster_returns(np.array([[1.0, 4.0, 9.0], [3.0, 8.0, 9.5]]), np.array([0, 0, 1]))
    array([[1.6, 9. ],
           [4. , 9.5]])
    """
    weight = 1.0 / returns.var(axis=0)
    parts = [np.where(labels == one, weight, 0.0) for one in range(labels.max() + 1)]
    return np.stack([returns @ part / part.sum() for part in parts], axis=1)
