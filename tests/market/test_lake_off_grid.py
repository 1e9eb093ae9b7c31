"""Bars on no grid in the lake: those that start at the same time keep their order, and none overlaps another."""

from __future__ import annotations

import numpy as np
import pytest
from bar_twins import random_trades
from market_bars import random_bars, tree

from market.bar_builders.builder import build_bars
from market.bar_builders.spec import BarSpec
from market.bars import empty_bars
from market.errors import LakeError, QualityError
from market.funding.fill import fill_bars
from market.lake import Delivery, Lake, SeriesKey
from market.quality import check_bars
from market.time import DAY, HOUR, parse_time

KEY = SeriesKey("venue", "BTC", "bars", "volume-0.5")


def event_bars(count=3000):
    """Over two months; trades come in bursts of one time, so that many bars start with the one before."""
    trades = random_trades(count, 2)
    burst = np.arange(count) // 6
    trades["time"] = parse_time("2025-01-25") + burst * (14 * DAY // burst[-1])
    return build_bars(trades, BarSpec("volume", threshold=0.5))


BARS = event_bars()


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


def test_the_bars_of_these_tests_share_times_and_span_months():
    starts = BARS["start"]
    assert (np.diff(starts) == 0).sum() > 500
    assert (starts[2:] == starts[:-2]).any()
    assert len(set(starts.astype("M8[ns]").astype("M8[M]"))) == 2


def test_what_is_written_is_read_in_its_order_and_again_changes_nothing(lake):
    report = lake.write(KEY, BARS)
    assert (report.added, report.months) == (len(BARS), ("2025-01", "2025-02"))
    assert lake.read(KEY).tobytes() == BARS.tobytes()
    before = tree(lake.root)
    assert lake.write(KEY, BARS).unchanged == len(BARS)
    assert tree(lake.root) == before
    (info,) = lake.list()
    assert (info.rows, info.start, info.end) == (len(BARS), BARS["start"][0], BARS["end"][-1])


def test_stretches_in_any_order_give_the_files_of_one_write(lake, tmp_path):
    """A stretch begins with all bars of its first time."""
    whole = Lake(tmp_path / "whole")
    whole.write(KEY, BARS)
    cuts = np.flatnonzero(np.diff(BARS["start"]) > 0)[[50, 400, 401]] + 1
    parts = np.split(BARS, cuts)
    for number in (2, 0, 3, 1):
        lake.write(KEY, parts[number])
    lake.write_all([Delivery(KEY, BARS[:100]), Delivery(KEY, parts[3])])
    assert tree(lake.root) == tree(whole.root)


def test_bars_of_another_division_are_refused(lake):
    """Bars of the same trades from another beginning overlap those stored."""
    lake.write(KEY, BARS)
    before = tree(lake.root)
    row = int(np.flatnonzero(np.diff(BARS["start"], prepend=0) > 0)[20])
    other = BARS[row : row + 1].copy()
    other["start"] -= 1
    other["end"] += 1
    with pytest.raises(LakeError, match=r"together with what is stored: row .* starts before the row before it ends"):
        lake.write(KEY, other)
    changed = BARS.copy()
    changed["close"][7] += 1e-9
    with pytest.raises(LakeError, match=r"is stored with close .* \(1 bars differ\)"):
        lake.write(KEY, changed)
    assert tree(lake.root) == before


def test_no_bar_overlaps_over_the_end_of_a_month(lake):
    bars = random_bars(3)
    times = ["2025-01-31T23:00", "2025-01-31T23:30", "2025-01-31T23:40", "2025-02-01T01:30", "2025-02-01T01:00"]
    starts = [parse_time(time) for time in (times[0], times[2], times[4])]
    bars["start"], bars["end"] = starts, [parse_time(time) for time in (times[1], times[3], times[3])]
    lake.write(KEY, bars[[0, 2]])
    with pytest.raises(LakeError, match=r"from 2025-01 to 2025-02: row 1 .* starts before the row before it ends"):
        lake.write(KEY, bars[1:2])
    assert lake.read(KEY).tobytes() == bars[[0, 2]].tobytes()


def test_bars_of_a_grid_still_start_each_at_its_own_time(lake):
    bars = random_bars(10)
    bars["start"][5] = bars["start"][4]
    with pytest.raises(LakeError, match=r"row 5 .* does not come after the row before it"):
        lake.write(SeriesKey("venue", "BTC", "bars", "15m"), bars)


def test_gates_without_a_grid():
    report = check_bars(BARS, 0)
    assert report.errors == ()
    assert "gap" not in report
    overlapping, backwards, shuffled = (BARS.copy() for _ in range(3))
    overlapping["end"][10] = BARS["start"][11] + 1
    assert check_bars(overlapping, 0)["overlap"].row == 11
    backwards["end"][10] = BARS["start"][10] - 1
    assert check_bars(backwards, 0)["bad_end"].rows.tolist() == [10]
    shuffled[[10, 400]] = shuffled[[400, 10]]
    with pytest.raises(QualityError, match="error misordered"):
        check_bars(shuffled, 0).raise_if_bad("x")


def test_bars_that_mostly_stand_still_have_no_spread_to_judge_moves_by():
    still = random_bars(400, full=False)
    for name in ("open", "high", "low", "close"):
        still[name] = 0.07 + 0.01 * (np.arange(400) % 5 == 0)
    assert check_bars(still, 0).findings == ()
    moving = random_bars(400)
    moving["high"][300:] *= 9
    for name in ("open", "close"):
        moving[name][300:] *= 8
    assert check_bars(moving, 0)["outlier"].rows.tolist() == [300]


def test_funding_is_joined_to_them_too(lake):
    """Every bar of a time gets its own; the next bars built go behind them as before."""
    fundings = empty_bars(60)
    fundings["start"] = fundings["end"] = parse_time("2025-01-24") + 8 * HOUR * np.arange(60)
    fundings["funding_rate"] = np.arange(60) * 1e-5
    first = int(np.flatnonzero(np.diff(BARS["start"]) > 0)[400]) + 1
    lake.write(KEY, BARS[:first])
    lake.write(SeriesKey("venue", "BTC", "funding", "irregular"), fundings)
    filled = fill_bars(lake, KEY)
    assert filled.funding_rate == filled.bars == first
    assert lake.write(KEY, BARS).added == len(BARS) - first
    stored = lake.read(KEY)
    place = np.searchsorted(fundings["start"], BARS["end"][:first], side="right") - 1
    assert stored["funding_rate"][:first].tolist() == fundings["funding_rate"][place].tolist()
    assert np.isnan(stored["funding_rate"][first:]).all()
    assert all(np.array_equal(stored[name], BARS[name]) for name in ("start", "end", "close", "volume"))
