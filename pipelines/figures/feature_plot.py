"""A price and features of it, one above the other, with how often each value was seen."""

from __future__ import annotations

import io
import itertools
import textwrap
from collections.abc import Iterator
from typing import Any, TypeAlias

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter
from numpy.typing import NDArray

from features.feature import Feature
from pipelines.catalogue.series import MAX_GAP, Shown
from pipelines.figures.style import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PINK,
    SETTINGS,
    SKY,
    VERMILION,
    date_axis,
    dates,
    draw,
    thinned,
)

Floats: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.int64]

COLOURS = (BLUE, GREEN, VERMILION, PINK, SKY)
POINTS = 1_400
"""Of a line at most. Of more values it goes through the extremes of chunks, pale, with their medians in front."""
MEDIANS = POINTS // 5
PALE = 0.3
LOGARITHMIC = 3.0
"""The highest close over the lowest from which on the price's axis is logarithmic."""
AMBER = "#8a5f00"
RESOLUTION = 200
LETTERS = 108
"""Of a formula in the figure; the rest is in the HTML."""
BINS = 48


def feature_plot(shown: Shown) -> Figure:
    """The close, and below it each feature, at the times from which they are known: the bars' ends.

    What fitted features were fitted on is shaded, and left out of their distribution at the right.
    """
    features = shown.feature_set.features

    def paint(figure: Figure) -> None:
        heights = (1.5, *(1.0 for _ in features))
        grid = figure.subplots(
            len(heights), 2, sharex="col", sharey="row", width_ratios=(9, 1), height_ratios=heights, squeeze=False
        )
        _price(grid[0, 0], shown)
        grid[0, 1].set_axis_off()
        for number, feature in enumerate(features):
            values, colour = shown.values[:, number], COLOURS[number % len(COLOURS)]
            _feature(grid[number + 1, 0], shown, feature, values, colour)
            _distribution(grid[number + 1, 1], values[shown.fitted_bars if feature.fitted else 0 :], colour)
        left = grid[:, 0]
        left[0].set_xlim(*dates(np.array([shown.bars["start"][0], shown.bars["end"][-1]])))
        date_axis(left[-1])
        left[-1].set_xlabel(f"end of the bar, UTC{legend(shown)}", color=MUTED, fontsize=8.0, loc="left")
        grid[-1, 1].set_xlabel("how often", color=MUTED, fontsize=8.0)
        figure.align_ylabels(left)

    return draw(1.1 + 1.55 + 1.45 * len(features), paint)


def _price(axes: Any, shown: Shown) -> None:
    close = shown.bars["close"]
    axes.set_title(f"{shown.key.instrument}, {shown.key.venue}, {shown.key.interval} bars")
    for run in runs(shown, close):
        _line(axes, shown, close, run, INK)
    wide = float(close.max()) > LOGARITHMIC * float(close.min())
    if wide:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
    axes.set_ylabel("close,\nquote per base" + (", log" if wide else ""))


