"""What a run's data and features look like before the cut: typed values that report and tracking are made from.

Nothing here says whether a feature helps a prediction (that is `pipelines.importances`): it says whether a feature can
be relied on to mean tomorrow what it meant in training. No label is looked at, and no row of the holdout.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.importances import FeatureClusters

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
STILL = 0.99
"""A feature of which one value is at least this share says nothing."""
ABSENT = 0.5
"""So does one that is missing in more than this share of its bars."""
SAME = 0.95
"""The absolute rank correlation from which a feature repeats another."""
SHIFTED = 0.1
"""The population stability index, on median over folds, below which credit scoring sees no shift (Siddiqi 2006)."""
MOVED = 0.25
"""The population stability index, on average over folds, from which it sees a large one."""
HALF = 0.5
"""The share of folds, or instruments, in which something must be seen to be said of a feature."""


class StudiedBars(msgspec.Struct, frozen=True):
    """One instrument's bars before the cut.

    ``gaps`` holes of ``missing`` bars together, the longest of ``longest``, between ``start`` and ``end``. ``idle``:
    bars without volume (None where volume is missing); ``flat``: bars whose high is their low. ``fields`` have a value
    in every bar; ``partial`` fields in some: name to the share that is missing.
    """

    symbol: str
    rows: int
    start: int
    end: int
    gaps: int
    missing: int
    longest: int
    idle: int | None
    flat: int
    fields: tuple[str, ...]
    partial: dict[str, float]


class FeatureColumns(msgspec.Struct, frozen=True, eq=False):
    """Each feature in numbers, over all instruments, shape (f,); `models.statistics.columns.ColumnSummary` says what.

    ``warmup``: bars before the first value, of the instrument where there are most. ``missing``: the share of the bars
    behind it that have none, over all instruments. The others are of ``rows`` evenly spaced bars.
    """

    rows: int
    warmup: Integers
    missing: Floats
    mean: Floats
    deviation: Floats
    low: Floats
    median: Floats
    high: Floats
    skewness: Floats
    excess_kurtosis: Floats
    commonest: Floats
    outlying: Floats
    farthest: Floats
    histogram: Integers
    edges: Floats


class UnitRoots(msgspec.Struct, frozen=True, eq=False):
    """Augmented Dickey–Fuller t-statistics (instruments, f), with a constant; NaN where there is none.

    Of at most ``rows`` evenly spaced values of each. ``critical`` (instruments, f): the 5 % value below which a unit
    root is rejected.
    """

    rows: int
    statistic: Floats
    critical: Floats

    @property
    def tests(self) -> int:
        """How many statistics there are."""
        return int(np.isfinite(self.statistic).sum())

    @property
    def kept(self) -> Floats:
        """The share of instruments in which a unit root is not rejected, shape (f,); NaN where none was tested."""
        known = np.isfinite(self.statistic)
        count = known.sum(axis=0)
        above = (known & (self.statistic >= self.critical)).sum(axis=0)
        found: Floats = np.where(count > 0, above / np.maximum(count, 1), np.nan)
        return found


class FeatureDrift(msgspec.Struct, frozen=True, eq=False):
    """How far each fold's test rows are from its training rows: ``distance`` and ``stability`` (folds, f).

    Of at most ``rows`` evenly spaced training rows, and test rows as dense. ``usual`` and ``usual_stability`` (folds,
    f) are the largest that one of the ``stretches`` (folds,) of the training rows, each about as long as the test, has
    from the rest of them; NaN where the training rows hold fewer than two such stretches.
    """

    rows: int
    stretches: Integers
    distance: Floats
    stability: Floats
    usual: Floats
    usual_stability: Floats

    @property
    def beyond(self) -> NDArray[np.bool_]:
        """Where the test is farther from the training rows than any stretch of theirs, (folds, f)."""
        return self.distance > self.usual

    @property
    def by_chance(self) -> float:
        """About the share of folds in which that happens if the test is like any stretch; NaN if nowhere known."""
        known = self.stretches[self.stretches > 0]
        return float(np.mean(1.0 / (known + 1.0))) if len(known) else float("nan")


class FeatureStudy(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Everything that was looked at, of bars that end at ``cut`` or before.

    ``autocorrelation`` and ``half_life`` (bars) are means over instruments, shape (f,). ``clusters`` are by rank
    correlation of ``clustered`` rows; None if there are fewer than three features.
    """

    cut: int
    names: tuple[str, ...]
    bars: tuple[StudiedBars, ...]
    columns: FeatureColumns
    roots: UnitRoots
    autocorrelation: Floats
    half_life: Floats
    drift: FeatureDrift | None
    clustered: int
    clusters: FeatureClusters | None

    def named(self, chosen: NDArray[np.bool_]) -> tuple[str, ...]:
        """The names of some features, in order."""
        return tuple(self.names[place] for place in np.flatnonzero(chosen))

    @property
    def empty(self) -> NDArray[np.bool_]:
        """Features that say nothing: nearly always the same value, or mostly missing, shape (f,)."""
        columns = self.columns
        return ~(columns.commonest < STILL) | (columns.missing > ABSENT)

    @property
    def wandering(self) -> NDArray[np.bool_]:
        """Features in which a unit root is not rejected in at least half of the instruments, shape (f,)."""
        return self.roots.kept >= HALF

    @property
    def drifting(self) -> NDArray[np.bool_]:
        """Features whose test is beyond every stretch of its training rows in half of the folds, shape (f,).

        A shift so small that credit scoring would not see it is not counted.
        """
        drift = self.drift
        if drift is None:
            return np.zeros(len(self.names), np.bool_)
        often = drift.beyond.mean(axis=0) >= HALF
        return np.asarray(often & (np.median(drift.stability, axis=0) >= SHIFTED))

    @property
    def shifting(self) -> NDArray[np.bool_]:
        """Features whose distribution changes much from stretch to stretch, in training as in test, shape (f,)."""
        drift = self.drift
        if drift is None:
            return np.zeros(len(self.names), np.bool_)
        return np.asarray((drift.stability.mean(axis=0) >= MOVED) & ~self.drifting)

    @property
    def repeats(self) -> dict[str, tuple[str, float]]:
        """Features that repeat an earlier one that repeats none: its name and the absolute rank correlation."""
        if self.clusters is None:
            return {}
        correlation = 1.0 - self.clusters.distance**2
        kept: list[int] = []
        found: dict[str, tuple[str, float]] = {}
        for place, name in enumerate(self.names):
            near = max(kept, key=lambda one: correlation[place, one], default=place)
            if near != place and correlation[place, near] >= SAME:
                found[name] = (self.names[near], float(correlation[place, near]))
            else:
                kept.append(place)
        return found
