"""Calibration of pooled log odds: Platt's line, a temperature, or a line through points that never falls."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.bundle.combination import Calibration, Isotonic, Platt
from models.ensemble.config import CALIBRATIONS, CalibrationMethod
from models.ensemble.logits import information, logistic, need_both_classes, penalised_logistic, slope_information
from models.errors import EnsembleError

Floats = NDArray[np.float64]
ISOTONIC_ROWS = 1000
"""Effective rows below which an isotonic calibration overfits (Niculescu-Mizil and Caruana 2005, section 5)."""
BIN_ROWS = 25
"""Effective rows of the smallest bin that an isotonic calibration distinguishes."""
BINS = 50
ROUNDING = 1e-12
"""Heights of steps that differ by less are one step."""
FLAT = 1e-6
"""Precision of a prior that says next to nothing."""
STEEPEST = 1.0
"""Probability per log odds that an isotonic calibration may rise at most; a logistic line of slope 4 does."""


def calibrate(calibration: Calibration, combined: Floats) -> Floats:
    """The calibrated probability of pooled log odds, shape (n,)."""
    if isinstance(calibration, Isotonic):
        raw = np.interp(combined, np.array(calibration.knots), np.array(calibration.values))
    else:
        raw = logistic(calibration.slope * combined + calibration.intercept)
    found: Floats = np.clip(raw, calibration.clip, 1.0 - calibration.clip)
    return found


def fit_calibration(
    method: CalibrationMethod, combined: Floats, label: NDArray[np.int64], weight: Floats, clip: float, ridge: float
) -> Calibration:
    """The calibration of a method. Parameters and errors as in `fit_platt`; see also `fit_isotonic`."""
    if method == "none":
        return Platt(1.0, 0.0, clip)
    if method == "isotonic":
        return fit_isotonic(combined, label, weight, clip)
    fit = fit_temperature if method == "temperature" else fit_platt
    return fit(combined, label, weight, clip, ridge)


def candidates(rows: float) -> tuple[CalibrationMethod, ...]:
    """The calibrations that so many effective rows allow."""
    return tuple(one for one in CALIBRATIONS if one != "isotonic" or rows >= ISOTONIC_ROWS)


def fit_platt(combined: Floats, label: NDArray[np.int64], weight: Floats, clip: float, ridge: float = 0.0) -> Platt:
    """Platt's calibration of combined logits, with his smoothed targets over effective rows.

    A slope below zero would turn the ensemble upside down on the strength of noise: the slope is then zero, and the
    calibrated probability the base rate. Each of the two numbers costs, in expectation, half a nat over the effective
    rows that it is fitted on, which is more than a weak edge gains by it: ``ridge`` holds the line near "as it is".

    Parameters
    ----------
    combined, label, weight
        Shape (n,); the weights' sum is the effective number of rows.
    clip
        Where calibrated probabilities are cut.
    ridge
        How many effective rows the prior is worth: slope one, no intercept. 0 is Platt's own calibration.

    Raises
    ------
    EnsembleError
        If there are no rows, or only one class.
    """
    target = smoothed_target(label, weight)
    inputs = np.column_stack([combined, np.ones(len(combined))])
    precision = np.maximum([slope_information(ridge, combined, weight), information(ridge)], FLAT)
    beta = penalised_logistic(inputs, target, weight, np.array([1.0, 0.0]), precision)
    if beta[0] < 0:
        base = penalised_logistic(inputs[:, 1:], target, weight, np.zeros(1), precision[1:])
        return Platt(0.0, float(base[0]), clip)
    return Platt(float(beta[0]), float(beta[1]), clip)


def fit_temperature(
    combined: Floats, label: NDArray[np.int64], weight: Floats, clip: float, ridge: float = 0.0
) -> Platt:
    """Platt's calibration without intercept: log odds divided by a temperature (Guo et al. 2017, section 4.2).

    Parameters and errors as in `fit_platt`; a slope below zero is zero, and the probability one half.
    """
    target = smoothed_target(label, weight)
    precision = np.maximum([slope_information(ridge, combined, weight)], FLAT)
    slope = penalised_logistic(combined[:, None], target, weight, np.ones(1), precision)
    return Platt(max(float(slope[0]), 0.0), 0.0, clip)


def smoothed_target(label: NDArray[np.int64], weight: Floats) -> Floats:
    """Platt's targets: the labels, drawn in as by one effective row more of each class, shape (n,).

    Raises
    ------
    EnsembleError
        If there are no rows, or only one class.
    """
    need_both_classes(label, weight, "a calibration")
    ones, zeros = float(weight[label > 0].sum()), float(weight[label <= 0].sum())
    return np.where(label > 0, (ones + 1.0) / (ones + 2.0), 1.0 / (zeros + 2.0))


def fit_isotonic(combined: Floats, label: NDArray[np.int64], weight: Floats, clip: float) -> Calibration:
    """The centred isotonic regression of labels on log odds (Oron and Flournoy 2017), over bins of equal weight.

    Isotonic regression is a staircase; its steps are joined at their centres, so that log odds that differ by rounding
    have probabilities that do too. Where the line would rise by more than `STEEPEST`, all of it is drawn in towards
    the base rate.

    Parameters
    ----------
    combined, label, weight
        Shape (n,); the weights' sum is the effective number of rows.
    clip
        Where calibrated probabilities are cut.

    Returns
    -------
    Calibration
        A level `Platt` where nothing rises.

    Raises
    ------
    EnsembleError
        If there is only one class, or fewer than `ISOTONIC_ROWS` effective rows.
    """
    target, rows = smoothed_target(label, weight), float(weight.sum())
    if rows < ISOTONIC_ROWS:
        raise EnsembleError(
            f"an isotonic calibration needs {ISOTONIC_ROWS} effective rows and has {rows:,.0f}: take platt or auto"
        )
    knots, values = _joined_steps(*_bins(combined, target, weight))
    base = float(np.average(target, weights=weight))
    if len(knots) < 2:
        return Platt(0.0, float(np.log(base / (1.0 - base))), clip)
    steepest = float((np.diff(values) / np.diff(knots)).max())
    values = base + (values - base) * min(1.0, STEEPEST / steepest)
    return Isotonic(tuple(knots.tolist()), tuple(values.tolist()), clip)


def _bins(combined: Floats, target: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean log odds, mean target and weight of bins of about equal weight; equal log odds stay together."""
    from models.statistics.predictions import equal_mass_bins

    count = max(2, min(BINS, int(weight.sum() / BIN_ROWS)))
    place = equal_mass_bins(combined, weight, count)
    mass = np.bincount(place, weights=weight, minlength=count).astype(np.float64)
    used = mass > 0
    mean, share = (
        np.bincount(place, weights=weight * values, minlength=count)[used] / mass[used] for values in (combined, target)
    )
    return mean, share, mass[used]


def _joined_steps(mean: Floats, share: Floats, mass: Floats) -> tuple[Floats, Floats]:
    """The steps of the isotonic regression of bins: their centres and heights."""
    from sklearn.isotonic import isotonic_regression

    height = isotonic_regression(share, sample_weight=mass)
    step = np.append(0, np.cumsum(np.diff(height) > ROUNDING))
    weight = np.bincount(step, weights=mass)
    centre, level = (np.bincount(step, weights=mass * values) / weight for values in (mean, height))
    return centre, level
