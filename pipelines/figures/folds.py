"""The walk-forward in time: what each fold was trained on, what was purged, what was tested."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.dates import date2num
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pipelines.figures.style import BLUE, GRID, ORANGE, VERMILION, date_axis, dates, draw
from pipelines.results import Fold, Span


def _bar(axes: Any, row: float, span: Span, colour: str, **style: Any) -> None:
    left, right = date2num(dates(np.array([span.start, span.end])))
    axes.barh(row, right - left, left=left, height=0.62, color=colour, lw=0, **style)


def purged(fold: Fold) -> Span | None:
    """The time between the last training span before the test and the test; None where they touch.

    Examples
    --------
    >>> fold = Fold(0, (Span(0, 80),), Span(90, 100), 1, 1.0, 1, 1.0, {})
    >>> purged(fold)
    Span(start=80, end=90)
    """
    before = [span.end for span in fold.train if span.end <= fold.test.start]
    if not before or max(before) == fold.test.start:
        return None
    return Span(max(before), fold.test.start)


def timeline(folds: tuple[Fold, ...], paper: Span | None = None) -> Figure:
    """One row a fold; the untouched paper stretch, where there is one, in a row of its own."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for row, fold in enumerate(folds):
            for span in fold.train:
                _bar(axes, row, span, BLUE, alpha=0.8)
            gap = purged(fold)
            if gap is not None:
                _bar(axes, row, gap, VERMILION)
            _bar(axes, row, fold.test, ORANGE, alpha=1.0 if fold.compared else 0.45)
        labels = [f"fold {fold.index}" for fold in folds]
        handles = [Patch(color=BLUE, alpha=0.8, label="train"), Patch(color=VERMILION, label="purged")]
        handles.append(Patch(color=ORANGE, label="test"))
        if any(not fold.compared for fold in folds):
            handles.append(Patch(color=ORANGE, alpha=0.45, label="test, used only to fit the stacker"))
        if paper is not None:
            _bar(axes, len(folds), paper, "#8c8c8c")
            labels.append("paper")
            handles.append(Patch(color="#8c8c8c", label="untouched, traded on paper"))
        axes.set_yticks(range(len(labels)), labels)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", color=GRID)
        axes.xaxis_date()
        date_axis(axes)
        figure.legend(handles=handles, loc="outside upper left", ncols=3)

    return draw(1.1 + 0.27 * (len(folds) + 1), paint)
