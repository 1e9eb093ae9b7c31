"""Which figures a result has: name, title, alternative text, and the drawing."""

from __future__ import annotations

from matplotlib.figure import Figure

from pipelines.figures.ensembles import diversity_figure
from pipelines.figures.equity import equity
from pipelines.figures.feature_study import feature_pictures
from pipelines.figures.folds import timeline
from pipelines.figures.gain import gain_by_fold, gain_intervals
from pipelines.figures.importance import importance
from pipelines.figures.importance_study import importance_pictures
from pipelines.figures.laboratory import laboratory_pictures
from pipelines.figures.learning import learning
from pipelines.figures.meta import coverage_figure
from pipelines.figures.picture import Picture
from pipelines.figures.reliability import reliability
from pipelines.results import RunResult

__all__ = ["Picture", "gallery"]


def folds_caption(result: RunResult) -> str:
    """What the timeline shows, with what was purged."""
    rows = [fold.purged_rows for fold in result.folds]
    text = "What each fold was trained and tested on."
    if not any(rows):
        return text
    return (
        f"{text} Right, the hours around each test's start: blue ends where the last label that was learned from ends; "
        f"red are decisions before the test, {min(rows):,} to {max(rows):,} a fold, that were purged because their "
        "labels reach into it."
    )


def learning_caption(result: RunResult) -> str:
    """What the learning curves run along, member by member."""
    axes = {one.member: one.axis for one in result.learning_curves}
    text = "Loss along each fit, one line a fold, the final refit in black"
    along = "; ".join(f"{member} by {axis}" for member, axis in axes.items())
    zero = "; 0 is before training" if any(one.first == 0 for one in result.learning_curves) else ""
    return f"{text}: {along}{zero}."


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
        paper = result.paper.backtest.stretch if result.paper else None
        add("folds", folds_caption(result), timeline(result.folds, paper))
        text = "Information gain in each fold's test stretch. A triangle at the edge is a value beyond it, written out."
        add("gain_by_fold", text, gain_by_fold(result.folds))
    if result.reliability:
        text = (
            "Observed share of label 1 against the predicted probability, on the compared decisions, in ten bins of "
            "equal evidence; the ensemble's bars are 95 % intervals that count a bin's effective decisions. Below, how "
            "often the ensemble said what."
        )
        add("reliability", text, reliability(result.reliability))
    if result.ensemble_study is not None and len(result.ensemble_study.diversity.members) > 1:
        text = (
            "How far the members differ on the compared decisions: correlation of what they gain over the base rate, "
            "decision by decision; of their errors, which the outcome itself makes alike; and how often they say "
            "different sides."
        )
        add("diversity", text, diversity_figure(result.ensemble_study.diversity))
    if result.meta_study is not None:
        text = (
            "How good the surest decisions are, by how many are acted on, with 95 % intervals: chosen by the "
            "ensemble’s own confidence, and by the second stage. One that knows when the ensemble is right lies above."
        )
        add("meta", text, coverage_figure(result.meta_study))
    if result.learning_curves:
        text = learning_caption(result)
        add("learning", text, learning(result.learning_curves))
    if result.importances:
        text = (
            "The features that the fits used most, mean over folds; members that say nothing of it are left out. "
            "It does not say that a feature helps out of sample."
        )
        add("importance", text, importance(result.importances))
    if result.backtest is not None and len(result.backtest.net.equity):
        text = (
            "Out of sample: return on the starting capital net of costs and before them, the drawdown, and holding "
            "each instrument instead. Mind the axes: they differ."
        )
        add("equity", text, equity(result.backtest))
    if result.paper is not None and len(result.paper.backtest.net.equity):
        text = "The untouched last stretch, traded on paper by the serving loop; panels as above."
        add("paper", text, equity(result.paper.backtest))
    pictures += laboratory_pictures(result)
    pictures += feature_pictures(result.feature_study)
    pictures += importance_pictures(result)
    return {picture.name: picture for picture in pictures}
