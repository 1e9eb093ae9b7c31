"""Information gain: every predictor with its interval, and fold by fold."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from pipelines.figures.style import INK, MUTED, colours, draw
from pipelines.results import ENSEMBLE, Fold, Predictor, is_known

MILLI = 1000.0


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


def gain_by_fold(folds: tuple[Fold, ...]) -> Figure:
    """Information gain of every predictor in every fold's test stretch."""
    names = list(dict.fromkeys(name for fold in folds for name in fold.scores))

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axhline(0, color=MUTED, lw=1.0)
        for number, (name, colour) in enumerate(colours(names).items()):
            values = np.array([_value(fold.scores.get(name, {}).get("information_gain")) for fold in folds])
            if not np.isfinite(values).any():
                continue
            place = np.arange(len(folds)) + (number - len(names) / 2) * 0.07
            main = name == ENSEMBLE
            axes.plot(
                place, values, "D" if main else "o", ms=6 if main else 4, color=INK if main else colour, label=name
            )
        axes.set_xticks(range(len(folds)), [f"fold {fold.index}" for fold in folds])
        axes.grid(axis="x", visible=False)
        axes.set_ylabel("information gain,\n0.001 nats per decision")
        if axes.get_legend_handles_labels()[0]:
            figure.legend(loc="outside upper left", ncols=4)

    return draw(3.0, paint)
