"""Universes from tables (TOML or CSV) and from recorded ``exchangeInfo`` snapshots."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from market.errors import MarketError, UniverseError
from market.time import format_time, parse_time
from market.universe import Listing, Universe

COLUMNS: Final = ("instrument", "symbol", "listed", "delisted", "multiplier")
MILLISECOND: Final = 1_000_000


def read_universe(path: Path | str) -> Universe:
    """A universe from a table of listings.

    A CSV has the header ``instrument,symbol,listed,delisted,multiplier``; a TOML file has ``[[listing]]`` tables with
    these keys. Times are ISO 8601, UTC. ``instrument`` defaults to the symbol, ``delisted`` to none, ``multiplier`` to
    1.

    Raises
    ------
    UniverseError
        If the file cannot be read as such a table, or its listings contradict each other; names the row.
    """
    path = Path(path)
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UniverseError(f"{path}: cannot be read ({error})") from error
    rows = _toml(path, content) if path.suffix == ".toml" else list(csv.DictReader(io.StringIO(content)))
    if not rows:
        raise UniverseError(f"{path}: lists nothing; a row has {', '.join(COLUMNS)}")
    return Universe(_listing(path, number, row) for number, row in enumerate(rows, 1))


def write_universe(universe: Universe, path: Path | str) -> None:
    """Write a universe as the CSV that `read_universe` reads back."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in universe.listings:
        end = "" if one.stop is None else format_time(one.stop)
        writer.writerow([one.instrument, one.symbol, format_time(one.start), end, one.multiplier])
    Path(path).write_text(out.getvalue(), encoding="utf-8")


def from_snapshots(snapshots: Iterable[tuple[int, Mapping[str, Any]]], status: str = "TRADING") -> Universe:
    """A universe from decoded ``exchangeInfo`` responses, spot or USDⓈ-M futures.

    A snapshot tells what is traded when it is taken, not since when: a listing starts with the first snapshot that has
    it (or with its ``onboardDate``, which futures have) and stops with the first that has it no longer, or not in
    ``status``. So between two snapshots the universe is that of the earlier one, as it was known then. Renames cannot
    be seen in snapshots: each symbol is an instrument of its own, and what comes back is listed anew.

    Parameters
    ----------
    snapshots
        (time in ns UTC, response), in order of time.

    Raises
    ------
    UniverseError
        If there are none, they are out of order, or one has no symbols.
    """
    open_: dict[str, int] = {}
    listings: list[Listing] = []
    previous: int | None = None
    for time, payload in snapshots:
        if previous is not None and time <= previous:
            raise UniverseError(
                f"the snapshot of {format_time(time)} does not come after that of {format_time(previous)}"
            )
        traded = {one["symbol"]: one for one in payload.get("symbols", ()) if one.get("status") == status}
        if not traded:
            raise UniverseError(f"the snapshot of {format_time(time)} has no symbols that are {status}")
        for symbol in sorted(set(open_) - set(traded)):
            listings.append(Listing(symbol, open_.pop(symbol), symbol, time))
        for symbol in sorted(set(traded) - set(open_)):
            open_[symbol] = _onboard(traded[symbol], time, previous)
        previous = time
    if previous is None:
        raise UniverseError("a universe needs at least one snapshot")
    return Universe([*listings, *(Listing(symbol, start, symbol) for symbol, start in open_.items())])


def _onboard(entry: Mapping[str, Any], time: int, previous: int | None) -> int:
    """When a symbol that a snapshot newly has was listed; one that comes back was so after the last snapshot."""
    onboard = entry.get("onboardDate")
    if not isinstance(onboard, int) or onboard * MILLISECOND > time:
        return time
    start = onboard * MILLISECOND
    return time if previous is not None and start <= previous else start


def _toml(path: Path, content: str) -> Sequence[Mapping[str, Any]]:
    try:
        table = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise UniverseError(f"{path}: is not TOML ({error})") from error
    rows = table.get("listing", [])
    if set(table) - {"listing"} or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UniverseError(f"{path}: must hold [[listing]] tables and nothing else")
    return rows


def _listing(path: Path, number: int, row: Mapping[str | None, Any]) -> Listing:
    unknown = [str(name) for name in row if name not in COLUMNS]
    values = {name: str(row.get(name) or "").strip() for name in COLUMNS}
    if unknown or not values["symbol"] or not values["listed"]:
        raise UniverseError(
            f"{path}: listing {number} {dict(row)} must have symbol and listed, and nothing but {', '.join(COLUMNS)}"
        )
    try:
        multiplier = Decimal(values["multiplier"] or "1")
        stop = parse_time(values["delisted"]) if values["delisted"] else None
        start, symbol = parse_time(values["listed"]), values["symbol"]
        return Listing(values["instrument"] or symbol, start, symbol, stop, multiplier)
    except (MarketError, InvalidOperation) as error:
        why = str(error) if isinstance(error, MarketError) else f"multiplier {values['multiplier']!r} is not a number"
        raise UniverseError(f"{path}: listing {number}: {why}") from error
