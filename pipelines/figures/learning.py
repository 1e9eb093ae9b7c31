"""Learning curves: loss along each fit, one panel a member, one line a fold."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pipelines.figures.style import BLUE, INK, ORANGE, draw
from pipelines.results import LearningCurve

STYLES = (BLUE, ORANGE, "#009e73", "#cc79a7")
DASHES = ("-", (0, (3, 1.5)), ":", "-.")
RATE = "learning_rate"
"""A curve that is no loss: it is tracked, and left out of the figure."""


def _styles(names: list[str]) -> dict[str, dict[str, Any]]:
    ordered = sorted(names, key=lambda name: "validation" not in name)
    dashes = dict(zip(ordered, DASHES * len(ordered), strict=False))
    colours = dict(zip(names, STYLES * len(names), strict=False))
    return {name: {"color": colours[name], "ls": dashes[name]} for name in names}


def _panel(axes: Any, curves: list[LearningCurve], styles: dict[str, dict[str, Any]]) -> None:
    for one in curves:
        final = {"color": INK, "lw": 1.3, "alpha": 1.0} if one.fold < 0 else {"lw": 0.9, "alpha": 0.6}
        axes.plot(one.steps, one.values, **styles[one.name] | final)
    axes.set_title(curves[0].member)
    axes.set_xlabel(curves[0].axis.replace(", ", ",\n"))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def learning(curves: tuple[LearningCurve, ...]) -> Figure:
    """One panel a member; losses of one name share a colour and a dash; the final refit is drawn in ink."""
    curves = tuple(one for one in curves if one.name != RATE)
    members = list(dict.fromkeys(one.member for one in curves))
    names = list(dict.fromkeys(one.name for one in curves))
    styles = _styles(names)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(members), squeeze=False)[0]
        for axes, member in zip(panels, members, strict=True):
            _panel(axes, [one for one in curves if one.member == member], styles)
        panels[0].set_ylabel("loss, nats per decision")
        handles = [Line2D([], [], label=name.replace("_", " "), **styles[name]) for name in names]
        if any(one.fold < 0 for one in curves):
            handles.append(Line2D([], [], color=INK, label="final refit"))
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))

    return draw(2.9, paint)
