"""Stateless steps on the book's fields of one bar. Sizes and prices may be zero: each step says what it gives then."""

from __future__ import annotations

from features.kernels.price import log_ratio
from features.kernels.ratios import NOTHING
from market.jit import kernel

LEAST_PRICE = 1e-18
MOST_FLOW = 1e3  # depths: no bar weighs more in an average


@kernel
def relative_spread(spread: float, price: float) -> float:
    """The spread as a fraction of a price, at most 1; 0 without a price."""
    if price < LEAST_PRICE:
        return 0.0
    share = spread / price
    return share if share < 1.0 else 1.0


@kernel
def imbalance(bid: float, ask: float) -> float:
    """(bid - ask) / (bid + ask), -1 to 1; 0 where both are 0."""
    total = bid + ask
    if total > NOTHING:
        return (bid - ask) / total
    return 0.0


@kernel
def tilt(share: float, balance: float) -> float:
    """How far the microprice lies above the mid, as a fraction: half the relative spread times the queue imbalance.

    With sizes B, A at the best bid b and ask a: (B a + A b) / (B + A) - (a + b) / 2 = (a - b) / 2 * (B - A) / (B + A).
    """
    return 0.5 * share * balance


@kernel
def gap(price: float, close: float) -> float:
    """log(price / close); 0 without a price."""
    if price < LEAST_PRICE:
        return 0.0
    return log_ratio(price, close)


@kernel
def flow_in_depths(flow: float, bid_depth: float, ask_depth: float) -> float:
    """A signed flow divided by the mean depth of both sides, within 1,000; 0 without depth."""
    depth = 0.5 * (bid_depth + ask_depth)
    if depth <= NOTHING:
        return 0.0
    share = flow / depth
    if share > MOST_FLOW:
        return MOST_FLOW
    if share < -MOST_FLOW:
        return -MOST_FLOW
    return share


@kernel
def total(bid: float, ask: float) -> float:
    """Both sides together."""
    return bid + ask
