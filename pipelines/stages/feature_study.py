"""The feature study: what the bars and features before the cut look like, and whether they stay what they are.

Nothing is fitted and no label is looked at, except that drift compares the rows that each fold learns from with those
it is tested on. The work is bounded by the numbers of rows below, not by the length of the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from features.catalogue.memory import critical_value
from market.bars import FIELDS, missing_bars, present_fields
from models.dataset import Panel, Series
from models.importance.clusters import cluster_features
from models.importance.member_fold import spaced
from models.members.protocol import Progress
from models.statistics.columns import describe_columns
from models.statistics.drift import OUTSIDE, column_drift
from models.statistics.long_run import usual_lags
from models.statistics.persistence import half_life, lag_ladder, lagged_correlation
from models.statistics.stationarity import adf
from pipelines.arrays_json import read_document, write_document
from pipelines.feature_study import FeatureColumns, FeatureDrift, FeatureStudy, StudiedBars, UnitRoots
from pipelines.importances import FeatureClusters
from pipelines.stages.artefacts import Artefact, Draft, Job, job
from pipelines.stages.fit import Window, training_samples
from pipelines.stages.panel import load_panel

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
STUDY = "features.json"
DESCRIBED = 20_000
"""The most bars, over all instruments, whose values are described."""
TESTED = 1_000
"""The most values of an instrument that are tested for a unit root."""
FEWEST_TESTED = 50
COMPARED = 4_000
"""The most training rows of a fold that are compared; of the test, as many as a stretch of these has."""
MOST_STRETCHES = 8
CLUSTERED = 5_000
"""The most rows whose correlation is taken: as many as the importances take."""
FEWEST_CLUSTERED = 3
LONGEST_LAG = 3_000
"""Bars up to which a feature's memory is followed."""
LIBRARIES = ("numpy", "numba", "llvmlite", "scipy", "scikit-learn")


def feature_study_job(panel_artefact: Artefact, panels: Sequence[Artefact], windows: Sequence[Window], cut: int) -> Job:
    """The study of a panel whose bars end at ``cut`` or before; ``panels`` are what each fold learns from."""

    def build(draft: Draft, progress: Progress) -> None:
        each = (load_panel(one).features_alone() for one in panels)
        found = study_features(load_panel(panel_artefact).features_alone(), each, windows, cut, progress)
        write_document(found, draft.folder, STUDY)

    inputs = (panel_artefact.digest, [one.digest for one in panels], tuple(windows), cut)
    return job("feature-study", "data and features", inputs, build, LIBRARIES)


def load_feature_study(artefact: Artefact) -> FeatureStudy:
    """Read what the job found."""
    return read_document(FeatureStudy, artefact.path, STUDY)


def study_features(
    panel: Panel, panels: Iterable[Panel], windows: Sequence[Window], cut: int, progress: Progress
) -> FeatureStudy:
    """Look at everything.

    Parameters
    ----------
    panel
        What is described.
    panels, windows
        The folds, and the panel that each learns from and is tested on: features that are fitted differ.
    cut
        The end of research, ns UTC.
    progress
        Told what is going on.
    """
    progress("bars and distributions", 0.0)
    bars = tuple(studied_bars(one, panel.interval) for one in panel.series)
    series = tuple(finite_or_missing(one) for one in panel.series)
    columns = feature_columns(series)
    progress("unit roots and memory", 0.2)
    roots = unit_roots(series)
    correlation, life = persistence(series)
    progress("drift", 0.5)
    drift = feature_drift(panels, windows)
    progress("clusters", 0.9)
    index = spaced(np.arange(len(panel.samples)), CLUSTERED)
    return FeatureStudy(
        cut=cut,
        names=panel.feature_names,
        bars=bars,
        columns=columns,
        roots=roots,
        autocorrelation=correlation,
        half_life=life,
        drift=drift,
        clustered=len(index),
        clusters=feature_clusters(panel, index),
    )


def studied_bars(series: Series, interval: int) -> StudiedBars:
    """One instrument's bars: how many, what is missing, what stands still."""
    bars = series.bars
    holes = missing_bars(bars, interval)
    holes = holes[holes > 0]
    present = present_fields(bars)
    missing = {name: float(np.isnan(bars[name]).mean()) for name in FIELDS if name not in present}
    return StudiedBars(
        symbol=series.symbol,
        rows=len(bars),
        start=int(bars["start"][0]),
        end=int(bars["end"][-1]),
        gaps=len(holes),
        missing=int(holes.sum()),
        longest=int(holes.max(initial=0)),
        idle=int((bars["volume"] == 0).sum()) if "volume" in present else None,
        flat=int((bars["high"] == bars["low"]).sum()),
        fields=tuple(name for name in FIELDS if name in present),
        partial={name: share for name, share in missing.items() if share < 1.0},
    )


