"""Trend: averages against averages, directional movement, age of extremes."""

from __future__ import annotations

from features.blocks import (
    LOG_RETURN,
    TRUE_RANGE,
    apply,
    ewma_distance,
    extreme_age,
    per_volatility,
    previous,
    span_ewma,
    weighted_distance,
    weighted_mean,
    wilder,
    window_sum,
)
from features.feature import Feature
from features.kernels import price, ratios, recursive, trend
from features.nodes import HIGH, LOW, Node, Part

SIGMA = "standard deviations"
WILDER = "Wilder 1978"


def macd(fast: int, slow: int, signal: int) -> tuple[Feature, Feature]:
    """Moving average convergence, of log prices, and its distance to its own average."""
    line = apply(ratios.difference, ewma_distance(LOG_RETURN, slow), ewma_distance(LOG_RETURN, fast))
    histogram = apply(ratios.difference, line, span_ewma(line, signal))
    meaning = f"exponential average of log close, span {fast}, minus that of span {slow}"
    unit = SIGMA
    spans = {"fast": fast, "slow": slow, "signal": signal}
    return (
        Feature(
            f"macd_{fast}_{slow}",
            per_volatility(line, slow),
            1.0,
            unit,
            f"({meaning}) / (ewma_volatility_96 sqrt({slow}))",
            "Appel 1979, on log prices",
            {"fast": fast, "slow": slow},
        ),
        Feature(
            f"macd_histogram_{fast}_{slow}_{signal}",
            per_volatility(histogram, slow),
            1.0,
            unit,
            f"({meaning}, minus its exponential average of span {signal}) / (ewma_volatility_96 sqrt({slow}))",
            "Appel 1979, on log prices",
            spans,
        ),
    )


def sides(period: int) -> tuple[Feature, Feature]:
    """Upward and downward directional index."""
    movement = apply(price.directional_movement, HIGH, LOW, previous(HIGH), previous(LOW), outputs=2)
    plus, minus = (
        Feature(
            f"{name}_di_{period}",
            apply(ratios.ratio, wilder(Part(movement, place), period), wilder(TRUE_RANGE, period), params=(0.0,)),
            1.0,
            "1",
            f"{sign}DI / 100 of period {period}, 0 to 1; 0 without range",
            WILDER,
            {"period": period},
        )
        for place, name, sign in ((0, "plus", "+"), (1, "minus", "-"))
    )
    return plus, minus


def directional(period: int) -> tuple[Feature, Feature]:
    """Wilder's directional system."""
    movement = apply(price.directional_movement, HIGH, LOW, previous(HIGH), previous(LOW), outputs=2)
    plus, minus = wilder(Part(movement, 0), period), wilder(Part(movement, 1), period)
    net = apply(ratios.ratio, apply(ratios.difference, plus, minus), wilder(TRUE_RANGE, period), params=(0.0,))
    strength = wilder(apply(ratios.directional_index, plus, minus), period)
    return (
        Feature(
            f"directional_difference_{period}",
            net,
            1.0,
            "1",
            f"(+DI - -DI) / 100 of period {period}, -1 to 1; 0 without range",
            WILDER,
            {"period": period},
        ),
        Feature(
            f"adx_{period}",
            strength,
            1.0,
            "1",
            f"average directional index / 100 of period {period}, 0 to 1; a bar without movement counts 0",
            WILDER,
            {"period": period},
        ),
    )


def aroon(period: int) -> tuple[Feature, ...]:
    """Age of the highest high and the lowest low of the last ``period + 1`` bars."""
    window = period + 1
    up = apply(ratios.age_share, extreme_age(HIGH, window, 1.0), params=(window,))
    down = apply(ratios.age_share, extreme_age(LOW, window, -1.0), params=(window,))
    both: tuple[tuple[str, str, Node], ...] = (
        ("up", f"1 - bars since the highest high of the last {window} bars / {period}", up),
        ("down", f"1 - bars since the lowest low of the last {window} bars / {period}", down),
    )
    return tuple(
        Feature(f"aroon_{name}_{period}", node, 1.0, "1", meaning, "Chande 1995", {"period": period})
        for name, meaning, node in both
    )


def aroon_oscillator(period: int) -> Feature:
    """Aroon up less Aroon down."""
    window = period + 1
    up, down = extreme_age(HIGH, window, 1.0), extreme_age(LOW, window, -1.0)
    node = apply(ratios.linear, apply(ratios.difference, down, up), params=(1.0 / period, 0.0))
    meaning = f"(bars since the lowest low - bars since the highest high of the last {window} bars) / {period}, -1 to 1"
    return Feature(f"aroon_oscillator_{period}", node, 1.0, "1", meaning, "Chande 1995", {"period": period})


