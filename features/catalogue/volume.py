"""Volume: how much, where, and with which sign; all of it needs only open, high, low, close and volume."""

from __future__ import annotations

from features.blocks import (
    CLOSE_BEFORE,
    CLOSE_LOCATION,
    LOG_RETURN,
    apply,
    moments,
    path_moments,
    per_volatility,
    span_ewma,
    weighted_path,
    window_sum,
)
from features.feature import Feature
from features.kernels import price, ratios
from features.nodes import CLOSE, VOLUME, Part, Value


def z_feature(name: str, value: Value, what: str, source: str, window: int) -> Feature:
    """How unusual a value is among its last ``window``."""
    node = apply(ratios.z_score, value, *moments(value, window), params=(window,))
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


FEATURES = (
    z_feature("volume", VOLUME, "volume", "own", 24),
    z_feature("volume", VOLUME, "volume", "own", 96),
    volume_trend(8, 96),
    signed_volume(24),
    signed_volume(96),
    vwap_deviation(24),
    vwap_deviation(96),
    chaikin(20),
    z_feature(
        "illiquidity",
        apply(price.illiquidity, LOG_RETURN, VOLUME, CLOSE),
        "|log return| / (volume close), 0 without volume,",
        "Amihud 2002",
        96,
    ),
)
