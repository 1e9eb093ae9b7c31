"""Cross-asset: the instrument against the market, which is the mean of the panel's other members, and its rank.

These read the panel fields of a bar, which `features.panel` fills from all members' bars of the same interval.
"""

from __future__ import annotations

from features.blocks import (
    LOG_RETURN,
    VARIANCE,
    VOLATILITY_SPAN,
    apply,
    moments,
    per_volatility,
    previous,
    span_ewma,
    window_sum,
)
from features.feature import Feature
from features.kernels import cross, ratios
from features.nodes import COUNT, Block, Field, Node, Ring, Value

MARKET = Field("market_return")
MARKET_BEFORE = previous(MARKET)
MARKET_VARIANCE = span_ewma(apply(ratios.square, MARKET), VOLATILITY_SPAN)
MARKET_INVERSE_VOLATILITY = apply(ratios.inverse_root, MARKET_VARIANCE)
BREADTH = Field("market_breadth")
DISPERSION = Field("market_dispersion")
THE_MARKET = "the mean log return of the panel's other members"


def products(one: Value, other: Value, window: int) -> Node:
    """Shifted sum of products of two series over a window."""
    inputs = (one, Ring(one, window), other, Ring(other, window), COUNT, Block(window))
    return Node(cross.window_product, inputs, floats=window + 3, delay=window - 1)


def correlation(one: Value, other: Value, window: int) -> Node:
    """Pearson's correlation of two series over a window."""
    inputs = (*moments(one, window), *moments(other, window), products(one, other, window))
    return Node(cross.correlation, inputs, (window,))


def beta(window: int) -> Node:
    """The slope of the instrument's return on the market's."""
    _, first, _ = moments(LOG_RETURN, window)
    inputs = (first, *moments(MARKET, window), products(LOG_RETURN, MARKET, window))
    return Node(cross.slope, inputs, (window,))


def market_scaled(value: Value, bars: float) -> Node:
    """A log move of the market in units of its volatility."""
    return apply(ratios.scaled, value, MARKET_INVERSE_VOLATILITY, params=(1.0 / bars**0.5,))


def market_return() -> tuple[Feature, Feature]:
    """What the market did in this bar and in the one before."""
    unit = "market volatility"
    meaning = f"{THE_MARKET} over {{}}, divided by the square root of its exponential average square, span 96"
    return (
        Feature("market_return", market_scaled(MARKET, 1.0), 1.0, unit, meaning.format("this bar"), "own"),
        Feature(
            "market_return_before",
            market_scaled(MARKET_BEFORE, 1.0),
            1.0,
            unit,
            meaning.format("the bar before"),
            "own",
        ),
    )


def market_momentum(window: int) -> Feature:
    """What the market did over a window."""
    meaning = f"sum over {window} bars of {THE_MARKET}, per market volatility (span 96) and root of {window}"
    node = market_scaled(window_sum(MARKET, window), window)
    return Feature(f"market_momentum_{window}", node, 1.0, "market volatility", meaning, "own", {"window": window})


def market_beta(window: int) -> Feature:
    """Beta to the market."""
    meaning = (
        f"slope of the log return on {THE_MARKET}, over {window} bars, within 100; 0 where the market does not vary"
    )
    return Feature(f"market_beta_{window}", beta(window), 1.0, "1", meaning, "Sharpe 1964", {"window": window})


def market_correlation(window: int) -> Feature:
    """Correlation with the market."""
    meaning = f"correlation of the log return with {THE_MARKET}, over {window} bars; 0 where either does not vary"
    node = correlation(LOG_RETURN, MARKET, window)
    return Feature(f"market_correlation_{window}", node, 1.0, "1", meaning, "Pearson 1895", {"window": window})


def residual_return(window: int) -> Feature:
    """The part of this bar's return that the market does not explain."""
    node = per_volatility(apply(cross.residual, LOG_RETURN, beta(window), MARKET), 1.0)
    meaning = f"(log return - market_beta_{window} × {THE_MARKET}) / ewma_volatility_96"
    return Feature(f"residual_return_{window}", node, 1.0, "volatility", meaning, "own", {"window": window})


