"""Data snooping: whether the best of many strategies is better than the benchmark, or just the best of many.

All tests take the same two things. ``excess``: what each strategy earned above the benchmark per period (or the
benchmark's loss minus the model's), shape (rows, strategies), *every* strategy that was tried. ``counts``: how often
each row counts in each draw of a block bootstrap (`models.statistics.resampling`), shape (draws, rows). The null
hypothesis is that no strategy is better in the mean.

p-values are (1 + draws at least as extreme) / (1 + draws): never zero, and valid for any number of draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.statistics.long_run import autocovariance
from models.statistics.resampling import drawn_means

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RealityCheck:
    """White's test: √n times the largest mean, its p-value, and which strategy it is."""

    statistic: float
    p_value: float
    best: int


@dataclass(frozen=True, slots=True)
class SuperiorAbility:
    """Hansen's test: the largest scaled mean or 0, its three p-values, and which strategy it is.

    ``consistent`` is the one to report. ``lower`` assumes that poor strategies are as poor as they look, ``upper`` that
    all are just as good as the benchmark (White's conservatism): far apart, they say that the set holds poor
    strategies.
    """

    statistic: float
    lower: float
    consistent: float
    upper: float
    best: int


@dataclass(frozen=True, slots=True, eq=False)
class Stepdown:
    """Romano and Wolf's test of each strategy, arrays of shape (strategies,).

    Whoever takes the strategies with a ``p_value`` of at most α for better is wrong about any of them with probability
    at most α. ``low``: lower bounds of the means, per period, that hold for all strategies together at 1 − α.
    """

    mean: Floats
    statistic: Floats
    p_value: Floats
    low: Floats

    def better(self, size: float = 0.05) -> Integers:
        """The strategies that are better than the benchmark, at a family-wise error rate."""
        return np.flatnonzero(self.p_value <= size)


def reality_check(excess: Floats, counts: Integers) -> RealityCheck:
    """White's reality check for data snooping (White 2000).

    Not studentised: a volatile strategy can hide a good one. `superior_ability` is more powerful.

    Raises
    ------
    ModelError
        If the shapes do not fit, or a value is not finite.

    Examples
    --------
    >>> from models.statistics.resampling import counts_of, stationary_indices
    >>> generator = np.random.default_rng(6)
    >>> excess = generator.normal(size=(500, 50))
    >>> counts = counts_of(stationary_indices(500, 5.0, 999, generator))
    >>> reality_check(excess, counts).p_value > 0.1
    True
    """
    _check(excess, counts)
    mean = excess.mean(axis=0)
    drawn = (drawn_means(excess, counts) - mean).max(axis=1)
    best = int(mean.argmax())
    return RealityCheck(float(mean[best]) * len(excess) ** 0.5, _p_value(drawn, float(mean[best])), best)


def stationary_error(excess: Floats, block: float) -> Floats:
    """Standard errors of the means under the stationary bootstrap, exactly, shape (strategies,).

    The expectation over all draws (Politis and Romano 1994; Hansen 2005).

    Parameters
    ----------
    excess
        Shape (rows, strategies).
    block
        Mean length of a block, in rows.

    Examples
    --------
    >>> values = np.random.default_rng(7).normal(size=(100, 1))
    >>> bool(np.isclose(stationary_error(values, 1.0), values.std() / 10))
    True
    """
    rows = len(excess)
    lag, go_on = np.arange(1, rows), 1.0 - 1.0 / block
    weight = (1.0 - lag / rows) * go_on**lag + lag / rows * go_on ** (rows - lag)
    covariance = autocovariance(excess)
    found: Floats = np.sqrt(np.maximum(covariance[0] + 2.0 * weight @ covariance[1:], 0.0) / rows)
    return found


def superior_ability(
    excess: Floats, counts: Integers, scale: Floats | None = None, error: Floats | None = None
) -> SuperiorAbility:
    """Hansen's test for superior predictive ability (SPA; Hansen 2005).

    Parameters
    ----------
    excess, counts
        See the module.
    scale
        What means are divided by to make them comparable, shape (strategies,). If absent, their standard errors as if
        rows were independent: any scale is valid, since the draws carry the dependence, and Hansen's own, the errors
        under dependence (`stationary_error`), are so noisy that the largest statistic is one whose error happens to be
        low: of 600 samples of 40 worthless strategies, 500 rows with an autocorrelation of 0.3, blocks of 10, it found
        skill in 16 % at a nominal 5 %, this one in 10 %. With ones, the p-values are `arch.bootstrap.SPA`'s.
    error
        Standard errors of the means under dependence, shape (strategies,), which tell the strategies that are too poor
        to matter. If absent, the spread of the means over the draws (at least 100).

    Raises
    ------
    ModelError
        If the shapes do not fit, a value is not finite, or a strategy beats the benchmark by a constant.

    Examples
    --------
    >>> from models.statistics.resampling import counts_of, stationary_indices
    >>> generator = np.random.default_rng(8)
    >>> excess = generator.normal(size=(500, 50))
    >>> excess[:, 3] += 0.3
    >>> found = superior_ability(excess, counts_of(stationary_indices(500, 5.0, 999, generator)))
    >>> found.best, found.consistent
    (3, 0.001)
    """
    _check(excess, counts)
    rows, mean, drawn = len(excess), excess.mean(axis=0), drawn_means(excess, counts)
    scale = _scale(excess, scale)
    poor = mean < -_errors(drawn, error) * (2.0 * np.log(np.log(rows))) ** 0.5
    statistic = float(max((mean / scale).max(), 0.0))
    lower, consistent, upper = (
        _p_value(np.maximum(((drawn - centre) / scale).max(axis=1), 0.0), statistic)
        for centre in (np.maximum(mean, 0.0), np.where(poor, 0.0, mean), mean)
    )
    return SuperiorAbility(statistic, lower, consistent, upper, int((mean / scale).argmax()))


