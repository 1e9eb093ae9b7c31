"""Several runs' wealth over one axis of time."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from pipelines.figures.equity import spread
from pipelines.figures.style import CYCLE, MUTED, date_axis, dates, draw, thinned
from pipelines.results import Backtest

ROOM = 0.06
"""Height of a line of text at a curve's end, as a share of the panel."""


def equities(labels: Sequence[str], backtests: Sequence[Backtest]) -> Figure:
    """Each run's return on its starting capital after costs, in percent, named at its end."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axhline(0, color=MUTED, lw=0.6)
        ends, last = [], dates(max((one.net.time for one in backtests), key=lambda time: int(time[-1]))[-1:])[0]
        for place, one in enumerate(backtests):
            start = one.capital or float(one.net.equity[0])
            values = (one.net.equity / start - 1.0) * 100
            keep = thinned(values)
            axes.plot(dates(one.net.time)[keep], values[keep], color=CYCLE[place % len(CYCLE)], lw=1.4)
            ends.append(float(values[-1]))
        low, high = axes.get_ylim()
        for place, (label, height) in enumerate(zip(labels, spread(ends, ROOM * (high - low)), strict=True)):
            style = {"color": CYCLE[place % len(CYCLE)], "va": "center", "fontsize": 8, "clip_on": False}
            axes.annotate(label, (1.0, height), (3, 0), axes.get_yaxis_transform(), "offset points", **style)
        axes.set_xlim(right=last)
        axes.set_ylabel("return after costs, %")
        date_axis(axes)

    return draw(3.1, paint)
