"""From an exchange into the lake, month by month: each is stored wholly, so that a run goes on where one broke."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from market.download.exchange import Exchange
from market.errors import LakeError
from market.imports import Progress
from market.lake import Lake, SeriesKey, Source
from market.quality import anchor, check_bars
from market.time import format_interval


@dataclass(frozen=True, slots=True)
class ExchangeWanted:
    """Bars of one market of an exchange, with start <= bar start < stop (ns UTC)."""

    symbol: str
    interval: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class ExchangeDownloaded:
    """What became of one series.

    Attributes
    ----------
    added, known
        Bars that the lake did not have, and bars of months that it had whole, which were not asked for.
    missing
        Bars of the time asked for that the exchange did not give: it was not trading, or does not reach back so far.
    findings
        What the gates found, a line each.
    """

    key: SeriesKey
    added: int
    known: int
    missing: int
    findings: tuple[str, ...]


def exchange_key(exchange: str, symbol: str, interval: int) -> SeriesKey:
    """The lake's series of an exchange's market; ``BTC/USDT:USDT`` is called ``BTC-USDT:USDT`` there."""
    return SeriesKey(exchange, symbol.replace("/", "-"), "bars", format_interval(interval))


def download_from_exchange(
    exchange: Exchange,
    wanted: Sequence[ExchangeWanted],
    lake: Lake,
    *,
    replace: bool = False,
    progress: Progress | None = None,
) -> list[ExchangeDownloaded]:
    """Fetch and store bars; unfinished ones are left for later.

    Raises
    ------
    DownloadError
        If the exchange has no such market or interval (nothing is stored), refuses, or does not answer for too long.
    QualityError, LakeError
        If a month fails a gate or contradicts what is stored. Of that month nothing is stored; the months before it
        are.
    """
    for one in wanted:
        exchange.check(one.symbol, one.interval)
    shown = _Shown(wanted, progress)
    return [_series(exchange, one, lake, replace, shown) for one in wanted]


class _Shown:
    """Progress over the time asked for."""

    def __init__(self, wanted: Sequence[ExchangeWanted], progress: Progress | None) -> None:
        self._total = sum(one.stop - one.start for one in wanted)
        self._begun = 0
        self._progress = progress

    def month(self, symbol: str, start: int, stop: int) -> Callable[[int], None]:
        """What to tell of the time up to which a month has come."""
        begun, name = self._begun, f"{symbol} {_name(start)}"
        self._begun += stop - start
        return lambda time: self._tell(name, begun + time - start)

    def _tell(self, what: str, done: int) -> None:
        if self._progress is not None:
            self._progress(what, done / self._total)


def _series(exchange: Exchange, one: ExchangeWanted, lake: Lake, replace: bool, shown: _Shown) -> ExchangeDownloaded:
    key = exchange_key(exchange.name, one.symbol, one.interval)
    added = known = missing = 0
    findings: list[str] = []
    for start, stop in _months(one.start, min(one.stop, exchange.settled(one.interval))):
        heard, whole = shown.month(one.symbol, start, stop), _count(start, stop, one.interval)
        if not replace and _stored(lake, key, start, stop) == whole:
            known += whole
            heard(stop)
            continue
        bars = exchange.bars(one.symbol, one.interval, start, stop, heard)
        missing += whole - len(bars)
        name = f"ccxt {exchange.name} {one.symbol} {format_interval(one.interval)} {_name(start)}"
        quality = check_bars(bars, one.interval)
        quality.raise_if_bad(name)
        findings += [f"{_name(start)}: {line}" for line in quality.text().splitlines()]
        if len(bars):
            source = Source(name, hashlib.sha256(bars.tobytes()).hexdigest())
            added += lake.write(key, bars, source=source, replace=replace).added
    return ExchangeDownloaded(key, added, known, missing, tuple(findings))


def _count(start: int, stop: int, interval: int) -> int:
    """The bars that can start in [start, stop)."""
    first = anchor(interval)
    return (stop - first + interval - 1) // interval - (start - first + interval - 1) // interval


def _name(start: int) -> str:
    return str(np.datetime64(start, "ns").astype("datetime64[M]"))


def _months(start: int, stop: int) -> Iterator[tuple[int, int]]:
    while start < stop:
        following = np.datetime64(start, "ns").astype("datetime64[M]") + 1
        end = min(stop, int(following.astype("datetime64[ns]").astype(np.int64)))
        yield start, end
        start = end


def _stored(lake: Lake, key: SeriesKey, start: int, stop: int) -> int:
    try:
        return len(lake.read(key, start, stop))
    except LakeError:
        return 0
