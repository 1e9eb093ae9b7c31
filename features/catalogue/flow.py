"""Order flow: what takers bought, how often, and in what size. Needs taker-buy volume or trade counts."""

from __future__ import annotations

from features.blocks import apply, span_ewma, window_sum
from features.catalogue.volume import z_feature
from features.feature import Feature
from features.kernels import price, ratios
from features.nodes import VOLUME, Field

TAKER = Field("taker_buy_volume")
COUNT = Field("trade_count")
IMBALANCE = apply(price.imbalance, TAKER, VOLUME)
DEFINITION = "(taker-buy - taker-sell volume) / volume, 0 without volume"


def imbalance_ewma(span: int) -> Feature:
    """Smoothed taker imbalance."""
    meaning = f"exponential average, span {span}, of {DEFINITION}"
    node = span_ewma(IMBALANCE, span)
    return Feature(f"taker_imbalance_ewma_{span}", node, 1.0, "1", meaning, "own", {"span": span})


def imbalance_share(window: int) -> Feature:
    """Volume-weighted taker imbalance."""
    net = window_sum(apply(ratios.product, IMBALANCE, VOLUME), window)
    node = apply(ratios.ratio, net, window_sum(VOLUME, window), params=(0.0,))
    meaning = f"(taker-buy - taker-sell volume) / volume over {window} bars, -1 to 1; 0 without volume"
    return Feature(f"taker_imbalance_{window}", node, 1.0, "1", meaning, "own", {"window": window})


FEATURES = (
    Feature("taker_imbalance", IMBALANCE, 1.0, "1", f"{DEFINITION}, -1 to 1", "own"),
    *(imbalance_ewma(span) for span in (4, 8, 16, 32, 64)),
    imbalance_share(24),
    z_feature("trade_count", COUNT, "number of trades", "own", 96),
    z_feature(
        "trade_size", apply(ratios.ratio, VOLUME, COUNT, params=(0.0,)), "volume / trades, 0 without,", "own", 96
    ),
)