def relative_strength(window: int) -> Feature:
    """The instrument's momentum above the market's."""
    excess = apply(ratios.difference, LOG_RETURN, MARKET)
    meaning = f"sum over {window} bars of log return minus {THE_MARKET}, per ewma_volatility_96 and root of {window}"
    node = per_volatility(window_sum(excess, window), window)
    return Feature(f"relative_strength_{window}", node, 1.0, "volatility", meaning, "Levy 1967", {"window": window})


def lead_lag(window: int) -> tuple[Feature, Feature]:
    """Who moves first."""
    source, parameters = "Lo and MacKinlay 1990", {"window": window}
    follows = correlation(LOG_RETURN, MARKET_BEFORE, window)
    leads = correlation(previous(LOG_RETURN), MARKET, window)
    where = f"over {window} bars; 0 where either does not vary"
    return (
        Feature(
            f"market_leads_{window}",
            follows,
            1.0,
            "1",
            f"correlation of the log return with the bar before's {THE_MARKET}, {where}",
            source,
            parameters,
        ),
        Feature(
            f"leads_market_{window}",
            leads,
            1.0,
            "1",
            f"correlation of the log return one bar ago with {THE_MARKET}, {where}",
            source,
            parameters,
        ),
    )


def breadth(span: int) -> Feature:
    """How one-sided the market was lately."""
    meaning = f"exponential average, span {span}, of the share of other members that rose minus that of those that fell"
    return Feature(f"market_breadth_ewma_{span}", span_ewma(BREADTH, span), 1.0, "1", meaning, "own", {"span": span})


def dispersion_ratio(fast: int, slow: int) -> Feature:
    """Whether members move apart more than they used to."""
    node = apply(ratios.log_level_ratio, span_ewma(DISPERSION, fast), span_ewma(DISPERSION, slow), params=(1.0,))
    meaning = f"log of the members' return dispersion, exponential averages of span {fast} over {slow}; 0 without any"
    return Feature(f"dispersion_ratio_{fast}_{slow}", node, 1.0, "log", meaning, "own", {"fast": fast, "slow": slow})


def volatility_to_market() -> Feature:
    """Own volatility against the market's."""
    node = apply(ratios.log_level_ratio, VARIANCE, MARKET_VARIANCE, params=(0.5,))
    meaning = "log(ewma_volatility_96 / the market's), within 9.3; 0 without volatility"
    return Feature("volatility_to_market_96", node, 1.0, "log", meaning, "own", {"span": VOLATILITY_SPAN})


def rank(field: str, what: str, source: str, **parameters: float) -> Feature:
    """A rank field as it is."""
    meaning = f"rank of {what} among the panel's members, -1/2 lowest to 1/2 highest; 0 without comparison"
    node = apply(ratios.linear, Field(field), params=(1.0, 0.0))
    return Feature(f"cross_{field}", node, 1.0, "1", meaning, source, parameters)


def smooth_rank(span: int) -> Feature:
    """Who has been ahead lately, bar by bar."""
    meaning = f"exponential average, span {span}, of cross_return_rank"
    return Feature(
        f"cross_return_rank_ewma_{span}",
        span_ewma(Field("return_rank"), span),
        1.0,
        "1",
        meaning,
        "own",
        {"span": span},
    )


FEATURES = (
    *market_return(),
    market_momentum(24),
    market_momentum(96),
    market_beta(96),
    market_correlation(24),
    market_correlation(96),
    residual_return(96),
    relative_strength(24),
    relative_strength(96),
    *lead_lag(96),
    Feature(
        "market_breadth",
        apply(ratios.linear, BREADTH, params=(1.0, 0.0)),
        1.0,
        "1",
        "share of the panel's other members that rose in this bar minus that of those that fell",
        "own",
    ),
    breadth(16),
    dispersion_ratio(8, 96),
    volatility_to_market(),
    rank("return_rank", "this bar's log return", "own"),
    smooth_rank(16),
    rank("momentum_rank_24", "the log return over 24 bars", "Jegadeesh and Titman 1993", window=24),
    rank("momentum_rank_96", "the log return over 96 bars", "Jegadeesh and Titman 1993", window=96),
    rank(
        "volatility_rank", "the exponential average, span 96, of squared returns", "Ang, Hodrick, Xing and Zhang 2006"
    ),
    rank("volume_rank", "volume over its own exponential average, span 96, of the bars before", "own"),
)
