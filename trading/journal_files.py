"""The files of a journal: how they are laid out, verified and put on disk.

A journal is a folder::

    header.json    format, bytes a record, what the writer said about the run, its SHA-256; written once, canonical JSON
    records.bin    EVENT records: seq is the record's position, checksums are chained from zero
    names.jsonl    interned texts, one line each: {"check":chained CRC-32,"id":number,"text":text}; numbers from 1
    lock           flocked by the one writer

**What is a torn tail.** A process that is killed leaves ``records.bin`` cut at some byte. A machine that loses power
keeps every byte that was synced; of the rest, a sector (`SECTOR` bytes) was written whole or not at all, in any order:
on the disk it is as it was at some moment, and what it did not hold then reads as zeros. 128 divides a sector: a record
never straddles two. Let record k be the first that does not continue the chain (or that is not there whole). What lies
from k to the end of the file is a *torn tail* iff

1. it is at most `GROUP` records long (a durable writer never leaves more than that unsynced: everything before the
   file's last `GROUP` records was synced), and
2. it is part of one record; or k's checksum field is zero and every byte after record k is zero; or k is zero, and
   in each sector from there on written records come first and zeros behind them. A written record is one whose seq is
   its position and, when the record before it is there, whose checksum continues it.

A torn tail was never acknowledged and is cut, from k on, when the journal is opened for append. Anything else is
corruption and is refused, file untouched: a flipped bit in any record (also in the last one), a record removed,
doubled or moved with its checksum, zeros with a record behind them in the same sector. Two things cannot be seen: a
file cut exactly between two records is a shorter journal, and zeros over the rest of a sector among the last `GROUP`
records look like a tear there.
A *buffered* writer syncs nothing: after a kill its journal is whole, after a power cut it may be refused.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from market.events import EVENT, as_words, first_broken
from trading.errors import JournalError

FORMAT: Final = 1
GROUP: Final = 256
SECTOR: Final = 512
CHUNK: Final = 1 << 16
HEADER: Final = "header.json"
RECORDS: Final = "records.bin"
NAMES: Final = "names.jsonl"
LOCK: Final = "lock"
CHECKSUM: Final = slice(EVENT.itemsize - 8, EVENT.itemsize)


@dataclass(frozen=True, slots=True)
class Records:
    """What `scan_records` found: how many good records, the last checksum, and the bytes of a torn tail."""

    count: int
    last_checksum: int
    torn_bytes: int


@dataclass(frozen=True, slots=True)
class Names:
    """The interned texts by number (number 0 is the empty text), the last check, and the good and torn bytes."""

    texts: tuple[str, ...]
    check: int
    good_bytes: int
    torn_bytes: int


def canonical(value: Any) -> bytes:
    """The canonical JSON of plain values: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def encode_header(header: Mapping[str, Any]) -> bytes:
    """The content of ``header.json``.

    Raises
    ------
    JournalError
        If the header is not made of plain JSON values.
    """
    try:
        content = canonical(dict(header))
    except (TypeError, ValueError) as error:
        raise JournalError(f"a journal's header must be plain JSON values: {error}") from error
    digest = hashlib.sha256(content).hexdigest()
    document = {"event_bytes": EVENT.itemsize, "format": FORMAT, "header": json.loads(content), "sha256": digest}
    return canonical(document) + b"\n"


