"""How good probabilities are: proper scores, ranking, calibration. All weighted, all per decision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel

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


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Rows sorted by fold, then by prediction: the order, where equal predictions begin in it, and where folds do.

    Built once, it gives the area under the ROC curve of any weights of the same rows.
    """

    order: NDArray[np.int64]
    ties: NDArray[np.int64]
    folds: NDArray[np.int64]

    def area(self, ones: Floats, zeros: Floats) -> float:
        """P(a 1 scores above a 0 of its fold), ties half, given each row's weight as a 1 and as a 0; NaN if no pair."""
        positive, negative = np.add.reduceat(ones[self.order], self.ties), np.add.reduceat(zeros[self.order], self.ties)
        below = np.empty(len(self.ties))
        weight_below(negative, self.folds, below)
        pairs = np.add.reduceat(positive, self.folds) @ np.add.reduceat(negative, self.folds)
        return float(positive @ below / pairs) if pairs > 0 else float("nan")


@kernel
def weight_below(weight: Floats, folds: NDArray[np.int64], below: Floats) -> None:
    """The weight ranked below each place of a `Ranking` within its fold, with half of its own; (places,), filled."""
    total = 0.0
    for fold in range(len(folds)):
        end = folds[fold + 1] if fold + 1 < len(folds) else len(weight)
        begun = 0.0
        for place in range(folds[fold], end):
            total += weight[place]
            before = total - weight[place]
            if place == folds[fold]:
                begun = before
            below[place] = before - begun + 0.5 * weight[place]


@kernel
def drawn_weights(
    ones: Floats, zeros: Floats, cell: NDArray[np.int64], counts: NDArray[np.int64], positive: Floats, negative: Floats
) -> None:
    """Weights as a 1 and as a 0 in a draw that has cells so many times; ``positive``, ``negative`` (rows,), filled."""
    for row in range(len(cell)):
        times = float(counts[cell[row]])
        positive[row] = ones[row] * times
        negative[row] = zeros[row] * times


def ranking(probability: Floats, fold: NDArray[np.int64] | None = None) -> Ranking:
    """The order that `Ranking` describes; without folds all rows are of one."""
    fold = np.zeros(len(probability), np.int64) if fold is None else fold
    order = np.lexsort((probability, fold))
    new_fold = np.append(True, np.diff(fold[order]) != 0)
    ties = np.flatnonzero(new_fold | np.append(True, np.diff(probability[order]) != 0))
    return Ranking(order, ties, np.flatnonzero(new_fold[ties]))


def auc(label: NDArray[np.int64], probability: Floats, weight: Floats, fold: NDArray[np.int64] | None = None) -> float:
    """Area under the ROC curve: P(a random 1 scores above a random 0 of its fold), ties count half.

    Only predictions of one fold are compared with each other. Every fold has a model and a base rate of its own;
    pooled, the ranking would compare those too. The base rate follows the labels with a delay, so that folds walked
    forward and pooled rank below one half where there is nothing to find (Forman and Scholz 2010, "Apples-to-Apples in
    Cross-Validation Studies"; Airola et al. 2011 show the same of leave-one-out).

    Parameters
    ----------
    label, probability, weight
        Shape (n,).
    fold
        Which fold's model each prediction is of, shape (n,); without it, all of one.

    Returns
    -------
    float
        The mean over pairs of a 1 and a 0, weighted by both rows' weights; NaN if no fold has both classes.

    Examples
    --------
    >>> auc(np.array([0, 1, 1]), np.array([0.2, 0.2, 0.9]), np.ones(3))
    0.75
    >>> auc(np.array([0, 1, 0, 1]), np.array([0.1, 0.2, 0.8, 0.9]), np.ones(4), fold=np.array([0, 0, 1, 1]))
    1.0
    """
    return ranking(probability, fold).area(weight * (label > 0), weight * (label <= 0))


def information_coefficient(value: Floats, move: Floats, fold: NDArray[np.int64] | None = None) -> float:
    """Spearman's rank correlation of a prediction with what followed (unweighted), ranks within the fold.

    NaN if either is constant. Without ``fold`` all rows are of one.
    """
    one, other = centred_ranks(value, fold), centred_ranks(move, fold)
    scale = np.sqrt((one @ one) * (other @ other))
    return float(one @ other / scale) if scale > 0 else float("nan")


def centred_ranks(values: Floats, fold: NDArray[np.int64] | None = None) -> Floats:
    """Ranks within each fold, from −½ to ½ and of mean zero, shape (n,)."""
    if fold is None:
        return (ranks(values) - (len(values) + 1) / 2) / len(values)
    found = np.empty(len(values))
    for one in np.unique(fold):
        found[fold == one] = centred_ranks(values[fold == one])
    return found


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
