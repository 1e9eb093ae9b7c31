"""Learning curves: loss by training step, one panel a member, one line a fold."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from pipelines.figures.style import BLUE, INK, ORANGE, draw
from pipelines.results import LearningCurve

STYLES = (BLUE, ORANGE, "#009e73", "#cc79a7")


def learning(curves: tuple[LearningCurve, ...]) -> Figure:
    """One panel a member; losses of one name share a colour; the final refit is drawn in ink."""
    curves = tuple(one for one in curves if one.name.endswith("loss"))
    members = list(dict.fromkeys(one.member for one in curves))

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(members), squeeze=False)[0]
        for axes, member in zip(panels, members, strict=True):
            mine = [one for one in curves if one.member == member]
            names = list(dict.fromkeys(one.name for one in mine))
            for name, colour in zip(names, STYLES * len(names), strict=False):
                for number, one in enumerate(curve for curve in mine if curve.name == name):
                    final = one.fold < 0
                    axes.plot(
                        np.arange(1, len(one.values) + 1),
                        one.values,
                        color=INK if final else colour,
                        lw=1.4 if final else 0.9,
                        alpha=1.0 if final else 0.6,
                        label=name if number == 0 else None,
                    )
            axes.set_title(member, pad=34)
            axes.set_xlabel("step")
            axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2)
        panels[0].set_ylabel("loss, nats per decision")

    return draw(2.9, paint)
