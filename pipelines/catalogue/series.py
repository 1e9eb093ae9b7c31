"""Features over bars of the lake, as a training computes them: what a plot shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor

import numpy as np
from numpy.typing import NDArray

from features.engine import FeatureEngine
from features.feature import Feature
from features.feature_set import FeatureSet
from features.fitting import fit_features
from features.panel.engine import PanelEngine
from market.bars import PANEL_FIELDS, present_fields
from market.lake import Lake, SeriesKey
from market.time import format_time
from pipelines.catalogue.entries import nearest
from pipelines.config import FeaturesConfig
from pipelines.errors import ConfigError

MAX_GAP = FeaturesConfig().max_gap
"""Missing bars in a row that are bridged, as in a training that does not say otherwise."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Some bars of a series with their feature values.

    ``values`` has a row a bar and a column a feature of ``feature_set``. The engine took in ``history`` bars before the
    first of ``bars``. Features that must be fitted were fitted on the first ``fitted_bars`` of ``bars``; 0 if there are
    none. ``panel`` are the other instruments that filled the panel fields.
    """

    key: SeriesKey
    bars: NDArray[np.void]
    feature_set: FeatureSet
    values: NDArray[np.float64]
    history: int
    fitted_bars: int
    panel: tuple[str, ...]


def find_series(lake: Lake, symbol: str, venue: str | None, interval: str | None) -> SeriesKey:
    """The one series of bars of an instrument; venue and interval are needed where it has several.

    Raises
    ------
    ConfigError
        If the lake has none, or several.
    """
    if venue is not None and interval is not None:
        return SeriesKey(venue, symbol, "bars", interval)
    keys = [info.key for info in lake.list() if info.key.kind == "bars"]
    found = [
        key
        for key in keys
        if key.instrument == symbol and venue in (None, key.venue) and interval in (None, key.interval)
    ]
    if not found:
        known = sorted({key.instrument for key in keys})
        asked = " ".join(word for word in (venue, symbol, interval) if word)
        hint = "" if symbol in known else nearest(symbol, known)
        raise ConfigError(f"the lake {lake.root} has no bars of {asked}; {hint}`bot4 data list` shows what it has")
    if len(found) > 1:
        several = "; ".join(f"{key.venue} {key.interval}" for key in found)
        raise ConfigError(f"the lake has several series of {symbol} ({several}): say --venue and --interval")
    return found[0]


def show_series(
    lake: Lake,
    key: SeriesKey,
    names: Sequence[str],
    catalogue: Mapping[str, Feature],
    start: int | None = None,
    stop: int | None = None,
    panel: Sequence[str] = (),
    fit_share: float = 0.5,
) -> Shown:
    """Features by the engine, which takes in all bars from the lake's first one on, shown from ``start`` to ``stop``.

    What is shown of a feature that needs no fitting therefore does not depend on ``start``. Where bars before ``start``
    lack a field that is read (the book's, before it was recorded), the engine begins behind the last of those. Fitted
    features are fitted on the bars of the first ``fit_share`` of what is shown, and nothing else.

    Parameters
    ----------
    start, stop
        Of the bars shown, by their start, in nanoseconds UTC; None is open-ended.
    panel
        Instruments of the same venue and interval, for features that compare.

    Raises
    ------
    ConfigError
        If no bars are shown, features compare but there is no panel, or ``fit_share`` is not between 0 and 1.
    FeatureError
        If bars lack fields, are refused, or are too few to fit a feature.
    LakeError
        If the lake has no such series, or a file is damaged.
    """
    if not 0.0 < fit_share < 1.0:
        raise ConfigError(f"the share of bars to fit on, {fit_share:g}, is not between 0 and 1")
    wanted = FeatureSet(tuple(names), key.nanoseconds, MAX_GAP, catalogue)
    others = tuple(dict.fromkeys(one for one in panel if one != key.instrument))
    bars = with_panel(lake, key, others, stop, wanted) if others else lake.read(key, stop=stop)
    first = 0 if start is None else int(np.searchsorted(bars["start"], start))
    if first == len(bars):
        raise ConfigError(f"the lake has no bars of {key} in the time asked for{stretch(lake.read(key))}")
    shown = bars[first:]
    lacking = rows_without(wanted, bars)
    check_fields(wanted, shown, lacking[first:], others)
    begin = int(np.flatnonzero(lacking)[-1]) + 1 if lacking.any() else 0
    fitted_bars = floor(fit_share * len(shown)) if wanted.needed else 0
    if wanted.needed:
        known = shown[:fitted_bars]
        wanted = fit_features(wanted, {key.instrument: known}, int(shown["start"][0]), int(known["end"].max(initial=0)))
    values = FeatureEngine(wanted).replay(bars[begin:])[first - begin :]
    return Shown(key, shown, wanted, values, first - begin, fitted_bars, others)


def with_panel(
    lake: Lake, key: SeriesKey, others: Sequence[str], stop: int | None, wanted: FeatureSet
) -> NDArray[np.void]:
    """An instrument's bars with the panel fields that it and others fill."""
    members = (key.instrument, *others)
    engine = PanelEngine(members, key.nanoseconds, wanted.max_gap)
    series = [lake.read(SeriesKey(key.venue, member, key.kind, key.interval), stop=stop) for member in members]
    return engine.replay(series)[0]


def rows_without(wanted: FeatureSet, bars: NDArray[np.void]) -> NDArray[np.bool_]:
    """Which bars lack a field that is read."""
    found = np.zeros(len(bars), np.bool_)
    for field in wanted.fields:
        found |= np.isnan(bars[field])
    return found


def check_fields(
    wanted: FeatureSet, shown: NDArray[np.void], lacking: NDArray[np.bool_], others: Sequence[str]
) -> None:
    """Refuse features whose bar fields some bars lack, or that compare where there is nobody to compare with."""
    comparing = [one.name for one in wanted.features if not one.fields.isdisjoint(PANEL_FIELDS)]
    if comparing and not others:
        raise ConfigError(
            f"{', '.join(comparing)} compare with other instruments: name some of the same venue and interval, "
            "such as --panel ETHUSDT,SOLUSDT"
        )
    last = int(np.flatnonzero(lacking)[-1]) if lacking.any() else -1
    if 0 <= last < len(shown) - 1:
        since = format_time(int(shown["start"][last + 1]))
        fields = ", ".join(sorted(wanted.fields - present_fields(shown)))
        raise ConfigError(f"not all bars asked for have {fields}; from {since} on they have: say --from {since}")
    wanted.require(present_fields(shown))


def stretch(bars: NDArray[np.void]) -> str:
    """What there is instead."""
    if not len(bars):
        return ""
    return f"; it has them from {format_time(int(bars['start'][0]))} to {format_time(int(bars['end'][-1]))}"