def read_header(folder: Path) -> dict[str, Any]:
    """What the writer said about the run.

    Raises
    ------
    JournalError
        If there is none, or it is damaged, or of another format.
    """
    path = folder / HEADER
    try:
        content = path.read_bytes()
        document = json.loads(content)
    except FileNotFoundError as error:
        raise JournalError(f"{folder} is not a journal: it has no {HEADER}") from error
    except (OSError, ValueError) as error:
        raise JournalError(f"{path} cannot be read: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("header"), dict):
        raise JournalError(f"{path} is damaged: it holds no header")
    if (document.get("format"), document.get("event_bytes")) != (FORMAT, EVENT.itemsize):
        found = f"format {document.get('format')} with {document.get('event_bytes')} bytes a record"
        raise JournalError(f"{path} says {found}; this version reads format {FORMAT} with {EVENT.itemsize}")
    header: dict[str, Any] = document["header"]
    if encode_header(header) != content:
        raise JournalError(f"{path} is damaged: it does not match its own SHA-256")
    return header


def scan_records(path: Path, keep: list[NDArray[np.void]] | None = None) -> Records:
    """Verify every record; see the module for what counts as a torn tail.

    Parameters
    ----------
    path
        The ``records.bin``; it is only read.
    keep
        Where to put the good records, in order, if they are wanted.

    Raises
    ------
    JournalError
        If a record is broken and what follows is not a torn tail, or the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            count, previous = 0, 0
            while count < size // EVENT.itemsize:
                wanted = min(CHUNK, size // EVENT.itemsize - count)
                chunk = np.fromfile(file, EVENT, wanted)
                if len(chunk) != wanted:
                    raise JournalError(f"{path} became shorter while it was read")
                good = first_broken(as_words(chunk), np.uint64(previous))
                whole = good < 0
                chunk = chunk if whole else chunk[:good]
                misplaced = np.flatnonzero(chunk["seq"] != np.arange(count, count + len(chunk)))
                if len(misplaced):
                    raise JournalError(_broken(path, count + int(misplaced[0]), "its seq is not its position"))
                if keep is not None:
                    keep.append(chunk)
                count += len(chunk)
                previous = int(chunk["checksum"][-1]) if len(chunk) else previous
                if not whole:
                    break
            torn = size - count * EVENT.itemsize
            file.seek(count * EVENT.itemsize)
            problem = _not_torn(count, torn, file.read(min(torn, GROUP * EVENT.itemsize)))
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error}") from error
    if problem:
        raise JournalError(_broken(path, count, problem))
    return Records(count, previous, torn)


def _not_torn(first: int, size: int, tail: bytes) -> str | None:
    """Why what follows the last good record, from record ``first`` on, is not a torn tail, or None."""
    if size < EVENT.itemsize:
        return None
    if size > GROUP * EVENT.itemsize:
        return f"{size // EVENT.itemsize} records from there on are unproven, and a crash can tear at most {GROUP}"
    if any(tail[CHECKSUM]):
        return "its checksum was written but does not follow from the records"
    if not any(tail[EVENT.itemsize :]):
        return None
    if any(tail[: EVENT.itemsize]):
        return "it was never completed, yet something was written behind it"
    return _not_holed(first, tail)


def _not_holed(first: int, tail: bytes) -> str | None:
    """Why a tail that begins with zeros is not one of sectors of which some were never written, or None."""
    whole = len(tail) // EVENT.itemsize
    if any(tail[whole * EVENT.itemsize :]):
        return "it was never written, yet part of a record was behind it"
    records = np.frombuffer(tail, EVENT, whole).copy()
    place, written = first + np.arange(whole), as_words(records).max(axis=1) > 0
    begun = np.flatnonzero(written[1:] & ~written[:-1]) + 1
    if np.any(place[begun] * EVENT.itemsize % SECTOR):
        return "it was never written, yet a record behind it was, and no sector begins there"
    if np.any(records["seq"][written] != place[written]):
        return "it was never written, and what was written behind it is not numbered by its position"
    for row in np.flatnonzero(written[1:] & written[:-1]):
        if first_broken(as_words(records[row + 1 : row + 2]), records["checksum"][row]) >= 0:
            return f"it was never written, and record {first + row + 1} behind it does not continue the one before it"
    return None


def _broken(path: Path, record: int, problem: str) -> str:
    return f"{path}: record {record} is broken: {problem}; nothing was changed, restore the file from a copy"


def encode_name(number: int, text: str, check: int) -> tuple[bytes, int]:
    """One line of ``names.jsonl`` and its check, which goes into the next line's."""
    check = zlib.crc32(canonical([number, text]), check)
    return canonical({"check": check, "id": number, "text": text}) + b"\n", check


def read_names(path: Path) -> Names:
    """Verify and read the interned texts; a last line without its line end is torn.

    Raises
    ------
    JournalError
        If a line that ends is not the line that was written, or the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error}") from error
    good = content[: content.rfind(b"\n") + 1]
    texts, check = [""], 0
    for number, line in enumerate(good.splitlines(keepends=True), start=1):
        try:
            text = json.loads(line)["text"]
            expected, check = encode_name(number, text, check)
        except (ValueError, TypeError, KeyError) as error:
            raise JournalError(f"{path}: line {number} is broken: {error}") from error
        if expected != line:
            raise JournalError(f"{path}: line {number} is broken: it does not match its check")
        texts.append(text)
    return Names(tuple(texts), check, len(good), len(content) - len(good))


def lock(folder: Path) -> int:
    """Become the folder's one writer; the descriptor holds the lock until it is closed.

    Raises
    ------
    JournalError
        If somebody else writes.
    """
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise JournalError(f"the journal {folder} has a writer already: stop it first") from error
    return handle


def write_all(handle: int, content: bytes | memoryview) -> None:
    """Write every byte, however many calls it takes.

    Raises
    ------
    OSError
        If the operating system refuses.
    """
    rest = memoryview(content)
    while rest:
        written = os.write(handle, rest)
        if written <= 0:
            raise OSError(f"write took {written} of {len(rest)} bytes")
        rest = rest[written:]


def write_synced(path: Path, content: bytes) -> None:
    """Write a new file and sync it."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        write_all(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder and the folders above it, durably."""
    missing = [place for place in _upwards(folder) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for place in missing:
        sync_folder(place.parent)


def _upwards(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.parents
