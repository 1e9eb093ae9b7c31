"""Calibration: what was predicted against what happened, with the share of decisions in each bin."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from pipelines.figures.style import INK, MUTED, colours, draw
from pipelines.results import ENSEMBLE, Reliability


def _limits(curves: tuple[Reliability, ...]) -> tuple[float, float]:
    seen = np.concatenate([np.r_[one.predicted[one.count > 0], one.observed[one.count > 0]] for one in curves])
    seen = seen[np.isfinite(seen)]
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 1.0)
    margin = 0.06 * max(high - low, 0.02)
    return max(0.0, low - margin), min(1.0, high + margin)


def reliability(curves: tuple[Reliability, ...]) -> Figure:
    """The share of label 1 against the mean prediction, by bin; the diagonal is perfect calibration."""

    def paint(figure: Figure) -> None:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        low, high = _limits(curves)
        top.plot([low, high], [low, high], color=MUTED, lw=0.8, ls=(0, (4, 3)), label="perfect")
        colour = colours(one.predictor for one in curves)
        for one in sorted(curves, key=lambda one: one.predictor == ENSEMBLE):
            used = one.count > 0
            main = one.predictor == ENSEMBLE
            style = {"lw": 1.8, "ms": 5, "zorder": 3} if main else {"lw": 0.9, "ms": 3, "alpha": 0.8}
            top.plot(
                one.predicted[used], one.observed[used], "o-", color=colour[one.predictor], label=one.predictor, **style
            )
        top.set(xlim=(low, high), ylim=(low, high), ylabel="observed share of label 1")
        top.legend(loc="upper left")
        ensemble = next((one for one in curves if one.predictor == ENSEMBLE), curves[-1])
        used = ensemble.count > 0
        share = 100 * ensemble.count[used] / max(1, ensemble.count.sum())
        bottom.vlines(ensemble.predicted[used], 0, share, color=INK, lw=2.5)
        bottom.set_ylim(bottom=0)
        bottom.set(xlabel="predicted probability", ylabel="decisions, %")

    return draw(4.6, paint)
