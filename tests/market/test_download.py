"""Downloads from an archive on loopback that truncates, lies, refuses, stalls and drops connections."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from archive_server import SPOT, Archive, serving
from market_bars import random_bars, tree

from market.download.archive import Wanted, download
from market.download.client import Client
from market.download.layout import ArchiveSeries
from market.download.pace import Pace
from market.errors import DownloadError
from market.time import parse_time

JANUARY = Wanted(SPOT, parse_time("2025-01-01"), parse_time("2025-02-01"))
PATH = SPOT.path("2025-01")


@pytest.fixture
def archive():
    with serving(Archive()) as served:
        yield served


@pytest.fixture(scope="module")
def bars():
    """60 days from 2024-12-30: two days, January, most of February."""
    return random_bars(60 * 96)


def client(archive, **settings):
    return Client(archive.url, **{"rate": 10_000, "backoff": 0.001, "timeout": 5.0} | settings)


def fetch_january(archive, folder, **settings):
    (arrived,) = download(client(archive, **settings), [JANUARY], folder)
    return arrived


def test_months_inside_the_range_come_as_months_the_rest_as_days(archive, bars, tmp_path):
    archive.put_bars(SPOT, bars, "2024-12", days=True)
    archive.put_bars(SPOT, bars, "2025-01")
    archive.put_bars(SPOT, bars, "2025-02", days=True)
    steps = []
    wanted = Wanted(SPOT, parse_time("2024-12-31"), parse_time("2025-02-03T12:00"))
    (arrived,) = download(client(archive), [wanted], tmp_path, progress=lambda what, done: steps.append((what, done)))
    periods = ["2024-12-31", "2025-01", "2025-02-01", "2025-02-02", "2025-02-03"]
    assert arrived.files == tuple(tmp_path / SPOT.path(period) for period in periods)
    assert (arrived.known, arrived.absent) == (0, ())
    for path in arrived.files:
        assert path.read_bytes() == archive.files[str(path.relative_to(tmp_path))]
    assert len(archive.fetched()) == 5
    assert all(0 <= done <= 1 for _, done in steps)
    assert any("BTCUSDT-15m-2025-01.zip (" in what and "MB in all" in what for what, _ in steps)
    assert steps[-1] == ("done", 1.0)


def test_a_month_that_is_not_published_comes_day_by_day(archive, bars, tmp_path):
    paths = archive.put_bars(SPOT, bars, "2025-01", days=True)
    for path in (paths[0], paths[30]):
        del archive.files[path], archive.files[f"{path}.CHECKSUM"]
    arrived = fetch_january(archive, tmp_path)
    assert arrived.files == tuple(tmp_path / path for path in paths[1:30])
    assert arrived.absent == ("2025-01-01", "2025-01-31")


def test_an_archive_without_the_series_says_so(archive, tmp_path):
    with pytest.raises(DownloadError, match="no files of binance BTCUSDT klines 15m from 2025-01-01 to 2025-01-31"):
        fetch_january(archive, tmp_path)
    assert tree(tmp_path) == {}


def test_nothing_is_fetched_twice(archive, bars, tmp_path):
    archive.put_bars(SPOT, bars, "2025-01")
    first = fetch_january(archive, tmp_path)
    assert fetch_january(archive, tmp_path).files == first.files
    assert len(archive.fetched()) == 1


def test_a_corrected_file_is_fetched_again(archive, bars, tmp_path):
    archive.put_bars(SPOT, bars, "2025-01")
    fetch_january(archive, tmp_path)
    corrected = bars.copy()
    corrected["volume"] += 1
    archive.put_bars(SPOT, corrected, "2025-01")
    (path,) = fetch_january(archive, tmp_path).files
    assert path.read_bytes() == archive.files[PATH]


@pytest.mark.parametrize(
    ("faults", "offsets"),
    [
        ([("drop",), ("drop",)], [None, None, None]),
        ([("status", 503), ("status", 500), ("status", 502)], [None] * 4),
        ([("cut", 1000), ("cut", 500), ("drop",)], [None, 1000, 1500, 1500]),
        ([("cut", 1000), ("whole",)], [None, 1000]),
        ([("stall", 1000, 1.0)], [None, 1000]),
        ([("trickle", 5000, 0.01)], [None]),
        ([("spoil",)], [None, None]),
        ([("cut", 2000), ("spoil",)], [None, 2000, None]),
        # Far more interruptions than attempts: each got further, so none of them is the last.
        ([("cut", 1000)] * 20, [None, *range(1000, 21_000, 1000)]),
    ],
)
def test_what_may_pass_is_tried_again_where_it_stopped(archive, bars, tmp_path, faults, offsets):
    archive.put_bars(SPOT, bars, "2025-01")
    archive.faults[PATH] = list(faults)
    (path,) = fetch_january(archive, tmp_path, timeout=0.4).files
    assert path.read_bytes() == archive.files[PATH]
    assert archive.fetched(PATH) == offsets
    assert [path.name for path in path.parent.iterdir()] == [path.name]


def test_checksums_are_asked_for_again_too(archive, bars, tmp_path):
    archive.put_bars(SPOT, bars, "2025-01")
    archive.faults[f"{PATH}.CHECKSUM"] = [("drop",), ("status", 503), ("cut", 30)]
    assert len(fetch_january(archive, tmp_path).files) == 1


def test_a_part_that_is_already_whole_needs_no_bytes(archive, bars, tmp_path):
    archive.put_bars(SPOT, bars, "2025-01")
    part = tmp_path / f"{PATH}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(archive.files[PATH])
    (path,) = fetch_january(archive, tmp_path).files
    assert path.read_bytes() == archive.files[PATH]
    assert archive.fetched(PATH) == [len(archive.files[PATH])]  # answered with 416


def test_a_part_of_something_else_is_thrown_away(archive, bars, tmp_path):
    archive.put_bars(SPOT, bars, "2025-01")
    part = tmp_path / f"{PATH}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 3000)
    (path,) = fetch_january(archive, tmp_path).files
    assert path.read_bytes() == archive.files[PATH]
    assert archive.fetched(PATH) == [3000, None]


def test_a_wrong_checksum_refuses_the_file_and_names_both(archive, bars, tmp_path):
    archive.put_bars(SPOT, bars, "2025-01")
    archive.put(PATH, archive.files[PATH], checksum="0" * 64)
    with pytest.raises(DownloadError, match=rf"{PATH}: has SHA-256 [0-9a-f]{{64}}, but {'0' * 64} was published"):
        fetch_january(archive, tmp_path)
    assert tree(tmp_path) == {}
    assert len(archive.fetched(PATH)) == 3


def test_one_bad_file_of_many_leaves_the_others(archive, bars, tmp_path):
    paths = archive.put_bars(SPOT, bars, "2025-01", days=True)
    archive.put(paths[4], archive.files[paths[4]], checksum="0" * 64)
    archive.put(paths[9], archive.files[paths[9]], checksum="1" * 64)
    with pytest.raises(DownloadError, match=r"(?s)2 of 31 files failed:.*(01-05.*01-10|01-10.*01-05)"):
        fetch_january(archive, tmp_path)
    assert set(tree(tmp_path)) == set(paths) - {paths[4], paths[9]}


@pytest.mark.parametrize("text", ["", "not a checksum", "0" * 64, f"{'0' * 64}  OTHER-15m-2025-01.zip\n"])
def test_a_checksum_file_that_is_none_is_refused(archive, tmp_path, text):
    archive.files[f"{PATH}.CHECKSUM"] = text.encode()
    with pytest.raises(DownloadError, match=r"is not the SHA-256 of BTCUSDT-15m-2025-01.zip"):
        fetch_january(archive, tmp_path)


def test_patience_ends_and_what_arrived_stays(archive, bars, tmp_path):
    archive.put_bars(SPOT, bars, "2025-01")
    archive.faults[PATH] = [("cut", 1234), *[("status", 503)] * 50]
    with pytest.raises(DownloadError, match="given up after 4 failures in a row, the last: status 503"):
        fetch_january(archive, tmp_path, attempts=4)
    assert tree(tmp_path) == {f"{PATH}.part": archive.files[PATH][:1234]}
    archive.faults.clear()
    fetch_january(archive, tmp_path)
    assert archive.fetched(PATH)[-1] == 1234


def test_a_server_that_is_gone_is_not_asked_for_every_file(archive, tmp_path):
    for period in range(1, 32):
        archive.faults[SPOT.path(f"2025-01-{period:02}") + ".CHECKSUM"] = [("status", 503)] * 100
    with pytest.raises(DownloadError, match="given up after 3 failures"):
        download(client(archive, attempts=3), [JANUARY], tmp_path, parallel=2)
    assert len(archive.requests) < 15


def test_no_server_at_all(tmp_path):
    with pytest.raises(DownloadError, match=r"127.0.0.1:9/data/spot.*given up after 2 failures.*NewConnectionError"):
        download(Client("http://127.0.0.1:9", attempts=2, backoff=0.001), [JANUARY], tmp_path)


def test_a_folder_that_cannot_be_made(archive, bars, tmp_path):
    (tmp_path / "file").write_text("")
    archive.put_bars(SPOT, bars, "2025-01")
    with pytest.raises(DownloadError, match=r"file/below: cannot be made \(Not a directory\)"):
        fetch_january(archive, tmp_path / "file" / "below")


def test_a_part_that_cannot_be_written(archive, bars, tmp_path):
    archive.put_bars(SPOT, bars, "2025-01")
    (tmp_path / "data").write_text("")
    with pytest.raises(DownloadError, match=r"2025-01\.zip\.part: cannot be written \("):
        fetch_january(archive, tmp_path)


@pytest.mark.parametrize("status", [401, 403, 451])
def test_what_will_not_pass_is_not_tried_again(archive, bars, tmp_path, status):
    archive.put_bars(SPOT, bars, "2025-01")
    archive.faults[PATH] = [("status", status)]
    with pytest.raises(DownloadError, match=f"status {status}; check the base URL"):
        fetch_january(archive, tmp_path)
    assert len(archive.fetched(PATH)) == 1


def test_too_many_requests_holds_every_thread_back_as_long_as_the_server_asks(archive, bars, tmp_path, monkeypatch):
    paths = archive.put_bars(SPOT, bars, "2025-01", days=True)
    archive.faults[paths[2]] = [("status", 429, {"Retry-After": "0"}), ("status", 418), ("status", 503)]
    archive.faults[paths[7]] = [("status", 429, {"Retry-After": "nonsense"})]
    pauses, pause = [], Pace.pause
    monkeypatch.setattr(Pace, "pause", lambda pace, seconds: (pauses.append(seconds), pause(pace, seconds)))
    one = client(archive, rate=1000, backoff=0.002)
    assert len(download(one, [JANUARY], tmp_path)[0].files) == 31
    assert pauses == [0.002] * 3  # 503 is one file's trouble
    pauses.clear()
    archive.faults[f"{paths[0]}.CHECKSUM"] = [("status", 429, {"Retry-After": "1"})]
    download(one, [JANUARY], tmp_path)
    assert pauses == [1.0]


@pytest.mark.parametrize("zone", ["GMT", "-0000"])
def test_a_server_may_ask_to_wait_until_a_date(archive, bars, tmp_path, zone):
    archive.put_bars(SPOT, bars, "2025-01")
    archive.faults[PATH] = [("status", 503, {"Retry-After": f"Wed, 21 Oct 2015 07:28:00 {zone}"})]
    assert len(fetch_january(archive, tmp_path).files) == 1
    archive.put(PATH, archive.files[PATH][:5000])
    archive.faults[PATH] = [("status", 503, {"Retry-After": f"Wed, 21 Oct 2099 07:28:00 {zone}"})]
    with pytest.raises(
        DownloadError, match=r"status 503, and the server asks to wait .* s, more than the limit of 300 s"
    ):
        fetch_january(archive, tmp_path)


def test_a_pause_beyond_the_limit_is_reported_instead(archive, bars, tmp_path):
    archive.put_bars(SPOT, bars, "2025-01")
    archive.faults[PATH] = [("status", 418, {"Retry-After": "86400"})]
    with pytest.raises(DownloadError, match="asks to wait 86400 s, more than the limit of 300 s"):
        fetch_january(archive, tmp_path)


def test_files_come_in_parallel_but_no_more_than_asked(archive, bars, tmp_path):
    paths = archive.put_bars(SPOT, bars, "2025-01", days=True)
    for path in paths:
        archive.faults[path] = [("trickle", 4000, 0.02)]
    download(client(archive), [JANUARY], tmp_path, parallel=3)
    assert archive.busiest == 3


def test_pace_over_threads_never_exceeds_the_rate():
    now, turns = [0.0], []
    pace = Pace(4.0, clock=lambda: now[0], sleep=lambda seconds: turns.append(now[0] + seconds))
    for step in (0.0, 0.0, 0.0, 0.1, 5.0, 0.0):
        now[0] += step
        before = len(turns)
        pace.wait()
        if len(turns) == before:
            turns.append(now[0])
    assert turns == [0.0, 0.25, 0.5, 0.75, 5.1, 5.35]
    pace.pause(3.0)
    pace.wait()
    assert turns[-1] == pytest.approx(8.1)
    assert np.diff(turns).min() >= 0.25 - 1e-12
    with pytest.raises(ValueError, match="must be above 0"):
        Pace(0.0)


def test_series_of_several_markets_do_not_mix(archive, bars, tmp_path):
    perpetual = ArchiveSeries("binance-um", "BTCUSDT", "klines", "15m")
    other = random_bars(60 * 96, seed=5)
    archive.put_bars(SPOT, bars, "2025-01")
    archive.put_bars(perpetual, other, "2025-01")
    wanted = [JANUARY, Wanted(perpetual, JANUARY.start, JANUARY.stop)]
    spot, um = download(client(archive), wanted, tmp_path)
    assert spot.files[0].name == um.files[0].name
    assert spot.files[0].read_bytes() == archive.files[PATH]
    assert um.files[0].read_bytes() == archive.files[perpetual.path("2025-01")]


CHILD = """
import sys
from pathlib import Path
from market.download.archive import Wanted, download
from market.download.client import Client
from market.download.layout import ArchiveSeries
from market.time import parse_time

series = ArchiveSeries("binance", "BTCUSDT", "klines", "15m")
wanted = Wanted(series, parse_time("2025-01-01"), parse_time("2025-02-01"))
download(Client(sys.argv[1], rate=1000), [wanted], Path(sys.argv[2]))
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_process_ended_in_the_middle_leaves_a_part_that_the_next_goes_on_with(archive, bars, tmp_path, end):
    archive.put_bars(SPOT, bars, "2025-01")
    archive.faults[PATH] = [("trickle", 2000, 0.05)]
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD), archive.url, str(tmp_path)],
        env=os.environ,
        stderr=subprocess.DEVNULL,
    )
    part = tmp_path / f"{PATH}.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 0) and time.monotonic() < deadline:
        time.sleep(0.005)
    child.send_signal(end)
    assert child.wait(60) != 0
    left = part.read_bytes()
    assert 0 < len(left) < len(archive.files[PATH])
    assert archive.files[PATH].startswith(left)
    (path,) = fetch_january(archive, tmp_path).files
    assert path.read_bytes() == archive.files[PATH]
    assert archive.fetched(PATH) == [None, len(left)]
