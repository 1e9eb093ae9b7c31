"""Engines that break what no feature can break: a kernel is given its own bar and its state, and no other row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.engine import FeatureEngine


class LookingAhead(FeatureEngine):
    """Every row but a call's last six is that of six bars later."""

    def replay(self, bars: NDArray[np.void]) -> NDArray[np.float64]:
        rows = super().replay(bars)
        rows[:-6] = rows[6:]
        return rows


class CentredInBatches(FeatureEngine):
    """Rows are centred on the mean of their call: a batch differs from the same bars one by one."""

    def replay(self, bars: NDArray[np.void]) -> NDArray[np.float64]:
        rows = super().replay(bars)
        return rows - np.nanmean(rows, axis=0)


class Filled(FeatureEngine):
    """What is not defined yet is 0."""

    def replay(self, bars: NDArray[np.void]) -> NDArray[np.float64]:
        return np.nan_to_num(super().replay(bars))
