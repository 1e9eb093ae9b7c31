"""Resampled time: stationary and circular block bootstraps, and how long their blocks should be.

A draw is given by its *indices* (which row stands at which place) or by its *counts* (how often each row was drawn).
Counts are enough for whatever is a function of sums: means, Sharpe ratios, and all of `models.statistics.snooping`. All
columns of a table share a draw, so what moves together stays together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from models.errors import ModelError
from models.statistics.bootstrap import Interval, percentiles
from models.statistics.long_run import autocovariance
from models.statistics.stationary_draws import follow

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def stationary_indices(rows: int, block: float, draws: int, generator: Generator) -> Integers:
    """Draws of the stationary bootstrap (Politis and Romano 1994): blocks of geometric length, around the end.

    Parameters
    ----------
    rows
        Rows of the sample, and of each draw.
    block
        Mean length of a block, in rows, at least 1 (which draws independent rows). Need not be whole.
    draws
        How many.
    generator
        Where the numbers come from.

    Returns
    -------
    Integers
        Row numbers, shape (draws, rows).

    Raises
    ------
    ModelError
        If there is no row or draw, or blocks are shorter than one row or longer than the sample.

    Examples
    --------
    >>> stationary_indices(8, 4.0, 1, np.random.default_rng(1))
    array([[4, 5, 4, 5, 6, 7, 0, 1]])
    """
    _check(rows, block, draws)
    found = np.empty((draws, rows), np.int64)
    follow(generator.random((draws, rows)), 1.0 / block, found)
    return found


def circular_indices(rows: int, block: int, draws: int, generator: Generator) -> Integers:
    """Draws of the circular block bootstrap (Politis and Romano 1992): blocks of one length, around the end.

    The last block is cut so that a draw has as many rows as the sample. Parameters and errors as in
    `stationary_indices`.

    Examples
    --------
    >>> circular_indices(7, 3, 1, np.random.default_rng(1))
    array([[3, 4, 5, 3, 4, 5, 5]])
    """
    _check(rows, block, draws)
    begin = generator.integers(0, rows, (draws, -(-rows // block)))
    found: Integers = ((begin[:, :, None] + np.arange(block)).reshape(draws, -1)[:, :rows]) % rows
    return found


def _check(rows: int, block: float, draws: int) -> None:
    if rows < 1 or draws < 1 or not 1 <= block <= rows:
        raise ModelError(f"{draws} draws of blocks of {block} from {rows} rows: blocks are 1 to {rows} rows long")


def counts_of(indices: Integers) -> Integers:
    """How often each row stands in each draw, shape (draws, rows) as the indices.

    Examples
    --------
    >>> counts_of(np.array([[2, 2, 0]]))
    array([[1, 0, 2]])
    """
    draws, rows = indices.shape
    place = indices + rows * np.arange(draws)[:, None]
    return np.bincount(place.ravel(), minlength=draws * rows).reshape(draws, rows).astype(np.int64)


def drawn_means(values: Floats, counts: Integers) -> Floats:
    """The mean of each column in each draw, shape (draws, columns), of values of shape (rows, columns)."""
    found: Floats = counts.astype(np.float64) @ values / len(values)
    return found


def bootstrap_interval(
    statistic: Callable[[Floats], float], values: Floats, indices: Integers, level: float = 0.95
) -> Interval:
    """Any statistic and its percentile interval over draws.

    Parameters
    ----------
    statistic
        Of an array like ``values``.
    values
        Shape (rows,) or (rows, columns).
    indices
        Draws, shape (draws, rows).
    level
        Of confidence.

    Examples
    --------
    >>> generator = np.random.default_rng(3)
    >>> values = generator.normal(5.0, 1.0, 400)
    >>> found = bootstrap_interval(np.median, values, stationary_indices(400, 1.0, 200, generator))
    >>> found.low < 5.0 < found.high
    True
    """
    drawn = np.array([statistic(values[one]) for one in indices], np.float64)
    return Interval(float(statistic(values)), *percentiles(drawn, level))


@dataclass(frozen=True, slots=True)
class BlockLength:
    """Mean length of the stationary bootstrap's blocks, and the length of the circular one's, in rows."""

    stationary: float
    circular: float


def optimal_block_length(values: Floats) -> BlockLength:
    """The block lengths with the least mean squared error for the variance of the mean.

    Source: Politis and White (2004), with the correction of Patton, Politis and White (2009). As in the authors' own
    program, the band of the flat-top window is twice the first lag from which on K_n autocorrelations in a row are
    within ±2 √(log10 n / n).

    Parameters
    ----------
    values
        One series, shape (n,). For a table take the longest of its columns' lengths.

    Returns
    -------
    BlockLength
        At least 1, at most min(3 √n, n / 3).

    Raises
    ------
    ModelError
        If there are fewer than 20 values, or they do not vary.

    Examples
    --------
    >>> noise = np.random.default_rng(4).normal(size=1001)
    >>> round(optimal_block_length(noise).stationary, 1), round(optimal_block_length(noise.cumsum()).stationary, 1)
    (2.1, 57.8)
    """
    count = len(values)
    if count < 20 or not np.ptp(values) > 0:
        raise ModelError(f"{count} values have no block length: at least 20 that vary are needed")
    longest = float(np.ceil(min(3.0 * count**0.5, count / 3.0)))
    covariance = autocovariance(values)
    band = _band(covariance / covariance[0], count)
    lag = np.arange(1, band + 1)
    window = np.where(lag <= band / 2.0, 1.0, 2.0 * (1.0 - lag / band)) * covariance[1 : band + 1]
    slope, variance = 2.0 * float(lag @ window), float(covariance[0]) + 2.0 * float(window.sum())
    if variance == 0.0:
        return BlockLength(longest, longest)
    stationary = (slope / variance) ** 2 * count
    limits = 1.0, longest
    return BlockLength(
        float(np.clip(stationary ** (1.0 / 3.0), *limits)), float(np.clip((1.5 * stationary) ** (1.0 / 3.0), *limits))
    )


def _band(correlation: Floats, count: int) -> int:
    """Politis and White's M, from the autocorrelations at lags 0, 1 and so on."""
    run = max(5, int(np.ceil(np.log10(count) ** 0.5)))
    most = min(int(np.ceil(count**0.5)) + run, count - 1)
    small = np.abs(correlation[1 : most + 1]) < 2.0 * (np.log10(count) / count) ** 0.5
    begins = [lag for lag in range(1, most - run + 2) if small[lag - 1 : lag - 1 + run].all()]
    return min(2 * begins[0], most) if begins else most
