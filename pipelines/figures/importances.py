"""Importances as pictures: bars with intervals, SHAP summary, agreement of folds and of methods, map of clusters.

Each takes a value of `models.importance` and gives a figure; nothing here knows of a run or a report.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from models.importance.clusters import Clusters
from models.importance.shap import Contributions
from models.importance.stability import ranks_by_row, stability
from models.importance.table import Importances
from pipelines.figures.cells import DARK_BLUE, PALE, heat_cells, named_rows, short_name
from pipelines.figures.style import BLUE, INK, MUTED, ORANGE, SKY, VERMILION, colours, draw

Floats = NDArray[np.float64]
SHOWN = 20
POINTS = 500
"""The most rows of a feature in a SHAP summary, evenly spaced."""
LOW_TO_HIGH = LinearSegmentedColormap.from_list("low to high", [BLUE, "#b9b3c3", VERMILION])
NEAR = LinearSegmentedColormap.from_list("near", [DARK_BLUE, BLUE, SKY, PALE])
AGREEMENT = LinearSegmentedColormap.from_list("agreement", [ORANGE, PALE, BLUE, DARK_BLUE])
LINE = 0.115
"""Height of a line of small text, inches."""
MARGIN = 1.3
"""What a map of clusters needs above and below, inches."""


def importance_bars(table: Importances, shown: int = SHOWN, level: float = 0.95, overlap: float = 0.0) -> Figure:
    """The leading features: mean, interval, and every fold as a dot; pale where the interval holds zero.

    Parameters
    ----------
    table
        Of any method.
    shown
        The most features.
    level, overlap
        As `Importances.interval`.
    """
    leading = table.sorted(shown)
    low, high = leading.interval(level, overlap)
    sure = (low > 0) | (high < 0)
    rows = np.arange(len(leading))

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axvline(0, color=MUTED, lw=0.8)
        axes.barh(rows, leading.mean, height=0.62, color=[BLUE if one else SKY for one in sure], alpha=0.55, lw=0)
        if len(leading.values) <= 30:
            for values in leading.values:
                axes.plot(values, rows, "o", ms=2.6, color=MUTED, alpha=0.8, mew=0)
        axes.hlines(rows, low, high, color=INK, lw=1.2)
        named_rows(axes, leading.names)
        axes.set_xlabel(f"{table.method}: {table.unit}")
        kinds = [Line2D([], [], color=INK, lw=1.2, label=f"mean's {100 * level:.0f} % interval")]
        if len(leading.values) <= 30:
            dot = Line2D([], [], ls="", marker="o", ms=2.6, color=MUTED, label=f"a {table.along}")
            kinds.append(dot)
        if not sure.all():
            kinds.append(Patch(color=SKY, alpha=0.55, lw=0, label="interval holds zero"))
        figure.legend(handles=kinds, loc="outside upper left", ncols=3)

    return draw(1.1 + 0.22 * len(leading), paint)


def importance_by_member(
    tables: Mapping[str, Importances], shown: int = SHOWN, level: float = 0.95, overlap: float = 0.0
) -> Figure:
    """The same features by several members side by side, best mean rank first: each mean with its interval.

    Hollow where the interval holds zero. Every member has an axis of its own: a member that is sure of itself loses
    more by every shuffle, so that sizes compare within a member only.

    Parameters
    ----------
    tables
        Of one method, by member; all of the same features.
    shown
        The most features.
    level, overlap
        As `Importances.interval`.
    """
    first = next(iter(tables.values()))
    ordered = {
        member: table.take(np.array([table.names.index(name) for name in first.names]))
        for member, table in tables.items()
    }
    rank = ranks_by_row(np.stack([table.mean for table in ordered.values()])).mean(axis=0)
    order = np.argsort(rank, kind="stable")[:shown]
    rows = np.arange(len(order))

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
        for axes, (member, colour) in zip(panels, colours(tables).items(), strict=True):
            chosen = ordered[member].take(order)
            low, high = chosen.interval(level, overlap)
            fill = [colour if one else "white" for one in (low > 0) | (high < 0)]
            axes.axvline(0, color=MUTED, lw=0.8)
            axes.hlines(rows, low, high, color=colour, lw=1.3)
            axes.scatter(chosen.mean, rows, s=20, c=fill, edgecolors=colour, lw=1.1, zorder=3)
            axes.xaxis.set_major_locator(MaxNLocator(3))
            axes.set_title(member)
            named_rows(axes, chosen.names)
        figure.supxlabel(f"{first.method}: {first.unit}", fontsize=panels[0].xaxis.label.get_fontsize())
        figure.legend(
            handles=[
                Line2D([], [], color=INK, marker="o", ms=4.5, lw=1.3, label=f"mean and {100 * level:.0f} % interval"),
                Line2D([], [], color=INK, marker="o", ms=4.5, lw=1.3, mfc="white", label="interval holds zero"),
            ],
            loc="outside upper left",
            ncols=2,
        )

    return draw(1.4 + 0.22 * len(order), paint)


def shap_summary(found: Contributions, shown: int = 15, points: int = POINTS) -> Figure:
    """How much each leading feature moved each prediction, and whether its value was low or high.

    Points of like contribution stand beside each other; colour is the value's rank among all rows.
    """
    order = np.argsort(-found.importance(), kind="stable")[:shown]
    rows = np.unique(np.linspace(0, len(found.values) - 1, min(points, len(found.values))).astype(np.int64))

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axvline(0, color=MUTED, lw=0.8)
        for place, column in enumerate(order):
            value = found.values[rows, column]
            colour = ranks_by_row(-found.features[rows, column][None])[0] / len(rows)
            painted = axes.scatter(
                value,
                place + swarm(value, float(np.ptp(found.values[np.ix_(rows, order)]))),
                c=colour,
                cmap=LOW_TO_HIGH,
                vmin=0,
                vmax=1,
                s=5,
                lw=0,
                alpha=0.85,
                rasterized=True,
            )
        named_rows(axes, [found.names[column] for column in order])
        axes.set_xlabel("contribution to the log odds of label 1 (SHAP)")
        bar = figure.colorbar(painted, ax=axes, aspect=40, pad=0.015, ticks=[0, 1])
        bar.ax.set_yticklabels(["low", "high"])
        bar.set_label("feature's value, by rank", labelpad=-14)
        bar.outline.set_visible(False)
        bar.ax.grid(False)

    return draw(1.0 + 0.3 * len(order), paint)


def fold_agreement(table: Importances, shown: int = SHOWN, k: int = 10) -> Figure:
    """The leading features' ranks fold by fold, and how the folds' ranks correlate."""
    found = stability(table, k)
    order = table.order()[:shown]
    rank = ranks_by_row(table.values)[:, order].T

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
        folds = [str(number + 1) for number in range(len(table.values))]
        heat_cells(left, rank, NEAR, 1, len(table), "{:.0f}")
        left.set_xticks(range(len(folds)), folds)
        left.set_yticks(range(len(order)), [short_name(table.names[column]) for column in order])
        left.set_title(f"rank of {len(table)} in each {table.along}")
        left.set_xlabel(table.along)
        heat_cells(right, found.rank_correlation, AGREEMENT, -1, 1, "{:.2f}")
        right.set_aspect("equal", anchor="N")
        right.set_xticks(range(len(folds)), folds)
        right.set_yticks(range(len(folds)), folds)
        right.set_title("rank correlation")
        overlap, w = found.overlap, found.concordance
        right.set_xlabel(
            f"mean {found.mean_rank_correlation:.2f}\n\nKendall's W {w.w:.2f}\n"
            f"(by chance {1 / len(folds):.2f}, p {_p_value(w.p_value)})\n\n"
            f"of the leading {overlap.k}, two {table.along}s share\n"
            f"{overlap.mean:.1f} (by chance {overlap.expected:.1f})",
            labelpad=8,
        )

    return draw(1.0 + 0.23 * max(len(order), 10), paint)


def method_agreement(tables: Mapping[str, Importances], shown: int = SHOWN) -> Figure:
    """The ranks of the same features by several methods, best mean rank first.

    Parameters
    ----------
    tables
        By what people call them; all of the same features.
    """
    names = next(iter(tables.values())).names
    means = np.array([[table.mean[table.names.index(name)] for name in names] for table in tables.values()])
    rank = ranks_by_row(np.nan_to_num(means, nan=-np.inf))
    order = np.argsort(rank.mean(axis=0), kind="stable")[:shown]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        heat_cells(axes, rank[:, order].T, NEAR, 1, len(names), "{:.0f}")
        axes.set_yticks(range(len(order)), [short_name(names[column]) for column in order])
        axes.set_xticks(range(len(tables)), [title.replace(" ", "\n") for title in tables])
        axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
        axes.set_xlabel(f"rank among {len(names)} features")

    return draw(1.1 + 0.23 * len(order), paint)


def cluster_map(clusters: Clusters) -> Figure:
    """The distances of all features, in the order of their clusters, and how well each sits in its own."""
    order = np.argsort(clusters.label, kind="stable")
    edges = np.concatenate([[0], np.cumsum(np.bincount(clusters.label))]) - 0.5
    small = len(order) <= 40

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, width_ratios=(4, 1), sharey=True)
        image = left.imshow(clusters.distance[np.ix_(order, order)], cmap=NEAR, vmin=0, vmax=1, aspect="auto")
        for low, high in pairwise(edges):
            left.add_patch(Rectangle((low, low), high - low, high - low, fill=False, ec=VERMILION, lw=1.1))
            right.axhline(high, color=MUTED, lw=0.5)
        labels = [clusters.names[column] for column in order] if small else clusters.titles
        middles: Floats = np.arange(len(order), dtype=np.float64) if small else (edges[:-1] + edges[1:]) / 2
        lines = spread(middles, LINE * len(order) / (figure.get_figheight() - MARGIN), -0.5, len(order) - 0.5)
        out = -0.5 - 0.03 * len(order)
        for label, middle, line in zip(labels, middles, lines, strict=True):
            left.plot([-0.5, out], [middle, line], color=MUTED, lw=0.5, clip_on=False)
            left.text(out, line, f"{short_name(label)} ", ha="right", va="center", fontsize=7)
        left.set_xlim(-0.5, len(order) - 0.5)
        left.set_xticks([])
        left.set_yticks([])
        left.grid(False)
        left.set_xlabel(f"{len(order)} features in {len(clusters)} clusters")
        right.barh(range(len(order)), clusters.silhouette[order], height=0.8, color=BLUE, alpha=0.7, lw=0)
        right.axvline(0, color=MUTED, lw=0.8)
        right.grid(axis="y", visible=False)
        right.tick_params(axis="y", length=0)
        right.set_xlabel("silhouette")
        bar = figure.colorbar(image, ax=left, location="top", aspect=50, pad=0.015, ticks=[0, 0.5, 1])
        bar.set_label("distance (0: the same)")
        bar.outline.set_visible(False)
        bar.ax.grid(False)

    return draw(MARGIN + max(LINE * (len(order) if small else len(clusters)), 0.07 * len(order), 2.5), paint)


def spread(middles: Floats, gap: float, low: float, high: float) -> Floats:
    """Where to write lines so that no two are nearer than ``gap``, as near their middles as can be, shape (n,).

    Least squares: an isotonic regression of the middles without the gaps, by pooling neighbours that collide.

    Examples
    --------
    >>> spread(np.array([0.0, 2.0, 2.0, 5.0]), gap=1.0, low=0.0, high=5.0).tolist()
    [0.0, 1.5, 2.5, 5.0]
    >>> spread(np.array([3.0, 4.8, 5.0]), gap=1.0, low=0.0, high=5.0).tolist()
    [3.0, 4.0, 5.0]
    """
    gap = min(gap, (high - low) / max(len(middles) - 1, 1))
    step = gap * np.arange(len(middles))
    pools: list[tuple[float, int]] = []
    for wanted in middles - step:
        mean, count = float(wanted), 1
        while pools and pools[-1][0] > mean:
            above, held = pools.pop()
            mean, count = (mean * count + above * held) / (count + held), count + held
        pools.append((mean, count))
    pooled = np.repeat([mean for mean, _ in pools], [count for _, count in pools])
    found: Floats = np.clip(pooled, low, high - step[-1]) + step
    return found


def swarm(values: Floats, span: float, reach: float = 0.38) -> Floats:
    """How far each point steps aside so that like values do not cover each other, shape (n,), within ``reach``.

    Points of one of a hundred equal bins of ``span`` stand in turn left and right of the middle.

    Examples
    --------
    >>> swarm(np.array([0.0, 0.0, 0.0, 9.0]), span=9.0).tolist()
    [0.0, 0.38, -0.38, 0.0]
    """
    _, place, count = np.unique(np.rint(100 * values / (span or 1.0)), return_inverse=True, return_counts=True)
    seen = np.zeros(len(count), np.int64)
    turn = np.empty(len(values))
    for number, group in enumerate(place):
        turn[number] = ((seen[group] + 1) // 2) * (1 if seen[group] % 2 else -1)
        seen[group] += 1
    widest = max(float(np.abs(turn).max()), 1.0)
    return np.where(turn == 0, 0.0, turn * reach / widest)


def _p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
