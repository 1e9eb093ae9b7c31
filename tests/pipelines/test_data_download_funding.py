"""``bot4 data import --kind`` and ``bot4 data funding``: from files of fundings to bars that carry them."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from market.lake import Lake, SeriesKey
from pipelines.cli import app

RUNNER = CliRunner()
BEGIN, STEP = 1_735_689_600_000, 900_000


def run(*arguments):
    return RUNNER.invoke(app, ["data", *map(str, arguments)], prog_name="bot4")


@pytest.fixture
def lake(tmp_path):
    """A day of bars, and the files of its fundings and mark prices."""
    klines = [f"{BEGIN + n * STEP},100,101,99,100,5,{BEGIN + (n + 1) * STEP - 1},500,12,2,200,0" for n in range(96)]
    (tmp_path / "BTCUSDT-15m-2025-01.csv").write_text("\n".join(klines) + "\n")
    rates = [f"{BEGIN + n * 8 * 3_600_000},8,{n + 1}e-4" for n in range(4)]
    header = "calc_time,funding_interval_hours,last_funding_rate"
    (tmp_path / "BTCUSDT-fundingRate-2025-01.csv").write_text("\n".join([header, *rates]) + "\n")
    (tmp_path / "BTCUSDT-15m-mark.csv").write_text("\n".join(klines) + "\n")
    for kind, name in (("bars", "15m-2025-01"), ("funding", "fundingRate-2025-01"), ("mark", "15m-mark")):
        options = ("--venue", "binance-um", "--kind", kind, "--lake", tmp_path / "lake")
        done = run("import", *options, tmp_path / f"BTCUSDT-{name}.csv")
        assert done.exit_code == 0, done.output
        assert f"new {'fundings' if kind == 'funding' else 'bars'} from 1 file" in done.output
    return tmp_path / "lake"


def test_bars_carry_what_was_published(lake):
    done = run("funding", "--venue", "binance-um", "BTCUSDT", "--interval", "15m", "--lake", lake)
    assert done.exit_code == 0, done.output
    told = "of 96 bars 96 have a funding rate, 95 the time to the next funding, 96 a mark price (96 changed)"
    assert told in done.output
    bars = Lake(lake).read(SeriesKey("binance-um", "BTCUSDT", interval="15m"))
    assert bars["funding_rate"][[0, 30, 31, 95]].tolist() == [1e-4, 1e-4, 2e-4, 4e-4]
    assert bars["funding_in"][[0, 30, 31]].tolist() == [8 * 3600 - 900, 900, 8 * 3600]
    rows = [line.split() for line in run("list", "--lake", lake).output.splitlines()[1:]]
    assert [row[2] for row in rows] == ["15m", "irregular", "15m"]
    assert rows[1][3:5] == ["funding", "4"]
    assert rows[1][-1] == "funding_rate"
    assert rows[0][-1] == "mark_price"


def test_without_fundings_it_says_what_is_missing(lake):
    done = run("funding", "--venue", "binance-um", "ETHUSDT", "--interval", "15m", "--lake", lake)
    assert done.exit_code == 2
    assert "neither fundings nor mark prices of binance-um ETHUSDT" in done.stderr
