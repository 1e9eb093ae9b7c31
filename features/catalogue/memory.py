"""Memory: the log price differentiated just enough to be stationary, by an order that is fitted on training bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.blocks import apply, z_score
from features.errors import FeatureError
from features.feature import Feature
from features.kernels import breaks, fractional
from features.nodes import CLOSE, COUNT, Fitted, Node, Ring

ORDERS = tuple(step / 20.0 for step in range(21))
"""The orders that are tried, least first."""
STILL = 1e-12
"""The least movement of a series, as a share of its size; less is rounding."""
SOURCE = "López de Prado 2018, ch. 5"


def critical_value(rows: int) -> float:
    """The 5 % critical value of the Dickey–Fuller t-value with a constant (MacKinnon 2010, response surface).

    Examples
    --------
    >>> round(critical_value(100), 3)
    -2.891
    """
    return -2.86154 - 2.8903 / rows - 4.234 / rows**2 - 40.04 / rows**3


@dataclass(frozen=True, slots=True)
class FractionalFit:
    """The smallest of `ORDERS` whose differences are stationary at 5 %, and its weights.

    Every run at least half as long as the longest must pass the augmented Dickey–Fuller test (a constant, one lag);
    shorter ones have no power. A run that stands still passes. If no order passes, it is 1.
    """

    width: int

    def __call__(self, runs: Sequence[NDArray[np.float64]]) -> list[float]:
        """Order and weights."""
        longest = max((len(run) for run in runs), default=0)
        if longest < 2 * self.width:
            raise FeatureError(f"the longest stretch without a gap has {longest} bars and needs {2 * self.width}")
        series = [run[:, 0] for run in runs if 2 * len(run) >= longest and len(run) >= 2 * self.width]
        for order in ORDERS:
            kept = fractional.fractional_weights(order, self.width)
            if order == ORDERS[-1] or all(stationary(np.convolve(one, kept, "valid")) for one in series):
                break
        return [order, *kept.tolist()]


def stationary(series: NDArray[np.float64]) -> bool:
    """Whether the augmented Dickey–Fuller test rejects a unit root at 5 %, or the series does not move at all."""
    if np.ptp(series) <= STILL * np.abs(series).max():
        return True
    some, value = breaks.dickey_fuller(series)
    return some and value < critical_value(len(series) - 2)


LOG_PRICE = apply(fractional.log_level, CLOSE)


def fractional_difference(width: int) -> Node:
    """The fractional difference of the log price over the last ``width`` bars."""
    fitted = Fitted(f"fractional_{width}", width + 1, (LOG_PRICE,), FractionalFit(width))
    inputs = (Ring(LOG_PRICE, width), COUNT, fitted)
    return Node(fractional.fractional_difference, inputs, (width,), delay=width - 1)


def fractional_log_price(width: int) -> Feature:
    """As in the book: in units of the log price, with its level."""
    meaning = (
        f"sum of the weights of (1 - B)^d times the last {width} log closes; d is the smallest of 0, 0.05, … 1 that is "
        "stationary on training bars. The price's unit shifts it"
    )
    node = fractional_difference(width)
    return Feature(
        f"fractional_log_price_{width}",
        node,
        1.0,
        "log price",
        meaning,
        SOURCE,
        {"width": width},
        "expensive",
        frozenset({"price"}),
    )


def fractional_z(width: int, window: int) -> Feature:
    """Free of the price's unit and scale."""
    value = fractional_difference(width)
    node = z_score(value, window)
    meaning = (
        f"(fractional_log_price_{width} - mean) / population standard deviation of its last {window} values; "
        "0 without dispersion"
    )
    parameters = {"width": width, "window": window}
    name = f"fractional_z_{width}_{window}"
    return Feature(name, node, 1.0, "standard deviations", meaning, SOURCE, parameters, "expensive")


FEATURES = (
    fractional_log_price(64),
    fractional_log_price(256),
    fractional_z(64, 96),
    fractional_z(256, 384),
)
