"""A lake in an object store, through fsspec; Amazon's S3 and what speaks its protocol through s3fs.

Address and credentials come from the environment, by the names that Amazon's tools and polars read:
``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_DEFAULT_REGION``. The store must know
conditional writes (``If-None-Match``) and be consistent after a write; Amazon's is both.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import polars as pl

from market.errors import LakeError

T = TypeVar("T")
LOCK: Final = ".writer-lock"
DEPTH: Final = 4
"""Folders between the root and a file of a series."""


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """A prefix of a bucket.

    Attributes
    ----------
    url
        Such as ``s3://bucket/prefix``.
    patience
        Seconds to wait for another writer before saying so.
    """

    url: str
    files: Any = field(compare=False)
    prefix: str
    patience: float = 60.0

    @classmethod
    def open(cls, url: str, patience: float = 60.0) -> ObjectStore:
        """The store at an address; nothing is asked of it yet."""
        from fsspec.core import url_to_fs

        try:
            files, prefix = url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
        except (ValueError, ImportError) as error:
            raise LakeError(f"lake {url}: cannot be reached from here ({error})") from error
        return cls(url.rstrip("/"), files, prefix.rstrip("/"), patience)

    def place(self, name: str) -> str:
        """The object's address."""
        return f"{self.url}/{name}"

    def folders(self) -> list[str]:
        """As `market.lake.stores.Store.folders`."""
        found = self._ask("listed", lambda: self.files.find(self.prefix))
        names = (one.removeprefix(self.prefix).lstrip("/").rpartition("/")[0] for one in found)
        return sorted({name for name in names if name.startswith("venue=") and name.count("/") == DEPTH - 1})

    def names(self, folder: str) -> list[str]:
        """As `market.lake.stores.Store.names`."""
        found = self._ask("listed", lambda: self.files.find(f"{self.prefix}/{folder}", maxdepth=1))
        return sorted(f"{folder}/{one.rpartition('/')[2]}" for one in found)

    def read(self, name: str) -> bytes | None:
        """As `market.lake.stores.Store.read`."""
        try:
            return self._ask(
                "read", lambda: bytes(self.files.cat_file(f"{self.prefix}/{name}")), name, FileNotFoundError
            )
        except FileNotFoundError:
            return None

    def size(self, name: str) -> int:
        """As `market.lake.stores.Store.size`."""
        return self._ask("read", lambda: int(self.files.size(f"{self.prefix}/{name}")), name)

    def scan(self, name: str, content: bytes | None) -> pl.LazyFrame:
        """As `market.lake.stores.Store.scan`; what was not read yet is read by polars, as far as a query needs it."""
        if content is not None:
            return pl.scan_parquet(io.BytesIO(content))
        plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
        options = {"aws_allow_http": "true"} if plain else {}
        return pl.scan_parquet(self.place(name), glob=False, storage_options=options)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """As `market.lake.stores.Store.lock`: an object that only one writer can create.

        Raises
        ------
        LakeError
            If another writer still holds it when patience ends; says since when, and what to do if that one died.
        """
        path, begun = f"{self.prefix}/{LOCK}", time.monotonic()
        while not self._claim(path):
            if time.monotonic() - begun > self.patience:
                since = (self.read(LOCK) or b"an unknown time").decode("utf-8", "replace")
                raise LakeError(
                    f"lake {self.url}: another writer holds it since {since}; if that one died, delete"
                    f" {self.place(LOCK)}"
                )
            time.sleep(min(0.2, self.patience / 10))
        try:
            yield
        finally:
            self._ask("unlocked", lambda: self.files.rm_file(path))

    def publish(self, files: Mapping[str, bytes]) -> None:
        """As `market.lake.stores.Store.publish`."""
        for name, content in files.items():
            self._put(name, content)

    def append(self, name: str, line: bytes) -> None:
        """As `market.lake.stores.Store.append`: the whole file is written again."""
        self._put(name, (self.read(name) or b"") + line + b"\n")

    def _put(self, name: str, content: bytes) -> None:
        self._ask("written", lambda: self.files.pipe_file(f"{self.prefix}/{name}", content), name)

    def _claim(self, path: str) -> bool:
        now = datetime.now(UTC).isoformat(timespec="seconds").encode()
        try:
            self._ask("locked", lambda: self.files.pipe_file(path, now, mode="create"), "", FileExistsError)
        except FileExistsError:
            return False
        return True

    def _ask(self, done: str, what: Callable[[], T], name: str = "", expected: type[OSError] | None = None) -> T:
        try:
            return what()
        except _failures() as error:
            if expected is not None and isinstance(error, expected):
                raise
            raise LakeError(f"{self.place(name)}: cannot be {done} ({error})") from error


def _failures() -> tuple[type[Exception], ...]:
    """What clients of object stores raise; s3fs lets its client's errors through where it cannot translate them."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ModuleNotFoundError:
        return (OSError,)
    return (OSError, BotoCoreError, ClientError)
