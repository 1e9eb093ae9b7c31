"""Trades for ``bot4 data import``, ``check`` and ``list``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

if TYPE_CHECKING:
    from market.readers.times import TimeUnit
    from market.trades.lake import TradeInfo, TradeLake

Gaps = Literal["refuse", "report"]


def import_trade_files(
    files: list[Path],
    lake: Path | str,
    venue: str,
    *,
    instrument: str | None,
    columns: Mapping[str, str] | None,
    time_unit: TimeUnit | None,
    gaps: Gaps,
    number_from: int | None,
    replace: bool,
    quarantine: Path | None,
) -> None:
    """Files of trades into the lake of trades, all or none, and what was done on standard output."""
    from market.trades.imports import import_trade_files
    from market.trades.lake import TradeLake
    from pipelines.progress import showing

    with showing("importing") as progress:
        report = import_trade_files(
            files,
            TradeLake(lake),
            venue,
            instrument=instrument,
            columns=columns,
            time_unit=time_unit,
            gaps=gaps,
            number_from=number_from,
            replace=replace,
            quarantine=quarantine,
            progress=progress,
        )
    typer.echo(report.text())
    typer.echo(f"{report.added:,} new trades from {len(files)} {'file' if len(files) == 1 else 'files'}")


def check_trade_file(path: Path, columns: Mapping[str, str] | None, time_unit: TimeUnit | None, gaps: Gaps) -> bool:
    """Run the gates over a file of trades and say what they found; whether an import would refuse it.

    Raises
    ------
    SourceError
        If it cannot be read as trades.
    """
    from market.trades.quality import check_trades
    from market.trades.read import read_trades

    read = read_trades(path, columns=columns, time_unit=time_unit)
    quality = check_trades(read.trades, gaps)
    name = read.symbol or "(instrument not named)"
    typer.echo(f"{'REFUSED' if quality.errors else 'ok':<8} {path}: {name}, {quality.rows:,} rows of {read.kind}")
    for line in quality.text(read.lines).splitlines():
        typer.echo(f"         {line}")
    return bool(quality.errors)


def trade_row(one: TradeInfo) -> tuple[str, ...]:
    """A series of trades as a row of ``bot4 data list``; what is missing are ids."""
    from market.time import format_time

    return (
        one.key.venue,
        one.key.instrument,
        one.key.kind,
        f"{one.rows:,}",
        f"{one.last_id - one.first_id + 1 - one.rows:,} ids",
        format_time(one.start),
        format_time(one.end),
        f"{one.size / 1e6:,.1f} MB",
        f"ids {one.first_id} to {one.last_id}",
    )


def check_stored_trades(lake: TradeLake, one: TradeInfo) -> bool:
    """Run the gates over a stored series of trades, day by day, and say what they found; whether one is broken.

    Ids that are missing are told with all days together, and break nothing: what was not imported is not there.
    """
    from market.errors import LakeError
    from market.time import format_time
    from market.trades.quality import check_trades

    try:
        found = [line for day in lake.days(one.key) for line in check_trades(day, "report").errors]
        gaps = lake.gaps(one.key)
    except LakeError as error:
        typer.echo(f"BAD      {error}")
        return True
    typer.echo(f"{'BAD' if found else 'ok':<8} {one.key}: {one.rows:,} trades, days: {len(one.days):,}")
    for finding in found:
        typer.echo(f"         error {finding.code}: {format_time(finding.time)}: {finding.message}")
    if gaps:
        largest = max(gaps, key=lambda gap: gap.missing)
        typer.echo(
            f"         warning id_gap: {len(gaps)} gaps, {sum(gap.missing for gap in gaps):,} ids missing;"
            f" the largest is {largest.missing:,} ids before {format_time(largest.after)}"
        )
    return bool(found)
