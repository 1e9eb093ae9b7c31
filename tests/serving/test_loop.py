"""The trading loop: it obeys while it waits, shows the truth, and goes on only with what it was fed before."""

from __future__ import annotations

import numpy as np
import pytest

from market.events import Control, Kind
from serving.errors import NotReadyError
from serving.start import holes
from serving.status import read_status, request
from tests.serving.small_loop import INTERVAL, Place, write_bundle
from trading.errors import JournalError
from trading.journal import read_journal
from trading.replay import replay


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("bundle") / "small")


@pytest.fixture
def place(bundle, tmp_path):
    return Place(tmp_path, bundle)


def stopped_after(place, count, **options):
    """Run a loop over the first arrivals; its records."""
    place.loop(**options).run(place.stream()[:count])
    return read_journal(place.journal).events


def without_digests(events):
    kept = events[events["kind"] != Kind.STATE_DIGEST].copy()
    kept["seq"] = kept["checksum"] = 0
    for cause in ("p7", "p4", "p2"):  # records that name a record by its number
        kept[cause] = np.where(np.isin(kept["kind"], [32, 33, 34, 36]), 0, kept[cause])
    return kept


@pytest.mark.parametrize("count", [1, 2, 41, 80])
def test_a_stopped_loop_goes_on_as_if_it_never_stopped(place, bundle, tmp_path, count):
    whole = Place(tmp_path / "whole", bundle)
    whole.loop().run(whole.stream())
    stopped_after(place, count)
    served = place.loop().run(place.stream())
    events = read_journal(place.journal).events
    assert (events["kind"] == Kind.SUBMIT_ORDER).any()
    assert without_digests(events).tobytes() == without_digests(read_journal(whole.journal).events).tobytes()
    assert served.traded == 120 - count
    assert replay(place.journal).digests == 2


def test_a_session_that_was_stopped_before_its_first_bar_trades_all_the_same(place):
    assert place.loop().run(place.stream(), lambda: True).stopped
    assert (read_journal(place.journal).events["kind"] == Kind.STATE_DIGEST).all()
    served = place.loop().run(place.stream())
    assert (served.traded, served.orders > 0) == (120, True)


def test_an_operator_s_halt_before_the_first_bar_outlives_a_restart(place):
    loop = place.loop()
    request(place.status, Control.HALT)
    assert loop.run(place.stream(), lambda: True).stopped
    assert (read_journal(place.journal).events["kind"] == Kind.CONTROL).any()
    served = place.loop().run(place.stream())
    assert (served.traded > 0, served.orders) == (True, 0)


def test_a_halt_is_obeyed_while_a_bar_is_awaited_and_no_entry_follows(place):
    loop, asked = place.loop(speed=INTERVAL / 600e9), []

    def watch():
        if not asked and read_status(place.status)["bars"] == 2:
            asked.append(request(place.status, Control.HALT))
        return bool(asked) and read_status(place.status)["obeyed"] >= asked[0]

    served = loop.run(place.stream(), watch)
    assert served.stopped
    assert served.traded == 2, "the next bar is ten minutes away"
    events = read_journal(place.journal).events
    halt = int(np.flatnonzero((events["kind"] == Kind.CONTROL) & (events["p0"] == Control.HALT))[0])
    assert not ((events["kind"][halt:] == Kind.SUBMIT_ORDER) & (events["p6"][halt:] == 1)).any()
    assert read_status(place.status)["trading_state"] == 0
    assert replay(place.journal).digests == 1


def test_the_status_block_tells_the_truth_before_the_first_bar_of_a_resumed_session(place):
    stopped_after(place, 50)
    before = read_status(place.status)
    assert before["finished"]
    assert before["trading_state"] == 1
    loop = place.loop()
    now = read_status(place.status)
    loop.run([])
    names = ("trading_state", "bars", "equity", "cash", "orders", "open_positions", "last_event")
    assert {name: now[name] for name in names} == {name: before[name] for name in names}
    assert now["heartbeat"] >= now["started"]


def test_a_bar_revised_behind_the_sessions_back_is_refused(place):
    stopped_after(place, 50)
    before = (place.journal / "records.bin").read_bytes()
    bars = place.bars()
    bars["BBB"]["close"][7] += 0.02
    bars["BBB"]["high"][7] += 0.02
    with pytest.raises(NotReadyError, match="changed or added"):
        place.loop().run(place.stream(bars))
    assert (place.journal / "records.bin").read_bytes()[: len(before)] == before
    assert replay(place.journal).digests == 2, "the session still ends in good order"


def test_a_bar_that_turns_up_late_is_refused(place):
    bars = place.bars()
    bars["BBB"] = bars["BBB"][:5]
    place.loop().run(place.stream(bars)[:30])
    with pytest.raises(NotReadyError, match="changed or added"):
        place.loop().run(place.stream())


def test_another_start_or_source_is_another_session(place):
    events = stopped_after(place, 50)
    with pytest.raises(NotReadyError, match="start"):
        place.loop(trade_from=int(events["ts_event"].max()) + 20 * INTERVAL)
    assert read_journal(place.journal).events.tobytes() == events.tobytes()


def test_a_journal_that_refuses_still_lets_people_see_the_end(place, monkeypatch):
    loop = place.loop()

    def full(event):
        raise JournalError("the disk is full")

    monkeypatch.setattr(loop.session, "feed", full)
    with pytest.raises(JournalError, match="disk is full"):
        loop.run(place.stream())
    assert read_status(place.status)["finished"] == 1


def test_a_hole_behind_the_snapshot_is_told(place):
    bars = place.bars()
    assert holes(place.bundle, bars) == []
    bars["AAA"] = bars["AAA"][9:]
    (said,) = holes(place.bundle, bars)
    assert "9 bars of AAA are missing" in said


def test_a_new_session_that_does_not_start_active_trades_only_when_told(place):
    place.loop(start_active=False).run(place.stream()[:60])
    events = read_journal(place.journal).events
    assert (events["kind"] == Kind.SIGNAL).sum() > 20
    assert not (events["kind"] == Kind.SUBMIT_ORDER).any()
    loop = place.loop(start_active=False)
    request(place.status, Control.RESUME)
    loop.run(place.stream())
    assert (read_journal(place.journal).events["kind"] == Kind.SUBMIT_ORDER).any()
