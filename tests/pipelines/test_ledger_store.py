"""The ledger in SQLite: it only grows, survives crashes and many writers, and shows what was done to it."""

import signal
import sqlite3
import subprocess
import sys

import pytest
from sqlalchemy import URL

from pipelines.ledger.errors import LedgerError
from pipelines.ledger.location import locate, parse_url
from pipelines.ledger.store import Ledger
from pipelines.ledger.table import NAME, SQLITE
from pipelines.ledger.trial import Outcome
from pipelines.tuning.storage import studies_url
from pipelines.workspace import Workspace
from tests.pipelines.ledger_factory import append_from_processes, daily, execute, finished, local_ledger, make_trial

KILLED = """
import os, signal, sys
from pipelines.ledger.location import parse_url
from pipelines.ledger.store import Ledger
from tests.pipelines.ledger_factory import make_trial
Ledger(parse_url(sys.argv[1])).begin(make_trial())
os.kill(os.getpid(), signal.SIGKILL)
"""
DROP = tuple(f"DROP TRIGGER {name}" for name in SQLITE)


@pytest.fixture
def ledger(tmp_path):
    return local_ledger(tmp_path)


@pytest.fixture
def url(tmp_path):
    return URL.create("sqlite", database=str(tmp_path / "trials.db"))


def test_reading_an_absent_ledger_makes_nothing(tmp_path, ledger):
    assert ledger.entries() == []
    assert ledger.verify().intact
    assert ledger.missing_triggers() == ()
    assert list(tmp_path.iterdir()) == []


def test_a_database_without_the_table_is_an_empty_ledger(tmp_path, ledger):
    (tmp_path / "trials.db").touch()
    assert ledger.entries() == []
    assert ledger.missing_triggers() == ()


def test_two_records_make_one_entry(ledger):
    trial = make_trial()
    assert ledger.begin(trial).sequence == 1
    (begun,) = ledger.entries()
    assert (begun.trial, begun.status) == (trial, "begun")
    outcome = Outcome(
        trial="t1", created=2, metrics={"net_sharpe": 0.1}, returns=daily([0.1, -0.2]), bundle="b", run="r"
    )
    head = ledger.finish(outcome)
    (entry,) = ledger.entries()
    assert (entry.trial, entry.outcome, entry.status, entry.sequence) == (trial, outcome, "finished", 1)
    assert ledger.verify().head == head
    assert [row.event for row in ledger.rows()] == ["begun", "ended"]


def test_only_what_began_ends_and_only_once(ledger):
    with pytest.raises(LedgerError, match="never began"):
        ledger.finish(Outcome(trial="t1", created=0))
    finished(ledger)
    with pytest.raises(LedgerError, match="has its outcome already"):
        ledger.finish(Outcome(trial="t1", created=0))
    with pytest.raises(LedgerError, match="began already"):
        ledger.begin(make_trial())
    assert len(ledger.rows()) == 2


