"""The trading loop on paper: recorded bars → features → graph → core → journal, one bar at a time.

One process, one writer. Everything the core is told is in the journal; the status block shows the outside what goes
on, and takes its requests. After a stop or a crash the loop goes on from the journal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.panel.assembler import Step, StepAssembler
from market.bar_events import bar_events
from market.events import EVENT, Control, Kind
from market.time import format_time, parse_interval
from models.bundle.bundle import Bundle
from serving.config import ServeConfig
from serving.errors import NotReadyError
from serving.feed import Arrival
from serving.predictor import Predictor, Score
from serving.scores import ScoreTape
from serving.signal import score_signal
from serving.status import StatusBlock
from trading.header import SessionHeader
from trading.journal import read_journal
from trading.paper import PaperSession
from trading.signals import control_event

Notice = Callable[[str], None]
STATUS_EVERY_NS = 100_000_000
POLL = 0.05
"""Seconds between two looks at the status block's requests while a bar is awaited."""
STARTED = "paper session started"
END_OF_TIME = np.iinfo(np.int64).max


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


class Known:
    """What a journal was fed before: after a restart the stream and the model must say the same again.

    ``anything``: whether it was fed at all, by the stream or an operator; a session that was only opened was not.

    Parameters
    ----------
    events
        A session's records.
    """

    def __init__(self, events: NDArray[np.void]) -> None:
        self._events = plain(events[np.isin(events["kind"], (Kind.BAR, Kind.SIGNAL))])
        self._next = 0
        self.anything = bool((events["kind"] != Kind.STATE_DIGEST).any())

    @property
    def left(self) -> int:
        """How many of them are still to come."""
        return len(self._events) - self._next

    @property
    def last(self) -> int:
        """The time of the last one, ns; -1 without any."""
        return int(self._events["ts_event"][-1]) if len(self._events) else -1

    def covers(self, event: NDArray[np.void], symbol: str) -> bool:
        """Whether an input (shape (1,)) was fed before.

        Raises
        ------
        NotReadyError
            If something else was: the lake or the machine no longer says what the session acted on.
        """
        if not self.left:
            return False
        before = self._events[self._next : self._next + 1]
        if plain(event).tobytes() != before.tobytes():
            raise NotReadyError(
                f"the session was fed a {describe(before)}, but now the {describe(event)} of {symbol} comes first: its "
                "bars were changed or added behind its back; trade them under another name"
            )
        self._next += 1
        return True


def plain(events: NDArray[np.void]) -> NDArray[np.void]:
    """Events without what the journal gives them: number and checksum."""
    found = events.copy()
    found["seq"] = found["checksum"] = 0
    return found


