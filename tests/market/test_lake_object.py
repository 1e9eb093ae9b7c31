"""The lake in an object store: the same bars, files and refusals as in a folder, against an S3 server on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_bars import random_bars, tree

from market.errors import LakeError
from market.lake import Lake, SeriesKey, Source, fingerprint_bars
from market.lake.objects import LOCK, ObjectStore
from market.time import parse_time
from market.trades.lake import TradeLake

moto = pytest.importorskip("moto.server")

KEY = SeriesKey("venue", "BTCUSDT", interval="15m")
SOURCE = Source("file.zip", "a" * 64)
NUMBER = iter(range(10**6))


@pytest.fixture(scope="module")
def bucket():
    """The name of an empty bucket; the environment says where the server is."""
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # What a server holds is the whole process's: another file's bucket would still be there.
    urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST"), timeout=10).close()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        ObjectStore.open("s3://bars").files.mkdir("bars")
        yield "bars"
    server.stop()


@pytest.fixture
def lake(bucket):
    """An empty lake under a prefix of its own."""
    return Lake(f"s3://{bucket}/lake-{next(NUMBER)}")


@pytest.fixture(scope="module")
def bars():
    return random_bars(60 * 96)


def objects(lake):
    """Every object of a lake and its bytes."""
    store = lake.store
    return {
        name.removeprefix(f"{store.prefix}/"): store.files.cat_file(name) for name in store.files.find(store.prefix)
    }


def stamps(lake):
    found = lake.store.files.find(lake.store.prefix, detail=True)
    return {name: (entry["ETag"], entry["LastModified"]) for name, entry in found.items()}


def test_the_objects_are_the_files_of_a_folder_byte_for_byte(lake, bars, tmp_path):
    folder = Lake(tmp_path)
    for part in (bars[:2000], bars[1500:]):
        assert lake.write(KEY, part, source=SOURCE) == folder.write(KEY, part, source=SOURCE)
    assert objects(lake) == tree(tmp_path)
    assert lake.read(KEY).tobytes() == bars.tobytes()
    assert lake.fingerprint(KEY) == fingerprint_bars(bars)
    assert lake.list() == folder.list()
    assert lake.provenance() == folder.provenance()
    assert len(lake.provenance()) == 2


def test_ranges_and_scans(lake, bars, tmp_path):
    folder = Lake(tmp_path)
    poor = random_bars(96, seed=3, start=parse_time("2024-11-01"), full=False)
    for one in (lake, folder):
        one.write(KEY, bars)
        one.write(KEY, poor)
    for start, stop in ((None, "2025-01-03"), ("2025-01-31", "2025-02-02"), ("2026-01-01", None)):
        cut = [None if text is None else parse_time(text) for text in (start, stop)]
        assert lake.read(KEY, *cut).tobytes() == folder.read(KEY, *cut).tobytes()
    want = folder.scan(KEY).collect()
    assert lake.scan(KEY).collect().equals(want)
    assert lake.scan(KEY, verify=False).collect().equals(want)
    late = pl.col("start") >= parse_time("2025-02-01")
    query = lake.scan(KEY, verify=False).filter(late).select(pl.col("volume").sum())
    assert query.collect().item() == want.filter(late)["volume"].sum()


def test_importing_again_writes_nothing(lake, bars):
    lake.write(KEY, bars, source=SOURCE)
    before = stamps(lake)
    report = lake.write(KEY, bars, source=SOURCE)
    assert (report.added, report.changed, report.unchanged, report.months) == (0, 0, len(bars), ())
    assert stamps(lake) == before


@settings(max_examples=5, deadline=None)
@given(st.data())
def test_order_and_overlap_of_imports_leave_no_trace(bucket, data):
    bars = random_bars(800, start=parse_time("2025-01-27"))
    cuts = sorted(data.draw(st.sets(st.integers(1, 799), max_size=4)))
    pieces = [bars[max(0, a - 30) : b] for a, b in zip([0, *cuts], [*cuts, 800], strict=True)]
    whole, lake = (Lake(f"s3://{bucket}/order-{next(NUMBER)}") for _ in range(2))
    whole.write(KEY, bars)
    for piece in data.draw(st.permutations(pieces)):
        lake.write(KEY, piece)
    assert objects(lake) == objects(whole)


def test_refusals_leave_every_object_as_it_was(lake, bars):
    with pytest.raises(LakeError, match=r"lake s3://bars/lake-\d+ has no series .*; it holds nothing"):
        lake.read(KEY)
    lake.write(KEY, bars)
    before = objects(lake)
    wrong = bars.copy()
    wrong["high"][100] = 150.25
    with pytest.raises(LakeError, match=r"is stored with high .* would now have 150\.25"):
        lake.write(KEY, wrong)
    with pytest.raises(LakeError, match="does not come after the row before it"):
        lake.write(KEY, bars[::-1])
    assert objects(lake) == before
    assert lake.write(KEY, wrong, replace=True).changed == 1
    with pytest.raises(LakeError, match="it holds venue BTCUSDT 15m bars"):
        lake.read(SeriesKey("venue", "ETHUSDT", interval="15m"))


def test_a_damaged_object_is_found_unless_nobody_looks(lake, bars):
    lake.write(KEY, bars)
    name = f"{KEY.folder}/month=2025-01.parquet"
    content = lake.store.read(name)
    lake.store.files.pipe_file(f"{lake.store.prefix}/{name}", content[:500] + bytes([content[500] ^ 4]) + content[501:])
    for look in (lake.read, lake.scan):
        with pytest.raises(LakeError, match=r"s3://bars/.*month=2025-01\.parquet: is damaged"):
            look(KEY)
    assert len(lake.read(KEY, stop=parse_time("2024-12-31"))) == 96


@pytest.mark.parametrize("survivors", [0, 1, 2])
def test_a_crash_between_objects_leaves_whole_months_and_heals(lake, bars, bucket, monkeypatch, survivors):
    half = bars[: len(bars) // 2]
    lake.write(KEY, half)
    old = objects(lake)
    clean = Lake(f"s3://{bucket}/clean-{next(NUMBER)}")
    clean.write(KEY, bars)
    new = objects(clean)
    put, done = ObjectStore._put, []

    def crash(store, name, content):
        if len(done) == survivors:
            raise LakeError("power cut")
        done.append(name)
        put(store, name, content)

    monkeypatch.setattr(ObjectStore, "_put", crash)
    if survivors < 2:
        with pytest.raises(LakeError, match="power cut"):
            lake.write(KEY, bars)
    else:
        lake.write(KEY, bars)
    monkeypatch.undo()
    found = objects(lake)
    for name, content in found.items():
        assert content in (old.get(name), new[name])
    assert sum(found.get(name) == content and old.get(name) != content for name, content in new.items()) == survivors
    lake.write(KEY, bars)
    assert objects(lake) == new


def test_two_writers_lose_nothing(lake):
    code = """
