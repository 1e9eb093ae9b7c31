"""The Sharpe ratio and how far it can be believed. Ratios here are per period, never annualised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from models.errors import ModelError
from models.statistics.long_run import weighted_sum

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


def sharpe_variance(sharpe: float, skewness: float, kurtosis: float) -> float:
    """Variance of the estimated Sharpe ratio of independent returns, times their number (Mertens 2002).

    Opdyke (2007) shows that it also holds for stationary ergodic returns; for normal ones (skewness 0, kurtosis
    3) it is Lo's (2002) 1 + SR² / 2.

    Parameters
    ----------
    sharpe
        Per period.
    skewness, kurtosis
        Of the returns; kurtosis is raw, not in excess of 3.

    Raises
    ------
    ModelError
        If no distribution has these moments (kurtosis is at least 1 + skewness²).

    Examples
    --------
    >>> sharpe_variance(0.5, 0.0, 3.0)
    1.125
    """
    if kurtosis < (1.0 + skewness**2) * (1.0 - 1e-9):
        raise ModelError(
            f"no returns have skewness {skewness} and raw kurtosis {kurtosis}, which is at least 1 + skewness²: "
            "was it given in excess of 3?"
        )
    return max(1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2, 0.0)


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

    Examples
    --------
    The paper's hedge fund, 24 months: fat tails and negative skewness make 98 % into 91 %.

    >>> round(probabilistic_sharpe(0.458, 24, -2.448, 10.164), 3), round(probabilistic_sharpe(0.458, 24, 0, 3), 3)
    (0.913, 0.982)
    """
    if np.isnan(sharpe):
        return float("nan")
    error = np.sqrt(sharpe_variance(sharpe, skewness, kurtosis))
    return float(ndtr((sharpe - benchmark) * np.sqrt(periods - 1.0) / error))


def minimum_track_record(
    sharpe: float, skewness: float, kurtosis: float, benchmark: float = 0.0, confidence: float = 0.95
) -> float:
    """Number of returns from which on `probabilistic_sharpe` exceeds a confidence (MinTRL, ibid.).

    Infinite if the ratio is not above its benchmark: no record is long enough.

    Parameters
    ----------
    sharpe, benchmark
        Per period.
    skewness, kurtosis
        Of the returns; kurtosis is raw.
    confidence
        Above one half.

    Raises
    ------
    ModelError
        If the confidence is not between one half and one.

    Examples
    --------
    The paper's: how many years of daily returns until a Sharpe ratio of 2 is known to be above 1?

    >>> day = 252**-0.5
    >>> round(minimum_track_record(2 * day, 0, 3, 1 * day) / 252, 2)
    2.73
    """
    if not 0.5 < confidence < 1.0:
        raise ModelError(f"a confidence of {confidence} is not between 0.5 and 1")
    if not sharpe > benchmark:
        return float("nan") if np.isnan(sharpe) else float("inf")
    ratio = float(ndtri(confidence)) / (sharpe - benchmark)
    return 1.0 + sharpe_variance(sharpe, skewness, kurtosis) * ratio**2


def expected_best_sharpe(trials: float, variance: float) -> float:
    """The Sharpe ratio that the best of some worthless trials reaches on average (ibid. 2014, eq. 1).

    The paper's approximation, from the Fisher–Tippett–Gnedenko theorem; `models.statistics.selection.expected_maximum`
    is exact. It is 1 to 3 % high from 5 trials on and low for 2 (0.52 for 0.564).

    Parameters
    ----------
    trials
        Their number, or their effective number (need not be whole). Below 2, nothing was chosen: 0.
    variance
        Of the trials' Sharpe ratios, per period squared.

    Examples
    --------
    >>> round(expected_best_sharpe(10, 1.0), 2)
    1.57
    """
    if trials < 2:
        return 0.0
    first, second = ndtri(1.0 - 1.0 / trials), ndtri(1.0 - 1.0 / (trials * np.e))
    return float(np.sqrt(variance) * ((1.0 - EULER) * first + EULER * second))


def deflated_sharpe(
    sharpe: float, periods: int, skewness: float, kurtosis: float, trials: float, variance: float
) -> float:
    """P(true Sharpe ratio > what the best of all trials reaches by luck) (Bailey and López de Prado 2014, eq. 2).

    Parameters
    ----------
    sharpe
        Of the chosen trial, per period. Annualised ratios give a wrong answer that looks right.
    periods
        Number of returns.
    skewness, kurtosis
        Of the chosen trial's returns; kurtosis is raw, not in excess of 3.
    trials
        All that were tried, or the number of independent ones among them (`models.statistics.trials`).
    variance
        Of the trials' Sharpe ratios, per period squared.

    Examples
    --------
    The paper's example: an annualised ratio of 2.5 over five years of daily returns, the best of 100 trials whose
    ratios have an annualised variance of one half.

    >>> sharpe, variance = 2.5 / 250**0.5, 0.5 / 250
    >>> round(deflated_sharpe(sharpe, 1250, -3, 10, 100, variance), 4)
    0.9004
    """
    return probabilistic_sharpe(sharpe, periods, skewness, kurtosis, expected_best_sharpe(trials, variance))


def influence_of_sharpe(returns: Floats) -> Floats:
    """What each return does to `sharpe_ratio`, to first order: the ratio's influence function, shape (n,)."""
    mean, deviation = float(returns.mean()), float(returns.std())
    scaled = (returns - mean) / deviation
    found: Floats = scaled - mean / deviation / 2.0 * (scaled**2 - 1.0)
    return found


def robust_error(returns: Floats, lags: int) -> float:
    """Standard error of `sharpe_ratio` under autocorrelation and fat tails (Lo 2002, GMM with Newey–West weights).

    Parameters
    ----------
    returns
        Per period, shape (n,).
    lags
        Lags of autocorrelation taken into account; with 0 it is Mertens' error, `sharpe_variance` at the sample's
        moments over n.
    """
    if not varies(returns):
        return float("nan")
    return float(np.sqrt(weighted_sum(influence_of_sharpe(returns), lags)) / len(returns))


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
