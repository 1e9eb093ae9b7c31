"""A file of trades into the lake: read, checked, stored whole or not at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from market.errors import SourceError
from market.quality import QualityReport
from market.readers.times import TimeUnit
from market.trades.lake import TradeLake, TradeReport, trade_key
from market.trades.quality import GapRule, check_trades
from market.trades.read import SourceTrades, read_trades
from market.trades.schema import numbered


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TradeImport:
    """What an import did: what was read, what the gates found, what the lake did."""

    read: SourceTrades
    quality: QualityReport
    written: TradeReport

    def text(self) -> str:
        """For people: a line, then the findings."""
        one = self.written
        changes = f"{one.added} new, {one.changed} changed, {one.unchanged} known"
        head = f"{self.read.source.name} -> {one.key}: {len(self.read.trades)} trades ({changes})"
        return "\n".join([head, *(f"  {line}" for line in self.quality.text(self.read.lines).splitlines())])


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
    """Read, check and store a file of trades.

    Parameters
    ----------
    path, columns, time_unit
        As `market.trades.read.read_trades`.
    lake, venue
        Where to store, and the venue that the series belongs to.
    instrument
        The series' instrument; None takes the one that the file names.
    gaps
        Whether left-out ids inside the file refuse it, or are reported.
    number_from
        For files without ids: the first trade's. The order in such a file is then the only thing that tells trades
        apart, so importing it again needs the same number.
    replace
        Let trades that contradict stored ones replace them.

    Raises
    ------
    SourceError, QualityError
        If the file cannot be read or fails a gate; names file, line and value.
    LakeError
        If its trades contradict stored ones or do not fit between them.
        In every case the lake is as it was.
    """
    path = Path(path)
    read = read_trades(path, columns=columns, time_unit=time_unit)
    name = instrument or read.symbol
    if name is None:
        raise SourceError(f"{path}: neither its name nor a column says the instrument; give it")
    if instrument is not None and read.symbol not in (None, instrument):
        raise SourceError(f"{path}: holds {read.symbol}, not {instrument}; import it under its own name")
    read = _with_ids(path, read, number_from)
    quality = check_trades(read.trades, gaps)
    quality.raise_if_bad(str(path), read.lines)
    key = trade_key(venue, name, read.kind)
    return TradeImport(read, quality, lake.write(key, read.trades, source=read.source, replace=replace))


def _with_ids(path: Path, read: SourceTrades, number_from: int | None) -> SourceTrades:
    has_ids = (read.trades["id"] >= 0).any()
    if number_from is None and not has_ids:
        raise SourceError(f"{path}: its trades have no ids; give the number of the first one")
    if number_from is None:
        return read
    if has_ids or number_from < 0:
        raise SourceError(f"{path}: trades can only be numbered, from 0 or above, where the file has no ids")
    return dataclasses.replace(read, trades=numbered(read.trades, number_from))
