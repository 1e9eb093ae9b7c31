"""Order book: spread, queues, depth, slope and order flow. Needs bars with the book's fields (`market.book`)."""

from __future__ import annotations

from features.blocks import INVERSE_VOLATILITY, apply, span_ewma, window_sum
from features.catalogue.volume import z_feature
from features.feature import Feature
from features.kernels import book, ratios
from features.nodes import CLOSE, Field, Node, Value

SPREAD, MICROPRICE = Field("spread"), Field("microprice")
BID_SIZE, ASK_SIZE = Field("bid_size"), Field("ask_size")
BID_DEPTH, ASK_DEPTH = Field("bid_depth"), Field("ask_depth")

RELATIVE = apply(book.relative_spread, SPREAD, MICROPRICE)
BPS = apply(ratios.linear, RELATIVE, params=(1e4, 0.0))
QUEUE = apply(book.imbalance, BID_SIZE, ASK_SIZE)
DEPTH = apply(book.imbalance, BID_DEPTH, ASK_DEPTH)
TILT = apply(ratios.scaled, apply(book.tilt, RELATIVE, QUEUE), INVERSE_VOLATILITY, params=(1.0,))
GAP = apply(ratios.scaled, apply(book.gap, MICROPRICE, CLOSE), INVERSE_VOLATILITY, params=(1.0,))
SLOPE = apply(ratios.log_level_ratio, Field("bid_slope"), Field("ask_slope"), params=(1.0,))
BEST_FLOW = apply(book.flow_in_depths, Field("order_flow_imbalance"), BID_DEPTH, ASK_DEPTH)
ALL_FLOW = apply(book.flow_in_depths, Field("multilevel_order_flow_imbalance"), BID_DEPTH, ASK_DEPTH)

CONT = "Cont, Kukanov, Stoikov 2014"
XU = "Xu, Gould, Howison 2019"
BPS_MEANING = "quoted spread / microprice at the close, in basis points, at most 10,000; 0 without a price"
QUEUE_MEANING = "(bid - ask) / (bid + ask) of the sizes at the best prices at the close, -1 to 1; 0 where both are 0"
DEPTH_MEANING = "(bid - ask) / (bid + ask) of the depths of ten levels at the close, -1 to 1; 0 where both are 0"
TILT_MEANING = "(microprice - mid) / microprice at the close / ewma_volatility_96; 0 without a price"
SLOPE_MEANING = "log of bid slope / ask slope of ten levels at the close, within 18.5; 0 where both are 0"
FLOW_MEANING = "order flow imbalance at {levels} / mean depth of both sides, within 1,000; 0 without depth"
BEST_MEANING = FLOW_MEANING.format(levels="the best level")
ALL_MEANING = FLOW_MEANING.format(levels="the ten best levels")


def smoothed(name: str, value: Node, span: int, scale: float, unit: str, meaning: str, source: str) -> Feature:
    """An exponential average of one of them."""
    text = f"exponential average, span {span}, of: {meaning}"
    return Feature(f"{name}_ewma_{span}", span_ewma(value, span), scale, unit, text, source, {"span": span})


def mean_flow(name: str, value: Value, window: int, meaning: str, source: str) -> Feature:
    """The average of an order flow."""
    node = apply(ratios.linear, window_sum(value, window), params=(1.0 / window, 0.0))
    return Feature(
        f"{name}_{window}", node, 1.0, "depths", f"mean over {window} bars of: {meaning}", source, {"window": window}
    )


FEATURES = (
    Feature("spread_bps", BPS, 1.0, "bps", BPS_MEANING, "own"),
    smoothed("spread_bps", BPS, 16, 1.0, "bps", BPS_MEANING, "own"),
    Feature(
        "spread_sigma",
        apply(ratios.scaled, RELATIVE, INVERSE_VOLATILITY, params=(1.0,)),
        1.0,
        "standard deviations",
        "quoted spread / microprice at the close / ewma_volatility_96; 0 without a price or volatility",
        "own",
    ),
    z_feature("spread", BPS, "spread_bps", "own", 96),
    Feature("queue_imbalance", QUEUE, 1.0, "1", QUEUE_MEANING, "own"),
    *(smoothed("queue_imbalance", QUEUE, span, 1.0, "1", QUEUE_MEANING, "own") for span in (4, 16, 64)),
    Feature("depth_imbalance", DEPTH, 1.0, "1", DEPTH_MEANING, "own"),
    *(smoothed("depth_imbalance", DEPTH, span, 1.0, "1", DEPTH_MEANING, "own") for span in (4, 16, 64)),
    Feature("microprice_tilt", TILT, 1.0, "standard deviations", TILT_MEANING, "own"),
    smoothed("microprice_tilt", TILT, 8, 1.0, "standard deviations", TILT_MEANING, "own"),
    Feature(
        "microprice_gap",
        GAP,
        1.0,
        "standard deviations",
        "log(microprice / close) / ewma_volatility_96; 0 without a microprice",
        "own",
    ),
    Feature("ofi", BEST_FLOW, 1.0, "depths", BEST_MEANING, CONT),
    *(mean_flow("ofi", BEST_FLOW, window, BEST_MEANING, CONT) for window in (8, 32, 96)),
    *(smoothed("ofi", BEST_FLOW, span, 1.0, "depths", BEST_MEANING, CONT) for span in (4, 16, 64)),
    Feature("multilevel_ofi", ALL_FLOW, 1.0, "depths", ALL_MEANING, XU),
    *(mean_flow("multilevel_ofi", ALL_FLOW, window, ALL_MEANING, XU) for window in (8, 32, 96)),
    *(smoothed("multilevel_ofi", ALL_FLOW, span, 1.0, "depths", ALL_MEANING, XU) for span in (4, 16, 64)),
    Feature("slope_ratio", SLOPE, 1.0, "log", SLOPE_MEANING, "own"),
    smoothed("slope_ratio", SLOPE, 16, 1.0, "log", SLOPE_MEANING, "own"),
    z_feature("book_depth", apply(book.total, BID_DEPTH, ASK_DEPTH), "depth of both sides", "own", 96),
)
