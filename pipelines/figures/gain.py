"""Information gain: every predictor with its interval, and fold by fold."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipelines.figures.style import INK, MUTED, colours, draw, house_order
from pipelines.results import ENSEMBLE, Fold, Predictor, is_known

MILLI = 1000.0
FAR = 5.0
"""Values farther from zero than this many times the median are drawn at the edge, with their number."""


def _value(number: float | None) -> float:
    return float("nan") if number is None else number * MILLI


def gain_intervals(predictors: tuple[Predictor, ...]) -> Figure:
    """One row a predictor: information gain and its interval; left of zero is worse than the base rate."""
    known = [one for one in predictors if is_known(one.scores["information_gain"].value)]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axvline(0, color=MUTED, lw=1.0)
        colour = colours(one.name for one in predictors)
        for row, one in enumerate(known):
            found = one.scores["information_gain"]
            bounds = [_value(found.low), _value(found.high)]
            axes.plot(bounds, [row, row], color=colour[one.name], lw=2.4 if one.name == ENSEMBLE else 1.6)
            axes.plot([_value(found.value)], [row], "o", ms=6, color=colour[one.name])
        axes.set_yticks(range(len(known)), [one.name for one in known])
        axes.set_ylim(len(known) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("information gain, 0.001 nats per decision (0: the base rate)")

    return draw(0.9 + 0.28 * max(1, len(known)), paint)


def fold_gains(folds: tuple[Fold, ...]) -> tuple[list[str], NDArray[np.float64]]:
    """The predictors in the house's order, and their gains in 0.001 nats, shape (predictors, folds)."""
    names = house_order(name for fold in folds for name in fold.scores)
    gains = [[_value(fold.scores.get(name, {}).get("information_gain")) for fold in folds] for name in names]
    return names, np.array(gains).reshape(len(names), len(folds))


def edge(gains: NDArray[np.float64]) -> float:
    """How far from zero an axis should reach so that one bad fold does not press all others flat.

    Examples
    --------
    >>> edge(np.array([1.0, -2.0, 3.0])), edge(np.array([1.0, -2.0, 3.0, -60.0]))
    (3.0, 12.5)
    """
    size = np.abs(gains[np.isfinite(gains) & (gains != 0.0)])
    if len(size) == 0:
        return 1.0
    return float(min(size.max(), FAR * np.median(size)))


def gain_by_fold(folds: tuple[Fold, ...]) -> Figure:
    """Information gain of every predictor in every fold's test stretch; one far off is named at the edge."""
    names, gains = fold_gains(folds)
    limit = edge(gains)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axhline(0, color=MUTED, lw=1.0)
        colour = colours(names)
        for number, name in enumerate(names):
            place = np.arange(len(folds)) + (number - (len(names) - 1) / 2) * 0.08
            shown = INK if name == ENSEMBLE else colour[name]
            style = {"ms": 6 if name == ENSEMBLE else 4, "color": shown, "ls": ""}
            inside = np.where(np.abs(gains[number]) <= limit, gains[number], np.nan)
            axes.plot(place, inside, marker="D" if name == ENSEMBLE else "o", label=name, **style)
            for fold in np.flatnonzero(np.abs(gains[number]) > limit):
                value = gains[number, fold]
                at = (place[fold], float(np.copysign(limit, value)))
                axes.plot(*at, marker="v" if value < 0 else "^", **style)
                text = f"{value:.0f}".replace("-", "−")
                axes.annotate(text, at, (5, 0), textcoords="offset points", va="center", fontsize=8)
        axes.set_ylim(-1.12 * limit, 1.12 * limit)
        axes.set_xticks(range(len(folds)), [f"fold {fold.number}" for fold in folds])
        axes.grid(axis="x", visible=False)
        axes.set_ylabel("information gain,\n0.001 nats per decision")
        if axes.get_legend_handles_labels()[0]:
            figure.legend(loc="outside upper left", ncols=4)

    return draw(3.0, paint)