def test_there_is_no_way_to_change_or_remove():
    public = {name for name in vars(Ledger) if not name.startswith("_")}
    assert public == {"begin", "finish", "entries", "entry", "label", "missing_triggers", "open", "rows", "verify"}


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE {NAME} SET content = '{{}}'",
        f"UPDATE {NAME} SET hash = hash",
        f"DELETE FROM {NAME} WHERE sequence = 2",
        f"INSERT OR REPLACE INTO {NAME} SELECT sequence, trial, event, created, '{{}}', previous, hash FROM {NAME}",
        f"INSERT INTO {NAME} SELECT sequence, trial, event, 0, content, previous, hash FROM {NAME} WHERE true"
        " ON CONFLICT DO UPDATE SET content = '{}'",
        f"INSERT INTO {NAME} VALUES (9, 'x', 'begun', 0, '{{}}', '', '')",
        f"INSERT INTO {NAME} VALUES (3, 'x', 'begun', 0, '{{}}', 'not the last hash', '')",
        f"INSERT INTO {NAME} VALUES (NULL, 'x', 'begun', 0, '{{}}', (SELECT hash FROM {NAME} WHERE sequence = 2), '')",
    ],
)
def test_the_database_itself_refuses(ledger, tmp_path, statement):
    finished(ledger)
    before = ledger.rows()
    with (
        sqlite3.connect(tmp_path / "trials.db") as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute(statement)
    assert ledger.rows() == before


def test_tampering_after_dropping_the_triggers_is_named(ledger, url):
    for number in range(4):
        ledger.begin(make_trial(f"t{number}"))
    execute(url, *DROP, f"UPDATE {NAME} SET content = replace(content, 'Ada', 'Bob') WHERE sequence = 3")
    found = ledger.verify()
    assert found.broken == 3
    assert "row 3 (trial t2, begun)" in found.reason
    assert set(ledger.missing_triggers()) == set(SQLITE)


def test_a_deleted_row_is_named(ledger, url):
    for number in range(4):
        head = ledger.begin(make_trial(f"t{number}"))
    execute(url, *DROP, f"DELETE FROM {NAME} WHERE sequence = 2")
    assert ledger.verify().broken == 3
    execute(url, f"DELETE FROM {NAME} WHERE sequence > 1")
    assert ledger.verify().intact
    assert ledger.verify([head]).broken == 2


def test_a_row_nobody_can_read_is_named(ledger, url):
    ledger.begin(make_trial())
    execute(url, *DROP, f"UPDATE {NAME} SET content = '[]'")
    with pytest.raises(LedgerError, match="row 1 of the ledger"):
        ledger.entries()


def test_many_processes_append_one_chain(ledger, url):
    append_from_processes(url.render_as_string(hide_password=False))
    found = ledger.verify()
    assert (found.intact, found.rows) == (True, 100)
    entries = ledger.entries()
    assert {one.trial.id for one in entries} == {f"{a}-{b}" for a in range(4) for b in range(25)}
    assert [one.sequence for one in entries] == list(range(1, 101))
    # Each process's own order is kept.
    for process in range(4):
        mine = [int(one.trial.id[2:]) for one in entries if one.trial.id.startswith(f"{process}-")]
        assert mine == list(range(25))


def test_a_trial_that_was_killed_after_it_began_is_there(ledger, url):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, url.render_as_string(hide_password=False)], capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    (entry,) = ledger.entries()
    assert entry.status == "begun"
    assert ledger.verify().intact
    ledger.begin(make_trial("t2"))


