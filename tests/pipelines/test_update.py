"""A run's bars are brought up to date from its venue, and nothing is fetched twice."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent / "market"))
from archive_server import SPOT, Archive, serving
from exchange_server import FakeExchange
from exchange_server import serving as exchange_serving
from market_bars import random_bars

from market.errors import DownloadError
from market.lake import Lake, SeriesKey
from market.time import DAY, parse_time
from pipelines.config import DataConfig
from pipelines.errors import ConfigError, StageError
from pipelines.update import UpdateConfig, update_lake

KEY = SeriesKey("binance", "BTCUSDT", interval="15m")
DATA = DataConfig(symbols=("BTCUSDT",), interval="15m")
UNTIL = parse_time("2025-03-01")


@pytest.fixture(scope="module")
def bars():
    return random_bars(59 * 96, start=parse_time("2025-01-01"))


@pytest.fixture
def archive():
    with serving(Archive()) as served:
        yield served


def update(archive, tmp_path, until=UNTIL, **options):
    config = UpdateConfig(base_url=archive.url, rate=1000.0, **options)
    return update_lake(DATA, config, Lake(tmp_path / "lake"), tmp_path / "downloads", until)


def test_a_lake_is_brought_up_to_date_once(archive, bars, tmp_path):
    Lake(tmp_path / "lake").write(KEY, bars[: 31 * 96])
    archive.put_bars(SPOT, bars, "2025-02", days=True)
    assert update(archive, tmp_path, until=UNTIL - DAY) == 27 * 96
    assert update(archive, tmp_path) == 96
    fetched = len(archive.fetched())
    assert update(archive, tmp_path) == 0
    assert len(archive.fetched()) == fetched == 28
    assert Lake(tmp_path / "lake").read(KEY).tobytes() == bars.tobytes()


def test_a_series_that_is_not_there_needs_a_beginning(archive, bars, tmp_path):
    archive.put_bars(SPOT, bars, "2025-01")
    archive.put_bars(SPOT, bars, "2025-02", days=True)
    with pytest.raises(DownloadError, match="not in the lake"):
        update(archive, tmp_path)
    assert update(archive, tmp_path, start="2025-01-01") == len(bars)
    assert update(archive, tmp_path, start="2024-01-01") == 0, "what is there goes on where it ends"


def test_bars_that_fail_a_gate_are_not_stored(archive, bars, tmp_path):
    bad = bars.copy()
    bad["high"][-5] = bad["low"][-5] / 2
    Lake(tmp_path / "lake").write(KEY, bars[: 31 * 96])
    archive.put_bars(SPOT, bad, "2025-02", days=True)
    with pytest.raises(StageError, match="new bars were refused: binance BTCUSDT klines 15m"):
        update(archive, tmp_path)
    assert len(Lake(tmp_path / "lake").read(KEY)) == 31 * 96


def test_another_venue_is_asked_through_ccxt(tmp_path):
    bars = random_bars(40 * 96, start=parse_time("2025-01-01"), full=False)
    data = DataConfig(symbols=("BTC-USD",), interval="15m", venue="bitstamp")
    lake = Lake(tmp_path / "lake")
    with exchange_serving(FakeExchange(bars)) as exchange:
        config = UpdateConfig(start="2025-01-01", base_url=exchange.url, rate=1000.0)
        assert update_lake(data, config, lake, tmp_path, parse_time("2025-02-01")) == 31 * 96
        assert update_lake(data, config, lake, tmp_path, parse_time("2025-02-05")) == 4 * 96
        assert update_lake(data, config, lake, tmp_path, parse_time("2025-02-05")) == 0
    assert len(lake.read(SeriesKey("bitstamp", "BTC-USD", interval="15m"))) == 35 * 96


@pytest.mark.parametrize(
    "data",
    [
        DataConfig(symbols=("BTC",), interval="30m", source="embedded"),
        DataConfig(symbols=("BTCUSDT",), interval="dollar-1000000"),
    ],
)
def test_what_comes_from_no_venue_is_not_updated(data, tmp_path):
    with pytest.raises(ConfigError, match="fetches bars of a clock"):
        update_lake(data, UpdateConfig(), Lake(tmp_path / "lake"), tmp_path, UNTIL)


def test_a_rate_that_cannot_be_is_named():
    with pytest.raises(ValueError, match=r"rate is 0\.0"):
        UpdateConfig(rate=0.0)