def feature_columns(series: Sequence[Series]) -> FeatureColumns:
    """Each feature's warm-up, what is missing behind it, and its values in numbers."""
    warmup = np.stack([first_values(one.features) for one in series])
    behind = np.stack([len(one.features) - first for one, first in zip(series, warmup, strict=True)])
    there = np.stack([np.sum(~np.isnan(one.features), axis=0) for one in series])
    total = behind.sum(axis=0)
    missing = np.where(total > 0, 1.0 - there.sum(axis=0) / np.maximum(total, 1), 1.0)
    values = evenly([one.features[int(first.min()) :] for one, first in zip(series, warmup, strict=True)], DESCRIBED)
    found = describe_columns(values)
    described = {name: getattr(found, name) for name in FeatureColumns.__struct_fields__[3:]}
    return FeatureColumns(rows=len(values), warmup=warmup.max(axis=0), missing=missing, **described)


def finite_or_missing(series: Series) -> Series:
    """The same with infinite values missing: no sample is made of such a row either."""
    infinite = np.isinf(series.features)
    return replace(series, features=np.where(infinite, np.nan, series.features)) if infinite.any() else series


def first_values(rows: Floats) -> Integers:
    """How many rows stand before each column's first value, shape (f,); all where it has none."""
    there = ~np.isnan(rows)
    found: Integers = np.where(there.any(axis=0), there.argmax(axis=0), len(rows)).astype(np.int64)
    return found


def evenly(parts: Sequence[Floats], most: int) -> Floats:
    """At most ``most`` rows of some tables, evenly spaced over all of them."""
    edges = np.cumsum([0, *(len(part) for part in parts)])
    chosen = spaced(np.arange(edges[-1]), most)
    inside = [chosen[(chosen >= low) & (chosen < high)] - low for low, high in pairwise(edges)]
    return np.concatenate([part[rows] for part, rows in zip(parts, inside, strict=True)])


def unit_roots(series: Sequence[Series]) -> UnitRoots:
    """Dickey–Fuller statistics of every feature and instrument."""
    shape = (len(series), series[0].features.shape[1])
    statistic, critical = np.full(shape, np.nan), np.full(shape, np.nan)
    for place, one in enumerate(series):
        for column in range(shape[1]):
            values = one.features[:, column]
            values = values[~np.isnan(values)]
            values = values[spaced(np.arange(len(values)), TESTED)]
            if len(values) >= FEWEST_TESTED:
                lags = usual_lags(len(values))
                statistic[place, column] = adf(values - values.mean(), lags)
                critical[place, column] = critical_value(len(values) - lags - 1)
    return UnitRoots(TESTED, statistic, critical)


def persistence(series: Sequence[Series]) -> tuple[Floats, Floats]:
    """Each feature's autocorrelation from bar to bar and its half-life in bars, means over instruments."""
    lags = lag_ladder(max(min(LONGEST_LAG, *(len(one.features) // 4 for one in series)), 1))
    found = np.stack([lagged_correlation(one.features, lags) for one in series])
    known = ~np.isnan(found)
    count = known.sum(axis=0)
    mean = np.where(count > 0, np.where(known, found, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
    return mean[0], half_life(mean, lags)


def feature_drift(panels: Iterable[Panel], windows: Sequence[Window]) -> FeatureDrift | None:
    """Every fold's test rows against its training rows; None where no fold has both."""
    found, stretches = [], []
    for panel, window in zip(panels, windows, strict=True):
        t0 = panel.samples.t0
        train, test = (
            training_samples(panel, window),
            np.flatnonzero((t0 >= window.test_start) & (t0 < window.test_stop)),
        )
        if len(train) == 0 or len(test) == 0:
            return None
        train = spaced(train, COMPARED)
        stretch = numbered_stretches(t0[train], window.test_stop - window.test_start)
        number = int(stretch.max()) + 1
        test = spaced(test, len(train) // max(number, 1))
        found.append(column_drift(panel.rows(train), panel.rows(test), stretch))
        stretches.append(number)
    if not found:
        return None
    known = [one.usual_distance.max(axis=0, initial=-1.0) for one in found]
    index = [one.usual_stability.max(axis=0, initial=-1.0) for one in found]
    return FeatureDrift(
        rows=COMPARED,
        stretches=np.array(stretches, np.int64),
        distance=np.stack([one.distance for one in found]),
        stability=np.stack([one.stability for one in found]),
        usual=np.where(np.stack(known) < 0, np.nan, known),
        usual_stability=np.where(np.stack(index) < 0, np.nan, index),
    )


def numbered_stretches(t0: Integers, length: int) -> Integers:
    """The stretch of each training row: equal parts of their time, about as long as a test of ``length``.

    All are `OUTSIDE` where there is no room for two, or a part has no rows. What purging took from the end of the
    training rows does not cost a stretch: parts may be shorter than the test by a quarter of one, shared by all.
    """
    first, last = int(t0.min()), int(t0.max()) + 1
    number = min(int((last - first) / length + 0.25), MOST_STRETCHES)
    outside = np.full(len(t0), OUTSIDE, np.int64)
    if number < 2:
        return outside
    found: Integers = (t0 - first) * number // (last - first)
    return found if len(np.unique(found)) == number else outside


def feature_clusters(panel: Panel, index: Integers) -> FeatureClusters | None:
    """Features that say the same, by rank correlation of some samples."""
    if len(panel.feature_names) < FEWEST_CLUSTERED:
        return None
    found = cluster_features(panel.rows(index), panel.feature_names)
    return FeatureClusters(found.names, found.label, found.silhouette, found.distance)
