"""The trading loop on paper: recorded bars → features → graph → core → journal, one bar at a time.

One process, one writer. Everything the core is told is in the journal; the status block shows the outside what goes
on, and takes its requests. After a stop or a crash the loop goes on from the journal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from market.bar_events import bar_events
from market.events import Control, Kind
from market.time import format_time
from models.bundle.bundle import Bundle
from serving.config import ServeConfig
from serving.errors import NotReadyError
from serving.feed import Arrival
from serving.predictor import Predictor
from serving.scores import ScoreTape
from serving.signal import score_signal
from serving.status import StatusBlock
from trading.header import SessionHeader
from trading.journal import read_journal
from trading.paper import PaperSession

Notice = Callable[[str], None]
STATUS_EVERY_NS = 100_000_000
POLL = 0.05
"""Seconds between two looks at the status block's requests while a bar is awaited."""
STARTED = "paper session started"


@dataclass(frozen=True, slots=True)
class Served:
    """What a loop did: bars it caught up on, bars it traded on, signals, orders and fills so far, and its journal."""

    caught_up: int
    traded: int
    signals: int
    orders: int
    fills: int
    equity: int
    journal: Path
    stopped: bool


@dataclass(frozen=True, slots=True)
class Position:
    """Where a journal ends: the last bar fed (end, instrument), and whether its signal was fed too."""

    end: int = -1
    number: int = -1
    signalled: bool = False

    def covers(self, arrival: Arrival) -> bool:
        """Whether a bar was fed already."""
        return (arrival.end, arrival.number) <= (self.end, self.number)

    def is_at(self, arrival: Arrival) -> bool:
        """Whether a bar is the last one fed."""
        return (arrival.end, arrival.number) == (self.end, self.number)


def position_of(events: NDArray[np.void]) -> Position:
    """Where a session's records end."""
    bars = np.flatnonzero(events["kind"] == Kind.BAR)
    if not len(bars):
        return Position()
    last = events[bars[-1]]
    behind = events[bars[-1] :]
    signalled = bool(((behind["kind"] == Kind.SIGNAL) & (behind["instrument"] == last["instrument"])).any())
    return Position(int(last["ts_event"]), int(last["instrument"]), signalled)


