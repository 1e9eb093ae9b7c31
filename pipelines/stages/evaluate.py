"""The evaluate stage: every predictor on the same out-of-fold rows, with intervals, as the result's parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.dataset import Panel
from models.ensemble.config import EnsembleConfig
from models.ensemble.nested import Combination, FoldScores, combination_for, compared_folds
from models.ensemble.pools import pool_probability
from models.members import MEMBERS
from models.splitters import Fold
from models.statistics.bootstrap import Interval, TimeBlocks, time_blocks
from models.statistics.evaluation import Outcomes, loss_difference, score_intervals, scores
from models.statistics.predictions import reliability
from pipelines import results
from pipelines.config import RunConfig
from pipelines.predictions import OutOfFold
from pipelines.stages.artefacts import Artefact
from pipelines.stages.fit import load_record
from pipelines.stages.score import Scored

Floats = NDArray[np.float64]
TREES = ("lightgbm", "xgboost")
TREES_ONLY = "trees only"
STACKER = "stacker"
BLOCK_HORIZONS = 8
"""Length of a bootstrap block in label horizons."""
HISTOGRAM_BINS = 100


@dataclass(frozen=True, slots=True, eq=False)
class FoldPredictions:
    """One fold: its scored samples, and every predictor's probability on them by name."""

    fold: Fold
    scored: Scored
    outcomes: Outcomes
    predictors: Mapping[str, Floats]


def outcomes_of(panel: Panel, fold: Fold, scored: Scored) -> Outcomes:
    """What happened on a fold's scored rows, and the base rate of its training labels."""
    samples, index = panel.samples, scored.index
    base = float(np.average(samples.label[fold.train], weights=samples.weight[fold.train]))
    count = len(index)
    return Outcomes(
        label=samples.label[index],
        move=samples.move[index],
        weight=samples.weight[index],
        base=np.full(count, base),
        fold=np.full(count, fold.index),
    )


def nested_combinations(folds: Sequence[FoldScores], config: EnsembleConfig) -> list[Combination]:
    """What combines the members of each fold, nested forward in time."""
    found: list[Combination] = []
    for number, fold in enumerate(folds):
        found.append(combination_for(folds[:number], found, fold.test_start, config))
    return found


def nested_predictions(folds: Sequence[FoldScores], config: EnsembleConfig) -> list[Floats | None]:
    """What they say then; None for folds without a calibration."""
    made = nested_combinations(folds, config)
    return [None if one.calibration is None else one.apply(fold.members) for fold, one in zip(folds, made, strict=True)]


def trees_only(config: RunConfig, scored: Sequence[FoldScores]) -> list[Floats | None]:
    """The tree-only baseline: the same combination of the tree members alone."""
    columns = [number for number, name in enumerate(config.members) if name in TREES]
    if not columns:
        return [None] * len(scored)
    only = [FoldScores(fold.members[:, columns], fold.label, fold.weight, fold.t1, fold.test_start) for fold in scored]
    return nested_predictions(only, config.ensemble)


def fold_predictions(
    config: RunConfig,
    panel: Panel,
    folds: Sequence[Fold],
    scored: Sequence[Scored],
    combinations: Sequence[Combination],
) -> list[FoldPredictions]:
    """Every predictor that exists on each fold."""
    trees = trees_only(config, [one.fold_scores(panel.samples) for one in scored])
    found = []
    for fold, one, combination, tree in zip(folds, scored, combinations, trees, strict=True):
        predictors = {name: one.members[:, number] for number, name in enumerate(config.members)}
        if tree is not None:
            predictors[TREES_ONLY] = tree
        if combination.pool is not None:
            predictors[STACKER] = pool_probability(combination.pool, one.members)
        if combination.calibration is not None:
            predictors[results.ENSEMBLE] = one.probability
        found.append(FoldPredictions(fold, one, outcomes_of(panel, fold, one), predictors))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The rows on which all predictors exist: their samples, what happened, who said what, and blocks to resample."""

    index: NDArray[np.int64]
    outcomes: Outcomes
    predictors: Mapping[str, Floats]
    blocks: TimeBlocks


def compared_rows(config: RunConfig, panel: Panel, folds: Sequence[FoldPredictions]) -> Compared:
    """Join the folds on which all predictors exist."""
    chosen = [folds[number] for number in compared_folds(len(folds))]
    outcomes = Outcomes.joined([one.outcomes for one in chosen])
    predictors = {name: np.concatenate([one.predictors[name] for one in chosen]) for name in chosen[0].predictors}
    index = np.concatenate([one.scored.index for one in chosen])
    horizon = config.labels.horizon * panel.bar_length
    blocks = time_blocks(panel.samples.t0[index], horizon, BLOCK_HORIZONS, config.validation.draws, config.seed)
    return Compared(index, outcomes, predictors, blocks)


def out_of_fold(config: RunConfig, panel: Panel, compared: Compared) -> OutOfFold:
    """What every predictor said on the compared rows, as the run's folder keeps it."""
    samples, index, outcomes = panel.samples, compared.index, compared.outcomes
    return OutOfFold(
        venue=config.data.venue,
        symbols=tuple(series.symbol for series in panel.series),
        horizon=config.labels.horizon * panel.bar_length,
        instrument=samples.instrument[index].astype(np.int16),
        time=samples.t0[index],
        end=samples.t1[index],
        label=outcomes.label.astype(np.int8),
        weight=outcomes.weight,
        fold=outcomes.fold.astype(np.int16),
        probability=dict(compared.predictors),
    )


