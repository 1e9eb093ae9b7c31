"""Shape and memory of returns: higher moments, autocorrelation, variance over horizons, distance from extremes."""

from __future__ import annotations

from features.blocks import (
    LOG_RETURN,
    SQUARED_RETURN,
    apply,
    autocorrelation,
    dispersion,
    extreme,
    higher_moments,
    moments,
    per_volatility,
    window_sum,
)
from features.feature import Feature
from features.kernels import moments as centred
from features.kernels import price, ratios
from features.nodes import CLOSE, Node


def shape(window: int) -> tuple[Feature, Feature]:
    """Skewness and kurtosis."""
    second = moments(LOG_RETURN, window)[2]
    mean, _, variance, inverse = dispersion(LOG_RETURN, window)
    third, fourth = higher_moments(LOG_RETURN, window)
    what = f"of the last {window} log returns, by population moments; 0 without dispersion"
    skew = apply(centred.skewness, mean, second, third, inverse, params=(window,))
    tails = apply(centred.excess_kurtosis, mean, second, third, fourth, variance, inverse, params=(window,))
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


def dependence(lag: int, window: int) -> Feature:
    """Autocorrelation of returns."""
    meaning = (
        f"sample autocorrelation at lag {lag} of the last {window} log returns, -1 to 1;"
        " 0 where the standard deviation is below 1 % of the mean"
    )
    return Feature(
        f"autocorrelation_{lag}_{window}",
        autocorrelation(LOG_RETURN, lag, window),
        1.0,
        "1",
        meaning,
        "Box and Jenkins 1976",
        {"lag": lag, "window": window},
    )


def clustering(window: int) -> Feature:
    """Autocorrelation of the size of returns."""
    meaning = (
        f"lag-one sample autocorrelation of the last {window} absolute log returns, -1 to 1;"
        " 0 where the standard deviation is below 1 % of the mean"
    )
    node = autocorrelation(apply(ratios.magnitude, LOG_RETURN), 1, window)
    return Feature(f"size_autocorrelation_{window}", node, 1.0, "1", meaning, "own", {"window": window})


def sum_of_squares(lag: int, window: int) -> Node:
    """Of returns over some bars."""
    return window_sum(apply(ratios.square, window_sum(LOG_RETURN, lag)), window)


def variance_ratio(lag: int, window: int) -> Feature:
    """Variance of long against short returns."""
    short = window_sum(window_sum(SQUARED_RETURN, lag), window)
    node = apply(ratios.ratio, sum_of_squares(lag, window), short, params=(1.0,))
    meaning = (
        f"sum of squared {lag}-bar log returns over the last {window} bars / sum of the squared one-bar returns,"
        f" 0 to {lag}; 1 without variance"
    )
    source = "Lo and MacKinlay 1988, about zero mean"
    return Feature(f"variance_ratio_{lag}_{window}", node, 1.0, "1", meaning, source, {"lag": lag, "window": window})


def hurst(window: int) -> Feature:
    """How variance grows with the horizon."""
    sums = (window_sum(SQUARED_RETURN, window), *(sum_of_squares(lag, window) for lag in (2, 8, 16)))
    meaning = (
        f"Hurst exponent by aggregated variance: half the slope of log mean square on log lag (1, 2, 4, 8, 16) of the"
        f" overlapping log returns of the last {window} bars; 0.5 without variance"
    )
    node = apply(centred.hurst, *sums)
    return Feature(
        f"hurst_{window}", node, 1.0, "1", meaning, "Taqqu, Teverovsky and Willinger 1995", {"window": window}
    )


def fall(window: int, sign: float) -> Node:
    """Log close below the highest (1.0) or above the lowest (-1.0) close."""
    return apply(price.log_ratio, CLOSE, extreme(CLOSE, window, sign))


def excursion(window: int) -> tuple[Feature, Feature]:
    """Drawdown and run-up."""

    def one(sign: float, name: str, what: str) -> Feature:
        meaning = f"log(close / {what} close of the last {window} bars) / (ewma_volatility_96 sqrt({window}))"
        node = per_volatility(fall(window, sign), window)
        return Feature(f"{name}_{window}", node, 1.0, "standard deviations", meaning, "own", {"window": window})

    return one(1.0, "drawdown", "highest"), one(-1.0, "runup", "lowest")


def ulcer(window: int) -> Feature:
    """The root mean square drawdown."""
    squares = window_sum(apply(ratios.square, fall(window, 1.0)), window)
    node = per_volatility(apply(ratios.root, apply(ratios.linear, squares, params=(1.0 / window, 0.0))), window)
    meaning = (
        f"root mean square over {window} bars of log(close / highest close of {window} bars)"
        f" / (ewma_volatility_96 sqrt({window}))"
    )
    return Feature(
        f"ulcer_{window}", node, 1.0, "standard deviations", meaning, "Martin 1989, on log prices", {"window": window}
    )


def deepest(window: int) -> Feature:
    """The deepest drawdown of a window."""
    node = per_volatility(extreme(fall(window, 1.0), window, -1.0), window)
    meaning = (
        f"lowest log(close / highest close of {window} bars) of the last {window} bars"
        f" / (ewma_volatility_96 sqrt({window}))"
    )
    return Feature(f"deepest_drawdown_{window}", node, 1.0, "standard deviations", meaning, "own", {"window": window})


FEATURES = (
    *shape(96),
    *shape(384),
    *(dependence(lag, 96) for lag in (1, 2, 4, 8, 24)),
    clustering(96),
    *(variance_ratio(lag, 96) for lag in (2, 4, 8, 16)),
    hurst(96),
    *excursion(24),
    *excursion(96),
    *excursion(384),
    ulcer(24),
    deepest(96),
)
