"""Volatility: its level, its ratios over horizons and estimators, its own variation, and the shape of returns."""

from __future__ import annotations

from features.blocks import (
    LOG_RETURN,
    RANGE_VARIANCES,
    SQUARED_RETURN,
    TRUE_RANGE,
    VARIANCE,
    apply,
    extreme,
    higher_moments,
    lagged_product,
    moments,
    per_volatility,
    span_ewma,
    wilder,
    window_sum,
)
from features.feature import Feature
from features.kernels import price, ratios
from features.nodes import CLOSE, Node, Part

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
    node = apply(
        ratios.coefficient_of_variation, *moments(apply(ratios.root, variance(span)), window), params=(window,)
    )
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


def shape(window: int) -> tuple[Feature, Feature]:
    """Skewness and kurtosis."""
    shift, first, second = moments(LOG_RETURN, window)
    third, fourth = higher_moments(LOG_RETURN, window)
    what = f"of the last {window} log returns, by population moments; 0 without dispersion"
    skew = apply(ratios.skewness, shift, first, second, third, params=(window,))
    tails = apply(ratios.excess_kurtosis, shift, first, second, third, fourth, params=(window,))
    return (
        Feature(f"skewness_{window}", skew, 1.0, "1", f"skewness {what}", "moments", {"window": window}),
        Feature(
            f"excess_kurtosis_{window}",
            tails,
            1.0,
            "1",
            f"kurtosis minus 3 {what}",
            "moments",
            {"window": window},
        ),
    )


def dependence(window: int) -> tuple[Feature, Feature]:
    """Lag-one autocorrelation, and the spread it implies."""
    shift, first, second = moments(LOG_RETURN, window)
    lagged, oldest = lagged_product(LOG_RETURN, window)
    inputs = (LOG_RETURN, oldest, shift, first, second, lagged)
    rho = apply(ratios.autocovariance_share, *inputs, params=(window,))
    return (
        Feature(
            f"autocorrelation_1_{window}",
            rho,
            1.0,
            "1",
            f"lag-one sample autocorrelation of the last {window} log returns, -1 to 1; 0 without dispersion",
            "Box and Jenkins 1976",
            {"window": window},
        ),
        Feature(
            f"roll_spread_{window}",
            apply(ratios.roll_spread, rho),
            1.0,
            "standard deviations",
            f"2 sqrt(-autocovariance) / standard deviation of {window} log returns; 0 where it is not negative",
            "Roll 1984, eq. 3",
            {"window": window},
        ),
    )


def variance_ratio(lag: int, window: int) -> Feature:
    """Variance of long against short returns."""
    long = window_sum(apply(ratios.square, window_sum(LOG_RETURN, lag)), window)
    short = window_sum(window_sum(SQUARED_RETURN, lag), window)
    node = apply(ratios.ratio, long, short, params=(1.0,))
    meaning = (
        f"sum of squared {lag}-bar log returns over the last {window} bars / sum of the squared one-bar returns,"
        f" 0 to {lag}; 1 without variance"
    )
    source = "Lo and MacKinlay 1988, about zero mean"
    return Feature(f"variance_ratio_{lag}_{window}", node, 1.0, "1", meaning, source, {"lag": lag, "window": window})


def excursion(window: int) -> tuple[Feature, Feature]:
    """Drawdown and run-up."""

    def one(sign: float, name: str, what: str) -> Feature:
        move = apply(price.log_ratio, CLOSE, extreme(CLOSE, window, sign)[0])
        meaning = f"log(close / {what} close of the last {window} bars) / (ewma_volatility_96 sqrt({window}))"
        node = per_volatility(move, window)
        return Feature(f"{name}_{window}", node, 1.0, "standard deviations", meaning, "own", {"window": window})

    return one(1.0, "drawdown", "highest"), one(-1.0, "runup", "lowest")


FEATURES = (
    ewma_volatility(96),
    ewma_volatility(24),
    volatility_ratio(12, 96),
    volatility_ratio(96, 384),
    *range_volatility(24),
    rogers_satchell(24),
    natr(14),
    volatility_of_volatility(16, 96),
    upside_share(24),
    upside_share(96),
    *shape(96),
    *dependence(96),
    variance_ratio(4, 96),
    variance_ratio(16, 96),
    *excursion(96),
    *excursion(384),
)
