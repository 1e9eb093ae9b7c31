"""What a bundle says of the bars behind its own data, in whole arrays, and what happened there.

Features, volatility and graph go on from the bundle's snapshots, so this is what the live process says, byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.bundle.bundle import Bundle
from models.bundle.runner import Stages
from models.dataset import Panel, Series, build_panel, decisions
from models.labels import LabelConfig
from pipelines.workspace import Workspace
from serving.config import ServeConfig
from serving.start import read_stream

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Every instrument's bars behind the bundle's snapshot with their features, and what the graph says of them."""

    series: tuple[Series, ...]
    stages: tuple[Stages, ...]

    @property
    def probability(self) -> tuple[Floats, ...]:
        """The graph's probability of each instrument's bars, shape (n,)."""
        return tuple(one.probability for one in self.stages)


@dataclass(frozen=True, slots=True, eq=False)
class Behind:
    """Decisions behind a bundle's data that it scored and whose labels are known; arrays of shape (n,), by time.

    ``symbol``: the instrument's. ``t0``: when it was decided; ``label``: what happened; ``weight``: average uniqueness.
    ``probability``: the graph's; ``ensemble`` and ``right``: the ensemble's and the second stage's, NaN without one.
    ``horizon``: how long a label lasts at most, ns.
    """

    symbol: NDArray[np.str_]
    t0: NDArray[np.int64]
    label: NDArray[np.int64]
    probability: Floats
    weight: Floats
    horizon: int
    ensemble: Floats
    right: Floats

    def __len__(self) -> int:
        return len(self.t0)

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Behind:
        """Some of the decisions."""
        return Behind(
            self.symbol[chosen],
            self.t0[chosen],
            self.label[chosen],
            self.probability[chosen],
            self.weight[chosen],
            self.horizon,
            self.ensemble[chosen],
            self.right[chosen],
        )


def scored_stream(bundle: Bundle, live: ServeConfig, workspace: Workspace) -> Scored:
    """Score the bars of a live process's source from the bundle's snapshot on.

    Raises
    ------
    NotReadyError
        If an instrument has none, or they lack a field.
    """
    stream, panel = read_stream(bundle, live, workspace.lake), bundle.panel()
    engine, runner, features = bundle.engine(), bundle.runner(), bundle.manifest.features
    volatility = features.names.index(bundle.manifest.volatility)
    symbols = [one.symbol for one in bundle.instruments()]
    if panel is not None:
        stream = dict(zip(symbols, panel.replay([stream[symbol] for symbol in symbols]), strict=True))
    series, said = [], []
    for symbol in symbols:
        engine.restore(bundle.engine_state(symbol))
        runner.set_state(bundle.graph_state(symbol))
        rows = features.indicators.append(engine.replay(stream[symbol]), symbol)
        said.append(runner.run_stages(rows))
        decides = decisions(rows, features.names, features.events)
        series.append(Series(symbol, stream[symbol], rows, np.ascontiguousarray(rows[:, volatility]), decides))
    return Scored(tuple(series), tuple(said))


def labelled(bundle: Bundle, scored: Scored) -> Behind:
    """Label the scored bars by the bundle's own rule, and keep the decisions behind all it has seen.

    Bars of the end whose label is not known yet, and rows without a probability, are left out.
    """
    manifest = bundle.manifest
    label = msgspec.convert(manifest.label, LabelConfig)
    panel = build_panel(scored.series, manifest.features.columns, manifest.features.interval, label)
    samples = panel.samples
    found = Behind(
        symbol=np.array([one.symbol for one in panel.series])[samples.instrument],
        t0=samples.t0,
        label=samples.label,
        probability=said_at(panel, scored.probability),
        weight=samples.weight,
        horizon=label.horizon * panel.bar_length,
        ensemble=said_at(panel, [one.ensemble for one in scored.stages]),
        right=said_at(panel, [one.right for one in scored.stages]),
    )
    return found.rows(np.isfinite(found.probability) & (found.t0 > manifest.training.trained_through))


def said_at(panel: Panel, probability: Sequence[Floats]) -> Floats:
    """The probability at each sample of a panel, shape (n,)."""
    found = np.full(len(panel.samples), np.nan)
    for number, said in enumerate(probability):
        mine = panel.samples.instrument == number
        found[mine] = said[panel.samples.row[mine]]
    return found
