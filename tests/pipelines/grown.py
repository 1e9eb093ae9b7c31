"""A lake that grows: embedded bars up to a day, and more later; and a small retraining over them."""

from __future__ import annotations

from pathlib import Path

from market.embedded import embedded_bars, embedded_instruments
from market.lake import Lake, SeriesKey
from market.time import parse_time
from pipelines.toml import to_toml
from pipelines.workspace import Workspace
from tests.pipelines.small_training import training

SYMBOLS = ("BTC", "ETH")
RUN = training(
    "grown",
    """
[data]
venue = "grown"
symbols = ["BTC", "ETH"]
interval = "30m"
holdout = "20d"
instruments = "instruments.toml"
""",
    """
[trading.risk]
drawdown = 0.9

[laboratory]
groups = 0
importance = false

[members.linear]
""",
)
RETRAINING = 'run = "run.toml"\nschedule = "15 2 * * *"\n'


def grow(workspace, until):
    """Let the lake have every embedded bar that ends by a day."""
    known = embedded_bars()
    for symbol in SYMBOLS:
        bars = known[symbol]
        key = SeriesKey(venue="grown", instrument=symbol, kind="bars", interval="30m")
        Lake(workspace.lake).write(key, bars[bars["end"] <= parse_time(until)])


def write_configurations(folder: Path) -> Path:
    """A run's configuration with its instruments, and a retraining's, whose path is given back."""
    rules = {one: embedded_instruments()[one].to_dict() for one in SYMBOLS}
    for table in rules.values():
        del table["symbol"]
    (folder / "instruments.toml").write_text(to_toml(rules))
    (folder / "run.toml").write_text(RUN)
    (folder / "retrain.toml").write_text(RETRAINING)
    return folder / "retrain.toml"


def grown_workspace(folder: Path, until="2018-12-01"):
    """A workspace below a folder whose lake ends at a day, and the retraining's configuration."""
    workspace = Workspace(folder / "workspace")
    grow(workspace, until)
    return workspace, write_configurations(folder)
