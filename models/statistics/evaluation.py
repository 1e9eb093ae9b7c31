"""Every score of a predictor with its interval, over time blocks that all predictors share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.statistics.bootstrap import Interval, TimeBlocks, mean_interval, percentiles
from models.statistics.predictions import (
    accuracy,
    auc,
    brier,
    calibration_error,
    equal_mass_bins,
    information_coefficient,
    log_loss,
    ranks,
    row_brier,
    row_log_loss,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """What predictors are compared on; arrays of shape (n,).

    ``base`` is the probability that knowing nothing but the training labels would give.
    """

    label: NDArray[np.int64]
    move: Floats
    weight: Floats
    base: Floats


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
        "auc": auc(label, probability, weight),
        "accuracy": accuracy(label, probability, weight),
        "calibration_error": calibration_error(label, probability, weight),
        "information_coefficient": information_coefficient(probability, outcomes.move),
    }


def score_intervals(
    outcomes: Outcomes, probability: Floats, blocks: TimeBlocks, level: float = 0.95
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
    values = (
        auc(label, probability, weight),
        calibration_error(label, probability, weight),
        information_coefficient(probability, outcomes.move),
    )
    drawn = (
        drawn_auc(label, probability, weight, blocks),
        drawn_calibration_error(label, probability, weight, blocks),
        drawn_correlation(ranks(probability), ranks(outcomes.move), blocks),
    )
    names = ("auc", "calibration_error", "information_coefficient")
    return {
        name: Interval(value, *percentiles(some, level)) for name, value, some in zip(names, values, drawn, strict=True)
    }


def drawn_auc(label: NDArray[np.int64], probability: Floats, weight: Floats, blocks: TimeBlocks) -> Floats:
    """The area under the ROC curve in each draw, shape (draws,)."""
    order = np.argsort(probability, kind="stable")
    ties = np.concatenate([[0], np.flatnonzero(np.diff(probability[order])) + 1])
    cell, ones = blocks.cell[order], (weight * (label > 0))[order]
    zeros = weight[order] - ones
    found = np.empty(len(blocks.counts))
    for draw, counts in enumerate(blocks.counts):
        times = counts[cell]
        positive, negative = np.add.reduceat(ones * times, ties), np.add.reduceat(zeros * times, ties)
        below = np.cumsum(negative) - 0.5 * negative
        total = positive.sum() * negative.sum()
        found[draw] = positive @ below / total if total > 0 else np.nan
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
    outcomes: Outcomes, other: Floats, ours: Floats, blocks: TimeBlocks, level: float = 0.95
) -> Interval:
    """Another predictor's log loss minus ours, paired row by row: above zero, ours is better."""
    difference = row_log_loss(outcomes.label, other) - row_log_loss(outcomes.label, ours)
    return mean_interval(difference, outcomes.weight, blocks, level)
