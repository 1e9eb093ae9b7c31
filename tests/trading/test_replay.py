"""Replay in another process, and of journals whose records were altered and sealed again."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from market.events import EVENT, Kind, as_words, seal
from tests.trading.test_paper import HEADER, feed
from tests.trading.trading_samples import random_tape
from trading.errors import ReplayError
from trading.paper import PaperSession
from trading.replay import replay

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import hashlib, sys
from pathlib import Path
from trading.replay import replay
done = replay(Path(sys.argv[1]))
print(hashlib.sha256(done.state.to_bytes()).hexdigest(), done.inputs, done.decisions, done.digests)
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A session that was closed twice."""
    folder, tape = tmp_path_factory.mktemp("replay") / "journal", random_tape(77, 160)
    first = PaperSession.create(folder, HEADER, "buffered")
    feed(first, tape[:300])
    first.close()
    second = PaperSession.resume(folder, "buffered")
    feed(second, tape[300:])
    second.close()
    return second


@pytest.fixture
def journal(session, tmp_path):
    """A copy of its folder, and a function that writes other records into it, sealed."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for name in ("header.json", "names.jsonl", "records.bin"):
        (folder / name).write_bytes((session.journal.folder / name).read_bytes())
    events = np.frombuffer((folder / "records.bin").read_bytes(), EVENT)

    def put(changed):
        changed = changed.copy()
        changed["seq"] = np.arange(len(changed))
        seal(as_words(changed), 0, len(changed), np.uint64(0))
        (folder / "records.bin").write_bytes(changed.tobytes())
        return folder

    return events, put


@pytest.mark.parametrize("compiled", [True, False])
def test_another_process_ends_in_the_same_state(session, compiled):
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "0" if compiled else "1"}
    program = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(session.journal.folder)]
    said = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout.split()
    assert said[0] == hashlib.sha256(session.state.to_bytes()).hexdigest()
    assert int(said[1]) + int(said[2]) == session.journal.count
    assert said[3] == "2"


def test_every_altered_decision_is_named(journal):
    events, put = journal
    rows = np.flatnonzero((events["kind"] >= 32) & (events["kind"] != Kind.STATE_DIGEST))
    assert replay(put(events)).digests == 2
    for row in rows[:: len(rows) // 12]:
        for field in ("p0", "p4", "ts_event", "instrument"):
            changed = events.copy()
            changed[field][row] += 1
            with pytest.raises(ReplayError, match=f"^record {row} "):
                replay(put(changed))


def test_a_decision_left_out_or_put_in_is_named(journal):
    events, put = journal
    orders = np.flatnonzero(events["kind"] == Kind.SUBMIT_ORDER)
    row = int(orders[5])
    with pytest.raises(ReplayError, match=f"^record {row} "):
        replay(put(np.delete(events, row)))
    for place in (0, row + 3, len(events)):
        with pytest.raises(ReplayError, match=r"^record \d+ "):
            replay(put(np.insert(events, place, events[row])))


def test_a_digest_of_another_state_is_named(journal):
    events, put = journal
    for row in np.flatnonzero(events["kind"] == Kind.STATE_DIGEST):
        changed = events.copy()
        changed["p0"][row] ^= 1
        with pytest.raises(ReplayError, match=f"^record {row} of .*: the state is not"):
            replay(put(changed))


@pytest.mark.parametrize(
    ("kind", "field", "by", "rows"),
    [
        (Kind.BAR, "p3", 1, slice(-1, None)),
        (Kind.FILL, "p1", 1, slice(9, 10)),
        (Kind.FILL, "p3", 1, slice(9, 10)),
        (Kind.FUNDING, "p0", 10**7, slice(None)),
        (Kind.SIGNAL, "p3", -(10**15), slice(None)),
        (Kind.CONTROL, "p0", 1, slice(0, 1)),
    ],
)
def test_an_altered_input_is_seen_at_the_latest_by_the_digest(journal, kind, field, by, rows):
    events, put = journal
    changed = events.copy()
    changed[field][np.flatnonzero(events["kind"] == kind)[rows]] += by
    with pytest.raises(ReplayError):
        replay(put(changed))


def test_digests_behind_one_another_are_confirmed(journal):
    events, put = journal
    folder = put(events)
    PaperSession.resume(folder, "buffered").close()
    assert replay(folder).digests == 3
    changed = np.frombuffer((folder / "records.bin").read_bytes(), EVENT).copy()
    changed["p0"][-1] ^= 1
    with pytest.raises(ReplayError, match="the state is not"):
        replay(put(changed))
