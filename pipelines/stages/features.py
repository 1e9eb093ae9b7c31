"""Which features a run computes: the names it asks for, where they are looked up, and what is written down of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.catalogue import CATALOGUE, CORE_CATALOGUE, default_features, disabled_features
from features.feature_set import FeatureSet
from features.panel.engine import PanelEngine
from features.plugins import catalogue_with, installed_source, plugin_sources
from market.bars import FIELDS, PANEL_FIELDS
from models.bundle.instruments import Indicators
from pipelines.config import FeaturesConfig, RunConfig
from pipelines.errors import StageError
from pipelines.stages.fields import lacking_fields, needs

UNCLOCKED = "which bars that follow no clock do not have: no two instruments' bars belong together"
NAMED = {"default": CORE_CATALOGUE, "all": CATALOGUE}
"""The catalogues that a configuration may name."""

Bars = NDArray[np.void]


class PanelFacts(msgspec.Struct, frozen=True):
    """A panel's symbols, its features in order, those that are off with the reason, and its interval (ns).

    ``plugins``: the text of the files that features of one's own come from, by module. ``fitted``: what features were
    fitted to. ``base``: the digest of the panel that this one shares all but its fitted columns with; empty for none.
    ``events``: the feature at whose bars decisions are made; empty for all bars. ``left_out``: what is missing at the
    ends of the series. ``instruments``: the symbols whose columns stand behind the features; empty for none.
    """

    symbols: tuple[str, ...]
    features: tuple[str, ...]
    feature_digest: str
    disabled: dict[str, str]
    interval: int
    max_gap: int
    plugins: dict[str, str] = {}
    fitted: dict[str, tuple[float, ...]] = {}
    base: str = ""
    events: str = ""
    left_out: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()

    @property
    def indicators(self) -> Indicators:
        """The columns that say which instrument a row is of."""
        return Indicators(self.instruments)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns of a row."""
        return (*self.features, *self.indicators.names)

    def feature_set(self) -> FeatureSet:
        """The features, with what they were fitted to; files of one's own are run if this process has not yet."""
        for module, source in self.plugins.items():
            installed_source(module, source)
        catalogue = catalogue_with(tuple(self.plugins))
        return FeatureSet(self.features, self.interval, self.max_gap, catalogue, self.fitted)


def resolve_features(config: FeaturesConfig, fields: frozenset[str]) -> tuple[str, ...]:
    """The names of a run's features, in order; the volatility that scales labels, and the events, are among them."""
    names = default_features(fields, NAMED[config.names]) if isinstance(config.names, str) else config.names
    kept = tuple(name for name in names if name not in config.exclude)
    needed = [one for one in (config.volatility, config.events) if one and one not in kept]
    return (*kept, *dict.fromkeys(needed))


@dataclass(frozen=True, slots=True)
class OwnFeatures:
    """What a configuration's features depend on beside our own code and the configuration itself.

    ``code``: a digest of the features that are not the house's. ``fitted``: whether any has to be fitted.
    """

    code: str
    fitted: bool


def own_features(config: RunConfig) -> OwnFeatures:
    """What decides a run's features and is known before its bars are."""
    chosen, catalogue = config.features, catalogue_with(config.features.files)
    names = () if isinstance(chosen.names, str) else tuple(one for one in chosen.names if one not in chosen.exclude)
    own = tuple(name for name in names if name not in CATALOGUE)
    code = FeatureSet(own, config.data.interval_ns, chosen.max_gap, catalogue).code_digest if own else ""
    return OwnFeatures(code, any(catalogue[name].fitted for name in names))


def unreadable(config: RunConfig, bars: Sequence[Bars]) -> dict[str, str]:
    """The fields that no feature can read, each with the reason; several series give each other those of a panel.

    Bars that follow no clock have no partners in time.
    """
    lacking = lacking_fields(config.data.symbols, bars)
    if not config.data.interval_ns:
        return lacking | dict.fromkeys(PANEL_FIELDS, UNCLOCKED)
    return {name: why for name, why in lacking.items() if len(bars) == 1 or name not in PANEL_FIELDS}


def find_features(config: RunConfig, bars: Sequence[Bars]) -> FeatureSet:
    """The feature set of a run, over the fields that every series has; nothing is fitted yet.

    Raises
    ------
    StageError
        If a feature that is asked for by name reads a field that some bars lack; with the feature, field and bars.
    """
    lacking = unreadable(config, bars)
    names = resolve_features(config.features, frozenset(FIELDS) - lacking.keys())
    catalogue = catalogue_with(config.features.files)
    wanted = FeatureSet(names, config.data.interval_ns, config.features.max_gap, catalogue)
    sourced = {name: why for name, why in lacking.items() if name not in PANEL_FIELDS}
    for feature in wanted.features:
        if reason := needs(feature, sourced):
            raise StageError(f"feature {feature.name} {reason}: leave it out, or give all bars the field")
        if feature.fitted and feature.name == config.features.events:
            raise StageError(
                f"features.events is {feature.name}, which is fitted in every fold anew, so that the bars that are "
                "decided at would differ from fold to fold; name one that needs no fitting"
            )
    return wanted


def facts_of(config: RunConfig, bars: Sequence[Bars], wanted: FeatureSet) -> PanelFacts:
    """What is written down of a run's features."""
    named, lacking = config.features.names, unreadable(config, bars)
    off = disabled_features(frozenset(FIELDS) - lacking.keys(), NAMED[named]) if isinstance(named, str) else ()
    return PanelFacts(
        symbols=config.data.symbols,
        features=wanted.names,
        feature_digest=wanted.digest,
        disabled={name: needs(CATALOGUE[name], lacking) for name in off},
        interval=wanted.interval,
        max_gap=wanted.max_gap,
        plugins={one.module: one.source for one in plugin_sources(wanted.features)},
        fitted=dict(wanted.fitted),
        events=config.features.events,
        instruments=config.indicators.symbols,
    )


def with_panel_fields(config: RunConfig, wanted: FeatureSet, bars: list[Bars]) -> list[Bars]:
    """The bars with what the instruments say of each other, where a feature reads that; else the bars as they are.

    Raises
    ------
    StageError
        If a feature does and there is one instrument.
    """
    if wanted.fields.isdisjoint(PANEL_FIELDS):
        return bars
    if not wanted.interval:
        name = next(one.name for one in wanted.features if not one.fields.isdisjoint(PANEL_FIELDS))
        raise StageError(f"feature {name} reads {', '.join(PANEL_FIELDS[:1])} and others, {UNCLOCKED}: leave it out")
    if len(bars) == 1:
        name = next(one.name for one in wanted.features if not one.fields.isdisjoint(PANEL_FIELDS))
        raise StageError(
            f"feature {name} compares instruments, and data.symbols names {config.data.symbols[0]} alone: name more "
            "symbols or leave it out"
        )
    return PanelEngine(config.data.symbols, wanted.interval, wanted.max_gap).replay(bars)
