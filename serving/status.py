"""The status block: a small memory-mapped file through which the outside sees the loop and can stop it.

The loop writes; others read. One row goes the other way: ``asked``, the time at which each `market.events.Control`
was last asked for. The loop obeys before its next event, in the order of asking; no request hides another. A block
appears whole or not at all, and a new one never changes the bytes under those who still read the old. A reader needs
no lock: every field is one aligned word, and the ``version`` counter is odd while the loop writes, so that a reader
can tell a torn read and try again.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.events import Control
from serving.errors import StatusError

MAGIC = 0x34544F42_53544154
STATUS = np.dtype(
    [
        ("magic", "<i8"),
        ("version", "<i8"),
        ("pid", "<i8"),
        ("started", "<i8"),
        ("heartbeat", "<i8"),
        ("finished", "<i8"),
        ("trading_state", "<i8"),
        ("last_event", "<i8"),
        ("bars", "<i8"),
        ("signals", "<i8"),
        ("orders", "<i8"),
        ("fills", "<i8"),
        ("denials", "<i8"),
        ("open_positions", "<i8"),
        ("cash", "<i8"),
        ("equity", "<i8"),
        ("records", "<i8"),
        ("obeyed", "<i8"),
        ("asked", "<i8", 8),
        ("reserved", "<i8", 6),
    ]
)
ATTEMPTS = 1_000


def _map(path: Path, mode: Any) -> NDArray[np.void]:
    return np.memmap(path, STATUS, mode=mode, shape=(1,))


class StatusBlock:
    """The loop's side of the block."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f".{path.name}.{os.getpid()}")
        self._block = _map(scratch, "w+")
        self._block["magic"] = MAGIC
        self._block["pid"] = os.getpid()
        self._block["started"] = time.time_ns()
        scratch.replace(path)
        self._taken = [0] * len(self._block["asked"][0])

    def write(self, **fields: int) -> None:
        """Publish some fields together, and the heartbeat."""
        block = self._block
        block["version"] += 1
        for name, value in fields.items():
            block[name] = value
        block["heartbeat"] = time.time_ns()
        block["version"] += 1

    def take_requests(self) -> list[Control]:
        """What operators asked for since this was last called, in the order of asking; say so with `obey` once done."""
        asked = self._block["asked"][0].tolist()
        new = sorted((time, number) for number, time in enumerate(asked) if time != self._taken[number])
        self._taken = asked
        return [Control(number) for _, number in new]

    def obey(self) -> None:
        """Tell whoever asked that every request taken is done."""
        self.write(obeyed=max(self._taken))

    def close(self) -> None:
        """Say that the loop has ended, and let go of the file."""
        self.write(finished=1)
        self._block.flush()  # type: ignore[attr-defined]


def _existing(path: Path, mode: str) -> NDArray[np.void]:
    if not path.is_file() or path.stat().st_size != STATUS.itemsize:
        raise StatusError(f"no status block at {path}: start `bot4 serve` first, or name its workspace")
    block = _map(path, mode)
    if int(block["magic"][0]) != MAGIC:
        raise StatusError(f"{path} is not a status block")
    return block


def read_status(path: Path) -> dict[str, int]:
    """A consistent copy of every field.

    Raises
    ------
    StatusError
        If there is no block, or it was being written at every attempt.
    """
    block = _existing(path, "r")
    for _ in range(ATTEMPTS):
        before = int(block["version"][0])
        copy = block[0].copy()
        if before % 2 == 0 and int(block["version"][0]) == before:
            return {name: int(copy[name]) for name in STATUS.names or () if STATUS[name].shape == ()}
    raise StatusError(f"the status block {path} was being written at each of {ATTEMPTS} reads: try again")


def request(path: Path, control: Control) -> int:
    """Ask the loop for something; it obeys before its next event, and while it waits for one.

    Returns
    -------
    int
        The request's time (ns): the block's ``obeyed`` reaches it once the loop has obeyed.
    """
    block = _existing(path, "r+")
    asked = time.time_ns()
    block["asked"][0, int(control)] = asked
    return asked


def is_alive(status: dict[str, int]) -> bool:
    """Whether the process that wrote the block still runs."""
    if status["finished"]:
        return False
    try:
        os.kill(status["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
