"""The features' peers: locked, with a script each, and asked for values that are compared before they are timed."""

from __future__ import annotations

import re

import numpy as np
import pytest

from benchmarks import feature_peers
from benchmarks.feature_peers import BATCH, LATE, PEERS, SHARED, in_percent, late
from benchmarks.peer import Peer, lock_of

NAMES = ("talipp", "pandas-ta-classic")


def test_every_peer_is_asked():
    assert [make.__name__.replace("_", "-") for make in PEERS] == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_peer_is_pinned_with_hashes_and_has_a_script(name):
    lock, wanted = lock_of(name).read_text(), lock_of(name).with_suffix(".in").read_text().split()
    assert wanted[0].startswith(f"{name}==")
    assert all(one in lock for one in wanted)
    pinned = re.findall(r"^[a-z][\w.-]*==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", lock, re.M)
    assert len(pinned) == len(re.findall(r"^[a-z]", lock, re.M)) > 1
    assert Peer(name, {}).script.exists()


def test_both_sides_have_the_same_indicators_in_the_same_units(monkeypatch):
    monkeypatch.setattr(feature_peers, "STREAMED", 3_000)
    monkeypatch.setattr(feature_peers, "BATCHED", 3_000)
    for make, key, names in zip(PEERS, ("stream", "batch"), (SHARED, BATCH), strict=True):
        values = make().tasks[key].ours()["values"]
        assert values.shape == (3_000, len(names))
        assert np.isfinite(values[LATE:]).all()
        assert np.abs(values[LATE:, names.index("rsi_14")]).max() > 1
        assert np.abs(values[LATE:, names.index("body_share")]).max() <= 1
    assert in_percent(("rsi_14", "cci_20"), np.array([[0.5, 70.0]]))["values"].tolist() == [[50.0, 70.0]]


def test_a_late_difference_is_no_benchmark():
    ours = {"values": np.ones((LATE + 2, 1))}
    early, other = np.ones((LATE + 2, 1)), np.ones((LATE + 2, 1))
    early[LATE - 1] = 2.0
    other[LATE] += 1e-6
    late(ours, {"values": early})
    with pytest.raises(AssertionError):
        late(ours, {"values": other})
