"""Channels around the price: Donchian, Bollinger, Keltner, Supertrend, Ichimoku."""

from __future__ import annotations

from features.blocks import (
    CLOSE_BEFORE,
    LOG_RETURN,
    TRUE_RANGE,
    apply,
    ewma_distance,
    extreme,
    lookback,
    path_dispersion,
    per_volatility,
    wilder,
)
from features.catalogue.oscillators import range_position
from features.catalogue.volatility import natr
from features.feature import Feature
from features.kernels import ratios, trend
from features.nodes import CLOSE, HIGH, LOW, Node

SIGMA = "standard deviations"
NO_RANGE = 1e-8
"""Average ranges below this share of the price are none: both averages die away, and their ratio means nothing."""


def bollinger_width(window: int) -> Feature:
    """The width of the bands."""
    node = per_volatility(path_dispersion(LOG_RETURN, window)[1], window)
    meaning = f"population standard deviation of log close over {window} bars / (ewma_volatility_96 sqrt({window}))"
    return Feature(
        f"bollinger_width_{window}", node, 1.0, SIGMA, meaning, "Bollinger 1983, on log prices", {"window": window}
    )


def supertrend(period: int, multiple: int) -> Feature:
    """Distance to the band that follows the trend."""
    change = apply(ratios.difference, CLOSE, CLOSE_BEFORE)
    inputs = (HIGH, LOW, CLOSE, change, wilder(TRUE_RANGE, period))
    band = Node(trend.supertrend, inputs, (float(multiple),), floats=3, recursive=True)
    node = per_volatility(apply(ratios.ratio, band, CLOSE, params=(0.0,)), period)
    meaning = (
        f"(close - band) / close / (ewma_volatility_96 sqrt({period})); the band is {multiple} average true ranges of"
        f" period {period} from the midrange, never retreats, and changes side when the close crosses it"
    )
    return Feature(
        f"supertrend_{period}_{multiple}",
        node,
        1.0,
        SIGMA,
        meaning,
        "Seban",
        {"period": period, "multiple": multiple},
    )


def keltner(span: int, period: int) -> Feature:
    """Where the price lies in Keltner's channel."""
    node = apply(ratios.ratio_above, ewma_distance(LOG_RETURN, span), natr(period).node, params=(NO_RANGE,))
    meaning = f"(log close - its exponential average of span {span}) / natr_{period}; 0 where that is below 1e-8"
    source = "Keltner 1960, on log prices"
    return Feature(
        f"keltner_{span}_{period}", node, 1.0, "true ranges", meaning, source, {"span": span, "period": period}
    )


def donchian(window: int) -> Feature:
    """Where the close lies in its channel."""
    meaning = (
        f"where the close lies between the lowest low and highest high of {window} bars, 0 to 1; 0.5 without range"
    )
    return Feature(f"donchian_{window}", range_position(window), 1.0, "1", meaning, "Donchian 1960", {"window": window})


def channel(window: int) -> tuple[Node, Node]:
    """Highest high and lowest low."""
    return extreme(HIGH, window, 1.0), extreme(LOW, window, -1.0)


def ichimoku(fast: int, middle: int, slow: int) -> tuple[Feature, ...]:
    """Close against the lines of Ichimoku that a reader of the chart sees at this bar; nothing is drawn from later."""
    conversion, base, span = channel(fast), channel(middle), channel(slow)
    ahead = apply(trend.midpoint, apply(trend.midpoint, *conversion), apply(trend.midpoint, *base))
    cloud = apply(trend.outside, CLOSE, lookback(ahead, middle), lookback(apply(trend.midpoint, *span), middle))
    every = (
        (f"conversion_{fast}", apply(trend.midpoint_distance, CLOSE, *conversion), fast, "close - conversion line"),
        (f"base_{middle}", apply(trend.midpoint_distance, CLOSE, *base), middle, "close - base line"),
        (
            f"span_b_{slow}",
            apply(trend.midpoint_distance, CLOSE, *span),
            slow,
            "close - leading span B, not yet shifted",
        ),
        (
            f"cross_{fast}_{middle}",
            apply(trend.midpoints_apart, *conversion, *base, CLOSE),
            middle,
            "conversion line - base line",
        ),
        (
            f"cloud_{fast}_{middle}_{slow}",
            cloud,
            slow,
            f"close - the nearer edge of the cloud, which is of {middle} bars ago (0 within it)",
        ),
    )
    return tuple(
        Feature(
            f"ichimoku_{name}",
            per_volatility(node, bars),
            1.0,
            SIGMA,
            f"({what}) / close / (ewma_volatility_96 sqrt({bars})); lines are middles of ranges of {fast}, {middle},"
            f" {slow} bars",
            "Hosoda 1969",
            dict(zip(("fast", "middle", "slow"), (int(one) for one in name.split("_") if one.isdigit()), strict=False)),
        )
        for name, node, bars, what in every
    )


FEATURES = (
    donchian(24),
    donchian(96),
    bollinger_width(24),
    keltner(20, 10),
    supertrend(10, 3),
    *ichimoku(9, 26, 52),
)
