"""Log odds, and the penalised logistic regression that stacker and calibration are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.blas import one_blas_thread
from models.errors import EnsembleError

Floats = NDArray[np.float64]
ITERATIONS = 100
TOLERANCE = 1e-12
SPREAD = 0.05
"""Deviation of log odds, of probabilities by an eightieth, below which they say next to nothing."""


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

    Minimises Σ weight · cross-entropy(target, logistic(inputs · β)) + ½ (β − prior)ᵀ · precision · (β − prior).

    Parameters
    ----------
    inputs
        Shape (n, k), with a column of ones for an intercept.
    target
        In [0, 1], shape (n,).
    weight
        Shape (n,).
    prior
        Shape (k,).
    precision
        Shape (k, k), or (k,) for its diagonal; at least that of redundant columns must be positive.

    Raises
    ------
    EnsembleError
        If it does not converge.
    """
    held = np.diag(precision) if precision.ndim == 1 else precision

    def loss(beta: Floats) -> float:
        z, off = inputs @ beta, beta - prior
        return float(weight @ (np.logaddexp(0.0, z) - target * z) + 0.5 * off @ held @ off)

    beta = prior.copy()
    now = loss(beta)
    for _ in range(ITERATIONS):
        p = logistic(inputs @ beta)
        gradient = inputs.T @ (weight * (p - target)) + held @ (beta - prior)
        hessian = (inputs.T * (weight * p * (1.0 - p))) @ inputs + held
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while loss(beta - size * step) > now and size > 1e-10:
            size /= 2.0
        beta = beta - size * step
        before, now = now, loss(beta)
        if float(np.abs(size * step).max()) < TOLERANCE or before - now <= TOLERANCE * max(1.0, abs(now)):
            return beta
    raise EnsembleError(f"the logistic fit of {inputs.shape[1]} coefficients did not converge in {ITERATIONS} steps")


def information(rows: float, variance: float = 1.0) -> float:
    """What so many effective rows at even odds tell about a coefficient whose input varies so much.

    Fisher's information of a logistic regression is p (1 − p) x² per row, a quarter of the variance at one half: as the
    precision of a prior it makes the prior worth that many rows.

    Examples
    --------
    >>> information(1000.0, 0.04)
    10.0
    """
    return rows * variance / 4.0


def slope_information(rows: float, logits: Floats, weight: Floats) -> float:
    """`information` about the slope of log odds (n,), or of (n, m) all together, that vary by `SPREAD` at least.

    Log odds that hardly vary leave their slope to noise, and a steep one makes certainties of the next fold's wider log
    odds: they are taken to vary by more, which holds it.
    """
    centred = logits - np.average(logits, axis=0, weights=weight)
    variance = float(np.average(centred**2, weights=weight, axis=0).mean())
    return information(rows, max(variance, SPREAD**2))


@one_blas_thread()
def weights_information(rows: float, logits: Floats, weight: Floats) -> Floats:
    """`information` about a stacker's weights of log odds (n, m), shape (m, m): so many rows' in every direction.

    How two members differ varies less than what they say, so rows tell less of how to share the weight between them
    than of its sum; a prior as firm on the one as on the other would be worth many times its rows on the first. This
    one is Zellner's (1986), in proportion to what rows like these tell: of the sum as `slope_information` has it, of
    the shares by how the members differ, by `SPREAD` at least.

    Examples
    --------
    >>> logits = np.array([[1.0, 1.2], [-1.0, -1.2], [0.5, 0.3], [-0.5, -0.3]])
    >>> found = weights_information(100.0, logits, np.ones(4))
    >>> together, shifted = np.array([0.5, 0.5]), np.array([0.5, -0.5])
    >>> bool(together @ found @ together > 30 * (shifted @ found @ shifted))
    True
    """
    count = logits.shape[1]
    centred = logits - np.average(logits, axis=0, weights=weight)
    covariance = (centred.T * weight) @ centred / weight.sum()
    shares = np.eye(count) - 1.0 / count
    of_shares: Floats = shares @ (covariance + SPREAD**2 * np.eye(count)) @ shares
    return information(rows) * of_shares + slope_information(rows, logits, weight)


def need_both_classes(label: NDArray[np.int64], weight: Floats, what: str) -> None:
    """Refuse rows of one class only.

    Raises
    ------
    EnsembleError
        Naming what needed them.
    """
    if len(label) == 0 or not (weight[label > 0].sum() > 0 and weight[label <= 0].sum() > 0):
        raise EnsembleError(f"{what} needs rows of both classes; of {len(label)} rows {int((label > 0).sum())} are 1")
