"""The journal: what is written is read, what is damaged is refused, what is acknowledged survives."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.events import EVENT, WORDS, as_words, first_broken, seal
from trading.errors import JournalError
from trading.journal import GROUP_NS, Journal, read_journal
from trading.journal_files import GROUP, SECTOR

ROOT = Path(__file__).resolve().parents[2]
SIZE = EVENT.itemsize
HEADER = {"name": "test", "config": "a = 1\n", "instruments": [{"symbol": "BTCUSDT", "tick": "0.01"}]}


def some_events(count: int, start: int = 0) -> np.ndarray:
    generator = np.random.default_rng(start + count)
    events = np.zeros(count, EVENT)
    words = as_words(events)
    words[:] = generator.integers(1, 2**63, words.shape, dtype=np.uint64)
    return events


def written(folder: Path, count: int) -> Path:
    with Journal.create(folder, HEADER, "buffered") as journal:
        journal.append(some_events(count))
    return folder / "records.bin"


def damaged(path: Path, content: bytes, message: str) -> None:
    """Both readers refuse this content, and leave it as it is."""
    path.write_bytes(content)
    for reader in (read_journal, Journal.open):
        with pytest.raises(JournalError, match=message):
            reader(path.parent)
        assert path.read_bytes() == content


def recovered(path: Path, content: bytes, good: int) -> None:
    """Both readers find the first ``good`` records; one leaves the file, the other cuts it and goes on."""
    path.write_bytes(content)
    torn = len(content) - good * SIZE
    seen = read_journal(path.parent)
    assert (len(seen.events), seen.torn_bytes) == (good, torn)
    assert path.read_bytes() == content
    with Journal.open(path.parent, "buffered") as journal:
        assert (journal.count, journal.recovered_bytes) == (good, torn)
        assert path.read_bytes() == content[: good * SIZE]
        journal.append(some_events(3, 99))
    again = read_journal(path.parent)
    assert (len(again.events), again.torn_bytes) == (good + 3, 0)


@pytest.mark.parametrize("policy", ["durable", "buffered"])
def test_what_is_written_is_read(tmp_path, policy):
    events = some_events(700)
    before = events.tobytes()
    with Journal.create(tmp_path / "deep" / "journal", HEADER, policy) as journal:
        sealed = np.concatenate([journal.append(events[:0]), journal.append(events[:1]), journal.append(events[1:])])
        journal.sync()
        assert events.tobytes() == before
        content = read_journal(journal.folder)
        assert (journal.count, journal.last_checksum) == (700, int(sealed["checksum"][-1]))
    assert content.header == HEADER == journal.header
    assert content.events.tobytes() == sealed.tobytes() == (journal.folder / "records.bin").read_bytes()
    assert sealed["seq"].tolist() == list(range(700))
    for field in set(EVENT.names) - {"seq", "checksum"}:
        assert (sealed[field] == events[field]).all()
    assert first_broken(as_words(sealed), np.uint64(0)) == -1


def test_the_chain_does_not_depend_on_the_batches_or_on_stops(tmp_path):
    events = some_events(600)
    with Journal.create(tmp_path / "one", HEADER, "buffered") as journal:
        for row in range(600):
            journal.append(events[row : row + 1])
    with Journal.create(tmp_path / "all", HEADER, "durable") as journal:
        journal.append(events)
    with Journal.create(tmp_path / "stops", HEADER):
        pass
    for start in range(0, 600, 97):
        with Journal.open(tmp_path / "stops") as journal:
            assert (journal.count, journal.recovered_bytes) == (start, 0)
            journal.append(events[start : start + 97])
    one, whole, stops = ((tmp_path / name / "records.bin").read_bytes() for name in ("one", "all", "stops"))
    assert one == whole == stops


def test_only_event_records_are_taken(tmp_path):
    with Journal.create(tmp_path / "journal", HEADER) as journal:
        for wrong in (np.zeros(3), np.zeros((2, 2), EVENT)):
            with pytest.raises(JournalError, match="EVENT"):
                journal.append(wrong)
        journal.append(some_events(1))
    with pytest.raises(JournalError, match="closed"):
        journal.append(some_events(1))
    journal.close()


def test_a_journal_needs_an_empty_folder_and_a_plain_header(tmp_path):
    (tmp_path / "empty").mkdir()
    Journal.create(tmp_path / "empty", HEADER).close()
    with pytest.raises(JournalError, match="not an empty folder"):
        Journal.create(tmp_path / "empty", HEADER)
    for header in ({"a": object()}, {"a": float("nan")}):
        with pytest.raises(JournalError, match="JSON"):
            Journal.create(tmp_path / "bad", header)
    with pytest.raises(JournalError, match="'durable' or 'buffered'"):
        Journal.create(tmp_path / "bad", HEADER, "fast")
    with pytest.raises(JournalError, match="not a journal"):
        Journal.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_a_failed_creation_leaves_nothing(tmp_path, monkeypatch):
    def full(_handle, _content):
        raise OSError(errno.ENOSPC, "disk full")

    with monkeypatch.context() as patch:
        patch.setattr("trading.journal_files.write_all", full)
        with pytest.raises(JournalError, match="disk full"):
            Journal.create(tmp_path / "journal", HEADER)
    assert not list(tmp_path.iterdir())


def test_a_damaged_header_is_refused(tmp_path):
    path = written(tmp_path / "journal", 2).parent / "header.json"
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(JournalError):
            read_journal(path.parent)
    path.write_bytes(content.replace(b'"format":1', b'"format":2'))
    with pytest.raises(JournalError, match="format 2"):
        Journal.open(path.parent)


@pytest.mark.parametrize("record", [0, 5, 9, 10, 11])
def test_a_flipped_bit_in_any_word_of_any_record_is_found(tmp_path, record):
    path = written(tmp_path / "journal", 12)
    content = path.read_bytes()
    for word in range(WORDS):
        bit = (word * 37 + record) % 64
        place = record * SIZE + word * 8 + bit // 8
        flipped = content[:place] + bytes([content[place] ^ (1 << bit % 8)]) + content[place + 1 :]
        damaged(path, flipped, f"record {record} is broken")


def test_removed_doubled_and_reordered_records_are_found(tmp_path):
    path = written(tmp_path / "journal", 8)
    content = path.read_bytes()
    rows = [content[start : start + SIZE] for start in range(0, len(content), SIZE)]
    for row in range(7):
        damaged(path, b"".join(rows[:row] + rows[row + 1 :]), f"record {row} is broken")
        damaged(path, b"".join([*rows[:row], rows[row + 1], rows[row], *rows[row + 2 :]]), f"record {row} is broken")
        damaged(path, b"".join(rows[: row + 1] + rows[row:]), f"record {row + 1} is broken")


def test_a_valid_chain_with_wrong_numbers_is_refused(tmp_path):
    path = written(tmp_path / "journal", 8)
    events = np.frombuffer(path.read_bytes(), EVENT).copy()
    events["seq"][3] = 4
    seal(as_words(events), 0, 8, np.uint64(0))
    damaged(path, events.tobytes(), "record 3 is broken: its seq")


def test_a_file_cut_at_any_byte_is_recovered(tmp_path):
    path = written(tmp_path / "journal", 6)
    content = path.read_bytes()
    for offset in range(SIZE):
        recovered(path, content[: 5 * SIZE + offset], 5)
    recovered(path, content[:17], 0)
    recovered(path, content, 6)


def test_sectors_that_were_never_written_are_recovered(tmp_path):
    path = written(tmp_path / "journal", GROUP + 44)
    content = path.read_bytes()
    for good in range(44, GROUP + 44, 4):
        recovered(path, content[: good * SIZE].ljust(len(content), b"\0"), good)
    for words in range(WORDS):
        recovered(path, content[: 60 * SIZE + words * 8].ljust(100 * SIZE + 50, b"\0"), 60)


def test_more_than_a_group_of_zeros_is_no_torn_tail(tmp_path):
    path = written(tmp_path / "journal", 40)
    content = path.read_bytes()
    recovered(path, content + bytes(GROUP * SIZE), 40)
    damaged(path, content + bytes(GROUP * SIZE + 1), "record 40 is broken: 256 records")


def test_a_hole_of_whole_sectors_among_the_last_records_is_recovered(tmp_path):
    path = written(tmp_path / "journal", 300)
    content = path.read_bytes()
    zero = bytes(4 * SIZE)
    recovered(path, content[: 288 * SIZE] + zero + content[292 * SIZE :], 288)
    recovered(path, content[: 44 * SIZE] + zero + content[48 * SIZE :], 44)
    recovered(path, content[: 49 * SIZE] + zero[: 3 * SIZE] + content[52 * SIZE :], 49)
    damaged(path, content[: 40 * SIZE] + zero + content[44 * SIZE :], "record 40 is broken: 260 records")


@settings(max_examples=60, deadline=None)
@given(data=st.data(), synced=st.integers(0, 40), unsynced=st.integers(1, 30))
def test_whatever_a_power_cut_leaves_of_unsynced_sectors_is_recovered(tmp_path_factory, data, synced, unsynced):
    count = synced + unsynced
    path = written(tmp_path_factory.mktemp("cut") / "journal", count)
    content, disk, good = path.read_bytes(), b"", count
    for begin in range(0, count, SECTOR // SIZE):
        end = min(begin + SECTOR // SIZE, count)
        held = data.draw(st.integers(max(begin, min(synced, end)), end))
        disk += content[begin * SIZE : held * SIZE].ljust((end - begin) * SIZE, b"\0")
        good = min(good, held) if held < end else good
    recovered(path, disk, good)


def test_a_hole_with_anything_else_in_or_behind_it_is_refused(tmp_path):
    path = written(tmp_path / "journal", 60)
    content = path.read_bytes()
    holed = content[: 20 * SIZE] + bytes(8 * SIZE) + content[28 * SIZE :]
    recovered(path, holed, 20)
    hole = [(20 * SIZE + place, "it was never|its checksum") for place in range(0, 8 * SIZE, 61)]
    numbers = [(record * SIZE, "numbered by its position") for record in range(28, 60)]
    fields = [(record * SIZE + 40, f"record {record} behind it does not continue") for record in range(29, 60)]
    for place, message in [*hole, *numbers, *fields, (59 * SIZE + 127, "record 59 behind it")]:
        damaged(path, holed[:place] + bytes([holed[place] ^ 8]) + holed[place + 1 :], message)
    for begin, end in ((20, 27), (20, 25), (17, 18), (30, 33)):
        part = content[: begin * SIZE] + bytes((end - begin) * SIZE) + content[end * SIZE :]
        damaged(path, part, "no sector begins there")
    damaged(path, holed[: 32 * SIZE] + holed[36 * SIZE :], "not numbered by its position")
    damaged(path, holed + content[:50], "part of a record was behind it")


def test_damage_in_the_middle_is_refused(tmp_path):
    path = written(tmp_path / "journal", 300)
    content = path.read_bytes()
    zero = bytes(4 * SIZE)
    damaged(path, content[: 20 * SIZE] + zero + content[24 * SIZE :], "record 20 is broken")
    damaged(path, content[: 290 * SIZE] + zero + content[294 * SIZE :], "record 290 is broken")
    damaged(path, content[: 295 * SIZE] + zero + content[299 * SIZE :], "record 295 is broken")
    damaged(path, content[: 299 * SIZE] + bytes(SIZE) + content[:50], "record 299 is broken")
    damaged(path, content[: 10 * SIZE + 5] + content[10 * SIZE + 6 :], "record 10 is broken")


def test_a_journal_longer_than_a_chunk_is_verified(tmp_path, monkeypatch):
    monkeypatch.setattr("trading.journal_files.CHUNK", 7)
    path = written(tmp_path / "journal", 50)
    content = path.read_bytes()
    assert read_journal(path.parent).events.tobytes() == content
    recovered(path, content[: 43 * SIZE - 1], 42)
    damaged(path, content[: 20 * SIZE] + b"\x07" + content[20 * SIZE + 1 :], "record 20 is broken")


def test_a_second_writer_is_refused(tmp_path):
    folder = tmp_path / "journal"
    with Journal.create(folder, HEADER) as first:
        first.append(some_events(2))
        with pytest.raises(JournalError, match=f"{folder} has a writer"):
            Journal.open(folder)
        child = f"from pathlib import Path; from trading.journal import Journal; Journal.open(Path({str(folder)!r}))"
        run = subprocess.run([sys.executable, "-c", child], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert run.returncode == 1
        assert f"{folder} has a writer" in run.stderr
        first.append(some_events(2))
        assert len(read_journal(folder).events) == 4
    Journal.open(folder).close()


def test_texts_survive_reopening(tmp_path):
    folder = tmp_path / "journal"
    texts = ["stop loss", "line\nend\r\u2028", "", "\ud800 half", "žluťoučký 🐎"]
    with Journal.create(folder, HEADER) as journal:
        numbers = [journal.intern(text) for text in texts]
        assert numbers == [1, 2, 0, 3, 4] == [journal.intern(text) for text in texts]
        journal.append(some_events(1))
    with Journal.open(folder) as journal:
        assert [journal.name(number) for number in numbers] == texts
        assert (journal.intern(texts[0]), journal.intern("new")) == (1, 5)
        with pytest.raises(JournalError, match="no text 6"):
            journal.name(6)
    assert read_journal(folder).names == ("", "stop loss", texts[1], texts[3], texts[4], "new")
    lines = (folder / "names.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [1, 2, 3, 4, 5]


def test_torn_and_damaged_texts(tmp_path):
    folder = tmp_path / "journal"
    with Journal.create(folder, HEADER) as journal:
        for text in ("one", "two"):
            journal.intern(text)
    path = folder / "names.jsonl"
    content = path.read_bytes()
    first = content.index(b"\n") + 1
    for cut in range(first, len(content)):
        path.write_bytes(content[:cut])
        assert read_journal(folder).names == ("", "one")
        assert path.read_bytes() == content[:cut]
        with Journal.open(folder, "buffered") as journal:
            assert journal.recovered_bytes == cut - first
            assert journal.intern("two") == 2
        assert path.read_bytes() == content
    for place in range(first):
        damaged(path, content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :], "line 1 is broken")


class Disk:
    """Counts what is synced, and fails on demand; handles of other files go straight through."""

    def __init__(self, patch: pytest.MonkeyPatch, journal: Journal) -> None:
        self.folder = journal.folder
        self.synced = {"records.bin": 0, "names.jsonl": 0}
        self.calls: list[tuple[str, str]] = []
        self.room: int | None = None
        self.short: int | None = None
        self.broken = False
        self.bounded = True
        self.write, self.datasync = os.write, os.fdatasync
        patch.setattr(os, "write", self.on_write)
        patch.setattr(os, "fdatasync", self.on_sync)

    def file_of(self, handle: int) -> str | None:
        path = Path(os.readlink(f"/proc/self/fd/{handle}"))
        return path.name if path.parent == self.folder else None

    def on_write(self, handle: int, content: memoryview) -> int:
        name = self.file_of(handle)
        if name is None:
            return self.write(handle, content)
        self.calls.append(("write", name))
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = self.write(handle, content[: self.room][: self.short])
        self.room = None if self.room is None else self.room - done
        if name == "records.bin" and self.bounded:
            assert (self.folder / name).stat().st_size - self.synced[name] <= GROUP * SIZE
        return done

    def on_sync(self, handle: int) -> None:
        name = self.file_of(handle)
        assert name is not None
        self.calls.append(("sync", name))
        if self.broken:
            raise OSError(errno.EIO, "Input/output error")
        self.datasync(handle)
        self.synced[name] = (self.folder / name).stat().st_size


def test_what_is_synced_and_when(tmp_path, monkeypatch):
    now = [0]
    journal = Journal.create(tmp_path / "journal", HEADER, clock=lambda: now[0])
    disk = Disk(monkeypatch, journal)
    records = disk.synced
    journal.append(some_events(GROUP - 1))
    assert records["records.bin"] == 0
    journal.append(some_events(1))
    assert records["records.bin"] == GROUP * SIZE
    journal.append(some_events(1))
    now[0] += GROUP_NS - 1
    journal.append(some_events(1))
    assert records["records.bin"] == GROUP * SIZE
    now[0] += 1
    journal.append(some_events(1))
    assert records["records.bin"] == (GROUP + 3) * SIZE
    journal.append(some_events(2))
    journal.sync()
    assert records["records.bin"] == (GROUP + 5) * SIZE
    disk.calls.clear()
    journal.sync()
    assert not disk.calls
    journal.append(some_events(10 * GROUP + 7))
    assert records["records.bin"] == (11 * GROUP + 5) * SIZE
    disk.calls.clear()
    journal.intern("halt")
    journal.intern("resume")
    journal.append(some_events(1))
    names = [("write", "names.jsonl")] * 2 + [("sync", "names.jsonl")]
    assert disk.calls == [*names, ("write", "records.bin")]
    journal.close()
    assert records["records.bin"] == journal.count * SIZE


def test_a_buffered_journal_never_asks_the_disk(tmp_path, monkeypatch):
    with Journal.create(tmp_path / "journal", HEADER, "buffered", clock=iter(()).__next__) as journal:
        disk = Disk(monkeypatch, journal)
        disk.bounded = False
        journal.intern("text")
        journal.append(some_events(1000))
        journal.sync()
        assert ("write", "records.bin") in disk.calls
        assert not any(call == "sync" for call, _ in disk.calls)
        assert len(read_journal(journal.folder).events) == 1000


def test_short_writes_are_finished(tmp_path, monkeypatch):
    with Journal.create(tmp_path / "journal", HEADER) as journal:
        disk = Disk(monkeypatch, journal)
        disk.short = 100
        sealed = journal.append(some_events(20))
        journal.intern("a text that is rather long" * 10)
    content = read_journal(journal.folder)
    assert content.events.tobytes() == sealed.tobytes()
    assert (len(content.names), content.torn_bytes) == (2, 0)


def refuses_everything(journal: Journal, message: str) -> None:
    for action in (lambda: journal.append(some_events(1)), journal.sync, lambda: journal.intern("new")):
        with pytest.raises(JournalError, match=message):
            action()


def test_a_full_disk_poisons(tmp_path, monkeypatch):
    journal = Journal.create(tmp_path / "journal", HEADER)
    first = journal.append(some_events(5))
    with monkeypatch.context() as patch:
        disk = Disk(patch, journal)
        disk.room = 3 * SIZE + 40
        with pytest.raises(JournalError, match="No space left"):
            journal.append(some_events(9))
    calls = len(disk.calls)
    refuses_everything(journal, "No space left")
    journal.close()
    assert len(disk.calls) == calls
    with Journal.open(journal.folder) as again:
        assert (again.count, again.recovered_bytes) == (8, 40)
    assert read_journal(journal.folder).events[:5].tobytes() == first.tobytes()


def test_a_full_disk_for_a_text_poisons(tmp_path, monkeypatch):
    journal = Journal.create(tmp_path / "journal", HEADER)
    with monkeypatch.context() as patch:
        Disk(patch, journal).room = 10
        with pytest.raises(JournalError, match="No space left"):
            journal.intern("text")
    refuses_everything(journal, "No space left")
    journal.close()
    with Journal.open(journal.folder) as again:
        assert (again.recovered_bytes, again.intern("other")) == (10, 1)


def test_a_failed_sync_poisons_and_is_never_tried_again(tmp_path, monkeypatch):
    journal = Journal.create(tmp_path / "journal", HEADER)
    journal.append(some_events(5))
    disk = Disk(monkeypatch, journal)
    disk.broken = True
    with pytest.raises(JournalError, match="Input/output"):
        journal.sync()
    disk.broken = False
    refuses_everything(journal, "Input/output")
    journal.close()
    assert disk.calls == [("sync", "records.bin")]


def test_an_interrupt_half_way_poisons(tmp_path, monkeypatch):
    journal = Journal.create(tmp_path / "journal", HEADER)
    with monkeypatch.context() as patch:

        def interrupted(handle, content):
            os.write(handle, content[:200])
            raise KeyboardInterrupt

        patch.setattr("trading.journal.write_all", interrupted)
        with pytest.raises(KeyboardInterrupt):
            journal.append(some_events(4))
    refuses_everything(journal, "interrupted")
    journal.close()
    with Journal.open(journal.folder) as again:
        assert (again.count, again.recovered_bytes) == (1, 72)


CHILD = """
import sys
from pathlib import Path
import numpy as np
from market.events import EVENT
from trading.journal import Journal

