"""The score tape: for every bar the live process scored, which inputs it saw and what the graph answered."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from serving.predictor import Score
from trading.signals import set_flags

SCORE = np.dtype(
    [
        ("end", "<i8"),
        ("instrument", "<i8"),
        ("row_hash", "<i8"),
        ("volatility", "<f8"),
        ("probability", "<f8"),
        ("prediction_set", "<i8"),
    ]
)
"""``end``: the bar's end; ``row_hash``: of the feature row's bits; NaN probability: no prediction was made.

``prediction_set``: what is in it, as `market.events.SetFlag`; 0 where there is none.
"""


class ScoreTape:
    """Appends scores to a file; buffered, for people and for parity checks, never for decisions."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = path.open("ab", buffering=1 << 16)
        self._record = np.zeros(1, SCORE)

    def append(self, instrument: int, score: Score) -> None:
        """Write one score."""
        held = 0 if score.prediction_set is None else int(set_flags(score.prediction_set))
        self._record[0] = (score.end, instrument, score.row_hash, score.volatility, score.probability, held)
        self._file.write(self._record.tobytes())

    def close(self) -> None:
        """Flush and let go of the file."""
        self._file.close()


def read_scores(path: Path) -> NDArray[np.void]:
    """Every whole score of a tape; a torn last record is left out."""
    content = path.read_bytes()
    whole = len(content) // SCORE.itemsize * SCORE.itemsize
    return np.frombuffer(content[:whole], SCORE)
