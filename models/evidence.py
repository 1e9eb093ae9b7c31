"""Evidence for the certificate: rows, and what the native libraries say about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from market.bars import empty_bars
from models.dataset import Panel, Samples, Series
from models.members.protocol import FittedMember
from models.probes import extreme_rows, threshold_rows

REAL, THRESHOLD, EXTREME = "real", "threshold", "extreme"
EXTREME_ROWS = 2_000

Native = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Contiguous rows (n, f), state zero before the first, to P(label = 1), shape (n,); NaN where a row has one."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """A contiguous stretch of rows with what the native members said.

    ``kind``: real, threshold or extreme. ``rows``: (n, f). ``native``: (n,) by member, state zero before the first row;
    members may be left out, and the ensemble is compared where all are there.
    """

    kind: str
    rows: NDArray[np.float64]
    native: Mapping[str, NDArray[np.float64]]


def gather(
    model: onnx.ModelProto, natives: Mapping[str, Native], sequences: Sequence[NDArray[np.float64]], seed: int = 0
) -> list[Evidence]:
    """Ask native members about real rows, and about threshold and extreme rows made from them.

    Parameters
    ----------
    model
        The graph, or one member's part of it: its trees say where the thresholds are.
    natives
        By member.
    sequences
        Real contiguous rows, (n, f) each.
    seed
        Of the rows that are made.
    """
    return [
        Evidence(kind, rows, {name: native(rows) for name, native in natives.items()})
        for kind, rows in _stretches(model, sequences, seed)
    ]


def native_probability(fitted: FittedMember, feature_names: tuple[str, ...], interval: int) -> Native:
    """A fitted member as a function of rows alone."""

    def probability(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        series = Series("", empty_bars(len(rows)), rows, np.full(len(rows), np.nan))
        none, nothing = np.empty(0, np.int64), np.empty(0)
        samples = Samples(none, none, none, none, none, none, nothing, nothing)
        return fitted.predict(Panel((series,), feature_names, interval, samples), 0, np.arange(len(rows)))

    return probability


def _stretches(
    model: onnx.ModelProto, sequences: Sequence[NDArray[np.float64]], seed: int
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    for rows in sequences:
        yield REAL, rows
    pool = np.concatenate(sequences)
    yield THRESHOLD, threshold_rows(model, pool, seed)
    yield EXTREME, extreme_rows(pool, seed + 1, EXTREME_ROWS)
