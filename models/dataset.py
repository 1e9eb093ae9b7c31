"""The panel: what every learner sees. One ``Series`` per instrument, one flat table of ``Samples``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.features import at_event
from models.labels import LabelConfig, triple_barrier
from models.weights import average_uniqueness
from models.weights.overlaps import lasting


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One instrument's bars and what was computed from them, row by row.

    ``features`` has shape (n, f); a row with any NaN is before warm-up (or just after a hole) and is never
    predicted from. Contiguous runs of finite rows are the stretches over which recurrent state is carried.
    ``decides``: at which bars decisions are made, (n,); None: at every one.
    """

    symbol: str
    bars: NDArray[np.void]
    features: NDArray[np.float64]
    volatility: NDArray[np.float64]
    decides: NDArray[np.bool_] | None = None


def decisions(features: NDArray[np.float64], names: Sequence[str], events: str) -> NDArray[np.bool_] | None:
    """At which rows the feature ``events`` has one, neither zero nor undefined, shape (n,); None without a name.

    Parameters
    ----------
    features
        Shape (n, f).
    names
        Of the columns.

    Examples
    --------
    >>> decisions(np.array([[np.nan], [0.0], [-1.0]]), ["cusum_event_4"], "cusum_event_4").tolist()
    [False, False, True]
    """
    if not events:
        return None
    return at_event(features[:, list(names).index(events)])


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Labelled decisions of all instruments, in (decision time, instrument) order; arrays of shape (n,).

    ``instrument`` numbers the panel's series, ``row`` the bar within it. ``t0`` is the decision time (the
    bar's end), ``start`` the time of the first executable price, ``t1`` the time the label is known.
    ``label`` is 0 or 1, ``move`` the log return from start to exit, ``weight`` the average uniqueness.
    """

    instrument: NDArray[np.int64]
    row: NDArray[np.int64]
    t0: NDArray[np.int64]
    start: NDArray[np.int64]
    t1: NDArray[np.int64]
    label: NDArray[np.int64]
    move: NDArray[np.float64]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Series of several instruments on one grid of bars, or of bars that follow no clock, and their samples.

    ``interval``: the grid (ns), 0 for none. ``indicators``: how many of the last columns say which instrument a row is
    of (`models.bundle.instruments`).
    """

    series: tuple[Series, ...]
    feature_names: tuple[str, ...]
    interval: int
    samples: Samples
    indicators: int = 0

    @property
    def bar_length(self) -> int:
        """How long a bar lasts, ns: the interval, or the mean over all bars that follow no clock.

        That mean knows all of the panel's time: it may lay out tests and resampling, and no decision.
        """
        if self.interval:
            return self.interval
        bars = [one.bars for one in self.series if len(one.bars)]
        total = sum(int(one["end"][-1] - one["start"][0]) for one in bars)
        return max(total // max(sum(len(one) for one in bars), 1), 1)

    def features_alone(self) -> Panel:
        """The panel without the columns that say which instrument a row is of."""
        if not self.indicators:
            return self
        kept = len(self.feature_names) - self.indicators
        series = tuple(replace(one, features=one.features[:, :kept]) for one in self.series)
        return replace(self, series=series, feature_names=self.feature_names[:kept], indicators=0)

    def rows(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        """The feature rows of some samples, shape (len(index), f)."""
        out = np.empty((len(index), len(self.feature_names)))
        for number, series in enumerate(self.series):
            mine = self.samples.instrument[index] == number
            out[mine] = series.features[self.samples.row[index[mine]]]
        return out


def build_panel(
    series: tuple[Series, ...], feature_names: tuple[str, ...], interval: int, config: LabelConfig, indicators: int = 0
) -> Panel:
    """Label every series and weigh the labels of all together.

    Parameters
    ----------
    series
        With features and volatility already computed.
    feature_names
        The features' columns, in order.
    interval
        The bars' grid, ns; 0 for bars that follow no clock.
    config
        The labels.
    indicators
        How many of the last columns say which instrument a row is of.

    Returns
    -------
    Panel
        A row with a NaN feature, or at which nothing is decided, is not a sample; weights are the average uniqueness
        over all instruments.
    """
    parts = [_samples(number, one, interval, config) for number, one in enumerate(series)]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort((joined["instrument"], joined["t0"]))
    sorted_columns = {name: np.ascontiguousarray(column[order]) for name, column in joined.items()}
    start, t1 = sorted_columns["start"], sorted_columns["t1"]
    weight = average_uniqueness(start, lasting(start, t1))
    return Panel(series, feature_names, interval, Samples(weight=weight, **sorted_columns), indicators)


def _samples(number: int, series: Series, interval: int, config: LabelConfig) -> dict[str, NDArray[Any]]:
    labels = triple_barrier(series.bars, series.volatility, config, interval)
    known = np.isfinite(series.features[labels.row]).all(axis=1)
    if series.decides is not None:
        known &= series.decides[labels.row]
    row = labels.row[known]
    return {
        "instrument": np.full(len(row), number, np.int64),
        "row": row,
        "t0": series.bars["end"][row],
        "start": labels.start[known],
        "t1": labels.t1[known],
        "label": labels.label[known],
        "move": labels.move[known],
    }
