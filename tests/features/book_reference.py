"""The features of the book a second time, in extended precision: see `feature_reference`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.features.feature_reference import Array, Extended, Market, divide, ewm, log_ratio, total, z_score


def field(m: Market, name: str) -> Array:
    return m.bars[name].astype(Extended)


def share(m: Market) -> Array:
    """(ask - bid) / microprice, at most one."""
    return np.minimum(divide(field(m, "spread"), field(m, "microprice"), 0, 0), 1)


def balance(m: Market, what: str) -> Array:
    bid, ask = field(m, f"bid_{what}"), field(m, f"ask_{what}")
    return divide(bid - ask, bid + ask, 0, 0)


def tilt(m: Market) -> Array:
    """From the mid itself: microprice - (microprice - half spread * imbalance)."""
    price = field(m, "microprice")
    mid = price - field(m, "spread") / 2 * balance(m, "size")
    tight = field(m, "spread") < price
    exact = np.where(tight, field(m, "spread") * balance(m, "size") / 2 / np.where(price > 0, price, 1), 0)
    wide = np.where(price > 0, balance(m, "size") / 2, 0)
    assert np.all(~tight | (np.abs(price - mid - exact * price) <= 1e-15 * price))
    return m.per_volatility(np.where(tight, exact, wide), 1)


def gap(m: Market) -> Array:
    price = field(m, "microprice")
    return m.per_volatility(np.where(price > 0, np.log(np.where(price > 0, price, 1) / m.c), 0), 1)


def flow(m: Market, name: str) -> Array:
    depth = (field(m, "bid_depth") + field(m, "ask_depth")) / 2
    return np.clip(divide(field(m, name), depth, 0), -1000, 1000)


def slopes(m: Market) -> Array:
    return log_ratio(field(m, "bid_slope"), field(m, "ask_slope"), 1)


def late(x: Array, first: int) -> Array:
    """A series whose first values an average never sees."""
    return np.where(np.arange(len(x)) < first, np.nan, x)


OFI, MULTILEVEL = "order_flow_imbalance", "multilevel_order_flow_imbalance"
BOOK_REFERENCE: dict[str, Callable[[Market], Array]] = {
    "spread_bps": lambda m: 10_000 * share(m),
    "spread_bps_ewma_16": lambda m: ewm(10_000 * share(m), 16),
    "spread_sigma": lambda m: m.per_volatility(share(m), 1),
    "spread_z_96": lambda m: z_score(10_000 * share(m), 96),
    "queue_imbalance": lambda m: balance(m, "size"),
    **{f"queue_imbalance_ewma_{k}": lambda m, k=k: ewm(balance(m, "size"), k) for k in (4, 16, 64)},
    "depth_imbalance": lambda m: balance(m, "depth"),
    **{f"depth_imbalance_ewma_{k}": lambda m, k=k: ewm(balance(m, "depth"), k) for k in (4, 16, 64)},
    "microprice_tilt": tilt,
    "microprice_tilt_ewma_8": lambda m: ewm(late(tilt(m), 96), 8),
    "microprice_gap": gap,
    "ofi": lambda m: flow(m, OFI),
    **{f"ofi_{k}": lambda m, k=k: total(flow(m, OFI), k) / k for k in (8, 32, 96)},
    **{f"ofi_ewma_{k}": lambda m, k=k: ewm(flow(m, OFI), k) for k in (4, 16, 64)},
    "multilevel_ofi": lambda m: flow(m, MULTILEVEL),
    **{f"multilevel_ofi_{k}": lambda m, k=k: total(flow(m, MULTILEVEL), k) / k for k in (8, 32, 96)},
    **{f"multilevel_ofi_ewma_{k}": lambda m, k=k: ewm(flow(m, MULTILEVEL), k) for k in (4, 16, 64)},
    "slope_ratio": slopes,
    "slope_ratio_ewma_16": lambda m: ewm(slopes(m), 16),
    "book_depth_z_96": lambda m: z_score(field(m, "bid_depth") + field(m, "ask_depth"), 96),
}
