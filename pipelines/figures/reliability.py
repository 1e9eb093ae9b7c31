"""Calibration: what was predicted against what happened, how sure that is, and how often what was predicted."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipelines.figures.style import INK, MUTED, colours, draw
from pipelines.results import ENSEMBLE, Reliability

NORMAL = 1.959963984540054


def chance(observed: NDArray[np.float64], count: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The 95 % interval of a share observed in ``count`` independent rows (Wilson 1927), low and high; shapes (bins,).

    Examples
    --------
    >>> low, high = chance(np.array([0.5]), np.array([100]))
    >>> round(float(low[0]), 3), round(float(high[0]), 3)
    (0.404, 0.596)
    """
    total = count + NORMAL**2
    centre = (count * observed + NORMAL**2 / 2) / total
    half = NORMAL / total * np.sqrt(count * observed * (1.0 - observed) + NORMAL**2 / 4)
    return centre - half, centre + half


def limits(values: NDArray[np.float64]) -> tuple[float, float]:
    """A part of [0, 1] with all defined values and a margin.

    Examples
    --------
    >>> limits(np.array([0.4, 0.5, np.nan])), limits(np.array([]))
    ((0.394, 0.506), (0.0, 1.0))
    """
    seen = values[np.isfinite(values)]
    if len(seen) == 0:
        return 0.0, 1.0
    margin = 0.06 * max(float(np.ptp(seen)), 0.02)
    return max(0.0, float(seen.min()) - margin), min(1.0, float(seen.max()) + margin)


def _curve(axes: Any, one: Reliability, colour: str) -> list[NDArray[np.float64]]:
    """Draw one curve; returns what must be seen of it along y."""
    used = one.count > 0
    predicted, observed = one.predicted[used], one.observed[used]
    if one.predictor != ENSEMBLE:
        axes.plot(predicted, observed, "o-", color=colour, label=one.predictor, lw=0.8, ms=2.5, alpha=0.55)
        return [observed]
    low, high = chance(observed, one.count[used])
    axes.vlines(predicted, low, high, color=colour, lw=1.0, alpha=0.55, zorder=2)
    axes.plot(predicted, observed, "o-", color=colour, label=one.predictor, lw=1.8, ms=5, zorder=3)
    return [low, high]


def _histogram(axes: Any, one: Reliability) -> None:
    width = 1.0 / len(one.histogram)
    axes.bar(
        np.arange(len(one.histogram)) * width,
        100 * one.histogram / max(1, one.histogram.sum()),
        0.92 * width,
        align="edge",
        color=INK,
        lw=0,
    )
    axes.set_ylabel(f"{one.predictor},\n% of decisions")
    axes.set_ylim(bottom=0)


def reliability(curves: tuple[Reliability, ...]) -> Figure:
    """The share of label 1 against the mean prediction, by bin; the diagonal is perfect calibration."""
    shown = next((one for one in curves if one.predictor == ENSEMBLE), curves[-1])
    rows = 2 if len(shown.histogram) else 1

    def paint(figure: Figure) -> None:
        panels = figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=(4, 1.2)[:rows])[:, 0]
        panels[0].axline((0.5, 0.5), slope=1.0, color=MUTED, lw=0.8, ls=(0, (4, 3)), label="perfect")
        colour = colours(one.predictor for one in curves)
        ordered = sorted(curves, key=lambda one: one.predictor == ENSEMBLE)
        seen = [part for one in ordered for part in _curve(panels[0], one, colour[one.predictor])]
        panels[0].set_xlim(*limits(np.concatenate([one.predicted[one.count > 0] for one in curves])))
        panels[0].set_ylim(*limits(np.concatenate(seen)))
        panels[0].set_ylabel("observed share of label 1")
        figure.legend(loc="outside upper left", ncols=4)
        if rows == 2:
            _histogram(panels[1], shown)
        panels[-1].set_xlabel("predicted probability of label 1")

    return draw(3.7 + 0.9 * (rows - 1), paint)