def stepdown(excess: Floats, counts: Integers, scale: Floats | None = None, size: float = 0.05) -> Stepdown:
    """Which strategies are better, with the family-wise error rate controlled (StepM; Romano and Wolf 2005).

    The stepdown with adjusted p-values (Romano and Wolf 2016, 'Efficient computation of adjusted p-values'): the best
    strategy is held against the largest of all in each draw, the next against the largest of the others, and so on.

    Parameters
    ----------
    excess, counts, scale
        As in `superior_ability`.
    size
        The α of the lower bounds.

    Raises
    ------
    ModelError
        As in `superior_ability`.

    Examples
    --------
    >>> from models.statistics.resampling import counts_of, stationary_indices
    >>> generator = np.random.default_rng(9)
    >>> excess = generator.normal(size=(500, 50))
    >>> excess[:, [3, 4]] += 0.3
    >>> stepdown(excess, counts_of(stationary_indices(500, 5.0, 999, generator))).better()
    array([3, 4])
    """
    _check(excess, counts)
    mean, drawn = excess.mean(axis=0), drawn_means(excess, counts)
    scale = _scale(excess, scale)
    statistic, drawn = mean / scale, (drawn - mean) / scale
    order = np.argsort(-statistic, kind="stable")
    largest = np.maximum.accumulate(drawn[:, order[::-1]], axis=1)[:, ::-1]
    extreme = (largest >= statistic[order]).sum(axis=0)
    p_value = np.empty(len(mean))
    p_value[order] = np.maximum.accumulate((1.0 + extreme) / (1.0 + len(counts)))
    reach = float(np.quantile(largest[:, 0], 1.0 - size, method="higher"))
    return Stepdown(mean, statistic, p_value, mean - reach * np.where(np.isinf(scale), 0.0, scale))


def holm(p_values: Floats) -> Floats:
    """Adjusted p-values of several tests, however they depend on each other (Holm 1979); shape (tests,).

    Whoever rejects those of at most α rejects any true hypothesis with probability at most α.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).round(6).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * np.arange(len(p_values), 0, -1)
    found = np.empty(len(p_values))
    found[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return found


def _p_value(drawn: Floats, statistic: float) -> float:
    return float((1 + int((drawn >= statistic).sum())) / (1 + len(drawn)))


def _errors(drawn: Floats, given: Floats | None) -> Floats:
    if given is None and len(drawn) < 100:
        raise ModelError(f"{len(drawn)} draws are too few for standard errors: give at least 100, or the errors")
    return drawn.std(axis=0) if given is None else given


def _scale(excess: Floats, given: Floats | None) -> Floats:
    """What means are divided by; infinite for a strategy that is the benchmark itself."""
    constant = np.ptp(excess, axis=0) == 0
    if (constant & (excess[0] != 0)).any():
        raise ModelError(f"strategies {np.flatnonzero(constant).tolist()} differ from the benchmark by a constant")
    scale = excess.std(axis=0) / len(excess) ** 0.5 if given is None else given
    found: Floats = np.where(constant, np.inf, scale)
    if not (found > 0).all():
        raise ModelError(f"scales of strategies {np.flatnonzero(~(found > 0)).tolist()} are not positive")
    return found


def _check(excess: Floats, counts: Integers) -> None:
    if excess.ndim != 2 or counts.ndim != 2 or excess.shape[1] < 1 or len(excess) < 3:
        raise ModelError(
            f"excess of shape {excess.shape}, counts of {counts.shape}: give (rows, strategies), 3 rows or more"
        )
    if counts.shape[1] != len(excess) or (counts.sum(axis=1) != len(excess)).any():
        raise ModelError(
            f"draws of {counts.shape[1]} rows for {len(excess)} rows: each draw must hold as many as there are"
        )
    if not np.isfinite(excess).all():
        raise ModelError(f"{int((~np.isfinite(excess)).sum())} values are not finite: a missing return is not a zero")
