"""From a score to the SIGNAL event the core sees."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from models.bundle.manifest import Payoff
from serving.predictor import Score
from trading.signals import signal_events

BUNDLE = 1
"""The bundle's number among a session's names: it is interned first."""


def score_signal(score: Score, number: int, payoff: Payoff, interval: int) -> NDArray[np.void]:
    """The signal of a score: shape (1,), or (0,) when no prediction was made or none is acted on."""
    expected, barrier = payoff.moves(score.volatility)
    validity, per_bar = payoff.clock(number, interval)
    return signal_events(
        np.array([score.end]),
        number,
        np.array([score.probability if score.decides else math.nan]),
        np.array([expected]),
        np.array([barrier]),
        np.array([score.volatility * per_bar]),
        np.array([score.row_hash]),
        validity,
        BUNDLE,
        None if score.prediction_set is None else score.prediction_set[np.newaxis],
    )
