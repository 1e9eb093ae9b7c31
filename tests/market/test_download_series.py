"""From the archive into the lake: only what is new, nothing half stored."""

from __future__ import annotations

import numpy as np
import pytest
from archive_server import SPOT, Archive, serving
from bar_twins import random_trades
from market_bars import random_bars, tree, zipped
from trade_files import file_text

from market.download.archive import Wanted
from market.download.client import Client
from market.download.layout import ArchiveSeries
from market.download.series import download_series, end_of, lake_key
from market.errors import DownloadError
from market.lake import Lake
from market.time import DAY, HOUR, parse_time
from market.trades.lake import TradeLake
from market.trades.read import read_trades

ETHER = ArchiveSeries("binance", "ETHUSDT", "klines", "15m")
START, STOP = parse_time("2025-01-01"), parse_time("2025-03-01")


@pytest.fixture
def archive():
    with serving(Archive()) as served:
        yield served


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "downloads"


@pytest.fixture(scope="module")
def bars():
    return random_bars(59 * 96, start=START)


def download(archive, lake, folder, *series, start=START, stop=STOP, **settings):
    client = Client(archive.url, rate=10_000, backoff=0.001, timeout=5.0)
    return download_series(client, [Wanted(one, start, stop) for one in series], folder, lake, **settings)


def test_the_lake_has_the_published_bars_bit_for_bit(archive, lake, folder, bars):
    archive.put_bars(SPOT, bars, "2025-01", unit="us")  # spot archives since 2025
    archive.put_bars(SPOT, bars, "2025-02", days=True, unit="us")
    steps = []
    (one,) = download(archive, lake, folder, SPOT, progress=lambda what, done: steps.append(done))
    assert one.added == len(bars)
    assert lake.read(lake_key(SPOT)).tobytes() == bars.tobytes()
    assert len(steps) > 29
    assert min(steps) >= 0.0
    assert max(steps) == steps[-1] == 1.0
    names = [record.source.name for record in lake.provenance()]
    assert names[0] == "BTCUSDT-15m-2025-01.zip"
    assert len(names) == 1 + 28


def test_again_fetches_and_changes_nothing_even_without_the_files(archive, lake, folder, bars):
    archive.put_bars(SPOT, bars, "2025-01")
    archive.put_bars(SPOT, bars, "2025-02")
    download(archive, lake, folder, SPOT)
    before, fetched = tree(lake.root), len(archive.fetched())
    for path in folder.rglob("*.zip"):
        path.unlink()
    (one,) = download(archive, lake, folder, SPOT)
    assert (one.added, one.arrived.known, one.arrived.files) == (0, 2, ())
    assert len(archive.fetched()) == fetched == 2
    assert tree(lake.root) == before


def test_what_the_lake_lost_is_fetched_again(archive, lake, folder, bars):
    archive.put_bars(SPOT, bars, "2025-01")
    archive.put_bars(SPOT, bars, "2025-02")
    download(archive, lake, folder, SPOT)
    (lake.root / lake_key(SPOT).folder / "month=2025-01.parquet").unlink()
    (one,) = download(archive, lake, folder, SPOT)
    assert (one.added, one.arrived.known) == (31 * 96, 1)
    assert lake.read(lake_key(SPOT)).tobytes() == bars.tobytes()


def test_an_update_goes_on_where_the_series_ends(archive, lake, folder, bars):
    early = bars[bars["start"] < parse_time("2025-02-10")]
    archive.put_bars(SPOT, bars, "2025-01")
    archive.put_bars(SPOT, early, "2025-02", days=True)
    download(archive, lake, folder, SPOT)
    end = end_of(lake, lake_key(SPOT))
    assert end == parse_time("2025-02-10")
    archive.put_bars(SPOT, bars, "2025-02", days=True)
    archive.requests.clear()
    (one,) = download(archive, lake, folder, SPOT, start=end)
    assert one.added == 19 * 96
    assert {path.partition(".CHECKSUM")[0] for path, _ in archive.requests} == {
        SPOT.path(f"2025-02-{day:02}") for day in range(10, 29)
    }
    assert lake.read(lake_key(SPOT)).tobytes() == bars.tobytes()


