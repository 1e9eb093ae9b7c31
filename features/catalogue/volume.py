"""Volume: how much, where, and with which sign; all of it needs only open, high, low, close and volume."""

from __future__ import annotations

from features.blocks import (
    CLOSE_BEFORE,
    CLOSE_LOCATION,
    LOG_RETURN,
    apply,
    autocorrelation,
    correlation,
    dispersion,
    ewma_distance,
    path_moments,
    per_volatility,
    span_ewma,
    weighted_path,
    window_sum,
    z_score,
)
from features.feature import Feature
from features.kernels import moments as centred
from features.kernels import price, ratios
from features.nodes import CLOSE, VOLUME, Part, Value


def z_feature(name: str, value: Value, what: str, source: str, window: int) -> Feature:
    """How unusual a value is among its last ``window``."""
    node = z_score(value, window)
    meaning = f"({what} - mean) / population standard deviation over the last {window} bars; 0 without dispersion"
    return Feature(f"{name}_z_{window}", node, 1.0, "standard deviations", meaning, source, {"window": window})


def volume_trend(fast: int, slow: int) -> Feature:
    """Fast against slow volume."""
    node = apply(ratios.log_level_ratio, span_ewma(VOLUME, fast), span_ewma(VOLUME, slow), params=(1.0,))
    meaning = f"log of the exponential averages of volume, span {fast} / span {slow}, within 18.5; 0 without volume"
    return Feature(f"volume_trend_{fast}_{slow}", node, 1.0, "log", meaning, "own", {"fast": fast, "slow": slow})


def signed_volume(window: int) -> Feature:
    """The slope of on-balance volume, as a share of volume."""
    flow = apply(price.signed_flow, CLOSE, CLOSE_BEFORE, VOLUME, outputs=2)
    node = apply(ratios.ratio, window_sum(Part(flow, 0), window), window_sum(VOLUME, window), params=(0.0,))
    meaning = f"change of on-balance volume over {window} bars / volume over them, -1 to 1; 0 without volume"
    return Feature(f"obv_slope_{window}", node, 1.0, "1", meaning, "Granville 1963", {"window": window})


def vwap_deviation(window: int) -> Feature:
    """Distance to the volume-weighted mean price."""
    path = path_moments(LOG_RETURN, window)[0]
    mean = apply(ratios.ratio, weighted_path(LOG_RETURN, VOLUME, window), window_sum(VOLUME, window), params=(0.0,))
    total = window_sum(VOLUME, window)
    node = per_volatility(apply(ratios.above_mean, path, mean, total), window)
    meaning = (
        f"(log close - its volume-weighted mean over {window} bars) / (ewma_volatility_96 sqrt({window}));"
        " 0 without volume"
    )
    return Feature(f"vwap_deviation_{window}", node, 1.0, "standard deviations", meaning, "own", {"window": window})


def chaikin(window: int) -> Feature:
    """Chaikin money flow."""
    flow = window_sum(apply(ratios.product, CLOSE_LOCATION, VOLUME), window)
    node = apply(ratios.ratio, flow, window_sum(VOLUME, window), params=(0.0,))
    meaning = f"volume-weighted mean of close_location over {window} bars, -1 to 1; 0 without volume"
    return Feature(f"chaikin_{window}", node, 1.0, "1", meaning, "Chaikin", {"window": window})


def accumulation_oscillator(fast: int, slow: int) -> Feature:
    """Chaikin's oscillator of the accumulation line."""
    flow = apply(ratios.product, CLOSE_LOCATION, VOLUME)
    line = apply(ratios.difference, ewma_distance(flow, slow), ewma_distance(flow, fast))
    node = apply(ratios.ratio, line, span_ewma(VOLUME, slow), params=(0.0,))
    meaning = (
        f"exponential average of the accumulation line (the sum of close_location * volume), span {fast}, minus that of"
        f" span {slow}, / exponential average of volume, span {slow}; 0 without volume"
    )
    return Feature(
        f"accumulation_oscillator_{fast}_{slow}", node, 1.0, "1", meaning, "Chaikin", {"fast": fast, "slow": slow}
    )


def force(span: int) -> Feature:
    """Elder's force index."""
    flow = span_ewma(apply(ratios.product, LOG_RETURN, VOLUME), span)
    mean = apply(ratios.ratio, flow, span_ewma(VOLUME, span), params=(0.0,))
    meaning = (
        f"exponential average, span {span}, of log return * volume / that of volume / ewma_volatility_96;"
        " 0 without volume"
    )
    return Feature(
        f"force_{span}", per_volatility(mean, 1), 1.0, "standard deviations", meaning, "Elder 1993", {"span": span}
    )


def variation(window: int) -> Feature:
    """How unevenly volume comes."""
    node = apply(centred.coefficient_of_variation, *dispersion(VOLUME, window)[1:])
    meaning = f"population standard deviation / mean of volume over the last {window} bars; 0 without dispersion"
    return Feature(f"volume_variation_{window}", node, 1.0, "1", meaning, "own", {"window": window})


def volume_correlations(window: int) -> tuple[Feature, Feature, Feature]:
    """Volume with returns, with their size, and with itself a bar before."""
    size = apply(ratios.magnitude, LOG_RETURN)
    cases = (
        ("return_volume_correlation", correlation(LOG_RETURN, VOLUME, window), "correlation of log return and volume"),
        ("size_volume_correlation", correlation(size, VOLUME, window), "correlation of |log return| and volume"),
        ("volume_persistence", autocorrelation(VOLUME, 1, window), "lag-one autocorrelation of volume"),
    )
    one, two, three = (
        Feature(
            f"{name}_{window}",
            node,
            1.0,
            "1",
            f"{what} over the last {window} bars, -1 to 1; 0 where a standard deviation is below 1 % of the mean",
            "Karpoff 1987",
            {"window": window},
        )
        for name, node, what in cases
    )
    return one, two, three


FEATURES = (
    z_feature("volume", VOLUME, "volume", "own", 24),
    z_feature("volume", VOLUME, "volume", "own", 96),
    volume_trend(4, 24),
    volume_trend(8, 96),
    volume_trend(96, 384),
    signed_volume(24),
    signed_volume(96),
    vwap_deviation(24),
    vwap_deviation(96),
    chaikin(20),
    accumulation_oscillator(3, 10),
    force(13),
    variation(96),
    *volume_correlations(96),
)
