"""Volatility: its level, its ratios over horizons and estimators, jumps, and its own variation."""

from __future__ import annotations

import math

from features.blocks import (
    BODY,
    CLOSE_BEFORE,
    LOG_RETURN,
    RANGE_VARIANCES,
    SQUARED_RETURN,
    TRUE_RANGE,
    VARIANCE,
    apply,
    dispersion,
    previous,
    span_ewma,
    wilder,
    window_sum,
)
from features.feature import Feature
from features.kernels import moments as centred
from features.kernels import price, ratios
from features.nodes import CLOSE, OPEN, Kernel, Node, Part

LEVEL = "log return per bar"


def variance(span: int) -> Node:
    """Exponential average of squared log returns."""
    return span_ewma(SQUARED_RETURN, span)


def ewma_volatility(span: int) -> Feature:
    """The per-bar standard deviation of log returns; that of span 96 scales labels, barriers, sizes and features."""
    meaning = f"square root of the exponential average, span {span}, weights normalised, of squared log returns"
    node = apply(ratios.root, variance(span))
    return Feature(f"ewma_volatility_{span}", node, 1e-3, LEVEL, meaning, "RiskMetrics 1996", {"span": span})


def volatility_ratio(fast: int, slow: int) -> Feature:
    """Fast against slow volatility."""
    node = apply(ratios.log_level_ratio, variance(fast), variance(slow), params=(0.5,))
    meaning = f"log(ewma_volatility_{fast} / ewma_volatility_{slow}), within 9.3; 0 without volatility"
    return Feature(f"volatility_ratio_{fast}_{slow}", node, 1.0, "log", meaning, "own", {"fast": fast, "slow": slow})


def range_volatility(window: int) -> tuple[Feature, ...]:
    """Range estimators of volatility against the exponential average of squared returns."""

    def one(place: int, name: str, source: str) -> Feature:
        mean = apply(ratios.linear, window_sum(Part(RANGE_VARIANCES, place), window), params=(1.0 / window, 0.0))
        node = apply(ratios.log_level_ratio, mean, VARIANCE, params=(0.5,))
        meaning = f"log({source} volatility over {window} bars / ewma_volatility_96), within 9.3; 0 without volatility"
        return Feature(f"{name}_ratio_{window}", node, 1.0, "log", meaning, f"{source} 1980", {"window": window})

    return (
        one(0, "parkinson", "Parkinson"),
        one(1, "garman_klass", "Garman-Klass"),
    )


def rogers_satchell(window: int) -> Feature:
    """The range estimator that allows for drift."""
    mean = apply(ratios.linear, window_sum(Part(RANGE_VARIANCES, 2), window), params=(1.0 / window, 0.0))
    node = apply(ratios.log_level_ratio, mean, VARIANCE, params=(0.5,))
    meaning = (
        f"log(Rogers-Satchell volatility over {window} bars / ewma_volatility_96), within 9.3; 0 without volatility"
    )
    return Feature(
        f"rogers_satchell_ratio_{window}", node, 1.0, "log", meaning, "Rogers and Satchell 1991", {"window": window}
    )


def natr(period: int) -> Feature:
    """Average true range relative to the close."""
    node = apply(ratios.ratio, wilder(TRUE_RANGE, period), CLOSE, params=(0.0,))
    meaning = f"average true range of period {period} / close"
    return Feature(f"natr_{period}", node, 1e-3, "1", meaning, "Wilder 1978", {"period": period})


def volatility_of_volatility(span: int, window: int) -> Feature:
    """How much volatility itself varies."""
    node = apply(centred.coefficient_of_variation, *dispersion(apply(ratios.root, variance(span)), window)[1:])
    meaning = f"standard deviation / mean of ewma_volatility_{span} over the last {window} bars; 0 without dispersion"
    return Feature(
        f"volatility_of_volatility_{span}_{window}", node, 1.0, "1", meaning, "own", {"span": span, "window": window}
    )


def upside_share(window: int) -> Feature:
    """Upside semivariance."""
    up = window_sum(apply(ratios.positive_square, LOG_RETURN), window)
    node = apply(ratios.ratio, up, window_sum(SQUARED_RETURN, window), params=(0.5,))
    meaning = f"share of positive returns in the sum of squared log returns of {window} bars; 0.5 without any"
    source = "Barndorff-Nielsen, Kinnebrock and Shephard 2010"
    return Feature(f"upside_variance_share_{window}", node, 1.0, "1", meaning, source, {"window": window})


