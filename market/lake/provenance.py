"""Where the bars and trades of the lake came from: one line of JSON an import, only ever appended."""

from __future__ import annotations

from typing import Final

import msgspec

from market.errors import LakeError
from market.lake.stores import Store

FILE: Final = "provenance.jsonl"


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where rows came from: a file's name (not its folder) and the SHA-256 of its bytes."""

    name: str
    sha256: str


class ImportRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One source put into one series: its rows, the range they cover (ISO 8601) and the months it changed.

    ``months`` of trades, which lie in files of a day, are days.
    """

    series: str
    source: Source
    rows: int
    first: str
    last: str
    months: tuple[str, ...]
    replace: bool = False


def records(store: Store) -> list[ImportRecord]:
    """Every record of a lake, oldest first; a torn last line is not one.

    Raises
    ------
    LakeError
        If a line is not a record; the message names it.
    """
    lines = (store.read(FILE) or b"").split(b"\n")[:-1]
    return [_decode(store.place(FILE), number, line) for number, line in enumerate(lines, 1)]


def record(store: Store, entry: ImportRecord) -> None:
    """Append a record, unless it changed nothing and the same source is already recorded."""
    if not entry.months and any(r.series == entry.series and r.source == entry.source for r in records(store)):
        return
    store.append(FILE, msgspec.json.encode(entry))


def _decode(path: str, number: int, line: bytes) -> ImportRecord:
    try:
        return msgspec.json.decode(line, type=ImportRecord)
    except msgspec.DecodeError as error:
        raise LakeError(f"{path}: line {number} is not an import record ({error})") from error
