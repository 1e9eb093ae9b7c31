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

LAKE_KINDS: Final[Mapping[str, str]] = {"klines": "bars", "markPriceKlines": "mark", "fundingRate": "funding"}
"""The lake's kind of series for each of the archive's."""

FETCHING: Final = 0.8
"""The part of the progress that fetching is taken to be; the rest is reading, checking and storing."""


@dataclass(frozen=True, slots=True, eq=False)
class Downloaded:
    """What became of one series; ``refused`` says why its files were not stored.

    Without either, there was nothing new, or the lake does not hold this kind and its files are all there is.
    """

    arrived: Arrived
    report: ImportReport | None = None
    refused: str | None = None

    @property
    def added(self) -> int:
        """Rows that the lake did not have."""
        return 0 if self.report is None else self.report.added


def lake_key(series: ArchiveSeries) -> SeriesKey:
    """The series of the lake that holds a series of the archive.

    Raises
    ------
    DownloadError
        If the lake has no place for this kind.
    """
    if series.kind not in LAKE_KINDS:
        raise DownloadError(f"{series}: only {', '.join(LAKE_KINDS)} are stored in the lake")
    interval = IRREGULAR if series.interval is None else format_interval(parse_interval(series.interval))
    return SeriesKey(series.venue, series.symbol, LAKE_KINDS[series.kind], interval)


def end_of(lake: Lake, key: SeriesKey) -> int:
    """The end of the last stored row in ns UTC, where an update goes on.

    Raises
    ------
    DownloadError
        If nothing is stored.
    """
    for info in lake.list():
        if info.key == key:
            return info.end
    raise DownloadError(f"{key} is not in the lake {lake.root}, so there is nothing to update; say from when")


def download_series(
    client: Client,
    wanted: Sequence[Wanted],
    folder: Path,
    lake: Lake,
    *,
    replace: bool = False,
    parallel: int = 4,
    progress: Progress | None = None,
) -> list[Downloaded]:
    """Fetch and store series: each wholly, or, if a file of it is refused, not at all.

    Kinds that the lake does not hold (see `LAKE_KINDS`) are fetched and verified only.

    Parameters
    ----------
    client, wanted, folder, parallel
        As `market.download.archive.download`.
    replace
        Let bars that contradict stored ones replace them; the archive does publish corrections.

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
        results.append(_store(one, lake, replace))
    say("done", 1.0)
    return results


def _store(one: Arrived, lake: Lake, replace: bool) -> Downloaded:
    if not one.files or one.series.kind not in LAKE_KINDS:
        return Downloaded(one)
    try:
        key = lake_key(one.series)
        report = import_files(one.files, lake, key.venue, instrument=key.instrument, kind=key.kind, replace=replace)
    except MarketError as error:
        return Downloaded(one, refused=str(error))
    return Downloaded(one, report)


class _Stored:
    """Whether the lake has what a published file holds: its import is recorded and its bars are still there."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._records: Mapping[tuple[str, Source], ImportRecord] = {
            (record.series, record.source): record for record in lake.provenance()
        }

    def __call__(self, series: ArchiveSeries, file: Published) -> bool:
        if series.kind not in LAKE_KINDS:
            return False
        key = lake_key(series)
        record = self._records.get((str(key.folder), Source(file.name, file.sha256)))
        if record is None:
            return False
        start, stop = parse_time(record.first), parse_time(record.last) + max(1, key.nanoseconds)
        try:
            return len(self._lake.read(key, start, stop)) >= record.rows
        except MarketError:
            return False


def _silent(what: str, done: float) -> None:
    """The progress of those who asked for none."""
