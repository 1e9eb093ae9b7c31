"""Files of trades into the lake: all read, all checked, then all stored, or nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from market.errors import MarketError, SourceError
from market.imports import Progress, refuse_files
from market.lake.provenance import Source
from market.quality import QualityReport
from market.readers.times import TimeUnit
from market.trades.lake import TradeDelivery, TradeLake, TradeReport, trade_key
from market.trades.quality import GapRule, check_trades
from market.trades.read import SourceTrades, read_trades
from market.trades.schema import numbered

READING: Final = 0.9
"""The part of the progress that reading and checking are taken to be."""


@dataclasses.dataclass(frozen=True, slots=True)
class TradeImport:
    """What the import of one file did: how many trades it has, what the gates found, what the lake did."""

    source: Source
    rows: int
    findings: tuple[str, ...]
    written: TradeReport

    @property
    def added(self) -> int:
        """Trades that the lake did not have."""
        return self.written.added

    def text(self) -> str:
        """For people: a line, then the findings."""
        one = self.written
        changes = f"{one.added} new, {one.changed} changed, {one.unchanged} known"
        head = f"{self.source.name} -> {one.key}: {self.rows} trades ({changes})"
        return "\n".join([head, *(f"  {line}" for line in self.findings)])


@dataclasses.dataclass(frozen=True, slots=True)
class TradeImportReport:
    """What an import did, file by file."""

    files: tuple[TradeImport, ...]

    @property
    def added(self) -> int:
        """Trades that the lake did not have."""
        return sum(one.added for one in self.files)

    def text(self) -> str:
        """For people: a line a file, then its findings."""
        return "\n".join(one.text() for one in self.files)


def import_trade_files(
    paths: Sequence[Path | str],
    lake: TradeLake,
    venue: str,
    *,
    instrument: str | None = None,
    columns: Mapping[str, str] | None = None,
    time_unit: TimeUnit | None = None,
    gaps: GapRule = "refuse",
    number_from: int | None = None,
    replace: bool = False,
    quarantine: Path | None = None,
    progress: Progress | None = None,
) -> TradeImportReport:
    """Read, check and store files of trades, one instrument a file. All files are held in memory at once.

    Parameters
    ----------
    paths, columns, time_unit
        As `market.trades.read.read_trades`, for each file.
    lake, venue
        Where to store, and the venue that the series belong to.
    instrument
        The series' instrument; None takes the one that each file names.
    gaps
        Whether left-out ids inside a file refuse it, or are reported.
    number_from
        For files without ids: the number of the first file's first trade; each file goes on where the one before it
        ends. The order in such files is then the only thing that tells trades apart, so importing them again needs the
        same number.
    replace
        Let trades that contradict stored ones replace them.
    quarantine
        A folder into which each refused file is copied, beside a ``.txt`` that says why.

    Raises
    ------
    SourceError, QualityError
        If any file cannot be read or fails a gate; all such files are named, with line and value.
    LakeError
        If trades contradict stored ones, or do not fit between them.
        In every case the lake is as it was.
    """
    say = progress or _silent
    deliveries: list[TradeDelivery] = []
    checked: list[tuple[Source, int, tuple[str, ...]]] = []
    failures: list[tuple[Path, MarketError]] = []
    number = number_from
    for place, path in enumerate(Path(one) for one in paths):
        say(f"checking {path.name}", READING * place / len(paths))
        try:
            read = _read(path, instrument, columns, time_unit, number)
            number = None if number is None else number + len(read.trades)
            quality = _checked(path, read, gaps)
        except MarketError as error:
            failures.append((path, error))
            continue
        key = trade_key(venue, instrument or str(read.symbol), read.kind)
        deliveries.append(TradeDelivery(key, read.trades, read.source))
        checked.append((read.source, len(read.trades), tuple(quality.text(read.lines).splitlines())))
    if failures:
        refuse_files(failures, len(paths), quarantine)
    say("writing", READING)
    written = lake.write_all(deliveries, replace=replace)
    say("done", 1.0)
    return TradeImportReport(tuple(TradeImport(*found, report) for found, report in zip(checked, written, strict=True)))


def import_trades(
    path: Path | str,
    lake: TradeLake,
    venue: str,
    *,
    instrument: str | None = None,
    columns: Mapping[str, str] | None = None,
    time_unit: TimeUnit | None = None,
    gaps: GapRule = "refuse",
    number_from: int | None = None,
    replace: bool = False,
) -> TradeImport:
    """`import_trade_files` of one file."""
    report = import_trade_files(
        [path],
        lake,
        venue,
        instrument=instrument,
        columns=columns,
        time_unit=time_unit,
        gaps=gaps,
        number_from=number_from,
        replace=replace,
    )
    return report.files[0]


def _read(
    path: Path,
    instrument: str | None,
    columns: Mapping[str, str] | None,
    time_unit: TimeUnit | None,
    number_from: int | None,
) -> SourceTrades:
    read = read_trades(path, columns=columns, time_unit=time_unit)
    if instrument is None and read.symbol is None:
        raise SourceError(f"{path}: neither its name nor a column says the instrument; give it")
    if instrument is not None and read.symbol not in (None, instrument):
        raise SourceError(f"{path}: holds {read.symbol}, not {instrument}; import it under its own name")
    has_ids = (read.trades["id"] >= 0).any()
    if number_from is None and not has_ids:
        raise SourceError(f"{path}: its trades have no ids; give the number of the first one")
    if number_from is None:
        return read
    if has_ids or number_from < 0:
        raise SourceError(f"{path}: trades can only be numbered, from 0 or above, where the file has no ids")
    return dataclasses.replace(read, trades=numbered(read.trades, number_from))


def _checked(path: Path, read: SourceTrades, gaps: GapRule) -> QualityReport:
    quality = check_trades(read.trades, gaps)
    quality.raise_if_bad(str(path), read.lines)
    return quality


def _silent(what: str, done: float) -> None:
    """The progress of those who asked for none."""
