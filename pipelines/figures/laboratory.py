"""The laboratory's figures, each with a caption that says what would be good and what would be bad."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.figures.overfitting import overfitting_figure
from pipelines.figures.paths import paths_figure
from pipelines.figures.picture import Picture
from pipelines.figures.regimes import regimes_figure
from pipelines.figures.sensitivity import sensitivity_figure
from pipelines.figures.strategies import strategies_figure
from pipelines.laboratory import Laboratory
from pipelines.results import Estimate, RunResult
from pipelines.verdict import FEW_DAYS, information_gain

STRATEGIES = (
    "Every predictor traded by the same rules over the same days, after costs. Good: most lines rise together, so "
    "the rules earn whoever predicts. Bad: one line rises alone, as the luckiest of several does."
)
PATHS = (
    "Combinatorial paths of the members' mean, sorted: annual Sharpe ratio and information gain of each, with "
    "intervals. The diamond is the run's own walk-forward (what goes live), whose values the dashed lines carry up. "
    "Good: all dots to the right of zero and close together. Bad: they spread far on both sides of it, so that the "
    "result depends on which stretches were tested."
)
OVERFITTING = (
    "Of all ways to split the days into two halves: where the strategy that was best in one half stands among all "
    "in the other. Good: nearly all to the right of zero, where the best stays above the median. Bad: half or "
    "more in red, no better than a coin."
)
SENSITIVITY = (
    "The ensemble's signals once more, with all costs multiplied (left) and with another latency (right, "
    "logarithmic); the diamond is the run itself. Good: the line stays above zero well beyond the run's costs and "
    "latency. Bad: it falls through zero near them. All points share the same signals, so the slope is surer "
    "than the intervals make it look."
)
REGIMES = (
    "The ensemble by the market's state when it decided; thresholds are those of the training data. Grey is no "
    "information and no profit. Good: every row to the right of grey. Bad: one state carries the result, or pays "
    f"for another. Hollow: fewer than {FEW_DAYS} days, where the interval is a rough guess."
)


def laboratory_pictures(result: RunResult) -> list[Picture]:
    """Every figure of the laboratory that this result has the data for."""
    return list(_pictures(result, result.laboratory)) if result.laboratory else []


def _pictures(result: RunResult, found: Laboratory) -> Iterator[Picture]:
    if found.strategies and len(found.days):
        yield Picture("strategies", STRATEGIES, strategies_figure(found.strategies, found.days))
    if found.paths is not None and found.paths.paths:
        sharpe = result.backtest.net_performance.sharpe_annual if result.backtest else Estimate(None)
        yield Picture("paths", PATHS, paths_figure(found.paths, sharpe, information_gain(result)))
    if found.overfitting:
        yield Picture("overfitting", OVERFITTING, overfitting_figure(found.overfitting))
    if found.sensitivities:
        yield Picture("sensitivity", SENSITIVITY, sensitivity_figure(found.sensitivities))
    if found.regimes:
        yield Picture("regimes", REGIMES, regimes_figure(found.regimes))
