"""``bot4 audit``: exit codes, table and JSON, a user's own pieces, clear errors, and the audit of a training."""

from __future__ import annotations

import msgspec
import pytest
from typer.testing import CliRunner

from features.conformance import plain_bars
from market.lake import Lake, SeriesKey
from market.time import DAY, MINUTE
from pipelines import cli
from pipelines.results import RunResult
from tests.pipelines.conftest import bot4

RUNNER = CliRunner()
INSTRUMENTS = """
[{symbol}]
venue = "here"
kind = "spot"
base = "{symbol}"
quote = "USD"
tick = "0.0001"
lot = "0.001"
min_quantity = "0.001"
max_quantity = "1000000"
min_notional = "1"
maker_fee = "0"
taker_fee = "0"
"""
CONFIG = """
name = "small"
[data]
symbols = ["AAA", "BBB"]
interval = "15m"
venue = "here"
holdout = "1d"
instruments = "instruments.toml"
[features]
names = ["rsi_14", "scaled_return_4", "ewma_volatility_96"]
[labels]
horizon = 8
[validation]
folds = 6
train = "10d"
[members.linear]
"""
PIECES = """
import numpy as np
from pipelines.audit.pieces import Features

def centred(world):
    return {"centred": [np.convolve(bars["close"], np.ones(5) / 5, "same") for bars in world.bars]}

def last(world):
    return {"last": [bars["close"] for bars in world.bars]}

PIECES = [Features(centred), Features(last)]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    lake = Lake(folder / "workspace" / "lake")
    for number, symbol in enumerate(("AAA", "BBB")):
        bars = plain_bars(2_600, 11 + number, interval=15 * MINUTE, start=18_000 * DAY)
        lake.write(SeriesKey("here", symbol, interval="15m"), bars)
    (folder / "small.toml").write_text(CONFIG)
    (folder / "instruments.toml").write_text("".join(INSTRUMENTS.format(symbol=one) for one in ("AAA", "BBB")))
    (folder / "pieces.py").write_text(PIECES)
    return folder


def audit(place, *more):
    arguments = ["audit", str(place / "small.toml"), "--workspace", str(place / "workspace"), *map(str, more)]
    return RUNNER.invoke(cli.app, arguments, prog_name="bot4")


def test_a_clean_pipeline_gives_a_table_and_exit_code_0(place):
    done = audit(place)
    assert done.exit_code == 0, done.output
    said = done.stdout.splitlines()
    assert said[0].split() == ["stage", "column", "verdict", "first", "change", "size", "compared", "by"]
    assert any(line.startswith("predictions") and " ensemble " in line for line in said)
    assert said[-1].startswith("No leak: ")
    assert "audit" in done.stderr


def test_json_says_the_same_and_the_same_seed_the_same_again(place):
    first, again, other = (audit(place, "--json", "--seed", seed) for seed in (5, 5, 6))
    assert first.exit_code == again.exit_code == other.exit_code == 0
    assert first.stdout == again.stdout != other.stdout
    told = msgspec.json.decode(first.stdout)
    assert told["clean"] is True
    assert told["seed"] == 5
    assert {one["verdict"] for one in told["findings"]} <= {"clean", "untouched"}


def test_cuts_are_as_many_as_asked_for(place):
    told = msgspec.json.decode(audit(place, "--json", "--cuts", 5).stdout)
    assert len(told["cuts"]) == 5


def test_own_pieces_are_audited_and_a_leak_gives_an_exit_code_of_its_own(place):
    done = audit(place, "--pieces", place / "pieces.py", "--json")
    assert done.exit_code == 3
    told = msgspec.json.decode(done.stdout)
    assert [(one["column"], one["verdict"]) for one in told["findings"]] == [("centred", "leak"), ("last", "clean")]
    assert told["scope"] == "pieces"
    assert "outside the training window" not in told["perturbations"], "nothing was fitted"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "is not a file; name a Python file with a list PIECES"),
        ("PIECES = []", "has no list PIECES"),
        ("PIECES = [print]", "which is no piece; wrap it in Features"),
        ("import no_such_module_of_mine", "cannot be run: ModuleNotFoundError"),
    ],
)
def test_a_file_without_pieces_is_told(place, tmp_path, text, sentence):
    path = tmp_path / "pieces.py"
    if text is not None:
        path.write_text(text)
    done = audit(place, "--pieces", path)
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_too_many_cuts_are_refused_in_a_sentence(place):
    done = audit(place, "--cuts", 100_000)
    assert done.exit_code == 2
    assert "ask for at least 1 and for at most half of the bars" in done.stderr


@pytest.mark.xdist_group("road")
def test_a_training_is_audited_and_the_command_shows_that_audit_again(road):
    result = RunResult.load(road.run)
    assert result.audit.clean
    assert result.audit.scope == "sampled"
    assert "leakage audit" in {one.name for one in result.stages}
    assert "No leak: " in (road.run / "report.html").read_text()
    made = set((road.workspace / "artefacts" / "audit").iterdir())
    done = bot4("audit", road.config, "--workspace", road.workspace, "--json")
    assert done.returncode == 0, done.stderr
    told = msgspec.json.decode(done.stdout)
    assert told["cuts"] == list(result.audit.cuts)
    assert sum(one["compared"] for one in told["findings"]) == result.audit.compared
    assert set((road.workspace / "artefacts" / "audit").iterdir()) == made
