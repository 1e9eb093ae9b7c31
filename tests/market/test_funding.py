"""Funding rates and mark prices: read, refused, joined by availability against a brute-force twin, never ahead."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_bars import put, random_bars, tree, zipped

from market.bars import empty_bars
from market.errors import LakeError, MarketError, QualityError, SourceError
from market.funding import join_funding, join_marks
from market.funding.check import LONGEST, check_funding
from market.funding.fill import fill_bars
from market.funding.marks import check_marks, read_marks
from market.funding.read import read_funding
from market.imports import import_files
from market.lake import Lake, SeriesKey
from market.lake.keys import IRREGULAR
from market.time import HOUR, MINUTE, SECOND, parse_time

START = parse_time("2024-12-30")
RATES = "um-funding-rate-20250306-20250624.parquet"
MARKS = "um-mark-price-8h-20250306-20250624.parquet"
ARCHIVE = """calc_time,funding_interval_hours,last_funding_rate
1735516800004,8,0.00010000
1735545600000,8,-0.00012345
1735574400011,4,0.00500000
"""


def fundings(times, rates=None):
    rows = empty_bars(len(times))
    rows["start"] = rows["end"] = times
    rows["funding_rate"] = np.arange(1, len(times) + 1) / 10_000 if rates is None else rates
    return rows


def bars_of(count, interval=15 * MINUTE):
    return random_bars(count, interval=interval, start=START)


def twin(bars, rows, delay, longest):
    """Bar by bar, looking at every funding."""
    rates, waits = [], []
    for end in bars["end"].tolist():
        past = [row for row in rows if row["start"] + delay <= end]
        passed = [row for row in rows if row["start"] <= end]
        coming = [row for row in rows if row["start"] > end]
        fresh = past and end - past[-1]["start"] <= longest
        rates.append(past[-1]["funding_rate"] if fresh else np.nan)
        whole = passed and coming and coming[0]["start"] - passed[-1]["start"] <= longest
        waits.append((coming[0]["start"] - end) / SECOND if whole else np.nan)
    return np.array(rates), np.array(waits)


STEPS = st.lists(st.sampled_from([HOUR, 4 * HOUR, 8 * HOUR, 8 * HOUR + 4_000_000, 20 * HOUR, 61 * SECOND]), max_size=12)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.integers(-3, 30), st.sampled_from([0, SECOND, 10 * MINUTE]), st.sampled_from([LONGEST, 4 * HOUR]))
def test_the_join_is_its_brute_force_twin(steps, first, delay, longest):
    times = START + first * HOUR + np.cumsum([0, *steps])
    bars, rows = bars_of(200), fundings(times)
    joined = join_funding(bars, rows, delay=delay, longest=longest)
    rates, waits = twin(bars, rows, delay, longest)
    np.testing.assert_array_equal(joined["funding_rate"], rates)
    np.testing.assert_array_equal(joined["funding_in"], waits)
    for name in bars.dtype.names:
        if name not in ("funding_rate", "funding_in"):
            np.testing.assert_array_equal(joined[name], bars[name])
    assert np.isnan(bars["funding_rate"]).all()


def test_a_rate_is_carried_from_its_publication_on_and_not_a_nanosecond_before():
    bars = empty_bars(3)
    bars["end"] = START + 8 * HOUR + np.array([-1, 0, 1])
    rows = fundings([START, START + 8 * HOUR])
    assert join_funding(bars, rows)["funding_rate"].tolist() == [0.0001, 0.0002, 0.0002]
    assert join_funding(bars, rows, delay=1)["funding_rate"].tolist() == [0.0001, 0.0001, 0.0002]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 199), st.integers(0, 2**32 - 1))
def test_no_bar_sees_a_rate_or_a_time_beyond_the_next_funding(row, seed):
    """Whatever happens to fundings after a bar's end: it keeps its rate; beyond the next one, it keeps every field."""
    rng = np.random.default_rng(seed)
    bars = bars_of(200)
    rows = fundings(START + np.cumsum(rng.choice([HOUR, 4 * HOUR, 8 * HOUR], 20)), rng.normal(0, 1e-4, 20))
    whole, end = join_funding(bars, rows)[: row + 1], int(bars["end"][row])
    future = rows["start"] > end
    perturbed = rows.copy()
    perturbed["funding_rate"][future] = rng.normal(0, 1e-3, int(future.sum()))
    assert join_funding(bars, perturbed)[: row + 1].tobytes() == whole.tobytes()
    past = join_funding(bars, rows[~future])[: row + 1]
    assert past["funding_rate"].tobytes() == whole["funding_rate"].tobytes()
    shown = rows[: int((~future).sum()) + 1]
    assert join_funding(bars, shown)[: row + 1].tobytes() == whole.tobytes()


