"""Wealth over time: the strategy on an axis of its own, its drawdown, and buying and holding for comparison."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipelines.figures.style import BLUE, INK, MUTED, ORANGE, VERMILION, date_axis, dates, draw, thinned
from pipelines.results import EQUAL_PARTS, Backtest, Curve, Reference

PALE = "#b3bcc5"
ROOM = 0.075
"""Height of a line of text at a curve's end, as a share of its panel."""


def drawdown(equity: NDArray[np.float64]) -> NDArray[np.float64]:
    """The loss from the highest wealth so far, at most 0.

    Examples
    --------
    >>> drawdown(np.array([100.0, 110.0, 99.0])).tolist()
    [0.0, 0.0, -0.1]
    """
    peak = np.maximum.accumulate(equity)
    return np.round(equity / peak - 1.0, 15)


def spread(places: list[float], room: float) -> list[float]:
    """Places moved apart until neighbours are at least ``room`` from each other, in the same order.

    Examples
    --------
    >>> spread([0.0, 0.1, 5.0], 1.0)
    [-0.45, 0.55, 5.0]
    """
    order = sorted(range(len(places)), key=lambda one: places[one])
    blocks: list[list[int]] = []
    centre: list[float] = []
    for one in order:
        blocks.append([one])
        centre.append(places[one])
        while len(blocks) > 1 and centre[-1] - centre[-2] < room * (len(blocks[-1]) + len(blocks[-2])) / 2:
            last, above = blocks.pop(), centre.pop()
            share = len(last) / (len(last) + len(blocks[-1]))
            centre[-1] += (above - centre[-1]) * share
            blocks[-1] = blocks[-1] + last
    found = list(places)
    for block, middle in zip(blocks, centre, strict=True):
        for number, one in enumerate(block):
            found[one] = middle + room * (number - (len(block) - 1) / 2)
    return found


def _returns(curve: Curve, start: float) -> NDArray[np.float64]:
    return (curve.equity / start - 1.0) * 100


def _line(axes: Any, curve: Curve, start: float, **style: Any) -> None:
    values = _returns(curve, start)
    keep = thinned(values)
    axes.plot(dates(curve.time)[keep], values[keep], **style)


def _strategy(axes: Any, backtest: Backtest) -> None:
    start = backtest.capital or float(backtest.net.equity[0])
    axes.axhline(0, color=MUTED, lw=0.6)
    _line(axes, backtest.gross, start, color=BLUE, lw=1.2, ls=(0, (4, 2)), label="before costs")
    _line(axes, backtest.net, start, color=INK, lw=1.6, label="net of costs")
    axes.set_title("the strategy")
    axes.set_ylabel("return, %")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderpad=0)


def _drawdown(axes: Any, curve: Curve) -> None:
    below = drawdown(curve.equity) * 100
    keep = thinned(below)
    time = dates(curve.time)[keep]
    axes.fill_between(time, below[keep], 0, color=VERMILION, alpha=0.35, lw=0)
    axes.plot(time, below[keep], color=VERMILION, lw=0.8)
    axes.set_ylabel("drawdown\n(net), %")


def _held(axes: Any, references: tuple[Reference, ...], net: Curve) -> None:
    ends: list[tuple[str, float, str]] = []
    axes.axhline(0, color=MUTED, lw=0.6)
    for one in references:
        colour = ORANGE if one.name == EQUAL_PARTS else PALE
        _line(axes, one.curve, float(one.curve.equity[0]), color=colour, lw=1.4 if colour == ORANGE else 0.8)
        name = "equal parts" if one.name == EQUAL_PARTS else one.name
        ends.append((name, float(_returns(one.curve, float(one.curve.equity[0]))[-1]), colour))
    _line(axes, net, float(net.equity[0]), color=INK, lw=1.2)
    ends.append(("strategy", float(_returns(net, float(net.equity[0]))[-1]), INK))
    low, high = axes.get_ylim()
    places = spread([value for _, value, _ in ends], ROOM * (high - low))
    for (name, _, colour), place in zip(ends, places, strict=True):
        style = {"color": MUTED if colour == PALE else colour, "va": "center", "fontsize": 7.5, "clip_on": False}
        axes.annotate(name, (1.0, place), (3, 0), axes.get_yaxis_transform(), "offset points", **style)
    axes.set_title("bought and held instead, without costs")
    axes.set_ylabel("return, %")


def equity(backtest: Backtest) -> Figure:
    """Return of the strategy in percent, its drawdown, and what holding the instruments returned, each on its axis."""

    def paint(figure: Figure) -> None:
        rows = 3 if backtest.references else 2
        panels = figure.subplots(rows, 1, sharex=True, height_ratios=(3, 1, 2.4)[:rows])
        _strategy(panels[0], backtest)
        _drawdown(panels[1], backtest.net)
        if backtest.references:
            _held(panels[2], backtest.references, backtest.net)
        panels[0].set_xlim(*dates(backtest.net.time[[0, -1]]))
        date_axis(panels[-1])
        figure.align_ylabels(panels)

    return draw(5.6 if backtest.references else 3.6, paint)
