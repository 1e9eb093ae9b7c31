"""Returns and momentum, in units of volatility."""

from __future__ import annotations

from features.blocks import (
    LOG_RETURN,
    SCALED_RETURN,
    apply,
    ewma_distance,
    moments,
    per_volatility,
    span_ewma,
    window_sum,
)
from features.feature import Feature
from features.kernels import price, ratios
from features.nodes import CLOSE, HIGH, LOW, OPEN

SIGMA = "standard deviations"


def scaled_return(bars: int) -> Feature:
    """The return over some bars."""
    total = LOG_RETURN if bars == 1 else window_sum(LOG_RETURN, bars)
    meaning = f"log(close / close {bars} bars ago) / (ewma_volatility_96 sqrt({bars})); 0 without volatility"
    return Feature(f"scaled_return_{bars}", per_volatility(total, bars), 1.0, SIGMA, meaning, "own", {"bars": bars})


def return_ewma(span: int) -> Feature:
    """A smoothed scaled return."""
    meaning = f"exponential average, span {span}, of log return / ewma_volatility_96"
    node = span_ewma(SCALED_RETURN, span)
    return Feature(f"return_ewma_{span}", node, 1.0, SIGMA, meaning, "RiskMetrics 1996", {"span": span})


def momentum_t(window: int) -> Feature:
    """The significance of the mean return."""
    node = apply(ratios.t_value, *moments(LOG_RETURN, window), params=(window,))
    meaning = f"mean / standard deviation * sqrt({window}) of the last {window} log returns; 0 without dispersion"
    return Feature(f"momentum_t_{window}", node, 1.0, "t-value", meaning, "own", {"window": window})


def distance(span: int) -> Feature:
    """How far the price is above its average."""
    node = per_volatility(ewma_distance(LOG_RETURN, span), span)
    meaning = f"(log close - its exponential average of span {span}) / (ewma_volatility_96 sqrt({span}))"
    return Feature(f"ema_distance_{span}", node, 1.0, SIGMA, meaning, "own", {"span": span})


def efficiency(window: int) -> Feature:
    """How straight the path was."""
    whole, path = window_sum(LOG_RETURN, window), window_sum(apply(ratios.magnitude, LOG_RETURN), window)
    node = apply(ratios.ratio, whole, path, params=(0.0,))
    meaning = f"sum / sum of absolute values of the last {window} log returns, -1 to 1; 0 for a flat path"
    return Feature(f"efficiency_{window}", node, 1.0, "1", meaning, "Kaufman 1995", {"window": window})


CANDLE = (
    Feature(
        "close_location",
        apply(price.close_location, HIGH, LOW, CLOSE),
        1.0,
        "1",
        "where the bar closed in its range, -1 (low) to 1 (high); 0 without range",
        "Chaikin",
    ),
    Feature(
        "body_share",
        apply(price.body_share, OPEN, HIGH, LOW, CLOSE),
        1.0,
        "1",
        "(close - open) / (high - low), -1 to 1; 0 without range",
        "own",
    ),
)

FEATURES = (
    *(scaled_return(bars) for bars in (1, 2, 4, 8, 16, 32, 96)),
    *(return_ewma(span) for span in (4, 8, 16, 32)),
    *(momentum_t(window) for window in (16, 48, 96)),
    *(distance(span) for span in (8, 24, 96)),
    *(efficiency(window) for window in (24, 96)),
    *CANDLE,
)
