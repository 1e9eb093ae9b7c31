"""Rows that try a graph where it is most likely to be wrong: on and around split thresholds, and at extreme values."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray

from models.graph.trees import split_points

SPLITS_PER_ROW = 3
SMALLEST = float(np.float32(1e-35))
SUBNORMALS = np.array(
    [sign * value for sign in (1.0, -1.0) for value in (5e-324, 1e-310, 2.2e-308, 1.5e-45, 1e-40, 1.1e-38)]
)
"""Numbers below the smallest normal one of float64 and of float32."""
EXTREMES = np.array(
    [0.0, -0.0]
    + [
        sign * value
        for sign in (1.0, -1.0)
        for value in (5e-324, 1e-310, 2.3e-308, 1e-45, 1e-40, SMALLEST, 1.1 * SMALLEST, 1e-30, 1e-8, 1e8, 1e30, 3.4e38)
    ]
)
"""Zeros, subnormal numbers of both precisions, LightGBM's zero band, and numbers up to the largest float32."""


def threshold_rows(
    model: onnx.ModelProto, rows: NDArray[np.float64], seed: int, least: int = 2_000, most: int = 20_000
) -> NDArray[np.float64]:
    """Real rows, with a few features of each put on a split threshold or next to it.

    Parameters
    ----------
    model
        A graph, or a member's part of one; its trees are read.
    rows
        Real rows (n, f); those with a NaN are left out.
    seed
        Of the choice of rows and their order.
    least, most
        How many rows; every threshold is tried unless that takes more than ``most``.

    Returns
    -------
    rows
        Shape (k, f), no NaN; empty without trees. Each threshold occurs exactly, and one unit in the last place of
        float64 and of float32 below and above it.
    """
    generator = np.random.default_rng(seed)
    feature, threshold = split_points(model)
    single = threshold.astype(np.float32)
    around = [
        threshold,
        *(np.nextafter(threshold, side) for side in (-np.inf, np.inf)),
        *(np.nextafter(single, np.float32(side)).astype(np.float64) for side in (-np.inf, np.inf)),
    ]
    features, values = np.tile(feature, len(around)), np.concatenate(around)
    if len(values) == 0:
        return np.empty((0, rows.shape[1]))
    rounds = -(-least * SPLITS_PER_ROW // len(values))
    order = np.concatenate([generator.permutation(len(values)) for _ in range(rounds)])[: most * SPLITS_PER_ROW]
    place = np.arange(len(order)) // SPLITS_PER_ROW
    # A row can hold one value of a feature; the others that it was dealt get rows of their own.
    _, first = np.unique(place * rows.shape[1] + features[order], return_index=True)
    late = np.setdiff1d(np.arange(len(order)), first)
    place[late] = place[-1] + 1 + np.arange(len(late))
    out = _sampled(rows, int(place.max()) + 1, generator)
    out[place, features[order]] = values[order]
    return out[:most]


def extreme_rows(
    rows: NDArray[np.float64], seed: int, count: int, share: float = 0.2, values: NDArray[np.float64] = EXTREMES
) -> NDArray[np.float64]:
    """Real rows with a ``share`` of their values replaced by some of ``values``; shape (count, f), no NaN."""
    generator = np.random.default_rng(seed)
    out = _sampled(rows, count, generator)
    replaced = generator.random(out.shape) < share
    out[replaced] = generator.choice(values, int(replaced.sum()))
    return out


def missing_rows(rows: NDArray[np.float64], seed: int, count: int) -> NDArray[np.float64]:
    """Real rows with NaN in every feature alone, in all, and in any share of them; shape (count, f)."""
    generator = np.random.default_rng(seed)
    out = _sampled(rows, count, generator)
    holes = generator.random(out.shape) < generator.random((count, 1))
    alone = np.eye(out.shape[1], dtype=np.bool_)[: count - 1]
    holes[: len(alone)], holes[-1] = alone, True
    out[holes] = np.nan
    return out


def _sampled(rows: NDArray[np.float64], count: int, generator: np.random.Generator) -> NDArray[np.float64]:
    usable = np.flatnonzero(np.isfinite(rows).all(axis=1))
    if len(usable) == 0:
        raise ValueError(f"none of {len(rows)} rows is finite in every feature; give rows after warm-up")
    out: NDArray[np.float64] = rows[generator.choice(usable, count)]
    return out
