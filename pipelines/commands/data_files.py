"""What the commands of ``bot4 data`` that take files share: their options, and what belongs together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipelines.commands.data_trades import Gaps
from pipelines.errors import ConfigError

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
GapOption = Annotated[Gaps, typer.Option(help="Of trades: whether left-out ids are refused or reported.")]


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


def refuse_options(kind: str, interval: str | None, format: str | None, number_from: int | None = None) -> None:
    """Refuse options that do not belong to the kind of the files."""
    if kind == "trades" and (interval or format):
        raise ConfigError("trades have no --interval, and their files no --format to choose; leave these out")
    if kind != "trades" and number_from is not None:
        raise ConfigError(f"--number-from numbers trades, not {kind}")
