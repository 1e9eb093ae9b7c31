"""``bot4 data download`` against an archive on loopback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

sys.path.append(str(Path(__file__).resolve().parent.parent / "market"))
from archive_server import SPOT, Archive, serving
from exchange_server import FakeExchange
from exchange_server import serving as exchange_serving
from market_bars import random_bars

from market.lake import Lake, SeriesKey
from market.time import parse_time
from pipelines.cli import app

RUNNER = CliRunner()
KEY = SeriesKey("binance", "BTCUSDT", interval="15m")


@pytest.fixture
def archive(monkeypatch):
    with serving(Archive()) as served:
        monkeypatch.setenv("BOT4_ARCHIVE_URL", served.url)
        yield served


@pytest.fixture(scope="module")
def bars():
    return random_bars(59 * 96, start=parse_time("2025-01-01"))


def run(workspace, *arguments):
    arguments = ["data", "download", "--workspace", workspace, "--rate", 1000, *arguments]
    return RUNNER.invoke(app, [str(argument) for argument in arguments], prog_name="bot4")


def test_download_again_and_update(archive, bars, tmp_path):
    archive.put_bars(SPOT, bars, "2025-01")
    first = run(tmp_path, "--venue", "binance", "BTCUSDT", "--interval", "15m", "--from", "2025-01", "--to", "2025-02")
    assert first.exit_code == 0, first.output
    assert "binance BTCUSDT klines 15m: 1 files fetched, 0 known, 2,976 new bars" in first.stdout
    assert "BTCUSDT-15m-2025-01.zip -> binance BTCUSDT 15m bars: 2976 bars" in first.stdout
    assert "downloading" in first.stderr
    assert "%" in first.stderr
    again = run(tmp_path, "--venue", "binance", "BTCUSDT", "--interval", "15m", "--from", "2025-01", "--to", "2025-02")
    assert "0 files fetched, 1 known, 0 new bars" in again.stdout
    archive.put_bars(SPOT, bars[:-96], "2025-02", days=True)
    updated = run(tmp_path, "--venue", "binance", "BTCUSDT", "--interval", "15m", "--update", "--to", "2025-03")
    assert updated.exit_code == 0, updated.output
    assert "27 files fetched, 0 known, 2,592 new bars" in updated.stdout
    assert "not published: 1 from 2025-02-28 to 2025-02-28" in updated.stdout
    assert Lake(tmp_path / "lake").read(KEY).tobytes() == bars[:-96].tobytes()
    assert len(archive.fetched()) == 1 + 27


def test_a_refused_series_is_named_and_the_exit_code_says_so(archive, bars, tmp_path):
    bad = bars.copy()
    bad["high"][5] = bad["low"][5] / 2
    archive.put_bars(SPOT, bad, "2025-01")
    done = run(tmp_path, "--venue", "binance", "BTCUSDT", "--interval", "15m", "--from", "2025-01", "--to", "2025-02")
    assert done.exit_code == 2
    assert "REFUSED  binance BTCUSDT klines 15m" in done.stdout
    assert "ohlc" in done.stdout
    assert Lake(tmp_path / "lake").list() == []


def test_an_exchange_through_ccxt_and_its_update(tmp_path):
    bars = random_bars(40 * 96, start=parse_time("2025-01-01"), full=False)
    with exchange_serving(FakeExchange(bars)) as exchange:
        common = ("--venue", "ccxt:bitstamp", "BTC/USD", "--interval", "15m", "--base-url", exchange.url)
        first = run(tmp_path, *common, "--from", "2025-01", "--to", "2025-02")
        assert first.exit_code == 0, first.output
        assert "bitstamp BTC-USD 15m bars: 2,976 new bars, 0 known, 0 that the exchange did not give" in first.stdout
        assert "downloading" in first.stderr
        updated = run(tmp_path, *common, "--update", "--to", "2025-02-03")
        assert "bitstamp BTC-USD 15m bars: 192 new bars" in updated.stdout
        wrong = run(tmp_path, *common, "--kind", "trades", "--update")
        assert "from an exchange come klines" in wrong.stderr
    stored = Lake(tmp_path / "lake").read(SeriesKey("bitstamp", "BTC-USD", interval="15m"))
    assert stored.tobytes() == bars[: 33 * 96].tobytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--venue", "binance", "--interval", "15m"], "say from when with --from, or"),
        (["--venue", "binance", "--interval", "15m", "--update", "--from", "2025-01"], "say from when with --from, or"),
        (["--venue", "binance", "--from", "2025-01"], "klines need an interval, such as 15m"),
        (["--venue", "nowhere", "--from", "2025-01"], "no venue 'nowhere'"),
        (["--venue", "binance", "--kind", "sunspots", "--from", "2025-01"], "has no 'sunspots'"),
        (["--venue", "binance", "--interval", "15m", "--update"], "is not in the lake"),
        (["--venue", "binance", "--interval", "15m", "--from", "soon"], "time 'soon' is not ISO 8601"),
        (["--venue", "binance", "--interval", "15m", "--from", "2025-02", "--to", "2025-02"], "is not before"),
        (["--venue", "binance", "--interval", "15m", "--from", "2025-01", "--to", "2025-02"], "has no files of"),
    ],
)
def test_what_cannot_be_is_explained(archive, tmp_path, arguments, message):
    done = run(tmp_path, "BTCUSDT", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.output
