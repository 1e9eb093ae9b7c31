"""``bot4 data funding``: funding rates and mark prices joined to stored bars."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import WORKSPACE, LakeOption, WorkspaceOption, open_workspace


def funding(
    symbols: Annotated[list[str], typer.Argument(help="The instruments, such as BTCUSDT.", metavar="SYMBOLS")],
    venue: Annotated[str, typer.Option(help="The venue of the series.")],
    interval: Annotated[str, typer.Option(help="The bars' interval, such as 1m, or name, such as dollar-1000000.")],
    delay: Annotated[
        str | None, typer.Option(help="Time until a rate is published, such as 1s; default: none.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Let values that contradict stored ones replace them.")
    ] = False,
    lake: LakeOption = None,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Join the lake's funding rates and mark prices to its bars, by when they could be known, and store both together.

    Run it again after downloading more.
    """
    from market.funding.fill import fill_bars
    from market.lake import Lake, SeriesKey
    from market.time import parse_interval

    store = Lake(lake or open_workspace(workspace).lake)
    late = 0 if delay is None else parse_interval(delay)
    for symbol in symbols:
        report = fill_bars(store, SeriesKey(venue, symbol, "bars", interval), delay=late, replace=replace)
        typer.echo(
            f"{report.written.key}: of {report.bars:,} bars {report.funding_rate:,} have a funding rate,"
            f" {report.funding_in:,} the time to the next funding, {report.mark_price:,} a mark price"
            f" ({report.written.changed:,} changed)"
        )
