"""Which figures a result has: name, title, alternative text, and the drawing."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure

from pipelines.figures.equity import equity
from pipelines.figures.folds import timeline
from pipelines.figures.gain import gain_by_fold, gain_intervals
from pipelines.figures.importance import importance
from pipelines.figures.learning import learning
from pipelines.figures.reliability import reliability
from pipelines.results import Backtest, RunResult, Span


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure with its caption."""

    name: str
    caption: str
    figure: Figure


def stretch(backtest: Backtest) -> Span | None:
    """The time a backtest covers."""
    time = backtest.net.time
    return Span(int(time[0]), int(time[-1])) if len(time) else None


def gallery(result: RunResult) -> dict[str, Picture]:
    """Every figure that this result has the data for, by name, in the report's order."""
    pictures: list[Picture] = []

    def add(name: str, caption: str, figure: Figure) -> None:
        pictures.append(Picture(name, caption, figure))

    if any("information_gain" in one.scores for one in result.predictors):
        level = f"{100 * result.confidence:.0f} %"
        text = (
            f"Information gain of every predictor on the same decisions, with {level} intervals. Zero is the base rate."
        )
        add("gain", text, gain_intervals(result.predictors))
    if result.folds:
        paper = stretch(result.paper.backtest) if result.paper else None
        add("folds", "What each fold was trained and tested on; red is purged.", timeline(result.folds, paper))
        add("gain_by_fold", "Information gain in each fold's test stretch.", gain_by_fold(result.folds))
    if result.reliability:
        text = "Observed share of label 1 against the predicted probability; below, how often each was predicted."
        add("reliability", text, reliability(result.reliability))
    if result.learning_curves:
        text = "Loss by training step, one line a fold; the final refit, where it has a curve, in black."
        add("learning", text, learning(result.learning_curves))
    if result.importances:
        text = "The features that matter most. Importance says what a fit used, not that it helps out of sample."
        add("importance", text, importance(result.importances))
    if result.backtest is not None and len(result.backtest.net.equity):
        text = "Out of sample: return net of all costs and before costs, beside buy-and-hold, and the drawdown (net)."
        add("equity", text, equity(result.backtest))
    if result.paper is not None and len(result.paper.backtest.net.equity):
        text = "The untouched last stretch, traded on paper by the serving loop."
        add("paper", text, equity(result.paper.backtest))
    return {picture.name: picture for picture in pictures}
