"""Precision at coverage: how often the side that was called happens, where the caller is surest.

And what else there is to say of a choice of rows: recall, the harmonic mean of both, and false positives.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.statistics.bootstrap import Interval, TimeBlocks, percentiles

Floats = NDArray[np.float64]


def surest(probability: Floats, weight: Floats, coverage: float) -> NDArray[np.bool_]:
    """The rows furthest from one half that make up a share of the weight, shape (n,); ties are taken together.

    Chosen over all rows at once: what a threshold known beforehand would have chosen differs a little.

    Examples
    --------
    >>> surest(np.array([0.5, 0.9, 0.2, 0.55]), np.ones(4), 0.5).tolist()
    [False, True, True, False]
    """
    return highest(np.abs(probability - 0.5), weight, coverage)


def highest(score: Floats, weight: Floats, coverage: float) -> NDArray[np.bool_]:
    """The rows of the highest scores that make up a share of the weight, shape (n,); ties are taken together.

    Examples
    --------
    >>> highest(np.array([0.5, 0.9, 0.2, 0.55]), np.ones(4), 0.5).tolist()
    [False, True, False, True]
    """
    order = np.argsort(-score, kind="stable")
    mass = np.cumsum(weight[order])
    last = min(int(np.searchsorted(mass, coverage * mass[-1] * (1.0 - 1e-12))), len(order) - 1)
    chosen: NDArray[np.bool_] = score >= score[order[last]]
    return chosen


def called_right(probability: Floats, label: NDArray[np.int64]) -> Floats:
    """1 where the more probable side happened, else 0; one half calls label 1. Shape (n,)."""
    right: NDArray[np.bool_] = (probability >= 0.5) == (label > 0)
    return right.astype(np.float64)


def retrieval(
    chosen: NDArray[np.bool_], right: NDArray[np.bool_], weight: Floats, blocks: TimeBlocks, level: float = 0.95
) -> dict[str, Interval]:
    """What a choice of rows is worth, with intervals from blocks of time; NaN where undefined.

    Parameters
    ----------
    chosen, right, weight
        Which rows are acted on, and on which that is right, shape (n,).
    blocks
        Of the same rows.
    level
        Of confidence.

    Returns
    -------
    dict
        ``precision``: right, of what was chosen. ``recall``: chosen, of what was right. ``f1``: their harmonic mean.
        ``false_positives``: chosen, of what was wrong (van Rijsbergen 1979, chapter 7).

    Examples
    --------
    >>> from models.statistics.bootstrap import time_blocks
    >>> chosen, right = np.arange(64) % 2 == 0, np.arange(64) % 4 < 2
    >>> found = retrieval(chosen, right, np.ones(64), time_blocks(np.arange(64), 1, 8, 100, 1))
    >>> {name: one.value for name, one in found.items()}
    {'precision': 0.5, 'recall': 0.5, 'f1': 0.5, 'false_positives': 0.5}
    """
    cells = blocks.counts.shape[1]
    parts = np.column_stack([weight * (chosen & right), weight * chosen, weight * right, weight])
    drawn = blocks.counts @ np.column_stack([np.bincount(blocks.cell, one, cells) for one in parts.T])
    values, draws = _shares(*parts.sum(axis=0)), _shares(*drawn.T)
    return {name: Interval(float(values[name]), *percentiles(draws[name], level)) for name in values}


def precision_difference(
    one: NDArray[np.bool_],
    other: NDArray[np.bool_],
    right: NDArray[np.bool_],
    weight: Floats,
    blocks: TimeBlocks,
    level: float = 0.95,
) -> Interval:
    """The precision of one choice of rows less another's, on the same draws; parameters as in `retrieval`."""
    cells = blocks.counts.shape[1]
    parts = [part for chosen in (one, other) for part in (weight * (chosen & right), weight * chosen)]
    sums = blocks.counts @ np.column_stack([np.bincount(blocks.cell, part, cells) for part in parts])
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = sums[:, 0] / sums[:, 1] - sums[:, 2] / sums[:, 3]
        value = parts[0].sum() / parts[1].sum() - parts[2].sum() / parts[3].sum()
    return Interval(float(value), *percentiles(drawn, level))


def _shares(both: Floats, chosen: Floats, right: Floats, every: Floats) -> dict[str, Floats]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "precision": both / chosen,
            "recall": both / right,
            "f1": 2.0 * both / (chosen + right),
            "false_positives": (chosen - both) / (every - right),
        }
