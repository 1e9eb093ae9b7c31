"""Two strategies or models on the same market, which rise and fall together: whether one is better.

Both are resampled by the same blocks of time, so what they share cancels. Strategies are compared by their returns per
period, models by their losses row by row (`weighted_difference`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from models.errors import ModelError
from models.statistics.bootstrap import Interval, TimeBlocks, percentiles, weighted_means
from models.statistics.long_run import usual_lags, weighted_sum
from models.statistics.resampling import circular_indices, drawn_means
from models.statistics.sharpe import influence_of_sharpe, sharpe_ratio, varies

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The first strategy's figure minus the second's, per period, and the two-sided p-value of no difference."""

    difference: Interval
    p_value: float


def mean_difference(one: Floats, other: Floats, counts: Integers, level: float = 0.95) -> Comparison:
    """Compare mean returns by a paired block bootstrap: `weighted_difference` of rows that count alike.

    Parameters
    ----------
    one, other
        Returns per period over the same rows, shape (rows,).
    counts
        Draws (`models.statistics.resampling.counts_of`), shape (draws, rows).
    level
        Of confidence.

    Raises
    ------
    ModelError
        If the shapes do not fit.

    Examples
    --------
    >>> from models.statistics.resampling import counts_of, stationary_indices
    >>> generator = np.random.default_rng(11)
    >>> market = generator.normal(size=500)
    >>> one, other = market + 0.03, market + 0.1 * generator.normal(size=500)
    >>> found = mean_difference(one, other, counts_of(stationary_indices(500, 5.0, 999, generator)))
    >>> found.difference.low > 0, found.p_value
    (True, 0.001)
    """
    rows = counts.shape[1]
    return weighted_difference(one, other, np.ones(rows), TimeBlocks(np.arange(rows), counts), level)


def weighted_difference(
    one: Floats, other: Floats, weight: Floats, blocks: TimeBlocks, level: float = 0.95
) -> Comparison:
    """Compare weighted means of rows, of which several may be of one time, by blocks of time; a percentile interval.

    Parameters
    ----------
    one, other, weight
        Values (losses, say) and weights of the same rows, shape (rows,).
    blocks
        Of the same rows.
    level
        Of confidence.

    Raises
    ------
    ModelError
        If the shapes do not fit.

    Examples
    --------
    >>> from models.statistics.bootstrap import time_blocks
    >>> generator = np.random.default_rng(11)
    >>> hard = generator.normal(size=500)
    >>> found = weighted_difference(hard + 0.1, hard, np.ones(500), time_blocks(np.arange(500), 1, 5, 999, 3))
    >>> round(found.difference.low, 6), found.p_value
    (0.1, 0.001)
    """
    _check(one, other, len(blocks.cell))
    difference = one - other
    value = float(np.average(difference, weights=weight))
    return _comparison(value, weighted_means(difference, weight, blocks), level)


def sharpe_difference(one: Floats, other: Floats, counts: Integers, level: float = 0.95) -> Comparison:
    """Compare Sharpe ratios by a paired block bootstrap; a percentile interval. Parameters as in `mean_difference`.

    Simple, and a little too sure of itself in small samples: `studentised_sharpe_difference` is not.

    Raises
    ------
    ModelError
        If the shapes do not fit, or a strategy's returns do not vary, in the sample or in a draw.
    """
    _check(one, other, counts.shape[1])
    rows = len(one)
    sums = drawn_means(np.stack([one, one * one, other, other * other], axis=1), counts)
    spread = sums[:, 1::2] - sums[:, ::2] ** 2
    if not (varies(one) and varies(other)) or not (spread > 1e-12 * sums[:, 1::2]).all():
        raise ModelError("a strategy's returns do not vary, or not in every draw: it has no Sharpe ratio")
    ratio = sums[:, ::2] / np.sqrt(spread * rows / (rows - 1.0))
    return _comparison(sharpe_ratio(one) - sharpe_ratio(other), ratio[:, 0] - ratio[:, 1], level)


