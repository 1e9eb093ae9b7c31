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
from models.probes import SUBNORMALS, extreme_rows, missing_rows, threshold_rows

REAL, THRESHOLD, EXTREME, SUBNORMAL, MISSING = "real", "threshold", "extreme", "subnormal", "missing"
TOGETHER = 2_000
"""Rows of each kind that are made for all members, whose graph answers them one after another."""
HOLES = 20
"""One row in so many of those with missing values has one, and resets what is carried."""
ALONE = {THRESHOLD: 60_000, EXTREME: 20_000, SUBNORMAL: 20_000, MISSING: 20_000}
"""Rows made for every member alone, whose part of the graph answers many at once."""

Native = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Contiguous rows (n, f), state zero before the first, to P(label = 1), shape (n,); NaN where a row has one."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """A contiguous stretch of rows with what the native members said.

    ``kind``: real, threshold, extreme, subnormal or missing (NaN). ``rows``: (n, f). ``native``: (n,) by member, state
    zero before the first row; members may be left out, and the ensemble is compared where all are there. A row that has
    a NaN has no probability. ``at_once``: the rows ask members alone, and one without state, to which they are no
    stretch, then says what it makes of a NaN.
    """

    kind: str
    rows: NDArray[np.float64]
    native: Mapping[str, NDArray[np.float64]]
    at_once: bool = False


def gather(
    model: onnx.ModelProto, natives: Mapping[str, Native], sequences: Sequence[NDArray[np.float64]], seed: int = 0
) -> list[Evidence]:
    """Ask native members about real rows, and about rows made from them: on thresholds, extreme, subnormal, with holes.

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


def hard_rows(
    model: onnx.ModelProto, sequences: Sequence[NDArray[np.float64]], seed: int = 0
) -> dict[str, NDArray[np.float64]]:
    """Rows that try members without state, by kind: `ALONE` of each, made from real ones; see `hard_stretches`."""
    pool, trees = np.concatenate(sequences), ALONE[THRESHOLD]
    on_thresholds = threshold_rows(model, pool, seed + 2, trees, trees)
    # Without trees there is no threshold: as many rows at extreme values make up for them.
    extremes = ALONE[EXTREME] + trees - len(on_thresholds)
    return {
        THRESHOLD: on_thresholds,
        EXTREME: extreme_rows(pool, seed + 3, extremes),
        SUBNORMAL: extreme_rows(pool, seed + 4, ALONE[SUBNORMAL], values=SUBNORMALS),
        MISSING: missing_rows(pool, seed + 5, ALONE[MISSING]),
    }


def hard_stretches(
    rows: Mapping[str, NDArray[np.float64]], sequences: Sequence[NDArray[np.float64]], seed: int = 0
) -> dict[str, NDArray[np.float64]]:
    """Rows that try members with state, by kind: those of `hard_rows` as stretches; real ones with holes."""
    pool = np.concatenate(sequences)
    real = pool[np.isfinite(pool).all(axis=1)]
    return {**rows, MISSING: holed(np.resize(real, (ALONE[MISSING], real.shape[1])), seed + 8)}


def gather_at_once(rows: Mapping[str, NDArray[np.float64]], natives: Mapping[str, Native]) -> list[Evidence]:
    """Ask members alone about rows of some kinds."""
    return [
        Evidence(kind, some, {name: native(some) for name, native in natives.items()}, at_once=True)
        for kind, some in rows.items()
        if len(some)
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
    yield THRESHOLD, threshold_rows(model, pool, seed, TOGETHER, TOGETHER)
    yield EXTREME, extreme_rows(pool, seed + 1, TOGETHER)
    yield SUBNORMAL, extreme_rows(pool, seed + 6, TOGETHER, values=SUBNORMALS)
    yield MISSING, holed(max(sequences, key=len)[-TOGETHER:], seed + 7)


def holed(rows: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Rows (n, f), of which one in `HOLES` lacks one value: before the next, a carried state begins anew."""
    generator, out = np.random.default_rng(seed), rows.copy()
    lacking = np.flatnonzero(generator.random(len(out)) < 1.0 / HOLES)
    out[lacking, generator.integers(0, out.shape[1], len(lacking))] = np.nan
    return out
