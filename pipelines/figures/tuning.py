"""A study in figures: how it went, which keys mattered, what each value gave, and the front of several objectives."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from pipelines.estimate import is_known
from pipelines.figures.picture import Picture
from pipelines.figures.style import BLUE, GREEN, INK, MUTED, ORANGE, SKY, draw

if TYPE_CHECKING:
    from pipelines.tuning.summary import StudySummary, TrialRow

LABELS = {
    "loss": "log loss, nats per decision",
    "turnover": "turnover, times equity",
    "latency": "latency, µs a bar",
}
COLUMNS = 3
FARTHEST = 6.0
"""How far above the median a loss may lie to be drawn at its height, in distances from the least to the median."""


def ceiling(losses: list[float]) -> float:
    """The height above which losses are drawn at the upper edge, so that one bad trial does not flatten the others.

    Examples
    --------
    >>> ceiling([0.69, 0.70, 0.71]), round(ceiling([0.69, 0.70, 0.71, 5.0]), 3)
    (0.71, 0.795)
    """
    middle, least, most = float(np.median(losses)), min(losses), max(losses)
    return min(most, middle + FARTHEST * (middle - least))


def history(summary: StudySummary) -> Figure:
    """Each trial's loss in order, the best so far, the training's own, and what luck makes of the best."""
    finished = summary.of("finished")
    losses = [one.values["loss"] for one in finished]
    numbers = [one.number for one in finished]
    top = max(ceiling(losses), summary.base["loss"])

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        best = min(losses)
        axes.axhline(summary.base["loss"], color=ORANGE, lw=1.0, label="the training's own")
        axes.step(numbers, np.minimum.accumulate(losses), where="post", color=INK, label="best so far")
        axes.plot(numbers, np.minimum(losses, top), "o", ms=4, color=BLUE, label="finished")
        far = [number for number, loss in zip(numbers, losses, strict=True) if loss > top]
        if far:
            axes.plot(far, [top] * len(far), "^", ms=6, color=BLUE, label="beyond the edge")
        if is_known(summary.luck):
            text = "luck of the best"
            axes.axhspan(best, best + float(summary.luck or 0.0), color=SKY, alpha=0.25, lw=0, label=text)
        for status, marker in (("pruned", "|"), ("failed", "x")):
            stopped = [one.number for one in summary.of(status)]
            if stopped:
                word = {"pruned": "stopped early", "failed": "failed"}[status]
                axes.plot(
                    stopped, [1.02] * len(stopped), marker, ms=6, color=MUTED, label=word,
                    transform=axes.get_xaxis_transform(), clip_on=False,
                )  # fmt: skip
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("trial")
        axes.set_ylabel(LABELS["loss"])
        figure.legend(loc="outside upper left", ncols=4)

    return draw(3.2, paint)


def importance(summary: StudySummary) -> Figure:
    """How much of the finished trials' differences each key explains."""
    found = sorted(summary.importances.items(), key=lambda one: one[1])

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.barh([key for key, _ in found], [value for _, value in found], color=BLUE, height=0.62)
        for place, (_, value) in enumerate(found):
            axes.annotate(f"{value:.0%}", (value, place), xytext=(4, 0), textcoords="offset points", va="center")
        axes.margins(x=0.12)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("share of the variance of the loss")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")

    return draw(0.8 + 0.32 * len(found), paint)


def slices(summary: StudySummary) -> Figure:
    """Each key's values against the loss, one panel a key; darker is later."""
    finished = summary.of("finished")
    losses = [one.values["loss"] for one in finished]
    keys = list(summary.keys)
    columns = min(COLUMNS, len(keys))
    lines = math.ceil(len(keys) / columns)
    top = ceiling(losses)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(lines, columns, sharey=True, squeeze=False)
        for axes, key in itertools.zip_longest(panels.flat, keys):
            if key is None:
                axes.set_visible(False)
                continue
            _slice(axes, summary, finished, key, np.minimum(losses, top))
        for row in panels:
            row[0].set_ylabel("log loss, nats")

    return draw(0.5 + 2.0 * lines, paint)


def _slice(axes: Any, summary: StudySummary, finished: tuple[TrialRow, ...], key: str, losses: Any) -> None:
    values = [one.parameters[key] for one in finished]
    numeric = all(isinstance(one, int | float) and not isinstance(one, bool) for one in values)
    names = [] if numeric else sorted({_name(one) for one in values})
    places = values if numeric else [names.index(_name(one)) for one in values]
    order = np.linspace(0.25, 1.0, len(finished))
    axes.scatter(places, losses, s=16, color=BLUE, alpha=order, lw=0)
    best = next(number for number, one in enumerate(finished) if one.number == summary.best)
    axes.plot([places[best]], [losses[best]], "D", ms=6, color=ORANGE)
    if key in summary.logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    if names:
        axes.set_xticks(range(len(names)), [one if len(one) < 16 else f"{one[:14]}…" for one in names])
        axes.margins(x=0.3)
    axes.set_title(".".join(key.split(".")[-2:]))


def _name(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def front(summary: StudySummary) -> Figure:
    """The finished trials in every pair of objectives; those on the front are joined nowhere, they are a choice."""
    finished = summary.of("finished")
    pairs = list(itertools.combinations(summary.objectives, 2))

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(pairs), squeeze=False)[0]
        for axes, (across, up) in zip(panels, pairs, strict=True):
            for chosen, colour, label in ((False, MUTED, "beaten by another"), (True, GREEN, "on the front")):
                some = [one for one in finished if (one.number in summary.front) is chosen]
                axes.plot(
                    [one.values[across] for one in some], [one.values[up] for one in some], "o", ms=5, color=colour,
                    label=label,
                )  # fmt: skip
            base = summary.base
            axes.plot([base[across]], [base[up]], "D", ms=6, color=ORANGE, label="the training's own")
            axes.set_xlabel(LABELS[across])
            axes.set_ylabel(LABELS[up])
            axes.locator_params(axis="x", nbins=4)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=3)

    return draw(3.2, paint)


def study_pictures(summary: StudySummary) -> list[Picture]:
    """Every figure that this study has the trials for."""
    text = "Each trial's log loss out of fold; the band is how much better the best looks than it is."
    found = [Picture("history", text, history(summary))]
    if summary.importances:
        text = "How much of the finished trials' differences each key explains (functional ANOVA); not what is best."
        found.append(Picture("importance", text, importance(summary)))
    text = "Each searched key against the log loss; later trials are darker, the best is the diamond."
    found.append(Picture("slices", text, slices(summary)))
    if len(summary.objectives) > 1:
        text = "The finished trials by their objectives. Latency is measured while other work runs: it is noisy."
        found.append(Picture("front", text, front(summary)))
    return found
