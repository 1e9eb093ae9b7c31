"""The ensembles stage: the members combined in every way there is, and how far they differ.

Each way is nested forward in time like the run's own and is compared on the same rows. None is traded; a configuration
that takes one of them over is a trial of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.bundle.combination import Conformal
from models.ensemble.config import CALIBRATIONS, METHODS, EnsembleConfig
from models.ensemble.conformal import prediction_sets
from models.ensemble.nested import Combination, FoldScores, compared_folds
from models.errors import EnsembleError
from models.members.protocol import Progress
from models.statistics.bootstrap import LEVEL, mean_interval
from models.statistics.diversity import ambiguity, disagreement, error_correlation, gain_correlation
from models.statistics.evaluation import loss_difference, score_intervals
from pipelines.arrays_json import read_document, write_document
from pipelines.config import RunConfig
from pipelines.ensembles import Combined, Diversity, EnsembleStudy, Kind, Sets
from pipelines.estimate import Estimate
from pipelines.results import ENSEMBLE
from pipelines.stages.artefacts import Artefact, Draft, Job
from pipelines.stages.claims import claims
from pipelines.stages.evaluate import Compared, estimate, nested_combinations
from pipelines.stages.fit import Window
from pipelines.stages.score_study import LIBRARIES, score_study_job

Floats = NDArray[np.float64]
STUDY = "ensembles.json"
COVERAGES = (0.6, 0.7, 0.8, 0.9)


def ways(config: EnsembleConfig) -> dict[str, tuple[Kind, EnsembleConfig]]:
    """Every pool with the run's calibration, every calibration of the run's pool: kind and configuration by name."""
    pools: dict[str, tuple[Kind, EnsembleConfig]] = {
        one: ("pool", msgspec.structs.replace(config, method=one)) for one in METHODS
    }
    calibrations: dict[str, tuple[Kind, EnsembleConfig]] = {
        one: ("calibration", msgspec.structs.replace(config, calibration=one)) for one in (*CALIBRATIONS, "auto")
    }
    return pools | calibrations


def combined(
    name: str, kind: Kind, way: EnsembleConfig, config: RunConfig, folds: Sequence[FoldScores], compared: Compared
) -> Combined:
    """One way to combine the members, on the comparison rows.

    Raises
    ------
    EnsembleError
        If the rows do not allow it.
    """
    made = nested_combinations(folds, way)
    chosen = compared_folds(len(folds))
    probability = np.concatenate([made[number].apply(folds[number].members) for number in chosen])
    ours = compared.predictors[ENSEMBLE]
    scores = score_intervals(compared.outcomes, probability, compared.blocks)
    last = made[-1].pool
    return Combined(
        name,
        kind,
        way == config.ensemble,
        {key: estimate(one) for key, one in scores.items()},
        estimate(loss_difference(compared.outcomes, probability, ours, compared.blocks, LEVEL)),
        {} if last is None else dict(zip(config.members, last.weights, strict=True)),
    )


def diversity(members: Sequence[str], compared: Compared) -> Diversity:
    """How far the members differ on the comparison rows."""
    outcomes = compared.outcomes
    said: Floats = np.column_stack([compared.predictors[name] for name in members])
    parts = ambiguity(outcomes.label, said, outcomes.weight)
    return Diversity(
        tuple(members),
        error_correlation(outcomes.label, said, outcomes.weight),
        gain_correlation(outcomes.label, said, outcomes.base, outcomes.weight),
        disagreement(said, outcomes.weight),
        parts.members,
        parts.ambiguity,
        parts.ensemble,
    )


def sets(coverage: float, config: RunConfig, folds: Sequence[FoldScores], compared: Compared) -> Sets:
    """The prediction sets of the run's ensemble at one coverage, on the compared folds that have them."""
    made = nested_combinations(folds, msgspec.structs.replace(config.ensemble, coverage=coverage, one_sided=False))
    held, has = [], []
    for number in compared_folds(len(folds)):
        conformal, probability = made[number].conformal, made[number].apply(folds[number].members)
        has.append(np.full(len(probability), conformal is not None))
        held.append(prediction_sets(conformal or Conformal(coverage, 0.0), probability))
    inside, label = np.concatenate(held), compared.outcomes.label > 0
    weight, size = compared.outcomes.weight * np.concatenate(has), inside.sum(axis=1)
    happened = np.where(label, inside[:, 1], inside[:, 0]).astype(np.float64)

    def share(values: Floats, among: Floats) -> Estimate:
        if not among.sum() > 0.0:
            return Estimate(None)
        return estimate(mean_interval(values, among, compared.blocks))

    return Sets(
        coverage,
        share(happened, weight),
        share((size == 1).astype(np.float64), weight),
        share(happened, weight * (size == 1)),
        float(np.average(size == 0, weights=weight)),
    )


def study(config: RunConfig, folds: Sequence[FoldScores], compared: Compared, progress: Progress) -> EnsembleStudy:
    """All ways, and why some are not possible."""
    found, refused = [], {}
    wanted = ways(config.ensemble)
    for number, (name, (kind, way)) in enumerate(wanted.items()):
        progress(f"combining: {name}", number / len(wanted))
        try:
            found.append(combined(name, kind, way, config, folds, compared))
        except EnsembleError as error:
            refused[name] = str(error)
    levels = sorted({*COVERAGES, config.ensemble.coverage})
    conformal = tuple(sets(one, config, folds, compared) for one in levels)
    members = tuple(config.members)
    found_claims = claims(members, compared)
    return EnsembleStudy(tuple(found), diversity(members, compared), refused, conformal, found_claims, LEVEL)


def ensembles_job(
    config: RunConfig,
    panel_artefact: Artefact,
    windows: Sequence[Window],
    scores: Sequence[Artefact],
    combinations: Sequence[Combination],
    folds: Sequence[FoldScores],
    compared: Compared,
) -> Job:
    """The study of a run's out-of-fold scores, which follow from everything else that is given."""

    def build(draft: Draft, progress: Progress) -> None:
        write_document(study(config, folds, compared, progress), draft.folder, STUDY)

    about = (config, panel_artefact, windows, scores, combinations)
    return score_study_job(
        "ensembles", "other ways to combine the members", *about, build, (*LIBRARIES, "scikit-learn")
    )


def load_ensembles(artefact: Artefact) -> EnsembleStudy:
    """Read the study back."""
    return read_document(EnsembleStudy, artefact.path, STUDY)