import sys
sys.path.insert(0, sys.argv[1])
from market_bars import random_bars
from market.lake import Lake, SeriesKey
bars = random_bars(960)
for row in range(int(sys.argv[3]), 960, 240):
    Lake(sys.argv[2]).write(SeriesKey("venue", "BTCUSDT", interval="15m"), bars[row : row + 120])
"""
    command = [sys.executable, "-c", code, str(Path(__file__).parent), lake.root]
    writers = [subprocess.Popen([*command, offset], env=os.environ) for offset in ("0", "120")]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    assert lake.read(KEY).tobytes() == random_bars(960).tobytes()
    assert LOCK not in objects(lake)


def test_a_writer_that_died_is_reported_not_ignored(bucket, bars):
    url = f"s3://{bucket}/dead-{next(NUMBER)}"
    lake = Lake(url)
    lake.write(KEY, bars[:10])
    object.__setattr__(lake, "store", ObjectStore.open(url, patience=0.3))
    with lake.store.lock():
        with pytest.raises(LakeError, match=rf"another writer holds it since 20.*delete {url}/\{LOCK}"):
            lake.write(KEY, bars)
        assert len(lake.read(KEY)) == 10
    assert lake.write(KEY, bars).added == len(bars) - 10


def test_a_failed_write_gives_the_lock_back(lake, bars):
    lake.write(KEY, bars)
    wrong = bars.copy()
    wrong["close"][5] += 0.01
    with pytest.raises(LakeError):
        lake.write(KEY, wrong)
    assert LOCK not in objects(lake)


def test_what_cannot_be_reached_is_one_sentence(monkeypatch):
    with pytest.raises(LakeError, match="lake nowhere://bucket: cannot be reached from here"):
        Lake("nowhere://bucket")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    lake = Lake("s3://bucket/prefix")
    with pytest.raises(LakeError, match=r"s3://bucket/prefix/.*: cannot be listed \(.*127\.0\.0\.1:9"):
        lake.read(KEY)


def test_a_bucket_that_is_not_there(bucket):
    with pytest.raises(LakeError, match=r"s3://no-such-bucket/x/: cannot be listed \(.*bucket does not exist"):
        Lake("s3://no-such-bucket/x").read(KEY)
    with pytest.raises(LakeError, match="cannot be locked"):
        Lake("s3://no-such-bucket/x").write(KEY, random_bars(3))


def test_a_store_that_cannot_keep_writers_apart_is_refused_by_name(tmp_path):
    for address in (f"file://{tmp_path}", "ftp://x", "http://127.0.0.1:9/x", "sftp://x/y"):
        for kind in (Lake, TradeLake):
            with pytest.raises(LakeError, match=rf"^lake {address}: cannot be reached from here"):
                kind(address)


def test_memory_is_an_object_store_too(bars):
    lake = Lake(f"memory://lake-{next(NUMBER)}")
    lake.write(KEY, bars)
    assert lake.read(KEY).tobytes() == bars.tobytes()
    assert np.array_equal(lake.scan(KEY).collect()["close"].to_numpy(), bars["close"])


@pytest.mark.real_data
def test_real_bars_go_there_and_back(lake, real_data, tmp_path):
    from market.imports import import_files

    files = sorted((real_data / "klines" / "spot-15m").glob("[AB]*.csv.gz"))
    folder = Lake(tmp_path)
    for one in (lake, folder):
        import_files(files, one, "binance")
    assert objects(lake) == tree(tmp_path)
