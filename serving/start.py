"""Bringing a live process up: the bundle from the store or a folder, the recorded stream from the lake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from market.bars import PANEL_FIELDS, trimmed
from market.lake import Lake
from market.time import format_time, parse_time
from market.universe import ALWAYS, Listing
from market.universe_bars import Read, from_lake, joined
from models.bundle.bundle import Bundle
from models.bundle.golden import self_test
from models.bundle.names import reference
from models.bundle.store import ModelStore
from serving.config import ModelConfig, ServeConfig
from serving.errors import NotReadyError
from serving.feed import Arrival, arrivals
from serving.loop import Notice, TradingLoop


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a live process reads and writes."""

    store: Path
    lake: Path | str
    journals: Path

    def journal(self, name: str) -> Path:
        """The journal of a live process."""
        return self.journals / name

    def status(self, name: str) -> Path:
        """Its status block."""
        return self.journals / f"{name}.status"

    def scores(self, name: str) -> Path:
        """Its score tape."""
        return self.journals / f"{name}.scores"


def load_bundle(model: ModelConfig, store: Path) -> Bundle:
    """The verified bundle of a configuration.

    Raises
    ------
    BundleError
        If it is damaged, unknown, or of other features than this installation computes.
    """
    if model.folder:
        return Bundle.load(Path(model.folder))
    return ModelStore(store).resolve(model.name, reference(model.alias))


def read_stream(bundle: Bundle, config: ServeConfig, lake: Path | str) -> dict[str, NDArray[np.void]]:
    """Every instrument's bars behind the bundle's snapshot.

    Bars at the ends that lack a field which the features read are left out, as in research: those before the first
    funding, or behind the last one that is known.

    Raises
    ------
    NotReadyError
        If an instrument has none, or one inside lacks such a field.
    """
    fields = bundle.feature_set().fields - frozenset(PANEL_FIELDS)
    found = {}
    for one in bundle.instruments():
        spans, unit, read = recorded(bundle, config, lake, one.symbol)
        bars = joined(spans, unit, read)
        bars = bars[bars["end"] > bundle.snapshot(one.symbol).end]  # one without length may begin at the snapshot's end
        if not len(bars):
            raise NotReadyError(
                f"the lake has no {bundle.manifest.features.bars_name} bars of {one.symbol} "
                f"({config.source.venue}) behind {format_time(bundle.snapshot(one.symbol).end)}, where the model's "
                "data ended: import them with `bot4 data import`"
            )
        found[one.symbol] = whole(trimmed(bars, fields), one.symbol, fields)
    return found


def recorded(
    bundle: Bundle, config: ServeConfig, lake: Path | str, symbol: str
) -> tuple[tuple[Listing, ...], Decimal, Read]:
    """What an instrument was called behind the bundle's snapshot, the unit it was trained in, and where its bars lie.

    Raises
    ------
    UniverseError
        If the listings do not know the symbol.
    """
    begin = bundle.snapshot(symbol).end
    stop = ALWAYS if config.source.stop is None else parse_time(config.source.stop)
    universe = config.source.known_listings(one.symbol for one in bundle.instruments())
    read = from_lake(Lake(lake), config.source.venue, bundle.manifest.features.bars_name)
    return universe.behind(symbol, begin, stop), universe.unit(symbol, begin), read


def whole(bars: NDArray[np.void], symbol: str, fields: frozenset[str]) -> NDArray[np.void]:
    """The bars, if there are any and all have every field; the loop would stop at the first that has not."""
    if not len(bars):
        raise NotReadyError(f"no bar of {symbol} behind the model's data has all of {', '.join(sorted(fields))}")
    for field in sorted(fields):
        missing = np.isnan(bars[field])
        if missing.any():
            first = format_time(int(bars["start"][int(np.argmax(missing))]))
            raise NotReadyError(
                f"{field}, which the model's features read, is missing in {int(missing.sum()):,} of {len(bars):,} bars "
                f"of {symbol}, first at {first}: complete the lake, or stop before with source.stop"
            )
    return bars


def trade_start(bundle: Bundle, config: ServeConfig) -> int:
    """The time behind which bars are traded on: the configuration's, or the latest end of the bundle's data.

    Raises
    ------
    NotReadyError
        If it lies in the data the model was trained on.
    """
    trained = max(bundle.manifest.training.trained_through, *(one.end for one in bundle.manifest.snapshots.values()))
    if config.source.start is None:
        return trained
    wanted = parse_time(config.source.start)
    if wanted < trained:
        raise NotReadyError(
            f"source.start is {config.source.start}, but the model has seen everything up to {format_time(trained)}: "
            "start there or later"
        )
    return wanted


def holes(bundle: Bundle, stream: Mapping[str, NDArray[np.void]]) -> list[str]:
    """What to tell people about bars that are missing right behind the snapshot: there the state begins anew."""
    features, found = bundle.manifest.features, []
    for symbol, bars in stream.items():
        if not features.interval:
            continue  # of bars that follow no clock none is missing
        missing = (int(bars["start"][0]) - bundle.snapshot(symbol).end) // features.interval
        if missing > features.max_gap:
            end = format_time(bundle.snapshot(symbol).end)
            found.append(
                f"{missing:,} bars of {symbol} are missing behind {end}, where the model's data ended: its features "
                "and its memory begin anew, and it trades once they are warm"
            )
    return found


def bring_up(config: ServeConfig, folders: Folders, notice: Notice) -> tuple[TradingLoop, Iterator[Arrival]]:
    """Verify the bundle, check its golden rows on this machine, and open the loop and its stream.

    Raises
    ------
    NotReadyError
        If the machine computes other golden rows, or bars are missing.
    """
    bundle = load_bundle(config.model, folders.store)
    checked = self_test(bundle)
    if not checked.exact:
        raise NotReadyError(f"this machine does not compute what the bundle says: {checked}")
    notice(f"bundle {bundle.digest[:12]} verified; golden rows exact")
    bars = read_stream(bundle, config, folders.lake)
    for hole in holes(bundle, bars):
        notice(hole)
    name = config.name
    loop = TradingLoop(
        bundle,
        config,
        folders.journal(name),
        folders.status(name),
        folders.scores(name),
        trade_start(bundle, config),
        notice,
    )
    return loop, arrivals(loop.symbols, bars)
