"""The importances of a training: its own members, on its own purged folds, at a bounded cost.

Members are judged on the test rows of their fold, which they have not seen. One call costs about
``folds · rows · repeats · features`` predictions a member for MDA, and ``folds · rows`` explained rows for SHAP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import msgspec
import numpy as np

from models.dataset import Panel
from models.errors import ModelError
from models.importance.boosters import gain_shares, is_booster
from models.importance.clusters import Clustering, Clusters, cluster_features
from models.importance.distance import DistanceName
from models.importance.folds import Split
from models.importance.groups import FeatureGroups, each_alone
from models.importance.mda import permutation
from models.importance.mdi import fits_mdi
from models.importance.member_fold import PanelFold, member_fold, spaced
from models.importance.score import ScoreName
from models.importance.sfi import sfi
from models.importance.shap import Contributions, contributions, joined, mean_absolute_shap
from models.importance.table import Importances
from models.members.protocol import FittedMember, Member, Progress

MethodName = Literal["mdi", "mda", "shap", "clustered_mdi", "clustered_mda", "clustered_shap", "sfi"]
ANY_MEMBER = ""
"""The member's name in the key of a method that asks none of them (`sfi`)."""


class ImportanceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is computed and how much of it.

    ``methods``: which. ``rows``: the most test rows of a fold, evenly spaced. ``repeats``: permutations that are
    averaged. ``score``: of MDA and SFI. ``distance``, ``clustering``: how features are clustered, over at most
    ``cluster_rows`` samples. ``sfi_rows``: the most training rows of a single feature's tree. ``seed``: of permutations
    and clusters.
    """

    methods: tuple[MethodName, ...] = ("mdi", "mda", "shap", "clustered_mdi", "clustered_mda", "clustered_shap", "sfi")
    rows: int = 2000
    repeats: int = 2
    score: ScoreName = "log_loss"
    distance: DistanceName = "rank_correlation"
    clustering: Clustering = "linkage"
    cluster_rows: int = 5000
    sfi_rows: int = 8000
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class PanelImportances:
    """Tables by (member, method), the clusters that were used, and the SHAP values of each tree member's test rows.

    The member of ``sfi`` is the empty name: each feature has a small tree of its own.
    """

    tables: Mapping[tuple[str, MethodName], Importances]
    clusters: Clusters | None
    contributions: Mapping[str, Contributions]


def fit_folds(
    panel: Panel, folds: Sequence[PanelFold], members: Mapping[str, Member], tail: float = 0.15, seed: int = 0
) -> dict[str, list[FittedMember]]:
    """Fit members on each fold's training samples, stopped early by a purged tail of them.

    Parameters
    ----------
    panel, folds
        The panel and its purged folds.
    members
        By name.
    tail
        The share of the training time that stops the fit.
    seed
        Of fold k: ``seed + k``.

    Raises
    ------
    SplitError, MemberError
        If a fold is too short, or there is nothing to learn from.
    """
    from models.splitters import purged_tail

    parts = [purged_tail(panel.samples, fold.train, tail) for fold in folds]
    return {
        name: [member.fit(panel, train, last, seed + number) for number, (train, last) in enumerate(parts)]
        for name, member in members.items()
    }


def panel_importances(
    panel: Panel | Sequence[Panel],
    folds: Sequence[PanelFold],
    fits: Mapping[str, Sequence[FittedMember]],
    settings: ImportanceSettings | None = None,
    progress: Progress | None = None,
) -> PanelImportances:
    """Every wanted importance of every member that has it.

    Parameters
    ----------
    panel, folds
        What the members were fitted on; rows are permuted within an instrument. A panel for each fold where features
        are fitted to the fold; they differ in such columns only.
    fits
        For each member's name, its fit on each fold.
    settings
        Which methods, and how many rows.
    progress
        Told what is going on.

    Returns
    -------
    PanelImportances
        MDI and SHAP of boosters that split at all; MDA of every member.

    Raises
    ------
    ModelError
        If a member has not one fit a fold, or there is not one panel a fold.

    Examples
    --------
    >>> from models.members import MEMBERS
    >>> from models.members.planted import planted
    >>> from models.splitters import PurgedWalkForward
    >>> panel = planted(seed=3, rows=600).panel
    >>> samples = panel.samples
    >>> folds = PurgedWalkForward(2, samples.t0, samples.t1, int(samples.t0.max()) // 2).folds()
    >>> fits = fit_folds(panel, folds, {"linear": MEMBERS["linear"]()})
    >>> found = panel_importances(panel, folds, fits, ImportanceSettings(methods=("mda",), rows=200))
    >>> found.tables["linear", "mda"].sorted(2).names
    ('x_0', 'x_1')
    """
    settings = ImportanceSettings() if settings is None else settings
    for name, fitted in fits.items():
        if len(fitted) != len(folds):
            raise ModelError(
                f"{name} was fitted {len(fitted)} times, but there are {len(folds)} folds; give one fit a fold"
            )
    panels = [panel] * len(folds) if isinstance(panel, Panel) else panel
    if len(panels) != len(folds):
        raise ModelError(f"{len(panels)} panels were given for {len(folds)} folds; give one a fold")
    clusters = (
        panel_clusters(panels[-1], settings) if any(name.startswith("clustered") for name in settings.methods) else None
    )
    explained = _explained(panels, folds, fits, settings) if {"shap", "clustered_shap"} & set(settings.methods) else {}
    jobs = _jobs(panels, folds, fits, settings, clusters, explained)
    tables: dict[tuple[str, MethodName], Importances] = {}
    for number, (key, compute) in enumerate(jobs.items()):
        if progress is not None:
            progress(f"importance: {' '.join(key).strip()}", number / len(jobs))
        tables[key] = compute()
    return PanelImportances(tables, clusters, {name: joined(parts) for name, parts in explained.items()})


def panel_clusters(panel: Panel, settings: ImportanceSettings) -> Clusters:
    """Clusters of a panel's features over evenly spaced samples; labels are not looked at."""
    index = spaced(np.arange(len(panel.samples)), settings.cluster_rows)
    features, names = panel.rows(index), panel.feature_names
    return cluster_features(features, names, settings.distance, settings.clustering, seed=settings.seed)


def _jobs(
    panels: Sequence[Panel],
    folds: Sequence[PanelFold],
    fits: Mapping[str, Sequence[FittedMember]],
    settings: ImportanceSettings,
    clusters: Clusters | None,
    explained: Mapping[str, Sequence[Contributions]],
) -> dict[tuple[str, MethodName], Callable[[], Importances]]:
    """What is to be computed, in order."""
    names = panels[0].feature_names
    jobs: dict[tuple[str, MethodName], Callable[[], Importances]] = {}
    for method in settings.methods:
        groups = clusters.groups if clusters is not None and method.startswith("clustered") else each_alone(names)
        kind = method.removeprefix("clustered_")
        if kind == "sfi":
            jobs[ANY_MEMBER, method] = partial(_sfi, panels, folds, settings)
        for name, fitted in fits.items():
            if kind == "mda":
                jobs[name, method] = partial(_mda, panels, folds, fitted, groups, settings)
            elif kind == "mdi" and _splits(fitted, len(names)):
                jobs[name, method] = partial(fits_mdi, fitted, names, groups)
            elif kind == "shap" and name in explained:
                jobs[name, method] = partial(mean_absolute_shap, explained[name], groups)
    return jobs


def _mda(
    panels: Sequence[Panel],
    folds: Sequence[PanelFold],
    fitted: Sequence[FittedMember],
    groups: FeatureGroups,
    settings: ImportanceSettings,
) -> Importances:
    scored = (
        member_fold(panel, fold, one, settings.rows) for panel, fold, one in zip(panels, folds, fitted, strict=True)
    )
    return permutation(scored, groups, settings.score, settings.repeats, settings.seed)


def _sfi(panels: Sequence[Panel], folds: Sequence[PanelFold], settings: ImportanceSettings) -> Importances:
    """A tree of at most eight leaves for each feature: enough for a bend, too little to remember rows."""
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(max_leaf_nodes=8, min_weight_fraction_leaf=0.05, random_state=settings.seed)
    tables = []
    for panel, fold in zip(panels, folds, strict=True):
        train, test = spaced(fold.train, settings.sfi_rows), spaced(fold.test, settings.rows)
        index = np.concatenate([train, test])
        split: Split = (np.arange(len(train)), np.arange(len(train), len(index)))
        tables.append(
            sfi(
                tree,
                panel.rows(index),
                panel.samples.label[index],
                [split],
                names=panel.feature_names,
                sample_weight=panel.samples.weight[index],
                score=settings.score,
            )
        )
    return replace(tables[0], values=np.concatenate([one.values for one in tables]))


def _explained(
    panels: Sequence[Panel],
    folds: Sequence[PanelFold],
    fits: Mapping[str, Sequence[FittedMember]],
    settings: ImportanceSettings,
) -> dict[str, list[Contributions]]:
    """SHAP values of evenly spaced test rows, by every tree member."""
    rows = [spaced(fold.test, settings.rows) for fold in folds]
    return {
        name: [
            contributions(one, panel.rows(index), panel.feature_names, panel.samples.weight[index])
            for panel, one, index in zip(panels, fitted, rows, strict=True)
        ]
        for name, fitted in fits.items()
        if all(is_booster(one) for one in fitted)
    }


def _splits(fitted: Sequence[FittedMember], features: int) -> bool:
    """Whether these are boosters, and any of them found something to split on."""
    return all(is_booster(one) for one in fitted) and any(gain_shares(one, features).any() for one in fitted)
