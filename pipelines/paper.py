"""The untouched stretch on paper: the live process runs it, research computes it again, every byte is compared."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.row_hash import row_hashes
from market.bar_events import bar_events
from market.events import Kind
from models.bundle.bundle import Bundle
from models.dataset import Series
from pipelines import results
from pipelines.behind import scored_stream
from pipelines.config import RunConfig
from pipelines.errors import StageError
from pipelines.stages.backtest import series_signals, trade
from pipelines.stages.performance import as_backtest
from pipelines.stages.tape import merge
from pipelines.toml import PREFIX
from pipelines.workspace import Workspace
from serving.config import ModelConfig, ServeConfig, SourceConfig
from serving.scores import read_scores
from serving.start import Folders, trade_start
from trading.backtest import Outcome
from trading.journal import read_journal

Records = NDArray[np.void]


@dataclass(frozen=True, slots=True, eq=False)
class Researched:
    """What research computes for the stretch: the scored series, and the backtest after and before costs."""

    series: Sequence[Series]
    first: Sequence[int]
    probability: Sequence[NDArray[np.float64]]
    bars: Sequence[Records]
    net: Outcome
    gross: Outcome


def serve_config(config: RunConfig, run_id: str, version: int) -> ServeConfig:
    """The live process that trades what follows a run's data."""
    return ServeConfig(
        name=run_id,
        model=ModelConfig(name=config.name, alias=str(version)),
        source=SourceConfig(venue=config.data.venue, stop=config.data.stop, listings=config.data.listings),
        trading=config.trading,
        exchange=config.exchange,
    )


def run_live(path: Path, workspace: Workspace) -> str:
    """Run ``bot4 serve`` in a process of its own to the stream's end; what it said.

    The file says all: overrides in the environment were the training's, and are in it where they matter.

    Raises
    ------
    StageError
        If it failed, with what it said.
    """
    program = "from pipelines.cli import main; main()"
    command = [sys.executable, "-c", program, "serve", str(path), "--workspace", str(workspace.root)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise StageError(f"`bot4 serve {path}` failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def research(bundle: Bundle, live: ServeConfig, workspace: Workspace) -> Researched:
    """Score the stretch in whole arrays from the bundle's snapshot, and trade it in the compiled loop."""
    instruments, interval = bundle.instruments(), bundle.manifest.features.interval
    scored, begin, conformal = scored_stream(bundle, live, workspace), trade_start(bundle, live), bundle.sets()
    firsts, said, bars, events, signals = [], [], [], [], []
    for number, (one, series, stages) in enumerate(zip(instruments, scored.series, scored.stages, strict=True)):
        first = int(np.searchsorted(series.bars["end"], begin, side="right"))
        firsts.append(first)
        live_from = stages.from_row(first)
        said.append(live_from.probability)
        bars.append(series.bars[first:])
        events.append(bar_events(bars[-1], one, number))
        pays, ensemble = bundle.manifest.payoff, live_from.ensemble
        signals.append(series_signals(series, number, first, said[-1], pays, interval, conformal, ensemble))
    tape = merge(events, signals)
    net, gross = trade(instruments, tape, live.trading, live.exchange, interval, bundle.manifest.payoff.horizon)
    return Researched(scored.series, firsts, said, bars, net, gross)


def equal_rows(left: NDArray[np.generic], right: NDArray[np.generic]) -> int:
    """How many places of two arrays of the same type agree in every byte; missing ones do not."""
    count = min(len(left), len(right))
    width = left.dtype.itemsize
    bytes_of = [np.ascontiguousarray(one[:count]).view(np.uint8).reshape(count, width) for one in (left, right)]
    return int((bytes_of[0] == bytes_of[1]).all(axis=1).sum())


def parity(found: Researched, folders: Folders, name: str) -> tuple[results.Parity, ...]:
    """Compare what the live process left with what research computed, byte by byte."""
    scores = read_scores(folders.scores(name))
    features = probabilities = rows = 0
    for number, (series, first, probability) in enumerate(
        zip(found.series, found.first, found.probability, strict=True)
    ):
        live = scores[scores["instrument"] == number]
        features += equal_rows(live["row_hash"], row_hashes(series.features[first:]))
        probabilities += equal_rows(live["probability"], probability)
        rows += max(len(live), len(probability))
    events = read_journal(folders.journal(name)).events
    events = events[: len(events) - int(events["kind"][-1] == Kind.STATE_DIGEST)]
    expected = found.net.journal
    orders = events[events["kind"] == Kind.SUBMIT_ORDER]
    wanted = expected[expected["kind"] == Kind.SUBMIT_ORDER]
    return (
        results.Parity("feature rows", rows, features),
        results.Parity("probabilities", rows, probabilities),
        results.Parity("orders", max(len(orders), len(wanted)), equal_rows(orders, wanted)),
        results.Parity("journal records", max(len(events), len(expected)), equal_rows(events, expected)),
    )


def summarised(found: Researched, bundle: Bundle, live: ServeConfig) -> results.Backtest:
    """The stretch's backtest as the result's part."""
    return as_backtest(found.net, found.gross, bundle.instruments(), found.bars, float(live.trading.capital))


def paper_run(bundle: Bundle, live: ServeConfig, path: Path, workspace: Workspace) -> results.PaperRun:
    """Trade the stretch with the live process, and compare it with research."""
    run_live(path, workspace)
    found = research(bundle, live, workspace)
    folders = Folders(workspace.store, workspace.lake, workspace.journals)
    return results.PaperRun(summarised(found, bundle, live), parity(found, folders, live.name))