class TradingLoop:
    """A verified bundle, its predictor, a paper session and the two files people look at.

    Parameters
    ----------
    bundle
        Verified by `Bundle.load`.
    config
        Of the live process.
    journal, status, scores
        Paths: a folder, a file, a file. A journal that is there is gone on with.
    trade_from
        Bars that end at or before this only bring the state up to date, ns.
    notice
        Called with short messages for people.
    """

    def __init__(
        self,
        bundle: Bundle,
        config: ServeConfig,
        journal: Path,
        status: Path,
        scores: Path,
        trade_from: int,
        notice: Notice,
    ) -> None:
        self.instruments = bundle.instruments()
        self.symbols = tuple(one.symbol for one in self.instruments)
        self.payoff, self.interval = bundle.manifest.payoff, bundle.manifest.features.interval
        self.config, self.trade_from, self.notice = config, trade_from, notice
        header = SessionHeader.of(
            config.name,
            bundle.digest,
            self.instruments,
            config.trading,
            config.exchange,
            self.interval,
            bundle.manifest.payoff.horizon,
        )
        self.session, self.position = open_session(journal, header, notice)
        self.session.journal.intern(bundle.digest)
        self.reason = self.session.journal.intern(STARTED)
        self.predictor = Predictor(bundle, self.symbols)
        self.status = StatusBlock(status)
        scores.unlink(missing_ok=True)  # it is a projection: every bar is scored again, and comes out the same
        self.scores = ScoreTape(scores)
        self._shown = 0
        self._caught_up = self._traded = 0

    def run(self, stream: Iterable[Arrival], should_stop: Callable[[], bool] = lambda: False) -> Served:
        """Trade a stream to its end, or until asked to stop; the session is closed in good order either way."""
        stopped = False
        pace = Pace(self.config.source.speed)
        try:
            for arrival in stream:
                fresh = arrival.end > self.trade_from and not self.position.covers(arrival)
                stopped = self._await(arrival.end, pace if fresh else Pace(0.0), should_stop)
                if stopped:
                    break
                self._take(arrival)
        finally:
            self._show(force=True)
            self.session.close()
            self._show(force=True)
            self.scores.close()
            self.status.close()
        core = self.session.state.core[0]
        counts = (int(core["signals"]), int(core["orders"]), int(core["fills"]), int(core["equity"]))
        return Served(self._caught_up, self._traded, *counts, self.session.journal.folder, stopped)

    def _await(self, end: int, pace: Pace, should_stop: Callable[[], bool]) -> bool:
        """Wait until a bar is due and obey the operator meanwhile; whether to stop."""
        while True:
            self._obey(min(end, pace.moment(end)))
            if should_stop():
                return True
            left = pace.left(end)
            if left <= 0:
                return False
            time.sleep(min(left, POLL))
            self._show()

    def _take(self, arrival: Arrival) -> None:
        score = self.predictor.observe(self.symbols[arrival.number], arrival.bar)
        if arrival.end <= self.trade_from:
            self._caught_up += 1
            return
        self.scores.append(score.end, arrival.number, score.row_hash, score.volatility, score.probability)
        known, last = self.position.covers(arrival), self.position.is_at(arrival)
        if not known:
            self._begin(arrival.end)
            event = bar_events(arrival.bar, self.instruments[arrival.number], arrival.number)
            self.session.feed(event)
            self._traded += 1
        if not known or (last and not self.position.signalled):
            signal = score_signal(score, arrival.number, self.payoff, self.interval)
            if len(signal):
                self.session.feed(signal)
        self._show()

    def _begin(self, now: int) -> None:
        """A new paper session becomes ACTIVE at its first bar."""
        if self.session.journal.count == 0 and self.config.start_active:
            self._control(Control.RESUME, now, self.reason)

    def _control(self, action: Control, now: int, reason: int) -> None:
        from trading.signals import control_event

        self.session.feed(control_event(action, now, reason))
        self.session.journal.sync()

    def _obey(self, now: int) -> None:
        if self.session.awaits_bar:
            return
        asked = self.status.take_request()
        if asked is None:
            return
        reason = self.session.journal.intern("asked through the status block")
        self._control(asked, max(now, int(self.session.state.core["last_time"][0])), reason)
        self.status.obey()
        self.notice(f"obeyed: {asked.name.lower()}")
        self._show(force=True)

    def _show(self, force: bool = False) -> None:
        now = time.monotonic_ns()
        if not force and now - self._shown < STATUS_EVERY_NS:
            return
        self._shown = now
        core, books = self.session.state.core[0], self.session.state.books
        self.status.write(
            trading_state=int(core["trading_state"]),
            last_event=int(core["last_time"]),
            **{name: int(core[name]) for name in ("bars", "signals", "orders", "fills", "denials", "cash", "equity")},
            open_positions=int((books["position"] != 0).sum()),
            records=self.session.journal.count,
        )


class Pace:
    """The clock of a recorded stream that goes by at ``speed`` times real time; at 0 everything is due at once."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._origin: tuple[int, int] | None = None

    def moment(self, first: int) -> int:
        """The stream's time now, ns; its clock starts at ``first`` when first asked, and at speed 0 stands there."""
        if self._speed == 0:
            return first
        now = time.monotonic_ns()
        if self._origin is None:
            self._origin = (first, now)
        return self._origin[0] + int((now - self._origin[1]) * self._speed)

    def left(self, moment: int) -> float:
        """Seconds until ``moment`` (ns, of the stream) is due; zero or less when it is."""
        if self._speed == 0:
            return 0.0
        return (moment - self.moment(moment)) / self._speed / 1e9


def open_session(folder: Path, header: SessionHeader, notice: Notice) -> tuple[PaperSession, Position]:
    """A new session, or the one whose journal is there.

    Raises
    ------
    NotReadyError
        If the journal there is of another model or configuration.
    JournalError
        If it is damaged.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        return PaperSession.create(folder, header), Position()
    content = read_journal(folder)
    known = SessionHeader.read(content.header)
    if known != header:
        different = [name for name in header.__struct_fields__ if getattr(known, name) != getattr(header, name)]
        raise NotReadyError(
            f"the journal {folder} is of another session ({', '.join(different)} differ): give this one another name, "
            "or move the journal away"
        )
    position = position_of(content.events)
    notice(f"going on with {len(content.events):,} records, the last bar ended {format_time(position.end)}")
    return PaperSession.resume(folder), position