def test_an_append_that_fails_leaves_nothing(ledger, monkeypatch):
    ledger.begin(make_trial())
    monkeypatch.setattr("pipelines.ledger.store.next_row", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ledger.begin(make_trial("t2"))
    monkeypatch.undo()
    assert [one.trial.id for one in ledger.entries()] == ["t1"]
    assert ledger.begin(make_trial("t3")).sequence == 2


def test_an_entry_by_the_beginning_of_its_id_or_run(ledger):
    for id, run in (("abc1", "20250101T000000-aa"), ("abd2", "20250101T000000-bb"), ("a", "")):
        ledger.begin(make_trial(id, run=run))
    assert ledger.entry("abc").trial.id == "abc1"
    assert ledger.entry("20250101T000000-bb").trial.id == "abd2"
    assert ledger.entry("a").trial.id == "a"
    with pytest.raises(LedgerError, match="names 2 trials"):
        ledger.entry("ab")
    for nothing in ("zzz", ""):
        with pytest.raises(LedgerError, match="no trial or run"):
            ledger.entry(nothing)


def test_a_database_that_cannot_be_read_is_explained(tmp_path, ledger):
    (tmp_path / "trials.db").write_text("no database at all, and longer than a header of one hundred bytes" * 4)
    with pytest.raises(LedgerError, match=r"trials\.db: file is not a database"):
        ledger.entries()
    with pytest.raises(LedgerError, match=r"trials\.db: file is not a database"):
        ledger.begin(make_trial())


class TestLocation:
    def test_the_workspace_by_default(self, tmp_path):
        found = locate(Workspace(tmp_path), {})
        assert (found.url.database, found.note) == (str(tmp_path / "trials.db"), "")

    def test_the_tracking_stores_sql(self, tmp_path):
        found = locate(Workspace(tmp_path), {"MLFLOW_TRACKING_URI": "postgresql://ada:secret@db/ml"})
        assert (found.url.host, found.url.database, found.note) == ("db", "ml", "")

    def test_postgresql_has_the_driver_of_the_locks_everywhere_unless_another_is_named(self, tmp_path, monkeypatch):
        for text, driver in (("postgresql://db/ml", "postgresql+psycopg"), ("postgresql+pg8000://db/ml", None)):
            monkeypatch.setenv("MLFLOW_TRACKING_URI", text)
            found = locate(Workspace(tmp_path)).url, studies_url(Workspace(tmp_path), text, {})
            assert {one.drivername for one in found} == {driver or "postgresql+pg8000"}
            assert Workspace(tmp_path).mlflow_uri == f"{driver or 'postgresql+pg8000'}://db/ml"

    @pytest.mark.parametrize(
        "uri", ["https://mlflow.example", "/data/mlruns", "file:///data", "mysql://a@b/c", "sqlite://"]
    )
    def test_another_tracking_store_is_said(self, tmp_path, uri):
        found = locate(Workspace(tmp_path), {"MLFLOW_TRACKING_URI": uri})
        assert found.url.database == str(tmp_path / "trials.db")
        assert "BOT4_LEDGER_URL" in found.note
        assert "alone" in found.note

    def test_our_own_variable_decides(self, tmp_path):
        environment = {"MLFLOW_TRACKING_URI": "postgresql://db/ml", "BOT4_LEDGER_URL": "sqlite:////data/t.db"}
        assert locate(Workspace(tmp_path), environment).url.database == "/data/t.db"

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("nonsense", "not an SQL URL"),
            ("https://host", "cannot be kept in https"),
            ("mysql://a@b/c", "cannot be kept in mysql"),
            ("sqlite://", "in memory"),
            ("sqlite:///:memory:", "in memory"),
            ("sqlite:///file:x?mode=memory&uri=true", "in memory"),
        ],
    )
    def test_what_holds_no_ledger_is_refused(self, tmp_path, text, words):
        with pytest.raises(LedgerError, match=words):
            locate(Workspace(tmp_path), {"BOT4_LEDGER_URL": text})

    def test_a_folder_with_odd_signs(self, tmp_path):
        odd = tmp_path / "50% of a?b#c"
        ledger = Ledger.open(Workspace(odd), {})
        ledger.begin(make_trial())
        assert (odd / "trials.db").is_file()
        assert ledger.label == str(odd / "trials.db")

    def test_a_missing_driver_is_explained(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "psycopg", None)
        with pytest.raises(LedgerError, match=r"needs the driver psycopg.*pip install 'psycopg\[binary\]'"):
            Ledger(parse_url("postgresql+psycopg://db/ml"))

    def test_a_label_has_no_password(self):
        pytest.importorskip("psycopg", reason="needs psycopg: pip install 'psycopg[binary]'")
        label = Ledger(parse_url("postgresql://ada:secret@db/ml")).label
        assert "secret" not in label
        assert "db/ml" in label

    @pytest.mark.parametrize("ledger_first", [True, False])
    def test_it_shares_mlflows_database(self, tmp_path, ledger_first):
        pytest.importorskip("mlflow")
        from pipelines.tracking.tracker import mlflow_client

        uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
        ledger = Ledger.open(Workspace(tmp_path / "elsewhere"), {"MLFLOW_TRACKING_URI": uri})
        if ledger_first:
            ledger.begin(make_trial())
        client = mlflow_client(uri)
        experiment = client.create_experiment("one")
        client.create_run(experiment)
        ledger.begin(make_trial("t2"))
        assert len(mlflow_client(uri).search_runs([experiment])) == 1
        assert len(ledger.entries()) == 1 + ledger_first
        assert ledger.missing_triggers() == ()
        assert not (tmp_path / "elsewhere").exists()
