"""Mean decrease impurity: how much of what trees gained in training came from each feature.

It is in-sample: noise earns its share too, and shares sum to one whatever the model is worth. Substitutes divide their
worth among them; the shares of a cluster add up (López de Prado 2020, section 6.5).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.importance.boosters import gain_shares, is_booster
from models.importance.folds import checked, fitted, splits_of
from models.importance.groups import FeatureGroups, groups_for
from models.importance.table import Importances

Floats = NDArray[np.float64]
METHOD = "impurity (MDI)"
SHARE = "share of the gain"


def mdi(
    estimator: Any,
    X: Any,
    y: Any,
    splitter: Any = None,
    *,
    names: Sequence[str] | None = None,
    sample_weight: Any = None,
    clusters: FeatureGroups | None = None,
    groups: Any = None,
) -> Importances:
    """Impurity importance of trees fitted here.

    Parameters
    ----------
    estimator
        A scikit-learn forest or bagged trees, or a LightGBM or XGBoost classifier; it is cloned.
    X, y, names, sample_weight
        As `models.importance.folds.checked`.
    splitter
        Fits on each split's training rows: a row of the result is a fold. None: one fit on all rows of a forest, and
        a row is a tree, as in the book.
    clusters
        Their shares are summed.
    groups
        Handed to the splitter.

    Raises
    ------
    ModelError
        If the estimator has no trees, or the rows cannot be fitted on.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> X = np.random.default_rng(1).standard_normal((300, 3))
    >>> forest = RandomForestClassifier(20, max_features=1, max_depth=4, random_state=1)
    >>> table = mdi(forest, X, X[:, 0] > 0, names=["cause", "noise", "more"])
    >>> table.sorted().names[0], bool(table.mean[0] > 0.5), table.along
    ('cause', True, 'tree')
    """
    data = checked(X, y, names, sample_weight)
    if splitter is None:
        return forest_mdi(fitted(estimator, data, np.arange(len(data.label))), data.names, clusters)
    models = (fitted(estimator, data, train) for train, _ in splits_of(splitter, data, groups))
    return fits_mdi(models, data.names, clusters)


def forest_mdi(forest: Any, names: Sequence[str], clusters: FeatureGroups | None = None) -> Importances:
    """Impurity importance of a fitted forest, a row a tree.

    Raises
    ------
    ModelError
        If it has no trees.

    Notes
    -----
    López de Prado 2018, snippet 8.2; clusters 2020, snippet 6.4. Divided by a constant, so that the means sum to one.
    """
    trees = tree_shares(forest, len(names))
    return _table(_by_group(trees, groups_for(names, clusters)), names, clusters, "tree")


def fits_mdi(models: Iterable[Any], names: Sequence[str], clusters: FeatureGroups | None = None) -> Importances:
    """Impurity importance of several fits, one a fold: the mean over a forest's trees, or a booster's gains."""
    chosen = groups_for(names, clusters)
    return _table(np.array([_fit_shares(model, len(names), chosen) for model in models]), names, clusters, "fold")


def tree_shares(forest: Any, features: int) -> Floats:
    """What each tree of a forest gained by each feature, shape (trees, features), as scikit-learn normalises it.

    Where every tree may look at only one feature at a time (``max_features=1``, as the book advises, so that none is
    masked by a better one), a feature that a tree never used was never offered: NaN, not zero.

    Raises
    ------
    ModelError
        If there are no trees, or they have no impurity.
    """
    trees = list(np.ravel(getattr(forest, "estimators_", ())))
    if not trees or not all(hasattr(tree, "tree_") for tree in trees):
        raise ModelError(
            f"{type(forest).__name__} holds no fitted trees: impurity is known of forests and boosters only"
        )
    seen = getattr(forest, "estimators_features_", [np.arange(features)] * len(trees))
    found = np.zeros((len(trees), features))
    for row, tree, columns in zip(found, trees, seen, strict=True):
        np.add.at(row, columns, tree.feature_importances_)
    if all(tree.max_features_ == 1 for tree in trees):
        found[found == 0.0] = np.nan
    return found


def _fit_shares(model: Any, features: int, groups: FeatureGroups) -> Floats:
    if is_booster(model):
        booster: Floats = _by_group(gain_shares(model, features)[None], groups)[0]
        return booster
    shares = _mean(_by_group(tree_shares(model, features), groups))
    found: Floats = np.nan_to_num(shares / np.nansum(shares))
    return found


def _by_group(rows: Floats, groups: FeatureGroups) -> Floats:
    """Sums over the members of each group, where NaN is nothing; features that all stand alone stay as they are."""
    if groups.single:
        alone: Floats = rows[:, np.concatenate(groups.members)]
        return alone
    return np.stack([np.nansum(rows[:, columns], axis=1) for columns in groups.members], axis=1)


def _mean(rows: Floats) -> Floats:
    count = (~np.isnan(rows)).sum(axis=0)
    found: Floats = np.divide(np.nansum(rows, axis=0), count, out=np.full(rows.shape[1], np.nan), where=count > 0)
    return found


def _table(values: Floats, names: Sequence[str], clusters: FeatureGroups | None, along: str) -> Importances:
    groups = groups_for(names, clusters)
    total = float(np.nansum(_mean(values)))
    if not total > 0:
        raise ModelError("no tree gained anything by any feature: there is nothing to share out")
    method = METHOD if groups.single else f"clustered {METHOD}"
    return Importances(method, SHARE, groups.titles, values / total, along)
