"""Size from a predicted probability (López de Prado 2018, section 10.3).

The probability is held against the one of knowing nothing, one over the number of classes, by the statistic of that
test; the size is how far the normal distribution says it has come from zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from models.errors import ModelError


def size_from_probability(
    probability: NDArray[np.float64], side: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Size of bets with two outcomes, shape (n,), in [-1, 1].

    Parameters
    ----------
    probability
        Of a rise, or, with a side, that the bet is a success (a meta-label's), in [0, 1], shape (n,).
    side
        The primary model's side, shape (n,): 1, 0 or -1. A bet that will rather fail is then not made: its size would
        be one against the side.

    Returns
    -------
    numpy.ndarray
        ``2 Φ(z) - 1`` with ``z = (p - 1/2) / sqrt(p (1 - p))``; with a side, times the side where positive, else 0. NaN
        where the probability is.

    Raises
    ------
    ModelError
        If the shapes differ, a probability is outside [0, 1] or a side is none.

    References
    ----------
    López de Prado (2018), *Advances in Financial Machine Learning*, section 10.3, snippet 10.1.

    Examples
    --------
    >>> size_from_probability(np.array([0.5, 0.6, 0.4, 1.0])).round(4).tolist()
    [0.0, 0.1617, -0.1617, 1.0]
    >>> size_from_probability(np.array([0.6, 0.6, 0.4]), np.array([1.0, -1.0, -1.0])).round(4).tolist()
    [0.1617, -0.1617, 0.0]
    """
    size = _size(np.asarray(probability, np.float64), 2)
    if side is None:
        return size
    side = np.asarray(side, np.float64)
    if side.shape != size.shape or not np.isin(side, (-1.0, 0.0, 1.0)).all():
        raise ModelError(f"sides have shape {side.shape}, probabilities {size.shape}; give one a bet: -1, 0 or 1")
    found: NDArray[np.float64] = np.where(size <= 0, 0.0, side * size)
    return found


def size_from_classes(probability: NDArray[np.float64], sides: NDArray[np.float64]) -> NDArray[np.float64]:
    """Size of bets with several outcomes, shape (n,), in [-1, 1].

    Parameters
    ----------
    probability
        Of each class, shape (n, classes), each row a sum of one.
    sides
        What each class stands for, shape (classes,): for example [-1, 0, 1].

    Returns
    -------
    numpy.ndarray
        The side of the likeliest class times ``2 Φ(z) - 1``, ``z = (p - 1/K) / sqrt(p (1 - p))`` for its probability p
        among K classes; the first of equals. NaN where a probability is.

    Raises
    ------
    ModelError
        If the shapes differ, there are fewer than two classes, or rows are no probabilities.

    References
    ----------
    López de Prado (2018), *Advances in Financial Machine Learning*, section 10.3, snippet 10.1.

    Examples
    --------
    >>> size_from_classes(np.array([[0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]), np.array([-1, 0, 1])).round(4)
    array([-0.4138,  0.    ,  0.4138])
    """
    probability, sides = np.asarray(probability, np.float64), np.asarray(sides, np.float64)
    if probability.ndim != 2 or sides.shape != probability.shape[1:] or len(sides) < 2:
        raise ModelError(f"probabilities have shape {probability.shape} and sides {sides.shape}; give one side a class")
    total = probability.sum(axis=1)
    if (np.abs(total - 1) > 1e-6).any():
        raise ModelError(f"probabilities of row {int(np.argmax(np.abs(total - 1) > 1e-6))} do not sum to one")
    best = probability.argmax(axis=1)
    largest = np.where(np.isnan(total), np.nan, probability.max(axis=1))
    found: NDArray[np.float64] = sides[best] * _size(largest, len(sides))
    return found


def _size(probability: NDArray[np.float64], classes: int) -> NDArray[np.float64]:
    outside = (probability < 0) | (probability > 1)
    if outside.any():
        raise ModelError(f"probability is {probability[outside][0]}; it must be between 0 and 1")
    with np.errstate(divide="ignore"):
        statistic = (probability - 1 / classes) / np.sqrt(probability * (1 - probability))
    size: NDArray[np.float64] = 2 * ndtr(statistic) - 1
    return size
