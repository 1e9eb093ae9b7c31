"""What a run's predictors said out of fold, kept in its folder so that any two runs can be compared row by row."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.arrays_json import read_document, write_document

PREDICTIONS_FILE = "predictions.json"


class OutOfFold(msgspec.Struct, frozen=True, eq=False):
    """The rows on which a run compares its predictors, in order of fold, then time; arrays of shape (n,).

    ``instrument`` numbers ``symbols``, of the venue ``venue``. ``time`` is the decision's and ``end`` when its label is
    known (ns UTC), ``label`` 0 or 1, ``weight`` the average uniqueness, ``fold`` counts from 0. ``probability``: of
    label 1, by predictor. ``horizon``: how far a label looks, ns.
    """

    venue: str
    symbols: tuple[str, ...]
    horizon: int
    instrument: NDArray[np.int16]
    time: NDArray[np.int64]
    end: NDArray[np.int64]
    label: NDArray[np.int8]
    weight: NDArray[np.float64]
    fold: NDArray[np.int16]
    probability: dict[str, NDArray[np.float64]]

    def save(self, folder: Path) -> Path:
        """Write into a run's folder; returns the document's path."""
        return write_document(self, folder, PREDICTIONS_FILE)

    @classmethod
    def load(cls, folder: Path) -> OutOfFold | None:
        """Read from a run's folder; None where the run is of before they were kept.

        Raises
        ------
        StageError
            If they were changed since.
        """
        return read_document(cls, folder, PREDICTIONS_FILE) if (folder / PREDICTIONS_FILE).is_file() else None
