"""Overfitting by CSCV: where the strategy that was best in one half of the days stands in the other half."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipelines.figures.style import BLUE, INK, VERMILION, draw
from pipelines.laboratory import Overfitting

DISTINCT = 25
"""Ranks up to which each has a bar of its own."""


def bars(logits: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Places, shares in percent and width of a histogram's bars; no bar holds both sides of zero.

    Examples
    --------
    >>> place, share, width = bars(np.array([-1.0, -1.0, 0.0, 1.0]))
    >>> place.tolist(), share.tolist(), width
    ([-1.0, 0.0, 1.0], [50.0, 25.0, 25.0], 0.8)
    """
    value, count = np.unique(np.round(logits, 9), return_counts=True)
    if len(value) <= DISTINCT:
        width = 0.8 * float(np.diff(value).min()) if len(value) > 1 else 0.5
        return value, 100.0 * count / len(logits), width
    step = 2.0 * float(np.abs(value).max()) / DISTINCT
    # Cells are open at the left and closed at the right, as "at or below the median" is.
    cell, count = np.unique(np.ceil(value.repeat(count) / step), return_counts=True)
    return (cell - 0.5) * step, 100.0 * count / len(logits), 0.92 * step


def _histogram(axes: Any, found: Overfitting) -> None:
    place, share, width = bars(found.logits)
    below = place <= 0
    axes.bar(place[below], share[below], width, color=VERMILION, lw=0)
    axes.bar(place[~below], share[~below], width, color=BLUE, lw=0)
    axes.axvline(0, color=INK, lw=1.0)
    lost = 100.0 * float((found.logits <= 0).mean())
    reach = max(1.0, 1.15 * float(np.abs(found.logits).max()))
    axes.set_xlim(-reach, reach)
    axes.set_ylim(0, 1.22 * float(share.max()))
    style = {"va": "top", "fontsize": 8.5, "transform": axes.transAxes}
    axes.text(0.02, 0.98, f"{lost:.1f} % at or below\nthe median", color=VERMILION, ha="left", **style)
    axes.text(0.98, 0.98, f"{100 - lost:.1f} % above", color=BLUE, ha="right", **style)
    axes.set_title(found.among.removeprefix("the "))
    axes.grid(axis="x", visible=False)


def overfitting_figure(found: tuple[Overfitting, ...]) -> Figure:
    """One panel for each set of strategies: the logits of the chosen one's rank, those at or below zero in red."""

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(found), squeeze=False)[0]
        for axes, one in zip(panels, found, strict=True):
            _histogram(axes, one)
        panels[0].set_ylabel("% of splits")
        figure.supxlabel("logit of the chosen one's rank out of sample (0: the median)", fontsize=9)

    return draw(2.9, paint)
