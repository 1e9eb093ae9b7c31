"""Every predictor traded by the same rules: wealth over the same days."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipelines.figures.equity import spread
from pipelines.figures.style import MUTED, colours, date_axis, dates, draw
from pipelines.laboratory import Strategy
from pipelines.results import ENSEMBLE

ROOM = 0.06
"""Height of a line of text at a curve's end, as a share of the panel."""


def wealth(returns: NDArray[np.float64]) -> NDArray[np.float64]:
    """The return since the beginning after each day, in percent, from 0 on; shape (days + 1,).

    Examples
    --------
    >>> wealth(np.array([0.1, -0.5])).round(6).tolist()
    [0.0, 10.0, -45.0]
    """
    return 100.0 * (np.concatenate([[1.0], np.cumprod(1.0 + returns)]) - 1.0)


def strategies_figure(strategies: tuple[Strategy, ...], days: NDArray[np.int64]) -> Figure:
    """Return on the starting capital after costs, one line a predictor, named at its end."""
    colour = colours(one.name for one in strategies)
    length = np.median(np.diff(days)) if len(days) > 1 else 0
    time = dates(np.concatenate([days[:1] - np.int64(length), days]))

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axhline(0, color=MUTED, lw=0.6)
        ends = []
        for one in strategies:
            line = wealth(one.returns)
            mine = one.name == ENSEMBLE
            axes.plot(time, line, color=colour[one.name], lw=2.0 if mine else 1.1, zorder=3 if mine else 2)
            ends.append(float(line[-1]))
        low, high = axes.get_ylim()
        for one, place in zip(strategies, spread(ends, ROOM * (high - low)), strict=True):
            style = {"color": colour[one.name], "va": "center", "fontsize": 8, "clip_on": False}
            axes.annotate(one.name, (1.0, place), (3, 0), axes.get_yaxis_transform(), "offset points", **style)
        if len(time) > 1:
            axes.set_xlim(time[0], time[-1])
        axes.set_ylabel("return, %")
        date_axis(axes)

    return draw(2.9, paint)
