"""Regressions of log price on time, by least squares, over windows that end now."""

from __future__ import annotations

from features.blocks import (
    LOG_RETURN,
    apply,
    path_dispersion,
    path_moments,
    per_volatility,
)
from features.feature import Feature
from features.kernels import moments as centred
from features.kernels import ratios, trend
from features.nodes import Node, Part

SIGMA = "standard deviations"
SCANNED = (12, 24, 48, 96)


def slope_of(window: int) -> tuple[Part, Node, Node]:
    """Distance of log close to its mean, least-squares slope, and correlation with time."""
    _, first, _, aged = path_moments(LOG_RETURN, window)
    distance, _, inverse = path_dispersion(LOG_RETURN, window)
    slope = apply(centred.path_slope, first, aged, params=(window,))
    return distance, slope, apply(centred.slope_correlation, slope, inverse, params=(window,))


def trend_t(window: int) -> Node:
    """The t-value of the slope."""
    return apply(ratios.correlation_t_value, slope_of(window)[2], params=(window,))


def regression(window: int) -> tuple[Feature, ...]:
    """Log close on time by least squares, and the distance of the newest close to the mean."""
    distance, _, inverse = path_dispersion(LOG_RETURN, window)
    what = f"log close over the last {window} bars"
    return (
        Feature(
            f"trend_t_{window}",
            trend_t(window),
            1.0,
            "t-value",
            f"t-value of the slope of {what} on time, 1 - R^2 counted as at least 1e-4; 0 if flat",
            "ordinary least squares",
            {"window": window},
        ),
        Feature(
            f"trend_r2_{window}",
            apply(ratios.square, slope_of(window)[2]),
            1.0,
            "1",
            f"R^2 of {what} on time, 0 to 1; 0 if flat",
            "ordinary least squares",
            {"window": window},
        ),
        Feature(
            f"price_z_{window}",
            apply(ratios.product, distance, inverse),
            1.0,
            SIGMA,
            f"(log close - mean) / population standard deviation of {what}; 0 if flat",
            "Bollinger 1983, on log prices",
            {"window": window},
        ),
    )


def line_fit(window: int) -> tuple[Feature, Feature]:
    """Slope of the least-squares line, and how far the price is from its end."""
    distance, slope, _ = slope_of(window)
    residual = apply(centred.path_residual, distance, slope, params=(window,))
    what = f"the least-squares line of log close over the last {window} bars"
    return (
        Feature(
            f"trend_slope_{window}",
            per_volatility(slope, 1.0 / window),
            1.0,
            SIGMA,
            f"slope of {what} * sqrt({window}) / ewma_volatility_96; 0 without volatility",
            "ordinary least squares",
            {"window": window},
        ),
        Feature(
            f"trend_residual_{window}",
            per_volatility(residual, window),
            1.0,
            SIGMA,
            f"(log close - end of {what}) / (ewma_volatility_96 sqrt({window})); 0 without volatility",
            "ordinary least squares",
            {"window": window},
        ),
    )


def trend_scan() -> tuple[Feature, Feature]:
    """The most significant trend among windows that end now."""
    best = apply(trend.strongest, *(trend_t(window) for window in SCANNED), outputs=2)
    what = f"the windows of {', '.join(str(window) for window in SCANNED)} bars that end now"
    source = "Lopez de Prado 2020, looking back"
    return (
        Feature(
            "trend_scan_t",
            Part(best, 0),
            1.0,
            "t-value",
            f"t-value of largest magnitude of the slope of log close on time, among {what}",
            source,
        ),
        Feature(
            "trend_scan_place",
            Part(best, 1),
            1.0,
            "place",
            f"which of {what} has the t-value of largest magnitude, counted from 0; of equals (to a billionth) the"
            " shortest",
            source,
        ),
    )


FEATURES = (
    *regression(24),
    *regression(48),
    *regression(96),
    *line_fit(24),
    *line_fit(96),
    *trend_scan(),
)