def describe(event: NDArray[np.void]) -> str:
    """An input for a message."""
    one = event[0]
    return f"{Kind(int(one['kind'])).name} {format_time(int(one['ts_event']))} of instrument {int(one['instrument'])}"


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
            config.source.venue,
            trade_from,
        )
        self.session, self._known = open_session(journal, header, notice)
        self.session.journal.intern(bundle.digest)
        self.reason = self.session.journal.intern(STARTED)
        self.predictor = Predictor(bundle, self.symbols)
        grace = parse_interval(config.source.grace)
        self.assembler = None if self.predictor.panel is None else StepAssembler(self.symbols, grace)
        self.status = StatusBlock(status)
        scores.unlink(missing_ok=True)  # it is a projection: every bar is scored again, and comes out the same
        self.scores = ScoreTape(scores)
        self._shown = 0
        self._caught_up = self._traded = 0
        self._begun = self._known.anything
        self._show(force=True)

    def run(self, stream: Iterable[Arrival], should_stop: Callable[[], bool] = lambda: False) -> Served:
        """Trade a stream to its end, or until asked to stop; the session is closed in good order either way."""
        stopped = False
        pace = Pace(self.config.source.speed)
        try:
            for arrival in stream:
                fresh = arrival.end > self.trade_from and not self._known.left
                stopped = self._await(arrival.end, pace if fresh else Pace(0.0), should_stop)
                if stopped:
                    break
                self._arrive(arrival)
            if not stopped and self.assembler is not None:
                self._take_all(self.assembler.expire(END_OF_TIME))
            if self._known.left and not stopped:
                self.notice(f"the stream ends before what the session was fed ({format_time(self._known.last)})")
        finally:
            self._close()
        core = self.session.state.core[0]
        counts = (int(core["signals"]), int(core["orders"]), int(core["fills"]), int(core["equity"]))
        return Served(self._caught_up, self._traded, *counts, self.session.journal.folder, stopped)

    def _close(self) -> None:
        """End the session in good order; whatever fails on the way, the files people look at are closed."""
        with ExitStack() as stack:
            stack.callback(self.status.close)
            stack.callback(self.scores.close)
            stack.callback(self._show, force=True)
            stack.callback(self.session.close)
            self._show(force=True)

    def _await(self, end: int, pace: Pace, should_stop: Callable[[], bool]) -> bool:
        """Wait until a bar is due and obey the operator meanwhile; whether to stop."""
        while True:
            now = min(end, pace.moment(end))
            if self.assembler is not None:
                self._take_all(self.assembler.expire(now))
            self._obey(now)
            if should_stop():
                return True
            left = pace.left(end)
            if left <= 0:
                return False
            self.session.journal.sync()
            time.sleep(min(left, POLL))
            self._show()

    def _arrive(self, arrival: Arrival) -> None:
        """A bar is there: it is a step by itself, or waits for those of the other instruments."""
        symbol = self.symbols[arrival.number]
        if self.assembler is None:
            self._take_all(({symbol: arrival.bar},))
        else:
            late = self.assembler.late[symbol]
            self._take_all(self.assembler.offer(symbol, arrival.bar))
            if self.assembler.late[symbol] > late:
                self.notice(f"the bar of {symbol} that ended {format_time(arrival.end)} came after its step was closed")

    def _take_all(self, steps: Iterable[Step]) -> None:
        for step in steps:
            for symbol, score in self.predictor.take(step).items():
                self._trade(symbol, step[symbol], score)
            self._show()

    def _trade(self, symbol: str, bar: NDArray[np.void], score: Score) -> None:
        number = self.symbols.index(symbol)
        if score.end > self.trade_from:
            self.scores.append(number, score)
            self._traded += self._feed(bar_events(bar, self.instruments[number], number), symbol)
            self._feed(score_signal(score, number, self.payoff, self.interval), symbol)
        else:
            self._caught_up += 1

    def _feed(self, event: NDArray[np.void], symbol: str) -> bool:
        """Give the session an input, shape (1,) or (0,), unless its journal has it; whether it was given."""
        if not len(event) or self._known.covers(event, symbol):
            return False
        self._begin(int(event["ts_recv"][0]))
        self._begun = True
        self.session.feed(event)
        return True

    def _begin(self, now: int) -> None:
        """A new paper session becomes ACTIVE at its first bar, unless an operator was there before it."""
        if not self._begun and self.config.start_active:
            self._control(Control.RESUME, now, self.reason)

    def _control(self, action: Control, now: int, reason: int) -> None:
        self._begun = True
        self.session.feed(control_event(action, now, reason))
        self.session.journal.sync()

    def _obey(self, now: int) -> None:
        if self.session.awaits_bar:
            return
        for asked in self.status.take_requests():
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


def open_session(folder: Path, header: SessionHeader, notice: Notice) -> tuple[PaperSession, Known]:
    """A new session, or the one whose journal is there, and what it was fed.

    Raises
    ------
    NotReadyError
        If the journal there is of another model or configuration.
    JournalError
        If it is damaged.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        return PaperSession.create(folder, header), Known(np.zeros(0, EVENT))
    content = read_journal(folder)
    before = SessionHeader.read(content.header)
    if before != header:
        different = [name for name in header.__struct_fields__ if getattr(before, name) != getattr(header, name)]
        raise NotReadyError(
            f"the journal {folder} is of another session ({', '.join(different)} differ): give this one another name, "
            "or move the journal away"
        )
    known = Known(content.events)
    reached = f"fed up to {format_time(known.last)}" if known.last >= 0 else "nothing fed yet"
    notice(f"going on with {len(content.events):,} records, {reached}")
    return PaperSession.resume(folder), known
