"""Confidence intervals from resampled time: the circular block bootstrap (Politis and Romano 1992).

Labels overlap and instruments move together, so rows are not independent. What is drawn are blocks of *time*, with all
instruments' rows inside, long against the labels' horizon; a drawn time's rows all count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError

Floats = NDArray[np.float64]
LEVEL = 0.95
"""Of confidence, where none is asked for."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its interval; whoever makes it says by which method."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class TimeBlocks:
    """How often each row counts in each draw, by its time cell: shapes (rows,) and (draws, cells)."""

    cell: NDArray[np.int64]
    counts: NDArray[np.int64]

    def weights(self, draw: int) -> NDArray[np.int64]:
        """How often each row counts in one draw, shape (rows,)."""
        found: NDArray[np.int64] = self.counts[draw][self.cell]
        return found


def time_blocks(time: NDArray[np.int64], cell_length: int, block: int, draws: int, seed: int) -> TimeBlocks:
    """Draw blocks of ``block`` consecutive cells of time, circularly, until as many cells as there are.

    Parameters
    ----------
    time
        The rows' times (ns), shape (rows,). Cells without rows (between compared stretches) are left out.
    cell_length
        Length of a cell, ns: the grid on which blocks begin.
    block
        Cells in a block.
    draws, seed
        How many draws, and the generator's seed.

    Raises
    ------
    ModelError
        If the rows span fewer than two blocks: an interval would be meaningless.
    """
    _, cell = np.unique(time // cell_length, return_inverse=True)
    cells = int(cell.max()) + 1
    if cells < 2 * block:
        raise ModelError(f"the rows span {cells} cells of time, fewer than two blocks of {block}: too few to resample")
    generator = np.random.default_rng(seed)
    needed = -(-cells // block)
    begin = generator.integers(0, cells, (draws, needed))
    counts = np.zeros((draws, cells), np.int64)
    for draw in range(draws):
        chosen = (begin[draw][:, None] + np.arange(block)).ravel()[:cells] % cells
        counts[draw] = np.bincount(chosen, minlength=cells)
    return TimeBlocks(cell.astype(np.int64), counts)


def mean_interval(values: Floats, weight: Floats, blocks: TimeBlocks, level: float = LEVEL) -> Interval:
    """The weighted mean of per-row values and its interval.

    Parameters
    ----------
    values, weight
        Shape (rows,).
    """
    return Interval(
        float(np.average(values, weights=weight)), *percentiles(weighted_means(values, weight, blocks), level)
    )


def weighted_means(values: Floats, weight: Floats, blocks: TimeBlocks) -> Floats:
    """The weighted mean of per-row values in each draw, shape (draws,); parameters as in `mean_interval`."""
    cells = blocks.counts.shape[1]
    numerator = np.bincount(blocks.cell, weights=values * weight, minlength=cells)
    denominator = np.bincount(blocks.cell, weights=weight, minlength=cells)
    found: Floats = (blocks.counts @ numerator) / (blocks.counts @ denominator)
    return found


def percentiles(drawn: Floats, level: float) -> tuple[float, float]:
    """The central interval of some draws; NaN if any draw is undefined."""
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
