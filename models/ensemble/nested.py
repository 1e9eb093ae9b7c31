"""Nesting forward in time: what combines a fold's members is fitted on the folds before it.

The pool of a fold is fitted on the out-of-fold predictions of the folds before it, and the calibration on the pooled
predictions of the folds before it: the first fold has neither, the second no calibration. A label that was not yet
known when a fold's test began is left out of what that fold is given. Products run on one BLAS thread: the same bits
on any number of cores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.bundle.combination import Calibration, Conformal, Meta, Pool
from models.ensemble.calibration import calibrate, candidates, fit_calibration
from models.ensemble.config import CalibrationMethod, EnsembleConfig
from models.ensemble.conformal import fit_conformal
from models.ensemble.pools import fit_pool, pool_logit
from models.errors import EnsembleError
from models.statistics.predictions import row_log_loss

Floats = NDArray[np.float64]
LEAST_COMPARED = 4
"""Folds on which members, pool and ensemble must all exist, or nothing is compared."""


@dataclass(frozen=True, slots=True, eq=False)
class FoldScores:
    """A fold's scored samples: members (n, m), label, weight, t1 (n,), and when its test began (ns)."""

    members: Floats
    label: NDArray[np.int64]
    weight: Floats
    t1: NDArray[np.int64]
    test_start: int


@dataclass(frozen=True, slots=True)
class Combination:
    """What is known before a fold is scored: a pool from the second fold on, a calibration from the third.

    Prediction sets come last, from the fourth: their threshold is fitted on calibrated predictions out of fold. So is
    the second stage, where there is one (`models.meta.nested` fits it); it does not act on what `apply` says.
    """

    pool: Pool | None = None
    calibration: Calibration | None = None
    conformal: Conformal | None = None
    meta: Meta | None = None

    def apply(self, members: Floats) -> Floats:
        """The calibrated probability of member probabilities (n, m), shape (n,).

        Raises
        ------
        EnsembleError
            If there is no pool or no calibration.
        """
        if self.pool is None or self.calibration is None:
            raise EnsembleError("this combination has no calibration: it is from before the third fold")
        return calibrate(self.calibration, pool_logit(self.pool, members))


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """Rows that a pool has spoken on out of fold: log odds, label and weight, shape (n,)."""

    logit: Floats
    label: NDArray[np.int64]
    weight: Floats

    @classmethod
    def joined(cls, parts: Sequence[Pooled]) -> Pooled:
        """The rows of all parts."""
        return cls(*(np.concatenate([getattr(one, name) for one in parts]) for name in ("logit", "label", "weight")))


def known_before(fold: FoldScores, time: int) -> FoldScores:
    """The fold's rows whose labels were known before a time."""
    known = fold.t1 < time
    return FoldScores(fold.members[known], fold.label[known], fold.weight[known], fold.t1[known], fold.test_start)


def combination_for(
    earlier: Sequence[FoldScores], made: Sequence[Combination], time: int, config: EnsembleConfig
) -> Combination:
    """What may combine the members of predictions made from a time on.

    Parameters
    ----------
    earlier
        The folds before, in order.
    made
        What each of them was combined with.
    time
        When the new fold's test begins; of the earlier folds only labels known before it are used.
    config
        How.

    Raises
    ------
    EnsembleError
        If the earlier folds have too few rows, or only one class.
    """
    if not earlier:
        return Combination()
    known = [known_before(fold, time) for fold in earlier]
    pool = fit_pool(*_joined(known), config)
    pooled = [
        Pooled(pool_logit(one.pool, fold.members), fold.label, fold.weight)
        for fold, one in zip(known, made, strict=True)
        if one.pool is not None
    ]
    if not pooled:
        return Combination(pool)
    method = best_calibration(pooled, config) if config.calibration == "auto" else config.calibration
    return Combination(pool, _calibration(method, pooled, config), _conformal(known, made, config))


def best_calibration(pooled: Sequence[Pooled], config: EnsembleConfig) -> CalibrationMethod:
    """The calibration with the lowest log loss on each fold but the first, fitted on the folds before it.

    Platt's where there is one fold only. A calibration that needs more rows than the folds before have is not tried
    there, and not chosen.
    """
    losses: dict[CalibrationMethod, float] = dict.fromkeys(candidates(np.inf), 0.0)
    for number in range(1, len(pooled)):
        fold, earlier = pooled[number], pooled[:number]
        allowed = candidates(sum(float(one.weight.sum()) for one in earlier))
        losses = {method: losses[method] for method in losses if method in allowed}
        for method in losses:
            said = calibrate(_calibration(method, earlier, config), fold.logit)
            losses[method] += float(fold.weight @ row_log_loss(fold.label, said))
    return min(losses, key=lambda method: losses[method])


def _calibration(method: CalibrationMethod, pooled: Sequence[Pooled], config: EnsembleConfig) -> Calibration:
    rows = Pooled.joined(pooled)
    return fit_calibration(method, rows.logit, rows.label, rows.weight, config.clip, config.ridge)


def _conformal(known: Sequence[FoldScores], made: Sequence[Combination], config: EnsembleConfig) -> Conformal | None:
    spoken = [(fold, one) for fold, one in zip(known, made, strict=True) if one.calibration is not None]
    if not spoken:
        # Without a row to learn from, only sets of both sides promise anything, and nothing is decided by those.
        return Conformal(config.coverage, 0.0, one_sided=True) if config.one_sided else None
    probability = np.concatenate([one.apply(fold.members) for fold, one in spoken])
    _, label, weight = _joined([fold for fold, _ in spoken])
    found = fit_conformal(probability, label, weight, config.coverage)
    return msgspec.structs.replace(found, one_sided=config.one_sided)


def _joined(folds: Sequence[FoldScores]) -> tuple[Floats, NDArray[np.int64], Floats]:
    return (
        np.concatenate([fold.members for fold in folds]),
        np.concatenate([fold.label for fold in folds]),
        np.concatenate([fold.weight for fold in folds]),
    )


def compared_folds(count: int) -> range:
    """The folds on which all predictors exist: those after the first two.

    Raises
    ------
    EnsembleError
        If they are fewer than four.
    """
    if count - 2 < LEAST_COMPARED:
        raise EnsembleError(
            f"{count} folds leave {max(count - 2, 0)} on which pool and calibration exist; "
            f"{LEAST_COMPARED} are needed: use at least {LEAST_COMPARED + 2} folds"
        )
    return range(2, count)
