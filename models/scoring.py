"""Scoring history through the graph, one row at a time, exactly as live does."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.bundle.runner import GraphRunner, Stages


class Runner(Protocol):
    """What scoring needs of `models.bundle.runner.GraphRunner`."""

    burn_in: int

    def reset(self) -> None:
        """Back to zero state."""
        ...

    def run_rows(self, rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Members' probabilities (n, m) and the ensemble's (n,)."""
        ...


def score_rows(
    runner: Runner, features: NDArray[np.float64], first: int, stop: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities at rows ``first`` to ``stop`` of one series, burnt in on the rows before them.

    The state starts at zero ``burn_in`` rows before ``first`` (or at the series' beginning) and is carried from
    there. Nothing before is needed and nothing after ``stop`` is read.

    Parameters
    ----------
    features
        The series' feature rows, shape (n, f).
    first, stop
        The rows to score, ``first`` included, ``stop`` not.

    Returns
    -------
    members, probability
        Shapes (stop − first, m) and (stop − first,); NaN where no prediction is made.
    """
    lead = max(0, first - runner.burn_in)
    runner.reset()
    members, probability = runner.run_rows(np.ascontiguousarray(features[lead:stop]))
    return members[first - lead :], probability[first - lead :]


def score_stages(runner: GraphRunner, features: NDArray[np.float64], first: int, stop: int) -> Stages:
    """As `score_rows`, with everything that the graph says."""
    lead = max(0, first - runner.burn_in)
    runner.reset()
    return runner.run_stages(np.ascontiguousarray(features[lead:stop])).from_row(first - lead)
