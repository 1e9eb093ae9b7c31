"""The score tape: for every bar the live process scored, which inputs it saw and what the graph answered."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

SCORE = np.dtype(
    [
        ("end", "<i8"),
        ("instrument", "<i8"),
        ("row_hash", "<i8"),
        ("volatility", "<f8"),
        ("probability", "<f8"),
    ]
)
"""``end``: the bar's end; ``row_hash``: of the feature row's bits; NaN probability: no prediction was made."""


class ScoreTape:
    """Appends scores to a file; buffered, for people and for parity checks, never for decisions."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = path.open("ab", buffering=1 << 16)
        self._record = np.zeros(1, SCORE)

    def append(self, end: int, instrument: int, row_hash: int, volatility: float, probability: float) -> None:
        """Write one score."""
        self._record[0] = (end, instrument, row_hash, volatility, probability)
        self._file.write(self._record.tobytes())

    def close(self) -> None:
        """Flush and let go of the file."""
        self._file.close()


def read_scores(path: Path) -> NDArray[np.void]:
    """Every whole score of a tape; a torn last record is left out."""
    content = path.read_bytes()
    whole = len(content) // SCORE.itemsize * SCORE.itemsize
    return np.frombuffer(content[:whole], SCORE)
