"""``bot4 data check``: the quality gates over files, or over what the lake holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.data_files import (
    Columns,
    Format,
    GapOption,
    Interval,
    Kind,
    TimeUnit,
    column_map,
    nanoseconds,
    refuse_options,
)
from pipelines.commands.data_trades import check_stored_trades, check_trade_file
from pipelines.commands.options import WORKSPACE, LakeOption, WorkspaceOption, open_workspace

if TYPE_CHECKING:
    from market.lake import Lake, SeriesInfo
    from market.readers import SourceBars

NO_GRID = "on no grid: gaps are not looked for"


def check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(exists=True, dir_okay=False, help="Files of one kind; default: the lake.", metavar="FILES"),
    ] = None,
    interval: Interval = None,
    format: Format = None,
    column: Columns = None,
    time_unit: TimeUnit = None,
    kind: Kind = "bars",
    gaps: GapOption = "refuse",
    lake: LakeOption = None,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Run the quality gates over files without storing anything, or, without files, over every series of the lake.

    The exit code is 2 if any would be refused.
    """
    from market.errors import MarketError
    from market.sources import source_of

    if not files:
        _check_lake(lake or open_workspace(workspace).lake)
        return
    refuse_options(kind, interval, format)
    step, columns = nanoseconds(interval), column_map(column)
    bad = 0
    for path in files:
        try:
            if kind == "trades":
                bad += check_trade_file(path, columns, time_unit, gaps)
                continue
            read = source_of(kind).read
            found = read(path, format=format, interval=step, columns=columns, time_unit=time_unit)
        except MarketError as error:
            typer.echo(f"REFUSED  {error}")
            bad += 1
            continue
        refused = [_report(path, one, kind) for one in found]
        bad += any(refused)
    typer.echo(f"{len(files) - bad} of {len(files)} files would be imported")
    if bad:
        raise typer.Exit(2)


def _report(path: Path, one: SourceBars, kind: str) -> bool:
    from market.lake.keys import interval_text
    from market.sources import source_of

    source = source_of(kind)
    quality = source.check(one.bars, one.interval, None)
    verdict = "REFUSED" if quality.errors else "ok"
    name = one.symbol or "(instrument not named)"
    typer.echo(f"{verdict:<8} {path}: {name}, {quality.rows:,} {source.unit} of {interval_text(one.interval)}")
    for line in (*quality.text(one.lines).splitlines(), *one.notes):
        typer.echo(f"         {line}")
    return bool(quality.errors)


def _check_lake(root: Path | str) -> None:
    from market.lake import Lake
    from market.trades.lake import TradeLake

    bars, trades = Lake(root), TradeLake(root)
    bad = [_check_stored(bars, one) for one in bars.list()]
    bad += [check_stored_trades(trades, one) for one in trades.list()]
    typer.echo(f"{len(bad) - sum(bad)} of {len(bad)} series of {root} pass")
    if any(bad):
        raise typer.Exit(2)


def _check_stored(lake: Lake, one: SeriesInfo) -> bool:
    from market.errors import LakeError
    from market.sources import source_of

    source = source_of(one.key.kind)
    try:
        quality = source.check(lake.read(one.key), one.key.nanoseconds, None)
    except LakeError as error:
        typer.echo(f"BAD      {error}")
        return True
    note = f", {NO_GRID}" if one.key.off_grid else ""
    typer.echo(f"{'BAD' if quality.errors else 'ok':<8} {one.key}: {quality.rows:,} {source.unit}{note}")
    for line in quality.text().splitlines():
        typer.echo(f"         {line}")
    return bool(quality.errors)
