"""A paper session: events one at a time through the backtest's own compiled function, journalled as they come."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from market.events import EVENT, Kind
from trading.advance import advance
from trading.backtest import margin
from trading.core import CANCEL, SUBMIT
from trading.errors import JournalError
from trading.exchange import ExchangeState
from trading.header import SessionHeader
from trading.journal import Journal, Policy, read_journal
from trading.layout import CoreState

Records = NDArray[np.void]
FED = (Kind.BAR, Kind.SIGNAL, Kind.FUNDING, Kind.TIMER, Kind.CONTROL, Kind.GAP, Kind.STATE_DIGEST)
"""What a paper session is fed; everything else in its journal follows from that."""


class PaperSession:
    """A trader and a simulated exchange behind a journal. Give the journal's bytes and state of `trading.backtest.run`.

    Made by `create` or `resume`; ended by `close`.
    """

    def __init__(self, header: SessionHeader, journal: Journal) -> None:
        self.header = header
        self.journal = journal
        self.state: CoreState = header.core()
        self.exchange: ExchangeState = header.venue()
        self._log = np.zeros(margin(len(header.instruments)), EVENT)
        self._input = np.zeros(1, EVENT)
        self._written = np.zeros(0, EVENT)

    @classmethod
    def create(cls, folder: Path, header: SessionHeader, policy: Policy = "durable") -> PaperSession:
        """Start a session in a new folder.

        Raises
        ------
        JournalError
            If the folder is not empty, or the disk refuses.
        """
        return cls(header, Journal.create(folder, header.fields(), policy))

    @classmethod
    def resume(cls, folder: Path, policy: Policy = "durable") -> PaperSession:
        """Go on after a stop or a crash: everything fed before is computed again and compared with the journal.

        What a crash cut off behind the last input is decided again, and written.

        Raises
        ------
        JournalError
            If the journal is damaged, has a writer, or does not follow from its inputs.
        """
        journal = Journal.open(folder, policy)
        try:
            content = read_journal(folder)
            session = cls(SessionHeader.read(content.header), journal)
            session._catch_up(content.events)
        except BaseException:
            journal.close()
            raise
        return session

    @property
    def awaits_bar(self) -> bool:
        """Whether a crash cut a bar off behind its fills: until it is fed again, nothing else can be."""
        return bool(len(self._written))

    def _catch_up(self, events: Records) -> None:
        at = 0
        for row in np.flatnonzero(np.isin(events["kind"], FED)):
            if events["kind"][row] == Kind.STATE_DIGEST and events["p0"][row] != self.state.digest():
                raise JournalError(f"record {row} of {self.journal.folder}: the state is not the one it was written of")
            made = self._advance(events[row : row + 1])
            known = events[at : at + len(made)]
            self._check(made, known)
            if len(known) < len(made):
                self.journal.append(made[len(known) :])
            at += len(made)
        self._written = events[at:]  # fills of a bar that the crash cut off: the bar, fed again, gives them again

    def _check(self, made: Records, known: Records) -> None:
        plain = known.copy()
        plain["checksum"] = 0
        if made[: len(known)].tobytes() != plain.tobytes():
            number = int(known["seq"][0])
            raise JournalError(f"record {number} of {self.journal.folder} and those behind it do not follow from it")

    def _advance(self, event: Records) -> Records:
        self._input[:] = event
        self._input["checksum"] = 0
        stop = advance(
            self.state.core, self.state.books, self.state.orders,
            self.exchange.exchange, self.exchange.books, self.exchange.resting, self.exchange.outbox,
            self._input, 0, self._log, 0,
        )  # fmt: skip
        return self._log[:stop]

    def feed(self, event: Records) -> Records:
        """Take one event (shape (1,)); returns the sealed records it led to, itself among them.

        Records with an order are on disk (``"durable"``) when this returns.

        Raises
        ------
        JournalError
            If they cannot be written; the session must stop then.
        """
        made = self._advance(event)
        if self.awaits_bar:
            self._check(made, self._written)
            made, self._written = made[len(self._written) :], self._written[:0]
        written = self.journal.append(made)
        if np.isin(written["kind"], (SUBMIT, CANCEL)).any():
            self.journal.sync()
        return written

    def close(self) -> None:
        """Write the state's digest, and close the journal.

        Behind a bar that a crash cut off, and that was not fed again, nothing may be written: not the digest either.
        """
        try:
            if not self.awaits_bar:
                self._write_digest()
        finally:
            self.journal.close()

    def _write_digest(self) -> None:
        last = int(self.state.core["last_time"][0])
        digest = np.zeros(1, EVENT)
        digest["kind"], digest["ts_event"], digest["ts_recv"] = Kind.STATE_DIGEST, last, last
        digest["p0"], digest["p1"] = self.state.digest(), self.journal.count
        self.feed(digest)