def _feature(axes: Any, shown: Shown, feature: Feature, values: Floats, colour: str) -> None:
    axes.set_title(feature.name, pad=15.0)
    formula = textwrap.shorten(feature.meaning, LETTERS, placeholder=" …")
    style = {"fontsize": 7.0, "color": MUTED, "va": "bottom", "annotation_clip": False, "in_layout": False}
    axes.annotate(formula, (0.0, 1.0), (0.0, 3.0), "axes fraction", "offset points", **style)
    axes.set_ylabel(unit(feature))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    known = values[~np.isnan(values)]
    if not len(known):
        text = f"undefined here: it needs {feature.warmup:,} bars without a gap of more than {MAX_GAP}"
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=MUTED)
        axes.set_yticks([])
        return
    if known.min() < 0.0 < known.max():
        axes.axhline(0.0, color=MUTED, lw=0.7)
    if feature.fitted:
        part = np.array([shown.bars["start"][0], shown.bars["end"][shown.fitted_bars - 1]])
        axes.axvspan(*dates(part), color=ORANGE, alpha=0.15, lw=0)
        mark = {"fontsize": 7.5, "color": AMBER, "ha": "right", "va": "bottom"}
        axes.annotate(
            "shaded: what it was fitted on", (1.0, 1.0), (0.0, 15.0), "axes fraction", "offset points", **mark
        )
    pale = dense(shown)
    for run in runs(shown, values):
        _line(axes, shown, values, run, colour, PALE if pale else 1.0)
        if pale:
            rows, middle = medians(values[run], max(1, MEDIANS * len(run) // len(values)))
            axes.plot(dates(shown.bars["end"][run[rows]]), middle, color=colour, lw=1.1)


def _line(axes: Any, shown: Shown, values: Floats, run: Rows, colour: str, alpha: float = 1.0) -> None:
    keep = run[thinned(values[run], max(2, POINTS * len(run) // len(values)))]
    mark = "." if len(run) == 1 else None
    axes.plot(dates(shown.bars["end"][keep]), values[keep], color=colour, lw=0.9, alpha=alpha, marker=mark, ms=2.0)


def dense(shown: Shown) -> bool:
    """Whether there are too many bars to draw each."""
    return len(shown.bars) > POINTS


def legend(shown: Shown) -> str:
    """What pale and dark lines are, where there are such."""
    return f" · pale: extremes, dark: medians of some {len(shown.bars) // MEDIANS:,} bars" if dense(shown) else ""


def medians(values: Floats, count: int) -> tuple[Rows, Floats]:
    """The last row and the median of each of ``count`` chunks of about the same length.

    Examples
    --------
    >>> rows, middle = medians(np.array([1.0, 9.0, 2.0, 5.0, 5.0, 4.0]), 2)
    >>> rows.tolist(), middle.tolist()
    ([2, 5], [2.0, 5.0])
    """
    edges = np.linspace(0, len(values), min(count, len(values)) + 1).astype(np.int64)
    middle = [float(np.median(values[low:high])) for low, high in itertools.pairwise(edges)]
    return edges[1:] - 1, np.array(middle)


def runs(shown: Shown, values: Floats) -> Iterator[Rows]:
    """The rows of each stretch without undefined values and, on a time grid, without missing bars.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> bars = np.array([(0, 1), (1, 2), (2, 3), (7, 8), (8, 9)], [("start", "i8"), ("end", "i8")])
    >>> some = SimpleNamespace(bars=bars, key=SimpleNamespace(nanoseconds=1))
    >>> [one.tolist() for one in runs(some, np.array([np.nan, 1.0, 1.0, 1.0, 1.0]))]
    [[1, 2], [3, 4]]
    """
    rows = np.flatnonzero(~np.isnan(values))
    apart = np.diff(rows) > 1
    if shown.key.nanoseconds:
        apart |= shown.bars["start"][rows[1:]] > shown.bars["end"][rows[1:] - 1]
    return (one for one in np.split(rows, np.flatnonzero(apart) + 1) if len(one))


def _distribution(axes: Any, values: Floats, colour: str) -> None:
    known = values[~np.isnan(values)]
    axes.grid(visible=False)
    axes.tick_params(left=False, bottom=False, labelbottom=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    if len(known):
        counts, edges = np.histogram(known, BINS)
        axes.stairs(counts / counts.max(), edges, orientation="horizontal", fill=True, color=colour, alpha=0.55, lw=0)


def unit(feature: Feature) -> str:
    """A feature's unit as an axis says it, in short lines."""
    return "pure number" if feature.unit == "1" else "\n".join(textwrap.wrap(feature.unit, 12))


def png(figure: Figure) -> bytes:
    """A figure as PNG."""
    buffer = io.BytesIO()
    with mpl.rc_context(SETTINGS):
        figure.savefig(buffer, format="png", dpi=RESOLUTION, metadata={"Software": None})
    return buffer.getvalue()
