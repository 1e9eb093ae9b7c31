"""Single feature importance: what a feature, or a cluster, predicts out of sample all by itself.

No substitution and no masking, but no interaction either: a feature that only helps together with another scores zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from models.importance.folds import Data, ScoredFold, Split, checked, fitted_folds, splits_of
from models.importance.groups import FeatureGroups, groups_for
from models.importance.score import UNITS, ScoreName, weighted_score
from models.importance.table import Importances


def sfi(
    estimator: Any,
    X: Any,
    y: Any,
    splitter: Any,
    *,
    names: Sequence[str] | None = None,
    sample_weight: Any = None,
    clusters: FeatureGroups | None = None,
    score: ScoreName = "log_loss",
    groups: Any = None,
) -> Importances:
    """The score of a model fitted on one feature alone, above that of the training rows' class shares.

    Parameters
    ----------
    estimator, X, y, splitter, names, sample_weight, clusters, score, groups
        As `models.importance.mda.mda`; of a cluster, all columns are used together.

    Returns
    -------
    Importances
        A row a fold. Zero: as good as knowing nothing but how often each class occurs.

    Raises
    ------
    ModelError
        As the functions of `models.importance.folds`.

    Notes
    -----
    López de Prado 2018, snippet 8.4, which gives the score itself. Within a fold the base is the same for all
    features, so the order is the book's.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import KFold
    >>> X = np.random.default_rng(1).standard_normal((400, 2))
    >>> table = sfi(LogisticRegression(), X, X[:, 0] > 0, KFold(4), names=["cause", "noise"])
    >>> bool(table.mean[0] > 0.5), bool(abs(table.mean[1]) < 0.02)
    (True, True)
    """
    data = checked(X, y, names, sample_weight)
    splits, chosen = splits_of(splitter, data, groups), groups_for(data.names, clusters)
    values = [_alone(estimator, data, splits, columns, score) for columns in chosen.members]
    method = "single feature (SFI)" if chosen.single else "single cluster (SFI)"
    return Importances(method, f"{UNITS[score]} above the base rate", chosen.titles, np.array(values).T)


def _alone(estimator: Any, data: Data, splits: Sequence[Split], columns: Any, score: ScoreName) -> list[float]:
    names = tuple(data.names[column] for column in columns)
    only = replace(data, features=np.ascontiguousarray(data.features[:, columns]), names=names)
    return [_gain(fold, score) for fold in fitted_folds(estimator, only, splits, score)]


def _gain(fold: ScoredFold, score: ScoreName) -> float:
    base = np.broadcast_to(fold.base, (len(fold.label), len(fold.base)))
    reached = weighted_score(score, fold.label, fold.predict(fold.features), fold.weight)
    return reached - weighted_score(score, fold.label, base, fold.weight)
