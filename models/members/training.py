"""What every member does first: take its training rows out of the panel, and refuse what cannot be learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.dataset import Panel
from models.members.errors import MemberError


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Feature rows (n, f), labels (n,) and weights (n,) of mean one.

    ``effective`` is the sum of the average uniqueness: about how many independent labels the rows amount to.
    """

    features: NDArray[np.float64]
    label: NDArray[np.float64]
    weight: NDArray[np.float64]
    effective: float

    @property
    def base_rate(self) -> float:
        """The weighted share of label 1."""
        return float(np.average(self.label, weights=self.weight))

    @property
    def redundancy(self) -> float:
        """How many rows say what one independent row would; at least one."""
        return max(1.0, len(self.label) / self.effective)


def take(panel: Panel, index: NDArray[np.int64], what: str) -> Rows:
    """The rows of some samples, checked.

    Parameters
    ----------
    index
        Positions in ``panel.samples``.
    what
        What the rows are for, in error messages: ``training`` or ``validation``.

    Raises
    ------
    MemberError
        If there are no rows, a feature is NaN or infinite, or the weights are negative or all zero.
    """
    if len(index) == 0:
        raise MemberError(f"no {what} samples: 0 of {len(panel.samples)} were given; widen the {what} window")
    features = panel.rows(index)
    _check_finite(panel, index, features, what)
    weight = panel.samples.weight[index]
    total = float(weight.sum())
    if not total > 0 or (weight < 0).any():
        raise MemberError(f"{what} weights must be non-negative with a positive sum; they sum to {total}")
    label = panel.samples.label[index].astype(np.float64)
    return Rows(features, label, weight * (len(index) / total), total)


def take_both(panel: Panel, train: NDArray[np.int64], validation: NDArray[np.int64]) -> tuple[Rows, Rows]:
    """Training and validation rows; the training rows must hold both classes.

    Raises
    ------
    MemberError
        As `take`, and if all training labels that carry weight are the same.
    """
    rows = take(panel, train, "training")
    if not 0.0 < rows.base_rate < 1.0:
        raise MemberError(
            f"all {len(train)} training labels are {rows.base_rate:.0f}: a classifier needs both classes; "
            "widen the training window or the barriers"
        )
    return rows, take(panel, validation, "validation")


def consecutive(panel: Panel, instrument: int, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """The feature rows of a stretch of one series, checked to be a stretch.

    Raises
    ------
    MemberError
        If the rows are not consecutive rows of the series.
    """
    series = panel.series[instrument]
    if len(rows) == 0:
        return np.empty((0, len(panel.feature_names)))
    first, stop = int(rows[0]), int(rows[0]) + len(rows)
    if first < 0 or stop > len(series.features) or not np.array_equal(rows, np.arange(first, stop)):
        raise MemberError(
            f"rows to predict must be consecutive rows of {series.symbol} within 0…{len(series.features) - 1}; "
            f"got {len(rows)} rows from {first} to {int(rows[-1])}"
        )
    return series.features[first:stop]


def usable(features: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows have no NaN, shape (n,): the others are never predicted from, and reset recurrent state."""
    return np.asarray(~np.isnan(features).any(axis=1), np.bool_)


def log_loss(label: NDArray[np.float64], probability: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """Weighted mean of −log P(what happened), in nats."""
    happened = np.where(label > 0.5, probability, 1.0 - probability)
    return float(np.average(-np.log(np.clip(happened, 1e-15, None)), weights=weight))


def _check_finite(panel: Panel, index: NDArray[np.int64], features: NDArray[np.float64], what: str) -> None:
    bad = ~np.isfinite(features)
    if bad.any():
        place, column = (int(axis[0]) for axis in np.nonzero(bad))
        sample = index[place]
        raise MemberError(
            f"{what} sample {sample} ({panel.series[panel.samples.instrument[sample]].symbol} row "
            f"{panel.samples.row[sample]}) has {panel.feature_names[column]} = {features[place, column]}: "
            "samples must start after warm-up, on rows whose every feature is finite"
        )
