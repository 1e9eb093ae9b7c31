"""Combining members: a logistic stacker on their logits, and Platt's calibration, both nested forward in time.

The stacker of a fold is fitted on the out-of-fold predictions of the folds before it, and the calibration on the
stacker's predictions of the folds before it: the first fold has neither, the second no calibration. A label that was
not yet known when a fold's test began is left out of what that fold is given. Products run on one BLAS thread: the same
bits on any number of cores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.blas import one_blas_thread
from models.errors import EnsembleError

Floats = NDArray[np.float64]
LEAST_COMPARED = 4
"""Folds on which members, stacker and ensemble must all exist, or nothing is compared."""
ITERATIONS = 100
TOLERANCE = 1e-12


class Stacker(msgspec.Struct, frozen=True):
    """``logit = weights · logit(clip(p, clip, 1 − clip)) + intercept``; one weight a member."""

    weights: tuple[float, ...]
    intercept: float
    clip: float

    @one_blas_thread()
    def logit(self, members: Floats) -> Floats:
        """The combined logit of member probabilities (n, m), shape (n,)."""
        found: Floats = logit(members, self.clip) @ np.array(self.weights) + self.intercept
        return found

    def apply(self, members: Floats) -> Floats:
        """The combined probability, shape (n,)."""
        return logistic(self.logit(members))


class Platt(msgspec.Struct, frozen=True):
    """``p = clip(logistic(slope · logit + intercept), clip, 1 − clip)`` (Platt 1999)."""

    slope: float
    intercept: float
    clip: float

    def apply(self, combined: Floats) -> Floats:
        """The calibrated probability of combined logits, shape (n,)."""
        found: Floats = np.clip(logistic(self.slope * combined + self.intercept), self.clip, 1.0 - self.clip)
        return found


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
    """What is known before a fold is scored: a stacker from the second fold on, a calibration from the third."""

    stacker: Stacker | None = None
    platt: Platt | None = None


def logit(probability: Floats, clip: float) -> Floats:
    """The log odds of probabilities cut to [clip, 1 − clip]."""
    inside = np.clip(probability, clip, 1.0 - clip)
    found: Floats = np.log(inside) - np.log1p(-inside)
    return found


def logistic(value: Floats) -> Floats:
    """The inverse of the log odds."""
    found: Floats = 1.0 / (1.0 + np.exp(-value))
    return found


@one_blas_thread()
def penalised_logistic(inputs: Floats, target: Floats, weight: Floats, prior: Floats, precision: Floats) -> Floats:
    """The weighted logistic regression nearest to a prior guess: Newton's method with halved steps.

    Minimises Σ weight · cross-entropy(target, logistic(inputs · β)) + ½ Σ precision · (β − prior)².

    Parameters
    ----------
    inputs
        Shape (n, k), with a column of ones for an intercept.
    target
        In [0, 1], shape (n,).
    weight
        Shape (n,).
    prior, precision
        Shape (k,); at least the precision of redundant columns must be positive.

    Raises
    ------
    EnsembleError
        If it does not converge.
    """

    def loss(beta: Floats) -> float:
        z = inputs @ beta
        return float(weight @ (np.logaddexp(0.0, z) - target * z) + 0.5 * precision @ (beta - prior) ** 2)

    beta = prior.copy()
    now = loss(beta)
    for _ in range(ITERATIONS):
        p = logistic(inputs @ beta)
        gradient = inputs.T @ (weight * (p - target)) + precision * (beta - prior)
        hessian = (inputs.T * (weight * p * (1.0 - p))) @ inputs + np.diag(precision)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while loss(beta - size * step) > now and size > 1e-10:
            size /= 2.0
        beta = beta - size * step
        before, now = now, loss(beta)
        if float(np.abs(size * step).max()) < TOLERANCE or before - now <= TOLERANCE * max(1.0, abs(now)):
            return beta
    raise EnsembleError(f"the logistic fit of {inputs.shape[1]} coefficients did not converge in {ITERATIONS} steps")


def fit_stacker(members: Floats, label: NDArray[np.int64], weight: Floats, ridge: float, clip: float) -> Stacker:
    """A stacker that starts from the members' mean logit and leaves it only as far as the evidence goes.

    Parameters
    ----------
    members
        Out-of-fold probabilities, shape (n, m).
    label, weight
        Shape (n,); the weights' sum is the effective number of rows.
    ridge
        How many effective rows the prior of equal weights is worth, per unit of the logits' variance.
    clip
        Where logits are cut.

    Raises
    ------
    EnsembleError
        If there are no rows, or only one class.
    """
    _check(label, weight, "a stacker")
    logits = logit(members, clip)
    count = members.shape[1]
    spread = float(
        np.average((logits - np.average(logits, axis=0, weights=weight)) ** 2, weights=weight, axis=0).mean()
    )
    inputs = np.column_stack([logits, np.ones(len(logits))])
    prior = np.append(np.full(count, 1.0 / count), 0.0)
    precision = np.append(np.full(count, ridge * max(spread, 1e-12) * count), 1e-9)
    beta = penalised_logistic(inputs, label.astype(np.float64), weight, prior, precision)
    return Stacker(tuple(beta[:-1].tolist()), float(beta[-1]), clip)


def fit_platt(combined: Floats, label: NDArray[np.int64], weight: Floats, clip: float, ridge: float = 0.0) -> Platt:
    """Platt's calibration of combined logits, with his smoothed targets over effective rows.

    A slope below zero would turn the ensemble upside down on the strength of noise: the slope is then zero, and the
    calibrated probability the base rate. Logits that hardly vary leave the slope to noise, and a steep one makes
    certainties of the next fold's wider logits: ``ridge`` holds it near one as far as the evidence lets it.

    Parameters
    ----------
    combined, label, weight
        Shape (n,); the weights' sum is the effective number of rows.
    clip
        Where calibrated probabilities are cut.
    ridge
        Precision of the prior that the slope is one; 0 is Platt's own.

    Raises
    ------
    EnsembleError
        If there are no rows, or only one class.
    """
    _check(label, weight, "a calibration")
    ones, zeros = float(weight[label > 0].sum()), float(weight[label <= 0].sum())
    target = np.where(label > 0, (ones + 1.0) / (ones + 2.0), 1.0 / (zeros + 2.0))
    inputs = np.column_stack([combined, np.ones(len(combined))])
    beta = penalised_logistic(inputs, target, weight, np.array([1.0, 0.0]), np.array([max(ridge, 1e-6), 1e-6]))
    if beta[0] < 0:
        base = penalised_logistic(inputs[:, 1:], target, weight, np.zeros(1), np.full(1, 1e-6))
        return Platt(0.0, float(base[0]), clip)
    return Platt(float(beta[0]), float(beta[1]), clip)


def _check(label: NDArray[np.int64], weight: Floats, what: str) -> None:
    if len(label) == 0 or not (weight[label > 0].sum() > 0 and weight[label <= 0].sum() > 0):
        raise EnsembleError(f"{what} needs rows of both classes; of {len(label)} rows {int((label > 0).sum())} are 1")


def known_before(fold: FoldScores, time: int) -> FoldScores:
    """The fold's rows whose labels were known before a time."""
    known = fold.t1 < time
    return FoldScores(fold.members[known], fold.label[known], fold.weight[known], fold.t1[known], fold.test_start)


