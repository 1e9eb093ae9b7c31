"""What choosing the best of many does to a Sharpe ratio, and what to take off again.

`models.statistics.sharpe.deflated_sharpe` answers the same question as a probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import log_ndtr, ndtr, ndtri

from models.errors import ModelError
from models.statistics.sharpe import expected_best_sharpe

Floats = NDArray[np.float64]
Method = Literal["bonferroni", "sidak", "holm", "benjamini_yekutieli"]


def expected_maximum(trials: float) -> float:
    """Mean of the largest of some independent standard normal numbers, exactly (to 1e-9), by quadrature.

    Parameters
    ----------
    trials
        How many; an effective number need not be whole.

    Raises
    ------
    ModelError
        If there is less than one trial.

    Examples
    --------
    >>> round(expected_maximum(2), 6), round(np.pi**-0.5, 6)
    (0.56419, 0.56419)
    """
    if not trials >= 1:
        raise ModelError(f"the largest of {trials} numbers: at least one is needed")
    middle = max(float(ndtri(0.5 ** (1.0 / trials))), 0.0)
    above = sum(
        quad(lambda x: -np.expm1(trials * log_ndtr(x)), *part, epsabs=1e-12, epsrel=1e-12)[0]
        for part in ((0.0, middle), (middle, middle + 12.0))
    )
    below = quad(lambda x: np.exp(trials * log_ndtr(x)), -40.0, 0.0, epsabs=1e-12, epsrel=1e-12, points=[-3.0])[0]
    return float(above - below)


def minimum_backtest_length(trials: float, sharpe: float = 1.0) -> float:
    """Years of backtest below which the best of some worthless trials reaches an annual Sharpe ratio on average.

    Source: Bailey, Borwein, López de Prado and Zhu (2014, 'Pseudo-mathematics and financial charlatanism'); with
    the paper's approximation of the expected maximum.

    Parameters
    ----------
    trials
        Independent configurations that were tried.
    sharpe
        Per year.

    Raises
    ------
    ModelError
        If the ratio is not positive.

    Examples
    --------
    The paper's: with five years of data, no more than 45 independent configurations.

    >>> minimum_backtest_length(45) < 5 < minimum_backtest_length(46)
    True
    """
    if not sharpe > 0:
        raise ModelError(f"an expected Sharpe ratio of {sharpe} per year is not positive")
    return (expected_best_sharpe(trials, 1.0) / sharpe) ** 2


def most_trials(years: float, sharpe: float = 1.0) -> int:
    """How many independent configurations some years bear (the inverse of `minimum_backtest_length`).

    Examples
    --------
    >>> most_trials(5)
    45
    """
    low, high = 1, 2
    while minimum_backtest_length(high, sharpe) <= years and high < 2**52:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if minimum_backtest_length(middle, sharpe) <= years else (low, middle)
    return low


def adjusted_p_values(p_values: Floats, method: Method) -> Floats:
    """p-values of many tests, each made honest about the others, in the given order, shape (n,).

    Parameters
    ----------
    p_values
        Of all tests that were made, shape (n,).
    method
        ``"bonferroni"``, ``"sidak"`` (independent tests) and ``"holm"`` bound the probability of any false discovery;
        ``"benjamini_yekutieli"`` bounds the expected share of false ones among the discoveries, under any dependence
        (Harvey and Liu 2015's BHY).

    Raises
    ------
    ModelError
        If a p-value is not between 0 and 1, or the method is unknown.

    Examples
    --------
    >>> adjusted_p_values(np.array([0.01, 0.02, 0.03]), "holm")
    array([0.03, 0.04, 0.04])
    """
    if len(p_values) == 0 or not ((p_values >= 0) & (p_values <= 1)).all():
        raise ModelError(f"p-values must be between 0 and 1, at least one of them: {p_values}")
    count, order = len(p_values), np.argsort(p_values, kind="stable")
    ranked = p_values[order]
    if method == "bonferroni":
        found = ranked * count
    elif method == "sidak":
        found = -np.expm1(count * np.log1p(-np.minimum(ranked, 1.0 - 1e-16)))
    elif method == "holm":
        found = np.maximum.accumulate(ranked * np.arange(count, 0, -1))
    elif method == "benjamini_yekutieli":
        harmonic = float((1.0 / np.arange(1, count + 1)).sum())
        found = np.minimum.accumulate((ranked * count * harmonic / np.arange(1, count + 1))[::-1])[::-1]
    else:
        raise ModelError(f"method {method!r} is not bonferroni, sidak, holm or benjamini_yekutieli")
    back = np.empty(count)
    back[order] = np.minimum(found, 1.0)
    return back


@dataclass(frozen=True, slots=True)
class Haircut:
    """A Sharpe ratio after the haircut: ``sharpe`` is what a single test with the adjusted p-value would have shown."""

    sharpe: float
    p_value: float
    adjusted_p_value: float
    haircut: float


def haircut_sharpe(sharpe: float, periods: int, trials: int, method: Method = "sidak") -> Haircut:
    """A Sharpe ratio, less what some tests of which it is the best explain (Harvey and Liu 2015, 'Backtesting').

    Parameters
    ----------
    sharpe
        Of the best trial, per period.
    periods
        Number of returns.
    trials
        Number of tests.
    method
        ``"sidak"`` is the paper's 1 − (1 − p)ᴺ, ``"bonferroni"`` its N p. The best of N is adjusted alike by Holm.

    Returns
    -------
    Haircut
        ``sharpe`` per period with the given one's sign, two-sided normal p-values, and the share that was cut off.

    Raises
    ------
    ModelError
        If there is no trial, or the method needs the other trials' ratios (`haircut_sharpes`).

    Examples
    --------
    The paper's: 0.75 per year over 20 years of months, the best of 200: p goes from 0.0008 to 0.15, the ratio to 0.32.

    >>> month = 12**-0.5
    >>> found = haircut_sharpe(0.75 * month, 240, 200)
    >>> round(found.p_value, 4), round(found.adjusted_p_value, 2), round(found.sharpe / month, 2)
    (0.0008, 0.15, 0.32)
    """
    if trials < 1 or method not in ("sidak", "bonferroni"):
        raise ModelError(f"{trials} trials by {method!r}: give at least one, and sidak or bonferroni")
    p_value = 2.0 * float(ndtr(-abs(sharpe) * periods**0.5))
    others = np.ones(trials - 1)
    return _haircut(sharpe, periods, p_value, float(adjusted_p_values(np.append(others, p_value), method)[-1]))


def haircut_sharpes(sharpes: Floats, periods: int, method: Method = "holm") -> list[Haircut]:
    """The haircut of each of all trials, given the Sharpe ratios of all (ibid.); parameters as in `haircut_sharpe`.

    Examples
    --------
    >>> [round(one.haircut, 2) for one in haircut_sharpes(np.array([0.3, 0.2, 0.1]), 240)]
    [0.05, 0.07, 0.0]
    """
    p_values = 2.0 * ndtr(-np.abs(sharpes) * periods**0.5)
    adjusted = adjusted_p_values(p_values, method)
    return [
        _haircut(float(one), periods, *map(float, pair)) for one, *pair in zip(sharpes, p_values, adjusted, strict=True)
    ]


def _haircut(sharpe: float, periods: int, p_value: float, adjusted: float) -> Haircut:
    left = float(np.copysign(-ndtri(adjusted / 2.0) / periods**0.5, sharpe)) if adjusted > p_value else sharpe
    return Haircut(left, p_value, adjusted, 1.0 - left / sharpe if sharpe else float("nan"))
