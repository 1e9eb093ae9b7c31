"""The data stage: which bars a run reads, and where its untouched stretch begins."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from market.instruments import Instrument
from market.lake import Lake, SeriesKey
from market.time import format_time, parse_interval
from market.universe import Listing
from market.universe_bars import from_lake, joined, joined_fingerprint, named_parts
from pipelines.config import DataConfig
from pipelines.errors import StageError


class SeriesFacts(msgspec.Struct, frozen=True):
    """What identifies one series of a run: its content, not where it is stored."""

    symbol: str
    fingerprint: str
    rows: int
    start: int
    end: int


class DataFacts(msgspec.Struct, frozen=True):
    """The series of a run and the cut between research and the untouched holdout (a bar belongs by its end)."""

    series: tuple[SeriesFacts, ...]
    cut: int


def series_key(data: DataConfig, symbol: str) -> SeriesKey:
    """Where one symbol's bars lie in the lake."""
    return SeriesKey(venue=data.venue, instrument=symbol, kind="bars", interval=data.interval)


def ingest_embedded(data: DataConfig, lake: Lake) -> None:
    """Write the embedded bars of the run's symbols into the lake; a second time changes nothing."""
    from market.embedded import embedded_bars

    bars = embedded_bars()
    for symbol in data.symbols:
        if symbol not in bars:
            raise StageError(f"data.symbols names {symbol!r}; the embedded data has {', '.join(sorted(bars))}")
        lake.write(series_key(data, symbol), bars[symbol])


def held_spans(data: DataConfig, lake: Lake, symbol: str) -> tuple[Listing, ...]:
    """A symbol's listings in the run's time, without the first ones that the lake has no series of.

    There the data begin later than the listings.
    """
    spans = data.spans(symbol)
    held = [lake.holds(series_key(data, one.symbol)) for one in spans]
    return spans[held.index(True) :] if any(held) else spans[-1:]


def read_series(data: DataConfig, lake: Lake, symbol: str) -> NDArray[np.void]:
    """One symbol's bars between the configured start and stop, under all the instrument's names and in its own unit."""
    spans, read = held_spans(data, lake, symbol), from_lake(lake, data.venue, data.interval)
    return joined(spans, data.unit(symbol), read)


def describe(data: DataConfig, lake: Lake) -> DataFacts:
    """Fingerprint the series of a run and find the cut.

    Raises
    ------
    StageError
        If a symbol has no bars there, or none under a name it had after its first bar, or the holdout leaves nothing to
        learn from.
    """
    facts = tuple(series_facts(data, lake, symbol) for symbol in data.symbols)
    cut = max(fact.end for fact in facts) - parse_interval(data.holdout)
    if cut <= min(fact.start for fact in facts):
        raise StageError(
            f"data.holdout is {data.holdout}, which begins {format_time(cut)}, before the first bar: shorten it"
        )
    return DataFacts(facts, cut)


def series_facts(data: DataConfig, lake: Lake, symbol: str) -> SeriesFacts:
    """What identifies one symbol's bars; errors as `describe`."""
    parts = named_parts(held_spans(data, lake, symbol), from_lake(lake, data.venue, data.interval))
    while len(parts) > 1 and not len(parts[0][1]):
        del parts[0]
    if not len(parts[0][1]):
        raise StageError(f"the lake has no {data.interval} bars of {symbol} between data.start and data.stop")
    for one, bars in parts:
        if not len(bars):
            raise StageError(
                f"the lake has no {data.interval} bars of {one.symbol}, as {symbol} was called from "
                f"{format_time(one.start)} on: import them, or set data.stop"
            )
    fingerprint = joined_fingerprint(parts, data.unit(symbol))
    rows = sum(len(bars) for _, bars in parts)
    return SeriesFacts(symbol, fingerprint, rows, int(parts[0][1]["start"][0]), int(parts[-1][1]["end"][-1]))


def instruments(data: DataConfig, folder: str) -> tuple[Instrument, ...]:
    """The rules of the run's instruments, in the order of its symbols; ``folder`` is the configuration's."""
    if data.source == "embedded":
        from market.embedded import embedded_instruments

        known = embedded_instruments()
    elif data.instruments is None:
        raise StageError("data.instruments is missing: name a TOML file with each symbol's tick, lot and fees")
    else:
        from pathlib import Path

        from pipelines.toml import read_toml

        path = Path(folder) / data.instruments
        known = {symbol: Instrument.from_dict({"symbol": symbol, **table}) for symbol, table in read_toml(path).items()}
    missing = [symbol for symbol in data.symbols if symbol not in known]
    if missing:
        raise StageError(f"no instrument rules for {', '.join(missing)}; known are {', '.join(sorted(known))}")
    return tuple(known[symbol] for symbol in data.symbols)