def test_one_funding_told_by_two_sources_is_one():
    """A source that rounds times to the second and one that does not: the next funding is hours away, not 4 ms."""
    bars = bars_of(64)
    times = np.array([0, 8 * HOUR, 16 * HOUR]) + START
    both = np.sort(np.concatenate([times, times + 4_000_000]))
    doubled = fundings(both, np.repeat([1e-4, 2e-4, 3e-4], 2))
    once = join_funding(bars, fundings(times))
    assert join_funding(bars, doubled).tobytes() == once.tobytes()
    doubled["funding_rate"][3] = 9e-4
    with pytest.raises(MarketError, match=r"the funding at 2024-12-30T08:00:00Z has rate 0.0002, and 0.0009 less than"):
        join_funding(bars, doubled)


def test_fundings_out_of_order_are_refused():
    with pytest.raises(MarketError, match="fundings must increase in time, but the one at 2024-12-30T00:00:00Z"):
        join_funding(bars_of(3), fundings([START + HOUR, START]))


def test_without_fundings_or_bars_nothing_is_invented():
    joined = join_funding(bars_of(5), fundings([]))
    assert np.isnan(joined["funding_rate"]).all()
    assert len(join_funding(bars_of(0), fundings([START]))) == 0
    assert np.isnan(join_marks(bars_of(5), fundings([]))["mark_price"]).all()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([5, 15, 60]), st.sampled_from([None, HOUR, 5 * MINUTE]), st.integers(0, 2**32 - 1))
def test_marks_are_joined_as_the_twin_joins_them(minutes, age, seed):
    rng = np.random.default_rng(seed)
    marks = random_bars(60, seed=seed % 100, interval=minutes * MINUTE, start=START)
    marks = marks[np.sort(rng.choice(60, 40, replace=False))]
    bars = bars_of(100)
    expected = []
    for bar in bars:
        ended = [mark for mark in marks if mark["end"] <= bar["end"]]
        oldest = bar["start"] + 1 if age is None else bar["end"] - age
        expected.append(ended[-1]["close"] if ended and ended[-1]["end"] >= oldest else np.nan)
    np.testing.assert_array_equal(join_marks(bars, marks, age=age)["mark_price"], expected)


def test_an_archive_file_is_read(tmp_path):
    path = put(tmp_path, "BTCUSDT-fundingRate-2024-12.zip", zipped(ARCHIVE))
    (one,) = read_funding(path)
    assert (one.symbol, one.interval, one.container, one.time_unit) == ("BTCUSDT", 0, "zip", "ms")
    assert one.bars["start"].tolist() == [1735516800004 * 10**6, 1735545600000 * 10**6, 1735574400011 * 10**6]
    assert one.bars["end"].tolist() == one.bars["start"].tolist()
    assert one.bars["funding_rate"].tolist() == [0.0001, -0.00012345, 0.005]
    assert np.isnan(one.bars["mark_price"]).all()


def test_other_names_are_found_or_given(tmp_path):
    path = put(tmp_path, "rates.csv", "symbol,fundingTime,fundingRate,markPrice\nAUSDT,1735516800000,0.0001,2.5\n")
    (one,) = read_funding(path)
    assert (one.symbol, one.bars["mark_price"].tolist()) == ("AUSDT", [2.5])
    path = put(tmp_path, "odd.csv", "when,what\n1735516800000,0.0001\n")
    with pytest.raises(SourceError, match=r"no column for time, funding_rate among \['when', 'what'\]"):
        read_funding(path)
    (one,) = read_funding(path, columns={"time": "when", "funding_rate": "what"})
    assert one.bars["funding_rate"].tolist() == [0.0001]
    with pytest.raises(SourceError, match="no column for when"):
        read_funding(path, columns={"time": "when", "funding_rate": "what", "when": "what"})
    with pytest.raises(SourceError, match="no fixed interval"):
        read_funding(path, interval=HOUR)
    with pytest.raises(SourceError, match="is a csv file, not parquet"):
        read_funding(path, format="parquet")


