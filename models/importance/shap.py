"""SHAP of boosted trees: a prediction shared out among the features, exactly (Lundberg et al. 2020, TreeSHAP).

The values are the Shapley values of the game in which a coalition of features is worth the tree's expectation given
them, along the tree's own paths (``tree_path_dependent``). The libraries compute them; what comes back is checked to
add up to the margin. They explain the model, not the market: a feature of an overfitted tree has large ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.importance.boosters import booster_of, margins, tree_shap
from models.importance.groups import FeatureGroups, groups_for
from models.importance.table import Importances

Floats = NDArray[np.float64]
TOLERANCE = {"lightgbm": 1e-10, "xgboost": 2e-5}
"""The most by which contributions may miss the margin, per unit of 1 + Σ|contribution|: float64 and float32 sums."""


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """SHAP values (n, f) in units of the margin (log odds), the bias (n,) and the margins (n,) they add up to.

    ``features`` (n, f) are the rows that were explained, ``weight`` (n,) what each counts.
    """

    names: tuple[str, ...]
    features: Floats
    values: Floats
    bias: Floats
    margin: Floats
    weight: Floats

    @property
    def gap(self) -> float:
        """The most by which a row's contributions and bias miss its margin, per unit of 1 + Σ|contribution|."""
        size = 1.0 + np.abs(self.bias) + np.abs(self.values).sum(axis=1)
        return float((np.abs(self.values.sum(axis=1) + self.bias - self.margin) / size).max())

    def importance(self, groups: FeatureGroups | None = None) -> Floats:
        """Weighted mean of each feature's |SHAP|, shape (f,); of a cluster, of the sum over its features."""
        members = groups_for(self.names, groups).members
        summed = np.stack([self.values[:, columns].sum(axis=1) for columns in members], axis=1)
        return np.asarray(np.average(np.abs(summed), axis=0, weights=self.weight), np.float64)


def contributions(
    model: object, features: Floats, names: Sequence[str] | None = None, sample_weight: Floats | None = None
) -> Contributions:
    """SHAP values of some rows by a booster.

    Parameters
    ----------
    model
        A LightGBM or XGBoost booster, its scikit-learn wrapper, or one of our fitted members.
    features
        Rows, shape (n, f).
    names
        Of the features; else ``x_0``, ``x_1``, …
    sample_weight
        What each row counts in means, shape (n,); None: the same.

    Raises
    ------
    ModelError
        If the model is no booster of one output, there are no rows, or contributions do not add up to the margin within
        ``TOLERANCE``.

    Examples
    --------
    >>> import lightgbm
    >>> X = np.random.default_rng(1).standard_normal((500, 2))
    >>> model = lightgbm.LGBMClassifier(n_estimators=20, verbosity=-1, n_jobs=1).fit(X, X[:, 0] > 0)
    >>> found = contributions(model, X[:50], ["cause", "noise"])
    >>> found.values.shape, found.gap < 1e-10, bool(np.divide(*found.importance()) > 10)
    ((50, 2), True, True)
    """
    rows = np.ascontiguousarray(features, np.float64)
    if rows.ndim != 2 or len(rows) == 0:
        raise ModelError(f"rows to explain have shape {rows.shape}; give at least one row of features")
    given = tuple(f"x_{number}" for number in range(rows.shape[1])) if names is None else tuple(names)
    weight = np.ones(len(rows)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    found = tree_shap(model, rows)
    made = Contributions(given, rows, found[:, :-1], found[:, -1], margins(model, rows), weight)
    limit = TOLERANCE[booster_of(model)[0]]
    if not made.gap <= limit:
        raise ModelError(f"contributions miss the margin by {made.gap:.3g} per unit, more than {limit:.0e}")
    return made


def mean_absolute_shap(folds: Sequence[Contributions], clusters: FeatureGroups | None = None) -> Importances:
    """The weighted mean |SHAP| of each feature or cluster, a row a fold.

    Raises
    ------
    ModelError
        If there are no folds.
    """
    if not folds:
        raise ModelError("no contributions of any fold were given")
    groups = groups_for(folds[0].names, clusters)
    method = "SHAP" if groups.single else "clustered SHAP"
    return Importances(method, "mean |log odds|", groups.titles, np.array([one.importance(groups) for one in folds]))


def joined(folds: Sequence[Contributions]) -> Contributions:
    """The rows of several folds one after the other."""
    columns = {
        field: np.concatenate([getattr(one, field) for one in folds])
        for field in ("features", "values", "bias", "margin", "weight")
    }
    return Contributions(folds[0].names, **columns)
