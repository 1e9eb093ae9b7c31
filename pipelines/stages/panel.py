"""The panel stage: features, volatility, labels and weights of everything before the cut."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from features.fitting import fit_features
from market.bars import PANEL_FIELDS, trimmed
from market.lake import Lake
from market.time import parse_interval
from models.dataset import Panel, Samples, Series, build_panel, decisions
from models.members.protocol import Progress
from pipelines.config import RunConfig
from pipelines.stages.artefacts import Artefact, Draft, Job, job
from pipelines.stages.data import DataFacts, read_series
from pipelines.stages.features import PanelFacts, facts_of, find_features, own_features, with_panel_fields
from pipelines.stages.fields import left_out

STAGE = "panel"
SAMPLE_FIELDS = ("instrument", "row", "t0", "start", "t1", "label", "move", "weight")


def save_panel(draft: Draft, panel: Panel) -> None:
    """Write a panel's arrays."""
    for number, series in enumerate(panel.series):
        draft.array(f"bars-{number}", series.bars)
        draft.array(f"features-{number}", series.features)
        draft.array(f"volatility-{number}", series.volatility)
    for field in SAMPLE_FIELDS:
        draft.array(f"samples-{field}", getattr(panel.samples, field))


def panel_job(config: RunConfig, facts: DataFacts, lake: Lake) -> Job:
    """The panel of a run; nothing after the cut is read into it.

    Features that are fitted have here the values of the first training window. They say which rows are defined, which
    does not depend on the values; what learns or predicts takes `pipelines.stages.fitted.window_panel_job`.
    """
    own = own_features(config)

    def build(draft: Draft, progress: Progress) -> None:
        bars = [read_series(config.data, lake, symbol) for symbol in config.data.symbols]
        bars = [one[one["end"] <= facts.cut] for one in bars]
        wanted = find_features(config, bars)
        fields = wanted.fields - frozenset(PANEL_FIELDS)
        read = [trimmed(one, fields) for one in bars]
        short = left_out(config.data.symbols, bars, read, fields)
        filled = with_panel_fields(config, wanted, read)
        begin = min((int(one["start"][0]) for one in filled if len(one)), default=facts.cut)
        known = dict(zip(config.data.symbols, filled, strict=True))
        wanted = fit_features(wanted, known, begin, begin + parse_interval(config.validation.train))
        series = compute_series(config, wanted, filled, progress)
        columns, told = (*wanted.names, *config.indicators.names), len(config.indicators)
        save_panel(draft, build_panel(series, columns, config.data.interval_ns, config.labels, told))
        for sentence in short:
            logging.getLogger(__name__).warning(sentence)
        draft.json("panel", msgspec.structs.replace(facts_of(config, bars, wanted), left_out=tuple(short)))

    fitted_on = config.validation.train if own.fitted else ""
    inputs = (facts, config.data, config.features, config.labels, own.code, fitted_on)
    return job(STAGE, "features, labels and weights", inputs, build, ("numpy", "numba", "llvmlite", "polars"))


def compute_series(
    config: RunConfig, wanted: FeatureSet, bars: list[NDArray[np.void]], progress: Progress
) -> tuple[Series, ...]:
    """Replay the features over each instrument's bars; rows say which one they are of, if the configuration asks."""
    engine = FeatureEngine(wanted)
    volatility = wanted.names.index(config.features.volatility)
    series = []
    for number, (symbol, one) in enumerate(zip(config.data.symbols, bars, strict=True)):
        engine.reset()
        rows = config.indicators.append(engine.replay(one), symbol)
        decides = decisions(rows, wanted.names, config.features.events)
        series.append(Series(symbol, one, rows, np.ascontiguousarray(rows[:, volatility]), decides))
        progress(f"features of {symbol}", (number + 1) / len(bars))
    return tuple(series)


@lru_cache(maxsize=3)
def _load(folder: str, artefact: Artefact) -> Panel:
    about = panel_facts(artefact)
    if about.base:
        return _with_fitted(load_panel(base_of(artefact, about)), about, artefact)
    series = []
    for number, symbol in enumerate(about.symbols):
        bars, rows, volatility = (artefact.array(f"{what}-{number}") for what in ("bars", "features", "volatility"))
        series.append(Series(symbol, bars, rows, volatility, decisions(rows, about.features, about.events)))
    samples = Samples(**{field: artefact.array(f"samples-{field}") for field in SAMPLE_FIELDS})
    return Panel(tuple(series), about.columns, about.interval, samples, len(about.indicators))


def _with_fitted(base: Panel, about: PanelFacts, artefact: Artefact) -> Panel:
    """A panel with the columns of its fitted features in place of those of another one."""
    wanted = about.feature_set()
    places = [number for number, feature in enumerate(wanted.features) if feature.fitted]
    series = []
    for number, one in enumerate(base.series):
        features = one.features.copy()
        features[:, places] = artefact.array(f"fitted-{number}")
        series.append(replace(one, features=features))
    return replace(base, series=tuple(series))


def base_of(artefact: Artefact, about: PanelFacts) -> Artefact:
    """The panel that another one is based on; it lies in the same workspace."""
    return Artefact(STAGE, about.base, str(Path(artefact.folder).parents[1] / STAGE / about.base))


def load_panel(artefact: Artefact) -> Panel:
    """Read a panel back; the newest three are kept in memory, shared and never written to."""
    return _load(artefact.folder, artefact)


def panel_facts(artefact: Artefact) -> PanelFacts:
    """What a panel is, without its arrays."""
    return msgspec.convert(artefact.json("panel"), PanelFacts)
