"""Files into the lake: read all, check all, then write all, or nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from market.errors import MarketError, QualityError, SourceError
from market.lake import Delivery, Lake, SeriesKey, WriteReport
from market.lake.keys import interval_text
from market.quality import QualityReport, QualityRules
from market.readers import SourceBars
from market.readers.read import FileFormat
from market.readers.times import TimeUnit
from market.sources import source_of

Progress = Callable[[str, float], None]
"""Called with what is going on and the fraction done, between 0 and 1."""


@dataclass(frozen=True, slots=True, eq=False)
class ImportedSeries:
    """One series of one file: where it came from, what the gates found, what the lake did."""

    path: Path
    read: SourceBars
    quality: QualityReport
    written: WriteReport


@dataclass(frozen=True, slots=True, eq=False)
class ImportReport:
    """What an import did, file by file."""

    series: tuple[ImportedSeries, ...]

    @property
    def added(self) -> int:
        """Bars that the lake did not have."""
        return sum(one.written.added for one in self.series)

    def text(self) -> str:
        """For people: a line a series, then its warnings and notes."""
        return "\n".join(line for one in self.series for line in _lines(one))


@dataclass(frozen=True, slots=True, eq=False)
class _Checked:
    path: Path
    read: SourceBars
    quality: QualityReport
    key: SeriesKey


def import_files(
    paths: Sequence[Path | str],
    lake: Lake,
    venue: str,
    *,
    instrument: str | None = None,
    interval: int | None = None,
    format: FileFormat | None = None,
    columns: Mapping[str, str] | None = None,
    time_unit: TimeUnit | None = None,
    rules: QualityRules | None = None,
    kind: str = "bars",
    replace: bool = False,
    quarantine: Path | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Read, check and store files of bars.

    Parameters
    ----------
    paths
        Files; see `market.readers.read_bars` for what is read and for ``interval`` … ``time_unit``.
    lake, venue
        Where to store, and the venue that the series belong to.
    instrument
        The series' instrument; None takes the one that each file names.
    kind
        What the files hold, and the kind of the lake's series: a key of `market.sources.SOURCES`.
    replace
        Let bars that contradict stored ones replace them.
    quarantine
        A folder into which each refused file is copied, beside a ``.txt`` that says why.

    Raises
    ------
    SourceError, QualityError
        If any file cannot be read or fails a gate (all such files are named).
    LakeError
        If bars contradict stored ones, or two files each other.
        In every case the lake is byte for byte what it was.
    """
    say = progress or _silent
    files = [Path(path) for path in paths]
    checked: list[_Checked] = []
    failures: list[tuple[Path, MarketError]] = []
    source = source_of(kind)
    for number, path in enumerate(files):
        say(f"checking {path.name}", 0.9 * number / len(files))
        try:
            found = source.read(path, format=format, interval=interval, columns=columns, time_unit=time_unit)
            checked += [_check(path, one, _key(path, one, venue, instrument, kind), rules) for one in found]
        except MarketError as error:
            failures.append((path, error))
    if failures:
        refuse_files(failures, len(files), quarantine)
    say("writing", 0.9)
    deliveries = [Delivery(one.key, one.read.bars, one.read.source) for one in checked]
    written = lake.write_all(deliveries, replace=replace)
    say("done", 1.0)
    pairs = zip(checked, written, strict=True)
    return ImportReport(tuple(ImportedSeries(one.path, one.read, one.quality, report) for one, report in pairs))


def _key(path: Path, read: SourceBars, venue: str, instrument: str | None, kind: str) -> SeriesKey:
    name = instrument or read.symbol
    if name is None:
        raise SourceError(f"{path}: neither its name nor a column says the instrument; give it")
    if instrument is not None and read.symbol not in (None, instrument):
        raise SourceError(f"{path}: holds {read.symbol}, not {instrument}; import it under its own name")
    return SeriesKey(venue, name, kind, interval_text(read.interval))


def _check(path: Path, read: SourceBars, key: SeriesKey, rules: QualityRules | None) -> _Checked:
    quality = source_of(key.kind).check(read.bars, read.interval, rules)
    quality.raise_if_bad(str(path), read.lines)
    return _Checked(path, read, quality, key)


def refuse_files(failures: Sequence[tuple[Path, MarketError]], total: int, quarantine: Path | None) -> NoReturn:
    """Raise one error that names every refused file of an import, and set the files aside if there is a quarantine."""
    where = ""
    if quarantine is not None:
        for path, error in failures:
            _set_aside(path, error, quarantine)
        where = f" (copied with a report to {quarantine})"
    kind = QualityError if all(isinstance(error, QualityError) for _, error in failures) else SourceError
    reasons = "\n".join(str(error) for _, error in failures)
    head = "" if total == 1 else f"{len(failures)} of {total} files were refused and nothing was stored:\n"
    raise kind(f"{head}{reasons}{where}")


def _set_aside(path: Path, error: MarketError, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        shutil.copy2(path, folder / path.name)
    (folder / f"{path.name}.txt").write_text(f"{error}\n", encoding="utf-8")


def _lines(one: ImportedSeries) -> list[str]:
    report = one.written
    changes = f"{report.added} new, {report.changed} changed, {report.unchanged} known"
    notes = [f"  {line}" for line in (*one.quality.text(one.read.lines).splitlines(), *one.read.notes)]
    unit = source_of(report.key.kind).unit
    return [f"{one.path.name} -> {report.key}: {one.quality.rows} {unit} ({changes})", *notes]


def _silent(what: str, done: float) -> None:
    """The progress of those who asked for none."""
