"""The panel stage: features, volatility, labels and weights of everything before the cut."""

from __future__ import annotations

from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.catalogue import CATALOGUE, CORE_CATALOGUE, default_features, disabled_features
from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from market.bars import present_fields
from market.lake import Lake
from models.dataset import Panel, Samples, Series, build_panel
from models.members.protocol import Progress
from pipelines.config import FeaturesConfig, RunConfig
from pipelines.stages.artefacts import Artefact, Draft, Job, job
from pipelines.stages.data import DataFacts, read_series

NAMED = {"default": CORE_CATALOGUE, "all": CATALOGUE}
"""The catalogues that a configuration may name."""
SAMPLE_FIELDS = ("instrument", "row", "t0", "start", "t1", "label", "move", "weight")


class PanelFacts(msgspec.Struct, frozen=True):
    """A panel's symbols, its features in order, those that are off with the reason, and its interval."""

    symbols: tuple[str, ...]
    features: tuple[str, ...]
    feature_digest: str
    disabled: dict[str, str]
    interval: int


def resolve_features(config: FeaturesConfig, fields: frozenset[str]) -> tuple[str, ...]:
    """The names of a run's features, in order; the volatility that scales labels is always among them."""
    names = default_features(fields, NAMED[config.names]) if isinstance(config.names, str) else config.names
    kept = tuple(name for name in names if name not in config.exclude)
    return kept if config.volatility in kept else (*kept, config.volatility)


def feature_set(config: RunConfig, bars: list[NDArray[np.void]]) -> FeatureSet:
    """The feature set of a run, over the fields that every series has."""
    fields = frozenset.intersection(*[present_fields(one) for one in bars])
    names = resolve_features(config.features, fields)
    return FeatureSet(names, config.data.interval_ns, config.features.max_gap)


def save_panel(draft: Draft, panel: Panel) -> None:
    """Write a panel's arrays."""
    for number, series in enumerate(panel.series):
        draft.array(f"bars-{number}", series.bars)
        draft.array(f"features-{number}", series.features)
        draft.array(f"volatility-{number}", series.volatility)
    for field in SAMPLE_FIELDS:
        draft.array(f"samples-{field}", getattr(panel.samples, field))


def panel_job(config: RunConfig, facts: DataFacts, lake: Lake) -> Job:
    """The panel of a run; nothing after the cut is read into it."""

    def build(draft: Draft, progress: Progress) -> None:
        bars = [read_series(config.data, lake, symbol) for symbol in config.data.symbols]
        bars = [one[one["end"] <= facts.cut] for one in bars]
        wanted = feature_set(config, bars)
        series = compute_series(config, wanted, bars, progress)
        panel = build_panel(series, wanted.names, config.data.interval_ns, config.labels)
        save_panel(draft, panel)
        fields = frozenset.intersection(*[present_fields(one) for one in bars])
        named = config.features.names
        disabled = disabled_features(fields, NAMED[named]) if isinstance(named, str) else {}
        draft.json(
            "panel",
            PanelFacts(config.data.symbols, wanted.names, wanted.digest, disabled, config.data.interval_ns),
        )

    inputs = (facts, config.data, config.features, config.labels)
    return job("panel", "features, labels and weights", inputs, build, ("numpy", "numba", "llvmlite", "polars"))


def compute_series(
    config: RunConfig, wanted: FeatureSet, bars: list[NDArray[np.void]], progress: Progress
) -> tuple[Series, ...]:
    """Replay the features over each instrument's bars."""
    engine = FeatureEngine(wanted)
    volatility = wanted.names.index(config.features.volatility)
    series = []
    for number, (symbol, one) in enumerate(zip(config.data.symbols, bars, strict=True)):
        engine.reset()
        rows = engine.replay(one)
        series.append(Series(symbol, one, rows, np.ascontiguousarray(rows[:, volatility])))
        progress(f"features of {symbol}", (number + 1) / len(bars))
    return tuple(series)


@lru_cache(maxsize=2)
def _load(folder: str, artefact: Artefact) -> Panel:
    about = panel_facts(artefact)
    series = tuple(
        Series(symbol, *[artefact.array(f"{what}-{n}") for what in ("bars", "features", "volatility")])
        for n, symbol in enumerate(about.symbols)
    )
    samples = Samples(**{field: artefact.array(f"samples-{field}") for field in SAMPLE_FIELDS})
    return Panel(series, about.features, about.interval, samples)


def load_panel(artefact: Artefact) -> Panel:
    """Read a panel back; the newest two are kept in memory, shared and never written to."""
    return _load(artefact.folder, artefact)


def panel_facts(artefact: Artefact) -> PanelFacts:
    """What a panel is, without its arrays."""
    return msgspec.convert(artefact.json("panel"), PanelFacts)
