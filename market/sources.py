"""What files can hold: for each kind of series, how its files are read and what its rows must satisfy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.errors import SourceError
from market.funding.check import check_funding
from market.funding.marks import check_marks, read_marks
from market.funding.read import read_funding
from market.quality import QualityReport, QualityRules, check_bars
from market.readers import SourceBars, read_series


@dataclass(frozen=True, slots=True)
class SourceKind:
    """``read`` takes what `market.readers.read_series` takes, ``check`` what `market.quality.check_bars` takes."""

    read: Callable[..., list[SourceBars]]
    check: Callable[[NDArray[np.void], int, QualityRules | None], QualityReport]
    unit: str


SOURCES: Final[Mapping[str, SourceKind]] = {
    "bars": SourceKind(read_series, check_bars, "bars"),
    "funding": SourceKind(read_funding, check_funding, "fundings"),
    "mark": SourceKind(read_marks, check_marks, "bars"),
}


def source_of(kind: str) -> SourceKind:
    """The source of a kind of series.

    Raises
    ------
    SourceError
        If files of this kind are not read.
    """
    if kind not in SOURCES:
        raise SourceError(f"files of {kind!r} are not read; these are: {', '.join(SOURCES)}")
    return SOURCES[kind]
