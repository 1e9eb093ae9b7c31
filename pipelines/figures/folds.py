"""The walk-forward in time: what each fold was trained on, what was purged, what was tested."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.dates import date2num
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from market.time import HOUR
from pipelines.figures.style import BLUE, GRID, ORANGE, VERMILION, date_axis, dates, draw
from pipelines.results import Fold, Span

PAPER = "#8c8c8c"


def _bar(axes: Any, row: float, span: Span, colour: str, **style: Any) -> None:
    left, right = date2num(dates(np.array([span.start, span.end])))
    axes.barh(row, right - left, left=left, height=0.62, color=colour, lw=0, **style)


def _overview(axes: Any, folds: tuple[Fold, ...], paper: Span | None) -> None:
    for row, fold in enumerate(folds):
        for span in fold.train:
            _bar(axes, row, span, BLUE, alpha=0.8)
        _bar(axes, row, fold.test, ORANGE, alpha=1.0 if fold.compared else 0.45)
    labels = [f"fold {fold.number}" for fold in folds]
    if paper is not None:
        _bar(axes, len(folds), paper, PAPER)
        labels.append("paper")
    axes.set_yticks(range(len(labels)), labels)
    axes.xaxis_date()
    date_axis(axes)


def hours_before(moment: int, start: int) -> float:
    """Hours from a test's start to a moment: negative is before it.

    Examples
    --------
    >>> hours_before(0, 12 * HOUR)
    -12.0
    """
    return (moment - start) / HOUR


def _close_up(axes: Any, folds: tuple[Fold, ...]) -> None:
    longest = max((fold.test.start - fold.purged.start for fold in folds if fold.purged), default=0) / HOUR
    left, right = -1.6 * longest, 0.45 * longest
    for row, fold in enumerate(folds):
        learned = max((span.end for span in fold.train if span.start < fold.test.start), default=None)
        if learned is not None:
            end = hours_before(learned, fold.test.start)
            axes.barh(row - 0.16, end - left, left=left, height=0.3, color=BLUE, alpha=0.8, lw=0)
        if fold.purged is not None:
            begin = hours_before(fold.purged.start, fold.test.start)
            axes.barh(row + 0.16, -begin, left=begin, height=0.3, color=VERMILION, lw=0)
            axes.text(
                begin / 2, row + 0.17, f"{fold.purged_rows:,}", ha="center", va="center", fontsize=7, color="white"
            )
        axes.barh(row, right, left=0, height=0.62, color=ORANGE, alpha=1.0 if fold.compared else 0.45, lw=0)
    axes.set_xlim(left, right)
    axes.set_xlabel("hours from the test's start")


def timeline(folds: tuple[Fold, ...], paper: Span | None = None) -> Figure:
    """One row a fold, and a close-up of where training ends and the test begins; the paper stretch in its own row."""
    purged = any(fold.purged is not None for fold in folds)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, 2 if purged else 1, sharey=True, squeeze=False, width_ratios=(3, 1.5)[: 1 + purged])
        _overview(panels[0, 0], folds, paper)
        handles = [Patch(color=BLUE, alpha=0.8, label="train"), Patch(color=ORANGE, label="test")]
        if any(not fold.compared for fold in folds):
            handles.append(Patch(color=ORANGE, alpha=0.45, label="test, only for stacker and calibration"))
        if purged:
            _close_up(panels[0, 1], folds)
            handles.append(Patch(color=VERMILION, label="purged, number of decisions"))
        if paper is not None:
            handles.append(Patch(color=PAPER, label="untouched, traded on paper"))
        panels[0, 0].invert_yaxis()
        for axes in panels[0]:
            axes.grid(axis="y", visible=False)
            axes.grid(axis="x", color=GRID)
        figure.legend(handles=handles, loc="outside upper left", ncols=3)

    return draw(1.35 + 0.3 * (len(folds) + 1), paint)
