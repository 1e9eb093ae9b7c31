"""A loop over five instruments with a bundle of the default size stays small, once its kernels are compiled."""

from __future__ import annotations

import subprocess
import sys

import pytest

from market.events import Kind
from models.bundle.bundle import Bundle
from tests.serving.default_loop import HIDDEN, LAYERS, LIVE, SYMBOLS, write_workspace
from trading.journal import read_journal

PROGRAM = """
import sys
from pipelines.cli import main
try:
    main()
finally:
    print([line for line in open("/proc/self/status") if "VmHWM" in line][0])
"""
MEGABYTES = 300


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("default")
    write_workspace(folder)
    return folder


def served(place, name):
    """What `bot4 serve` says in a process of its own, and its peak resident memory in MB."""
    config = place / f"{name}.toml"
    config.write_text((place / "serve.toml").read_text().replace('name = "default"', f'name = "{name}"'))
    command = [sys.executable, "-c", PROGRAM, "serve", str(config), "--workspace", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (peak,) = [line for line in done.stdout.splitlines() if line.startswith("VmHWM")]
    return done.stdout, int(peak.split()[1]) / 1024


def test_the_bundle_has_the_default_size(place):
    bundle = Bundle.load(place / "bundle")
    assert [one.name for one in bundle.manifest.members] == ["lstm", "lightgbm", "xgboost", "linear"]
    assert len(bundle.manifest.features.names) >= 75
    assert len(bundle.manifest.snapshots) == 5
    shapes = {name: view.shape for name, view in bundle.runner()._states[0].items()}
    assert len(shapes) == 2 * LAYERS
    assert set(shapes.values()) == {(1, 1, HIDDEN)}


def test_the_loop_stays_under_300_mb(place):
    served(place, "cold")
    said, peak = served(place, "warm")
    print(f"peak resident memory {peak:.0f} MB")
    assert f"traded on {len(SYMBOLS) * LIVE:,}" in said
    kinds = read_journal(place / "journals" / "warm").events["kind"]
    assert (kinds == Kind.SIGNAL).sum() > len(SYMBOLS) * LIVE // 2
    assert (kinds == Kind.SUBMIT_ORDER).any()
    assert peak < MEGABYTES