@pytest.mark.parametrize(
    ("lines", "kind", "message"),
    [
        ("1735516800000,8,0.0001\n1735516800000,8,0.0001", QualityError, "misordered: line 3"),
        ("1735545600000,8,0.0001\n1735516800000,8,0.0001", QualityError, "misordered: line 3"),
        ("1735516800000,8,1.0", QualityError, r"bad_rate: line 2.*within 100 % \(rate 1.0\)"),
        ("1735516800000,8,", SourceError, "line 2, column 'last_funding_rate': None is not a number"),
        ("1735516800000,8,inf", QualityError, "bad_rate: line 2"),
    ],
)
def test_impossible_fundings_are_refused_by_line(tmp_path, lines, kind, message):
    path = put(tmp_path, "BTCUSDT-fundingRate-2024-12.csv", f"{ARCHIVE.splitlines()[0]}\n{lines}\n")
    lake = Lake(tmp_path / "lake")
    with pytest.raises(kind, match=f"(?s){message}"):
        import_files([path], lake, "binance-um", kind="funding")
    assert not lake.root.exists()


def test_the_suspicious_is_reported():
    rows = fundings([START, START + 8 * HOUR, START + 17 * HOUR, START + 18 * HOUR], [0.0, 0.05, 0.0, -0.041])
    report = check_funding(rows)
    assert [(finding.code, finding.rows.tolist()) for finding in report.findings] == [
        ("large_rate", [1, 3]),
        ("gap", [2]),
    ]
    rows["mark_price"][2] = -1.0
    assert check_funding(rows).errors[0].code == "bad_mark"
    assert check_funding(rows[:0]).findings == ()


def test_mark_prices_need_no_volume_but_must_be_bars(tmp_path):
    starts = [1735516800000 + n * 900_000 for n in range(20)]
    lines = [f"{start},1,2,0.5,1.5,0,{start + 899_999},0,900,0,0,0" for start in starts]
    path = put(tmp_path, "BTCUSDT-15m-2024-12.zip", zipped("\n".join(lines) + "\n"))
    (one,) = read_marks(path)
    assert np.isnan(one.bars["volume"]).all()
    assert np.isnan(one.bars["trade_count"]).all()
    assert check_marks(one.bars, one.interval).findings == ()
    one.bars["low"][3] = 3.0
    assert [finding.code for finding in check_marks(one.bars, one.interval).errors] == ["ohlc"]


def test_unknown_kinds_are_refused(tmp_path):
    with pytest.raises(SourceError, match="files of 'dreams' are not read; these are: bars, funding, mark"):
        import_files([], Lake(tmp_path / "lake"), "binance-um", kind="dreams")


