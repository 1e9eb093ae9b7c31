"""``bot4 data universe``: what was listed at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.errors import ConfigError


def universe(
    source: Annotated[
        list[str],
        typer.Argument(
            help="A table of listings (CSV, TOML), or TIME=FILE for each exchangeInfo response.", metavar="SOURCE"
        ),
    ],
    at: Annotated[str | None, typer.Option(help="List the symbols traded at this time; default: all listings.")] = None,
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="Write the listings as a CSV.")] = None,
) -> None:
    """List what was traded at a time, as it could be known then, from a table or recorded exchangeInfo responses."""
    from market.time import format_time, parse_time
    from market.universe_files import from_snapshots, read_universe, write_universe

    pairs = [text for text in source if "=" in text]
    if len(pairs) != len(source) and (pairs or len(source) != 1):
        raise ConfigError("give one table of listings, or only TIME=FILE pairs, such as 2021-10-12=exchangeInfo.json")
    if pairs:
        listed = from_snapshots(sorted(map(_snapshot, pairs), key=lambda one: one[0]))
    else:
        listed = read_universe(source[0])
    if out is not None:
        write_universe(listed, out)
        typer.echo(f"{len(listed.listings):,} listings written to {out}")
    if at is not None:
        for symbol in listed.members(parse_time(at)):
            typer.echo(symbol)
    elif out is None:
        for one in listed.listings:
            end = "" if one.stop is None else f" to {format_time(one.stop)}"
            typer.echo(f"{one.symbol} from {format_time(one.start)}{end}")


def _snapshot(text: str) -> tuple[int, dict[str, object]]:
    import json

    from market.time import parse_time

    time, _, path = text.partition("=")
    try:
        payload = json.loads(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: is not a readable exchangeInfo response ({error})") from error
    if not isinstance(payload, dict):
        raise ConfigError(f"{path}: is not an exchangeInfo response")
    return parse_time(time), payload
