"""``bot4 record``: a venue's live trades and book into files, and those into the lake."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.options import WORKSPACE, LakeOption, WorkspaceOption, command_app, open_workspace
from pipelines.errors import ConfigError

if TYPE_CHECKING:
    from market.recorder.recorder import Recorder
    from market.recorder.venues import Venue

app = command_app("Record a venue's live trades and order book.")


@app.command(epilog="Example: bot4 record binance BTCUSDT ETHUSDT, and later bot4 record binance BTCUSDT --convert 1m")
def record(
    venue: Annotated[str, typer.Argument(help="binance (spot) or binance-um (USD-M futures).", metavar="VENUE")],
    symbols: Annotated[list[str], typer.Argument(help="The venue's names, such as BTCUSDT.", metavar="SYMBOLS")],
    rotate: Annotated[str, typer.Option(help="Begin a new file at each multiple of this.")] = "1h",
    duration: Annotated[str | None, typer.Option("--for", help="Stop after so long; default: at Ctrl-C.")] = None,
    convert: Annotated[
        str | None,
        typer.Option(
            help="Record nothing: put bars of this interval, and trades, of the finished files into the lake."
        ),
    ] = None,
    tick: Annotated[str, typer.Option(help="With --convert: the step of prices; every price must lie on it.")] = "1e-8",
    lot: Annotated[str, typer.Option(help="With --convert: the step of quantities, at most 2**51 of them.")] = "1e-8",
    stream_url: Annotated[
        str | None, typer.Option(envvar="BOT4_STREAM_URL", help="Another address of the venue's streams.")
    ] = None,
    rest_url: Annotated[
        str | None, typer.Option(envvar="BOT4_REST_URL", help="Another address of the venue's REST interface.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(file_okay=False, help="Where the files lie; default: the workspace's recordings.")
    ] = None,
    lake: LakeOption = None,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Append what a venue sends (trades, changes of the book, best prices) to files, with receive times.

    Reconnects by itself and says where messages may be missing. Files are compressed, rotated, and whole once they have
    their final name; after a kill the same command finishes what was left and goes on.
    """
    from dataclasses import replace

    from market.recorder.venues import check_symbols, venue_of

    place = open_workspace(workspace)
    chosen = venue_of(venue)
    check_symbols(symbols)
    chosen = replace(chosen, stream_url=stream_url or chosen.stream_url, rest_url=rest_url or chosen.rest_url)
    files = folder or place.root / "recordings" / venue
    if convert is not None:
        put_into_lake(chosen, symbols, files, convert, (tick, lot), lake or place.lake)
        return
    typer.echo(record_live(chosen, symbols, files, rotate, duration))


def record_live(venue: Venue, symbols: list[str], files: Path, rotate: str, duration: str | None) -> str:
    """Record until a signal or the end of ``duration``; what was recorded, for people."""
    import asyncio

    from market.recorder.recorder import Recorder, RecorderConfig
    from market.time import SECOND, parse_interval

    config = RecorderConfig(rotate=parse_interval(rotate))
    seconds = None if duration is None else parse_interval(duration) / SECOND

    async def run() -> str:
        recorder = Recorder(venue, symbols, files, config, lambda text: typer.echo(text, err=True))
        _stop_on_signals(recorder)
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, recorder.stop)
        tally = await recorder.run()
        count = sum(len(track.recording.finished) for track in tally.tracks.values())
        return f"{count} files in {files}: {tally.status(recorder.clock(), 0, tally.started)}"

    return asyncio.run(run())


def _stop_on_signals(recorder: Recorder) -> None:
    import asyncio
    import signal

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, recorder.stop)


def put_into_lake(
    venue: Venue, symbols: list[str], files: Path, interval: str, steps: tuple[str, str], lake: Path | str
) -> None:
    """Bars and trades of finished recordings into the lake; one symbol after the other."""
    from market.book.grid import Grid
    from market.errors import RecorderError
    from market.lake import Lake, SeriesKey
    from market.recorder.convert import convert
    from market.recorder.files import recordings
    from market.time import parse_interval
    from market.trades.lake import TradeLake, trade_key

    grid = Grid(*(_decimal(step) for step in steps))
    for symbol in symbols:
        paths = recordings(files, f"{venue.name}-{symbol}")
        if not paths:
            raise RecorderError(f"{files} has no finished recordings of {venue.name} {symbol}")
        found = convert(paths, grid, parse_interval(interval), symbol, venue.futures)
        bars = Lake(lake).write(SeriesKey(venue.name, symbol, interval=interval), found.bars)
        trades = TradeLake(lake).write(trade_key(venue.name, symbol), found.trades)
        typer.echo(
            f"{venue.name} {symbol}: {len(paths)} files; {bars.added:,} new bars, {bars.unchanged:,} known,"
            f" {found.left_out} left out at {len(found.holes)} holes in the trades; {trades.added:,} new trades;"
            f" book: {found.book.applied:,} changes, {found.book.gaps} gaps, {found.book.snapshots} snapshots"
        )


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ConfigError(f"{text!r} is not a decimal number, such as 0.01") from None
