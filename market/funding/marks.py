"""Files of mark-price bars: Binance's archive (its volumes are zeros that mean nothing), tables without volume."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from market.quality import QualityReport, QualityRules, check_bars
from market.readers.read import FileFormat, SourceBars, read_series
from market.readers.times import TimeUnit

PRICES = ("open", "high", "low", "close")


def read_marks(
    path: Path | str,
    *,
    format: FileFormat | None = None,
    interval: int | None = None,
    columns: Mapping[str, str] | None = None,
    time_unit: TimeUnit | None = None,
) -> list[SourceBars]:
    """The mark-price bars of every instrument of a file; of their fields only open, high, low and close exist.

    Parameters and errors as `market.readers.read_series`, but no volume is needed, and none is taken.
    """
    return read_series(path, format=format, interval=interval, columns=columns, time_unit=time_unit, fields=PRICES)


def check_marks(bars: NDArray[np.void], interval: int, rules: QualityRules | None = None) -> QualityReport:
    """The findings of `market.quality.check_bars` that do not concern volume."""
    traded = bars.copy()
    traded["volume"] = 1.0
    return check_bars(traded, interval, rules)
