"""The gate of drift: whether the newest bars are like the data that the model learned from.

The newest stretch is held against stretches of the training data that are as long. How far each is from the training
rows is one number, the mean over features of Kolmogorov–Smirnov's distance: what a table of independent rows says of a
distance does not hold for a market's, but its rank among its like does. If the newest stretch is like any of k, it is
the farthest of all once in k + 1 times, however the features depend on each other and on their past. That is the rate
of false alarms, and a longer stretch would leave fewer to compare with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.engine import FeatureEngine
from market.bars import PANEL_FIELDS, trimmed
from market.lake import Lake
from market.time import DAY
from models.bundle.bundle import Bundle
from models.bundle.store import Verdict
from models.dataset import Series
from models.importance.member_fold import spaced
from models.statistics.drift import column_drift
from pipelines.config import RunConfig
from pipelines.gates.config import GateConfig
from pipelines.stages.data import read_series
from pipelines.stages.features import with_panel_fields
from pipelines.verdict import number, percent

ROWS = 8_000
"""The most training rows that are compared, evenly spaced; of the newest stretch, as many as of one of them."""
FEWEST = 20
"""Rows of a stretch below which distances are chance."""
NAMED = 3
"""Features that are named, those that moved most."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Drift:
    """How far the newest stretch is from the training rows, and each of their stretches from the others (k,).

    ``length``: of a stretch, ns; ``rows`` in it; ``farthest``: the features that moved most beyond what is usual.
    """

    distance: float
    usual: Floats
    length: int
    rows: int
    farthest: tuple[str, ...]

    @property
    def probability(self) -> float:
        """How often a stretch like the others is as far as this one."""
        return float((1 + (self.usual >= self.distance).sum()) / (1 + len(self.usual)))


def measure_drift(
    names: Sequence[str], train: Floats, time: Integers, newest: Floats, newest_time: Integers, stretches: int
) -> Drift | None:
    """Compare the end of the newest rows with stretches of the training rows; None if there are too few rows.

    Parameters
    ----------
    names
        The features'.
    train, newest
        Finite rows, shapes (n, f) and (m, f), of all instruments.
    time, newest_time
        When they were known, ns, ascending, shapes (n,) and (m,).
    stretches
        How many the training rows are cut into; a newest stretch is as long as one, or as what there is.
    """
    if not len(train) or not len(newest):
        return None
    length = (int(time[-1]) + 1 - int(time[0])) // stretches
    newest = newest[newest_time > newest_time[-1] - length]
    chosen = spaced(np.arange(len(train)), ROWS)
    train, time = train[chosen], time[chosen]
    stretch = (time - time[0]) * stretches // (int(time[-1]) + 1 - int(time[0]))
    newest = newest[spaced(np.arange(len(newest)), len(train) // stretches)]
    if len(newest) < FEWEST or np.bincount(stretch, minlength=stretches).min() < FEWEST:
        return None
    found = column_drift(train, newest, stretch)
    beyond = found.distance - found.usual_distance.max(axis=0)
    order = np.argsort(-beyond)[:NAMED]
    return Drift(
        distance=float(found.distance.mean()),
        usual=found.usual_distance.mean(axis=1),
        length=length,
        rows=len(newest),
        farthest=tuple(names[place] for place in order if beyond[place] > 0),
    )


def training_rows(bundle: Bundle, config: RunConfig, lake: Lake) -> tuple[Floats, Integers]:
    """The features of the bundle's training window, computed again from the lake, and their times, ascending."""
    wanted, training = bundle.feature_set(), bundle.manifest.training
    bars = [read_series(config.data, lake, one.symbol) for one in bundle.instruments()]
    bars = [trimmed(one[one["end"] <= training.trained_through], wanted.fields - set(PANEL_FIELDS)) for one in bars]
    engine, rows, times = FeatureEngine(wanted), [], []
    for one in with_panel_fields(config, wanted, bars):
        engine.reset()
        rows.append(engine.replay(one)[one["end"] >= training.start])
        times.append(one["end"][one["end"] >= training.start])
    return finite_by_time(rows, times)


def newest_rows(series: Sequence[Series], trained_through: int, features: int) -> tuple[Floats, Integers]:
    """The first columns, which are features, behind the bundle's data, and their times, ascending."""
    behind = [one.bars["end"] > trained_through for one in series]
    return finite_by_time(
        [one.features[chosen, :features] for one, chosen in zip(series, behind, strict=True)],
        [one.bars["end"][chosen] for one, chosen in zip(series, behind, strict=True)],
    )


def finite_by_time(rows: Sequence[Floats], times: Sequence[Integers]) -> tuple[Floats, Integers]:
    """All instruments' rows together, those without a value left out, by time."""
    joined, time = np.concatenate(rows), np.concatenate(times)
    order = np.argsort(time, kind="stable")
    joined, time = joined[order], time[order]
    known = np.isfinite(joined).all(axis=1)
    return joined[known], time[known]


def drift_gate(found: Drift | str, config: GateConfig) -> Verdict:
    """The newest stretch is not the farthest of all from the training data; a text says why there is none."""
    needed = (
        f"not the farthest of {config.stretches + 1} stretches, which chance makes it in {percent(config.drift, 0)}"
    )
    if isinstance(found, str):
        return Verdict("drift", False, found, needed, judged=False)
    passed = found.probability > 1.5 / (config.stretches + 1)
    named = f"; most in {', '.join(found.farthest)}" if found.farthest else ""
    measured = (
        f"the newest {number(found.length / DAY, 1)} days are {number(found.distance, 3)} from the training data, its "
        f"own {len(found.usual)} stretches {number(float(found.usual.min()), 3)} to "
        f"{number(float(found.usual.max()), 3)}{named}"
    )
    return Verdict("drift", passed, measured, needed)
