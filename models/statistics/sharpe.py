"""The Sharpe ratio and how far it can be believed. Ratios here are per period, never annualised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]
EULER = 0.5772156649015329


def varies(returns: Floats) -> bool:
    """Whether two returns differ; the variance of equal ones can be above zero by rounding."""
    return len(returns) > 1 and float(np.ptp(returns)) > 0 and float(np.var(returns)) > 0


def sharpe_ratio(returns: Floats) -> float:
    """Mean over standard deviation (with n − 1) of returns per period; NaN if they do not vary."""
    if not varies(returns):
        return float("nan")
    return float(np.mean(returns)) / float(np.std(returns, ddof=1))


def moments(returns: Floats) -> tuple[float, float]:
    """Skewness and raw kurtosis (3 for a normal distribution); NaN if the returns do not vary."""
    if not varies(returns):
        return float("nan"), float("nan")
    centred = returns - returns.mean()
    variance = float(np.mean(centred**2))
    return float(np.mean(centred**3)) / variance**1.5, float(np.mean(centred**4)) / variance**2


def probabilistic_sharpe(
    sharpe: float, periods: int, skewness: float, kurtosis: float, benchmark: float = 0.0
) -> float:
    """P(true Sharpe ratio > benchmark) (Bailey and López de Prado 2012, eq. 11).

    Parameters
    ----------
    sharpe, benchmark
        Per period.
    periods
        Number of returns.
    skewness, kurtosis
        Of the returns; kurtosis is raw, not in excess of 3.
    """
    variance = 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    return float(ndtr((sharpe - benchmark) * np.sqrt(periods - 1.0) / np.sqrt(variance)))


def expected_best_sharpe(trials: int, variance: float) -> float:
    """The Sharpe ratio that the best of some worthless trials reaches on average (ibid. 2014, eq. 1).

    ``variance``: of the trials' Sharpe ratios, per period squared.
    """
    if trials < 2:
        return 0.0
    first, second = ndtri(1.0 - 1.0 / trials), ndtri(1.0 - 1.0 / (trials * np.e))
    return float(np.sqrt(variance) * ((1.0 - EULER) * first + EULER * second))


def deflated_sharpe(
    sharpe: float, periods: int, skewness: float, kurtosis: float, trials: int, variance: float
) -> float:
    """P(true Sharpe ratio > what the best of all trials reaches by luck) (Bailey and López de Prado 2014, eq. 2).

    Examples
    --------
    The paper's example: an annualised ratio of 2.5 over five years of daily returns, the best of 100 trials whose
    ratios have an annualised variance of one half.

    >>> sharpe, variance = 2.5 / 250**0.5, 0.5 / 250
    >>> round(deflated_sharpe(sharpe, 1250, -3, 10, 100, variance), 4)
    0.9004
    """
    return probabilistic_sharpe(sharpe, periods, skewness, kurtosis, expected_best_sharpe(trials, variance))


def robust_error(returns: Floats, lags: int) -> float:
    """Standard error of `sharpe_ratio` under autocorrelation and fat tails (Lo 2002, GMM with Newey–West weights).

    Parameters
    ----------
    returns
        Per period, shape (n,).
    lags
        Lags of autocorrelation taken into account.
    """
    if not varies(returns):
        return float("nan")
    count = len(returns)
    mean, variance = float(returns.mean()), float(returns.var())
    sharpe = mean / variance**0.5
    influence = (returns - mean) / variance**0.5 - sharpe / 2.0 * ((returns - mean) ** 2 / variance - 1.0)
    total = float(influence @ influence)
    for lag in range(1, min(lags, count - 1) + 1):
        total += 2.0 * (1.0 - lag / (lags + 1.0)) * float(influence[lag:] @ influence[:-lag])
    return float(np.sqrt(max(total, 0.0)) / count)


def drawdown(equity: Floats) -> Floats:
    """The fraction below the highest value so far, at each point, shape (n,)."""
    found: Floats = 1.0 - equity / np.maximum.accumulate(equity)
    return found


def time_under_water(time: NDArray[np.int64], equity: Floats) -> int:
    """The longest stretch of time between a high and the first return to it, or the end (ns)."""
    below = drawdown(equity) > 0
    if not below.any():
        return 0
    high = np.maximum.accumulate(np.where(below, time[0], time))
    recovered = np.flatnonzero(below[:-1] & ~below[1:]) + 1
    waits = np.where(below, time - high, 0)
    previous_high = np.maximum.accumulate(np.where(below, np.iinfo(np.int64).min, np.arange(len(time))))
    to_recovery = time[recovered] - time[previous_high[recovered - 1]]
    return int(max(int(waits.max()), int(to_recovery.max()) if len(to_recovery) else 0))
