"""The rows that two runs both predicted out of fold, and whether they mean the same by them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.predictions import OutOfFold

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """Where the shared rows stand in each run, shape (rows,) each, in order of time."""

    one: Integers
    other: Integers


def shared_rows(one: OutOfFold, other: OutOfFold) -> Shared:
    """The decisions of the same instrument at the same time."""
    _, rank = np.unique(np.concatenate([one.time, other.time]), return_inverse=True)
    instruments = sorted({(found.venue, symbol) for found in (one, other) for symbol in found.symbols})
    numbers = [
        np.array([instruments.index((found.venue, symbol)) for symbol in found.symbols], np.int64)
        for found in (one, other)
    ]
    keys = rank * len(instruments) + np.concatenate([numbers[0][one.instrument], numbers[1][other.instrument]])
    _, left, right = np.intersect1d(
        keys[: len(one.time)], keys[len(one.time) :], assume_unique=True, return_indices=True
    )
    return Shared(left, right)


def disagreement(one: OutOfFold, other: OutOfFold, shared: Shared) -> str:
    """Why two runs' shared rows cannot be compared; empty if they can."""
    if len(shared.one) == 0:
        return "they predicted no decision in common"
    same = (one.label[shared.one] == other.label[shared.other]) & (one.end[shared.one] == other.end[shared.other])
    if same.all():
        return ""
    return (
        f"their labels differ on {int((~same).sum()):,} of the {len(same):,} decisions that both predicted, so they "
        "predict different things"
    )
