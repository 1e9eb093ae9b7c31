"""Robust scaling: weighted median and interquartile range of the training rows, then a clip.

Financial features have heavy tails: one crash would set the standard deviation of a whole window. Median and
quartiles ignore it, and the clip bounds what a single row can do to a linear or recurrent model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNSEEN = 1e300
"""The scale of an indicator that no training row tells from another: what it says comes to nothing."""
NORMAL_QUARTILES = 1.3489795003921634
"""The interquartile range of a standard normal: dividing by it makes the scale a standard deviation there."""


@dataclass(frozen=True, slots=True, eq=False)
class Scaler:
    """``clip((x − mean) / scale, −clip, clip)``, all in float64.

    Examples
    --------
    >>> scaler = Scaler(np.array([10.0]), np.array([2.0]), clip=3.0)
    >>> scaler.transform(np.array([[14.0], [1000.0]])).ravel().tolist()
    [2.0, 3.0]
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    clip: float

    def transform(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scaled rows, the shape unchanged; NaN stays NaN."""
        return np.clip((features - self.mean) / self.scale, -self.clip, self.clip)


def fit_scaler(features: NDArray[np.float64], weight: NDArray[np.float64], clip: float, indicators: int = 0) -> Scaler:
    """The scaler of some training rows.

    Parameters
    ----------
    features
        Finite rows, shape (n, f).
    weight
        Non-negative, shape (n,).
    clip
        Where scaled values are cut, in robust standard deviations.
    indicators
        How many of the last columns say which instrument a row is of.

    Notes
    -----
    A feature that sits on one value for more than half of the weight has no interquartile range: its weighted
    standard deviation is taken instead, and 1 where that is zero too (a constant).

    An indicator stays 0 or 1. Divided by its standard deviation, the rarer an instrument, the larger its one would be
    and the weaker any penalty on what is learned from its few rows. An instrument without training rows is scaled to
    nothing: no weight has been fitted to it, and a network's would be what it was drawn as.

    Examples
    --------
    >>> rows = np.array([[3.0, 1.0, 0.0, 0.0], [5.0, 0.0, 1.0, 0.0]])
    >>> fit_scaler(rows, np.ones(2), clip=5.0, indicators=3).transform(np.eye(4)[1:, :])[:, 1:].round(3).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    low, middle, high = np.quantile(features, [0.25, 0.5, 0.75], axis=0, weights=weight, method="inverted_cdf")
    scale = (high - low) / NORMAL_QUARTILES
    mean = np.average(features, axis=0, weights=weight)
    spread = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=weight))
    scale = np.where(scale > 0.0, scale, spread)
    constant = features.max(axis=0) == features.min(axis=0)
    scale = np.where(constant | (scale == 0.0), 1.0, scale)
    if indicators:
        middle[-indicators:] = 0.0
        scale[-indicators:] = np.where(constant[-indicators:], UNSEEN, 1.0)
    return Scaler(middle, scale, clip)
