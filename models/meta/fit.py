"""The second stage's numbers, what it says with them, and the bet that follows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.blas import one_blas_thread
from models.bundle.combination import Meta
from models.ensemble.logits import SPREAD, information, logistic, need_both_classes, penalised_logistic
from models.meta.config import MetaConfig

Floats = NDArray[np.float64]


@one_blas_thread()
def fit_meta(
    inputs: Floats,
    right: NDArray[np.bool_],
    weight: Floats,
    config: MetaConfig,
    names: Sequence[str],
    columns: Sequence[int],
    clip: float,
) -> Meta:
    """A logistic regression that starts from the ensemble's own confidence and leaves it as far as the evidence goes.

    The side of a probability p is right with probability max(p, 1 − p) if p is calibrated: the logistic of the first
    input. That is the prior. What a logistic regression says is calibrated where it was fitted, so nothing follows it.

    Parameters
    ----------
    inputs
        As `models.meta.inputs.meta_inputs` makes them, out of fold, shape (n, k).
    right, weight
        Whether the side happened, and each row's worth, shape (n,); the weights' sum is the effective number of rows.
    config
        How.
    names, columns, clip
        Of the inputs; of their features in the row, and where probabilities were cut.

    Raises
    ------
    EnsembleError
        If there are no rows, or the side was always right, or never.
    """
    need_both_classes(right.astype(np.int64), weight, "a second stage")
    mean = np.average(inputs, axis=0, weights=weight)
    spread = np.average((inputs - mean) ** 2, axis=0, weights=weight)
    # Around their means, so that an input without weight moves nothing; not the confidence, whose prior is a line
    # through the origin.
    centre = np.append(0.0, mean[1:])
    table = np.column_stack([inputs - centre, np.ones(len(inputs))])
    prior = np.append(np.eye(inputs.shape[1])[0], 0.0)
    own = np.where(np.arange(len(spread)) < len(spread) - len(columns), SPREAD**2, 0.0)
    known = [information(config.ridge, variance) for variance in (*np.maximum(spread, own), 1.0)]
    precision = np.maximum(known, 1e-6)
    beta = penalised_logistic(table, right.astype(np.float64), weight, prior, precision)
    weights, intercept = beta[:-1], float(beta[-1] - beta[:-1] @ centre)
    base = float(np.average(right, weights=weight))
    low, high = (tuple(edge.tolist()) for edge in (inputs.min(axis=0), inputs.max(axis=0)))
    seen = (tuple(names), tuple(weights.tolist()), intercept, low, high)
    return Meta(*seen, tuple(columns), clip, base, config.sizing)


@one_blas_thread()
def right_probability(meta: Meta, inputs: Floats) -> Floats:
    """How probably the ensemble's side is right, of inputs (n, k), shape (n,)."""
    inside = np.clip(inputs, np.array(meta.low), np.array(meta.high))
    return logistic(inside @ np.array(meta.weights) + meta.intercept)


def sized_probability(probability: Floats, right: Floats) -> Floats:
    """The probability of a rise that the bet follows, shape (n,): one half, no bet, where the side is rather wrong.

    Parameters
    ----------
    probability, right
        What the ensemble says of a rise, and the second stage of its side, shape (n,).

    Examples
    --------
    >>> sized_probability(np.array([0.6, 0.4, 0.6]), np.array([0.7, 0.7, 0.4])).round(3).tolist()
    [0.7, 0.3, 0.5]
    """
    side = np.where(probability >= 0.5, 1.0, -1.0)
    found: Floats = 0.5 + side * (np.maximum(right, 0.5) - 0.5)
    return found
