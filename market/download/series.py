"""From the archive into the lake, series by series: what is stored is not fetched again, and nothing is half stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from market.download.archive import Arrived, Wanted, download
from market.download.client import Client
from market.download.fetch import Published
from market.download.layout import ArchiveSeries
from market.errors import DownloadError, MarketError
from market.imports import ImportReport, Progress, import_files
from market.lake import ImportRecord, Lake, SeriesKey, Source
from market.lake.keys import IRREGULAR
from market.time import format_interval, parse_interval, parse_time
from market.trades.imports import TradeImport, TradeImportReport, import_trades
from market.trades.lake import TradeLake
from market.trades.quality import GapRule
from market.trades.read import TradeKind

TRADE_KINDS: Final[Mapping[str, TradeKind]] = {"trades": "trades", "aggTrades": "agg_trades"}
LAKE_KINDS: Final[Mapping[str, str]] = {
    "klines": "bars",
    "markPriceKlines": "mark",
    "fundingRate": "funding",
    **TRADE_KINDS,
}
"""The lake's kind of series for each of the archive's."""

FETCHING: Final = 0.8
"""The part of the progress that fetching is taken to be; the rest is reading, checking and storing."""


@dataclass(frozen=True, slots=True, eq=False)
class Downloaded:
    """What became of one series; ``refused`` says why its files, or of trades the first that was not, were not stored.

    Without either, there was nothing new.
    """

    arrived: Arrived
    report: ImportReport | TradeImportReport | None = None
    refused: str | None = None

    @property
    def added(self) -> int:
        """Rows that the lake did not have."""
        return 0 if self.report is None else self.report.added


def lake_key(series: ArchiveSeries) -> SeriesKey:
    """The series of the lake that holds a series of the archive."""
    interval = IRREGULAR if series.interval is None else format_interval(parse_interval(series.interval))
    return SeriesKey(series.venue, series.symbol, LAKE_KINDS[series.kind], interval)


def end_of(lake: Lake, key: SeriesKey) -> int:
    """The end of the last stored bar, or the time of the last trade, in ns UTC: where an update goes on.

    Raises
    ------
    DownloadError
        If nothing is stored.
    """
    infos = TradeLake(lake.root).list() if key.kind in TRADE_KINDS.values() else lake.list()
    for info in infos:
        if info.key == key:
            return info.end
    raise DownloadError(f"{key} is not in the lake {lake.root}, so there is nothing to update; say from when")


def download_series(
    client: Client,
    wanted: Sequence[Wanted],
    folder: Path,
    lake: Lake,
    *,
    gaps: GapRule = "refuse",
    replace: bool = False,
    parallel: int = 4,
    progress: Progress | None = None,
) -> list[Downloaded]:
    """Fetch and store series: each wholly, or, if a file of it is refused, not at all.

    Trades, which are too many to be held at once, are stored file by file in order, up to the first that is refused.

    Parameters
    ----------
    client, wanted, folder, parallel
        As `market.download.archive.download`.
    gaps
        Of trades: whether left-out ids inside a file refuse it, or are reported.
    replace
        Let rows that contradict stored ones replace them; the archive does publish corrections.

    Raises
    ------
    DownloadError
        If files cannot be fetched; nothing is stored.
    """
    say = progress or _silent
    stored = _Stored(lake)
    arrived = download(
        client, wanted, folder, known=stored, parallel=parallel, progress=lambda what, done: say(what, FETCHING * done)
    )
    results = []
    for number, one in enumerate(arrived):
        say(f"storing {one.series}", FETCHING + (1 - FETCHING) * number / len(arrived))
        results.append(_store(one, lake, gaps, replace))
    say("done", 1.0)
    return results


def _store(one: Arrived, lake: Lake, gaps: GapRule, replace: bool) -> Downloaded:
    if not one.files:
        return Downloaded(one)
    if one.series.kind in TRADE_KINDS:
        return _store_trades(one, TradeLake(lake.root), gaps, replace)
    key = lake_key(one.series)
    try:
        report = import_files(one.files, lake, key.venue, instrument=key.instrument, kind=key.kind, replace=replace)
    except MarketError as error:
        return Downloaded(one, refused=str(error))
    return Downloaded(one, report)


def _store_trades(one: Arrived, lake: TradeLake, gaps: GapRule, replace: bool) -> Downloaded:
    venue, symbol = one.series.venue, one.series.symbol
    done: list[TradeImport] = []
    refused = None
    for path in one.files:
        try:
            done.append(import_trades(path, lake, venue, instrument=symbol, gaps=gaps, replace=replace))
        except MarketError as error:
            refused = str(error)
            break
    return Downloaded(one, TradeImportReport(tuple(done)), refused)


class _Stored:
    """Whether the lake has what a published file holds: its import is recorded and its rows are still there."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._records: Mapping[tuple[str, Source], ImportRecord] = {
            (record.series, record.source): record for record in lake.provenance()
        }

    def __call__(self, series: ArchiveSeries, file: Published) -> bool:
        key = lake_key(series)
        record = self._records.get((str(key.folder), Source(file.name, file.sha256)))
        if record is None:
            return False
        start, stop = parse_time(record.first), parse_time(record.last) + max(1, key.nanoseconds)
        try:
            return self._rows(key, start, stop) >= record.rows
        except MarketError:
            return False

    def _rows(self, key: SeriesKey, start: int, stop: int) -> int:
        if key.kind not in TRADE_KINDS.values():
            return len(self._lake.read(key, start, stop))
        return sum(len(day) for day in TradeLake(self._lake.root).days(key, start, stop))


def _silent(what: str, done: float) -> None:
    """The progress of those who asked for none."""
