"""Feature importance: the leading features of each member, as shares of that member's total, and of what."""

from __future__ import annotations

from matplotlib.figure import Figure

from pipelines.figures.style import BLUE, colours, draw
from pipelines.results import Importance

SHOWN = 15


def shares(values: dict[str, float]) -> dict[str, float]:
    """Importances as shares of their total, largest first.

    Examples
    --------
    >>> shares({"a": 1.0, "b": 3.0})
    {'b': 0.75, 'a': 0.25}
    """
    total = sum(abs(value) for value in values.values()) or 1.0
    ordered = sorted(values.items(), key=lambda item: (-abs(item[1]), item[0]))
    return {name: abs(value) / total for name, value in ordered}


def importance(importances: tuple[Importance, ...]) -> Figure:
    """The features that matter most on average over the members, with each member's share."""
    parts = {one.member: shares(one.values) for one in importances}
    kinds = {one.member: one.kind for one in importances}
    names = {name for part in parts.values() for name in part}
    mean = {name: sum(part.get(name, 0.0) for part in parts.values()) / len(parts) for name in names}
    leading = sorted(mean, key=lambda name: (-mean[name], name))[:SHOWN]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.barh(
            range(len(leading)), [100 * mean[name] for name in leading], height=0.62, color=BLUE, alpha=0.25, lw=0
        )
        for member, colour in colours(parts).items():
            values = [100 * parts[member].get(name, 0.0) for name in leading]
            axes.plot(values, range(len(leading)), "o", ms=4.5, color=colour, label=f"{member} ({kinds[member]})")
        axes.set_yticks(range(len(leading)), leading)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlim(left=0)
        axes.set_xlabel("share of a member's total, % (bar: mean over members)")
        axes.legend(loc="lower right")

    return draw(1.0 + 0.24 * len(leading), paint)
