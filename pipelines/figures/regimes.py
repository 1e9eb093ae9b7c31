"""Predictions and trading by the market's state."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from pipelines.figures.style import BLUE, GREEN, INK, MUTED, draw
from pipelines.laboratory import Regime
from pipelines.results import Estimate
from pipelines.verdict import FEW_DAYS

MILLI = 1000.0
COLOURS = (BLUE, GREEN)


def _point(axes: Any, row: float, found: Estimate, colour: str, scale: float = 1.0, filled: bool = True) -> None:
    if found.bounds is not None:
        axes.plot([scale * bound for bound in found.bounds], [row, row], color=colour, lw=1.6)
    if found.value is not None:
        face = colour if filled else "white"
        axes.plot([scale * found.value], [row], "o", ms=6, mfc=face, mec=colour, mew=1.4)


def rows_of(regimes: tuple[Regime, ...]) -> list[float]:
    """The place of each regime's row, with room between kinds.

    Examples
    --------
    >>> unknown = Estimate(None)
    >>> kinds = ("a", "a", "b")
    >>> one = [Regime(kind, "", 1, 1.0, unknown, unknown, 1, unknown, total_return=None) for kind in kinds]
    >>> rows_of(tuple(one))
    [0.0, 1.0, 2.8]
    """
    kinds = list(dict.fromkeys(one.kind for one in regimes))
    return [number + 0.8 * kinds.index(one.kind) for number, one in enumerate(regimes)]


def regimes_figure(regimes: tuple[Regime, ...]) -> Figure:
    """One row a regime: information gain, AUC and annual Sharpe ratio with intervals; hollow where days are few."""
    rows = rows_of(regimes)
    kinds = list(dict.fromkeys(one.kind for one in regimes))

    def paint(figure: Figure) -> None:
        gain, auc, sharpe = figure.subplots(1, 3, sharey=True)
        for axes, nothing in ((gain, 0.0), (auc, 0.5), (sharpe, 0.0)):
            axes.axvline(nothing, color=MUTED, lw=1.0)
            axes.grid(axis="y", visible=False)
        for row, one in zip(rows, regimes, strict=True):
            colour = COLOURS[kinds.index(one.kind) % len(COLOURS)]
            _point(gain, row, one.information_gain, colour, MILLI)
            _point(auc, row, one.auc, colour)
            _point(sharpe, row, one.sharpe, colour, filled=one.days >= FEW_DAYS)
        gain.set_yticks(rows, [one.name for one in regimes])
        gain.set_ylim(rows[-1] + 0.6, -1.0)
        for kind in kinds:
            first = next(row for row, one in zip(rows, regimes, strict=True) if one.kind == kind)
            style = {"fontsize": 8.5, "fontweight": "bold", "color": INK, "clip_on": False}
            gain.annotate(kind, (0.0, first - 0.62), (4, 0), gain.get_yaxis_transform(), "offset points", **style)
        gain.set_xlabel("information gain,\n0.001 nats per decision")
        auc.set_xlabel("AUC")
        sharpe.set_xlabel("annual Sharpe ratio,\nafter costs")

    return draw(1.2 + 0.33 * (rows[-1] + 1), paint)
