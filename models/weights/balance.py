"""Class balance: every class has the same say, however rare (López de Prado 2018, section 4.8)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError


def class_balance(label: NDArray[Any], weight: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Weights scaled within each class so that all classes weigh the same in sum; shape (n,).

    Parameters
    ----------
    label
        Classes, shape (n,).
    weight
        What the labels weigh already, shape (n,), not negative; one each if None. The sum stays what it was.

    Raises
    ------
    ModelError
        If the shapes differ, or a weight is negative or not finite, or all of a class weigh nothing.

    Notes
    -----
    Without weights this is scikit-learn's ``class_weight="balanced"``; with weights, unlike there, the weights and not
    the counts are balanced.

    References
    ----------
    López de Prado (2018), *Advances in Financial Machine Learning*, section 4.8.

    Examples
    --------
    >>> class_balance(np.array([1, 1, 1, 0])).round(4).tolist()
    [0.6667, 0.6667, 0.6667, 2.0]
    """
    label = np.asarray(label)
    own = np.ones(len(label)) if weight is None else np.asarray(weight, np.float64)
    if own.shape != label.shape or label.ndim != 1:
        raise ModelError(
            f"labels have shape {label.shape} and weights {own.shape}; give one weight a label, shape (n,)"
        )
    if not (np.isfinite(own).all() and (own >= 0).all()):
        raise ModelError("weights must be finite and not negative")
    classes, number = np.unique(label, return_inverse=True)
    mass = np.bincount(number, weights=own, minlength=len(classes))
    if not (mass > 0).all():
        raise ModelError(f"class {classes[int(np.argmin(mass))]} weighs nothing; it cannot be balanced")
    balanced: NDArray[np.float64] = own * (mass.sum() / (len(classes) * mass))[number] if len(label) else own
    return balanced