def estimate(interval: Interval) -> results.Estimate:
    """An interval as the result writes it."""
    return results.Estimate(interval.value, interval.low, interval.high)


def role(name: str) -> str:
    """What a predictor is in the report."""
    special = {results.ENSEMBLE: "ensemble", STACKER: "stacker", TREES_ONLY: "baseline"}
    return special.get(name, "member")


def predictors(compared: Compared) -> tuple[results.Predictor, ...]:
    """Every predictor with its scores and intervals."""
    found = []
    for name, probability in compared.predictors.items():
        intervals = score_intervals(compared.outcomes, probability, compared.blocks)
        found.append(
            results.Predictor(name, role(name), {key: estimate(one) for key, one in intervals.items()})  # type: ignore[arg-type]
        )
    return tuple(found)


def differences(compared: Compared) -> tuple[results.PairedDifference, ...]:
    """Each other predictor's log loss minus the ensemble's."""
    ours = compared.predictors[results.ENSEMBLE]
    return tuple(
        results.PairedDifference(
            name, "log_loss", estimate(loss_difference(compared.outcomes, other, ours, compared.blocks))
        )
        for name, other in compared.predictors.items()
        if name != results.ENSEMBLE
    )


def reliabilities(compared: Compared) -> tuple[results.Reliability, ...]:
    """Every predictor's reliability curve, and how often it predicted what."""
    found = []
    for name, probability in compared.predictors.items():
        predicted, observed, mass = reliability(compared.outcomes.label, probability, compared.outcomes.weight)
        histogram = np.histogram(probability, HISTOGRAM_BINS, (0.0, 1.0))[0].astype(np.int64)
        found.append(results.Reliability(name, predicted, observed, np.rint(mass).astype(np.int64), histogram))
    return tuple(found)


def last_learned(panel: Panel, fold: Fold) -> int:
    """When the last label ends that a fold learns from."""
    return int(panel.samples.t1[fold.train].max())


def purged(panel: Panel, fold: Fold) -> tuple[results.Span | None, int]:
    """From the first decision that was purged from a fold's training window to the test, and how many there were."""
    t0 = panel.samples.t0
    window = np.flatnonzero((t0 >= fold.train_start) & (t0 < fold.train_stop))
    removed = np.setdiff1d(window, fold.train, assume_unique=True)
    if len(removed) == 0:
        return None, 0
    return results.Span(int(t0[removed].min()), fold.test_start), len(removed)


def fold_results(panel: Panel, folds: Sequence[FoldPredictions]) -> tuple[results.Fold, ...]:
    """The folds' times, rows and scores."""
    compared = compared_folds(len(folds))
    return tuple(fold_result(panel, one, one.fold.index in compared) for one in folds)


def fold_result(panel: Panel, one: FoldPredictions, compared: bool) -> results.Fold:
    """One fold's times, rows and scores."""
    weight, fold = panel.samples.weight, one.fold
    removed, count = purged(panel, fold)
    return results.Fold(
        index=fold.index,
        train=(results.Span(fold.train_start, last_learned(panel, fold)),),
        test=results.Span(fold.test_start, fold.test_stop),
        train_rows=len(fold.train),
        train_effective=float(weight[fold.train].sum()),
        test_rows=len(one.scored.index),
        test_effective=float(weight[one.scored.index].sum()),
        scores={name: dict(scores(one.outcomes, probability)) for name, probability in one.predictors.items()},
        compared=compared,
        purged=removed,
        purged_rows=count,
    )


def learning_curve(fold: int, member: str, name: str, values: Sequence[float]) -> results.LearningCurve:
    """One recorded curve with where it begins and along what it runs."""
    facts = MEMBERS.facts(member)
    first = 0 if name in facts.before_training else 1
    return results.LearningCurve(fold, member, name, np.array(values), first, facts.axis)


def learning(
    config: RunConfig, fits: Sequence[Mapping[str, Artefact]], refit: Artefact
) -> tuple[tuple[results.LearningCurve, ...], tuple[results.Importance, ...]]:
    """The learning curves of every fit, and the importances averaged over the folds."""
    curves = [
        learning_curve(fold, name, curve, values)
        for fold, made in [*enumerate(fits), (-1, dict.fromkeys(config.members, refit))]
        for name in config.members
        for curve, values in load_record(made[name], name).curves.items()
    ]
    importances = []
    for name in config.members:
        tables = [load_record(made[name], name).importance for made in fits]
        if tables[0]:
            mean = {feature: float(np.mean([table.get(feature, 0.0) for table in tables])) for feature in tables[0]}
            importances.append(results.Importance(name, MEMBERS.facts(name).importance, mean))
    return tuple(curves), tuple(importances)


def trained_on(config: RunConfig, refit: Artefact) -> dict[str, str]:
    """Where the final refit of each member that may choose was made, and in which numbers if it may choose that too."""
    notes = {name: load_record(refit, name).notes for name in config.members}
    told = {name: [one[key] for key in ("device", "precision") if key in one] for name, one in notes.items()}
    return {name: ", ".join(one) for name, one in told.items() if one}
