"""Scores of predicted probabilities: log loss and accuracy, higher is better, weighted in the score as in the fit."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError

Floats = NDArray[np.float64]
ScoreName = Literal["log_loss", "accuracy"]
UNITS = {"log_loss": "nats", "accuracy": "share of decisions"}
SMALLEST = 1e-15
"""Probabilities are cut here before their logarithm is taken."""


def weighted_score(score: ScoreName, label: NDArray[np.int64], probability: Floats, weight: Floats) -> float:
    """The weighted mean score of some predictions; higher is better.

    Parameters
    ----------
    score
        ``log_loss``: log P(what happened), nats. ``accuracy``: 1 where the most probable class happened (of equally
        probable ones the last).
    label
        The column of the class that happened, shape (n,).
    probability
        Of each class, shape (n, c).
    weight
        Shape (n,).

    Raises
    ------
    ModelError
        If a probability is NaN, or there is no such score.

    Notes
    -----
    A score without the weights that the fit had is a trap of cross-validation (López de Prado 2018, section 7.5).

    Examples
    --------
    >>> probability = np.array([[0.25, 0.75], [0.5, 0.5]])
    >>> round(weighted_score("log_loss", np.array([1, 0]), probability, np.array([1.0, 3.0])), 4)
    -0.5918
    """
    if np.isnan(probability).any():
        raise ModelError(f"{int(np.isnan(probability).any(axis=1).sum())} predictions are NaN: they cannot be scored")
    if score == "log_loss":
        happened = probability[np.arange(len(label)), label]
        return float(np.average(np.log(np.clip(happened, SMALLEST, None)), weights=weight))
    if score == "accuracy":
        chosen = probability.shape[1] - 1 - np.argmax(probability[:, ::-1], axis=1)
        return float(np.average(chosen == label, weights=weight))
    raise ModelError(f"there is no score {score!r}; known are {', '.join(UNITS)}")


def relative_loss(score: ScoreName, before: float, after: float) -> float:
    """The loss of score as a share of what was left to lose (López de Prado 2018, snippet 8.3).

    One is the most a feature can be worth: (before − after) / (best possible − after).

    Examples
    --------
    >>> relative_loss("accuracy", 0.75, 0.5), relative_loss("log_loss", -0.25, -0.5)
    (0.5, 0.5)
    """
    best = 1.0 if score == "accuracy" else 0.0
    return (before - after) / (best - after) if after != best else 0.0
