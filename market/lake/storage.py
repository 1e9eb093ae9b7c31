"""Sealed Parquet files, such as a month of bars, and the atomic way to put them down.

The seal is the SHA-256 of the whole file, kept in the Parquet footer and computed with zeros in its place. It is
verified before the file is decoded: Parquet readers trust lengths and offsets, and a flipped bit can crash them.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from market.bars import FIELDS, empty_bars
from market.errors import LakeError

STAGING: Final = ".staging"
SEAL: Final = b"bars-file-sha256:"
BLANK: Final = b"0" * 64


def encode(bars: NDArray[np.void]) -> bytes:
    """Bars as Parquet; columns without any value are left out. The same bars give the same bytes."""
    columns = ["start", "end", *(field for field in FIELDS if not np.isnan(bars[field]).all())]
    return sealed(pl.DataFrame({name: np.ascontiguousarray(bars[name]) for name in columns}))


def sealed(frame: pl.DataFrame) -> bytes:
    """A table as Parquet with its seal; the same table gives the same bytes."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", metadata={"seal": (SEAL + BLANK).decode()})
    content = buffer.getvalue()
    before, _, after = content.rpartition(SEAL + BLANK)
    return before + SEAL + hashlib.sha256(content).hexdigest().encode() + after


def verified(content: bytes, place: str) -> bytes:
    """The bytes of a file of the lake, whose seal has been checked; ``place`` is what to call it.

    Raises
    ------
    LakeError
        If the file is not as it was written.
    """
    before, mark, rest = content.rpartition(SEAL)
    seal, after = rest[: len(BLANK)], rest[len(BLANK) :]
    if not mark or hashlib.sha256(before + SEAL + BLANK + after).hexdigest().encode() != seal:
        raise LakeError(f"{place}: is damaged or was not written by the lake; delete it and import what it held again")
    return content


def decode(content: bytes, place: str) -> NDArray[np.void]:
    """The bars of a file's bytes; errors as `verified`."""
    frame = pl.read_parquet(io.BytesIO(verified(content, place)))
    bars = empty_bars(frame.height)
    for name in frame.columns:
        bars[name] = frame[name].to_numpy()
    return bars


def publish(root: Path, files: Mapping[Path, bytes]) -> None:
    """Put files into place: all are staged and on disk before the first is renamed.

    Each rename is atomic. A crash between two leaves some files old and some new, each of them whole, and the
    same import done again finishes the rest. Anything that fails while staging leaves the lake as it was.
    """
    if not files:
        return
    staging = root / STAGING
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        staged = {path: _write(staging / str(number), content) for number, (path, content) in enumerate(files.items())}
        for path, temporary in staged.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(path)
        for folder in sorted({ancestor for path in files for ancestor in _ancestors(path, root)}):
            _sync(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def append_line(path: Path, line: bytes) -> None:
    """Append a line durably; a torn last line (a crash while writing) is cut off first."""
    with path.open("ab+") as file:
        file.seek(0)
        whole = file.read().rfind(b"\n") + 1
        file.truncate(whole)
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())
    _sync(path.parent)


def _write(path: Path, content: bytes) -> Path:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return path


def _ancestors(path: Path, root: Path) -> list[Path]:
    return [folder for folder in path.parents if folder == root or root in folder.parents]


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
