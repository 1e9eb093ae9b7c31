"""Bounded oscillators, scaled to 0..1 or to standard units."""

from __future__ import annotations

from features.blocks import (
    CLOSE_BEFORE,
    LOG_RETURN,
    TRUE_RANGE,
    TYPICAL,
    apply,
    commodity_channel,
    extreme,
    previous,
    span_ewma,
    wilder,
    window_sum,
    window_sums,
)
from features.feature import Feature
from features.kernels import oscillators, price, ratios
from features.nodes import CLOSE, HIGH, LOW, VOLUME, Node, Part

NEVER_APART = 1e-6
"""Ranges of relative strength below this are rounding."""


def relative_strength(period: int) -> Node:
    """Wilder's index, 0 to 1."""
    change = apply(ratios.difference, CLOSE, CLOSE_BEFORE)
    net, gross = wilder(change, period), wilder(apply(ratios.magnitude, change), period)
    return apply(ratios.half_ratio, net, gross)


def rsi(period: int) -> Feature:
    """Relative strength."""
    meaning = f"relative strength index / 100 of period {period}, 0 to 1; 0.5 when the price has not moved"
    node = relative_strength(period)
    return Feature(f"rsi_{period}", node, 1.0, "1", meaning, "Wilder 1978", {"period": period})


def stochastic_rsi(period: int, window: int) -> Feature:
    """Where relative strength lies in its own range."""
    index = relative_strength(period)
    low, high = extreme(index, window, -1.0), extreme(index, window, 1.0)
    node = apply(ratios.position, index, low, high, params=(0.5, NEVER_APART))
    meaning = (
        f"where rsi_{period} lies between its lowest and highest of the last {window} bars, 0 to 1;"
        " 0.5 where those are less than 1e-6 apart"
    )
    return Feature(
        f"stochastic_rsi_{period}_{window}",
        node,
        1.0,
        "1",
        meaning,
        "Chande and Kroll 1994",
        {"period": period, "window": window},
    )


def true_strength(slow: int, fast: int) -> Feature:
    """Blau's true strength index, of log prices."""
    net = span_ewma(span_ewma(LOG_RETURN, slow), fast)
    gross = span_ewma(span_ewma(apply(ratios.magnitude, LOG_RETURN), slow), fast)
    node = apply(ratios.ratio, net, gross, params=(0.0,))
    meaning = (
        f"exponential average, span {fast}, of that of span {slow} of log returns, / the same of their absolute values,"
        " -1 to 1; 0 when the price has not moved"
    )
    return Feature(
        f"true_strength_{slow}_{fast}",
        node,
        1.0,
        "1",
        meaning,
        "Blau 1991, on log prices",
        {"slow": slow, "fast": fast},
    )


def ultimate(short: int, middle: int, long: int) -> Feature:
    """Williams' ultimate oscillator."""
    pressure = apply(price.buying_pressure, LOW, CLOSE, CLOSE_BEFORE)
    pressures, ranges = (window_sums(series, (short, middle, long)) for series in (pressure, TRUE_RANGE))
    parts = (apply(ratios.ratio, *sides, params=(0.5,)) for sides in zip(pressures, ranges, strict=True))
    node = apply(oscillators.ultimate, *parts)
    meaning = (
        f"(4 a + 2 b + c) / 7 of buying pressure / true range over {short}, {middle} and {long} bars, 0 to 1;"
        " 0.5 without range"
    )
    windows = {"short": short, "middle": middle, "long": long}
    return Feature(f"ultimate_{short}_{middle}_{long}", node, 1.0, "1", meaning, "Williams 1985", windows)


def range_position(window: int) -> Node:
    """Where the close lies between the lowest low and the highest high."""
    low, high = extreme(LOW, window, -1.0), extreme(HIGH, window, 1.0)
    return apply(ratios.position, CLOSE, low, high, params=(0.5, 0.0))


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


FEATURES = (
    rsi(6),
    rsi(14),
    rsi(28),
    stochastic_rsi(14, 14),
    true_strength(25, 13),
    *stochastic(14, 3),
    williams_r(48),
    cci(20),
    mfi(14),
    mfi(48),
    ultimate(7, 14, 28),
)
