"""The summary stage: the run's result, from what the other stages made."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Any

import msgspec

from market.bars import missing_bars
from market.lake import Lake
from market.quality import check_bars
from market.universe import clipped
from models.bundle.bundle import Bundle
from models.ensemble.nested import Combination
from models.statistics.bootstrap import LEVEL
from models.weights import effective_rows
from pipelines import results
from pipelines.audit.findings import Audit
from pipelines.config import DataConfig, RunConfig
from pipelines.ensembles import EnsembleStudy
from pipelines.feature_study import FeatureStudy
from pipelines.importances import ImportanceStudy
from pipelines.laboratory import Laboratory
from pipelines.ledger.summary import TrialSummary
from pipelines.meta import MetaStudy
from pipelines.stages.artefacts import ROOT, Artefact
from pipelines.stages.data import DataFacts, SeriesFacts, read_series
from pipelines.stages.environment import code_digest
from pipelines.stages.evaluate import Compared, differences, learning, reliabilities, trained_on
from pipelines.stages.panel import load_panel, panel_facts
from pipelines.stages.performance import SHARPE_METHOD
from pipelines.toml import digest

PACKAGES = ("numpy", "numba", "onnxruntime", "torch", "lightgbm", "xgboost", "scikit-learn", "mlflow", "prefect")
OTHER_BUILDS = {"xgboost": "xgboost-cpu"}
"""The distribution of a package that the CPU locks install in its place: the same module without CUDA."""


def series_data(
    config: RunConfig, lake: Lake, facts: DataFacts, kinds: Mapping[str, str]
) -> tuple[results.SeriesData, ...]:
    """Each series with what the quality gates say of it; ``kinds`` by symbol."""
    found = []
    for fact in facts.series:
        bars = read_series(config.data, lake, fact.symbol)
        report = check_bars(bars, config.data.interval_ns)
        gaps = missing_bars(bars, config.data.interval_ns)
        findings = tuple(results.Finding(one.severity, one.code, one.count, one.message) for one in report.findings)
        found.append(
            results.SeriesData(
                symbol=fact.symbol,
                venue=config.data.venue,
                interval=config.data.interval,
                rows=fact.rows,
                start=fact.start,
                end=fact.end,
                gaps=int((gaps > 0).sum()),
                missing_bars=int(gaps[gaps > 0].sum()),
                fingerprint=fact.fingerprint,
                findings=findings,
                kind=kinds[fact.symbol],
                names=names(config.data, fact),
            )
        )
    return tuple(found)


def names(data: DataConfig, fact: SeriesFacts) -> tuple[results.Named, ...]:
    """What an instrument was called while its bars ran; nothing if that was its symbol, in one unit, all the time."""
    spans = clipped(data.spans(fact.symbol), fact.start, fact.end)
    if [one.symbol for one in spans] == [fact.symbol]:
        return ()
    return tuple(results.Named(one.symbol, one.start, one.stop or fact.end, str(one.multiplier)) for one in spans)


def git_commit() -> str | None:
    """The commit of the checkout this runs from, if it is one and git is there."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def installed_versions() -> dict[str, str]:
    """The versions of the packages that a result depends on, by the distribution that is installed."""
    return dict(_installed(name) for name in PACKAGES)


def _installed(name: str) -> tuple[str, str]:
    other = OTHER_BUILDS.get(name)
    if other is not None:
        with suppress(PackageNotFoundError):
            return other, version(other)
    return name, version(name)


def environment_digest() -> str:
    """A digest of every installed distribution and its version."""
    found = sorted({f"{one.name}=={one.version}" for one in distributions()})
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def new_run_id(config: RunConfig, created: int) -> str:
    """A run's folder name: when it was made and of what configuration."""
    moment = datetime.fromtimestamp(created / 1e9, UTC).strftime("%Y%m%dT%H%M%S")
    return f"{moment}-{hashlib.sha256((digest(config) + str(created)).encode()).hexdigest()[:8]}"


def compose_result(
    *,
    config: RunConfig,
    command: str,
    lake: Lake,
    facts: DataFacts,
    panel_artefact: Artefact,
    folds: tuple[results.Fold, ...],
    compared: Compared,
    predictors: tuple[results.Predictor, ...],
    fits: Sequence[Mapping[str, Artefact]],
    refit: Artefact,
    combination: Combination,
    bundle: Path,
    backtest: results.Backtest,
    stages: tuple[results.Stage, ...],
    trials: TrialSummary,
    laboratory: Laboratory,
    importance_study: ImportanceStudy | None,
    feature_study: FeatureStudy | None,
    ensemble_study: EnsembleStudy | None,
    meta_study: MetaStudy | None,
    audit: Audit | None,
    run_id: str,
    created: int,
) -> results.RunResult:
    """Everything a run found, as one value."""
    panel, about, found = load_panel(panel_artefact), panel_facts(panel_artefact), Bundle.load(bundle)
    curves, importances = learning(config, fits, refit)
    weights = () if combination.pool is None else combination.pool.weights
    raw: dict[str, Any] = msgspec.to_builtins(config)
    return results.RunResult(
        name=config.name,
        run_id=run_id,
        created=created,
        command=command,
        config=raw,
        config_digest=digest(config),
        versions=installed_versions(),
        git_commit=git_commit(),
        trained_through=facts.cut,
        stages=stages,
        sharpe_method=SHARPE_METHOD,
        data=series_data(config, lake, facts, {one.symbol: one.kind for one in found.instruments()}),
        features=results.FeatureList(about.columns, about.feature_digest, about.disabled, about.left_out, about.events),
        samples=results.SampleSummary(
            len(panel.samples),
            effective_rows(panel.samples.weight),
            float((panel.samples.label * panel.samples.weight).sum() / panel.samples.weight.sum()),
        ),
        folds=folds,
        comparison_rows=len(compared.outcomes.label),
        comparison_effective=effective_rows(compared.outcomes.weight),
        predictors=predictors,
        differences=differences(compared),
        reliability=reliabilities(compared),
        learning_curves=curves,
        importances=importances,
        importance_study=importance_study,
        feature_study=feature_study,
        ensemble_study=ensemble_study,
        meta_study=meta_study,
        weights=dict(zip(config.members, weights, strict=False)),
        trained_on=trained_on(config, refit),
        backtest=backtest,
        certificate=found.manifest.certificate,
        latency=results.Latency.attested(found.attestation),
        confidence=LEVEL,
        bundle=results.BundleInfo(config.name, None, found.digest, str(bundle)),
        trials=trials,
        laboratory=laboratory,
        audit=audit,
        lineage=results.Lineage(
            code_digest(),
            environment_digest(),
            {"features and labels": panel_artefact.digest, "final refit": refit.digest},
        ),
    )
