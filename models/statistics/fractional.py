"""Fractional differentiation: stationary enough to learn from, with as much memory left as possible (AFML chapter 5).

(1 − B)^d = Σ ω_k Bᵏ with ω_0 = 1 and ω_k = −ω_{k−1} (d − k + 1) / k (section 5.4.2).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import oaconvolve

from features.kernels.fractional import fractional_weights
from models.errors import ModelError

Floats = NDArray[np.float64]


def expanding_weights(order: float, count: int) -> Floats:
    """The first weights, of the newest value first, shape (count,).

    Parameters
    ----------
    order
        The d of the paper.
    count
        How many.

    Examples
    --------
    >>> expanding_weights(0.5, 5)
    array([ 1.       , -0.5      , -0.125    , -0.0625   , -0.0390625])
    """
    if count < 1:
        raise ModelError(f"{count} weights: at least one is needed")
    return fractional_weights(order, count)


def fixed_width_weights(order: float, threshold: float, most: int = 100_000) -> Floats:
    """The weights down to a size, of the newest value first: all that come before the first below ``threshold``.

    Source: AFML section 5.5 (fixed-width window fractional differentiation).

    Parameters
    ----------
    order
        The d of the paper.
    threshold
        The τ of the paper, above zero.
    most
        How many weights are too many.

    Raises
    ------
    ModelError
        If the threshold is not positive, or more weights than ``most`` reach it.

    Examples
    --------
    >>> len(fixed_width_weights(0.4, 1e-3)), fixed_width_weights(1.0, 1e-5)
    (55, array([ 1., -1.]))
    """
    if not threshold > 0:
        raise ModelError(f"a threshold of {threshold} is not positive: every weight would count")
    weights = expanding_weights(order, most + 1)
    small = np.flatnonzero(np.abs(weights) < threshold)
    if len(small) == 0:
        raise ModelError(f"more than {most} weights of order {order} are at least {threshold}: raise the threshold")
    return weights[: small[0]]


def fractional_difference(series: Floats, weights: Floats) -> Floats:
    """Weighted sums of each value and those before it, shape (rows,); NaN where weights reach before the first row.

    Examples
    --------
    >>> fractional_difference(np.array([1.0, 4.0, 9.0]), expanding_weights(1.0, 2))
    array([nan,  3.,  5.])
    """
    found = np.full(len(series), np.nan)
    if len(series) >= len(weights):
        short = min(len(weights), len(series)) < 64
        whole = np.convolve(series, weights, "valid") if short else oaconvolve(series, weights, "valid")
        found[len(weights) - 1 :] = whole
    return found
