"""``bot4 trials``: what was tried, by whom, on which data, and whether the record is whole."""

import json
import sqlite3

import pytest
from typer.testing import CliRunner

from market.time import DAY, parse_time
from pipelines.cli import app
from pipelines.ledger.guard import summarise
from pipelines.ledger.table import SQLITE
from pipelines.ledger.trial import Outcome, Stretch
from pipelines.ledger.witness import heads
from tests.pipelines.ledger_factory import daily, local_ledger, make_trial

RUNNER = CliRunner()
ETH = (Stretch("binance", "ETHUSDT", parse_time("2025-02-01"), parse_time("2025-03-01"), "1h", "ETH"),)
COUSIN = (Stretch("kraken", "XBTUSD", 5 * DAY, 6 * DAY, "1h", "BTC"),)


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in ("BOT4_LEDGER_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def workspace(tmp_path):
    ledger = local_ledger(tmp_path)
    first = make_trial("aaaa1111", run="run-1", configuration="1", created=parse_time("2025-01-01"))
    ledger.begin(first)
    metrics = {"information_gain": 0.0123456, "net_sharpe": 0.05, "auc": 0.51}
    ledger.finish(Outcome(trial="aaaa1111", created=1, metrics=metrics, returns=daily([0.1, 0.2]), bundle="feed"))
    ledger.begin(
        make_trial(
            "bbbb2222",
            kind="optuna",
            name="eth",
            person="Bob",
            touched=ETH,
            configuration="2",
            created=parse_time("2025-02-01"),
            parameters={"depth": 6},
            note="study s, trial 0",
        )
    )
    ledger.begin(make_trial("cccc3333", configuration="3", touched=COUSIN, created=parse_time("2025-03-01T12:30")))
    return tmp_path


def run(workspace, *arguments):
    return RUNNER.invoke(app, ["trials", *map(str, arguments), "--workspace", str(workspace)], prog_name="bot4")


def listed(workspace, *arguments):
    done = run(workspace, *arguments)
    assert done.exit_code == 0, done.output
    body = done.stdout.partition("\n\n")[0]
    return [name for line in body.splitlines()[1:] for name in ("aaaa", "bbbb", "cccc") if f"  {name}" in line]


def test_an_empty_ledger_says_what_records_trials(tmp_path):
    done = run(tmp_path)
    assert done.exit_code == 0
    assert "is empty" in done.output
    assert "bot4 train" in done.output
    assert json.loads(run(tmp_path, "--json").output) == []
    assert "is empty" in run(tmp_path, "verify").output
    assert list(tmp_path.iterdir()) == []


def test_the_listing_is_newest_first_and_whole(workspace):
    lines = run(workspace).output.splitlines()
    assert lines[0].split() == "when who kind name trial what instruments data status metrics".split()
    assert [line.split()[:5] for line in lines[1:4]] == [
        ["2025-03-01T12:30:00Z", "Ada", "manual", "spot-15m", "cccc3333"],
        ["2025-02-01T00:00:00Z", "Bob", "optuna", "eth", "bbbb2222"],
        ["2025-01-01T00:00:00Z", "Ada", "manual", "spot-15m", "aaaa1111"],
    ]
    assert "ETHUSDT" in lines[2]
    assert "2025-02-01 to 2025-03-01  begun" in lines[2]
    assert lines[3].endswith("finished  information_gain 0.01235 net_sharpe 0.05")
    assert lines[-1] == f"3 of 3 records, 3 different trials. Ledger: {workspace / 'trials.db'}"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), ["cccc", "bbbb", "aaaa"]),
        (("--symbol", "ethusdt"), ["bbbb"]),
        (("--since", "2025-02-01"), ["cccc", "bbbb"]),
        (("--since", "2025-03-01T12:31"), []),
        (("--name", "spot*"), ["cccc", "aaaa"]),
        (("--name", "spot"), []),
        (("--kind", "optuna"), ["bbbb"]),
        (("--overlapping", "run-1"), ["aaaa"]),
        (("--overlapping", "run-1", "--by-asset"), ["cccc", "aaaa"]),
        (("--overlapping", "bbbb"), ["bbbb"]),
        (("--limit", "2"), ["cccc", "bbbb"]),
        (("--limit", "0"), ["cccc", "bbbb", "aaaa"]),
        (("--overlapping", "run-1", "--by-asset", "--limit", "1"), ["cccc"]),
    ],
)
def test_filters(workspace, arguments, expected):
    assert listed(workspace, *arguments) == expected


def test_a_cut_listing_says_so(workspace):
    assert "3 of 3 records, 3 different trials; the newest 1 are listed" in run(workspace, "--limit", "1").output


