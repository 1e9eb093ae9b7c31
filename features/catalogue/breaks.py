"""Structural breaks: how far the price has run from any beginning in the window, and whether it explodes."""

from __future__ import annotations

from features.blocks import LOG_RETURN
from features.feature import Feature
from features.kernels import breaks
from features.nodes import COUNT, Node, Part, Ring


def cumulative_sums(window: int) -> tuple[Feature, Feature, Feature]:
    """Chu, Stinchcombe and White's statistic, rising, falling, and against its critical value."""
    inputs = (Ring(LOG_RETURN, window - 1), COUNT)
    node = Node(breaks.cumulative_sums, inputs, (window,), outputs=3, delay=window - 2)
    what = f"S(n) = (log close - log close n bars ago) / (s sqrt(n)) over n within the last {window} closes"
    least = "s is the standard deviation about zero of their log returns; 0 without"

    def one(place: int, name: str, meaning: str) -> Feature:
        source = "Chu, Stinchcombe and White 1996; López de Prado 2018, ch. 17"
        label = f"csw_{name}_{window}"
        unit = "standard deviations"
        return Feature(label, Part(node, place), 1.0, unit, meaning, source, {"window": window}, "expensive")

    return (
        one(0, "rise", f"largest {what}; {least}"),
        one(1, "fall", f"largest -S(n), {what}; {least}"),
        one(2, "excess", f"largest |S(n)| - sqrt(4.6 + log n), its 5 % critical value; {what}; {least}"),
    )


def shortest_regression(window: int) -> int:
    """The fewest rows of a regression: a share 0.01 + 1.8 / sqrt(window) of the window (Phillips, Shi and Yu 2015).

    Examples
    --------
    >>> shortest_regression(96), shortest_regression(192)
    (18, 26)
    """
    return int(window * (0.01 + 1.8 / window**0.5))


def sup_adf(window: int) -> Feature:
    """Explosiveness: the backward supremum of augmented Dickey–Fuller statistics within a window."""
    minimum = shortest_regression(window)
    inputs = (Ring(LOG_RETURN, window - 1), COUNT)
    node = Node(breaks.supremum_dickey_fuller, inputs, (window, minimum), delay=window - 2)
    meaning = (
        f"largest t-value of the augmented Dickey–Fuller regression (constant, one lag) of the log close over the last "
        f"k rows, k from {minimum} to {window - 2}, within 100 sqrt(k); 0 where no regression has one"
    )
    source = "Phillips, Shi and Yu 2015; López de Prado 2018, ch. 17"
    return Feature(f"sup_adf_{window}", node, 1.0, "t-value", meaning, source, {"window": window}, "expensive")


FEATURES = (
    *cumulative_sums(96),
    *cumulative_sums(384),
    sup_adf(96),
    sup_adf(192),
)