def test_there_is_nothing_to_update_in_an_empty_lake(lake):
    with pytest.raises(DownloadError, match=r"binance BTCUSDT 15m bars is not in the lake .*; say from when"):
        end_of(lake, lake_key(SPOT))


def test_a_refused_file_stores_nothing_of_its_series_and_all_of_the_others(archive, lake, folder, bars):
    bad = bars.copy()
    bad["low"][40 * 96] = -1.0
    archive.put_bars(SPOT, bars, "2025-01")
    archive.put_bars(SPOT, bad, "2025-02")
    for month in ("2025-01", "2025-02"):
        archive.put_bars(ETHER, bars, month)
    spot, ether = download(archive, lake, folder, SPOT, ETHER)
    assert "1 of 2 files were refused and nothing was stored" in spot.refused
    assert "bad_price" in spot.refused
    assert (spot.added, ether.added, ether.refused) == (0, len(bars), None)
    assert [info.key for info in lake.list()] == [lake_key(ETHER)]


def test_a_failed_download_stores_nothing_at_all(archive, lake, folder, bars):
    archive.put_bars(SPOT, bars, "2025-01")
    paths = archive.put_bars(SPOT, bars, "2025-02")
    archive.put(paths[0], archive.files[paths[0]], checksum="0" * 64)
    with pytest.raises(DownloadError, match=r"BTCUSDT-15m-2025-02\.zip: has SHA-256"):
        download(archive, lake, folder, SPOT)
    assert not lake.root.exists()


def test_a_published_correction_is_refused_unless_it_may_replace(archive, lake, folder, bars):
    archive.put_bars(SPOT, bars, "2025-01")
    download(archive, lake, folder, SPOT, stop=START + 31 * DAY)
    corrected = bars.copy()
    corrected["volume"][100] += 1
    corrected["vwap"][100] = corrected["quote_volume"][100] / corrected["volume"][100]
    archive.put_bars(SPOT, corrected, "2025-01")
    (one,) = download(archive, lake, folder, SPOT, stop=START + 31 * DAY)
    assert "the bar at 2025-01-02T01:00:00Z is stored with volume" in one.refused
    (one,) = download(archive, lake, folder, SPOT, stop=START + 31 * DAY, replace=True)
    assert one.report.series[0].written.changed == 1
    assert lake.read(lake_key(SPOT)).tobytes() == corrected[: 31 * 96].tobytes()


def test_fundings_and_mark_prices_come_the_same_way(archive, lake, folder, bars):
    """Fundings have monthly files only; of a month that is not over there are none."""
    rates = ArchiveSeries("binance-um", "BTCUSDT", "fundingRate")
    marks = ArchiveSeries("binance-um", "BTCUSDT", "markPriceKlines", "15m")
    lines = [f"{(START + n * 8 * HOUR) // 10**6 + 3},8,{n}e-6" for n in range(31 * 3)]
    header = "calc_time,funding_interval_hours,last_funding_rate"
    archive.put(rates.path("2025-01"), zipped("\n".join([header, *lines]) + "\n"))
    still = bars.copy()
    for name in ("volume", "quote_volume", "taker_buy_volume"):
        still[name] = 0.0
    archive.put_bars(marks, still, "2025-01")
    archive.put_bars(marks, still, "2025-02", days=True)
    one, two = download(archive, lake, folder, rates, marks, stop=parse_time("2025-02-20"))
    assert (one.added, one.arrived.absent) == (93, ("2025-02",))
    assert (two.added, two.refused) == ((31 + 19) * 96, None)
    stored = lake.read(lake_key(rates))
    assert stored["funding_rate"].tolist() == [float(f"{n}e-6") for n in range(93)]
    assert stored["start"][0] == START + 3_000_000
    marked = lake.read(lake_key(marks))
    assert marked["close"].tolist() == bars["close"][: 50 * 96].tolist()
    assert np.isnan(marked["volume"]).all()
    again = download(archive, lake, folder, rates, marks, stop=parse_time("2025-02-20"))
    assert [(each.added, each.arrived.files) for each in again] == [(0, ()), (0, ())]


