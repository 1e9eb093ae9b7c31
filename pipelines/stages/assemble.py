"""The assemble stage: the final graph, certified, with golden rows and state snapshots, as a bundle."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.engine import FeatureEngine
from market.instruments import Instrument
from models.bundle.bundle import SeriesState, write
from models.bundle.features import listed_features, panel_engine
from models.bundle.machine import Attestation, this_machine
from models.bundle.manifest import Manifest, Payoff, Training
from models.bundle.runner import GraphRunner
from models.bundle.together import record_panel
from models.certificate import certify
from models.dataset import Panel, Series
from models.ensemble.nested import Combination
from models.graph.compose import compose
from models.members.protocol import Progress
from models.scoring import score_rows
from pipelines.config import RunConfig
from pipelines.stages.artefacts import Artefact, Draft, Job, job
from pipelines.stages.data import DataFacts
from pipelines.stages.evidence import last_rows, requirements
from pipelines.stages.fit import Window, load_part, training_samples
from pipelines.stages.golden_rows import golden_rows
from pipelines.stages.panel import load_panel, panel_facts
from pipelines.stages.refit import load_evidence, load_hard_evidence
from pipelines.toml import digest

LIBRARIES = ("numpy", "numba", "llvmlite", "onnx", "onnxruntime", "msgspec")
BUNDLE = "bundle"
TIMED = 2_000


def payoff(config: RunConfig, panel: Panel, window: Window) -> Payoff:
    """What trades pay, by a window's training samples."""
    return payoff_of(config, panel, training_samples(panel, window))


def payoff_of(config: RunConfig, panel: Panel, index: NDArray[np.int64]) -> Payoff:
    """The barriers of the labels, and the mean absolute move at the exit, in volatility times root horizon.

    Of bars that follow no clock, also how long they lasted at these samples; an instrument without any has the mean.
    """
    samples = panel.samples
    volatility, length = np.empty(len(index)), np.empty(len(index))
    for number, series in enumerate(panel.series):
        mine = samples.instrument[index] == number
        row, end = samples.row[index[mine]], series.bars["end"]
        volatility[mine], length[mine] = series.volatility[row], end[row] - end[np.maximum(row - 1, 0)]
    scaled = np.abs(samples.move[index]) / (volatility * np.sqrt(config.labels.horizon))
    ratio = float(np.average(scaled, weights=samples.weight[index]))
    lengths = [length[samples.instrument[index] == number] for number in range(len(panel.series))]
    means = tuple(max(round(float((one if len(one) else length).mean())), 1) for one in lengths)
    return Payoff(config.labels.barrier, config.labels.horizon, ratio, () if panel.interval else means)


def series_state(engine: FeatureEngine, runner: GraphRunner, series: Series, window: Window) -> SeriesState:
    """The state of features and graph after the series' last bar."""
    engine.reset()
    engine.replay(series.bars)
    first = int(np.searchsorted(series.bars["end"], window.train_start))
    score_rows(runner, series.features, first, len(series.features))
    return SeriesState(int(series.bars["end"][-1]), engine.snapshot(), runner.state())


def latency(runner: GraphRunner, sequences: Sequence[NDArray[np.float64]]) -> dict[str, float]:
    """Seconds that a step takes on distinct real rows, one thread: the median, the 99th percentile, and how many."""
    rows = np.concatenate(sequences)[-TIMED:]
    seconds = np.empty(len(rows))
    runner.reset()
    for number, row in enumerate(rows):
        begin = time.perf_counter()
        runner.step(row)
        seconds[number] = time.perf_counter() - begin
    p50, p99 = np.quantile(seconds, (0.5, 0.99))
    return {"p50": float(p50), "p99": float(p99), "rows": len(rows)}


def assemble_job(
    config: RunConfig,
    facts: DataFacts,
    panel_artefact: Artefact,
    refit: Artefact,
    window: Window,
    combination: Combination,
    instruments: tuple[Instrument, ...],
    statistics: dict[str, Any],
) -> Job:
    """The bundle of a run, in the artefact's folder ``bundle``; ``panel_artefact`` is of the last window."""

    def build(draft: Draft, progress: Progress) -> None:
        panel, about = load_panel(panel_artefact), panel_facts(panel_artefact)
        parts = [load_part(refit, name) for name in config.members]
        made = compose(parts, combination.pool, combination.calibration, combination.conformal, combination.meta)
        model = made.SerializeToString(deterministic=True)
        progress("certificate", 0.1)
        rows = last_rows(panel)
        evidence = [*load_evidence(refit), *load_hard_evidence(config, refit, compose(parts), rows)]
        how = (combination.pool, combination.calibration, requirements(panel), combination.conformal, combination.meta)
        certificate = certify(model, evidence, *how)
        progress("state at the end of the data", 0.5)
        wanted = about.feature_set()
        engine, runner = FeatureEngine(wanted), GraphRunner(model, config.ensemble.burn_in)
        states = {series.symbol: series_state(engine, runner, series, window) for series in panel.series}
        together = panel_engine(wanted, about.symbols)
        kept = None if together is None else record_panel(together, [series.bars for series in panel.series])
        progress("golden rows", 0.8)
        golden = golden_rows(panel, wanted, model, config.ensemble.burn_in, about.indicators)
        index = training_samples(panel, window)
        bars_name = "" if wanted.interval else config.data.interval
        manifest = Manifest(
            name=config.name,
            features=listed_features(wanted, bars_name, config.features.events, about.instruments),
            instruments=tuple(one.to_dict() for one in instruments),
            label=msgspec.to_builtins(config.labels),
            volatility=config.features.volatility,
            payoff=payoff(config, panel, window),
            members=runner.member_infos(),
            burn_in=config.ensemble.burn_in,
            training=Training(
                fingerprints={one.symbol: one.fingerprint for one in facts.series},
                start=window.train_start,
                trained_through=facts.cut,
                rows=len(index),
                effective_rows=float(panel.samples.weight[index].sum()),
                config_digest=digest(config),
                seed=config.seed,
            ),
            certificate=certificate.summary(),
            pool=combination.pool,
            calibration=combination.calibration,
            conformal=combination.conformal,
            meta=combination.meta or msgspec.UNSET,
            statistics=statistics,
        )
        attestation = Attestation(machine=this_machine(), measurements={"latency": latency(runner, rows)})
        write(draft.folder / BUNDLE, manifest, model, golden, states, attestation, features=wanted, panel=kept)

    rules = [one.to_dict() for one in instruments]
    inputs = (facts, panel_artefact.digest, refit.digest, window, combination, config, statistics, rules)
    return job("bundle", "graph, certificate, bundle", inputs, build, LIBRARIES)
