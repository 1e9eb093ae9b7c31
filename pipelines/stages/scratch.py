"""Folders that are being filled: each is held by a lock that dies with its process, so what a kill left is known."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from market.locks import locked


@contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """A new hidden folder below ``parent`` that is gone when the block ends, unless it was renamed.

    What killed processes left below ``parent`` is removed first; what a living one fills is not.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with scratch_folder(Path(folder), "made") as scratch:
    ...         done = scratch.rename(Path(folder) / "made")
    ...     [path.name for path in Path(folder).iterdir()]
    ['made']
    """
    parent.mkdir(parents=True, exist_ok=True)
    with locked(parent):  # nobody sees a folder that is not held yet
        sweep(parent)
        scratch = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=parent))
        handle = os.open(scratch, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(handle)


def sweep(parent: Path) -> None:
    """Remove the hidden folders below ``parent`` that no living process fills; its lock must be held."""
    for folder in parent.glob(".*-*"):
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue  # it was renamed or removed just now, or is a file
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)
