"""Microstructure from bars: spread, price impact and toxicity, as Lopez de Prado (2018) gathers them in chapter 19."""

from __future__ import annotations

from features.blocks import (
    LOG_RETURN,
    SCALED_RETURN,
    TRUE_RANGE,
    VARIANCE,
    apply,
    autocorrelation,
    extreme,
    per_volatility,
    previous,
    span_ewma,
    window_sum,
)
from features.catalogue.volume import z_feature
from features.feature import Feature
from features.kernels import microstructure, price, ratios
from features.nodes import CLOSE, HIGH, LOW, VOLUME, Node, Part, Value

SIGMA = "standard deviations"
ILLIQUIDITY = apply(price.illiquidity, LOG_RETURN, VOLUME, CLOSE)
SIZE = apply(ratios.magnitude, LOG_RETURN)


def mean(series: Value, window: int) -> Node:
    """The mean of the last values."""
    return apply(ratios.linear, window_sum(series, window), params=(1.0 / window, 0.0))


def roll_spread(window: int) -> Feature:
    """The spread that lag-one autocorrelation implies."""
    node = apply(ratios.roll_spread, autocorrelation(LOG_RETURN, 1, window))
    meaning = f"2 sqrt(-autocovariance) / standard deviation of {window} log returns; 0 where it is not negative"
    return Feature(f"roll_spread_{window}", node, 1.0, SIGMA, meaning, "Roll 1984, eq. 3", {"window": window})


def high_low(window: int) -> tuple[Feature, Feature]:
    """Corwin and Schultz's spread and the volatility that comes with it."""
    pair = apply(microstructure.high_low_spread, HIGH, LOW, previous(HIGH), previous(LOW), outputs=2)
    spread = per_volatility(mean(Part(pair, 0), window), 1)
    sigma = mean(Part(pair, 1), window)
    level = apply(ratios.log_level_ratio, apply(ratios.square, sigma), VARIANCE, params=(0.5,))
    return (
        Feature(
            f"corwin_schultz_{window}",
            spread,
            1.0,
            SIGMA,
            f"mean high-low spread of the last {window} pairs of bars, negative ones 0, / ewma_volatility_96",
            "Corwin and Schultz 2012",
            {"window": window},
        ),
        Feature(
            f"bekker_parkinson_ratio_{window}",
            level,
            1.0,
            "log",
            f"log(mean of the volatility in the high-low spread's model over {window} pairs of bars, negative ones 0,"
            " / ewma_volatility_96), within 9.3; 0 without volatility",
            "Corwin and Schultz 2012; Lopez de Prado 2018, ch. 19",
            {"window": window},
        ),
    )


def abdi_ranaldo(window: int) -> Feature:
    """The spread from closes, highs and lows."""
    distance = apply(microstructure.midrange_distance, HIGH, LOW, CLOSE)
    pair = apply(microstructure.close_high_low, previous(distance), distance, LOG_RETURN)
    node = per_volatility(apply(ratios.root, mean(pair, window)), 1)
    meaning = (
        f"root of the mean of 4 (log close - log midrange)(log close - next log midrange) over {window} pairs of bars,"
        " 0 where it is negative, / ewma_volatility_96"
    )
    return Feature(f"abdi_ranaldo_{window}", node, 1.0, SIGMA, meaning, "Abdi and Ranaldo 2017", {"window": window})


def impact(
    name: str, covariation: Value, variation: Value, size: Value, window: int, what: str, source: str
) -> Feature:
    """The price move of an average order flow, by regression through the origin."""
    sums = (window_sum(covariation, window), window_sum(variation, window), window_sum(size, window))
    node = per_volatility(apply(microstructure.impact, *sums, params=(window,)), 1)
    meaning = (
        f"slope of log return on {what} over {window} bars, through the origin, times the mean size of that,"
        " / ewma_volatility_96; 0 without flow"
    )
    return Feature(f"{name}_{window}", node, 1.0, SIGMA, meaning, source, {"window": window})


def kyle(window: int) -> Feature:
    """Kyle's lambda with the tick rule."""
    return impact(
        "kyle_lambda",
        apply(ratios.product, SIZE, VOLUME),
        apply(ratios.square, VOLUME),
        VOLUME,
        window,
        "volume signed by the move",
        "Kyle 1985; Lopez de Prado 2018, ch. 19",
    )


def hasbrouck(window: int) -> Feature:
    """Hasbrouck's lambda with the tick rule."""
    both = apply(microstructure.root_dollars, VOLUME, CLOSE, outputs=2)
    root, dollars = Part(both, 0), Part(both, 1)
    return impact(
        "hasbrouck_lambda",
        apply(ratios.product, SIZE, root),
        dollars,
        root,
        window,
        "the square root of quote volume, signed by the move,",
        "Hasbrouck 2009; Lopez de Prado 2018, ch. 19",
    )


def illiquidity_trend(fast: int, slow: int) -> Feature:
    """Fast against slow price impact."""
    node = apply(ratios.log_level_ratio, span_ewma(ILLIQUIDITY, fast), span_ewma(ILLIQUIDITY, slow), params=(1.0,))
    meaning = (
        f"log of the exponential averages of |log return| / (volume close), span {fast} / span {slow}, within 18.5;"
        " 0 without moves"
    )
    return Feature(
        f"illiquidity_trend_{fast}_{slow}", node, 1.0, "log", meaning, "Amihud 2002", {"fast": fast, "slow": slow}
    )


def bulk(window: int) -> tuple[Feature, Feature]:
    """Imbalance and toxicity without trade signs."""
    share = apply(microstructure.bulk_imbalance, SCALED_RETURN)
    net = apply(ratios.product, share, VOLUME)
    volume = window_sum(VOLUME, window)
    what = f"volume, split by the normal distribution of return / ewma_volatility_96, over the last {window} bars"
    source = "Easley, Lopez de Prado and O'Hara 2012"
    return (
        Feature(
            f"bulk_imbalance_{window}",
            apply(ratios.ratio, window_sum(net, window), volume, params=(0.0,)),
            1.0,
            "1",
            f"bought minus sold share of {what}, -1 to 1; 0 without volume",
            source,
            {"window": window},
        ),
        Feature(
            f"bulk_vpin_{window}",
            apply(ratios.ratio, window_sum(apply(ratios.magnitude, net), window), volume, params=(0.0,)),
            1.0,
            "1",
            f"sum of |bought - sold| / sum of {what}, 0 to 1; 0 without volume",
            source,
            {"window": window},
        ),
    )


def effective_range(window: int) -> Feature:
    """How much of the distance travelled became range."""
    high, low = extreme(HIGH, window, 1.0), extreme(LOW, window, -1.0)
    node = apply(ratios.ratio, apply(ratios.difference, high, low), window_sum(TRUE_RANGE, window), params=(0.0,))
    meaning = f"(highest high - lowest low) / sum of true ranges of the last {window} bars, 0 to 1; 0 without range"
    return Feature(f"effective_range_{window}", node, 1.0, "1", meaning, "Dreiss 1993", {"window": window})


FEATURES = (
    roll_spread(96),
    *high_low(24),
    abdi_ranaldo(96),
    kyle(96),
    hasbrouck(96),
    z_feature("illiquidity", ILLIQUIDITY, "|log return| / (volume close), 0 without volume,", "Amihud 2002", 96),
    illiquidity_trend(8, 96),
    *bulk(48),
    effective_range(24),
    effective_range(96),
)
