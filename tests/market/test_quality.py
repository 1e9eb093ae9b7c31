"""Each flaw, planted in clean bars at a known row, is found there and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_bars import random_bars

from market.bars import FIELDS
from market.errors import QualityError
from market.quality import QualityRules, check_bars, zero_volume_runs
from market.readers import read_bars
from market.time import DAY, MINUTE, format_time, parse_time

STEP = 15 * MINUTE
COUNT = 400


def codes(bars, interval=STEP):
    return {finding.code: finding.rows.tolist() for finding in check_bars(bars, interval).findings}


def planted(row, field, value):
    bars = random_bars(COUNT)
    bars[field][row] = value(bars, row) if callable(value) else value
    return bars


def test_clean_bars_have_no_findings():
    assert codes(random_bars(5000)) == {}
    assert codes(random_bars(5000, full=False)) == {}
    assert codes(random_bars(0)) == {}
    assert codes(random_bars(1)) == {}


FLAWS = [
    ("bad_price", "low", 0.0),
    ("bad_price", "open", -5.0),
    ("bad_price", "close", np.nan),
    ("bad_price", "high", np.inf),
    ("ohlc", "high", lambda bars, row: min(bars["open"][row], bars["close"][row]) - 0.01),
    ("ohlc", "low", lambda bars, row: bars["high"][row] + 1),
    ("bad_volume", "volume", -1.0),
    ("bad_volume", "volume", np.nan),
    ("bad_volume", "trade_count", -1.0),
    ("bad_volume", "quote_volume", np.inf),
    ("taker_volume", "taker_buy_volume", lambda bars, row: bars["volume"][row] * 1.001),
    ("vwap_range", "quote_volume", lambda bars, row: bars["volume"][row] * bars["high"][row] * 1.001),
    ("off_grid", "start", lambda bars, row: bars["start"][row] + 1),
    ("bad_end", "end", lambda bars, row: bars["end"][row] - 1),
]


@pytest.mark.parametrize(("code", "field", "value"), FLAWS)
@pytest.mark.parametrize("row", [0, 137, COUNT - 1])
def test_a_planted_flaw_is_found_at_its_row(code, field, value, row):
    found = codes(planted(row, field, value))
    assert found[code] == [row]
    # A flaw may imply others (a time off the grid shifts the end), never elsewhere than beside it.
    assert all(row <= other <= row + 1 for rows in found.values() for other in rows)
    assert np.isin(
        list(found), ["outlier", "ohlc", "off_grid", "bad_end", "gap", "taker_volume", "vwap_range", code]
    ).all()


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(8)), st.integers(0, 50))
def test_misordered_and_repeated_rows_against_brute_force(order, repeat):
    bars = random_bars(60)
    bars[10:18] = bars[10:18][list(order)]
    bars = np.insert(bars, 55, bars[repeat])
    starts = bars["start"].tolist()
    found = codes(bars)
    assert found.get("misordered", []) == [row for row in range(1, len(bars)) if starts[row] < starts[row - 1]]
    assert found["duplicate"] == [55]


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(1, 98), max_size=60))
def test_gaps_against_brute_force(missing):
    bars = random_bars(100)
    kept = np.delete(bars, sorted(missing))
    report = check_bars(kept, STEP)
    rows = [row for row in range(1, len(kept)) if kept["start"][row] - kept["start"][row - 1] > STEP]
    assert ("gap" in report) == bool(missing)
    if missing:
        lengths = [(kept["start"][row] - kept["start"][row - 1]) // STEP - 1 for row in rows]
        gap = report["gap"]
        assert (gap.rows.tolist(), gap.row, gap.time) == (rows, rows[0], kept["start"][rows[0]])
        plural = "s" if len(missing) > 1 else ""
        assert f"{len(missing)} bar{plural} missing; the longest is {max(lengths)} bar" in gap.message
        assert format_time(int(kept["start"][rows[int(np.argmax(lengths))]])) in gap.message


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=80))
def test_zero_volume_runs_against_brute_force(quiet):
    bars = random_bars(len(quiet))
    bars["volume"][quiet] = bars["quote_volume"][quiet] = bars["taker_buy_volume"][quiet] = 0.0
    runs, previous = [], False
    for row, one in enumerate(quiet):
        if one and not previous:
            runs.append([row, 0])
        if one:
            runs[-1][1] += 1
        previous = one
    starts, lengths = zero_volume_runs(bars)
    assert [list(run) for run in zip(starts.tolist(), lengths.tolist(), strict=True)] == runs
    report = check_bars(bars, STEP, QualityRules(long_run=3))
    long = [row for row, length in runs if length >= 3]
    assert [finding.rows.tolist() for finding in report.warnings if finding.code == "zero_volume_run"] == [long][
        : len(long)
    ]
    assert ("zero_volume" in report) == any(quiet)


def test_outliers_stand_out_of_the_spread_before_them():
    bars = random_bars(2000, full=False)
    for field in ("open", "high", "low", "close"):
        bars[field][1000] *= 1.2
    found = check_bars(bars, STEP)["outlier"]
    assert found.rows.tolist() == [1000, 1001]
    assert format_time(int(bars["start"][1000]))[:10] in found.message
    # What comes later does not change the verdict on a row: the window looks back.
    assert check_bars(bars[:1001], STEP)["outlier"].rows.tolist() == [1000]


def test_a_market_without_any_move_has_no_outliers():
    bars = random_bars(500, full=False)
    for field in ("open", "high", "low", "close"):
        bars[field] = 100.0
    assert codes(bars) == {}


SIGNED = (
    *("order_flow_imbalance", "multilevel_order_flow_imbalance", "funding_rate", "market_return", "market_breadth"),
    *("return_rank", "momentum_rank_24", "momentum_rank_96", "volatility_rank", "volume_rank"),
)


@pytest.mark.parametrize("field", FIELDS[FIELDS.index("spread") :])
def test_values_of_the_book_are_finite_and_not_negative_unless_signed(field):
    bars = random_bars(20)
    bars[field] = 0.0
    assert codes(bars) == {}
    bars[field][7] = np.inf
    bars[field][9] = -1e-9
    signed = field in SIGNED
    assert codes(bars) == {"bad_book": [7] if signed else [7, 9]}
    assert f"({field} inf)" in check_bars(bars, STEP)["bad_book"].message


def test_weeks_start_on_monday():
    monday = parse_time("2024-12-30")
    assert codes(random_bars(10, interval=7 * DAY, start=monday), 7 * DAY) == {}
    assert "off_grid" in codes(random_bars(10, interval=7 * DAY, start=monday + DAY), 7 * DAY)


def test_errors_come_first_and_refuse_with_the_line():
    bars = np.delete(planted(50, "low", -1.0), 20)
    report = check_bars(bars, STEP)
    severities = [finding.severity for finding in report.findings]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
    assert set(severities) >= {"error", "warning"}
    with pytest.raises(QualityError, match=r"prices\.csv: error bad_price: line 51, .*low -1\.0.* Nothing was stored"):
        report.raise_if_bad("prices.csv", np.arange(2, 2 + len(bars)))
    check_bars(np.delete(random_bars(50), 20), STEP).raise_if_bad("prices.csv")


def test_repeats_say_whether_they_agree():
    bars = random_bars(30)
    same = np.insert(bars, 20, bars[5])
    other = same.copy()
    other["volume"][20] += 1
    assert "15 rows earlier, with the same values" in check_bars(same, STEP)["duplicate"].message
    assert "15 rows earlier, with different values" in check_bars(other, STEP)["duplicate"].message


@pytest.mark.real_data
def test_the_outage_of_march_2023_is_found(real_data):
    """11:30 to 12:35 flat without volume, 12:40 to 13:55 absent, in the 5-minute file."""
    read = read_bars(real_data / "klines" / "spot-5m" / "BTCUSDT-5m-20230101-20231230.parquet")
    report = check_bars(read.bars, read.interval)
    assert not report.errors
    assert (report["gap"].count, format_time(report["gap"].time)) == (1, "2023-03-24T14:00:00Z")
    assert "16 bars missing" in report["gap"].message
    assert format_time(report["zero_volume_run"].time) == "2023-03-24T11:30:00Z"
    assert report["zero_volume"].count == 14
    assert report["gap"].row == report["zero_volume_run"].row + 14


@pytest.mark.real_data
def test_the_hole_of_october_2024_in_fil_is_found(real_data):
    read = read_bars(real_data / "klines" / "um-futures-1m" / "FILUSDT-1m-2024-10.csv.gz")
    report = check_bars(read.bars, read.interval)
    assert not report.errors
    starts, lengths = zero_volume_runs(read.bars)
    longest = int(np.argmax(lengths))
    assert (lengths[longest], format_time(int(read.bars["start"][starts[longest]]))) == (74, "2024-10-28T20:00:00Z")
    assert "the longest is 74 from 2024-10-28T20:00:00Z" in report["zero_volume_run"].message


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "count"), [("NEARUSDT-1m-2023-09", 144), ("ALGOUSDT-1m-2023-02", 13)])
def test_quiet_minutes_of_thin_perpetuals_are_counted(real_data, name, count):
    read = read_bars(real_data / "klines" / "um-futures-1m" / f"{name}.csv.gz")
    assert check_bars(read.bars, read.interval)["zero_volume"].count == count