@pytest.mark.real_data
def test_a_real_day_of_trades_comes_into_the_lake_once(archive, lake, folder, real_data):
    series, day = ArchiveSeries("binance", "PEPEUSDT", "aggTrades"), "2024-10-27"
    path = real_data / "trades" / f"spot-PEPEUSDT-aggTrades-{day}.zip"
    archive.put(series.path(day), path.read_bytes())
    begin, trades = parse_time(day), TradeLake(lake.root)
    (one,) = download(archive, lake, folder, series, start=begin, stop=begin + DAY)
    assert (one.added, one.refused) == (57_229, None)
    assert trades.read(lake_key(series)).tobytes() == read_trades(path).trades.tobytes()
    assert end_of(lake, lake_key(series)) == trades.read(lake_key(series))["time"][-1]
    assert lake.list() == []
    stored = tree(lake.root)
    (again,) = download(archive, lake, folder, series, start=begin, stop=begin + DAY)
    assert (again.added, again.arrived.known, again.report) == (0, 1, None)
    assert len(archive.fetched()) == 1
    assert tree(lake.root) == stored


def test_trades_are_stored_up_to_the_file_that_is_refused(archive, lake, folder):
    """A month is published as days; the second day lacks an id."""
    series, trades = ArchiveSeries("binance-um", "BTCUSDT", "trades"), random_trades(900, 3, counts=False)
    trades["time"] = START + np.arange(900) * (DAY // 300)
    parts = np.split(trades, 3)
    parts[1] = np.delete(parts[1], 100)
    for number, part in enumerate(parts, 1):
        content = zipped(file_text(part, "futures_trades", header=True))
        archive.put(series.path(f"2025-01-0{number}"), content)
    stop = START + 3 * DAY
    (one,) = download(archive, lake, folder, series, stop=stop)
    assert "BTCUSDT-trades-2025-01-02.zip: error id_gap" in one.refused
    assert one.added == 300
    key, store = lake_key(series), TradeLake(lake.root)
    assert store.read(key).tobytes() == parts[0].tobytes()
    (two,) = download(archive, lake, folder, series, stop=stop, gaps="report")
    assert (two.added, two.arrived.known, two.refused) == (599, 1, None)
    assert "warning id_gap" in two.report.text()
    assert [gap.missing for gap in store.gaps(key)] == [1]
    (lake.root / key.folder / "day=2025-01-01.parquet").unlink()
    (three,) = download(archive, lake, folder, series, stop=stop, gaps="report")
    assert (three.added, three.arrived.known) == (300, 2)


@pytest.mark.real_data
def test_the_archive_s_own_zips(archive, lake, folder, real_data):
    """Files byte for byte as published, spot and futures, under the paths where they were published."""
    day, key = "2024-10-28", {"spot": "binance", "futures-um": "binance-um"}
    series = [ArchiveSeries(venue, "BTCUSDT", "klines", "1h") for venue in key.values()]
    for name, one in zip(key, series, strict=True):
        path = real_data / "klines" / "vision-zip" / f"{name}-klines-BTCUSDT-1h-{day}.zip"
        archive.put(one.path(day), path.read_bytes())
    begin = parse_time(day)
    spot, perpetual = download(archive, lake, folder, *series, start=begin, stop=begin + DAY)
    assert (spot.added, perpetual.added) == (24, 24)
    closes = lake.read(lake_key(series[0]))["close"], lake.read(lake_key(series[1]))["close"]
    assert closes[0][0] == 67859.91
    assert closes[1][0] == 67835.2
    assert np.abs(closes[0] / closes[1] - 1).max() < 0.002
