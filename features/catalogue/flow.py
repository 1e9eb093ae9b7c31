"""Order flow: what takers bought, how often, in what size, at what price. Needs more than OHLCV."""

from __future__ import annotations

from features.blocks import LOG_RETURN, apply, autocorrelation, correlation, per_volatility, span_ewma, window_sum
from features.catalogue.microstructure import SIGMA, impact
from features.catalogue.volume import z_feature
from features.feature import Feature
from features.kernels import microstructure, price, ratios
from features.nodes import CLOSE, HIGH, LOW, VOLUME, Field, Value

TAKER = Field("taker_buy_volume")
COUNT = Field("trade_count")
QUOTE = Field("quote_volume")
IMBALANCE = apply(price.imbalance, TAKER, VOLUME)
NET = apply(ratios.product, IMBALANCE, VOLUME)
TRADE_SIZE = apply(ratios.ratio, VOLUME, COUNT, params=(0.0,))
DEFINITION = "(taker-buy - taker-sell volume) / volume, 0 without volume"


def imbalance_ewma(span: int) -> Feature:
    """Smoothed taker imbalance."""
    meaning = f"exponential average, span {span}, of {DEFINITION}"
    node = span_ewma(IMBALANCE, span)
    return Feature(f"taker_imbalance_ewma_{span}", node, 1.0, "1", meaning, "own", {"span": span})


def imbalance_share(window: int) -> Feature:
    """Volume-weighted taker imbalance."""
    net = window_sum(NET, window)
    node = apply(ratios.ratio, net, window_sum(VOLUME, window), params=(0.0,))
    meaning = f"(taker-buy - taker-sell volume) / volume over {window} bars, -1 to 1; 0 without volume"
    return Feature(f"taker_imbalance_{window}", node, 1.0, "1", meaning, "own", {"window": window})


def imbalance_dependence(window: int) -> tuple[Feature, Feature]:
    """Whether imbalance persists, and whether the price follows it."""
    cases = (
        ("taker_persistence", autocorrelation(IMBALANCE, 1, window), "lag-one autocorrelation of taker imbalance"),
        ("taker_return_correlation", correlation(LOG_RETURN, IMBALANCE, window), "correlation of it with log returns"),
    )
    one, two = (
        Feature(
            f"{name}_{window}",
            node,
            1.0,
            "1",
            f"{what} over the last {window} bars, -1 to 1; 0 where a standard deviation is below 1 % of the mean",
            "own",
            {"window": window},
        )
        for name, node, what in cases
    )
    return one, two


def vpin(window: int) -> Feature:
    """The volume-synchronised probability of informed trading, over a window of bars."""
    net = apply(ratios.magnitude, NET)
    node = apply(ratios.ratio, window_sum(net, window), window_sum(VOLUME, window), params=(0.0,))
    meaning = f"sum of |taker-buy - taker-sell volume| / sum of volume over {window} bars, 0 to 1; 0 without volume"
    source = "Easley, Lopez de Prado and O'Hara 2012"
    return Feature(f"taker_vpin_{window}", node, 1.0, "1", meaning, source, {"window": window})


def taker_kyle(window: int) -> Feature:
    """Kyle's lambda from taker flow."""
    return impact(
        "taker_kyle_lambda",
        apply(ratios.product, LOG_RETURN, NET),
        apply(ratios.square, NET),
        apply(ratios.magnitude, NET),
        window,
        "taker-buy minus taker-sell volume",
        "Kyle 1985",
    )


def trend(name: str, value: Value, what: str, fast: int, slow: int) -> Feature:
    """Fast against slow averages."""
    node = apply(ratios.log_level_ratio, span_ewma(value, fast), span_ewma(value, slow), params=(1.0,))
    meaning = f"log of the exponential averages of {what}, span {fast} / span {slow}, within 18.5; 0 without trades"
    return Feature(f"{name}_trend_{fast}_{slow}", node, 1.0, "log", meaning, "own", {"fast": fast, "slow": slow})


def bar_vwap() -> tuple[Feature, Feature]:
    """Where the bar closed against the mean price that was paid in it."""
    move = per_volatility(apply(microstructure.vwap_move, HIGH, LOW, CLOSE, QUOTE, VOLUME), 1)
    meaning = "log(close / (quote volume / volume)) / ewma_volatility_96, that mean price within the bar's range"
    return (
        Feature("quote_vwap_deviation", move, 1.0, SIGMA, f"{meaning}; 0 without volume", "own"),
        Feature(
            "quote_vwap_deviation_ewma_16",
            span_ewma(move, 16),
            1.0,
            SIGMA,
            f"exponential average, span 16, of {meaning}",
            "own",
            {"span": 16},
        ),
    )


FEATURES = (
    Feature("taker_imbalance", IMBALANCE, 1.0, "1", f"{DEFINITION}, -1 to 1", "own"),
    *(imbalance_ewma(span) for span in (4, 8, 16, 32, 64)),
    imbalance_share(24),
    imbalance_share(96),
    z_feature("taker_imbalance", IMBALANCE, DEFINITION, "own", 96),
    *imbalance_dependence(96),
    vpin(48),
    taker_kyle(96),
    z_feature("trade_count", COUNT, "number of trades", "own", 96),
    trend("trade_count", COUNT, "number of trades", 8, 96),
    z_feature("trade_size", TRADE_SIZE, "volume / trades, 0 without,", "own", 96),
    trend("trade_size", TRADE_SIZE, "volume / trades, 0 without,", 8, 96),
    *bar_vwap(),
)
