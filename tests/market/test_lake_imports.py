"""Files into the lake: everything or nothing, and bad files set aside with their reason."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from market_bars import archive_lines, put, random_bars, text, tree, zipped

from market.errors import LakeError, MarketError, QualityError, SourceError
from market.imports import import_files
from market.lake import Lake, SeriesKey
from market.time import DAY, MINUTE, parse_time

KEY = SeriesKey("binance", "BTCUSDT", interval="15m")
NAME = "BTCUSDT-15m-2025-01.csv"


@pytest.fixture
def lake(tmp_path):
    """A lake that holds another series already."""
    lake = Lake(tmp_path / "lake")
    lake.write(SeriesKey("binance", "ETHUSDT", interval="15m"), random_bars(200, seed=9))
    return lake


def test_files_become_series(lake, tmp_path):
    bars = random_bars(6000)
    halves = [
        put(tmp_path, f"BTCUSDT-15m-{n}.csv", text(archive_lines(part)))
        for n, part in enumerate((bars[:4000], bars[3000:]))
    ]
    steps = []
    report = import_files(halves[::-1], lake, "binance", progress=lambda what, done: steps.append((what, done)))
    assert lake.read(KEY).tobytes() == bars.tobytes()
    assert [one.written.added for one in report.series] == [3000, 3000]
    assert report.added == 6000
    assert [record.source.name for record in lake.provenance()] == [path.name for path in halves[::-1]]
    assert "BTCUSDT-15m-0.csv -> binance BTCUSDT 15m bars: 4000 bars (3000 new, 0 changed, 1000 known)" in report.text()
    assert [done for _, done in steps] == sorted(done for _, done in steps)
    assert steps[0][0] == "checking BTCUSDT-15m-1.csv"
    assert steps[-1][1] == 1.0
    before = tree(lake.root)
    assert import_files(halves, lake, "binance").added == 0
    assert tree(lake.root) == before


def shuffled(bars):
    return np.random.default_rng(0).permutation(bars)


def with_day_twice(bars):
    return np.concatenate([bars[:192], bars[96:]])


def with_negative_price(bars):
    bars = bars.copy()
    bars["low"][77] = -bars["low"][77]
    return bars


BAD = {
    "shuffled": (lambda bars: text(archive_lines(shuffled(bars))).encode(), QualityError, "misordered: line 4,"),
    "day twice": (
        lambda bars: text(archive_lines(with_day_twice(bars))).encode(),
        QualityError,
        "duplicate: line 193,",
    ),
    "negative": (
        lambda bars: text(archive_lines(with_negative_price(bars))).encode(),
        QualityError,
        "bad_price: line 78,",
    ),
    "truncated zip": (lambda bars: zipped(text(archive_lines(bars)))[:-100], SourceError, "truncated or damaged"),
    "cut line": (lambda bars: text(archive_lines(bars))[:-40].encode(), SourceError, "line 400 has"),
}


@pytest.mark.parametrize("flaw", list(BAD))
@pytest.mark.parametrize("quarantined", [True, False])
def test_one_bad_file_of_two_stores_nothing(lake, tmp_path, flaw, quarantined):
    spoil, kind, message = BAD[flaw]
    good = put(tmp_path, "BNBUSDT-15m-2025-01.csv", text(archive_lines(random_bars(100))))
    bad = put(tmp_path, NAME, spoil(random_bars(400)))
    before, aside = tree(lake.root), tmp_path / "aside"
    with pytest.raises(kind, match=message) as caught:
        import_files([good, bad], lake, "binance", quarantine=aside if quarantined else None)
    assert str(bad) in str(caught.value)
    assert "1 of 2 files were refused" in str(caught.value)
    assert tree(lake.root) == before
    kept = tree(aside)
    assert set(kept) == ({NAME, f"{NAME}.txt"} if quarantined else set())
    if quarantined:
        assert kept[NAME] == bad.read_bytes()
        assert message.split(":")[0] in kept[f"{NAME}.txt"].decode()


def test_a_lake_that_does_not_exist_is_not_made_for_nothing(tmp_path):
    lake = Lake(tmp_path / "none")
    with pytest.raises(MarketError):
        import_files([put(tmp_path, NAME, "nonsense")], lake, "binance")
    assert not lake.root.exists()


def test_all_bad_files_are_named(lake, tmp_path):
    paths = [put(tmp_path, f"X{n}-15m.csv", BAD["negative"][0](random_bars(400))) for n in range(3)]
    with pytest.raises(QualityError, match=r"(?s)3 of 3 files.*X0-15m.*X1-15m.*X2-15m"):
        import_files(paths, lake, "binance")


def test_files_that_contradict_each_other_store_nothing(lake, tmp_path):
    bars = random_bars(50)
    other = bars.copy()
    other["close"][30] = bars["low"][30]
    paths = [put(tmp_path, f"BTCUSDT-15m-{n}.csv", text(archive_lines(part))) for n, part in enumerate((bars, other))]
    before = tree(lake.root)
    with pytest.raises(
        LakeError, match=r"BTCUSDT-15m-1\.csv for binance BTCUSDT 15m bars: the bar at 2024-12-30T07:30:00Z"
    ):
        import_files(paths, lake, "binance")
    assert tree(lake.root) == before
    import_files(paths, lake, "binance", replace=True)
    assert lake.read(KEY)["close"].tolist() == other["close"].tolist()


def test_the_instrument_is_the_file_s_or_given_but_never_guessed(lake, tmp_path):
    content = text(archive_lines(random_bars(50)), header=True)
    with pytest.raises(SourceError, match="says the instrument; give it"):
        import_files([put(tmp_path, "prices.csv", content)], lake, "binance")
    with pytest.raises(SourceError, match="holds BTCUSDT, not ETHUSDT"):
        import_files([put(tmp_path, NAME, content)], lake, "binance", instrument="ETHUSDT")
    import_files([put(tmp_path, "prices.csv", content)], lake, "other", instrument="BTC")
    assert len(lake.read(SeriesKey("other", "BTC", interval="15m"))) == 50


def test_warnings_are_reported_not_refused(lake, tmp_path):
    bars = np.delete(random_bars(60), [20, 21])
    report = import_files([put(tmp_path, NAME, text(archive_lines(bars)))], lake, "binance")
    assert "warning gap: line 21, 2024-12-30T05:30:00Z: 1 gap, 2 bars missing" in report.text()


@pytest.mark.real_data
def test_minutes_add_up_to_the_independent_quarter_hours(real_data, tmp_path):
    """1-minute bars of one source, aggregated, equal the exchange's own 15-minute bars from another."""
    lake = Lake(tmp_path / "lake")
    files = ["spot-1m/ETHUSDT-1m-20250520-20250818.parquet", "spot-15m/ETHUSDT-15m-20241230-20250831.csv.gz"]
    import_files([real_data / "klines" / name for name in files], lake, "binance")
    start, stop = parse_time("2025-06-01"), parse_time("2025-07-01")
    minutes = lake.scan(SeriesKey("binance", "ETHUSDT", interval="1m")).filter(
        pl.col("start").is_between(start, stop - 1)
    )
    built = (
        minutes.with_columns(pl.col("start") // (15 * MINUTE) * (15 * MINUTE))
        .group_by("start", maintain_order=True)
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
            pl.len().alias("minutes"),
        )
        .collect()
    )
    quarters = lake.read(SeriesKey("binance", "ETHUSDT", interval="15m"), start, stop)
    assert len(quarters) == 30 * 96
    assert built["minutes"].to_list() == [15] * len(quarters)
    for field in ("start", "open", "high", "low", "close"):
        assert built[field].to_list() == quarters[field].tolist(), field
    np.testing.assert_allclose(built["volume"].to_numpy(), quarters["volume"], rtol=1e-12)


