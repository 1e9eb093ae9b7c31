"""Another member is one file and one line of the registry: it is trained, certified and traded like the house's."""

import subprocess
import sys
from pathlib import Path

import pytest

from market.events import Kind
from models.bundle.bundle import Bundle
from models.bundle.golden import self_test
from models.bundle.names import CHALLENGER
from models.bundle.store import ModelStore
from models.members import MEMBERS
from models.members.conformance import check_member
from pipelines.config import load
from pipelines.errors import ConfigError
from pipelines.gates import verdicts
from pipelines.live import write_live
from pipelines.paper import paper_run, serve_config
from pipelines.workspace import Workspace
from tests.pipelines.sixth_member import CentroidsMember
from tests.pipelines.small_training import embedded, training
from trading.journal import read_journal

ROOT = Path(__file__).resolve().parent.parent.parent
NAME, PLACE = "centroids", "tests.pipelines.sixth_member:CentroidsMember"
TRAIN = f"""
from runpy import run_module
from models.members import MEMBERS
MEMBERS._places[{NAME!r}] = {PLACE!r}
run_module("tests.pipelines.stages_alone", run_name="__main__")
"""
"""In a process of its own, in which nothing has asked the registry before the line is in it."""
CONFIG = training(
    "sixth",
    embedded("BTC"),
    """
# Trades on nearly every signal, edge or not: there must be orders to compare.
[trading.decision]
margin = -0.02

[trading.risk]
drawdown = 0.9

[members.linear]
[members.centroids]
clip = 4.0
""",
)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "sixth.toml").write_text(CONFIG)
    return tmp_path / "sixth.toml"


def test_it_is_one_by_the_houses_conformance():
    check_member(CentroidsMember)


def test_without_its_line_there_is_no_such_member(path):
    with pytest.raises(ConfigError, match="there is no member 'centroids'"):
        load(path)


def test_it_is_trained_certified_and_traded_on_paper(path, tmp_path, monkeypatch):
    place = Workspace(tmp_path / "workspace")
    command = [sys.executable, "-c", TRAIN, str(path), str(place.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    (folder,) = place.artefacts.glob("bundle/*/bundle")
    bundle = Bundle.load(folder)
    certificate = bundle.manifest.certificate
    assert [one.name for one in bundle.manifest.members] == ["linear", NAME]
    assert certificate["passed"] is True
    mine = certificate["members"][NAME]
    assert (mine["bound"], mine["missing"]) == (1e-12, 0)
    assert sum(mine["rows"].values()) >= 100_000
    assert mine["spread"] > 0.01
    assert self_test(bundle).exact
    store = ModelStore(place.store)
    version = store.put(folder, "sixth")
    store.promote("sixth", version, CHALLENGER, verdicts(bundle, CHALLENGER, None), "Ada")
    monkeypatch.setitem(MEMBERS._places, NAME, PLACE)
    live = serve_config(load(path), "paper", version)
    found = paper_run(bundle, live, write_live(live, tmp_path / "live"), place)
    assert found.identical
    assert all(one.rows > 20 for one in found.parity)
    assert (read_journal(place.journals / "paper").events["kind"] == Kind.FILL).any()
