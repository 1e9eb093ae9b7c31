"""Every score of a predictor with its interval, over time blocks that all predictors share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from models.statistics.bootstrap import LEVEL, Interval, TimeBlocks, mean_interval, percentiles
from models.statistics.predictions import (
    Ranking,
    accuracy,
    auc,
    brier,
    calibration_error,
    centred_ranks,
    drawn_weights,
    equal_mass_bins,
    information_coefficient,
    log_loss,
    ranking,
    row_brier,
    row_log_loss,
    weight_below,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """What predictors are compared on; arrays of shape (n,).

    ``base`` is the probability that knowing nothing but the training labels would give; ``fold`` is the fold whose
    model predicts the row: predictions are ranked against those of their own fold only.
    """

    label: NDArray[np.int64]
    move: Floats
    weight: Floats
    base: Floats
    fold: NDArray[np.int64]

    def rows(self, chosen: NDArray[np.bool_]) -> Outcomes:
        """Some of the rows; ``chosen`` of shape (n,)."""
        return Outcomes(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Outcomes]) -> Outcomes:
        """The rows of all parts, one after another."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


def information_gain(outcomes: Outcomes, probability: Floats) -> float:
    """Mean log-loss reduction against the base rate, in nats per decision."""
    gain = row_log_loss(outcomes.label, outcomes.base) - row_log_loss(outcomes.label, probability)
    return float(np.average(gain, weights=outcomes.weight))


def scores(outcomes: Outcomes, probability: Floats) -> dict[str, float]:
    """Every score of a predictor, without intervals."""
    label, weight = outcomes.label, outcomes.weight
    return {
        "log_loss": log_loss(label, probability, weight),
        "information_gain": information_gain(outcomes, probability),
        "brier": brier(label, probability, weight),
        "auc": auc(label, probability, weight, outcomes.fold),
        "accuracy": accuracy(label, probability, weight),
        "calibration_error": calibration_error(label, probability, weight),
        "information_coefficient": information_coefficient(probability, outcomes.move, outcomes.fold),
    }


def score_intervals(
    outcomes: Outcomes, probability: Floats, blocks: TimeBlocks, level: float = LEVEL
) -> dict[str, Interval]:
    """Every score of a predictor with its bootstrap interval; names as in `scores`."""
    label, weight = outcomes.label, outcomes.weight
    loss = row_log_loss(label, probability)
    rows = {
        "log_loss": loss,
        "information_gain": row_log_loss(label, outcomes.base) - loss,
        "brier": row_brier(label, probability),
        "accuracy": ((probability >= 0.5) == (label > 0)).astype(np.float64),
    }
    found = {name: mean_interval(values, weight, blocks, level) for name, values in rows.items()}
    return found | _ranking_intervals(outcomes, probability, blocks, level)


def _ranking_intervals(
    outcomes: Outcomes, probability: Floats, blocks: TimeBlocks, level: float
) -> dict[str, Interval]:
    label, weight = outcomes.label, outcomes.weight
    fold = outcomes.fold
    values = (
        auc(label, probability, weight, fold),
        calibration_error(label, probability, weight),
        information_coefficient(probability, outcomes.move, fold),
    )
    drawn = (
        drawn_auc(label, ranking(probability, fold), weight, blocks),
        drawn_calibration_error(label, probability, weight, blocks),
        drawn_correlation(centred_ranks(probability, fold), centred_ranks(outcomes.move, fold), blocks),
    )
    names = ("auc", "calibration_error", "information_coefficient")
    return {
        name: Interval(value, *percentiles(some, level)) for name, value, some in zip(names, values, drawn, strict=True)
    }


def drawn_auc(label: NDArray[np.int64], ranked: Ranking, weight: Floats, blocks: TimeBlocks) -> Floats:
    """The area under the ROC curve in each draw, (draws,): to the bit `Ranking.area` of the drawn weights."""
    order, ties, folds = ranked.order, ranked.ties, ranked.folds
    ones, zeros = (weight * (label > 0))[order], (weight * (label <= 0))[order]
    cell, tied = blocks.cell[order], len(ties) < len(order)
    positive, negative, below = np.empty(len(order)), np.empty(len(order)), np.empty(len(ties))
    found = np.full(len(blocks.counts), np.nan)
    for draw, counts in enumerate(blocks.counts):
        drawn_weights(ones, zeros, cell, counts, positive, negative)
        one, zero = (np.add.reduceat(each, ties) if tied else each for each in (positive, negative))
        weight_below(zero, folds, below)
        pairs = np.add.reduceat(one, folds) @ np.add.reduceat(zero, folds)
        if pairs > 0:
            found[draw] = one @ below / pairs
    return found


def drawn_calibration_error(
    label: NDArray[np.int64], probability: Floats, weight: Floats, blocks: TimeBlocks, bins: int = 10
) -> Floats:
    """The expected calibration error in each draw, over the bins of the whole sample, shape (draws,)."""
    bin_of = equal_mass_bins(probability, weight, bins)
    cells = blocks.counts.shape[1]
    place = blocks.cell * bins + bin_of
    excess = np.bincount(place, weights=weight * (probability - (label > 0)), minlength=cells * bins)
    mass = np.bincount(blocks.cell, weights=weight, minlength=cells)
    found: Floats = np.abs(blocks.counts @ excess.reshape(cells, bins)).sum(axis=1) / (blocks.counts @ mass)
    return found


def drawn_correlation(one: Floats, other: Floats, blocks: TimeBlocks) -> Floats:
    """Pearson's correlation of two columns in each draw, shape (draws,); of ranks it is Spearman's."""
    a, b = one - one.mean(), other - other.mean()
    cells = blocks.counts.shape[1]
    columns = np.column_stack(
        [
            np.bincount(blocks.cell, weights=value, minlength=cells)
            for value in (np.ones(len(a)), a, b, a * a, b * b, a * b)
        ]
    )
    count, sum_a, sum_b, square_a, square_b, product = (blocks.counts @ columns).T
    covariance = product - sum_a * sum_b / count
    scale = (square_a - sum_a**2 / count) * (square_b - sum_b**2 / count)
    found: Floats = np.where(scale > 0, covariance / np.sqrt(np.where(scale > 0, scale, 1.0)), np.nan)
    return found


def loss_difference(
    outcomes: Outcomes, other: Floats, ours: Floats, blocks: TimeBlocks, level: float = LEVEL
) -> Interval:
    """Another predictor's log loss minus ours, paired row by row: above zero, ours is better."""
    difference = row_log_loss(outcomes.label, other) - row_log_loss(outcomes.label, ours)
    return mean_interval(difference, outcomes.weight, blocks, level)
