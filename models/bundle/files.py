"""Folders that appear whole or not at all, and arrays as bytes without pickle."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.errors import BundleError, DamagedBundle


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files beside ``folder``, then rename: a crash leaves no half-written folder under its name.

    Raises
    ------
    BundleError
        If the folder exists already.
    """
    if folder.exists():
        raise BundleError(f"{folder} exists already; choose another folder, or delete it first")
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for path, content in files.items():
            write_synced(scratch / path, content)
        scratch.chmod(0o755)
        for inner in {(scratch / path).parent for path in files}:
            sync_folder(inner)
        scratch.rename(folder)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    sync_folder(folder.parent)


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file in one step: readers see the old content or the new, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(handle)
    try:
        write_synced(Path(scratch), content)
        Path(scratch).chmod(0o644)
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_synced(path: Path, content: bytes) -> None:
    """Write a file through to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_folder(folder: Path) -> dict[str, bytes]:
    """Every file under a folder by its relative path.

    Raises
    ------
    DamagedBundle
        If there is no such folder, or something in it is neither a file nor a folder.
    """
    if not folder.is_dir():
        raise DamagedBundle(f"there is no bundle folder {folder}")
    found: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise DamagedBundle(f"{path} is not a plain file; a bundle has nothing else")
        if path.is_file():
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def array_to_bytes(array: NDArray[Any]) -> bytes:
    """An array in NumPy's ``.npy`` format."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def array_from_bytes(content: bytes) -> NDArray[Any]:
    """The array of a ``.npy`` file, never unpickled."""
    array: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    return array
