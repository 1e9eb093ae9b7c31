"""``bot4 backtest`` with a training's configuration: its newest finished run, traded as the file says now."""

from __future__ import annotations

import pytest

from pipelines.ledger.count import distinct, overlapping
from pipelines.ledger.store import Ledger
from pipelines.results import RunResult
from pipelines.workspace import Workspace
from tests.pipelines.conftest import CONFIG, bot4

pytestmark = pytest.mark.xdist_group("road")


def row(done, name):
    (found,) = [line for line in done.stdout.splitlines() if line.startswith(name)]
    return found.split()[len(name.split()) :]


def test_a_training_configuration_trades_its_runs_holdout(road):
    done = bot4("backtest", road.config, "--workspace", road.workspace)
    assert done.returncode == 0, done.stderr
    paper = RunResult.load(road.run).paper.backtest
    assert row(done, "Round trips")[0] == str(paper.net_performance.trades)
    assert "tiny, bundle " in done.stdout
    assert "to 2018-12-01T00:00:00Z" in done.stdout


def test_other_costs_need_no_new_training(road, tmp_path):
    dear = tmp_path / "dear.toml"
    dear.write_text(CONFIG + "\n[exchange]\nhalf_spread = 0.01\n")
    cheap, done = (bot4("backtest", path, "--workspace", road.workspace) for path in (road.config, dear))
    assert done.returncode == 0, done.stderr
    assert row(done, "Total return") != row(cheap, "Total return")


def test_every_look_is_a_trial(road, tmp_path):
    dearer = tmp_path / "dearer.toml"
    dearer.write_text(CONFIG + "\n[exchange]\nhalf_spread = 0.02\n")
    ledger = Ledger.open(Workspace(road.workspace))
    before = len(ledger.entries())
    for path in (dearer, dearer, road.config):
        assert bot4("backtest", path, "--workspace", road.workspace).returncode == 0
    twice, again, other = ledger.entries()[before:]
    assert {one.trial.kind for one in (twice, again, other)} == {"backtest"}
    assert twice.trial.identity == again.trial.identity != other.trial.identity
    paper = RunResult.load(road.run).paper.backtest
    assert other.metric("total_return") == paper.net_performance.total_return
    assert {one.symbol for one in other.trial.touched} == {"BTC", "ETH"}
    (trained,) = [one for one in ledger.entries() if one.trial.kind == "manual"][:1]
    assert overlapping([trained], other.trial.touched), "the training touched the same stretch"
    assert len(distinct(overlapping(ledger.entries(), other.trial.touched))) >= 3


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("folds = 7", "folds = 8", "differs in validation"),
        ("seed = 7", "seed = 8", "differs in seed"),
        ('name = "tiny"', 'name = "never"', "no finished run of 'never'"),
    ],
)
def test_a_configuration_without_a_run_is_told(road, tmp_path, old, new, words):
    config = tmp_path / "other.toml"
    config.write_text(CONFIG.replace(old, new))
    done = bot4("backtest", config, "--workspace", road.workspace)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
    assert "bot4 train" in done.stderr
