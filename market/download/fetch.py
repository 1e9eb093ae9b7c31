"""One file of the archive: its published checksum, then its bytes, resumed where the last attempt stopped.

The checksum decides whether a file is whole. Bytes go to ``NAME.part`` and only a verified file gets its name, so a
process that is killed leaves either nothing, a part that the next run goes on with, or the file.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import urllib3

from market.download.client import Client
from market.download.patience import PassingError, Stopped
from market.errors import DownloadError

CHECKSUM: Final = re.compile(r"([0-9a-fA-F]{64})\s+\*?(\S+)\s*")
CHUNK: Final = 1 << 16
TRIES: Final = 3
"""Transfers whose checksum is wrong before a file is refused; the first may go on with the part of an older one."""

Heard = Callable[[int, int | None], None]
"""Called with the bytes there are and the bytes there will be, if the server says."""


@dataclass(frozen=True, slots=True)
class Published:
    """A file that the archive has: its path there, and its SHA-256."""

    path: str
    sha256: str

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.path.rpartition("/")[2]


def published(client: Client, path: str) -> Published | None:
    """The checksum that the archive publishes of a file; None if it has no such file.

    Raises
    ------
    DownloadError
        If the server cannot be asked, or publishes something else than a checksum of this file.
    """
    name, address = path.rpartition("/")[2], f"{path}.CHECKSUM"

    def attempt() -> str | None:
        with client.open(address) as response:
            return None if response.status == 404 else response.read().decode("utf-8", "replace")

    text = client.patiently(address, attempt)
    if text is None:
        return None
    match = CHECKSUM.fullmatch(text)
    if match is None or match[2] != name:
        raise DownloadError(f"{client.url(address)}: {text[:100]!r} is not the SHA-256 of {name}")
    return Published(path, match[1].lower())


def fetch(client: Client, file: Published, target: Path, heard: Heard) -> None:
    """Bring a file to ``target``, unless it is there already.

    Raises
    ------
    DownloadError
        If it cannot be fetched, or what arrives is not what was published; ``target`` is as it was.
    """
    if target.is_file() and digest(target) == file.sha256:
        return
    part = target.with_name(f"{target.name}.part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(TRIES):
            client.patiently(file.path, _Attempts(client, file, part, heard))
            found = digest(part)
            if found == file.sha256:
                part.replace(target)
                return
            part.unlink()
    except OSError as error:
        raise DownloadError(f"{part}: cannot be written ({error.strerror or error})") from error
    raise DownloadError(
        f"{client.url(file.path)}: has SHA-256 {found}, but {file.sha256} was published; it was fetched {TRIES} times"
        " and thrown away"
    )


def digest(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Attempts:
    """Attempts to complete one part; each goes on where the one before stopped."""

    def __init__(self, client: Client, file: Published, part: Path, heard: Heard) -> None:
        self._client, self._file, self._part, self._heard = client, file, part, heard
        self._most = self._size()

    def __call__(self) -> None:
        try:
            offset = self._size()
            with self._client.open(self._file.path, offset) as response:
                self._receive(response, offset)
        except PassingError as error:
            error.progress = self._size() > self._most
            self._most = max(self._most, self._size())
            raise

    def _receive(self, response: urllib3.BaseHTTPResponse, offset: int) -> None:
        if response.status == 404:
            raise DownloadError(f"{self._client.url(self._file.path)}: has a checksum but is not there")
        if response.status == 416:
            return  # nothing lies beyond the part: the checksum says whether it is whole
        resumed = response.status == 206
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
            self._part.unlink(missing_ok=True)
            raise PassingError(f"asked for bytes from {offset} on, got {response.headers.get('Content-Range')!r}")
        done = offset if resumed else 0
        length = response.headers.get("Content-Length", "")
        total = done + int(length) if length.isdigit() else None
        with self._part.open("ab" if resumed else "wb") as out:
            # read1 gives what has come; read would lose it when the connection stalls before a chunk is full.
            while chunk := response.read1(CHUNK, decode_content=False):
                out.write(chunk)
                done += len(chunk)
                self._heard(done, total)
                if self._client.patience.stop.is_set():
                    raise Stopped
            out.flush()
            os.fsync(out.fileno())

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0
