"""The CUSUM events of the catalogue are those of the market's filter."""

from __future__ import annotations

import numpy as np
import pytest

from features.conformance import plain_bars, replayed
from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from market.cusum import CusumFilter, CusumSpec
from market.readers import read_bars
from market.time import MINUTE

MULTIPLES = (2, 4, 8, 16)
NAMES = tuple(f"cusum_event_{one}" for one in MULTIPLES)
WITH_LEVEL = FeatureSet((*NAMES, "ewma_volatility_96"), 15 * MINUTE, 3)


def sides(bars, volatility, multiple):
    """By the filter; what the engine does not know yet is unknown to it as well."""
    return CusumFilter(CusumSpec(multiple=float(multiple))).update(bars["close"], volatility)


def compared(bars):
    rows = replayed(FeatureEngine(WITH_LEVEL), bars)
    for column, multiple in enumerate(MULTIPLES):
        expected = sides(bars, rows[:, -1], multiple)
        known = np.isfinite(rows[:, -1])
        assert rows[known, column].tolist() == expected[known].tolist()
        assert np.isnan(rows[~known, column]).all()
    return rows


def test_they_are_the_filters_own():
    rows = compared(plain_bars(20_000, 3, interval=15 * MINUTE))
    counts = [int((np.nan_to_num(rows[:, column]) != 0).sum()) for column in range(4)]
    assert counts[0] > 2 * counts[1] > 4 * counts[2] > 8 * counts[3] > 400


@pytest.mark.real_data
@pytest.mark.parametrize("symbol", ["BTCUSDT", "DOGEUSDT"])
def test_they_are_the_filters_own_on_real_bars(real_data, symbol):
    (path,) = (real_data / "klines" / "spot-15m").glob(f"{symbol}*")
    compared(read_bars(path).bars)
