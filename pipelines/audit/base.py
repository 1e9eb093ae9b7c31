"""What an audit of a run starts from: the run's own artefacts, and its bars as any other world could have had them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from market.bars import PANEL_FIELDS, present_fields, trimmed
from market.instruments import Instrument
from market.lake import Lake, SeriesKey
from models.ensemble.nested import Combination
from models.members.protocol import Progress
from models.splitters import Fold
from pipelines.audit.world import World
from pipelines.config import RunConfig
from pipelines.stages.artefacts import Artefact, Artefacts, silent
from pipelines.stages.backtest import backtest_job
from pipelines.stages.data import DataFacts, describe, read_series, series_key
from pipelines.stages.features import find_features
from pipelines.stages.fit import Window, fit_job
from pipelines.stages.fitted import window_panels
from pipelines.stages.foreseen import check_combining
from pipelines.stages.panel import load_panel, panel_job
from pipelines.stages.score import load_scores, next_combination, score_job
from pipelines.stages.windows import fold_windows, folds


@dataclass(frozen=True, slots=True)
class Trained:
    """A run, or the first folds of one: what its stages made.

    ``folds``, ``windows`` and their ``panels`` are all the run's; ``fits``, ``scores``, ``combinations`` may be of the
    first ones only, and ``backtest`` is None then.
    """

    config: RunConfig
    facts: DataFacts
    lake: Lake
    instruments: tuple[Instrument, ...]
    panel: Artefact
    folds: Sequence[Fold]
    windows: Sequence[Window]
    panels: Sequence[Artefact]
    fits: Sequence[Mapping[str, Artefact]]
    scores: Sequence[Artefact]
    combinations: Sequence[Combination]
    backtest: Artefact | None = None

    @property
    def world(self) -> World:
        """The bars that the run reads, those of the untouched stretch included.

        Without what the panel leaves out at the ends: a change of bars must not move a missing field inside.
        """
        data = self.config.data
        bars = [read_series(data, self.lake, symbol) for symbol in data.symbols]
        wanted = find_features(self.config, [one[one["end"] <= self.facts.cut] for one in bars])
        fields = wanted.fields - frozenset(PANEL_FIELDS)
        return World(data.symbols, tuple(trimmed(one, fields) for one in bars), data.interval_ns)

    @property
    def unread(self) -> frozenset[str]:
        """The fields that every bar has and nobody reads: they may go missing."""
        bars = [one[one["end"] <= self.facts.cut] for one in self.world.bars]
        present = frozenset.intersection(*[present_fields(one) for one in bars])
        return present - find_features(self.config, bars).fields - {"trade_count", "taker_buy_volume"}


def train_first(
    config: RunConfig,
    lake: Lake,
    instruments: tuple[Instrument, ...],
    least: int,
    artefacts: Artefacts,
    progress: Progress = silent,
) -> Trained:
    """The panel of a run and at least its first folds, fitted and scored.

    What is there already is not made again; of the folds behind the first ``least``, those are taken that are there.
    """
    facts = describe(config.data, lake)
    progress("features and labels", 0.0)
    made = artefacts.make(panel_job(config, facts, lake))
    panel = load_panel(made)
    found = folds(config, panel)
    windows = fold_windows(found)
    check_combining(config, panel, windows)
    panels = window_panels(made, windows, artefacts.make)
    fits: list[dict[str, Artefact]] = []
    scores: list[Artefact] = []
    combinations: list[Combination] = []
    for fold_panel, window in zip(panels, windows, strict=True):
        jobs = {name: fit_job(config, fold_panel, window, name) for name in config.members}
        if window.index >= least and any(artefacts.find(job) is None for job in jobs.values()):
            break
        progress(f"fold {window.index + 1}", window.index / len(windows))
        fits.append({name: artefacts.make(job) for name, job in jobs.items()})
        scored = [load_scores(panel, *pair) for pair in zip(windows, scores, strict=False)]
        combinations.append(next_combination(config, panel.samples, scored, combinations, window.test_start))
        scores.append(artefacts.make(score_job(config, fold_panel, window, fits[-1], combinations[-1])))
    backtest = None
    if len(scores) == len(windows):
        backtest = artefacts.find(backtest_job(config, panels, windows, found, scores, instruments))
    return Trained(config, facts, lake, instruments, made, found, windows, panels, fits, scores, combinations, backtest)


class HeldLake(Lake):
    """A lake that holds the bars of a world in memory; stages read it like any other, each symbol by itself."""

    __slots__ = ("held",)
    held: dict[SeriesKey, NDArray[np.void]]

    def __init__(self, config: RunConfig, world: World) -> None:
        super().__init__("")
        held = {series_key(config.data, one): bars for one, bars in zip(world.symbols, world.bars, strict=True)}
        object.__setattr__(self, "held", held)

    def read(self, key: SeriesKey, start: int | None = None, stop: int | None = None) -> NDArray[np.void]:
        """As `Lake.read`."""
        bars = self.held[key]
        low = 0 if start is None else np.searchsorted(bars["start"], start)
        high = len(bars) if stop is None else np.searchsorted(bars["start"], stop)
        return bars[low:high].copy()

    def holds(self, key: SeriesKey) -> bool:
        """As `Lake.holds`."""
        return key in self.held


def facts_of(base: Trained, config: RunConfig, lake: Lake) -> DataFacts:
    """The facts of another world's series; research ends where the run's does."""
    return msgspec.structs.replace(describe(config.data, lake), cut=base.facts.cut)
