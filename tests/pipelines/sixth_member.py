"""A sixth member in one file, as anybody would write one: normal classes that share their variances."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import msgspec
import numpy as np

from models.graph.linear import linear_part
from models.members.along import NOWHERE
from models.members.domain import above
from models.members.facts import MemberFacts
from models.members.protocol import FitRecord
from models.members.scaling import Scaler, fit_scaler
from models.members.training import consecutive, take_both

NAME = "centroids"
FACTS = MemberFacts(bound=1e-12, library="numpy", distributions=("numpy", "onnx"), axis="none")


class CentroidsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``clip``: where scaled features are cut."""

    clip: float = 3.0

    def __post_init__(self):
        above(self, 0, 1e6, "clip")


@dataclass(frozen=True, slots=True, eq=False)
class FittedCentroids:
    """P(label = 1) by the distance from the two classes' means."""

    name: str
    record: FitRecord
    scaler: Scaler
    slopes: np.ndarray
    intercept: float

    def predict(self, panel, instrument, rows):
        return self.probability(consecutive(panel, instrument, rows))

    def probability(self, features):
        return 1.0 / (1.0 + np.exp(-((self.scaler.transform(features) * self.slopes).sum(axis=1) + self.intercept)))

    def part(self):
        scaler = self.scaler
        return linear_part(self.name, scaler.mean, scaler.scale, scaler.clip, self.slopes, self.intercept)


@dataclass(frozen=True, slots=True)
class CentroidsMember:
    facts: ClassVar[MemberFacts] = FACTS

    config: CentroidsConfig = field(default_factory=CentroidsConfig)
    name: str = NAME

    def fit(self, panel, train, validation, seed, progress=None, along=NOWHERE):
        rows, _ = take_both(panel, train, validation)
        scaler = fit_scaler(rows.features, rows.weight, self.config.clip, panel.indicators)
        scaled, label = scaler.transform(rows.features), rows.label
        one, zero = (np.average(scaled, axis=0, weights=rows.weight * side) for side in (label, 1.0 - label))
        middle = np.where(label[:, None] == 1.0, one, zero)
        variance = np.average((scaled - middle) ** 2, axis=0, weights=rows.weight)
        slopes = np.divide(one - zero, variance, out=np.zeros_like(variance), where=variance > 0)
        intercept = np.log(rows.base_rate / (1.0 - rows.base_rate)) - slopes @ (one + zero) / 2
        if progress is not None:
            progress(self.name, 1.0)
        return FittedCentroids(self.name, FitRecord(), scaler, slopes, float(intercept))
