"""Combinatorial paths: what each earned and predicted, beside the walk-forward's own."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from pipelines.figures.style import BLUE, INK, MUTED, draw
from pipelines.laboratory import Paths
from pipelines.results import Estimate, Number, is_known

MILLI = 1000.0
NAMED = 24
"""Paths beyond which rows have no names and less height."""


def in_order(paths: Paths) -> list[int]:
    """The paths from the best Sharpe ratio to the worst; those without one are last.

    Examples
    --------
    >>> from pipelines.laboratory import Path
    >>> one = [Path(Estimate(value), 1, total_return=0.0) for value in (0.5, None, 2.0)]
    >>> in_order(Paths(3, 2, 3, ("linear",), tuple(one), (0.0, 0.0, 0.0)))
    [2, 0, 1]
    """
    values = [one.sharpe.value for one in paths.paths]
    return sorted(range(len(values)), key=lambda one: -_value(values[one]) if is_known(values[one]) else np.inf)


def _value(number: Number, scale: float = 1.0) -> float:
    return float("nan") if number is None else number * scale


def paths_figure(paths: Paths, sharpe: Estimate, gain: Estimate) -> Figure:
    """One row a path: the annual Sharpe ratio and the information gain with their intervals; the run's own below.

    Parameters
    ----------
    sharpe, gain
        The walk-forward's: annual net Sharpe ratio and information gain of the ensemble.
    """
    order = in_order(paths)
    named = len(order) <= NAMED
    last = len(order) + 0.6 * (1 if named else len(order) / NAMED)

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.5, 1.0))
        for axes in (left, right):
            axes.axvline(0, color=MUTED, lw=1.0)
            axes.grid(axis="y", visible=False)
        for own, axes in ((_value(sharpe.value), left), (_value(gain.value, MILLI), right)):
            axes.axvline(own, color=INK, lw=0.9, ls=(0, (4, 3)))
        for row, one in enumerate(order):
            width, size = (1.6, 6) if named else (0.7, 3)
            for axes, found, scale in ((left, paths.paths[one].sharpe, 1.0), (right, paths.gains[one], MILLI)):
                axes.plot([_value(found.low, scale), _value(found.high, scale)], [row, row], color=BLUE, lw=width)
                axes.plot([_value(found.value, scale)], [row], "o", ms=size, color=BLUE)
        for axes, found, scale in ((left, sharpe, 1.0), (right, gain, MILLI)):
            axes.plot([_value(found.low, scale), _value(found.high, scale)], [last, last], color=INK, lw=2.0)
            axes.plot([_value(found.value, scale)], [last], "D", ms=6, color=INK)
        names = [f"path {one + 1}" for one in order] if named else []
        left.set_yticks([*range(len(names)), last], [*names, "walk-forward"])
        left.set_ylim(last + 0.6 * len(order) / min(len(order), NAMED), -0.8 * len(order) / min(len(order), NAMED))
        left.set_xlabel("annual Sharpe ratio, after costs")
        right.set_xlabel("information gain,\n0.001 nats per decision")

    return draw(1.3 + 0.27 * min(len(order), NAMED), paint)
