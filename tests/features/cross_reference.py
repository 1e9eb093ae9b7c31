"""An independent second implementation of the cross-asset features: extended precision, whole windows at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.features.feature_reference import Array, Extended, Market, ewm, lag, log_ratio, over, total


def field(m: Market, name: str) -> Array:
    return m.bars[name].astype(Extended)


def market(m: Market) -> Array:
    return field(m, "market_return")


def market_variance(m: Market) -> Array:
    return ewm(market(m) ** 2, 96)


def per_market_volatility(m: Market, x: Array, bars: float) -> Array:
    variance = market_variance(m)
    some = variance > 1e-40
    scaled = np.where(some, x / np.sqrt(np.where(some, variance, 1) * bars), 0)
    return np.where(np.isnan(variance) | np.isnan(x), np.nan, scaled)


def varies(x: Array) -> Array:
    return ((x - x.mean(axis=1, keepdims=True)) ** 2).mean(axis=1) > 1e-12 * x.mean(axis=1) ** 2


def covariance(x: Array, y: Array) -> Array:
    return ((x - x.mean(axis=1, keepdims=True)) * (y - y.mean(axis=1, keepdims=True))).mean(axis=1)


def correlation(x: Array, y: Array, window: int) -> Array:
    def value(one: Array, other: Array) -> Array:
        some = varies(one) & varies(other)
        scale = np.sqrt(np.where(some, covariance(one, one) * covariance(other, other), 1))
        return np.where(some, covariance(one, other) / scale, 0)

    return over(window, value, x, y)


def beta(m: Market, window: int) -> Array:
    def value(own: Array, other: Array) -> Array:
        some = varies(other)
        return np.where(some, covariance(own, other) / np.where(some, covariance(other, other), 1), 0)

    return np.clip(over(window, value, m.r, market(m)), -100, 100)


def relative_strength(m: Market, window: int) -> Array:
    return m.per_volatility(total(m.r - market(m), window), window)


CROSS: dict[str, Callable[[Market], Array]] = {
    "market_return": lambda m: per_market_volatility(m, market(m), 1),
    "market_return_before": lambda m: per_market_volatility(m, lag(market(m)), 1),
    **{f"market_momentum_{k}": lambda m, k=k: per_market_volatility(m, total(market(m), k), k) for k in (24, 96)},
    "market_beta_96": lambda m: beta(m, 96),
    **{f"market_correlation_{k}": lambda m, k=k: correlation(m.r, market(m), k) for k in (24, 96)},
    "residual_return_96": lambda m: m.per_volatility(m.r - beta(m, 96) * market(m), 1),
    **{f"relative_strength_{k}": lambda m, k=k: relative_strength(m, k) for k in (24, 96)},
    "market_leads_96": lambda m: correlation(m.r, lag(market(m)), 96),
    "leads_market_96": lambda m: correlation(lag(m.r), market(m), 96),
    "market_breadth": lambda m: field(m, "market_breadth"),
    "market_breadth_ewma_16": lambda m: ewm(field(m, "market_breadth"), 16),
    "dispersion_ratio_8_96": lambda m: log_ratio(
        ewm(field(m, "market_dispersion"), 8), ewm(field(m, "market_dispersion"), 96), 1
    ),
    "volatility_to_market_96": lambda m: log_ratio(m.variance, market_variance(m), 0.5),
    **{
        f"cross_{name}": lambda m, name=name: field(m, name)
        for name in ("return_rank", "momentum_rank_24", "momentum_rank_96", "volatility_rank", "volume_rank")
    },
    "cross_return_rank_ewma_16": lambda m: ewm(field(m, "return_rank"), 16),
}
