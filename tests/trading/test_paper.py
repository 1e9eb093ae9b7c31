"""A paper session is the backtest one event at a time, however often it is stopped (`test_paper_replay` cuts more)."""

from __future__ import annotations

import numpy as np
import pytest

from market.events import EVENT, Control, Kind
from tests.trading.trading_samples import (
    EXCHANGE,
    HORIZON,
    INTERVAL,
    TRADING,
    bar,
    control,
    four_instruments,
    instrument,
    random_tape,
    signal,
)
from trading.backtest import run
from trading.config import ExchangeConfig, TradingConfig
from trading.errors import JournalError
from trading.header import SessionHeader
from trading.journal import read_journal
from trading.paper import FED, PaperSession

HEADER = SessionHeader.of("random", "none", four_instruments(), TRADING, EXCHANGE, INTERVAL, HORIZON)
SMALL = SessionHeader.of(
    "small", "none", [instrument()], TradingConfig(), ExchangeConfig(participation=1.0), INTERVAL, 3
)


def small_tape():
    """An entry and its stop within a bar; one by hand that leaves at the barrier; a halt."""
    flat = [bar(place, 10_000, 10_010, 9_990, 10_000, 10**7) for place in range(12)]
    wild = bar(1, 10_000, 11_000, 9_000, 10_000, 10**7)
    begin = [control(-1, Control.RESUME), flat[0], signal(0), wild, signal(1, 0.1)]
    return np.concatenate(
        [*begin, *flat[2:8], signal(7), control(7, Control.HALT), control(7, Control.RESUME), *flat[8:]]
    )


def feed(session, tape):
    return [session.feed(tape[row : row + 1]) for row in range(len(tape))]


def test_paper_is_the_backtest_with_stops_in_between(tmp_path):
    tape = random_tape(31, 200)
    done = run(four_instruments(), TRADING, EXCHANGE, tape, INTERVAL, HORIZON)
    session, told = PaperSession.create(tmp_path / "j", HEADER, "buffered"), []
    for part in np.array_split(tape, 9):
        told += feed(session, part)
        session.journal.close()
        session = PaperSession.resume(tmp_path / "j", "buffered")
    session.journal.close()
    assert np.concatenate(told).tobytes() == done.journal.tobytes()
    assert (tmp_path / "j" / "records.bin").read_bytes() == done.journal.tobytes()
    assert session.state.to_bytes() == done.state.to_bytes()
    for name in ("exchange", "books", "resting"):
        assert getattr(session.exchange, name).tobytes() == getattr(done.exchange, name).tobytes()


def test_a_session_cut_at_every_record_ends_in_the_same_bytes(tmp_path):
    tape = small_tape()
    done = run([instrument()], SMALL.trading, SMALL.exchange, tape, INTERVAL, SMALL.horizon)
    whole = done.journal
    assert 45 < len(whole) < 90
    session = PaperSession.create(tmp_path / "j", SMALL)
    session.journal.close()
    for cut in range(len(whole) + 1):
        (tmp_path / "j" / "records.bin").write_bytes(whole[:cut].tobytes() + b"\x07" * (cut % 128))
        session = PaperSession.resume(tmp_path / "j")
        feed(session, tape[int(np.isin(whole["kind"][:cut], FED).sum()) :])
        session.journal.close()
        assert (tmp_path / "j" / "records.bin").read_bytes() == whole.tobytes(), cut
        assert session.state.to_bytes() == done.state.to_bytes()


def test_a_session_cut_at_every_record_can_be_closed_and_gone_on_with(tmp_path):
    tape = small_tape()
    session = PaperSession.create(tmp_path / "whole", SMALL)
    feed(session, tape)
    session.journal.close()
    whole = read_journal(tmp_path / "whole").events
    for cut in range(len(whole) + 1):
        (tmp_path / "whole" / "records.bin").write_bytes(whole[:cut].tobytes())
        PaperSession.resume(tmp_path / "whole").close()
        session = PaperSession.resume(tmp_path / "whole")
        feed(session, tape[int(np.isin(whole["kind"][:cut], FED).sum()) :])
        session.close()
        events = read_journal(tmp_path / "whole").events
        events = events[events["kind"] != Kind.STATE_DIGEST]
        for name in ("ts_event", "ts_recv", "kind", "instrument", "p0", "p1"):
            assert (events[name] == whole[name]).all(), (cut, name)


def test_another_event_than_the_one_cut_off_is_refused(tmp_path):
    tape = small_tape()
    session = PaperSession.create(tmp_path / "j", SMALL)
    feed(session, tape)
    session.journal.close()
    whole = read_journal(tmp_path / "j").events
    fill = int(np.flatnonzero(whole["kind"] == Kind.FILL)[0])
    (tmp_path / "j" / "records.bin").write_bytes(whole[: fill + 2].tobytes())
    session = PaperSession.resume(tmp_path / "j")
    other = tape[3:4].copy()
    other["p0"] += 1
    with pytest.raises(JournalError, match=f"record {fill} of .* do not follow"):
        session.feed(other)
    session.journal.close()
    assert len((tmp_path / "j" / "records.bin").read_bytes()) == (fill + 2) * EVENT.itemsize


def test_the_header_says_everything(tmp_path):
    PaperSession.create(tmp_path / "j", HEADER).close()
    content = read_journal(tmp_path / "j")
    found = SessionHeader.read(content.header)
    assert found == HEADER
    assert found.core().to_bytes() == HEADER.core().to_bytes()
    with pytest.raises(JournalError, match=r"not that of a trading session.*horizon"):
        SessionHeader.read({name: value for name, value in content.header.items() if name != "horizon"})
    with pytest.raises(JournalError, match=r"not that of a trading session.*leverage"):
        SessionHeader.read({**content.header, "trading": {"risk": {"leverage": 1000}}})
