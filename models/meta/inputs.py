"""What the second stage sees of a row: numbers about the ensemble's side, whichever side that is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.bundle.combination import Conformal
from models.ensemble.conformal import prediction_sets
from models.ensemble.logits import logit

Floats = NDArray[np.float64]
CONFIDENCE, DISAGREEMENT, ONE_SIDE = "confidence", "disagreement", "one side"


def input_names(members: Sequence[str], features: Sequence[str]) -> tuple[str, ...]:
    """The inputs' names, in order.

    Examples
    --------
    >>> input_names(["lstm"], ["rsi_14"])
    ('confidence', 'agreement of lstm', 'disagreement', 'one side', 'rsi_14')
    """
    return (CONFIDENCE, *(f"agreement of {one}" for one in members), DISAGREEMENT, ONE_SIDE, *features)


def meta_inputs(
    members: Floats, probability: Floats, conformal: Conformal | None, features: Floats, clip: float
) -> Floats:
    """The inputs of some rows, shape (n, k); NaN where a probability is.

    Parameters
    ----------
    members, probability
        What members (n, m) and ensemble (n,) say; the ensemble's side is up from one half on.
    conformal
        Its prediction sets; without, every set has both sides.
    features
        Some of the rows' features, shape (n, f).
    clip
        Where probabilities are cut.

    Examples
    --------
    >>> members, said = np.array([[0.4, 0.2]]), np.array([0.3])
    >>> meta_inputs(members, said, Conformal(0.8, 0.6), np.empty((1, 0)), 1e-4).round(3).tolist()
    [[0.847, 0.405, 1.386, 0.49, 1.0]]
    """
    logits = logit(members, clip)
    side = np.where(probability >= 0.5, 1.0, -1.0)
    held = prediction_sets(conformal or Conformal(0.5, 0.0), probability)
    middle = logits.mean(axis=1, keepdims=True)
    spread = np.sqrt(((logits - middle) ** 2).mean(axis=1))
    one_side = (held[:, 0] != held[:, 1]).astype(np.float64)
    found: Floats = np.column_stack(
        [np.abs(logit(probability, clip)), side[:, None] * logits, spread, one_side, features]
    )
    return found
