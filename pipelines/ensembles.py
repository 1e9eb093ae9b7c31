"""What a run found out about combining its members: typed values that report and tracking are made from."""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.statistics.bootstrap import LEVEL
from pipelines.claims import Claims
from pipelines.estimate import Estimate, Number

Floats = NDArray[np.float64]
Kind = Literal["pool", "calibration"]


class Combined(msgspec.Struct, frozen=True):
    """The same members combined in some way, nested forward in time, on the comparison rows.

    ``chosen``: as the run does it. ``difference``: its log loss minus that of the run's ensemble, paired row by row.
    ``weights``: of the members in the last fold, by name.
    """

    name: str
    kind: Kind
    chosen: bool
    scores: dict[str, Estimate]
    difference: Estimate
    weights: dict[str, float] = {}


class Diversity(msgspec.Struct, frozen=True, eq=False):
    """How far the members differ on the comparison rows; matrices (m, m), see `models.statistics.diversity`.

    ``brier_members``, ``brier_ambiguity``, ``brier_mean``: the Brier score of the members' mean is the first less the
    second.
    """

    members: tuple[str, ...]
    errors: Floats
    gains: Floats
    disagreement: Floats
    brier_members: Number
    brier_ambiguity: Number
    brier_mean: Number


class Sets(msgspec.Struct, frozen=True):
    """Conformal prediction sets made forward in time, on the folds that have them: asked for, and measured.

    ``held``: how often the set held what happened. ``single``: how often it was one side; ``right``: how often that
    side happened. ``empty``: how often it was none.
    """

    coverage: float
    held: Estimate
    single: Estimate
    right: Estimate
    empty: Number


class EnsembleStudy(msgspec.Struct, frozen=True, eq=False):
    """Every way to combine the members beside the run's, and how far they differ; ``refused``: why some were not.

    ``sets``: the run's ensemble's, at several coverages. ``claims``: what it measures where there were claims.
    ``level``: of confidence of all intervals.
    """

    combined: tuple[Combined, ...]
    diversity: Diversity
    refused: dict[str, str] = {}
    sets: tuple[Sets, ...] = ()
    claims: Claims | None = None
    level: float = LEVEL

    def of(self, kind: Kind) -> tuple[Combined, ...]:
        """The ways of one kind."""
        return tuple(one for one in self.combined if one.kind == kind)
