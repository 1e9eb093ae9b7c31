"""The bars of a bundle's golden rows: the last stretch of any series, without a hole, that gives probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from features.feature_set import FeatureSet
from market.bars import missing_bars
from models.bundle.errors import BundleError
from models.bundle.golden import Golden, record_golden
from models.bundle.instruments import NO_INDICATORS, Indicators
from models.dataset import Panel
from pipelines.errors import StageError

PREDICTED = 256
"""Golden rows with a prediction, after warm-up and burn-in, where a stretch is long enough for them."""

Bars = NDArray[np.void]


def stretches(bars: Bars, interval: int, max_gap: int) -> Iterator[Bars]:
    """The parts of a series between holes that reset the features' state, in order."""
    edges = [0, *(np.flatnonzero(missing_bars(bars, interval) > max_gap) + 1).tolist(), len(bars)]
    for first, stop in pairwise(edges):
        yield bars[first:stop]


def candidates(panel: Panel, wanted: FeatureSet, burn_in: int) -> list[tuple[str, Bars]]:
    """Symbols and stretches that reach behind warm-up and burn-in: those long enough first, newest first."""
    least = wanted.warmup + burn_in + 1
    full = wanted.warmup + burn_in + PREDICTED
    found = [
        (series.symbol, part[-full:])
        for series in panel.series
        for part in stretches(series.bars, panel.interval, wanted.max_gap)
        if len(part) >= least
    ]
    return sorted(found, key=lambda one: (len(one[1]), int(one[1]["end"][-1])), reverse=True)


def golden_rows(
    panel: Panel, wanted: FeatureSet, model: bytes, burn_in: int, indicators: Indicators = NO_INDICATORS
) -> Golden:
    """Golden rows of the first candidate that has a probability.

    Raises
    ------
    StageError
        If none has one.
    """
    for symbol, bars in candidates(panel, wanted, burn_in):
        try:
            return record_golden(bars, wanted, model, burn_in, indicators, symbol)
        except BundleError:  # a feature stays undefined there, whatever the length
            continue
    raise StageError(
        f"no series has {wanted.warmup + burn_in + 1} bars in a row with a probability at their end, which the "
        f"bundle's golden rows need ({wanted.warmup} of warm-up, {burn_in} of burn-in): fill the holes in the data, "
        f"raise features.max_gap (now {wanted.max_gap}), or lower ensemble.burn_in"
    )
