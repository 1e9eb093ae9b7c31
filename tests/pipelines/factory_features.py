"""The features of a plainly artificial run: one repeats another, one wanders, one stands still, one drifts."""

from __future__ import annotations

import numpy as np

from market.bars import empty_bars
from models.dataset import Panel, Samples, Series
from pipelines.stages.artefacts import silent
from pipelines.stages.feature_study import study_features
from pipelines.stages.fit import Window

ROWS = 3_000
TRAIN, TEST, FOLDS = 1_200, 300, 6


def make_feature_study(random, names, symbols, begin, step):
    """``names`` has at least four; the first is noise, and so are all that are not among the next four."""
    series = tuple(Series(symbol, *_series(random, len(names), begin, step)) for symbol in symbols)
    row = np.repeat(np.arange(20, ROWS - 2), len(symbols))
    instrument = np.tile(np.arange(len(symbols)), ROWS - 22)
    t0 = series[0].bars["end"][row]
    zeros = np.zeros(len(row))
    samples = Samples(instrument, row, t0, t0, t0 + 2 * step, row % 2, zeros, zeros + 1)
    windows = [
        Window(fold, *(begin + step * (TEST * fold + rows) for rows in (0, TRAIN, TRAIN, TRAIN + TEST)))
        for fold in range(FOLDS)
    ]
    panel = Panel(series, tuple(names), step, samples)
    return study_features(panel, [panel] * FOLDS, windows, begin + step * ROWS, silent)


def _series(random, columns, begin, step):
    bars = empty_bars(ROWS)
    bars["start"] = begin + step * np.arange(ROWS)
    bars["end"] = bars["start"] + step
    for field in ("open", "high", "low", "close", "volume"):
        bars[field] = random.uniform(1, 2, ROWS)
    features = random.standard_normal((ROWS, columns))
    features[:, 1] = 0.1 * features[:, 1] - features[:, 0]
    features[:, 2] = features[:, 2].cumsum()
    features[:, 3] = 1.0
    features[:, 4] += np.arange(ROWS) / 300
    features[:20] = np.nan
    return bars, features, np.ones(ROWS)
