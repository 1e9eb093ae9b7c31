"""Precision and recall at coverage: the surest decisions by the ensemble's confidence, and by the second stage."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from pipelines.figures.style import INK, MUTED, VERMILION, draw
from pipelines.meta import MetaScores, MetaStudy

CURVES = (("ensemble", "the ensemble’s confidence", INK), ("meta", "the second stage", VERMILION))
MEASURES = ("precision", "recall", "f1")
TITLES = {"precision": "precision", "recall": "recall", "f1": "F1"}


def _panel(axes: Any, found: MetaScores, measure: str) -> None:
    share = np.array([one.coverage for one in found.curve])
    for name, label, colour in CURVES:
        points = [getattr(getattr(one, name), measure) for one in found.curve]
        value, low, high = (
            np.array([np.nan if number is None else number for number in column], np.float64)
            for column in zip(*((one.value, one.low, one.high) for one in points), strict=True)
        )
        axes.fill_between(share, low, high, color=colour, alpha=0.15, lw=0)
        axes.plot(share, value, color=colour, label=label, lw=1.4)
    if measure == "precision" and found.right.value is not None:
        axes.axhline(found.right.value, color=MUTED, lw=0.8, ls=(0, (4, 3)), label="all decisions")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    if measure != "f1":
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlim(0.0, 1.0)


def coverage_figure(study: MetaStudy) -> Figure:
    """A row of panels out of fold and, where there is one, a row on the untouched stretch."""
    rows = [("out of fold", study.out_of_fold)]
    if study.holdout is not None:
        rows.append(("untouched stretch", study.holdout))

    def paint(figure: Figure) -> None:
        panels = figure.subplots(len(rows), len(MEASURES), sharex=True, squeeze=False)
        for line, (title, found) in zip(panels, rows, strict=True):
            for axes, measure in zip(line, MEASURES, strict=True):
                _panel(axes, found, measure)
                axes.set_title(TITLES[measure])
            line[0].set_ylabel(title)
        for axes in panels[-1]:
            axes.set_xlabel("share acted on")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=3)

    return draw(0.5 + 2.2 * len(rows), paint)
