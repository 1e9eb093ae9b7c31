"""Connections to the ledger's database: one at a time for writing, whatever the number of processes.

SQLite: ``BEGIN IMMEDIATE``, which waits for other writers, with ``synchronous=FULL``. PostgreSQL: an advisory lock
held to the end of the transaction, which (unlike a table lock) needs no right to change rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from pipelines.ledger.errors import LedgerError

PATIENCE = 60
"""Seconds a writer waits for the others."""
LOCK = 0x626F74345F747269
"""The advisory lock's number: ``bot4_tri`` in ASCII."""
WRITE = "bot4_write"


def open_engine(url: URL) -> Engine:
    """An engine without a pool: connections are few, and none must survive a fork.

    Raises
    ------
    LedgerError
        If the database's driver is not installed.
    """
    try:
        if url.get_backend_name() == "sqlite":
            engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": PATIENCE})
            event.listen(engine, "connect", _leave_transactions_to_us)
            event.listen(engine, "begin", _begin)
            return engine
        return create_engine(url, poolclass=NullPool, isolation_level="READ COMMITTED")
    except ModuleNotFoundError as error:
        what = f"the ledger's database needs the driver {error.name}, which is not installed here"
        raise LedgerError(f"{what}: pip install {_driver(error.name)}") from None


def _driver(name: str | None) -> str:
    return "'psycopg[binary]'" if name == "psycopg" else str(name)


def _leave_transactions_to_us(connection: Any, _record: Any) -> None:
    # Python's sqlite3 begins transactions late and by itself; this switches that off.
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous = FULL")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITE)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def absent(engine: Engine) -> bool:
    """Whether the database is a file that is not there: reading it would make it."""
    return engine.dialect.name == "sqlite" and not Path(str(engine.url.database)).is_file()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads; errors as `writing`."""
    with _explained(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that no other writer of this ledger overlaps; committed at its end.

    Raises
    ------
    LedgerError
        If the database cannot be reached, does not answer in time, or refuses.
    """
    with _explained(engine):
        if engine.dialect.name == "sqlite":
            Path(str(engine.url.database)).parent.mkdir(parents=True, exist_ok=True)
        with engine.connect().execution_options(**{WRITE: True}) as connection, connection.begin():
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{PATIENCE}s'")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
            yield connection


@contextmanager
def _explained(engine: Engine) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise LedgerError(f"the trial ledger {shown(engine.url)}: {cause}") from error


def shown(url: URL) -> str:
    """A URL without its password; of SQLite the file."""
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)
