"""Measuring what was once claimed: accuracy, false positives, what the ensemble adds, precision at coverage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.statistics.bootstrap import Interval, TimeBlocks, mean_interval, percentiles
from models.statistics.selective import called_right, surest
from pipelines.claims import AtCoverage, Claims
from pipelines.results import ENSEMBLE
from pipelines.stages.evaluate import Compared, estimate

Floats = NDArray[np.float64]
COVERAGES = (1.0, 0.5, 0.25, 0.1, 0.05)
LEVEL = 0.95


def ratio_interval(one: Floats, other: Floats, weight: Floats, blocks: TimeBlocks) -> Interval:
    """The ratio of two weighted means over the same rows, less one, and its interval."""
    cells = blocks.counts.shape[1]
    top, bottom = (blocks.counts @ np.bincount(blocks.cell, weights=w * weight, minlength=cells) for w in (one, other))
    value = float(one @ weight) / float(other @ weight) - 1.0
    return Interval(value, *percentiles(top / bottom - 1.0, LEVEL))


def claims(members: Sequence[str], compared: Compared) -> Claims:
    """What the ensemble measures where there were claims.

    Parameters
    ----------
    members
        By name; the most accurate of them is compared with.
    compared
        The comparison rows.
    """
    outcomes, blocks = compared.outcomes, compared.blocks
    label, weight, ours = outcomes.label, outcomes.weight, compared.predictors[ENSEMBLE]
    right = {name: called_right(compared.predictors[name], label) for name in (*members, ENSEMBLE)}
    best = max(members, key=lambda name: float(right[name] @ weight))
    down = weight * (label <= 0)
    return Claims(
        accuracy=estimate(mean_interval(right[ENSEMBLE], weight, blocks, LEVEL)),
        false_positives=estimate(mean_interval((ours >= 0.5).astype(np.float64), down, blocks, LEVEL)),
        improvement=estimate(ratio_interval(right[ENSEMBLE], right[best], weight, blocks)),
        best_member=best,
        precision=tuple(
            AtCoverage(one, estimate(mean_interval(right[ENSEMBLE], weight * surest(ours, weight, one), blocks, LEVEL)))
            for one in COVERAGES
        ),
    )
