"""The bytes of a source file: whole, unpacked, and told apart by their first bytes, never by their name."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from market.errors import SourceError
from market.lake.provenance import Source

Container = Literal["plain", "gzip", "zip"]
TableFormat = Literal["csv", "parquet"]


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A source file's table, still as bytes."""

    content: bytes
    container: Container
    format: TableFormat
    source: Source


def unpack(path: Path) -> Unpacked:
    """Read and decompress a file.

    Raises
    ------
    SourceError
        If it is absent, empty, truncated, or a zip of anything but one file.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror or error})") from error
    source = Source(path.name, hashlib.sha256(raw).hexdigest())
    container: Container = "plain"
    content = raw
    if raw[:2] == b"\x1f\x8b":
        container, content = "gzip", _gunzip(path, raw)
    elif raw[:4] == b"PK\x03\x04" or path.suffix == ".zip":
        container, content = "zip", _unzip(path, raw)
    if not content.strip():
        raise SourceError(f"{path}: is empty; fetch it again")
    table: TableFormat = "parquet" if content[:4] == b"PAR1" else "csv"
    return Unpacked(content, container, table, source)


def _gunzip(path: Path, raw: bytes) -> bytes:
    try:
        return gzip.decompress(raw)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(f"{path}: the gzip stream is truncated or damaged ({error}); fetch it again") from error


def _unzip(path: Path, raw: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
            if len(names) != 1:
                raise SourceError(f"{path}: holds {len(names)} files {names[:5]}; an archive holds one CSV")
            return archive.read(names[0])
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError) as error:
        raise SourceError(f"{path}: the zip is truncated or damaged ({error}); fetch it again") from error
