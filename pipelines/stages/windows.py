"""The windows of a run: purged walk-forward folds, and the last training window for the final refit."""

from __future__ import annotations

from market.time import DAY, parse_interval
from models.dataset import Panel
from models.splitters import Fold, PurgedWalkForward
from pipelines.config import RunConfig
from pipelines.errors import StageError
from pipelines.stages.data import DataFacts
from pipelines.stages.fit import FINAL, Window


def check_length(config: RunConfig, facts: DataFacts) -> None:
    """Refuse a training window that the data before the cut cannot hold; known before any feature is computed.

    Raises
    ------
    StageError
        With the days there are and the days that are asked for.
    """
    span = facts.cut - min(one.start for one in facts.series)
    asked = parse_interval(config.validation.train) + config.gap_ns
    if span <= asked:
        gap = "" if config.validation.gap is None else f" and validation.gap {config.validation.gap}"
        raise StageError(
            f"validation.train is {config.validation.train}{gap}, but the data before the holdout spans "
            f"{span / DAY:.1f} days, and {config.validation.folds} test windows must fit behind the first training "
            "window: shorten validation.train or data.holdout, or bring more data"
        )


def folds(config: RunConfig, panel: Panel) -> list[Fold]:
    """The walk-forward folds of a run."""
    splitter = PurgedWalkForward(
        n_splits=config.validation.folds,
        t0=panel.samples.t0,
        t1=panel.samples.t1,
        train_length=parse_interval(config.validation.train),
        gap=config.gap_ns,
        anchored=config.validation.anchored,
        embargo=config.embargo_ns,
    )
    return splitter.folds()


def fold_windows(found: list[Fold]) -> list[Window]:
    """The folds' times."""
    return [Window(fold.index, fold.train_start, fold.train_stop, fold.test_start, fold.test_stop) for fold in found]


def final_window(config: RunConfig, facts: DataFacts) -> Window:
    """The training window that ends at the cut; there is nothing after it to test on."""
    first = min(one.start for one in facts.series)
    start = first if config.validation.anchored else facts.cut - parse_interval(config.validation.train)
    return Window(FINAL, start, facts.cut, facts.cut + 1, facts.cut + 1)
