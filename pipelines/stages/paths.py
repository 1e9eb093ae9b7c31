"""The paths stage: combinatorial purged cross-validation of the members, each path traded through the whole history.

A split's graph is the mean of its members, without stacker, calibration, prediction sets or second stage: nested
forward in time, those do not exist where training data also follows the test. What the paths lack of the strategy that
goes live is said where they are shown (`pipelines.report.paths`). Its scores come from the graph, row by row, as
everywhere else.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from market.instruments import Instrument
from models.bundle.manifest import Payoff
from models.bundle.runner import GraphRunner
from models.dataset import Panel
from models.graph.compose import compose
from models.members import MEMBERS
from models.members.protocol import Progress
from models.scoring import score_rows
from models.splitters import CombinatorialPurgedCV, purged_tail
from models.statistics.bootstrap import mean_interval, time_blocks
from models.statistics.predictions import row_log_loss
from pipelines.config import RunConfig
from pipelines.estimate import Estimate
from pipelines.laboratory import Path, Paths
from pipelines.stages.artefacts import Artefact, Draft, Job, job
from pipelines.stages.assemble import payoff_of
from pipelines.stages.environment import member_libraries
from pipelines.stages.evaluate import BLOCK_HORIZONS, estimate
from pipelines.stages.fit import make_member
from pipelines.stages.fitted import Span, window_panel_job
from pipelines.stages.panel import load_panel
from pipelines.stages.performance import sharpe_estimates
from pipelines.stages.redrawn import total_return
from pipelines.stages.strategies import Records, outcome, returns_of, signals_of, tape_of
from trading.trades import round_trips

Floats = NDArray[np.float64]


def path_members(config: RunConfig) -> tuple[str, ...]:
    """The members whose mean the paths are of: those asked for, or all but the networks, or all there are."""
    if config.laboratory.members:
        return config.laboratory.members
    return tuple(name for name in config.members if not MEMBERS.facts(name).carries_state) or tuple(config.members)


def path_splitter(config: RunConfig, panel: Panel) -> CombinatorialPurgedCV:
    """The splits of a run's samples; the embargo is the labels' horizon."""
    chosen, samples = config.laboratory, panel.samples
    return CombinatorialPurgedCV(
        chosen.groups, chosen.test_groups, samples.t0, samples.t1, config.labels.horizon * panel.bar_length
    )


def path_seed(config: RunConfig, name: str, split: int) -> int:
    """A seed of its own for each member and split."""
    words = [config.seed, 1_000 + list(config.members).index(name), split]
    return int(np.random.SeedSequence(words).generate_state(1)[0]) & 0x7FFFFFFF


def rows_between(panel: Panel, instrument: int, span: Span) -> tuple[int, int]:
    """The rows of one series whose bars end in a span of time: first and stop."""
    first, stop = np.searchsorted(panel.series[instrument].bars["end"], span)
    return int(first), int(stop)


def split_spans(config: RunConfig, panel: Panel, number: int) -> tuple[Span, ...]:
    """What a split's features are fitted on: the groups it trains on, without the embargo behind a tested one."""
    splitter = path_splitter(config, panel)
    tested, embargo = splitter.tested_groups()[number], config.labels.horizon * panel.bar_length
    return tuple(
        (begin + embargo if group - 1 in tested else begin, end)
        for group, (begin, end) in enumerate(splitter.time_groups().spans())
        if group not in tested
    )


def split_panel_jobs(config: RunConfig, panel_artefact: Artefact) -> list[Job]:
    """Every split's panel, where features are fitted; none where the laboratory makes no paths."""
    panel = load_panel(panel_artefact)
    return [
        window_panel_job(panel_artefact, split_spans(config, panel, number), f"fitted features, split {number + 1}")
        for number in range(split_count(config, panel))
    ]


def split_job(config: RunConfig, panel_artefact: Artefact, number: int) -> Job:
    """The members fitted on one split's training samples, and their mean over the tested groups' rows."""
    names = path_members(config)

    def build(draft: Draft, progress: Progress) -> None:
        panel = load_panel(panel_artefact)
        splitter, samples = path_splitter(config, panel), panel.samples
        tested = splitter.tested_groups()[number]
        groups = splitter.time_groups()
        candidates, _ = groups.split(tested, config.labels.horizon * panel.bar_length, closed=True)
        train, tail = purged_tail(samples, candidates, config.validation.tail)
        parts = []
        for place, name in enumerate(names):
            progress(f"{name}, split {number + 1}", place / (len(names) + 1))
            fitted = make_member(name, config.members[name]).fit(panel, train, tail, path_seed(config, name, number))
            parts.append(fitted.part())
        runner = GraphRunner(compose(parts).SerializeToString(deterministic=True), config.ensemble.burn_in)
        for group in tested:
            for instrument, series in enumerate(panel.series):
                rows = rows_between(panel, instrument, groups.spans()[group])
                draft.array(f"said-{group}-{instrument}", score_rows(runner, series.features, *rows)[1])
        pays = payoff_of(config, panel, candidates)
        base = float(np.average(samples.label[candidates], weights=samples.weight[candidates]))
        draft.json("split", {"tested": tested, "pays": pays, "base": base})

    tables = {name: config.members[name] for name in names}
    inputs = (
        panel_artefact.digest,
        number,
        tables,
        list(config.members),
        config.laboratory.groups,
        config.laboratory.test_groups,
        config.labels,
        config.seed,
        config.validation.tail,
        config.ensemble.burn_in,
    )
    libraries = member_libraries(names)
    return job("split", f"split {number + 1}", inputs, build, libraries)


