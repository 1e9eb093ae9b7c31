"""Pools of the members' opinions: what they are, and how their weights are found from out-of-fold predictions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.blas import one_blas_thread
from models.bundle.combination import Pool
from models.ensemble.config import EnsembleConfig
from models.ensemble.logits import (
    information,
    logistic,
    logit,
    need_both_classes,
    penalised_logistic,
    weights_information,
)
from models.statistics.predictions import log_loss

Floats = NDArray[np.float64]


@one_blas_thread()
def pool_logit(pool: Pool, members: Floats) -> Floats:
    """The pooled log odds of member probabilities (n, m), shape (n,)."""
    weights = np.array(pool.weights)
    if pool.linear:
        return logit(members @ weights, pool.clip)
    found: Floats = logit(members, pool.clip) @ weights + pool.intercept
    return found


def pool_probability(pool: Pool, members: Floats) -> Floats:
    """The pooled probability of member probabilities (n, m), shape (n,)."""
    return logistic(pool_logit(pool, members))


def fit_pool(members: Floats, label: NDArray[np.int64], weight: Floats, config: EnsembleConfig) -> Pool:
    """The pool of the configured method. Parameters and errors as in `fit_stacker`."""
    if config.method == "stack":
        return fit_stacker(members, label, weight, config.ridge, config.clip)
    if config.method == "mean":
        return linear_pool(np.ones(members.shape[1]), config.clip)
    fit = fit_model_average if config.method == "bma" else fit_weighted
    return fit(members, label, weight, config.clip)


def linear_pool(weights: Floats, clip: float) -> Pool:
    """A pool of probabilities, its weights scaled to sum to one."""
    return Pool(tuple((weights / weights.sum()).tolist()), 0.0, clip, linear=True)


def fit_stacker(members: Floats, label: NDArray[np.int64], weight: Floats, ridge: float, clip: float) -> Pool:
    """A stacker that starts from the members' mean logit and leaves it only as far as the evidence goes.

    Parameters
    ----------
    members
        Out-of-fold probabilities, shape (n, m).
    label, weight
        Shape (n,); the weights' sum is the effective number of rows.
    ridge
        How many effective rows the prior is worth: equal weights that sum to one, and no intercept.
    clip
        Where logits are cut.

    Raises
    ------
    EnsembleError
        If there are no rows, or only one class.
    """
    need_both_classes(label, weight, "a stacker")
    logits = logit(members, clip)
    count = members.shape[1]
    inputs = np.column_stack([logits, np.ones(len(logits))])
    prior = np.append(np.full(count, 1.0 / count), 0.0)
    precision = 1e-12 * np.eye(count + 1)  # all that holds members that say the same, without a ridge
    precision[:-1, :-1] += weights_information(ridge, logits, weight)
    precision[-1, -1] += information(ridge)
    beta = penalised_logistic(inputs, label.astype(np.float64), weight, prior, precision)
    return Pool(tuple(beta[:-1].tolist()), float(beta[-1]), clip)


def member_losses(members: Floats, label: NDArray[np.int64], weight: Floats, clip: float) -> Floats:
    """Every member's weighted log loss in nats, cut as in the pool, shape (m,)."""
    inside = np.clip(members, clip, 1.0 - clip)
    return np.array([log_loss(label, column, weight) for column in inside.T])


def fit_weighted(members: Floats, label: NDArray[np.int64], weight: Floats, clip: float) -> Pool:
    """A mean of probabilities, each member weighted by how far its log loss is below that of the rows' base rate.

    A member no better than the base rate has no weight; where none is better, all have the same. Log losses of weak
    members all lie near that of the base rate: weights by their inverse would be those of a plain mean.

    Examples
    --------
    >>> label, weight = np.array([0, 0, 1, 1]), np.ones(4)
    >>> members = np.column_stack([[0.2, 0.2, 0.8, 0.8], [0.5, 0.5, 0.5, 0.5], [0.9, 0.9, 0.1, 0.1]])
    >>> fit_weighted(members, label, weight, 1e-4).weights
    (1.0, 0.0, 0.0)
    """
    need_both_classes(label, weight, "a weighted mean")
    base = np.full(len(label), np.average(label > 0, weights=weight))
    gain = np.maximum(log_loss(label, base, weight) - member_losses(members, label, weight, clip), 0.0)
    return linear_pool(gain if gain.sum() > 0.0 else np.ones(len(gain)), clip)


def fit_model_average(members: Floats, label: NDArray[np.int64], weight: Floats, clip: float) -> Pool:
    """Bayesian model averaging: a mean of probabilities by how probable each member made what happened.

    Weights in proportion to ``exp(−effective rows · log loss)``: the posterior of members that were equally probable
    before (Hoeting et al. 1999, section 2; members are not refitted, so there are no parameters to integrate over). It
    asks which one member is true, and with many rows answers with that one alone.

    Examples
    --------
    >>> label, weight = np.array([0, 1]), np.ones(2)
    >>> members = np.column_stack([[0.5, 0.5], [0.25, 0.75]])
    >>> [round(one, 3) for one in fit_model_average(members, label, weight, 1e-4).weights]
    [0.308, 0.692]
    """
    need_both_classes(label, weight, "a model average")
    evidence = -weight.sum() * member_losses(members, label, weight, clip)
    return linear_pool(np.exp(evidence - evidence.max()), clip)
