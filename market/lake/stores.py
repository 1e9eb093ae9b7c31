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

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from market.errors import LakeError
from market.lake.storage import append_line, publish, writer_lock


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
        """As `Store.folders`."""
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
        return writer_lock(self.root)

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
        If nothing here can reach such an address.
    """
    if "://" not in str(root):
        return FolderStore(Path(root))
    from market.lake.objects import ObjectStore

    return ObjectStore.open(str(root))
