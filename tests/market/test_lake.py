"""The lake: exact, idempotent, independent of import order, whole after a crash, and suspicious of its own files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_bars import START, random_bars, tree

from market.bars import BAR, FIELDS, empty_bars
from market.errors import LakeError
from market.lake import Delivery, Lake, SeriesKey, Source, fingerprint_bars
from market.lake.provenance import FILE
from market.time import DAY, HOUR, MINUTE, parse_time

KEY = SeriesKey("venue", "BTCUSDT", interval="15m")
MONTHS = ("2024-12", "2025-01", "2025-02")


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


@pytest.fixture(scope="module")
def bars():
    """60 days from 2024-12-30: three months."""
    return random_bars(60 * 96)


def file_of(lake, month, key=KEY):
    return lake.root / key.folder / f"month={month}.parquet"


@pytest.mark.parametrize("full", [True, False])
def test_what_is_written_is_read_bit_for_bit(lake, full):
    bars = random_bars(5000, seed=1, full=full)
    bars["volume"][7] = np.nextafter(0.1, 1)
    report = lake.write(KEY, bars)
    assert lake.read(KEY).tobytes() == bars.tobytes()
    assert (report.added, report.changed, report.unchanged) == (5000, 0, 0)


def test_layout_and_columns(lake, bars):
    lake.write(KEY, random_bars(60 * 96, full=False))
    folder = lake.root / "venue=venue/instrument=BTCUSDT/kind=bars/interval=15m"
    assert [path.name for path in sorted(folder.iterdir())] == [f"month={month}.parquet" for month in MONTHS]
    frame = pl.read_parquet(folder / "month=2024-12.parquet")
    assert frame.columns == ["start", "end", "open", "high", "low", "close", "volume"]
    assert frame.height == 2 * 96


def test_a_file_from_before_the_schema_had_32_columns_is_read_and_extended(lake):
    path = file_of(lake, "1970-01")
    path.parent.mkdir(parents=True)
    path.write_bytes((Path(__file__).parent / "bars_of_sixteen_columns.parquet").read_bytes())
    bars = lake.read(KEY)
    assert bars["start"].tolist() == [0, MINUTE]
    old = FIELDS[: FIELDS.index("microprice") + 1]
    assert [bars[name].tolist() for name in old] == [[place + 1.5, -place] for place in range(14)]
    assert all(np.isnan(bars[name]).all() for name in FIELDS[14:])
    assert len(FIELDS[14:]) == 16
    before = lake.fingerprint(KEY)
    bars["mark_price"][1] = 5.0
    assert lake.write(KEY, bars).changed == 1
    assert lake.read(KEY).tobytes() == bars.tobytes()
    assert lake.fingerprint(KEY) != before


def test_importing_again_touches_nothing(lake, bars):
    source = Source("file.csv", "0" * 64)
    lake.write(KEY, bars, source=source)
    before, times = tree(lake.root), {path: path.stat().st_mtime_ns for path in lake.root.rglob("*")}
    report = lake.write(KEY, bars, source=source)
    assert (report.added, report.changed, report.unchanged, report.months) == (0, 0, len(bars), ())
    assert tree(lake.root) == before
    assert {path: path.stat().st_mtime_ns for path in lake.root.rglob("*")} == times


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_order_and_overlap_of_imports_leave_no_trace(tmp_path_factory, data):
    """Overlapping pieces, some without the order-flow fields, in any order: same files as in one go."""
    count = 1200
    bars = random_bars(count, start=parse_time("2025-01-25"))
    whole = Lake(tmp_path_factory.mktemp("whole"))
    whole.write(KEY, bars)
    cuts = sorted(data.draw(st.sets(st.integers(1, count - 1), max_size=5)))
    pieces = [
        bars[max(0, a - data.draw(st.integers(0, 50))) : b].copy()
        for a, b in zip([0, *cuts], [*cuts, count], strict=True)
    ]
    poor = bars[data.draw(st.integers(0, count - 1)) :].copy()
    for field in ("quote_volume", "trade_count", "taker_buy_volume", "vwap"):
        poor[field] = np.nan
    lake = Lake(tmp_path_factory.mktemp("pieces"))
    for piece in data.draw(st.permutations([*pieces, poor])):
        lake.write(KEY, piece)
    assert tree(lake.root) == tree(whole.root)
    assert lake.fingerprint(KEY) == fingerprint_bars(bars)


def test_a_contradiction_is_refused_with_time_and_both_values(lake, bars):
    lake.write(KEY, bars)
    before = tree(lake.root)
    wrong = bars.copy()
    wrong["high"][100] = 150.25
    with pytest.raises(
        LakeError, match=r"2024-12-31T01:00:00Z is stored with high 1\d\d\.\d+ and would now have 150\.25"
    ):
        lake.write(KEY, wrong)
    assert tree(lake.root) == before
    report = lake.write(KEY, wrong, replace=True)
    assert (report.added, report.changed, report.months) == (0, 1, ("2024-12",))
    assert lake.read(KEY).tobytes() == wrong.tobytes()


def test_missing_values_are_filled_but_never_erased(lake):
    rich, poor = random_bars(200), random_bars(200, full=False)
    lake.write(KEY, poor)
    assert lake.write(KEY, rich).changed == 200
    assert lake.write(KEY, poor).unchanged == 200
    assert lake.read(KEY).tobytes() == rich.tobytes()


def test_replacing_replaces_the_whole_bar(lake):
    rich, poor = random_bars(200), random_bars(200, full=False)
    lake.write(KEY, rich)
    lake.write(KEY, poor, replace=True)
    assert lake.read(KEY).tobytes() == poor.tobytes()


def test_unsorted_or_repeated_bars_are_refused(lake, bars):
    for wrong in (bars[::-1], np.concatenate([bars[:3], bars[2:]])):
        with pytest.raises(LakeError, match="does not come after the row before it"):
            lake.write(KEY, wrong)
    assert not lake.root.exists()


def test_one_bad_delivery_stops_all(lake, bars):
    other = SeriesKey("venue", "ETHUSDT", interval="15m")
    wrong = bars.copy()
    wrong["close"][5] += 0.01
    lake.write(KEY, bars)
    before = tree(lake.root)
    with pytest.raises(LakeError, match="close"):
        lake.write_all([Delivery(other, bars), Delivery(KEY, wrong)])
    assert tree(lake.root) == before
    with pytest.raises(LakeError, match="close"):
        lake.write_all([Delivery(other, bars), Delivery(other, wrong)])
    assert tree(lake.root) == before


def test_ranges_are_half_open(lake, bars):
    lake.write(KEY, bars)
    first, last = int(bars["start"][0]), int(bars["start"][-1])
    rng = np.random.default_rng(0)
    edges = [first - DAY, first, first + 1, parse_time("2025-01-01"), parse_time("2025-02-01"), last, last + DAY, None]
    edges += rng.integers(first, last, 6).tolist()
    for start in edges:
        for stop in edges:
            want = np.ones(len(bars), bool)
            want &= True if start is None else bars["start"] >= start
            want &= True if stop is None else bars["start"] < stop
            assert lake.read(KEY, start, stop).tobytes() == bars[want].tobytes()
    assert lake.read(KEY, last + DAY).dtype == BAR


def test_scan_joins_months_of_different_columns(lake):
    poor, rich = random_bars(96, full=False), random_bars(96, start=parse_time("2025-01-05"))
    lake.write(KEY, poor)
    lake.write(KEY, rich)
    frame = lake.scan(KEY).collect()
    assert frame["start"].to_list() == [*poor["start"].tolist(), *rich["start"].tolist()]
    assert frame["vwap"].null_count() == 96
    assert lake.scan(KEY).filter(pl.col("start") >= rich["start"][0]).select("open").collect().height == 96


def test_list_describes_every_series(lake, bars):
    assert lake.list() == []
    hourly = SeriesKey("venue", "BTCUSDT", interval="1h")
    lake.write(KEY, bars)
    lake.write(hourly, random_bars(5, interval=HOUR, full=False))
    info = {one.key: one for one in lake.list()}
    assert list(info) == [KEY, hourly]
    assert (info[KEY].rows, info[KEY].start, info[KEY].end) == (len(bars), START, START + 60 * DAY)
    assert info[KEY].months == MONTHS
    assert set(info[KEY].fields) == {name for name in FIELDS if not np.isnan(bars[name]).all()}
    assert info[hourly].fields == ("open", "high", "low", "close", "volume")
    assert info[KEY].size == sum(file_of(lake, month).stat().st_size for month in MONTHS)


def test_an_absent_series_is_named_with_what_there_is(lake, bars):
    lake.write(KEY, bars)
    with pytest.raises(LakeError, match=r"no series venue ETHUSDT 15m bars; it holds venue BTCUSDT 15m bars"):
        lake.read(SeriesKey("venue", "ETHUSDT", interval="15m"))


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "x=y", ".hidden"])
def test_names_that_are_no_folder_are_refused(name):
    with pytest.raises(LakeError, match="cannot name a series"):
        SeriesKey("venue", name)


def test_fingerprints_see_every_field_and_nothing_else(bars):
    base = fingerprint_bars(bars)
    some = bars.copy()
    some["spread"] = -np.nan
    some["volume"][0] = bars["volume"][0] + 0.0
    assert fingerprint_bars(some) == base
    for field in BAR.names or ():
        changed = bars.copy()
        changed[field][17] = 1
        assert fingerprint_bars(changed) != base, field
    assert fingerprint_bars(bars[:-1]) != base
    zeros = empty_bars(2)
    zeros["volume"] = [0.0, -0.0]
    assert fingerprint_bars(zeros[:1]) == fingerprint_bars(zeros[1:])


@pytest.mark.parametrize("survivors", [0, 1, 2])
def test_a_crash_between_renames_leaves_whole_months_and_heals(lake, bars, tmp_path, monkeypatch, survivors):
    half = bars[: len(bars) // 2]
    lake.write(KEY, half)
    old = tree(lake.root)
    clean = Lake(tmp_path / "clean")
    clean.write(KEY, half)
    clean.write(KEY, bars)
    new = tree(clean.root)
    rename, done = Path.replace, []

    def crash(path, target):
        if len(done) == survivors:
            raise OSError("power cut")
        done.append(target)
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", crash)
    if survivors < 2:  # the first half reaches into January: two months change
        with pytest.raises(OSError, match="power cut"):
            lake.write(KEY, bars)
    else:
        lake.write(KEY, bars)
    monkeypatch.undo()
    for name, content in tree(lake.root).items():
        assert content in (old.get(name), new[name])
    assert len(lake.read(KEY)) > 0
    lake.write(KEY, bars)
    assert tree(lake.root) == new


def test_leftovers_of_a_crash_are_ignored_and_removed(lake, bars):
    (lake.root / ".staging").mkdir(parents=True)
    (lake.root / ".staging" / "0").write_bytes(b"half a file")
    lake.write(KEY, bars)
    assert not (lake.root / ".staging").exists()


def test_failing_to_stage_changes_nothing(lake, bars, monkeypatch):
    lake.write(KEY, bars[:3000])
    before = tree(lake.root)
    write, written = Path.open, []

    def full_disk(path, *arguments, **options):
        if ".staging" in path.parts:
            if written:
                raise OSError("no space left")
            written.append(path)
        return write(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", full_disk)
    with pytest.raises(OSError, match="no space left"):
        lake.write(KEY, bars)
    monkeypatch.undo()
    assert tree(lake.root) == before


def test_every_flipped_bit_and_every_truncation_is_found(lake):
    lake.write(KEY, random_bars(300))
    path = file_of(lake, "2025-01")
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in [0, len(content) - 1, *rng.integers(0, len(content), 300).tolist()]:
        flipped = bytes([content[place] ^ (1 << int(rng.integers(8)))])
        path.write_bytes(content[:place] + flipped + content[place + 1 :])
        with pytest.raises(LakeError, match="damaged"):
            lake.read(KEY)
    for length in rng.integers(0, len(content), 20).tolist():
        path.write_bytes(content[:length])
        with pytest.raises(LakeError, match="delete it and import what it held again"):
            lake.scan(KEY)
    path.write_bytes(content)
    assert len(lake.read(KEY)) == 300


def test_a_file_written_by_others_is_refused(lake, bars):
    lake.write(KEY, bars)
    path = file_of(lake, "2025-01")
    pl.read_parquet(path).write_parquet(path)
    with pytest.raises(LakeError, match="was not written by the lake"):
        lake.read(KEY)


def test_two_writers_lose_nothing(lake, bars):
    code = """
