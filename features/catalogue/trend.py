"""Trend: averages against averages, directional movement, regressions of log price on time, age of extremes."""

from __future__ import annotations

from features.blocks import (
    LOG_RETURN,
    TRUE_RANGE,
    apply,
    ewma_distance,
    extreme,
    path_moments,
    per_volatility,
    previous,
    span_ewma,
    wilder,
)
from features.feature import Feature
from features.kernels import price, ratios
from features.nodes import HIGH, LOW, Node, Part

WILDER = "Wilder 1978"


def macd(fast: int, slow: int, signal: int) -> tuple[Feature, Feature]:
    """Moving average convergence, of log prices, and its distance to its own average."""
    line = apply(ratios.difference, ewma_distance(LOG_RETURN, slow), ewma_distance(LOG_RETURN, fast))
    histogram = apply(ratios.difference, line, span_ewma(line, signal))
    meaning = f"exponential average of log close, span {fast}, minus that of span {slow}"
    unit = "standard deviations"
    spans = {"fast": fast, "slow": slow, "signal": signal}
    return (
        Feature(
            f"macd_{fast}_{slow}",
            per_volatility(line, slow),
            1.0,
            unit,
            f"({meaning}) / (ewma_volatility_96 sqrt({slow}))",
            "Appel 1979, on log prices",
            {"fast": fast, "slow": slow},
        ),
        Feature(
            f"macd_histogram_{fast}_{slow}_{signal}",
            per_volatility(histogram, slow),
            1.0,
            unit,
            f"({meaning}, minus its exponential average of span {signal}) / (ewma_volatility_96 sqrt({slow}))",
            "Appel 1979, on log prices",
            spans,
        ),
    )


def directional(period: int) -> tuple[Feature, Feature]:
    """Wilder's directional system."""
    movement = apply(price.directional_movement, HIGH, LOW, previous(HIGH), previous(LOW), outputs=2)
    plus, minus = wilder(Part(movement, 0), period), wilder(Part(movement, 1), period)
    net = apply(ratios.ratio, apply(ratios.difference, plus, minus), wilder(TRUE_RANGE, period), params=(0.0,))
    strength = wilder(apply(ratios.directional_index, plus, minus), period)
    return (
        Feature(
            f"directional_difference_{period}",
            net,
            1.0,
            "1",
            f"(+DI - -DI) / 100 of period {period}, -1 to 1; 0 without range",
            WILDER,
            {"period": period},
        ),
        Feature(
            f"adx_{period}",
            strength,
            1.0,
            "1",
            f"average directional index / 100 of period {period}, 0 to 1; a bar without movement counts 0",
            WILDER,
            {"period": period},
        ),
    )


def aroon(period: int) -> tuple[Feature, ...]:
    """Age of the highest high and the lowest low of the last ``period + 1`` bars."""
    window = period + 1
    up = apply(ratios.age_share, extreme(HIGH, window, 1.0)[1], params=(window,))
    down = apply(ratios.age_share, extreme(LOW, window, -1.0)[1], params=(window,))
    both: tuple[tuple[str, str, Node], ...] = (
        ("up", f"1 - bars since the highest high of the last {window} bars / {period}", up),
        ("down", f"1 - bars since the lowest low of the last {window} bars / {period}", down),
    )
    return tuple(
        Feature(f"aroon_{name}_{period}", node, 1.0, "1", meaning, "Chande 1995", {"period": period})
        for name, meaning, node in both
    )


def regression(window: int) -> tuple[Feature, ...]:
    """Log close on time by least squares, and the distance of the newest close to the mean."""
    path, first, second, aged = path_moments(LOG_RETURN, window)
    fit = apply(ratios.trend_correlation, first, second, aged, params=(window,))
    what = f"log close over the last {window} bars"
    t_value = apply(ratios.correlation_t_value, fit, params=(window,))
    z = apply(ratios.path_z_score, path, first, second, params=(window,))
    return (
        Feature(
            f"trend_t_{window}",
            t_value,
            1.0,
            "t-value",
            f"t-value of the slope of {what} on time, 1 - R^2 counted as at least 1e-4; 0 if flat",
            "ordinary least squares",
            {"window": window},
        ),
        Feature(
            f"trend_r2_{window}",
            apply(ratios.square, fit),
            1.0,
            "1",
            f"R^2 of {what} on time, 0 to 1; 0 if flat",
            "ordinary least squares",
            {"window": window},
        ),
        Feature(
            f"price_z_{window}",
            z,
            1.0,
            "standard deviations",
            f"(log close - mean) / population standard deviation of {what}; 0 if flat",
            "Bollinger 1983, on log prices",
            {"window": window},
        ),
    )


def trix(span: int) -> Feature:
    """The slope of a triple exponential average."""
    node = span_ewma(span_ewma(span_ewma(LOG_RETURN, span), span), span)
    meaning = f"triple exponential average, span {span}, of log returns (the slope of that of log close), / volatility"
    return Feature(
        f"trix_{span}",
        per_volatility(node, 1),
        1.0,
        "standard deviations",
        meaning,
        "Hutson 1983, on log prices",
        {"span": span},
    )


FEATURES = (
    *macd(12, 26, 9),
    *directional(14),
    *aroon(25),
    *regression(24),
    *regression(96),
    trix(15),
)
