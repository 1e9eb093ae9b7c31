"""Bagging of learners on samples that overlap little (López de Prado 2018, sections 4.5 and 6.3).

Bagging averages learners that were fitted on samples drawn with replacement, and lowers variance as far as those
learners differ. Labels that overlap make every draw nearly the same sample. Two remedies, alone or together: draw by
the sequential bootstrap, and draw only as many labels as the labels are worth, the sum of their average uniqueness.

There is no out-of-bag score: a label left out of a sample overlaps labels inside it, so it would be scored on what it
was fitted on. Use a purged splitter (`models.splitters`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    has_fit_parameter,
    validate_data,
)

from models.errors import ModelError
from models.weights import average_uniqueness, sequential_bootstrap_times

SEEDS = 2**31 - 1


class UniquenessBagging(BaseEstimator):  # type: ignore[misc]
    """What the classifier and the regressor share: drawing and fitting.

    Parameters
    ----------
    estimator
        The learner to clone; a decision tree if None.
    n_estimators
        How many are fitted and averaged.
    sampling
        ``sequential``: by the sequential bootstrap. ``uniform``: every label alike.
    max_samples
        Labels in a sample: ``uniqueness`` for the sum of their average uniqueness, a share in (0, 1], or a number.
    n_jobs
        Processes that fit at once, as in joblib; the result does not depend on it.
    random_state
        Seed, or generator, of the draws and of the learners.

    Attributes
    ----------
    estimators_ : list
        The fitted learners.
    estimators_samples_ : list of ndarray
        The positions that each was fitted on, in the order drawn, with repetitions.
    uniqueness_ : ndarray of shape (n_samples,)
        Average uniqueness of the labels.
    n_features_in_ : int
        Columns of X; ``feature_names_in_`` has their names where they have any.
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_estimators: int = 10,
        sampling: Literal["sequential", "uniform"] = "sequential",
        max_samples: Literal["uniqueness"] | float | int = "uniqueness",
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.sampling = sampling
        self.max_samples = max_samples
        self.n_jobs = n_jobs
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self._learner())
        tags.input_tags.allow_nan = inner.input_tags.allow_nan
        return tags

    def _learner(self) -> Any:
        raise NotImplementedError

    def _fit(self, X: Any, y: NDArray[Any], sample_weight: Any, t0: Any, t1: Any) -> None:
        """Draw the samples and fit a clone on each."""
        start, end = _intervals(t0, t1, len(X))
        self.uniqueness_ = average_uniqueness(start, end)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        if weight is not None and not has_fit_parameter(self._learner(), "sample_weight"):
            raise ModelError(f"sample_weight was given, but {type(self._learner()).__name__}.fit does not take it")
        if self.n_estimators < 1:
            raise ModelError(f"n_estimators is {self.n_estimators}; it must be at least 1")
        random = check_random_state(self.random_state)
        draws = _sample_size(self.max_samples, self.uniqueness_)
        self.estimators_samples_ = [self._draw(random, draws, start, end) for _ in range(self.n_estimators)]
        learners = [_seeded(clone(self._learner()), random) for _ in range(self.n_estimators)]
        self.estimators_ = Parallel(n_jobs=self.n_jobs)(
            delayed(_fit_one)(learner, X, y, weight, index)
            for learner, index in zip(learners, self.estimators_samples_, strict=True)
        )

    def _draw(self, random: Any, draws: int, start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
        uniforms = random.random_sample(draws)
        if self.sampling == "sequential":
            return sequential_bootstrap_times(start, end, uniforms)
        if self.sampling == "uniform":
            return np.asarray(uniforms * len(start)).astype(np.int64)
        raise ModelError(f"sampling is {self.sampling!r}; it must be 'sequential' or 'uniform'")

    def _validated(self, X: Any) -> Any:
        check_is_fitted(self)
        return validate_data(self, X, reset=False, ensure_all_finite=_finite(self))


class UniquenessBaggingClassifier(ClassifierMixin, UniquenessBagging):  # type: ignore[misc]
    """Classifiers averaged over samples of labels that overlap little.

    Parameters, attributes and the reason are those of `UniquenessBagging`; ``classes_`` has the classes.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> X = generator.normal(size=(200, 3))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> t0 = np.arange(200)
    >>> bagging = UniquenessBaggingClassifier(n_estimators=5, random_state=0).fit(X, y, t0=t0, t1=t0 + 10)
    >>> len(bagging.estimators_samples_[0]), bool(bagging.score(X, y) > 0.8)
    (21, True)
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None, t0: Any = None, t1: Any = None) -> Self:
        """Fit every learner on its sample.

        Parameters
        ----------
        X, y
            Features, shape (n, f), and classes, shape (n,).
        sample_weight
            Weights that the learners get beside the draws, shape (n,).
        t0, t1
            Label intervals [t0, t1): int64 times or datetime64, shape (n,). Without them labels do not overlap.

        Raises
        ------
        ModelError
            If intervals, a parameter or weights do not fit.
        """
        X, y = validate_data(self, X, y, ensure_all_finite=_finite(self))
        check_classification_targets(y)
        self.classes_, code = np.unique(y, return_inverse=True)
        self._fit(X, code, sample_weight, t0, t1)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Mean probability of each class, shape (n, classes); of learners without probabilities, the share of votes."""
        X = self._validated(X)
        total = np.zeros((len(X), len(self.classes_)))
        for learner in self.estimators_:
            if hasattr(learner, "predict_proba"):
                total[:, learner.classes_] += learner.predict_proba(X)
            else:
                total[np.arange(len(X)), learner.predict(X)] += 1.0
        return total / len(self.estimators_)

    def predict(self, X: Any) -> NDArray[Any]:
        """The class with the largest mean probability, shape (n,)."""
        code = self.predict_proba(X).argmax(axis=1)
        found: NDArray[Any] = self.classes_[code]
        return found

    def _learner(self) -> Any:
        return DecisionTreeClassifier() if self.estimator is None else self.estimator


class UniquenessBaggingRegressor(RegressorMixin, UniquenessBagging):  # type: ignore[misc]
    """Regressors averaged over samples of labels that overlap little.

    Parameters, attributes and the reason are those of `UniquenessBagging`.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> X = generator.normal(size=(200, 3))
    >>> t0 = np.arange(200)
    >>> bagging = UniquenessBaggingRegressor(sampling="uniform", max_samples=0.5, random_state=0)
    >>> bool(bagging.fit(X, X[:, 0], t0=t0, t1=t0 + 10).score(X, X[:, 0]) > 0.8)
    True
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None, t0: Any = None, t1: Any = None) -> Self:
        """Fit every learner on its sample; parameters as in `UniquenessBaggingClassifier.fit`, ``y`` of numbers."""
        X, y = validate_data(self, X, y, ensure_all_finite=_finite(self), y_numeric=True)
        self._fit(X, y, sample_weight, t0, t1)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """The mean prediction, shape (n,)."""
        X = self._validated(X)
        found: NDArray[np.float64] = np.mean([learner.predict(X) for learner in self.estimators_], axis=0)
        return found

    def _learner(self) -> Any:
        return DecisionTreeRegressor() if self.estimator is None else self.estimator


def _finite(bagging: UniquenessBagging) -> bool | str:
    return "allow-nan" if get_tags(bagging).input_tags.allow_nan else True


def _fit_one(learner: Any, X: Any, y: NDArray[Any], weight: Any, index: NDArray[np.int64]) -> Any:
    if weight is None:
        return learner.fit(X[index], y[index])
    return learner.fit(X[index], y[index], sample_weight=weight[index])


def _seeded(learner: Any, random: Any) -> Any:
    """The learner with every ``random_state`` of it and of what it holds set."""
    names = sorted(name for name in learner.get_params() if name.rpartition("__")[2] == "random_state")
    return learner.set_params(**{name: random.randint(SEEDS) for name in names})


def _sample_size(max_samples: Any, uniqueness: NDArray[np.float64]) -> int:
    count = len(uniqueness)
    if max_samples == "uniqueness":
        return max(1, round(float(uniqueness.sum())))
    if isinstance(max_samples, float) and 0 < max_samples <= 1:
        return max(1, round(max_samples * count))
    if isinstance(max_samples, int | np.integer) and max_samples >= 1:
        return int(max_samples)
    raise ModelError(
        f"max_samples is {max_samples!r}; it must be 'uniqueness', a share in (0, 1] or a number of labels"
    )


def _intervals(t0: Any, t1: Any, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The label intervals as int64; labels side by side if there are none."""
    if (t0 is None) != (t1 is None):
        raise ModelError("t0 and t1 belong together; give both, or neither for labels that do not overlap")
    if t0 is None:
        return np.arange(count), np.arange(count) + 1
    both: Sequence[NDArray[Any]] = [np.asarray(times) for times in (t0, t1)]
    if any(times.shape != (count,) for times in both):
        raise ModelError(f"X has {count} rows, but t0 has shape {both[0].shape} and t1 {both[1].shape}")
    start, end = (times.astype("datetime64[ns]") if times.dtype.kind == "M" else times for times in both)
    if start.dtype.kind not in "Mi" or start.dtype.kind != end.dtype.kind:
        raise ModelError(
            f"t0 is of type {start.dtype} and t1 of {end.dtype}; give int64 times or datetime64, both alike"
        )
    return start.astype(np.int64), end.astype(np.int64)
