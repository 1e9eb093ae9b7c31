"""What the folds will give the ensemble, known from features, labels and weights alone, before anything is fitted.

Which decisions the graph answers does not depend on what it says: those at rows that have every feature, with
``ensemble.burn_in`` such rows in a row before them. So what the stacker and the calibration need of the folds before
can be counted, and too little of it refused, as soon as there is a panel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from market.time import parse_interval
from models.dataset import Panel
from models.ensemble.calibration import ISOTONIC_ROWS
from pipelines.config import RunConfig
from pipelines.errors import StageError
from pipelines.stages.data import DataFacts
from pipelines.stages.fit import Window
from pipelines.stages.score import test_rows


def check_burn_in(config: RunConfig, facts: DataFacts) -> None:
    """Refuse a burn-in that is longer than a training window and its gap; known before any feature is.

    Raises
    ------
    StageError
        With both numbers of bars.
    """
    most = max(one.rows for one in facts.series)
    if config.data.interval_ns:
        most = min(most, (parse_interval(config.validation.train) + config.gap_ns) // config.data.interval_ns)
    if config.ensemble.burn_in > most:
        raise StageError(
            f"ensemble.burn_in is {config.ensemble.burn_in:,} rows, and a training window with its gap has {most:,} "
            "bars at most: lower it, or lengthen validation.train"
        )


def answered_rows(features: NDArray[np.float64], first: int, stop: int, burn_in: int) -> NDArray[np.bool_]:
    """Which of the rows ``first`` to ``stop`` the graph answers, as `models.scoring.score_rows` reads them.

    Examples
    --------
    >>> answered_rows(np.array([[1.0], [1.0], [np.nan], [1.0], [1.0]]), 1, 5, burn_in=1).tolist()
    [True, False, False, True]
    """
    lead = max(0, first - burn_in)
    missing = np.isnan(features[lead:stop]).any(axis=1)
    place = np.arange(stop - lead)
    since = place - np.maximum.accumulate(np.where(missing, place, -1))
    found: NDArray[np.bool_] = since[first - lead :] > burn_in
    return found


def answered(panel: Panel, window: Window, burn_in: int) -> NDArray[np.int64]:
    """The positions of a test window's samples that the graph answers."""
    samples = panel.samples
    index = np.flatnonzero((samples.t0 >= window.test_start) & (samples.t0 < window.test_stop))
    found = np.zeros(len(index), np.bool_)
    for number, series in enumerate(panel.series):
        first, stop = test_rows(panel, number, window)
        mine = samples.instrument[index] == number
        found[mine] = answered_rows(series.features, first, stop, burn_in)[samples.row[index[mine]] - first]
    return index[found]


def check_combining(config: RunConfig, panel: Panel, windows: Sequence[Window]) -> None:
    """Refuse folds that give the ensemble's method or the calibration too little to learn from.

    The ensemble of the second fold has the answers of the first, the calibration of the third those of the second: each
    later one has more.

    Raises
    ------
    StageError
        With the rows there are and the rows that are needed.
    """
    samples, burn_in = panel.samples, config.ensemble.burn_in
    found = [answered(panel, window, burn_in) for window in windows]
    for window, index in zip(windows, found, strict=True):
        if len(index) == 0:
            raise StageError(
                f"in fold {window.index + 1} no decision has the {burn_in:,} rows with every feature before it that "
                "ensemble.burn_in asks for: lower it, fill the holes in the data, or raise features.max_gap"
            )
    known = [
        index[samples.t1[index] < following.test_start] for index, following in zip(found, windows[1:], strict=False)
    ]
    for number, what in _learners(config):
        of = samples.label[known[number]]
        if len(np.unique(of)) < 2:
            raise StageError(
                f"{what} needs decisions of both classes in fold {number + 1} whose labels were known before fold "
                f"{number + 2}; of {len(of):,} there {int((of > 0).sum()):,} are 1: use fewer folds, or bring more data"
            )
    rows = float(samples.weight[known[1]].sum())
    if config.ensemble.calibration == "isotonic" and rows < ISOTONIC_ROWS:
        raise StageError(
            f'ensemble.calibration is "isotonic", which needs {ISOTONIC_ROWS:,} effective rows; the third fold has '
            f'{rows:,.0f} of the second to learn from: take "platt" or "auto", use fewer folds, or bring more data'
        )


def _learners(config: RunConfig) -> tuple[tuple[int, str], ...]:
    """What learns from one fold alone, by the fold's place; a plain mean, and no calibration, learn nothing."""
    method, calibration = config.ensemble.method, config.ensemble.calibration
    return (
        *([] if method == "mean" else [(0, f'ensemble.method "{method}"')]),
        *([] if calibration == "none" else [(1, f'ensemble.calibration "{calibration}"')]),
    )
