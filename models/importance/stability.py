"""Whether folds agree on what matters: rank correlations, Kendall's W, and the overlap of the leading features.

An importance that another year of data would reverse is no finding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.importance.table import Importances

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Concordance:
    """Kendall's W: 1 where all folds rank alike, near 1 / folds by chance.

    ``p_value``: of no agreement at all, by the χ² of folds · (f − 1) · W with f − 1 degrees of freedom.
    """

    w: float
    chi_squared: float
    p_value: float


@dataclass(frozen=True, slots=True, eq=False)
class Overlap:
    """How many of the ``k`` leading features two folds share.

    ``shared`` (folds, folds) counts them; ``mean`` is over pairs of folds, ``expected`` by chance, k² / f;
    ``p_value`` (folds, folds): of at least as many by chance, hypergeometric.
    """

    k: int
    shared: NDArray[np.int64]
    mean: float
    expected: float
    p_value: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Stability:
    """All of it: rank correlations (folds, folds), concordance, overlap."""

    rank_correlation: Floats
    concordance: Concordance
    overlap: Overlap

    @property
    def mean_rank_correlation(self) -> float:
        """Over pairs of folds."""
        return float(self.rank_correlation[np.triu_indices(len(self.rank_correlation), 1)].mean())


def stability(table: Importances, k: int = 10) -> Stability:
    """How far the rows of a table agree.

    Parameters
    ----------
    table
        With at least two rows and two features, none of them NaN.
    k
        How many leading features are compared; at most half of them, since any two large sets overlap.

    Raises
    ------
    ModelError
        If a value is NaN, or rows or features are too few.

    Examples
    --------
    >>> values = np.array([[3.0, 2.0, 1.0, 0.0], [2.5, 2.6, 0.0, 0.1]])
    >>> found = stability(Importances("demo", "nats", ("a", "b", "c", "d"), values), k=2)
    >>> round(found.mean_rank_correlation, 2), round(found.concordance.w, 2), found.overlap.mean
    (0.6, 0.8, 2.0)
    """
    values = _complete(table)
    rho = rank_correlations(values)
    return Stability(rho, kendalls_w(values), leading_overlap(values, max(1, min(k, values.shape[1] // 2))))


def ranks_by_row(values: Floats) -> Floats:
    """Ranks in each row, 1 for the largest, ties sharing their mean; shape (k, f)."""
    from models.statistics.predictions import ranks

    return np.stack([ranks(-row) for row in values])


def rank_correlations(values: Floats) -> Floats:
    """Spearman's rank correlation of every two rows, shape (k, k); zero with a row of equal values."""
    from models.importance.distance import correlation

    return correlation(ranks_by_row(values).T)


def kendalls_w(values: Floats) -> Concordance:
    """Kendall's coefficient of concordance of the rows, corrected for ties (Kendall and Babington Smith 1939).

    Parameters
    ----------
    values
        Shape (folds, f).

    Examples
    --------
    >>> kendalls_w(np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])).w
    1.0
    """
    from scipy.stats import chi2

    rank = ranks_by_row(values)
    folds, features = rank.shape
    total = rank.sum(axis=0)
    ties = sum(float((count**3 - count).sum()) for count in (np.unique(row, return_counts=True)[1] for row in rank))
    most = folds**2 * (features**3 - features) / 12.0 - folds * ties / 12.0
    w = float(((total - total.mean()) ** 2).sum() / most) if most > 0 else 0.0
    statistic = folds * (features - 1) * w
    return Concordance(w, statistic, float(chi2.sf(statistic, features - 1)))


def leading_overlap(values: Floats, k: int) -> Overlap:
    """How many of the ``k`` largest of each row the rows share, and what chance would give.

    Raises
    ------
    ModelError
        If ``k`` is not between 1 and the number of features.
    """
    from scipy.stats import hypergeom

    features = values.shape[1]
    if not 1 <= k <= features:
        raise ModelError(f"k is {k}; it must be between 1 and the {features} features")
    leading = np.zeros(values.shape, np.int64)
    np.put_along_axis(leading, np.argsort(-values, axis=1, kind="stable")[:, :k], 1, axis=1)
    shared = leading @ leading.T
    pairs = shared[np.triu_indices(len(values), 1)]
    p_value = np.asarray(hypergeom.sf(shared - 1, features, k, k), np.float64)
    return Overlap(k, shared, float(pairs.mean()), k * k / features, p_value)


def _complete(table: Importances) -> Floats:
    if np.isnan(table.values).any() or min(table.values.shape) < 2:
        raise ModelError(
            f"stability needs at least two rows and features without NaN; {table.method} has shape "
            f"{table.values.shape} and {int(np.isnan(table.values).sum())} NaN"
        )
    return table.values