def test_json_is_whole_and_without_returns(workspace):
    found = json.loads(run(workspace, "--json").output)
    assert [one["trial"]["id"] for one in found] == ["cccc3333", "bbbb2222", "aaaa1111"]
    assert found[2]["outcome"]["metrics"]["auc"] == 0.51
    assert "returns" not in found[2]["outcome"]
    assert (found[2]["run"], found[2]["status"], len(found[2]["identity"])) == ("run-1", "finished", 64)
    assert found[1]["outcome"] is None
    assert [one["trial"]["id"] for one in json.loads(run(workspace, "--json", "--kind", "optuna").output)] == [
        "bbbb2222"
    ]


def test_show(workspace):
    text = run(workspace, "show", "aaaa").output
    for words in ("aaaa1111", "by Ada", "finished", "feed", "information_gain", "2 days", "binance 15m", "run-1"):
        assert words in text
    assert text.splitlines()[-1].split() == ["trials", "on", "this", "data", "1"]
    other = run(workspace, "show", "bbbb").output
    assert "parameter depth" in other
    assert "study s, trial 0" in other
    assert json.loads(run(workspace, "show", "run-1", "--json").output)["returns"]["values"] == [0.1, 0.2]


def test_verify_prints_a_head_that_it_takes_back(workspace):
    said = run(workspace, "verify").output
    assert said.startswith("4 rows, every one as it was appended")
    head = said.split("head ")[1].split()[0]
    done = run(workspace, "verify", "--head", head)
    assert done.exit_code == 0
    assert "1 known head among them" in done.output
    done = run(workspace, "verify", "--head", f"9:{'0' * 64}")
    assert done.exit_code == 2
    assert "row 9 is gone" in done.stderr


def tamper(workspace, *statements):
    with sqlite3.connect(workspace / "trials.db") as connection:
        for statement in (*(f"DROP TRIGGER {name}" for name in SQLITE), *statements):
            connection.execute(statement)


def test_verify_names_the_row_that_was_changed(workspace):
    tamper(workspace, "UPDATE bot4_trials SET created = 0 WHERE sequence = 3")
    done = run(workspace, "verify")
    assert done.exit_code == 2
    assert "row 3 (trial bbbb2222, begun) is not what its hash says" in done.stderr


def test_verify_misses_the_triggers(workspace):
    tamper(workspace)
    done = run(workspace, "verify")
    assert done.exit_code == 2
    assert "nothing forbids changes" in done.stderr


def test_results_are_witnesses_of_a_cut_end(workspace):
    ledger = local_ledger(workspace)
    count = summarise(ledger, "cccc3333")
    for name, trials in (
        ("one", {"ledger": ledger.label, "head": {"sequence": 4, "hash": count.head.hash}}),
        ("old", 3),
    ):
        folder = workspace / "runs" / name
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps({"name": name, "trials": trials}))
    (workspace / "runs" / "one" / "other.json").write_text("{")
    assert heads(workspace / "runs", ledger.label) == (count.head,)
    assert heads(workspace / "runs", "another") == ()
    assert "1 known head" in run(workspace, "verify").output
    tamper(workspace, "DELETE FROM bot4_trials WHERE sequence = 4")
    done = run(workspace, "verify")
    assert done.exit_code == 2
    assert "row 4 is gone" in done.stderr


def test_a_tracking_server_is_said_to_share_no_ledger(workspace, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example")
    done = run(workspace)
    assert "for this workspace alone" in done.stderr
    assert "aaaa1111" in done.stdout


def test_a_shared_ledger_is_found_from_any_workspace(workspace, tmp_path, monkeypatch):
    monkeypatch.setenv("BOT4_LEDGER_URL", f"sqlite:///{workspace / 'trials.db'}")
    assert "aaaa1111" in run(tmp_path / "elsewhere").output
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "zzz"), "no trial or run 'zzz'"),
        (("--overlapping", "zzz"), "no trial or run 'zzz'"),
        (("--since", "yesterday"), "is not ISO 8601"),
        (("--by-asset",), "--overlapping RUN"),
        (("verify", "--head", "nonsense"), "is not a row's number and hash"),
        (("--limit", "-1"), "greater than or equal to 0"),
        (("--symbol", "BTCUSDT", "verify"), "--symbol stands before 'verify'"),
    ],
)
def test_errors_are_clear(workspace, arguments, words):
    done = run(workspace, *arguments)
    assert done.exit_code == 2
    assert words in " ".join(done.stderr.replace("│", " ").split())


def test_help_has_examples():
    for words in ((), ("show",), ("verify",)):
        done = RUNNER.invoke(app, ["trials", *words, "--help"], prog_name="bot4")
        assert done.exit_code == 0
        assert f"Example: bot4 trials{''.join(' ' + word for word in words)}" in done.output
