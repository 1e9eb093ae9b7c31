"""Fitting what some features need, on training bars only: fractional orders, quantiles, regimes.

The values are constants of the engine's state, so that fitting anew for every training fold compiles nothing anew. What
they are fitted on is computed by a feature engine over the training bars: no second implementation, no bar outside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from features.engine import FeatureEngine
from features.errors import FeatureError
from features.feature import Feature
from features.feature_set import FeatureSet
from features.kernels import ratios
from features.nodes import Fitted, Node, Part, Value
from market.bars import missing_bars

Bars = NDArray[np.void]
Runs = list[NDArray[np.float64]]


def fit_features(feature_set: FeatureSet, bars: Mapping[str, Bars], start: int, stop: int) -> FeatureSet:
    """Fit all that a feature set needs on the bars of one training window.

    Parameters
    ----------
    feature_set
        Whatever it has fitted already is fitted anew.
    bars
        Of each instrument; one set of values serves them all.
    start, stop
        The training window in nanoseconds UTC: only bars that start at ``start`` or later and end at ``stop`` or
        earlier are looked at.

    Returns
    -------
    FeatureSet
        The same features with `FeatureSet.fitted`, which is plain data: names to numbers.

    Raises
    ------
    FeatureError
        If the window has too few bars for what is fitted, or a bar lacks a field.

    Examples
    --------
    >>> from features.conformance import plain_bars
    >>> from market.time import MINUTE
    >>> wanted = FeatureSet(("fractional_log_price_64",), MINUTE, 3)
    >>> wanted.unfitted
    {'fractional_log_price_64': ('fractional_64',)}
    >>> fitted = fit_features(wanted, {"BTCUSDT": plain_bars(3_000, 1)}, 0, 2_000 * MINUTE)
    >>> fitted.unfitted, len(fitted.fitted["fractional_64"])
    ({}, 65)
    """
    return fit_over(feature_set, bars, [(start, stop)])


def fit_over(feature_set: FeatureSet, bars: Mapping[str, Bars], spans: Sequence[tuple[int, int]]) -> FeatureSet:
    """As `fit_features`, on the bars of several spans of time: none is looked at that is in no span, or not whole.

    Every span starts with empty state, so that what lies between two of them is in neither.
    """
    if not feature_set.needed:
        return feature_set
    window = [training(one, *span) for _, one in sorted(bars.items()) for span in spans]
    values = {}
    for name, one in feature_set.needed.items():
        runs = [run for each in window for run in observed(one, feature_set, each)]
        try:
            values[name] = tuple(one.fit(runs))
        except FeatureError as error:
            rows = sum(len(each) for each in window)
            raise FeatureError(f"{name} cannot be fitted on {rows} training bars: {error}") from error
    return feature_set.with_fitted(values)


def training(bars: Bars, start: int, stop: int) -> Bars:
    """The bars of a training window."""
    found: Bars = bars[(bars["start"] >= start) & (bars["end"] <= stop)]
    return found


def observed(one: Fitted, feature_set: FeatureSet, bars: Bars) -> Iterator[NDArray[np.float64]]:
    """What some values are fitted on: runs of rows between long gaps, from the first row at which all is defined."""
    catalogue = {f"input_{place}": observable(f"input_{place}", value) for place, value in enumerate(one.inputs)}
    inputs = FeatureSet(tuple(catalogue), feature_set.interval, feature_set.max_gap, catalogue)
    engine = FeatureEngine(inputs)
    for piece in pieces(bars, feature_set.interval, feature_set.max_gap):
        engine.reset()
        rows = engine.replay(piece)[inputs.warmup - 1 :]
        if len(rows):
            yield np.ascontiguousarray(rows)


def observable(name: str, value: Value) -> Feature:
    """A value of the graph as a feature of its own."""
    node = value if isinstance(value, Node | Part) else Node(ratios.linear, (value,), (1.0, 0.0))
    return Feature(name, node, 1.0, "1", "what values are fitted on", "own")


def pieces(bars: Bars, interval: int, max_gap: int) -> list[Bars]:
    """The bars cut where a long gap empties the engine's state."""
    return np.split(bars, np.flatnonzero(missing_bars(bars, interval) > max_gap) + 1)
