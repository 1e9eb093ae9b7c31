"""The importance stage: what the fits of the folds make of their features, on test rows they have not seen.

Nothing is fitted again: each fold's members are read back as their libraries wrote them. The work is bounded by the
configuration, about ``folds · rows · repeats · features`` predictions a member, and each member is a job of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from models.dataset import Panel
from models.importance.clusters import Clusters
from models.importance.member_fold import spaced
from models.importance.panel import ANY_MEMBER, ImportanceSettings, MethodName, PanelImportances, panel_importances
from models.importance.shap import Contributions
from models.importance.stability import stability
from models.importance.table import Importances
from models.members.protocol import Progress
from models.splitters import purged_tail
from pipelines.arrays_json import read_document, write_document
from pipelines.config import RunConfig
from pipelines.importances import (
    NOBODY,
    SINGLE,
    Agreement,
    ExplainedRows,
    FeatureClusters,
    ImportanceStudy,
    ImportanceTable,
)
from pipelines.stages.artefacts import Artefact, Draft, Job, job
from pipelines.stages.environment import member_libraries
from pipelines.stages.fit import NATIVE, Window, load_fitted, training_samples
from pipelines.stages.panel import load_panel

Integers = NDArray[np.int64]
STUDY = "importance.json"
LEVEL = 0.95
ALONE: tuple[MethodName, ...] = ("mdi", "mda", "shap")
TOGETHER: tuple[MethodName, ...] = ("clustered_mdi", "clustered_mda", "clustered_shap")
FEWEST_TO_CLUSTER = 3
EXPLAINED = 300
"""The most rows whose SHAP values are kept for the picture; means are over all that were asked."""
LIBRARIES = ("numpy", "scipy", "scikit-learn")


class LoadedPanels(Sequence[Panel]):
    """The panels of some windows, each read when it is asked for."""

    def __init__(self, made: Sequence[Artefact]) -> None:
        self._made = made

    def __len__(self) -> int:
        return len(self._made)

    @overload
    def __getitem__(self, place: int) -> Panel: ...
    @overload
    def __getitem__(self, place: slice) -> LoadedPanels: ...
    def __getitem__(self, place: int | slice) -> Panel | LoadedPanels:
        return LoadedPanels(self._made[place]) if isinstance(place, slice) else load_panel(self._made[place])


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A fold as importance takes it: the samples its members learned from, and those they are asked about."""

    train: Integers
    test: Integers


def asked_folds(config: RunConfig, panel: Panel, windows: Sequence[Window]) -> list[Asked]:
    """The folds of a run, without the tails that stopped the fits."""
    t0 = panel.samples.t0
    return [
        Asked(
            purged_tail(panel.samples, training_samples(panel, window), config.validation.tail)[0],
            np.flatnonzero((t0 >= window.test_start) & (t0 < window.test_stop)),
        )
        for window in windows
    ]


def overlap(folds: Sequence[Asked]) -> float:
    """Test rows over training rows, of the fold that has most: what widens the intervals."""
    return max(len(fold.test) / len(fold.train) for fold in folds)


def settings_of(config: RunConfig, methods: tuple[MethodName, ...]) -> ImportanceSettings:
    """What is computed, as the configuration bounds it."""
    laboratory = config.laboratory
    return ImportanceSettings(
        methods=methods,
        rows=laboratory.importance_rows,
        repeats=laboratory.importance_repeats,
        sfi_rows=laboratory.importance_single_rows,
        seed=config.seed,
    )


def importance_jobs(
    config: RunConfig, panels: Sequence[Artefact], windows: Sequence[Window], fits: Sequence[Mapping[str, Artefact]]
) -> list[Job]:
    """A job for every member that can be read back, and one for the features by themselves; none if it is off."""
    if not config.laboratory.importance:
        return []
    found = [member_job(config, panels, windows, fits, name) for name in config.members if name in NATIVE]
    alone = [single_job(config, panels, windows)] if config.laboratory.importance_single_rows else []
    return found + alone


