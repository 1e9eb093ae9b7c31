"""The peers' side of the benchmarks: locked, absent with a reason, and unequal numbers refused."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import peer as mechanism
from benchmarks.laboratory_peers import PEERS
from benchmarks.peer import Peer, Task, beside, close, equal, is_installed, last_words, lock_of
from benchmarks.peers.timing import joined

NAMES = ("mlfinpy", "skfolio", "purgedcv", "fracdiff-modern")
SCRIPT = """
from timing import serve
serve(lambda data: {"sum": lambda: {"values": data["x"] + DIFFERENCE}})
"""


@pytest.fixture
def peer(tmp_path, monkeypatch):
    """A peer whose interpreter is ours, whose script adds nothing, and whose lock is a file with one line."""
    monkeypatch.setattr(mechanism, "ENVIRONMENTS", tmp_path / "environments")
    monkeypatch.setattr(mechanism, "LOCKS", tmp_path)
    monkeypatch.setattr(mechanism, "ROOT", tmp_path)
    monkeypatch.setattr(Peer, "python", property(lambda self: sys.executable))
    monkeypatch.setattr(Peer, "script", property(lambda self: tmp_path / "script.py"))
    monkeypatch.setenv("PYTHONPATH", str(mechanism.SCRIPTS))
    (tmp_path / "some.txt").write_text("some==1\n")
    (tmp_path / "script.py").write_text(SCRIPT.replace("DIFFERENCE", "0"))
    x = np.arange(3.0)
    return Peer("some", {"x": x}, {"sum": Task("a sum", "row", 3, lambda: {"values": x}, equal)})


def installs(monkeypatch, code=0, said=""):
    done = subprocess.CompletedProcess([], code, "", said)
    run = subprocess.run

    def fake(command, **options):
        return done if "--require-hashes" in command else run(command, **options)

    monkeypatch.setattr(mechanism.subprocess, "run", fake)
    monkeypatch.setattr(mechanism.venv, "create", lambda folder, **_: folder.mkdir(parents=True))


@pytest.mark.parametrize("name", NAMES)
def test_every_peer_is_pinned_with_hashes_and_has_a_script(name):
    lock, wanted = lock_of(name).read_text(), lock_of(name).with_suffix(".in").read_text().strip()
    assert re.sub(r"\[\w+\]", "", wanted) in re.sub(r"\[\w+\]", "", lock)
    pinned = re.findall(r"^[a-z][\w.-]*(?:\[\w+\])?==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", lock, re.M)
    assert len(pinned) == len(re.findall(r"^[a-z]", lock, re.M)) > 3
    assert Peer(name, {}).script.exists()


def test_every_peer_is_asked():
    assert [make.__name__.replace("_", "-") for make in PEERS] == list(NAMES)


def test_a_peer_that_is_not_installed_is_absent_and_says_how_to_get_it(peer):
    assert beside(peer, build=False) == ([], ["some is absent: not installed; `make bench-peers` does that"])


def test_a_peer_that_cannot_be_installed_is_absent_with_pips_last_words(peer, monkeypatch):
    installs(monkeypatch, 1, "Collecting some\nERROR: No matching distribution found for some==1\n\n")
    rows, notes = beside(peer, build=True)
    assert (rows, notes) == ([], ["some is absent: pip: ERROR: No matching distribution found for some==1"])
    assert not is_installed("some")


def test_a_peer_that_fails_is_absent_with_its_last_words(peer, monkeypatch, tmp_path):
    installs(monkeypatch)
    (tmp_path / "script.py").write_text("import no_such_module")
    assert beside(peer, build=True)[1] == ["some is absent: ModuleNotFoundError: No module named 'no_such_module'"]


def test_both_sides_are_timed_on_the_same_data_and_compared(peer, monkeypatch):
    installs(monkeypatch)
    (row,), notes = beside(peer, build=True)
    assert notes == ["some, a sum: equal"]
    assert (row.name, row.unit, row.peer_name) == ("a sum", "row", "some")
    assert row.ours > 0
    assert row.peer > 0


def test_unequal_numbers_are_no_benchmark(peer, monkeypatch, tmp_path):
    installs(monkeypatch)
    (tmp_path / "script.py").write_text(SCRIPT.replace("DIFFERENCE", "1"))
    with pytest.raises(AssertionError, match="values of ours and the peer's differ"):
        beside(peer, build=True)


def test_a_changed_lock_is_installed_again(peer, monkeypatch, tmp_path):
    installs(monkeypatch)
    beside(peer, build=True)
    assert is_installed("some")
    (tmp_path / "some.txt").write_text("some==2\n")
    assert not is_installed("some")


def test_close_allows_rounding_only():
    close({"x": np.array([np.nan, 1.0])}, {"x": np.array([np.nan, 1.0 + 1e-12])})
    with pytest.raises(AssertionError):
        close({"x": np.array([1.0])}, {"x": np.array([1.001])})


def test_splits_are_joined_alike_for_one_test_and_for_a_list_of_tests():
    train, one, two = np.array([0, 5]), np.array([1, 2]), np.array([3, 4])
    for tests in ([two, one], np.concatenate([one, two])):
        found = joined([(train, tests)])
        assert (found["train"].tolist(), found["test"].tolist()) == ([0, 5], [1, 2, 3, 4])
        assert found["sizes"].tolist() == [[2, 4]]


def test_last_words():
    assert last_words("one\n two \n\n") == "two"
    assert last_words("\n") == "it said nothing"
