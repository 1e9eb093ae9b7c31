"""Bars in canonical form, their fingerprint, and the union of two stretches."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.bars import BAR, FIELDS, as_matrix, as_times
from market.errors import LakeError
from market.time import format_time

HEADER: Final = b"bars 2\0"


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """The union of two stretches; ``changed`` counts stored bars that got new values."""

    bars: NDArray[np.void]
    added: int
    changed: int
    unchanged: int


def canonical(bars: NDArray[np.void]) -> NDArray[np.void]:
    """A contiguous copy with one kind of NaN and no negative zeros: equal bars have equal bytes."""
    copy = np.array(bars, BAR, ndmin=1)
    values = as_matrix(copy)[:, 2:]
    values[np.isnan(values)] = np.nan
    values += 0.0
    return copy


def fingerprint_bars(bars: NDArray[np.void]) -> str:
    """SHA-256 of bars in their order, independent of files, layout and history of imports.

    Covers the times and the fields that have a value in some bar, by name: a field that the schema gains changes no
    fingerprint of bars that lack it.

    Examples
    --------
    >>> from market.bars import empty_bars
    >>> fingerprint_bars(empty_bars(1)) == fingerprint_bars(empty_bars(2))
    False
    """
    clean = canonical(bars)
    digest = hashlib.sha256(HEADER + str(len(clean)).encode())
    for name in ("start", "end", *FIELDS):
        if name not in FIELDS or not np.isnan(clean[name]).all():
            digest.update(name.encode() + b"\0" + clean[name].tobytes())
    return digest.hexdigest()


def merge(
    stored: NDArray[np.void], new: NDArray[np.void], what: str, replace: bool = False, off_grid: bool = False
) -> Merged:
    """The union of canonical bars, both in order (`check_order`).

    A value that one side lacks is taken from the other: missing is not a contradiction. Bars on no grid that start at
    the same time are told apart by their order: the first of either side is the same bar, and so on.

    Raises
    ------
    LakeError
        If both sides hold different values of one field of one bar, unless ``replace``; or if bars on no grid would
        overlap.
    """
    place = np.searchsorted(stored["start"], new["start"])
    place += np.arange(len(new)) - np.searchsorted(new["start"], new["start"])
    known = np.zeros(len(new), bool)
    inside = place < len(stored)
    known[inside] = stored["start"][place[inside]] == new["start"][inside]
    old, update = stored[place[known]], new[known]
    if not replace:
        _refuse_contradiction(old, update, what)
        update = _filled(old, update)
    changed = (as_times(update) != as_times(old)).any(axis=1)
    combined = stored.copy()
    combined[place[known]] = update
    combined = np.concatenate([combined, new[~known]])
    combined = combined[np.argsort(combined["start"], kind="stable")]
    if off_grid:
        check_order(combined, f"{what}, together with what is stored", off_grid)
    return Merged(combined, int((~known).sum()), int(changed.sum()), int((~changed).sum()))


def check_order(bars: NDArray[np.void], what: str, off_grid: bool = False) -> None:
    """Refuse bars that are not strictly increasing in start, or, on no grid, overlap; names the first such row."""
    wrong = bars["start"][1:] < bars["end"][:-1] if off_grid else np.diff(bars["start"]) <= 0
    if wrong.any():
        row = int(np.argmax(wrong)) + 1
        flaw = "starts before the row before it ends" if off_grid else "does not come after the row before it"
        raise LakeError(
            f"{what}: row {row} at {format_time(int(bars['start'][row]))} {flaw};"
            " sort the bars and remove duplicates (market.quality.check_bars lists them)"
        )


def _filled(old: NDArray[np.void], new: NDArray[np.void]) -> NDArray[np.void]:
    filled = np.array(old)
    left, right = as_matrix(filled)[:, 2:], as_matrix(np.ascontiguousarray(new))[:, 2:]
    left[...] = np.where(np.isnan(left), right, left)
    return filled


def _refuse_contradiction(old: NDArray[np.void], new: NDArray[np.void], what: str) -> None:
    for field in ("end", *FIELDS):
        left, right = old[field], new[field]
        differ = (left != right) & ~np.isnan(left) & ~np.isnan(right)
        if differ.any():
            row = int(np.argmax(differ))
            raise LakeError(
                f"{what}: the bar at {format_time(int(old['start'][row]))} is stored with {field} {left[row].item()!r}"
                f" and would now have {right[row].item()!r} ({int(differ.sum())} bars differ); nothing was stored. If"
                " the new file is right, import it with replace"
            )