def member_job(
    config: RunConfig,
    panels: Sequence[Artefact],
    windows: Sequence[Window],
    fits: Sequence[Mapping[str, Artefact]],
    name: str,
) -> Job:
    """Permutation of features and clusters for one member; impurity and SHAP too if it has trees."""
    made = [fold[name] for fold in fits]

    def build(draft: Draft, progress: Progress) -> None:
        panel = load_panel(panels[0])
        folds = asked_folds(config, panel, windows)
        methods = ALONE + (TOGETHER if len(panel.feature_names) >= FEWEST_TO_CLUSTER else ())
        settings = settings_of(config, methods)
        found = panel_importances(
            LoadedPanels(panels), folds, {name: [load_fitted(one, name) for one in made]}, settings, progress
        )
        write_document(study_of(found, settings, overlap(folds)), draft.folder, STUDY)

    laboratory = config.laboratory
    inputs = (
        [one.digest for one in panels],
        windows,
        [one.digest for one in made],
        config.validation.tail,
        (laboratory.importance_rows, laboratory.importance_repeats),
        config.seed,
    )
    return job("importance", f"importance, {name}", inputs, build, (*LIBRARIES, *member_libraries([name])))


def single_job(config: RunConfig, panels: Sequence[Artefact], windows: Sequence[Window]) -> Job:
    """A small tree for each feature by itself."""

    def build(draft: Draft, progress: Progress) -> None:
        panel = load_panel(panels[0])
        folds, settings = asked_folds(config, panel, windows), settings_of(config, (SINGLE,))
        found = panel_importances(LoadedPanels(panels), folds, {}, settings, progress)
        write_document(study_of(found, settings, overlap(folds)), draft.folder, STUDY)

    laboratory = config.laboratory
    rows = (laboratory.importance_rows, laboratory.importance_single_rows)
    inputs = ([one.digest for one in panels], windows, config.validation.tail, rows, config.seed)
    return job("importance", "importance, single features", inputs, build, LIBRARIES)


def load_study(artefact: Artefact) -> ImportanceStudy:
    """Read what one job found."""
    return read_document(ImportanceStudy, artefact.path, STUDY)


def joined_studies(parts: Sequence[ImportanceStudy]) -> ImportanceStudy | None:
    """What several jobs of the same folds found, as one; None if there were none."""
    if not parts:
        return None
    first = parts[0]
    return ImportanceStudy(
        rows=first.rows,
        repeats=first.repeats,
        level=first.level,
        overlap=first.overlap,
        tables=tuple(table for part in parts for table in part.tables),
        clusters=next((part.clusters for part in parts if part.clusters is not None), None),
        explained=tuple(rows for part in parts for rows in part.explained),
    )


def study_of(found: PanelImportances, settings: ImportanceSettings, shared: float) -> ImportanceStudy:
    """Importances as the result keeps them."""
    return ImportanceStudy(
        rows=settings.rows,
        repeats=settings.repeats,
        level=LEVEL,
        overlap=shared,
        tables=tuple(table_of(member, method, one, shared) for (member, method), one in found.tables.items()),
        clusters=None if found.clusters is None else clusters_of(found.clusters),
        explained=tuple(explained_of(member, rows) for member, rows in found.contributions.items()),
    )


def table_of(member: str, method: str, table: Importances, shared: float) -> ImportanceTable:
    """One table with its intervals and the folds' agreement."""
    low, high = table.interval(LEVEL, shared)
    owner = NOBODY if member == ANY_MEMBER else member
    agreed = agreement_of(table)
    return ImportanceTable(owner, method, table.method, table.unit, table.names, table.values, low, high, agreed)


def agreement_of(table: Importances) -> Agreement | None:
    """How far the folds agree, if there are several, and several features."""
    if min(table.values.shape) < 2:
        return None
    found = stability(table)
    chance = found.overlap
    return Agreement(
        found.mean_rank_correlation,
        found.concordance.w,
        found.concordance.p_value,
        chance.k,
        chance.mean,
        chance.expected,
    )


def clusters_of(found: Clusters) -> FeatureClusters:
    """Clusters as the result keeps them."""
    return FeatureClusters(found.names, found.label, found.silhouette, found.distance)


def explained_of(member: str, found: Contributions) -> ExplainedRows:
    """Evenly spaced rows of those whose SHAP values are known."""
    rows = spaced(np.arange(len(found.values)), EXPLAINED)
    columns = (found.features, found.values, found.bias, found.margin, found.weight)
    return ExplainedRows(member, found.names, *(column[rows] for column in columns))
