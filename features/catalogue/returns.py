"""Returns and momentum, in units of volatility."""

from __future__ import annotations

from features.blocks import (
    CLOSE_BEFORE,
    LOG_RETURN,
    SCALED_RETURN,
    apply,
    dispersion,
    ewma_distance,
    extreme,
    per_volatility,
    span_ewma,
    window_sum,
)
from features.feature import Feature
from features.kernels import price, ratios
from features.nodes import CLOSE, HIGH, LOW, OPEN, Part

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
    _, mean, _, inverse = dispersion(LOG_RETURN, window)
    node = apply(ratios.scaled, mean, inverse, params=(window**0.5,))
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


def body_share_ewma(span: int) -> Feature:
    """A smoothed candle body."""
    meaning = f"exponential average, span {span}, of body_share"
    node = span_ewma(BODY_SHARE, span)
    return Feature(f"body_share_ewma_{span}", node, 1.0, "1", meaning, "own", {"span": span})


def rising_share(window: int) -> Feature:
    """How often the price rose."""
    node = apply(ratios.linear, window_sum(apply(ratios.is_positive, LOG_RETURN), window), params=(1.0 / window, 0.0))
    meaning = f"share of the last {window} bars that closed above the close before, 0 to 1"
    return Feature(f"rising_share_{window}", node, 1.0, "1", meaning, "own", {"window": window})


def doji_share(window: int) -> Feature:
    """How often a bar closed about where it opened."""
    doji = apply(price.is_doji, OPEN, HIGH, LOW, CLOSE)
    node = apply(ratios.linear, window_sum(doji, window), params=(1.0 / window, 0.0))
    meaning = f"share of the last {window} bars with |close - open| at most a tenth of high - low, 0 to 1"
    return Feature(f"doji_share_{window}", node, 1.0, "1", meaning, "Nison 1991", {"window": window})


def extreme_return(window: int) -> tuple[Feature, Feature]:
    """The best and the worst bar."""

    def one(sign: float, name: str, what: str) -> Feature:
        node = per_volatility(extreme(LOG_RETURN, window, sign), 1)
        meaning = f"{what} log return of the last {window} bars / ewma_volatility_96; 0 without volatility"
        source = "Bali, Cakici and Whitelaw 2011"
        return Feature(f"{name}_return_{window}", node, 1.0, SIGMA, meaning, source, {"window": window})

    return one(1.0, "largest", "largest"), one(-1.0, "smallest", "smallest")


BODY_SHARE = apply(price.body_share, OPEN, HIGH, LOW, CLOSE)
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
        BODY_SHARE,
        1.0,
        "1",
        "(close - open) / (high - low), -1 to 1; 0 without range",
        "own",
    ),
    *(
        Feature(
            f"{name}_shadow",
            Part(apply(price.shadows, OPEN, HIGH, LOW, CLOSE, outputs=2), place),
            1.0,
            "1",
            f"share of the bar's range {where} its body, 0 to 1; 0 without range",
            "own",
        )
        for place, name, where in ((0, "upper", "above"), (1, "lower", "below"))
    ),
    Feature(
        "open_gap",
        per_volatility(apply(price.log_ratio, OPEN, CLOSE_BEFORE), 1),
        1.0,
        SIGMA,
        "log(open / close of the bar before) / ewma_volatility_96; 0 without volatility",
        "own",
    ),
)


FEATURES = (
    *(scaled_return(bars) for bars in (1, 2, 4, 8, 16, 32, 64, 96, 192)),
    *(return_ewma(span) for span in (4, 8, 16, 32, 64)),
    *(momentum_t(window) for window in (16, 48, 96, 192)),
    *(distance(span) for span in (8, 24, 48, 96, 192)),
    *(efficiency(window) for window in (24, 48, 96)),
    *CANDLE,
    body_share_ewma(16),
    *(rising_share(window) for window in (24, 96)),
    doji_share(96),
    *extreme_return(96),
)
