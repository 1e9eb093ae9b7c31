"""Nesting the second stage forward in time: a fold's is fitted on what the ensemble said of the folds before it.

Like its calibration and its prediction sets, by rows that the ensemble spoke on out of fold and whose labels were known
when the fold's test began. The first two folds have no ensemble and the third has nothing before it: it exists from
the fourth on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.bundle.combination import Meta
from models.ensemble.nested import Combination, FoldScores
from models.meta.config import MetaConfig
from models.meta.fit import fit_meta, right_probability
from models.meta.inputs import input_names, meta_inputs

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MetaPlan:
    """What does not change from fold to fold: how, the members' names, the features' columns in a row, the clip."""

    config: MetaConfig
    members: tuple[str, ...]
    columns: tuple[int, ...]
    clip: float


@dataclass(frozen=True, slots=True, eq=False)
class MetaFold:
    """A fold's scored samples, what they were combined with, and the features that the second stage sees (n, f)."""

    scores: FoldScores
    combination: Combination
    features: Floats

    @property
    def ensemble(self) -> Floats:
        """The ensemble's probability, shape (n,)."""
        return self.combination.apply(self.scores.members)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the side that the ensemble called happened, shape (n,)."""
        found: NDArray[np.bool_] = (self.ensemble >= 0.5) == (self.scores.label > 0)
        return found

    def inputs(self, clip: float) -> Floats:
        """What the second stage sees, shape (n, k)."""
        conformal = self.combination.conformal
        return meta_inputs(self.scores.members, self.ensemble, conformal, self.features, clip)

    def says(self, meta: Meta) -> Floats:
        """How probably the side is right, by a second stage, shape (n,)."""
        return right_probability(meta, self.inputs(meta.clip))


def meta_for(earlier: Sequence[MetaFold], time: int, plan: MetaPlan) -> Meta | None:
    """The second stage of predictions made from a time on; None before the fourth fold.

    Parameters
    ----------
    earlier
        The folds before, in order.
    time
        When the new fold's test begins; of the earlier folds only labels known before it are used.
    plan
        How.

    Raises
    ------
    EnsembleError
        If there the ensemble's side was always right, or never.
    """
    spoken = [(one, one.scores.t1 < time) for one in earlier if one.combination.calibration is not None]
    if not spoken:
        return None
    inputs = np.concatenate([one.inputs(plan.clip)[known] for one, known in spoken])
    right = np.concatenate([one.right[known] for one, known in spoken])
    weight = np.concatenate([one.scores.weight[known] for one, known in spoken])
    names = input_names(plan.members, plan.config.features)
    return fit_meta(inputs, right, weight, plan.config, names, plan.columns, plan.clip)


def nested_metas(folds: Sequence[MetaFold], plan: MetaPlan) -> list[Meta | None]:
    """The second stage of each fold."""
    return [meta_for(folds[:number], fold.scores.test_start, plan) for number, fold in enumerate(folds)]
