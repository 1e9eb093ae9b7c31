"""``bot4 data`` with trades: imported whole or not at all, listed, checked, downloaded."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

sys.path.append(str(Path(__file__).resolve().parent.parent / "market"))
from archive_server import Archive, serving
from bar_twins import random_trades
from market_bars import put, tree, zipped
from trade_files import file_text

from market.download.layout import ArchiveSeries
from market.time import DAY, parse_time
from market.trades.lake import TradeLake, trade_key
from market.trades.read import read_trades
from pipelines.cli import app

RUNNER = CliRunner()
KEY = trade_key("binance", "BTCUSDT")


def run(*arguments):
    return RUNNER.invoke(app, ["data", *map(str, arguments)], prog_name="bot4")


def add(workspace, *arguments):
    return run("import", "--kind", "trades", "--venue", "binance", "--workspace", workspace, *arguments)


@pytest.fixture
def days(tmp_path):
    """Three daily files of one series, with their trades."""
    trades = random_trades(900, 1, counts=False)
    trades["time"] = parse_time("2025-01-01") + np.arange(900) * (DAY // 300)
    names = [f"BTCUSDT-trades-2025-01-0{day}.csv" for day in (1, 2, 3)]
    parts = np.split(trades, 3)
    layouts = [("ms", False), ("us", True), ("us", False)]
    texts = [file_text(part, "spot_trades", *how) for part, how in zip(parts, layouts, strict=True)]
    return trades, [put(tmp_path, name, text) for name, text in zip(names, texts, strict=True)]


def test_files_of_milliseconds_and_microseconds_become_one_series(tmp_path, days):
    trades, files = days
    done = add(tmp_path, *files)
    assert done.exit_code == 0, done.output
    assert "900 new trades from 3 files" in done.output
    assert f"{files[0].name} -> {KEY}: 300 trades (300 new, 0 changed, 0 known)" in done.output
    assert TradeLake(tmp_path / "lake").read(KEY).tobytes() == trades.tobytes()
    before = tree(tmp_path / "lake")
    again = add(tmp_path, *reversed(files))
    assert "0 new trades from 3 files" in again.output
    assert tree(tmp_path / "lake") == before


def test_series_of_trades_are_listed_beside_bars_with_the_ids_they_lack(tmp_path, days):
    _, (first, second, third) = days
    add(tmp_path, first, third)
    listed = run("list", "--workspace", tmp_path).output.splitlines()
    assert listed[1].split()[:6] == ["binance", "BTCUSDT", "trades", "600", "300", "ids"]
    assert "2025-01-01T00:00:00Z  2025-01-03T23:55:12Z" in listed[1]
    assert listed[1].endswith("ids 5 to 904")
    add(tmp_path, second)
    assert "900   0 ids" in run("list", "--workspace", tmp_path).output


@pytest.mark.parametrize("flaw", ["gap", "price", "contradiction"])
def test_one_bad_file_stores_nothing_of_any(tmp_path, days, flaw):
    trades, files = days
    assert add(tmp_path, files[0]).exit_code == 0
    before = tree(tmp_path / "lake")
    spoiled = trades[300:600].copy()
    if flaw == "gap":
        spoiled = np.delete(spoiled, 7)
    elif flaw == "price":
        spoiled["price"][7] = -1.0
    else:
        spoiled = trades[:300].copy()
        spoiled["quantity"][7] += 1.0
    bad = put(tmp_path, "BTCUSDT-trades-bad.csv", file_text(spoiled, "spot_trades", "us"))
    done = add(tmp_path, files[2], bad, "--quarantine", tmp_path / "aside")
    assert done.exit_code == 2
    assert bad.name in done.stderr
    assert "Traceback" not in done.output
    assert tree(tmp_path / "lake") == before
    if flaw == "contradiction":
        assert "trade 12 is stored as" in done.stderr
        assert add(tmp_path, bad, "--replace").exit_code == 0
    else:
        assert (tmp_path / "aside" / f"{bad.name}.txt").read_text().startswith(str(bad))


def test_left_out_ids_are_reported_when_told(tmp_path, days):
    trades, _ = days
    path = put(tmp_path, "BTCUSDT-trades-gap.csv", file_text(np.delete(trades, 7), "spot_trades", "us"))
    assert "REFUSED" in run("check", "--kind", "trades", path).output
    told = run("check", "--kind", "trades", "--gaps", "report", path)
    assert told.exit_code == 0
    assert "warning id_gap: line 8" in told.output
    done = add(tmp_path, path, "--gaps", "report")
    assert "899 new trades from 1 file" in done.output
    assert "warning id_gap" in done.output


def test_check_stores_nothing_and_counts_what_would_be_refused(tmp_path, days):
    trades, files = days
    bad = put(tmp_path, "BTCUSDT-trades-bad.csv", file_text(trades[::-1], "spot_trades", "us"))
    odd = put(tmp_path, "odd.csv", "this is\nno table\n")
    done = run("check", "--kind", "trades", *files, bad, odd)
    assert done.exit_code == 2
    assert "3 of 5 files would be imported" in done.output
    assert f"ok       {files[0]}: BTCUSDT, 300 rows of trades" in done.output
    assert not (tmp_path / "lake").exists()


def test_files_without_ids_are_numbered_on(tmp_path):
    names = ("ES-1.csv", "ES-2.csv")
    text = "time,price,size\n2025-01-0{}T00:00:01,5.0,1\n2025-01-0{}T00:00:01,5.0,1\n"
    files = [put(tmp_path, name, text.format(day, day)) for day, name in enumerate(names, 1)]
    assert "give the number of the first one" in add(tmp_path, "--instrument", "ES", *files).stderr
    done = add(tmp_path, "--instrument", "ES", "--number-from", 10, *files)
    assert done.exit_code == 0, done.output
    assert TradeLake(tmp_path / "lake").read(trade_key("binance", "ES"))["id"].tolist() == [10, 11, 12, 13]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kind", "trades", "--interval", "1m"], "trades have no --interval"),
        (["--kind", "trades", "--format", "csv"], "trades have no --interval, and their files no --format"),
        (["--number-from", "3"], "--number-from numbers trades, not bars"),
    ],
)
def test_options_of_other_kinds_are_refused(tmp_path, days, arguments, message):
    done = run("import", "--venue", "v", "--workspace", tmp_path, *arguments, days[1][0])
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize(("kind", "layout"), [("trades", "futures_trades"), ("aggTrades", "futures_agg")])
def test_download_and_update(tmp_path, monkeypatch, kind, layout):
    trades = random_trades(900, 1, counts=kind == "aggTrades")
    trades["time"] = parse_time("2025-01-01") + np.arange(900) * (DAY // 300)
    series = ArchiveSeries("binance-um", "BTCUSDT", kind)
    with serving(Archive()) as archive:
        monkeypatch.setenv("BOT4_ARCHIVE_URL", archive.url)
        for day, part in zip(("01", "02", "03"), np.split(trades, 3), strict=True):
            archive.put(series.path(f"2025-01-{day}"), zipped(file_text(part, layout, header=True)))
        common = ("--venue", "binance-um", "BTCUSDT", "--kind", kind, "--workspace", tmp_path, "--rate", 1000)
        first = run("download", *common, "--from", "2025-01-01", "--to", "2025-01-03")
        assert first.exit_code == 0, first.output
        assert f"binance-um BTCUSDT {kind}: 2 files fetched, 0 known, 600 new trades" in first.stdout
        updated = run("download", *common, "--update", "--to", "2025-01-04")
        assert updated.exit_code == 0, updated.output
        assert f"binance-um BTCUSDT {kind}: 1 files fetched, 1 known, 300 new trades" in updated.stdout
    key = trade_key("binance-um", "BTCUSDT", "agg_trades" if kind == "aggTrades" else "trades")
    assert TradeLake(tmp_path / "lake").read(key).tobytes() == trades.tobytes()


@pytest.mark.real_data
def test_real_archives_of_trades(tmp_path, real_data):
    names = ("spot-PEPEUSDT-aggTrades-2024-10-27.zip", "XRPETH-aggTrades-20191011-20191013.csv.gz")
    files = [real_data / "trades" / name for name in names]
    done = add(tmp_path, *files)
    assert done.exit_code == 0, done.output
    assert "69,706 new trades from 2 files" in done.output
    lake = TradeLake(tmp_path / "lake")
    for symbol, path in zip(("PEPEUSDT", "XRPETH"), files, strict=True):
        assert lake.read(trade_key("binance", symbol, "agg_trades")).tobytes() == read_trades(path).trades.tobytes()
    assert "0 new trades" in add(tmp_path, *files).output
