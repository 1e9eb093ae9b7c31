"""Recorded streams: lines of a receive time in nanoseconds, a space, and a message as the venue sent it."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path

from market.errors import SourceError


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a recording, gzipped or not, without line ends; a torn end of a gzip stream ends them.

    Raises
    ------
    SourceError
        If the file cannot be read.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):  # a last line without its end was cut off while it was written
                    yield line[:-1]
    except EOFError:
        return
    except (OSError, gzip.BadGzipFile) as error:
        raise SourceError(f"{path}: cannot be read as a recording ({error})") from error


def received(lines: Iterable[bytes], where: str) -> Iterator[tuple[int, int, bytes]]:
    """Line numbers from 1, receive times (ns UTC) and messages.

    Raises
    ------
    SourceError
        Naming the line that has no receive time.
    """
    for number, line in enumerate(lines, 1):
        time, space, message = line.partition(b" ")
        if not (space and time.isdigit() and len(time) <= 19):
            raise SourceError(f"{where}: line {number} does not begin with a receive time in ns: {line[:60]!r}")
        yield number, int(time), message
