"""``bot4 data``: download, import, list and check market data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipelines.commands.data_download import download
from pipelines.commands.data_funding import funding
from pipelines.commands.data_universe import universe
from pipelines.commands.options import WORKSPACE, LakeOption, WorkspaceOption, command_app, open_workspace, table
from pipelines.errors import ConfigError

if TYPE_CHECKING:
    from market.lake import SeriesInfo
    from market.readers import SourceBars

app = command_app("Download, import, list and check market data.")
app.command(epilog="Example: bot4 data download --venue binance BTCUSDT --interval 15m --from 2024-01 --to 2025-01")(
    download
)
app.command(epilog="Example: bot4 data funding --venue binance-um BTCUSDT --interval 1m")(funding)
app.command(epilog="Example: bot4 data universe listings.csv --at 2021-10-12")(universe)

Files = Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Files of bars.", metavar="FILES")]
Interval = Annotated[str | None, typer.Option(help="Bars' interval, such as 15m; default: the file says.")]
Format = Annotated[
    Literal["binance", "csv", "parquet"] | None, typer.Option("--format", help="Refuse files of any other format.")
]
Columns = Annotated[
    list[str] | None, typer.Option("--column", help="FIELD=COLUMN for tables with other headings; repeat it.")
]
TimeUnit = Annotated[
    Literal["s", "ms", "us", "ns"] | None, typer.Option(help="Unit of numeric times; default: by size.")
]


def column_map(pairs: list[str] | None) -> dict[str, str] | None:
    """``["start=Date", "close=Last"]`` as a map; None stays None.

    Examples
    --------
    >>> column_map(["start=Date", "close=Last"])
    {'start': 'Date', 'close': 'Last'}
    """
    if not pairs:
        return None
    found = {}
    for pair in pairs:
        field, equals, column = pair.partition("=")
        if not (field and equals and column):
            raise ConfigError(f"--column {pair!r} is not FIELD=COLUMN, such as --column start=Date")
        found[field] = column
    return found


def nanoseconds(interval: str | None) -> int | None:
    """An interval option in nanoseconds."""
    from market.time import parse_interval

    return None if interval is None else parse_interval(interval)


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
    kind: Annotated[
        Literal["bars", "funding", "mark"], typer.Option(help="What the files hold: bars, fundings, mark-price bars.")
    ] = "bars",
    replace: Annotated[
        bool, typer.Option("--replace", help="Let bars that contradict stored ones replace them.")
    ] = False,
    quarantine: Annotated[Path | None, typer.Option(help="Copy refused files here, with the reason.")] = None,
    lake: LakeOption = None,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Check files of bars and store them in the lake: all of them, or, if any is bad, none.

    Reads Binance archives (CSV, .gz, .zip), Parquet, and any CSV with headings.

    Importing a file again changes nothing.
    """
    from market.imports import import_files
    from market.lake import Lake
    from market.sources import source_of
    from pipelines.progress import showing

    with showing("importing") as progress:
        report = import_files(
            files,
            Lake(lake or open_workspace(workspace).lake),
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

    root = lake or open_workspace(workspace).lake
    series = Lake(root).list()
    if not series:
        typer.echo(f"the lake {root} is empty: import files with `bot4 data import`")
        return
    headings = ("venue", "instrument", "interval", "rows", "missing", "from", "to", "size", "fields")
    typer.echo(table(headings, [_series_row(one) for one in series]))


def _series_row(one: SeriesInfo) -> tuple[str, ...]:
    from market.bars import PRICE_FIELDS
    from market.time import format_time

    extra = [field for field in one.fields if field not in PRICE_FIELDS or "volume" not in one.fields]
    step = one.key.nanoseconds
    missing = f"{(one.end - one.start) // step - one.rows:,}" if step else ""
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


@app.command(epilog="Example: bot4 data check downloads/*.csv")
def check(
    files: Files,
    interval: Interval = None,
    format: Format = None,
    column: Columns = None,
    time_unit: TimeUnit = None,
) -> None:
    """Run the quality gates over files without storing anything; exit code 2 if any would be refused."""
    from market.errors import MarketError
    from market.readers import read_series

    step, columns = nanoseconds(interval), column_map(column)
    bad = 0
    for path in files:
        try:
            found = read_series(path, format=format, interval=step, columns=columns, time_unit=time_unit)
        except MarketError as error:
            typer.echo(f"REFUSED  {error}")
            bad += 1
            continue
        refused = [_report(path, one) for one in found]
        bad += any(refused)
    typer.echo(f"{len(files) - bad} of {len(files)} files would be imported")
    if bad:
        raise typer.Exit(2)


def _report(path: Path, one: SourceBars) -> bool:
    from market.quality import check_bars
    from market.time import format_interval

    quality = check_bars(one.bars, one.interval)
    verdict = "REFUSED" if quality.errors else "ok"
    name = one.symbol or "(instrument not named)"
    typer.echo(f"{verdict:<8} {path}: {name}, {quality.rows:,} bars of {format_interval(one.interval)}")
    for line in (*quality.text(one.lines).splitlines(), *one.notes):
        typer.echo(f"         {line}")
    return bool(quality.errors)
