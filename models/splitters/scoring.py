"""Cross-validation that carries the samples' weights into fit *and* score (López de Prado 2018, section 7.5).

scikit-learn's own helpers fit with weights and score without them, and score ``log_loss`` without the labels of all
classes. With labels that overlap, unweighted scores count the crowded moments many times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import SplitError
from models.splitters.check import Splitter
from models.statistics.predictions import log_loss

Floats = NDArray[np.float64]
Score = Callable[[NDArray[Any], Floats, Floats], float]
"""``score(y, prediction, weight)``; greater is better."""


def negative_log_loss(y: NDArray[Any], prediction: Floats, weight: Floats) -> float:
    """Minus the weighted log loss of P(y = 1), in nats per decision."""
    return -log_loss(y, prediction, weight)


@dataclass(frozen=True, slots=True, eq=False)
class TestPredictions:
    """What each split's model says of its test samples: their positions, and predictions in the same order."""

    test: tuple[NDArray[np.int64], ...]
    values: tuple[Floats, ...]

    def joined(self, count: int) -> Floats:
        """One prediction a sample, shape (count,); NaN where a sample is never tested.

        Raises
        ------
        SplitError
            If a sample is tested more than once: put those together with `CombinatorialPurgedCV.paths`.
        """
        self._check_once()
        found = np.full(count, np.nan)
        for test, values in zip(self.test, self.values, strict=True):
            found[test] = values
        return found

    def splits(self, count: int) -> NDArray[np.int64]:
        """Which split's model predicts each sample, shape (count,); -1 where a sample is never tested.

        Rankings compare predictions of one model only (`models.statistics.predictions.auc`).

        Raises
        ------
        SplitError
            As for `joined`.
        """
        self._check_once()
        found = np.full(count, -1, np.int64)
        for number, test in enumerate(self.test):
            found[test] = number
        return found

    def _check_once(self) -> None:
        if self.test and len(np.unique(np.concatenate(self.test))) != sum(map(len, self.test)):
            raise SplitError("samples are tested more than once: use CombinatorialPurgedCV.paths to join predictions")


def cross_val_predict(
    estimator: Any, X: NDArray[Any], y: NDArray[Any], splitter: Splitter, sample_weight: Floats | None = None
) -> TestPredictions:
    """Fit a clone on every split's training samples, with their weights, and predict its test samples.

    Parameters
    ----------
    estimator
        Of scikit-learn's protocol; a classifier gives the probability of its last class, a regressor its prediction.
    X, y
        Shapes (n, f) and (n,).
    splitter
        Of scikit-learn's protocol.
    sample_weight
        Shape (n,); equal weights by default.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from models.splitters.kfold import PurgedKFold
    >>> t0 = np.arange(40)
    >>> X = np.sin(t0)[:, None]
    >>> found = cross_val_predict(LogisticRegression(), X, X[:, 0] > 0, PurgedKFold(4, t0, t0 + 1))
    >>> bool(((found.joined(40) > 0.5) == (X[:, 0] > 0)).mean() > 0.9)
    True
    """
    from sklearn.base import clone

    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    tests, values = [], []
    for train, test in splitter.split(X, y):
        model = clone(estimator).fit(X[train], y[train], sample_weight=weight[train])
        said = model.predict_proba(X[test])[:, -1] if hasattr(model, "predict_proba") else model.predict(X[test])
        tests.append(test)
        values.append(np.asarray(said, np.float64))
    return TestPredictions(tuple(tests), tuple(values))


def cross_val_score(
    estimator: Any,
    X: NDArray[Any],
    y: NDArray[Any],
    splitter: Splitter,
    sample_weight: Floats | None = None,
    score: Score = negative_log_loss,
) -> Floats:
    """The weighted score of every split, shape (n_splits,); parameters as in `cross_val_predict`.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from models.splitters.kfold import PurgedKFold
    >>> t0 = np.arange(40)
    >>> X = np.sin(t0)[:, None]
    >>> found = cross_val_score(LogisticRegression(), X, X[:, 0] > 0, PurgedKFold(4, t0, t0 + 1))
    >>> bool((found > -0.69).all())
    True
    """
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    found = cross_val_predict(estimator, X, y, splitter, sample_weight)
    return np.array(
        [score(y[test], values, weight[test]) for test, values in zip(found.test, found.values, strict=True)]
    )
