"""What a promotion is judged on, gathered on the day: the run's result, the ledger, the newest bars, the champion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from features.errors import FeatureError
from market.errors import MarketError
from market.lake import Lake
from models.bundle.bundle import Bundle
from models.bundle.errors import BundleError
from models.errors import ModelError
from pipelines.behind import Scored, labelled, scored_stream
from pipelines.config import RunConfig
from pipelines.errors import StageError
from pipelines.gates.config import GateConfig
from pipelines.gates.drift import Drift, measure_drift, newest_rows, training_rows
from pipelines.gates.latency import Latency, measure_latency
from pipelines.gates.rivals import Lead, lead, matched
from pipelines.gates.strategies import compared_returns, earned, unlike_markets
from pipelines.gates.trials import as_of_now
from pipelines.ledger.errors import LedgerError
from pipelines.ledger.store import Ledger
from pipelines.results import RESULT_FILE, RunResult
from pipelines.workspace import Workspace
from serving.config import ModelConfig, ServeConfig, SourceConfig
from serving.errors import NotReadyError

CHAMPION = "the champion"
BASE_RATE = "the base rate"
"""What a model is compared with: rivals."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a champion's gates look at; what there is too little of is a text that says why.

    ``result``: as the run left it; ``now``: the same with the ledger of today. ``rival``: `CHAMPION`, or `BASE_RATE`
    where there is none. ``lead``: in log loss. ``earned``: in net return; None without a champion, which trades.
    ``moment``: of the promotion, ns UTC.
    """

    result: RunResult
    now: RunResult | LedgerError
    rival: str
    lead: Lead | str
    earned: Lead | str | None
    latency: Latency
    drift: Drift | str
    moment: int
    config: GateConfig


def find_result(runs: Path, digest: str) -> RunResult | None:
    """The newest result below a workspace's runs that made a bundle of this digest."""
    needle = digest.encode()
    found = [path.parent for path in runs.glob(f"*/{RESULT_FILE}") if needle in path.read_bytes()]
    results = [result for result in map(RunResult.load, found) if result.bundle and result.bundle.digest == digest]
    return max(results, key=lambda result: result.created, default=None)


def gather(
    bundle: Bundle, champion: Bundle | str | None, workspace: Workspace, config: GateConfig, moment: int
) -> Evidence | None:
    """Everything a champion's gates look at; None if the workspace has no run that made the bundle.

    Parameters
    ----------
    champion
        The one there is, or why it cannot be read; None if there is none.
    moment
        Of the promotion, ns UTC.
    """
    result = find_result(workspace.runs, bundle.digest)
    if result is None:
        return None
    run = msgspec.convert(result.config, RunConfig)
    scored = newest(bundle, run, workspace)
    led_in_loss, led_in_money = ahead(bundle, champion, scored, run, result.samples.base_rate, workspace, config)
    return Evidence(
        result=result,
        now=today(result, workspace),
        rival=BASE_RATE if champion is None else CHAMPION,
        lead=led_in_loss,
        earned=led_in_money,
        latency=measure_latency(bundle),
        drift=drifted(bundle, scored, run, workspace, config),
        moment=moment,
        config=config,
    )


def today(result: RunResult, workspace: Workspace) -> RunResult | LedgerError:
    """The result with the ledger of today, or why there is none."""
    try:
        return as_of_now(result, Ledger.open(workspace))
    except LedgerError as error:
        return error


def newest(bundle: Bundle, run: RunConfig, workspace: Workspace) -> Scored | str:
    """The bars of the run's instruments behind the bundle's data, scored, whatever stop the run had; or why not."""
    source = SourceConfig(venue=run.data.venue, listings=run.data.listings)
    live = ServeConfig(name="gates", model=ModelConfig(folder=str(bundle.folder)), source=source)
    try:
        return scored_stream(bundle, live, workspace)
    except (NotReadyError, MarketError, FeatureError, BundleError) as error:
        return str(error)


def ahead(
    bundle: Bundle,
    champion: Bundle | str | None,
    scored: Scored | str,
    run: RunConfig,
    base_rate: float,
    workspace: Workspace,
    config: GateConfig,
) -> tuple[Lead | str, Lead | str | None]:
    """How far the bundle leads its rival in log loss and in net return, or why that cannot be said.

    Both behind everything that either has seen. The base rate trades nothing.
    """
    if isinstance(scored, str):
        return scored, None if champion is None else scored
    if champion is None:
        ours = labelled(bundle, scored)
        return lead(ours, np.full(len(ours), base_rate), config), None
    theirs = champion if isinstance(champion, str) else newest(champion, run, workspace)
    if isinstance(champion, str) or isinstance(theirs, str):
        return str(theirs), str(theirs)
    return in_loss(bundle, scored, champion, theirs, config), in_money(bundle, scored, champion, theirs, run, config)


def in_loss(bundle: Bundle, scored: Scored, champion: Bundle, theirs: Scored, config: GateConfig) -> Lead | str:
    """How much lower the log loss of the bundle is than the champion's."""
    if different := unlike_labels(bundle, champion):
        return f"the two models do not answer the same question: they differ in {different}"
    mine, other = matched(labelled(bundle, scored), labelled(champion, theirs))
    return lead(mine, other.probability, config)


def in_money(
    bundle: Bundle, scored: Scored, champion: Bundle, theirs: Scored, run: RunConfig, config: GateConfig
) -> Lead | str:
    """How much more the bundle's strategy earns a day than the champion's, both by the rules of the bundle's run."""
    if different := unlike_markets(bundle, champion):
        return f"the two models do not trade the same markets: they differ in {different}"
    begin = max(one.manifest.training.trained_through for one in (bundle, champion))
    ours, rival = earned(bundle, scored, run, begin), earned(champion, theirs, run, begin)
    if ours is None or rival is None:
        return "there are no bars behind what both models have seen"
    return compared_returns(ours, rival, labelled(bundle, scored).horizon, config)


def unlike_labels(one: Bundle, other: Bundle) -> str:
    """In what the questions of two models differ, in words; empty if their labels mean the same."""
    ours, theirs = one.manifest, other.manifest
    pairs: dict[str, tuple[object, object]] = {
        "labels": (ours.label, theirs.label),
        "volatility": (ours.volatility, theirs.volatility),
        "bars": (ours.features.bars_name, theirs.features.bars_name),
    }
    return ", ".join(name for name, (left, right) in pairs.items() if left != right)


def drifted(
    bundle: Bundle, scored: Scored | str, run: RunConfig, workspace: Workspace, config: GateConfig
) -> Drift | str:
    """How far the newest bars are from the training data, or why that cannot be said."""
    if isinstance(scored, str):
        return scored
    training, names = bundle.manifest.training, bundle.manifest.features.names
    try:
        train = training_rows(bundle, run, Lake(workspace.lake))
    except (StageError, MarketError, FeatureError, ModelError) as error:
        return f"the training data cannot be read again: {error}"
    newest = newest_rows(scored.series, training.trained_through, len(names))
    found = measure_drift(names, *train, *newest, config.stretches)
    return found or f"{len(newest[0]):,} rows behind {len(train[0]):,} of training are too few to compare"
