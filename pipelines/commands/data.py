"""``bot4 data``: download, import, list and check market data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipelines.commands.data_download import download
from pipelines.commands.data_funding import funding
from pipelines.commands.data_trades import Gaps, check_trade_file, import_trade_files, trade_row
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

Files = Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Files of one kind.", metavar="FILES")]
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
Kind = Annotated[
    Literal["bars", "funding", "mark", "trades"],
    typer.Option(help="What the files hold: bars, fundings, mark-price bars, or trades (aggregated or not)."),
]
GapOption = Annotated[Gaps, typer.Option(help="Of trades: what left-out ids inside a file are.")]


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
    _refuse_options(kind, interval, format, number_from)
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


def _refuse_options(kind: str, interval: str | None, format: str | None, number_from: int | None = None) -> None:
    if kind == "trades" and (interval or format):
        raise ConfigError("trades have no --interval, and their files no --format to choose; leave these out")
    if kind != "trades" and number_from is not None:
        raise ConfigError(f"--number-from numbers trades, not {kind}")


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
    kind: Kind = "bars",
    gaps: GapOption = "refuse",
) -> None:
    """Run the quality gates over files without storing anything; exit code 2 if any would be refused."""
    from market.errors import MarketError
    from market.sources import source_of

    _refuse_options(kind, interval, format)
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