folder = Path(sys.argv[1])
generator = np.random.default_rng(int(sys.argv[2]))
journal = Journal.open(folder) if folder.exists() else Journal.create(folder, {"name": "killed"})
while journal.count < 1_000_000:
    text = journal.intern(f"text {journal.count}")
    for size in generator.integers(1, 200, 4):
        events = np.zeros(size, EVENT)
        events["p0"] = np.arange(journal.count, journal.count + size)
        events["p1"] = text
        journal.append(events)
    journal.sync()
    print(journal.count, flush=True)
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path):
    folder = tmp_path / "journal"
    for seed in range(5):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(folder), str(seed)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        try:
            acknowledged = [int(child.stdout.readline()) for _ in range(3 + 5 * seed)][-1]
        finally:
            child.send_signal(signal.SIGKILL)
            late = child.communicate(timeout=60)[0].split("\n")[:-1]
        acknowledged = int(late[-1]) if late else acknowledged
        content = read_journal(folder)
        events = content.events
        assert len(events) >= acknowledged > 0
        assert (events["seq"] == np.arange(len(events))).all()
        assert (events["p0"] == events["seq"]).all()
        assert events["p1"].max() < len(content.names)
        assert first_broken(as_words(events), np.uint64(0)) == -1
        with Journal.open(folder) as journal:
            assert (journal.count, journal.recovered_bytes) == (len(events), content.torn_bytes)