def averages(span: int) -> tuple[Feature, Feature]:
    """Distances to the double and the triple exponential average."""
    distance = ewma_distance(LOG_RETURN, span)
    once = span_ewma(distance, span)
    twice = span_ewma(once, span)
    unit = f"(ewma_volatility_96 sqrt({span}))"
    return (
        Feature(
            f"dema_distance_{span}",
            per_volatility(apply(ratios.difference, distance, once), span),
            1.0,
            SIGMA,
            f"log close minus its double exponential average of span {span}: that is e + the average of (x - e),"
            f" with e the simple one, / {unit}",
            "Mulloy 1994, on log prices",
            {"span": span},
        ),
        Feature(
            f"tema_distance_{span}",
            per_volatility(apply(trend.triple_distance, distance, once, twice), span),
            1.0,
            SIGMA,
            f"log close minus its triple exponential average of span {span}: x - e less twice the average of it, plus"
            f" the average of that average, / {unit}",
            "Mulloy 1994, on log prices",
            {"span": span},
        ),
    )


def hull(window: int, half: int, root: int) -> Feature:
    """Distance to Hull's average."""
    ahead = apply(trend.twice_less, weighted_distance(LOG_RETURN, half), weighted_distance(LOG_RETURN, window))
    smooth = weighted_mean(ahead, root)
    node = per_volatility(apply(ratios.total, weighted_distance(LOG_RETURN, root), smooth), window)
    meaning = (
        f"log close minus the linearly weighted average over {root} bars of (twice that over {half} bars minus that"
        f" over {window} bars), / (ewma_volatility_96 sqrt({window}))"
    )
    return Feature(f"hma_distance_{window}", node, 1.0, SIGMA, meaning, "Hull 2005, on log prices", {"window": window})


def kama(window: int, fast: int, slow: int) -> Feature:
    """Distance to Kaufman's adaptive average."""
    whole, steps = window_sum(LOG_RETURN, window), window_sum(apply(ratios.magnitude, LOG_RETURN), window)
    share = apply(ratios.ratio, whole, steps, params=(0.0,))
    weight = apply(trend.adaptive_weight, share, params=(2.0 / (fast + 1.0), 2.0 / (slow + 1.0)))
    node = Node(recursive.ewma_distance, (LOG_RETURN, weight), floats=1, recursive=True)
    meaning = (
        f"log close minus its average with weight (efficiency_{window} between spans {fast} and {slow})^2, begun at the"
        f" close before, / (ewma_volatility_96 sqrt({slow}))"
    )
    return Feature(
        f"kama_distance_{window}_{fast}_{slow}",
        per_volatility(node, slow),
        1.0,
        SIGMA,
        meaning,
        "Kaufman 1995, on log prices",
        {"window": window, "fast": fast, "slow": slow},
    )


def vortex(window: int) -> Feature:
    """Upward less downward vortex."""
    movement = apply(trend.vortex_movement, HIGH, LOW, previous(HIGH), previous(LOW))
    node = apply(ratios.ratio, window_sum(movement, window), window_sum(TRUE_RANGE, window), params=(0.0,))
    meaning = (
        f"sum of |high - low before| - |low - high before| over {window} bars / sum of true ranges; 0 without range"
    )
    return Feature(f"vortex_{window}", node, 1.0, "1", meaning, "Botes and Siepman 2010", {"window": window})


def trix(span: int) -> Feature:
    """The slope of a triple exponential average."""
    node = span_ewma(span_ewma(span_ewma(LOG_RETURN, span), span), span)
    meaning = f"triple exponential average, span {span}, of log returns (the slope of that of log close), / volatility"
    return Feature(
        f"trix_{span}",
        per_volatility(node, 1),
        1.0,
        SIGMA,
        meaning,
        "Hutson 1983, on log prices",
        {"span": span},
    )


FEATURES = (
    *macd(5, 35, 5),
    *macd(12, 26, 9),
    *macd(24, 52, 18),
    *directional(14),
    *directional(48),
    *sides(14),
    vortex(24),
    *aroon(25),
    aroon_oscillator(96),
    trix(15),
    *averages(24),
    hull(25, 12, 5),
    kama(10, 2, 30),
)
