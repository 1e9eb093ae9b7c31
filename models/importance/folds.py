"""An estimator fitted on each split: what it learned, and the test rows it is scored on.

Weights go into the fit and into the score. Nothing here knows about purging: that is the splitter's work, and any
splitter of scikit-learn's protocol will do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.importance.score import ScoreName

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Split = tuple[Integers, Integers]


@dataclass(frozen=True, slots=True, eq=False)
class ScoredFold:
    """A fitted model and the rows that it is scored on.

    ``features`` (r, f) are the rows that `predict` takes; it gives the probabilities (n, c) of the n scored ones.
    ``label`` (n,) is the column of the class that happened, ``weight`` (n,) what the row counts. Rows are permuted
    within equal ``block`` (r,); a negative block stays where it is. ``base`` (c,) are the training rows' class shares.
    ``indicators``: how many of the last columns say which block a row is of, and are permuted between blocks.
    """

    features: Floats
    predict: Callable[[Floats], Floats]
    label: Integers
    weight: Floats
    block: Integers
    base: Floats
    model: Any = None
    indicators: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Checked rows: features (n, f) with names, labels, weights and blocks (n,)."""

    features: Floats
    names: tuple[str, ...]
    label: NDArray[Any]
    weight: Floats | None
    block: Integers


def checked(X: Any, y: Any, names: Sequence[str] | None = None, sample_weight: Any = None, blocks: Any = None) -> Data:
    """Rows as plain arrays.

    Parameters
    ----------
    X
        Features, shape (n, f): an array, or a table that has ``columns``.
    y
        Labels of any kind, shape (n,).
    names
        Of the features; else the table's columns, else ``x_0``, ``x_1``, …
    sample_weight
        Non-negative, shape (n,); None if all count the same.
    blocks
        Integers, shape (n,): rows are permuted within equal ones. None: among all.

    Raises
    ------
    ModelError
        If lengths disagree, a name is missing, or weights are negative or all zero.
    """
    if names is None:
        names = list(X.columns) if hasattr(X, "columns") else [f"x_{number}" for number in range(np.shape(X)[1])]
    features, label = np.asarray(X, np.float64), np.asarray(y)
    weight = None if sample_weight is None else np.asarray(sample_weight, np.float64)
    block = np.zeros(len(label), np.int64) if blocks is None else np.asarray(blocks, np.int64)
    if features.ndim != 2 or features.shape[1] != len(names):
        raise ModelError(f"X has shape {features.shape}, but there are {len(names)} names; give one a column")
    for what, column in (("labels", label), ("weights", weight), ("blocks", block)):
        if column is not None and column.shape != (len(features),):
            raise ModelError(f"{what} have shape {column.shape}, but X has {len(features)} rows; give one a row")
    if weight is not None and (not weight.sum() > 0 or (weight < 0).any()):
        raise ModelError(f"weights must be non-negative with a positive sum; the least is {weight.min()}")
    return Data(features, tuple(names), label, weight, block)


def splits_of(splitter: Any, data: Data, groups: Any = None) -> list[Split]:
    """The splits, drawn once so that every feature is judged on the same; splits may be given as a list already.

    Raises
    ------
    ModelError
        If there are none, or one has nothing to train on or to test.
    """
    found = splitter if isinstance(splitter, list) else splitter.split(data.features, data.label, groups)
    splits = [(np.asarray(train, np.int64), np.asarray(test, np.int64)) for train, test in found]
    for number, (train, test) in enumerate(splits):
        if len(train) == 0 or len(test) == 0:
            raise ModelError(f"split {number + 1} trains on {len(train)} rows and tests {len(test)}; both must be some")
    if not splits:
        raise ModelError("the splitter gives no splits")
    return splits


def fitted_folds(estimator: Any, data: Data, splits: Sequence[Split], score: ScoreName) -> Iterator[ScoredFold]:
    """Fit a clone on each split's training rows, with their weights; one fold at a time.

    Parameters
    ----------
    estimator
        A scikit-learn classifier; a pipeline hands the weights to its last step.
    score
        By ``accuracy`` the classifier's ``predict`` is scored, by ``log_loss`` its ``predict_proba``.

    Raises
    ------
    ModelError
        If it cannot be weighted or gives no probabilities, or a test row is of a class that training rows lack.
    """
    for number, (train, test) in enumerate(splits):
        model = fitted(estimator, data, train)
        classes = np.asarray(model.classes_)
        weight = np.ones(len(data.label)) if data.weight is None else data.weight
        label = _columns(data.label[test], classes, number)
        shares = np.bincount(_columns(data.label[train], classes, number), weight[train], len(classes))
        if not weight[test].sum() > 0:
            raise ModelError(f"the {len(test)} test rows of split {number + 1} have no weight: they cannot be scored")
        yield ScoredFold(
            data.features[test],
            predictor(model, score),
            label,
            weight[test],
            data.block[test],
            shares / shares.sum(),
            model,
        )


def fitted(estimator: Any, data: Data, train: Integers) -> Any:
    """A clone fitted on some rows with their weights.

    Raises
    ------
    ModelError
        If there are weights that the estimator cannot take.
    """
    from sklearn.base import clone

    model = clone(estimator)
    if data.weight is None:
        return model.fit(data.features[train], data.label[train])
    return model.fit(data.features[train], data.label[train], **{weight_keyword(model): data.weight[train]})


def weight_keyword(estimator: Any) -> str:
    """The keyword by which an estimator's ``fit`` takes weights; a pipeline's is its last step's.

    Raises
    ------
    ModelError
        If it takes none.
    """
    from sklearn.utils.validation import has_fit_parameter

    steps = getattr(estimator, "steps", None)
    last = steps[-1][1] if steps else estimator
    if not has_fit_parameter(last, "sample_weight"):
        raise ModelError(
            f"{type(last).__name__}.fit takes no sample_weight: overlapping labels would all count in full; "
            "choose another estimator, or give no weights"
        )
    return f"{steps[-1][0]}__sample_weight" if steps else "sample_weight"


def predictor(model: Any, score: ScoreName) -> Callable[[Floats], Floats]:
    """What gives a fitted classifier's probabilities, or its choice as ones and zeros. Shape (n, c).

    Raises
    ------
    ModelError
        If probabilities are needed and it gives none.
    """
    if score == "log_loss":
        if not hasattr(model, "predict_proba"):
            raise ModelError(f"{type(model).__name__} gives no probabilities: score it by accuracy")
        return lambda rows: np.asarray(model.predict_proba(rows), np.float64)
    classes = np.asarray(model.classes_)
    return lambda rows: (np.asarray(model.predict(rows))[:, None] == classes).astype(np.float64)


def _columns(label: NDArray[Any], classes: NDArray[Any], number: int) -> Integers:
    """Where each label stands among the sorted classes."""
    place = np.searchsorted(classes, label).clip(max=len(classes) - 1)
    unknown = classes[place] != label
    if unknown.any():
        raise ModelError(
            f"split {number + 1} tests label {label[unknown].tolist()[0]!r}, which none of its training rows has: "
            "use fewer splits, or more data"
        )
    return place.astype(np.int64)
