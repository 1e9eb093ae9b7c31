"""How far features are from saying the same: by correlation, or by information (López de Prado 2020, chapter 3)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError

Floats = NDArray[np.float64]
DistanceName = Literal["correlation", "rank_correlation", "information"]


def feature_distance(X: Floats, kind: DistanceName = "rank_correlation") -> Floats:
    """The distance of every two features, in [0, 1], shape (f, f), zeros on the diagonal.

    Parameters
    ----------
    X
        Finite rows, shape (n, f), at least three.
    kind
        ``correlation``: √(1 − abs ρ), a metric in which a feature and its negative are the same (section 3.3).
        ``rank_correlation``: the same of ranks, which heavy tails do not sway.
        ``information``: the normalised variation of information of ranks (section 3.7), which sees any dependence.

    Raises
    ------
    ModelError
        If rows are too few or not finite, or there is no such distance.

    Notes
    -----
    A constant feature says nothing about any other: its distance to all is one.

    Examples
    --------
    >>> x = np.random.default_rng(1).standard_normal((500, 2))
    >>> X = np.column_stack([x[:, 0], -x[:, 0], x[:, 1]])
    >>> feature_distance(X)[0].round(1).tolist()
    [0.0, 0.0, 1.0]
    """
    if X.ndim != 2 or len(X) < 3 or not np.isfinite(X).all():
        raise ModelError(f"distances need at least three finite rows (n, f); got shape {X.shape}")
    if kind == "correlation":
        return correlation_distance(correlation(X))
    if kind == "rank_correlation":
        return correlation_distance(correlation(_ranks(X)))
    if kind == "information":
        return variation_of_information(X)
    raise ModelError(f"there is no distance {kind!r}; known are correlation, rank_correlation, information")


def correlation(X: Floats) -> Floats:
    """Pearson's correlation of every two columns, shape (f, f); zero with a constant, one on the diagonal."""
    centred = X - X.mean(axis=0)
    size = np.sqrt((centred**2).sum(axis=0))
    still = size <= 1e-12 * np.maximum(np.abs(X).max(axis=0), 1e-300) * np.sqrt(len(X))
    unit = np.where(still, 0.0, centred / np.where(still, 1.0, size))
    found: Floats = np.clip(unit.T @ unit, -1.0, 1.0)
    found = (found + found.T) / 2.0
    np.fill_diagonal(found, 1.0)
    return found


def correlation_distance(rho: Floats) -> Floats:
    """√(1 − |ρ|); what rounding leaves between equals is zero."""
    gap = 1.0 - np.abs(rho)
    found: Floats = np.sqrt(np.where(gap < 1e-12, 0.0, gap))
    return found


def variation_of_information(X: Floats) -> Floats:
    """Normalised variation of information of every two columns, in [0, 1], shape (f, f).

    Notes
    -----
    (H[X|Y] + H[Y|X]) / H[X, Y] of the columns' ranks in equally wide bins, as many as suit the pair's correlation
    (Hacine-Gharbi et al. 2013, by López de Prado 2020, snippets 3.2 and 3.3). Ranks, since information does not change
    when a column is stretched, but what equal bins see of a heavy-tailed column does.
    """
    ranked = (_ranks(X) - 0.5) / len(X)
    still = X.max(axis=0) == X.min(axis=0)
    rho = correlation(ranked)
    found = np.zeros(rho.shape)
    for one in range(len(rho)):
        for other in range(one + 1, len(rho)):
            value = (
                1.0
                if still[one] or still[other]
                else _information_gap(ranked[:, one], ranked[:, other], rho[one, other])
            )
            found[one, other] = found[other, one] = value
    return found


def bins_for(rows: int, rho: float) -> int:
    """How many bins suit a pair of columns (Hacine-Gharbi et al. 2013); the closer the pair, the more.

    Nearly equal columns would want more bins than rows can fill: at most as many as a lone column's.

    Examples
    --------
    >>> bins_for(1000, 0.0), bins_for(1000, 0.9), bins_for(1000, 1.0)
    (9, 13, 15)
    """
    z = np.cbrt(8.0 + 324.0 * rows + 12.0 * np.sqrt(36.0 * rows + 729.0 * rows**2))
    alone = int(np.round(z / 6.0 + 2.0 / (3.0 * z) + 1.0 / 3.0))
    if rho * rho >= 1.0:
        return max(alone, 2)
    pair = int(np.round(np.sqrt(1.0 + np.sqrt(1.0 + 24.0 * rows / (1.0 - rho * rho))) / np.sqrt(2.0)))
    return max(min(pair, alone), 2)


def _information_gap(one: Floats, other: Floats, rho: float) -> float:
    bins = bins_for(len(one), rho)
    place = (one * bins).astype(np.int64) * bins + (other * bins).astype(np.int64)
    table = np.bincount(place, minlength=bins * bins).reshape(bins, bins) / len(one)
    together = _entropy(table.ravel())
    if together == 0.0:
        return 0.0
    apart = 2.0 * together - _entropy(table.sum(axis=0)) - _entropy(table.sum(axis=1))
    return min(max(apart / together, 0.0), 1.0)


def _entropy(share: Floats) -> float:
    used = share[share > 0.0]
    return float(-(used * np.log(used)).sum())


def _ranks(X: Floats) -> Floats:
    from models.statistics.predictions import ranks

    return np.stack([ranks(column) for column in X.T], axis=1)
