"""Which features say the same: the tree by which they were joined, and their correlations in its order."""

from __future__ import annotations

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from models.importance.clusters import Clusters
from pipelines.feature_study import SAME
from pipelines.figures.cells import short_name
from pipelines.figures.importances import NEAR, spread
from pipelines.figures.style import BLUE, INK, MUTED, VERMILION, draw

LINE = 0.105
"""Height of a feature's row, inches."""
MARGIN = 1.2
MOST_NAMED = 110
"""Features beyond which clusters are named, not features."""


def cluster_tree(clusters: Clusters) -> Figure:
    """A dendrogram of complete linkage beside the map of distances, features in the tree's order.

    A branch stands at the distance of the farthest two features below it. Frames are clusters; the line in the tree is
    the distance of features that repeat each other.
    """
    from scipy.cluster.hierarchy import dendrogram, linkage
    from scipy.spatial.distance import squareform

    tree = dendrogram(linkage(squareform(clusters.distance, checks=False), "complete"), no_plot=True)
    order = np.array(tree["leaves"])
    size = len(order)
    label = clusters.label[order]
    starts = np.flatnonzero(np.append(True, label[1:] != label[:-1]))
    stops = np.append(starts[1:], size)
    named = size <= MOST_NAMED

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.9), sharey=True)
        lines = [
            np.column_stack([far, (np.array(place) - 5.0) / 10.0])
            for far, place in zip(tree["dcoord"], tree["icoord"], strict=True)
        ]
        inside = [_within(line, label) for line in lines]
        left.add_collection(LineCollection(lines, colors=[BLUE if one else MUTED for one in inside], linewidths=0.8))
        same = float(np.sqrt(1.0 - SAME))
        left.axvline(same, color=VERMILION, lw=0.9, ls=(0, (4, 3)))
        left.text(same, -1.0, f"|ρ| = {SAME:g}", color=VERMILION, fontsize=7, ha="center", va="bottom")
        left.set_xlim(1.0, -0.01)
        left.set_ylim(size - 0.5, -0.5)
        left.set_yticks([])
        left.grid(axis="y", visible=False)
        left.spines["left"].set_visible(False)
        left.set_xlabel("joined at distance √(1 − |ρ|)")
        image = right.imshow(clusters.distance[np.ix_(order, order)], cmap=NEAR, vmin=0, vmax=1, aspect="auto")
        for low, high in zip(starts, stops, strict=True):
            if high - low > 1:
                box = Rectangle((low - 0.5, low - 0.5), high - low, high - low, fill=False, ec=VERMILION, lw=1.0)
                right.add_patch(box)
        right.set_xticks([])
        right.grid(False)
        right.tick_params(length=0, labelleft=False)
        right.set_xlabel(f"{size} features in {len(clusters)} clusters")
        texts = [short_name(clusters.names[one]) for one in order]
        middles = places = np.arange(size, dtype=np.float64)
        if not named:
            texts = [short_name(clusters.titles[label[start]]) for start in starts]
            middles = (starts + stops - 1) / 2.0
            places = spread(middles, LINE * size / (figure.get_figheight() - MARGIN), -0.5, size - 0.5)
        out = size - 0.5 + 0.02 * size
        for text, middle, place in zip(texts, middles, places, strict=True):
            right.plot([size - 0.5, out], [middle, place], color=MUTED, lw=0.4, clip_on=False)
            right.text(out, place, f" {text}", ha="left", va="center", fontsize=6.3, color=INK)
        bar = figure.colorbar(image, ax=right, location="top", aspect=50, pad=0.015, ticks=[0, 0.5, 1])
        bar.set_label("distance (0: the same order, or its reverse)")
        bar.outline.set_visible(False)
        bar.ax.grid(False)

    return draw(MARGIN + max(LINE * (size if named else 0.6 * size), 2.5), paint)


def _within(line: NDArray[np.float64], label: NDArray[np.int64]) -> bool:
    """Whether a branch joins features of one cluster."""
    first, last = int(np.floor(line[:, 1].min())), int(np.ceil(line[:, 1].max()))
    return bool(label[first] == label[last])
