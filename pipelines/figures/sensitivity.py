"""The same decisions in other worlds: the Sharpe ratio against costs and against latency."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from pipelines.figures.style import BLUE, INK, MUTED, draw
from pipelines.laboratory import Sensitivity
from pipelines.results import is_known


def latency_text(milliseconds: float) -> str:
    """A latency for reading.

    Examples
    --------
    >>> latency_text(0.0), latency_text(50.0), latency_text(1500.0), latency_text(60_000.0)
    ('0', '50 ms', '1.5 s', '60 s')
    """
    if milliseconds == 0:
        return "0"
    return f"{milliseconds:g} ms" if milliseconds < 1000 else f"{milliseconds / 1000:g} s"


def own_latency(worlds: tuple[Sensitivity, ...]) -> float | None:
    """The run's own latency: the one that the worlds of other costs have; None where no world has other costs.

    Examples
    --------
    >>> from pipelines.results import Estimate
    >>> worlds = ((0.0, 50.0), (1.0, 50.0), (1.0, 0.0))
    >>> one = [Sensitivity(*world, Estimate(0.0), total_return=0.0) for world in worlds]
    >>> own_latency(tuple(one))
    50.0
    """
    return next((one.latency_ms for one in worlds if one.costs != 1.0), None)


def by_costs(worlds: tuple[Sensitivity, ...]) -> list[Sensitivity]:
    """The worlds of the run's latency, the cheapest first."""
    own = own_latency(worlds)
    return sorted((one for one in worlds if one.latency_ms == own), key=lambda one: one.costs)


def by_latency(worlds: tuple[Sensitivity, ...]) -> list[Sensitivity]:
    """The worlds of the run's costs, the fastest first."""
    return sorted((one for one in worlds if one.costs == 1.0), key=lambda one: one.latency_ms)


def _line(axes: Any, worlds: list[Sensitivity], places: list[float], own: tuple[float, float | None]) -> None:
    axes.axhline(0, color=MUTED, lw=1.0)
    known = [(place, one) for place, one in zip(places, worlds, strict=True) if is_known(one.sharpe.value)]
    axes.plot([place for place, _ in known], [one.sharpe.value for _, one in known], color=BLUE, lw=1.0)
    for place, one in known:
        mine = (one.costs, one.latency_ms) == own
        if one.sharpe.bounds is not None:
            axes.vlines(place, *one.sharpe.bounds, color=INK if mine else BLUE, lw=1.6, alpha=1.0 if mine else 0.55)
        axes.plot([place], [one.sharpe.value], "D" if mine else "o", ms=6, color=INK if mine else BLUE)


def sensitivity_figure(worlds: tuple[Sensitivity, ...]) -> Figure:
    """Annual Sharpe ratio with intervals: by the factor on all costs, and by latency on a logarithmic axis."""
    own = (1.0, own_latency(worlds))
    costs, latencies = by_costs(worlds), by_latency(worlds)

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, sharey=True)
        _line(left, costs, [one.costs for one in costs], own)
        left.set_xticks([one.costs for one in costs], [f"{one.costs:g} ×" for one in costs])
        left.set_xlabel("all costs, times the run's")
        left.set_ylabel("annual Sharpe ratio, after costs")
        _line(right, latencies, [one.latency_ms for one in latencies], own)
        least = min((one.latency_ms for one in latencies if one.latency_ms > 0), default=1.0)
        right.set_xscale("symlog", linthresh=least, linscale=0.6)
        right.set_xticks([one.latency_ms for one in latencies], [latency_text(one.latency_ms) for one in latencies])
        right.minorticks_off()
        right.set_xlabel("from decision to venue")
        for axes in (left, right):
            axes.grid(axis="x", visible=False)
            axes.margins(x=0.08)

    return draw(2.9, paint)
