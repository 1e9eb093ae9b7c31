"""Distributions as pictures: the features that a reader should look at, each with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from models.statistics.columns import OUTLYING
from pipelines.feature_study import ABSENT, STILL, FeatureStudy
from pipelines.figures.cells import short_name
from pipelines.figures.style import BLUE, MUTED, ORANGE, VERMILION, draw

Floats = NDArray[np.float64]
SHOWN = 12
ACROSS = 3
EACH = 3
"""The most features that one reason brings."""


@dataclass(frozen=True, slots=True)
class Notable:
    """A feature's place, why it is shown, and whether that is a fault."""

    place: int
    reason: str
    fault: bool


def notable_features(study: FeatureStudy, shown: int = SHOWN) -> tuple[Notable, ...]:
    """The features to look at: faults first, then the largest of each kind of oddity; each feature once.

    Where all features fit, all are shown.
    """
    found: dict[int, Notable] = {}
    for values, least, words, fault in _reasons(study):
        known = np.where(np.isnan(values), -np.inf, values)
        known[list(found)] = -np.inf
        for place in np.argsort(-known, kind="stable")[:EACH]:
            if known[place] >= least:
                found[int(place)] = Notable(int(place), words.format(values[place]).replace("%", "\u00a0%"), fault)
    if len(study.names) <= shown:
        for place in range(len(study.names)):
            found.setdefault(place, Notable(place, "", False))
    return tuple(found.values())[:shown]


def _reasons(study: FeatureStudy) -> Iterator[tuple[Floats, float, str, bool]]:
    """What may be notable: a value a feature, from where on it is, in which words, and whether it is a fault."""
    columns, drift = study.columns, study.drift
    yield columns.missing, ABSENT, "missing in {:.0%} of bars", True
    yield np.where(columns.deviation == 0, 1.0, columns.commonest), STILL, "one value in {:.0%} of bars", True
    if drift is not None:
        index = drift.stability.mean(axis=0)
        yield np.where(study.drifting, index, np.nan), 0.0, "drifts beyond its past, index {:.2f}", True
    yield np.where(study.wandering, study.roots.kept, np.nan), 0.0, "unit root in {:.0%} of instruments", True
    if drift is not None:
        yield np.where(study.shifting, index, np.nan), 0.0, "shifts between stretches, index {:.2f}", True
    yield columns.farthest, OUTLYING, "{:,.0f} robust deviations away at most", False
    yield columns.excess_kurtosis, 5.0, "excess kurtosis {:,.0f}", False
    yield np.abs(columns.skewness), 1.0, "skewness {:.1f} in size", False
    yield columns.commonest, 0.05, "one value in {:.0%} of bars", False
    yield -columns.excess_kurtosis, 1.0, "excess kurtosis −{:.1f}: two humps, or flat", False


def distributions(study: FeatureStudy, shown: int = SHOWN) -> Figure:
    """Histograms between the outermost half percents of each side, with median and the quantiles at 1 and 99 %."""
    chosen = notable_features(study, shown)
    rows = max(-(-len(chosen) // ACROSS), 1)
    columns = study.columns

    def paint(figure: Figure) -> None:
        panels = figure.subplots(rows, ACROSS, squeeze=False).ravel()
        for axes in panels[len(chosen) :]:
            axes.set_visible(False)
        for axes, one in zip(panels, chosen, strict=False):
            low, high = columns.edges[one.place]
            if low == high:
                low, high = low - 0.5, high + 0.5
            count = columns.histogram[one.place]
            edges = np.linspace(low, high, len(count) + 1)
            if np.isfinite(low):
                axes.stairs(count, edges, fill=True, color=ORANGE if one.fault else BLUE, alpha=0.6, lw=0)
                axes.axvline(columns.median[one.place], color=VERMILION, lw=1.0)
                for quantile in (columns.low[one.place], columns.high[one.place]):
                    axes.axvline(quantile, color=MUTED, lw=0.8, ls=(0, (3, 2)))
            reason = axes.text(0, 1.03, one.reason, transform=axes.transAxes, fontsize=7, color=MUTED, va="bottom")
            reason.set_in_layout(False)
            axes.set_title(short_name(study.names[one.place]), fontsize=8.5, pad=13)
            axes.set_yticks([])
            axes.grid(False)
            axes.spines["left"].set_visible(False)
            axes.xaxis.set_major_locator(MaxNLocator(3))
            axes.tick_params(labelsize=7.5)

    return draw(0.3 + 1.45 * rows, paint)
