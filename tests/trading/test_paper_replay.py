"""Paper is the backtest one event at a time; a journal cut anywhere is gone on with; replay believes nothing."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from market.events import EVENT, Kind, as_words, seal
from tests.trading.markets import CONFIG, HORIZON, INTERVAL, VENUE, instruments, tape
from trading.backtest import run
from trading.errors import JournalError, ReplayError
from trading.header import SessionHeader
from trading.journal import read_journal
from trading.paper import FED, PaperSession
from trading.replay import replay

HEADER = SessionHeader.of("test", "none", instruments(), CONFIG, VENUE, INTERVAL, HORIZON)


def fed(folder, events, close=True):
    session = PaperSession.create(folder, HEADER, "buffered")
    for row in range(len(events)):
        session.feed(events[row : row + 1])
    if close:
        session.close()
    else:
        session.journal.close()
    return session


def test_paper_is_the_backtest(tmp_path):
    events = tape(3, 400)
    whole = run(instruments(), CONFIG, VENUE, events, INTERVAL, HORIZON)
    session = fed(tmp_path / "journal", events)
    records = read_journal(tmp_path / "journal").events
    assert records[:-1].tobytes() == whole.journal.tobytes()
    assert int(records[-1]["p0"]) == whole.state.digest()
    assert session.exchange.resting.tobytes() == whole.exchange.resting.tobytes()


def test_a_journal_cut_anywhere_is_gone_on_with(tmp_path):
    events = tape(5, 40)
    fed(tmp_path / "whole", events, close=False)
    whole = read_journal(tmp_path / "whole").events
    assert (whole["kind"] == Kind.FILL).sum() > 5
    for cut in range(1, len(whole)):
        folder = tmp_path / "cut"
        shutil.copytree(tmp_path / "whole", folder)
        records = folder / "records.bin"
        records.write_bytes(records.read_bytes()[: cut * EVENT.itemsize])
        session = PaperSession.resume(folder, "buffered")
        known = int(np.isin(whole[:cut]["kind"], FED).sum())
        for row in range(known, len(events)):
            session.feed(events[row : row + 1])
        session.journal.close()
        assert read_journal(folder).events.tobytes() == whole.tobytes(), cut
        shutil.rmtree(folder)


def test_resume_refuses_what_does_not_follow(tmp_path):
    fed(tmp_path / "journal", tape(5, 40))
    altered(tmp_path / "journal", Kind.FILL, "p3")
    with pytest.raises(JournalError, match="do not follow"):
        PaperSession.resume(tmp_path / "journal", "buffered")


def altered(folder, kind, field):
    path = folder / "records.bin"
    events = np.frombuffer(path.read_bytes(), EVENT).copy()
    row = int(np.flatnonzero(events["kind"] == kind)[1])
    events[field][row] += 1
    seal(as_words(events), 0, len(events), np.uint64(0))
    path.write_bytes(events.tobytes())
    return row


def test_replay_gives_the_state(tmp_path):
    session = fed(tmp_path / "journal", tape(6, 300))
    found = replay(tmp_path / "journal")
    assert found.state.to_bytes() == session.state.to_bytes()
    assert found.digests == 1
    assert found.inputs + found.decisions == len(found.content.events)


def test_replay_names_the_decision_that_was_not_made(tmp_path):
    fed(tmp_path / "journal", tape(6, 300))
    row = altered(tmp_path / "journal", Kind.SUBMIT_ORDER, "p4")
    with pytest.raises(ReplayError, match=f"record {row} "):
        replay(tmp_path / "journal")


def test_replay_sees_an_input_that_leads_elsewhere(tmp_path):
    fed(tmp_path / "journal", tape(6, 300))
    altered(tmp_path / "journal", Kind.FILL, "p3")
    with pytest.raises(ReplayError):
        replay(tmp_path / "journal")