def close_to_close(window: int) -> Feature:
    """Volatility about the window's own mean."""
    node = apply(ratios.log_level_ratio, dispersion(LOG_RETURN, window)[2], VARIANCE, params=(0.5,))
    meaning = (
        f"log(population standard deviation of {window} log returns / ewma_volatility_96), within 9.3;"
        " 0 without volatility"
    )
    return Feature(f"close_to_close_ratio_{window}", node, 1.0, "log", meaning, "own", {"window": window})


def yang_zhang(window: int) -> Feature:
    """The estimator that allows for drift and for gaps between bars."""
    gap = apply(price.log_ratio, OPEN, CLOSE_BEFORE)
    inputs = dispersion(gap, window)[2], dispersion(BODY, window)[2], window_sum(Part(RANGE_VARIANCES, 2), window)
    node = apply(ratios.log_level_ratio, apply(centred.yang_zhang, *inputs, params=(window,)), VARIANCE, params=(0.5,))
    meaning = f"log(Yang-Zhang volatility over {window} bars / ewma_volatility_96), within 9.3; 0 without volatility"
    return Feature(f"yang_zhang_ratio_{window}", node, 1.0, "log", meaning, "Yang and Zhang 2000", {"window": window})


def bipower(window: int) -> tuple[Feature, Feature]:
    """Volatility without jumps, and the share of jumps."""
    neighbours = apply(ratios.magnitude, apply(ratios.product, LOG_RETURN, previous(LOG_RETURN)))
    total, squares = window_sum(neighbours, window - 1), window_sum(SQUARED_RETURN, window)
    mean = apply(ratios.linear, total, params=(0.5 * math.pi / (window - 1.0), 0.0))
    source = "Barndorff-Nielsen and Shephard 2004"
    return (
        Feature(
            f"bipower_ratio_{window}",
            apply(ratios.log_level_ratio, mean, VARIANCE, params=(0.5,)),
            1.0,
            "log",
            f"log(bipower volatility over {window} log returns / ewma_volatility_96), within 9.3; 0 without volatility",
            source,
            {"window": window},
        ),
        Feature(
            f"jump_share_{window}",
            apply(centred.jump_share, total, squares, params=(window,)),
            1.0,
            "1",
            f"1 - bipower variation / realised variance of {window} log returns, at least 0; 0 without variance",
            source,
            {"window": window},
        ),
    )


def semivariance(window: int) -> tuple[Feature, Feature]:
    """Upside and downside volatility against that of both sides."""

    def one(name: str, kernel: Kernel, what: str) -> Feature:
        mean = apply(ratios.linear, window_sum(apply(kernel, LOG_RETURN), window), params=(2.0 / window, 0.0))
        node = apply(ratios.log_level_ratio, mean, VARIANCE, params=(0.5,))
        meaning = (
            f"log(root of twice the mean square of {what} log returns, others 0, of {window} / ewma_volatility_96),"
            " within 9.3; 0 without volatility"
        )
        source = "Barndorff-Nielsen, Kinnebrock and Shephard 2010"
        return Feature(f"{name}_ratio_{window}", node, 1.0, "log", meaning, source, {"window": window})

    return one("upside", ratios.positive_square, "positive"), one("downside", ratios.negative_square, "negative")


def range_expansion(period: int) -> Feature:
    """The newest range against the average."""
    node = apply(ratios.log_level_ratio, TRUE_RANGE, wilder(TRUE_RANGE, period), params=(1.0,))
    meaning = f"log(true range / average true range of period {period}), within 18.5; 0 without range"
    return Feature(f"range_expansion_{period}", node, 1.0, "log", meaning, "own", {"period": period})


FEATURES = (
    ewma_volatility(96),
    ewma_volatility(24),
    volatility_ratio(4, 24),
    volatility_ratio(12, 96),
    volatility_ratio(96, 384),
    close_to_close(24),
    close_to_close(96),
    *range_volatility(24),
    rogers_satchell(24),
    *range_volatility(96),
    rogers_satchell(96),
    yang_zhang(24),
    yang_zhang(96),
    *bipower(24),
    *bipower(96),
    natr(14),
    natr(48),
    range_expansion(14),
    volatility_of_volatility(16, 96),
    volatility_of_volatility(48, 192),
    upside_share(24),
    upside_share(96),
    *semivariance(96),
)
