"""The ledger in PostgreSQL: a real server on loopback, as a team would share one."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import zlib
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError

from pipelines.ledger.errors import LedgerError
from pipelines.ledger.guard import summarise
from pipelines.ledger.location import locate, parse_url
from pipelines.ledger.store import Ledger
from pipelines.ledger.table import NAME, POSTGRESQL
from pipelines.ledger.trial import Outcome
from pipelines.workspace import Workspace
from tests.pipelines.ledger_factory import append_from_processes, daily, execute, finished, make_trial

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
LONGEST = 240
"""Seconds after which the server ends whatever becomes of the tests."""


def as_postgres():
    """Whom the server runs as: it refuses root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def server(folder):
    """A PostgreSQL server with an empty cluster in a folder; yields the port."""
    binaries = BINARIES[-1].parent
    data, port, settings = folder / "data", free_port(), as_postgres()
    if settings:
        shutil.chown(folder, "postgres", "postgres")
    make = [binaries / "initdb", "-D", data, "-U", "ada", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"]
    subprocess.run(make, check=True, capture_output=True, timeout=120, cwd="/", **settings)
    options = ["-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F", "-c", "max_connections=20"]
    started = subprocess.Popen(
        ["timeout", "--signal=INT", str(LONGEST), binaries / "postgres", "-D", data, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        **settings,
    )
    try:
        yield port
    finally:
        # Stops `timeout`, which passes it on: PostgreSQL's fast shutdown.
        started.send_signal(signal.SIGINT)
        started.wait(timeout=60)


@pytest.fixture(scope="module")
def address():
    if not BINARIES:
        pytest.skip("no PostgreSQL server in /usr/lib/postgresql: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="no PostgreSQL driver: pip install 'psycopg[binary]'")
    folder = Path(tempfile.mkdtemp(prefix="bot4-pg-"))
    try:
        with server(folder) as port:
            found = f"postgresql+psycopg://ada@127.0.0.1:{port}"
            deadline = time.monotonic() + 60
            while True:
                try:
                    execute(parse_url(f"{found}/postgres"), "SELECT 1")
                    break
                except SQLAlchemyError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.2)
            yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def url(address, request):
    """A database of the test's own."""
    import psycopg

    name = f"t{zlib.crc32(request.node.name.encode())}"
    with psycopg.connect(f"{address}/postgres".replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{address}/{name}"


@pytest.fixture
def ledger(url, tmp_path):
    return Ledger.open(Workspace(tmp_path), {"MLFLOW_TRACKING_URI": url})


def test_reading_an_empty_database_makes_nothing(ledger):
    assert ledger.entries() == []
    assert ledger.missing_triggers() == ()
    assert ledger.verify().intact


def test_records_counts_and_refusals_are_those_of_sqlite(ledger, tmp_path):
    finished(ledger, "t1", daily([0.1 + 0.2, -1e-17]), {"net_sharpe": 0.1, "auc": None})
    ledger.begin(make_trial("t2", configuration="c2", parameters={"text": "100 % 'quoted' ünïcode"}))
    first, second = ledger.entries()
    assert (first.status, first.returns, first.outcome.metrics) == (
        "finished",
        daily([0.1 + 0.2, -1e-17]),
        {"net_sharpe": 0.1, "auc": None},
    )
    assert second.trial.parameters == {"text": "100 % 'quoted' ünïcode"}
    found = summarise(ledger, "t1")
    assert (found.distinct, found.verified, found.unfinished) == (2, True, 1)
    with pytest.raises(LedgerError, match="began already"):
        ledger.begin(make_trial("t1"))
    with pytest.raises(LedgerError, match="never began"):
        ledger.finish(Outcome(trial="t3", created=0))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE {NAME} SET content = '{{}}'",
        f"DELETE FROM {NAME}",
        f"TRUNCATE {NAME}",
        f"INSERT INTO {NAME} VALUES (9, 'x', 'begun', 0, 'c', '', '')",
        f"INSERT INTO {NAME} VALUES (3, 'x', 'begun', 0, 'c', 'not the last hash', '')",
        f"INSERT INTO {NAME} SELECT sequence, trial, event, 0, content, previous, hash FROM {NAME}"
        " ON CONFLICT (sequence) DO UPDATE SET content = 'c'",
    ],
)
def test_the_database_itself_refuses(ledger, url, statement):
    finished(ledger)
    before = ledger.rows()
    with pytest.raises(SQLAlchemyError, match="append-only"):
        execute(parse_url(url), statement)
    assert ledger.rows() == before


def test_tampering_after_dropping_the_triggers_is_named(ledger, url):
    for number in range(4):
        ledger.begin(make_trial(f"t{number}"))
    drop = [f"DROP TRIGGER {name} ON {NAME}" for name in POSTGRESQL]
    execute(parse_url(url), *drop, f"UPDATE {NAME} SET content = replace(content, 'Ada', 'Bob') WHERE sequence = 3")
    assert ledger.verify().broken == 3
    assert set(ledger.missing_triggers()) == set(POSTGRESQL)


def test_a_trigger_that_is_switched_off_is_missing(ledger, url):
    ledger.begin(make_trial())
    execute(parse_url(url), f"ALTER TABLE {NAME} DISABLE TRIGGER {NAME}_no_change")
    assert ledger.missing_triggers() == (f"{NAME}_no_change",)
    assert "no_change" in summarise(ledger, "t1").problem


def test_who_may_only_append_needs_no_more(ledger, url):
    ledger.begin(make_trial())
    role = f"bob{url.rpartition('/')[2]}"
    execute(parse_url(url), f"CREATE ROLE {role} LOGIN", f"GRANT SELECT, INSERT ON {NAME} TO {role}")
    theirs = Ledger(parse_url(url.replace("ada@", f"{role}@")))
    theirs.begin(make_trial("t2"))
    assert len(ledger.entries()) == 2
    with pytest.raises(SQLAlchemyError, match="permission denied"):
        execute(parse_url(url.replace("ada@", f"{role}@")), f"DELETE FROM {NAME}")


def test_many_processes_append_one_chain(ledger, url):
    append_from_processes(url)
    found = ledger.verify()
    assert (found.intact, found.rows) == (True, 100)
    assert {one.trial.id for one in ledger.entries()} == {f"{a}-{b}" for a in range(4) for b in range(25)}


def test_an_unreachable_server_is_explained(address):
    nowhere = parse_url(f"postgresql+psycopg://ada:secret@127.0.0.1:{free_port()}/none")
    with pytest.raises(LedgerError, match=r"127\.0\.0\.1") as caught:
        Ledger(nowhere).begin(make_trial())
    assert "secret" not in str(caught.value)


def test_a_plain_url_finds_the_driver(url, tmp_path):
    plain = url.replace("+psycopg", "")
    assert locate(Workspace(tmp_path), {"MLFLOW_TRACKING_URI": plain}).url.database == url.rpartition("/")[2]
    Ledger(parse_url(plain)).begin(make_trial())
    assert len(Ledger(parse_url(url)).entries()) == 1


def test_a_study_is_kept_there_and_goes_on_after_a_kill(url, ledger, tmp_path):
    import optuna

    from pipelines.tuning.storage import VARIABLE, ended, open_storage, recover, studies_url
    from tests.pipelines.test_tuning_killed import abandon, square, study_in

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    place = studies_url(Workspace(tmp_path), "sqlite:///not-this.db", {VARIABLE: url})
    study = study_in(open_storage(place))
    study.optimize(square, n_trials=2)
    abandoned = abandon(study)
    again = study_in(open_storage(place))
    assert recover(again, ledger) == 1
    again.optimize(square, n_trials=2)
    found = ended(again.get_trials())
    assert len(found) == 4
    assert found[2].params == abandoned.params
