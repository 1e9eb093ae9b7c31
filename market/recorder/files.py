"""Recordings on disk: appended to while they are open, whole and never touched again once they have their final name.

An open file ends in ``.part``. It is flushed at each `Recording.flush`, so that a process that is killed loses only
what came after. `salvage` finishes what such a process left; a torn last line is cut off.
"""

from __future__ import annotations

import fcntl
import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from market.book.recordings import lines_of
from market.errors import RecorderError
from market.time import SECOND

PART: Final = ".part"
ENDING: Final = ".jsonl.gz"


class Recording:
    """The lines of one symbol, in files that begin anew at each multiple of ``rotate``.

    Parameters
    ----------
    folder
        Where the files lie.
    name
        What they are called before their time, such as ``binance-BTCUSDT``.
    rotate
        In nanoseconds.
    """

    def __init__(self, folder: Path, name: str, rotate: int) -> None:
        if rotate < SECOND:
            raise RecorderError(f"a new file every {rotate} ns is too often: at least a second")
        self.folder, self.name, self.rotate = folder, name, rotate
        self.finished: list[Path] = []
        self._file: gzip.GzipFile | None = None
        self._path, self._slot = Path(), -1

    def write(self, received: int, message: bytes) -> None:
        """Append one message with its receive time in ns UTC.

        Raises
        ------
        RecorderError
            If the file cannot be written.
        """
        try:
            self._write(received, message)
        except OSError as error:  # not to be taken for a lost connection
            raise RecorderError(f"{self._path} cannot be written: {error}") from error

    def flush(self) -> None:
        """Hand everything so far to the operating system."""
        if self._file is not None:
            self._file.flush(zlib.Z_SYNC_FLUSH)

    def _write(self, received: int, message: bytes) -> None:
        slot = received // self.rotate
        if self._file is not None and slot > self._slot:
            self.close()
        if self._file is None:
            self._path, self._slot = self._fresh(received), slot
            self._file = gzip.GzipFile(self._path, "wb", compresslevel=6, mtime=0)
        self._file.write(b"%d %s\n" % (received, message.replace(b"\n", b" ")))

    def close(self) -> None:
        """Finish the open file, if there is one: on disk, under its final name."""
        if self._file is None:
            return
        self._file.close()
        self._file = None
        self.finished.append(finish(self._path))

    def _fresh(self, received: int) -> Path:
        moment = datetime.fromtimestamp(received // SECOND, UTC).strftime("%Y%m%dT%H%M%SZ")
        for number in range(1_000):
            stem = f"{self.name}-{moment}" + (f"-{number}" if number else "")
            path = self.folder / f"{stem}{ENDING}"
            if not path.exists() and not path.with_name(path.name + PART).exists():
                return path.with_name(path.name + PART)
        raise RecorderError(f"{self.folder} has a thousand files of {self.name} that begin at {moment}")


def finish(path: Path) -> Path:
    """Give a closed ``.part`` file its final name, once it is on disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    final = path.with_name(path.name.removesuffix(PART))
    path.rename(final)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return final


def salvage(folder: Path) -> list[Path]:
    """Finish the ``.part`` files that a killed recorder left; those without a whole line are removed."""
    found = []
    for path in sorted(folder.glob(f"*{ENDING}{PART}")):
        lines = list(lines_of(path))
        if not lines:
            path.unlink()
            continue
        whole = path.with_name(path.name + ".whole")
        with gzip.GzipFile(whole, "wb", compresslevel=6, mtime=0) as file:
            file.writelines(line + b"\n" for line in lines)
        whole.replace(path)
        found.append(finish(path))
    return found


def recordings(folder: Path, name: str) -> list[Path]:
    """The finished files of one name, in the order of their times."""
    found = folder.glob(f"{name}-[0-9]*{ENDING}")
    return sorted(found, key=lambda path: (path.name[: len(name) + 17], len(path.name), path.name))


@contextmanager
def only_recorder(folder: Path) -> Iterator[None]:
    """Hold a folder: two recorders in one would finish each other's files.

    Raises
    ------
    RecorderError
        If another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise RecorderError(f"another recorder writes into {folder}; stop it or choose another folder") from None
    finally:
        os.close(handle)
