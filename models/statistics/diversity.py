"""How much the members of an ensemble differ: members that err together gain nothing by being combined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.statistics.predictions import brier, row_log_loss

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """Brier score of the members' mean probability: that of the members on average, less how far they differ.

    ``ensemble = members − ambiguity`` (Krogh and Vedelsby 1995, equation 6).
    """

    members: float
    ambiguity: float
    ensemble: float


def weighted_correlation(columns: Floats, weight: Floats) -> Floats:
    """Pearson's correlation between columns (n, m) with row weights, shape (m, m); NaN of a column that is constant."""
    centred = columns - np.average(columns, axis=0, weights=weight)
    covariance = (centred.T * weight) @ centred
    scale = np.sqrt(np.diag(covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = covariance / np.outer(scale, scale)
    return found


def error_correlation(label: Integers, members: Floats, weight: Floats) -> Floats:
    """Correlation of the members' errors, label less probability; shape (m, m).

    Where little can be predicted, an error is mostly the label, which all members share: it is near one by itself.
    `gain_correlation` asks for the rest.
    """
    return weighted_correlation((label > 0)[:, None] - members, weight)


def gain_correlation(label: Integers, members: Floats, base: Floats, weight: Floats) -> Floats:
    """Correlation of what the members gain over the base rate's log loss, row by row; shape (m, m)."""
    reference = row_log_loss(label, base)
    gains = np.column_stack([reference - row_log_loss(label, column) for column in members.T])
    return weighted_correlation(gains, weight)


def disagreement(members: Floats, weight: Floats) -> Floats:
    """Weighted share of rows on which two members say different sides (Kuncheva and Whitaker 2003); shape (m, m).

    Examples
    --------
    >>> disagreement(np.array([[0.6, 0.4], [0.7, 0.8]]), np.array([1.0, 3.0])).tolist()
    [[0.0, 0.25], [0.25, 0.0]]
    """
    side = members >= 0.5
    differ = side[:, :, None] != side[:, None, :]
    return np.asarray(np.average(differ, axis=0, weights=weight), np.float64)


def ambiguity(label: Integers, members: Floats, weight: Floats) -> Ambiguity:
    """What the members' mean gains by their difference; see `Ambiguity`.

    Examples
    --------
    >>> found = ambiguity(np.array([1, 0]), np.array([[0.8, 0.4], [0.5, 0.1]]), np.ones(2))
    >>> round(found.members, 9), round(found.ambiguity, 9), round(found.ensemble, 9)
    (0.165, 0.04, 0.125)
    """
    mean = members.mean(axis=1)
    each = float(np.mean([brier(label, column, weight) for column in members.T]))
    spread = float(np.average(((members - mean[:, None]) ** 2).mean(axis=1), weights=weight))
    return Ambiguity(each, spread, brier(label, mean, weight))
