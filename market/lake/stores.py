"""Where a lake's files lie: a folder, or a prefix of an object store.

Names are relative to the root, with slashes. What holds where:

=========================================  ==============================  =========================================
guarantee                                  folder                          object store
=========================================  ==============================  =========================================
a file is the old one or the new one       rename                          a PUT is whole or not at all
damage is found                            seal, when read                 seal, when read
one writer at a time                       file lock, freed by the system  lock object, created only if absent; a
                                                                           writer that dies leaves it behind
a failed write leaves all as it was        staged, synced, then renamed    no: objects are put one after the other;
                                                                           each is whole, and the same import done
                                                                           again finishes the rest
a record is appended                       append and sync                 the file of records is written again
=========================================  ==============================  =========================================
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import polars as pl

from market.errors import LakeError
from market.lake.storage import append_line, publish
from market.locks import locked

SCHEMES: Final = ("s3", "memory")
"""Addresses that a lake may have: these stores create an object only if it is absent, which keeps writers apart.

``memory://`` is this process's own memory.
"""


class Store(Protocol):
    """Files by name. Reading and writing raise `LakeError` when the store cannot be reached."""

    def place(self, name: str) -> str:
        """What to call a file in messages."""
        ...

    def folders(self) -> list[str]:
        """The folders of series, sorted: the parents of files named ``month=…``."""
        ...

    def names(self, folder: str) -> list[str]:
        """The names of a folder's files, sorted."""
        ...

    def read(self, name: str) -> bytes | None:
        """A file's bytes; None if there is no such file."""
        ...

    def size(self, name: str) -> int:
        """A file's bytes, counted."""
        ...

    def scan(self, name: str, content: bytes | None) -> pl.LazyFrame:
        """A Parquet file as a lazy table; ``content`` is what was read of it already, if anything was."""
        ...

    def lock(self) -> AbstractContextManager[None]:
        """Keep other writers out."""
        ...

    def publish(self, files: Mapping[str, bytes]) -> None:
        """Write files; see the module for what holds when this fails."""
        ...

    def append(self, name: str, line: bytes) -> None:
        """Append a line to a file."""
        ...


@dataclass(frozen=True, slots=True)
class FolderStore:
    """A folder of this machine."""

    root: Path

    def place(self, name: str) -> str:
        """The file's path."""
        return str(self.root / name)

    def folders(self) -> list[str]:
        """As `Store.folders`; a folder that is not there yet has none."""
        try:
            os.scandir(self.root).close()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise LakeError(f"lake {self.root}: cannot be listed ({error.strerror or error})") from error
        found = self.root.glob("venue=*/instrument=*/kind=*/interval=*")
        return sorted(str(one.relative_to(self.root)) for one in found)

    def names(self, folder: str) -> list[str]:
        """As `Store.names`."""
        return sorted(f"{folder}/{path.name}" for path in (self.root / folder).glob("*"))

    def read(self, name: str) -> bytes | None:
        """As `Store.read`."""
        path = self.root / name
        try:
            return path.read_bytes() if path.exists() else None
        except OSError as error:
            raise LakeError(f"{path}: cannot be read ({error.strerror or error})") from error

    def size(self, name: str) -> int:
        """As `Store.size`."""
        return (self.root / name).stat().st_size

    def scan(self, name: str, content: bytes | None) -> pl.LazyFrame:
        """As `Store.scan`; a local file is mapped again rather than held in memory."""
        return pl.scan_parquet(self.root / name, glob=False)

    def lock(self) -> AbstractContextManager[None]:
        """As `Store.lock`."""
        self.root.mkdir(parents=True, exist_ok=True)
        return locked(self.root)

    def publish(self, files: Mapping[str, bytes]) -> None:
        """As `Store.publish`."""
        publish(self.root, {self.root / name: content for name, content in files.items()})

    def append(self, name: str, line: bytes) -> None:
        """As `Store.append`."""
        append_line(self.root / name, line)


def open_store(root: Path | str) -> Store:
    """The store at a path, or at an address such as ``s3://bucket/prefix``.

    Raises
    ------
    LakeError
        If the path is a file's, the address names no bucket, or nothing here can reach it.

    Examples
    --------
    >>> open_store("ftp://x/bars")
    Traceback (most recent call last):
    market.errors.LakeError: lake ftp://x/bars: cannot be reached from here (a lake is a folder or s3://bucket/prefix)
    """
    scheme, mark, rest = str(root).partition("://")
    if not mark:
        folder = Path(root)
        if folder.exists() and not folder.is_dir():
            raise LakeError(f"lake {folder}: is a file; a lake is a folder or s3://bucket/prefix")
        return FolderStore(folder)
    if scheme not in SCHEMES:
        raise LakeError(f"lake {root}: cannot be reached from here (a lake is a folder or s3://bucket/prefix)")
    if not rest.partition("/")[0]:
        raise LakeError(f"lake {root}: names no bucket; write it as s3://bucket/prefix")
    from market.lake.objects import ObjectStore

    return ObjectStore.open(str(root))
