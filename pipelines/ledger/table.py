"""The ledger's one table, and the triggers that let it only grow, in SQLite's and PostgreSQL's words.

The triggers refuse every UPDATE, DELETE and TRUNCATE, and every row that does not continue the chain (SQLite's
``INSERT OR REPLACE`` deletes without telling a delete trigger). Who may drop triggers may still change rows: the hash
chain is there to show it.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, String, Table, Text, UniqueConstraint, inspect

NAME = "bot4_trials"
TRIALS = Table(
    NAME,
    MetaData(),
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("trial", String(64), nullable=False),
    Column("event", String(16), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    UniqueConstraint("trial", "event"),
)

LAST = f"SELECT hash FROM {NAME} ORDER BY sequence DESC LIMIT 1"
SQLITE = {
    f"{NAME}_no_update": (
        f"CREATE TRIGGER {NAME}_no_update BEFORE UPDATE ON {NAME} BEGIN"
        f" SELECT RAISE(ABORT, '{NAME} is append-only: UPDATE is refused'); END"
    ),
    f"{NAME}_no_delete": (
        f"CREATE TRIGGER {NAME}_no_delete BEFORE DELETE ON {NAME} BEGIN"
        f" SELECT RAISE(ABORT, '{NAME} is append-only: DELETE is refused'); END"
    ),
    f"{NAME}_append": (
        f"CREATE TRIGGER {NAME}_append BEFORE INSERT ON {NAME}"
        f" WHEN NEW.sequence IS NOT (SELECT COALESCE(MAX(sequence), 0) + 1 FROM {NAME})"
        f" OR NEW.previous IS NOT COALESCE(({LAST}), '')"
        f" BEGIN SELECT RAISE(ABORT, '{NAME} is append-only: the row does not continue the last one'); END"
    ),
}
POSTGRESQL = {
    f"{NAME}_no_change": (
        f"CREATE TRIGGER {NAME}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {NAME}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {NAME}_refuse()"
    ),
    f"{NAME}_append": (
        f"CREATE TRIGGER {NAME}_append BEFORE INSERT ON {NAME} FOR EACH ROW EXECUTE FUNCTION {NAME}_continue()"
    ),
}
FUNCTIONS = (
    f"CREATE OR REPLACE FUNCTION {NAME}_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    f" RAISE EXCEPTION USING MESSAGE = '{NAME} is append-only: ' || TG_OP || ' is refused'; END $$",
    f"CREATE OR REPLACE FUNCTION {NAME}_continue() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    f" IF NEW.sequence <> (SELECT COALESCE(MAX(sequence), 0) + 1 FROM {NAME})"
    f" OR NEW.previous <> COALESCE(({LAST}), '') THEN"
    f" RAISE EXCEPTION USING MESSAGE = '{NAME} is append-only: the row does not continue the last one'; END IF;"
    " RETURN NEW; END $$",
)


def exists(connection: Connection) -> bool:
    """Whether the ledger was ever written to."""
    return inspect(connection).has_table(NAME)


def create(connection: Connection) -> None:
    """Make the table with its triggers, unless it is there; the caller holds the write lock."""
    if exists(connection):
        return
    TRIALS.create(connection)
    postgresql = connection.dialect.name == "postgresql"
    for statement in (*FUNCTIONS, *POSTGRESQL.values()) if postgresql else SQLITE.values():
        connection.exec_driver_sql(statement)


def missing_triggers(connection: Connection) -> tuple[str, ...]:
    """The triggers that should be on the table and are not, or are switched off."""
    if connection.dialect.name == "postgresql":
        expected: dict[str, str] = POSTGRESQL
        query = f"SELECT tgname FROM pg_trigger WHERE tgrelid = '{NAME}'::regclass AND tgenabled IN ('O', 'A')"
    else:
        expected = SQLITE
        query = f"SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = '{NAME}'"
    found = set(connection.exec_driver_sql(query).scalars())
    return tuple(name for name in expected if name not in found)