@pytest.mark.real_data
def test_every_symbol_of_the_daily_table_is_stored(real_data, tmp_path):
    lake = Lake(tmp_path / "lake")
    report = import_files(
        [real_data / "klines" / "spot-1d" / "10symbols-1d-20170817-20250831.parquet"], lake, "binance"
    )
    assert report.added == 24_263
    assert len(lake.list()) == 10
    assert "irregular close time (first: line 176, 2018-02-08T00:00:00Z)" in report.text()
    assert {info.end for info in lake.list()} == {parse_time("2025-09-01")}
    assert lake.read(SeriesKey("binance", "BTCUSDT", interval="1d"))["end"][0] == parse_time("2017-08-17") + DAY


@pytest.mark.long
@pytest.mark.real_data
def test_every_kline_file_imports_and_reads_back(real_data, tmp_path):
    """All bar files but LEAN's; what is read back equals what the readers gave, merged by venue."""
    venues = {"bybit-linear-5m": "bybit", "um-futures-1m": "usdm", "um-futures-1m-ohlcv": "usdm"}
    lake, total = Lake(tmp_path / "lake"), 0
    for folder in sorted((real_data / "klines").iterdir()):
        if folder.name not in ("lean-coinbase-minute", "vision-zip"):
            report = import_files(sorted(folder.glob("*")), lake, venues.get(folder.name, "binance"))
            total += report.added
            for one in report.series:
                stored = lake.read(one.written.key)
                rows = np.searchsorted(stored["start"], one.read.bars["start"])
                assert stored[rows].tobytes() == one.read.bars.tobytes()
    assert total == sum(info.rows for info in lake.list())
    assert total == 2_918_708