@pytest.fixture
def filled(tmp_path):
    """A lake with a week of bars, fundings and two series of mark prices."""
    lake = Lake(tmp_path / "lake")
    key = SeriesKey("binance-um", "BTCUSDT", interval="15m")
    lake.write(key, bars_of(7 * 96))
    lake.write(SeriesKey("binance-um", "BTCUSDT", "funding", IRREGULAR), fundings(START + 8 * HOUR * np.arange(20)))
    for minutes, name in ((60, "1h"), (15, "15m")):
        marks = random_bars(7 * 1440 // minutes, seed=minutes, interval=minutes * MINUTE, start=START, full=False)
        marks["volume"] = np.nan
        lake.write(SeriesKey("binance-um", "BTCUSDT", "mark", name), marks)
    return lake, key


def test_stored_bars_are_filled_and_filled_again_when_more_is_known(filled):
    lake, key = filled
    plain = lake.read(key)
    report = fill_bars(lake, key)
    stored = lake.read(key)
    marks = lake.read(SeriesKey("binance-um", "BTCUSDT", "mark", "15m"))
    rows = lake.read(SeriesKey("binance-um", "BTCUSDT", "funding", IRREGULAR))
    expected = join_marks(join_funding(plain, rows), marks)
    expected["funding_rate"][expected["end"] > rows["start"][-1]] = np.nan
    assert stored.tobytes() == expected.tobytes()
    assert (report.bars, report.mark_price, report.written.changed) == (672, 672, 672)
    # Of the time after the last funding nothing is known.
    assert (report.funding_rate, report.funding_in) == (19 * 32, 19 * 32 - 1)
    before = tree(lake.root)
    assert fill_bars(lake, key).written.changed == 0
    assert tree(lake.root) == before
    later = fundings(START + 8 * HOUR * np.arange(19, 25), [20e-4, 1e-5, 2e-5, 3e-5, 4e-5, 5e-5])
    lake.write(SeriesKey("binance-um", "BTCUSDT", "funding", IRREGULAR), later)
    assert fill_bars(lake, key).funding_in == 672
    assert {str(info.key) for info in lake.list()} == {
        "binance-um BTCUSDT 15m bars",
        "binance-um BTCUSDT 15m mark",
        "binance-um BTCUSDT 1h mark",
        "binance-um BTCUSDT irregular funding",
    }


def test_corrected_fundings_do_not_change_stored_bars_silently(filled):
    lake, key = filled
    fill_bars(lake, key)
    funding = SeriesKey("binance-um", "BTCUSDT", "funding", IRREGULAR)
    lake.write(funding, fundings([START + 16 * HOUR], [0.007]), replace=True)
    before = tree(lake.root)
    with pytest.raises(LakeError, match=r"is stored with funding_rate 0\.0003.* and would now have 0\.007"):
        fill_bars(lake, key)
    assert tree(lake.root) == before
    assert fill_bars(lake, key, replace=True).written.changed == 32


def test_there_must_be_something_to_fill_from(tmp_path):
    lake = Lake(tmp_path / "lake")
    key = SeriesKey("binance-um", "BTCUSDT", interval="15m")
    lake.write(key, bars_of(5))
    with pytest.raises(LakeError, match="has neither fundings nor mark prices of binance-um BTCUSDT"):
        fill_bars(lake, key)


@pytest.mark.real_data
def test_real_fundings_of_changing_intervals(real_data, tmp_path):
    """LAYERUSDT's interval shrinks from 4 to 1 hours; every bar's time to the next funding is the observed one."""
    lake = Lake(tmp_path / "lake")
    report = import_files([real_data / "funding" / RATES], lake, "binance-um", kind="funding")
    assert (report.added, len(lake.list())) == (6043, 21)
    assert {finding.code for one in report.series for finding in one.quality.findings} == set()
    rows = lake.read(SeriesKey("binance-um", "LAYERUSDT", "funding", IRREGULAR))
    steps = np.diff(rows["start"])
    assert sorted({int(step) // HOUR for step in steps}) == [1, 4]
    import_files([real_data / "klines/um-futures-1m-ohlcv/LAYERUSDT-1m-20250504-20250603.parquet"], lake, "binance-um")
    key = SeriesKey("binance-um", "LAYERUSDT", interval="1m")
    fill_bars(lake, key)
    bars = lake.read(key)
    # Independently, by polars' as-of joins.
    left = pl.DataFrame({"end": bars["end"]})
    right = pl.DataFrame({"time": rows["start"], "rate": rows["funding_rate"], "next": rows["start"]})
    past = left.join_asof(right.select("time", "rate"), left_on="end", right_on="time", strategy="backward")
    ahead = left.with_columns(after=pl.col("end") + 1).join_asof(
        right.select("next"), left_on="after", right_on="next", strategy="forward"
    )
    known = np.isfinite(bars["funding_in"])
    settled = bars["end"] <= rows["start"][-1]
    assert bars["funding_rate"][settled].tolist() == past["rate"].to_numpy()[settled].tolist()
    assert np.isnan(bars["funding_rate"][~settled]).all()
    assert known.mean() > 0.99
    waits = (ahead["next"] - ahead["end"]).to_numpy() / SECOND
    np.testing.assert_array_equal(bars["funding_in"][known], waits[known])
    assert bars["funding_in"][known].max() == 4 * 3600
    assert np.nanmin(bars["funding_rate"]) == -0.02


@pytest.mark.real_data
def test_real_mark_prices_lie_near_the_perpetual(real_data, tmp_path):
    lake = Lake(tmp_path / "lake")
    report = import_files([real_data / "funding" / MARKS], lake, "binance-um", kind="mark")
    assert (report.added, len(lake.list())) == (4967, 21)
    import_files([real_data / "klines/um-futures-1m-ohlcv/BTCUSDT-1m-20250504-20250624.parquet"], lake, "binance-um")
    key = SeriesKey("binance-um", "BTCUSDT", interval="1m")
    report = fill_bars(lake, key)
    bars = lake.read(key)
    marked = bars[np.isfinite(bars["mark_price"])]
    assert report.mark_price == len(marked)
    assert len(marked) > 140
    assert set(marked["end"] % (8 * HOUR)) == {0}
    assert np.abs(marked["mark_price"] / marked["close"] - 1).max() < 0.002
