"""A column of a stage: values by place and time, each with the moment from which nothing may change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.audit.errors import AuditError

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows that some columns share.

    Parameters
    ----------
    places
        Names of instruments or folds.
    place, time
        What identifies a row: a number among ``places``, and a time (ns UTC); shape (n,), no pair twice.
    known
        When a row's value is decided (ns UTC), shape (n,): prices after it may not change the value.
    settled
        When it is decided by which bars there are, at the earliest ``known`` (the default). A label exists only if the
        bars up to its vertical barrier do: its value may be known before its existence is settled.
    """

    places: tuple[str, ...]
    place: Ints
    time: Ints
    known: Ints
    settled: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        if not len(self.settled):
            object.__setattr__(self, "settled", self.known)
        lengths = {len(one) for one in (self.place, self.time, self.known, self.settled)}
        if len(lengths) > 1:
            raise AuditError(f"rows have place, time, known and settled of lengths {sorted(lengths)}; give one each")

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """Values of one stage, shape (n,), one a row: numbers of eight bytes or less."""

    stage: str
    name: str
    rows: Rows
    values: NDArray[Any]

    def __post_init__(self) -> None:
        if np.shape(self.values) != (len(self.rows),):
            raise AuditError(
                f"{self.stage}: column {self.name} has shape {np.shape(self.values)}; it must be ({len(self.rows)},), "
                "one value for each row"
            )


def distinct(times: Ints) -> Ints:
    """Ascending times as names: where several are one, they are moved on by single nanoseconds; shape of ``times``.

    Examples
    --------
    >>> distinct(np.array([10, 10, 10, 11, 20])).tolist()
    [10, 11, 12, 13, 20]
    """
    number = np.arange(len(times))
    moved: Ints = np.maximum.accumulate(times - number) + number
    return moved


def sample_times(bars: Sequence[NDArray[np.void]], instrument: Ints, row: Ints) -> Ints:
    """The `distinct` ends of some rows of the instruments' bars, shape of ``row``."""
    out = np.empty(len(row), np.int64)
    for number, one in enumerate(bars):
        mine = instrument == number
        out[mine] = distinct(one["end"])[row[mine]]
    return out


def words(values: NDArray[Any]) -> Ints:
    """The bits of each value, shape (n,).

    Examples
    --------
    >>> words(np.array([True, False])).tolist(), int(words(np.array([0.0]))[0]) == int(words(np.array([-0.0]))[0])
    ([1, 0], False)
    """
    if values.dtype == np.float64:
        return np.ascontiguousarray(values).view(np.int64)
    if values.dtype == np.float32:
        return words(values.astype(np.float64))
    return values.astype(np.int64)
