"""What was tried after a training counts against its promotion: the ledger is asked on the day."""

import msgspec
import numpy as np
import pytest

from pipelines.gates.trials import as_of_now, deflated_gate, overfitting_gate, trials_gate
from pipelines.ledger.errors import LedgerError
from pipelines.ledger.location import FILE
from pipelines.ledger.store import Ledger
from pipelines.results import ENSEMBLE
from pipelines.stages.judgement import TRIALS
from pipelines.workspace import Workspace
from tests.pipelines.factory import make_result
from tests.pipelines.ledger_factory import daily, finished
from tests.pipelines.promoted import registered


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


@pytest.fixture
def result(workspace):
    """A run with a modest edge, alone in its ledger."""
    return registered(workspace, 1, "ab" * 32, make_result(edge=0.4, drift=6e-5, seed=4))


def tried(workspace, result, count, spread=0.01):
    """So many more trials on the same data, unlike each other."""
    ledger, random = Ledger.open(workspace), np.random.default_rng(count)
    days = (result.laboratory.days - 1) // (24 * 3600 * 10**9)
    for number in range(count):
        returns = daily(random.normal(0, spread, len(days)), int(days[0]))
        finished(ledger, f"more{number}", returns=returns, touched=result.trials.judged)
    return ledger


def test_the_same_ledger_gives_the_same_count(workspace, result):
    now = as_of_now(result, Ledger.open(workspace))
    assert now.trials == result.trials
    said = trials_gate(now, result.trials)
    assert said.passed
    assert "more than" not in said.reason


def test_what_was_tried_since_makes_the_same_ratio_less(workspace, result):
    before = as_of_now(result, Ledger.open(workspace))
    now = as_of_now(result, tried(workspace, result, 40))
    assert (before.trials.distinct, now.trials.distinct) == (1, 41)
    assert "40 more than when it was trained" in trials_gate(now, result.trials).reason
    ratios = [one.laboratory.deflated for one in (before, now)]
    assert ratios[0].deflated > 0.95 > ratios[1].deflated
    assert ratios[0].luck == 0.0 < ratios[1].luck
    assert (deflated_gate(before).passed, deflated_gate(now).passed) == (True, False)
    assert deflated_gate(now).judged


def test_overfitting_is_judged_among_the_trials_of_today(workspace, result):
    among = [one.among for one in result.laboratory.overfitting]
    assert TRIALS in among
    before = as_of_now(result, Ledger.open(workspace))
    assert TRIALS not in [one.among for one in before.laboratory.overfitting]
    now = as_of_now(result, tried(workspace, result, 12))
    (found,) = [one for one in now.laboratory.overfitting if one.among == TRIALS]
    assert found.strategies == 13
    assert TRIALS in overfitting_gate(now).reason


def test_trials_of_other_data_do_not_count(workspace, result):
    ledger = Ledger.open(workspace)
    finished(ledger, "elsewhere")
    assert as_of_now(result, ledger).trials.distinct == 1


def test_a_run_that_the_ledger_does_not_know_is_not_judged(workspace, result):
    with pytest.raises(LedgerError, match="run other is not in the ledger"):
        as_of_now(msgspec.structs.replace(result, run_id="other"), Ledger.open(workspace))


def test_a_ledger_that_lost_what_the_run_saw_is_not_whole(workspace, result):
    """Another ledger with the same trial, but not the rows of then."""
    (workspace.root / FILE).unlink()
    ledger = Ledger.open(workspace)
    returns = next(one.returns for one in result.laboratory.strategies if one.name == ENSEMBLE)
    finished(ledger, "again", returns=daily(returns), run=result.run_id, touched=result.trials.judged)
    now = as_of_now(result, ledger)
    assert not trials_gate(now, result.trials).passed


def test_a_result_of_before_the_laboratory_keeps_none(workspace, result):
    now = as_of_now(msgspec.structs.replace(result, laboratory=None), Ledger.open(workspace))
    assert now.laboratory is None
    assert not deflated_gate(now).judged
