"""The judgement: what is left of a strategy's result once everything that was tried is counted.

What others did with the same data is in the ledger and changes between two runs of one configuration, so nothing here
is cached.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from market.time import DAYS_PER_YEAR
from models.statistics.pbo import overfitting
from models.statistics.resampling import counts_of, stationary_indices
from models.statistics.sharpe import (
    deflated_sharpe,
    expected_best_sharpe,
    moments,
    probabilistic_sharpe,
    sharpe_ratio,
    varies,
)
from models.statistics.snooping import reality_check, stepdown, superior_ability
from pipelines.config import LaboratoryConfig, RunConfig
from pipelines.laboratory import Deflated, Laboratory, Overfitting, Paths, Regime, Sensitivity, Snooping, Strategy
from pipelines.ledger.summary import TrialSummary
from pipelines.results import ENSEMBLE
from pipelines.stages.artefacts import Artefact
from pipelines.stages.performance import sharpe_estimates
from pipelines.stages.redrawn import block_length, total_return
from pipelines.stages.strategies import HELD

Floats = NDArray[np.float64]
PREDICTORS, TRIALS = "the predictors of this run", "the different trials in the ledger"
CASH = "cash"
ALIKE = 0.95
"""Correlation of daily returns above which two trials are one strategy."""


def load_strategies(artefact: Artefact) -> tuple[Strategy, ...]:
    """Every predictor's trading, from the strategies stage."""
    about = artefact.json("strategies")
    found = []
    for number, name in enumerate(about["names"]):
        returns = artefact.array(f"returns-{number}")
        total, sharpe, trades = total_return(returns), sharpe_estimates(returns)[1], about["trades"][name]
        found.append(
            Strategy(name, sharpe, trades, returns, total_return=total.value, total_return_interval=total.bounds)
        )
    return tuple(found)


def load_sensitivities(artefact: Artefact) -> tuple[Sensitivity, ...]:
    """The ensemble's trading in other worlds."""
    found = []
    for number, (costs, latency) in enumerate(artefact.json("strategies")["worlds"]):
        returns = artefact.array(f"world-{number}")
        total, sharpe = total_return(returns), sharpe_estimates(returns)[1]
        found.append(Sensitivity(costs, latency, sharpe, total_return=total.value, total_return_interval=total.bounds))
    return tuple(found)


def judged_overfitting(among: str, returns: Floats, wanted: int) -> Overfitting | None:
    """CSCV over some strategies' returns (days, strategies); None where there is too little to split.

    As many blocks as are wanted, or as leave at least ten days in each.
    """
    moving = np.array([varies(column) for column in returns.T], np.bool_)
    blocks = min(wanted, len(returns) // 10 // 2 * 2)
    if moving.sum() < 2 or blocks < 4:
        return None
    found = overfitting(returns[:, moving], blocks)
    logits, loss = found.logits, float(found.probability_of_loss)
    return Overfitting(among, int(moving.sum()), len(returns), blocks, found.probability, loss, logits)


def unlike(returns: Floats, limit: float = ALIKE) -> Floats:
    """The strategies (days, strategies) without those that are nearly one of the later ones: the last of each kind.

    Which of two twins is the better one is a coin's toss, in sample and out of it: left in, they push the probability
    of overfitting towards one half, whatever they are worth.
    """
    moving = [column for column in returns.T if varies(column)]
    kept: list[Floats] = []
    for column in reversed(moving):
        if all(np.corrcoef(column, other)[0, 1] <= limit for other in kept):
            kept.append(column)
    return np.column_stack(kept[::-1]) if kept else returns[:, :0]


def deflated(returns: Floats, trials: TrialSummary) -> Deflated:
    """The Sharpe ratio against the luck of all trials.

    The spread of the trials' Sharpe ratios is the ledger's, and at least that of estimates of a ratio of zero over as
    many days: few trials show too little of it.
    """
    if not varies(returns):
        return Deflated(None, None, None, None, None)
    count, value, shape = len(returns), sharpe_ratio(returns), moments(returns)
    variance = max(trials.sharpe_variance or 0.0, 1.0 / count)
    year = DAYS_PER_YEAR**0.5
    return Deflated(
        luck=float(expected_best_sharpe(trials.effective, variance)) * year,
        spread=variance**0.5 * year,
        probabilistic=probabilistic_sharpe(value, count, *shape),
        deflated=deflated_sharpe(value, count, *shape, trials.effective, variance),
        by_all=deflated_sharpe(value, count, *shape, trials.distinct, variance),
    )


def snooping(strategies: Sequence[Strategy], held: Floats, config: LaboratoryConfig, seed: int) -> list[Snooping]:
    """Whether the best strategy beats cash, holding, and the linear baseline, after looking at all of them."""
    by_name = {one.name: one.returns for one in strategies}
    benchmarks: Mapping[str, Floats] = {CASH: np.zeros(len(held)), HELD: held}
    if "linear" in by_name and len(by_name) > 1:
        benchmarks = {**benchmarks, "linear": by_name["linear"]}
    drawn = stationary_indices(len(held), block_length(len(held)), config.draws, np.random.default_rng(seed))
    counts = counts_of(drawn)
    found = []
    for name, benchmark in benchmarks.items():
        excess = {one: returns - benchmark for one, returns in by_name.items() if one != name}
        chosen = {one: values for one, values in excess.items() if varies(values)}
        if chosen and len(held) >= 3:
            found.append(_tested(name, tuple(chosen), np.column_stack(list(chosen.values())), counts))
    return found


def _tested(benchmark: str, names: tuple[str, ...], excess: Floats, counts: NDArray[np.int64]) -> Snooping:
    check, ability = reality_check(excess, counts), superior_ability(excess, counts)
    superior = tuple(names[one] for one in stepdown(excess, counts).better())
    return Snooping(
        benchmark,
        names[check.best],
        check.p_value,
        ability.consistent,
        ability.lower,
        ability.upper,
        superior,
    )


def judge(
    config: RunConfig,
    artefact: Artefact,
    paths: Artefact | None,
    trials: TrialSummary,
    others: Floats,
    regimes: tuple[Regime, ...],
) -> Laboratory:
    """Everything the laboratory says.

    Parameters
    ----------
    artefact, paths
        Of the strategies and the paths stage.
    trials, others
        The ledger's count for the backtest's stretch, and the daily returns of its distinct trials there,
        shape (days, trials).
    """
    strategies, held = load_strategies(artefact), artefact.array("held")
    table = np.column_stack([one.returns for one in strategies])
    blocks = config.laboratory.blocks
    found = [judged_overfitting(PREDICTORS, table, blocks), judged_overfitting(TRIALS, unlike(others), blocks)]
    ensemble = next(one for one in strategies if one.name == ENSEMBLE)
    return Laboratory(
        strategies=strategies,
        days=artefact.array("days"),
        paths=None if paths is None else msgspec.convert(paths.json("paths"), Paths),
        overfitting=tuple(one for one in found if one is not None),
        deflated=deflated(ensemble.returns, trials),
        snooping=tuple(snooping(strategies, held, config.laboratory, config.seed)),
        sensitivities=load_sensitivities(artefact),
        regimes=regimes,
    )
