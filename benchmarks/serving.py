"""The live process: seconds until ready with a warm kernel cache, and a bar through features, graph, core and journal.

Needs a finished run: set ``BOT4_WORKSPACE``, or run ``make demo`` first.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.harness import Result, median_of
from pipelines.results import RESULT_FILE
from pipelines.toml import load_toml
from pipelines.workspace import Workspace
from serving.config import ServeConfig
from serving.start import Folders, bring_up, load_bundle

READY = 3.0
"""Seconds within which a live process should be ready, with a warm kernel cache."""
PROGRAM = """
import sys
from pathlib import Path
from pipelines.toml import load_toml
from serving.config import ServeConfig
from serving.start import Folders, bring_up
config = load_toml(Path(sys.argv[1]), ServeConfig)
bring_up(config, Folders(*map(Path, sys.argv[2:5])), lambda text: None)
"""


def graph_alone(config: ServeConfig, workspace: Workspace) -> float:
    """Seconds per distinct row of the bundle's graph, the median of some passes."""
    bundle = load_bundle(config.model, workspace.store)
    runner, rows = bundle.runner(), bundle.golden().features
    rows = rows[np.isfinite(rows).all(axis=1)]

    def once() -> float:
        begin = time.perf_counter()
        for row in rows:
            runner.step(row)
        return (time.perf_counter() - begin) / len(rows)

    return median_of(5, once)


def served(config: ServeConfig, workspace: Workspace) -> float:
    """Seconds per bar of one session from its first bar to its last."""
    with tempfile.TemporaryDirectory() as folder:
        loop, stream = bring_up(config, Folders(workspace.store, workspace.lake, Path(folder)), lambda text: None)
        begin = time.perf_counter()
        done = loop.run(stream)
        return (time.perf_counter() - begin) / (done.traded + done.caught_up)


def run() -> list[Result]:
    workspace = Workspace.default()
    found = sorted(workspace.runs.glob(f"*/{RESULT_FILE}"))
    if not found:
        print(f"no finished run in {workspace.root}: run `make demo` first; serving is not timed")
        return []
    path = found[-1].parent / "serve.toml"
    ready, empty = [], []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            places = (str(workspace.store), str(workspace.lake), folder)
            subprocess.run([sys.executable, "-c", PROGRAM, str(path), *places], check=True)
            ready.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import numpy, numba, onnxruntime, polars"], check=True)
        empty.append(time.perf_counter() - begin)
    config = load_toml(path, ServeConfig)
    spent = median_of(3, lambda: served(config, workspace))
    return [
        Result(
            "live process, start to ready",
            "start",
            float(np.median(ready)),
            "bare imports",
            float(np.median(empty)),
            bar=READY,
        ),
        Result(
            "bar to journal: features, graph, core", "bar", spent, "the graph alone", graph_alone(config, workspace)
        ),
    ]
