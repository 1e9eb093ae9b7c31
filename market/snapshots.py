"""Sealed snapshots of small states: what they are of, the state, and a digest of both."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.errors import SnapshotError

SEAL: Final = 8
"""Bytes of the digest at the end."""


def seal_snapshot(kind: bytes, spec: bytes, state: NDArray[np.void]) -> bytes:
    """A state as bytes; ``kind`` names the program and the version of its state, ``spec`` is the digest of its spec."""
    body = kind + spec + state.tobytes()
    return body + hashlib.sha256(body).digest()[:SEAL]


def open_snapshot(snapshot: bytes, kind: bytes, spec: bytes, dtype: np.dtype[np.void], what: str) -> NDArray[np.void]:
    """The state of a snapshot; ``what`` says in messages what it is of.

    Raises
    ------
    SnapshotError
        If it is damaged, or of another kind or spec.
    """
    body, seal = snapshot[:-SEAL], snapshot[-SEAL:]
    head = len(kind) + len(spec)
    size = head + dtype.itemsize
    if body[: len(kind)] != kind or len(body) != size or hashlib.sha256(body).digest()[:SEAL] != seal:
        raise SnapshotError(f"these {len(snapshot)} bytes are no intact snapshot of {what}; take a new one")
    if body[len(kind) : head] != spec:
        raise SnapshotError(f"the snapshot is not of {what} with this spec; start from the data instead")
    return np.frombuffer(body[head:], dtype)
