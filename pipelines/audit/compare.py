"""Two computations of the same columns, compared byte by byte: there is no tolerance for a leak to hide in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.audit.column import Column, Ints, Rows, words
from pipelines.audit.findings import Finding

NEVER = np.iinfo(np.int64).max
"""The cut of a perturbation that may change nothing at all."""


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """The rows that two sides share (positions in each), and those that only one has."""

    left: Ints
    right: Ints
    lost: Ints
    new: Ints


def align(left: Rows, right: Rows) -> Aligned:
    """Match rows by the names of their places and by their times."""
    same = left.places == right.places and np.array_equal(left.place, right.place)
    if same and np.array_equal(left.time, right.time):
        every = np.arange(len(left))
        return Aligned(every, every, every[:0], every[:0])
    keys = _keys(left, right)
    _, i, j = np.intersect1d(*keys, assume_unique=True, return_indices=True)
    order = np.argsort(i)
    i, j = i[order], j[order]
    rest = [np.ones(len(one), bool) for one in keys]
    rest[0][i] = rest[1][j] = False
    return Aligned(i, j, np.flatnonzero(rest[0]), np.flatnonzero(rest[1]))


def _keys(left: Rows, right: Rows) -> tuple[Ints, Ints]:
    """A number for each pair of a place's name and a time, the same on both sides."""
    names = sorted({*left.places, *right.places})
    place = [np.searchsorted(names, one.places)[one.place] for one in (left, right)]
    _, time = np.unique(np.concatenate([left.time, right.time]), return_inverse=True)
    key = time * len(names) + np.concatenate(place)
    return key[: len(left)], key[len(left) :]


def compare(
    base: Sequence[Column], other: Sequence[Column], perturbation: str, cut: int = NEVER, grid: bool = False
) -> list[Finding]:
    """What a perturbation changed in every column.

    Parameters
    ----------
    base, other
        The columns as they were and as they became.
    perturbation
        Its name.
    cut
        It left alone whatever was known by then (ns UTC); `NEVER`: nothing may change.
    grid
        Whether it took bars away, so that rows count from when they are settled.

    Returns
    -------
    list of Finding
        One a column. A column that is missing on one side has changed in every row.
    """
    named = {(one.stage, one.name): one for one in other}
    found, aligned = [], dict[tuple[int, int], Aligned]()
    for column in base:
        match = named.pop((column.stage, column.name), None)
        if match is None:
            found.append(_whole(column, perturbation, cut, "the column vanished"))
            continue
        key = (id(column.rows), id(match.rows))
        if key not in aligned:
            aligned[key] = align(column.rows, match.rows)
        found.append(_difference(column, match, aligned[key], perturbation, cut, grid))
    return found + [_whole(one, perturbation, cut, "the column appeared") for one in named.values()]


def _difference(left: Column, right: Column, at: Aligned, perturbation: str, cut: int, grid: bool) -> Finding:
    a, b = left.rows, right.rows
    decided = [(one.settled if grid else one.known) <= cut for one in (a, b)]
    past = decided[0][at.left] | decided[1][at.right]
    differs = words(left.values)[at.left] != words(right.values)[at.right]
    lost, new = decided[0][at.lost], decided[1][at.new]
    changed = differs & past
    count = int(changed.sum() + lost.sum() + new.sum())
    compared = int(past.sum() + lost.sum() + new.sum())
    moved = int((differs & ~past).sum() + (~lost).sum() + (~new).sum())
    if not count:
        return Finding(left.stage, left.name, compared, moved=moved)
    pairs = [
        (a, at.left[changed], "changed"),
        (a, at.lost[lost], "vanished"),
        (b, at.new[new], "appeared"),
    ]
    rows, first, what = min(
        ((rows, index[np.argmin(rows.time[index])], what) for rows, index, what in pairs if len(index)),
        key=lambda one: one[0].time[one[1]],
    )
    gap = _size(left.values[at.left[changed]], right.values[at.right[changed]])
    return Finding(
        stage=left.stage,
        column=left.name,
        compared=compared,
        changed=count,
        moved=moved,
        first=int(rows.time[first]),
        place=rows.places[rows.place[first]],
        perturbation=perturbation,
        cut=None if cut == NEVER else cut,
        size=gap,
        detail=what,
    )


def _size(left: NDArray[np.generic], right: NDArray[np.generic]) -> float | None:
    if left.dtype == np.uint64:  # digests
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        gaps = np.abs(left.astype(np.float64) - right.astype(np.float64))
    gaps = gaps[np.isfinite(gaps)]
    return float(gaps.max()) if len(gaps) else None


def _whole(column: Column, perturbation: str, cut: int, what: str) -> Finding:
    rows = column.rows
    first = int(np.argmin(rows.time)) if len(rows) else None
    return Finding(
        stage=column.stage,
        column=column.name,
        compared=len(rows),
        changed=max(len(rows), 1),
        first=None if first is None else int(rows.time[first]),
        place="" if first is None else rows.places[rows.place[first]],
        perturbation=perturbation,
        cut=None if cut == NEVER else cut,
        detail=what,
    )