def combination_for(
    earlier: Sequence[FoldScores], stackers: Sequence[Stacker | None], time: int, ridge: float, clip: float
) -> Combination:
    """What may combine the members of predictions made from a time on.

    Parameters
    ----------
    earlier
        The folds before, in order.
    stackers
        The stacker each of them was scored with (None for the first).
    time
        When the new fold's test begins; of the earlier folds only labels known before it are used.
    ridge, clip
        As in `fit_stacker` and `fit_platt`.
    """
    if not earlier:
        return Combination()
    known = [known_before(fold, time) for fold in earlier]
    stacker = fit_stacker(*_joined(known), ridge=ridge, clip=clip)
    stacked = [(fold, one) for fold, one in zip(known, stackers, strict=True) if one is not None]
    if not stacked:
        return Combination(stacker)
    combined = np.concatenate([one.logit(fold.members) for fold, one in stacked])
    label = np.concatenate([fold.label for fold, _ in stacked])
    weight = np.concatenate([fold.weight for fold, _ in stacked])
    return Combination(stacker, fit_platt(combined, label, weight, clip, ridge))


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
            f"{count} folds leave {max(count - 2, 0)} on which stacker and calibration exist; "
            f"{LEAST_COMPARED} are needed: use at least {LEAST_COMPARED + 2} folds"
        )
    return range(2, count)
