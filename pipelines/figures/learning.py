"""Learning curves: loss by training step, one panel a member, one line a fold."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipelines.figures.style import BLUE, INK, ORANGE, draw
from pipelines.results import LearningCurve

STYLES = (BLUE, ORANGE, "#009e73", "#cc79a7")
RATE = "learning_rate"
"""A curve that is no loss: it is tracked, and left out of the figure."""


def learning(curves: tuple[LearningCurve, ...]) -> Figure:
    """One panel a member; losses of one name share a colour; the final refit is drawn in ink."""
    curves = tuple(one for one in curves if one.name != RATE)
    members = list(dict.fromkeys(one.member for one in curves))
    names = list(dict.fromkeys(one.name for one in curves))
    colours = dict(zip(names, STYLES * len(names), strict=False))

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(members), squeeze=False)[0]
        for axes, member in zip(panels, members, strict=True):
            for one in (curve for curve in curves if curve.member == member):
                final = one.fold < 0
                axes.plot(
                    np.arange(1, len(one.values) + 1),
                    one.values,
                    color=INK if final else colours[one.name],
                    lw=1.4 if final else 0.9,
                    alpha=1.0 if final else 0.6,
                )
            axes.set(title=member, xlabel="step")
        panels[0].set_ylabel("loss, nats per decision")
        handles = [Line2D([], [], color=colours[name], label=name.replace("_", " ")) for name in names]
        figure.legend(handles=handles, loc="outside upper left", ncols=len(names))

    return draw(2.9, paint)
