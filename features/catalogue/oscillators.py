"""Bounded oscillators, scaled to 0..1 or to standard units."""

from __future__ import annotations

from features.blocks import CLOSE_BEFORE, TYPICAL, apply, commodity_channel, extreme, previous, wilder, window_sum
from features.feature import Feature
from features.kernels import price, ratios
from features.nodes import CLOSE, HIGH, LOW, VOLUME, Node, Part


def rsi(period: int) -> Feature:
    """Relative strength."""
    change = apply(ratios.difference, CLOSE, CLOSE_BEFORE)
    net, gross = wilder(change, period), wilder(apply(ratios.magnitude, change), period)
    meaning = f"relative strength index / 100 of period {period}, 0 to 1; 0.5 when the price has not moved"
    node = apply(ratios.half_ratio, net, gross)
    return Feature(f"rsi_{period}", node, 1.0, "1", meaning, "Wilder 1978", {"period": period})


def range_position(window: int) -> Node:
    """Where the close lies between the lowest low and the highest high."""
    low, high = extreme(LOW, window, -1.0)[0], extreme(HIGH, window, 1.0)[0]
    return apply(ratios.position, CLOSE, low, high, params=(0.5,))


def stochastic(window: int, smooth: int) -> tuple[Feature, Feature]:
    """Lane's %K and its average %D."""
    fast = range_position(window)
    slow = apply(ratios.linear, window_sum(fast, smooth), params=(1.0 / smooth, 0.0))
    where = f"where the close lies in the range of the last {window} bars, 0 to 1; 0.5 without range"
    return (
        Feature(f"stochastic_k_{window}", fast, 1.0, "1", where, "Lane 1984", {"window": window}),
        Feature(
            f"stochastic_d_{window}_{smooth}",
            slow,
            1.0,
            "1",
            f"mean over {smooth} bars of: {where}",
            "Lane 1984",
            {"window": window, "smooth": smooth},
        ),
    )


def williams_r(window: int) -> Feature:
    """Williams' %R."""
    node = apply(ratios.linear, range_position(window), params=(1.0, -1.0))
    meaning = f"(close - highest high) / range of the last {window} bars, -1 to 0; -0.5 without range"
    return Feature(f"williams_r_{window}", node, 1.0, "1", meaning, "Williams 1973", {"window": window})


def cci(window: int) -> Feature:
    """The commodity channel index."""
    meaning = f"(typical price - mean) / (0.015 mean absolute deviation) over the last {window} bars; 0 if flat"
    return Feature(
        f"cci_{window}",
        commodity_channel(window),
        100.0,
        "0.015 deviations",
        meaning,
        "Lambert 1980",
        {"window": window},
    )


def mfi(window: int) -> Feature:
    """The money flow index."""
    flow = apply(price.signed_flow, TYPICAL, previous(TYPICAL), apply(ratios.product, TYPICAL, VOLUME), outputs=2)
    node = apply(ratios.half_ratio, window_sum(Part(flow, 0), window), window_sum(Part(flow, 1), window))
    meaning = f"share of money flow on rising typical prices over the last {window} bars, 0 to 1; 0.5 without flow"
    return Feature(f"mfi_{window}", node, 1.0, "1", meaning, "Quong and Soudack 1989", {"window": window})


FEATURES = (rsi(6), rsi(14), *stochastic(14, 3), williams_r(48), cci(20), mfi(14))
