"""The second stage's study: what it was worth beside the ensemble's own confidence, out of fold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.dataset import Panel
from models.ensemble.nested import Combination, compared_folds
from models.members.protocol import Progress
from models.statistics.bootstrap import Interval, TimeBlocks, mean_interval
from models.statistics.predictions import row_log_loss
from models.statistics.selective import highest, precision_difference, retrieval
from models.weights import effective_rows
from pipelines.arrays_json import read_document, write_document
from pipelines.config import RunConfig
from pipelines.estimate import Estimate
from pipelines.meta import AtShare, Choice, MetaScores, MetaStudy
from pipelines.stages.artefacts import Artefact, Draft, Job
from pipelines.stages.evaluate import Compared, estimate
from pipelines.stages.fit import Window
from pipelines.stages.score import Scored, load_scores
from pipelines.stages.score_study import score_study_job

Floats = NDArray[np.float64]
Chosen = NDArray[np.bool_]
STUDY = "meta.json"
SHARES = tuple(round(0.05 * number, 2) for number in range(1, 21))


def choice(found: dict[str, Interval]) -> Choice:
    """A choice's figures as the result writes them."""
    return Choice(**{name: estimate(one) for name, one in found.items()})


def meta_scores(
    ensemble: Floats, said: Floats, label: NDArray[np.int64], base: Floats, weight: Floats, blocks: TimeBlocks
) -> MetaScores:
    """What a second stage is worth on some rows.

    Parameters
    ----------
    ensemble, said
        The ensemble's probability, and how probably its side is right by the second stage, shape (n,).
    label, weight
        What happened, shape (n,), and each row's worth.
    base
        How often the side had been right where the second stage was fitted, shape (n,).
    blocks
        Of the same rows.
    """
    right = (ensemble >= 0.5) == (label > 0)
    happened, own = right.astype(np.int64), np.maximum(ensemble, 1.0 - ensemble)
    loss = row_log_loss(happened, said)

    def mean(values: Floats) -> Estimate:
        return estimate(mean_interval(values, weight, blocks))

    def at(coverage: float) -> AtShare:
        chosen = [highest(score, weight, coverage) for score in (own, said)]
        by_ensemble, by_meta = (choice(retrieval(one, right, weight, blocks)) for one in chosen)
        more = precision_difference(chosen[1], chosen[0], right, weight, blocks)
        return AtShare(coverage, by_ensemble, by_meta, estimate(more))

    acted: Chosen = said > 0.5
    return MetaScores(
        rows=len(label),
        effective=effective_rows(weight),
        right=mean(right.astype(np.float64)),
        gain=mean(row_log_loss(happened, base) - loss),
        over_ensemble=mean(row_log_loss(happened, own) - loss),
        curve=tuple(at(one) for one in SHARES),
        share=mean(acted.astype(np.float64)),
        acted=choice(retrieval(acted, right, weight, blocks)) if acted.any() else None,
    )


def study(scored: Sequence[Scored], combinations: Sequence[Combination], compared: Compared) -> MetaStudy:
    """The second stage of the compared folds that have one, on their decisions; ``scored`` of every fold."""
    chosen = list(compared_folds(len(scored)))
    has = [number for number in chosen if combinations[number].meta is not None]
    rows = np.concatenate([np.full(len(scored[number].index), number in has) for number in chosen])
    metas = [one for number in has if (one := combinations[number].meta) is not None]
    said = np.concatenate([scored[number].right for number in has])
    ensemble = np.concatenate([scored[number].probability for number in has])
    base = np.concatenate([np.full(len(scored[number].index), m.base) for number, m in zip(has, metas, strict=True)])
    outcomes, blocks = compared.outcomes.rows(rows), TimeBlocks(compared.blocks.cell[rows], compared.blocks.counts)
    last = metas[-1]
    found = meta_scores(ensemble, said, outcomes.label, base, outcomes.weight, blocks)
    return MetaStudy(last.sizing, last.inputs, last.weights, len(has), has[0] + 1, found)


def meta_job(
    config: RunConfig,
    panel_artefact: Artefact,
    panel: Panel,
    windows: Sequence[Window],
    scores: Sequence[Artefact],
    combinations: Sequence[Combination],
    compared: Compared,
) -> Job:
    """The study of a run's second stage, which follows from everything else that is given."""

    def build(draft: Draft, progress: Progress) -> None:
        progress("second stage", 0.3)
        scored = [load_scores(panel, *pair) for pair in zip(windows, scores, strict=True)]
        write_document(study(scored, combinations, compared), draft.folder, STUDY)

    about = (config, panel_artefact, windows, scores, combinations)
    return score_study_job("meta", "the second stage", *about, build)


def load_meta(artefact: Artefact) -> MetaStudy:
    """Read the study back."""
    return read_document(MetaStudy, artefact.path, STUDY)
