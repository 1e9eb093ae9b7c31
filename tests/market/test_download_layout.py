"""The archive's layout, and which of its files hold a range of time."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.download.layout import ArchiveSeries, days_of, is_month, periods
from market.errors import MarketError
from market.time import DAY, HOUR, parse_time

PATHS = """
binance BTCUSDT klines 1h            spot/daily/klines/BTCUSDT/1h/BTCUSDT-1h-2024-10-28.zip
binance-um FILUSDT klines 1m         futures/um/monthly/klines/FILUSDT/1m/FILUSDT-1m-2023-08.zip
binance PEPEUSDT aggTrades           spot/daily/aggTrades/PEPEUSDT/PEPEUSDT-aggTrades-2024-10-27.zip
binance BTCUSDT trades               spot/monthly/trades/BTCUSDT/BTCUSDT-trades-2024-10.zip
binance-um BTCUSDT fundingRate       futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2024-10.zip
binance-um BTCUSDT markPriceKlines 1h futures/um/monthly/markPriceKlines/BTCUSDT/1h/BTCUSDT-1h-2024-10.zip
binance-um BTCUSDT_240628 trades     futures/um/monthly/trades/BTCUSDT_240628/BTCUSDT_240628-trades-2024-05.zip
"""


@pytest.mark.parametrize("line", PATHS.strip().splitlines())
def test_paths(line):
    *series, path = line.split()
    period = re.search(r"-(\d{4}-\d{2}(-\d{2})?)\.zip$", path)[1]
    assert ArchiveSeries(*series).path(period) == f"data/{path}"


@pytest.mark.parametrize(
    ("series", "message"),
    [
        (("kraken", "BTCUSDT", "klines", "1h"), "no venue 'kraken'; it has binance, binance-um"),
        (("binance", "BTCUSDT", "fundingRate"), "binance has no 'fundingRate'; it has klines, aggTrades, trades"),
        (("binance", "BTCUSDT", "klines"), "klines need an interval"),
        (("binance", "BTCUSDT", "klines", "soon"), "interval 'soon' is not"),
        (("binance", "BTCUSDT", "trades", "1h"), "trades have no interval"),
        (("binance", "../../etc", "trades"), "symbol '../../etc' is not"),
        (("binance", "btcusdt", "trades"), "symbol 'btcusdt' is not"),
    ],
)
def test_what_the_archive_cannot_have_is_refused(series, message):
    with pytest.raises(MarketError, match=message):
        ArchiveSeries(*series)


@given(st.integers(0, 3000 * 24), st.integers(1, 400 * 24))
def test_periods_are_the_days_of_the_range_once_each_in_order(begin, length):
    start = parse_time("2017-01-01") + begin * HOUR
    stop = start + length * HOUR
    found = periods(start, stop)
    days = [day for period in found for day in (days_of(period) if is_month(period) else [period])]
    first, last = start // DAY, -(-stop // DAY)
    assert days == [str(np.datetime64(day, "D")) for day in range(first, last)]
    for period in found:
        if is_month(period):
            month = np.datetime64(period, "M")
            assert start <= month.astype("M8[ns]").astype(int)
            assert (month + 1).astype("M8[ns]").astype(int) <= stop


def test_only_months_where_there_are_no_days():
    begin, end = parse_time("2024-01-30"), parse_time("2024-03-01T08:00")
    assert periods(begin, end, monthly_only=True) == ["2024-01", "2024-02", "2024-03"]
    assert periods(end, begin) == []
