"""Purged splits of a million samples, beside the same splits by masks in NumPy.

The bar to hold: the indices of a purged 10-fold on 1M samples in 27 ms. The twin looks at every
sample for every split; what both find is the same, which the first call checks.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Result, compare
from market.time import MINUTE
from models.splitters import CombinatorialPurgedCV, PurgedKFold

SAMPLES, GROUPS, EMBARGO = 1_000_000, 10, 60 * MINUTE
Times = NDArray[np.int64]


def masked(t0: Times, t1: Times, chosen: Sequence[tuple[int, ...]]) -> Iterator[tuple[Times, Times]]:
    """Splits by comparing every sample with every tested group; sorted samples, closed intervals."""
    edges = np.arange(GROUPS + 1) * len(t0) // GROUPS
    number = np.searchsorted(edges, np.arange(len(t0)), side="right") - 1
    for groups in chosen:
        tested, kept = np.isin(number, groups), np.ones(len(t0), bool)
        for group in groups:
            start, stop = t0[edges[group]], t1[edges[group] : edges[group + 1]].max()
            kept &= (t1 < start) | (t0 > stop + EMBARGO)
        yield np.flatnonzero(kept & ~tested), np.flatnonzero(tested)


def run() -> list[Result]:
    """Purged k-fold and combinatorial splits."""
    generator = np.random.default_rng(0)
    t0 = MINUTE * np.arange(SAMPLES)
    t1 = t0 + MINUTE * generator.integers(1, 48, SAMPLES)
    splitters = (
        ("purged 10-fold, 1M samples", PurgedKFold(GROUPS, t0, t1, embargo=EMBARGO), 1),
        ("combinatorial purged (10, 2), 1M samples", CombinatorialPurgedCV(GROUPS, 2, t0, t1, embargo=EMBARGO), 2),
    )
    rows = []
    for name, splitter, tests in splitters:
        chosen = list(itertools.combinations(range(GROUPS), tests))
        for ours, twin in zip(splitter.split(t0), masked(t0, t1, chosen), strict=True):
            assert all(np.array_equal(*pair) for pair in zip(ours, twin, strict=True))
        rows.append(
            compare(
                name,
                "sample",
                lambda splitter=splitter: list(splitter.split(t0)),
                "masks, NumPy",
                lambda chosen=chosen: list(masked(t0, t1, chosen)),
                work=SAMPLES,
                repetitions=7 if tests == 1 else 3,
                bar=0.027 if tests == 1 else None,
            )
        )
    return rows