def split_jobs(config: RunConfig, panels: Sequence[Artefact]) -> list[Job]:
    """Every split's job; ``panels`` of each split."""
    return [split_job(config, one, number) for number, one in enumerate(panels)]


def split_count(config: RunConfig, panel: Panel) -> int:
    """How many splits there are; 0 where the laboratory makes no paths."""
    return path_splitter(config, panel).get_n_splits() if config.laboratory.groups else 0


def path_signals(panels: Sequence[Artefact], spans: Sequence[Span], splits: Sequence[Artefact]) -> list[Records]:
    """One path: for each group what its split says of that split's panel."""
    found: list[Records] = []
    for group, (made, span, split) in enumerate(zip(panels, spans, splits, strict=True)):
        panel = load_panel(made)
        numbers = range(len(panel.series))
        first = [rows_between(panel, instrument, span)[0] for instrument in numbers]
        said = [split.array(f"said-{group}-{instrument}") for instrument in numbers]
        found += signals_of(panel, first, said, Payoff(**split.json("split")["pays"]))
    return found


def path_gain(
    panel: Panel, spans: Sequence[Span], splits: Sequence[Artefact], block: int, draws: int, seed: int
) -> Estimate:
    """A path's information gain against its splits' base rates, nats per decision.

    Its interval redraws time in blocks of ``BLOCK_HORIZONS`` times ``block`` (ns); without one where time is too short.
    """
    samples = panel.samples
    said, base = np.full(len(samples), np.nan), np.full(len(samples), np.nan)
    for group, (span, split) in enumerate(zip(spans, splits, strict=True)):
        inside = (samples.t0 >= span[0]) & (samples.t0 < span[1])
        base[inside] = split.json("split")["base"]
        for instrument in range(len(panel.series)):
            mine = np.flatnonzero(inside & (samples.instrument == instrument))
            first = rows_between(panel, instrument, span)[0]
            said[mine] = split.array(f"said-{group}-{instrument}")[samples.row[mine] - first]
    known = np.isfinite(said)
    label, weight, time = samples.label[known], samples.weight[known], samples.t0[known]
    gain = row_log_loss(label, base[known]) - row_log_loss(label, said[known])
    if len(np.unique(time // block)) < 2 * BLOCK_HORIZONS:
        return Estimate(float(np.average(gain, weights=weight)))
    return estimate(mean_interval(gain, weight, time_blocks(time, block, BLOCK_HORIZONS, draws, seed)))


def paths_job(
    config: RunConfig, panels: Sequence[Artefact], splits: Sequence[Artefact], instruments: Sequence[Instrument]
) -> Job:
    """Every path traded after costs; ``panels`` and ``splits`` of each split."""

    def build(draft: Draft, progress: Progress) -> None:
        panel = load_panel(panels[0])
        splitter, capital = path_splitter(config, panel), float(config.trading.capital)
        horizon = config.labels.horizon * panel.bar_length
        spans, chosen = splitter.time_groups().spans(), splitter.path_splits()
        found, gains = [], []
        for number, path in enumerate(chosen):
            progress(f"trading path {number + 1}", number / len(chosen))
            mine = [splits[split] for split in path]
            signals = path_signals([panels[split] for split in path], spans, mine)
            tape = tape_of(panel, signals, spans[0][0], spans[-1][1], instruments)
            done = outcome(config, tape, instruments, config.exchange)
            _, returns = returns_of(done, capital)
            total, trades = total_return(returns), len(round_trips(done.journal, instruments))
            sharpe = sharpe_estimates(returns)[1]
            found.append(Path(sharpe, trades, total_return=total.value, total_return_interval=total.bounds))
            gains.append(path_gain(panel, spans, mine, horizon, config.validation.draws, config.seed))
            draft.array(f"returns-{number}", returns)
        shape = (splitter.n_groups, splitter.n_test_groups, splitter.get_n_splits())
        values, bounds = tuple(one.value for one in gains), tuple(one.bounds for one in gains)
        draft.json("paths", Paths(*shape, path_members(config), tuple(found), values, bounds))

    inputs = (
        [one.digest for one in panels],
        [one.digest for one in splits],
        [one.to_dict() for one in instruments],
        config.trading,
        config.exchange,
        config.labels,
        config.validation.draws,
        config.seed,
    )
    return job("paths", "paths traded", inputs, build, ("numpy", "numba", "llvmlite", "scipy"))
