"""The statistics of being fooled, beside the same statistics written plainly: PBO, SADF, SPA and Romano–Wolf.

The twins do what the papers' snippets do: concatenate the blocks of every split, solve least squares on every window,
gather the rows of every draw. They do part of the work and are compared per split, regression and draw; what both sides
compute on that part is the same, which the tests prove.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.harness import Result, compare
from models.statistics.pbo import overfitting
from models.statistics.resampling import counts_of, stationary_indices
from models.statistics.snooping import stepdown, superior_ability
from models.statistics.stationarity import sadf

Floats = NDArray[np.float64]
ROWS, STRATEGIES, BLOCKS = 4_096, 200, 16
SPLITS, SOME_SPLITS = 12_870, 50
POINTS, MINIMUM, SOME_ENDS = 1_000, 20, 20
DRAWS, SOME_DRAWS = 1_000, 20


def plain_overfitting(table: pd.DataFrame) -> float:
    """PBO over the first splits, by pandas."""
    edge = np.arange(BLOCKS + 1) * len(table) // BLOCKS
    parts = [table.iloc[begin:end] for begin, end in itertools.pairwise(edge)]
    below = []
    for split in itertools.islice(itertools.combinations(range(BLOCKS), BLOCKS // 2), SOME_SPLITS):
        inside = pd.concat([parts[block] for block in split])
        outside = pd.concat([parts[block] for block in range(BLOCKS) if block not in split])
        best = (inside.mean() / inside.std()).idxmax()
        below.append((outside.mean() / outside.std()).rank()[best] <= (table.shape[1] + 1) / 2)
    return float(np.mean(below))


def numpy_overfitting(returns: Floats) -> float:
    """PBO over the first splits, by numpy."""
    parts, below = np.array_split(returns, BLOCKS), []
    for split in itertools.islice(itertools.combinations(range(BLOCKS), BLOCKS // 2), SOME_SPLITS):
        inside = np.concatenate([parts[block] for block in split])
        outside = np.concatenate([parts[block] for block in range(BLOCKS) if block not in split])
        best = np.argmax(inside.mean(axis=0) / inside.std(axis=0, ddof=1))
        scores = outside.mean(axis=0) / outside.std(axis=0, ddof=1)
        below.append((scores <= scores[best]).sum() <= (len(scores) + 1) / 2)
    return float(np.mean(below))


def plain_sadf(series: Floats) -> float:
    """The largest Dickey–Fuller statistic over the windows that end at some last rows, one lag, by numpy."""
    change, best = np.diff(series), -np.inf
    response, design = change[1:], np.stack([np.ones(POINTS - 2), change[:-1], series[1:-1]], axis=1)
    for end in range(len(response) - SOME_ENDS, len(response)):
        for begin in range(end - MINIMUM + 2):
            x, y = design[begin : end + 1], response[begin : end + 1]
            inverse = np.linalg.inv(x.T @ x)
            beta = inverse @ (x.T @ y)
            error = y - x @ beta
            best = max(best, beta[-1] / np.sqrt(inverse[-1, -1] * (error @ error) / (len(y) - 3)))
    return best


def plain_superior_ability(excess: Floats, indices: NDArray[np.int64]) -> float:
    """Hansen's upper p-value over some draws, by numpy: gathered rows, averaged."""
    mean = excess.mean(axis=0)
    drawn = np.array([excess[rows].mean(axis=0) for rows in indices])
    error = drawn.std(axis=0)
    return float((((drawn - mean) / error).max(axis=1) >= (mean / error).max()).mean())


def windows(ends: int) -> int:
    """How many windows end at the last rows of the series."""
    regressions = POINTS - 2
    return sum(regressions - ago - MINIMUM + 1 for ago in range(min(ends, regressions - MINIMUM + 1)))


def run() -> list[Result]:
    random = np.random.default_rng(1)
    returns, walk = random.normal(size=(ROWS, STRATEGIES)), random.normal(size=POINTS).cumsum()
    table = pd.DataFrame(returns)
    some = stationary_indices(ROWS, 10.0, SOME_DRAWS, random)

    def test_superior_ability() -> None:
        superior_ability(returns, counts_of(stationary_indices(ROWS, 10.0, DRAWS, np.random.default_rng(2))))

    def test_stepdown() -> None:
        stepdown(returns, counts_of(stationary_indices(ROWS, 10.0, DRAWS, np.random.default_rng(2))))

    return [
        compare(
            f"PBO, {BLOCKS} blocks × {STRATEGIES} strategies × {ROWS} rows",
            "split",
            lambda: overfitting(returns, BLOCKS),
            "pandas",
            lambda: plain_overfitting(table),
            SPLITS,
            repetitions=5,
            peer_work=SOME_SPLITS,
            bar=0.045,
        ),
        compare(
            f"PBO, {BLOCKS} blocks × {STRATEGIES} strategies × {ROWS} rows",
            "split",
            lambda: overfitting(returns, BLOCKS),
            "numpy",
            lambda: numpy_overfitting(returns),
            SPLITS,
            repetitions=5,
            peer_work=SOME_SPLITS,
            bar=0.045,
        ),
        compare(
            f"SADF, {POINTS} points, one lag",
            "regression",
            lambda: sadf(walk, MINIMUM),
            "numpy normal equations",
            lambda: plain_sadf(walk),
            windows(POINTS),
            repetitions=5,
            peer_work=windows(SOME_ENDS),
            bar=0.105,
        ),
        compare(
            f"SPA with its draws, {STRATEGIES} × {ROWS}",
            "draw",
            test_superior_ability,
            "numpy, drawn before",
            lambda: plain_superior_ability(returns, some),
            DRAWS,
            repetitions=5,
            peer_work=SOME_DRAWS,
        ),
        compare(
            f"Romano–Wolf with its draws, {STRATEGIES} × {ROWS}",
            "draw",
            test_stepdown,
            "numpy, one step",
            lambda: plain_superior_ability(returns, some),
            DRAWS,
            repetitions=5,
            peer_work=SOME_DRAWS,
        ),
    ]