def studentised_sharpe_difference(
    one: Floats, other: Floats, block: int, draws: int, generator: Generator, level: float = 0.95
) -> Comparison:
    """Compare Sharpe ratios by the studentised circular block bootstrap; a symmetric interval.

    Source: Ledoit and Wolf (2008, 'Robust performance hypothesis testing with the Sharpe ratio'), section 3.2: the
    sample's error is a HAC estimate (here with Newey–West weights), each draw's is the spread over its own blocks. A
    draw in which the two do not differ, or one does not vary, counts as farther off than all others.

    Parameters
    ----------
    one, other
        Returns per period over the same rows, shape (rows,).
    block
        Rows in a block; the rows after the last whole block are not drawn.
    draws
        How many.
    generator
        Where the numbers come from.
    level
        Of confidence.

    Raises
    ------
    ModelError
        If the shapes do not fit, there are fewer than four blocks, a strategy's returns do not vary, the two differ by
        a factor only, or on so few rows that many a draw holds none of them.

    Examples
    --------
    >>> generator = np.random.default_rng(12)
    >>> one, other = generator.normal(0.2, 1.0, (2, 500))
    >>> found = studentised_sharpe_difference(one, other, 5, 499, generator)
    >>> found.difference.low < 0 < found.difference.high, found.p_value > 0.05
    (True, True)
    """
    _check(one, other, len(one))
    count = len(one) // block * block if block >= 1 else 0
    if count < 4 * block or count == 0 or not (varies(one) and varies(other)):
        raise ModelError(f"{len(one)} rows in blocks of {block}: at least four blocks of returns that vary are needed")
    influence = influence_of_sharpe(one) - influence_of_sharpe(other)
    error = weighted_sum(influence, max(usual_lags(len(one)), block - 1)) ** 0.5 / len(one)
    value = sharpe_ratio(one) - sharpe_ratio(other)
    if not error > 1e-9 * abs(sharpe_ratio(one)):
        raise ModelError("the two strategies' returns differ by a factor only: their Sharpe ratios are equal")
    drawn = np.stack([one, other])[:, circular_indices(len(one), block, draws, generator)[:, :count]]
    ratio, spread = _block_errors(drawn, block)
    told = spread > 1e-9 * error
    if np.mean(~told) > (1.0 - level) / 2.0:
        raise ModelError(
            f"the two strategies' returns differ on {np.count_nonzero(one != other):,} of {len(one):,} rows, and in "
            f"{np.count_nonzero(~told):,} of {draws:,} draws do not differ or do not vary: too few to resample"
        )
    distance = np.divide(np.abs(ratio - value), spread, out=np.full(draws, np.inf), where=told)
    reach = float(np.quantile(distance, level, method="higher")) * error
    p_value = (1 + int((distance >= abs(value) / error).sum())) / (1 + draws)
    return Comparison(Interval(value, value - reach, value + reach), p_value)


def _block_errors(drawn: Floats, block: int) -> tuple[Floats, Floats]:
    """The difference of Sharpe ratios in each draw and its error over the draw's blocks; from (2, draws, rows).

    NaN where the returns of one do not vary.
    """
    rows = drawn.shape[2]
    mean, deviation = drawn.mean(axis=2, keepdims=True), drawn.std(axis=2, keepdims=True)
    constant = deviation <= 1e-9 * np.abs(drawn).max(axis=2, keepdims=True)
    deviation = np.where(constant, np.nan, deviation)
    scaled, ratio = (drawn - mean) / deviation, mean / deviation
    influence = scaled - ratio / 2.0 * (scaled**2 - 1.0)
    difference = (influence[0] - influence[1]).reshape(drawn.shape[1], -1, block).sum(axis=2)
    error = np.sqrt((difference**2).sum(axis=1)) / rows
    correction = ((rows - 1.0) / rows) ** 0.5
    return correction * (ratio[0, :, 0] - ratio[1, :, 0]), error


def _comparison(value: float, drawn: Floats, level: float) -> Comparison:
    extreme = int((np.abs(drawn - value) >= abs(value)).sum())
    return Comparison(Interval(value, *percentiles(drawn, level)), (1 + extreme) / (1 + len(drawn)))


def _check(one: Floats, other: Floats, rows: int) -> None:
    if one.ndim != 1 or one.shape != other.shape or len(one) != rows or rows < 3:
        raise ModelError(
            f"returns of shapes {one.shape} and {other.shape}, draws of {rows} rows: they must be the same rows"
        )
