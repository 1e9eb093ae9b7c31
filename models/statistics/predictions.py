"""How good probabilities are: proper scores, ranking, calibration. All weighted, all per decision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SMALLEST = 1e-15


def row_log_loss(label: NDArray[np.int64], probability: Floats) -> Floats:
    """−log P(what happened) of each row, in nats; probabilities are cut at 1e-15. Shape (n,)."""
    happened = np.where(label > 0, probability, 1.0 - probability)
    found: Floats = -np.log(np.clip(happened, SMALLEST, 1.0))
    return found


def row_brier(label: NDArray[np.int64], probability: Floats) -> Floats:
    """Squared distance of each row's probability from its label (Brier 1950). Shape (n,)."""
    found: Floats = (probability - label) ** 2
    return found


def log_loss(label: NDArray[np.int64], probability: Floats, weight: Floats) -> float:
    """Weighted mean of `row_log_loss`."""
    return float(np.average(row_log_loss(label, probability), weights=weight))


def brier(label: NDArray[np.int64], probability: Floats, weight: Floats) -> float:
    """Weighted mean of `row_brier`."""
    return float(np.average(row_brier(label, probability), weights=weight))


def accuracy(label: NDArray[np.int64], probability: Floats, weight: Floats) -> float:
    """Weighted share of rows where the more probable side happened; one half counts as label 1."""
    return float(np.average((probability >= 0.5) == (label > 0), weights=weight))


def auc(label: NDArray[np.int64], probability: Floats, weight: Floats) -> float:
    """Area under the ROC curve: P(a random 1 scores above a random 0), ties count half; NaN with one class only.

    Examples
    --------
    >>> auc(np.array([0, 1, 1]), np.array([0.2, 0.2, 0.9]), np.ones(3))
    0.75
    """
    _, place = np.unique(probability, return_inverse=True)
    ones = np.bincount(place, weights=weight * (label > 0))
    zeros = np.bincount(place, weights=weight * (label <= 0), minlength=len(ones))
    total = ones.sum() * zeros.sum()
    below = np.concatenate([[0.0], np.cumsum(zeros)[:-1]])
    return float((ones * (below + 0.5 * zeros)).sum() / total) if total > 0 else float("nan")


def information_coefficient(value: Floats, move: Floats) -> float:
    """Spearman's rank correlation of a prediction with what followed (unweighted); NaN if either is constant."""
    one, other = ranks(value), ranks(move)
    one, other = one - one.mean(), other - other.mean()
    scale = np.sqrt((one @ one) * (other @ other))
    return float(one @ other / scale) if scale > 0 else float("nan")


def ranks(values: Floats) -> Floats:
    """Ranks from 1, ties sharing their mean rank, shape (n,)."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    found: Floats = (last - (count - 1) / 2.0)[place]
    return found


def equal_mass_bins(probability: Floats, weight: Floats, bins: int) -> NDArray[np.int64]:
    """The bin of each row, from 0, by its place in the sorted probabilities; ties stay together. Shape (n,)."""
    _, place = np.unique(probability, return_inverse=True)
    mass = np.bincount(place, weights=weight)
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    found: NDArray[np.int64] = np.minimum((middle * bins).astype(np.int64), bins - 1)[place]
    return found


def reliability(
    label: NDArray[np.int64], probability: Floats, weight: Floats, bins: int = 10
) -> tuple[Floats, Floats, Floats]:
    """Mean prediction, observed share of label 1, and weight, in bins of equal weight; shapes (bins,).

    Bins follow the sorted probabilities, so that each holds about the same evidence; ties stay together.
    """
    bin_of = equal_mass_bins(probability, weight, bins)
    total = np.bincount(bin_of, weights=weight, minlength=bins)
    used = total > 0
    predicted: Floats = np.bincount(bin_of, weights=weight * probability, minlength=bins)[used] / total[used]
    observed: Floats = np.bincount(bin_of, weights=weight * (label > 0), minlength=bins)[used] / total[used]
    kept: Floats = total[used].astype(np.float64)
    return predicted, observed, kept


def calibration_error(label: NDArray[np.int64], probability: Floats, weight: Floats, bins: int = 10) -> float:
    """Expected calibration error: mean distance of prediction and observed share over bins of equal weight."""
    predicted, observed, total = reliability(label, probability, weight, bins)
    return float(np.average(np.abs(predicted - observed), weights=total))
