"""Mean decrease accuracy: what a model loses out of sample when a feature's values are shuffled.

It says what the fitted model *uses*. Two features that carry the same are each other's substitutes: shuffle one, and
the model reads the other, so both seem worthless. Shuffling a cluster of features together repairs that (López de
Prado 2020, section 6.5).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from models.errors import ModelError
from models.importance.folds import Integers, ScoredFold, checked, fitted_folds, splits_of
from models.importance.groups import FeatureGroups, groups_for
from models.importance.score import UNITS, ScoreName, relative_loss, weighted_score
from models.importance.table import Importances


def mda(
    estimator: Any,
    X: Any,
    y: Any,
    splitter: Any,
    *,
    names: Sequence[str] | None = None,
    sample_weight: Any = None,
    clusters: FeatureGroups | None = None,
    score: ScoreName = "log_loss",
    blocks: Any = None,
    repeats: int = 5,
    seed: int = 0,
    relative: bool = False,
    groups: Any = None,
) -> Importances:
    """Permutation importance on the test rows of each split.

    Parameters
    ----------
    estimator
        A scikit-learn classifier; it is cloned.
    X, y
        Features (n, f) and labels (n,).
    splitter
        Of scikit-learn's protocol, or a list of (train, test). Labels that take time need a purged one.
    names, sample_weight
        As `models.importance.folds.checked`; weights count in the fit and in the score.
    clusters
        Shuffled together instead of each feature alone.
    score
        ``log_loss`` or ``accuracy``.
    blocks
        Rows are permuted only within equal blocks, shape (n,): of an instrument, so that what distinguishes
        instruments stays; of a stretch of time, so that what drifts stays.
    repeats, seed
        How many permutations are averaged, and their seed.
    relative
        As a share of what was left to lose, as the book has it; else the plain loss of score.
    groups
        Handed to the splitter.

    Returns
    -------
    Importances
        A row a fold. Zero: the model does as well without. Below: it is misled by the feature.

    Raises
    ------
    ModelError
        As the functions of `models.importance.folds`, and if ``repeats`` is not positive.

    Notes
    -----
    López de Prado 2018, snippet 8.3; clusters 2020, snippet 6.5. That shuffles each column of a cluster by itself; here
    its columns move together, so that the model is never asked about a combination that cannot be (Hooker, Mentch
    and Zhou 2021).

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import KFold
    >>> X = np.random.default_rng(1).standard_normal((400, 2))
    >>> table = mda(LogisticRegression(), X, X[:, 0] > 0, KFold(4), names=["cause", "noise"])
    >>> bool(table.mean[0] > 0.5), bool(abs(table.mean[1]) < 0.05)
    (True, True)
    """
    data = checked(X, y, names, sample_weight, blocks)
    folds = fitted_folds(estimator, data, splits_of(splitter, data, groups), score)
    return permutation(folds, groups_for(data.names, clusters), score, repeats, seed, relative)


def permutation(
    folds: Iterable[ScoredFold],
    groups: FeatureGroups,
    score: ScoreName = "log_loss",
    repeats: int = 5,
    seed: int = 0,
    relative: bool = False,
) -> Importances:
    """Permutation importance of models that are fitted already: the loss of score, fold by fold.

    Raises
    ------
    ModelError
        If ``repeats`` is not positive, or a prediction is NaN.
    """
    if repeats < 1:
        raise ModelError(f"repeats is {repeats}; a mean needs at least one permutation")
    values = [_fold_losses(fold, groups, score, repeats, [seed, number], relative) for number, fold in enumerate(folds)]
    method = "permutation (MDA)" if groups.single else "clustered permutation (MDA)"
    unit = "share of the loss" if relative else f"{UNITS[score]} lost"
    return Importances(method, unit, groups.titles, np.array(values))


def permuted(block: Integers, generator: np.random.Generator) -> Integers:
    """A permutation of rows within equal blocks, shape (n,); rows of a negative block stay.

    Examples
    --------
    >>> found = permuted(np.array([0, 1, 0, 1, -1]), np.random.default_rng(1))
    >>> sorted(found[[0, 2]].tolist()), sorted(found[[1, 3]].tolist()), int(found[4])
    ([0, 2], [1, 3], 4)
    """
    drawn = generator.permutation(len(block))
    target = np.argsort(block, kind="stable")
    source = drawn[np.argsort(block[drawn], kind="stable")]
    found = np.empty(len(block), np.int64)
    found[target] = source
    stays = block < 0
    found[stays] = np.flatnonzero(stays)
    return found


def _fold_losses(
    fold: ScoredFold, groups: FeatureGroups, score: ScoreName, repeats: int, seed: list[int], relative: bool
) -> list[float]:
    """Each draw has a seed of its own by fold, group and repeat: what is asked beside it changes nothing."""
    before = weighted_score(score, fold.label, fold.predict(fold.features), fold.weight)
    losses = []
    for group, columns in enumerate(groups.members):
        drawn = []
        for repeat in range(repeats):
            generator = np.random.default_rng([*seed, group, repeat])
            after = _shuffled_score(fold, columns, score, generator)
            drawn.append(relative_loss(score, before, after) if relative else before - after)
        losses.append(float(np.mean(drawn)))
    return losses


def _shuffled_score(fold: ScoredFold, columns: Integers, score: ScoreName, generator: np.random.Generator) -> float:
    rows = fold.features.copy()
    first = rows.shape[1] - fold.indicators
    within, between = columns[columns < first], columns[columns >= first]
    rows[:, within] = fold.features[permuted(fold.block, generator)][:, within]
    if len(between):
        rows[:, between] = fold.features[permuted(np.minimum(fold.block, 0), generator)][:, between]
    return weighted_score(score, fold.label, fold.predict(rows), fold.weight)
