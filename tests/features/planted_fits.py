"""Fitted features of a user's own: the distance to the training bars' mean close, and the largest step between rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.errors import FeatureError
from features.feature import Feature
from features.nodes import CLOSE, VOLUME, Fitted, Node
from market.jit import kernel


@kernel
def from_mean(state: NDArray[np.float64], at: int, x: float, fitted: int) -> float:
    return x - state[fitted + 1]


@dataclass(frozen=True)
class RowsAndMean:
    column: int = 0

    def __call__(self, runs: Sequence[NDArray[np.float64]]) -> list[float]:
        if not runs:
            raise FeatureError("there are none")
        values = np.concatenate(runs)[:, self.column]
        return [float(len(values)), float(np.sort(values).mean()), float(len(runs))]


def distance(name: str, inputs: tuple, fit: RowsAndMean, values: str = "mean_close") -> Feature:
    node = Node(from_mean, (CLOSE, Fitted(values, 3, inputs, fit)))
    meaning = "close minus the mean close of the training bars"
    return Feature(name, node, 1.0, "price", meaning, "tests", depends_on=frozenset({"price"}))


MEAN = distance("from_mean_close", (CLOSE,), RowsAndMean())
VOLUMES = distance("from_mean_volume", (CLOSE, VOLUME), RowsAndMean(1), "mean_volume")
CLASH = distance("clash", (CLOSE, VOLUME), RowsAndMean(1))
OWN = {one.name: one for one in (MEAN, VOLUMES, CLASH)}
