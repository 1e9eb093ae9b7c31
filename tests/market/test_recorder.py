"""The recorder against a venue that plays a recorded stream: what was sent is on file, and what was lost is said."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from stream_server import FINE, StreamServer, stream_lines

from market.book.binance import read_recording
from market.book.order_book import OrderBook, Status
from market.book.recordings import lines_of
from market.book.tape import Said
from market.errors import RecorderError
from market.recorder.convert import convert, holes_in, overlapping
from market.recorder.files import Recording, only_recorder, recordings, salvage
from market.recorder.recorder import Recorder, RecorderConfig
from market.recorder.track import DECODER, Track
from market.recorder.venues import VENUES, venue_of
from market.time import HOUR, MINUTE, SECOND
from market.trades.schema import empty_trades

LINES = 3_000
QUICK = RecorderConfig(snapshot_pause=SECOND // 20)
NAME = "binance-BTCUSDT"


@pytest.fixture(scope="module")
def stream(real_data):
    return stream_lines(real_data / "book" / "binance-spot-BTCUSDT-ws-20240808.jsonl.gz", LINES)


def at(server):
    return replace(VENUES["binance"], stream_url=server.stream_url, rest_url=server.rest_url)


async def recorded(folder, stream, told, config=None, **server):
    """Record everything the server plays."""
    async with StreamServer(*stream, **server) as venue:
        recorder = Recorder(at(venue), ["BTCUSDT"], folder, config, told.append)
        running = asyncio.create_task(recorder.run())
        await asyncio.wait_for(venue.done.wait(), 60)
        await asyncio.sleep(0.3)
        recorder.stop()
        tally = await asyncio.wait_for(running, 30)
        return tally, venue


def messages_of(folder):
    lines = [line for path in recordings(folder, NAME) for line in lines_of(path)]
    return [line.split(b" ", 1)[1] for line in lines], [int(line.split(b" ", 1)[0]) for line in lines]


@pytest.mark.real_data
def test_what_was_sent_is_in_the_file_byte_for_byte_and_gives_the_venues_book(tmp_path, stream):
    tally, venue = asyncio.run(recorded(tmp_path, stream, []))
    messages, times = messages_of(tmp_path)
    sent = [line.split(b" ", 1)[1] for line in stream[0]]
    assert [one for one in messages if b'"stream"' in one] == sent
    assert json.loads(messages[0]) == {"gap": "recording begins"}
    assert sum(b"lastUpdateId" in one for one in messages) == tally.snapshots == 1
    assert times == sorted(times)
    assert (tally.messages, tally.gaps, tally.failures, tally.connections) == (LINES - 1, 0, 0, 1)
    assert venue.paths[0] == "/stream?streams=btcusdt@trade/btcusdt@depth@100ms/btcusdt@bookTicker"
    assert venue.paths[1] == "/api/v3/depth?symbol=BTCUSDT&limit=5000"
    book = OrderBook()
    book.take(read_recording(recordings(tmp_path, NAME), FINE))
    assert (book.status, book.update) == (Status.VALID, venue.book.update)
    best = min(book.known()[0], 100), min(book.known()[1], 100)
    assert min(best) > 50
    np.testing.assert_array_equal(book.bids(best[0]), venue.book.bids(best[0]))
    np.testing.assert_array_equal(book.asks(best[1]), venue.book.asks(best[1]))


@pytest.mark.real_data
def test_a_lost_connection_is_a_gap_and_the_book_is_known_again_behind_it(tmp_path, stream):
    told = []
    tally, venue = asyncio.run(recorded(tmp_path, stream, told, config=QUICK, cuts=(700, 1_900), lost=150, pause=0.01))
    messages, _ = messages_of(tmp_path)
    assert (tally.connections, tally.gaps, tally.failures) == (3, 2, 2)
    assert sum(b'"stream"' in one for one in messages) == LINES - 1 - 300
    assert [json.loads(one)["gap"][:19] for one in messages if one.startswith(b'{"gap"')][1:] == [
        "the connection was "
    ] * 2
    assert sum("trying again in" in line for line in told) == 2
    tape = read_recording(recordings(tmp_path, NAME), FINE)
    assert len(tape.of_kind(Said.SNAPSHOT)) == 3
    book = OrderBook()
    book.take(tape)
    assert (book.status, book.update, book.counters.gaps) == (Status.VALID, venue.book.update, 2)
    np.testing.assert_array_equal(book.bids(20), venue.book.bids(20))
    found = convert(recordings(tmp_path, NAME), FINE, SECOND, "BTCUSDT", False)
    trades = found.trades["id"]
    assert len(found.holes) == (np.diff(trades) > 1).sum() > 0
    for before, behind in found.holes:
        assert not ((found.bars["start"] <= behind) & (found.bars["end"] > before)).any()


@pytest.mark.real_data
def test_changes_missing_within_a_connection_have_a_snapshot_fetched(tmp_path, stream):
    changes = [number for number, line in enumerate(stream[0]) if b'"depthUpdate"' in line]
    tally, venue = asyncio.run(recorded(tmp_path, stream, [], config=QUICK, pause=0.02, hidden={changes[60]}))
    assert tally.gaps == 1
    book = OrderBook()
    book.take(read_recording(recordings(tmp_path, NAME), FINE))
    assert (book.status, book.update) == (Status.VALID, venue.book.update)
    assert book.counters.gaps == 1
    assert book.counters.snapshots == tally.snapshots == 2


@pytest.mark.real_data
def test_a_refused_snapshot_is_asked_for_again(tmp_path, stream):
    told = []
    tally, venue = asyncio.run(recorded(tmp_path, stream, told, config=QUICK, stale=1, pause=0.02))
    assert (tally.snapshots, tally.failures, venue.asked) == (1, 1, 2)
    assert "no snapshot of BTCUSDT" in told[0]
    assert "503" in told[0]


@pytest.mark.real_data
def test_a_silent_connection_is_given_up(tmp_path, stream):
    async def play():
        async with StreamServer(stream[0][:200], stream[1]) as venue:
            told = []
            recorder = Recorder(at(venue), ["BTCUSDT"], tmp_path, RecorderConfig(silence=SECOND // 2), told.append)
            running = asyncio.create_task(recorder.run())
            while recorder.tally.connections < 2:
                await asyncio.sleep(0.05)
            recorder.stop()
            await asyncio.wait_for(running, 30)
            return told

    told = asyncio.run(asyncio.wait_for(play(), 60))
    assert "no message for 0.5 s; trying again in 0.25 s" in told[0]


PROGRAM = """
import asyncio, sys
from dataclasses import replace
from pathlib import Path
from market.recorder.recorder import Recorder, RecorderConfig
from market.recorder.venues import VENUES
venue = replace(VENUES["binance"], stream_url=sys.argv[1], rest_url=sys.argv[2])
config = RecorderConfig(flush=50_000_000)
asyncio.run(Recorder(venue, ["BTCUSDT"], Path(sys.argv[3]), config).run())
"""


async def taken_in(recorder):
    """Wait until nothing has come for a second: on a busy machine sockets still hold messages when all are sent."""
    before = -1
    while recorder.tally.messages != before:
        before = recorder.tally.messages
        await asyncio.sleep(1.0)


@pytest.mark.real_data
def test_a_killed_recorder_leaves_whole_files_and_the_next_goes_on(tmp_path, stream):
    async def play():
        async with StreamServer(*stream, pause=0.03) as venue:
            root = Path(__file__).resolve().parents[2]
            arguments = [sys.executable, "-c", PROGRAM, venue.stream_url, venue.rest_url, str(tmp_path)]
            killed = subprocess.Popen(arguments, cwd=root)
            try:
                while venue.place < 1_000:
                    await asyncio.sleep(0.02)
            finally:
                os.kill(killed.pid, signal.SIGKILL)
                killed.wait(10)
            parts = list(tmp_path.glob("*.part"))
            told = []
            recorder = Recorder(at(venue), ["BTCUSDT"], tmp_path, None, told.append)
            running = asyncio.create_task(recorder.run())
            await asyncio.wait_for(venue.done.wait(), 60)
            await taken_in(recorder)
            recorder.stop()
            await asyncio.wait_for(running, 30)
            return parts, told

    parts, told = asyncio.run(asyncio.wait_for(play(), 120))
    assert len(parts) == 1
    assert told[0].startswith(f"finished {parts[0].name.removesuffix('.part')}")
    assert not list(tmp_path.glob("*.part"))
    first, second = ([line.split(b" ", 1)[1] for line in lines_of(path)] for path in recordings(tmp_path, NAME))
    sent = [line.split(b" ", 1)[1] for line in stream[0]]
    kept = [one for one in first if b'"stream"' in one]
    assert kept == sent[: len(kept)]
    assert len(kept) > 500
    later = [one for one in second if b'"stream"' in one]
    assert later == sent[-len(later) :]
    book = OrderBook()
    book.take(read_recording(recordings(tmp_path, NAME), FINE))
    assert book.status == Status.VALID


def test_files_rotate_on_the_grid_and_keep_every_line(tmp_path):
    recording = Recording(tmp_path, "v-X", 10 * SECOND)
    lines = [(number * SECOND, b'{"n":%d}' % number) for number in range(5, 42)]
    for received, message in lines:
        recording.write(received, message)
        assert len(list(tmp_path.glob("*.part"))) == 1
    recording.close()
    recording.close()
    names = [path.name for path in recordings(tmp_path, "v-X")]
    assert names == [f"v-X-19700101T0000{start:02}Z.jsonl.gz" for start in (5, 10, 20, 30, 40)]
    assert recording.finished == recordings(tmp_path, "v-X")
    whole = [line for path in recordings(tmp_path, "v-X") for line in lines_of(path)]
    assert whole == [b"%d %s" % line for line in lines]
    assert recordings(tmp_path, "v") == []


def test_files_that_begin_at_the_same_second_keep_their_order(tmp_path):
    for number in range(12):
        recording = Recording(tmp_path, "v-X", HOUR)
        recording.write(number, b"{}")
        recording.close()
    assert [next(lines_of(path)) for path in recordings(tmp_path, "v-X")] == [b"%d {}" % n for n in range(12)]


def test_a_torn_part_is_cut_to_its_last_whole_line_and_an_empty_one_removed(tmp_path):
    content = gzip.compress(b"".join(b"%d {}\n" % number for number in range(5_000)))
    (tmp_path / "v-X-a.jsonl.gz.part").write_bytes(content[: len(content) // 2])
    (tmp_path / "v-X-b.jsonl.gz.part").write_bytes(b"")
    (tmp_path / "v-X-c.jsonl.gz").write_bytes(content)
    assert [path.name for path in salvage(tmp_path)] == ["v-X-a.jsonl.gz"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v-X-a.jsonl.gz", "v-X-c.jsonl.gz"]
    kept = gzip.decompress((tmp_path / "v-X-a.jsonl.gz").read_bytes()).splitlines()
    assert kept == [b"%d {}" % number for number in range(len(kept))]
    assert 1_000 < len(kept) < 5_000
    assert (tmp_path / "v-X-c.jsonl.gz").read_bytes() == content
    assert salvage(tmp_path) == []


def test_two_recorders_do_not_share_a_folder(tmp_path):
    with (
        only_recorder(tmp_path),
        pytest.raises(RecorderError, match="another recorder writes"),
        only_recorder(tmp_path),
    ):
        pass
    with only_recorder(tmp_path):
        pass


def test_a_full_disk_is_no_lost_connection(tmp_path):
    recording = Recording(tmp_path / "absent", "v-X", HOUR)
    with pytest.raises(RecorderError, match="cannot be written"):
        recording.write(1, b"{}")


def test_a_snapshot_from_before_the_changes_is_wanted_again(tmp_path):
    for futures, update, wanted in ((False, 98, True), (False, 99, False), (True, 99, True), (True, 100, False)):
        track = Track("X", futures, Recording(tmp_path, f"{futures}{update}", HOUR))
        raw = b'{"stream":"x@depth","data":{"e":"depthUpdate","E":1,"U":100,"u":105,"pu":97}}'
        track.message(5 * SECOND, raw, DECODER.decode(raw).data)
        assert track.due(5 * SECOND, MINUTE, SECOND)
        track.snapshot(5 * SECOND, b'{"lastUpdateId":%d}' % update)
        assert track.wanted == wanted
        assert not track.due(5 * SECOND + 1, MINUTE, SECOND)
        assert track.due(6 * SECOND, MINUTE, SECOND) == wanted
        assert track.due(65 * SECOND, MINUTE, SECOND)
        track.recording.close()


def test_bars_that_a_hole_may_touch():
    bars = np.zeros(4, [("start", int), ("end", int)])
    bars["start"], bars["end"] = [0, 10, 20, 30], [10, 20, 30, 40]
    assert overlapping(bars, [(9, 10)]).tolist() == [True, True, False, False]
    assert overlapping(bars, [(10, 10)]).tolist() == [False, True, False, False]
    assert overlapping(bars, [(12, 33)]).tolist() == [False, True, True, True]
    trades = empty_trades(4)
    trades["id"], trades["time"] = [1, 2, 5, 6], [10, 20, 30, 40]
    assert list(holes_in(trades)) == [(20, 30)]


def test_what_cannot_be_recorded_is_refused(tmp_path):
    with pytest.raises(RecorderError, match="no venue 'kraken' can be recorded; these can: binance, binance-um"):
        venue_of("kraken")
    for symbols in ([], ["A", "a"]):
        with pytest.raises(RecorderError, match="at least one symbol, each once"):
            Recorder(VENUES["binance"], symbols, tmp_path)
    for symbol in ("../x", "", "BTC USDT", "a@trade", "BTC\n", "\u212a"):
        with pytest.raises(RecorderError, match="is no symbol"):
            Recorder(VENUES["binance"], ["BTCUSDT", symbol], tmp_path)
    with pytest.raises(RecorderError, match="at least a second"):
        Recording(tmp_path, "x", 1)
    broken = replace(VENUES["binance"], stream_url="nowhere")
    with pytest.raises(RecorderError, match="nowhere is not the address of a stream"):
        asyncio.run(Recorder(broken, ["X"], tmp_path).run())


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "count"), [("spot-BTCUSDT", 10), ("spot-ETHUSDT", 10), ("um-BTCUSDT", 4)])
def test_the_shared_recordings_become_bars_with_every_book_field(real_data, name, count):
    paths = sorted((real_data / "book").glob(f"binance-{name}-ws-*.jsonl.gz"))
    found = convert(paths, FINE, MINUTE, name.split("-")[1], name.startswith("um"))
    assert (len(found.bars), found.holes, found.left_out) == (count, (), 0)
    for field in found.bars.dtype.names[:21]:
        assert np.isfinite(found.bars[field]).all(), field
    assert ((found.bars["low"] <= found.bars["microprice"]) | (found.bars["spread"] > 0)).all()
    first = found.bars[0]
    inside = (found.trades["time"] >= first["start"]) & (found.trades["time"] < first["end"])
    assert first["trade_count"] == inside.sum()
    assert first["volume"] == pytest.approx(found.trades["quantity"][inside].sum())
    again = convert(paths[:1], FINE, MINUTE, name.split("-")[1], name.startswith("um")).bars
    assert again.tobytes() == found.bars[: len(again)].tobytes()
