"""``bot4 data universe``."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from pipelines.cli import app

RUNNER = CliRunner()


def run(*arguments):
    return RUNNER.invoke(app, ["data", "universe", *map(str, arguments)], prog_name="bot4")


def test_from_responses_to_a_table_to_the_symbols_of_a_day(tmp_path):
    pairs = []
    for day, symbols in (("2021-10-12", "AB"), ("2023-04-10", "BC")):
        path = tmp_path / f"{day}.json"
        path.write_text(json.dumps({"symbols": [{"symbol": name, "status": "TRADING"} for name in symbols]}))
        pairs.append(f"{day}={path}")
    out = tmp_path / "listings.csv"
    done = run(*reversed(pairs), "--out", out)
    assert done.exit_code == 0, done.output
    assert "3 listings written to" in done.output
    assert run(out, "--at", "2022-01-01").output.split() == ["A", "B"]
    assert run(out, "--at", "2024-01-01").output.split() == ["B", "C"]
    assert run(out).output.splitlines()[0] == "A from 2021-10-12T00:00:00Z to 2023-04-10T00:00:00Z"


def test_what_is_no_universe_is_explained(tmp_path):
    bad = tmp_path / "bad.json"
    bad.write_text("[1]")
    for arguments, message in (
        ((f"2021-01-01={bad}",), "is not an exchangeInfo response"),
        ((f"2021-01-01={tmp_path / 'none'}",), "is not a readable exchangeInfo response"),
        ((f"2021-01-01={bad}", "table.csv"), "give one table of listings, or only TIME=FILE pairs"),
        (("a.csv", "b.csv"), "give one table of listings"),
        ((tmp_path / "none.csv",), "cannot be read"),
    ):
        done = run(*arguments)
        assert done.exit_code == 2
        assert message in done.stderr