import sys
sys.path.insert(0, sys.argv[1])
from market_bars import random_bars
from market.lake import Lake, SeriesKey
bars = random_bars(960)
for row in range(int(sys.argv[3]), 960, 120):
    Lake(sys.argv[2]).write(SeriesKey("venue", "BTCUSDT", interval="15m"), bars[row : row + 60])
"""
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", code, here, str(lake.root)]
    writers = [subprocess.Popen([*command, offset]) for offset in ("0", "60")]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    assert lake.read(KEY).tobytes() == random_bars(960).tobytes()


def test_provenance_is_kept_per_source_and_survives_a_torn_line(lake, bars):
    first, second = Source("a.csv", "a" * 64), Source("b.csv", "b" * 64)
    lake.write(KEY, bars[:2000], source=first)
    lake.write(KEY, bars[:2000], source=first)
    with (lake.root / FILE).open("ab") as file:
        file.write(b'{"series": "venue=')
    lake.write(KEY, bars[1000:], source=second)
    one, two = lake.provenance()
    assert (one.source, one.rows, one.first, one.months) == (
        first,
        2000,
        "2024-12-30T00:00:00Z",
        ("2024-12", "2025-01"),
    )
    assert (two.source, two.series, two.rows) == (second, str(KEY.folder), len(bars) - 1000)
    (lake.root / FILE).write_bytes(b"{}\n")
    with pytest.raises(LakeError, match="line 1 is not an import record"):
        lake.provenance()


def test_months_are_those_of_the_start_in_utc(lake):
    edge = parse_time("2025-03-01")
    bars = random_bars(2, interval=MINUTE, start=edge - MINUTE)
    report = lake.write(SeriesKey("venue", "BTCUSDT", interval="1m"), bars)
    assert report.months == ("2025-02", "2025-03")


def test_a_file_is_no_lake(tmp_path):
    place = tmp_path / "bars.parquet"
    place.write_bytes(b"PAR1")
    with pytest.raises(LakeError, match=r"^lake .*bars\.parquet: is a file; a lake is a folder or s3://bucket/prefix$"):
        Lake(place)


def test_a_folder_that_one_may_not_list_is_not_taken_for_empty(lake, bars, monkeypatch):
    lake.write(KEY, bars)

    def forbidden(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", forbidden)
    with pytest.raises(LakeError, match=r"^lake .*lake: cannot be listed \(Permission denied\)$"):
        lake.list()
