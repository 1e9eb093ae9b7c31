"""An estimator that writes itself into the ledger before it learns anything; scikit-learn's protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if

from models.importance.folds import weight_keyword

if TYPE_CHECKING:
    from pipelines.ledger.cross_validation import Recorder


def _can(name: str) -> Callable[[Any], bool]:
    def check(self: Any) -> bool:
        getattr(self.estimator, name)
        return True

    return check


class RecordedEstimator(MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """An estimator that is fitted and predicts as the one inside, whose parameters are named ``estimator__…``.

    Made by `pipelines.ledger.cross_validation.Recorder`. Every ``fit`` begins the trial of its configuration, unless
    it began already in the same block.

    Parameters
    ----------
    estimator
        Any estimator of scikit-learn's protocol; clones of it are fitted.
    recorder
        Of the block.

    Attributes
    ----------
    estimator_
        The fitted clone.
    """

    def __init__(self, estimator: Any, recorder: Recorder) -> None:
        self.estimator = estimator
        self.recorder = recorder

    def __sklearn_tags__(self) -> Any:
        return get_tags(self.estimator)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, **parameters: Any) -> Self:
        """Record the configuration, then fit a clone with the weights and the other parameters.

        Raises
        ------
        LedgerError
            If the trial cannot be recorded, the block has ended, or its samples have another number of columns.
        ModelError
            If there are weights, and the estimator takes none.
        """
        if sample_weight is not None:
            parameters[weight_keyword(self.estimator)] = sample_weight
        self.recorder.begin(self.estimator, X)
        self.estimator_ = clone(self.estimator).fit(X, y, **parameters)
        return self

    @property
    def classes_(self) -> Any:
        """The fitted classifier's classes."""
        return self.estimator_.classes_

    @available_if(_can("predict"))  # type: ignore[untyped-decorator]
    def predict(self, X: Any) -> Any:
        """The fitted estimator's predictions."""
        return self.estimator_.predict(X)

    @available_if(_can("predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Any:
        """The fitted classifier's probabilities."""
        return self.estimator_.predict_proba(X)

    @available_if(_can("decision_function"))  # type: ignore[untyped-decorator]
    def decision_function(self, X: Any) -> Any:
        """The fitted classifier's margins."""
        return self.estimator_.decision_function(X)

    @available_if(_can("score"))  # type: ignore[untyped-decorator]
    def score(self, X: Any, y: Any = None, **parameters: Any) -> float:
        """The fitted estimator's own score."""
        return float(self.estimator_.score(X, y, **parameters))
