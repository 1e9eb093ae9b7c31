"""``bot4 data``: download, import, list and check market data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.data_bars import bars
from pipelines.commands.data_check import check
from pipelines.commands.data_download import download
from pipelines.commands.data_files import (
    Columns,
    Files,
    Format,
    GapOption,
    Interval,
    Kind,
    TimeUnit,
    column_map,
    nanoseconds,
    refuse_options,
)
from pipelines.commands.data_funding import funding
from pipelines.commands.data_trades import import_trade_files, trade_row
from pipelines.commands.data_universe import universe
from pipelines.commands.options import WORKSPACE, LakeOption, WorkspaceOption, command_app, open_workspace, table

if TYPE_CHECKING:
    from market.lake import SeriesInfo

app = command_app("Download, import, list and check market data.")
app.command(epilog="Example: bot4 data download --venue binance BTCUSDT --interval 15m --from 2024-01 --to 2025-01")(
    download
)
app.command(epilog="Example: bot4 data bars --venue binance BTCUSDT --kind dollar --threshold 1000000")(bars)
app.command(epilog="Example: bot4 data check downloads/*.csv, or bot4 data check for what the lake holds")(check)
app.command(epilog="Example: bot4 data funding --venue binance-um BTCUSDT --interval 1m")(funding)
app.command(epilog="Example: bot4 data universe listings.csv --at 2021-10-12")(universe)


@app.command(
    "import",
    epilog="Example: bot4 data import --venue binance BTCUSDT-15m-2025-01.zip BTCUSDT-15m-2025-02.zip",
)
def import_(
    files: Files,
    venue: Annotated[str, typer.Option(help="The venue that the series belong to.")],
    instrument: Annotated[str | None, typer.Option(help="The instrument; default: the file says.")] = None,
    interval: Interval = None,
    format: Format = None,
    column: Columns = None,
    time_unit: TimeUnit = None,
    kind: Kind = "bars",
    gaps: GapOption = "refuse",
    number_from: Annotated[
        int | None, typer.Option(min=0, help="Of trades without ids: the number of the first one.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Let rows that contradict stored ones replace them.")
    ] = False,
    quarantine: Annotated[Path | None, typer.Option(help="Copy refused files here, with the reason.")] = None,
    lake: LakeOption = None,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Check files and store them in the lake: all of them, or, if any is bad, none.

    Reads Binance archives (CSV, .gz, .zip), Parquet, and any CSV with headings.

    Importing a file again changes nothing.
    """
    from market.imports import import_files
    from market.lake import Lake
    from market.sources import source_of
    from pipelines.progress import showing

    root = lake or open_workspace(workspace).lake
    refuse_options(kind, interval, format, number_from)
    if kind == "trades":
        import_trade_files(
            files, root, venue, instrument=instrument, columns=column_map(column), time_unit=time_unit, gaps=gaps,
            number_from=number_from, replace=replace, quarantine=quarantine,
        )  # fmt: skip
        return
    with showing("importing") as progress:
        report = import_files(
            files,
            Lake(root),
            venue,
            instrument=instrument,
            interval=nanoseconds(interval),
            format=format,
            columns=column_map(column),
            time_unit=time_unit,
            kind=kind,
            replace=replace,
            quarantine=quarantine,
            progress=progress,
        )
    typer.echo(report.text())
    typer.echo(
        f"{report.added:,} new {source_of(kind).unit} from {len(files)} {'file' if len(files) == 1 else 'files'}"
    )


@app.command("list", epilog="Example: bot4 data list")
def list_(lake: LakeOption = None, workspace: WorkspaceOption = WORKSPACE) -> None:
    """List the series in the lake."""
    from market.lake import Lake
    from market.trades.lake import TradeLake

    root = lake or open_workspace(workspace).lake
    rows = [*map(_series_row, Lake(root).list()), *map(trade_row, TradeLake(root).list())]
    if not rows:
        typer.echo(f"the lake {root} is empty: import files with `bot4 data import`")
        return
    headings = ("venue", "instrument", "series", "rows", "missing", "from", "to", "size", "fields")
    typer.echo(table(headings, rows))


def _series_row(one: SeriesInfo) -> tuple[str, ...]:
    from market.bars import PRICE_FIELDS
    from market.time import format_time

    extra = [field for field in one.fields if field not in PRICE_FIELDS or "volume" not in one.fields]
    step = one.key.nanoseconds
    missing = f"{(one.end - one.start) // step - one.rows:,}" if step else "no grid"
    return (
        one.key.venue,
        one.key.instrument,
        one.key.interval if one.key.kind == "bars" else f"{one.key.interval} {one.key.kind}",
        f"{one.rows:,}",
        missing,
        format_time(one.start),
        format_time(one.end),
        f"{one.size / 1e6:,.1f} MB",
        " ".join([*(["ohlcv"] if "volume" in one.fields else []), *extra]),
    )
