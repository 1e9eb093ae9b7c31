"""Wealth over time: net and before costs beside buy-and-hold, and the drawdown below."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipelines.figures.style import BLUE, INK, MUTED, ORANGE, VERMILION, date_axis, dates, draw, thinned
from pipelines.results import EQUAL_PARTS, Backtest, Curve

PALE = "#c3cad1"


def drawdown(equity: NDArray[np.float64]) -> NDArray[np.float64]:
    """The loss from the highest wealth so far, at most 0.

    Examples
    --------
    >>> drawdown(np.array([100.0, 110.0, 99.0])).tolist()
    [0.0, 0.0, -0.1]
    """
    peak = np.maximum.accumulate(equity)
    return np.round(equity / peak - 1.0, 15)


def _line(axes: Any, curve: Curve, **style: Any) -> None:
    growth = curve.equity / curve.equity[0]
    keep = thinned(growth)
    axes.plot(dates(curve.time)[keep], (growth[keep] - 1.0) * 100, **style)


def equity(backtest: Backtest) -> Figure:
    """Return since the start in percent, and drawdown, of a stretch of trading."""

    def paint(figure: Figure) -> None:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        singles = [one for one in backtest.references if one.name != EQUAL_PARTS]
        for number, one in enumerate(singles):
            label = "each instrument, held" if number == 0 else None
            _line(top, one.curve, color=PALE, lw=0.8, label=label)
        for one in backtest.references:
            if one.name == EQUAL_PARTS:
                _line(top, one.curve, color=ORANGE, lw=1.2, label=f"{one.name}, held")
        _line(top, backtest.gross, color=BLUE, lw=1.2, ls=(0, (4, 2)), label="before costs")
        _line(top, backtest.net, color=INK, lw=1.8, label="net")
        top.axhline(0, color=MUTED, lw=0.6)
        top.set_ylabel("return since start, %")
        figure.legend(loc="outside upper left", ncols=4)
        below = drawdown(backtest.net.equity) * 100
        keep = thinned(below)
        time = dates(backtest.net.time)[keep]
        bottom.fill_between(time, below[keep], 0, color=VERMILION, alpha=0.35, lw=0)
        bottom.plot(time, below[keep], color=VERMILION, lw=0.8)
        bottom.set_ylabel("drawdown, %")
        date_axis(bottom)

    return draw(4.4, paint)
