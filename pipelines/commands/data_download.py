"""``bot4 data download``: from a venue into the lake."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from market.time import DAY, SECOND, format_time, parse_interval, parse_time
from pipelines.commands.data_files import GapOption
from pipelines.commands.data_trades import Gaps
from pipelines.commands.options import WORKSPACE, LakeOption, WorkspaceOption, open_workspace
from pipelines.errors import ConfigError

if TYPE_CHECKING:
    from market.download.exchange_series import ExchangeDownloaded
    from market.download.series import Downloaded
    from market.lake import Lake

MONTH = re.compile(r"\d{4}-\d{2}")
CCXT = "ccxt:"


def moment(text: str) -> int:
    """A month, day or time in ns UTC; a month is its first instant.

    Examples
    --------
    >>> moment("1970-02") == moment("1970-02-01T00:00Z")
    True
    """
    return parse_time(f"{text}-01" if MONTH.fullmatch(text) else text)


def today() -> int:
    """The beginning of this day in ns UTC: the archive publishes days that are over."""
    return int(datetime.now(UTC).timestamp()) * SECOND // DAY * DAY


def download(
    symbols: Annotated[list[str], typer.Argument(help="The venue's names, such as BTCUSDT.", metavar="SYMBOLS")],
    venue: Annotated[
        str, typer.Option(help="binance (spot), binance-um (USD-M futures), or ccxt:NAME, such as ccxt:kraken.")
    ],
    interval: Annotated[str | None, typer.Option(help="Bars' interval, such as 15m.")] = None,
    kind: Annotated[str, typer.Option(help="klines, markPriceKlines, fundingRate, aggTrades or trades.")] = "klines",
    begin: Annotated[str | None, typer.Option("--from", help="The first month, day or time, UTC.")] = None,
    stop: Annotated[
        str | None, typer.Option("--to", help="The month, day or time that is no longer wanted; default: today.")
    ] = None,
    update: Annotated[bool, typer.Option("--update", help="From the last stored bar on, for each symbol.")] = False,
    gaps: GapOption = "refuse",
    replace: Annotated[
        bool, typer.Option("--replace", help="Let rows that contradict stored ones replace them.")
    ] = False,
    base_url: Annotated[
        str | None,
        typer.Option(envvar="BOT4_ARCHIVE_URL", help="Another address of the archive or exchange, such as a mirror's."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(file_okay=False, help="Where the files are kept; default: the workspace's downloads.")
    ] = None,
    parallel: Annotated[int, typer.Option(min=1, max=16, help="Files at a time.")] = 4,
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="Requests a second, at most; default: 10, or what ccxt says.")
    ] = None,
    lake: LakeOption = None,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Fetch a venue's bars, fundings or trades, verify and check them, and store them in the lake.

    Interrupted or run again, it goes on where it stopped and fetches only what the lake does not have.

    An archive's series is stored wholly, or, if one of its files is refused, not at all; its trades are stored file by
    file up to the first that is refused; an exchange's bars month by month.
    """
    from market.lake import Lake

    if update == (begin is not None):
        raise ConfigError("say from when with --from, or take up each series where it ends with --update")
    place = open_workspace(workspace)
    store = Lake(lake or place.lake)
    until = today() if stop is None else moment(stop)
    first = None if begin is None else moment(begin)
    if first is not None and first >= until:
        raise ConfigError(f"--from {begin} is not before {format_time(until)}, where the time that is wanted ends")
    names = list(dict.fromkeys(symbols))
    if venue.startswith(CCXT):
        if kind != "klines" or interval is None:
            raise ConfigError("from an exchange come klines, and they need an interval, such as --interval 15m")
        from_exchange(venue.removeprefix(CCXT), names, interval, first, until, store, base_url, rate, replace)
    else:
        from_archive(
            venue, names, kind, interval, first, until, store,
            base_url, rate or 10.0, gaps, replace, folder or place.root / "downloads", parallel,
        )  # fmt: skip


def from_archive(
    venue: str,
    symbols: list[str],
    kind: str,
    interval: str | None,
    first: int | None,
    until: int,
    store: Lake,
    base_url: str | None,
    rate: float,
    gaps: Gaps,
    replace: bool,
    folder: Path,
    parallel: int,
) -> None:
    """Series of Binance's public archive; ``first`` None takes each up where it ends."""
    from market.download.archive import Wanted
    from market.download.client import Client
    from market.download.layout import BASE_URL, ArchiveSeries
    from market.download.series import download_series, end_of, lake_key
    from pipelines.progress import showing

    series = [ArchiveSeries(venue, symbol, kind, interval) for symbol in symbols]  # type: ignore[arg-type]
    starts = [end_of(store, lake_key(one)) if first is None else first for one in series]
    wanted = [Wanted(one, start, until) for one, start in zip(series, starts, strict=True) if start < until]
    client = Client(base_url or BASE_URL, rate=rate)
    with showing("downloading") as progress:
        results = download_series(
            client, wanted, folder, store, gaps=gaps, replace=replace, parallel=parallel, progress=progress
        )
    _tell_archive(results, store)


def from_exchange(
    name: str,
    symbols: list[str],
    interval: str,
    first: int | None,
    until: int,
    store: Lake,
    base_url: str | None,
    rate: float | None,
    replace: bool,
) -> None:
    """Bars of an exchange through ccxt; ``first`` None takes each series up where it ends."""
    from market.download.exchange import Exchange
    from market.download.exchange_series import ExchangeWanted, download_from_exchange, exchange_key
    from market.download.series import end_of
    from pipelines.progress import showing

    step = parse_interval(interval)
    starts = {symbol: end_of(store, exchange_key(name, symbol, step)) if first is None else first for symbol in symbols}
    wanted = [ExchangeWanted(symbol, step, start, until) for symbol, start in starts.items() if start < until]
    exchange = Exchange(name, base_url=base_url, rate=rate)
    with showing("downloading") as progress:
        results = download_from_exchange(exchange, wanted, store, replace=replace, progress=progress)
    _tell_exchange(results, store)


def _tell_archive(results: list[Downloaded], store: Lake) -> None:
    from market.download.series import TRADE_KINDS, lake_key
    from market.sources import source_of

    for one in results:
        files, known = len(one.arrived.files), one.arrived.known
        kind = one.arrived.series.kind
        unit = "trades" if kind in TRADE_KINDS else source_of(lake_key(one.arrived.series).kind).unit
        typer.echo(f"{one.arrived.series}: {files} files fetched, {known} known, {one.added:,} new {unit}")
        if one.arrived.absent:
            absent = one.arrived.absent
            typer.echo(f"  not published: {len(absent)} from {absent[0]} to {absent[-1]}")
        for line in one.report.text().splitlines() if one.report else ():
            typer.echo(f"  {line}")
        if one.refused:
            typer.echo(f"REFUSED  {one.arrived.series}: {one.refused}")
    typer.echo(f"{sum(one.added for one in results):,} new rows in {store.root}")
    if any(one.refused for one in results):
        raise typer.Exit(2)


def _tell_exchange(results: list[ExchangeDownloaded], store: Lake) -> None:
    for one in results:
        typer.echo(
            f"{one.key}: {one.added:,} new bars, {one.known:,} known, {one.missing:,} that the exchange did not give"
        )
        for line in one.findings:
            typer.echo(f"  {line}")
    typer.echo(f"{sum(one.added for one in results):,} new rows in {store.root}")
