"""The feature engine: one compiled step, replayed over history and called live with one row."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from features.build import Progress, Replay, build
from features.door import COUNT, INTERVAL, LAST_END, MAX_GAP, refusal
from features.errors import FeatureError, StateError
from features.feature_set import FeatureSet
from features.row_hash import row_hash, row_hashes
from market.bars import BAR, as_matrix, as_times

__all__ = ["FeatureEngine", "row_hash", "row_hashes"]

MAGIC = b"B4FS0001"
SEAL = 8


class FeatureEngine:
    """Turns bars into feature rows, with its state between calls.

    Parameters
    ----------
    feature_set
        What to compute, in which order.

    Raises
    ------
    FeatureError
        If a feature needs fitted values that the set lacks.

    Notes
    -----
    ``update(bar)`` *is* ``replay`` of one row: from the same state both give the same bytes. Bars that are out of
    order, off the grid, missing a field that is read, not finite, negative or inconsistent are refused by name before
    any state changes. Not for use by several threads at once.

    Examples
    --------
    >>> from features.feature_set import FeatureSet
    >>> from market.bars import empty_bars
    >>> bars = empty_bars(20)
    >>> bars["start"] = np.arange(20) * 60_000_000_000
    >>> bars["end"] = bars["start"] + 60_000_000_000
    >>> for name in ("open", "high", "low", "close", "volume"):
    ...     bars[name] = 100.0
    >>> engine = FeatureEngine(FeatureSet(("rsi_14",), 60_000_000_000, 0))
    >>> rows = engine.replay(bars)
    >>> np.isnan(rows[13, 0]), rows[14, 0]
    (np.True_, np.float64(0.5))
    """

    def __init__(self, feature_set: FeatureSet) -> None:
        self.feature_set = feature_set
        plan = feature_set.plan
        self.state = np.zeros(8 * (plan.floats + plan.ints), np.uint8)
        self._floats = self.state[: 8 * plan.floats].view(np.float64)
        self._ints = self.state[8 * plan.floats :].view(np.int64)
        self._bar = np.zeros(1, BAR)
        self._bar_f, self._bar_i = as_matrix(self._bar), as_times(self._bar)
        self._row = np.empty((1, len(feature_set.names)))
        self._replay: Replay | None = None
        self._fitted = fitted_header(feature_set)
        self.reset()

    def build(self, progress: Progress | None = None) -> FeatureEngine:
        """Compile, or load from the cache; the first `update` or `replay` does it otherwise."""
        self._replay = build(self.feature_set, progress)
        return self

    @property
    def count(self) -> int:
        """Bars taken in since the state was last empty."""
        return int(self._ints[COUNT])

    @property
    def last_end(self) -> int | None:
        """The end of the last bar in nanoseconds UTC, or None before any bar."""
        return int(self._ints[LAST_END]) if self.count else None

    def update(self, bar: NDArray[np.void] | np.void) -> NDArray[np.float64]:
        """Take in one bar (a BAR record or an array of one) and return its feature row, shape (f,).

        Raises
        ------
        BarError
            If the bar is refused; the state is as before.
        """
        if self._replay is None:
            self._replay = build(self.feature_set)
        self._bar[0] = bar if isinstance(bar, np.void) else only(bar)
        code = self._replay(self._bar_f, self._bar_i, self._row, self._floats, self._ints)
        if code >= 0:
            raise refusal(self._bar, code, self.feature_set.readers)
        row: NDArray[np.float64] = self._row[0].copy()
        return row

    def replay(self, bars: NDArray[np.void], out: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Take in bars and return their feature rows, shape (n, f); the state goes on from where it was.

        Parameters
        ----------
        bars
            Of dtype `market.bars.BAR`, shape (n,).
        out
            Where to write the rows: float64, shape (n, f), contiguous. A table that is used again saves the time in
            which the system finds fresh memory. If a bar is refused, it is as it was.

        Raises
        ------
        BarError
            If any bar is refused; no bar was taken in.
        FeatureError
            If the bars, or ``out``, are of another type or shape.
        """
        if self._replay is None:
            self._replay = build(self.feature_set)
        if bars.dtype != BAR:
            raise FeatureError(f"bars have dtype {bars.dtype}, not market.bars.BAR; read them through market.readers")
        shape = (len(bars), len(self.feature_set.names))
        rows = np.empty(shape) if out is None else _table(out, shape)
        bars = np.require(bars, requirements=["C", "A", "W"])
        code = self._replay(as_matrix(bars), as_times(bars), rows, self._floats, self._ints)
        if code >= 0:
            raise refusal(bars, code, self.feature_set.readers)
        return rows

    def reset(self) -> None:
        """Forget all bars, but not what was fitted."""
        self.state[:] = 0
        self._floats[: len(self._fitted)] = self._fitted
        self._ints[INTERVAL] = self.feature_set.interval
        self._ints[MAX_GAP] = self.feature_set.max_gap

    def snapshot(self) -> bytes:
        """The whole state: restored into an engine of the same feature set, it goes on with the same bytes."""
        body = MAGIC + bytes.fromhex(self.feature_set.digest) + self.state.tobytes()
        return body + hashlib.sha256(body).digest()[:SEAL]

    def restore(self, snapshot: bytes) -> None:
        """Go on from a snapshot.

        Raises
        ------
        StateError
            If it is damaged, or belongs to another feature set; the state is as before.
        """
        body, seal = snapshot[:-SEAL], snapshot[-SEAL:]
        if body[: len(MAGIC)] != MAGIC or hashlib.sha256(body).digest()[:SEAL] != seal:
            raise StateError(f"these {len(snapshot)} bytes are no intact feature snapshot; take a new one")
        digest, state = body[8:40].hex(), body[40:]
        if digest != self.feature_set.digest:
            raise StateError(
                f"the snapshot is of feature set {digest[:12]}, this engine is {self.feature_set.digest[:12]}: "
                "names, order, interval, gap rule, fitted values or a kernel differ; replay the bars instead"
            )
        self.state[:] = np.frombuffer(state, np.uint8)


def fitted_header(feature_set: FeatureSet) -> NDArray[np.float64]:
    """The fitted values of a set in the order of its plan, shape (plan.fitted,).

    Raises
    ------
    FeatureError
        Naming every feature that lacks some.
    """
    if feature_set.unfitted:
        lacks = "; ".join(f"{name} needs {', '.join(values)}" for name, values in feature_set.unfitted.items())
        raise FeatureError(
            f"features are not fitted: {lacks}. Fit them on training bars: features.fitting.fit_features"
        )
    plan = feature_set.plan
    found = np.empty(plan.fitted)
    for one, at in plan.fitted_at.items():
        found[at : at + one.size] = feature_set.fitted[one.name]
    return found


def _table(out: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    if out.shape != shape or out.dtype != np.float64 or not (out.flags.c_contiguous and out.flags.writeable):
        given = f"out is {out.dtype} of shape {out.shape}"
        raise FeatureError(f"{given}; the rows need contiguous, writeable float64 of shape {shape}")
    return out


def only(bars: NDArray[np.void]) -> np.void:
    """The single bar of an array."""
    if bars.size != 1:
        raise FeatureError(f"update takes one bar, not {bars.size}; use replay")
    bar: np.void = bars.reshape(1)[0]
    return bar
