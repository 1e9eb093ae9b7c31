"""The catalogue: every feature by name, and which of them a source's fields allow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from features.catalogue import (
    book,
    breaks,
    calendar,
    channels,
    cross,
    events,
    flow,
    funding,
    information,
    memory,
    microstructure,
    moments,
    oscillators,
    regimes,
    regression,
    returns,
    trend,
    volatility,
    volume,
)
from features.catalogue.core import CORE
from features.feature import Feature

GROUPS: Mapping[str, tuple[Feature, ...]] = MappingProxyType(
    {
        "returns": returns.FEATURES,
        "trend": trend.FEATURES,
        "regression": regression.FEATURES,
        "channels": channels.FEATURES,
        "oscillators": oscillators.FEATURES,
        "volatility": volatility.FEATURES,
        "moments": moments.FEATURES,
        "volume": volume.FEATURES,
        "flow": flow.FEATURES,
        "book": book.FEATURES,
        "microstructure": microstructure.FEATURES,
        "calendar": calendar.FEATURES,
        "funding": funding.FEATURES,
        "cross": cross.FEATURES,
        "events": events.FEATURES,
        "memory": memory.FEATURES,
        "information": information.FEATURES,
        "breaks": breaks.FEATURES,
        "regimes": regimes.FEATURES,
    }
)
CATALOGUE: Mapping[str, Feature] = MappingProxyType(
    {feature.name: feature for group in GROUPS.values() for feature in group}
)
CORE_CATALOGUE: Mapping[str, Feature] = MappingProxyType({name: CATALOGUE[name] for name in CORE})
"""What a training takes unless its configuration says otherwise."""


def default_features(fields: Iterable[str], catalogue: Mapping[str, Feature] = CATALOGUE) -> tuple[str, ...]:
    """The names of all cheap features whose bar fields are present, in catalogue order.

    Expensive features, and those that must be fitted first, are only computed where they are asked for by name.

    Parameters
    ----------
    fields
        What the bars have, as `market.bars.present_fields` says.

    Examples
    --------
    >>> names = default_features(("open", "high", "low", "close", "volume"))
    >>> "rsi_14" in names, "taker_imbalance_ewma_8" in names
    (True, False)
    """
    present = frozenset(fields)
    return tuple(name for name, feature in catalogue.items() if by_default(feature) and feature.fields <= present)


def disabled_features(fields: Iterable[str], catalogue: Mapping[str, Feature] = CATALOGUE) -> dict[str, str]:
    """The features of the default set that are off, each with the reason.

    Examples
    --------
    >>> disabled_features(("open", "high", "low", "close", "volume"))["taker_imbalance_ewma_8"]
    'needs taker_buy_volume, which the bars lack'
    """
    present = frozenset(fields)
    return {
        name: f"needs {', '.join(sorted(feature.fields - present))}, which the bars lack"
        for name, feature in catalogue.items()
        if by_default(feature) and not feature.fields <= present
    }


def by_default(feature: Feature) -> bool:
    """Whether a feature is computed without being asked for by name."""
    return feature.cost == "cheap" and not feature.fitted
