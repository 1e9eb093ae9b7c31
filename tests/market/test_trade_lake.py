"""The lake of trades: exact, idempotent by trade id, independent of import order, and whole after a refusal."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from bar_twins import random_trades
from hypothesis import given, settings
from hypothesis import strategies as st
from market_bars import put, random_bars, tree
from trade_files import file_text

from market.bar_builders.builder import BarBuilder, build_bars
from market.bar_builders.spec import BarSpec
from market.errors import LakeError, QualityError, SourceError
from market.lake import Lake, SeriesKey, Source
from market.time import DAY, MINUTE, parse_time
from market.trades.imports import import_trades
from market.trades.lake import IdGap, TradeLake, trade_key
from market.trades.read import read_trades
from market.trades.schema import TRADE

KEY = trade_key("venue", "BTCUSDT")
DAYS = ("2025-01-31", "2025-02-01", "2025-02-02")


def spread_trades(count=3000, seed=0):
    """Over the evening of one day, a whole day, and the next morning."""
    trades = random_trades(count, seed)
    start, stop = parse_time("2025-01-31T18:00"), parse_time("2025-02-02T06:00")
    trades["time"] = np.sort(np.random.default_rng(seed).integers(start, stop, count))
    return trades


TRADES = spread_trades()


@pytest.fixture
def lake(tmp_path):
    return TradeLake(tmp_path / "lake")


def test_what_is_written_is_read_bit_for_bit(lake):
    report = lake.write(KEY, TRADES)
    assert (report.added, report.changed, report.unchanged, report.days) == (3000, 0, 0, DAYS)
    assert lake.read(KEY).tobytes() == TRADES.tobytes()
    assert lake.scan(KEY).collect().equals(pl.DataFrame({name: TRADES[name] for name in TRADE.names}))
    assert [len(day) for day in lake.days(KEY)] == [int((days_of(TRADES) == day).sum()) for day in DAYS]


def days_of(trades):
    return trades["time"].astype("datetime64[ns]").astype("datetime64[D]").astype(str)


@pytest.mark.parametrize("times", [(0, 2**62), (None, None), (TRADES["time"][100], TRADES["time"][2500])])
def test_a_range_of_time_is_half_open(lake, times):
    lake.write(KEY, TRADES)
    start, stop = times
    inside = (TRADES["time"] >= (start or 0)) & (TRADES["time"] < (stop or 2**62))
    assert lake.read(KEY, start, stop).tobytes() == TRADES[inside].tobytes()


def test_importing_again_touches_nothing(lake):
    source = Source("file.csv", "0" * 64)
    lake.write(KEY, TRADES, source=source)
    before, times = tree(lake.root), {path: path.stat().st_mtime_ns for path in lake.root.rglob("*")}
    report = lake.write(KEY, TRADES, source=source)
    assert (report.added, report.changed, report.unchanged, report.days) == (0, 0, 3000, ())
    assert tree(lake.root) == before
    assert {path: path.stat().st_mtime_ns for path in lake.root.rglob("*")} == times


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_order_and_overlap_of_imports_leave_no_trace(tmp_path_factory, data):
    whole = TradeLake(tmp_path_factory.mktemp("whole"))
    whole.write(KEY, TRADES)
    cuts = sorted(data.draw(st.sets(st.integers(1, 2999), max_size=6)))
    pieces = [
        TRADES[max(0, a - data.draw(st.integers(0, 300))) : b] for a, b in zip([0, *cuts], [*cuts, 3000], strict=True)
    ]
    lake = TradeLake(tmp_path_factory.mktemp("pieces"))
    for piece in data.draw(st.permutations(pieces)):
        lake.write(KEY, piece)
    assert tree(lake.root) == tree(whole.root)
    assert lake.fingerprint(KEY) == whole.fingerprint(KEY)


def refused(lake, trades, said, error=LakeError, **options):
    before = tree(lake.root) if lake.root.exists() else {}
    with pytest.raises(error, match=said):
        lake.write(KEY, trades, **options)
    assert (tree(lake.root) if lake.root.exists() else {}) == before


def test_contradictions_are_refused_unless_replaced(lake):
    lake.write(KEY, TRADES)
    other = TRADES[500:600].copy()
    other["price"][7] += 1
    other["side"][9] *= -1
    refused(lake, other, rf"trade {other['id'][7]} is stored as .* and would now be .*2 trades differ.*with replace")
    report = lake.write(KEY, other, replace=True)
    assert (report.added, report.changed, report.unchanged) == (0, 2, 98)
    assert lake.read(KEY)[500:600].tobytes() == other.tobytes()


def test_trades_that_do_not_fit_between_stored_ones_are_refused(lake):
    lake.write(KEY, np.delete(TRADES, 2000))
    late = TRADES[2000:2001].copy()
    late["time"] = TRADES["time"][2100]
    refused(lake, late, f"trade {TRADES['id'][2001]} at .* would come after trade {TRADES['id'][2000]} at")
    later = late.copy()
    later["time"] += 3 * DAY
    refused(lake, later, "of 2025-02-02 would come before trade .* of 2025-02-0")
    again = TRADES[10:11].copy()
    again["time"] -= DAY
    refused(lake, again, "trade 15 of 2025-01-30 would come before trade 5 of 2025-01-31")


def test_bad_trades_and_trades_without_ids_are_refused(lake):
    bad = TRADES[:50].copy()
    bad["price"][3] = np.nan
    refused(lake, bad, "bad_price: row 3", QualityError)
    without = TRADES[:50].copy()
    without["id"] = -1
    refused(lake, without, "trades without ids cannot be stored")
    assert lake.list() == []


def test_gaps_are_found_within_days_and_between_them(lake):
    first = int(np.argmax(days_of(TRADES) == DAYS[1]))
    gone = np.r_[10:13, first - 1 : first + 2, 2000]
    lake.write(KEY, np.delete(TRADES, gone))
    pairs = ((9, 13), (first - 2, first + 2), (1999, 2001))
    expected = [IdGap(*TRADES["id"][list(rows)].tolist(), *TRADES["time"][list(rows)].tolist()) for rows in pairs]
    assert lake.gaps(KEY) == expected
    assert [gap.missing for gap in lake.gaps(KEY)] == [3, 3, 1]
    lake.write(KEY, TRADES[gone])
    assert lake.gaps(KEY) == []


def test_bars_and_trades_share_a_lake_and_do_not_see_each_other(lake, tmp_path):
    bars, key = Lake(lake.root), SeriesKey("venue", "BTCUSDT", interval="15m")
    bars.write(key, random_bars(10))
    lake.write(KEY, TRADES)
    assert [info.key for info in bars.list()] == [key]
    (info,) = lake.list()
    assert (info.key, info.rows, info.days) == (KEY, 3000, DAYS)
    assert (info.start, info.end) == (TRADES["time"][0], TRADES["time"][-1])
    assert (info.first_id, info.last_id) == (TRADES["id"][0], TRADES["id"][-1])
    assert info.size == sum(path.stat().st_size for path in lake.root.rglob("day=*"))
    with pytest.raises(LakeError, match="has no series venue ETHUSDT irregular trades; it holds venue BTCUSDT"):
        lake.read(trade_key("venue", "ETHUSDT"))


def test_damage_is_found(lake):
    lake.write(KEY, TRADES)
    path = lake.root / KEY.folder / f"day={DAYS[1]}.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    for look in (lake.read, lake.scan, lake.gaps):
        with pytest.raises(LakeError, match=r"2025-02-01.parquet: is damaged"):
            look(KEY)


def test_bars_of_the_lake_day_by_day_are_those_of_all_trades(lake):
    lake.write(KEY, TRADES)
    for spec in (BarSpec("time", interval=MINUTE), BarSpec("dollar", threshold=5000.0)):
        builder = BarBuilder(spec)
        bars = np.concatenate([builder.update(day) for day in lake.days(KEY)])
        assert bars.tobytes() == build_bars(TRADES, spec).tobytes()


def milliseconds():
    trades = TRADES.copy()
    trades["time"] -= trades["time"] % 10**6
    return trades


def test_a_file_is_imported_with_its_source_and_again_without_effect(lake, tmp_path):
    trades = milliseconds()
    path = put(tmp_path, "BTCUSDT-aggTrades-2025-02.csv", file_text(trades, "spot_agg"))
    done = import_trades(path, lake, "binance")
    key = trade_key("binance", "BTCUSDT", "agg_trades")
    assert lake.read(key).tobytes() == trades.tobytes()
    assert done.text() == f"{path.name} -> {key}: 3000 trades (3000 new, 0 changed, 0 known)"
    assert import_trades(path, lake, "binance").written.unchanged == 3000
    (entry,) = Lake(lake.root).provenance()
    assert (entry.series, entry.source.name, entry.rows, entry.months) == (str(key.folder), path.name, 3000, DAYS)


def test_refused_files_leave_the_lake_as_it_was(lake, tmp_path):
    trades = milliseconds()
    good = put(tmp_path, "BTCUSDT-trades-2025-02.csv", file_text(trades[:500], "futures_trades"))
    import_trades(good, lake, "binance")
    before = tree(lake.root)
    gap = put(
        tmp_path, "BTCUSDT-trades-2025-03.csv", file_text(np.delete(trades, 700)[400:], "futures_trades", header=True)
    )
    with pytest.raises(QualityError, match=r"BTCUSDT-trades-2025-03.csv: error id_gap: line 302.*1 gap, 1 ids missing"):
        import_trades(gap, lake, "binance")
    with pytest.raises(SourceError, match="holds BTCUSDT, not ETHUSDT"):
        import_trades(good, lake, "binance", instrument="ETHUSDT")
    with pytest.raises(SourceError, match="says the instrument"):
        import_trades(put(tmp_path, "x.csv", good.read_bytes()), lake, "binance")
    assert tree(lake.root) == before
    assert "warning id_gap" in import_trades(gap, lake, "binance", gaps="report").text()
    assert [gap.missing for gap in lake.gaps(trade_key("binance", "BTCUSDT"))] == [1]


def test_trades_without_ids_are_numbered_when_told(lake, tmp_path):
    path = put(tmp_path, "ES.csv", "time,price,size\n2025-01-01 00:00:01,5.0,1\n2025-01-01 00:00:01,5.0,1\n")
    with pytest.raises(SourceError, match="no ids; give the number of the first one"):
        import_trades(path, lake, "cme", instrument="ES")
    import_trades(path, lake, "cme", instrument="ES", number_from=100)
    assert import_trades(path, lake, "cme", instrument="ES", number_from=100).written.unchanged == 2
    assert lake.read(trade_key("cme", "ES"))["id"].tolist() == [100, 101]
    numbered = put(tmp_path, "BTCUSDT-trades-1.csv", file_text(milliseconds()[:5], "futures_trades"))
    with pytest.raises(SourceError, match="can only be numbered"):
        import_trades(numbered, lake, "binance", number_from=0)


@pytest.mark.real_data
def test_a_real_day_goes_through_the_lake(lake, real_data):
    path = real_data / "trades" / "XRPETH-aggTrades-20191011-20191013.csv.gz"
    done = import_trades(path, lake, "binance")
    key = trade_key("binance", "XRPETH", "agg_trades")
    assert done.written.days == ("2019-10-11", "2019-10-12", "2019-10-13")
    assert lake.read(key).tobytes() == read_trades(path).trades.tobytes()
    assert lake.gaps(key) == []
