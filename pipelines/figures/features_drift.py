"""Drift as a picture: how far each fold's test is from its training rows, and whether that is more than usual."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from pipelines.feature_study import FeatureDrift, FeatureStudy
from pipelines.figures.cells import PALE, heat_cells, named_rows
from pipelines.figures.style import BLUE, INK, MUTED, ORANGE, SKY, VERMILION, draw

SHOWN = 25
FAR = LinearSegmentedColormap.from_list("far", [PALE, "#f6d9a0", ORANGE, VERMILION, "#6e2a00"])
FARTHEST, DARK = 0.6, 0.35
"""The distance of the darkest cell, and that from which marks on cells are white."""
HEAD = 1.5
"""Height of the upper panel, inches."""


def drift_order(drift: FeatureDrift) -> NDArray[np.int64]:
    """Features by their mean distance over folds, the farthest first."""
    found: NDArray[np.int64] = np.argsort(-drift.distance.mean(axis=0), kind="stable")
    return found


def drift_map(study: FeatureStudy, drift: FeatureDrift, shown: int = SHOWN) -> Figure:
    """Above, the share of features beyond their past in each fold; below, the farthest features fold by fold.

    A triangle marks where the test is farther from the training rows than any stretch of theirs.
    """
    order = drift_order(drift)[:shown]
    values, beyond = drift.distance[:, order].T, drift.beyond[:, order].T
    folds = np.arange(len(drift.distance))
    share = 100.0 * drift.beyond.mean(axis=1)

    def paint(figure: Figure) -> None:
        top, axes = figure.subplots(2, 1, sharex=True, height_ratios=(HEAD, max(0.23 * len(order), 1.0)))
        top.bar(folds, share, width=0.7, color=[BLUE if one > 0 else SKY for one in drift.stretches], alpha=0.7, lw=0)
        for fold, one in zip(folds, share, strict=True):
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
            top.text(fold, one + 1.5, f"{one:.0f}", ha="center", va="bottom", fontsize=8, bbox=box)
        top.set_ylim(0, max(float(share.max()) * 1.45, 30.0))
        top.set_yticks([tick for tick in top.get_yticks() if tick <= 100])
        top.set_ylabel("% of features")
        top.set_title(f"beyond every stretch of the training rows, of all {len(study.names)} features")
        top.grid(axis="x", visible=False)
        if np.isfinite(drift.by_chance):
            top.axhline(100 * drift.by_chance, color=INK, lw=0.9, ls=(0, (4, 3)))
            by = Line2D([], [], color=INK, lw=0.9, ls=(0, (4, 3)), label="about what chance makes of stretches alike")
            top.legend(handles=[by], loc="upper left")
        heat_cells(axes, values, FAR, 0.0, FARTHEST, "{:.2f}")
        rows, columns = np.nonzero(beyond)
        shade = ["white" if value > DARK else INK for value in values[rows, columns]]
        axes.scatter(columns + 0.42, rows, marker="<", s=18, color=shade, lw=0, clip_on=False)
        named_rows(axes, [study.names[column] for column in order])
        axes.set_xticks(folds, [str(fold + 1) for fold in folds])
        axes.set_xlabel("fold")
        title = "distance of the test from the training rows"
        axes.set_title(title if len(order) == len(study.names) else f"{title}, the {len(order)} farthest")
        for edge in ("left", "bottom"):
            axes.spines[edge].set_color(MUTED)

    return draw(1.3 + HEAD + 0.23 * len(order), paint)
