"""The ledger: trials are appended as they begin and again as they end; nothing is ever changed or removed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec
from sqlalchemy import URL, Connection, insert, select

from pipelines.ledger import table
from pipelines.ledger.chain import Head, Row, Verification, next_row, verify_rows
from pipelines.ledger.database import absent, open_engine, reading, shown, writing
from pipelines.ledger.errors import LedgerError
from pipelines.ledger.location import locate
from pipelines.ledger.table import TRIALS
from pipelines.ledger.trial import Entry, Outcome, Trial
from pipelines.workspace import Workspace

T = TypeVar("T", Trial, Outcome)
BEGUN, ENDED = "begun", "ended"
"""A row's event."""


class Ledger:
    """An append-only ledger of trials in SQLite or PostgreSQL, safe for any number of processes.

    Parameters
    ----------
    url
        Of the database; see `pipelines.ledger.location`. It is made by the first trial, not by reading.
    note
        What a user should know about the choice of this database.

    Examples
    --------
    >>> import tempfile
    >>> from pipelines.ledger.trial import Stretch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ledger = Ledger(URL.create("sqlite", database=f"{folder}/trials.db"))
    ...     trial = Trial(id="a1", created=5, person="Ada", kind="manual", name="spot", configuration="c", code="k",
    ...                   data={"BTC": "f"}, touched=(Stretch("binance", "BTC", 0, 9),))
    ...     _ = ledger.begin(trial)
    ...     _ = ledger.finish(Outcome(trial="a1", created=7, metrics={"net_sharpe": 0.1}))
    ...     [(one.trial.name, one.status, one.metric("net_sharpe")) for one in ledger.entries()]
    [('spot', 'finished', 0.1)]
    """

    def __init__(self, url: URL, note: str = "") -> None:
        self._engine = open_engine(url)
        self.note = note

    def __reduce__(self) -> tuple[type[Ledger], tuple[URL, str]]:
        # Connections stay in their process; a copy in another opens its own.
        return Ledger, (self._engine.url, self.note)

    @classmethod
    def open(cls, workspace: Workspace, environment: Mapping[str, str] | None = None) -> Ledger:
        """The ledger of a workspace; errors as `pipelines.ledger.location.locate`."""
        found = locate(workspace, environment)
        return cls(found.url, found.note)

    @property
    def label(self) -> str:
        """Where it is, without a password."""
        return shown(self._engine.url)

    def begin(self, trial: Trial) -> Head:
        """Register a trial, *before* its result is looked at: from here on it counts, whatever becomes of it.

        Raises
        ------
        LedgerError
            If a trial of this id began before, or the database cannot be written.
        """
        return self._append(trial.id, BEGUN, trial.created, trial)

    def finish(self, outcome: Outcome) -> Head:
        """Append the outcome of a trial that began; errors as `begin`, and if it never did, or has an outcome."""
        return self._append(outcome.trial, ENDED, outcome.created, outcome)

    def _append(self, trial: str, event: str, created: int, content: Trial | Outcome) -> Head:
        text = msgspec.json.encode(content, order="deterministic").decode()
        with writing(self._engine) as connection:
            table.create(connection)
            _refuse(trial, event, _events(connection, trial))
            row = next_row(_head(connection), trial, event, created, text)
            connection.execute(insert(TRIALS).values(msgspec.structs.asdict(row)))
        return row.head

    def rows(self) -> tuple[Row, ...]:
        """Every row as it is stored, by number."""
        if absent(self._engine):
            return ()
        with reading(self._engine) as connection:
            if not table.exists(connection):
                return ()
            return tuple(Row(*one) for one in connection.execute(select(TRIALS).order_by(TRIALS.c.sequence)))

    def entries(self) -> list[Entry]:
        """Every trial with its outcome, in the order they began; errors as `as_entries`."""
        return as_entries(self.rows())

    def entry(self, name: str) -> Entry:
        """The one trial whose id, or whose run's id, begins so.

        Raises
        ------
        LedgerError
            If there is none, or several.
        """
        return choose(self.entries(), name, self.label)

    def verify(self, known: Iterable[Head] = ()) -> Verification:
        """Check the chain, and that it still holds the heads that are known; see `pipelines.ledger.chain`."""
        return verify_rows(self.rows(), known)

    def missing_triggers(self) -> tuple[str, ...]:
        """The triggers that should forbid changes and are not there; none for a ledger that has no rows."""
        if absent(self._engine):
            return ()
        with reading(self._engine) as connection:
            return table.missing_triggers(connection) if table.exists(connection) else ()


def as_entries(rows: Sequence[Row]) -> list[Entry]:
    """Rows as trials with their outcomes, in the order they began.

    Raises
    ------
    LedgerError
        If a row cannot be read.
    """
    outcomes = {row.trial: _decode(row, Outcome) for row in rows if row.event == ENDED}
    return [Entry(row.sequence, _decode(row, Trial), outcomes.get(row.trial)) for row in rows if row.event == BEGUN]


def choose(entries: Sequence[Entry], name: str, label: str) -> Entry:
    """The one entry whose id, or whose run's id, begins so; the id itself decides. Errors as `Ledger.entry`."""
    found = [one for one in entries if name and (one.trial.id.startswith(name) or one.run.startswith(name))]
    exact = [one for one in found if name in (one.trial.id, one.run)]
    chosen = exact if len(exact) == 1 else found
    if len(chosen) == 1:
        return chosen[0]
    if not chosen:
        raise LedgerError(f"no trial or run {name!r} in the ledger {label}; `bot4 trials` lists them")
    ids = ", ".join(one.trial.id for one in chosen[:5])
    raise LedgerError(f"{name!r} names {len(chosen)} trials ({ids}{', …' if len(chosen) > 5 else ''}): give one's id")


def _decode(row: Row, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(row.content, type=kind)
    except (msgspec.MsgspecError, LedgerError) as error:
        what = f"row {row.sequence} of the ledger (trial {row.trial}, {row.event}) cannot be read"
        raise LedgerError(f"{what}: {error}; check it with `bot4 trials verify`") from None


def _head(connection: Connection) -> Head:
    last = select(TRIALS.c.sequence, TRIALS.c.hash).order_by(TRIALS.c.sequence.desc()).limit(1)
    found = connection.execute(last).first()
    return Head() if found is None else Head(found.sequence, found.hash)


def _events(connection: Connection, trial: str) -> set[str]:
    return set(connection.execute(select(TRIALS.c.event).where(TRIALS.c.trial == trial)).scalars())


def _refuse(trial: str, event: str, found: set[str]) -> None:
    if event in found:
        what = "began already: a new attempt is a new record" if event == BEGUN else "has its outcome already"
        raise LedgerError(f"trial {trial} {what}, and the ledger only grows")
    if event == ENDED and BEGUN not in found:
        raise LedgerError(f"trial {trial} never began: register it before its result is looked at")
