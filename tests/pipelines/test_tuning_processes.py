"""Studies whose trials are tried by several processes of this machine."""

from __future__ import annotations

import pytest

from pipelines.ledger.store import Ledger
from pipelines.workspace import Workspace
from tests.pipelines.small_training import embedded, training
from tests.pipelines.test_own_features import OWN
from tests.pipelines.tuning_factory import run_study, write_study

pytestmark = pytest.mark.xdist_group("tuning")


def test_processes_are_given_the_files_of_ones_own_features(tmp_path):
    """They are spawned: what their parent has loaded is not there."""
    text = training("own", embedded("BTC"), "\n[members.linear]\n")
    text = text.replace("[features]\nnames = [", '[features]\nfiles = ["mine.py"]\nnames = ["cubed_return", ')
    path = write_study(tmp_path, text, {"members.linear.clip": {"low": 2.0, "high": 8.0}}, trials=2, jobs=2)
    (tmp_path / "mine.py").write_text(OWN)
    study, tuned = run_study(path, tmp_path / "workspace")
    assert study.tuning.jobs == 2
    assert [one.status for one in tuned.summary.trials] == ["finished", "finished"]
    assert [one.status for one in Ledger.open(Workspace(tmp_path / "workspace")).entries()] == ["finished", "finished"]
    assert tuned.winners[tuned.summary.best].with_name("mine.py").read_text() == OWN
