"""Sharpe ratios with their intervals, per period and per year.

A year's Sharpe ratio is √q times a period's only if returns are uncorrelated; Lo (2002) gives the factor η(q) that
holds for any stationary returns. All intervals here are analytic: the normal approximation with an influence function.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from models.errors import ModelError
from models.statistics.bootstrap import Interval
from models.statistics.long_run import autocorrelation, usual_lags, weighted_sum
from models.statistics.sharpe import influence_of_sharpe, robust_error, sharpe_ratio, varies

Floats = NDArray[np.float64]


def normal_interval(value: float, error: float, level: float = 0.95) -> Interval:
    """The central interval of a normally distributed estimate.

    Examples
    --------
    >>> found = normal_interval(1.0, 0.5)
    >>> found.value, round(found.low, 2), round(found.high, 2)
    (1.0, 0.02, 1.98)
    """
    reach = float(ndtri(0.5 + level / 2.0)) * error
    return Interval(value, value - reach, value + reach)


def sharpe_interval(returns: Floats, lags: int = 0, level: float = 0.95) -> Interval:
    """The Sharpe ratio per period and its interval; NaN if the returns do not vary.

    Parameters
    ----------
    returns
        Per period, shape (n,).
    lags
        0: for independent returns of any distribution (Mertens 2002, Opdyke 2007). More: also under autocorrelation
        over so many periods (Lo 2002, by GMM; Newey–West weights).
    level
        Of confidence.

    Examples
    --------
    >>> returns = np.random.default_rng(1).normal(0.1, 1.0, 1000)
    >>> found = sharpe_interval(returns)
    >>> round(found.low, 3), round(found.value, 3), round(found.high, 3)
    (-0.016, 0.046, 0.108)
    """
    return normal_interval(sharpe_ratio(returns), robust_error(returns, lags), level)


def annual_factor(correlation: Floats, periods_per_year: int) -> float:
    """By what a Sharpe ratio per period is multiplied to be one per year: η(q) (Lo 2002).

    Parameters
    ----------
    correlation
        Autocorrelations of the returns at lags 1, 2, …; beyond the last they count as zero. Shape (lags,).
    periods_per_year
        The paper's q.

    Returns
    -------
    float
        NaN if no stationary returns have these autocorrelations (the year's variance would not be positive).

    Examples
    --------
    Monthly returns with an autocorrelation of 0.2, geometrically decaying: not √12 = 3.46.

    >>> round(annual_factor(0.2 ** np.arange(1, 12), 12), 2)
    2.88
    """
    variance = _variance_of_sum(correlation, periods_per_year)
    return periods_per_year / float(np.sqrt(variance)) if variance > 0 else float("nan")


def _variance_of_sum(correlation: Floats, periods: int) -> float:
    """Variance of the sum of some consecutive returns, in units of one return's."""
    lag = np.arange(1, min(len(correlation), periods - 1) + 1)
    return periods + 2.0 * float((periods - lag) @ correlation[: len(lag)])


def annual_sharpe(returns: Floats, periods_per_year: int, lags: int, level: float = 0.95) -> Interval:
    """The Sharpe ratio per year under autocorrelation, and its interval (Lo 2002).

    The interval allows for the estimation of the autocorrelations too (delta method, Newey–West weights over the longer
    of ``lags`` and the usual rule).

    Parameters
    ----------
    returns
        Per period, shape (n,).
    periods_per_year
        How many periods a year has.
    lags
        Autocorrelations that are estimated; with 0 the factor is √q.
    level
        Of confidence.

    Raises
    ------
    ModelError
        If there are fewer returns than four times the lags: their autocorrelations would be noise.

    Examples
    --------
    Smoothed returns look better than they are:

    >>> noise = np.random.default_rng(2).normal(0.1, 1.0, 2001)
    >>> smooth = (noise[1:] + noise[:-1]) / 2
    >>> round(annual_sharpe(smooth, 12, 0).value / annual_sharpe(noise, 12, 0).value, 2)
    1.42
    >>> round(annual_sharpe(smooth, 12, 1).value / annual_sharpe(noise, 12, 1).value, 2)
    1.01
    """
    if len(returns) < 4 * max(lags, 1):
        raise ModelError(f"{len(returns)} returns are too few for {lags} autocorrelations: at least {4 * max(lags, 1)}")
    if not varies(returns):
        return Interval(float("nan"), float("nan"), float("nan"))
    correlation = autocorrelation(returns, lags)
    factor, sharpe = annual_factor(correlation, periods_per_year), sharpe_ratio(returns)
    influence = factor * influence_of_sharpe(returns)
    influence += sharpe * _influence_of_factor(returns, correlation, periods_per_year)
    error = float(np.sqrt(weighted_sum(influence, max(lags, usual_lags(len(returns)))))) / len(returns)
    return normal_interval(factor * sharpe, error, level)


def _influence_of_factor(returns: Floats, correlation: Floats, periods: int) -> Floats:
    """Influence of each return on η(q) by way of the autocorrelations, shape (n,)."""
    scaled = (returns - returns.mean()) / returns.std()
    slope = -periods / _variance_of_sum(correlation, periods) ** 1.5
    found = np.zeros(len(returns))
    for lag in range(1, min(len(correlation), periods - 1) + 1):
        now, before = scaled[lag:], scaled[:-lag]
        found[lag:] += slope * (periods - lag) * (now * before - correlation[lag - 1] * (now**2 + before**2) / 2.0)
    return found
